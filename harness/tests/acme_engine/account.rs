//! The account: made once, kept, bound, forgotten, and given another key.

use std::fs;

use rollover::acme::{AcmeErrorClass as Class, Engine};
use rollover_lab::acme::mock::{Call, Mock, ProblemType, Settings};

use crate::setting::{Setting, mode, obtain};

#[tokio::test]
async fn it_is_made_once_and_kept_for_its_owner() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    let contact = ["--acme-contact", "ops@example.org"];
    obtain(&setting.engine(&contact)).await.unwrap();
    obtain(&setting.engine(&contact)).await.unwrap();
    assert_eq!(mock.calls_of(Call::NewAccount).len(), 1);
    assert_eq!(mode(&setting.account()), 0o600);
    assert_eq!(mock.calls_of(Call::Account).len(), 0);
    // Another contact is told once.
    let contact = ["--acme-contact", "others@example.org"];
    obtain(&setting.engine(&contact)).await.unwrap();
    obtain(&setting.engine(&contact)).await.unwrap();
    assert_eq!(mock.calls_of(Call::NewAccount).len(), 1);
    assert_eq!(mock.calls_of(Call::Account).len(), 1);
}

#[tokio::test]
async fn nothing_is_agreed_to_that_shall_not_be() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    let error = obtain(&setting.engine(&["--acme-agree-terms=false"]))
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Account);
    assert!(error.to_string().contains("--acme-agree-terms"), "{error}");
    assert_eq!(mock.calls_of(Call::NewAccount).len(), 0);
}

#[tokio::test]
async fn one_that_the_authority_has_forgotten_is_kept_aside_and_made_anew() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    setting.obtain().await.unwrap();
    let before = fs::read(setting.account()).unwrap();
    mock.start_again().unwrap();
    assert_eq!(setting.obtain().await.unwrap().version, 2);
    let aside = setting.account().with_file_name("account.json.unknown");
    assert_eq!(fs::read(aside).unwrap(), before);
    assert_ne!(fs::read(setting.account()).unwrap(), before);
}

#[tokio::test]
async fn a_file_that_is_no_account_is_told_and_left() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    setting.obtain().await.unwrap();
    fs::write(setting.account(), "half of an acc").unwrap();
    let error = setting.obtain().await.unwrap_err();
    assert_eq!(error.class(), Class::Local);
    assert!(
        error.to_string().contains("restore it, or move it away"),
        "{error}"
    );
    assert!(!error.to_string().contains("half of"), "{error}");
    assert_eq!(
        fs::read_to_string(setting.account()).unwrap(),
        "half of an acc"
    );
}

#[tokio::test]
async fn it_is_bound_to_an_external_one() {
    let mock = Mock::start(Settings {
        external_accounts: [("customer".to_owned(), b"a key of some length".to_vec())].into(),
        external_account_required: true,
        ..Settings::default()
    });
    let mock = mock.await.unwrap();
    let setting = Setting::of(&mock);
    let error = setting.obtain().await.unwrap_err();
    assert_eq!(error.class(), Class::Account, "{error}");
    let file = setting.path("hmac");
    // The key, as base64url.
    fs::write(&file, "YSBrZXkgb2Ygc29tZSBsZW5ndGg\n").unwrap();
    let file = file.to_string_lossy();
    let bound = [
        "--acme-eab-key-id=customer",
        "--acme-eab-hmac-key-file",
        &file,
    ];
    obtain(&setting.engine(&bound)).await.unwrap();
}

#[test]
fn half_an_external_account_is_told() {
    let error = Engine::new(&["--acme-eab-key-id=customer"]).err().unwrap();
    assert!(
        error.contains("expected both or none, found one"),
        "{error}"
    );
}

#[tokio::test]
async fn it_gets_another_key_and_goes_on() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    setting.obtain().await.unwrap();
    let before = fs::read(setting.account()).unwrap();
    setting.engine(&[]).roll_account_key().await.unwrap();
    assert_ne!(fs::read(setting.account()).unwrap(), before);
    assert_eq!(mode(&setting.account()), 0o600);
    setting.obtain().await.unwrap();
    assert_eq!(mock.calls_of(Call::NewAccount).len(), 1);
    assert_eq!(mock.calls_of(Call::KeyChange).len(), 1);
}

#[tokio::test]
async fn refused_nonces_do_not_keep_it_from_changing() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    setting.obtain().await.unwrap();
    for call in [Call::Account, Call::KeyChange] {
        mock.on(call).first(5).problem(ProblemType::BadNonce);
    }
    setting.engine(&[]).roll_account_key().await.unwrap();
    let contact = ["--acme-contact", "ops@example.org"];
    obtain(&setting.engine(&contact)).await.unwrap();
    assert_eq!(mock.calls_of(Call::KeyChange).len(), 6);
    assert_eq!(mock.calls_of(Call::Account).len(), 6);
}
