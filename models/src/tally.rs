//! How often what makes the model worth running came about.

use core::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use fast_reauth::mechanism::Outcome;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Accepted,
    Resumed,
    Renewed,
    ReplyLost,
    Forged,
    ReplayRefused,
    RevokedBeforeCommit,
    LoginRevoked,
    Stale,
    Revoked,
}

const EVENTS: [(Event, &str); 10] = [
    (Event::Accepted, "accepted"),
    (Event::Resumed, "on a session"),
    (Event::Renewed, "renewed"),
    (Event::ReplyLost, "reply lost"),
    (Event::Forged, "forged refusal"),
    (Event::ReplayRefused, "replay refused at the commit"),
    (Event::RevokedBeforeCommit, "revoked between lookup and commit"),
    (Event::LoginRevoked, "revoked between login and commit"),
    (Event::Stale, "stale"),
    (Event::Revoked, "told that it is revoked"),
];

/// Counts, over all states of a run.
#[derive(Debug)]
pub struct Tally {
    counts: [AtomicU64; EVENTS.len()],
    is_heard: bool,
}

impl Tally {
    pub fn new() -> Self {
        Self { counts: Default::default(), is_heard: true }
    }

    /// For what has been counted before.
    pub fn silent() -> Self {
        Self { is_heard: false, ..Self::new() }
    }

    pub fn is_heard(&self) -> bool {
        self.is_heard
    }

    pub fn count_if(&self, condition: bool, event: Event) {
        let count = EVENTS.iter().zip(&self.counts).find(|((known, _), _)| *known == event);
        if let Some((_, count)) = count.filter(|_| condition) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn outcome(&self, outcome: Outcome) {
        match outcome {
            Outcome::Accepted => self.count_if(true, Event::Accepted),
            Outcome::Stale => self.count_if(true, Event::Stale),
            Outcome::Revoked => self.count_if(true, Event::Revoked),
            _ => {}
        }
    }

    /// Counts also what the other one counted.
    pub fn add(&self, other: &Self) {
        for (count, more) in self.counts.iter().zip(&other.counts) {
            count.fetch_add(more.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// What never came about.
    pub fn missing(&self) -> Vec<&'static str> {
        let counts = EVENTS.iter().zip(&self.counts).filter(|(_, count)| count.load(Ordering::Relaxed) == 0);
        counts.map(|((_, name), _)| *name).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = EVENTS.iter().zip(&self.counts).map(|((_, name), count)| (name, count.load(Ordering::Relaxed)));
        let seen: Vec<_> =
            counts.filter(|(_, count)| *count > 0).map(|(name, count)| format!("{name} {count}")).collect();
        f.write_str(&seen.join(", "))
    }
}
