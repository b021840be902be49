//! How much a store holds, against how much it may hold.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Capacity;

/// What all accounts take together.
pub(super) struct Counts {
    /// Records, the tokens of a client being one and an account's secret too.
    pub(super) records: Count,
    /// The secrets among them.
    pub(super) secrets: Count,
    pub(super) lineages: Count,
    /// Accounts that have nothing but a revocation to remember.
    pub(super) bare: Count,
}

pub(super) struct Count {
    held: AtomicUsize,
    limit: usize,
}

impl Counts {
    pub(super) fn new(capacity: &Capacity) -> Self {
        let count = |limit| Count { held: AtomicUsize::new(0), limit };
        let (records, lineages) = (capacity.records, capacity.lineages);
        Self { records: count(records), secrets: count(records), lineages: count(lineages), bare: count(records) }
    }
}

impl Count {
    pub(super) fn get(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    pub(super) fn has_room(&self, wanted: usize) -> bool {
        self.get().checked_add(wanted).is_some_and(|sum| sum <= self.limit)
    }

    /// Takes room for `wanted` more, in one step, so that many threads can't overrun the limit.
    pub(super) fn take(&self, wanted: usize) -> bool {
        let more = |held: usize| held.checked_add(wanted).filter(|&sum| sum <= self.limit);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// What had room for `taken` more went from `before` to `after`.
    pub(super) fn settle(&self, before: usize, after: usize, taken: usize) {
        match (before + taken).checked_sub(after) {
            Some(less) => self.held.fetch_sub(less, Ordering::Relaxed),
            None => self.held.fetch_add(after - before - taken, Ordering::Relaxed),
        };
    }
}

/// Room that one change of an account takes while it is made. What it turns out not to need, the store has back at the
/// end.
pub(super) struct Room<'a> {
    counts: &'a Counts,
    records: usize,
    lineages: usize,
}

impl<'a> Room<'a> {
    pub(super) fn new(counts: &'a Counts) -> Self {
        Self { counts, records: 0, lineages: 0 }
    }

    /// Whether there is room for so many records more.
    pub(super) fn records(&mut self, wanted: usize) -> bool {
        let taken = self.counts.records.take(wanted);
        self.records += if taken { wanted } else { 0 };
        taken
    }

    /// Whether there is room for one lineage more.
    pub(super) fn lineage(&mut self) -> bool {
        let taken = self.counts.lineages.take(1);
        self.lineages += usize::from(taken);
        taken
    }

    /// The account took so many records and lineages before, and so many after.
    pub(super) fn settle(self, before: (usize, usize), after: (usize, usize)) {
        self.counts.records.settle(before.0, after.0, self.records);
        self.counts.lineages.settle(before.1, after.1, self.lineages);
    }
}
