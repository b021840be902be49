//! A client: one installation with one account, which roams between nodes.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fast_reauth::assertion::{AssertionId, ClientAssertion, ClientToken, HtMechanism, Pin, Policy, Scope, Service};
use fast_reauth::channel::ServerName;
use fast_reauth::mechanism::{NextStep, Outcome};
use fast_reauth::profile::xmpp::{Authenticate, Bind, Event, Fast, Features, ServerElement, StreamHeader, UserAgent};
use fast_reauth::profile::{Answer, MechanismName, Offer};
use fast_reauth::rustls::{Sessions, exporter};
use fast_reauth::store::client::{Account, Accounts, Connection, Plan, Settled};
use tokio_rustls::rustls::ClientConfig;

use crate::tls::{self, Connected};
use crate::wire::Wire;
use crate::{DOMAIN, Fault, now, random, scram};

/// The reason of a refusal that says nothing of the client: the store did not answer in time.
pub(crate) const UNAVAILABLE: &str = "unavailable";

/// What kind of client this is.
#[derive(Clone)]
pub(crate) struct Kind {
    /// The device, as it calls itself.
    pub(crate) device: &'static str,
    /// Name and password.
    pub(crate) account: (&'static str, &'static str),
    /// It derives assertions for these mechanisms.
    pub(crate) pins: &'static [Pin],
    /// It asks for tokens for these.
    pub(crate) tokens: &'static [HtMechanism],
}

/// The client, and what it keeps.
pub(crate) struct Client {
    pub(crate) kind: Kind,
    base: Arc<ClientConfig>,
    account: Account,
    accounts: Accounts,
    sessions: Sessions,
    installation: String,
    /// What the server calls it, once it has logged in.
    id: Mutex<String>,
}

/// A connection, and what came of it.
pub(crate) struct Visit {
    /// The mechanism of the one attempt.
    pub(crate) mechanism: &'static str,
    /// Whether the TLS session was resumed.
    pub(crate) resumed: bool,
    /// Round trips that the client waited for because of the login.
    pub(crate) waited: usize,
    /// Octets of the server's record that the client sent with its proof.
    pub(crate) sealed: Option<usize>,
    /// A new token, or a newly sealed record, came with the success.
    pub(crate) renewed: bool,
    /// Why it was refused, and what the client would do next.
    pub(crate) refused: Option<(String, NextStep)>,
    /// When the login was sent.
    pub(crate) sent: Instant,
    /// The login as it was sent.
    pub(crate) flight: Vec<u8>,
}

impl Client {
    pub(crate) fn new(kind: Kind, base: Arc<ClientConfig>) -> Result<Self, Fault> {
        let scope = Scope::new(Service::XMPP, ServerName::parse(DOMAIN)?);
        let (pins, tokens) = (kind.pins.iter().copied(), kind.tokens.iter().copied());
        Ok(Self {
            base,
            account: Account::new(scope, kind.account.0),
            accounts: Accounts::new(Policy::default()).preferring(pins).preferring_tokens(tokens),
            sessions: Sessions::new(NonZeroUsize::MIN),
            // XMPP asks for a UUID v4, and takes any text.
            installation: random::<16>()?.iter().map(|octet| format!("{octet:02x}")).collect(),
            id: Mutex::default(),
            kind,
        })
    }

    /// The same client as from a backup: what it keeps over a restart, and no TLS sessions. What becomes of the one is
    /// not known to the other.
    pub(crate) fn copy(&self) -> Result<Self, Fault> {
        let mut copy = Self::new(self.kind.clone(), self.base.clone())?;
        copy.installation.clone_from(&self.installation);
        let offered = self.accounts.last_offer(&self.account);
        for assertion in self.accounts.assertions(&self.account) {
            let assertion = ClientAssertion::from_bytes(&assertion.to_bytes())?;
            copy.accounts.restore(&copy.account, assertion, offered.iter().map(|name| &**name));
        }
        for token in self.accounts.tokens(&self.account) {
            copy.accounts.restore_token(&copy.account, ClientToken::from_bytes(&token.to_bytes())?);
        }
        Ok(copy)
    }

    /// What the server calls this client.
    pub(crate) fn id(&self) -> String {
        self.id.lock().map(|id| id.clone()).unwrap_or_default()
    }

    /// What a user calls it.
    pub(crate) fn name(&self) -> String {
        format!("{}'s {}", self.kind.account.0, self.kind.device)
    }

    fn connect(&self, port: u16, resume: bool) -> Result<Connected, Fault> {
        tls::connect(&self.base, &self.sessions, &self.account, port, resume)
    }

    /// The first login: what the server lists is not known, so the client waits for it.
    pub(crate) fn full_login(&self, port: u16) -> Result<Visit, Fault> {
        let Connected { tls, facts, watch, .. } = self.connect(port, false)?;
        let mut wire = Wire::new(tls);
        let sent = Instant::now();
        let mut flights = 0;
        let mut send = |wire: &mut Wire<_>, octets: &[u8]| {
            flights += 1;
            wire.send(octets)
        };
        send(&mut wire, &self.header().to_octets()?)?;
        wire.header()?;
        let features = Features::parse(&wire.element()?)?;
        let mut connection = self.accounts.connect(&self.account, facts);
        see(&mut connection, &features);

        let (name, password) = self.kind.account;
        let (mut scram, message) = scram::Client::start(name, password, connection.facts())?;
        let wanted = connection.wanted_token();
        let mut login = self.login(scram::MECHANISM, &message)?;
        login.token_request = wanted.map(|(_, spelling)| MechanismName::parse(spelling)).transpose()?;
        send(&mut wire, &login.to_octets()?)?;
        let ServerElement::Challenge(mut exchanged) = ServerElement::parse(&wire.element()?)? else {
            return Err("a challenge was due".into());
        };
        exchanged.message = scram.step(&exchanged.message)?.into();
        send(&mut wire, &exchanged.to_octets()?)?;
        let ServerElement::Success(success) = ServerElement::parse(&wire.element()?)? else {
            return Err("the server does not take the password".into());
        };
        // The server knows the password too.
        scram.step(success.data.as_deref().ok_or("a success without the server's signature")?)?;
        scram.end()?;

        let full = scram::full_login(name, connection.facts())?;
        connection.logged_in(&full, &exporter(&wire.tls.conn), &[], now())?;
        if let (Some((mechanism, _)), Some(token)) = (wanted, &success.token) {
            connection.token_issued(&full, mechanism, token.expose(), token.expiry(), now())?;
        }
        let jid = success.authorization_identifier.as_deref().unwrap_or_default();
        if let (Some((_, id)), Ok(mut mine)) = (jid.split_once('/'), self.id.lock()) {
            id.clone_into(&mut mine);
        }
        watch.authenticated(connection.facts(), connection.family());
        close(&mut wire)?;
        // The first one brings what the client would wait for in any case.
        let (mechanism, waited, flight) = (scram::MECHANISM, flights - 1, Vec::new());
        Ok(Visit { mechanism, resumed: false, waited, sealed: None, renewed: false, refused: None, sent, flight })
    }

    /// Comes back: one attempt, by what the client keeps, in the first flight. `None` where it keeps nothing that would
    /// do.
    pub(crate) fn come_back(&self, port: u16, resume: bool) -> Result<Option<Visit>, Fault> {
        let Connected { tls, facts, predecessor, watch } = self.connect(port, resume)?;
        let resumed = facts.is_resumed();
        let mut wire = Wire::new(tls);
        let mut connection = self.accounts.connect(&self.account, facts).resumes(predecessor);
        let Plan::Known(attempt) = connection.plan(now()) else { return Ok(None) };
        let (mechanism, sealed) = (attempt.mechanism(), sealed_octets(attempt.message()));
        let mut login = self.login(mechanism, attempt.message())?;
        login.fast = Fast::of(&attempt);
        let (flight, mut exchange) = login.start(Some(&self.header()))?;
        let sent = Instant::now();
        wire.send(&flight.bytes)?;
        let mut flights = 1;
        wire.header()?;
        let flight = flight.bytes.to_vec();
        let mut visit = Visit { mechanism, resumed, waited: 0, sealed, renewed: false, refused: None, sent, flight };
        loop {
            let element = wire.element()?;
            match exchange.receive(&element)? {
                // What is listed here counts next time: EXTERNAL, where the server knows the session.
                Event::Pass => see(&mut connection, &Features::parse(&element)?),
                Event::Send(octets) => {
                    flights += 1;
                    wire.send(&octets)?;
                }
                Event::Success(success) => {
                    let was_sealed = self.holds_sealed();
                    let settled = connection.settle(attempt, Outcome::Accepted, success.data.as_deref(), now());
                    if settled != Settled::LoggedIn {
                        return Err(format!("the server is not who it says: {settled:?}").into());
                    }
                    if let Some(token) = &success.token {
                        connection.token_rotated(token.expose(), token.expiry(), now())?;
                    }
                    watch.authenticated(connection.facts(), connection.family());
                    close(&mut wire)?;
                    visit.renewed =
                        success.token.is_some() || self.holds_sealed().iter().any(|id| !was_sealed.contains(id));
                    visit.waited = flights - 1;
                    return Ok(Some(visit));
                }
                Event::Failure(failure) => {
                    let said = failure.message.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
                    let reason = said.strip_prefix("e=").and_then(|rest| rest.split(',').next());
                    let why = reason.unwrap_or_else(|| condition(failure.verdict)).to_owned();
                    let message = failure.message.as_deref();
                    let Settled::Failed(next) = connection.settle(attempt, failure.outcome(), message, now()) else {
                        return Err("a failure that settled as a login".into());
                    };
                    if next == NextStep::FullHandshake {
                        watch.forget();
                    }
                    visit.refused = Some((why, next));
                    return Ok(Some(visit));
                }
            }
        }
    }

    /// Sends a login once more, as somebody would who saw it. Whether it is taken.
    pub(crate) fn replay(&self, port: u16, flight: &[u8]) -> Result<bool, Fault> {
        let mut wire = Wire::new(self.connect(port, false)?.tls);
        wire.send(flight)?;
        wire.header()?;
        loop {
            match ServerElement::parse(&wire.element()?)? {
                ServerElement::Success(_) => return Ok(true),
                ServerElement::Failure(_) => return Ok(false),
                _ => {}
            }
        }
    }

    /// The assertions of which the client keeps the server's record.
    fn holds_sealed(&self) -> Vec<AssertionId> {
        let held = self.accounts.assertions(&self.account);
        held.iter().filter(|held| held.is_sealed()).map(|held| *held.id()).collect()
    }

    fn header(&self) -> StreamHeader {
        StreamHeader { from: Some(format!("{}@{DOMAIN}", self.kind.account.0)), to: Some(DOMAIN.to_owned()), id: None }
    }

    /// A login that binds a resource, from this installation.
    fn login(&self, mechanism: &str, message: &[u8]) -> Result<Authenticate, Fault> {
        let (id, device) = (Some(self.installation.clone()), Some(self.kind.device.to_owned()));
        let agent = UserAgent { id, software: None, device };
        let new = Authenticate::new(MechanismName::parse(mechanism)?, message);
        Ok(Authenticate { user_agent: Some(agent), bind: Some(Bind::default()), ..new })
    }
}

/// Remembers what the server lists.
fn see(connection: &mut Connection<'_>, features: &Features) {
    let names = |offer: &Offer| offer.mechanisms().iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
    connection.saw_offer(names(&features.sasl2).iter().map(String::as_str));
    let tokens = features.fast.as_ref().map(|fast| names(&fast.offer)).unwrap_or_default();
    connection.saw_fast(tokens.iter().map(String::as_str));
}

/// What a server says that does not sign its refusals.
fn condition(verdict: Answer) -> &'static str {
    match verdict {
        Answer::Expired => "full-login-due",
        Answer::Unavailable => UNAVAILABLE,
        _ => "not-recognised",
    }
}

/// How many octets of the server's record are in an IKY message.
fn sealed_octets(message: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(message).ok()?.split(",t=").nth(1)?.split(',').next()?;
    STANDARD.decode(text).ok().map(|octets| octets.len())
}

/// Closes the stream. The server closes its end when everything is done, so what comes next comes after that.
fn close<S: std::io::Read + std::io::Write>(wire: &mut Wire<S>) -> Result<(), Fault> {
    wire.send(b"</stream:stream>")?;
    while wire.next()?.is_some() {}
    Ok(())
}
