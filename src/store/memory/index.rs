//! A sharded map, so that no lock is everybody's.

use core::borrow::Borrow;
use core::hash::{BuildHasher, Hash};
use std::collections::HashMap;
use std::hash::RandomState;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

const SHARDS: usize = 64;

/// Keys to values, both cheap to clone. The hasher is keyed at random: clients choose some of the keys.
pub(super) struct Index<K, V> {
    shards: Box<[RwLock<HashMap<K, V, RandomState>>]>,
    hasher: RandomState,
}

impl<K: Hash + Eq + Clone, V: Clone> Index<K, V> {
    pub(super) fn new() -> Self {
        let hasher = RandomState::new();
        let shards = (0..SHARDS).map(|_| RwLock::new(HashMap::with_hasher(hasher.clone()))).collect();
        Self { shards, hasher }
    }

    pub(super) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.read(key)?.get(key).cloned()
    }

    pub(super) fn insert(&self, key: K, value: V) {
        if let Some(mut shard) = self.write(&key) {
            shard.insert(key, value);
        }
    }

    pub(super) fn get_or_insert_with(&self, key: &K, make: impl FnOnce() -> V) -> V {
        if let Some(value) = self.get(key) {
            return value;
        }
        match self.write(key) {
            Some(mut shard) => shard.entry(key.clone()).or_insert_with(make).clone(),
            None => make(),
        }
    }

    /// Removes the key if its value is still the one meant.
    pub(super) fn remove_if<Q: Hash + Eq + ?Sized>(&self, key: &Q, is: impl FnOnce(&V) -> bool)
    where
        K: Borrow<Q>,
    {
        if let Some(mut shard) = self.write(key) {
            if shard.get(key).is_some_and(is) {
                shard.remove(key);
            }
        }
    }

    /// A copy of all values, one shard at a time.
    pub(super) fn values(&self) -> impl Iterator<Item = V> {
        self.shards.iter().flat_map(|shard| {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            shard.values().cloned().collect::<Vec<_>>()
        })
    }

    /// A copy of the values of one shard; the parts go round.
    pub(super) fn part(&self, part: usize) -> Vec<V> {
        let shard = self.shards.get(part % SHARDS).map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner));
        shard.map(|shard| shard.values().cloned().collect()).unwrap_or_default()
    }

    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> Option<&RwLock<HashMap<K, V, RandomState>>> {
        // The map uses the low bits and the top seven; these are from the middle.
        self.shards.get((self.hasher.hash_one(key) >> 32) as usize % SHARDS)
    }

    fn read<Q: Hash + ?Sized>(&self, key: &Q) -> Option<RwLockReadGuard<'_, HashMap<K, V, RandomState>>> {
        Some(self.shard(key)?.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<Q: Hash + ?Sized>(&self, key: &Q) -> Option<RwLockWriteGuard<'_, HashMap<K, V, RandomState>>> {
        Some(self.shard(key)?.write().unwrap_or_else(PoisonError::into_inner))
    }
}
