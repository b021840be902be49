//! A store in this process's memory: bounded, for many threads, forgotten with the process.
//!
//! An account is packed as octets ([`pack`]), which lie in a [`slot`] of a stripe of [`accounts`]; a commit unpacks it,
//! changes the [`account`] as a value, and packs it again ([`change`]). The [`index`] leads from ids to slots, at eight
//! octets an id. So of a small account among millions, a lookup waits for memory twice: for the index and for the slot.

mod account;
mod accounts;
mod change;
mod client;
mod counts;
mod index;
mod pack;
mod reader;
mod scopes;
mod slot;
mod slots;
mod table;
#[cfg(test)]
mod tests;
mod unpack;
mod using;

use core::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use self::account::Account;
use self::accounts::{Accounts, STRIPES};
use self::counts::Counts;
use self::index::{Index, Name, SHARDS};
use self::scopes::Scopes;
use self::slot::Slot;
use self::unpack::Wanted;
use super::{
    Commit, Committed, Device, Found, Link, Lookup, NewSecret, Remember, Revoke, Sought, Store, TokenUse, Unavailable,
    Use,
};
use crate::assertion::Scope;
use crate::crypto::{Absorb as _, Feed, Hash, hash};
use crate::time::Timestamp;

/// How much a [`MemoryStore`] may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Records of all accounts together; the tokens of one client count as one, and so does an account's secret.
    /// Default: 1,000,000.
    pub records: usize,
    /// Lineages of all accounts together. Default: 1,000,000.
    pub lineages: usize,
    /// Clients of one account; a further one takes the place of one that was never used again, else of the one used
    /// least lately. Default: 64.
    pub devices_per_account: usize,
    /// Connections of one client that can be resumed; a further one takes the place of the oldest. Default: 32.
    pub lineages_per_device: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { records: 1_000_000, lineages: 1_000_000, devices_per_account: 64, lineages_per_device: 32 }
    }
}

/// The in-memory [`Store`].
///
/// Everything of an account is behind one lock, which it shares with a few others; that is what makes commits and
/// revocations atomic. The locks of the index are taken last, and no two of the first kind at once. A poisoned lock is
/// taken as it is: every change under it is complete before anything that could panic.
pub struct MemoryStore {
    capacity: Capacity,
    accounts: Accounts,
    index: Index,
    scopes: Scopes,
    counts: Counts,
    /// When everyone was revoked last, in seconds; 0 for never.
    revoked: AtomicU64,
    /// The stripe that is swept next.
    sweeping: AtomicUsize,
}

impl MemoryStore {
    /// An empty store of this capacity.
    pub fn new(capacity: Capacity) -> Self {
        Self::divided(capacity, STRIPES, SHARDS)
    }

    /// The same for a few accounts and one thread, which is made sooner.
    pub(crate) fn small() -> Self {
        Self::divided(Capacity::default(), 1, 1)
    }

    fn divided(capacity: Capacity, stripes: usize, shards: usize) -> Self {
        Self {
            capacity,
            accounts: Accounts::new(stripes),
            index: Index::new(shards),
            scopes: Scopes::new(),
            counts: Counts::new(&capacity),
            revoked: AtomicU64::new(0),
            sweeping: AtomicUsize::new(0),
        }
    }

    /// How many records and how many lineages it holds now.
    pub fn len(&self) -> (usize, usize) {
        (self.counts.records.get().saturating_sub(self.counts.secrets.get()), self.counts.lineages.get())
    }

    /// Whether it holds nothing, no secrets either.
    pub fn is_empty(&self) -> bool {
        self.counts.records.get() == 0 && self.counts.lineages.get() == 0
    }

    /// Forgets what expired. A full store does it by itself; call it now and then to give memory back earlier.
    pub fn sweep(&self, now: Timestamp) {
        self.sweep_all(now);
    }

    /// A hash over everything in it, for tests that have to see that nothing changed.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let mut accounts: Vec<(Arc<str>, [u8; 32])> = Vec::new();
        let digest = |feed: &dyn Fn(&mut Feed<'_>)| {
            let mut out = [0; 32];
            out.copy_from_slice(hash(Hash::Sha256, |context| feed(context)).as_ref());
            out
        };
        self.read_all(|account| accounts.push((account.identity.clone(), digest(&|context| account.feed(context)))));
        accounts.sort_unstable();
        digest(&|context| accounts.iter().for_each(|(_, account)| context.absorb(account)))
    }

    /// Sweeps a little where there is no room for so much more.
    fn make_way(&self, records: usize, lineages: usize, now: Timestamp) {
        if !self.counts.records.has_room(records) || !self.counts.lineages.has_room(lineages) {
            self.sweep_step(now);
        }
    }

    fn remember(&self, remember: &Remember, now: Timestamp) -> Committed {
        let identity = match (remember.records.first(), &remember.token, &remember.link, &remember.secret) {
            (Some(record), ..) => &record.identity,
            (None, Some(token), ..) => &token.identity,
            (None, None, Some(link), _) => &link.lineage.identity,
            (None, None, None, Some(new)) => &new.identity,
            (None, None, None, None) => return Committed::Done,
        };
        let link = remember.link.as_ref().map(|link| self.compared(link, now));
        let count = remember.records.len() + usize::from(remember.token.is_some());
        self.make_way(count + usize::from(remember.secret.is_some()), usize::from(link.is_some()), now);
        let committed = self.change_of(identity, true, now, |account, room| {
            let device = match account.admits(remember, link.as_ref(), now) {
                Ok(device) => device,
                Err(refused) => return refused,
            };
            let new_secret = remember.secret.as_ref().is_some_and(|new| !new.found) && !account.has_secret(now);
            let wanted = device.as_ref().map_or(0, |device| account.wants(remember, device)) + usize::from(new_secret);
            // Only clients of this very account that were never used may go for it.
            if !room.records(wanted) && !account.make_room(wanted, device.as_ref()) {
                return Committed::Full;
            }
            // In a full store only an old session of the same account may go for a new one; else there is none.
            let link = link.as_ref().filter(|link| {
                account.lineage(&link.handle).is_some() || room.lineage() || account.give_up_lineage(None)
            });
            if let Some(device) = device {
                account.add_client(remember, device, link, &self.capacity, now);
            }
            if let Some(new) = &remember.secret {
                account.set_secret(new, now);
            }
            Committed::Done
        });
        committed.unwrap_or(Committed::Full)
    }

    fn apply(&self, change: &Use, now: Timestamp) -> Committed {
        self.make_way(usize::from(change.successor.is_some() || change.secret.is_some()), 0, now);
        let places = self.index.find(&Name::Record(change.assertion));
        let mut applied = places
            .iter()
            .filter_map(|place| self.change_at(place, now, |account, room| account.apply(change, room, now)).flatten());
        applied.next().unwrap_or(Committed::Gone)
    }

    fn apply_token(&self, change: &TokenUse, now: Timestamp) -> Committed {
        let places = self.index.find(&Name::Token(change.token));
        let mut applied = places
            .iter()
            .filter_map(|place| self.change_at(place, now, |account, _| account.apply_token(change, now)).flatten());
        applied.next().unwrap_or(Committed::Gone)
    }

    fn set_secret(&self, new: &NewSecret, now: Timestamp) -> Committed {
        self.make_way(1, 0, now);
        let set = self.change_of(&new.identity, !new.found, now, |account, room| {
            if account.denies(new, now) {
                return Committed::Gone;
            }
            let set = (account.has_secret(now) || room.records(1)) && account.set_secret(new, now);
            if set { Committed::Done } else { Committed::WithoutSuccessor }
        });
        // Without room for it, it is as with another one: what it would have sealed is not issued.
        set.unwrap_or(if new.found { Committed::Gone } else { Committed::WithoutSuccessor })
    }

    /// The link, and whether its session is another identity's too, as far as is known here.
    fn compared(&self, link: &Link, now: Timestamp) -> Link {
        let mut link = link.clone();
        for handle in [Some(link.handle), link.predecessor].into_iter().flatten() {
            for place in self.index.find(&Name::Handle(handle)).iter() {
                let known = self.read(place, |kept| kept.lineage(&handle, &self.scopes));
                let Some(lineage) = known else { continue };
                if lineage.identity != link.lineage.identity {
                    self.change_at(place, now, |account, _| account.share());
                    link.lineage.shared = true;
                }
                link.lineage.shared |= lineage.shared;
            }
        }
        link
    }

    /// What is under this name. Where there is nothing, something else of its kind is read, whatever it is: so that takes as long, and meets
    /// memory that is as cold.
    fn known<N, T>(&self, name: &Name, id: &N, look: impl Fn(&Slot, Wanted<'_, N>) -> Option<Arc<T>>) -> Sought<T> {
        let places = self.index.find_or_nearest(name);
        let is_there = places.newest().is_some();
        let read = |place, or_any| self.read(place, |kept| look(kept, Wanted { name: id, or_any }));
        let Some(place) = places.newest().or(places.nearest()) else { return Sought::default() };
        let first = read(place, !is_there);
        if first.is_none() {
            // Something else had the same hash, or what stands in has nothing of this kind any more.
            return places.iter().skip(1).find_map(|place| read(place, false)).into();
        }
        Sought::new(first, is_there)
    }

    fn link(&self, link: &Link, now: Timestamp) -> Committed {
        let link = &self.compared(link, now);
        self.make_way(0, 1, now);
        let linked = self.change_of(&link.lineage.identity, true, now, |account, room| {
            if let Err(refused) = account.admits_link(link, &self.capacity) {
                return refused;
            }
            // In a full store only an old session of the same client may go for it.
            let known = account.lineage(&link.handle).is_some();
            if !known && !room.lineage() && !account.give_up_lineage(Some(link.lineage.device)) {
                return Committed::Full;
            }
            account.link(link, &self.capacity, now);
            Committed::Done
        });
        linked.unwrap_or(Committed::Full)
    }
}

impl Store for MemoryStore {
    fn lookup(&self, lookup: &Lookup<'_>, now: Timestamp) -> Result<Found, Unavailable> {
        let scopes = &self.scopes;
        let record = lookup.assertion.map_or_else(Sought::default, |id| {
            self.known(&Name::Record(id), &id, |kept, wanted| kept.record(wanted, scopes))
        });
        let lineage =
            lookup.handle.and_then(|handle| self.find(&Name::Handle(handle), |kept| kept.lineage(&handle, scopes)));
        let token = lookup.token.map_or_else(Sought::default, |id| {
            self.known(&Name::Token(id), &id, |kept, wanted| kept.tokens(wanted, scopes))
        });
        let account = lookup.login.filter(|_| lookup.account).map_or_else(Sought::default, |login| {
            let login = login.id();
            self.known(&Name::Login(login), &login, |kept, wanted| kept.state(wanted, now, scopes))
        });
        Ok(Found { record, lineage, token, account })
    }

    fn commit(&self, commit: &Commit, now: Timestamp) -> Result<Committed, Unavailable> {
        Ok(match commit {
            Commit::Remember(remember) => self.remember(remember, now),
            Commit::Use(change) => self.apply(change, now),
            Commit::Token(change) => self.apply_token(change, now),
            Commit::Secret(new) => self.set_secret(new, now),
            Commit::Link(link) => self.link(link, now),
        })
    }

    fn devices(&self, identity: &str, scope: Option<&Scope>, now: Timestamp) -> Result<Vec<Device>, Unavailable> {
        let held = self.accounts.of(identity, false, &self.scopes);
        let look = |account: &Account| account.devices(scope, now);
        Ok(held.and_then(|held| held.kept()?.read(&self.scopes, look)).unwrap_or_default())
    }

    fn revoke(&self, identity: &str, which: Revoke, now: Timestamp) -> Result<usize, Unavailable> {
        // As a whole, also an account that has no clients yet is revoked: one may be logging in just now.
        let make = matches!(which, Revoke::All | Revoke::AllBut(_));
        Ok(self.change_of(identity, make, now, |account, _| account.revoke(which, now)).unwrap_or(0))
    }

    fn revoke_everyone(&self, now: Timestamp) -> Result<(), Unavailable> {
        // First for accounts to come, then for those that are there.
        self.revoked.fetch_max(now.as_secs(), Ordering::SeqCst);
        self.change_all(now, |account| _ = account.revoke(Revoke::All, now));
        Ok(())
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(Capacity::default())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (records, lineages) = self.len();
        f.debug_struct("MemoryStore")
            .field("capacity", &self.capacity)
            .field("records", &records)
            .field("lineages", &lineages)
            .finish_non_exhaustive()
    }
}
