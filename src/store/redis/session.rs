//! Round trips: what a call sends, and what every answer has to be checked for.

use core::future::Future;
use core::time::Duration;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use redis::{Pipeline, Value};

use super::layout::{Call, Epoch, Keys, Name, Place};
use super::names::Names;
use super::reply::Broken;
use super::scripts::Script;
use super::settings::{RedisProblem, RedisSettings};
use crate::time::Timestamp;

/// Why a call went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The connection is of no more use.
    Broken,
    /// A reply makes no sense, but the next one may: something that is stored is damaged.
    Garbled,
    /// The time is up.
    Late,
    /// The server went down in between, or was emptied: what was read and written is of no more worth.
    Moved,
    /// The server's memory is full.
    Full,
    /// The server is not used.
    Refused(RedisProblem),
}

impl Stop {
    /// What to tell an operator.
    pub(super) fn problem(self) -> RedisProblem {
        match self {
            Self::Refused(problem) => problem,
            _ => RedisProblem::Silent,
        }
    }
}

/// A connection: one round trip at a time.
pub(super) trait Wire: Send {
    /// Sends all of it, and waits for as many replies; an error that the server answers with is among them.
    fn exchange(&mut self, pipeline: &Pipeline) -> impl Future<Output = Result<Vec<Value>, Stop>> + Send;
}

/// A call of the contract, as round trips.
pub(super) trait Operation: Sync {
    type Output: Send;

    /// Whether it may be sent again where nobody knows what came of it.
    const REPEATABLE: bool;

    fn run<W: Wire>(&self, session: &mut Session<'_, W>) -> impl Future<Output = Result<Self::Output, Stop>> + Send;
}

/// What all connections of a store share.
pub(super) struct Shared {
    pub(super) settings: RedisSettings,
    names: Mutex<Names>,
    state: Mutex<State>,
    /// The latest moment that this handle was told.
    latest: AtomicU64,
    /// A login from before this handle saw the server forget is not remembered: whatever revoked it is forgotten as well.
    floor: AtomicU64,
}

#[derive(Default)]
struct State {
    epoch: Option<Epoch>,
    wait: Duration,
    not_before: Option<Instant>,
}

impl Shared {
    const FIRST_WAIT: Duration = Duration::from_millis(20);
    const LONGEST_WAIT: Duration = Duration::from_secs(1);
    /// How far two clocks may be apart, in seconds.
    const CLOCKS_DIFFER: u64 = 3600;

    pub(super) fn new(settings: RedisSettings) -> Self {
        let (names, state) = (Mutex::default(), Mutex::default());
        Self { settings, names, state, latest: AtomicU64::new(0), floor: AtomicU64::new(0) }
    }

    pub(super) fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the server may be tried at all just now.
    pub(super) fn may_connect(&self) -> bool {
        self.state().not_before.is_none_or(|at| at <= Instant::now())
    }

    /// A server that did not answer is left alone for a while, and each time for longer.
    pub(super) fn failed(&self) {
        let (mut state, now) = (self.state(), Instant::now());
        if state.not_before.is_none_or(|at| at <= now) {
            state.wait = (state.wait * 2).clamp(Self::FIRST_WAIT, Self::LONGEST_WAIT);
            state.not_before = Some(now + state.wait);
        }
    }

    fn connected(&self, epoch: Epoch, now: Timestamp) {
        let mut state = self.state();
        (state.wait, state.not_before) = (Duration::ZERO, None);
        if state.epoch.as_ref().is_some_and(|before| before.generation != epoch.generation) {
            let latest = self.latest.load(Ordering::SeqCst).max(now.as_secs());
            self.floor.fetch_max(latest, Ordering::SeqCst);
        }
        state.epoch = Some(epoch);
    }

    pub(super) fn is_before_floor(&self, full_login: u64, now: Timestamp) -> bool {
        let floor = self.floor.load(Ordering::SeqCst);
        // One that a wrong clock set is none: else nobody would become known here for as long as this process lives.
        full_login <= floor && floor <= now.as_secs().saturating_add(Self::CLOCKS_DIFFER)
    }
}

/// One call of the contract, on one connection.
pub(super) struct Session<'s, W> {
    wire: W,
    pub(super) shared: &'s Shared,
    pub(super) keys: Keys,
    pub(super) epoch: Epoch,
    pub(super) now: Timestamp,
}

impl<'s, W: Wire> Session<'s, W> {
    /// On a connection that was begun with [`begin`].
    pub(super) fn new(wire: W, shared: &'s Shared, now: Timestamp) -> Result<Self, Stop> {
        shared.latest.fetch_max(now.as_secs(), Ordering::SeqCst);
        let epoch = shared.state().epoch.clone().ok_or(Stop::Moved)?;
        let keys = Keys::new(&shared.settings.prefix, &epoch.generation);
        Ok(Self { wire, shared, keys, epoch, now })
    }

    /// One round trip. The epoch is read last, so that a revocation of everyone is noticed if it was over before this call.
    pub(super) async fn run(&mut self, calls: Vec<Call>) -> Result<Vec<Value>, Stop> {
        let mut replies = self.send(&calls).await?;
        let unknown: Vec<usize> = (0..calls.len()).filter(|&at| is_unknown_script(&replies[at])).collect();
        if !unknown.is_empty() {
            let mut pipeline = Pipeline::new();
            for load in Script::load_all() {
                pipeline.add_command(load);
            }
            self.wire.exchange(&pipeline).await?;
            let again: Vec<_> = unknown.iter().map(|&at| calls[at].clone()).collect();
            let mut second = self.send(&again).await?;
            if let Some(epoch) = second.pop() {
                replies.pop();
                replies.push(epoch);
            }
            for (at, reply) in unknown.into_iter().zip(second) {
                replies[at] = reply;
            }
        }
        let epoch = replies.pop().ok_or(Stop::Broken)?;
        calls.iter().zip(&replies).filter(|(call, _)| !call.may_fail).try_for_each(|(_, reply)| check(reply))?;
        match Epoch::read(&epoch)? {
            Some(epoch) if epoch.generation == self.keys.generation => {
                if epoch.count > self.epoch.count {
                    self.shared.state().epoch = Some(epoch.clone());
                }
                self.epoch = epoch;
            }
            _ => return Err(Stop::Moved),
        }
        Ok(replies)
    }

    async fn send(&mut self, calls: &[Call]) -> Result<Vec<Value>, Stop> {
        let mut pipeline = Pipeline::with_capacity(calls.len() + 1);
        for call in calls {
            pipeline.add_command(call.cmd.clone());
        }
        pipeline.cmd("GET").arg(epoch_key(&self.shared.settings));
        let replies = self.wire.exchange(&pipeline).await?;
        if replies.len() == calls.len() + 1 { Ok(replies) } else { Err(Stop::Broken) }
    }

    /// Where this is, as this process knows, or the server.
    pub(super) async fn place(&mut self, name: &Name) -> Result<Option<Place>, Stop> {
        if let Some(place) = self.shared.names().get(name) {
            return Ok(Some(place));
        }
        let replies = self.run(vec![self.keys.place(name)]).await?;
        Ok(match replies.first() {
            Some(Value::BulkString(octets)) => Place::read(octets),
            _ => None,
        })
    }

    /// Everyone is revoked who logged in until now.
    pub(super) async fn revoke_everyone(&mut self) -> Result<(), Stop> {
        let (count, key) = (self.epoch.count, epoch_key(&self.shared.settings));
        let call = Call::script(Script::Everyone, &key, &self.keys.generation).at(self.now);
        self.run(vec![call]).await?;
        if self.epoch.count > count { Ok(()) } else { Err(Stop::Broken) }
    }
}

fn is_unknown_script(reply: &Value) -> bool {
    matches!(reply, Value::ServerError(error) if error.code() == "NOSCRIPT")
}

fn check(reply: &Value) -> Result<(), Stop> {
    match reply {
        Value::ServerError(error) if error.code() == "OOM" => Err(Stop::Full),
        // A script came upon what it can't read. Whatever else a server has against a command, it has against all of them.
        Value::ServerError(error) if matches!(error.code(), "ERR" | "WRONGTYPE") => Err(Stop::Garbled),
        Value::ServerError(_) => Err(Stop::Broken),
        _ => Ok(()),
    }
}

fn epoch_key(settings: &RedisSettings) -> String {
    // A store that forgets and one that keeps have nothing in common.
    format!("{}:{}", settings.prefix, if settings.is_kept() { "kept" } else { "epoch" })
}

/// The first words on a connection: whether this server may be used, which one it is, and whose keys count.
pub(super) async fn begin<W: Wire>(wire: &mut W, shared: &Shared, now: Timestamp) -> Result<(), Stop> {
    let settings = &shared.settings;
    let mut pipeline = Pipeline::new();
    pipeline.cmd("INFO");
    for name in ["appendonly", "appendfsync"] {
        pipeline.cmd("CONFIG").arg("GET").arg(name);
    }
    for load in Script::load_all() {
        pipeline.add_command(load);
    }
    let replies = wire.exchange(&pipeline).await?;
    let [info, appendonly, appendfsync, loaded @ ..] = &*replies else { return Err(Stop::Broken) };
    let unsuited = Stop::Refused(RedisProblem::Unsuited);
    let info = text(info).ok_or(unsuited)?;
    let of = |name: &str| info.lines().find_map(|line| line.split_once(':').filter(|(known, _)| *known == name));
    let of = |name: &str| of(name).map(|(_, value)| value.trim());
    if of("loading").is_some_and(|loading| loading != "0") {
        return Err(Stop::Broken);
    }
    if of("role") != Some("master") {
        return Err(Stop::Refused(RedisProblem::Replica));
    }
    if of("maxmemory_policy") != Some("noeviction") && of("maxmemory") != Some("0") {
        return Err(Stop::Refused(RedisProblem::Evicts));
    }
    if loaded.iter().any(|reply| matches!(reply, Value::ServerError(_))) {
        return Err(unsuited);
    }
    if settings.durability == super::Durability::Always {
        let is = |reply: &Value, wanted: &str| matches!(reply, Value::Array(pair) if pair.get(1).and_then(text) == Some(wanted));
        if !is(appendonly, "yes") || !is(appendfsync, "always") {
            return Err(Stop::Refused(RedisProblem::NotDurable));
        }
    }
    // The process; and the history before it was promoted, as one that was demoted in between may have lost writes.
    let instance = match (settings.is_kept(), of("run_id"), of("master_replid2")) {
        (true, ..) => "kept".to_owned(),
        (false, Some(run), before) => format!("{run}/{}", before.unwrap_or_default()),
        _ => return Err(unsuited),
    };
    let mut fresh = [0; 8];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut fresh).map_err(|_| Stop::Broken)?;
    let fresh = format!("{:016x}", u64::from_be_bytes(fresh));
    let mut pipeline = Pipeline::new();
    pipeline.cmd("EVALSHA").arg(Script::Boot.hash()).arg(1).arg(epoch_key(settings)).arg(instance).arg(fresh);
    let replies = wire.exchange(&pipeline).await?;
    let reply = replies.first().ok_or(Stop::Broken)?;
    check(reply)?;
    let epoch = Epoch::read(reply).and_then(|epoch| epoch.ok_or(Broken)).map_err(|_| unsuited)?;
    shared.connected(epoch, now);
    Ok(())
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(octets) => core::str::from_utf8(octets).ok(),
        Value::VerbatimString { text, .. } => Some(text),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}
