//! The contract of a store that answers later.

use core::fmt;
use core::future::Future;

use super::{Commit, Committed, Device, Found, Lookup, Revoke, Unavailable};
use crate::assertion::Scope;
use crate::time::Timestamp;

/// A store as an asynchronous library sees it: the calls and the contract of [`Store`](super::Store), as futures, for any runtime.
///
/// A future that is dropped leaves the outcome of its call unknown, as [`Unavailable`] does.
pub trait AsyncStore: fmt::Debug + Send + Sync {
    /// See [`Store::lookup`](super::Store::lookup).
    ///
    /// # Errors
    /// [`Unavailable`] when the store does not answer in time.
    fn lookup(&self, lookup: &Lookup<'_>, now: Timestamp) -> impl Future<Output = Result<Found, Unavailable>> + Send;

    /// See [`Store::commit`](super::Store::commit).
    ///
    /// # Errors
    /// [`Unavailable`] when the store does not answer in time; whether it was applied is then unknown.
    fn commit(&self, commit: &Commit, now: Timestamp) -> impl Future<Output = Result<Committed, Unavailable>> + Send;

    /// See [`Store::devices`](super::Store::devices).
    ///
    /// # Errors
    /// [`Unavailable`] when the store does not answer in time.
    fn devices(
        &self,
        identity: &str,
        scope: Option<&Scope>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Device>, Unavailable>> + Send;

    /// See [`Store::revoke`](super::Store::revoke).
    ///
    /// # Errors
    /// [`Unavailable`] when the store does not answer in time.
    fn revoke(
        &self,
        identity: &str,
        which: Revoke,
        now: Timestamp,
    ) -> impl Future<Output = Result<usize, Unavailable>> + Send;

    /// See [`Store::revoke_everyone`](super::Store::revoke_everyone).
    ///
    /// # Errors
    /// [`Unavailable`] when the store does not answer in time.
    fn revoke_everyone(&self, now: Timestamp) -> impl Future<Output = Result<(), Unavailable>> + Send;
}
