//! One account, as it is kept.

use std::sync::Arc;

use super::account::Account;
use super::pack::{Packed, is_small};
use super::scopes::Scopes;
use super::unpack::{self, Wanted};
use crate::assertion::{AccountState, AssertionId, LineageRecord, LoginId, Record, TokenId, TokenRecord};
use crate::channel::Handle;
use crate::time::Timestamp;

/// An account: packed, unless it is too large for that. Nothing at all is packed as no octets.
pub(super) enum Slot {
    Packed(Packed),
    Open(Box<Account>),
}

impl Default for Slot {
    fn default() -> Self {
        Self::Packed(Packed::default())
    }
}

impl Slot {
    /// A copy of the account, or the account itself, which then has to be put back; `None` where there is none.
    pub(super) fn take(&mut self, scopes: &Scopes) -> Option<Box<Account>> {
        match self {
            Self::Packed(packed) => unpack::account(packed, scopes),
            open @ Self::Open(_) => match core::mem::take(open) {
                Self::Open(account) => Some(account),
                Self::Packed(_) => None,
            },
        }
    }

    pub(super) fn put(&mut self, account: Box<Account>, scopes: &Scopes) {
        match self {
            Self::Packed(packed) if is_small(&account) => packed.fill(&account, scopes),
            _ => *self = Self::Open(account),
        }
    }

    /// Looks at all of the account.
    pub(super) fn read<T>(&self, scopes: &Scopes, look: impl FnOnce(&Account) -> T) -> Option<T> {
        match self {
            Self::Packed(packed) => unpack::account(packed, scopes).map(|account| look(&account)),
            Self::Open(account) => Some(look(account)),
        }
    }

    pub(super) fn record(&self, wanted: Wanted<'_, AssertionId>, scopes: &Scopes) -> Option<Arc<Record>> {
        match self {
            Self::Packed(packed) => unpack::record(packed, wanted, scopes),
            Self::Open(account) => account.record(wanted),
        }
    }

    pub(super) fn tokens(&self, wanted: Wanted<'_, TokenId>, scopes: &Scopes) -> Option<Arc<TokenRecord>> {
        match self {
            Self::Packed(packed) => unpack::tokens(packed, wanted, scopes),
            Self::Open(account) => account.tokens(wanted),
        }
    }

    pub(super) fn lineage(&self, handle: &Handle, scopes: &Scopes) -> Option<Arc<LineageRecord>> {
        match self {
            Self::Packed(packed) => unpack::lineage(packed, handle, scopes),
            Self::Open(account) => account.lineage(handle),
        }
    }

    /// What is known of the account as a whole, where it has a secret that is found by this login.
    pub(super) fn state(
        &self,
        wanted: Wanted<'_, LoginId>,
        now: Timestamp,
        scopes: &Scopes,
    ) -> Option<Arc<AccountState>> {
        match self {
            Self::Packed(packed) => unpack::without_clients(packed, scopes)?.state(wanted, now),
            Self::Open(account) => account.state(wanted, now),
        }
    }

    /// Whether there is something in it that ended.
    pub(super) fn is_due(&self, scopes: &Scopes, now: Timestamp) -> bool {
        let first_end = match self {
            Self::Packed(packed) if packed.is_empty() => return false,
            Self::Packed(packed) => unpack::first_end(packed, scopes),
            Self::Open(account) => account.ends(),
        };
        first_end.is_none_or(|end| end <= now)
    }

    pub(super) fn is_of(&self, identity: &str, scopes: &Scopes) -> bool {
        match self {
            Self::Packed(packed) => unpack::is_of(packed, identity, scopes),
            Self::Open(account) => *account.identity == *identity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_no_larger_than_what_is_packed() {
        assert_eq!((size_of::<Slot>(), size_of::<Packed>()), (176, 176));
    }

    #[test]
    fn an_account_is_its_own_identitys_whatever_hash_it_is_found_by() {
        let scopes = Scopes::new();
        let account = || Box::new(Account::new("alice".into(), None));
        let mut packed = Slot::default();
        packed.put(account(), &scopes);
        for slot in [packed, Slot::Open(account())] {
            let is_of = ["alice", "bob", "alic", "alice2", "Alice", ""].map(|identity| slot.is_of(identity, &scopes));
            assert_eq!(is_of, [true, false, false, false, false, false]);
        }
    }
}
