//! The database in its file: opened, checked, written in groups, and opened again after a failure.

use core::time::Duration;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::thread;
use std::time::Instant;

use redb::{Database, DatabaseError, StorageBackend, StorageError};

use super::super::{Capacity, Commit, Committed, Unavailable};
use super::tables::{Snapshot, Work, prepare};
use super::{Failed, OpenError};
use crate::time::Timestamp;

/// Gives the storage, each time that it is opened.
pub(super) type Source = Box<dyn Fn() -> Result<Box<dyn StorageBackend>, DatabaseError> + Send + Sync>;

/// How long nothing is tried again that failed: opening a large file reads all of it.
pub(super) const PAUSE: Duration = Duration::from_secs(2);

/// How long whoever opens the file again waits for the transactions that are under way.
const MOMENT: Duration = Duration::from_millis(5);
const MOMENTS: u32 = 200;

/// What of the file is kept in memory besides the operating system's cache, in octets, at most: with much less, a million accounts take half as
/// long again to look up as a tenth of them.
const CACHE: usize = 256 * 1024 * 1024;

pub(super) struct Engine {
    source: Source,
    /// The database, and how often it was opened; `None` after a failure. Nobody holds it for longer than a transaction takes.
    open: RwLock<(u64, Option<Arc<Database>>)>,
    /// Whoever opens it again: reading all of a large file takes a while, in which everyone else goes without.
    opening: Mutex<()>,
    /// How many are in the middle of a transaction.
    users: AtomicUsize,
    failed: Mutex<Option<Instant>>,
    /// How long nothing is tried again that failed.
    pause: Duration,
    queue: Mutex<Vec<Waiting>>,
    writer: Mutex<()>,
}

/// A commit that waits for its turn. Whoever is the next to write takes all that wait along.
struct Waiting {
    commit: Commit,
    now: Timestamp,
    outcome: Outcome,
}

/// Why there is no answer.
#[derive(Clone, Copy)]
enum Why {
    /// A pause, or an account that can't be read.
    Known,
    /// The database that was opened as this one, if there was one, just failed.
    Closed { opened: u64, failed: bool },
}

type Outcome = Arc<Mutex<Option<Result<Committed, Unavailable>>>>;

#[derive(Debug)]
struct Boxed(Box<dyn StorageBackend>);

impl StorageBackend for Boxed {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.0.read(offset, len)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self, eventual: bool) -> io::Result<()> {
        self.0.sync_data(eventual)
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

impl Engine {
    pub(super) fn new(source: Source, pause: Duration) -> Result<Self, OpenError> {
        let database = open(&source)?;
        Ok(Self {
            source,
            open: RwLock::new((0, Some(Arc::new(database)))),
            opening: Mutex::new(()),
            users: AtomicUsize::new(0),
            failed: Mutex::new(None),
            pause,
            queue: Mutex::new(Vec::new()),
            writer: Mutex::new(()),
        })
    }

    /// Reads from what is there now.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Snapshot) -> Result<T, Failed>) -> Result<T, Unavailable> {
        let done = self.run(|database| read(&Snapshot(database.begin_read()?)));
        done.map_err(|why| self.recover(why))
    }

    /// One durable write; what `change` answers counts only when it is on the disk.
    pub(super) fn write<T>(&self, change: impl FnOnce(&mut Work<'_>) -> Result<T, Failed>) -> Result<T, Unavailable> {
        let turn = lock(&self.writer);
        let done = self.write_in_turn(change);
        drop(turn);
        done.map_err(|why| self.recover(why))
    }

    /// One durable write for this commit, and for all others that wait for their turn.
    pub(super) fn commit(
        &self,
        commit: &Commit,
        capacity: &Capacity,
        now: Timestamp,
    ) -> Result<Committed, Unavailable> {
        let outcome = Outcome::default();
        lock(&self.queue).push(Waiting { commit: commit.clone(), now, outcome: outcome.clone() });
        let turn = lock(&self.writer);
        if let Some(outcome) = lock(&outcome).take() {
            return outcome;
        }
        let waiting = core::mem::take(&mut *lock(&self.queue));
        let done = self.write_in_turn(|work| {
            let one = |waiting: &Waiting| match work.commit(&waiting.commit, capacity, waiting.now) {
                Ok(committed) => Ok(Ok(committed)),
                // One account can't be read: that is nothing to the others.
                Err(Failed::Damaged) => Ok(Err(Unavailable)),
                Err(failed) => Err(failed),
            };
            waiting.iter().map(one).collect::<Result<Vec<_>, _>>()
        });
        for (at, waiting) in waiting.iter().enumerate() {
            let outcome =
                done.as_ref().map_or(Err(Unavailable), |done| done.get(at).copied().unwrap_or(Err(Unavailable)));
            *lock(&waiting.outcome) = Some(outcome);
        }
        drop(turn);
        if let Err(why) = done {
            self.recover(why);
        }
        let own = lock(&outcome).take();
        own.unwrap_or(Err(Unavailable))
    }

    fn write_in_turn<T>(&self, change: impl FnOnce(&mut Work<'_>) -> Result<T, Failed>) -> Result<T, Why> {
        if self.is_paused() {
            return Err(Why::Known);
        }
        self.run(|database| {
            let mut transaction = database.begin_write()?;
            // The database trusts this commit, not the one before it, should a part of it be damaged later.
            transaction.set_two_phase_commit(true);
            let mut work = Work::new(&transaction)?;
            let done = change(&mut work)?;
            if work.finish()? {
                transaction.commit()?;
            } else {
                transaction.abort()?;
            }
            Ok(done)
        })
    }

    fn run<T>(&self, run: impl FnOnce(&Database) -> Result<T, Failed>) -> Result<T, Why> {
        let (opened, database) = {
            let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
            self.users.fetch_add(usize::from(open.1.is_some()), Ordering::SeqCst);
            open.clone()
        };
        let Some(database) = database else { return Err(Why::Closed { opened, failed: false }) };
        let done = guarded(|| run(&database));
        // Whoever lets go of it last runs its destructor, which writes to the file, and gives up the lock on it.
        guarded(|| drop(database));
        self.users.fetch_sub(1, Ordering::SeqCst);
        match done {
            Some(Ok(done)) => Ok(done),
            Some(Err(Failed::Damaged)) => Err(Why::Known),
            Some(Err(Failed::Storage)) | None => Err(Why::Closed { opened, failed: true }),
        }
    }

    /// Whoever comes upon a failure opens the file again, and keeps nobody else from their turn meanwhile.
    fn recover(&self, why: Why) -> Unavailable {
        if let Why::Closed { opened, failed } = why {
            self.open_again(opened, failed);
        }
        Unavailable
    }

    /// After a failure the database answers nothing any more until it is opened again. Shortly after another failure that waits.
    fn open_again(&self, opened: u64, failed: bool) {
        let _turn = match self.opening.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        {
            let mut open_now = self.open.write().unwrap_or_else(PoisonError::into_inner);
            if open_now.0 != opened || open_now.1.is_some() != failed {
                return;
            }
            let before = open_now.1.take();
            drop(open_now);
            guarded(|| drop(before));
        }
        let paused = self.is_paused();
        if failed {
            *lock(&self.failed) = Some(Instant::now());
        }
        // Who finds it closed tries without delay: there will be a next one.
        let moments = if failed { MOMENTS } else { 0 };
        if paused || !self.is_let_go_of(moments) {
            return;
        }
        let database = open(&self.source).ok();
        if database.is_none() {
            *lock(&self.failed) = Some(Instant::now());
        }
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = (opened + 1, database.map(Arc::new));
    }

    /// Waits a moment for transactions that are under way. The file is theirs until their end, however long that takes: two databases
    /// on one file would each overwrite what the other one counted.
    fn is_let_go_of(&self, moments: u32) -> bool {
        let is_free = || self.users.load(Ordering::SeqCst) == 0;
        is_free()
            || (0..moments).any(|_| {
                thread::sleep(MOMENT);
                is_free()
            })
    }

    fn is_paused(&self) -> bool {
        lock(&self.failed).is_some_and(|at| at.elapsed() < self.pause)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let database = self.open.get_mut().unwrap_or_else(PoisonError::into_inner).1.take();
        guarded(|| drop(database));
    }
}

/// Opens the database and reads all of it once: every page has a checksum, which is not looked at again after this.
fn open(source: &Source) -> Result<Database, OpenError> {
    let opened = guarded(|| {
        let was_checked = Arc::new(AtomicBool::new(false));
        let mut builder = Database::builder();
        let checks = was_checked.clone();
        builder.set_repair_callback(move |_| checks.store(true, Ordering::Relaxed));
        builder.set_cache_size(CACHE).create_with_file_format_v3(true);
        let mut database = builder.create_with_backend(Boxed(source()?))?;
        // A file that was not closed was checked just now.
        if !was_checked.load(Ordering::Relaxed) {
            database.check_integrity()?;
        }
        let prepared = database.begin_write().map_err(Failed::from).and_then(|mut transaction| {
            transaction.set_two_phase_commit(true);
            let is_ours = prepare(&transaction)?;
            if is_ours {
                transaction.commit()?
            } else {
                transaction.abort()?
            }
            Ok(is_ours)
        });
        match prepared {
            Ok(true) => Ok(database),
            Ok(false) => Err(OpenError::Version),
            Err(_) => Err(OpenError::Io(io::Error::other("the first write failed"))),
        }
    });
    opened.unwrap_or(Err(OpenError::Damaged))
}

/// The database panics on some kinds of damage, and so may its destructor.
fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<DatabaseError> for OpenError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen => Self::InUse,
            DatabaseError::UpgradeRequired(_) => Self::Version,
            DatabaseError::Storage(StorageError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                Self::Damaged
            }
            DatabaseError::Storage(StorageError::Io(error)) => Self::Io(error),
            _ => Self::Damaged,
        }
    }
}
