//! Whether the challenge that a certificate asks for can be answered at all.

use super::plan::{ByDns, Step};
use crate::model::{CHALLENGE_LABEL, CertificateName, Challenge, LabelError};
use crate::observe::Snapshot;

/// Why the certificate `name`, for which `step` was decided, cannot be had by the
/// challenge that its label asks for; nothing if it can.
pub(super) fn refused(
    snapshot: &Snapshot,
    name: &CertificateName,
    by_dns: ByDns,
    step: &Step,
) -> Option<LabelError> {
    let challenge = snapshot.ordering(name).challenge;
    if challenge != Challenge::Dns01 {
        return None;
    }
    let expected = match (by_dns, step) {
        (ByDns::NoProvider, _) => {
            "http-01, as no DNS provider is set; set one: --dns-provider / ROLLOVER_DNS_PROVIDER \
             (docs/dns.md)"
        }
        (ByDns::LeftToCertbot, Step::Issue(why)) if why.obtains() => {
            "http-01, as the engine certbot obtains by nothing else; set --engine acme and a DNS \
             provider (docs/dns.md), or make the lineage with certbot by hand, which is renewed"
        }
        (ByDns::LeftToCertbot | ByDns::Answered, _) => return None,
    };
    let mut targets = snapshot.targets.iter().map(|view| &view.target);
    let wants = targets.find(|it| it.certificates.iter().any(|wanted| wanted.name == *name))?;
    Some(LabelError {
        service: wants.name.clone(),
        label: CHALLENGE_LABEL.to_owned(),
        value: challenge.to_string(),
        expected: expected.to_owned(),
    })
}
