//! What every function answers.
#![forbid(unsafe_code)]

use fast_reauth::mechanism::{NextStep, Outcome};
use fast_reauth::store::Unavailable;

/// What a function answers. FR_OK, which is 0, is the only yes: logged in, recognised, done. Everything else is no.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum fr_result {
    /// Done; for a login: the client is who it was.
    FR_OK = 0,

    /// Not recognised: the server does not know the assertion or token: never did, dropped it, or it expired.
    FR_STALE = 1,
    /// Not recognised: the user or the operator ended it.
    FR_REVOKED = 2,
    /// Not recognised: the last full login is too long ago, or was too weak.
    FR_FULL_AUTHENTICATION_DUE = 3,
    /// Not recognised: the server offers other mechanisms than at the last full login.
    FR_CONFIGURATION_CHANGED = 4,
    /// Not recognised: another channel binding than the mechanism's, or none.
    FR_BINDING_MISMATCH = 5,
    /// Not recognised: the counter was used before.
    FR_REPLAYED = 6,
    /// Not recognised: the proof is wrong.
    FR_BAD_PROOF = 7,
    /// Not recognised: the message does not follow the grammar.
    FR_MALFORMED = 8,
    /// The store does not answer. Try again later.
    FR_UNAVAILABLE = 9,

    /// Not logged in. Ask for a plan again: there is another assertion to try, on this connection.
    FR_TRY_PREDECESSOR = 20,
    /// Not logged in. Log in fully, on this connection.
    FR_FULL_LOGIN = 21,
    /// Not logged in. Close, connect without TLS resumption, and log in fully there.
    FR_FULL_HANDSHAKE = 22,
    /// Not logged in. Close: whoever answered did not show that it is the server.
    FR_ABANDON = 23,
    /// Not logged in. The same again, later; or a full login.
    FR_LATER = 24,

    /// The full login stands, but the client does not become known by it: its channel or its mechanism is not fit for it, the
    /// server lists nothing that is, or the store has no room.
    FR_NOT_KNOWN = 30,

    /// A pointer that must not be NULL is NULL.
    FR_NULL = 100,
    /// An argument is not what it may be: see the function.
    FR_INVALID = 101,
    /// The attempt was finished before.
    FR_SPENT = 102,
    /// A fault of this library, which was stopped. The handles of the call are no longer to be used, but to be freed.
    FR_INTERNAL = 103,
    /// The system has no random numbers.
    FR_NO_RANDOM = 104,
    /// The store's file can't be opened: the operating system says no.
    FR_IO = 105,
    /// The store's file is open elsewhere.
    FR_IN_USE = 106,
    /// The store's file, or a client's state, is damaged, or something else.
    FR_DAMAGED = 107,
    /// The store's file is of another version.
    FR_VERSION = 108,
    /// Called from a callback that this library runs.
    FR_CALLBACK = 109,
    /// The handle's store was opened by another process, of which this one is a fork().
    FR_FORKED = 110,
}

impl From<Outcome> for fr_result {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Accepted => Self::FR_OK,
            Outcome::Stale => Self::FR_STALE,
            Outcome::Revoked => Self::FR_REVOKED,
            Outcome::FullAuthenticationDue => Self::FR_FULL_AUTHENTICATION_DUE,
            Outcome::ConfigurationChanged => Self::FR_CONFIGURATION_CHANGED,
            Outcome::BindingMismatch => Self::FR_BINDING_MISMATCH,
            Outcome::Replayed => Self::FR_REPLAYED,
            Outcome::BadProof => Self::FR_BAD_PROOF,
            Outcome::Malformed => Self::FR_MALFORMED,
            Outcome::Unavailable => Self::FR_UNAVAILABLE,
        }
    }
}

impl From<NextStep> for fr_result {
    fn from(next: NextStep) -> Self {
        match next {
            NextStep::TryPredecessor => Self::FR_TRY_PREDECESSOR,
            NextStep::FullLogin => Self::FR_FULL_LOGIN,
            NextStep::FullHandshake => Self::FR_FULL_HANDSHAKE,
            NextStep::Abandon => Self::FR_ABANDON,
            NextStep::Later => Self::FR_LATER,
        }
    }
}

impl From<Unavailable> for fr_result {
    fn from(_: Unavailable) -> Self {
        Self::FR_UNAVAILABLE
    }
}

/// The outcome that a C program names by its number.
pub(crate) fn outcome(number: i32) -> Result<Outcome, fr_result> {
    Outcome::ALL.into_iter().find(|&outcome| fr_result::from(outcome) as i32 == number).ok_or(fr_result::FR_INVALID)
}
