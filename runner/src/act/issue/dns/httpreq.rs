//! The provider httpreq: a web hook that writes records, as lego has it. Hooks that
//! were made for lego serve the runner too.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::time::timeout;

use super::error::DnsError;
use super::message::Change;
use super::record::Record;
use crate::act::issue::acme::{roots_of_the_system, with_causes};
use crate::config::{Httpreq as Settings, HttpreqMode};

/// As long as lego gives it.
const DEADLINE: Duration = Duration::from_secs(30);
/// Nobody reads more of what it says.
const LARGEST: usize = 16 * 1024;
const TOLD: usize = 200;

/// A web hook.
pub(super) struct Httpreq(Settings);

impl Httpreq {
    pub(super) fn new(settings: Settings) -> Self {
        Self(settings)
    }

    /// Tells the hook to add or to remove the record.
    pub(super) async fn change(&self, record: &Record, change: Change) -> Result<(), DnsError> {
        let call = match change {
            Change::Add => "present",
            Change::Remove => "cleanup",
        };
        let url = format!("{}/{call}", self.0.endpoint);
        let unanswered = |why: String| DnsError::Hook {
            url: url.clone(),
            name: record.name.clone(),
            why,
        };
        let posted = timeout(DEADLINE, self.post(&url, self.body(record))).await;
        let posted = posted.unwrap_or_else(|_| Err(format!("not within {} s", DEADLINE.as_secs())));
        let (status, said) = posted.map_err(unanswered)?;
        if (200..300).contains(&status) {
            return Ok(());
        }
        let hint = match (status, &self.0.user) {
            (401 | 403, Some(_)) => {
                "; it does not take that user and password (--httpreq-user, \
                 --httpreq-password-file)"
            }
            (401 | 403, None) => "; it wants a user and a password (--httpreq-user)",
            (404 | 405, _) => "; is it the right URL (--httpreq-endpoint)?",
            _ => "",
        };
        Err(DnsError::HookStatus {
            url,
            name: record.name.clone(),
            status,
            said: self.told(&said),
            hint,
        })
    }

    fn body(&self, record: &Record) -> serde_json::Value {
        let proof = &record.proof;
        match self.0.mode {
            HttpreqMode::Default => json!({
                "fqdn": record.name.fmt_with_dot().to_string(),
                "value": proof.value,
            }),
            HttpreqMode::Raw => json!({
                "domain": proof.domain,
                "token": proof.token,
                "keyAuth": proof.key_authorization,
            }),
        }
    }

    /// Status and content of the answer. Each call has a connection of its own:
    /// one that a pool had kept could break, and be sent twice.
    async fn post(&self, url: &str, body: serde_json::Value) -> Result<(u16, Bytes), String> {
        let mut request = Request::post(url).header(CONTENT_TYPE, "application/json");
        if let Some((user, password)) = &self.0.user {
            let both = STANDARD.encode(format!("{user}:{password}"));
            request = request.header(AUTHORIZATION, format!("Basic {both}"));
        }
        let request = request.body(Full::new(Bytes::from(body.to_string())));
        // The header's content is not told.
        let request = request.map_err(|_| "the request cannot be made".to_owned())?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(url)?)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let response = client.request(request).await;
        let (head, body) = response.map_err(|error| with_causes(&error))?.into_parts();
        let body = Limited::new(body, LARGEST).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes);
        // That it was carried out is what the status says.
        Ok((head.status.as_u16(), body.unwrap_or_default()))
    }

    /// What it said, in a line, without the password if it sends that back.
    fn told(&self, said: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(said).into_owned();
        if let Some((_, password)) = &self.0.user {
            text = text.replace(password, "…");
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let line: String = words.join(" ").chars().take(TOLD).collect();
        match line.as_str() {
            "" => line,
            line => format!(": {line:?}"),
        }
    }
}

/// The authorities that the system trusts, if the hook is spoken to by TLS.
fn tls(url: &str) -> Result<ClientConfig, String> {
    let roots = if url.starts_with("https:") {
        roots_of_the_system().map_err(|error| error.to_string())?
    } else {
        RootCertStore::empty()
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(user: Option<(&str, &str)>) -> Httpreq {
        Httpreq(Settings {
            endpoint: "http://hook.example".to_owned(),
            mode: HttpreqMode::Default,
            user: user.map(|(user, password)| (user.to_owned(), password.to_owned())),
        })
    }

    #[test]
    fn what_a_hook_says_is_told_in_a_line_and_without_the_password() {
        let said = b"<p>no such user:\n  lego:hunter2</p>";
        let told = hook(Some(("lego", "hunter2"))).told(said);
        insta::assert_snapshot!(told, @r#": "<p>no such user: lego:…</p>""#);
        assert_eq!(hook(None).told(b" \n"), "");
        assert!(hook(None).told(&[b'a'; 9_000]).len() < 2 * TOLD);
    }
}
