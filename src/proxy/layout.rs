//! What a front end says of a connection beyond the fields that PROXY protocol v2 has: as octets, and as a text.

use super::HeaderError;
use crate::channel::{ChannelFacts, ExporterSecret, Handle, Tickets, TlsVersion, Unsuitable};
use crate::crypto::Secret;

const VERSION: u8 = 1;

/// The flags. Those without a name must be 0.
const RESUMED: u8 = 1;
const EARLY_DATA: u8 = 1 << 1;
const NAME_SENT: u8 = 1 << 2;
const FORWARD_SECRET: u8 = 1 << 3;
const EXTENDED_MASTER_SECRET: u8 = 1 << 4;
const STATEFUL: u8 = 1 << 5;
const ALL: u8 = RESUMED | EARLY_DATA | NAME_SENT | FORWARD_SECRET | EXTENDED_MASTER_SECRET | STATEFUL;

/// The items.
const EXPORTER_SECRET: u8 = 1;
const TLS_EXPORTER: u8 = 2;
const LINEAGE: u8 = 3;
const RENEWAL: u8 = 4;
const OWN_HANDLE: u8 = 5;
const PREDECESSOR: u8 = 6;

/// What one of the two said.
#[derive(Clone)]
pub(super) struct Details {
    pub(super) resumed: bool,
    /// `None` where it can't be told.
    pub(super) early_data: Option<bool>,
    pub(super) name_sent: bool,
    /// `None` where the version has to answer.
    pub(super) forward_secret: Option<bool>,
    pub(super) extended_master_secret: bool,
    pub(super) tickets: Tickets,
    pub(super) exporter: Exported,
    pub(super) handle: Option<Handle>,
    pub(super) predecessor: Option<Handle>,
}

/// What there is of the TLS exporter.
#[derive(Clone)]
pub(super) enum Exported {
    Nothing,
    Secret(ExporterSecret),
    Values { tls_exporter: Secret, lineage: Secret, renewal: Secret },
}

impl Details {
    /// How long the exporter secret is.
    pub(super) fn secret_len(&self) -> Option<usize> {
        match &self.exporter {
            Exported::Secret(secret) => Some(secret.expose().len()),
            _ => None,
        }
    }
}

/// The value of our TLV: octets, or for front ends that can only make texts, the text.
pub(super) fn parse(value: &[u8]) -> Result<Details, HeaderError> {
    if is_text(value) { parse_text(value) } else { parse_octets(value).ok_or(HeaderError::Details) }
}

/// Version, flags, then items of a type, a length and as many octets, in the order of their types.
fn parse_octets(value: &[u8]) -> Option<Details> {
    let (&[version, flags], mut rest) = value.split_first_chunk()?;
    if version != VERSION || flags & !ALL != 0 {
        return None;
    }
    let mut items: [Option<&[u8]>; PREDECESSOR as usize + 1] = [None; PREDECESSOR as usize + 1];
    let mut last = 0;
    while let Some((&[kind, len], behind)) = rest.split_first_chunk() {
        let (item, behind) = behind.split_at_checked(len.into())?;
        // One of each at most; and what it doesn't know, it can't leave out: it may take something back.
        if kind <= last {
            return None;
        }
        *items.get_mut(usize::from(kind))? = Some(item);
        (last, rest) = (kind, behind);
    }
    if !rest.is_empty() {
        return None;
    }
    let value = |kind: u8| match items[usize::from(kind)] {
        Some(item) => Secret::new(item).filter(|_| item.len() == 32).map(Some),
        None => Some(None),
    };
    let handle = |kind: u8| match items[usize::from(kind)] {
        Some(item) => item.try_into().ok().map(|octets| Some(Handle::new(octets))),
        None => Some(None),
    };
    let secret = items[usize::from(EXPORTER_SECRET)].map(ExporterSecret::new).transpose().ok()?;
    let exporter = match (secret, value(TLS_EXPORTER)?, value(LINEAGE)?, value(RENEWAL)?) {
        (None, None, None, None) => Exported::Nothing,
        (Some(secret), None, None, None) => Exported::Secret(secret),
        (None, Some(tls_exporter), Some(lineage), Some(renewal)) => Exported::Values { tls_exporter, lineage, renewal },
        _ => return None,
    };
    let is = |flag: u8| flags & flag != 0;
    let details = Details {
        resumed: is(RESUMED),
        early_data: Some(is(EARLY_DATA)),
        name_sent: is(NAME_SENT),
        forward_secret: Some(is(FORWARD_SECRET)),
        extended_master_secret: is(EXTENDED_MASTER_SECRET),
        tickets: if is(STATEFUL) { Tickets::Stateful } else { Tickets::Stateless },
        exporter,
        handle: handle(OWN_HANDLE)?,
        predecessor: handle(PREDECESSOR)?,
    };
    // A connection that resumes nothing has no predecessor.
    (details.resumed || details.predecessor.is_none()).then_some(details)
}

/// Whether it is meant to be our text, in whatever version.
pub(super) fn is_text(octets: &[u8]) -> bool {
    octets.starts_with(b"iky")
}

/// `iky1:r=` resumed `,e=` early data `,n=` name sent `,s=` exporter secret in lower-case hexadecimal, or nothing.
pub(super) fn parse_text(text: &[u8]) -> Result<Details, HeaderError> {
    let parse = || {
        let rest = text.strip_prefix(b"iky1:")?;
        let (resumed, rest) = flag(rest, b"r=")?;
        let (early_data, rest) = flag(rest, b",e=")?;
        let (name_sent, rest) = flag(rest, b",n=")?;
        let hexadecimal = rest.strip_prefix(b",s=")?;
        let exporter = match hexadecimal {
            [] => Exported::Nothing,
            _ => Exported::Secret(ExporterSecret::new(unhex(hexadecimal)?.as_ref()).ok()?),
        };
        Some(Details {
            resumed,
            // HAProxy's fetch is false again once the handshake is finished, also where there was early data.
            early_data: early_data.then_some(true),
            name_sent,
            forward_secret: None,
            extended_master_secret: false,
            tickets: Tickets::Stateless,
            exporter,
            handle: None,
            predecessor: None,
        })
    };
    parse().ok_or(HeaderError::Details)
}

fn flag<'a>(text: &'a [u8], name: &[u8]) -> Option<(bool, &'a [u8])> {
    match text.strip_prefix(name)? {
        [b'0', rest @ ..] => Some((false, rest)),
        [b'1', rest @ ..] => Some((true, rest)),
        _ => None,
    }
}

fn unhex(text: &[u8]) -> Option<Secret> {
    let digit = |octet: u8| match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'a'..=b'f' => Some(octet - b'a' + 10),
        _ => None,
    };
    let (pairs, odd) = (text.chunks_exact(2), text.len() % 2);
    // A longer one is no secret either.
    if odd != 0 || pairs.len() > 48 {
        return None;
    }
    let mut secret = Secret::zeroed(pairs.len());
    for (octet, pair) in secret.as_mut().iter_mut().zip(pairs) {
        *octet = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(secret)
}

/// The value of the TLV for a front end with this library: everything that is in `facts`, with the exporter secret
/// instead of the values where it is given.
///
/// Version and server name go where PROXY protocol v2 has them: into PP2_TYPE_SSL and PP2_TYPE_AUTHORITY. With the
/// values alone a server can check proofs, but derive no assertion, as that takes exporter values that only it can
/// name. Of facts with the binding alone ([`tls_exporter_alone`](ChannelFacts::tls_exporter_alone)) no value is forwarded,
/// as there is no encoding for it. The octets are secret.
pub fn tlv(facts: &ChannelFacts, secret: Option<&ExporterSecret>) -> Vec<u8> {
    let private = facts.handshake_is_private();
    let flags = [
        (RESUMED, facts.is_resumed()),
        (EARLY_DATA, facts.is_early_data()),
        (NAME_SENT, facts.name_was_seen() && !facts.name().as_str().is_empty()),
        // Where there is no extended master secret, it makes no difference any more.
        (FORWARD_SECRET, private.is_ok()),
        (EXTENDED_MASTER_SECRET, private != Err(Unsuitable::NoExtendedMasterSecret)),
        (STATEFUL, facts.session_tickets() == Tickets::Stateful),
    ];
    let mut out = vec![VERSION, flags.iter().filter(|(_, is)| *is).fold(0, |all, (flag, _)| all | flag)];
    let mut item = |kind: u8, octets: Option<&[u8]>| {
        if let Some(octets) = octets {
            out.extend([kind, octets.len() as u8]);
            out.extend_from_slice(octets);
        }
    };
    let secret = secret.filter(|_| facts.version() == TlsVersion::Tls13);
    item(EXPORTER_SECRET, secret.map(ExporterSecret::expose));
    if let (None, Some(tls_exporter), Some(lineage), Some(renewal)) =
        (secret, facts.tls_exporter(), facts.lineage(), facts.renewal())
    {
        item(TLS_EXPORTER, Some(tls_exporter));
        item(LINEAGE, Some(lineage.expose()));
        item(RENEWAL, Some(renewal.as_ref()));
    }
    item(OWN_HANDLE, facts.own_handle().map(|handle| &handle.as_octets()[..]));
    item(PREDECESSOR, facts.resumed_handle().map(|handle| &handle.as_octets()[..]));
    out
}
