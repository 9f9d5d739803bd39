//! When the authority would have a certificate renewed (RFC 9773).

use instant_acme::CertificateIdentifier;
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;

use super::error::{AcmeError, AcmeErrorClass};

/// What the authority suggests for one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenewalWindow {
    /// From when it suggests to renew; past for a certificate that is revoked.
    pub start: Timestamp,
    /// Until when; after `start`.
    pub end: Timestamp,
    /// Where a person can read why.
    pub explanation_url: Option<String>,
    /// When it wants to be asked again.
    pub retry_after: Option<Timestamp>,
}

/// By what an authority knows a certificate (RFC 9773, section 4.1).
///
/// # Errors
/// When it names no key of its issuer, as one that is self-signed.
pub(super) fn identifier(
    certificate: &CertificateDer<'_>,
) -> Result<CertificateIdentifier<'static>, AcmeError> {
    CertificateIdentifier::try_from(certificate)
        .map(CertificateIdentifier::into_owned)
        .map_err(|why| AcmeError::new(AcmeErrorClass::Local, "identify the certificate", why))
}

impl RenewalWindow {
    /// Reads what the authority said.
    pub(super) fn of(
        info: &instant_acme::RenewalInfo,
        retry_after: Option<Timestamp>,
    ) -> Result<Self, AcmeError> {
        let window = &info.suggested_window;
        let (start, end) = (timestamp(window.start)?, timestamp(window.end)?);
        if end <= start {
            return Err(malformed(format!(
                "expected a window, found {start} to {end}"
            )));
        }
        Ok(Self {
            start,
            end,
            explanation_url: info.explanation_url.clone(),
            retry_after,
        })
    }
}

fn timestamp(time: OffsetDateTime) -> Result<Timestamp, AcmeError> {
    Timestamp::from_second(time.unix_timestamp()).map_err(|error| malformed(error.to_string()))
}

fn malformed(why: String) -> AcmeError {
    AcmeError::new(AcmeErrorClass::Malformed, "read the renewal window", why)
}
