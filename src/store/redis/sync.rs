//! The synchronous store.

use core::fmt;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use redis::{Client, Connection, ConnectionLike, Pipeline, Value};

use super::changing::{Everyone, Make, Revoking};
use super::reading::{Devices, Look};
use super::session::{Operation, Session, Shared, Stop, Wire, begin};
use super::settings::{InvalidAddress, RedisProblem, RedisSettings};
use crate::assertion::Scope;
use crate::store::{Commit, Committed, Device, Found, Lookup, Revoke, Store, Unavailable};
use crate::time::Timestamp;

/// A [`Store`] in Valkey or Redis, for threads: a few connections, which are made when they are needed. See the [module](super) and
/// [`RedisSettings`].
///
/// Cloning it shares the connections.
#[derive(Clone)]
pub struct RedisStore {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Shared,
    client: Client,
    pool: Mutex<Pool>,
    returned: Condvar,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    /// Connections in use or being made.
    out: usize,
}

/// One connection, for as long as the call may take.
struct Line<'c> {
    connection: &'c mut Connection,
    deadline: Instant,
}

impl Wire for Line<'_> {
    async fn exchange(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, Stop> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Stop::Late);
        }
        let set = self.connection.set_read_timeout(Some(left)).and(self.connection.set_write_timeout(Some(left)));
        set.map_err(|_| Stop::Broken)?;
        let sent = self.connection.req_packed_commands(&pipeline.get_packed_pipeline(), 0, pipeline.len());
        sent.map_err(|error| if error.is_timeout() { Stop::Late } else { Stop::Broken })
    }
}

/// A place in the pool. It is given back whatever happens.
struct Turn<'i> {
    inner: &'i Inner,
    connection: Option<Connection>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut pool = self.inner.pool();
        pool.out -= 1;
        pool.idle.extend(self.connection.take());
        drop(pool);
        self.inner.returned.notify_one();
    }
}

impl Inner {
    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that nobody uses, or room for a new one.
    fn turn(&self, deadline: Instant) -> Result<Turn<'_>, Stop> {
        let mut pool = self.pool();
        loop {
            if let Some(connection) = pool.idle.pop() {
                pool.out += 1;
                return Ok(Turn { inner: self, connection: Some(connection) });
            }
            if pool.out < self.shared.settings.connections {
                pool.out += 1;
                return Ok(Turn { inner: self, connection: None });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Stop::Late);
            }
            pool = self.returned.wait_timeout(pool, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn connect(&self, deadline: Instant, now: Timestamp) -> Result<Connection, Stop> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Stop::Late);
        }
        let made = self.client.get_connection_with_timeout(left).map_err(|_| Stop::Broken);
        let begun = made.and_then(|mut connection| {
            ready(begin(&mut Line { connection: &mut connection, deadline }, &self.shared, now))?;
            Ok(connection)
        });
        if begun.is_err() {
            self.shared.failed();
        }
        begun
    }

    fn call<O: Operation>(&self, operation: &O, now: Timestamp) -> Result<O::Output, Stop> {
        let deadline = Instant::now() + self.shared.settings.deadline;
        let mut last = Stop::Late;
        // Another time where the server was found to be another one, or an old connection to be dead.
        for _ in 0..4 {
            let mut turn = self.turn(deadline)?;
            let was_idle = turn.connection.is_some();
            let mut connection = match turn.connection.take() {
                Some(connection) => connection,
                None if !self.shared.may_connect() => return Err(Stop::Late),
                None => self.connect(deadline, now)?,
            };
            let wire = Line { connection: &mut connection, deadline };
            let outcome = match Session::new(wire, &self.shared, now) {
                Ok(mut session) => ready(operation.run(&mut session)),
                Err(stop) => Err(stop),
            };
            match outcome {
                Ok(_) | Err(Stop::Full) => {
                    turn.connection = Some(connection);
                    return outcome;
                }
                Err(stop) => {
                    // What happened to one has happened to all that are as old.
                    self.pool().idle.clear();
                    last = stop;
                }
            }
            let again = last == Stop::Moved || (last == Stop::Broken && was_idle && O::REPEATABLE);
            if !again {
                break;
            }
        }
        Err(last)
    }
}

/// Runs what never waits for anything but a blocking call.
fn ready<T>(future: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err(Stop::Broken),
    }
}

impl RedisStore {
    /// A store. It connects when it is first used; [`check`](Self::check) says whether that will do.
    ///
    /// # Errors
    /// [`InvalidAddress`] for an address that this build of the `redis` crate can't connect to.
    pub fn new(settings: RedisSettings) -> Result<Self, InvalidAddress> {
        let client = Client::open(settings.server.clone()).map_err(|_| InvalidAddress)?;
        let shared = Shared::new(settings);
        let inner = Inner { shared, client, pool: Mutex::default(), returned: Condvar::new() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Connects, and says what speaks against this server. A server that is refused here makes every call `Unavailable`.
    ///
    /// # Errors
    /// [`RedisProblem`]
    pub fn check(&self, now: Timestamp) -> Result<(), RedisProblem> {
        let deadline = Instant::now() + self.inner.shared.settings.deadline;
        let turn = self.inner.turn(deadline);
        let connected = turn.and_then(|mut turn| {
            turn.connection = Some(self.inner.connect(deadline, now)?);
            Ok(())
        });
        connected.map_err(Stop::problem)
    }

    fn call<O: Operation>(&self, operation: &O, now: Timestamp) -> Result<O::Output, Unavailable> {
        self.inner.call(operation, now).map_err(|_| Unavailable)
    }
}

impl Store for RedisStore {
    fn lookup(&self, lookup: &Lookup, now: Timestamp) -> Result<Found, Unavailable> {
        self.call(&Look(lookup), now)
    }

    fn commit(&self, commit: &Commit, now: Timestamp) -> Result<Committed, Unavailable> {
        self.call(&Make(commit), now)
    }

    fn devices(&self, identity: &str, scope: Option<&Scope>, now: Timestamp) -> Result<Vec<Device>, Unavailable> {
        self.call(&Devices { identity, scope }, now)
    }

    fn revoke(&self, identity: &str, which: Revoke, now: Timestamp) -> Result<usize, Unavailable> {
        self.call(&Revoking { identity, which }, now)
    }

    fn revoke_everyone(&self, now: Timestamp) -> Result<(), Unavailable> {
        self.call(&Everyone, now)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("settings", &self.inner.shared.settings).finish_non_exhaustive()
    }
}
