//! What a service or a client could do wrong. The model has to find each.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use fast_reauth::Timestamp;
use fast_reauth::assertion::Scope;
use fast_reauth::internal::{fingerprint, small_store};
use fast_reauth::store::{Commit, Committed, Device, Found, Lookup, MemoryStore, Revoke, Store, Unavailable, Use};

/// One thing that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The second node tells the client before anything is durable, and then it never is.
    NothingDurable,
    /// A node takes a commit that was refused for one that was made.
    RefusalIgnored,
    /// The second node keeps what it looked up once.
    CachedLookup,
    /// What is renewed ends at once, and not after the grace.
    NoGrace,
    /// A lookup already confirms the assertion.
    ConfirmedAtLookup,
    /// A client forgets what it holds when somebody refuses it.
    Credulous,
}

impl Flaw {
    pub const ALL: [Self; 6] = [
        Self::NothingDurable,
        Self::RefusalIgnored,
        Self::CachedLookup,
        Self::NoGrace,
        Self::ConfirmedAtLookup,
        Self::Credulous,
    ];
}

/// The store that both nodes share, as one of them sees it.
#[derive(Debug)]
pub struct Shared {
    store: MemoryStore,
    cache: Mutex<HashMap<String, Found>>,
}

#[derive(Debug)]
pub struct View<'a> {
    pub shared: &'a Shared,
    pub node: usize,
    pub flaw: Option<Flaw>,
}

impl Shared {
    pub fn new() -> Self {
        Self { store: small_store(), cache: Mutex::default() }
    }

    pub fn fingerprint(&self) -> [u8; 32] {
        fingerprint(&self.store)
    }
}

impl View<'_> {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }
}

impl Store for View<'_> {
    fn lookup(&self, lookup: &Lookup, now: Timestamp) -> Result<Found, Unavailable> {
        if let Some(assertion) = lookup.assertion.filter(|_| self.has(Flaw::ConfirmedAtLookup)) {
            let (counter, successor, ends, secret) = (None, None, None, None);
            let confirm = Use { assertion, counter, confirm: true, predecessor_until: now, successor, ends, secret };
            self.shared.store.commit(&Commit::Use(confirm), now)?;
        }
        if self.node == 1 && lookup.assertion.is_some() && self.has(Flaw::CachedLookup) {
            let mut cache = self.shared.cache.lock().unwrap_or_else(PoisonError::into_inner);
            let key = format!("{lookup:?}");
            if !cache.contains_key(&key) {
                cache.insert(key.clone(), self.shared.store.lookup(lookup, now)?);
            }
            return Ok(cache[&key].clone());
        }
        self.shared.store.lookup(lookup, now)
    }

    fn commit(&self, commit: &Commit, now: Timestamp) -> Result<Committed, Unavailable> {
        let mut commit = commit.clone();
        match &mut commit {
            Commit::Use(_) if self.node == 1 && self.has(Flaw::NothingDurable) => return Ok(Committed::Done),
            Commit::Use(change) if change.successor.is_some() && self.has(Flaw::NoGrace) => change.ends = Some(now),
            _ => {}
        }
        let committed = self.shared.store.commit(&commit, now)?;
        let ignored = !committed.is_durable() && self.has(Flaw::RefusalIgnored);
        Ok(if ignored { Committed::Done } else { committed })
    }

    fn devices(&self, identity: &str, scope: Option<&Scope>, now: Timestamp) -> Result<Vec<Device>, Unavailable> {
        self.shared.store.devices(identity, scope, now)
    }

    fn revoke(&self, identity: &str, which: Revoke, now: Timestamp) -> Result<usize, Unavailable> {
        self.shared.store.revoke(identity, which, now)
    }

    fn revoke_everyone(&self, now: Timestamp) -> Result<(), Unavailable> {
        self.shared.store.revoke_everyone(now)
    }
}
