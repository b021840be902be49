//! The store that a node's configuration names. Nothing else of a node depends on which one it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fast_reauth::Timestamp;
use fast_reauth::assertion::Scope;
use fast_reauth::store::{Commit, Committed, Device, Found, Lookup, MemoryStore, Revoke, Store, Unavailable};

use crate::Fault;

/// Opens it: `memory`, `redb:FILE`, or the URL of a Valkey or Redis.
pub(crate) fn open(name: &str) -> Result<Arc<dyn Store>, Fault> {
    match name.split_once(':') {
        None if name == "memory" => Ok(Arc::new(MemoryStore::default())),
        Some(("redb", path)) => redb(path),
        Some(("redis" | "unix", _)) => redis(name),
        _ => Err("a store is memory, redb:FILE, or redis://…".into()),
    }
}

#[cfg(feature = "redb")]
fn redb(path: &str) -> Result<Arc<dyn Store>, Fault> {
    use fast_reauth::store::{Capacity, RedbStore};

    Ok(Arc::new(RedbStore::open(path, Capacity::default())?))
}

#[cfg(not(feature = "redb"))]
fn redb(_: &str) -> Result<Arc<dyn Store>, Fault> {
    Err("built without the feature redb".into())
}

#[cfg(feature = "redis")]
fn redis(url: &str) -> Result<Arc<dyn Store>, Fault> {
    use fast_reauth::store::redis::{RedisSettings, RedisStore};

    let store = RedisStore::new(RedisSettings::new(url)?)?;
    store.check(crate::now())?;
    Ok(Arc::new(store))
}

#[cfg(not(feature = "redis"))]
fn redis(_: &str) -> Result<Arc<dyn Store>, Fault> {
    Err("built without the feature redis".into())
}

/// Counts what is asked of a store, for the example to tell.
#[derive(Debug)]
pub(crate) struct Counted {
    store: Arc<dyn Store>,
    lookups: AtomicUsize,
    commits: AtomicUsize,
}

impl Counted {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, lookups: AtomicUsize::new(0), commits: AtomicUsize::new(0) }
    }

    /// Lookups and commits until now.
    pub(crate) fn count(&self) -> (usize, usize) {
        (self.lookups.load(Ordering::Relaxed), self.commits.load(Ordering::Relaxed))
    }
}

impl Store for Counted {
    fn lookup(&self, lookup: &Lookup, now: Timestamp) -> Result<Found, Unavailable> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        self.store.lookup(lookup, now)
    }

    fn commit(&self, commit: &Commit, now: Timestamp) -> Result<Committed, Unavailable> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.store.commit(commit, now)
    }

    fn devices(&self, identity: &str, scope: Option<&Scope>, now: Timestamp) -> Result<Vec<Device>, Unavailable> {
        self.store.devices(identity, scope, now)
    }

    fn revoke(&self, identity: &str, which: Revoke, now: Timestamp) -> Result<usize, Unavailable> {
        self.store.revoke(identity, which, now)
    }

    fn revoke_everyone(&self, now: Timestamp) -> Result<(), Unavailable> {
        self.store.revoke_everyone(now)
    }
}
