//! A returning client's login, for free.
#![forbid(unsafe_code)]

pub mod assertion;
pub mod channel;
mod crypto;
pub mod mechanism;
pub mod profile;
#[cfg(feature = "rustls")]
pub mod rustls;
pub mod store;
mod time;

pub use time::Timestamp;

/// Hooks for this project's own tests and fuzzers; no part of the interface.
#[doc(hidden)]
pub mod internal {
    use crate::store::MemoryStore;

    /// A hash over everything that a store holds, counters included.
    pub fn fingerprint(store: &MemoryStore) -> [u8; 32] {
        store.fingerprint()
    }
}
