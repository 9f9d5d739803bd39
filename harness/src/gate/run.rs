//! The gate's first form: does a change of the stack, or a renewal after it,
//! lose a request?

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::lab::Lab;
use crate::report::attribution::{Attribution, attribute};
use crate::site::{Load, Serves, Site, SiteError, SiteOptions, TrafficRun, moments};
use crate::traffic::Record;

/// Why the gate gives no verdict.
pub type GateError = SiteError;

/// What the gate saw.
#[derive(Debug, Serialize)]
pub struct GateVerdict {
    /// What each replica served before the change.
    pub before: Vec<Serves>,
    /// What each replica serves after change and renewal.
    pub after: Vec<Serves>,
    /// All that traffic saw during the change.
    pub change: Record,
    /// What the losses of the change fell on.
    pub change_losses: Attribution,
    /// All that traffic saw during the renewal.
    pub renewal: Record,
    /// What the losses of the renewal fell on.
    pub renewal_losses: Attribution,
}

impl GateVerdict {
    /// Whether nothing was lost.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.change.lost() == 0 && self.renewal.lost() == 0
    }
}

/// Deploys `old` in `lab`, changes to `new` under traffic, and renews under
/// traffic.
///
/// # Errors
/// When a stack does not deploy, does not come up, or does not renew. A lost
/// request is no error but a verdict.
pub async fn run(lab: &Lab, old: &Path, new: &Path) -> Result<GateVerdict, GateError> {
    let of = |stack: &Path| SiteOptions {
        stack: stack.to_owned(),
        ..SiteOptions::default()
    };
    let load = Load::default();
    let site = Site::deploy(lab, of(old)).await?;
    let before = site.ready().await?;
    tracing::info!("the old stack serves");

    let begun = crate::clock::now();
    let traffic = TrafficRun::start(&site, load).await?;
    let changed = Site::deploy(lab, of(new)).await?;
    changed.ready().await?;
    let change = traffic.stop().await?;
    let change_losses = attribute(&change, &moments(&changed, begun));
    tracing::info!(lost = change.lost(), "the new stack serves");

    let begun = crate::clock::now();
    let traffic = TrafficRun::start(&changed, load).await?;
    let domain = changed.options().domain.clone();
    changed.once(&["--force", &domain]).await?.succeeded()?;
    let renewal = traffic.stop().await?;
    Ok(GateVerdict {
        before,
        after: changed.serving().await?,
        change_losses,
        change,
        renewal_losses: attribute(&renewal, &moments(&changed, begun)),
        renewal,
    })
}

impl fmt::Display for GateVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "during the change:")?;
        write!(f, "{}", self.change.summary())?;
        if self.change.lost() > 0 {
            writeln!(f, "{}", self.change_losses)?;
        }
        writeln!(f, "\nduring the renewal after it:")?;
        write!(f, "{}", self.renewal.summary())?;
        if self.renewal.lost() > 0 {
            writeln!(f, "{}", self.renewal_losses)?;
        }
        let lost = self.change.lost() + self.renewal.lost();
        if self.passed() {
            writeln!(f, "\npassed: no request was lost")
        } else {
            writeln!(f, "\nfailed: {lost} requests were lost")
        }
    }
}
