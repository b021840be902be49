//! Lines: fields between TABs, ended by a line feed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::Peer;
use crate::channel::ServerName;
use crate::profile::{MechanismName, ProfileError};

/// Longest line, its line feed counted. Dovecot has the same; Postfix lets its clients send no more than 12,288 octets
/// at once.
pub(super) const LIMIT: usize = 16_384;

/// Length of the first line of `input`, with its line feed.
pub(super) fn complete(input: &[u8]) -> Result<Option<usize>, ProfileError> {
    let head = input.get(..input.len().min(LIMIT)).unwrap_or_default();
    match head.iter().position(|&octet| octet == b'\n') {
        Some(at) => Ok(Some(at + 1)),
        None if input.len() >= LIMIT => Err(ProfileError::TooLong { limit: LIMIT }),
        None => Ok(None),
    }
}

/// What a line says.
pub(super) enum Command {
    Version {
        major: u32,
    },
    Process,
    Auth(Auth),
    Cont {
        id: u32,
        data: Result<Bytes, ProfileError>,
    },
    Cancel {
        id: u32,
    },
    /// What a later minor version may have. It is to be ignored.
    Other,
}

/// A login that begins.
pub(super) struct Auth {
    pub(super) id: u32,
    /// `None` for what is no mechanism name.
    pub(super) mechanism: Option<MechanismName>,
    pub(super) response: Result<Option<Bytes>, ProfileError>,
    pub(super) peer: Peer,
}

impl Command {
    /// Reads a line, which has no line feed.
    pub(super) fn parse(line: &[u8]) -> Result<Self, ProfileError> {
        let (verb, mut rest) = field(line);
        match verb {
            b"VERSION" => {
                let major = number(next(&mut rest)).ok_or(ProfileError::Malformed("VERSION with a number was due"))?;
                Ok(Self::Version { major })
            }
            b"CPID" => {
                let is_id = number(next(&mut rest)).is_some();
                is_id.then_some(Self::Process).ok_or(ProfileError::Malformed("CPID with a number was due"))
            }
            b"AUTH" => {
                let id = request_id(&mut rest)?;
                let mechanism = core::str::from_utf8(next(&mut rest)).ok();
                let mechanism = mechanism.and_then(|name| MechanismName::parse(name).ok());
                let (peer, response) = parameters(rest)?;
                Ok(Self::Auth(Auth { id, mechanism, response, peer }))
            }
            b"CONT" => Ok(Self::Cont { id: request_id(&mut rest)?, data: decode(rest) }),
            b"CANCEL" => Ok(Self::Cancel { id: request_id(&mut rest)? }),
            _ => Ok(Self::Other),
        }
    }
}

/// The first field, and what is behind it.
fn field(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|&octet| octet == b'\t') {
        Some(at) => (line.get(..at).unwrap_or_default(), line.get(at + 1..).unwrap_or_default()),
        None => (line, b""),
    }
}

fn next<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (first, behind) = field(rest);
    *rest = behind;
    first
}

fn request_id(rest: &mut &[u8]) -> Result<u32, ProfileError> {
    number(next(rest)).ok_or(ProfileError::Malformed("a request id of 32 bits was due"))
}

/// A number of 32 bits, in the one spelling that all read alike: Postfix takes a leading zero for an octal number.
fn number(digits: &[u8]) -> Option<u32> {
    let canonical = digits == b"0" || !digits.starts_with(b"0");
    let digits = digits.iter().all(u8::is_ascii_digit).then_some(digits).filter(|_| canonical)?;
    core::str::from_utf8(digits).ok()?.parse().ok()
}

/// Canonical and padded, or nothing: a second spelling would be a second message with the same proof.
fn decode(text: &[u8]) -> Result<Bytes, ProfileError> {
    STANDARD.decode(text).map(Bytes::from).map_err(|_| ProfileError::NotBase64)
}

type Parameters = (Peer, Result<Option<Bytes>, ProfileError>);

fn parameters(mut rest: &[u8]) -> Result<Parameters, ProfileError> {
    let mut peer = Peer::default();
    let mut service = None;
    let mut response = Ok(None);
    while !rest.is_empty() {
        // It is the last one, with all that follows: a client's own text, which may not become another parameter.
        if let Some(text) = rest.strip_prefix(b"resp=") {
            response = match text {
                // Postfix passes on the "=" that SMTP writes for an empty response.
                b"" | b"=" => Ok(Some(Bytes::new())),
                _ => decode(text).map(Some),
            };
            break;
        }
        let parameter = next(&mut rest);
        let mut halves = parameter.splitn(2, |&octet| octet == b'=');
        let (name, value) = (halves.next().unwrap_or_default(), halves.next().map(unescape));
        let value = value.as_deref();
        match name {
            b"service" => service = value.filter(|value| !value.is_empty()).map(Box::from),
            b"secured" => peer.secured = true,
            b"no-penalty" => peer.no_penalty = true,
            b"lip" => peer.local_ip = value.and_then(|value| value.parse().ok()),
            b"rip" => peer.remote_ip = value.and_then(|value| value.parse().ok()),
            b"lport" => peer.local_port = value.and_then(|value| value.parse().ok()),
            b"rport" => peer.remote_port = value.and_then(|value| value.parse().ok()),
            b"local_name" => peer.local_name = value.and_then(|value| ServerName::parse(value).ok()),
            b"session" => peer.session = value.map(Box::from),
            _ => {}
        }
    }
    peer.service = service.ok_or(ProfileError::Malformed("AUTH needs a service"))?;
    Ok((peer, response))
}

/// A value, its escapes read: an octet 1, and a letter for what can't be written. What is not UTF-8 is replaced.
fn unescape(value: &[u8]) -> String {
    let mut plain = Vec::with_capacity(value.len());
    let mut octets = value.iter().copied();
    while let Some(octet) = octets.next() {
        match octet {
            1 => plain.extend(octets.next().map(|letter| match letter {
                b'0' => 0,
                b'1' => 1,
                b't' => b'\t',
                b'r' => b'\r',
                b'n' => b'\n',
                other => other,
            })),
            octet => plain.push(octet),
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}
