//! The contract: the same answers as the store in memory, whatever is asked, over restarts too.

use std::collections::BTreeMap;

use super::disk::Disk;
use super::*;
use fast_reauth::assertion::{AccountSecret, LoginId, Scope, Service};
use fast_reauth::channel::{Handle, ServerName};
use fast_reauth::store::conformance::{self, Subject, Verdict};
use fast_reauth::store::{Found, Link, MemoryStore, NewSecret};

const CAPACITY: Capacity =
    Capacity { records: 10_000, lineages: 10_000, devices_per_account: 4, lineages_per_device: 3 };

/// Both stores, asked the same.
struct Both {
    memory: MemoryStore,
    disk: Disk,
    redb: Option<RedbStore>,
    random: u64,
    now: Timestamp,
}

impl Both {
    fn new(seed: u64) -> Self {
        let disk = Disk::default();
        let redb = disk.open(CAPACITY).ok();
        Self { memory: MemoryStore::new(CAPACITY), disk, redb, random: seed, now: START }
    }

    fn redb(&self) -> &RedbStore {
        self.redb.as_ref().unwrap()
    }

    fn below(&mut self, end: usize) -> usize {
        self.random = self.random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.random >> 33) as usize % end
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        if all.is_empty() { None } else { all.get(self.below(all.len())).cloned() }
    }

    fn commit(&self, commit: &Commit, what: &str) -> Committed {
        let committed = self.memory.commit(commit, self.now).unwrap();
        assert_eq!(self.redb().commit(commit, self.now), Ok(committed), "{what}: {commit:?}");
        committed
    }

    fn same(&self, lookups: impl IntoIterator<Item = Lookup<'static>>, what: &str) {
        for lookup in lookups {
            let live = |found: Found| {
                let now = self.now;
                Found {
                    record: found.record.into_option().filter(|record| now < record.expires()).into(),
                    lineage: found.lineage.filter(|lineage| now < lineage.expires()),
                    token: found.token.into_option().filter(|token| now < token.expires()).into(),
                    ..found
                }
            };
            let memory = live(self.memory.lookup(&lookup, self.now).unwrap());
            assert_eq!(live(self.redb().lookup(&lookup, self.now).unwrap()), memory, "{what}: {lookup:?}");
        }
    }
}

#[test]
fn it_answers_as_the_store_in_memory_does() {
    let names = ["alice", "bob", "carol", "dave"];
    let scope = Scope::new(Service::IMAP, ServerName::parse(NAME).unwrap());
    let mut outcomes = BTreeMap::new();
    for seed in 0..4 {
        let mut both = Both::new(seed);
        let (mut logins, mut links, mut uses) = (Vec::<Remember>::new(), Vec::<Link>::new(), Vec::<Commit>::new());
        for step in 0..700 {
            let what = format!("seed {seed}, step {step}, {:?}", both.now);
            let name = names[both.below(names.len())];
            let action = both.below(100);
            // The one in memory forgets what expired at other times.
            both.memory.sweep(both.now);
            both.redb().sweep(both.now).unwrap();
            let committed = match action {
                0..25 => {
                    let mut remember = login(name, both.now);
                    if let (Some(link), Some(old)) = (&mut remember.link, both.one_of(&links)) {
                        link.predecessor = Some(old.handle).filter(|_| action < 6);
                    }
                    links.extend(remember.link.clone());
                    logins.push(remember.clone());
                    Some(both.commit(&Commit::Remember(remember), &what))
                }
                // What was done before is done again.
                25..30 => both.one_of(&logins).map(|it| both.commit(&Commit::Remember(it), &what)),
                30..60 => both.one_of(&logins).map(|it| {
                    let mut use_it = count(*it.records[0].id(), 1 + both.below(90) as u64);
                    if let (Commit::Use(change), 0) = (&mut use_it, both.below(4)) {
                        change.ends =
                            Some(both.now.after(core::time::Duration::from_secs(1 + both.below(5000) as u64)));
                    }
                    uses.push(use_it.clone());
                    both.commit(&use_it, &what)
                }),
                60..65 => both.one_of(&uses).map(|mut it| {
                    if let Commit::Use(change) = &mut it {
                        change.ends = change.ends.filter(|ends| both.now < *ends);
                    }
                    both.commit(&it, &what)
                }),
                65..85 => both.one_of(&links).map(|mut link| {
                    let before = Some(link.handle).filter(|_| both.below(3) > 0);
                    link =
                        Link { handle: Handle::new(fresh()), predecessor: before, sealed: both.below(3) == 0, ..link };
                    links.push(link.clone());
                    both.commit(&Commit::Link(link), &what)
                }),
                85..90 => {
                    let until = both.now.after(core::time::Duration::from_secs(DAY));
                    let secret = AccountSecret::new([both.below(2) as u8; 16]);
                    let (device, full_login) = match both.one_of(&logins) {
                        Some(it) if *it.records[0].identity() == *name => {
                            (it.records[0].device(), it.records[0].full_login())
                        }
                        _ => (DeviceId::new([2; 8]), both.now),
                    };
                    let (login, found) = (LoginId::of(&scope, name), both.below(3) == 0);
                    let new = NewSecret { login, identity: name.into(), secret, found, device, full_login, until };
                    Some(both.commit(&Commit::Secret(new), &what))
                }
                90..93 => {
                    let device = both.one_of(&logins).map_or(DeviceId::new([1; 8]), |it| it.records[0].device());
                    let which = match both.below(4) {
                        0 => Revoke::All,
                        1 => Revoke::AllBut(device),
                        2 => Revoke::Device(device),
                        _ => both.one_of(&logins).map_or(Revoke::All, |it| Revoke::Assertion(*it.records[0].id())),
                    };
                    let count = both.memory.revoke(name, which, both.now);
                    assert_eq!(both.redb().revoke(name, which, both.now), count, "{what}: {which:?}");
                    None
                }
                93 if both.below(3) == 0 => {
                    both.memory.revoke_everyone(both.now).unwrap();
                    both.redb().revoke_everyone(both.now).unwrap();
                    None
                }
                94 => {
                    both.redb = None;
                    both.redb = Some(both.disk.open(CAPACITY).unwrap());
                    None
                }
                _ => {
                    both.now = both.now.after(core::time::Duration::from_secs(both.below(40_000) as u64));
                    both.memory.sweep(both.now);
                    both.redb().sweep(both.now).unwrap();
                    assert_eq!(both.redb().len(), Ok(both.memory.len()), "{what}");
                    None
                }
            };
            if let Some(committed) = committed {
                *outcomes.entry(format!("{committed:?}")).or_insert(0) += 1;
            }
            let devices = both.memory.devices(name, None, both.now);
            assert_eq!(both.redb().devices(name, None, both.now), devices, "{what}");
            let login = Some(LoginId::of(&scope, name).into());
            both.same([Lookup { login, account: true, ..Lookup::default() }], &what);
            both.same(logins.iter().rev().take(8).map(|it| of(*it.records[0].id())), &what);
            both.same(
                links.iter().rev().take(8).map(|it| Lookup { handle: Some(it.handle), ..Lookup::default() }),
                &what,
            );
        }
        both.same(logins.iter().map(|it| of(*it.records[0].id())), "at the end");
    }
    assert!(
        ["Done", "Replayed", "Gone", "WithoutSuccessor"].iter().all(|it| outcomes.contains_key(*it)),
        "{outcomes:?}"
    );
}

/// The disk of the store that was asked for last.
#[derive(Default)]
struct OnDisk(Disk);

impl Subject for OnDisk {
    type Store = RedbStore;

    fn fresh(&mut self) -> RedbStore {
        self.0 = Disk::default();
        self.0.open(Capacity::default()).unwrap()
    }

    fn reopen(&mut self, store: RedbStore) -> Option<RedbStore> {
        drop(store);
        self.0.open(Capacity::default()).ok()
    }

    fn limited(&mut self, records: usize) -> Option<RedbStore> {
        self.0 = Disk::default();
        self.0.open(Capacity { records, ..Capacity::default() }).ok()
    }
}

#[test]
fn every_clause() {
    let report = conformance::run(&mut OnDisk::default());
    assert!(report.is_passed(), "\n{report}");
    assert!(report.verdicts.iter().all(|(_, verdict)| *verdict == Verdict::Passed), "\n{report}");
}

#[test]
fn lookups_write_nothing() {
    let disk = Disk::default();
    let store = disk.open(Capacity::default()).unwrap();
    let id = log_in(&store, "alice", START);
    let before = disk.octets();
    for _ in 0..10 {
        store.lookup(&of(id), START).unwrap();
        store.devices("alice", None, START).unwrap();
        // Nor does what comes to nothing.
        assert_eq!(store.commit(&count(AssertionId::from_octets([1; 16]), 1), START), Ok(Committed::Gone));
    }
    assert!(before == disk.octets());
}

#[test]
fn what_expired_goes_with_the_commits_that_follow() {
    let disk = Disk::default();
    let store = disk.open(Capacity::default()).unwrap();
    for n in 0..300 {
        log_in(&store, &format!("user{n}"), START);
    }
    assert_eq!((store.len(), store.is_empty()), (Ok((300, 300)), Ok(false)));
    for n in 0..100 {
        log_in(&store, &format!("new{n}"), later(8 * DAY));
    }
    assert_eq!(store.len(), Ok((100, 100)));
    store.sweep(later(60 * DAY)).unwrap();
    assert_eq!(store.is_empty(), Ok(true));
}

#[test]
fn one_counter_from_many_threads_is_accepted_once() {
    let store = Disk::default().open(Capacity::default()).unwrap();
    let ids: Vec<_> = (0..4).map(|n| log_in(&store, &format!("user{n}"), START)).collect();
    let done = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for counter in 1..=50 {
                    for id in &ids {
                        let committed = store.commit(&count(*id, counter), START).unwrap();
                        assert!(matches!(committed, Committed::Done | Committed::Replayed));
                        let one = usize::from(committed == Committed::Done);
                        done.fetch_add(one, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
    });
    // A thread that is far behind finds its counters behind the window.
    assert_eq!(done.into_inner(), 4 * 50);
}
