//! Who sent what when: a row for each flight, a column for each moment.

use std::fmt::Write as _;
use std::time::Duration;

use crate::link::{End, Flight};
use crate::report::milliseconds;
use crate::{Measured, Way};

/// Columns for what was sent, and for the time; with the rest of a row they make 100.
const WHAT: usize = 43;
const TIME: usize = 40;

const CLIENT: &str = "\x1b[36m";
const SERVER: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// Draws the connections of one protocol below each other, on one scale.
pub(crate) fn draw(out: &mut String, measured: &Measured, rtt: Duration, colours: bool) {
    let longest = measured.ways.iter().map(|(_, run)| run.count.elapsed).max().unwrap_or(rtt);
    let scale = Scale { longest, rtt };
    let _ = writeln!(out, "{}: who sent what when", measured.protocol.name().to_uppercase());
    for (way, run) in &measured.ways {
        let title = match way {
            Way::Full => "full login with SCRAM-SHA-256-PLUS",
            Way::ExternalResumed => "EXTERNAL on a resumed TLS session",
            Way::IkyResumed => "IKY on a resumed TLS session",
            Way::IkyFresh => "IKY on a fresh TLS session, as after a restart",
            other => other.name(),
        };
        let (count, time) = (run.count.round_trips, milliseconds(run));
        let _ = writeln!(out, "\n  {title}: {count} round trips, {time:.0} ms");
        let _ = writeln!(out, "  {:>5}         {:WHAT$}│{}", "ms", "", scale.axis());
        let last = run.count.round_trips * 2;
        for flight in run.flights.iter().filter(|flight| flight.hop <= last) {
            row(out, flight, &scale, flight.hop == last, colours);
        }
    }
}

struct Scale {
    longest: Duration,
    rtt: Duration,
}

impl Scale {
    fn column(&self, moment: Duration) -> usize {
        let part = moment.as_secs_f64() / self.longest.as_secs_f64().max(f64::MIN_POSITIVE);
        ((part * TIME as f64) as usize).min(TIME)
    }

    /// A number at every round trip, or at every second or third where they would touch.
    fn axis(&self) -> String {
        let fits = |every: &u32| {
            let step = self.rtt * *every;
            self.column(step) > self.longest.as_millis().to_string().len() || step > self.longest
        };
        let every = (1..).find(fits).unwrap_or(1);
        let moments = (0..).map(|n| self.rtt * (every * n)).take_while(|moment| *moment <= self.longest);
        moments.fold(String::new(), |axis, moment| {
            let column = self.column(moment);
            let number = moment.as_millis().to_string();
            if column + number.len() > TIME { axis } else { format!("{axis:column$}{number}") }
        })
    }
}

fn row(out: &mut String, flight: &Flight, scale: &Scale, is_reply: bool, colours: bool) {
    let (who, colour, line) = match flight.from {
        End::Client => ("client", CLIENT, '━'),
        End::Server => ("server", SERVER, '─'),
    };
    let start = scale.column(flight.departed).min(TIME - 1);
    let end = flight.arrived.map_or(TIME, |arrived| scale.column(arrived)).max(start + 1);
    let tip = if is_reply { '●' } else { '▶' };
    let bar: String = std::iter::repeat_n(line, end - start - 1).chain([tip]).collect();
    let (on, off) = if colours { (colour, PLAIN) } else { ("", "") };
    let departed = flight.departed.as_secs_f64() * 1000.0;
    let lines = wrapped(&flight.labels.join(", "));
    for (n, what) in lines.iter().enumerate() {
        let _ = match n {
            0 => writeln!(out, "  {departed:>5.0}  {on}{who} {what:WHAT$}{off}│{:start$}{on}{bar}{off}", ""),
            _ => writeln!(out, "  {:5}  {on}{:6} {what:WHAT$}{off}│", "", ""),
        };
    }
}

/// Cut at spaces, a column short of the width.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() < WHAT => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("  {word}")),
        }
    }
    lines
}
