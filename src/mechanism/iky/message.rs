//! The two messages of IKY: SCRAM-like text, parsed once, into types that can't hold anything else.
//!
//! ```text
//! initiator = gs2-header "h=" server-name ( ",i=" id / ",t=" sealed ) [",n=" counter] [",l=1"] [",f=" offer hash] *ext ",p=" proof
//! responder = [ "x=" seconds "," ] [ "r=" renewal "," [ "t=" sealed "," ] ] *( ext "," ) "v=" signature  /  "e=" reason [ ",v=" signature ]
//! ```

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroize as _;

use crate::assertion::{AssertionId, MAX_SEALED, OfferHash, Pin, Renewal};
use crate::channel::ServerName;
use crate::crypto::{MAX_HASH, Secret};
use crate::mechanism::ServerMessage;

/// Longest message of either side, in octets; every valid one is shorter.
pub const MAX_MESSAGE: usize = 2048;

/// Longest sealed assertion, in octets of base64.
const MAX_SEALED_TEXT: usize = 4 * MAX_SEALED / 3;

/// The message does not follow the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// More than [`MAX_MESSAGE`] octets.
    #[error("longer than {MAX_MESSAGE} octets")]
    TooLong,
    /// Not UTF-8, or a NUL in it.
    #[error("not UTF-8 text without NUL")]
    NotText,
    /// The gs2-header (RFC 5801 section 4) is not one.
    #[error("not a gs2-header")]
    Gs2Header,
    /// An attribute is missing, out of its place or there twice, or has a value outside its grammar.
    #[error("attribute '{0}' is missing, misplaced, repeated or has a bad value")]
    Attribute(char),
    /// Neither `i=` nor `t=` where one of them belongs.
    #[error("neither 'i=' nor 't=' names an assertion")]
    NoAssertion,
    /// Something that is no attribute at all.
    #[error("not an attribute")]
    NotAnAttribute,
}

/// The binding flag of a gs2-header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BindingFlag<'a> {
    /// `n`: the client uses no channel binding.
    Unused,
    /// `y`: it could, but believes that the server can't.
    Unoffered,
    /// `p=`: it uses this one.
    Used(&'a str),
}

/// How the client names its assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named<'a> {
    Id(AssertionId),
    /// `t=`: the record itself, in base64.
    Sealed(&'a str),
}

/// The client's message, parsed.
#[derive(Debug)]
pub(crate) struct InitiatorMessage<'a> {
    pub(crate) flag: BindingFlag<'a>,
    pub(crate) authzid: Option<Cow<'a, str>>,
    pub(crate) server_name: &'a str,
    pub(crate) assertion: Named<'a>,
    pub(crate) counter: Option<u64>,
    pub(crate) lineage: bool,
    pub(crate) offer: Option<OfferHash>,
    /// The message as received, up to `,p=`.
    pub(crate) covered: &'a [u8],
    pub(crate) proof: Secret,
}

impl<'a> InitiatorMessage<'a> {
    pub(crate) fn parse(pin: Pin, message: &'a [u8]) -> Result<Self, Malformed> {
        let text = text(message)?;
        // The proof comes last, and its length is known.
        let proof_at = text.len().checked_sub(pin.proof_len().div_ceil(3) * 4).and_then(|at| text.split_at_checked(at));
        let (covered, proof) = proof_at.ok_or(Malformed::Attribute('p'))?;
        let covered = covered.strip_suffix(",p=").ok_or(Malformed::Attribute('p'))?;
        let proof = secret(proof, pin.proof_len()).ok_or(Malformed::Attribute('p'))?;

        let mut parts = covered.split(',');
        let flag = match parts.next() {
            Some("n") => BindingFlag::Unused,
            Some("y") => BindingFlag::Unoffered,
            Some(part) => BindingFlag::Used(binding_name(part).ok_or(Malformed::Gs2Header)?),
            None => return Err(Malformed::Gs2Header),
        };
        let authzid = match parts.next().ok_or(Malformed::Gs2Header)? {
            "" => None,
            part => Some(part.strip_prefix("a=").and_then(unescape).ok_or(Malformed::Gs2Header)?),
        };

        let mut attributes = Attributes(parts.peekable());
        let server_name =
            attributes.take('h')?.filter(|name| ServerName::is_written(name)).ok_or(Malformed::Attribute('h'))?;
        let assertion = if let Some(id) = attributes.take('i')? {
            Named::Id(AssertionId(octets(id).ok_or(Malformed::Attribute('i'))?))
        } else {
            let sealed = attributes.take('t')?.ok_or(Malformed::NoAssertion)?;
            // A sealed assertion carries no name of its own, so whose it is must be said.
            if !is_sealed(sealed) || authzid.is_none() {
                return Err(Malformed::Attribute('t'));
            }
            Named::Sealed(sealed)
        };
        let counter = match attributes.take('n')? {
            None => None,
            Some(digits) => Some(number(digits).filter(|&n| n > 0).ok_or(Malformed::Attribute('n'))?),
        };
        let lineage = match attributes.take('l')? {
            None => false,
            Some("1") => true,
            Some(_) => return Err(Malformed::Attribute('l')),
        };
        let offer = match attributes.take('f')? {
            None => None,
            Some(hash) => Some(OfferHash(octets(hash).ok_or(Malformed::Attribute('f'))?)),
        };
        attributes.extensions()?;
        Ok(Self { flag, authzid, server_name, assertion, counter, lineage, offer, covered: covered.as_bytes(), proof })
    }
}

/// What a client says, before its proof.
pub(crate) struct InitiatorFields<'a> {
    pub(crate) pin: Pin,
    pub(crate) authzid: &'a str,
    pub(crate) server_name: &'a str,
    pub(crate) assertion: Named<'a>,
    pub(crate) counter: Option<u64>,
    pub(crate) lineage: bool,
    pub(crate) offer: Option<&'a OfferHash>,
}

impl InitiatorFields<'_> {
    /// The message up to `,p=`.
    pub(crate) fn covered(&self) -> String {
        let mut message = String::with_capacity(256);
        match self.pin.binding().type_name() {
            Some(name) => message.extend(["p=", name]),
            None => message.push('n'),
        }
        message.push(',');
        if !self.authzid.is_empty() {
            message.extend(["a=", &escape(self.authzid)]);
        }
        message.extend([",h=", self.server_name]);
        match self.assertion {
            Named::Id(id) => message.extend([",i=", &STANDARD.encode(id.0)]),
            Named::Sealed(sealed) => message.extend([",t=", sealed]),
        }
        if let Some(counter) = self.counter {
            message.extend([",n=", &counter.to_string()]);
        }
        if self.lineage {
            message.push_str(",l=1");
        }
        if let Some(offer) = self.offer {
            message.extend([",f=", &STANDARD.encode(offer.0)]);
        }
        message
    }
}

/// `covered`, then `,p=` and the proof.
pub(crate) fn with_proof(mut covered: String, proof: &[u8]) -> String {
    covered.push_str(",p=");
    STANDARD.encode_string(proof, &mut covered);
    covered
}

/// The server's message, parsed.
#[derive(Debug)]
pub(crate) enum ResponderMessage<'a> {
    Success {
        seconds: Option<u64>,
        renewal: Option<Renewal>,
        /// The successor's record, for the client to send with each proof.
        sealed: Option<&'a str>,
        /// The message as received, up to `v=`.
        covered: &'a [u8],
        signature: Secret,
    },
    Failure {
        reason: &'a str,
        covered: &'a [u8],
        signature: Option<Secret>,
    },
}

impl<'a> ResponderMessage<'a> {
    pub(crate) fn parse(pin: Pin, message: &'a [u8]) -> Result<Self, Malformed> {
        let text = text(message)?;
        let signature_of = |value: &str| secret(value, pin.hash().output_len()).ok_or(Malformed::Attribute('v'));
        let mut attributes = Attributes(text.split(',').peekable());
        if let Some(reason) = attributes.take('e')? {
            if reason.is_empty() || !reason.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-') {
                return Err(Malformed::Attribute('e'));
            }
            let signature = attributes.take('v')?.map(signature_of).transpose()?;
            attributes.end()?;
            let end = if signature.is_some() { "e=,".len() + reason.len() } else { text.len() };
            return Ok(Self::Failure { reason, covered: &message[..end.min(message.len())], signature });
        }
        let seconds = match attributes.take('x')? {
            None => None,
            Some(digits) => Some(number(digits).ok_or(Malformed::Attribute('x'))?),
        };
        let renewal = match attributes.take('r')? {
            None => None,
            Some("1") => Some(Renewal::Exporter),
            Some(granted) => Some(Renewal::Granted(octets(granted).ok_or(Malformed::Attribute('r'))?)),
        };
        let sealed = match attributes.take('t')? {
            Some(sealed) if renewal.is_some() && is_sealed(sealed) => Some(sealed),
            Some(_) => return Err(Malformed::Attribute('t')),
            None => None,
        };
        let value = attributes.last_is('v')?;
        let covered = text.strip_suffix(value).and_then(|rest| rest.strip_suffix("v=")).unwrap_or("");
        Ok(Self::Success { seconds, renewal, sealed, covered: covered.as_bytes(), signature: signature_of(value)? })
    }
}

/// The success message up to `v=`.
pub(crate) fn success(seconds: u64, renewal: Option<&Renewal>, sealed: Option<&str>) -> ServerMessage {
    let mut message = ServerMessage::new();
    message.push(b"x=");
    message.push_number(seconds);
    message.push(b",");
    match renewal {
        None => {}
        Some(Renewal::Exporter) => message.push(b"r=1,"),
        Some(Renewal::Granted(octets)) => {
            message.push(b"r=");
            message.push_base64(octets);
            message.push(b",");
        }
    }
    if let Some(sealed) = sealed.filter(|_| renewal.is_some()) {
        [b"t=", sealed.as_bytes(), b","].into_iter().for_each(|part| message.push(part));
    }
    message
}

/// `covered`, then `v=` and the signature.
pub(crate) fn with_signature(mut covered: ServerMessage, signature: &[u8]) -> ServerMessage {
    covered.push(b"v=");
    covered.push_base64(signature);
    covered
}

/// Canonical base64 of 1 to 384 octets.
fn is_sealed(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_SEALED_TEXT && STANDARD.decode(text).is_ok()
}

fn text(message: &[u8]) -> Result<&str, Malformed> {
    if message.len() > MAX_MESSAGE {
        return Err(Malformed::TooLong);
    }
    core::str::from_utf8(message).ok().filter(|_| !has_nul(message)).ok_or(Malformed::NotText)
}

/// All octets are looked at, which is quicker than to stop at the first: there is none, mostly.
fn has_nul(message: &[u8]) -> bool {
    message.iter().fold(false, |found, &octet| found | (octet == 0))
}

/// `p=` and the name of a binding type (RFC 5801 section 4: letters, digits, `.` and `-`).
fn binding_name(part: &str) -> Option<&str> {
    let name = part.strip_prefix("p=")?;
    let valid = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-');
    (!name.is_empty() && name.bytes().all(valid)).then_some(name)
}

/// The attributes of a message, in their one order.
struct Attributes<'a, I: Iterator<Item = &'a str>>(core::iter::Peekable<I>);

impl<'a, I: Iterator<Item = &'a str>> Attributes<'a, I> {
    /// The value of the next attribute when its name is `name`.
    fn take(&mut self, name: char) -> Result<Option<&'a str>, Malformed> {
        let Some(part) = self.0.peek() else { return Ok(None) };
        let (found, value) = attribute(part)?;
        if found != name {
            return Ok(None);
        }
        self.0.next();
        Ok(Some(value))
    }

    /// Extensions to the end: any letter that this version does not use, each once. They are covered by the proof and ignored.
    fn extensions(&mut self) -> Result<(), Malformed> {
        let mut seen = [false; 128];
        for part in self.0.by_ref() {
            let (name, value) = attribute(part)?;
            // `m=` is SCRAM's mandatory extension (RFC 5802 section 5.1): not understood, so refused.
            let slot = seen.get_mut(name as usize).ok_or(Malformed::NotAnAttribute)?;
            if core::mem::replace(slot, true) || "aefhilmnprtvx".contains(name) || value.is_empty() {
                return Err(Malformed::Attribute(name));
            }
        }
        Ok(())
    }

    /// Extensions, then `name` and nothing behind it.
    fn last_is(mut self, name: char) -> Result<&'a str, Malformed> {
        let mut ahead = Vec::new();
        while let Some(part) = self.0.next() {
            if self.0.peek().is_some() {
                ahead.push(part);
                continue;
            }
            Attributes(ahead.into_iter().peekable()).extensions()?;
            return match attribute(part)? {
                (found, value) if found == name => Ok(value),
                _ => Err(Malformed::Attribute(name)),
            };
        }
        Err(Malformed::Attribute(name))
    }

    fn end(&mut self) -> Result<(), Malformed> {
        if self.0.next().is_some() { Err(Malformed::NotAnAttribute) } else { Ok(()) }
    }
}

/// One letter, `=`, and a value.
fn attribute(part: &str) -> Result<(char, &str), Malformed> {
    let mut chars = part.chars();
    match (chars.next(), chars.next()) {
        (Some(name), Some('=')) if name.is_ascii_alphabetic() => Ok((name, chars.as_str())),
        _ => Err(Malformed::NotAnAttribute),
    }
}

/// Decimal digits without a leading zero, below 2^64.
fn number(digits: &str) -> Option<u64> {
    let canonical = digits == "0" || !digits.starts_with('0');
    (canonical && digits.bytes().all(|octet| octet.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

/// Exactly `N` octets in canonical, padded base64 (RFC 4648 section 4).
fn octets<const N: usize>(value: &str) -> Option<[u8; N]> {
    // The longest is a granted seed.
    let mut buffer = [0; 32 + ROOM];
    let decoded = decode(value, &mut buffer);
    let octets = buffer.first_chunk().copied().filter(|_| decoded == Some(N));
    buffer.as_mut_slice().zeroize();
    octets
}

/// What the decoder wants of room more, for its estimate.
const ROOM: usize = 3;

fn secret(value: &str, len: usize) -> Option<Secret> {
    let mut buffer = [0; MAX_HASH + ROOM];
    let secret = match decode(value, &mut buffer) {
        Some(decoded) if decoded == len => buffer.get(..decoded).and_then(Secret::new),
        _ => None,
    };
    buffer.as_mut_slice().zeroize();
    secret
}

/// Decodes what is not too long for the buffer, and says how many octets it is.
fn decode(value: &str, buffer: &mut [u8]) -> Option<usize> {
    STANDARD.decode_slice(value, buffer).ok()
}

/// saslname (RFC 5802 section 7): `,` and `=` as `=2C` and `=3D`.
fn escape(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

fn unescape(name: &str) -> Option<Cow<'_, str>> {
    if name.is_empty() {
        return None;
    }
    if !name.contains('=') {
        return Some(Cow::Borrowed(name));
    }
    let mut plain = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, escaped)) = rest.split_once('=') {
        plain.push_str(before);
        rest = if let Some(after) = escaped.strip_prefix("2C") {
            plain.push(',');
            after
        } else {
            plain.push('=');
            escaped.strip_prefix("3D")?
        };
    }
    plain.push_str(rest);
    Some(Cow::Owned(plain))
}
