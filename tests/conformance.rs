//! The store's contract, put to the stores of this crate; and that it notices stores that break it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fast_reauth::Timestamp;
use fast_reauth::assertion::{AssertionId, Scope};
use fast_reauth::store::conformance::{self, Blocking, Subject, Verdict};
use fast_reauth::store::{
    AsyncStore, Capacity, Commit, Committed, Device, Found, Link, Lookup, MemoryStore, Remember, Revoke, Store,
    TokenUse, Unavailable, Use,
};

struct InMemory;

impl Subject for InMemory {
    type Store = MemoryStore;

    fn fresh(&mut self) -> MemoryStore {
        MemoryStore::default()
    }

    fn limited(&mut self, records: usize) -> Option<MemoryStore> {
        Some(MemoryStore::new(Capacity { records, ..Capacity::default() }))
    }
}

#[test]
fn the_memory_store() {
    let report = conformance::run(&mut InMemory);
    assert!(report.is_passed(), "\n{report}");
}

#[test]
fn every_case_has_its_own_name() {
    let names: HashSet<_> = conformance::cases().iter().map(conformance::Case::name).collect();
    assert_eq!(names.len(), conformance::cases().len());
    assert!(names.iter().all(|name| name.split_once("::").is_some()));
}

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    ForgetsCounters,
    ForgetsCounts,
    LooksBeforeItMarks,
    AppliesReplays,
    NeverConfirms,
    AddsEverySuccessor,
    IgnoresRevocations,
    IgnoresRevocationsOfUnknownAccounts,
    IgnoresRevocationsOfUnknownClients,
    IgnoresRevocationsOfEveryone,
    RevokesTheSparedOne,
    CountsTooFew,
    SharesNothing,
    LinksEverySealedClient,
    SetsEverySecret,
    TakesEveryLoginWithASecretAlone,
    TakesTwoClientsForOne,
    ListsNewestFirst,
    GrowsWithoutEnd,
    LosesCountersAtRestart,
    LosesRevocationsAtRestart,
}

/// A store that keeps a journal of what it was told, so that it can start anew.
#[derive(Debug)]
struct Broken {
    fault: Fault,
    inner: MemoryStore,
    used: Mutex<HashSet<(AssertionId, u64)>>,
    journal: Mutex<Vec<Entry>>,
}

#[derive(Clone, Debug)]
enum Entry {
    Commit(Box<Commit>, Timestamp),
    Revoke(String, Revoke, Timestamp),
    RevokeEveryone(Timestamp),
}

impl Broken {
    fn new(fault: Fault, inner: MemoryStore) -> Self {
        Self { fault, inner, used: Mutex::default(), journal: Mutex::default() }
    }

    fn restarted(&self) -> Self {
        let again = Self::new(self.fault, MemoryStore::default());
        for entry in self.journal.lock().unwrap().iter() {
            match entry {
                Entry::Commit(commit, now) => {
                    let mut commit = commit.clone();
                    if let (Commit::Use(Use { counter, .. }), Fault::LosesCountersAtRestart) =
                        (&mut *commit, self.fault)
                    {
                        *counter = None;
                    }
                    again.commit(&commit, *now).unwrap();
                }
                _ if self.fault == Fault::LosesRevocationsAtRestart => {}
                Entry::Revoke(identity, which, now) => {
                    again.revoke(identity, *which, *now).unwrap();
                }
                Entry::RevokeEveryone(now) => again.revoke_everyone(*now).unwrap(),
            }
        }
        again
    }

    fn write(&self, entry: Entry) {
        self.journal.lock().unwrap().push(entry);
    }

    fn apply(&self, change: &Use, now: Timestamp) -> Result<Committed, Unavailable> {
        let mut change = change.clone();
        match (self.fault, change.counter) {
            (Fault::ForgetsCounters, _) => change.counter = None,
            (Fault::LooksBeforeItMarks, Some(counter)) => {
                let used = (change.assertion, counter);
                if self.used.lock().unwrap().contains(&used) {
                    return Ok(Committed::Replayed);
                }
                std::thread::sleep(Duration::from_millis(1));
                self.used.lock().unwrap().insert(used);
                change.counter = None;
            }
            (Fault::NeverConfirms, _) => change.confirm = false,
            _ => {}
        }
        let committed = self.inner.commit(&Commit::Use(change.clone()), now)?;
        match (self.fault, committed, &change.successor) {
            (Fault::AppliesReplays, Committed::Replayed, _) => {
                self.inner.commit(&Commit::Use(Use { counter: None, ..change }), now)?;
            }
            (Fault::AddsEverySuccessor, Committed::WithoutSuccessor, Some(record)) => {
                let records = vec![record.as_ref().clone()];
                let remember = Remember { records, token: None, link: None, secret: None };
                return self.inner.commit(&Commit::Remember(remember), now);
            }
            _ => {}
        }
        Ok(committed)
    }
}

impl Store for Broken {
    fn lookup(&self, lookup: &Lookup, now: Timestamp) -> Result<Found, Unavailable> {
        self.inner.lookup(lookup, now)
    }

    fn commit(&self, commit: &Commit, now: Timestamp) -> Result<Committed, Unavailable> {
        let alone = |link: &Link| Link { predecessor: None, ..link.clone() };
        let committed = match (self.fault, commit) {
            (_, Commit::Use(change)) => self.apply(change, now)?,
            (Fault::ForgetsCounts, Commit::Token(change)) => {
                self.inner.commit(&Commit::Token(TokenUse { count: None, ..change.clone() }), now)?
            }
            (Fault::SharesNothing, Commit::Link(link)) => self.inner.commit(&Commit::Link(alone(link)), now)?,
            (Fault::SharesNothing, Commit::Remember(remember)) => {
                let link = remember.link.as_ref().map(alone);
                self.inner.commit(&Commit::Remember(Remember { link, ..remember.clone() }), now)?
            }
            (
                Fault::TakesEveryLoginWithASecretAlone,
                Commit::Remember(Remember { records, token: None, link: None, .. }),
            ) if records.is_empty() => {
                self.inner.commit(commit, now)?;
                Committed::Done
            }
            (Fault::TakesTwoClientsForOne, Commit::Remember(Remember { records, .. })) => {
                let committed = self.inner.commit(commit, now)?;
                for record in records.iter().filter(|_| committed == Committed::Gone) {
                    let records = vec![record.clone()];
                    let remember = Remember { records, token: None, link: None, secret: None };
                    self.inner.commit(&Commit::Remember(remember), now)?;
                }
                committed
            }
            (Fault::LinksEverySealedClient, Commit::Link(link)) if link.sealed => {
                let remember = Remember { records: Vec::new(), token: None, link: Some(link.clone()), secret: None };
                self.inner.commit(&Commit::Remember(remember), now)?;
                Committed::Done
            }
            (Fault::SetsEverySecret, Commit::Secret(_)) => {
                self.inner.commit(commit, now)?;
                Committed::Done
            }
            _ => self.inner.commit(commit, now)?,
        };
        // Also one that failed: a session may have become shared by it.
        self.write(Entry::Commit(Box::new(commit.clone()), now));
        Ok(committed)
    }

    fn devices(&self, identity: &str, scope: Option<&Scope>, now: Timestamp) -> Result<Vec<Device>, Unavailable> {
        let mut devices = self.inner.devices(identity, scope, now)?;
        if self.fault == Fault::ListsNewestFirst {
            devices.reverse();
        }
        Ok(devices)
    }

    fn revoke(&self, identity: &str, which: Revoke, now: Timestamp) -> Result<usize, Unavailable> {
        let unknown = || self.inner.devices(identity, None, now).is_ok_and(|devices| devices.is_empty());
        let known = |id| self.inner.devices(identity, None, now).is_ok_and(|all| all.iter().any(|one| one.id == id));
        let which = match (self.fault, which) {
            (Fault::IgnoresRevocations, _) => return Ok(self.devices(identity, None, now)?.len()),
            (Fault::IgnoresRevocationsOfUnknownAccounts, _) if unknown() => return Ok(0),
            (Fault::IgnoresRevocationsOfUnknownClients, Revoke::Device(id)) if !known(id) => return Ok(0),
            (Fault::RevokesTheSparedOne, Revoke::AllBut(_)) => Revoke::All,
            _ => which,
        };
        self.write(Entry::Revoke(identity.to_owned(), which, now));
        let count = self.inner.revoke(identity, which, now)?;
        Ok(if self.fault == Fault::CountsTooFew { count.min(1) } else { count })
    }

    fn revoke_everyone(&self, now: Timestamp) -> Result<(), Unavailable> {
        self.write(Entry::RevokeEveryone(now));
        if self.fault == Fault::IgnoresRevocationsOfEveryone { Ok(()) } else { self.inner.revoke_everyone(now) }
    }
}

/// A handle on a store that others have too.
#[derive(Clone, Debug)]
struct Shared(Arc<Broken>);

impl Store for Shared {
    fn lookup(&self, lookup: &Lookup, now: Timestamp) -> Result<Found, Unavailable> {
        self.0.lookup(lookup, now)
    }

    fn commit(&self, commit: &Commit, now: Timestamp) -> Result<Committed, Unavailable> {
        self.0.commit(commit, now)
    }

    fn devices(&self, identity: &str, scope: Option<&Scope>, now: Timestamp) -> Result<Vec<Device>, Unavailable> {
        self.0.devices(identity, scope, now)
    }

    fn revoke(&self, identity: &str, which: Revoke, now: Timestamp) -> Result<usize, Unavailable> {
        self.0.revoke(identity, which, now)
    }

    fn revoke_everyone(&self, now: Timestamp) -> Result<(), Unavailable> {
        self.0.revoke_everyone(now)
    }
}

impl Subject for Fault {
    type Store = Shared;

    fn fresh(&mut self) -> Shared {
        Shared(Arc::new(Broken::new(*self, MemoryStore::default())))
    }

    fn reopen(&mut self, store: Shared) -> Option<Shared> {
        Some(Shared(Arc::new(store.0.restarted())))
    }

    fn another(&mut self, store: &Shared) -> Option<Shared> {
        Some(store.clone())
    }

    fn limited(&mut self, records: usize) -> Option<Shared> {
        let records = if *self == Self::GrowsWithoutEnd { 1000 } else { records };
        let inner = MemoryStore::new(Capacity { records, ..Capacity::default() });
        Some(Shared(Arc::new(Broken::new(*self, inner))))
    }
}

/// Every fault fails the case of its clause, which a store without it passes.
#[test]
fn what_breaks_the_contract_is_noticed() {
    let clauses = [
        (Fault::ForgetsCounters, "counters::used_twice"),
        (Fault::ForgetsCounts, "tokens::counts"),
        (Fault::LooksBeforeItMarks, "races::one_counter"),
        (Fault::AppliesReplays, "failures::a_replayed_use"),
        (Fault::NeverConfirms, "using::the_first_use"),
        (Fault::AddsEverySuccessor, "successors::only_so_many_wait"),
        (Fault::AddsEverySuccessor, "successors::of_somebody_else"),
        (Fault::TakesTwoClientsForOne, "remembering::of_two_clients"),
        (Fault::IgnoresRevocations, "revocation::of_a_device"),
        (Fault::IgnoresRevocationsOfUnknownAccounts, "revocation::a_login_of_an_unknown_account"),
        (Fault::IgnoresRevocationsOfUnknownClients, "revocation::of_more_devices_than_are_remembered"),
        (Fault::IgnoresRevocationsOfEveryone, "revocation::of_everyone"),
        (Fault::RevokesTheSparedOne, "revocation::of_all_but_one"),
        (Fault::CountsTooFew, "revocation::of_all"),
        (Fault::SharesNothing, "sessions::of_two_identities"),
        (Fault::LinksEverySealedClient, "sessions::of_a_sealed_client"),
        (Fault::SetsEverySecret, "secrets::the_first_one_stays"),
        (Fault::TakesEveryLoginWithASecretAlone, "secrets::of_a_login_from_before_that_leaves_nothing_else"),
        (Fault::ListsNewestFirst, "remembering::devices_oldest_first"),
        (Fault::GrowsWithoutEnd, "bounds::one_account_costs_another_nothing"),
        (Fault::LosesCountersAtRestart, "reopening::windows"),
        (Fault::LosesRevocationsAtRestart, "reopening::revocations"),
    ];
    for (mut fault, name) in clauses {
        let case = conformance::cases().iter().find(|case| case.name() == name).expect(name);
        assert_eq!(case.run(&mut Fault::Nothing), Verdict::Passed, "{name}");
        assert!(!case.run(&mut fault).is_passed(), "{fault:?} passes {name}");
    }
}

/// Only threads show this one: one after the other, it refuses every replay.
#[test]
fn some_faults_take_threads_to_be_noticed() {
    let case = conformance::cases().iter().find(|case| case.name() == "counters::used_twice").unwrap();
    assert_eq!(case.run(&mut Fault::LooksBeforeItMarks), Verdict::Passed);
}

#[test]
fn a_restart_is_part_of_it() {
    let cases = conformance::cases().iter().filter(|case| case.name().starts_with("reopening::"));
    for case in cases {
        assert_eq!(case.run(&mut Fault::Nothing), Verdict::Passed, "{}", case.name());
        assert_eq!(case.run(&mut InMemory), Verdict::Skipped, "{}", case.name());
    }
}

/// A store that answers later.
#[derive(Debug, Default)]
struct Later(MemoryStore);

impl AsyncStore for Later {
    async fn lookup(&self, lookup: &Lookup<'_>, now: Timestamp) -> Result<Found, Unavailable> {
        tokio::task::yield_now().await;
        self.0.lookup(lookup, now)
    }

    async fn commit(&self, commit: &Commit, now: Timestamp) -> Result<Committed, Unavailable> {
        tokio::task::yield_now().await;
        self.0.commit(commit, now)
    }

    async fn devices(&self, of: &str, scope: Option<&Scope>, now: Timestamp) -> Result<Vec<Device>, Unavailable> {
        self.0.devices(of, scope, now)
    }

    async fn revoke(&self, identity: &str, which: Revoke, now: Timestamp) -> Result<usize, Unavailable> {
        tokio::task::yield_now().await;
        self.0.revoke(identity, which, now)
    }

    async fn revoke_everyone(&self, now: Timestamp) -> Result<(), Unavailable> {
        self.0.revoke_everyone(now)
    }
}

struct Asynchronous<'r>(&'r tokio::runtime::Runtime);

impl<'r> Subject for Asynchronous<'r> {
    type Store = Blocking<'r, Later>;

    fn fresh(&mut self) -> Self::Store {
        let runtime = self.0;
        Blocking::new(Later::default(), move |call| runtime.block_on(call))
    }
}

#[test]
fn an_asynchronous_store() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let report = conformance::run(&mut Asynchronous(&runtime));
    assert!(report.is_passed(), "\n{report}");
}
