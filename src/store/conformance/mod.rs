//! The contract of [`Store`], as checks that any implementation can be put to. Behind the feature `conformance`, for tests.
//!
//! Each [`Case`] is a clause of the contract's documentation. Where the contract leaves a store free (revoked things may be kept
//! or forgotten, an expired record may be given or not), every allowed answer passes.
//!
//! ```
//! use fast_reauth::store::{MemoryStore, conformance};
//!
//! struct InMemory;
//!
//! impl conformance::Subject for InMemory {
//!     type Store = MemoryStore;
//!
//!     fn fresh(&mut self) -> MemoryStore {
//!         MemoryStore::default()
//!     }
//! }
//!
//! # fn main() {
//! let case = conformance::cases().iter().find(|case| case.name() == "counters::used_twice").unwrap();
//! assert!(case.run(&mut InMemory).is_passed());
//! # }
//! // And in a test of your own: let report = conformance::run(&mut InMemory); assert!(report.is_passed(), "{report}");
//! ```
//!
//! A store that outlives its process implements [`Subject::reopen`] as well, one that several nodes share [`Subject::another`], one
//! whose size can be set [`Subject::limited`]; what is left out is skipped. An [`AsyncStore`](super::AsyncStore) goes in as
//! [`Blocking`]. A store for tests needs room for some 3,000 records and sessions, and for a dozen clients of an account.

mod blocking;
mod bounds;
mod cases;
mod counters;
mod failures;
mod on;
mod races;
mod remembering;
mod reopening;
mod revocation;
mod scene;
mod secrets;
mod sessions;
mod successors;
mod tokens;
mod using;

use core::fmt;

pub use blocking::{Blocking, Pending};

use self::cases::CASES;
use self::on::{Checked, On};
use super::Store;

/// An implementation that is put to the contract.
pub trait Subject {
    /// Its store.
    type Store: Store;

    /// An empty store, which shares nothing with those before it. A case asks for one, and drops it before the next one does.
    fn fresh(&mut self) -> Self::Store;

    /// The same data after a restart: closed, and opened anew. `None`, the default, where a restart forgets everything.
    fn reopen(&mut self, store: Self::Store) -> Option<Self::Store> {
        drop(store);
        None
    }

    /// Another handle on the same data, as another node of the service has one. `None`, the default, where there is none; threads then
    /// share the one there is.
    fn another(&mut self, store: &Self::Store) -> Option<Self::Store> {
        let _ = store;
        None
    }

    /// An empty store with room for so many records in all, and for as many sessions at least. `None`, the default, where it can't be
    /// set.
    fn limited(&mut self, records: usize) -> Option<Self::Store> {
        let _ = records;
        None
    }
}

/// One clause of the contract.
pub struct Case {
    name: &'static str,
    check: Check,
}

enum Check {
    /// On an empty store.
    Plain(fn(On<'_>) -> Checked),
    /// By many threads, on two handles of an empty store.
    Shared(fn(On<'_>, On<'_>) -> Checked),
    /// Before and after a restart.
    Reopened(fn(On<'_>) -> Checked, fn(On<'_>) -> Checked),
    /// On an empty store with room for so many records.
    Limited(usize, fn(On<'_>) -> Checked),
}

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The store does what the contract asks.
    Passed,
    /// The subject has no such store.
    Skipped,
    /// It does not, and why.
    Failed(String),
}

impl Verdict {
    /// Whether nothing speaks against the store; also where the case was skipped.
    pub fn is_passed(&self) -> bool {
        !matches!(self, Self::Failed(_))
    }
}

impl Case {
    /// What it is called: `part::clause`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Puts one store to it.
    pub fn run<S: Subject>(&self, subject: &mut S) -> Verdict {
        let checked = match self.check {
            Check::Plain(check) => check(On(&subject.fresh())),
            Check::Shared(check) => {
                let store = subject.fresh();
                match subject.another(&store) {
                    Some(other) => check(On(&store), On(&other)),
                    None => check(On(&store), On(&store)),
                }
            }
            Check::Reopened(before, after) => {
                let store = subject.fresh();
                if let Err(why) = before(On(&store)) {
                    return Verdict::Failed(format!("before the restart: {why}"));
                }
                let Some(store) = subject.reopen(store) else { return Verdict::Skipped };
                after(On(&store)).map_err(|why| format!("after the restart: {why}"))
            }
            Check::Limited(records, check) => {
                let Some(store) = subject.limited(records) else { return Verdict::Skipped };
                check(On(&store))
            }
        };
        checked.map_or_else(Verdict::Failed, |()| Verdict::Passed)
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Every case, for a harness that runs and names them one by one.
pub const fn cases() -> &'static [Case] {
    CASES
}

/// Puts a store to every case.
pub fn run(subject: &mut impl Subject) -> Report {
    Report { verdicts: CASES.iter().map(|case| (case.name, case.run(subject))).collect() }
}

/// What came of all cases. It prints as one line for each that failed, and a last one that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it says whether the store keeps to the contract"]
pub struct Report {
    /// The cases by name, in their order.
    pub verdicts: Vec<(&'static str, Verdict)>,
}

impl Report {
    /// Whether no case failed.
    pub fn is_passed(&self) -> bool {
        self.verdicts.iter().all(|(_, verdict)| verdict.is_passed())
    }

    /// The cases that failed, and why.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.verdicts.iter().filter_map(|(name, verdict)| match verdict {
            Verdict::Failed(why) => Some((*name, &**why)),
            Verdict::Passed | Verdict::Skipped => None,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failures().try_for_each(|(name, why)| writeln!(f, "{name}: {why}"))?;
        let count = |meant: &Verdict| self.verdicts.iter().filter(|(_, verdict)| verdict == meant).count();
        let (passed, skipped) = (count(&Verdict::Passed), count(&Verdict::Skipped));
        write!(f, "{passed} passed, {skipped} skipped, {} failed", self.verdicts.len() - passed - skipped)
    }
}
