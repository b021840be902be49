//! The asynchronous store, on tokio.

use core::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Pipeline, Value};
use tokio::time::timeout;

use super::changing::{Everyone, Make, Revoking};
use super::reading::{Devices, Look};
use super::session::{Operation, Session, Shared, Stop, Wire, begin};
use super::settings::{InvalidAddress, RedisProblem, RedisSettings};
use crate::assertion::Scope;
use crate::store::{AsyncStore, Commit, Committed, Device, Found, Lookup, Revoke, Unavailable};
use crate::time::Timestamp;

/// An [`AsyncStore`] in Valkey or Redis, on tokio: one connection that all calls share. See the [module](super) and [`RedisSettings`].
///
/// Cloning it shares the connection. The runtime that is running when it connects drives it.
#[derive(Clone)]
pub struct AsyncRedisStore {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Shared,
    client: Client,
    current: Mutex<Current>,
    /// One call at a time makes a connection.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Current {
    connection: Option<MultiplexedConnection>,
    /// Counts connections, so that nobody drops another one than that which failed.
    serial: u64,
}

struct Line(MultiplexedConnection);

impl Wire for Line {
    async fn exchange(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, Stop> {
        let sent = self.0.send_packed_commands(pipeline, 0, pipeline.len()).await;
        sent.map_err(|error| if error.is_timeout() { Stop::Late } else { Stop::Broken })
    }
}

impl Inner {
    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connection(&self) -> (Option<MultiplexedConnection>, u64) {
        let current = self.current();
        (current.connection.clone(), current.serial)
    }

    fn drop_connection(&self, serial: u64) {
        let mut current = self.current();
        if current.serial == serial {
            current.connection = None;
        }
    }

    /// The connection, its number, and whether it was there already. `anew` leaves the server no time to recover.
    async fn connect(&self, now: Timestamp, anew: bool) -> Result<(MultiplexedConnection, u64, bool), Stop> {
        if let (Some(connection), serial) = self.connection() {
            return Ok((connection, serial, true));
        }
        let _turn = self.connecting.lock().await;
        if let (Some(connection), serial) = self.connection() {
            return Ok((connection, serial, true));
        }
        if !anew && !self.shared.may_connect() {
            return Err(Stop::Late);
        }
        let deadline = self.shared.settings.deadline;
        let config = AsyncConnectionConfig::new();
        let config = config.set_connection_timeout(Some(deadline)).set_response_timeout(Some(deadline));
        let made = self.client.get_multiplexed_async_connection_with_config(&config).await;
        let mut line = Line(made.map_err(|_| {
            self.shared.failed();
            Stop::Broken
        })?);
        begin(&mut line, &self.shared, now).await.inspect_err(|_| self.shared.failed())?;
        let mut current = self.current();
        current.serial += 1;
        current.connection = Some(line.0.clone());
        Ok((line.0, current.serial, false))
    }

    async fn attempt<O: Operation>(&self, operation: &O, now: Timestamp) -> Result<O::Output, Stop> {
        let mut last = Stop::Late;
        for _ in 0..4 {
            let (connection, serial, was_there) = self.connect(now, false).await?;
            let outcome = match Session::new(Line(connection), &self.shared, now) {
                Ok(mut session) => operation.run(&mut session).await,
                Err(stop) => Err(stop),
            };
            match outcome {
                Ok(_) | Err(Stop::Full | Stop::Garbled) => return outcome,
                Err(stop) => {
                    self.drop_connection(serial);
                    last = stop;
                }
            }
            let again = last == Stop::Moved || (last == Stop::Broken && was_there && O::REPEATABLE);
            if !again {
                break;
            }
        }
        Err(last)
    }

    /// All of a call within its deadline.
    async fn call<O: Operation>(&self, operation: &O, now: Timestamp) -> Result<O::Output, Stop> {
        let serial = self.current().serial;
        match timeout(self.shared.settings.deadline, self.attempt(operation, now)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                self.drop_connection(serial);
                if self.current().connection.is_none() {
                    self.shared.failed();
                }
                Err(Stop::Late)
            }
        }
    }
}

impl AsyncRedisStore {
    /// A store. It connects when it is first used; [`check`](Self::check) says whether that will do.
    ///
    /// # Errors
    /// [`InvalidAddress`] for an address that this build of the `redis` crate can't connect to.
    pub fn new(settings: RedisSettings) -> Result<Self, InvalidAddress> {
        let client = Client::open(settings.server.clone()).map_err(|_| InvalidAddress)?;
        let (current, connecting) = (Mutex::default(), tokio::sync::Mutex::default());
        Ok(Self { inner: Arc::new(Inner { shared: Shared::new(settings), client, current, connecting }) })
    }

    /// Connects, and says what speaks against this server. A server that is refused here makes every call `Unavailable`.
    ///
    /// # Errors
    /// [`RedisProblem`]
    pub async fn check(&self, now: Timestamp) -> Result<(), RedisProblem> {
        let serial = self.inner.current().serial;
        self.inner.drop_connection(serial);
        match timeout(self.inner.shared.settings.deadline, self.inner.connect(now, true)).await {
            Ok(connected) => connected.map(drop).map_err(Stop::problem),
            Err(_) => Err(RedisProblem::Silent),
        }
    }

    pub(super) fn settings(&self) -> &RedisSettings {
        &self.inner.shared.settings
    }

    async fn call<O: Operation>(&self, operation: &O, now: Timestamp) -> Result<O::Output, Unavailable> {
        self.inner.call(operation, now).await.map_err(|_| Unavailable)
    }
}

impl AsyncStore for AsyncRedisStore {
    async fn lookup(&self, lookup: &Lookup<'_>, now: Timestamp) -> Result<Found, Unavailable> {
        self.call(&Look(lookup), now).await
    }

    async fn commit(&self, commit: &Commit, now: Timestamp) -> Result<Committed, Unavailable> {
        self.call(&Make(commit), now).await
    }

    async fn devices(&self, identity: &str, scope: Option<&Scope>, now: Timestamp) -> Result<Vec<Device>, Unavailable> {
        self.call(&Devices { identity, scope }, now).await
    }

    async fn revoke(&self, identity: &str, which: Revoke, now: Timestamp) -> Result<usize, Unavailable> {
        self.call(&Revoking { identity, which }, now).await
    }

    async fn revoke_everyone(&self, now: Timestamp) -> Result<(), Unavailable> {
        self.call(&Everyone, now).await
    }
}

impl fmt::Debug for AsyncRedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncRedisStore").field("settings", &self.inner.shared.settings).finish_non_exhaustive()
    }
}
