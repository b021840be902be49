//! By which names accounts are found: sharded, so that no lock is everybody's.

use core::cmp::Ordering;
use core::hash::BuildHasher;
use std::hash::RandomState;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{PoisonError, RwLock};

use super::table::{Place, Probe, Table};
use crate::assertion::{AssertionId, LoginId, TokenId};
use crate::channel::Handle;

pub(super) const SHARDS: usize = 512;

/// Kinds of names. Each has shards of its own, so that what is next to a name that nobody has is a name of its kind.
const KINDS: usize = 4;

/// No place has this number.
const NOWHERE: u64 = u64::MAX;

/// What something of an account is found by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Name {
    Record(AssertionId),
    Token(TokenId),
    Handle(Handle),
    Login(LoginId),
}

/// Names to places. An account's names are here as long as it has them, to the moment: both change under the account's
/// lock.
pub(super) struct Index {
    shards: Box<[RwLock<Table>]>,
    /// Of each kind a place where there is something, or [`NOWHERE`]: the last one that was taken in.
    latest: [AtomicU64; KINDS],
    /// Keyed at random: clients choose some of the names.
    hasher: RandomState,
}

/// The places under a name, the newest first. There is mostly one.
pub(super) struct Places {
    newest: Option<Place>,
    /// Oldest first.
    older: Vec<Place>,
    /// Where there is something of the same kind, whether or not it is what was looked for.
    nearest: Option<Place>,
}

impl Places {
    pub(super) fn iter(&self) -> impl Iterator<Item = Place> {
        self.newest.into_iter().chain(self.older.iter().rev().copied())
    }

    pub(super) fn newest(&self) -> Option<Place> {
        self.newest
    }

    pub(super) fn nearest(&self) -> Option<Place> {
        self.nearest
    }
}

impl FromIterator<Place> for Places {
    fn from_iter<I: IntoIterator<Item = Place>>(places: I) -> Self {
        let mut all = Self { newest: None, older: Vec::new(), nearest: None };
        places.into_iter().for_each(|place| all.older.extend(all.newest.replace(place)));
        all
    }
}

impl Index {
    pub(super) fn new(shards: usize) -> Self {
        Self {
            shards: (0..shards.max(KINDS)).map(|number| RwLock::new(Table::new(number))).collect(),
            latest: [const { AtomicU64::new(NOWHERE) }; KINDS],
            hasher: RandomState::new(),
        }
    }

    /// Where to look for it; another name may have the same hash, so it need not be there.
    pub(super) fn find(&self, name: &Name) -> Places {
        let (shard, tag) = self.shard(name);
        shard.read().unwrap_or_else(PoisonError::into_inner).find(tag).collect()
    }

    /// The same, with [`Places::nearest`].
    pub(super) fn find_or_nearest(&self, name: &Name) -> Places {
        // In a store with few accounts the shard may be empty.
        let latest = Self::place(self.latest[kind(name)].load(Relaxed));
        let (shard, tag) = self.shard(name);
        let table = shard.read().unwrap_or_else(PoisonError::into_inner);
        let Probe { newest, nearest, has_more } = table.probe(tag);
        let nearest = nearest.or_else(|| table.nearest(tag)).or(latest);
        if has_more {
            return Places { nearest, ..table.find(tag).collect() };
        }
        Places { newest, older: Vec::new(), nearest }
    }

    /// Takes in what is only in `after`, and removes what is only in `before`. Gives the names that are, or may be, at
    /// other places too. Sorts both.
    pub(super) fn update(&self, place: Place, before: &mut [Name], after: &mut [Name]) -> Vec<(Name, Place)> {
        let mut shared = Vec::new();
        if before == after {
            return shared;
        }
        before.sort_unstable();
        after.sort_unstable();
        let (mut old, mut new) = (before.iter().peekable(), after.iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => a.cmp(b),
            };
            let gone = old.next_if(|_| order.is_le());
            let come = new.next_if(|_| order.is_ge());
            match (gone, come) {
                (Some(name), None) => {
                    let (shard, tag) = self.shard(name);
                    shard.write().unwrap_or_else(PoisonError::into_inner).remove(tag, place);
                    self.forget_latest(name, place);
                }
                (None, Some(name)) => {
                    let (shard, tag) = self.shard(name);
                    let mut table = shard.write().unwrap_or_else(PoisonError::into_inner);
                    shared.extend(table.find(tag).filter(|other| *other != place).map(|other| (*name, other)));
                    table.insert(tag, place);
                    self.latest[kind(name)].store(place.0.into(), Relaxed);
                }
                _ => {}
            }
        }
        shared
    }

    /// Puts another place for the last one that was taken in, if it is this.
    fn forget_latest(&self, name: &Name, place: Place) {
        let latest = &self.latest[kind(name)];
        if latest.load(Relaxed) == place.0.into() {
            let mut all = self.of_kind(name).iter();
            let other = all.find_map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).nearest(0));
            // Unless one was taken in meanwhile.
            let other = other.map_or(NOWHERE, |other| other.0.into());
            let _ = latest.compare_exchange(place.0.into(), other, Relaxed, Relaxed);
        }
    }

    fn place(number: u64) -> Option<Place> {
        u32::try_from(number).ok().map(Place)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    fn shard(&self, name: &Name) -> (&RwLock<Table>, u32) {
        let (hash, shards) = (self.hasher.hash_one(name), self.of_kind(name));
        (&shards[(hash >> 32) as usize % shards.len()], hash as u32)
    }

    /// The shards for names of this one's kind.
    fn of_kind(&self, name: &Name) -> &[RwLock<Table>] {
        let each = self.shards.len() / KINDS;
        &self.shards[kind(name) * each..][..each]
    }
}

fn kind(name: &Name) -> usize {
    match name {
        Name::Record(_) => 0,
        Name::Token(_) => 1,
        Name::Handle(_) => 2,
        Name::Login(_) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_something_near_as_long_as_there_is_anything() {
        let index = Index::new(SHARDS);
        let name = |number| Name::Login(LoginId::from_octets([number; 16]));
        let near = || index.find_or_nearest(&name(9)).nearest().map(|place| place.0);
        assert_eq!(near(), None);
        index.update(Place(1), &mut [], &mut [name(1)]);
        index.update(Place(2), &mut [], &mut [name(2)]);
        assert!(near().is_some());
        index.update(Place(2), &mut [name(2)], &mut []);
        assert_eq!(near(), Some(1));
        index.update(Place(1), &mut [name(1)], &mut []);
        assert_eq!(near(), None);
    }
}
