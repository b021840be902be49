//! What all TLS stacks need alike. Clients: TLS sessions by account, and which connection each of them comes from. Servers: early data, and
//! what comes behind it.

mod accounts;
mod input;
#[cfg(feature = "openssl")]
pub(crate) mod saved;
mod sessions;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use accounts::Accounts;
pub use input::Input;
pub(crate) use sessions::Arriving;
#[cfg(feature = "rustls")]
pub(crate) use sessions::SharedSlot;
#[cfg(feature = "openssl")]
pub(crate) use sessions::Slot;

/// Locks; what a panicking holder left behind is whole, as nothing here is changed in two steps.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
