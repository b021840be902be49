//! The client's half of a login, for every line protocol.

use core::fmt;

use bytes::{Bytes, BytesMut};
use zeroize::Zeroizing;

use super::dialect::{Dialect, Reply, Tag};
use super::flight::Length;
use super::{Answer, Flight, MechanismName, Offer, ProfileError, wire};

/// What came of the octets received so far.
#[derive(Clone, PartialEq, Eq)]
#[must_use = "Send must be sent, and Done is the server's answer"]
pub enum Event {
    /// Nothing yet: read more from the connection.
    NeedMore,
    /// A line that isn't part of the login, with its literals (IMAP's untagged data, say): the application's.
    Pass(Bytes),
    /// Send these octets now.
    Send(Flight),
    /// The login is over; what follows in the buffer is the application's.
    Done(Completion),
}

/// How the server completed the login.
#[derive(Clone, PartialEq, Eq)]
pub struct Completion {
    /// What the code says. An accepted login whose mechanism authenticates the server counts only once it has checked
    /// [`data`](Self::data).
    pub verdict: Answer,
    /// The server's message: the one challenge, or the data that came with success or failure.
    pub data: Option<Bytes>,
    /// The completion as received, for what else it says (IMAP's `[CAPABILITY …]`).
    pub line: Bytes,
}

impl Completion {
    /// Whether the server says that the client is logged in.
    pub fn accepted(&self) -> bool {
        self.verdict == Answer::Accepted
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedMore => f.write_str("NeedMore"),
            Self::Pass(line) => f.debug_tuple("Pass").field(&Length(line)).finish(),
            Self::Send(flight) => f.debug_tuple("Send").field(flight).finish(),
            Self::Done(completion) => f.debug_tuple("Done").field(completion).finish(),
        }
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion")
            .field("verdict", &self.verdict)
            .field("data", &self.data.as_deref().map(Length))
            .field("line", &Length(&self.line))
            .finish()
    }
}

/// A login on its way, seen from the client.
///
/// Made by `authenticate` of [`imap`](super::imap), [`smtp`](super::smtp), [`pop3`](super::pop3),
/// [`sieve`](super::sieve) or [`acap`](super::acap), together with the first [`Flight`].
pub struct ClientExchange {
    dialect: &'static dyn Dialect,
    tag: Option<Tag>,
    mechanism: MechanismName,
    /// The client's message, while the command went without it.
    held: Option<Zeroizing<Vec<u8>>>,
    permission: Permission,
    /// The server's message, from its one challenge.
    data: Option<Bytes>,
    state: State,
}

/// What this server permits for this mechanism.
#[derive(Clone, Copy, Debug)]
pub(super) struct Permission {
    /// The empty answer may be sent ahead of the challenge.
    pub(super) answer_ahead: bool,
    /// The next commands may be sent ahead of the completion.
    pub(super) commands: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Running,
    /// `*` was sent; the completion is still to come.
    Cancelled(ProfileError),
    Failed(ProfileError),
    Over,
}

impl ClientExchange {
    /// The command, with the client's message where the server takes it there and the line keeps within its limit.
    pub(super) fn start(
        dialect: &'static dyn Dialect,
        tag: Option<Tag>,
        offer: &Offer,
        mechanism: MechanismName,
        response: &[u8],
        permission: Permission,
    ) -> (Flight, Self) {
        let mut exchange = Self { dialect, tag, mechanism, held: None, permission, data: None, state: State::Running };
        let whole = dialect.command(exchange.tag(), mechanism, Some(response));
        let flight = if offer.initial_response() && whole.len() <= dialect.command_limit() {
            exchange.last_words(whole)
        } else {
            exchange.held = Some(Zeroizing::new(response.to_vec()));
            Flight::new(dialect.command(exchange.tag(), mechanism, None), false)
        };
        (flight, exchange)
    }

    /// Takes what it can from `input`; called again until it needs more or is done. A line, literals included, has at most 8,192 octets, a
    /// challenge 4,096.
    ///
    /// # Errors
    /// [`ProfileError`] when the server follows no protocol; the same again on every later call.
    pub fn receive(&mut self, input: &mut BytesMut) -> Result<Event, ProfileError> {
        match self.state {
            State::Failed(error) => return Err(error),
            State::Over => return Err(ProfileError::OutOfTurn("the login is over; what follows is the application's")),
            State::Running | State::Cancelled(_) => {}
        }
        self.step(input).inspect_err(|&error| self.state = State::Failed(error))
    }

    fn step(&mut self, input: &mut BytesMut) -> Result<Event, ProfileError> {
        loop {
            let literal = |part: &[u8], is_first| self.dialect.server_literal(part, is_first);
            let Some(len) = wire::complete(input, wire::LINE_LIMIT, literal)? else {
                return Ok(Event::NeedMore);
            };
            let line = wire::take(input, len);
            match (self.dialect.reply(self.tag(), wire::without_crlf(&line))?, self.state) {
                (Reply::Other, _) => return Ok(Event::Pass(line)),
                (Reply::More, _) => {}
                (Reply::End(..), State::Cancelled(error)) => return Err(error),
                (Reply::End(_, data), _) if data.is_none() && self.owes_challenge() => {
                    return Err(ProfileError::MissingChallenge);
                }
                (Reply::End(verdict, data), _) => {
                    self.state = State::Over;
                    let data = data.map(Bytes::from).or_else(|| self.data.take());
                    return Ok(Event::Done(Completion { verdict, data, line }));
                }
                (Reply::Challenge(_), State::Cancelled(error)) => return Err(error),
                (Reply::Challenge(_), _) if line.len() > wire::CHALLENGE_LIMIT => {
                    return Err(ProfileError::TooLong { limit: wire::CHALLENGE_LIMIT });
                }
                (Reply::Challenge(data), _) => {
                    if let Some(flight) = self.answer(data) {
                        return Ok(Event::Send(flight));
                    }
                }
            }
        }
    }

    /// What a challenge needs: the client's message, an empty answer, nothing when that was sent ahead, or the end.
    fn answer(&mut self, challenge: Vec<u8>) -> Option<Flight> {
        match self.held.take() {
            Some(response) if challenge.is_empty() => {
                // EXTERNAL took a second round trip, and so the leave to pipeline behind it is gone (RFC 4954 section
                // 4)
                self.permission.commands &= self.mechanism.is_iky();
                return Some(self.last_words(self.dialect.response(&response)));
            }
            None if self.data.is_none() && !self.mechanism.is_external() => {
                self.data = Some(Bytes::from(challenge));
                let owed = !self.permission.answer_ahead;
                return owed.then(|| Flight::new(self.dialect.response(b""), false));
            }
            _ => {}
        }
        self.state = State::Cancelled(ProfileError::UnexpectedChallenge);
        Some(Flight::new(self.dialect.cancel(), false))
    }

    /// The empty answer went ahead, and no challenge came that it answers. Where replies have no tags, a reply to it as a command would be taken for
    /// that to the next one.
    fn owes_challenge(&self) -> bool {
        self.permission.answer_ahead && self.held.is_none() && self.data.is_none() && self.tag.is_none()
    }

    /// The client's message and, where this server permits it, the empty answer to a challenge that is still to come.
    fn last_words(&self, mut line: Vec<u8>) -> Flight {
        if self.permission.answer_ahead {
            line.extend(self.dialect.response(b""));
        }
        Flight::new(line, self.permission.commands)
    }

    fn tag(&self) -> &str {
        self.tag.as_ref().map(Tag::as_str).unwrap_or_default()
    }
}

impl fmt::Debug for ClientExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientExchange")
            .field("dialect", &self.dialect)
            .field("mechanism", &self.mechanism)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
