//! Where accounts are kept: in stripes, each behind a lock of its own, which is the lock of all its accounts.

use core::hash::BuildHasher;
use std::hash::RandomState;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::account::Account;
use super::scopes::Scopes;
use super::slot::Slot;
use super::slots::Slots;
use super::table::{Place, Table};

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
    slots: Slots,
    /// How far the sweep under way has come.
    pub(super) swept: usize,
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
        let stripe = |number| Stripe { by_identity: Table::new(number), slots: Slots::default(), swept: 0 };
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
        let known = known.into_iter().find(|&slot| stripe.at(slot).is_some_and(|kept| kept.is_of(identity, scopes)));
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
        stripe.slots.give_back(slot);
    }

    fn hash(&self, identity: &str) -> (usize, u32) {
        let hash = self.hasher.hash_one(identity);
        ((hash >> 32) as usize % self.stripes.len(), hash as u32)
    }
}

impl Held<'_> {
    /// The slot; what it holds need not be what was looked for.
    pub(super) fn kept(&self) -> Option<&Slot> {
        self.stripe.at(self.slot)
    }
}

impl Stripe {
    /// From this number on there are no slots.
    pub(super) fn end(&self) -> usize {
        self.slots.end()
    }

    pub(super) fn at(&self, slot: usize) -> Option<&Slot> {
        self.slots.get(slot)
    }

    /// What [`Slot::take`] gives.
    pub(super) fn take(&mut self, slot: usize, scopes: &Scopes) -> Option<Box<Account>> {
        self.slots.get_mut(slot)?.take(scopes)
    }

    pub(super) fn put(&mut self, slot: usize, account: Box<Account>, scopes: &Scopes) {
        if let Some(kept) = self.slots.get_mut(slot) {
            kept.put(account, scopes);
        }
    }

    /// An empty slot for an account to come, found by this hash.
    fn make(&mut self, tag: u32) -> Option<usize> {
        let slot = self.slots.take_one(MAX_SLOTS)?;
        self.by_identity.insert(tag, Place(slot as u32));
        Some(slot)
    }
}
