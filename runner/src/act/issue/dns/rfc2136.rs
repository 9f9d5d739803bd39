//! The provider rfc2136: dynamic updates, signed by TSIG (RFC 8945).

use std::net::SocketAddr;

use domain::base::iana::Rcode;
use domain::base::message_builder::AdditionalBuilder;
use domain::base::{Message, ToName};
use domain::rdata::tsig::Time48;
use domain::tsig::{Algorithm, ClientTransaction, Key, ValidationError};
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::error::DnsError;
use super::exchange::{BY_TCP, Unanswered, by_tcp};
use super::message::{Change, Name, update};
use super::record::Record;
use crate::clock::now;
use crate::config::{Rfc2136 as Settings, TsigAlgorithm, TsigKey};

/// The primary server of a zone, and the key that it knows.
pub(super) struct Rfc2136 {
    /// A host and a port.
    server: String,
    pub(super) zone: Option<Name>,
    key: Option<Box<Key>>,
}

impl Rfc2136 {
    pub(super) fn new(settings: Settings) -> Result<Self, DnsError> {
        let zone = settings.zone.as_deref().map(name).transpose()?;
        Ok(Self {
            server: settings.nameserver,
            zone,
            key: settings
                .key
                .map(|key| key_of(&key).map(Box::new))
                .transpose()?,
        })
    }

    /// Adds or removes the record, and nothing else at its name. Both are done
    /// again without harm.
    ///
    /// By TCP, as certbot does: what is sent is carried out once, or the connection
    /// tells.
    pub(super) async fn change(&self, record: &Record, change: Change) -> Result<(), DnsError> {
        let unreached = |why: Unanswered| DnsError::Nameserver {
            server: self.server.clone(),
            zone: record.zone.clone(),
            why,
        };
        let message = update(&record.zone, &record.name, &record.proof.value, change);
        let mut message = message.map_err(Unanswered::from).map_err(unreached)?;
        let transaction = self.sign(&mut message, record)?;
        let server = self.address().await.map_err(unreached)?;
        let answer = by_tcp(server, &message.finish()).await;
        let mut answer = answer.map_err(unreached)?;
        let refusal = Refusal {
            by: self,
            server,
            record,
        };
        if let Some(transaction) = transaction {
            refusal.verify(&transaction, &mut answer)?;
        }
        match answer.header().rcode() {
            Rcode::NOERROR => Ok(()),
            rcode => Err(refusal.of(rcode, refusal.hint(rcode))),
        }
    }

    fn sign(
        &self,
        message: &mut AdditionalBuilder<Vec<u8>>,
        record: &Record,
    ) -> Result<Option<ClientTransaction<Box<Key>>>, DnsError> {
        let Some(key) = self.key.clone() else {
            return Ok(None);
        };
        let signed = ClientTransaction::request(key, message, time());
        let signed = signed.map_err(|error| DnsError::Nameserver {
            server: self.server.clone(),
            zone: record.zone.clone(),
            why: Unanswered::Compose(error.into()),
        })?;
        Ok(Some(signed))
    }

    async fn address(&self) -> Result<SocketAddr, Unanswered> {
        let found = timeout(BY_TCP, lookup_host(&self.server)).await;
        let mut found = found.map_err(|_| Unanswered::Late(BY_TCP))??;
        found.next().ok_or_else(|| {
            Unanswered::Io(std::io::Error::new(
                std::io::ErrorKind::NotFound,
                "it has no address",
            ))
        })
    }
}

/// What a server says against a change.
struct Refusal<'a> {
    by: &'a Rfc2136,
    server: SocketAddr,
    record: &'a Record,
}

impl Refusal<'_> {
    fn of(&self, rcode: Rcode, hint: String) -> DnsError {
        DnsError::Update {
            server: self.server,
            zone: self.record.zone.clone(),
            name: self.record.name.clone(),
            rcode,
            hint,
        }
    }

    /// Sees that the answer is the server's own. That it refuses is believed
    /// without a signature, for it makes nothing worse.
    fn verify(
        &self,
        transaction: &ClientTransaction<Box<Key>>,
        answer: &mut Message<Vec<u8>>,
    ) -> Result<(), DnsError> {
        let rcode = answer.header().rcode();
        let key = transaction.key().name();
        let hint = match transaction.answer(answer, time()) {
            Ok(()) => return Ok(()),
            Err(ValidationError::ServerBadKey) => format!(
                "BADKEY: it does not know the key {key} by that algorithm (--rfc2136-tsig-key, \
                 --rfc2136-tsig-algorithm)"
            ),
            Err(ValidationError::ServerBadSig) => format!(
                "BADSIG: it knows another secret for the key {key} (--rfc2136-tsig-secret-file)"
            ),
            Err(ValidationError::ServerBadTime { client, server }) => format!(
                "BADTIME: its clock says {server}, the runner's {client}, in seconds since 1970; \
                 set the one that is wrong"
            ),
            Err(_) if rcode != Rcode::NOERROR => self.hint(rcode),
            Err(error) => {
                return Err(DnsError::Unsigned {
                    server: self.server,
                    zone: self.record.zone.clone(),
                    name: self.record.name.clone(),
                    why: error.to_string(),
                });
            }
        };
        Err(self.of(rcode, hint))
    }

    fn hint(&self, rcode: Rcode) -> String {
        match (rcode, &self.by.key) {
            (Rcode::REFUSED, Some(key)) => format!(
                "its update-policy, or allow-update, does not let the key {} write TXT records \
                 there",
                key.name()
            ),
            (Rcode::REFUSED, None) => {
                "it takes no update that is not signed (--rfc2136-tsig-key)".to_owned()
            }
            (Rcode::NOTAUTH | Rcode::NOTZONE, _) => {
                "it is not the primary server of that zone (--rfc2136-nameserver, --rfc2136-zone)"
                    .to_owned()
            }
            (Rcode::SERVFAIL, _) => "its own log says why".to_owned(),
            _ => "does it take dynamic updates?".to_owned(),
        }
    }
}

fn key_of(key: &TsigKey) -> Result<Key, DnsError> {
    let algorithm = match key.algorithm {
        TsigAlgorithm::HmacSha256 => Algorithm::Sha256,
        TsigAlgorithm::HmacSha384 => Algorithm::Sha384,
        TsigAlgorithm::HmacSha512 => Algorithm::Sha512,
    };
    let wrong = || DnsError::Name(key.name.clone());
    let name = name(&key.name)?.try_to_name().map_err(|_| wrong())?;
    Key::new(algorithm, &key.secret, name, None, None).map_err(|_| wrong())
}

/// A name, of a text.
pub(super) fn name(text: &str) -> Result<Name, DnsError> {
    Name::vec_from_str(text).map_err(|_| DnsError::Name(text.to_owned()))
}

fn time() -> Time48 {
    Time48::from_u64(now().as_second().unsigned_abs())
}
