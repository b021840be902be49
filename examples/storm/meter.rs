//! Where a thread's CPU time goes: what a login costs, whatever else this machine does meanwhile.

use std::cell::Cell;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::Fault;

/// What the time is spent on. The rest of a thread's time is that of its sockets, of the runtime and of the kernel's TCP.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    /// All calls of rustls: the handshake, the session's tickets, and the records.
    Tls,
    /// This library's adapter to rustls: a configuration and a handle for each connection, the facts of the channel with two values of
    /// TLS' exporter, and who it was whose session TLS resumes. Logins with a password do the same, as SCRAM is bound to it too.
    Channel,
    /// From what is listed to the verdict on the mechanism's message, with all that the store is asked; or the check of a password.
    Authentication,
    /// Behind the reply, a write to the store: the next connection that resumes this one is known, too.
    Record,
    /// Reading and writing XMPP.
    Xmpp,
}

/// The clock of one thread.
pub(crate) struct Meter {
    parts: [Cell<Duration>; 5],
    calls: [Cell<u32>; 5],
    /// What reading the clock adds to a part.
    clock: Duration,
    /// What bringing back the clock's code took.
    warming: Cell<Duration>,
    start: Duration,
}

impl Meter {
    pub(crate) fn start() -> Self {
        let mut clock: Vec<Duration> = (0..1001).map(|_| cpu()).collect();
        clock = clock.windows(2).map(|two| two[1].saturating_sub(two[0])).collect();
        clock.sort();
        let clock = clock.get(clock.len() / 2).copied().unwrap_or_default();
        let (parts, calls, warming) = Default::default();
        Self { parts, calls, clock, warming, start: cpu() }
    }

    /// Does this, and counts the time for `part`. Nothing in it may wait.
    pub(crate) fn time<T>(&self, part: Part, what: impl FnOnce() -> T) -> T {
        // What lies between two calls pushes the clock's own code out of the caches: the first reading only brings it back.
        let cold = cpu();
        let before = cpu();
        self.warming.set(self.warming.get() + before.saturating_sub(cold));
        let done = what();
        let (spent, calls) = (&self.parts[part as usize], &self.calls[part as usize]);
        spent.set(spent.get() + cpu().saturating_sub(before));
        calls.set(calls.get() + 1);
        done
    }

    /// What was spent since the start, without what the measurement took.
    pub(crate) fn stop(&self) -> Cpu {
        let whole = cpu().saturating_sub(self.start);
        let part = |part: Part| {
            self.parts[part as usize].get().saturating_sub(self.clock * self.calls[part as usize].get()).as_nanos()
                as f64
        };
        let calls: u32 = self.calls.iter().map(Cell::get).sum();
        let (tls, channel) = (part(Part::Tls), part(Part::Channel));
        let (authentication, record) = (part(Part::Authentication), part(Part::Record));
        let xmpp = part(Part::Xmpp);
        let known = tls + channel + authentication + record + xmpp;
        let whole = whole.saturating_sub(self.clock * (2 * calls) + self.warming.get()).as_nanos() as f64;
        Cpu { tls, channel, authentication, record, xmpp, rest: (whole - known).max(0.0) }
    }
}

fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// CPU time by part, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) tls: f64,
    pub(crate) channel: f64,
    pub(crate) authentication: f64,
    pub(crate) record: f64,
    pub(crate) xmpp: f64,
    pub(crate) rest: f64,
}

impl Cpu {
    pub(crate) fn add(&mut self, other: &Self) {
        self.tls += other.tls;
        self.channel += other.channel;
        self.authentication += other.authentication;
        self.record += other.record;
        self.xmpp += other.xmpp;
        self.rest += other.rest;
    }

    /// For each of so many logins.
    pub(crate) fn per(&self, logins: usize) -> Self {
        let each = |sum: f64| sum / logins.max(1) as f64;
        Self {
            tls: each(self.tls),
            channel: each(self.channel),
            authentication: each(self.authentication),
            record: each(self.record),
            xmpp: each(self.xmpp),
            rest: each(self.rest),
        }
    }

    pub(crate) fn whole(&self) -> f64 {
        self.tls + self.channel + self.authentication + self.record + self.xmpp + self.rest
    }

    /// In microseconds.
    pub(crate) fn json(&self) -> Value {
        let micros = |nanos: f64| (nanos / 10.0).round() / 100.0;
        json!({
            "tls": micros(self.tls),
            "channel": micros(self.channel),
            "authentication": micros(self.authentication),
            "record": micros(self.record),
            "xmpp": micros(self.xmpp),
            "sockets": micros(self.rest),
        })
    }

    /// As [`json`](Self::json) writes it.
    pub(crate) fn parse(value: &Value) -> Result<Self, Fault> {
        let part =
            |name: &str| value[name].as_f64().map(|micros| micros * 1e3).ok_or("a measurement without its parts");
        Ok(Self {
            tls: part("tls")?,
            channel: part("channel")?,
            authentication: part("authentication")?,
            record: part("record")?,
            xmpp: part("xmpp")?,
            rest: part("sockets")?,
        })
    }
}

/// Octets of this process that are in memory.
pub(crate) fn resident() -> Result<f64, Fault> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS in /proc/self/status")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<f64>()? * 1024.0)
}
