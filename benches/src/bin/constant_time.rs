//! Measures each pair of messages that are to take the same, and its leaky twin: `constant_time SAMPLES [PAIR...]`.
//!
//! Prints a line for each: its name, whether it is the server or the twin, t, the difference in nanoseconds, how long the first class takes, and t among
//! the crowds.
//! `constant_time --judge PAIR server|twin CLASS MESSAGES` only has so many messages of one class judged, for whoever counts instructions.

use std::process::ExitCode;
use std::time::Instant;

use fast_reauth_benches::pairs::{ALL, Ask, Judge, Pair};
use fast_reauth_benches::random::Random;
use fast_reauth_benches::welch::{Difference, Sample, compare, t_among};
use fast_reauth_benches::{Fault, measured};

/// How often it is done with each crowd before it is measured.
const WARM_UP: usize = 1000;
/// Where a store's records come to lie makes some a little faster to find than others; so the crowd, and its store, are others after so many
/// measurements.
const OF_A_CROWD: usize = 10_000;

/// Each measurement is of another account, and on its own: both messages are judged once before, in either order, so that what either needs is in the
/// processor's caches, and then one of them is measured.
fn measure(
    pair: &Pair,
    ask: &Ask<'_>,
    judge: &mut Judge<'_>,
    samples: usize,
    random: &mut Random,
    taken: &mut Vec<Sample>,
) {
    let mut message = Vec::with_capacity(4096);
    for number in 0..WARM_UP + samples {
        let mut make = ask(random);
        let bits = random.bits();
        let mut took = |class: bool, order: bool| {
            // Both are made, in either order, and one is taken without a branch, into the same place: the processor has done the same before.
            let made = [make(order, random), make(!order, random)];
            message.clear();
            message.extend_from_slice(&made[usize::from(class ^ order)]);
            let start = Instant::now();
            let outcome = judge(&message);
            let took = start.elapsed();
            assert!(outcome == pair.classes[usize::from(class)].1, "{}: {outcome:?}", pair.name);
            u32::try_from(took.as_nanos()).unwrap_or(u32::MAX)
        };
        let [class, first, order] = [1, 2, 4].map(|bit| bits & bit == 0);
        took(first, order);
        took(!first, order);
        let sample = (took(class, order), class);
        if number >= WARM_UP {
            taken.push(sample);
        }
    }
}

/// Has messages of this class judged, each of another account.
fn judge_only(pair: &Pair, is_twin: bool, class: bool, messages: usize) -> Result<(), Fault> {
    // The same messages for each class, but for what makes the class.
    let (crowd, mut random) = ((pair.crowd)(0)?, Random::seeded(9));
    let mut ready = (pair.ready)(&crowd);
    let judge = if is_twin { &mut ready.twin } else { &mut ready.server };
    for _ in 0..messages {
        let message = (ready.ask)(&mut random)(class, &mut random);
        measured(&mut || _ = judge(&message));
    }
    Ok(())
}

fn run() -> Result<(), Fault> {
    let mut args = std::env::args().skip(1).peekable();
    if args.next_if_eq("--judge").is_some() {
        let [name, who, class, messages] = &*args.collect::<Vec<_>>() else { return Err("which?".into()) };
        let pair = ALL.iter().find(|pair| pair.name == name).ok_or("there is no such pair")?;
        return judge_only(pair, who == "twin", class == "1", messages.parse()?);
    }
    if args.next_if_eq("--list").is_some() {
        ALL.iter().for_each(|pair| println!("{}", pair.name));
        return Ok(());
    }
    let samples: usize = args.next().ok_or("how many samples?")?.parse()?;
    let names: Vec<String> = args.collect();
    if let Some(name) = names.iter().find(|name| ALL.iter().all(|pair| pair.name != **name)) {
        return Err(format!("there is no pair {name}").into());
    }
    let mut random = Random::new()?;
    for pair in ALL.iter().filter(|pair| names.is_empty() || names.iter().any(|name| name == pair.name)) {
        let mut taken = [const { Vec::new() }; 2];
        for number in 0..samples.div_ceil(OF_A_CROWD) {
            let crowd = (pair.crowd)(number as u64)?;
            let (mut ready, some) = ((pair.ready)(&crowd), OF_A_CROWD.min(samples - number * OF_A_CROWD));
            for (judge, taken) in [&mut ready.server, &mut ready.twin].into_iter().zip(&mut taken) {
                measure(pair, &ready.ask, judge, some, &mut random, taken);
            }
        }
        for (who, taken) in ["server", "twin"].into_iter().zip(&taken) {
            let Difference { t, nanoseconds, mean } = compare(taken);
            let among = t_among(taken.chunks(OF_A_CROWD).map(|some| compare(some).nanoseconds));
            println!("{} {who} {t:.2} {nanoseconds:.2} {mean:.0} {among:.2}", pair.name);
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
