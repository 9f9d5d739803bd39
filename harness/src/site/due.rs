//! Making a certificate due without waiting for sixty days.

use std::path::{Path, PathBuf};

use super::{Engine, Once, Site, SiteError};
use crate::volume::Files;

/// certbot's own option for how long before the end of a certificate's life a
/// lineage is due. Longer than any life: due now, and again after each renewal.
const ALWAYS: &str = "renew_before_expiry = 36500 days\n";

/// The label by which a service asks for names.
const DOMAINS: &str = "rollover.domains";

/// The site's certificate is due, for whoever looks: by certbot as long as this
/// lives, by the engine `acme` until another is published.
#[derive(Debug)]
pub struct Due {
    _lineage: Option<Lineage>,
}

/// What certbot goes by.
#[derive(Debug)]
struct Lineage {
    files: Files,
    configuration: PathBuf,
}

impl Site<'_> {
    /// Renews the site's certificate by `rollover once` with more `arguments`, and
    /// waits for its end, whatever that is.
    ///
    /// certbot finds it due by an option of its own. The engine `acme` goes by the
    /// certificate's life and by what the authority suggests, so there it is
    /// forced.
    ///
    /// # Errors
    /// When it could not be run.
    pub async fn renew(&self, arguments: &[&str]) -> Result<Once, SiteError> {
        match self.options().engine {
            Engine::Acme => {
                let force = ["--force", &self.options().domain];
                self.once(&[&force, arguments].concat()).await
            }
            Engine::Certbot => {
                let _due = self.make_due().await?;
                self.once(arguments).await
            }
        }
    }

    /// Makes the site's certificate due: for certbot by an option of its own in the
    /// lineage, the one that an operator would use for an earlier renewal; for the
    /// engine `acme` by another name on the load balancer's label, which no order was
    /// for before and no budget holds.
    ///
    /// # Caveats
    /// The stack file does not know of that name: a deploy of it is one more reason
    /// to order, which a budget may hold.
    ///
    /// # Errors
    /// When there is no lineage of certbot's; when the label cannot be changed.
    pub async fn make_due(&self) -> Result<Due, SiteError> {
        match self.options().engine {
            Engine::Acme => {
                self.ask_for_another_name().await?;
                Ok(Due { _lineage: None })
            }
            Engine::Certbot => {
                let file = format!("{}.conf", self.options().domain);
                let lineage = Lineage {
                    files: self.lab().volume().certificates(),
                    configuration: Path::new("renewal").join(file),
                };
                lineage.edit(|text| format!("{ALWAYS}{}", without(text)))?;
                Ok(Due {
                    _lineage: Some(lineage),
                })
            }
        }
    }

    async fn ask_for_another_name(&self) -> Result<(), SiteError> {
        let domain = &self.options().domain;
        let other = format!("w{}.{domain}", self.versions()? + 1);
        self.leads_here(&other).await?;
        let label = format!("{DOMAINS}={domain},{other}");
        Ok(self
            .load_balancer()
            .update(&["--label-add", &label])
            .await?)
    }
}

impl Lineage {
    fn edit(&self, change: impl Fn(&str) -> String) -> Result<(), SiteError> {
        let text = self.files.read_text(&self.configuration)?;
        Ok(self.files.write(&self.configuration, change(&text))?)
    }
}

impl Drop for Lineage {
    fn drop(&mut self) {
        // If it cannot be undone, the next test that expects it to be not due says so.
        let _ = self.edit(without);
    }
}

fn without(text: &str) -> String {
    let kept = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("renew_before_expiry"));
    kept.map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_taken_away_again() {
        let text = "# renew_before_expiry = 30 days\nversion = 2.0.0\n[renewalparams]\n";
        assert_eq!(without(&format!("{ALWAYS}{text}")), text);
    }
}
