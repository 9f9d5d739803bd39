//! Problem documents (RFC 7807), and every error type that ACME has.

use serde_json::{Value, json};

const NAMESPACE: &str = "urn:ietf:params:acme:error:";

macro_rules! problem_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal;)*) => {
        /// An error type of ACME: those of RFC 8555, section 6.7, that of
        /// RFC 9773, and that of the profiles extension.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemType {
            $($(#[$doc])* $variant,)*
        }

        impl ProblemType {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name, without the namespace.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The HTTP status that goes with it, unless another one is asked for.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status),* }
            }
        }
    };
}

// The statuses are those of Pebble and, where it has none, of Boulder.
problem_types! {
    /// The request specified an account that does not exist.
    AccountDoesNotExist = "accountDoesNotExist", 400;
    /// A certificate is already marked as replaced (RFC 9773, section 7.4).
    AlreadyReplaced = "alreadyReplaced", 409;
    /// The certificate to be revoked already is.
    AlreadyRevoked = "alreadyRevoked", 400;
    /// The CSR is unacceptable.
    BadCsr = "badCSR", 400;
    /// The nonce is unacceptable.
    BadNonce = "badNonce", 400;
    /// The key of the JWS is not supported.
    BadPublicKey = "badPublicKey", 400;
    /// The reason for the revocation is not allowed.
    BadRevocationReason = "badRevocationReason", 400;
    /// The algorithm of the JWS is not supported.
    BadSignatureAlgorithm = "badSignatureAlgorithm", 400;
    /// CAA records forbid the authority to issue.
    Caa = "caa", 403;
    /// Several errors, each a subproblem.
    Compound = "compound", 400;
    /// The server could not connect to the validation target.
    Connection = "connection", 400;
    /// A DNS query failed during validation.
    Dns = "dns", 400;
    /// The account must be bound to an external one.
    ExternalAccountRequired = "externalAccountRequired", 403;
    /// The response to a challenge is not what it must be.
    IncorrectResponse = "incorrectResponse", 403;
    /// A contact URL of an account is invalid.
    InvalidContact = "invalidContact", 400;
    /// The order names a profile that is not offered.
    InvalidProfile = "invalidProfile", 400;
    /// The request is malformed.
    Malformed = "malformed", 400;
    /// An order was finalized that is not ready.
    OrderNotReady = "orderNotReady", 403;
    /// Too many requests.
    RateLimited = "rateLimited", 429;
    /// The server does not issue for this identifier.
    RejectedIdentifier = "rejectedIdentifier", 400;
    /// The server failed.
    ServerInternal = "serverInternal", 500;
    /// A TLS error during validation.
    Tls = "tls", 400;
    /// The client is not authorized.
    Unauthorized = "unauthorized", 403;
    /// A contact URL has a scheme that is not supported.
    UnsupportedContact = "unsupportedContact", 400;
    /// An identifier of a type that is not supported.
    UnsupportedIdentifier = "unsupportedIdentifier", 400;
    /// A person must do something first: agree to the terms, for instance.
    UserActionRequired = "userActionRequired", 403;
}

impl ProblemType {
    /// The URN that stands in a problem document.
    #[must_use]
    pub fn urn(self) -> String {
        format!("{NAMESPACE}{}", self.name())
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: ProblemType,
    pub(crate) status: u16,
    pub(crate) detail: String,
    /// The name that alone is wrong, of several.
    pub(crate) name: Option<String>,
}

impl Problem {
    pub(crate) fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        Self {
            kind,
            status: kind.status(),
            detail: detail.into(),
            name: None,
        }
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(ProblemType::Malformed, detail)
    }

    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(ProblemType::Unauthorized, detail)
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Says which name of several is wrong (RFC 8555, section 6.7.1).
    pub(crate) fn about(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// The document, as it stands in a body, a challenge or an order.
    pub(crate) fn document(&self) -> Value {
        let mut document = json!({
            "type": self.kind.urn(),
            "detail": self.detail,
            "status": self.status,
        });
        if let Some(name) = &self.name {
            document["subproblems"] = json!([{
                "type": self.kind.urn(),
                "detail": self.detail,
                "identifier": { "type": "dns", "value": name },
            }]);
        }
        document
    }
}
