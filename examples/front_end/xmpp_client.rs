//! The XMPP client: one account, and a connection for every step.

use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use fast_reauth::assertion::{FullLogin, Pin, Policy, Scope, Service};
use fast_reauth::channel::ServerName;
use fast_reauth::mechanism::Outcome;
use fast_reauth::profile::MechanismName;
use fast_reauth::profile::xmpp::{Authenticate, Bind, Event, Features, Frame, Framer, StreamHeader, Success};
use fast_reauth::rustls::Sessions;
use fast_reauth::store::client::{Account, Accounts, Connection, Plan, Settled};
use tokio_rustls::rustls::client::ClientConnectionData;
use tokio_rustls::rustls::pki_types::ServerName as DnsName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection};

use crate::{Args, Fault, NAME, PASSWORD, USER, certificates, now, wire};

type Wire = wire::Wire<ClientConnection, ClientConnectionData>;

struct Peer {
    base: Arc<ClientConfig>,
    account: Account,
    accounts: Accounts,
    sessions: Sessions,
    pin: Pin,
    port: u16,
}

/// Takes the steps, and prints what came of each.
pub(crate) fn run(args: &Args) -> Result<(), Fault> {
    let peer = Peer {
        base: certificates::client_of(&args.ca)?,
        account: Account::new(Scope::new(Service::XMPP, ServerName::parse(NAME)?), USER),
        accounts: Accounts::new(Policy::default()),
        sessions: Sessions::new(NonZeroUsize::MIN),
        pin: args.mechanisms.first().copied().ok_or("which mechanism?")?,
        port: args.port,
    };
    for step in &args.steps {
        println!("step {step} {}", peer.step(step).map_err(|fault| format!("in step {step}: {fault}"))?);
    }
    Ok(())
}

impl Peer {
    /// One connection on a TLS session of its own, to another port where the step names one.
    fn step(&self, step: &str) -> Result<String, Fault> {
        let (step, port) = match step.split_once(':') {
            Some((step, port)) => (step, port.parse()?),
            None => (step, self.port),
        };
        let (config, watch) = self.sessions.connection_without_resumption(&self.base, &self.account);
        let tls = ClientConnection::new(config, DnsName::try_from(NAME)?)?;
        let mut wire = Wire::new(tls, TcpStream::connect(("127.0.0.1", port))?)?;
        let mut connection = self.accounts.connect(&self.account, watch.facts(&wire.tls.conn)?);
        let words = match step {
            "listed" => {
                let offer = open(&mut wire, &mut Framer::new())?.sasl2;
                offer.mechanisms().iter().fold("listed".to_owned(), |all, name| all + " " + name.as_str())
            }
            "granted" => self.full(&mut wire, &mut connection)?,
            "known" => self.known(&mut wire, &mut connection)?,
            _ => return Err(format!("there is no step {step}").into()),
        };
        wire.tls.conn.send_close_notify();
        wire.tls.conn.complete_io(&mut wire.tls.sock)?;
        Ok(words)
    }

    /// Asks for an assertion with the password.
    fn full(&self, wire: &mut Wire, connection: &mut Connection<'_>) -> Result<String, Fault> {
        let mut framer = Framer::new();
        let features = open(wire, &mut framer)?;
        if !features.grants {
            return Err("the server grants nothing".into());
        }
        connection.saw_offer(features.sasl2.mechanisms().iter().map(|name| name.as_str()));
        let message = format!("\0{USER}\0{PASSWORD}");
        let mut login = Authenticate::new(MechanismName::parse("PLAIN")?, message.as_bytes());
        login.assertion_request = Some(MechanismName::parse(self.pin.name())?);
        login.bind = Some(Bind::default());
        let (flight, mut exchange) = login.start(None)?;
        wire.send(&flight.bytes)?;
        let Event::Success(success) = exchange.receive(&element(wire, &mut framer)?)? else {
            return Ok("refused".to_owned());
        };
        let Some(granted) = &success.assertion else { return Ok("logged-in PLAIN not granted".to_owned()) };
        let full = FullLogin::new("PLAIN", USER)?;
        connection.logged_in_granted(&full, self.pin, granted.expose(), now(Duration::ZERO))?;
        Ok(format!("logged-in PLAIN granted {}", granted.mechanism()))
    }

    /// Header, login and bind in one flight, before anything is heard.
    fn known(&self, wire: &mut Wire, connection: &mut Connection<'_>) -> Result<String, Fault> {
        let attempt = match connection.plan(now(Duration::ZERO)) {
            Plan::Known(attempt) => attempt,
            plan => return Err(format!("the client would log in otherwise: {plan:?}").into()),
        };
        let mechanism = MechanismName::parse(attempt.mechanism())?;
        let login = Authenticate { bind: Some(Bind::default()), ..Authenticate::new(mechanism, attempt.message()) };
        let (flight, mut exchange) = login.start(Some(&header()))?;
        wire.send(&flight.bytes)?;
        let mut framer = Framer::new();
        let Frame::Header(_) = next(wire, &mut framer)? else { return Err("a stream without header".into()) };
        loop {
            match exchange.receive(&element(wire, &mut framer)?)? {
                Event::Pass => {}
                Event::Send(octets) => wire.send(&octets)?,
                Event::Success(success) => {
                    let Success { data, bound, .. } = *success;
                    let settled = connection.settle(attempt, Outcome::Accepted, data.as_deref(), now(Duration::ZERO));
                    let bound = if bound.is_some() { " bound" } else { "" };
                    return Ok(match settled {
                        Settled::LoggedIn => format!("logged-in {mechanism}{bound}"),
                        Settled::Failed(next) => format!("failed {mechanism} next={next:?}"),
                    });
                }
                Event::Failure(failure) => {
                    let said = failure.message.as_deref().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
                    let settled =
                        connection.settle(attempt, failure.outcome(), failure.message.as_deref(), now(Duration::ZERO));
                    let kept = self.accounts.assertions(&self.account).len();
                    return Ok(format!("failed {mechanism} said={said} {settled:?} kept={kept}"));
                }
            }
        }
    }
}

fn header() -> StreamHeader {
    StreamHeader { to: Some(NAME.to_owned()), from: Some(format!("{USER}@{NAME}")), id: None }
}

/// Opens a stream, and waits for what the server lists.
fn open(wire: &mut Wire, framer: &mut Framer) -> Result<Features, Fault> {
    wire.send(&header().to_octets()?)?;
    let Frame::Header(_) = next(wire, framer)? else { return Err("a stream without header".into()) };
    Ok(Features::parse(&element(wire, framer)?)?)
}

fn element(wire: &mut Wire, framer: &mut Framer) -> Result<bytes::Bytes, Fault> {
    match next(wire, framer)? {
        Frame::Element(element) => Ok(element),
        _ => Err("the server ended the stream too early".into()),
    }
}

fn next(wire: &mut Wire, framer: &mut Framer) -> Result<Frame, Fault> {
    loop {
        match framer.receive(&mut wire.input)? {
            Frame::NeedMore => wire.need()?,
            frame => return Ok(frame),
        }
    }
}
