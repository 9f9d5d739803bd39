//! The mock as the ACME server of a lab, with the runner and certbot as clients.

use std::time::Duration;

use rollover_lab::{
    acme::{
        Acme,
        mock::{Call, ProblemType, Scripted},
    },
    lab::Lab,
    site::{Site, SiteOptions},
};

#[tokio::test]
async fn the_runner_issues_from_the_mock() {
    let lab = Lab::builder()
        .nodes(1)
        .acme(Acme::Mock)
        .start()
        .await
        .unwrap();
    let mock = lab.mock().unwrap();
    let options = SiteOptions {
        replicas: 1,
        ..SiteOptions::find().unwrap()
    };
    let site = Site::deploy(&lab, options).await.unwrap();
    let first = site.serving().await.unwrap();
    assert_eq!(mock.calls_of(Call::Finalize).len(), 1);

    let _due = site.make_due().unwrap();
    let limited =
        Scripted::problem_with(ProblemType::RateLimited, 429, "five certificates already");
    mock.on(Call::NewOrder)
        .first(1)
        .answer(limited.retry_after(Duration::from_secs(3600)));
    let failed = site.once(&[]).await.unwrap();
    assert_eq!(failed.output.code, 1, "{failed:?}");
    let errors = failed.errors().join("\n");
    assert!(errors.contains("five certificates already"), "{errors}");
    assert_eq!(site.seen().await.unwrap(), first);

    lab.acme().stop().await.unwrap();
    // What failed is held back, unless a person forces it.
    let failed = site.once(&["--force", "example.org"]).await.unwrap();
    assert!(
        failed.errors().join("\n").contains("Connection refused"),
        "{failed:?}"
    );
    lab.stop().await.unwrap();
}
