//! What came of an attempt, and what follows for either end.

use core::fmt;

/// What came of an attempt to be recognised.
///
/// A profile turns it into the codes of its protocol; see [`crate::profile`]. On the wire, a stranger can't tell
/// [`Stale`](Self::Stale), [`BadProof`](Self::BadProof) and [`BindingMismatch`](Self::BindingMismatch) apart.
///
/// Specified by the draft in "Outcomes".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The client is who it was.
    Accepted,
    /// The server doesn't know the assertion: never did, evicted it, or it expired.
    Stale,
    /// The user or the operator ended it.
    Revoked,
    /// The assertion is good, but its last full login is too long ago, or was too weak for the present policy.
    FullAuthenticationDue,
    /// The assertion is good, but the server offers other mechanisms than at the last full login.
    ConfigurationChanged,
    /// The message names another channel binding than its mechanism, or the channel lacks it.
    BindingMismatch,
    /// The proof is good, but its counter was used before.
    Replayed,
    /// The proof does not verify: another client, channel, service, server name or identity, or an altered message.
    BadProof,
    /// The message does not follow the grammar.
    Malformed,
    /// The server can't say now: its store does not answer.
    Unavailable,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 10] = [
        Self::Accepted,
        Self::Stale,
        Self::Revoked,
        Self::FullAuthenticationDue,
        Self::ConfigurationChanged,
        Self::BindingMismatch,
        Self::Replayed,
        Self::BadProof,
        Self::Malformed,
        Self::Unavailable,
    ];

    /// Whether a server should count it as a failed login, against the peer's address.
    ///
    /// What an honest client does every day after a restart of either end does not count.
    pub const fn counts_as_failure(self) -> bool {
        matches!(self, Self::BindingMismatch | Self::Replayed | Self::BadProof | Self::Malformed)
    }

    /// Whether the client keeps its assertion when the server's signature says this; without a signature it always does.
    ///
    /// A full login that is due ends nothing by itself: the login makes a new assertion, and until then another connection may
    /// still have what this one lacked, a session's lineage.
    pub const fn keeps_assertion(self) -> bool {
        !matches!(self, Self::Stale | Self::Revoked | Self::ConfigurationChanged)
    }
}

/// What a client does after an attempt that was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NextStep {
    /// Try another assertion that it holds, on this connection: a successor was not known, its predecessor may be.
    TryPredecessor,
    /// Log in fully on this connection, which made a full handshake.
    FullLogin,
    /// Close, connect without TLS resumption, and log in fully there: a password never goes over a session that failed to
    /// be recognised.
    FullHandshake,
    /// Close: whoever answered could not show that it is the server.
    Abandon,
    /// The same again, later. A client that can't wait logs in fully instead, as its next plan says.
    Later,
}

/// For people: what to do, as it can follow a colon.
impl fmt::Display for NextStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TryPredecessor => "try what it holds besides, on this connection",
            Self::FullLogin => "log in fully, on this connection",
            Self::FullHandshake => "connect again without resuming a TLS session, and log in fully there",
            Self::Abandon => "close the connection, as whoever answers could not show that it is the server",
            Self::Later => "try again later",
        })
    }
}
