//! An XMPP client that its server knows by a token when it comes back: SASL2 with FAST (XEP-0484), on blocking sockets.
//!
//! ```text
//! cargo run --example xmpp_client             # against an xmpp_server in this process
//! cargo run --example xmpp_client -- --server ADDRESS --host NAME --ca FILE [--mechanism NAME] [--state FILE] [STEP...]
//! ```
//!
//! What it keeps is in the state file, so the second run needs no password. To read how the library is embedded, begin with
//! `client.rs`. The steps are for `interop/run prosody`: each is one connection, of which it prints a line, and `steps.rs` has
//! their names; without any it logs in by what it has.
//!
//! The elements are the library's own: tokio-xmpp's list of mechanisms is closed, and xmpp-parsers has no FAST login without a count.

#[path = "../common/xmpp/args.rs"]
mod args;
mod client;
#[path = "../common/mod.rs"]
mod common;
#[path = "../xmpp_server/server.rs"]
mod server;
mod steps;
mod tls;
#[path = "../common/xmpp/wire.rs"]
mod wire;

use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use fast_reauth::assertion::HtMechanism;
use tokio_rustls::rustls::ClientConfig;

use args::{Args, Fault, PASSWORD, USER, now};
use client::Client;
use common::state::{self, StateFile};
use common::{certificates, scram};

const MECHANISM: HtMechanism = HtMechanism::HT_SHA_256_EXPR;

fn main() -> ExitCode {
    args::main(run)
}

fn run(args: &Args) -> Result<(), Fault> {
    if args.server.is_empty() {
        return demonstrate();
    }
    let base = certificates::client(&certificates::read(Path::new(&args.ca), "the certificate to trust (--ca)")?)?;
    let tls = tls::Rustls::new(base, &args.server);
    let state = args.state.as_ref().map(StateFile::new);
    let client = Client::new(tls, &args.host, args.mechanism.unwrap_or(MECHANISM), state)?;
    if args.steps.is_empty() { client.run(&["login".to_owned()]) } else { client.run(&args.steps) }
}

/// A first login, a second connection, and a third after the client's restart.
fn demonstrate() -> Result<(), Fault> {
    let identity = certificates::self_signed(server::NAME)?;
    let peer = server::Peer::new(certificates::server(&identity)?, None, "normal")?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?.to_string();
    std::thread::spawn(move || peer.run(&listener, |_| {}));
    let file = std::env::temp_dir().join(format!("fast-reauth-xmpp-client-{}.state", std::process::id()));
    let done = come_back(&address, &certificates::client(&identity.certificate)?, &file);
    let _ = std::fs::remove_file(&file);
    done
}

fn come_back(server: &str, base: &Arc<ClientConfig>, file: &Path) -> Result<(), Fault> {
    println!(
        "round trips of a real network that the login adds to stream header and bind; TCP and TLS are not counted\n"
    );
    let start = || {
        let tls = tls::Rustls::new(Arc::clone(base), server);
        Client::new(tls, server::NAME, MECHANISM, Some(StateFile::new(file)))
    };
    let mut client = start()?;
    log_in(&mut client, "first", 2)?;
    log_in(&mut client, "again", 0)?;
    drop(client);
    log_in(&mut start()?, "after a restart", 0)
}

fn log_in(client: &mut Client<tls::Rustls>, what: &str, waited: u32) -> Result<(), Fault> {
    let said = client.log_in()?;
    client.save()?;
    println!("{what:<16} waited for the login: {}   {said}", client.waited());
    if client.waited() == waited { Ok(()) } else { Err(format!("that should have been {waited}").into()) }
}
