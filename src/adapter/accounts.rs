//! Slots by account, bounded.

use core::num::NonZeroUsize;
use std::collections::HashMap;
use std::sync::Arc;

use super::lock;
use super::sessions::SharedSlot;
use crate::store::client::Account;

/// The accounts, each with the number of its last use.
pub(crate) struct Accounts<N, Once, Again> {
    slots: HashMap<Account, (SharedSlot<N, Once, Again>, u64)>,
    capacity: NonZeroUsize,
    uses: u64,
}

impl<N, Once, Again> Accounts<N, Once, Again> {
    /// Never the sessions of more than this many accounts.
    pub(crate) fn new(capacity: NonZeroUsize) -> Self {
        Self { slots: HashMap::new(), capacity, uses: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The account's slot, now the one used last; where it is one too many, that of the account longest unused goes.
    pub(crate) fn slot(&mut self, account: &Account) -> SharedSlot<N, Once, Again> {
        self.uses += 1;
        if let Some((slot, last_use)) = self.slots.get_mut(account) {
            *last_use = self.uses;
            return Arc::clone(slot);
        }
        if self.slots.len() >= self.capacity.get() {
            let oldest =
                self.slots.iter().min_by_key(|(_, (_, last_use))| *last_use).map(|(account, _)| account.clone());
            if let Some(oldest) = oldest {
                self.forget(&oldest);
            }
        }
        let slot = SharedSlot::<N, Once, Again>::default();
        self.slots.insert(account.clone(), (Arc::clone(&slot), self.uses));
        slot
    }

    /// The account's slot, if there is one; that is no use of it.
    #[cfg(feature = "openssl")]
    pub(crate) fn existing(&self, account: &Account) -> Option<SharedSlot<N, Once, Again>> {
        self.slots.get(account).map(|(slot, _)| Arc::clone(slot))
    }

    /// Drops the account's sessions, also those that its present connections may still get.
    pub(crate) fn forget(&mut self, account: &Account) {
        if let Some((slot, _)) = self.slots.remove(account) {
            lock(&slot).close();
        }
    }

    /// The same, unless that was done since this slot was the account's.
    pub(crate) fn forget_slot(&mut self, account: &Account, slot: &SharedSlot<N, Once, Again>) {
        if self.slots.get(account).is_some_and(|(present, _)| Arc::ptr_eq(present, slot)) {
            self.slots.remove(account);
        }
        lock(slot).close();
    }
}
