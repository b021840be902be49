//! What the codec and its caller say to each other.

use core::fmt;
use core::net::IpAddr;

use bytes::Bytes;

use super::UserName;
use crate::channel::ServerName;
use crate::crypto::Redacted;
use crate::mechanism::{Outcome, Verdict};
use crate::profile::{Answer, MechanismName};

/// What the mail server says of the connection on which its client logs in. What it does not say, or says badly, is not
/// there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The service, as the mail server calls it: `smtp`.
    pub service: Box<str>,
    /// The connection is secured, by TLS or because it does not leave the machine.
    pub secured: bool,
    /// The client's earlier failures are not to slow this one down.
    pub no_penalty: bool,
    /// The address that the client connected to.
    pub local_ip: Option<IpAddr>,
    /// The port that the client connected to.
    pub local_port: Option<u16>,
    /// The client's address.
    pub remote_ip: Option<IpAddr>,
    /// The client's port.
    pub remote_port: Option<u16>,
    /// The server name that the client sent in TLS. Postfix does not say it.
    pub local_name: Option<ServerName>,
    /// A name for the session, for the log.
    pub session: Option<Box<str>>,
}

/// A login that waits for the caller. It is used up by the answer, so one is given once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the mail server waits for an answer"]
pub struct Pending {
    pub(super) connection: u32,
    pub(super) number: u64,
}

impl Pending {
    /// Which login of this connection it is. The mail server's own ids come again; this does not.
    pub fn number(&self) -> u64 {
        self.number
    }
}

/// The same in a full login, where the caller may have a challenge first.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the mail server waits for an answer"]
pub struct Turn(pub(super) Pending);

impl Turn {
    /// Which login of this connection it is.
    pub fn number(&self) -> u64 {
        self.0.number
    }
}

impl From<Turn> for Pending {
    fn from(turn: Turn) -> Self {
        turn.0
    }
}

/// An attempt to be recognised, with a mechanism of this crate.
#[derive(PartialEq, Eq)]
#[must_use = "the mail server waits for an answer"]
pub struct Attempt {
    /// To be given back with what came of it.
    pub pending: Pending,
    /// One of the mechanisms that were listed.
    pub mechanism: MechanismName,
    /// The client's message, decoded.
    pub message: Bytes,
    /// Where the client is.
    pub peer: Peer,
}

/// A full login that begins.
#[derive(PartialEq, Eq)]
#[must_use = "the mail server waits for an answer"]
pub struct FullLogin {
    /// To be given back with a challenge, or with what came of it.
    pub turn: Turn,
    /// One of the mechanisms that were listed.
    pub mechanism: MechanismName,
    /// The client's first message, decoded, if it came with the command.
    pub message: Option<Bytes>,
    /// Where the client is.
    pub peer: Peer,
}

/// What came of the octets received so far.
#[derive(PartialEq, Eq)]
#[must_use = "the mail server waits for Send and Done"]
pub enum AuthEvent {
    /// Nothing yet: read more from the connection.
    NeedMore,
    /// As much is under way as there is room for, all of it with the caller: [`finish`](super::AuthServer::finish) one,
    /// and ask again.
    Busy,
    /// Send these octets: more of a login is to come.
    Send(Bytes),
    /// Verify this with the mechanism, then [`finish`](super::AuthServer::finish) it.
    Verify(Attempt),
    /// A full login begins: [`challenge`](super::AuthServer::challenge) or [`finish`](super::AuthServer::finish) it.
    FullLogin(FullLogin),
    /// The client's answer to a challenge of a full login.
    Response {
        /// To be given back, as before.
        turn: Turn,
        /// The answer.
        message: Bytes,
    },
    /// A login is over.
    Done {
        /// Which.
        number: u64,
        /// Send these octets.
        bytes: Bytes,
        /// Who is logged in now. Only this counts: a client may still give up behind an accepted proof.
        user: Option<UserName>,
    },
    /// A login is over without an answer: its client gave up, or made room for another one.
    Cancelled {
        /// Which.
        number: u64,
    },
}

/// What came of a login, as this protocol can say it.
#[derive(Clone, PartialEq, Eq)]
pub struct Ruling {
    pub(super) answer: Answer,
    pub(super) user: Option<UserName>,
    pub(super) message: Option<Bytes>,
}

impl Ruling {
    /// What the mechanism says. The account is called by its identity; one that the protocol can't carry is not logged
    /// in.
    pub fn of(verdict: &Verdict) -> Self {
        let user = verdict.recognised.as_ref().map(|client| UserName::parse(client.identity()));
        let ruling = match (verdict.outcome, user) {
            (Outcome::Accepted, Some(Ok(user))) => Self::accepted(user),
            (outcome, _) => Self::refused(outcome),
        };
        match &verdict.message {
            // A message that says "recognised" goes with nothing else.
            Some(message) if ruling.user.is_some() || verdict.outcome != Outcome::Accepted => {
                ruling.with_message(message)
            }
            _ => ruling,
        }
    }

    /// This account logged in.
    pub fn accepted(user: UserName) -> Self {
        Self { answer: Answer::Accepted, user: Some(user), message: None }
    }

    /// Nobody did. [`Outcome::Accepted`] without a name is a fault of the server, and reads so.
    pub fn refused(outcome: Outcome) -> Self {
        Self { answer: outcome.into(), user: None, message: None }
    }

    /// The mechanism's last message, not yet encoded, which goes to the client as a challenge ahead of the completion.
    #[must_use]
    pub fn with_message(mut self, message: &[u8]) -> Self {
        self.message = Some(Bytes::copy_from_slice(message));
        self
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("pending", &self.pending)
            .field("mechanism", &self.mechanism)
            .field("message", &Redacted(self.message.len()))
            .field("peer", &self.peer)
            .finish()
    }
}

impl fmt::Debug for FullLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FullLogin")
            .field("turn", &self.turn)
            .field("mechanism", &self.mechanism)
            .field("message", &self.message.as_ref().map(|message| Redacted(message.len())))
            .field("peer", &self.peer)
            .finish()
    }
}

impl fmt::Debug for AuthEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedMore => f.write_str("NeedMore"),
            Self::Busy => f.write_str("Busy"),
            Self::Send(bytes) => f.debug_tuple("Send").field(&Redacted(bytes.len())).finish(),
            Self::Verify(attempt) => f.debug_tuple("Verify").field(attempt).finish(),
            Self::FullLogin(login) => f.debug_tuple("FullLogin").field(login).finish(),
            Self::Response { turn, message } => {
                f.debug_struct("Response").field("turn", turn).field("message", &Redacted(message.len())).finish()
            }
            Self::Done { number, bytes, user } => f
                .debug_struct("Done")
                .field("number", number)
                .field("bytes", &Redacted(bytes.len()))
                .field("user", user)
                .finish(),
            Self::Cancelled { number } => f.debug_struct("Cancelled").field("number", number).finish(),
        }
    }
}

impl fmt::Debug for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ruling")
            .field("answer", &self.answer)
            .field("user", &self.user)
            .field("message", &self.message.as_ref().map(|message| Redacted(message.len())))
            .finish()
    }
}
