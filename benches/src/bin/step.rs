//! Runs one step, for whoever measures it: `step NAME` once, after a first time that is not measured.

use std::process::ExitCode;

use fast_reauth_benches::{Fault, measured, steps};

fn run() -> Result<(), Fault> {
    let name = std::env::args().nth(1).ok_or("which step?")?;
    if name == "--list" {
        steps::ALL.iter().for_each(|step| println!("{}", step.name));
        return Ok(());
    }
    let mut step = (steps::find(&name)?.make)()?;
    // What is set up at the first use only is no part of it.
    step();
    let allocations = allocation_counter::measure(|| step()).count_total;
    println!("{allocations}");
    measured(&mut step);
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
