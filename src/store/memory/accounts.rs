//! Where accounts are kept: in stripes, each behind a lock of its own, which is the lock of all its accounts.

use core::hash::BuildHasher;
use std::hash::RandomState;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::account::Account;
use super::pack::{Octets, is_small, pack};
use super::scopes::Scopes;
use super::table::{Place, Table};
use super::unpack::{Part, first_end, is_of, unpack};
use crate::time::Timestamp;

/// A power of two. Many more than there are processors, so that two logins seldom wait for each other.
pub(super) const STRIPES: usize = 1024;

/// How many accounts a stripe can hold; a place is a stripe's number and one within it.
const MAX_SLOTS: usize = u32::MAX as usize / STRIPES;

pub(super) struct Accounts {
    stripes: Box<[Mutex<Stripe>]>,
    /// Keyed at random: clients choose names.
    hasher: RandomState,
}

pub(super) struct Stripe {
    by_identity: Table,
    slots: Vec<Slot>,
    /// Slots in which there is nothing.
    free: Vec<u32>,
    /// How far the sweep under way has come.
    pub(super) swept: usize,
}

/// An account, as it is kept: packed, unless it is too large for that. Nothing at all is packed as no octets.
enum Slot {
    Packed(Octets),
    Open(Box<Account>),
}

impl Default for Slot {
    fn default() -> Self {
        Self::Packed(Octets::default())
    }
}

/// A locked stripe, and an account's slot in it.
pub(super) struct Held<'a> {
    pub(super) stripe: MutexGuard<'a, Stripe>,
    pub(super) slot: usize,
    pub(super) place: Place,
}

impl Accounts {
    /// In so many stripes, of which there can be [`STRIPES`].
    pub(super) fn new(stripes: usize) -> Self {
        let stripe = |number| Stripe { by_identity: Table::new(number), slots: Vec::new(), free: Vec::new(), swept: 0 };
        Self {
            stripes: (0..stripes.clamp(1, STRIPES)).map(|number| Mutex::new(stripe(number))).collect(),
            hasher: RandomState::new(),
        }
    }

    /// How many stripes there are.
    pub(super) fn len(&self) -> usize {
        self.stripes.len()
    }

    pub(super) fn lock(&self, number: usize) -> MutexGuard<'_, Stripe> {
        self.stripes[number % self.stripes.len()].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is at this place; there may be nothing any more, or somebody else.
    pub(super) fn at(&self, place: Place) -> Held<'_> {
        Held { stripe: self.lock(place.0 as usize), slot: place.0 as usize / STRIPES, place }
    }

    /// The account of this identity. Where there is none, `make` says whether a slot is made for it.
    pub(super) fn of(&self, identity: &str, make: bool, scopes: &Scopes) -> Option<Held<'_>> {
        let (number, tag) = self.hash(identity);
        let mut stripe = self.lock(number);
        let known = stripe.by_identity.find(tag).map(|slot| slot.0 as usize);
        let known = known.into_iter().find(|&slot| stripe.is_of(slot, identity, scopes));
        let slot = if make { known.or_else(|| stripe.make(tag)) } else { known }?;
        let place = Self::place(number, slot);
        Some(Held { stripe, slot, place })
    }

    pub(super) fn place(number: usize, slot: usize) -> Place {
        Place((slot * STRIPES + number % STRIPES) as u32)
    }

    /// Empties the slot of an account that nothing is left of.
    pub(super) fn remove(&self, stripe: &mut Stripe, slot: usize, identity: &str) {
        stripe.by_identity.remove(self.hash(identity).1, Place(slot as u32));
        stripe.slots[slot] = Slot::default();
        stripe.free.push(slot as u32);
        if stripe.free.len() == stripe.slots.len() {
            (stripe.slots, stripe.free) = (Vec::new(), Vec::new());
        }
    }

    fn hash(&self, identity: &str) -> (usize, u32) {
        let hash = self.hasher.hash_one(identity);
        ((hash >> 32) as usize % self.stripes.len(), hash as u32)
    }
}

impl Stripe {
    /// How many slots there are, with an account or without.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// A copy of the account in this slot, or the account itself, which then has to be put back; `None` where there is
    /// none.
    pub(super) fn take(&mut self, slot: usize, scopes: &Scopes) -> Option<Box<Account>> {
        match self.slots.get_mut(slot)? {
            Slot::Packed(octets) => unpack(octets, Part::All, scopes),
            open @ Slot::Open(_) => match core::mem::take(open) {
                Slot::Open(account) => Some(account),
                Slot::Packed(_) => None,
            },
        }
    }

    pub(super) fn put(&mut self, slot: usize, account: Box<Account>, scopes: &Scopes) {
        let packed = is_small(&account);
        self.slots[slot] = if packed { Slot::Packed(pack(&account, scopes)) } else { Slot::Open(account) };
    }

    /// Looks at this part of an account.
    pub(super) fn read<T>(
        &self,
        slot: usize,
        part: Part<'_>,
        scopes: &Scopes,
        look: impl FnOnce(&Account) -> T,
    ) -> Option<T> {
        match self.slots.get(slot)? {
            Slot::Packed(octets) => unpack(octets, part, scopes).map(|account| look(&account)),
            Slot::Open(account) => Some(look(account)),
        }
    }

    /// Whether there is something in this slot that ended.
    pub(super) fn is_due(&self, slot: usize, scopes: &Scopes, now: Timestamp) -> bool {
        let first_end = match self.slots.get(slot) {
            Some(Slot::Packed(octets)) if octets.as_slice().is_empty() => return false,
            Some(Slot::Packed(octets)) => first_end(octets, scopes),
            Some(Slot::Open(account)) => account.ends(),
            None => return false,
        };
        first_end.is_none_or(|end| end <= now)
    }

    fn is_of(&self, slot: usize, identity: &str, scopes: &Scopes) -> bool {
        match self.slots.get(slot) {
            Some(Slot::Packed(octets)) => is_of(octets, identity, scopes),
            Some(Slot::Open(account)) => *account.identity == *identity,
            None => false,
        }
    }

    /// An empty slot for an account to come, found by this hash.
    fn make(&mut self, tag: u32) -> Option<usize> {
        let slot = match self.free.pop() {
            Some(slot) => slot as usize,
            None if self.slots.len() >= MAX_SLOTS => return None,
            None => {
                if self.slots.len() == self.slots.capacity() {
                    self.slots.reserve_exact(self.slots.len() / 8 + 4);
                }
                self.slots.push(Slot::default());
                self.slots.len() - 1
            }
        };
        self.by_identity.insert(tag, Place(slot as u32));
        Some(slot)
    }
}
