//! The Rust peer of the interop suite (`interop/run`) in XMPP: SASL2 with FAST (XEP-0484), on blocking sockets.
//!
//! ```text
//! interop_xmpp client --port N --ca FILE --host NAME --mechanism NAME STEP...
//! interop_xmpp server --cert FILE --key FILE [--mechanism NAME] [--mode normal|renew|expire|missing|empty|wrong]
//! ```
//!
//! The client is for Prosody. A step is one connection, of which it prints a line; `Manner` has their names. The server
//! is for go-sendxmpp. It prints `port N`, and a line for every login and every message; it ends when its standard
//! input does. Its mode says what it does to tokens, or to the responder messages of HT.

mod args;
mod client;
mod scram;
mod scram_server;
mod server;
mod tls;
mod wire;

use std::process::ExitCode;

use args::{Args, Fault, PASSWORD, USER, now};

fn main() -> ExitCode {
    args::main(|end, args| match end {
        "server" => server::run(args),
        "client" => {
            let mechanism = args.mechanism.ok_or("which mechanism?")?;
            client::Client::new(tls::Rustls::new(args)?, &args.host, mechanism)?.run(&args.steps)
        }
        _ => Err("which end: server or client?".into()),
    })
}
