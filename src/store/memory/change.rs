//! One change of one account: under its lock, with the indices and the counts, so that they agree with it to the
//! moment.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::MemoryStore;
use super::account::Account;
use super::accounts::{Accounts, Held, Stripe};
use super::counts::Room;
use super::index::Name;
use super::slot::Slot;
use super::table::Place;
use crate::time::Timestamp;

/// How many accounts are looked at while a lock is held, and how many for one login that finds the store full.
const SWEPT_AT_ONCE: usize = 64;
const SWEPT_PER_LOGIN: usize = 256;

impl MemoryStore {
    /// Looks for something in the accounts that have, or may have, this name.
    pub(super) fn find<T>(&self, name: &Name, look: impl Fn(&Slot) -> Option<T>) -> Option<T> {
        self.index.find(name).iter().find_map(|place| self.read(place, &look))
    }

    /// Looks for something in the account at this place.
    pub(super) fn read<T>(&self, place: Place, look: impl FnOnce(&Slot) -> Option<T>) -> Option<T> {
        self.accounts.at(place).kept().and_then(look)
    }

    /// Changes the account at this place, if there still is one.
    pub(super) fn change_at<T>(
        &self,
        place: Place,
        now: Timestamp,
        change: impl FnOnce(&mut Account, &mut Room<'_>) -> T,
    ) -> Option<T> {
        let Held { mut stripe, slot, place } = self.accounts.at(place);
        let (done, shared) = self.change(&mut stripe, slot, place, None, now, change)?;
        drop(stripe);
        self.settle(place, &shared, now);
        Some(done)
    }

    /// Changes the account of this identity; makes one if it is to be made.
    pub(super) fn change_of<T>(
        &self,
        identity: &str,
        make: bool,
        now: Timestamp,
        change: impl FnOnce(&mut Account, &mut Room<'_>) -> T,
    ) -> Option<T> {
        let Held { mut stripe, slot, place } = self.accounts.of(identity, make, &self.scopes)?;
        let (done, shared) = self.change(&mut stripe, slot, place, Some(identity), now, change)?;
        drop(stripe);
        self.settle(place, &shared, now);
        Some(done)
    }

    /// Changes the account in this slot, or a new one where there is none and it has a name. Says also what it has now
    /// that others may have too.
    fn change<T>(
        &self,
        stripe: &mut Stripe,
        slot: usize,
        place: Place,
        identity: Option<&str>,
        now: Timestamp,
        change: impl FnOnce(&mut Account, &mut Room<'_>) -> T,
    ) -> Option<(T, Vec<(Name, Place)>)> {
        let known = stripe.take(slot, &self.scopes);
        let was_bare = known.as_ref().is_some_and(|account| account.is_bare());
        let mut account = known.or_else(|| Some(Box::new(Account::new(Arc::from(identity?), self.revoked_until()))))?;
        let (mut names, before) = (account.names(), account.room());
        let had_secret = account.secret.is_some();
        let mut room = Room::new(&self.counts);
        let done = change(&mut account, &mut room);
        let shared = self.index.update(place, &mut names, &mut account.names());
        room.settle(before, account.room());
        self.counts.secrets.settle(usize::from(had_secret), usize::from(account.secret.is_some()), 0);
        let is_bare = account.is_bare() && self.stays(&account, was_bare, now);
        self.counts.bare.settle(usize::from(was_bare), usize::from(is_bare), usize::from(is_bare && !was_bare));
        if account.is_bare() && !is_bare {
            self.accounts.remove(stripe, slot, &account.identity);
        } else {
            stripe.put(slot, account, &self.scopes);
        }
        Some((done, shared))
    }

    /// Whether an account stays that has nothing but, perhaps, a revocation to remember. Where too many do, all logins
    /// that are under way at accounts that are not known are revoked in its place.
    fn stays(&self, account: &Account, was_bare: bool, now: Timestamp) -> bool {
        let Some(until) = account.remembers(self.revoked_until(), now) else { return false };
        let stays = was_bare || self.counts.bare.take(1);
        if !stays {
            self.revoked.fetch_max(until.as_secs(), Ordering::SeqCst);
        }
        stays
    }

    /// What the account at `place` has now, others had before: a token or a login goes over to it, and a session is
    /// nobody's.
    fn settle(&self, place: Place, shared: &[(Name, Place)], now: Timestamp) {
        for (name, other) in shared {
            match name {
                Name::Token(_) | Name::Login(_) => {
                    self.change_at(*other, now, |account, _| {
                        // Unless it has it back by now.
                        if self.index.find(name).newest() != Some(*other) {
                            account.give_up(name);
                        }
                    });
                }
                Name::Handle(handle) => {
                    // Only of one that really has it: another handle may have the same hash.
                    let has = self.read(*other, |kept| kept.lineage(handle, &self.scopes)).is_some();
                    for at in [*other, place].into_iter().filter(|_| has) {
                        self.change_at(
                            at,
                            now,
                            |account, _| if at == place { account.share_one(handle) } else { account.share() },
                        );
                    }
                }
                // Whichever came last is found.
                Name::Record(_) => {}
            }
        }
    }

    /// Changes every account, a few under each lock.
    pub(super) fn change_all(&self, now: Timestamp, mut change: impl FnMut(&mut Account)) {
        for number in 0..self.accounts.len() {
            let mut from = 0;
            loop {
                let mut stripe = self.accounts.lock(number);
                let until = stripe.end().min(from + SWEPT_AT_ONCE);
                for slot in from..until {
                    let place = Accounts::place(number, slot);
                    self.change(&mut stripe, slot, place, None, now, |account, _| change(account));
                }
                if until >= stripe.end() {
                    break;
                }
                from = until;
            }
        }
    }

    /// Looks at every account.
    pub(super) fn read_all(&self, mut look: impl FnMut(&Account)) {
        for number in 0..self.accounts.len() {
            let stripe = self.accounts.lock(number);
            for kept in (0..stripe.end()).filter_map(|slot| stripe.at(slot)) {
                kept.read(&self.scopes, &mut look);
            }
        }
    }

    /// Sweeps everything.
    pub(super) fn sweep_all(&self, now: Timestamp) {
        for number in 0..self.accounts.len() {
            self.accounts.lock(number).swept = 0;
            while !self.sweep_some(number, SWEPT_AT_ONCE, now).1 {}
        }
    }

    /// Goes on with the sweep where the one before left off: so many accounts that nobody's login pays for all of them.
    pub(super) fn sweep_step(&self, now: Timestamp) {
        let mut left = SWEPT_PER_LOGIN;
        for _ in 0..self.accounts.len() {
            let number = self.sweeping.load(Ordering::Relaxed);
            loop {
                let (count, finished) = self.sweep_some(number, left.min(SWEPT_AT_ONCE), now);
                left -= count;
                if finished {
                    // Another one may have gone on by now.
                    let next = (number + 1) % self.accounts.len();
                    let _ = self.sweeping.compare_exchange(number, next, Ordering::Relaxed, Ordering::Relaxed);
                    break;
                }
                if left == 0 {
                    return;
                }
            }
        }
    }

    /// Drops what expired of the next accounts of this stripe; how many were looked at, and whether they were the last.
    fn sweep_some(&self, number: usize, most: usize, now: Timestamp) -> (usize, bool) {
        let mut stripe = self.accounts.lock(number);
        let from = stripe.swept;
        let until = stripe.end().min(from.saturating_add(most));
        for slot in from..until {
            if stripe.at(slot).is_some_and(|kept| kept.is_due(&self.scopes, now)) {
                let place = Accounts::place(number, slot);
                self.change(&mut stripe, slot, place, None, now, |account, _| account.drop_expired(now));
            }
        }
        let finished = until >= stripe.end();
        stripe.swept = if finished { 0 } else { until };
        (until.saturating_sub(from), finished)
    }

    /// Until when everyone was revoked.
    fn revoked_until(&self) -> Option<Timestamp> {
        Some(self.revoked.load(Ordering::SeqCst)).filter(|&until| until > 0).map(Timestamp::from_secs)
    }
}
