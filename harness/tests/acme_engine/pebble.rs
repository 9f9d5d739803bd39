//! Against Pebble, which refuses nonces by chance, and looks at the listener.

use rollover::acme::AcmeErrorClass as Class;
use rollover_lab::acme::{Network, Pebble, PebbleOptions};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::setting::{NAME, Setting, free};

const NOWHERE: &str = "nowhere.test";

async fn pebble(network: &Network, http_port: u16) -> Pebble {
    let options = PebbleOptions {
        http_port,
        refused_nonces: 15,
        alternate_roots: 2,
        ..PebbleOptions::default()
    };
    let pebble = network.pebble(&options).await.unwrap();
    for name in [NAME, "two.test"] {
        pebble
            .set_addresses(name, &[network.gateway()])
            .await
            .unwrap();
    }
    // Pebble itself has no such port.
    pebble
        .set_addresses(NOWHERE, &[pebble.address()])
        .await
        .unwrap();
    pebble
}

/// Who signed the last certificate of the chain that is published.
fn issuer(setting: &Setting) -> String {
    let chain = setting.live("fullchain.pem");
    let last = CertificateDer::pem_slice_iter(chain.as_bytes())
        .last()
        .unwrap()
        .unwrap();
    let (_, last) = X509Certificate::from_der(&last).unwrap();
    last.issuer().to_string()
}

/// The name of a root of Pebble's.
async fn subject(pebble: &Pebble, number: u8) -> String {
    let root = pebble.root(number).await.unwrap();
    let root = CertificateDer::from_pem_slice(root.as_bytes()).unwrap();
    let (_, root) = X509Certificate::from_der(&root).unwrap();
    root.subject().to_string()
}

#[tokio::test]
async fn pebble_issues_renews_and_says_what_it_does_not_find() {
    let network = Network::create().await.unwrap();
    let listen = free(network.gateway());
    let pebble = pebble(&network, listen.port()).await;
    let setting = Setting::new(pebble.directory_url(), pebble.ca_pem());
    let address = listen.to_string();
    let common = ["--challenge-listen", &address, "--acme-timeout=1m"];
    let engine = setting.engine(&common);
    let mut seen = Vec::new();
    for (version, key) in [(1, "ecdsa"), (2, "ecdsa384"), (3, "rsa2048"), (4, "ecdsa")] {
        let names = [NAME, "two.test"];
        let obtained = engine
            .obtain(&names, key, Some("shortlived"), &[listen])
            .await
            .unwrap();
        assert_eq!(obtained.version, version, "{key}");
        assert!(!seen.contains(&obtained.fingerprint));
        seen.push(obtained.fingerprint);
    }
    // By Pebble's own log, which others count by.
    let done = pebble.done().await.unwrap();
    assert_eq!((done.orders, done.certificates), (4, 4));
    engine.renewal_info(NAME).await.unwrap();
    engine.roll_account_key().await.unwrap();

    // Another chain, by the name of its root.
    assert_eq!(issuer(&setting), subject(&pebble, 0).await);
    let wanted = subject(&pebble, 2).await;
    let common_name = wanted.split_once("CN=").unwrap().1;
    let preferring =
        setting.engine(&[&common[..], &["--acme-preferred-chain", common_name]].concat());
    let obtained = preferring
        .obtain(&[NAME], "ecdsa", None, &[listen])
        .await
        .unwrap();
    assert_eq!((obtained.version, issuer(&setting)), (5, wanted));

    let error = engine
        .obtain(&[NOWHERE], "ecdsa", None, &[listen])
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::ValidationFailed, "{error}");
    assert!(error.to_string().contains(NOWHERE), "{error}");

    // It forgets everything: the account and what is to be replaced.
    pebble.stop().await.unwrap();
    let error = engine
        .obtain(&[NAME], "ecdsa", None, &[listen])
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Network, "{error}");
    pebble.start().await.unwrap();
    let obtained = engine
        .obtain(&[NAME], "ecdsa", None, &[listen])
        .await
        .unwrap();
    assert_eq!(obtained.version, 6);
    network.stop().await.unwrap();
}

/// What stands in front serves the file that the engine puts there.
#[tokio::test]
async fn pebble_finds_the_answer_in_the_webroot() {
    let network = Network::create().await.unwrap();
    let listen = free(network.gateway());
    let pebble = pebble(&network, listen.port()).await;
    let setting = Setting::new(pebble.directory_url(), pebble.ca_pem());
    let webroot = setting.path("webroot");
    let files = webroot.clone();
    let server =
        wiremock::MockServer::builder().listener(std::net::TcpListener::bind(listen).unwrap());
    let server = server.start().await;
    wiremock::Mock::given(wiremock::matchers::method("GET"))
        .respond_with(move |request: &wiremock::Request| {
            let file = files.join(request.url.path().trim_start_matches('/'));
            match std::fs::read(file) {
                Ok(content) => wiremock::ResponseTemplate::new(200).set_body_bytes(content),
                Err(_) => wiremock::ResponseTemplate::new(404),
            }
        })
        .mount(&server)
        .await;
    let engine = setting.engine(&["--challenge=webroot", "--acme-timeout=1m"]);
    let obtained = engine
        .obtain(&[NAME], "ecdsa", None, &[listen])
        .await
        .unwrap();
    assert_eq!(obtained.names, [NAME]);
    let asked = server.received_requests().await.unwrap();
    let looks = asked
        .iter()
        .filter(|it| it.url.path().starts_with("/.well-known/acme-challenge/"));
    assert!(
        looks.count() >= 2,
        "by the engine first, then by Pebble: {asked:?}"
    );
    let left = std::fs::read_dir(webroot.join(".well-known/acme-challenge")).unwrap();
    assert_eq!(left.count(), 0, "it is taken away again");

    // Where nothing serves it, the authority is not even asked.
    drop(server);
    let error = engine
        .obtain(&[NAME], "ecdsa", None, &[listen])
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Local, "{error}");
    network.stop().await.unwrap();
}

#[tokio::test]
async fn pebble_issues_and_renews_a_dual_pair() {
    let network = Network::create().await.unwrap();
    let listen = free(network.gateway());
    let pebble = pebble(&network, listen.port()).await;
    let setting = Setting::new(pebble.directory_url(), pebble.ca_pem());
    let address = listen.to_string();
    let engine = setting.engine(&["--challenge-listen", &address, "--acme-timeout=5m"]);
    let second = "one.test-rsa";
    let mut seen = Vec::new();
    for version in [1, 2] {
        let each = engine
            .obtain_each(&[NAME, "two.test"], "ecdsa,rsa2048", None, &[listen])
            .await
            .unwrap();
        assert_eq!(each[0].names, each[1].names);
        for (obtained, name) in each.iter().zip([NAME, second]) {
            assert_eq!((obtained.name.as_str(), obtained.version), (name, version));
            assert!(!seen.contains(&obtained.fingerprint));
            seen.push(obtained.fingerprint.clone());
            engine.renewal_info(name).await.unwrap();
        }
    }
    assert_eq!(setting.kind_of(NAME), "ECDSA");
    assert_eq!(setting.kind_of(second), "RSA");
    network.stop().await.unwrap();
}

/// RFC 8738.
#[tokio::test]
async fn pebble_issues_for_addresses() {
    let network = Network::create().await.unwrap();
    let listen = free(network.gateway());
    let pebble = pebble(&network, listen.port()).await;
    let setting = Setting::new(pebble.directory_url(), pebble.ca_pem());
    let address = listen.to_string();
    let engine = setting.engine(&["--challenge-listen", &address, "--acme-timeout=1m"]);
    let ours = network.gateway().to_string();
    for (version, names) in [(1, vec![ours.as_str()]), (2, vec![&ours, NAME])] {
        let obtained = engine
            .obtain(&names, "ecdsa", Some("shortlived"), &[listen])
            .await
            .unwrap();
        assert_eq!((obtained.name, obtained.version), (ours.clone(), version));
        assert_eq!(obtained.names, names);
    }
    // Nobody answers there.
    let elsewhere = pebble.address().to_string();
    let error = engine
        .obtain(&[&elsewhere], "ecdsa", Some("shortlived"), &[listen])
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::ValidationFailed, "{error}");
    network.stop().await.unwrap();
}
