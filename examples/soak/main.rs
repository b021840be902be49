//! The IMAP server of the examples under clients of every kind at once, most of them up to no good.
//!
//! ```text
//! cargo run --release --example soak                        # ten minutes
//! cargo run --release --example soak -- --seconds 20
//! ```
//!
//! The server is a process of its own, with short limits. Clients that it knows come back all the time, each with its state in a file;
//! beside them strangers send junk before TLS and in it, nothing at all, an octet at a time, altered and repeated proofs, wrong
//! passwords, lines without an end, and commands without reading the answers.
//!
//! It fails where a known client is refused or has to log in in full again, where somebody gets in who must not, where a
//! stranger is neither answered nor dropped within the server's limits, or where the server's memory or files grow. It fails as well
//! where a kind of strangers tried nothing, or too often came to nothing on this side: those faults are counted by themselves.

#[path = "../common/mod.rs"]
mod common;
#[path = "../imap_server/limits.rs"]
mod limits;
mod report;
mod returning;
mod server;
#[path = "../imap_server/session.rs"]
mod session;
mod strangers;
#[path = "../imap_client/with_imap_next.rs"]
mod with_imap_next;

use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use common::Fault;
use common::args::{self, Args};
use report::Report;
use server::ServerProcess;
use strangers::Kind;

const USAGE: &str = "usage: soak [--seconds SECONDS]";
const NAME: &str = "imap.example.com";
const ALICE: (&str, &str) = ("alice", "secret");

/// Installations of a client that the server knows.
const RETURNING: usize = 6;
/// Strangers of each kind at a time.
const STRANGERS: usize = 3;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("serve") => server::main(),
        _ => args::main(USAGE, |args| async { tokio::task::LocalSet::new().run_until(run(args)).await }),
    }
}

async fn run(mut args: Args) -> Result<(), Fault> {
    let seconds = args.take("seconds").map_or(Ok(600), |seconds| seconds.parse())?;
    args.end()?;
    let server = Rc::new(ServerProcess::start()?);
    let (begin, end) = (Instant::now(), Instant::now() + Duration::from_secs(seconds));
    let report = Rc::new(RefCell::new(Report::default()));

    let known = returning::Proofs::default();
    let mut tasks = Vec::new();
    for number in 0..RETURNING {
        tasks.push(tokio::task::spawn_local(returning::come_back(
            Rc::clone(&server),
            number,
            end,
            known.clone(),
            Rc::clone(&report),
        )));
    }
    for kind in Kind::ALL {
        for _ in 0..STRANGERS {
            tasks.push(tokio::task::spawn_local(strangers::keep_trying(
                Rc::clone(&server),
                kind,
                end,
                known.clone(),
                Rc::clone(&report),
            )));
        }
    }
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let used = server.used()?;
        report.borrow_mut().used(begin.elapsed(), used);
    }
    for task in tasks {
        task.await?;
    }
    // Whoever held a connection is gone: so is what the server had for it.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let left = server.used()?;
    let report = report.take();
    report.print(begin.elapsed(), left);
    report.verdict(left)
}
