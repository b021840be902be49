//! The command line.

use std::time::Duration;

pub(crate) const HELP: &str = "\
What a reconnect costs with and without fast reauthentication: IMAP, SMTP and XMPP over real TLS.

Usage: cargo run --example reconnect [-- OPTIONS]

Options:
  --rtt TIME   round-trip time of the link, in ms or s, from 1ms to 10s [default: 100ms]
  --json       print an array of objects and nothing else
  --table      print the table of docs/round-trips.md instead: more ways to log in, three links, lost packets
  --check FILE as --table, and compare with what is in this file
  --help       print this
";

pub(crate) struct Args {
    pub(crate) rtt: Duration,
    pub(crate) json: bool,
    /// The table, and the file to compare it with.
    pub(crate) table: Option<Option<String>>,
}

impl Args {
    /// The options; `None` for somebody who asks what there is.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut args = Self { rtt: Duration::from_millis(100), json: false, table: None };
        let mut words = words;
        while let Some(word) = words.next() {
            match word.split_once('=') {
                None if word == "--help" || word == "-h" => return Ok(None),
                None if word == "--json" => args.json = true,
                None if word == "--table" => args.table = args.table.or(Some(None)),
                None if word == "--check" => args.table = Some(Some(words.next().ok_or("--check needs a file")?)),
                None if word == "--rtt" => args.rtt = time(&words.next().ok_or("--rtt needs a time, such as 100ms")?)?,
                Some(("--rtt", value)) => args.rtt = time(value)?,
                _ => return Err(format!("there is no option {word}")),
            }
        }
        Ok(Some(args))
    }
}

/// `100ms`, `0.25s`.
fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 0.001),
        (None, Some(number)) => (number, 1.0),
        (None, None) => return Err(format!("{text} has no unit; write {text}ms or {text}s")),
    };
    let seconds = number.trim().parse::<f64>().map_err(|_| format!("{text} is no time; write 100ms or 0.1s"))? * unit;
    if (0.001..=10.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(format!("{text} is out of range: 1ms to 10s"))
    }
}
