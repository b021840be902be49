//! Runs steps, for whoever measures them.
//!
//! - `step --list` names them.
//! - `step NAME` prints how often the step goes to the heap, and then runs it once in what callgrind collects. What is set up at the first use
//!   only is done before.
//! - `step --time NAME...` prints nanoseconds for each: the median over batches, as whatever else the machine does disturbs only some of them.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use fast_reauth_benches::{Fault, Run, measured, steps};

const BATCHES: usize = 101;
const BATCH: Duration = Duration::from_millis(2);

fn time(run: &mut Run) -> f64 {
    let start = Instant::now();
    run();
    let once = start.elapsed().max(Duration::from_nanos(1));
    let rounds = (BATCH.as_nanos() / once.as_nanos()).clamp(1, 100_000) as u32;
    let batch = |run: &mut Run| {
        let start = Instant::now();
        (0..rounds).for_each(|_| run());
        start.elapsed().as_nanos() as f64 / f64::from(rounds)
    };
    let mut took: Vec<f64> = (0..BATCHES).map(|_| batch(run)).collect();
    took.sort_by(f64::total_cmp);
    took[BATCHES / 2]
}

fn run() -> Result<(), Fault> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        None => return Err("which step?".into()),
        Some("--list") => steps::ALL.iter().for_each(|step| println!("{}", step.name)),
        Some("--time") => {
            for name in args {
                let mut step = (steps::find(&name)?.make)()?;
                step();
                println!("{name} {:.1}", time(&mut step));
            }
        }
        Some(name) => {
            let mut step = (steps::find(name)?.make)()?;
            step();
            println!("{}", allocation_counter::measure(&mut step).count_total);
            measured(&mut step);
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}
