//! A server behind a front end that terminates TLS, and everything around it (`interop/run haproxy`): IMAP and XMPP with IKY.
//!
//! ```text
//! front_end server [--protocol imap|xmpp] [--mechanism NAME]... [--weakest EXPR|ENDP|NONE] [--mode facts|certificate --cert FILE]
//! front_end client [--protocol imap|xmpp] --port N --ca FILE [--mechanism NAME] STEP...
//! front_end relay --port N --ca FILE --cert FILE --key FILE
//! front_end direct --port N --from ADDRESS --mode header|none
//! ```
//!
//! The server speaks no TLS. It believes in PROXY protocol headers from 127.0.0.1, and in nothing else; with the mode
//! `certificate` it knows the front end's certificate. `--weakest` is the weakest channel binding that it takes, of which
//! its operator decides for each service. It prints `port N`, and a line for every login or refusal.
//!
//! IMAP has no place for a granted assertion: there a front end has to forward the exporter secret, at the full login at
//! least. XMPP has one, so nothing has to be forwarded. The client of IMAP is that of `interop_peer`.
//!
//! The relay is a man in the middle whom the client trusts: he terminates its TLS with a certificate of his own, or
//! with the front end's if he has its key, makes a TLS connection to the front end, relays, and afterwards sends on
//! another connection what the client sent. `direct` is a client that connects past the front end, with a header of its
//! own or without.

#[path = "../common/certificates.rs"]
#[allow(dead_code)] // they are in files here
mod certificates;
#[path = "../interop_peer/client.rs"]
mod client;
mod direct;
#[path = "../common/peer.rs"]
mod peer;
mod plain;
mod relay;
mod server;
#[path = "../interop_peer/wire.rs"]
mod wire;
mod xmpp_client;
mod xmpp_server;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use fast_reauth::Timestamp;
use fast_reauth::assertion::{Binding, Pin};

/// Whatever goes wrong.
type Fault = Box<dyn Error + Send + Sync>;

/// The one account, and the one server name.
const NAME: &str = "example.com";
const USER: &str = "alice";
const PASSWORD: &str = "secret";

/// What the command line says.
#[derive(Debug, Default)]
struct Args {
    cert: String,
    key: String,
    ca: String,
    port: u16,
    from: String,
    mode: String,
    protocol: String,
    weakest: Option<Binding>,
    mechanisms: Vec<Pin>,
    steps: Vec<String>,
}

impl Args {
    fn parse(words: &mut dyn Iterator<Item = String>) -> Result<Self, Fault> {
        let mut args = Self::default();
        args.steps = peer::options(words, |option, value| {
            match option {
                "cert" => args.cert = value,
                "key" => args.key = value,
                "ca" => args.ca = value,
                "port" => args.port = value.parse()?,
                "from" => args.from = value,
                "mode" => args.mode = value,
                "protocol" => args.protocol = value,
                "weakest" => args.weakest = Some(binding(&value)?),
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

/// The channel binding of the mechanisms whose names end like this.
fn binding(ending: &str) -> Result<Binding, Fault> {
    let mut all = Pin::ALL.into_iter().filter(|pin| pin.name().rsplit('-').next() == Some(ending));
    Ok(all.next().ok_or_else(|| format!("no mechanism ends in {ending}"))?.binding())
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
            "client" if args.protocol == "xmpp" => xmpp_client::run(&args),
            "client" => client::run(&args),
            "relay" => relay::run(&args),
            "direct" => direct::run(&args),
            _ => Err("which part: server, client, relay or direct?".into()),
        }
    })
}
