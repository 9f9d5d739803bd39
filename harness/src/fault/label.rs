//! A label of a service is changed for a while.

use std::fmt;

use super::service::Update;
use super::{Active, Fault, Pending, mending};
use crate::lab::Lab;

/// A service's label has another value, which replaces none of its tasks; it has
/// its own again when the fault ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelChanged {
    /// The service's full name: `patch_loadbalancer`.
    pub service: String,
    /// The label's name.
    pub label: String,
    /// Its value meanwhile.
    pub value: String,
}

impl LabelChanged {
    /// With that value.
    #[must_use]
    pub fn of(
        service: impl Into<String>,
        label: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        Self {
            service: service.into(),
            label: label.into(),
            value: value.into(),
        }
    }
}

impl Fault for LabelChanged {
    fn inject<'a>(&'a self, lab: &'a Lab) -> Pending<'a, Active> {
        Box::pin(async move {
            let spec = lab.service(&self.service).inspect().await?;
            let labels = spec.and_then(|service| service.spec?.labels);
            let before = labels.unwrap_or_default().remove(&self.label);
            let service = Update::of(lab, &self.service);
            let (mended, label) = (service.clone(), self.label.clone());
            let mend = mending(move || async move {
                let back = match before {
                    Some(value) => format!("--label-add={label}={value}"),
                    None => format!("--label-rm={label}"),
                };
                mended.begin(&[back]).await
            });
            let active = Active::new(self, lab, Some(mend));
            let (label, value) = (&self.label, &self.value);
            service
                .begin(&[format!("--label-add={label}={value}")])
                .await?;
            Ok(active)
        })
    }
}

impl fmt::Display for LabelChanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            service,
            label,
            value,
        } = self;
        write!(f, "{service} has {label}={value}")
    }
}
