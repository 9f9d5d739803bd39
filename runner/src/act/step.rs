//! The steps of a reconcile, by name: the boundaries at which a crash must tear
//! nothing apart. Each is logged when it is passed, and a test can have the
//! runner stand still at one, to kill it just there.

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use tracing::field::display;
use tracing::{info, warn};

use crate::model::CertificateName;

/// A moment between two effects, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum NamedStep {
    /// There is something to do; nothing was done yet
    Observed,
    /// A placeholder is written, but does not stand under live/ yet
    PlaceholderPrepared,
    /// The placeholder is published
    PlaceholderPublished,
    /// A trial file is in the webroot; no replica was asked for it yet
    TrialWritten,
    /// Every replica would answer a challenge
    ChallengeChecked,
    /// The names of an order are proved; the authority does not have its request yet
    OrderReady,
    /// The authority has the request; whether it has issued is not known
    OrderFinalized,
    /// The certificate is here, and was not published
    CertificateFetched,
    /// Certbot's container is made, but was not started
    CertbotCreated,
    /// Certbot runs
    CertbotStarted,
    /// Certbot has ended; its container is still there
    CertbotEnded,
    /// A new certificate is published, and nobody was told
    Issued,
    /// The job that signals is made
    JobCreated,
    /// The secrets of a new certificate are made, and no service names them
    SecretsCreated,
    /// Swarm has taken the update that restarts the replicas
    UpdateStarted,
    /// Swarm has carried the update out; no replica was asked since
    UpdateCompleted,
    /// Every replica was seen to serve what is published
    Verified,
    /// What there was to do is done
    Concluded,
}

/// What a step is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum About<'a> {
    /// The whole pass.
    Everything,
    /// One certificate.
    Certificate(&'a CertificateName),
    /// One target service.
    Service(&'a str),
}

/// The step to stand still at, if any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HoldAt(Option<NamedStep>);

impl NamedStep {
    /// Its name, as the command line has it.
    fn name(self) -> String {
        // No variant is hidden from the command line, so there is always one.
        let value = self.to_possible_value().unwrap_or_default();
        value.get_name().to_owned()
    }
}

impl HoldAt {
    /// Takes the name of a step; nothing stands for none, because a stack file
    /// can set a variable to nothing, but not leave it out.
    pub(crate) fn parser() -> impl TypedValueParser<Value = Self> {
        let steps = NamedStep::value_variants().iter();
        let names = steps.filter_map(ValueEnum::to_possible_value);
        let nowhere = PossibleValue::new("").hide(true);
        PossibleValuesParser::new(std::iter::once(nowhere).chain(names))
            .map(|name| Self(NamedStep::from_str(&name, false).ok()))
    }

    /// Says that `step` is passed; waits there for ever if it is the one to stand
    /// still at.
    pub(crate) async fn passed(self, step: NamedStep, about: About<'_>) {
        let name = step.name();
        let certificate = match about {
            About::Certificate(name) => Some(display(name)),
            _ => None,
        };
        let service = match about {
            About::Service(name) => Some(display(name)),
            _ => None,
        };
        info!(step = %name, certificate, service, "step passed");
        if self.0 == Some(step) {
            warn!(held = %name, "standing still, as --hold-at asks");
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;
    use crate::config::Settings;

    #[derive(Debug, Parser)]
    struct Given {
        #[command(flatten)]
        settings: Settings,
    }

    fn hold_at(name: &str) -> Result<HoldAt, clap::Error> {
        let given = Given::try_parse_from(["rollover", "--hold-at", name])?;
        Ok(given.settings.hold_at)
    }

    async fn holds(hold_at: HoldAt, step: NamedStep) -> bool {
        let passed = hold_at.passed(step, About::Everything);
        tokio::time::timeout(Duration::from_secs(1), passed)
            .await
            .is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn holds_at_the_step_that_is_named_and_at_no_other() {
        for step in NamedStep::value_variants() {
            let hold_at = hold_at(&step.name()).unwrap();
            for other in NamedStep::value_variants() {
                assert_eq!(holds(hold_at, *other).await, step == other, "{other:?}");
            }
            assert!(!holds(HoldAt::default(), *step).await);
        }
    }

    #[test]
    fn a_name_that_is_none_is_told_those_that_are() {
        assert_eq!(hold_at("").unwrap(), HoldAt::default());
        let error = hold_at("isued").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let error = error.to_string();
        assert!(error.contains("observed, placeholder_prepared"), "{error}");
        assert!(error.contains("verified, concluded"), "{error}");
    }
}
