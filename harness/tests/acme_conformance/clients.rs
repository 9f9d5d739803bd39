//! Clients that others have written, the whole way with both servers.

use std::{io::Write, net::Ipv4Addr, sync::Arc, time::Duration};

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Error, Identifier,
    NewAccount, NewOrder, OrderStatus, RetryPolicy, RevocationRequest,
};
use rollover_lab::{
    acme::{
        Client, Network, PebbleOptions,
        mock::{Call, Issuance, Mock, ProblemType, Scripted, Settings, Validation, Window},
    },
    lab::Output,
};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

use crate::challenges::Challenges;

const NAME: &str = "one.test";

/// A server, by what a client is told of it.
struct Server {
    directory: String,
    ca_pem: String,
    roots: String,
}

impl Server {
    fn mock(mock: &Mock) -> Self {
        Self {
            directory: mock.directory_url(),
            ca_pem: mock.ca_pem().to_owned(),
            roots: mock.roots(),
        }
    }
}

/// Pebble and a mock that both validate at this port of this address.
async fn both(network: &Network, address: Ipv4Addr, port: u16) -> (Server, Mock) {
    let options = PebbleOptions {
        http_port: port,
        ..PebbleOptions::default()
    };
    let pebble = network.pebble(&options).await.unwrap();
    pebble.set_addresses(NAME, &[address]).await.unwrap();
    let validation = Validation::Fetch { port };
    let mock = network
        .mock(Settings {
            validation,
            ..Settings::default()
        })
        .await
        .unwrap();
    mock.set_addresses(NAME, &[address]);
    let pebble = Server {
        directory: pebble.directory_url(),
        ca_pem: pebble.ca_pem().to_owned(),
        roots: pebble.roots().await.unwrap(),
    };
    (pebble, mock)
}

/// Whether a client that trusts these roots would take the chain for the name;
/// the leaf.
fn trusted(chain: &str, roots: &str) -> CertificateDer<'static> {
    let certificates = |pem: &str| -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(pem.as_bytes())
            .map(Result::unwrap)
            .collect()
    };
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(certificates(roots));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider);
    let chain = certificates(chain);
    let (leaf, intermediates) = chain.split_first().unwrap();
    let name = ServerName::try_from(NAME).unwrap();
    let verifier = verifier.build().unwrap();
    verifier
        .verify_server_cert(leaf, intermediates, &name, &[], UnixTime::now())
        .unwrap();
    leaf.clone()
}

async fn account(server: &Server) -> Account {
    let mut root = tempfile::NamedTempFile::new().unwrap();
    root.write_all(server.ca_pem.as_bytes()).unwrap();
    let new = NewAccount {
        contact: &["mailto:a@example.org"],
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let builder = Account::builder_with_root(root.path()).unwrap();
    builder
        .create(&new, server.directory.clone(), None)
        .await
        .unwrap()
        .0
}

/// An order to its certificate.
async fn obtain(
    account: &Account,
    order: &NewOrder<'_>,
    challenges: &Challenges,
) -> Result<String, Error> {
    let mut order = account.new_order(order).await?;
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        // Pebble grants one order in a hundred on an earlier validation, also when
        // it is told never to: docs/flakes.md.
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        assert_eq!(authorization.status, AuthorizationStatus::Pending);
        let mut challenge = authorization.challenge(ChallengeType::Http01).unwrap();
        challenges.put(
            &challenge.token.clone(),
            challenge.key_authorization().as_str(),
        );
        challenge.set_ready().await?;
    }
    let patience = RetryPolicy::default().timeout(Duration::from_secs(20));
    assert_eq!(order.poll_ready(&patience).await?, OrderStatus::Ready);
    order.finalize().await?;
    order.poll_certificate(&patience).await
}

fn kind(error: Error) -> String {
    match error {
        Error::Api(problem) => problem.r#type.unwrap_or_default(),
        other => panic!("{other}"),
    }
}

/// All that instant-acme can do, and what came of it.
async fn instant_acme(server: &Server, challenges: &Challenges) -> Vec<String> {
    let mut seen = Vec::new();
    let mut account = account(server).await;
    seen.extend(account.profiles().map(|profile| profile.name.to_owned()));
    seen.sort();

    let names = [Identifier::Dns(NAME.to_owned())];
    let order = || NewOrder::new(&names).profile("shortlived");
    let chain = obtain(&account, &order(), challenges).await.unwrap();
    let first = trusted(&chain, &server.roots);
    seen.push(format!("{} certificates", chain.matches("BEGIN").count()));
    let id = CertificateIdentifier::try_from(&first)
        .unwrap()
        .into_owned();
    let (info, wait) = account.renewal_info(&id).await.unwrap();
    let window = info.suggested_window;
    // The server has said so a moment ago.
    let minutes = wait.as_secs_f64() / 60.0;
    seen.push(format!(
        "asks again after {minutes:.0} min, window of {}",
        window.end - window.start
    ));

    let _ = account.update_key().await.unwrap();
    account.update_contacts(&[]).await.unwrap();
    let replacing = order().replaces(id.clone());
    let second = obtain(&account, &replacing, challenges).await.unwrap();
    let second = trusted(&second, &server.roots);
    let again = account.new_order(&order().replaces(id)).await;
    seen.push(again.map(|_| "taken".to_owned()).unwrap_or_else(kind));

    let revocation = || RevocationRequest {
        certificate: &second,
        reason: None,
    };
    account.revoke(&revocation()).await.unwrap();
    seen.push(kind(account.revoke(&revocation()).await.unwrap_err()));
    account.clone().deactivate().await.unwrap();
    seen.push(kind(
        account.new_order(&order()).await.map(|_| ()).unwrap_err(),
    ));
    seen
}

#[tokio::test]
async fn instant_acme_goes_the_whole_way() {
    let network = Network::create().await.unwrap();
    let challenges = Challenges::start(network.gateway()).await;
    let (pebble, mock) = both(&network, network.gateway(), challenges.port).await;
    let seen = instant_acme(&Server::mock(&mock), &challenges).await;
    let expected = instant_acme(&pebble, &challenges).await;
    println!("{expected:#?}");
    assert_eq!(seen, expected);
    network.stop().await.unwrap();
}

#[tokio::test]
async fn instant_acme_says_what_it_was_told() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let server = Server::mock(&mock);
    let challenges = Challenges::start(Ipv4Addr::LOCALHOST).await;
    let account = account(&server).await;
    let names = [Identifier::Dns(NAME.to_owned())];
    let order = NewOrder::new(&names);

    mock.on(Call::NewOrder)
        .first(1)
        .problem(ProblemType::RateLimited);
    let limited = account.new_order(&order).await.map(|_| ()).unwrap_err();
    assert_eq!(kind(limited), ProblemType::RateLimited.urn());
    mock.on(Call::NewOrder).first(1).garbage();
    let garbage = account.new_order(&order).await.map(|_| ()).unwrap_err();
    assert!(matches!(garbage, Error::Other(_)), "{garbage:?}");
    // It asks again with the nonce that came with the refusal.
    mock.on(Call::NewOrder)
        .first(2)
        .problem(ProblemType::BadNonce);
    let chain = obtain(&account, &order, &challenges).await.unwrap();
    let leaf = trusted(&chain, &server.roots);

    mock.configure(|settings| settings.window_retry_after = None);
    let id = CertificateIdentifier::try_from(&leaf).unwrap();
    let info = account.renewal_info(&id).await.unwrap_err();
    assert!(
        matches!(info, Error::Str("missing Retry-After header")),
        "{info:?}"
    );

    mock.configure(|settings| settings.issuance = Issuance::Never);
    let mut stuck = account.new_order(&order).await.unwrap();
    let mut authorizations = stuck.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.unwrap();
        let mut challenge = authorization.challenge(ChallengeType::Http01).unwrap();
        challenge.set_ready().await.unwrap();
    }
    stuck.poll_ready(&RetryPolicy::default()).await.unwrap();
    stuck.finalize().await.unwrap();
    let patience = RetryPolicy::default().timeout(Duration::from_secs(2));
    let timed_out = stuck.poll_certificate(&patience).await.unwrap_err();
    assert!(matches!(timed_out, Error::Timeout(_)), "{timed_out:?}");
}

/// certbot in its image, with a directory of its own for each server.
struct Certbot<'a> {
    client: &'a Client,
    directory: &'static str,
    server: &'a Server,
}

impl<'a> Certbot<'a> {
    async fn new(client: &'a Client, directory: &'static str, server: &'a Server) -> Self {
        let write = "mkdir -p $1 && printf %s \"$2\" > $1/ca.pem";
        let written = client
            .exec(&["sh", "-c", write, "sh", directory, &server.ca_pem])
            .await;
        written.unwrap().succeeded("write the CA").unwrap();
        Self {
            client,
            directory,
            server,
        }
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let (directory, server) = (self.directory, &self.server.directory);
        let ca = format!("REQUESTS_CA_BUNDLE={directory}/ca.pem");
        let mut command = vec!["env", &ca, "certbot", arguments[0], "--non-interactive"];
        command.extend(["--server", server, "--config-dir", directory]);
        command.extend(["--work-dir", directory, "--logs-dir", directory]);
        command.extend(&arguments[1..]);
        self.client.exec(&command).await.unwrap()
    }

    async fn succeed(&self, arguments: &[&str]) -> Output {
        self.run(arguments)
            .await
            .succeeded(&arguments.join(" "))
            .unwrap()
    }

    async fn leaf(&self) -> CertificateDer<'static> {
        let chain = format!("{}/live/{NAME}/fullchain.pem", self.directory);
        let chain = self.client.exec(&["cat", &chain]).await.unwrap();
        trusted(&chain.succeeded("cat").unwrap().stdout, &self.server.roots)
    }

    /// From the account to the revocation; how each command ended.
    async fn goes_the_whole_way(&self) -> Vec<String> {
        let order = ["certonly", "--standalone", "--domain", NAME];
        let agree = ["--agree-tos", "--register-unsafely-without-email"];
        self.succeed(&[&order[..], &agree[..]].concat()).await;
        let first = self.leaf().await;
        let mut seen = Vec::new();
        let renew = ["renew", "--no-random-sleep-on-renew"];
        let not_due = self.succeed(&renew).await.stdout;
        seen.push(format!(
            "not due: {}",
            not_due.contains("not yet due for renewal")
        ));
        self.succeed(&[&renew[..], &["--force-renewal"]].concat())
            .await;
        seen.push(format!("renewed: {}", self.leaf().await != first));
        let path = format!("{}/live/{NAME}/cert.pem", self.directory);
        self.succeed(&["revoke", "--cert-path", &path, "--no-delete-after-revoke"])
            .await;
        let again = self
            .run(&["revoke", "--cert-path", &path, "--no-delete-after-revoke"])
            .await;
        seen.push(format!("revoked again: {}", again.code));
        self.succeed(&["unregister"]).await;
        seen
    }
}

#[tokio::test]
async fn certbot_goes_the_whole_way() {
    let network = Network::create().await.unwrap();
    let client = network.client("certbot").await.unwrap();
    let (pebble, mock) = both(&network, client.address(), 80).await;
    let mocked = Server::mock(&mock);
    let certbot = Certbot::new(&client, "/tmp/mock", &mocked).await;
    let seen = certbot.goes_the_whole_way().await;
    // It asks when to renew, but (5.5) does not say in its order what it replaces.
    assert!(!mock.calls_of(Call::RenewalInfo).is_empty());
    let real = Certbot::new(&client, "/tmp/pebble", &pebble).await;
    assert_eq!(seen, real.goes_the_whole_way().await);
    network.stop().await.unwrap();
}

#[tokio::test]
async fn certbot_says_what_it_was_told() {
    let network = Network::create().await.unwrap();
    let client = network.client("certbot").await.unwrap();
    let mock = network.mock(Settings::default()).await.unwrap();
    let server = Server::mock(&mock);
    let certbot = Certbot::new(&client, "/tmp/mock", &server).await;
    let limited =
        Scripted::problem_with(ProblemType::RateLimited, 429, "five certificates already");
    mock.on(Call::NewOrder)
        .first(1)
        .answer(limited.retry_after(Duration::from_secs(3600)));
    let order = ["certonly", "--standalone", "--domain", NAME];
    let agree = ["--agree-tos", "--register-unsafely-without-email"];
    let order = [&order[..], &agree[..]].concat();
    let failed = certbot.run(&order).await;
    assert_eq!(failed.code, 1);
    assert!(
        failed.stderr.contains("five certificates already"),
        "{}",
        failed.stderr
    );
    mock.on(Call::NewOrder).first(1).garbage();
    assert_eq!(certbot.run(&order).await.code, 1);
    mock.on(Call::NewOrder)
        .first(1)
        .problem(ProblemType::BadNonce);
    certbot.succeed(&order).await;
    let first = certbot.leaf().await;
    mock.configure(|settings| settings.window = Window::Past);
    certbot
        .succeed(&["renew", "--no-random-sleep-on-renew"])
        .await;
    assert_ne!(certbot.leaf().await, first);
    network.stop().await.unwrap();
}
