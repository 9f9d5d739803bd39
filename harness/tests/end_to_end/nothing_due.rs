//! Nothing due.

use rollover_lab::lab::Lab;

use crate::support::{Outcome, options, site, task_ids};

/// Nothing is touched: the same tasks, no job, exit 0.
pub(crate) async fn nothing_is_touched(lab: &Lab) -> Outcome {
    let site = site(lab, options()?).await?;
    let (tasks, served) = (task_ids(&site).await?, site.served().await?);
    let seen = lab.timeline().len();

    let once = site.once(&["--detailed-exit-code"]).await?;
    assert_eq!(once.output.code, 0, "{:?}", once.output);
    let report = once.succeeded()?;
    assert_eq!(report.certificates[0].outcome, "not_due");
    assert!(report.rollouts.is_empty(), "{report:?}");

    assert_eq!(task_ids(&site).await?, tasks);
    assert_eq!(site.served().await?, served);
    assert!(!lab.service(SIGNAL_JOB).exists().await?);
    let jobs: Vec<_> = lab.timeline()[seen..]
        .iter()
        .filter(|event| event.service.as_deref() == Some(SIGNAL_JOB))
        .cloned()
        .collect();
    assert_eq!(jobs, [], "a job ran");
    Ok(())
}

/// The job by which a rollout by signal is done.
pub(crate) const SIGNAL_JOB: &str = "rollover-signal-patch_loadbalancer";
