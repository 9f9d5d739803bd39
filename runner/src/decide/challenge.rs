//! Whether the challenge that a certificate asks for can be answered at all.

use super::plan::{ByDns, Step};
use crate::model::{CHALLENGE_LABEL, CertificateName, Challenge, LabelError, Target};
use crate::observe::Snapshot;

const NO_PROVIDER: &str = "http-01, as no DNS provider is set; set one: --dns-provider / \
                           ROLLOVER_DNS_PROVIDER (docs/dns.md)";
const NOT_BY_CERTBOT: &str = "http-01, as the engine certbot obtains by nothing else; set --engine \
                              acme and a DNS provider (docs/dns.md), or make the lineage with \
                              certbot by hand, which is renewed";

/// Why the certificate `name`, for which `step` was decided, cannot be had by the
/// challenge that its label asks for; nothing if it can.
pub(super) fn refused(
    snapshot: &Snapshot,
    name: &CertificateName,
    by_dns: ByDns,
    step: &Step,
) -> Option<LabelError> {
    let mut targets = snapshot.targets.iter().map(|view| &view.target);
    let target = targets.find(|it| it.certificates.iter().any(|wanted| wanted.name == *name))?;
    let obtains = matches!(step, Step::Issue(why) if why.obtains());
    if obtains && by_dns == ByDns::LeftToCertbot {
        return refusal(target, NOT_BY_CERTBOT);
    }
    without_provider(target, by_dns)
}

/// What is wrong with a target that asks for records which nobody writes, whatever
/// is due.
pub(crate) fn without_provider(target: &Target, by_dns: ByDns) -> Option<LabelError> {
    match by_dns {
        ByDns::NoProvider => refusal(target, NO_PROVIDER),
        ByDns::LeftToCertbot | ByDns::Answered => None,
    }
}

fn refusal(target: &Target, expected: &str) -> Option<LabelError> {
    let mut challenges = target.certificates.iter().map(|it| it.ordering.challenge);
    let challenge = challenges.find(|&it| it == Challenge::Dns01)?;
    Some(LabelError {
        service: target.name.clone(),
        label: CHALLENGE_LABEL.to_owned(),
        value: challenge.to_string(),
        expected: expected.to_owned(),
    })
}
