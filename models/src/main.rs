//! Model checking of the life of a record. `README.md` says how to run it, and what it says.

mod action;
mod client;
mod flaw;
mod model;
mod octets;
mod recovery;
mod rules;
mod setup;
mod state;
mod tally;
mod world;

#[path = "../../tests/common/mod.rs"]
mod common;

use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model, Path};

use action::Action;
use flaw::Flaw;
use model::{Bounds, Life, RecordLife};
use setup::Setup;
use tally::Tally;

/// What every change is checked with, in less than a minute.
const DEPTH: usize = 4;

type Job = Box<dyn Fn() -> bool + Send + Sync>;

fn main() -> ExitCode {
    let given = std::env::args().nth(1);
    let Some(depth) = given.as_deref().map_or(Some(DEPTH), |depth| depth.parse().ok()) else {
        eprintln!("how many actions deep? {given:?} is no number");
        return ExitCode::FAILURE;
    };
    // Deeper, more goes wrong in one life.
    let blows = if depth > DEPTH { 2 } else { 1 };
    let bounds = Bounds { depth, clients: 1, parallel: 2, replays: 1, blows, waits: 1 };
    println!("{bounds:?}");
    let together = Arc::new(Tally::new());
    let checks = Setup::all().into_iter().map(|setup| {
        let together = Arc::clone(&together);
        Box::new(move || holds(setup, bounds, &together)) as Job
    });
    let flaws = Flaw::ALL.into_iter().map(|flaw| Box::new(move || finds(flaw)) as Job);
    let good = all(&checks.chain(flaws).collect::<Vec<_>>());
    // Else the rules would hold for an idle reason.
    let missing = together.missing();
    if depth >= DEPTH && !missing.is_empty() {
        println!("NEVER CAME ABOUT: {}", missing.join(", "));
        return ExitCode::FAILURE;
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs these, as many at a time as there are processors; whether all are as they should be.
fn all(jobs: &[Job]) -> bool {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    failed.fetch_or(!job(), Ordering::Relaxed);
                }
            });
        }
    });
    !failed.into_inner()
}

/// Whether every rule holds in every state up to the bounds. They are visited one after the other, so that the numbers are always the same.
fn holds(setup: &'static Setup, bounds: Bounds, together: &Tally) -> bool {
    let tally = Arc::new(Tally::new());
    let model = RecordLife { setup, flaw: None, bounds, tally: Arc::clone(&tally) };
    let started = Instant::now();
    let checker = model.checker().spawn_bfs().join();
    let (states, unique, seconds) = (checker.state_count(), checker.unique_state_count(), started.elapsed().as_secs());
    println!("{}: {states} states, {unique} of them different, {seconds} s: {tally}", setup.name);
    together.add(&tally);
    let discoveries = checker.discoveries();
    for (rule, path) in &discoveries {
        println!("  NOT SO: {rule}\n{}", told(path));
    }
    discoveries.is_empty()
}

/// Whether the model notices what is wrong.
fn finds(flaw: Flaw) -> bool {
    let (setup, rule, bounds) = flaw.is_found();
    let model = RecordLife { setup, flaw: Some(flaw), bounds, tally: Arc::new(Tally::new()) };
    let checker = model.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let discovery = checker.discovery(rule.rule());
    match &discovery {
        Some(path) => println!("{flaw:?}: found, as it is not so that {}:\n{}", rule.rule(), told(path)),
        None => println!("{flaw:?}: NOT FOUND in {} states; {:?}", checker.state_count(), checker.discoveries().keys()),
    }
    discovery.is_some()
}

fn told(path: &Path<Life, Action>) -> String {
    let given = path.last_state().given_actions().iter().copied();
    let actions = given.chain(path.clone().into_actions());
    actions.map(|action| format!("    {action:?}")).collect::<Vec<_>>().join("\n")
}
