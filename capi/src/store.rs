//! A server's store.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::{mem, process};

use fast_reauth::store::{Capacity, MemoryStore, OpenError, RedbStore, Revoke, Store};

use crate::fr_result;
use crate::values::present;

/// What a server remembers of its clients. For many threads.
pub struct fr_store(pub(crate) Arc<Opened>);

/// A store, for the process that opened it. In a fork() it has the same place in the same file, or the same connection to the same Valkey: one would
/// read what the other is answered.
pub(crate) struct Opened {
    store: Option<Box<dyn Store>>,
    process: u32,
}

impl Opened {
    pub(crate) fn store(&self) -> Result<&dyn Store, fr_result> {
        self.store.as_deref().filter(|_| self.process == process::id()).ok_or(fr_result::FR_FORKED)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if self.process != process::id() {
            mem::forget(self.store.take());
        }
    }
}

impl fr_store {
    pub(crate) fn open(location: &str) -> Result<Self, fr_result> {
        let store: Box<dyn Store> = match location.split_once(':') {
            None if location == "memory" => Box::new(MemoryStore::default()),
            Some(("redb", file)) if !file.is_empty() => Box::new(RedbStore::open(file, Capacity::default())?),
            #[cfg(feature = "redis")]
            Some(("redis" | "unix", _)) => {
                use fast_reauth::store::redis::{RedisSettings, RedisStore};
                let settings = RedisSettings::new(location).map_err(|_| fr_result::FR_INVALID)?;
                Box::new(RedisStore::new(settings).map_err(|_| fr_result::FR_INVALID)?)
            }
            _ => return Err(fr_result::FR_INVALID),
        };
        Ok(Self(Arc::new(Opened { store: Some(store), process: process::id() })))
    }

    pub(crate) fn revoke(&self, identity: &str, now: u64) -> Result<usize, fr_result> {
        Ok(self.0.store()?.revoke(identity, Revoke::All, present(now)?)?)
    }
}

impl From<OpenError> for fr_result {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::InUse => Self::FR_IN_USE,
            OpenError::Damaged => Self::FR_DAMAGED,
            OpenError::Version => Self::FR_VERSION,
            _ => Self::FR_IO,
        }
    }
}
