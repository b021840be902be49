//! The database in its file: opened, checked, written in groups, and opened again after a failure.

use core::time::Duration;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::thread;

use redb::{Database, DatabaseError, StorageBackend, StorageError};

use super::super::{Capacity, Commit, Committed, Unavailable};
use super::tables::{Snapshot, Work, prepare};
use super::{Failed, OpenError};
use crate::time::Timestamp;

/// Gives the storage, each time that it is opened.
pub(super) type Source = Box<dyn Fn() -> Result<Box<dyn StorageBackend>, DatabaseError> + Send + Sync>;

/// How long nothing is tried again that failed, in seconds: opening a large file reads all of it.
const PAUSE: u64 = 2;

/// How long whoever opens the file again waits for the transactions that are under way.
const MOMENT: Duration = Duration::from_millis(5);
const MOMENTS: u32 = 200;

/// What of the file is kept in memory besides the operating system's cache, in octets.
const CACHE: usize = 64 * 1024 * 1024;

pub(super) struct Engine {
    source: Source,
    /// The database, and how often it was opened; `None` after a failure. Nobody holds it for longer than a transaction takes.
    open: RwLock<(u64, Option<Arc<Database>>)>,
    /// Whoever opens it again: reading all of a large file takes a while, in which everyone else goes without.
    opening: Mutex<()>,
    failed: Mutex<Option<Timestamp>>,
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
    pub(super) fn new(source: Source) -> Result<Self, OpenError> {
        let database = open(&source)?;
        Ok(Self {
            source,
            open: RwLock::new((0, Some(Arc::new(database)))),
            opening: Mutex::new(()),
            failed: Mutex::new(None),
            queue: Mutex::new(Vec::new()),
            writer: Mutex::new(()),
        })
    }

    /// Reads from what is there now.
    pub(super) fn read<T>(
        &self,
        now: Timestamp,
        read: impl FnOnce(&Snapshot) -> Result<T, Failed>,
    ) -> Result<T, Unavailable> {
        let done = self.run(|database| read(&Snapshot(database.begin_read()?)));
        done.map_err(|why| self.recover(why, now))
    }

    /// One durable write; what `change` answers counts only when it is on the disk.
    pub(super) fn write<T>(
        &self,
        now: Timestamp,
        change: impl FnOnce(&mut Work<'_>) -> Result<T, Failed>,
    ) -> Result<T, Unavailable> {
        let turn = lock(&self.writer);
        let done = self.write_in_turn(now, change);
        drop(turn);
        done.map_err(|why| self.recover(why, now))
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
        let done = self.write_in_turn(now, |work| {
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
            self.recover(why, now);
        }
        let own = lock(&outcome).take();
        own.unwrap_or(Err(Unavailable))
    }

    fn write_in_turn<T>(
        &self,
        now: Timestamp,
        change: impl FnOnce(&mut Work<'_>) -> Result<T, Failed>,
    ) -> Result<T, Why> {
        if self.is_paused(now) {
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
        let (opened, database) = self.open.read().unwrap_or_else(PoisonError::into_inner).clone();
        let failed = database.is_some();
        if let Some(database) = database {
            match guarded(|| run(&database)) {
                Some(Ok(done)) => return Ok(done),
                Some(Err(Failed::Damaged)) => return Err(Why::Known),
                Some(Err(Failed::Storage)) | None => guarded(|| drop(database)),
            };
        }
        Err(Why::Closed { opened, failed })
    }

    /// Whoever comes upon a failure opens the file again, and keeps nobody else from their turn meanwhile.
    fn recover(&self, why: Why, now: Timestamp) -> Unavailable {
        if let Why::Closed { opened, failed } = why {
            self.open_again(opened, failed, now);
        }
        Unavailable
    }

    /// After a failure the database answers nothing any more until it is opened again. Shortly after another failure that waits.
    fn open_again(&self, opened: u64, failed: bool, now: Timestamp) {
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
            let in_use = before.as_ref().map(Arc::downgrade).unwrap_or_default();
            guarded(|| drop(before));
            // Others may be in the middle of a transaction. The file is theirs until its end.
            for _ in 0..MOMENTS {
                if in_use.strong_count() == 0 {
                    break;
                }
                thread::sleep(MOMENT);
            }
        }
        let database = if self.is_paused(now) { None } else { open(&self.source).ok() };
        if failed || database.is_none() {
            *lock(&self.failed) = Some(now);
        }
        let opened = opened + u64::from(database.is_some());
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = (opened, database.map(Arc::new));
    }

    fn is_paused(&self, now: Timestamp) -> bool {
        lock(&self.failed).is_some_and(|at| at <= now && at.seconds_until(now) < PAUSE)
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
