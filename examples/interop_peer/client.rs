//! The client: one account, and a connection for every step.

use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fast_reauth::assertion::{FullLogin, Policy, Scope, Service};
use fast_reauth::channel::ServerName;
use fast_reauth::profile::{Completion, Event, MechanismName, NextCommand, Offer, Tag, imap};
use fast_reauth::rustls::{Sessions, exporter};
use fast_reauth::store::client::{Account, Accounts, Attempt, Connection, Plan, Settled};
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
    port: u16,
}

/// Takes the steps, and prints what came of each.
pub(crate) fn run(args: &Args) -> Result<(), Fault> {
    let scope = Scope::new(Service::IMAP, ServerName::parse(NAME)?);
    let peer = Peer {
        base: certificates::client_of(&args.ca)?,
        account: Account::new(scope, USER),
        accounts: Accounts::new(Policy::default()).preferring(args.mechanisms.iter().copied()),
        sessions: Sessions::new(NonZeroUsize::MIN),
        port: args.port,
    };
    for step in &args.steps {
        println!("step {step} {}", peer.step(step).map_err(|fault| format!("in step {step}: {fault}"))?);
    }
    Ok(())
}

impl Peer {
    /// One connection, to another port where the step names one.
    fn step(&self, step: &str) -> Result<String, Fault> {
        let (step, port) = match step.split_once(':') {
            Some((step, port)) => (step, port.parse()?),
            None => (step, self.port),
        };
        let resume = matches!(step, "iky-resumed" | "iky-unlinked" | "external" | "external-unlisted");
        let (config, watch) = match resume {
            true => self.sessions.connection(&self.base, &self.account),
            false => self.sessions.connection_without_resumption(&self.base, &self.account),
        };
        let tls = ClientConnection::new(config, DnsName::try_from(NAME)?)?;
        let mut wire = Wire::new(tls, TcpStream::connect(("127.0.0.1", port))?)?;
        let facts = watch.facts(&wire.tls.conn)?;
        if facts.is_resumed() != resume {
            return Err(format!("TLS resumed: {}", facts.is_resumed()).into());
        }
        // `iky-unlinked` is a client that keeps no lineage.
        let predecessor = watch.predecessor(&wire.tls.conn).filter(|_| step != "iky-unlinked");
        let offer = imap::offer(&wire.line()?);
        // The library prefers EXTERNAL where it is listed; for the other steps it is kept from knowing.
        let names = offer.mechanisms().iter().map(|name| name.as_str());
        let names = names.filter(|name| step.starts_with("external") || *name != "EXTERNAL");
        let unlisted = (step == "external-unlisted").then_some("EXTERNAL");
        if names.clone().any(|name| Some(name) == unlisted) {
            return Err("it is listed".into());
        }
        let connection = self.accounts.connect(&self.account, facts).resumes(predecessor);
        let mut connection = connection.offered(names.chain(unlisted));
        let words = match step {
            "full" => self.full(&mut wire, &mut connection)?,
            "listed" => offer.mechanisms().iter().fold("listed".to_owned(), |all, name| all + " " + name.as_str()),
            "external" | "external-unlisted" | "iky-fresh" | "iky-resumed" | "iky-unlinked" | "iky-altered" => {
                let attempt = match connection.plan(now(Duration::ZERO)) {
                    Plan::Known(attempt) if (attempt.mechanism() == "EXTERNAL") == step.starts_with("external") => {
                        attempt
                    }
                    plan => return Err(format!("the client would log in otherwise: {plan:?}").into()),
                };
                self.recognised(&mut wire, &mut connection, &offer, attempt, step)?
            }
            _ => return Err(format!("there is no step {step}").into()),
        };
        if words.starts_with("logged-in") {
            watch.authenticated(connection.facts(), connection.family());
        }
        wire.tls.conn.send_close_notify();
        wire.tls.conn.complete_io(&mut wire.tls.sock)?;
        Ok(words)
    }

    fn full(&self, wire: &mut Wire, connection: &mut Connection<'_>) -> Result<String, Fault> {
        let message = STANDARD.encode(format!("\0{USER}\0{PASSWORD}"));
        wire.send(format!("a1 AUTHENTICATE PLAIN {message}\r\n").as_bytes())?;
        let line = wire.text()?;
        if !line.starts_with("a1 OK") {
            return Ok(format!("refused {line}"));
        }
        let full = FullLogin::new("PLAIN", USER)?;
        if !connection.logged_in(&full, &exporter(&wire.tls.conn), &[], now(Duration::ZERO))? {
            return Err("the server lists no mechanism to be recognised by".into());
        }
        wire.send(b"a2 NOOP\r\n")?;
        Ok(format!("logged-in PLAIN {}", noop(wire)?))
    }

    fn recognised(
        &self,
        wire: &mut Wire,
        connection: &mut Connection<'_>,
        offer: &Offer,
        attempt: Attempt,
        step: &str,
    ) -> Result<String, Fault> {
        let before = self.accounts.assertions(&self.account).len();
        let mechanism = MechanismName::parse(attempt.mechanism())?;
        let mut message = attempt.message().to_vec();
        if step == "iky-altered" {
            let at = message.windows(3).rposition(|three| three == b",p=").ok_or("a message without proof")?;
            let first = message.get_mut(at + 3).ok_or("an empty proof")?;
            *first = if *first == b'A' { b'B' } else { b'A' };
        }
        let lineage = if String::from_utf8_lossy(&message).contains(",l=1") { " l=1" } else { "" };
        let (flight, mut exchange) = imap::authenticate(Tag::parse("a1")?, offer, mechanism, &message);
        // Nothing follows what will be refused.
        if flight.rides_along.permits(NextCommand::Asks) == (step == "external-unlisted") {
            return Err("what may ride along is wrong".into());
        }
        let noop_ahead: &[u8] = if step == "external-unlisted" { b"" } else { b"a2 NOOP\r\n" };
        wire.send(&[&flight.bytes[..], noop_ahead].concat())?;
        let completion: Completion = loop {
            match exchange.receive(&mut wire.input)? {
                Event::NeedMore => wire.need()?,
                Event::Pass(_) => {}
                Event::Send(flight) => wire.send(&flight.bytes)?,
                Event::Done(completion) => break completion,
            }
        };
        let settled =
            connection.settle(attempt, completion.verdict.into(), completion.data.as_deref(), now(Duration::ZERO));
        let after = self.accounts.assertions(&self.account).len();
        Ok(match settled {
            Settled::LoggedIn => {
                let changed = match after.cmp(&before) {
                    std::cmp::Ordering::Less => " successor",
                    std::cmp::Ordering::Equal => "",
                    std::cmp::Ordering::Greater => " renewed",
                };
                format!("logged-in {mechanism}{lineage}{changed} {}", noop(wire)?)
            }
            Settled::Failed(next) => {
                let said = completion.data.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
                let said = if said.starts_with("e=") { said } else { "-".into() };
                format!("failed {mechanism} code={:?} said={said} next={next:?} kept={after}", completion.verdict)
            }
        })
    }
}

/// What the server makes of the command that rode along.
fn noop(wire: &mut Wire) -> Result<String, Fault> {
    let line = wire.text()?;
    Ok(format!("noop={}", line.split(' ').nth(1).unwrap_or_default()))
}
