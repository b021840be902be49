//! The server: one account, a password, and this library. It has no TLS.

use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fast_reauth::assertion::{DeviceId, FullLogin, Policy, Service};
use fast_reauth::channel::{EndPoint, ServerName};
use fast_reauth::mechanism::{self, Connection, Login, Outcome, Recognised};
use fast_reauth::profile::{Offer, ServerEvent, imap};
use fast_reauth::proxy::{ForwardedFacts, TrustedPeers};
use fast_reauth::store::{Commit, MemoryStore, Store as _};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use crate::plain::Plain;
use crate::{Args, Fault, NAME, PASSWORD, USER, now};

pub(crate) struct Peer {
    pub(crate) server: mechanism::Server,
    peers: TrustedPeers,
    pub(crate) store: MemoryStore,
}

/// Serves one connection after the other.
pub(crate) fn run(args: &Args) -> Result<(), Fault> {
    let front_end = IpAddr::from(Ipv4Addr::LOCALHOST);
    // The front end of the suite accepts no early data.
    let mut peers = TrustedPeers::new([front_end.into()]).without_early_data();
    if args.mode == "certificate" {
        peers = peers.certificate(EndPoint::from_certificate(&CertificateDer::from_pem_file(&args.cert)?)?);
    }
    let xmpp = args.protocol == "xmpp";
    let service = if xmpp { Service::XMPP } else { Service::IMAP };
    let mut policy = Policy::default();
    policy.weakest_binding = args.weakest.unwrap_or(policy.weakest_binding);
    let server = mechanism::Server::new(service, [ServerName::parse(NAME)?], ["PLAIN"])?.policy(policy);
    let peer = Peer { server: server.pins(args.mechanisms.iter().copied()), peers, store: MemoryStore::default() };
    // Everywhere on loopback, so that others than the front end reach it.
    let listener = TcpListener::bind(("0.0.0.0", 0))?;
    println!("port {}", listener.local_addr()?.port());
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    loop {
        match listener.accept() {
            Ok((tcp, _)) => {
                if let Err(fault) = peer.serve(tcp, xmpp) {
                    println!("closed {fault}");
                }
            }
            // Out of file descriptors, or a client that is gone again, is no reason to serve nobody any more.
            Err(error) => {
                println!("closed {error}");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

impl Peer {
    fn serve(&self, tcp: TcpStream, xmpp: bool) -> Result<(), Fault> {
        let Some((wire, facts)) = Plain::accept(tcp, &self.peers)? else { return Ok(()) };
        let connection = Connection::new(&self.server, facts.channel());
        let lineage = match connection.lookup() {
            Some(lookup) => self.store.lookup(&lookup, now(Duration::ZERO))?.lineage,
            None => None,
        };
        let connection = connection.resumes(lineage);
        if xmpp { self.xmpp(wire, connection) } else { self.imap(wire, connection, &facts) }
    }

    fn imap(&self, mut wire: Plain, mut connection: Connection<'_>, facts: &ForwardedFacts) -> Result<(), Fault> {
        let offer = Offer::of(connection.mechanisms(now(Duration::ZERO)))?;
        wire.send(format!("* OK [CAPABILITY IMAP4rev1 {}] ready\r\n", imap::capabilities(&offer)).as_bytes())?;
        let mut logged_in = false;
        while let Some(line) = wire.peek()? {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                [tag, "AUTHENTICATE", "PLAIN", message] if !logged_in => {
                    wire.take(&line);
                    logged_in = self.plain(&mut wire, &mut connection, facts, tag, message)?;
                }
                [_, "AUTHENTICATE", ..] if !logged_in => {
                    logged_in = self.recognise(&mut wire, &mut connection, &offer)?;
                }
                [tag, ..] => {
                    wire.take(&line);
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
        &self,
        wire: &mut Plain,
        connection: &mut Connection<'_>,
        facts: &ForwardedFacts,
        tag: &str,
        message: &str,
    ) -> Result<bool, Fault> {
        let good = is_password(&STANDARD.decode(message)?);
        if good {
            let full = FullLogin::new("PLAIN", USER)?;
            let device = DeviceId::new(random()?);
            let login = Login { full: &full, identity: ACCOUNT, device, now: now(Duration::ZERO) };
            let known = connection.logged_in(login, facts);
            self.commit(&known.commit)?;
            let known = known.unknown.map_or_else(|| "known".to_owned(), |why| format!("unknown: {why}"));
            println!("login PLAIN {USER} {known}");
        }
        wire.send(format!("{tag} {}\r\n", if good { "OK Logged in" } else { "NO Wrong" }).as_bytes())?;
        Ok(good)
    }

    /// An attempt with EXTERNAL or IKY.
    fn recognise(&self, wire: &mut Plain, connection: &mut Connection<'_>, offer: &Offer) -> Result<bool, Fault> {
        let mut exchange = imap::server(offer);
        let mut event = exchange.receive(&mut wire.input)?;
        let mut notes = "a mechanism that is not listed".to_owned();
        let mut client: Option<Recognised> = None;
        loop {
            event = match event {
                ServerEvent::Verify(request) => {
                    let name = request.mechanism.as_str();
                    let message = request.initial_response.unwrap_or_default();
                    let received = connection.receive(name, &message);
                    let received = received.ok_or_else(|| format!("{name} recognises nobody"))?;
                    let verdict = received.run(&self.store, now(Duration::ZERO));
                    let lineage = if String::from_utf8_lossy(&message).contains(",l=1") { " l=1" } else { "" };
                    let resumed = if connection.facts().is_resumed() { " resumed" } else { "" };
                    notes = format!("{name} {}{lineage}{resumed}", label(verdict.outcome));
                    client = verdict.recognised;
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
                    if let Some(link) = client
                        .filter(|_| accepted)
                        .and_then(|client| connection.recognised(&client, now(Duration::ZERO)))
                    {
                        self.commit(&link)?;
                    }
                    println!("{} {notes}", if accepted { "recognised" } else { "refused" });
                    wire.send(&bytes)?;
                    return Ok(accepted);
                }
                ServerEvent::OtherCommand => return Err("a command in the middle of a login".into()),
            };
        }
    }

    pub(crate) fn commit(&self, commit: &Commit) -> Result<(), Fault> {
        match self.store.commit(commit, now(Duration::ZERO))? {
            committed if committed.is_durable() => Ok(()),
            other => Err(format!("the store did not keep it: {other:?}").into()),
        }
    }
}

/// What the server calls the one account.
pub(crate) const ACCOUNT: &str = "account of alice";

/// Whether a message of PLAIN is the right one.
pub(crate) fn is_password(message: &[u8]) -> bool {
    message == format!("\0{USER}\0{PASSWORD}").as_bytes()
}

/// As the test vectors call it.
pub(crate) fn label(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Stale => "stale",
        Outcome::BadProof => "bad-proof",
        Outcome::BindingMismatch => "binding-mismatch",
        Outcome::Replayed => "replayed",
        _ => "other",
    }
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut octets = [0; N];
    SystemRandom::new().fill(&mut octets).map_err(|_| "the system has no random numbers")?;
    Ok(octets)
}
