//! Three server nodes that share a store, and clients that roam between them.
//!
//! ```text
//! cargo run --example fleet              three nodes, on a Valkey or Redis that it starts; one node, if there is none
//! cargo run --example fleet -- valkey    the same, and without such a server it fails
//! cargo run --example fleet -- redb      one node, on a file
//! cargo run --example fleet -- memory    one node, on its memory
//! ```
//!
//! Each node is a process of its own, and speaks XMPP (SASL2) over TLS. The nodes have two things in common: the
//! service's keys, and the store. TLS sessions are not among them, so a client that comes to another node makes a full
//! handshake there, and is known all the same.
//!
//! What a service has to do is in `node.rs` and `serve.rs`; what changes from one process to a fleet is a line of
//! `config.rs`. The client is in `client.rs`, and what happens in `scenario.rs` and `revocations.rs`. Whatever does not
//! go as it should ends the program with exit code 1.

mod client;
mod config;
mod crowd;
mod fleet;
mod node;
mod processes;
mod report;
mod revocations;
mod scenario;
#[path = "../common/scram.rs"]
mod scram;
mod serve;
mod store;
mod tls;
mod wire;

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use fast_reauth::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};

/// Whatever goes wrong.
pub(crate) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// The service's name, on all nodes.
pub(crate) const DOMAIN: &str = "xmpp.example.com";

/// The accounts, with their passwords. They are in every service's own database, which is not what this is about.
pub(crate) const ACCOUNTS: [(&str, &str); 2] = [("alice", "wonderland"), ("bob", "builder")];

/// No process lives longer than this, whatever happens to who started it.
pub(crate) const LIFETIME: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    std::thread::spawn(|| {
        std::thread::sleep(LIFETIME);
        eprintln!("fleet: not done within {LIFETIME:?}");
        std::process::exit(3);
    });
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = match words[..] {
        [] => scenario::main(None),
        ["node"] => node::run(),
        ["keeper", server] => processes::keep(server),
        _ => scenario::main(words.first().copied()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("fleet: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// Fresh random octets.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut octets = [0; N];
    SystemRandom::new().fill(&mut octets).map_err(|_| "the system has no random numbers")?;
    Ok(octets)
}

/// The library reads no clock: the application does.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_secs(since.as_secs())
}
