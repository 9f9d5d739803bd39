//! The resources of an ACME server, and where this one has them.

/// A resource of an ACME server: what a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Call {
    /// A connection, before anything was sent on it.
    Connection,
    /// The directory.
    Directory,
    /// A new nonce.
    NewNonce,
    /// A new account, or a look for one by its key.
    NewAccount,
    /// An account: a look, a change, its deactivation.
    Account,
    /// The orders of an account.
    Orders,
    /// A new order.
    NewOrder,
    /// A look at an order.
    Order,
    /// A look at an authorization, or its deactivation.
    Authorization,
    /// A look at a challenge, or word that it may be validated.
    Challenge,
    /// A CSR for an order.
    Finalize,
    /// The certificate of an order.
    Certificate,
    /// A revocation.
    RevokeCertificate,
    /// Another key for an account.
    KeyChange,
    /// When to renew a certificate (RFC 9773).
    RenewalInfo,
    /// None of them.
    Unknown,
}

impl Call {
    /// What a path is for, and the ID of the one it is about.
    pub(crate) fn parse(path: &str) -> (Self, &str) {
        let mut parts = path.trim_start_matches('/').splitn(3, '/');
        let parts = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        match parts {
            ("directory", None, _) => (Self::Directory, ""),
            ("new-nonce", None, _) => (Self::NewNonce, ""),
            ("new-account", None, _) => (Self::NewAccount, ""),
            ("new-order", None, _) => (Self::NewOrder, ""),
            ("revoke-certificate", None, _) => (Self::RevokeCertificate, ""),
            ("key-change", None, _) => (Self::KeyChange, ""),
            ("account", Some(id), None) => (Self::Account, id),
            ("account", Some(id), Some("orders")) => (Self::Orders, id),
            ("order", Some(id), None) => (Self::Order, id),
            ("order", Some(id), Some("finalize")) => (Self::Finalize, id),
            ("authorization", Some(id), None) => (Self::Authorization, id),
            ("challenge", Some(id), None) => (Self::Challenge, id),
            ("certificate", Some(id), None) => (Self::Certificate, id),
            ("renewal-info", id, None) => (Self::RenewalInfo, id.unwrap_or_default()),
            _ => (Self::Unknown, ""),
        }
    }

    /// The methods that it takes.
    pub(crate) fn methods(self) -> &'static [&'static str] {
        match self {
            Self::Directory | Self::NewNonce => &["GET", "POST", "HEAD"],
            Self::RenewalInfo => &["GET", "HEAD"],
            _ => &["POST"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Call;

    #[test]
    fn a_path_says_what_is_asked_for() {
        let cases = [
            ("/directory", (Call::Directory, "")),
            ("/order/a1", (Call::Order, "a1")),
            ("/order/a1/finalize", (Call::Finalize, "a1")),
            ("/order/a1/else", (Call::Unknown, "")),
            ("/account/a1/orders", (Call::Orders, "a1")),
            ("/renewal-info/a.b", (Call::RenewalInfo, "a.b")),
            ("/renewal-info", (Call::RenewalInfo, "")),
            ("/", (Call::Unknown, "")),
        ];
        for (path, expected) in cases {
            assert_eq!(Call::parse(path), expected, "{path}");
        }
    }
}
