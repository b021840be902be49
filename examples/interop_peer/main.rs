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

mod client;
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

/// No peer lives longer than this, whatever happens to who started it.
const LIFETIME: Duration = Duration::from_secs(120);

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
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Fault> {
        let mut args = Self { mode: "normal".to_owned(), ..Self::default() };
        while let Some(word) = words.next() {
            if !word.starts_with("--") {
                args.steps.push(word);
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--cert" => args.cert = value,
                "--key" => args.key = value,
                "--ca" => args.ca = value,
                "--port" => args.port = value.parse()?,
                "--mode" => args.mode = value,
                "--mechanism" => {
                    args.mechanisms.push(Pin::from_name(&value).ok_or_else(|| format!("{value} is no mechanism"))?)
                }
                _ => return Err(format!("there is no option {word}").into()),
            }
        }
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
    std::thread::spawn(|| {
        std::thread::sleep(LIFETIME);
        std::process::exit(3);
    });
    let mut words = std::env::args().skip(1);
    let end = words.next();
    let done = Args::parse(words).and_then(|args| match end.as_deref() {
        Some("server") => server::run(&args),
        Some("client") => client::run(&args),
        _ => Err("which end: server or client?".into()),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            println!("error {fault}");
            ExitCode::FAILURE
        }
    }
}
