//! What the clients of all TLS stacks need alike: TLS sessions by account, and which connection each of them comes from.

mod accounts;
mod sessions;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use accounts::Accounts;
pub(crate) use sessions::Arriving;
#[cfg(feature = "rustls")]
pub(crate) use sessions::SharedSlot;
#[cfg(feature = "openssl")]
pub(crate) use sessions::Slot;

/// Locks; what a panicking holder left behind is whole, as nothing here is changed in two steps.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
