//! A storm: all clients reconnect at once, over real TLS, to one server on this machine.
//!
//! `cargo run --release --example storm` has 2,000 clients log in once, in full, and then come back all at once, some times for each
//! way to log in, always on a resumed TLS 1.3 session: with the password, by SCRAM and by PLAIN whose password the server keeps as an
//! Argon2id hash; and known already, by HT (FAST), by IKY and by EXTERNAL. What each login takes is read from the clocks of the
//! threads' CPU time (`meter.rs`), at both ends.
//!
//! The server is in `server.rs`, a client in `client.rs`. The clients have a process of their own, `crowd.rs`.

mod chart;
mod client;
#[path = "../common/mod.rs"]
mod common;
mod crowd;
mod line;
mod meter;
mod passwords;
mod progress;
mod report;
mod server;
mod sessions;
mod storm;
mod way;

use std::process::ExitCode;

use common::Fault;

/// Threads of the server, and as many of the clients.
const THREADS: usize = 2;

const HELP: &str = "\
What it takes when all clients reconnect at once: logins per second, CPU time, latency and memory, for five ways to log in.

Usage: cargo run --release --example storm [-- OPTIONS]

Options:
  --clients N  clients that reconnect at once, 10 to 10000 [default: 2000]
  --rounds N   how often they do, for each way to log in, 1 to 50 [default: 5]
  --json       print an object and nothing else
  --svg FILE   write a chart, too
  --help       print this
";

/// The command line.
struct Args {
    clients: usize,
    rounds: usize,
    json: bool,
    svg: Option<String>,
}

impl Args {
    /// The options; `None` for somebody who asks what there is.
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut args = Self { clients: 2000, rounds: 5, json: false, svg: None };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--help" | "-h" => return Ok(None),
                "--json" => args.json = true,
                "--svg" => args.svg = Some(value()?),
                "--clients" => args.clients = number(&value()?, 10..=10_000)?,
                "--rounds" => args.rounds = number(&value()?, 1..=50)?,
                _ => return Err(format!("there is no option {word}")),
            }
        }
        Ok(Some(args))
    }
}

fn number(text: &str, range: std::ops::RangeInclusive<usize>) -> Result<usize, String> {
    let fits = text.parse().ok().filter(|number| range.contains(number));
    fits.ok_or_else(|| format!("{text} is no number from {} to {}", range.start(), range.end()))
}

fn main() -> ExitCode {
    let done = match std::env::args().nth(1) {
        Some(word) if word == storm::CROWD => crowd::run(),
        _ => match Args::parse(std::env::args().skip(1)) {
            Ok(Some(args)) => run(&args),
            Ok(None) => {
                print!("{HELP}");
                Ok(())
            }
            Err(message) => {
                eprintln!("storm: {message}\n\n{HELP}");
                return ExitCode::from(2);
            }
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("storm: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Fault> {
    let measured = storm::run(args.clients, args.rounds)?;
    if let Some(file) = &args.svg {
        std::fs::write(file, chart::svg(&measured)).map_err(|error| format!("{file}: {error}"))?;
    }
    print!("{}", if args.json { report::json(&measured)? } else { report::text(&measured) });
    Ok(())
}
