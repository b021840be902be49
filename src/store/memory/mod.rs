//! A store in this process's memory: bounded, for many threads, forgotten with the process.

mod account;
mod index;

use core::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::account::{Account, Added, Removed};
use self::index::Index;
use super::{Commit, Committed, Device, Found, Link, Lookup, NewSecret, Remember, Revoke, Store, TokenUse, Unavailable, Use};
use crate::assertion::{AssertionId, DeviceId, LoginId, Scope, TokenId};
use crate::channel::Handle;
use crate::crypto::{Hash, hash};
use crate::time::Timestamp;

/// How much a [`MemoryStore`] may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Records of all accounts together; the tokens of one client count as one. Default: 1,000,000.
    pub records: usize,
    /// Lineages of all accounts together. Default: 1,000,000.
    pub lineages: usize,
    /// Clients of one account; a further one takes the place of one that was never used again, else of the one used least
    /// lately. Default: 64.
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
/// Everything of an account is behind the account's own lock, which is what makes commits and revocations atomic; the indices
/// that lead to an account are sharded, and locked last. A poisoned lock is taken as it is: every change
/// under it is complete before anything that could panic.
pub struct MemoryStore {
    capacity: Capacity,
    accounts: Index<Arc<str>, Cell>,
    assertions: Index<AssertionId, Cell>,
    tokens: Index<TokenId, Cell>,
    handles: Index<Handle, Cell>,
    logins: Index<LoginId, Cell>,
    /// When everyone was revoked last, in seconds; 0 for never.
    revoked: AtomicU64,
    records: AtomicUsize,
    lineages: AtomicUsize,
    swept: AtomicUsize,
}

type Cell = Arc<Mutex<Account>>;

impl MemoryStore {
    /// An empty store of this capacity.
    pub fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            accounts: Index::new(),
            assertions: Index::new(),
            tokens: Index::new(),
            handles: Index::new(),
            logins: Index::new(),
            revoked: AtomicU64::new(0),
            records: AtomicUsize::new(0),
            lineages: AtomicUsize::new(0),
            swept: AtomicUsize::new(0),
        }
    }

    /// How many records and how many lineages it holds now.
    pub fn len(&self) -> (usize, usize) {
        (self.records.load(Ordering::Relaxed), self.lineages.load(Ordering::Relaxed))
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == (0, 0)
    }

    /// Forgets what expired. A full store does it by itself; call it now and then to give memory back earlier.
    pub fn sweep(&self, now: Timestamp) {
        self.sweep_these(self.accounts.values(), now);
    }

    /// A hash over everything in it, for tests that have to see that nothing changed.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let mut cells: Vec<(Arc<str>, Cell)> = Vec::new();
        cells.extend(self.accounts.values().map(|cell| (lock(&cell).identity().clone(), cell.clone())));
        cells.sort_by(|(a, _), (b, _)| a.cmp(b));
        let digest = hash(Hash::Sha256, |context| cells.iter().for_each(|(_, cell)| lock(cell).feed(context)));
        let mut out = [0; 32];
        out.copy_from_slice(digest.as_ref());
        out
    }

    /// The account of this identity, made where there is none.
    fn account(&self, identity: &Arc<str>) -> Cell {
        self.accounts.get_or_insert_with(identity, || {
            let since = Some(self.revoked.load(Ordering::SeqCst)).filter(|&since| since > 0).map(Timestamp::from_secs);
            Arc::new(Mutex::new(Account::new(identity.clone(), since)))
        })
    }

    /// Runs `change` on the account of `identity`, unless it is just being dropped: then on a new one.
    fn with_account<T>(&self, identity: &Arc<str>, change: impl Fn(&Cell, &mut Account) -> T) -> T {
        loop {
            let cell = self.account(identity);
            let mut account = lock(&cell);
            if !account.dropped {
                return change(&cell, &mut account);
            }
        }
    }

    /// Takes what an account removed out of the indices and the counts, and the account itself when nothing is left of it.
    fn forget(&self, cell: &Cell, removed: Removed) {
        for id in &removed.records {
            self.assertions.remove_if(id, |known| Arc::ptr_eq(known, cell));
        }
        for id in &removed.tokens {
            self.tokens.remove_if(id, |known| Arc::ptr_eq(known, cell));
        }
        for login in &removed.logins {
            self.logins.remove_if(login, |known| Arc::ptr_eq(known, cell));
        }
        for handle in &removed.lineages {
            self.handles.remove_if(handle, |known| Arc::ptr_eq(known, cell));
        }
        self.records.fetch_sub(removed.room(), Ordering::Relaxed);
        self.lineages.fetch_sub(removed.lineages.len() + removed.replaced, Ordering::Relaxed);
        if let Some(identity) = removed.emptied {
            self.accounts.remove_if(&identity, |known| Arc::ptr_eq(known, cell));
        }
    }

    /// Room for `wanted` more, after a sweep if need be. The count is taken here, so that many threads can't overrun it.
    fn reserve(&self, count: &AtomicUsize, limit: usize, wanted: usize, now: Timestamp) -> bool {
        let take = || {
            let more = |held: usize| held.checked_add(wanted).filter(|&sum| sum <= limit);
            count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
        };
        if take() {
            return true;
        }
        // A part of the accounts at a time, so that nobody's login pays for all of them.
        let part = self.swept.fetch_add(1, Ordering::Relaxed);
        self.sweep_these(self.accounts.part(part), now);
        take()
    }

    /// Room for one more lineage. In a full store only an old session of the same account may go for it: of the same client,
    /// where that is said.
    fn reserve_lineage(&self, identity: &Arc<str>, of: Option<DeviceId>, now: Timestamp) -> bool {
        if self.reserve(&self.lineages, self.capacity.lineages, 1, now) {
            return true;
        }
        let (cell, removed) = self.with_account(identity, |cell, account| (cell.clone(), account.give_up_lineage(of)));
        self.forget(&cell, removed);
        self.reserve(&self.lineages, self.capacity.lineages, 1, now)
    }

    fn sweep_these(&self, cells: impl IntoIterator<Item = Cell>, now: Timestamp) {
        for cell in cells {
            self.prune(&cell, now);
        }
    }

    /// Drops what expired of an account, and the account when nothing is left of it.
    fn prune(&self, cell: &Cell, now: Timestamp) {
        let removed = lock(cell).remove_expired(now);
        self.forget(cell, removed);
    }

    fn remember(&self, remember: &Remember, now: Timestamp) -> Committed {
        let identity = match (remember.records.first(), &remember.token, &remember.link) {
            (Some(record), ..) => &record.identity,
            (None, Some(token), _) => &token.identity,
            (None, None, Some(link)) => &link.lineage.identity,
            (None, None, None) => return Committed::Done,
        };
        let link = remember.link.as_ref().map(|link| self.compared(link));
        let count = remember.records.len() + usize::from(remember.token.is_some());
        if !self.reserve(&self.records, self.capacity.records, count, now) {
            // Only clients of this very account that were never used may go for it.
            let (cell, removed) = self.with_account(identity, |cell, account| (cell.clone(), account.make_room(count)));
            self.forget(&cell, removed);
            if !self.reserve(&self.records, self.capacity.records, count, now) {
                self.prune(&cell, now);
                return Committed::Full;
            }
        }
        let linked = link.is_some() && self.reserve_lineage(identity, None, now);
        let link = link.filter(|_| linked);
        let (cell, added) = self.with_account(identity, |cell, account| {
            let added = account.add_client(remember, link.as_ref(), now, &self.capacity);
            if let Ok(added) = &added {
                self.index(cell, &added.records, link.as_ref().map(|link| link.handle));
                if let Some(token) = &remember.token {
                    self.tokens.insert(*token.id(), cell.clone());
                }
                if let Some(new) = &remember.secret {
                    self.logins.insert(new.login, cell.clone());
                }
            }
            (cell.clone(), added)
        });
        match added {
            Ok(added) => {
                self.records.fetch_sub(count - added.room().min(count), Ordering::Relaxed);
                self.forget(&cell, added.removed);
                Committed::Done
            }
            Err(refused) => {
                self.records.fetch_sub(count, Ordering::Relaxed);
                self.lineages.fetch_sub(usize::from(linked), Ordering::Relaxed);
                self.prune(&cell, now);
                refused
            }
        }
    }

    /// Makes records and a lineage findable; called under the account's lock.
    fn index(&self, cell: &Cell, records: &[AssertionId], handle: Option<Handle>) {
        for id in records {
            self.assertions.insert(*id, cell.clone());
        }
        if let Some(handle) = handle {
            self.handles.insert(handle, cell.clone());
        }
    }

    fn apply(&self, change: &Use, now: Timestamp) -> Committed {
        let Some(cell) = self.assertions.get(&change.assertion) else { return Committed::Gone };
        let room = change.successor.is_none() || self.reserve(&self.records, self.capacity.records, 1, now);
        let reserved = usize::from(change.successor.is_some() && room);
        let applied = {
            let mut account = lock(&cell);
            let applied = account.apply(change, room, now);
            if let Ok((_, added)) = &applied {
                self.index(&cell, &added.records, None);
                if let Some(new) = &change.secret {
                    self.logins.insert(new.login, cell.clone());
                }
            }
            applied
        };
        let (committed, added) = match applied {
            Ok((committed, added)) => (committed, added),
            Err(refused) => (refused, Added::default()),
        };
        self.records.fetch_sub(reserved - added.records.len().min(reserved), Ordering::Relaxed);
        self.forget(&cell, added.removed);
        committed
    }

    fn apply_token(&self, change: &TokenUse, now: Timestamp) -> Committed {
        let Some(cell) = self.tokens.get(&change.token) else { return Committed::Gone };
        let (committed, removed) = lock(&cell).apply_token(change, now);
        self.forget(&cell, removed);
        committed
    }

    fn set_secret(&self, new: &NewSecret, now: Timestamp) -> Committed {
        self.with_account(&new.identity, |cell, account| {
            if !account.set_secret(new, now) {
                return Committed::WithoutSuccessor;
            }
            self.logins.insert(new.login, cell.clone());
            Committed::Done
        })
    }

    /// The link, and whether its session is another identity's too, as far as is known here.
    fn compared(&self, link: &Link) -> Link {
        let mut link = link.clone();
        for handle in [Some(link.handle), link.predecessor].into_iter().flatten() {
            let Some(cell) = self.handles.get(&handle) else { continue };
            let mut account = lock(&cell);
            if *account.identity() != link.lineage.identity {
                account.share();
                link.lineage.shared = true;
            }
            link.lineage.shared |= account.lineage(&handle).is_some_and(|lineage| lineage.shared);
        }
        link
    }

    fn link(&self, link: &Link, now: Timestamp) -> Committed {
        let link = &self.compared(link);
        let (identity, device) = (&link.lineage.identity, link.lineage.device);
        if !self.reserve_lineage(identity, Some(device), now) {
            self.prune(&self.account(identity), now);
            return Committed::Full;
        }
        let (cell, linked) = self.with_account(identity, |cell, account| {
            let linked = account.link(link, &self.capacity, now);
            if linked.is_ok() {
                self.index(cell, &[], Some(link.handle));
            }
            (cell.clone(), linked)
        });
        match linked {
            Ok(removed) => {
                self.forget(&cell, removed);
                Committed::Done
            }
            Err(refused) => {
                self.lineages.fetch_sub(1, Ordering::Relaxed);
                self.prune(&cell, now);
                refused
            }
        }
    }
}

impl Store for MemoryStore {
    fn lookup(&self, lookup: &Lookup, now: Timestamp) -> Result<Found, Unavailable> {
        let record = lookup.assertion.and_then(|id| {
            let cell = self.assertions.get(&id)?;
            lock(&cell).record(&id)
        });
        let lineage = lookup.handle.and_then(|handle| {
            let cell = self.handles.get(&handle)?;
            lock(&cell).lineage(&handle)
        });
        let token = lookup.token.and_then(|id| {
            let cell = self.tokens.get(&id)?;
            lock(&cell).tokens(&id)
        });
        let account = lookup.login.filter(|_| lookup.account).and_then(|login| {
            let cell = self.logins.get(&login)?;
            lock(&cell).state(now)
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
        Ok(self.accounts.get(identity).map(|cell| lock(&cell).devices(scope, now)).unwrap_or_default())
    }

    fn revoke(&self, identity: &str, which: Revoke, now: Timestamp) -> Result<usize, Unavailable> {
        Ok(match which {
            Revoke::Device(_) | Revoke::Assertion(_) => {
                self.accounts.get(identity).map_or(0, |cell| lock(&cell).revoke(which, now))
            }
            // Also of an account that has no clients yet: one may be logging in just now.
            Revoke::All | Revoke::AllBut(_) => {
                self.with_account(&Arc::from(identity), |_, account| account.revoke(which, now))
            }
        })
    }

    fn revoke_everyone(&self, now: Timestamp) -> Result<(), Unavailable> {
        // First for accounts to come, then for those that are there.
        self.revoked.fetch_max(now.as_secs(), Ordering::SeqCst);
        for cell in self.accounts.values() {
            lock(&cell).revoke(Revoke::All, now);
        }
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

fn lock(cell: &Mutex<Account>) -> MutexGuard<'_, Account> {
    cell.lock().unwrap_or_else(PoisonError::into_inner)
}
