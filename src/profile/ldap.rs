//! LDAP (RFC 4511, RFC 4513 section 5.2): a SASL bind, whose response carries data on success and failure alike.
//!
//! Nothing rides along: after a BindRequest a client must not send further requests until the response came (RFC 4511
//! section 4.2.1).

use core::fmt;

use bytes::{Bytes, BytesMut};
use lber::common::TagClass;
use lber::structure::{PL, StructureTag};
use lber::structures::{ASNTag, Enumerated, Integer, OctetString, Sequence, Tag};

use super::{Answer, Completion, Event, Flight, MechanismName, Offer, ProfileError, Request, ServerEvent};
use crate::mechanism::Outcome;

/// Longest PDU.
const LIMIT: usize = 8192;
/// Deepest nesting; a bind with controls has five levels. lber recurses, so this is checked before it parses.
const DEPTH: usize = 16;
const BIND_REQUEST: u64 = 0;
const BIND_RESPONSE: u64 = 1;
const SASL: u64 = 3;
const SERVER_SASL_CREDS: u64 = 7;
const SASL_BIND_IN_PROGRESS: u8 = 14;
const MALFORMED: ProfileError = ProfileError::Malformed("not a PDU of LDAP");

/// Server: the values of the root DSE's `supportedSASLMechanisms` (RFC 4512 section 5.1.5).
pub fn supported_mechanisms(offer: &Offer) -> impl Iterator<Item = &str> {
    offer.mechanisms().iter().map(MechanismName::as_str)
}

/// Client: what the values of the root DSE's `supportedSASLMechanisms` list (RFC 4512 section 5.1.5).
pub fn offer<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Offer {
    Offer::heard(values)
}

/// Client: binds with a mechanism and its message, as the operation with this message id (1 to 2³¹ − 1).
///
/// # Errors
/// [`ProfileError::OutOfTurn`] for another message id.
pub fn bind(
    message_id: i32,
    mechanism: MechanismName,
    message: &[u8],
) -> Result<(Flight, ClientExchange), ProfileError> {
    if message_id < 1 {
        return Err(ProfileError::OutOfTurn("a message id of LDAP is 1 to 2147483647"));
    }
    let sasl = vec![octets(mechanism.as_str().as_bytes()), octets(message)];
    let sasl = Tag::Sequence(Sequence { id: SASL, class: TagClass::Context, inner: sasl });
    let version = Tag::Integer(Integer { inner: 3, ..Integer::default() });
    let pdu = pdu(i64::from(message_id), BIND_REQUEST, vec![version, octets(b""), sasl])?;
    Ok((Flight::new(pdu, false), ClientExchange { message_id, state: State::Running }))
}

/// A bind on its way, seen from the client.
#[derive(Debug)]
pub struct ClientExchange {
    message_id: i32,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Running,
    Failed(ProfileError),
    Over,
}

impl ClientExchange {
    /// Takes what it can from `input`; PDUs of other operations are passed on. A PDU has at most 8,192 octets.
    ///
    /// # Errors
    /// [`ProfileError`] when the server follows no protocol, or goes on with saslBindInProgress.
    pub fn receive(&mut self, input: &mut BytesMut) -> Result<Event, ProfileError> {
        match self.state {
            State::Failed(error) => return Err(error),
            State::Over => return Err(ProfileError::OutOfTurn("the bind is over; what follows is the application's")),
            State::Running => {}
        }
        self.step(input).inspect_err(|&error| self.state = State::Failed(error))
    }

    fn step(&mut self, input: &mut BytesMut) -> Result<Event, ProfileError> {
        let Some(len) = complete(input)? else { return Ok(Event::NeedMore) };
        let line = input.split_to(len).freeze();
        let (message_id, operation) = parse(&line)?;
        if message_id != i64::from(self.message_id) {
            return Ok(Event::Pass(line));
        }
        let fields = constructed(operation, TagClass::Application, BIND_RESPONSE).ok_or(MALFORMED)?;
        let mut fields = fields.into_iter();
        let code = match fields.next().map(|code| primitive(code, TagClass::Universal, 10)) {
            Some(Some(code)) => *code.first().filter(|_| code.len() == 1).ok_or(MALFORMED)?,
            _ => return Err(MALFORMED),
        };
        let data = fields.find_map(|field| primitive(field, TagClass::Context, SERVER_SASL_CREDS));
        if code == SASL_BIND_IN_PROGRESS {
            return Err(ProfileError::UnexpectedChallenge);
        }
        self.state = State::Over;
        Ok(Event::Done(Completion { verdict: Answer::from_ldap(code), data: data.map(Bytes::from), line }))
    }
}

/// A bind on its way, seen from the server.
///
/// Made where a PDU may begin: [`ServerEvent::OtherCommand`] leaves every other PDU, simple binds included, in the
/// buffer.
pub struct ServerExchange {
    offer: Offer,
    message_id: i64,
    state: ServerState,
}

#[derive(Clone, Copy, Debug)]
enum ServerState {
    Command,
    Message(MechanismName),
    Verifying,
    Failed(ProfileError),
    Over,
}

impl ServerExchange {
    /// A bind where a PDU may begin. `offer` is what the root DSE listed.
    pub fn new(offer: &Offer) -> Self {
        Self { offer: offer.clone(), message_id: 0, state: ServerState::Command }
    }

    /// Takes a BindRequest from `input`.
    ///
    /// # Errors
    /// [`ProfileError`] when the client follows no protocol; or when [`finish`](Self::finish) comes first.
    pub fn receive(&mut self, input: &mut BytesMut) -> Result<ServerEvent, ProfileError> {
        match self.state {
            ServerState::Failed(error) => return Err(error),
            ServerState::Over => {
                return Err(ProfileError::OutOfTurn("the bind is over; what follows are other requests"));
            }
            ServerState::Verifying => {
                return Err(ProfileError::OutOfTurn("call finish with the mechanism's outcome first"));
            }
            ServerState::Command | ServerState::Message(_) => {}
        }
        self.step(input).inspect_err(|&error| self.state = ServerState::Failed(error))
    }

    fn step(&mut self, input: &mut BytesMut) -> Result<ServerEvent, ProfileError> {
        // Other requests may be far larger than a bind, and deeper: they are told apart before either limit counts.
        if matches!(self.state, ServerState::Command) {
            match operation_tag(input)? {
                None => return Ok(ServerEvent::NeedMore),
                Some(BIND_REQUEST_TAG) => {}
                Some(_) => return Ok(ServerEvent::OtherCommand),
            }
        }
        let Some(len) = complete(input)? else { return Ok(ServerEvent::NeedMore) };
        let (message_id, operation) = parse(input.get(..len).unwrap_or_default())?;
        let Some(sasl) = sasl_credentials(operation) else { return Ok(ServerEvent::OtherCommand) };
        let _ = input.split_to(len);
        self.message_id = message_id;
        let mut sasl = sasl.into_iter();
        let name = sasl.next().and_then(|name| primitive(name, TagClass::Universal, 4)).ok_or(MALFORMED)?;
        let message = match sasl.next() {
            None => None,
            Some(field) => Some(primitive(field, TagClass::Universal, 4).ok_or(MALFORMED)?),
        };
        let Some(mechanism) = MechanismName::from_octets(&name).filter(|&name| self.offer.lists(name)) else {
            // authMethodNotSupported
            return self.complete(7, None);
        };
        match (self.state, message) {
            // another mechanism than the one under way aborts that (RFC 4511 section 4.2.1), and begins nothing here
            (ServerState::Message(expected), _) if expected != mechanism => self.complete(2, None),
            (ServerState::Message(_), None) => self.complete(2, None),
            (_, None) => {
                self.state = ServerState::Message(mechanism);
                Ok(ServerEvent::Send(response(self.message_id, SASL_BIND_IN_PROGRESS, "", Some(b""))?))
            }
            (_, Some(message)) => {
                self.state = ServerState::Verifying;
                Ok(ServerEvent::Verify(Request { mechanism, initial_response: Some(Bytes::from(message)) }))
            }
        }
    }

    /// What the mechanism says: its outcome, and its message, which serverSaslCreds carries on failure too.
    ///
    /// # Errors
    /// [`ProfileError::OutOfTurn`] unless [`ServerEvent::Verify`] asked for it.
    pub fn finish(&mut self, outcome: Outcome, message: Option<&[u8]>) -> Result<ServerEvent, ProfileError> {
        if !matches!(self.state, ServerState::Verifying) {
            return Err(ProfileError::OutOfTurn("finish answers Verify, once"));
        }
        self.complete(Answer::from(outcome).ldap(), message)
    }

    fn complete(&mut self, code: u8, message: Option<&[u8]>) -> Result<ServerEvent, ProfileError> {
        self.state = ServerState::Over;
        let text = if code == 0 { "" } else { "Authentication failed" };
        Ok(ServerEvent::Done { bytes: response(self.message_id, code, text, message)?, accepted: code == 0 })
    }
}

impl fmt::Debug for ServerExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerExchange").field("message_id", &self.message_id).field("state", &self.state).finish()
    }
}

fn response(message_id: i64, code: u8, text: &str, message: Option<&[u8]>) -> Result<Bytes, ProfileError> {
    let code = Tag::Enumerated(Enumerated { inner: i64::from(code), ..Enumerated::default() });
    let mut fields = vec![code, octets(b""), octets(text.as_bytes())];
    if let Some(message) = message {
        let creds = OctetString { id: SERVER_SASL_CREDS, class: TagClass::Context, inner: message.to_vec() };
        fields.push(Tag::OctetString(creds));
    }
    pdu(message_id, BIND_RESPONSE, fields)
}

fn octets(inner: &[u8]) -> Tag {
    Tag::OctetString(OctetString { inner: inner.to_vec(), ..OctetString::default() })
}

fn pdu(message_id: i64, id: u64, inner: Vec<Tag>) -> Result<Bytes, ProfileError> {
    let operation = Tag::Sequence(Sequence { id, class: TagClass::Application, inner });
    let message_id = Tag::Integer(Integer { inner: message_id, ..Integer::default() });
    let message = Sequence { inner: vec![message_id, operation], ..Sequence::default() };
    let mut encoded = BytesMut::new();
    lber::write::encode_into(&mut encoded, message.into_structure()).map_err(|_| MALFORMED)?;
    Ok(encoded.freeze())
}

/// Length of the first complete PDU in `input`.
fn complete(input: &[u8]) -> Result<Option<usize>, ProfileError> {
    // First, so that the error is the same however the octets arrive.
    if input.first().is_some_and(|&tag| tag != 0x30) {
        return Err(MALFORMED);
    }
    match header(input)? {
        Some((head, len)) if head + len > LIMIT => Err(ProfileError::TooLong { limit: LIMIT }),
        Some((head, len)) if head + len <= input.len() => Ok(Some(head + len)),
        _ => Ok(None),
    }
}

/// Octets of a message id, 0 to 2³¹ − 1 (RFC 4511 section 4.1.1.1).
const MAX_MESSAGE_ID: usize = 4;

/// BindRequest, `[APPLICATION 0]`, constructed.
const BIND_REQUEST_TAG: u8 = 0x60;

/// The tag of the operation of a PDU that may not be whole yet: it stands behind the envelope's header and the message id. `None` while
/// there are too few octets, of which it takes less than twenty.
fn operation_tag(input: &[u8]) -> Result<Option<u8>, ProfileError> {
    let is = |octets: &[u8], tag: u8| octets.first().is_none_or(|&first| first == tag);
    if !is(input, 0x30) {
        return Err(MALFORMED);
    }
    let Some((envelope, all)) = header(input)? else { return Ok(None) };
    // What is behind the envelope is the next PDU's.
    let inside = input.get(envelope..).unwrap_or_default();
    let inside = inside.get(..all).unwrap_or(inside);
    if !is(inside, 0x02) {
        return Err(MALFORMED);
    }
    let found = match header(inside)? {
        Some((_, len)) if len > MAX_MESSAGE_ID => return Err(MALFORMED),
        Some((head, len)) => inside.get(head + len).copied(),
        None => None,
    };
    if found.is_none() && inside.len() == all { Err(MALFORMED) } else { Ok(found) }
}

/// Octets of the tag and length, and the length: definite, at most four octets of it (RFC 4511 section 5.1).
fn header(input: &[u8]) -> Result<Option<(usize, usize)>, ProfileError> {
    let (Some(&tag), Some(&first)) = (input.first(), input.get(1)) else { return Ok(None) };
    if tag & 0x1f == 0x1f {
        return Err(MALFORMED);
    }
    match first {
        0..=0x7f => Ok(Some((2, usize::from(first)))),
        0x81..=0x84 => {
            let head = 2 + usize::from(first & 0x7f);
            let Some(len) = input.get(2..head) else { return Ok(None) };
            let len = len.iter().fold(0u64, |len, &octet| len << 8 | u64::from(octet));
            // saturating: far past every limit
            Ok(Some((head, usize::try_from(len).unwrap_or(usize::MAX / 2).min(usize::MAX / 2))))
        }
        _ => Err(MALFORMED),
    }
}

/// The message id and the operation of one whole PDU.
fn parse(pdu: &[u8]) -> Result<(i64, StructureTag), ProfileError> {
    check_depth(pdu)?;
    let message = match lber::parse::parse_tag(pdu) {
        Ok(([], message)) => message,
        _ => return Err(MALFORMED),
    };
    let mut fields = constructed(message, TagClass::Universal, 16).ok_or(MALFORMED)?.into_iter();
    let id = fields.next().and_then(|id| primitive(id, TagClass::Universal, 2)).ok_or(MALFORMED)?;
    let negative = id.first().is_none_or(|octet| octet & 0x80 != 0);
    if negative || id.len() > MAX_MESSAGE_ID {
        return Err(MALFORMED);
    }
    let id = id.iter().fold(0, |id, &octet| id << 8 | i64::from(octet));
    Ok((id, fields.next().ok_or(MALFORMED)?))
}

/// Walks the tags without recursion, so that a deep PDU is refused before anything recurses into it.
fn check_depth(pdu: &[u8]) -> Result<(), ProfileError> {
    let mut ends = vec![pdu.len()];
    let mut at = 0;
    while let Some(&end) = ends.last() {
        if at == end {
            ends.pop();
            continue;
        }
        let (head, len) = header(pdu.get(at..end).unwrap_or_default())?.ok_or(MALFORMED)?;
        let stop = (at + head).checked_add(len).filter(|&stop| stop <= end).ok_or(MALFORMED)?;
        let is_constructed = pdu.get(at).is_some_and(|tag| tag & 0x20 != 0);
        if !is_constructed {
            at = stop;
        } else if ends.len() > DEPTH {
            return Err(MALFORMED);
        } else {
            at += head;
            ends.push(stop);
        }
    }
    Ok(())
}

/// Name and credentials of a SASL bind; `None` for every other operation.
fn sasl_credentials(operation: StructureTag) -> Option<Vec<StructureTag>> {
    let mut fields = constructed(operation, TagClass::Application, BIND_REQUEST)?.into_iter();
    let version = primitive(fields.next()?, TagClass::Universal, 2)?;
    let _name = fields.next()?;
    if version != [3] {
        return None;
    }
    constructed(fields.next()?, TagClass::Context, SASL)
}

fn constructed(tag: StructureTag, class: TagClass, id: u64) -> Option<Vec<StructureTag>> {
    match tag.payload {
        PL::C(fields) if tag.class == class && tag.id == id => Some(fields),
        _ => None,
    }
}

fn primitive(tag: StructureTag, class: TagClass, id: u64) -> Option<Vec<u8>> {
    match tag.payload {
        PL::P(octets) if tag.class == class && tag.id == id => Some(octets),
        _ => None,
    }
}
