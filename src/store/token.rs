//! How a store changes the tokens of one client. Every store that keeps them follows these rules, in these words or others.

use super::{Committed, TokenUse, Window};
use crate::assertion::{TokenRecord, TokenSlot};
use crate::time::Timestamp;

/// A client's tokens, and which counts were used with each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTokens {
    record: TokenRecord,
    current: Window,
    new: Window,
}

impl StoredTokens {
    /// The tokens of a client that just logged in fully.
    pub fn new(record: TokenRecord) -> Self {
        Self { record, current: Window::default(), new: Window::default() }
    }

    /// Tokens and their windows, as a store kept them.
    pub fn from_parts(record: TokenRecord, current: Window, new: Window) -> Self {
        Self { record, current, new }
    }

    /// What a lookup gives.
    pub fn record(&self) -> &TokenRecord {
        &self.record
    }

    /// The windows of the current and of the new token.
    pub fn windows(&self) -> (Window, Window) {
        (self.current, self.new)
    }

    /// The client of `before` logged in fully once more, and got the new token that this is: it takes the place of all that it had. So
    /// what was issued to an earlier login never outlives a revocation of that login.
    #[must_use]
    pub fn following(self, before: Self) -> Self {
        let slots = [&before.record.current, &before.record.new];
        let again =
            slots.into_iter().flatten().any(|old| self.record.new.as_ref().is_some_and(|new| new.salt == old.salt));
        // The same commit, made again, undoes nothing that came of it.
        if again { before } else { self }
    }

    /// The use of a token, as a whole or not at all.
    pub fn apply(&mut self, change: &TokenUse, now: Timestamp) -> Committed {
        if self.record.revoked {
            return Committed::Gone;
        }
        let is_meant = |slot: &Option<TokenSlot>| slot.as_ref().is_some_and(|slot| slot.salt == change.salt);
        let is_new = is_meant(&self.record.new);
        if !is_new && !is_meant(&self.record.current) {
            return Committed::Gone;
        }
        let window = if is_new { &mut self.new } else { &mut self.current };
        if change.count.is_some_and(|count| !window.accept(count)) {
            return Committed::Replayed;
        }
        if is_new {
            // Its first use ends what was issued before it (XEP-0484 section 3.5).
            (self.record.current, self.current) = (self.record.new.take(), core::mem::take(&mut self.new));
        }
        if change.invalidate {
            (self.record.current, self.record.new) = (None, None);
        }
        // What ends earlier than a token that is used ends with its use (XEP-0484 section 3.5).
        let ends = self.record.current.as_ref().map(|used| used.expires);
        self.record.new = self.record.new.take().filter(|new| ends.is_none_or(|ends| ends <= new.expires));
        match &change.issue {
            None => Committed::Done,
            // The same commit, made again.
            Some(slot) if self.record.new.as_ref().is_some_and(|new| new.salt == slot.salt) => Committed::Done,
            Some(slot) if self.has_waiting(slot, now) => Committed::WithoutSuccessor,
            Some(slot) => {
                (self.record.new, self.new) = (Some(slot.as_ref().clone()), Window::default());
                Committed::Done
            }
        }
    }

    /// A new token for the mechanism of this one waits for its first use already: a parallel connection has it. One of an earlier service key
    /// does not count, as that key may be gone by now, and what waits with it.
    fn has_waiting(&self, slot: &TokenSlot, now: Timestamp) -> bool {
        let waits = |new: &TokenSlot| new.mechanism == slot.mechanism && new.key >= slot.key && now < new.expires;
        self.record.new.as_ref().is_some_and(waits)
    }

    /// The client, or all of its account, was logged out.
    pub fn revoke(&mut self) {
        self.record.revoked = true;
    }

    /// Whether nothing is left of them.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.record.expires() <= now
    }
}
