//! A service gets more replicas, or fewer.

use std::fmt;

use super::service::{Update, wanted};
use super::{Active, Fault, Pending, mending};
use crate::lab::Lab;

/// A replicated service is to have another number of replicas; it has as many as
/// before when the fault ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scaled {
    /// The service's full name: `patch_loadbalancer`.
    pub service: String,
    /// How many replicas it is to have meanwhile.
    pub replicas: u64,
}

impl Scaled {
    /// So many.
    #[must_use]
    pub fn to(service: impl Into<String>, replicas: u64) -> Self {
        Self {
            service: service.into(),
            replicas,
        }
    }
}

impl Fault for Scaled {
    fn inject<'a>(&'a self, lab: &'a Lab) -> Pending<'a, Active> {
        Box::pin(async move {
            let before = wanted(&lab.service(&self.service)).await?;
            let service = Update::of(lab, &self.service);
            let mended = service.clone();
            let mend = before.map(|before| {
                mending(
                    move || async move { mended.begin(&[format!("--replicas={before}")]).await },
                )
            });
            let active = Active::new(self, lab, mend);
            let replicas = format!("--replicas={}", self.replicas);
            service.begin(&[replicas]).await?;
            Ok(active)
        })
    }
}

impl fmt::Display for Scaled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has {} replicas", self.service, self.replicas)
    }
}
