//! A store in one file of this machine, for servers that remember their clients over restarts and crashes.

mod account;
mod commit;
mod engine;
mod packed;
mod revoking;
mod room;
mod tables;
mod using;

use core::fmt;
use core::time::Duration;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::FileBackend;

use self::engine::{Engine, PAUSE, Source};
use self::tables::{ASSERTIONS, HANDLES, LOGINS, TOKENS};
use super::{Capacity, Commit, Committed, Device, Found, Lookup, Revoke, Store, Unavailable};
use crate::assertion::Scope;
use crate::time::Timestamp;

/// Accounts that a sweep takes on in one write.
const SWEPT_AT_ONCE: usize = 1024;

/// A [`Store`] in a file, by the [redb](https://docs.rs/redb) database.
///
/// Each commit is durable when it returns: two `fsync` calls. Commits that wait for each other share them. A lookup
/// waits for no commit, and what is recognised without a change writes nothing.
///
/// The file is of this process alone, and holds secrets: it is made for its owner only (mode 0600 on Unix). Opening it reads all of
/// it, to find damage: some seconds for a million clients. After an error of the disk (it is full, say) the store answers
/// [`Unavailable`] for two seconds, and as long as it takes to open the file again; then it goes on by itself.
///
/// A copy of the file is as good as the moment it was made: counters used and clients revoked since are unknown to it. Who puts
/// such a copy back calls [`revoke_everyone`](Store::revoke_everyone) before anything else.
///
/// The database panics on some kinds of damage; that ends here as an error, unless the program is built with `panic = "abort"`.
pub struct RedbStore {
    engine: Engine,
    capacity: Capacity,
}

/// Why a file can't be opened as a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The operating system says no.
    #[error("the store's file can't be opened: {0}")]
    Io(#[from] io::Error),
    /// Another process has it open, or this one has, as another store.
    #[error("the store's file is in use")]
    InUse,
    /// It is damaged, or no store. Nothing but a new file helps: what was forgotten costs each client one full login.
    #[error("the store's file is damaged, or no store")]
    Damaged,
    /// A version that this library does not read.
    #[error("the store's file is of another version")]
    Version,
}

/// Why a transaction came to nothing.
#[derive(Debug)]
enum Failed {
    /// The database failed and has to be opened again.
    Storage,
    /// An account is not what was written.
    Damaged,
}

macro_rules! storage_failures {
    ($($error:ident),*) => {$(
        impl From<redb::$error> for Failed {
            fn from(_: redb::$error) -> Self {
                Self::Storage
            }
        }
    )*};
}

storage_failures!(TransactionError, TableError, StorageError, CommitError);

impl RedbStore {
    /// Opens the store in this file, or makes the file.
    ///
    /// # Errors
    /// [`OpenError`] says why not.
    pub fn open(path: impl AsRef<Path>, capacity: Capacity) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let file = match open_file(path, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_file(path)?;
                open_file(path, false)
            }
            file => file,
        };
        Self::on(source_of(file?), capacity, PAUSE)
    }

    pub(crate) fn on(source: Source, capacity: Capacity, pause: Duration) -> Result<Self, OpenError> {
        Ok(Self { engine: Engine::new(source, pause)?, capacity })
    }

    /// How many records and how many lineages it holds now.
    ///
    /// # Errors
    /// [`Unavailable`] when the file can't be read.
    pub fn len(&self) -> Result<(usize, usize), Unavailable> {
        let (records, lineages) = self.engine.read(|snapshot| snapshot.len())?;
        Ok((records as usize, lineages as usize))
    }

    /// Whether it holds nothing.
    ///
    /// # Errors
    /// [`Unavailable`] when the file can't be read.
    pub fn is_empty(&self) -> Result<bool, Unavailable> {
        Ok(self.len()? == (0, 0))
    }

    /// Forgets what expired. Each commit does a part of it; call it now and then where commits are rare.
    ///
    /// # Errors
    /// [`Unavailable`] when the file can't be written; what was done until then stays done.
    pub fn sweep(&self, now: Timestamp) -> Result<(), Unavailable> {
        while self.engine.write(|work| work.sweep(now, SWEPT_AT_ONCE))? == SWEPT_AT_ONCE {}
        Ok(())
    }
}

/// The file, for its owner only.
fn open_file(path: &Path, make: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(make);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn source_of(file: File) -> Source {
    Box::new(move || Ok(Box::new(FileBackend::new(file.try_clone()?)?)))
}

/// Makes an empty store under another name first, so that a crash in between leaves nothing under this one.
fn make_file(path: &Path) -> Result<(), OpenError> {
    let named = |n: u64| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".new-{}-{n}", std::process::id()));
        PathBuf::from(name)
    };
    let mut n = 0;
    let (name, file) = loop {
        match open_file(&named(n), true) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => n += 1,
            file => break (named(n), file?),
        }
    };
    let made = Engine::new(source_of(file), PAUSE).map(drop).and_then(|()| match fs::hard_link(&name, path) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => Ok(linked?),
    });
    fs::remove_file(&name)?;
    made?;
    #[cfg(unix)]
    File::open(path.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(())
}

impl Store for RedbStore {
    fn lookup(&self, lookup: &Lookup<'_>, now: Timestamp) -> Result<Found, Unavailable> {
        self.engine.read(|snapshot| {
            let mut found = Found::default();
            if let Some(id) = &lookup.assertion {
                let record = snapshot.find(ASSERTIONS, id.as_octets(), |it| it.record(id), |it| it.record(id))?;
                found.record = record.map(Arc::new).into();
            }
            if let Some(handle) = &lookup.handle {
                let name = handle.as_octets();
                let lineage =
                    snapshot.find(HANDLES, name, |it| it.lineage(handle), |it| it.lineage(handle).cloned())?;
                found.lineage = lineage.map(Arc::new);
            }
            if let Some(id) = &lookup.token {
                let token = snapshot.find(TOKENS, id.as_octets(), |it| it.tokens(id), |it| it.tokens(id))?;
                found.token = token.map(Arc::new).into();
            }
            if let Some(login) = lookup.login.filter(|_| lookup.account).map(|login| login.id()) {
                // Everyone's revocation took the secrets with it.
                let state = snapshot.find(LOGINS, login.as_octets(), |it| it.state(now), |_| None)?;
                found.account = state.map(Arc::new).into();
            }
            Ok(found)
        })
    }

    fn commit(&self, commit: &Commit, now: Timestamp) -> Result<Committed, Unavailable> {
        self.engine.commit(commit, &self.capacity, now)
    }

    fn devices(&self, identity: &str, scope: Option<&Scope>, now: Timestamp) -> Result<Vec<Device>, Unavailable> {
        let devices = self.engine.read(|snapshot| snapshot.account(identity, |it| it.devices(scope, now)))?;
        Ok(devices.unwrap_or_default())
    }

    fn revoke(&self, identity: &str, which: Revoke, now: Timestamp) -> Result<usize, Unavailable> {
        self.engine.write(|work| work.revoke(identity, which, now))
    }

    fn revoke_everyone(&self, now: Timestamp) -> Result<(), Unavailable> {
        self.engine.write(|work| work.revoke_everyone(now))
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}
