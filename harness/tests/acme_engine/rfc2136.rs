//! dns-01 by dynamic updates, with a real BIND.

use std::{fs, net::Ipv4Addr, time::Duration};

use rollover::acme::AcmeErrorClass as Class;
use rollover_lab::{
    acme::{
        Network, PebbleOptions,
        mock::{Call, Mock, ProblemType, Settings, Validation},
    },
    lab::wait::until,
};

use crate::{
    bind::{Bind, KEY, LONG_KEY, POOR_KEY, SECRET, Zone, free_port},
    setting::{NAME, Setting},
};

const RECORD: &str = "_acme-challenge.one.test";
const WILDCARD: &str = "*.one.test";
const PRIMARY: Ipv4Addr = Ipv4Addr::LOCALHOST;
const PATIENCE: Duration = Duration::from_secs(120);

/// The settings with which the engine changes the zones of `bind`; a setting in
/// `more` takes the place of the same one.
fn settings(setting: &Setting, bind: &Bind, more: &[&str]) -> Vec<String> {
    let secret = setting.path("tsig");
    fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let address = bind.address.to_string();
    let secret = secret.display().to_string();
    let port = bind.address.port().to_string();
    let usual = [
        ("--dns-provider", "rfc2136"),
        ("--dns-resolver", &address),
        ("--dns-port", &port),
        ("--dns-timeout", "3m"),
        ("--acme-timeout", "5m"),
        ("--rfc2136-nameserver", &address),
        ("--rfc2136-tsig-key", KEY),
        ("--rfc2136-tsig-secret-file", &secret),
    ];
    let is_given = |name: &str| more.iter().any(|it| it.split('=').next() == Some(name));
    let usual = usual.iter().filter(|(name, _)| !is_given(name));
    let usual = usual.map(|(name, value)| format!("{name}={value}"));
    // A setting that is given as nothing is left out.
    let more = more.iter().filter(|it| !it.ends_with('='));
    usual.chain(more.map(|it| (*it).to_owned())).collect()
}

fn engine(setting: &Setting, bind: &Bind, more: &[&str]) -> rollover::acme::Engine {
    let settings = settings(setting, bind, more);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    setting.engine(&settings)
}

async fn one_server() -> Bind {
    let zone = Zone::primary(NAME, &[PRIMARY], "");
    Bind::start(PRIMARY, free_port(&[PRIMARY]), &[zone]).await
}

/// A primary server, and a secondary that gets changes only when it is told to; that
/// one is at this machine's address on `network`, for both have the same port.
async fn two_servers(network: &Network) -> (Bind, Bind) {
    let both = [PRIMARY, network.gateway()];
    let port = free_port(&both);
    let zone = Zone::primary(NAME, &both, "");
    let primary = Bind::start(PRIMARY, port, std::slice::from_ref(&zone)).await;
    let secondary = Bind::start(both[1], port, &[zone.secondary(&primary)]).await;
    (primary, secondary)
}

/// Pebble looks at the records itself. A wildcard and its base need two at one
/// name; a third name leads elsewhere, and a crash has left one.
#[tokio::test]
async fn pebble_issues_for_a_wildcard_and_its_base() {
    let network = Network::create().await.unwrap();
    let gateway = network.gateway();
    let alias = "_acme-challenge.alias CNAME alias.acme.test.";
    let zones = [
        Zone::primary(NAME, &[gateway], alias),
        Zone::primary("acme.test", &[gateway], ""),
    ];
    let bind = Bind::resolver(gateway, free_port(&[gateway]), &zones).await;
    let options = PebbleOptions {
        dns_server: Some(bind.address),
        ..PebbleOptions::default()
    };
    let pebble = network.pebble(&options).await.unwrap();
    let setting = Setting::new(pebble.directory_url(), pebble.ca_pem());
    bind.change(&format!("add {RECORD} 60 TXT left")).unwrap();

    let names = [WILDCARD, NAME, "alias.one.test"];
    for (version, more) in [
        (1, &[][..]),
        (
            2,
            &[
                &format!("--rfc2136-tsig-key={LONG_KEY}"),
                "--rfc2136-tsig-algorithm=hmac-sha512",
            ],
        ),
    ] {
        let engine = engine(&setting, &bind, more);
        let obtained = engine.obtain_by_dns(&names).await.unwrap();
        assert_eq!(obtained.version, version);
        let mut found = obtained.names;
        found.sort();
        assert_eq!(found, [WILDCARD, "alias.one.test", NAME]);
        // In the directory of the base name.
        assert!(setting.live("fullchain.pem").contains("BEGIN"));
        assert_eq!(bind.texts(RECORD).await, ["left"]);
        assert!(bind.texts("alias.acme.test").await.is_empty());
    }
    network.stop().await.unwrap();
}

#[tokio::test]
async fn who_refuses_is_named_with_the_zone_and_the_code_and_no_secret() {
    let bind = one_server().await;
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    let wrong = setting.path("wrong");
    fs::write(&wrong, "aW4gdmFpbg==").unwrap();
    let wrong_secret = format!("--rfc2136-tsig-secret-file={}", wrong.display());
    let poor = format!("--rfc2136-tsig-key={POOR_KEY}");
    let none = ["--rfc2136-tsig-key=", "--rfc2136-tsig-secret-file="];
    for (more, expected) in [
        (&[wrong_secret.as_str()][..], "NOTAUTH: BADSIG"),
        (&["--rfc2136-tsig-key=unknown"], "NOTAUTH: BADKEY"),
        (&["--rfc2136-tsig-algorithm=hmac-sha512"], "NOTAUTH: BADKEY"),
        (&[&poor], "REFUSED: its update-policy"),
        (&none, "REFUSED: it takes no update that is not signed"),
        (&["--rfc2136-zone=test"], "NOTAUTH: it is not the primary"),
    ] {
        let engine = engine(&setting, &bind, more);
        let error = engine.obtain_by_dns(&[WILDCARD]).await.unwrap_err();
        assert_eq!(error.class(), Class::DnsRefused, "{error}");
        let said = error.to_string();
        let server = bind.address.to_string();
        for part in [
            expected,
            "answer dns-01 for *.one.test: rfc2136: ",
            &server,
            RECORD,
            "zone",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(
            !said.contains(SECRET) && !said.contains("aW4gdmFpbg"),
            "{said}"
        );
        assert!(bind.texts(RECORD).await.is_empty());
    }
    // The authority was never told to look.
    assert_eq!(mock.calls_of(Call::Challenge).len(), 0);
}

#[tokio::test]
async fn what_does_not_answer_is_named_and_may_be_there_later() {
    let bind = one_server().await;
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    let nobody = crate::setting::free(PRIMARY).to_string();
    for (setting_name, doing) in [
        ("--rfc2136-nameserver", "rfc2136: reach"),
        (
            "--dns-resolver",
            "find the alias (CNAME) of _acme-challenge.one.test",
        ),
    ] {
        let engine = engine(&setting, &bind, &[&format!("{setting_name}={nobody}")]);
        let error = engine.obtain_by_dns(&[NAME]).await.unwrap_err();
        assert_eq!(error.class(), Class::DnsUnavailable, "{error}");
        let said = error.to_string();
        assert!(said.contains(doing) && said.contains(&nobody), "{said}");
    }
    // A resolver that knows nothing of the name.
    let error = engine(&setting, &bind, &[])
        .obtain_by_dns(&["elsewhere.test"])
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::DnsUnavailable, "{error}");
    assert!(error.to_string().contains("REFUSED"), "{error}");
}

#[tokio::test]
async fn without_a_provider_nothing_is_ordered() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    let error = setting
        .engine(&[])
        .obtain_by_dns(&[NAME])
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Local, "{error}");
    assert!(error.to_string().contains("--dns-provider"), "{error}");
    assert_eq!(mock.calls_of(Call::NewOrder).len(), 0);
}

/// Waits until the server has so many records.
async fn written(bind: &Bind, number: usize) -> Vec<String> {
    let seen = until(format!("{number} records"), PATIENCE, async || {
        match bind.texts(RECORD).await {
            found if found.len() == number => Ok(found),
            found => Err(format!("{found:?}")),
        }
    });
    seen.await.unwrap()
}

/// The first attempt ends as by a crash, while a server lags. The next one goes on with
/// its order, for which the records are there already, and waits for that server too.
/// What an order of before has left is in no way, and stays.
#[tokio::test]
async fn a_server_that_lags_is_waited_for_and_what_a_crash_leaves_is_in_no_way() {
    let network = Network::create().await.unwrap();
    let (primary, secondary) = two_servers(&network).await;
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    let engine = engine(&setting, &primary, &[]);
    let names = [WILDCARD, NAME];
    primary
        .change(&format!("add {RECORD} 60 TXT left"))
        .unwrap();
    tokio::select! {
        ended = engine.obtain_by_dns(&names) => panic!("the secondary lags: {ended:?}"),
        _ = written(&primary, 3) => {}
    };
    let looks = mock.calls_of(Call::Order).len();

    let lagging = async {
        let resumed = until("the order be gone on with", PATIENCE, async || {
            let more = mock.calls_of(Call::Order).len() > looks;
            more.then_some(())
                .ok_or_else(|| "nobody asked for it".to_owned())
        });
        resumed.await.unwrap();
        assert!(secondary.texts(RECORD).await.is_empty());
        // Whoever waits for it has not asked the authority to look.
        assert_eq!(mock.calls_of(Call::Challenge).len(), 0);
        secondary.catch_up(NAME);
    };
    let (obtained, ()) = tokio::join!(engine.obtain_by_dns(&names), lagging);
    assert_eq!(obtained.unwrap().version, 1);
    assert_eq!(secondary.texts(RECORD).await.len(), 3);
    assert_eq!(mock.calls_of(Call::Challenge).len(), 2);
    assert_eq!(mock.calls_of(Call::NewOrder).len(), 1);
    assert_eq!(primary.texts(RECORD).await, ["left"]);
    network.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_stays_behind_is_named_with_what_it_answers() {
    let network = Network::create().await.unwrap();
    let (primary, secondary) = two_servers(&network).await;
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    let engine = engine(&setting, &primary, &["--dns-timeout=4s"]);
    let behind = format!("ns2.one.test ({})", secondary.address);
    let said = |answer: &str| format!("not within 4 s: {behind} {answer}");
    let obtain = async |expected: &str| {
        let error = engine.obtain_by_dns(&[NAME]).await.unwrap_err();
        assert_eq!(error.class(), Class::DnsNotSeen, "{error}");
        assert!(error.to_string().contains(&said(expected)), "{error}");
        // Nothing is left, although it failed.
        assert!(!primary.texts(RECORD).await.iter().any(|text| text != "old"));
    };
    obtain("answers NXDOMAIN").await;
    primary.change(&format!("add {RECORD} 60 TXT old")).unwrap();
    secondary.catch_up(NAME);
    let caught_up = until("the old record", PATIENCE, async || {
        let found = secondary.texts(RECORD).await;
        if found == ["old"] {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        }
    });
    caught_up.await.unwrap();
    obtain("answers \"old\"").await;
    drop(secondary);
    obtain("does not answer: ").await;
    assert_eq!(mock.calls_of(Call::Challenge).len(), 0);
    // All three are attempts at one order.
    assert_eq!(mock.calls_of(Call::NewOrder).len(), 1);
    network.stop().await.unwrap();
}

/// The authority does not find it: then the record goes too, and what to do is
/// said of records, not of port 80.
#[tokio::test]
async fn a_failed_validation_leaves_no_record() {
    let bind = one_server().await;
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    mock.configure(|settings| settings.validation = Validation::Fails(ProblemType::Dns));
    let engine = engine(&setting, &bind, &[]);
    let error = engine.obtain_by_dns(&[WILDCARD, NAME]).await.unwrap_err();
    assert_eq!(error.class(), Class::ValidationFailed, "{error}");
    let said = error.to_string();
    assert!(
        said.contains("show the record") && !said.contains("port 80"),
        "{said}"
    );
    assert!(bind.texts(RECORD).await.is_empty());
    // It was there when the authority was told to look.
    assert!(!mock.calls_of(Call::Challenge).is_empty());
}
