//! Commits and revocations in a write transaction.

use std::sync::Arc;

use super::super::{Capacity, Commit, Committed, Link, NewSecret, Remember, Revoke, TokenUse, Use};
use super::Failed;
use super::tables::{ASSERTIONS, HANDLES, Loaded, TOKENS, Work, account_key};
use crate::assertion::DeviceId;
use crate::time::Timestamp;

/// Accounts of which what expired is dropped with every commit: more than a commit adds, so that none are left over.
const SWEPT_WITH_A_COMMIT: usize = 4;

/// Accounts of which what expired is dropped at most when there is no room.
const SWEPT_FOR_ROOM: usize = 256;

impl Work<'_> {
    pub(super) fn commit(&mut self, commit: &Commit, capacity: &Capacity, now: Timestamp) -> Result<Committed, Failed> {
        let committed = match commit {
            Commit::Remember(remember) => self.remember(remember, capacity, now),
            Commit::Use(change) => self.apply(change, capacity, now),
            Commit::Token(change) => self.apply_token(change, now),
            Commit::Secret(new) => self.set_secret(new, capacity, now),
            Commit::Link(link) => self.link(link, capacity, now),
        }?;
        let secret = match commit {
            Commit::Remember(remember) => remember.secret.as_ref(),
            Commit::Use(change) => change.secret.as_ref(),
            Commit::Secret(new) => Some(new),
            Commit::Token(_) | Commit::Link(_) => None,
        };
        if let Some(new) = secret.filter(|_| committed.is_durable()) {
            self.claim(&new.login, &new.identity)?;
        }
        if self.changed {
            self.sweep(now, SWEPT_WITH_A_COMMIT)?;
        }
        Ok(committed)
    }

    fn records_lacking(&self, wanted: usize, capacity: &Capacity) -> usize {
        (self.records.saturating_add(self.secrets) as usize).saturating_add(wanted).saturating_sub(capacity.records)
    }

    fn is_full_of_lineages(&self, capacity: &Capacity) -> bool {
        self.lineages as usize >= capacity.lineages
    }

    fn remember(&mut self, remember: &Remember, capacity: &Capacity, now: Timestamp) -> Result<Committed, Failed> {
        if !remember.is_of_one_client() {
            return Ok(Committed::Gone);
        }
        let identity = match (remember.records.first(), &remember.token, &remember.link, &remember.secret) {
            (Some(record), ..) => &record.identity,
            (None, Some(token), ..) => &token.identity,
            (None, None, Some(link), _) => &link.lineage.identity,
            (None, None, None, Some(new)) => &new.identity,
            (None, None, None, None) => return Ok(Committed::Done),
        };
        let link = remember.link.as_ref().map(|link| self.compared(link, now)).transpose()?;
        let mut loaded = self.load_or_new(identity)?;
        let wanted = loaded.account.lacks(remember, now);
        let is_full = |work: &Self| work.records_lacking(wanted, capacity) > 0 || work.is_full_of_lineages(capacity);
        if is_full(self) && self.sweep(now, SWEPT_FOR_ROOM)? > 0 {
            loaded = self.load_or_new(identity)?;
        }
        // Only clients of this very account that were never used may go for it.
        let lacking = self.records_lacking(wanted, capacity);
        if lacking > 0 && !loaded.account.make_room(lacking) {
            return Ok(Committed::Full);
        }
        let link = link.filter(|link| self.has_lineage_room(&mut loaded, link, None, capacity));
        match loaded.account.add_client(remember, link.as_ref(), now, capacity) {
            Ok(()) => self.save(loaded, now).map(|()| Committed::Done),
            Err(refused) => Ok(refused),
        }
    }

    /// Room for one more lineage. In a full store only an old session of the same account may go for it: of the same client,
    /// where that is said.
    fn has_lineage_room(&self, loaded: &mut Loaded, link: &Link, of: Option<DeviceId>, capacity: &Capacity) -> bool {
        let account = &mut loaded.account;
        let is_there = account.lineage(&link.handle).is_some();
        is_there || !self.is_full_of_lineages(capacity) || account.give_up_lineage(of)
    }

    fn apply(&mut self, change: &Use, capacity: &Capacity, now: Timestamp) -> Result<Committed, Failed> {
        let Some(key) = self.owner(ASSERTIONS, change.assertion.as_octets())? else { return Ok(Committed::Gone) };
        let wants = usize::from(change.successor.is_some() || change.secret.is_some());
        if self.records_lacking(wants, capacity) > 0 {
            self.sweep(now, SWEPT_FOR_ROOM)?;
        }
        let Some(mut loaded) = self.load(&key)? else { return Ok(Committed::Gone) };
        let room = self.records_lacking(wants, capacity) == 0;
        let committed = loaded.account.apply(change, room, now);
        self.save_if_durable(committed, loaded, now)
    }

    fn apply_token(&mut self, change: &TokenUse, now: Timestamp) -> Result<Committed, Failed> {
        let Some(key) = self.owner(TOKENS, change.token.as_octets())? else { return Ok(Committed::Gone) };
        let Some(mut loaded) = self.load(&key)? else { return Ok(Committed::Gone) };
        let committed = loaded.account.apply_token(change, now);
        self.save_if_durable(committed, loaded, now)
    }

    fn save_if_durable(&mut self, committed: Committed, loaded: Loaded, now: Timestamp) -> Result<Committed, Failed> {
        if committed.is_durable() {
            self.save(loaded, now)?;
        }
        Ok(committed)
    }

    fn set_secret(&mut self, new: &NewSecret, capacity: &Capacity, now: Timestamp) -> Result<Committed, Failed> {
        if self.records_lacking(1, capacity) > 0 {
            self.sweep(now, SWEPT_FOR_ROOM)?;
        }
        let mut loaded = self.load_or_new(&new.identity)?;
        if loaded.account.denies(new, now) {
            return Ok(Committed::Gone);
        }
        // Without room for it, it is as with another one: what it would have sealed is not issued.
        if loaded.account.lacks_secret(new, now) && self.records_lacking(1, capacity) > 0 {
            return Ok(Committed::WithoutSuccessor);
        }
        let is_this = loaded.account.set_secret(new, now);
        // Also the account's other secret is found by this login from now on.
        self.save(loaded, now)?;
        Ok(if is_this { Committed::Done } else { Committed::WithoutSuccessor })
    }

    /// The link, and whether its session is another identity's too, whose lineages are marked whatever else comes of the commit.
    fn compared(&mut self, link: &Link, now: Timestamp) -> Result<Link, Failed> {
        let mut link = link.clone();
        let own = account_key(&link.lineage.identity);
        for handle in [Some(link.handle), link.predecessor].into_iter().flatten() {
            let Some(key) = self.owner(HANDLES, handle.as_octets())? else { continue };
            let Some(mut loaded) = self.load(&key)? else { continue };
            if key != own {
                link.lineage.shared = true;
                if !loaded.account.is_shared() {
                    loaded.account.share();
                    self.save(loaded, now)?;
                }
            } else {
                link.lineage.shared |= loaded.account.lineage(&handle).is_some_and(|lineage| lineage.shared);
            }
        }
        Ok(link)
    }

    fn link(&mut self, link: &Link, capacity: &Capacity, now: Timestamp) -> Result<Committed, Failed> {
        let link = self.compared(link, now)?;
        let identity: &Arc<str> = &link.lineage.identity;
        if self.is_full_of_lineages(capacity) {
            self.sweep(now, SWEPT_FOR_ROOM)?;
        }
        let mut loaded = self.load_or_new(identity)?;
        if !self.has_lineage_room(&mut loaded, &link, Some(link.lineage.device), capacity) {
            return Ok(Committed::Full);
        }
        match loaded.account.link(&link, capacity, now) {
            Ok(()) => self.save(loaded, now).map(|()| Committed::Done),
            Err(refused) => Ok(refused),
        }
    }

    pub(super) fn revoke(&mut self, identity: &str, which: Revoke, now: Timestamp) -> Result<usize, Failed> {
        let loaded = match which {
            Revoke::Device(_) | Revoke::Assertion(_) => self.load_identity(identity)?,
            // Also of an account that has no clients yet: one may be logging in just now.
            Revoke::All | Revoke::AllBut(_) => Some(self.load_or_new(&Arc::from(identity))?),
        };
        let Some(mut loaded) = loaded else { return Ok(0) };
        let count = loaded.account.revoke(which, now);
        self.save(loaded, now)?;
        self.sweep(now, SWEPT_WITH_A_COMMIT)?;
        Ok(count)
    }
}
