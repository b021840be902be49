//! A server's side of one attempt, from the message to the verdict.

use core::fmt;
use std::sync::Arc;

use super::external::AwaitLineage;
use super::ht::{self, AwaitTokens, Pairs};
use super::iky::{AwaitProofKeys, AwaitUse};
use super::{NextStep, Outcome, ServerMessage};
use crate::assertion::{DeviceId, Issued, Origin};
use crate::crypto::Redacted;
use crate::store::{AsyncStore, Commit, Committed, Found, Lookup, Store, Unavailable};
use crate::time::Timestamp;

/// What the server makes of a first message.
#[derive(Debug)]
#[must_use = "the client waits for an answer"]
pub enum Received<'c> {
    /// It needs to know this.
    Lookup(AwaitRecord<'c>),
    /// It is decided already: the message is malformed, or refused whatever the store knows.
    Done(Verdict),
}

/// An attempt that waits for what the store knows.
#[derive(Debug)]
#[must_use = "the client waits for an answer"]
pub struct AwaitRecord<'c> {
    pub(super) lookup: Lookup<'c>,
    pub(super) mechanism: AwaitRecordOf<'c>,
}

#[derive(Debug)]
pub(super) enum AwaitRecordOf<'c> {
    External(AwaitLineage<'c>),
    Iky(AwaitProofKeys<'c>),
    Ht(AwaitTokens<'c>),
}

impl<'c> AwaitRecord<'c> {
    /// What to look up.
    pub fn lookup(&self) -> &Lookup<'c> {
        &self.lookup
    }

    /// Goes on with what the store said, at this time.
    pub fn found(self, found: Result<Found, Unavailable>, now: Timestamp) -> Step {
        match (self.mechanism, found) {
            (AwaitRecordOf::External(state), Ok(found)) => Step::Done(state.decide(found.lineage.as_deref(), now)),
            (AwaitRecordOf::Iky(state), Ok(found)) => state.verify(&found, now),
            (AwaitRecordOf::Ht(state), Ok(found)) => state.verify(&found, now),
            (AwaitRecordOf::Iky(_), Err(Unavailable)) => Step::Done(Verdict::unavailable()),
            (AwaitRecordOf::External(_) | AwaitRecordOf::Ht(_), Err(Unavailable)) => {
                Step::Done(Verdict::of(Outcome::Unavailable))
            }
        }
    }
}

/// What is left to do after the lookup.
#[derive(Debug)]
#[must_use = "the client waits for an answer"]
#[expect(clippy::large_enum_variant, reason = "a login takes nothing from the heap")]
pub enum Step {
    /// This must be durable first.
    Commit(AwaitCommit),
    /// Nothing.
    Done(Verdict),
}

/// An attempt that succeeds once something is durable.
#[derive(Debug)]
#[must_use = "the client waits for an answer"]
pub struct AwaitCommit {
    pub(super) commit: Commit,
    pub(super) pending: PendingOf,
}

#[derive(Debug)]
pub(super) enum PendingOf {
    Iky(AwaitUse),
    Ht(ht::AwaitUse),
}

impl AwaitCommit {
    /// What to make durable.
    pub fn commit(&self) -> &Commit {
        &self.commit
    }

    /// Goes on with what the store said.
    pub fn committed(self, committed: Result<Committed, Unavailable>) -> Verdict {
        match (self.pending, committed) {
            (PendingOf::Iky(pending), Ok(committed)) => pending.finish(committed),
            (PendingOf::Ht(pending), Ok(committed)) => pending.finish(committed),
            (PendingOf::Iky(_), Err(Unavailable)) => Verdict::unavailable(),
            (PendingOf::Ht(_), Err(Unavailable)) => Verdict::of(Outcome::Unavailable),
        }
    }
}

/// What came of an attempt, and what to tell the client.
#[derive(Clone, PartialEq, Eq)]
#[must_use = "the client waits for an answer"]
pub struct Verdict {
    /// What came of it; a profile turns it into its protocol's codes.
    pub outcome: Outcome,
    /// The responder message: IKY's goes to the client whatever the outcome is, HT's with success; none with EXTERNAL.
    pub message: Option<ServerMessage>,
    /// Who it is, when accepted.
    pub recognised: Option<Recognised>,
    /// The token that the client is to have from now on, where it used one that is due for rotation, or asked (XEP-0484).
    pub token: Option<Issued>,
    /// What the client said in HT2's key/value pairs, when accepted.
    pub pairs: Pairs,
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verdict")
            .field("outcome", &self.outcome)
            .field("message", &self.message.as_ref().map(|message| Redacted(message.len())))
            .field("recognised", &self.recognised)
            .field("token", &self.token)
            .field("pairs", &self.pairs)
            .finish()
    }
}

impl Verdict {
    /// Nothing but the outcome.
    pub(crate) fn of(outcome: Outcome) -> Self {
        Self { outcome, message: None, recognised: None, token: None, pairs: Pairs::none() }
    }

    /// For IKY, whose client waits for its one message.
    fn unavailable() -> Self {
        let message = Some(super::iky::unsigned(Outcome::Unavailable));
        Self { message, ..Self::of(Outcome::Unavailable) }
    }
}

/// A client that the server knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    pub(super) identity: Arc<str>,
    pub(super) login_name: Arc<str>,
    pub(super) device: DeviceId,
    pub(super) origin: Origin,
    pub(super) full_login: Timestamp,
    pub(super) strength: Origin,
    pub(super) sealed: bool,
    pub(super) leaves: bool,
}

impl Recognised {
    /// The account, as the server called it at the full login.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The name that the client logged in under.
    pub fn login_name(&self) -> &str {
        &self.login_name
    }

    /// Which of the account's clients it is.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// How strong the full login behind it was; an application may ask more of some actions.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// When the client last logged in fully.
    pub fn full_login(&self) -> Timestamp {
        self.full_login
    }

    /// How strongly it is tied to this very TLS session; see [`LineageRecord::strength`](crate::assertion::LineageRecord::strength).
    pub fn strength(&self) -> Origin {
        self.strength
    }
}

impl Received<'_> {
    /// Runs the attempt to its end against a store that answers at once. Others take the steps themselves.
    pub fn run(self, store: &dyn Store, now: Timestamp) -> Verdict {
        let pending = match self {
            Self::Done(verdict) => return verdict,
            Self::Lookup(pending) => pending,
        };
        let found = store.lookup(pending.lookup(), now);
        match pending.found(found, now) {
            Step::Done(verdict) => verdict,
            Step::Commit(pending) => {
                let committed = store.commit(pending.commit(), now);
                pending.committed(committed)
            }
        }
    }
}

impl Received<'_> {
    /// The same against a store that answers later.
    pub async fn run_async(self, store: &impl AsyncStore, now: Timestamp) -> Verdict {
        let pending = match self {
            Self::Done(verdict) => return verdict,
            Self::Lookup(pending) => pending,
        };
        let found = store.lookup(pending.lookup(), now).await;
        match pending.found(found, now) {
            Step::Done(verdict) => verdict,
            Step::Commit(pending) => {
                let committed = store.commit(pending.commit(), now).await;
                pending.committed(committed)
            }
        }
    }
}

impl NextStep {
    /// What follows a refusal on a connection that was, or was not, resumed.
    pub(crate) const fn after_refusal(resumed: bool) -> Self {
        if resumed { Self::FullHandshake } else { Self::FullLogin }
    }
}
