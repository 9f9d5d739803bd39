//! Playing a scenario, and what it comes to.

use super::{Finding, Kind, Parameters, Scenario, Stage, evidence};
use crate::clock;
use crate::lab::Lab;
use crate::report::{Moment, Run, Verdict};
use crate::site::SiteError;
use crate::with_causes;

/// Plays a scenario, or its control, in a lab of the shape that its parameters
/// take.
///
/// A control turns red as it must: then its verdict is [`Verdict::Failed`]. If
/// it turned red by something else than it says, that shows nothing, and its
/// verdict is [`Verdict::Void`]. [`Run::is_as_it_must_be`] knows both.
pub async fn play(scenario: &Scenario, control: bool, parameters: &Parameters, lab: &Lab) -> Run {
    let stage = Stage::new(lab, parameters, control);
    let ended = (scenario.play)(&stage).await;
    let cut_short = ended.is_err();
    let void = match ended {
        Ok(()) => None,
        Err(SiteError::Dishonest(why)) => Some(why.to_string()),
        Err(error) => {
            stage.found(kind_of(&error), with_causes(&error));
            None
        }
    };
    let findings = stage.findings.take();
    let verdict = verdict(scenario, control, void, &findings);
    let notes = evidence::gather(&stage).await;
    Run {
        scenario: scenario.name.to_owned(),
        about: if control {
            format!("The control of: {} {}", scenario.about, wrong(scenario))
        } else {
            scenario.about.to_owned()
        },
        control,
        parameters: parameters.named(),
        started_at: stage.begun,
        ended_at: clock::now(),
        verdict,
        cut_short,
        traffic: stage.traffic.take(),
        moments: moments(&stage),
        notes,
        figures: stage.figures.take(),
    }
}

fn wrong(scenario: &Scenario) -> String {
    format!(
        "Here it is made wrong: {}. It must turn red ({}).",
        scenario.control.wrong,
        scenario.control.kinds()
    )
}

fn verdict(
    scenario: &Scenario,
    control: bool,
    void: Option<String>,
    findings: &[Finding],
) -> Verdict {
    if let Some(reason) = void {
        return Verdict::Void { reason };
    }
    if findings.is_empty() {
        return Verdict::Passed;
    }
    let texts: Vec<_> = findings.iter().map(Finding::to_string).collect();
    let found = |kind: &Kind| findings.iter().any(|finding| finding.kind == *kind);
    if control && !scenario.control.found_by.iter().all(found) {
        return Verdict::Void {
            reason: format!(
                "the control must turn red by \"{}\", and did by: {}",
                scenario.control.kinds(),
                texts.join("; ")
            ),
        };
    }
    Verdict::Failed { findings: texts }
}

/// What kind of finding it is that a scenario could not go on.
fn kind_of(error: &SiteError) -> Kind {
    match error {
        SiteError::TimedOut(_) => Kind::Stuck,
        SiteError::Runner { .. } => Kind::Runner,
        _ => Kind::Lab,
    }
}

/// What happened to the containers of services meanwhile.
fn moments(stage: &Stage<'_>) -> Vec<Moment> {
    let events = stage.lab().timeline().into_iter();
    events
        .filter(|event| event.at >= stage.begun && event.service.is_some())
        .map(Moment::from)
        .collect()
}
