//! A store in this process's memory: bounded, for many threads, forgotten with the process.

mod account;
mod index;

use core::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::account::{Account, Removed};
use self::index::Index;
use super::{Commit, Committed, Device, Found, Link, Lookup, Remember, Revoke, Store, Unavailable, Use};
use crate::assertion::{AssertionId, Scope};
use crate::channel::Handle;
use crate::crypto::{Hash, hash};
use crate::time::Timestamp;

/// How much a [`MemoryStore`] may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Records of all accounts together. Default: 1,000,000.
    pub records: usize,
    /// Lineages of all accounts together. Default: 1,000,000.
    pub lineages: usize,
    /// Clients of one account; a further one takes the place of the one used least lately. Default: 64.
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
    handles: Index<Handle, Cell>,
    records: AtomicUsize,
    lineages: AtomicUsize,
    swept: AtomicU64,
}

type Cell = Arc<Mutex<Account>>;

/// How often a full store looks for what expired, in seconds.
const SWEEP_EVERY: u64 = 60;

impl MemoryStore {
    /// An empty store of this capacity.
    pub fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            accounts: Index::new(),
            assertions: Index::new(),
            handles: Index::new(),
            records: AtomicUsize::new(0),
            lineages: AtomicUsize::new(0),
            swept: AtomicU64::new(0),
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
        for cell in self.accounts.values() {
            let removed = lock(&cell).remove_expired(now);
            self.forget(&cell, removed);
        }
    }

    /// A hash over everything in it, for tests that have to see that nothing changed.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let mut cells: Vec<(Arc<str>, Cell)> = Vec::new();
        cells.extend(self.accounts.values().map(|cell| (lock(&cell).identity(), cell.clone())));
        cells.sort_by(|(a, _), (b, _)| a.cmp(b));
        let digest = hash(Hash::Sha256, |context| cells.iter().for_each(|(_, cell)| lock(cell).feed(context)));
        let mut out = [0; 32];
        out.copy_from_slice(digest.as_ref());
        out
    }

    /// The account of this identity, made where there is none.
    fn account(&self, identity: &Arc<str>) -> Cell {
        self.accounts.get_or_insert_with(identity, || Arc::new(Mutex::new(Account::new(identity.clone()))))
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
        for handle in &removed.lineages {
            self.handles.remove_if(handle, |known| Arc::ptr_eq(known, cell));
        }
        self.records.fetch_sub(removed.records.len(), Ordering::Relaxed);
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
        let last = self.swept.load(Ordering::Relaxed);
        let due = now.as_secs() >= last.saturating_add(SWEEP_EVERY);
        if due && self.swept.compare_exchange(last, now.as_secs(), Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.sweep(now);
        }
        take()
    }

    fn remember(&self, remember: &Remember, now: Timestamp) -> Committed {
        let identity = match (remember.records.first(), &remember.link) {
            (Some(record), _) => &record.identity,
            (None, Some(link)) => &link.lineage.identity,
            (None, None) => return Committed::Done,
        };
        remember.link.iter().for_each(|link| self.share(link));
        let count = remember.records.len();
        if !self.reserve(&self.records, self.capacity.records, count, now) {
            // Only this account's own unused or least lately used client may go for it.
            let removed = self.with_account(identity, |cell, account| (cell.clone(), account.make_room(count)));
            self.forget(&removed.0, removed.1);
            if !self.reserve(&self.records, self.capacity.records, count, now) {
                let emptied = lock(&removed.0).remove_expired(now);
                self.forget(&removed.0, emptied);
                return Committed::Full;
            }
        }
        let linked = remember.link.is_some() && self.reserve(&self.lineages, self.capacity.lineages, 1, now);
        let link = remember.link.as_ref().filter(|_| linked);
        let (cell, removed) = self.with_account(identity, |cell, account| {
            let mut removed = account.add_device(&remember.records, now, &self.capacity);
            if let Some(link) = link {
                removed.append(account.link(link, now, &self.capacity));
                self.handles.insert(link.handle, cell.clone());
            }
            for record in &remember.records {
                self.assertions.insert(record.id, cell.clone());
            }
            (cell.clone(), removed)
        });
        self.forget(&cell, removed);
        Committed::Done
    }

    fn apply(&self, change: &Use, now: Timestamp) -> Committed {
        let Some(cell) = self.assertions.get(&change.assertion) else { return Committed::Gone };
        let room = change.successor.is_none() || self.reserve(&self.records, self.capacity.records, 1, now);
        let applied = {
            let mut account = lock(&cell);
            let applied = account.apply(change, room, now);
            if let (Ok((Committed::Done, _)), Some(successor)) = (&applied, &change.successor) {
                self.assertions.insert(successor.id, cell.clone());
            }
            applied
        };
        let reserved = usize::from(change.successor.is_some() && room);
        match applied {
            Err(refused) => {
                self.records.fetch_sub(reserved, Ordering::Relaxed);
                refused
            }
            Ok((committed, removed)) => {
                if committed == Committed::WithoutSuccessor {
                    self.records.fetch_sub(reserved, Ordering::Relaxed);
                }
                self.forget(&cell, removed);
                committed
            }
        }
    }

    fn share(&self, link: &Link) {
        for handle in &link.shares {
            if let Some(cell) = self.handles.get(handle) {
                lock(&cell).share(handle);
            }
        }
    }

    fn link(&self, link: &Link, now: Timestamp) -> Committed {
        self.share(link);
        if !self.reserve(&self.lineages, self.capacity.lineages, 1, now) {
            // Only the client's own oldest session may go for it.
            let (cell, removed) = self.with_account(&link.lineage.identity, |cell, account| {
                (cell.clone(), account.give_up_lineage(link.lineage.device))
            });
            self.forget(&cell, removed);
            if !self.reserve(&self.lineages, self.capacity.lineages, 1, now) {
                return Committed::Full;
            }
        }
        let (cell, linked, removed) = self.with_account(&link.lineage.identity, |cell, account| {
            if account.is_revoked(link.lineage.device) {
                return (cell.clone(), false, Removed::default());
            }
            self.handles.insert(link.handle, cell.clone());
            (cell.clone(), true, account.link(link, now, &self.capacity))
        });
        if !linked {
            self.lineages.fetch_sub(1, Ordering::Relaxed);
            return Committed::Gone;
        }
        self.forget(&cell, removed);
        Committed::Done
    }
}

impl Store for MemoryStore {
    fn lookup(&self, lookup: &Lookup, _now: Timestamp) -> Result<Found, Unavailable> {
        let record = lookup.assertion.and_then(|id| {
            let cell = self.assertions.get(&id)?;
            lock(&cell).record(&id)
        });
        let lineage = lookup.handle.and_then(|handle| {
            let cell = self.handles.get(&handle)?;
            lock(&cell).lineage(&handle)
        });
        Ok(Found { record, lineage })
    }

    fn commit(&self, commit: &Commit, now: Timestamp) -> Result<Committed, Unavailable> {
        Ok(match commit {
            Commit::Remember(remember) => self.remember(remember, now),
            Commit::Use(change) => self.apply(change, now),
            Commit::Link(link) => self.link(link, now),
        })
    }

    fn devices(&self, identity: &str, scope: Option<&Scope>, now: Timestamp) -> Result<Vec<Device>, Unavailable> {
        Ok(self.accounts.get(identity).map(|cell| lock(&cell).devices(scope, now)).unwrap_or_default())
    }

    fn revoke(&self, identity: &str, which: Revoke, now: Timestamp) -> Result<usize, Unavailable> {
        Ok(self.accounts.get(identity).map_or(0, |cell| lock(&cell).revoke(which, now)))
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
