//! What is sent at once, and what may be sent right behind it.

use core::fmt;

use bytes::Bytes;

/// Octets to send, and whether the application's own commands may follow without waiting.
#[derive(Clone, PartialEq, Eq)]
pub struct Flight {
    /// Complete lines, elements or PDUs.
    pub bytes: Bytes,
    /// What may be put behind them in the same flight.
    pub rides_along: RideAlong,
}

/// Whether the application's next commands may be sent before the server's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "a command sent too early may be read as an answer to a challenge"]
pub enum RideAlong {
    /// Nothing may: wait for the completion.
    Nothing,
    /// Commands may, of the kinds that [`permits`](Self::permits) allows.
    Commands,
}

/// What a command would do if the login in front of it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NextCommand {
    /// It asks (IMAP SELECT and FETCH, POP3 STAT, SMTP NOOP): the server refuses it and nothing happened.
    Asks,
    /// It changes something (IMAP STORE, SMTP MAIL and RCPT, POP3 DELE): an unauthenticated server refuses it. Whether
    /// it may also run *twice*, should the answer be lost and the command be repeated, is the application's question.
    Changes,
    /// It is followed by octets that only an accepted command makes into data (SMTP DATA and BDAT, an IMAP literal that
    /// waits for its `+`): after a refusal they would be read as commands.
    Payload,
    /// It alters how the octets after it are read (STARTTLS, COMPRESS, another AUTHENTICATE, QUIT).
    Switches,
}

impl RideAlong {
    /// Whether a command of this kind may be sent in the same flight as the login.
    pub const fn permits(self, next: NextCommand) -> bool {
        matches!((self, next), (Self::Commands, NextCommand::Asks | NextCommand::Changes))
    }
}

impl RideAlong {
    /// The same where the flight is TLS 1.3 early data: only what asks, as it may be carried out later than the client thinks.
    pub const fn permits_early(self, next: NextCommand) -> bool {
        matches!((self, next), (Self::Commands, NextCommand::Asks))
    }
}

impl Flight {
    pub(super) fn new(bytes: impl Into<Bytes>, commands: bool) -> Self {
        Self { bytes: bytes.into(), rides_along: if commands { RideAlong::Commands } else { RideAlong::Nothing } }
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight").field("bytes", &Length(&self.bytes)).field("rides_along", &self.rides_along).finish()
    }
}

/// Prints how many octets there are, and not which: they may hold a password or a renewal.
pub(super) struct Length<'a>(pub(super) &'a [u8]);

impl fmt::Debug for Length<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets", self.0.len())
    }
}
