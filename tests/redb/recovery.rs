//! The file is opened again after a failure: by one at a time, when nobody is in the middle of anything, and soon.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::disk::{Disk, PAUSE};
use super::*;

/// A store, how its disk goes bad, and how often it was opened.
fn on_a_flaky_disk(pause: Duration) -> (RedbStore, Arc<AtomicBool>, Arc<AtomicUsize>) {
    let (bad, opens) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (disk, is_bad, count_opens) = (Disk::default(), bad.clone(), opens.clone());
    let source = move || -> Box<dyn redb::StorageBackend> {
        count_opens.fetch_add(1, Ordering::SeqCst);
        Box::new(Flaky { disk: disk.clone(), bad: is_bad.clone() })
    };
    (fast_reauth::internal::redb_on(source, Capacity::default(), pause).unwrap(), bad, opens)
}

#[test]
fn a_pause_ends_also_for_who_asks_all_the_time() {
    let (store, bad, opens) = on_a_flaky_disk(PAUSE);
    let id = log_in(&store, "alice", START);
    bad.store(true, Ordering::SeqCst);
    assert!(store.commit(&count(id, 1), later(1)).is_err());
    bad.store(false, Ordering::SeqCst);
    let asked = || {
        std::thread::sleep(PAUSE / 4);
        store.lookup(&of(id), later(2)).is_ok()
    };
    assert!(
        (0..200).any(|_| asked()),
        "the disk is well again, and nobody tries; opened {} times",
        opens.load(Ordering::SeqCst)
    );
}

/// Opening a large file reads all of it, so that is not tried by everyone who asks.
#[test]
fn in_a_pause_nothing_is_tried() {
    let (store, bad, opens) = on_a_flaky_disk(Duration::from_secs(3600));
    let id = log_in(&store, "alice", START);
    bad.store(true, Ordering::SeqCst);
    for n in 1..20 {
        assert!(store.commit(&count(id, n), later(1)).is_err());
        assert!(store.lookup(&of(id), later(1)).is_err());
    }
    // Once when it was made, and once after the failure.
    assert_eq!(opens.load(Ordering::SeqCst), 2);
}

#[derive(Debug)]
struct Flaky {
    disk: Disk,
    bad: Arc<AtomicBool>,
}
impl Flaky {
    fn ok(&self) -> io::Result<()> {
        if self.bad.load(Ordering::SeqCst) { Err(io::Error::other("EIO")) } else { Ok(()) }
    }
}
impl redb::StorageBackend for Flaky {
    fn len(&self) -> io::Result<u64> {
        self.ok()?;
        self.disk.len()
    }
    fn read(&self, o: u64, l: usize) -> io::Result<Vec<u8>> {
        self.ok()?;
        self.disk.read(o, l)
    }
    fn set_len(&self, l: u64) -> io::Result<()> {
        self.ok()?;
        self.disk.set_len(l)
    }
    fn sync_data(&self, e: bool) -> io::Result<()> {
        self.ok()?;
        self.disk.sync_data(e)
    }
    fn write(&self, o: u64, d: &[u8]) -> io::Result<()> {
        self.ok()?;
        self.disk.write(o, d)
    }
}

/// A disk whose next sync takes until the gate opens, and whose next read by a lookup panics (as redb does on damage).
#[derive(Debug, Clone)]
struct Slow {
    disk: Disk,
    block: Arc<AtomicBool>,
    blocked: Arc<AtomicBool>,
    gate: Arc<(Mutex<bool>, Condvar)>,
    garble: Arc<AtomicBool>,
    skip: Arc<AtomicUsize>,
}
impl redb::StorageBackend for Slow {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }
    fn read(&self, o: u64, l: usize) -> io::Result<Vec<u8>> {
        let mut v = self.disk.read(o, l)?;
        if std::thread::current().name() == Some("reader") && self.garble.swap(false, Ordering::SeqCst) {
            v.fill(0xa5);
        }
        Ok(v)
    }
    fn set_len(&self, l: u64) -> io::Result<()> {
        self.disk.set_len(l)
    }
    fn sync_data(&self, e: bool) -> io::Result<()> {
        if self.block.load(Ordering::SeqCst) && self.skip.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.block.store(false, Ordering::SeqCst);
            self.blocked.store(true, Ordering::SeqCst);
            let mut open = self.gate.0.lock().unwrap();
            while !*open {
                open = self.gate.1.wait(open).unwrap();
            }
        }
        self.disk.sync_data(e)
    }
    fn write(&self, o: u64, d: &[u8]) -> io::Result<()> {
        self.disk.write(o, d)
    }
}

#[test]
fn there_are_never_two_databases_on_one_file() {
    let mut bad = Vec::new();
    for (accounts, other_first, at) in [(10, false, 1), (10, true, 2), (60, true, 1)] {
        let slow = Slow {
            disk: Disk::default(),
            block: Default::default(),
            blocked: Default::default(),
            gate: Default::default(),
            garble: Default::default(),
            skip: Arc::new(AtomicUsize::new(at)),
        };
        let source = {
            let slow = slow.clone();
            move || -> Box<dyn redb::StorageBackend> { Box::new(slow.clone()) }
        };
        let ids: Vec<_> = {
            let store = fast_reauth::internal::redb_on(source.clone(), Capacity::default(), PAUSE).unwrap();
            (0..accounts).map(|n| log_in(&store, &format!("user{n}"), START)).collect()
        };
        let store = fast_reauth::internal::redb_on(source.clone(), Capacity::default(), PAUSE).unwrap();
        let id = ids[0];
        slow.block.store(true, Ordering::SeqCst);
        let (opened, done) = std::thread::scope(|scope| {
            let writer = scope.spawn(|| store.commit(&count(id, 7), later(1)));
            while !slow.blocked.load(Ordering::SeqCst) && !writer.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
            }
            slow.garble.store(true, Ordering::SeqCst);
            std::thread::Builder::new()
                .name("reader".into())
                .spawn_scoped(scope, || ids.iter().for_each(|id| _ = store.lookup(&of(*id), later(1))))
                .unwrap()
                .join()
                .unwrap();
            // The store is open again by now, while the commit is still under way.
            let opened = !writer.is_finished() && store.lookup(&of(id), later(100)).is_ok();
            *slow.gate.0.lock().unwrap() = true;
            slow.gate.1.notify_all();
            (opened, writer.join().unwrap())
        });
        std::thread::sleep(2 * PAUSE);
        if other_first {
            let _ = store.commit(&count(ids[2], 7), later(101));
        }
        let again: Vec<_> = (0..6).map(|n| store.commit(&count(id, 7), later(101 + 10 * n))).collect();
        drop(store);
        let reopened = fast_reauth::internal::redb_on(source, Capacity::default(), PAUSE);
        let last = reopened.as_ref().map(|store| store.commit(&count(id, 7), later(500)));
        let twice = done == Ok(Committed::Done)
            && (again.contains(&Ok(Committed::Done)) || matches!(last, Ok(Ok(Committed::Done))));
        if opened || twice || reopened.is_err() {
            bad.push((accounts, other_first, at, opened, twice, reopened.is_err()));
        }
    }
    assert!(bad.is_empty(), "(sync, opened twice, counter accepted twice, file damaged): {bad:?}");
}

/// The lock of the file goes with the old database, whose destructor may run after the new one was opened.
#[test]
fn the_file_stays_locked_when_it_is_opened_again() {
    let dir = Dir::new();
    drop(RedbStore::open(dir.file(), Capacity::default()).unwrap());
    let file = std::fs::OpenOptions::new().read(true).write(true).open(dir.file()).unwrap();
    let (bad, hold, held) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let file = Arc::new(file);
    let source = {
        let (bad, hold, held) = (bad.clone(), hold.clone(), held.clone());
        move || -> Box<dyn redb::StorageBackend> {
            Box::new(OnFile {
                file: redb::backends::FileBackend::new(file.try_clone().unwrap()).unwrap(),
                bad: bad.clone(),
                hold: hold.clone(),
                held: held.clone(),
            })
        }
    };
    let store = fast_reauth::internal::redb_on(source.clone(), Capacity::default(), PAUSE).unwrap();
    let ids: Vec<_> = (0..30).map(|n| log_in(&store, &format!("user{n}"), START)).collect();
    let id = ids[0];
    drop(store);
    let store = fast_reauth::internal::redb_on(source, Capacity::default(), PAUSE).unwrap();
    hold.store(true, Ordering::SeqCst);
    std::thread::scope(|scope| {
        // A commit whose sync takes longer than a second.
        let writer = scope.spawn(|| store.commit(&count(id, 1), later(1)));
        while !held.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        // Another one fails: the engine opens the file again.
        bad.store(true, Ordering::SeqCst);
        // (stands for a read error while the commit waits; caches are cold in a large file)
        std::thread::Builder::new()
            .name("reader".into())
            .spawn_scoped(scope, || ids.iter().for_each(|id| _ = store.lookup(&of(*id), later(1))))
            .unwrap()
            .join()
            .unwrap();
        bad.store(false, Ordering::SeqCst);
        hold.store(false, Ordering::SeqCst);
        let _ = writer.join().unwrap();
    });
    for _ in 0..50 {
        std::thread::sleep(PAUSE);
        if store.lookup(&of(id), later(200)).is_ok() {
            break;
        }
    }
    assert!(store.lookup(&of(id), later(200)).is_ok(), "it goes on");
    let second = RedbStore::open(dir.file(), Capacity::default());
    assert!(matches!(second, Err(OpenError::InUse)), "a second store opened the file");
}
#[derive(Debug)]
struct OnFile {
    file: redb::backends::FileBackend,
    bad: Arc<AtomicBool>,
    hold: Arc<AtomicBool>,
    held: Arc<AtomicBool>,
}
impl redb::StorageBackend for OnFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn read(&self, o: u64, l: usize) -> io::Result<Vec<u8>> {
        let mut v = self.file.read(o, l)?;
        if std::thread::current().name() == Some("reader") && self.bad.swap(false, Ordering::SeqCst) {
            v.fill(0xa5);
        }
        Ok(v)
    }
    fn set_len(&self, l: u64) -> io::Result<()> {
        self.file.set_len(l)
    }
    fn sync_data(&self, e: bool) -> io::Result<()> {
        while std::thread::current().name() != Some("reader") && self.hold.load(Ordering::SeqCst) {
            self.held.store(true, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(5));
        }
        self.file.sync_data(e)
    }
    fn write(&self, o: u64, d: &[u8]) -> io::Result<()> {
        self.file.write(o, d)
    }
}

/// As many accounts as one write of a sweep takes, none of which can be read.
#[test]
fn a_sweep_of_what_can_not_be_read_comes_to_an_end() {
    const ACCOUNTS: redb::TableDefinition<'_, &[u8; 16], &[u8]> = redb::TableDefinition::new("accounts");
    let disk = Disk::default();
    let store = disk.open(Capacity::default()).unwrap();
    let (server, tls) = (server_with(&[Pin::SHA_256_NONE]), Tls::full());
    for n in 0..1030 {
        let mut connection = fast_reauth::mechanism::Connection::new(&server, tls.server());
        let name = format!("user{n}");
        let login = Login { full: &bound(&name), identity: &name, device: DeviceId::new(fresh()), now: START };
        let Commit::Remember(mut remember) = connection.logged_in(login, &tls.exporter()).commit else { panic!() };
        remember.link = None;
        assert_eq!(store.commit(&Commit::Remember(remember), START), Ok(Committed::Done));
    }
    drop(store);
    let database = redb::Database::builder().create_with_backend(disk.clone()).unwrap();
    let change = database.begin_write().unwrap();
    {
        let mut accounts = change.open_table(ACCOUNTS).unwrap();
        let all: Vec<_> = redb::ReadableTable::iter(&accounts)
            .unwrap()
            .map(|e| {
                let (k, v) = e.unwrap();
                (*k.value(), v.value().to_vec())
            })
            .collect();
        for (key, mut octets) in all {
            octets[20] ^= 1;
            accounts.insert(&key, &*octets).unwrap();
        }
    }
    change.commit().unwrap();
    drop(database);
    let store = Arc::new(disk.open(Capacity::default()).unwrap());
    let (done, ended) = std::sync::mpsc::channel();
    let sweeping = store.clone();
    std::thread::spawn(move || {
        let _ = sweeping.sweep(Timestamp::from_secs(START.as_secs() + 100 * 86400));
        let _ = done.send(());
    });
    assert!(ended.recv_timeout(Duration::from_secs(15)).is_ok(), "the sweep never ends");
}
