//! The login for the registry that an image is pulled from.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use bollard::auth::DockerCredentials;
use docker_credential::{
    CredentialRetrievalError as Failed, DockerCredential, get_credential_from_reader,
};

/// Docker Hub, as logins are kept by it, and how `docker login` writes it.
const HUB: (&str, &str) = ("index.docker.io", "https://index.docker.io/v1/");

/// Why a file of logins cannot be used. What is in it is never told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    #[error("cannot read it: {0}")]
    Read(#[from] std::io::Error),
    #[error("expected the form of Docker's config.json: {{\"auths\": {{\"REGISTRY\": …}}}}")]
    Form,
    #[error(
        "the login for {registry} is not in it but with a credential helper, which is not there; \
         docs/login.md says how to have one written that is"
    )]
    Helper { registry: String },
    #[error(
        "the login for {registry} cannot be read: expected \"auth\", the base64 of USER:PASSWORD"
    )]
    Entry { registry: String },
}

/// The login that `file`, in the form of Docker's `config.json`, has for the registry
/// of `image`, if it has one.
///
/// # Errors
/// When the file cannot be used.
pub(crate) fn login(file: &Path, image: &str) -> Result<Option<DockerCredentials>, LoginError> {
    let (registry, address) = registry_of(image);
    let found = get_credential_from_reader(BufReader::new(File::open(file)?), registry);
    let named = || registry.to_owned();
    let login = match found {
        Ok(DockerCredential::UsernamePassword(user, password)) => DockerCredentials {
            username: Some(user),
            password: Some(password),
            ..DockerCredentials::default()
        },
        Ok(DockerCredential::IdentityToken(token)) => DockerCredentials {
            identitytoken: Some(token),
            ..DockerCredentials::default()
        },
        // The image may be public.
        Err(Failed::NoCredentialConfigured) => return Ok(None),
        Err(Failed::ConfigNotFound | Failed::ConfigReadError) => return Err(LoginError::Form),
        Err(
            Failed::HelperCommunicationError
            | Failed::MalformedHelperResponse
            | Failed::HelperFailure { .. },
        ) => return Err(LoginError::Helper { registry: named() }),
        Err(Failed::CredentialDecodingError | Failed::CredentialMismatchError) => {
            return Err(LoginError::Entry { registry: named() });
        }
    };
    Ok(Some(DockerCredentials {
        serveraddress: Some(address.to_owned()),
        ..login
    }))
}

/// The registry in an image's name, and its address as a login has it: what is before
/// the first slash, if that can be a host (distribution's `reference.SplitHostname`).
fn registry_of(image: &str) -> (&str, &str) {
    match image.split_once('/') {
        Some(("docker.io", _)) => HUB,
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => (host, host),
        _ => HUB,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn found(content: &Value, image: &str) -> Result<Option<DockerCredentials>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content.to_string()).unwrap();
        login(file.path(), image).map_err(|error| error.to_string())
    }

    /// As `docker login` writes it.
    fn logged_in(registry: &str) -> Value {
        // user:pass:word
        json!({"auths": {registry: {"auth": "dXNlcjpwYXNzOndvcmQ="}}})
    }

    #[test]
    fn an_image_gets_the_login_for_its_own_registry_only() {
        let cases = [
            (
                "registry.example.org",
                "registry.example.org/rollover:1",
                true,
            ),
            (
                "https://registry.example.org",
                "registry.example.org/rollover:1",
                true,
            ),
            (
                "registry.example.org:5000",
                "registry.example.org:5000/a/b",
                true,
            ),
            ("localhost", "localhost/rollover", true),
            (
                "https://index.docker.io/v1/",
                "certbot/certbot:v5.1.0",
                true,
            ),
            ("https://index.docker.io/v1/", "nginx", true),
            (
                "https://index.docker.io/v1/",
                "docker.io/certbot/certbot",
                true,
            ),
            ("registry.example.org", "certbot/certbot:v5.1.0", false),
            (
                "registry.example.org",
                "registry.example.org:5000/rollover",
                false,
            ),
            ("registry.example.org", "other.example.org/rollover", false),
        ];
        for (registry, image, has) in cases {
            let found = found(&logged_in(registry), image).unwrap();
            assert_eq!(found.is_some(), has, "{registry}, {image}");
        }
    }

    #[test]
    fn a_password_may_hold_a_colon_and_a_token_stands_for_both() {
        let image = "registry.example.org/rollover";
        let login = found(&logged_in("registry.example.org"), image);
        let login = login.unwrap().unwrap();
        assert_eq!(login.username.as_deref(), Some("user"));
        assert_eq!(login.password.as_deref(), Some("pass:word"));
        assert_eq!(login.serveraddress.as_deref(), Some("registry.example.org"));
        let token = json!({"auths": {"registry.example.org": {"identitytoken": "abc"}}});
        let login = found(&token, image).unwrap().unwrap();
        assert_eq!(login.identitytoken.as_deref(), Some("abc"));
    }

    #[test]
    fn what_cannot_be_used_is_told_with_what_to_do_and_without_what_is_in_it() {
        let image = "registry.example.org/rollover";
        let told = |content: Value| found(&content, image).unwrap_err();
        let form = told(json!(["secret"]));
        assert!(
            form.contains("config.json") && !form.contains("secret"),
            "{form}"
        );
        let helper = told(json!({"credsStore": "no-such-helper"}));
        assert!(
            helper.contains("registry.example.org") && helper.contains("docs/login.md"),
            "{helper}"
        );
        let entry = told(json!({"auths": {"registry.example.org": {"auth": "c2VjcmV0"}}}));
        assert!(
            entry.contains("USER:PASSWORD") && !entry.contains("secret"),
            "{entry}"
        );
        let nowhere = login(Path::new("/nowhere/config.json"), image).unwrap_err();
        assert!(nowhere.to_string().contains("cannot read it"), "{nowhere}");
    }
}
