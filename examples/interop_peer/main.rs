//! The Rust peer of the interop suite (`interop/run`): IMAP with IKY and EXTERNAL over TLS 1.3, both ends, on blocking sockets.
//!
//! ```text
//! interop_peer server --cert FILE --key FILE [--mechanism NAME]... [--mode normal|renew|spoil|forget]
//! interop_peer client --port N --ca FILE [--mechanism NAME] STEP...
//! ```
//!
//! The server prints `port N`, and a line for every login; it ends when its standard input does. A step of the client is one
//! connection: `listed`, `full`, `iky-fresh`, `iky-resumed`, `iky-unlinked`, `iky-altered`, `external` or `external-unlisted`, with
//! `:PORT` behind it for another port than the usual. It prints a line for each.

#[path = "../common/certificates.rs"]
#[allow(dead_code)] // they are in files here
mod certificates;
mod client;
#[path = "../common/peer.rs"]
mod peer;
mod server;
mod wire;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use fast_reauth::Timestamp;
use fast_reauth::assertion::Pin;

/// Whatever goes wrong.
type Fault = Box<dyn Error + Send + Sync>;

/// The one account, and the one server name.
const NAME: &str = "imap.example.com";
const USER: &str = "alice";
const PASSWORD: &str = "secret";

/// What the command line says.
#[derive(Debug, Default)]
struct Args {
    cert: String,
    key: String,
    ca: String,
    port: u16,
    mode: String,
    mechanisms: Vec<Pin>,
    steps: Vec<String>,
}

impl Args {
    fn parse(words: &mut dyn Iterator<Item = String>) -> Result<Self, Fault> {
        let mut args = Self { mode: "normal".to_owned(), ..Self::default() };
        args.steps = peer::options(words, |option, value| {
            match option {
                "cert" => args.cert = value,
                "key" => args.key = value,
                "ca" => args.ca = value,
                "port" => args.port = value.parse()?,
                "mode" => args.mode = value,
                "mechanism" => {
                    args.mechanisms.push(Pin::from_name(&value).ok_or_else(|| format!("{value} is no mechanism"))?)
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        if args.mechanisms.is_empty() {
            args.mechanisms.push(Pin::SHA_256_EXPR);
        }
        Ok(args)
    }
}

/// The time, and what it is later than it is.
fn now(later: Duration) -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_secs(since.as_secs()).after(later)
}

fn main() -> ExitCode {
    peer::main(|part, words| {
        let args = Args::parse(words)?;
        match part {
            "server" => server::run(&args),
            "client" => client::run(&args),
            _ => Err("which end: server or client?".into()),
        }
    })
}
