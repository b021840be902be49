//! What became of whom, and whether that is as it has to be.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::common::Fault;
use crate::server::Used;
use crate::strangers::{End, Kind};

/// A run that is shorter than this has a server that is still filling its caches.
const LONG: Duration = Duration::from_secs(240);

/// So many of a kind's connections may come to nothing on this side, one in this many; more, and the kind was not tried as it should be.
const FAULTS: u64 = 20;

/// Connections of one kind, with one end.
#[derive(Default)]
struct Tried {
    connections: u64,
    /// Lines, messages or writes, whichever the kind tries.
    inputs: u64,
    longest: Duration,
}

#[derive(Default)]
pub(crate) struct Report {
    known: BTreeMap<String, u64>,
    refused: Vec<String>,
    strangers: BTreeMap<(Kind, End), Tried>,
    /// What went wrong on this side: how often, and what at first.
    faults: BTreeMap<Kind, (u64, String)>,
    used: Vec<(Duration, Used)>,
}

impl Report {
    pub(crate) fn came_back(&mut self, mechanism: &str) {
        *self.known.entry(mechanism.to_owned()).or_default() += 1;
    }

    pub(crate) fn refused(&mut self, fault: &Fault) {
        self.refused.push(fault.to_string());
    }

    pub(crate) fn stranger(&mut self, kind: Kind, end: End, inputs: u64, took: Duration) {
        let tried = self.strangers.entry((kind, end)).or_default();
        tried.connections += 1;
        tried.inputs += inputs;
        tried.longest = took.max(tried.longest);
    }

    /// Something on this side kept a stranger from trying, or from seeing what came of it.
    pub(crate) fn fault(&mut self, kind: Kind, fault: &Fault) {
        self.faults.entry(kind).or_insert_with(|| (0, fault.to_string())).0 += 1;
    }

    /// What those of this kind tried who were answered or dropped.
    fn tried(&self, kind: Kind) -> (u64, u64) {
        let seen =
            self.strangers.iter().filter(|((of, end), _)| *of == kind && matches!(end, End::Answered | End::Dropped));
        seen.fold((0, 0), |(connections, inputs), (_, tried)| (connections + tried.connections, inputs + tried.inputs))
    }

    pub(crate) fn used(&mut self, at: Duration, used: Used) {
        self.used.push((at, used));
        if self.used.len() % 10 == 0 {
            let known: u64 = self.known.values().sum();
            let strangers: u64 = self.strangers.values().map(|tried| tried.connections).sum();
            eprintln!(
                "{:4} s: {known} logins of known clients, {strangers} strangers, the server has {} KiB and {} files",
                at.as_secs(),
                used.memory,
                used.files
            );
        }
    }

    pub(crate) fn print(&self, took: Duration, left: Used) {
        println!("{} s\n\nknown clients", took.as_secs());
        for (mechanism, count) in &self.known {
            println!("  {mechanism:<32}{count:>8} logins");
        }
        println!("  {:<32}{:>8}", "refused", self.refused.len());
        println!("\n{:<34}{:>11}{:>10}  longest", "strangers", "connections", "inputs");
        for ((kind, end), Tried { connections, inputs, longest }) in &self.strangers {
            let end = match end {
                End::Answered => "answered",
                End::Dropped => "dropped",
                End::StillThere => "STILL THERE",
                End::LetIn => "LET IN",
            };
            println!("  {kind:<32}{connections:>11}{inputs:>10}  {:>4.1} s  {end}", longest.as_secs_f64());
        }
        println!(
            "\nfaults on this side, which say nothing of the server: {}",
            self.faults.values().map(|(count, _)| count).sum::<u64>()
        );
        for (kind, (count, first)) in &self.faults {
            println!("  {kind:<32}{count:>11}  at first: {first}");
        }
        let most = |used: &[(Duration, Used)]| used.iter().map(|(_, used)| used.memory).max().unwrap_or_default();
        let third = self.used.len() / 3;
        println!(
            "\nthe server's memory: at most {} KiB in the second third, {} KiB in the last; {} KiB and {} files in the end",
            most(&self.used[third..2 * third]),
            most(&self.used[2 * third..]),
            left.memory,
            left.files
        );
    }

    /// Whether all of it is as it has to be.
    pub(crate) fn verdict(&self, left: Used) -> Result<(), Fault> {
        if let Some(refused) = self.refused.first() {
            return Err(format!("a known client was refused: {refused}").into());
        }
        if let Some((kind, end)) = self.strangers.keys().find(|(_, end)| matches!(end, End::StillThere | End::LetIn)) {
            return Err(format!("{kind}: {end:?}").into());
        }
        for kind in Kind::ALL {
            let (connections, inputs) = self.tried(kind);
            if inputs == 0 {
                return Err(format!("nothing was tried by anybody: {kind}").into());
            }
            if let Some((faults, first)) = self.faults.get(&kind).filter(|(faults, _)| faults * FAULTS > connections) {
                return Err(
                    format!("{kind}: {faults} faults on this side beside {connections} connections: {first}").into()
                );
            }
        }
        for mechanism in ["EXTERNAL", "IKY-SHA-256-EXPR"] {
            if !self.known.contains_key(mechanism) {
                return Err(format!("no known client came back by {mechanism}").into());
            }
        }
        // Three standard streams, the listener, and what the runtime has.
        if left.files > 16 {
            return Err(format!("the server still has {} files open", left.files).into());
        }
        let (Some((_, first)), Some((at, last))) = (self.used.get(self.used.len() / 3), self.used.last()) else {
            return Err("too short a time to say anything".into());
        };
        if *at > LONG && last.memory > first.memory + first.memory / 10 {
            return Err(format!("the server's memory grows, from {} to {} KiB", first.memory, last.memory).into());
        }
        println!(
            "\nas it has to be: no known client refused, nobody let in, nobody left, and something tried by each kind"
        );
        Ok(())
    }
}
