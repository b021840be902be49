//! What is printed.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use serde_json::json;

use crate::{Fault, Measured, Protocol, Run, Way, waterfall};

/// Machine-readable, and nothing else.
pub(crate) fn json(all: &[Measured]) -> Result<String, Fault> {
    let objects: Vec<_> = all
        .iter()
        .flat_map(|measured| {
            measured.ways.iter().map(|(way, run)| {
                json!({
                    "protocol": measured.protocol.name(),
                    "way": way.name(),
                    "round_trips_to_first_reply": run.count.round_trips,
                    "login_round_trips_waited": measured.waited(run),
                    "milliseconds": (milliseconds(run) * 10.0).round() / 10.0,
                })
            })
        })
        .collect();
    Ok(serde_json::to_string_pretty(&objects)? + "\n")
}

/// For a person: a table for each protocol, and who sent what when.
pub(crate) fn text(all: &[Measured], rtt: Duration) -> String {
    let mut out = format!(
        "From TCP connect to the first application reply, over TLS 1.3 and a link with a round trip of\n\
         {rtt:?}. The link counted what crossed it.\n"
    );
    for measured in all {
        out.push('\n');
        table(&mut out, measured);
    }
    let colours = io::stdout().is_terminal();
    for measured in all {
        out.push('\n');
        waterfall::draw(&mut out, measured, rtt, colours);
    }
    out
}

fn table(out: &mut String, measured: &Measured) {
    let (title, notes) = match measured.protocol {
        Protocol::Imap => {
            ("IMAP: the tagged OK of SELECT", "Without early data nothing is faster: TCP 1, TLS 1.3 1, SELECT 1.")
        }
        Protocol::Smtp => (
            "SMTP submission: the reply to MAIL",
            "The best that SMTP's rules allow: TCP 1, TLS 1.3 1, EHLO 1, AUTH and MAIL 1. EHLO is never sent\n\
             ahead of the greeting, nor AUTH ahead of the reply to EHLO, which lists what may be sent. A client\n\
             that needs no login waits for its EHLO as well, so the login adds nothing.",
        ),
        Protocol::Xmpp => (
            "XMPP: <bound/>",
            "Without early data nothing is faster: TCP 1, TLS 1.3 1, stream header with login and bind 1.",
        ),
    };
    let runs: Vec<&Run> = measured.ways.iter().map(|(_, run)| run).chain([&measured.without_login]).collect();
    let heads = |way: &Way| match way {
        Way::Full => ["full login", "SCRAM-PLUS"],
        Way::ExternalResumed => ["EXTERNAL", "resumed TLS"],
        Way::IkyResumed => ["IKY", "resumed TLS"],
        Way::IkyFresh => ["IKY", "fresh TLS"],
        other => [other.name(), ""],
    };
    let heads: Vec<_> = measured.ways.iter().map(|(way, _)| heads(way)).chain([["no login", "to compare"]]).collect();
    let mut row = |head: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>13}")).collect();
        let _ = writeln!(out, "{}", format!("{head:<30}{cells}").trim_end());
    };
    row(title, Vec::new());
    row("", heads.iter().map(|head| head[0].to_owned()).collect());
    row("", heads.iter().map(|head| head[1].to_owned()).collect());
    row("  round trips to first reply", runs.iter().map(|run| run.count.round_trips.to_string()).collect());
    let waited = measured.ways.iter().map(|(_, run)| measured.waited(run).to_string());
    row("  waited for the login", waited.chain(["-".to_owned()]).collect());
    row("  time", runs.iter().map(|run| format!("{:.0} ms", milliseconds(run))).collect());
    for line in notes.lines() {
        let _ = writeln!(out, "  {line}");
    }
}

pub(crate) fn milliseconds(run: &Run) -> f64 {
    run.count.elapsed.as_secs_f64() * 1000.0
}

/// Prints; a reader that closes the pipe has seen enough.
pub(crate) fn print(text: &str) -> Result<(), Fault> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
