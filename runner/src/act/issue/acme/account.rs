//! The account at the authority: made once, kept below the certificate root.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use instant_acme::{Account, AccountCredentials, ExternalAccountKey, NewAccount};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use super::client::Client;
use super::error::{AcmeError, AcmeErrorClass as Class};
use super::nonce::with_fresh_nonces;
use crate::act::durable::replace;
use crate::config::Settings;

/// What is kept of an account. It has no `Debug`, for its key is in it.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The directory URL of the authority that knows it.
    directory: String,
    /// Its URL there.
    id: String,
    /// The address that the authority was told.
    contact: String,
    credentials: AccountCredentials,
}

/// Where the account of this authority is kept: each has its own, staging and
/// production too.
fn file_of(settings: &Settings) -> PathBuf {
    let hash = Sha256::digest(settings.acme_directory.as_bytes());
    let name: String = hash
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let accounts = settings.certificate_root.join("accounts/rollover");
    accounts.join(name).join("account.json")
}

/// The account, made if there is none yet.
///
/// # Errors
/// When the authority does not make one, or what is kept cannot be used: it is
/// never written over.
pub(super) async fn account(settings: &Settings, client: &Client) -> Result<Account, AcmeError> {
    let file = file_of(settings);
    match read(&file)? {
        Some(kept) => again(settings, client, &file, kept).await,
        None => create(settings, client, &file).await,
    }
}

/// Puts aside the account `id`, of which the authority says that it does not know
/// it, so that the next call makes another. It is kept, for the authority may be
/// wrong.
pub(super) fn set_aside(settings: &Settings, id: &str) -> Result<(), AcmeError> {
    let file = file_of(settings);
    // Another attempt may have been quicker.
    if read(&file)?.is_none_or(|kept| kept.id != id) {
        return Ok(());
    }
    let aside = file.with_file_name("account.json.unknown");
    fs::rename(&file, &aside).map_err(|error| local("set aside", &file, &error))?;
    warn!(
        "the authority does not know the account {id} any more; it is kept as {}",
        aside.display()
    );
    Ok(())
}

/// Gives the account another key, and keeps it.
pub(super) async fn roll_key(settings: &Settings, client: &Client) -> Result<(), AcmeError> {
    let file = file_of(settings);
    let Some(kept) = read(&file)? else {
        let why = format!("there is none in {}", file.display());
        return Err(AcmeError::new(Class::Local, "find the account", why));
    };
    let (id, contact) = (kept.id.clone(), kept.contact.clone());
    let mut account = again(settings, client, &file, kept).await?;
    // Seen before the authority is told: a key that cannot be kept is lost.
    keep_as_it_is(&file)?;
    let credentials = with_fresh_nonces(async || account.update_key().await)
        .await
        .map_err(|error| AcmeError::of("change the account's key", &error, &client.heard()))?;
    keep(settings, &file, id, contact, credentials)
}

/// Sees that the file can be written.
fn keep_as_it_is(file: &Path) -> Result<(), AcmeError> {
    let content = fs::read(file).map_err(|error| local("read", file, &error))?;
    replace(file, &content, 0o600).map_err(|error| local("write", file, &error))
}

async fn again(
    settings: &Settings,
    client: &Client,
    file: &Path,
    kept: Kept,
) -> Result<Account, AcmeError> {
    let account = Account::builder_with_http(Box::new(client.clone()))
        .from_credentials(kept.credentials)
        .await
        .map_err(|error| AcmeError::of("read the ACME directory", &error, &client.heard()))?;
    if kept.contact != settings.acme_contact {
        tell_contact(settings, client, &account).await?;
        // Read anew, because the library has taken the first for itself.
        if let Some(kept) = read(file)? {
            let contact = settings.acme_contact.clone();
            keep(settings, file, kept.id, contact, kept.credentials)?;
        }
    }
    Ok(account)
}

async fn tell_contact(
    settings: &Settings,
    client: &Client,
    account: &Account,
) -> Result<(), AcmeError> {
    let contact = contact(settings);
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    with_fresh_nonces(async || account.update_contacts(&contact).await)
        .await
        .map_err(|error| AcmeError::of("change the account's contact", &error, &client.heard()))
}

async fn create(settings: &Settings, client: &Client, file: &Path) -> Result<Account, AcmeError> {
    if !settings.acme.agree_terms {
        let why = "the authority's terms of service are not agreed to";
        return Err(AcmeError::new(Class::Account, "make an account", why));
    }
    let external = settings.acme.external();
    let external = external
        .map_err(|error| AcmeError::new(Class::Local, "bind an account", error.to_string()))?
        .map(|it| ExternalAccountKey::new(it.key_id, &it.hmac_key));
    let contact = contact(settings);
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let new = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let made = with_fresh_nonces(async || {
        Account::builder_with_http(Box::new(client.clone()))
            .create(&new, settings.acme_directory.clone(), external.as_ref())
            .await
    })
    .await;
    let (account, credentials) =
        made.map_err(|error| AcmeError::of("make an account", &error, &client.heard()))?;
    let (id, contact) = (account.id().to_owned(), settings.acme_contact.clone());
    keep(settings, file, id, contact, credentials)?;
    info!(
        directory = settings.acme_directory,
        "made an account, kept in {}",
        file.display()
    );
    Ok(account)
}

fn contact(settings: &Settings) -> Option<String> {
    let address = settings.acme_contact.trim();
    (!address.is_empty()).then(|| format!("mailto:{address}"))
}

fn read(file: &Path) -> Result<Option<Kept>, AcmeError> {
    let content = match fs::read(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| local("read", file, &error))?,
    };
    // The parser's own message can quote what it read, which may be a key.
    serde_json::from_slice(&content).map(Some).map_err(|error| {
        let why = format!(
            "{}: expected an account, found something else at line {}; restore it, or move it away \
             to have another made",
            file.display(),
            error.line()
        );
        AcmeError::new(Class::Local, "read the account", why)
    })
}

fn keep(
    settings: &Settings,
    file: &Path,
    id: String,
    contact: String,
    credentials: AccountCredentials,
) -> Result<(), AcmeError> {
    let kept = Kept {
        directory: settings.acme_directory.clone(),
        id,
        contact,
        credentials,
    };
    let content = serde_json::to_vec_pretty(&kept);
    let content = content
        .map_err(|error| AcmeError::new(Class::Local, "write the account", error.to_string()))?;
    replace(file, &content, 0o600).map_err(|error| local("write", file, &error))
}

fn local(doing: &str, path: &Path, error: &io::Error) -> AcmeError {
    let why = format!("{}: {error}", path.display());
    AcmeError::new(Class::Local, format!("{doing} the account"), why)
}
