//! Measures each pair of messages that are to take the same, and its leaky twin: `constant_time SAMPLES [PAIR...]`.
//!
//! Prints a line for each: its name, whether it is the server or the twin, t, the difference in nanoseconds, and how long the first class takes.

use std::process::ExitCode;
use std::time::Instant;

use fast_reauth_benches::Fault;
use fast_reauth_benches::pairs::{ALL, Ask, Judge, Pair};
use fast_reauth_benches::random::Random;
use fast_reauth_benches::welch::{Difference, Sample, compare};

/// Messages about one account, which are made ahead of the measurements.
const BATCH: usize = 256;

fn measure(pair: &Pair, ask: &Ask, judge: &mut Judge, samples: usize, random: &mut Random) -> Difference {
    let mut taken: Vec<Sample> = Vec::with_capacity(samples);
    let mut message = Vec::with_capacity(4096);
    // The first batch only warms up.
    let mut warm = false;
    while taken.len() < samples {
        let mut make = ask(random);
        let batch = (0..BATCH).map(|_| {
            let class = random.bits() & 1 == 1;
            (class, make(class, random))
        });
        for (class, made) in batch.collect::<Vec<_>>() {
            // Whatever class it is, it lies in the same place.
            message.clear();
            message.extend_from_slice(&made);
            let start = Instant::now();
            let outcome = judge(&message);
            let took = start.elapsed();
            assert!(outcome == pair.classes[usize::from(class)].1 || !warm, "{}: {outcome:?}", pair.name);
            if warm {
                taken.push((u32::try_from(took.as_nanos()).unwrap_or(u32::MAX), class));
            }
        }
        warm = true;
    }
    compare(&taken)
}

fn run() -> Result<(), Fault> {
    let mut args = std::env::args().skip(1);
    let samples: usize = args.next().ok_or("how many samples?")?.parse()?;
    let names: Vec<String> = args.collect();
    if let Some(name) = names.iter().find(|name| ALL.iter().all(|pair| pair.name != **name)) {
        return Err(format!("there is no pair {name}").into());
    }
    let mut random = Random::new()?;
    for pair in ALL.iter().filter(|pair| names.is_empty() || names.iter().any(|name| name == pair.name)) {
        let mut ready = (pair.ready)()?;
        for (who, judge) in [("server", &mut ready.server), ("twin", &mut ready.twin)] {
            let Difference { t, nanoseconds, mean } = measure(pair, &ready.ask, judge, samples, &mut random);
            println!("{} {who} {t:.2} {nanoseconds:.2} {mean:.0}", pair.name);
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
