//! The server's half of a login, for every line protocol.

use core::fmt;

use bytes::{Bytes, BytesMut};

use super::dialect::{Command, Dialect, Response, Tag};
use super::flight::Length;
use super::{Answer, MechanismName, Offer, ProfileError, wire};
use crate::mechanism::Outcome;

/// What a client asks for: a mechanism, and its one message.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The mechanism, one of those that were listed.
    pub mechanism: MechanismName,
    /// The client's message, decoded; `None` while only the command came (RFC 4422 section 3.3 tells it from an empty
    /// one).
    pub initial_response: Option<Bytes>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let response = self.initial_response.as_deref().map(Length);
        f.debug_struct("Request").field("mechanism", &self.mechanism).field("initial_response", &response).finish()
    }
}

/// What came of the octets received so far.
#[derive(Clone, PartialEq, Eq)]
#[must_use = "the client waits for Send and Done"]
pub enum ServerEvent {
    /// Nothing yet: read more from the connection.
    NeedMore,
    /// The next line is another command. It is still in the buffer.
    OtherCommand,
    /// Verify this with the mechanism, then call [`ServerExchange::finish`]. The message is always there.
    Verify(Request),
    /// Send these octets, then call [`ServerExchange::receive`]: more of the login is to come.
    Send(Bytes),
    /// The login is over; what follows in the buffer are the client's next commands.
    Done {
        /// Send these octets.
        bytes: Bytes,
        /// Whether the client is logged in. Only this counts: a client may still cancel behind an accepted proof.
        accepted: bool,
    },
}

impl fmt::Debug for ServerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedMore => f.write_str("NeedMore"),
            Self::OtherCommand => f.write_str("OtherCommand"),
            Self::Verify(request) => f.debug_tuple("Verify").field(request).finish(),
            Self::Send(bytes) => f.debug_tuple("Send").field(&Length(bytes)).finish(),
            Self::Done { bytes, accepted } => {
                f.debug_struct("Done").field("bytes", &Length(bytes)).field("accepted", accepted).finish()
            }
        }
    }
}

/// A login on its way, seen from the server.
///
/// Made by `server` of [`imap`](super::imap), [`smtp`](super::smtp), [`pop3`](super::pop3), [`sieve`](super::sieve) or
/// [`acap`](super::acap), where a command may begin; or by `server_after`, by a stack that parses its commands itself.
pub struct ServerExchange {
    dialect: &'static dyn Dialect,
    offer: Offer,
    tag: Option<Tag>,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Before the command.
    Command,
    /// The empty challenge was sent for the client's message.
    Message(MechanismName),
    /// The message is with the mechanism.
    Verifying(MechanismName),
    /// The one challenge was sent; its answer is to be taken before this completes.
    Answer(Answer),
    Failed(ProfileError),
    Over,
}

impl ServerExchange {
    pub(super) fn new(dialect: &'static dyn Dialect, offer: &Offer) -> Self {
        Self { dialect, offer: offer.clone(), tag: None, state: State::Command }
    }

    /// Behind a command that the stack has parsed itself.
    pub(super) fn after(
        dialect: &'static dyn Dialect,
        offer: &Offer,
        tag: Option<Tag>,
        request: Request,
    ) -> (ServerEvent, Self) {
        let mut exchange = Self { tag, ..Self::new(dialect, offer) };
        let event = exchange.begin(Some(request.mechanism), Ok(request.initial_response));
        (event, exchange)
    }

    /// Takes what it can from `input`. A line, literals included, has at most 8,192 octets; so has another command where a login may begin,
    /// but for those of ManageSieve and ACAP, which are told by their verb.
    ///
    /// # Errors
    /// [`ProfileError`] when the client follows no protocol and the connection can't go on, the same again on every
    /// later call; or when [`finish`](Self::finish) comes first.
    pub fn receive(&mut self, input: &mut BytesMut) -> Result<ServerEvent, ProfileError> {
        match self.state {
            State::Failed(error) => return Err(error),
            State::Over => {
                return Err(ProfileError::OutOfTurn("the login is over; what follows are the next commands"));
            }
            State::Verifying(_) => {
                return Err(ProfileError::OutOfTurn("call finish with the mechanism's outcome first"));
            }
            State::Command | State::Message(_) | State::Answer(_) => {}
        }
        let verb = self.dialect.verb_at().and_then(|at| wire::whole_word(input, at));
        if matches!(self.state, State::Command) && verb.is_some_and(|verb| !verb.eq_ignore_ascii_case(b"AUTHENTICATE"))
        {
            return Ok(ServerEvent::OtherCommand);
        }
        let literal = |part: &[u8], _| self.dialect.client_literal(part);
        let len = match wire::complete(input, wire::LINE_LIMIT, literal) {
            Ok(Some(len)) => len,
            Ok(None) => return Ok(ServerEvent::NeedMore),
            Err(error) => {
                self.state = State::Failed(error);
                return Err(error);
            }
        };
        let line = wire::without_crlf(input.get(..len).unwrap_or_default());
        let event = match self.state {
            State::Message(mechanism) => match self.dialect.parse_response(line) {
                Ok(Response::Octets(message)) => self.verify(mechanism, Bytes::from(message)),
                // nothing was sent ahead of a message that never came
                Ok(Response::Cancel) => self.complete(Answer::Malformed, None),
                Err(_) => self.malformed(mechanism),
            },
            State::Answer(verdict) => match self.dialect.parse_response(line) {
                Ok(Response::Octets(answer)) if answer.is_empty() => self.complete(verdict, None),
                _ => self.complete(Answer::Malformed, None),
            },
            _ => match self.dialect.parse(line) {
                Command::Other => return Ok(ServerEvent::OtherCommand),
                Command::Login { tag, mechanism, response } => {
                    self.tag = tag;
                    self.begin(mechanism, response.map(|octets| octets.map(Bytes::from)))
                }
            },
        };
        wire::take(input, len);
        Ok(event)
    }

    /// What the mechanism says: its outcome, and its message, not yet encoded, if it has one.
    ///
    /// For a listed IKY mechanism where success carries no data, and for every mechanism that has a message there, this
    /// is the one challenge, and the completion follows when its answer was taken.
    ///
    /// # Errors
    /// [`ProfileError::OutOfTurn`] unless [`ServerEvent::Verify`] asked for it.
    pub fn finish(&mut self, outcome: Outcome, message: Option<&[u8]>) -> Result<ServerEvent, ProfileError> {
        let State::Verifying(mechanism) = self.state else {
            return Err(ProfileError::OutOfTurn("finish answers Verify, once"));
        };
        let verdict = outcome.into();
        if self.dialect.uses_strings() {
            return Ok(self.complete(verdict, message));
        }
        match message {
            None if !mechanism.is_iky() => Ok(self.complete(verdict, None)),
            _ => Ok(self.challenge(verdict, message.unwrap_or_default())),
        }
    }

    fn begin(
        &mut self,
        mechanism: Option<MechanismName>,
        response: Result<Option<Bytes>, ProfileError>,
    ) -> ServerEvent {
        let Some(mechanism) = mechanism.filter(|&mechanism| self.offer.lists(mechanism)) else {
            self.state = State::Over;
            return ServerEvent::Done { bytes: self.dialect.unsupported(self.tag()).into(), accepted: false };
        };
        match response {
            Ok(Some(message)) => self.verify(mechanism, message),
            Ok(None) => {
                self.state = State::Message(mechanism);
                ServerEvent::Send(self.dialect.challenge(b"").into())
            }
            Err(_) => self.malformed(mechanism),
        }
    }

    fn verify(&mut self, mechanism: MechanismName, message: Bytes) -> ServerEvent {
        self.state = State::Verifying(mechanism);
        ServerEvent::Verify(Request { mechanism, initial_response: Some(message) })
    }

    /// A message that isn't even base64. The empty line behind an IKY one is consumed all the same.
    fn malformed(&mut self, mechanism: MechanismName) -> ServerEvent {
        if mechanism.is_iky() && !self.dialect.uses_strings() {
            self.challenge(Answer::Malformed, b"")
        } else {
            self.complete(Answer::Malformed, None)
        }
    }

    fn challenge(&mut self, verdict: Answer, message: &[u8]) -> ServerEvent {
        self.state = State::Answer(verdict);
        ServerEvent::Send(self.dialect.challenge(message).into())
    }

    fn complete(&mut self, verdict: Answer, data: Option<&[u8]>) -> ServerEvent {
        self.state = State::Over;
        let accepted = verdict == Answer::Accepted;
        let data = data.filter(|_| accepted);
        ServerEvent::Done { bytes: self.dialect.completion(self.tag(), verdict, data).into(), accepted }
    }

    fn tag(&self) -> &str {
        self.tag.as_ref().map(Tag::as_str).unwrap_or_default()
    }
}

impl fmt::Debug for ServerExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerExchange")
            .field("dialect", &self.dialect)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
