//! DNS messages, as far as they are needed here.

use std::net::IpAddr;

use domain::base::iana::{Class, Opcode, Rcode};
use domain::base::message_builder::{AdditionalBuilder, PushError};
use domain::base::{Message, MessageBuilder, ParsedName, Rtype, ToName};
use domain::rdata::{AllRecordData, Txt};

/// A whole name.
pub(super) type Name = domain::base::Name<Vec<u8>>;

/// What fits into a packet that no network on the way has to split
/// (dnsflagday.net, 2020).
const LARGEST_BY_UDP: u16 = 1232;
/// Nobody is to remember a record that is gone soon.
const LIFE: u32 = 60;

/// A question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) name: &'a Name,
    pub(super) kind: Rtype,
    /// Whether a resolver is asked, which is to ask others, or a server of the
    /// zone.
    pub(super) recursive: bool,
}

/// What of a record is to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Add,
    Remove,
}

/// Why no message could be made.
#[derive(Debug, thiserror::Error)]
pub(in crate::act::issue) enum ComposeError {
    #[error("draw a number: {0}")]
    Random(#[from] getrandom::Error),
    #[error("it would be too long")]
    TooLong(#[from] PushError),
    #[error("{0:?} is no text of a TXT record")]
    Text(String),
}

impl Question<'_> {
    pub(super) fn compose(self) -> Result<Vec<u8>, ComposeError> {
        let mut message = begin()?;
        message.header_mut().set_rd(self.recursive);
        let mut message = message.question();
        message.push((self.name, self.kind))?;
        let mut message = message.additional();
        message.opt(|opt| {
            opt.set_udp_payload_size(LARGEST_BY_UDP);
            Ok(())
        })?;
        Ok(message.finish())
    }
}

/// An update of `zone` (RFC 2136, section 2.5) by which `name` has a TXT record of
/// that value, or has it no more; others of that name are left alone. It is not
/// signed yet.
pub(super) fn update(
    zone: &Name,
    name: &Name,
    value: &str,
    change: Change,
) -> Result<AdditionalBuilder<Vec<u8>>, ComposeError> {
    let text = Txt::<Vec<u8>>::build_from_slice(value.as_bytes());
    let text = text.map_err(|_| ComposeError::Text(value.to_owned()))?;
    let mut message = begin()?;
    message.header_mut().set_opcode(Opcode::UPDATE);
    let mut message = message.question();
    message.push((zone, Rtype::SOA))?;
    // That is where the section of updates is.
    let mut message = message.authority();
    match change {
        Change::Add => message.push((name, Class::IN, LIFE, text))?,
        Change::Remove => message.push((name, Class::NONE, 0, text))?,
    }
    Ok(message.additional())
}

fn begin() -> Result<MessageBuilder<Vec<u8>>, ComposeError> {
    let mut message = MessageBuilder::new_vec();
    // Whoever is to be taken for the server has to guess it.
    let [low, high, ..] = getrandom::u32()?.to_le_bytes();
    message.header_mut().set_id(u16::from_le_bytes([low, high]));
    Ok(message)
}

/// What a server answered.
#[derive(Debug)]
pub(super) struct Answer(Message<Vec<u8>>);

impl Answer {
    pub(super) fn new(message: Message<Vec<u8>>) -> Self {
        Self(message)
    }

    pub(super) fn rcode(&self) -> Rcode {
        self.0.header().rcode()
    }

    /// Whether there is a SOA record of that very name.
    pub(super) fn has_soa(&self, name: &Name) -> bool {
        let is_soa = |data: &Data<'_>| matches!(data, AllRecordData::Soa(_)).then_some(());
        !self.of(name, is_soa).is_empty()
    }

    /// Where the alias of that name leads to.
    pub(super) fn alias(&self, name: &Name) -> Option<Name> {
        let aliases = self.of(name, |data| match data {
            AllRecordData::Cname(alias) => Some(alias.cname().to_name()),
            _ => None,
        });
        aliases.into_iter().next()
    }

    /// The names of the servers of that zone.
    pub(super) fn servers(&self, zone: &Name) -> Vec<Name> {
        self.of(zone, |data| match data {
            AllRecordData::Ns(server) => Some(server.nsdname().to_name()),
            _ => None,
        })
    }

    /// The addresses in it, also behind an alias.
    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        self.all(|_, data| match data {
            AllRecordData::A(it) => Some(it.addr().into()),
            AllRecordData::Aaaa(it) => Some(it.addr().into()),
            _ => None,
        })
    }

    /// The texts of that name.
    pub(super) fn texts(&self, name: &Name) -> Vec<String> {
        self.of(name, |data| match data {
            AllRecordData::Txt(text) => {
                Some(String::from_utf8_lossy(&text.text::<Vec<u8>>()).into_owned())
            }
            _ => None,
        })
    }

    fn of<T>(&self, name: &Name, read: impl Fn(&Data<'_>) -> Option<T>) -> Vec<T> {
        self.all(|owner, data| name.name_eq(owner).then(|| read(data)).flatten())
    }

    /// A record that cannot be read is as one that is not there.
    fn all<T>(&self, read: impl Fn(&ParsedName<&[u8]>, &Data<'_>) -> Option<T>) -> Vec<T> {
        let Ok(answers) = self.0.answer() else {
            return Vec::new();
        };
        let records = answers.limit_to::<Data<'_>>().flatten();
        records
            .filter_map(|record| read(record.owner(), record.data()))
            .collect()
    }
}

type Data<'a> = AllRecordData<&'a [u8], ParsedName<&'a [u8]>>;
