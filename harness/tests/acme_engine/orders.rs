//! What the authority says of an order.

use std::time::{Duration, Instant};

use rollover::acme::AcmeErrorClass as Class;
use rollover_lab::acme::mock::{Call, Issuance, Mock, ProblemType, Scripted, Settings, Validation};

use crate::setting::{NAME, Setting, mode, now, obtain};

#[tokio::test]
async fn a_certificate_is_obtained_and_published() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    let first = setting.obtain().await.unwrap();
    assert_eq!(
        (first.version, first.names.as_slice()),
        (1, &[NAME.to_owned()][..])
    );
    assert!(setting.live("combined.pem").contains("PRIVATE KEY"));
    assert_eq!(mode(&setting.path("live/one.test/privkey.pem")), 0o600);
    assert!(!setting.is_pending());
    // The next one replaces it, and says so.
    let second = setting.obtain().await.unwrap();
    assert_eq!(second.version, 2);
    assert_ne!(first.fingerprint, second.fingerprint);
    let orders = mock.calls_of(Call::NewOrder);
    let replaces: Vec<bool> = orders
        .iter()
        .map(|order| order.payload.as_ref().unwrap().get("replaces").is_some())
        .collect();
    assert_eq!(replaces, [false, true]);
}

#[tokio::test]
async fn every_kind_of_key_is_certified() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    let engine = setting.engine(&["--acme-timeout=5m"]);
    let kinds = ["ecdsa", "ecdsa384", "rsa2048", "rsa4096"];
    for (version, key) in (1..).zip(kinds) {
        let obtained = engine
            .obtain(&[NAME, "two.test"], key, Some("shortlived"), &[])
            .await;
        let obtained = obtained.unwrap();
        assert_eq!(obtained.version, version, "{key}");
        assert_eq!(obtained.names, [NAME, "two.test"]);
    }
}

/// Two certificates for the same names: each replaces its own predecessor.
#[tokio::test]
async fn each_of_a_dual_pair_is_renewed_by_itself() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    let engine = setting.engine(&["--acme-timeout=5m"]);
    let obtain = async || {
        let each = engine.obtain_each(&[NAME, "two.test"], "ecdsa,rsa2048", None, &[]);
        let each = each.await.unwrap().into_iter();
        each.map(|it| (it.name, it.version)).collect::<Vec<_>>()
    };
    let named = |version| [NAME, "one.test-rsa"].map(|name| (name.to_owned(), version));
    assert_eq!(obtain().await, named(1));
    assert_eq!(obtain().await, named(2));
    assert_eq!(setting.kind_of(NAME), "ECDSA");
    assert_eq!(setting.kind_of("one.test-rsa"), "RSA");
    let orders = mock.calls_of(Call::NewOrder).into_iter();
    let replaces: Vec<Option<String>> = orders
        .map(|order| {
            let replaces = order.payload?.get("replaces")?.as_str()?.to_owned();
            Some(replaces)
        })
        .collect();
    assert_eq!(replaces[..2], [None, None]);
    assert!(replaces[2].is_some() && replaces[3].is_some());
    assert_ne!(replaces[2], replaces[3]);
}

#[tokio::test]
async fn a_limit_is_told_with_its_end_and_asked_once() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    let limited =
        Scripted::problem_with(ProblemType::RateLimited, 429, "five certificates already");
    mock.on(Call::NewOrder)
        .answer(limited.retry_after(Duration::from_secs(3600)));
    let error = setting.obtain().await.unwrap_err();
    assert_eq!(error.class(), Class::RateLimited);
    let wait = error.retry_after().unwrap().duration_since(now());
    assert!((3500..=3600).contains(&wait.as_secs()), "{wait}");
    assert!(
        error.to_string().contains("five certificates already"),
        "{error}"
    );
    assert_eq!(mock.calls_of(Call::NewOrder).len(), 1);
}

#[tokio::test]
async fn some_refused_nonces_are_nothing_and_all_of_them_an_end() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    for call in [
        Call::NewAccount,
        Call::NewOrder,
        Call::Authorization,
        Call::Challenge,
        Call::Finalize,
        Call::Certificate,
    ] {
        mock.on(call).first(5).problem(ProblemType::BadNonce);
    }
    setting.obtain().await.unwrap();
    mock.forget_script();
    mock.on(Call::NewOrder).problem(ProblemType::BadNonce);
    let before = mock.calls_of(Call::NewOrder).len();
    let error = setting.obtain().await.unwrap_err();
    assert_eq!(error.class(), Class::BadNonce);
    let asked = mock.calls_of(Call::NewOrder).len() - before;
    assert!((2..=12).contains(&asked), "{asked}");
}

#[tokio::test]
async fn a_server_that_is_down_is_unavailable() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    for call in [
        Call::Directory,
        Call::NewNonce,
        Call::NewAccount,
        Call::NewOrder,
    ] {
        mock.forget_script();
        let down = Scripted::body(503, "text/html", "<html>down</html>");
        mock.on(call)
            .answer(down.retry_after(Duration::from_secs(60)));
        let error = setting.obtain().await.unwrap_err();
        assert_eq!(error.class(), Class::Unavailable, "{call:?}: {error}");
        assert!(error.retry_after().is_some(), "{call:?}: {error}");
    }
    mock.stop();
    let error = setting.obtain().await.unwrap_err();
    assert_eq!(error.class(), Class::Network, "{error}");
}

#[tokio::test]
async fn a_stuck_order_is_left_in_time_and_gone_on_with() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    mock.configure(|settings| settings.issuance = Issuance::Never);
    let begin = Instant::now();
    let error = setting.obtain().await.unwrap_err();
    assert_eq!(error.class(), Class::Unavailable, "{error}");
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "{:?}",
        begin.elapsed()
    );
    assert!(setting.is_pending());
    mock.configure(|settings| settings.issuance = Issuance::AfterLooks(0));
    setting.obtain().await.unwrap();
    assert_eq!(mock.calls_of(Call::NewOrder).len(), 1);
    assert!(!setting.is_pending());
}

#[tokio::test]
async fn an_order_that_fails_in_the_end_is_not_gone_on_with() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    mock.configure(|settings| settings.issuance = Issuance::Fails(ProblemType::Caa));
    let error = setting.obtain().await.unwrap_err();
    assert_eq!(error.class(), Class::ValidationFailed, "{error}");
    assert!(!setting.is_pending());
}

#[tokio::test]
async fn what_may_not_be_replaced_is_ordered_without_saying_so() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    assert!(!setting.obtain().await.unwrap().replaces_refused);
    // Replaced already, or another account's.
    for (version, refusal) in [
        (2, ProblemType::AlreadyReplaced),
        (3, ProblemType::Unauthorized),
    ] {
        mock.on(Call::NewOrder).first(1).problem(refusal);
        let before = mock.calls_of(Call::NewOrder).len();
        let obtained = setting.obtain().await.unwrap();
        assert_eq!(obtained.version, version);
        assert!(obtained.replaces_refused, "so it is counted");
        assert_eq!(mock.calls_of(Call::NewOrder).len() - before, 2);
    }
    assert!(!setting.obtain().await.unwrap().replaces_refused);
}

#[tokio::test]
async fn a_failed_validation_names_the_name_and_what_was_seen() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    mock.configure(|settings| settings.validation = Validation::Fails(ProblemType::Connection));
    let error = setting.obtain().await.unwrap_err();
    assert_eq!(error.class(), Class::ValidationFailed);
    assert_eq!(error.problem().unwrap().kind, "connection");
    assert!(
        error
            .to_string()
            .starts_with("prove that one.test is ours: "),
        "{error}"
    );
    assert!(!setting.path("live").exists());
}

#[tokio::test]
async fn a_name_that_is_refused_is_told() {
    let mock = Mock::start(Settings {
        forbidden: vec![NAME.to_owned()],
        ..Settings::default()
    });
    let mock = mock.await.unwrap();
    let setting = Setting::of(&mock);
    let error = setting.obtain().await.unwrap_err();
    assert_eq!(error.class(), Class::RejectedIdentifier, "{error}");
}

#[tokio::test]
async fn validation_that_never_ends_is_left_in_time() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    mock.configure(|settings| settings.validation = Validation::Never);
    let begin = Instant::now();
    let error = setting.obtain().await.unwrap_err();
    assert_eq!(error.class(), Class::Unavailable, "{error}");
    assert!(begin.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn several_at_once_share_one_account_and_one_listener() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    let engine = setting.engine(&[]);
    let names: Vec<String> = (0..6).map(|number| format!("n{number}.test")).collect();
    let all = names
        .iter()
        .map(async |name| engine.obtain(&[name], "ecdsa", None, &[]).await);
    for obtained in futures_util::future::join_all(all).await {
        assert_eq!(obtained.unwrap().version, 1);
    }
    assert_eq!(mock.calls_of(Call::NewAccount).len(), 1);
}

/// Of the replicas that would be asked, one does not answer: then the authority
/// is not asked to look.
#[tokio::test]
async fn an_answer_that_would_not_arrive_is_not_tried_on_the_authority() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    let engine = setting.engine(&["--acme-timeout=1m"]);
    let nobody = crate::setting::free(std::net::Ipv4Addr::LOCALHOST);
    let error = engine
        .obtain(&[NAME], "ecdsa", None, &[nobody])
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Local);
    assert!(
        error.to_string().contains("check the answer for one.test"),
        "{error}"
    );
    assert_eq!(mock.calls_of(Call::Challenge).len(), 0);
    obtain(&engine).await.unwrap();
}
