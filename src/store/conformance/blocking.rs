//! An asynchronous store, as the cases call it.

use core::fmt;
use core::future::Future;
use core::pin::{Pin, pin};

use crate::assertion::Scope;
use crate::store::{AsyncStore, Commit, Committed, Device, Found, Lookup, Revoke, Store, Unavailable};
use crate::time::Timestamp;

/// A call of an asynchronous store that is under way.
pub type Pending<'a> = Pin<&'a mut (dyn Future<Output = ()> + Send + 'a)>;

/// An [`AsyncStore`] as a [`Store`]: each call waits for its future, in whatever way the runtime has.
///
/// With tokio, `Blocking::new(store, move |call| handle.block_on(call))`. The cases call it from many threads at once, none of which
/// is the runtime's own.
pub struct Blocking<'r, S> {
    store: S,
    block_on: Box<dyn Fn(Pending<'_>) + Send + Sync + 'r>,
}

impl<'r, S: AsyncStore> Blocking<'r, S> {
    /// The store, and what runs a future to its end.
    pub fn new(store: S, block_on: impl Fn(Pending<'_>) + Send + Sync + 'r) -> Self {
        Self { store, block_on: Box::new(block_on) }
    }

    /// The store.
    pub fn into_inner(self) -> S {
        self.store
    }

    /// The store.
    pub fn get(&self) -> &S {
        &self.store
    }

    fn wait<T: Send>(&self, call: impl Future<Output = Result<T, Unavailable>> + Send) -> Result<T, Unavailable> {
        let mut answer = Err(Unavailable);
        {
            let call = pin!(async { answer = call.await });
            (self.block_on)(call);
        }
        answer
    }
}

impl<S: AsyncStore> Store for Blocking<'_, S> {
    fn lookup(&self, lookup: &Lookup, now: Timestamp) -> Result<Found, Unavailable> {
        self.wait(self.store.lookup(lookup, now))
    }

    fn commit(&self, commit: &Commit, now: Timestamp) -> Result<Committed, Unavailable> {
        self.wait(self.store.commit(commit, now))
    }

    fn devices(&self, identity: &str, scope: Option<&Scope>, now: Timestamp) -> Result<Vec<Device>, Unavailable> {
        self.wait(self.store.devices(identity, scope, now))
    }

    fn revoke(&self, identity: &str, which: Revoke, now: Timestamp) -> Result<usize, Unavailable> {
        self.wait(self.store.revoke(identity, which, now))
    }

    fn revoke_everyone(&self, now: Timestamp) -> Result<(), Unavailable> {
        self.wait(self.store.revoke_everyone(now))
    }
}

impl<S: fmt::Debug> fmt::Debug for Blocking<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blocking").field(&self.store).finish()
    }
}
