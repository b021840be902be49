//! An XMPP server that knows its clients when they come back, on xmpp-rs' crates: SASL2 and Bind 2 (XEP-0388, 0386) with IKY, with EXTERNAL
//! on a TLS session that is resumed, and with the tokens of FAST (XEP-0484).
//!
//! ```text
//! cargo run --example xmpp_server             # a server on loopback, and the command for a client
//! cargo run --example xmpp_server -- [--listen ADDRESS] [--name NAME] [--cert FILE --key FILE] [--store FILE]
//!                                    [--user NAME] [--password PASSWORD] [--mechanism NAME]
//!                                    [--mode normal|renew|expire|missing|empty|wrong]
//! ```
//!
//! It prints `port N`, and a line for every login and every message; it ends with its standard input, or by Ctrl-C. With `--store` it
//! knows by IKY after its own restart as well. `--mechanism` is the only one that it has tokens for, instead of all. Its mode says what it does
//! to tokens, or to its messages: `interop/run go-sendxmpp` has a client that has to notice.
//! What is particular to this library is in `server.rs`.

#[path = "../common/mod.rs"]
mod common;
mod server;
#[path = "../common/xmpp.rs"]
#[allow(dead_code)] // the client's half is not here
mod xmpp;

use std::process::ExitCode;

use fast_reauth::assertion::HtMechanism;

use common::args::{self, Args};
use common::{Fault, certificates, listen};

const USAGE: &str = "usage: xmpp_server [--listen ADDRESS] [--name NAME] [--cert FILE --key FILE] [--store FILE] \
                     [--user NAME] [--password PASSWORD] [--mechanism NAME] \
                     [--mode normal|renew|expire|missing|empty|wrong]";

fn main() -> ExitCode {
    args::main(USAGE, run)
}

async fn run(mut args: Args) -> Result<(), Fault> {
    let mut or = |name: &str, default: &str| args.take(name).unwrap_or_else(|| default.to_owned());
    let (address, name, mode) = (or("listen", "127.0.0.1:0"), or("name", server::NAME), or("mode", "normal"));
    let (user, password) = (or("user", "alice"), or("password", "secret"));
    // All of them, so that a client meets names that it doesn't know.
    let tokens = match args.take("mechanism") {
        Some(name) => vec![HtMechanism::from_name(&name).ok_or_else(|| format!("{name} takes no token"))?],
        None => HtMechanism::all().collect(),
    };
    let store = listen::store(&mut args)?;
    let (identity, trust) = listen::identity(&mut args, &name, "xmpp-server")?;
    args.end()?;
    let peer = server::Peer::new(&name, (&user, &password), store, tokens, &mode)?;
    let listener = listen::listen(&address).await?;
    let address = listener.local_addr()?;
    println!("port {}", address.port());
    println!("listening; a client, to be run more than once:");
    println!(
        "  cargo run --example xmpp_client -- --server {address} --name {name} --ca {trust} --user {user} --password {password} \
         --state client.state"
    );
    listen::end_with_input();
    peer.run(&listener, certificates::server(&identity)?, |what| println!("{what}")).await;
    Ok(())
}
