//! Connections that stall or break, and answers that are none.

use std::time::Duration;

use rollover::acme::AcmeErrorClass as Class;
use rollover_lab::acme::mock::{Call, Mock, Scripted, Settings};

use crate::setting::Setting;

/// However the answer to the certificate request is lost, and whether or not it
/// was carried out: the certificate of that order is fetched.
#[tokio::test]
async fn a_connection_that_breaks_after_the_request_wastes_no_order() {
    for scripted in [
        Scripted::reset(),
        Scripted::reset().carried_out(),
        Scripted::half_open().carried_out(),
        Scripted::garbage().carried_out(),
        Scripted::usual().cut_after(20),
        Scripted::status(502).carried_out(),
    ] {
        let mock = Mock::start(Settings::default()).await.unwrap();
        let setting = Setting::of(&mock);
        mock.on(Call::Finalize).first(1).answer(scripted.clone());
        let obtained = setting.obtain().await;
        assert_eq!(obtained.unwrap().version, 1, "{scripted:?}");
        assert_eq!(mock.calls_of(Call::NewOrder).len(), 1, "{scripted:?}");
    }
}

#[tokio::test]
async fn a_download_that_breaks_is_begun_again() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    mock.on(Call::Certificate)
        .first(2)
        .answer(Scripted::usual().cut_after(300));
    assert_eq!(setting.obtain().await.unwrap().version, 1);
    assert_eq!(mock.calls_of(Call::NewOrder).len(), 1);
    assert_eq!(mock.calls_of(Call::Certificate).len(), 3);
}

#[tokio::test]
async fn what_was_issued_is_fetched_by_the_next_start() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    mock.on(Call::Certificate).answer(Scripted::reset());
    let error = setting.obtain().await.unwrap_err();
    assert!(
        matches!(error.class(), Class::Network | Class::Unavailable),
        "{error}"
    );
    assert!(setting.is_pending());
    let file = setting.path("archive/one.test/.pending/order.json");
    assert_eq!(crate::setting::mode(&file), 0o600);
    mock.forget_script();
    assert_eq!(setting.obtain().await.unwrap().version, 1);
    assert_eq!(mock.calls_of(Call::NewOrder).len(), 1);
    assert!(!setting.is_pending());
}

/// The key of another certificate: it was issued for something else.
#[tokio::test]
async fn a_certificate_of_another_key_is_not_published() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    let first = setting.obtain().await.unwrap();
    let chain = setting.live("fullchain.pem");
    let content_type = "application/pem-certificate-chain";
    for answer in [
        chain.as_str(),
        "",
        "no certificate",
        &chain[..chain.len() / 2],
    ] {
        mock.forget_script();
        mock.on(Call::Certificate)
            .answer(Scripted::body(200, content_type, answer));
        let error = setting.obtain().await.unwrap_err();
        assert_eq!(error.class(), Class::Malformed, "{error}");
        assert!(!setting.is_pending());
    }
    mock.forget_script();
    let second = setting.obtain().await.unwrap();
    assert_eq!((first.version, second.version), (1, 2));
}

/// Each request in turn is answered with something that is no ACME.
#[tokio::test]
async fn whatever_breaks_the_next_attempt_succeeds() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    for call in [
        Call::Directory,
        Call::NewNonce,
        Call::NewAccount,
        Call::NewOrder,
        Call::Order,
        Call::Authorization,
        Call::Challenge,
    ] {
        for scripted in [
            Scripted::garbage(),
            Scripted::reset(),
            Scripted::body(200, "text/html", "<p>"),
            Scripted::usual().cut_after(80),
        ] {
            mock.forget_script();
            mock.on(call).answer(scripted.clone());
            let error = setting.obtain().await;
            // An account that is there is not asked for again.
            if let Err(error) = error {
                let class = error.class();
                let expected = matches!(
                    class,
                    Class::Network | Class::Malformed | Class::Unavailable
                );
                assert!(expected, "{call:?} {scripted:?}: {error}");
            }
        }
    }
    mock.forget_script();
    setting.obtain().await.unwrap();
}

#[tokio::test]
async fn slow_answers_are_waited_for() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    for call in [Call::NewOrder, Call::Finalize, Call::Certificate] {
        mock.on(call).slow(Duration::from_secs(1));
    }
    setting.obtain().await.unwrap();
}
