//! An IMAP server on imap-next that knows its clients when they come back.
//!
//! ```text
//! cargo run --example imap_server             # a server on loopback, and the command for a client
//! cargo run --example imap_server -- [--listen ADDRESS] [--name NAME] [--cert FILE --key FILE] [--store FILE]
//!                                    [--user NAME] [--password PASSWORD]
//! ```
//!
//! With `--store` it knows them after its own restart as well. It ends with its standard input, or by Ctrl-C.
//!
//! What is particular to this library is in `session.rs`: the offer in the greeting, `Session::authenticate`, and one call after a
//! full login. What a peer may take before that is in `limits.rs`.

#[path = "../common/mod.rs"]
mod common;
mod limits;
mod session;

use std::process::ExitCode;
use std::sync::Arc;

use fast_reauth::assertion;
use fast_reauth::rustls::Recognition;

use common::args::{self, Args};
use common::service::Service;
use common::{Fault, certificates, listen};
use limits::{Limits, serve_all};

const USAGE: &str = "usage: imap_server [--listen ADDRESS] [--name NAME] [--cert FILE --key FILE] [--store FILE] \
                     [--user NAME] [--password PASSWORD]";

fn main() -> ExitCode {
    args::main(USAGE, run)
}

async fn run(mut args: Args) -> Result<(), Fault> {
    let mut or = |name: &str, default: &str| args.take(name).unwrap_or_else(|| default.to_owned());
    let (address, name) = (or("listen", "127.0.0.1:0"), or("name", "imap.example.com"));
    let (user, password) = (or("user", "alice"), or("password", "secret"));
    let store = listen::store(&mut args)?;
    let (identity, trust) = listen::identity(&mut args, &name, "imap-server")?;
    args.end()?;
    let service = Service::new(assertion::Service::IMAP, &name, (&user, &password), store)?;
    let recognition = Recognition::new(certificates::server(&identity)?);
    let listener = listen::listen(&address).await?;
    println!("listening; a client, to be run more than once:");
    println!(
        "  cargo run --example imap_client -- --server {} --name {name} --ca {trust} --user {user} --password {password} \
         --state client.state",
        listener.local_addr()?
    );
    listen::end_with_input();
    let ended = |number: u64, what: Result<String, Fault>| {
        println!("connection {number}: {}", what.unwrap_or_else(|fault| fault.to_string()));
    };
    serve_all(listener, Arc::new(service), Arc::new(recognition), Limits::default(), ended).await;
    Ok(())
}
