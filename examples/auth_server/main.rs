//! A provider's login server for Postfix (`interop/run postfix`): IMAP, and the Dovecot authentication protocol, on one
//! store.
//!
//! ```text
//! auth_server server --cert FILE --key FILE
//! auth_server client --imap PORT --smtp PORT --ca FILE [--state FILE] STEP...
//! ```
//!
//! A client logs in fully at IMAP, over TLS. Submission is configured there as a *sibling* service, so from then on the
//! client is known at Postfix too, where it never logged in: not a byte is sent for that. Postfix, configured with
//! `smtpd_sasl_type = dovecot` and `smtpd_sasl_path = inet:127.0.0.1:PORT`, lists IKY-SHA-256-NONE and HT-SHA-256-NONE,
//! and no mechanism for a full login.
//!
//! **The control channel.** HT takes a token, and neither IMAP nor SMTP has room for one. So here the server prints a
//! token at each full login, and a script hands it to the client on its standard input: what an operator's own protocol
//! would do. Nor does AUTH say which installation a client is, which HT asks for: the server takes the one that it has
//! configured for each login name.
//!
//! The server prints `auth N` and `port N` (IMAP's), `token …`, and a line for every login. On its standard input it
//! takes `revoke`; it ends when that does. The client prints a line for each step; `client::Client::step`
//! has their names.

mod auth;
#[path = "../common/certificates.rs"]
#[allow(dead_code)] // they are in files here
mod certificates;
mod client;
mod imap;
#[path = "../common/peer.rs"]
mod peer;
mod service;
mod smtp;
#[allow(dead_code)] // it keeps, and begins with nothing
#[path = "../common/state.rs"]
mod state;
#[path = "../interop_peer/wire.rs"]
mod wire;

use std::error::Error;
use std::io::BufRead as _;
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use fast_reauth::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};

/// Whatever goes wrong.
type Fault = Box<dyn Error + Send + Sync>;

/// The names of the two services, and the one account: what its client calls it, and what the provider does.
const IMAP: &str = "imap.example.com";
const SMTP: &str = "smtp.example.com";
const USER: &str = "alice";
const PASSWORD: &str = "secret";
const IDENTITY: &str = "account-of-alice";

/// What the command line says.
#[derive(Debug, Default)]
struct Args {
    cert: String,
    key: String,
    ca: String,
    imap: u16,
    smtp: u16,
    state: String,
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
                "imap" => args.imap = value.parse()?,
                "smtp" => args.smtp = value.parse()?,
                "state" => args.state = value,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(args)
    }
}

/// Both listeners: IMAP on a thread of its own, the authentication protocol under tokio.
fn serve(args: &Args) -> Result<(), Fault> {
    let provider = Arc::new(service::Provider::new()?);
    let imap = imap::Imap::new(args, provider.clone())?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            if let Err(fault) = tcp.map_err(Fault::from).and_then(|tcp| imap.serve(tcp)) {
                println!("error {fault}");
            }
        }
    });
    let control = provider.clone();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match line.as_str() {
                "revoke" => match control.revoke() {
                    Ok(count) => println!("revoked {count}"),
                    Err(fault) => println!("error {fault}"),
                },
                _ => println!("error there is no order {line}"),
            }
        }
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(auth::listen(provider, port))
}

/// The time.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_secs(since.as_secs())
}

fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut octets = [0; N];
    SystemRandom::new().fill(&mut octets).map_err(|_| "the system has no random numbers")?;
    Ok(octets)
}

fn main() -> ExitCode {
    peer::main(|part, words| {
        let args = Args::parse(words)?;
        match part {
            "server" => serve(&args),
            "client" => client::run(&args),
            _ => Err("which end: server or client?".into()),
        }
    })
}
