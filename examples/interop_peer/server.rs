//! The server: one account, a password, and this library.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fast_reauth::assertion::{DeviceId, FullLogin, Service};
use fast_reauth::channel::{Handle, ServerName};
use fast_reauth::mechanism::{self, Connection, Login, Outcome, Recognised};
use fast_reauth::profile::{Offer, ServerEvent, imap};
use fast_reauth::rustls::{Recognition, exporter};
use fast_reauth::store::{Commit, MemoryStore, Store as _};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio_rustls::rustls::ServerConnection;
use tokio_rustls::rustls::server::ServerConnectionData;

use crate::{Args, Fault, NAME, PASSWORD, USER, certificates, now, wire};

/// How much later it is after a full login, so that what is left of seven days is to be renewed.
const LATER: Duration = Duration::from_secs(6 * 86_400);

type Wire = wire::Wire<ServerConnection, ServerConnectionData>;

struct Peer {
    server: mechanism::Server,
    recognition: Recognition,
    store: MemoryStore,
    mode: String,
    later: Duration,
}

/// Serves one connection after the other.
pub(crate) fn run(args: &Args) -> Result<(), Fault> {
    if !["normal", "renew", "spoil", "forget"].contains(&args.mode.as_str()) {
        return Err(format!("there is no mode {}", args.mode).into());
    }
    let server = mechanism::Server::new(Service::IMAP, [ServerName::parse(NAME)?], ["PLAIN"])?;
    let mut peer = Peer {
        server: server.pins(args.mechanisms.iter().copied()),
        recognition: Recognition::new(certificates::server_of(&args.cert, &args.key)?),
        store: MemoryStore::default(),
        mode: args.mode.clone(),
        later: Duration::ZERO,
    };
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("port {}", listener.local_addr()?.port());
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    loop {
        if let Err(fault) = listener.accept().map_err(Fault::from).and_then(|(tcp, _)| peer.serve(tcp)) {
            println!("error {fault}");
        }
    }
}

impl Peer {
    fn serve(&mut self, tcp: TcpStream) -> Result<(), Fault> {
        let (config, watch) = self.recognition.connection(Handle::new(random()?));
        let mut wire = Wire::new(ServerConnection::new(config)?, tcp)?;
        let facts = watch.facts(&mut wire.tls.conn)?;
        let server = self.server.clone();
        let connection = Connection::new(&server, facts);
        let lineage = match connection.lookup() {
            Some(lookup) => self.store.lookup(&lookup, now(self.later))?.lineage,
            None => None,
        };
        let mut connection = connection.resumes(lineage);
        let offer = Offer::of(connection.mechanisms(now(self.later)))?;
        wire.send(format!("* OK [CAPABILITY IMAP4rev1 {}] ready\r\n", imap::capabilities(&offer)).as_bytes())?;
        let mut logged_in = false;
        while wire.has_line()? {
            let head = String::from_utf8_lossy(&wire.input).lines().next().unwrap_or_default().to_owned();
            let words: Vec<&str> = head.split(' ').collect();
            match words[..] {
                [tag, "AUTHENTICATE", "PLAIN", message] if !logged_in => {
                    wire.line()?;
                    logged_in = self.plain(&mut wire, &mut connection, tag, message)?;
                }
                [_, "AUTHENTICATE", ..] if !logged_in => {
                    logged_in = self.recognise(&mut wire, &mut connection, &offer)?;
                }
                [tag, ..] => {
                    wire.line()?;
                    let said = if logged_in { "OK done" } else { "BAD Log in first" };
                    wire.send(format!("{tag} {said}\r\n").as_bytes())?;
                }
                [] => return Err("an empty line where a command was due".into()),
            }
        }
        Ok(())
    }

    /// The full login. Says so only when the store has it.
    fn plain(
        &mut self,
        wire: &mut Wire,
        connection: &mut Connection<'_>,
        tag: &str,
        message: &str,
    ) -> Result<bool, Fault> {
        let message = String::from_utf8(STANDARD.decode(message)?)?;
        let good = message == format!("\0{USER}\0{PASSWORD}");
        if good {
            let full = FullLogin::new("PLAIN", USER)?;
            let identity = "account of alice";
            let login = Login { full: &full, identity, device: DeviceId::new(random()?), now: now(self.later) };
            let known = connection.logged_in(login, &exporter(&wire.tls.conn));
            if let Some(why) = known.unknown {
                return Err(format!("{USER} stays unknown: {why}").into());
            }
            self.commit(&known.commit)?;
            match self.mode.as_str() {
                "forget" => self.store = MemoryStore::default(),
                "renew" => self.later += LATER,
                _ => {}
            }
            println!("login PLAIN {USER}");
        }
        wire.send(format!("{tag} {}\r\n", if good { "OK Logged in" } else { "NO Wrong" }).as_bytes())?;
        Ok(good)
    }

    /// An attempt with EXTERNAL or IKY.
    fn recognise(&self, wire: &mut Wire, connection: &mut Connection<'_>, offer: &Offer) -> Result<bool, Fault> {
        let mut exchange = imap::server(offer);
        let mut event = exchange.receive(&mut wire.input)?;
        let mut attempt: Option<(String, Outcome, Option<Recognised>)> = None;
        loop {
            event = match event {
                ServerEvent::Verify(request) => {
                    let name = request.mechanism.as_str();
                    let message = request.initial_response.unwrap_or_default();
                    let received = connection.receive(name, &message);
                    let received = received.ok_or_else(|| format!("{name} recognises nobody"))?;
                    let mut verdict = received.run(&self.store, now(self.later));
                    let mut notes = name.to_owned();
                    notes += &format!(" {}", label(verdict.outcome));
                    let text = String::from_utf8_lossy(&message);
                    notes += if text.contains(",l=1") { " l=1" } else { "" };
                    if let Some(answer) = &mut verdict.message {
                        notes += if String::from_utf8_lossy(answer).contains("r=1,") { " renewed" } else { "" };
                        if self.mode == "spoil" {
                            spoil(answer);
                        }
                    }
                    attempt = Some((notes, verdict.outcome, verdict.recognised));
                    exchange.finish(verdict.outcome, verdict.message.as_deref())?
                }
                ServerEvent::Send(octets) => {
                    wire.send(&octets)?;
                    exchange.receive(&mut wire.input)?
                }
                ServerEvent::NeedMore => {
                    wire.need()?;
                    exchange.receive(&mut wire.input)?
                }
                ServerEvent::Done { bytes, accepted } => {
                    wire.send(&bytes)?;
                    let (notes, _, client) = attempt.ok_or("nothing was attempted")?;
                    if let (true, Some(client)) = (accepted, client) {
                        if let Some(link) = connection.recognised(&client, now(self.later)) {
                            self.commit(&link)?;
                        }
                    }
                    println!("{} {notes}", if accepted { "recognised" } else { "refused" });
                    return Ok(accepted);
                }
                ServerEvent::OtherCommand => return Err("a command in the middle of a login".into()),
            };
        }
    }

    fn commit(&self, commit: &Commit) -> Result<(), Fault> {
        match self.store.commit(commit, now(self.later))? {
            committed if committed.is_durable() => Ok(()),
            other => Err(format!("the store did not keep it: {other:?}").into()),
        }
    }
}

/// As the test vectors call it.
fn label(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Stale => "stale",
        Outcome::BadProof => "bad-proof",
        Outcome::Malformed => "malformed",
        _ => "other",
    }
}

/// Alters the first character of the signature.
fn spoil(answer: &mut [u8]) {
    if let Some(at) = answer.windows(2).rposition(|two| two == b"v=") {
        if let Some(first) = answer.get_mut(at + 2) {
            *first = if *first == b'A' { b'B' } else { b'A' };
        }
    }
}

fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut octets = [0; N];
    SystemRandom::new().fill(&mut octets).map_err(|_| "the system has no random numbers")?;
    Ok(octets)
}
