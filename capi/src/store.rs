//! A server's store.
#![forbid(unsafe_code)]

use std::sync::Arc;

use fast_reauth::Timestamp;
use fast_reauth::store::{Capacity, MemoryStore, OpenError, RedbStore, Revoke, Store};

use crate::fr_result;

/// What a server remembers of its clients. For many threads.
pub struct fr_store(pub(crate) Arc<dyn Store>);

impl fr_store {
    pub(crate) fn open(location: &str) -> Result<Self, fr_result> {
        Ok(Self(match location.split_once(':') {
            None if location == "memory" => Arc::new(MemoryStore::default()),
            Some(("redb", file)) if !file.is_empty() => Arc::new(RedbStore::open(file, Capacity::default())?),
            #[cfg(feature = "redis")]
            Some(("redis" | "unix", _)) => {
                use fast_reauth::store::redis::{RedisSettings, RedisStore};
                let settings = RedisSettings::new(location).map_err(|_| fr_result::FR_INVALID)?;
                Arc::new(RedisStore::new(settings).map_err(|_| fr_result::FR_INVALID)?)
            }
            _ => return Err(fr_result::FR_INVALID),
        }))
    }

    pub(crate) fn revoke(&self, identity: &str, now: u64) -> Result<usize, fr_result> {
        Ok(self.0.revoke(identity, Revoke::All, Timestamp::from_secs(now))?)
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
