//! An XMPP server that knows its clients by tokens when they come back: SASL2, Bind 2 and FAST (XEP-0388, 0386, 0484).
//!
//! ```text
//! cargo run --example xmpp_server             # a server on loopback, and the command for a client
//! cargo run --example xmpp_server -- [--cert FILE --key FILE] [--mechanism NAME]
//!                                    [--mode normal|renew|expire|missing|empty|wrong]
//! ```
//!
//! It prints `port N`, and a line for every login and every message; it ends with its standard input, and after two minutes. Its
//! mode says what it does to tokens, or to the responder messages of HT: `interop/run go-sendxmpp` has a client that has to notice.
//! What is particular to this library is in `server.rs`.

#[path = "../common/xmpp/args.rs"]
mod args;
#[path = "../common/mod.rs"]
mod common;
mod server;
#[path = "../common/xmpp/wire.rs"]
mod wire;

use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;

use args::{Args, Fault, PASSWORD, USER, now};
use common::certificates::{self, Identity};
use common::scram;

fn main() -> ExitCode {
    args::main(run)
}

fn run(args: &Args) -> Result<(), Fault> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let identity = if args.cert.is_empty() { self_signed(&address.to_string())? } else { given(args)? };
    let peer = server::Peer::new(certificates::server(&identity)?, args.mechanism, &args.mode)?;
    println!("port {}", address.port());
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    peer.run(&listener, |what| println!("{what}"))
}

fn given(args: &Args) -> Result<Identity, Fault> {
    let certificate = certificates::read(Path::new(&args.cert), "the certificate")?;
    Ok(Identity { certificate, key: certificates::read(Path::new(&args.key), "its key")? })
}

fn self_signed(address: &str) -> Result<Identity, Fault> {
    let identity = certificates::self_signed(server::NAME)?;
    let file = identity.publish("xmpp-server")?;
    println!("listening; a client, to be run more than once:");
    let to = format!("--server {address} --host {} --ca {}", server::NAME, file.display());
    println!("  cargo run --example xmpp_client -- {to} --state client.state");
    Ok(identity)
}
