//! What the probe sees of servers that a test makes.

use std::sync::Mutex;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ALL_VERSIONS, ServerConfig, SupportedProtocolVersion};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::decide::tests::{all, leaf, world};
use crate::model::{Chain, Fingerprint, Leaf, Published, Reach, signed_chain};
use crate::observe::names::ask;
use crate::preflight::Shows;

/// An RSA key that guards nothing, because making one takes ring more than it
/// can do: `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048`.
const RSA_KEY: &str = include_str!("rsa-key-for-tests.pem");

fn domain() -> DomainName {
    DomainName::parse("example.org").unwrap()
}

fn asked<'a>(domain: &'a DomainName, probe: &str) -> Question<'a> {
    Question {
        domain,
        probe: probe.parse().unwrap(),
        kind: None,
    }
}

/// A certificate of a kind, alone, with its key.
fn certified(kind: KeyKind) -> Arc<CertifiedKey> {
    let key = match kind {
        KeyKind::Rsa => KeyPair::from_pem(RSA_KEY).unwrap(),
        _ => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(),
    };
    let params = rcgen::CertificateParams::new(vec!["example.org".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    with_key(vec![certificate.der().clone()], &key)
}

fn with_key(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Arc<CertifiedKey> {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Arc::new(CertifiedKey::new(chain, any_supported_type(&key).unwrap()))
}

fn fingerprint(certified: &CertifiedKey) -> Fingerprint {
    Fingerprint::of_der(&certified.cert[0])
}

/// Serves the first of its certificates that the client can check, as a server
/// with an RSA and an ECDSA pair does.
#[derive(Debug)]
struct Each {
    certificates: Vec<Arc<CertifiedKey>>,
    hellos: Mutex<Vec<Hello>>,
}

/// What a client asked for.
#[derive(Clone, Debug)]
struct Hello {
    name: Option<String>,
    schemes: Vec<SignatureScheme>,
}

impl Each {
    fn of(certificates: Vec<Arc<CertifiedKey>>) -> Self {
        Self {
            certificates,
            hellos: Mutex::default(),
        }
    }

    fn hellos(&self) -> Vec<Hello> {
        self.hellos.lock().unwrap().clone()
    }
}

impl ResolvesServerCert for Each {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        self.hellos.lock().unwrap().push(Hello {
            name: hello.server_name().map(str::to_owned),
            schemes: schemes.to_vec(),
        });
        let fits = |it: &&Arc<CertifiedKey>| it.key.choose_scheme(schemes).is_some();
        self.certificates.iter().find(fits).cloned()
    }
}

/// A server; it reads away a line before the handshake when `proxy` says so.
async fn server(certificates: Vec<Arc<CertifiedKey>>, alpn: &[&[u8]], proxy: bool) -> SocketAddr {
    serve(Arc::new(Each::of(certificates)), ALL_VERSIONS, alpn, proxy).await
}

async fn serve(
    each: Arc<impl ResolvesServerCert + 'static>,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&[u8]],
    proxy: bool,
) -> SocketAddr {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(each);
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((mut stream, peer)) = listener.accept().await {
            if proxy {
                let line = line(&mut stream).await;
                let expected = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} ", peer.port());
                assert!(line.starts_with(&expected), "{line}");
            }
            let _ = acceptor.accept(stream).await;
        }
    });
    address
}

async fn line(stream: &mut TcpStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(line).unwrap()
}

async fn seen(address: SocketAddr, question: Question<'_>) -> Leaf {
    match probe(address, question).await {
        Serving::Leaf(leaf) => leaf,
        Serving::Unreachable(why) => panic!("{why}"),
    }
}

async fn unseen(address: SocketAddr, question: Question<'_>) -> String {
    match probe(address, question).await {
        Serving::Leaf(leaf) => panic!("{leaf:?}"),
        Serving::Unreachable(why) => why.replace(&address.port().to_string(), "PORT"),
    }
}

#[tokio::test]
async fn tells_the_leaf_that_is_served_and_the_kind_of_its_key() {
    for kind in [KeyKind::Ecdsa, KeyKind::Rsa] {
        let certified = certified(kind);
        let address = server(vec![certified.clone()], &[], false).await;
        let leaf = seen(address, asked(&domain(), "443")).await;
        assert_eq!(leaf.fingerprint, fingerprint(&certified));
        assert_eq!(leaf.names, ["example.org"]);
        assert_eq!(leaf.key, kind);
        assert_eq!(leaf.chain, Chain::default());
    }
}

#[tokio::test]
async fn of_two_pairs_it_sees_the_one_of_the_published_kind() {
    let (ecdsa, rsa) = (certified(KeyKind::Ecdsa), certified(KeyKind::Rsa));
    for order in [[ecdsa.clone(), rsa.clone()], [rsa.clone(), ecdsa.clone()]] {
        for version in [&TLS12, &TLS13] {
            let each = Arc::new(Each::of(order.to_vec()));
            let address = serve(each, &[version], &[], false).await;
            for (kind, expected) in [(KeyKind::Ecdsa, &ecdsa), (KeyKind::Rsa, &rsa)] {
                let domain = domain();
                let question = Question {
                    kind: Some(kind),
                    ..asked(&domain, "443")
                };
                assert_eq!(
                    seen(address, question).await.fingerprint,
                    fingerprint(expected),
                    "{kind} by {version:?}"
                );
            }
        }
    }
}

/// A server that prefers one kind shows the other only to who offers nothing else.
#[tokio::test]
async fn a_hello_offers_no_signature_of_the_other_kind() {
    for (kind, others) in [
        (KeyKind::Ecdsa, KeyKind::Rsa),
        (KeyKind::Rsa, KeyKind::Ecdsa),
    ] {
        let each = Arc::new(Each::of(vec![certified(kind)]));
        let address = serve(each.clone(), ALL_VERSIONS, &[], false).await;
        let domain = domain();
        let question = Question {
            kind: Some(kind),
            ..asked(&domain, "443")
        };
        seen(address, question).await;
        let [hello] = &each.hellos()[..] else {
            panic!("it asked once");
        };
        assert!(!hello.schemes.is_empty());
        assert!(hello.schemes.iter().all(|&scheme| is_of(scheme, kind)));
        assert!(!hello.schemes.iter().any(|&scheme| is_of(scheme, others)));
    }
}

/// RFC 6066, section 3: an address is no server name.
#[tokio::test]
async fn an_address_is_asked_for_without_a_name() {
    for (text, expected) in [
        ("example.org", Some("example.org")),
        ("192.0.2.7", None),
        ("2001:db8::7", None),
    ] {
        let each = Arc::new(Each::of(vec![certified(KeyKind::Ecdsa)]));
        let address = serve(each.clone(), ALL_VERSIONS, &[], false).await;
        let domain = DomainName::parse(text).unwrap();
        seen(address, asked(&domain, "443")).await;
        assert_eq!(each.hellos()[0].name.as_deref(), expected, "{text}");
    }
}

/// Else a replica that still serves an RSA certificate after the published one
/// became ECDSA would be unreachable, and never rolled out to.
#[tokio::test]
async fn a_server_without_a_pair_of_that_kind_is_seen_all_the_same() {
    let rsa = certified(KeyKind::Rsa);
    let address = server(vec![rsa.clone()], &[], false).await;
    let domain = domain();
    let question = Question {
        kind: Some(KeyKind::Ecdsa),
        ..asked(&domain, "443")
    };
    assert_eq!(seen(address, question).await.fingerprint, fingerprint(&rsa));
}

#[tokio::test]
async fn the_chain_is_told_as_it_was_sent() {
    let (ders, key) = signed_chain("example.org");
    let chain: Vec<_> = ders.iter().cloned().map(CertificateDer::from).collect();
    let address = server(vec![with_key(chain, &key)], &[], false).await;
    let leaf = seen(address, asked(&domain(), "443")).await;
    let issuers = ders[1..].iter().map(|der| Fingerprint::of_der(der));
    assert_eq!(leaf.chain.issuers, issuers.collect::<Vec<_>>());
    assert_eq!(leaf.chain.broken_after, None);
}

#[tokio::test]
async fn http2_has_to_be_agreed_on_when_it_is_asked_for() {
    let certified = certified(KeyKind::Ecdsa);
    let http2 = server(vec![certified.clone()], &[b"h2", b"http/1.1"], false).await;
    assert_eq!(
        seen(http2, asked(&domain(), "443/h2")).await.fingerprint,
        fingerprint(&certified)
    );
    // A server without ALPN ignores the offer.
    let plain = server(vec![certified], &[], false).await;
    assert_eq!(
        unseen(plain, asked(&domain(), "443/h2")).await,
        "TLS handshake with 127.0.0.1:PORT: HTTP/2 was offered and not agreed on"
    );
    seen(plain, asked(&domain(), "443")).await;
}

#[tokio::test]
async fn the_proxy_header_goes_before_the_handshake() {
    let certified = certified(KeyKind::Ecdsa);
    let behind = server(vec![certified.clone()], &[], true).await;
    let leaf = seen(behind, asked(&domain(), "443/proxy")).await;
    assert_eq!(leaf.fingerprint, fingerprint(&certified));
    // A server that expects none takes it for a broken handshake.
    let plain = server(vec![certified], &[], false).await;
    let why = unseen(plain, asked(&domain(), "443/proxy")).await;
    assert!(why.starts_with("TLS handshake with"), "{why}");
}

#[tokio::test]
async fn the_public_address_is_resolved_and_gets_no_proxy_header() {
    let certified = certified(KeyKind::Ecdsa);
    let address = server(vec![certified.clone()], &[], false).await;
    let domain = domain();
    let question = asked(&domain, "443/proxy");
    let public = format!("localhost:{}", address.port());
    let seen = probe_public(&public, question).await;
    let served = seen.leaf().map(|leaf| leaf.fingerprint);
    assert_eq!(served, Some(fingerprint(&certified)), "{seen:?}");
    let nowhere = probe_public("nowhere.invalid:443", question).await;
    let Serving::Unreachable(why) = nowhere else {
        panic!("that name resolves nowhere");
    };
    assert!(why.starts_with("resolve nowhere.invalid:443"), "{why}");
}

#[tokio::test]
async fn says_why_nothing_could_be_seen() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let why = unseen(address, asked(&domain(), "443")).await;
    assert!(why.starts_with("connect to 127.0.0.1:PORT"), "{why}");
    assert!(why.contains("refused"), "{why}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    let why = unseen(address, asked(&domain(), "443")).await;
    assert!(why.contains("TLS handshake"), "{why}");
}

/// Serves another certificate for the names that begin so.
#[derive(Debug)]
struct ByName {
    usual: Arc<CertifiedKey>,
    www: Arc<CertifiedKey>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match hello.server_name()? {
            name if name.starts_with("www.") => Some(Arc::clone(&self.www)),
            name if name.contains("nobody.") => None,
            _ => Some(Arc::clone(&self.usual)),
        }
    }
}

#[tokio::test]
async fn a_replica_is_asked_by_each_name_of_a_certificate() {
    let by_name = ByName {
        usual: certified(KeyKind::Ecdsa),
        www: certified(KeyKind::Ecdsa),
    };
    let usual = fingerprint(&by_name.usual).short();
    let expected = Shows::Another {
        shown: fingerprint(&by_name.www).short(),
        first: usual.clone(),
    };
    let address = serve(Arc::new(by_name), ALL_VERSIONS, &[], false).await;
    let mut view = world(Published::Missing, all(&leaf(1))).targets.remove(0);
    view.target.probe.port = address.port();
    let names = [
        "example.org",
        "203.0.113.1",
        "www.example.org",
        "*.example.org",
        "nobody.test",
        "*.nobody.test",
    ];
    let certificate = &mut view.target.certificates[0];
    certificate.domains = names.map(|name| DomainName::parse(name).unwrap()).into();
    let mut replica = view.replicas.remove(0).replica;
    replica.reach = Some(Reach::Overlay {
        address: address.ip(),
        network: "frontend".to_owned(),
    });
    let asked = ask(&view.target, &view.target.certificates[0], &replica).await;
    let names: Vec<&str> = asked.iter().map(|asked| asked.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "www.example.org",
            "*.example.org",
            "nobody.test",
            "*.nobody.test"
        ]
    );
    assert_eq!(asked[0].shows, expected);
    assert_eq!(asked[1].shows, Shows::TheSame);
    let Shows::Refused { why, first } = &asked[2].shows else {
        panic!("{:?}", asked[2]);
    };
    assert!(why.contains("TLS handshake"), "{why}");
    assert_eq!(*first, usual);
    assert!(
        matches!(asked[3].shows, Shows::Nothing(_)),
        "{:?}",
        asked[3]
    );
    assert_eq!(asked[0].replica, "replica 1 on node-1");
}
