//! When the authority would have a certificate renewed (RFC 9773).

use jiff::SignedDuration;
use rollover::acme::{AcmeErrorClass as Class, RenewalWindow};
use rollover_lab::acme::mock::{Call, Mock, Scripted, Settings, Window};

use crate::setting::{NAME, Setting, now, obtain};

const DAY: SignedDuration = SignedDuration::from_hours(24);

async fn asked(window: Window) -> Result<RenewalWindow, Class> {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    setting.obtain().await.unwrap();
    mock.configure(|settings| settings.window = window);
    let window = setting.engine(&[]).renewal_info(NAME).await;
    window.map_err(|error| error.class())
}

#[tokio::test]
async fn a_window_is_told_as_it_is() {
    let now = now();
    let past = asked(Window::Past).await.unwrap();
    assert!(past.end < now, "{past:?}");
    let (start, end) = (now + DAY * 400, now + DAY * 402);
    let far = asked(Window::Between(start, end)).await.unwrap();
    assert_eq!(far.start.as_second(), start.as_second());
    assert_eq!(far.end.as_second(), end.as_second());
    assert!(far.retry_after.unwrap() > now);
    let around = asked(Window::Between(now - DAY, now + DAY)).await.unwrap();
    assert!(around.start < now && now < around.end);
    let why = r#"{"suggestedWindow": {"start": "2027-01-01T00:00:00Z", "end": "2027-01-02T00:00:00Z"},
                  "explanationURL": "https://ca.example/incident"}"#;
    let told = asked(Window::Raw(why.to_owned())).await.unwrap();
    assert_eq!(
        told.explanation_url.as_deref(),
        Some("https://ca.example/incident")
    );
}

#[tokio::test]
async fn what_is_no_window_is_no_answer() {
    let now = now();
    for raw in [
        "",
        "{}",
        "<html>",
        r#"{"suggestedWindow": {"start": "soon", "end": "later"}}"#,
    ] {
        let class = asked(Window::Raw(raw.to_owned())).await.unwrap_err();
        assert_eq!(class, Class::Malformed, "{raw}");
    }
    let class = asked(Window::Between(now + DAY, now)).await.unwrap_err();
    assert_eq!(class, Class::Malformed);
}

#[tokio::test]
async fn an_authority_that_does_not_say_is_told_apart() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    setting.obtain().await.unwrap();
    let ask = async || {
        setting
            .engine(&[])
            .renewal_info(NAME)
            .await
            .unwrap_err()
            .class()
    };
    mock.configure(|settings| settings.window_retry_after = None);
    assert_eq!(ask().await, Class::Malformed);
    mock.on(Call::RenewalInfo).status(503);
    assert_eq!(ask().await, Class::Unavailable);
    mock.on(Call::RenewalInfo).answer(Scripted::reset());
    assert_eq!(ask().await, Class::Network);
}

/// Most authorities are like that: a share of the life decides there.
#[tokio::test]
async fn an_authority_without_windows_is_told_of_no_predecessor_and_renews() {
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    setting.obtain().await.unwrap();
    mock.configure(|settings| settings.window = Window::NotOffered);
    let engine = setting.engine(&[]);
    let error = engine.renewal_info(NAME).await.unwrap_err();
    assert_eq!(error.class(), Class::Malformed, "{error}");
    assert!(mock.calls_of(Call::RenewalInfo).is_empty());
    let renewed = obtain(&engine).await.unwrap();
    assert_eq!(renewed.version, 2);
    let orders = mock.calls_of(Call::NewOrder);
    let last = orders.last().unwrap().payload.as_ref().unwrap();
    assert!(last.get("replaces").is_none(), "{last}");
}
