//! What the labels of a service ask for, as far as rules go.

use std::collections::HashMap;
use std::path::PathBuf;

use super::Rollout;
use crate::model::{CertificateSpec, LabelError, ProbePort, Strategy, Tell, parse_target};

/// What the labels of a service ask for. What they leave open because they are
/// wrong is not known.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// What is wrong with them.
    pub label_errors: Vec<WrongLabel>,
    /// How a new certificate reaches its replicas.
    pub rollout: Option<Rollout>,
    /// Where the replicas look for the chain of each certificate.
    pub certificates: Vec<PathBuf>,
    /// Whether no certificate has another name to ask by than its first.
    pub one_name_each: bool,
    /// The port at which replicas are probed.
    pub probed: Option<u16>,
}

/// A label that does not parse, or that has no meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongLabel {
    /// Which.
    pub label: String,
    /// What is wrong with it, in a sentence.
    pub what: String,
}

impl Asked {
    /// By the labels of `service`; `None`: it asks for nothing.
    #[must_use]
    pub fn by(service: &str, labels: &HashMap<String, String>) -> Option<Self> {
        let (labels, errors) = parse_target(service, labels);
        if labels.is_none() && errors.is_empty() {
            return None;
        }
        let asked = labels.map(|it| Self::rightly(&it.strategy, it.probe, &it.certificates));
        Some(Self {
            label_errors: errors.iter().map(WrongLabel::from).collect(),
            ..asked.unwrap_or_default()
        })
    }

    /// By labels that can be followed.
    pub(crate) fn rightly(
        strategy: &Strategy,
        probe: ProbePort,
        certificates: &[CertificateSpec],
    ) -> Self {
        // Those that are secrets, the runner puts there itself.
        let by_file = !matches!(strategy, Strategy::Secret(_));
        let specs = certificates.iter().filter(|_| by_file);
        let has_another = |spec: &CertificateSpec| spec.other_names().next().is_some();
        Self {
            label_errors: Vec::new(),
            rollout: Some(strategy.into()),
            certificates: specs.map(|spec| spec.path.clone()).collect(),
            one_name_each: !certificates.iter().any(has_another),
            probed: Some(probe.port),
        }
    }
}

impl From<&LabelError> for WrongLabel {
    fn from(error: &LabelError) -> Self {
        Self {
            label: error.label.clone(),
            what: error.to_string(),
        }
    }
}

impl From<&Strategy> for Rollout {
    fn from(strategy: &Strategy) -> Self {
        match strategy {
            Strategy::Signal {
                tell: Tell::Signal(_),
                ..
            } => Self::Signal,
            Strategy::Signal {
                tell: Tell::Exec(_),
                ..
            } => Self::Exec,
            Strategy::Restart(pace) | Strategy::Secret(pace) => Self::Restart {
                parallelism: pace.parallelism,
            },
        }
    }
}
