//! One client of many: its accounts and sessions are in maps that it shares with the others of its thread.

use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;

use fast_reauth::assertion::{Policy, Scope, Service};
use fast_reauth::channel::ServerName;
use fast_reauth::mechanism::Outcome;
use fast_reauth::profile::xmpp::{
    Authenticate, Bind, ClientExchange, Event, Fast, Features, ServerElement, StreamHeader, Success, UserAgent,
};
use fast_reauth::profile::{MechanismName, Offer};
use fast_reauth::rustls::{ClientWatch, Sessions, exporter};
use fast_reauth::store::client::{Account, Accounts, Attempt, Connection, Plan, Settled};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName as DnsName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection};

use crate::Fault;
use crate::common::{now, scram};
use crate::line::Line;
use crate::meter::{Meter, Part};
use crate::way::{HOST, PASSWORD, TOKENS, Way, user};

/// A connection on which a client is logged in.
pub(crate) type Wire = Line<ClientConnection>;

/// The clients of one thread, and what they keep.
pub(crate) struct Clients {
    base: Arc<ClientConfig>,
    sessions: Sessions,
    accounts: Accounts,
    scope: Scope,
}

/// A client that is about to log in.
struct Visit<'c> {
    name: String,
    wire: Wire,
    watch: ClientWatch,
    connection: Connection<'c>,
}

impl Clients {
    pub(crate) fn new(base: Arc<ClientConfig>, clients: NonZeroUsize) -> Result<Self, Fault> {
        Ok(Self {
            base,
            sessions: Sessions::new(clients),
            accounts: Accounts::new(Policy::default()).preferring_tokens([TOKENS]),
            scope: Scope::new(Service::XMPP, ServerName::parse(HOST)?),
        })
    }

    /// Connects, for the first time or once more, and logs in.
    pub(crate) async fn log_in(
        &self,
        server: &str,
        number: usize,
        way: Option<Way>,
        meter: Rc<Meter>,
    ) -> Result<Wire, Fault> {
        let name = user(number);
        let account = Account::new(self.scope.clone(), &name);
        let (config, watch) = meter.time(Part::Channel, || self.sessions.connection(&self.base, &account));
        let tls =
            meter.time(Part::Tls, || ClientConnection::new(config, DnsName::try_from(HOST)?).map_err(Fault::from))?;
        let mut wire = Line::new(TcpStream::connect(server).await?, tls, Rc::clone(&meter))?;
        wire.handshake().await?;
        let connection = meter.time(Part::Channel, || {
            let facts = watch.facts(&wire.tls)?;
            // Each way is to be measured over the same TLS.
            if facts.is_resumed() != way.is_some() {
                return Err(Fault::from("TLS resumed a session, or it did not, where it was the other way round"));
            }
            let connection = self.accounts.connect(&account, facts).resumes(watch.predecessor(&wire.tls));
            Ok(connection.offered(listed(way)).fast(way.is_none_or(|way| way == Way::Ht).then(|| TOKENS.name())))
        })?;
        let mut visit = Visit { name, wire, watch, connection };
        match way {
            None => visit.scram(true).await?,
            Some(Way::Scram) => visit.scram(false).await?,
            Some(Way::Argon2) => visit.plain().await?,
            Some(way) => visit.come_back(way).await?,
        }
        meter.time(Part::Record, || {
            visit.watch.authenticated(visit.connection.facts(), visit.connection.family());
        });
        Ok(visit.wire)
    }
}

/// The library has its own order, so it is told of the mechanism that is measured, and no other.
fn listed(way: Option<Way>) -> Vec<&'static str> {
    match way {
        None | Some(Way::Iky) => vec!["IKY-SHA-256-EXPR"],
        Some(Way::External) => vec!["EXTERNAL"],
        _ => Vec::new(),
    }
}

impl Visit<'_> {
    /// Known already: header, login and bind in one flight.
    async fn come_back(&mut self, way: Way) -> Result<(), Fault> {
        let meter = Rc::clone(&self.wire.meter);
        let attempt = match meter.time(Part::Authentication, || self.connection.plan(now())) {
            Plan::Known(attempt) if attempt.mechanism() == way.title() => attempt,
            plan => return Err(format!("the client would log in otherwise: {plan:?}").into()),
        };
        let (octets, exchange) = meter.time(Part::Xmpp, || {
            let mut login = self.login(attempt.mechanism(), attempt.message())?;
            login.fast = attempt.uses_token().then(|| Fast { count: attempt.count(), invalidate: false });
            let (flight, exchange) = login.start(Some(&self.header()))?;
            Ok::<_, Fault>((flight.bytes, exchange))
        })?;
        self.wire.send(&octets).await?;
        self.features().await?;
        self.answer(attempt, exchange).await
    }

    async fn answer(&mut self, attempt: Attempt, mut exchange: ClientExchange) -> Result<(), Fault> {
        let meter = Rc::clone(&self.wire.meter);
        let element = self.wire.element().await?.ok_or("the server closed the connection")?;
        let Event::Success(success) = meter.time(Part::Xmpp, || exchange.receive(&element))? else {
            return Err(format!("refused: {}", String::from_utf8_lossy(&element)).into());
        };
        success.bound.ok_or("a success without <bound/>")?;
        let settled = meter.time(Part::Authentication, || {
            self.connection.settle(attempt, Outcome::Accepted, success.data.as_deref(), now())
        });
        match settled {
            Settled::LoggedIn => Ok(()),
            Settled::Failed(next) => Err(format!("whoever answered is not the server; next would be {next:?}").into()),
        }
    }

    /// With the password; the client is known from then on, or not.
    async fn scram(&mut self, to_be_known: bool) -> Result<(), Fault> {
        let meter = Rc::clone(&self.wire.meter);
        let start = || scram::Client::start(&self.name, PASSWORD, self.connection.facts());
        let (mut scram, message) = meter.time(Part::Authentication, start)?;
        let wanted = self.connection.wanted_token().filter(|_| to_be_known);
        let octets = meter.time(Part::Xmpp, || {
            let mut login = self.login(scram::MECHANISM, &message)?;
            login.token_request = wanted.map(|(_, spelling)| MechanismName::parse(spelling)).transpose()?;
            Ok::<_, Fault>([self.header().to_octets()?, login.to_octets()?].concat())
        })?;
        self.wire.send(&octets).await?;
        let features = self.features().await?;
        let ServerElement::Challenge(mut exchanged) = self.element().await? else {
            return Err("a challenge was due".into());
        };
        exchanged.message = meter.time(Part::Authentication, || scram.step(&exchanged.message))?.into();
        let octets = meter.time(Part::Xmpp, || exchanged.to_octets())?;
        self.wire.send(&octets).await?;
        let success = self.success().await?;
        meter.time(Part::Authentication, || {
            scram.step(success.data.as_deref().ok_or("a success without the server's signature")?)?;
            scram.end()
        })?;
        let Some((mechanism, _)) = wanted else { return Ok(()) };
        self.connection.saw_offer(names(&features.sasl2));
        let full = scram::full_login(&self.name, self.connection.facts())?;
        if !self.connection.logged_in(&full, &exporter(&self.wire.tls), &[], now())? {
            return Err("the server lists no mechanism to be recognised by".into());
        }
        let token = success.token.as_ref().ok_or("a success without token")?;
        Ok(self.connection.token_issued(&full, mechanism, token.expose(), token.expiry(), now())?)
    }

    async fn plain(&mut self) -> Result<(), Fault> {
        let meter = Rc::clone(&self.wire.meter);
        let message = format!("\0{}\0{PASSWORD}", self.name);
        let octets = meter.time(Part::Xmpp, || {
            let login = self.login("PLAIN", message.as_bytes())?;
            Ok::<_, Fault>([self.header().to_octets()?, login.to_octets()?].concat())
        })?;
        self.wire.send(&octets).await?;
        self.features().await?;
        self.success().await.map(|_| ())
    }

    async fn features(&mut self) -> Result<Features, Fault> {
        self.wire.header().await?;
        let element = self.wire.element().await?.ok_or("the server closed the connection")?;
        Ok(self.wire.meter.time(Part::Xmpp, || Features::parse(&element))?)
    }

    async fn element(&mut self) -> Result<ServerElement, Fault> {
        let element = self.wire.element().await?.ok_or("the server closed the connection")?;
        Ok(self.wire.meter.time(Part::Xmpp, || ServerElement::parse(&element))?)
    }

    async fn success(&mut self) -> Result<Success, Fault> {
        match self.element().await? {
            ServerElement::Success(success) if success.bound.is_some() => Ok(*success),
            element => Err(format!("refused: {element:?}").into()),
        }
    }

    fn header(&self) -> StreamHeader {
        StreamHeader { from: Some(format!("{}@{HOST}", self.name)), to: Some(HOST.to_owned()), id: None }
    }

    fn login(&self, mechanism: &str, message: &[u8]) -> Result<Authenticate, Fault> {
        let agent = UserAgent { id: Some(self.name.clone()), software: None, device: None };
        let new = Authenticate::new(MechanismName::parse(mechanism)?, message);
        Ok(Authenticate { user_agent: Some(agent), bind: Some(Bind::default()), ..new })
    }
}

fn names(offer: &Offer) -> impl Iterator<Item = &str> {
    offer.mechanisms().iter().map(|name| name.as_str())
}
