//! What can happen, one thing at a time.

/// A connection: whose it is, and which of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    pub of: usize,
    pub number: usize,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A client connects to a node, on its TLS session or afresh, and sends what it has planned.
    Come {
        client: usize,
        node: usize,
        resume: bool,
    },
    /// The attacker connects, and sends a message that she saw.
    Replay {
        seen: usize,
        node: usize,
    },
    /// The node takes the message, and looks up what it needs; or a full login is over, and it works out what to remember.
    Look(At),
    /// The node decides by what it found, and makes durable what has to be.
    Decide(At),
    /// The same, and the store's answer is lost.
    DecideUnanswered(At),
    /// The client gets the answer, and does what follows.
    Answer(At),
    /// Somebody refuses in the server's place.
    Refuse(At),
    /// The connection breaks, or the node crashes: in whatever state the attempt is, nobody learns more of it.
    Break(At),
    /// The client's process starts anew, with what it had stored.
    Restart(usize),
    /// Somebody is revoked, and the call returned.
    Revoke(Whom),
    Wait(Time),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    Client(usize),
    /// The assertion that worked last for a client, and what is to succeed it.
    Assertion(usize),
    Account,
    Everyone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    Second,
    /// Until what was succeeded is over.
    Grace,
    /// Until assertions are due for renewal.
    Weeks,
}

impl Time {
    pub fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Grace => 301,
            Self::Weeks => 21 * 24 * 60 * 60,
        }
    }
}
