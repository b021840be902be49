//! The synchronous store: the asynchronous one on a thread of its own, so that a deadline is one whatever the server does.

use core::fmt;
use core::pin::Pin;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::asynchronous::AsyncRedisStore;
use super::settings::{InvalidAddress, RedisProblem, RedisSettings};
use crate::assertion::Scope;
use crate::store::{AsyncStore, Commit, Committed, Device, Found, Lookup, Revoke, Store, Unavailable};
use crate::time::Timestamp;

/// A [`Store`] in Valkey or Redis, for threads: one connection, made when it is needed, which all calls share, on a thread of its own. See the
/// [module](super) and [`RedisSettings`].
///
/// Cloning it shares the connection and the thread, which ends with the last clone.
#[derive(Clone)]
pub struct RedisStore {
    inner: Arc<Inner>,
}

struct Inner {
    store: AsyncRedisStore,
    deadline: Duration,
    /// The thread's work, once there is one, and the process that has the thread: a fork of it has none.
    jobs: Mutex<Option<(u32, UnboundedSender<Job>)>>,
}

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How much longer than its deadline a call waits for the thread, which keeps to the deadline by itself unless it doesn't run at all.
const SLACK: Duration = Duration::from_millis(100);

impl Inner {
    /// Has it run on the thread. `None` if there is none to be had, or it does not answer in time.
    fn run<T: Send + 'static>(&self, job: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let (answer, answered) = sync_channel(1);
        let job: Job = Box::pin(async move {
            // Whoever asked may have given up by now.
            let _ = answer.send(job.await);
        });
        self.send(job)?;
        answered.recv_timeout(self.deadline.saturating_add(SLACK)).ok()
    }

    fn send(&self, job: Job) -> Option<()> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let process = std::process::id();
        if jobs.as_ref().is_none_or(|(owner, jobs)| *owner != process || jobs.is_closed()) {
            *jobs = Some((process, thread_of_its_own()?));
        }
        jobs.as_ref()?.1.send(job).ok()
    }
}

fn thread_of_its_own() -> Option<UnboundedSender<Job>> {
    let (sender, mut jobs) = unbounded_channel::<Job>();
    let run = move || {
        // Without a runtime its end of the channel is closed, and the next call tries again.
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            while let Some(job) = jobs.recv().await {
                tokio::spawn(job);
            }
        });
    };
    thread::Builder::new().name("fast-reauth redis".to_owned()).spawn(run).ok()?;
    Some(sender)
}

impl RedisStore {
    /// A store. It connects when it is first used; [`check`](Self::check) says whether that will do.
    ///
    /// # Errors
    /// [`InvalidAddress`] for an address that this build of the `redis` crate can't connect to.
    pub fn new(settings: RedisSettings) -> Result<Self, InvalidAddress> {
        let deadline = settings.deadline;
        let store = AsyncRedisStore::new(settings)?;
        Ok(Self { inner: Arc::new(Inner { store, deadline, jobs: Mutex::new(None) }) })
    }

    /// Connects, and says what speaks against this server. A server that is refused here makes every call `Unavailable`.
    ///
    /// # Errors
    /// [`RedisProblem`]
    pub fn check(&self, now: Timestamp) -> Result<(), RedisProblem> {
        let store = self.inner.store.clone();
        self.inner.run(async move { store.check(now).await }).unwrap_or(Err(RedisProblem::Silent))
    }

    fn call<T, F>(&self, call: impl FnOnce(AsyncRedisStore) -> F) -> Result<T, Unavailable>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Unavailable>> + Send + 'static,
    {
        self.inner.run(call(self.inner.store.clone())).unwrap_or(Err(Unavailable))
    }
}

impl Store for RedisStore {
    fn lookup(&self, lookup: &Lookup<'_>, now: Timestamp) -> Result<Found, Unavailable> {
        let lookup = lookup.owned();
        self.call(|store| async move { store.lookup(&lookup, now).await })
    }

    fn commit(&self, commit: &Commit, now: Timestamp) -> Result<Committed, Unavailable> {
        let commit = commit.clone();
        self.call(|store| async move { store.commit(&commit, now).await })
    }

    fn devices(&self, identity: &str, scope: Option<&Scope>, now: Timestamp) -> Result<Vec<Device>, Unavailable> {
        let (identity, scope) = (identity.to_owned(), scope.cloned());
        self.call(|store| async move { store.devices(&identity, scope.as_ref(), now).await })
    }

    fn revoke(&self, identity: &str, which: Revoke, now: Timestamp) -> Result<usize, Unavailable> {
        let identity = identity.to_owned();
        self.call(|store| async move { store.revoke(&identity, which, now).await })
    }

    fn revoke_everyone(&self, now: Timestamp) -> Result<(), Unavailable> {
        self.call(|store| async move { store.revoke_everyone(now).await })
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("settings", self.inner.store.settings()).finish_non_exhaustive()
    }
}
