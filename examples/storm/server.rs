//! The server: everybody's account, this library, and a storm's worth of threads.

use std::net::TcpListener as Listener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use fast_reauth::assertion::{BindingType, DeviceId, FullLogin, HtMechanism, Issued, Service, ServiceKeys};
use fast_reauth::channel::{Handle, ServerName};
use fast_reauth::mechanism::{self, Connection, Login, Outcome};
use fast_reauth::profile::Offer;
use fast_reauth::profile::xmpp::{
    Authenticate, Bound, ClientElement, Failure, FastFeature, Features, IssuedToken, StreamHeader, Success, Version,
    challenge,
};
use fast_reauth::rustls::{Recognition, exporter};
use fast_reauth::store::{Commit, MemoryStore, Store as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio_rustls::rustls::{ServerConfig, ServerConnection};

use crate::Fault;
use crate::common::{now, random, scram};
use crate::line::Line;
use crate::meter::{Cpu, Meter, Part};
use crate::passwords::Passwords;
use crate::way::{HOST, TOKENS};

type Wire = Line<ServerConnection>;

/// The service, and what it knows.
pub(crate) struct Server {
    server: mechanism::Server,
    recognition: Recognition,
    store: MemoryStore,
    pub(crate) passwords: Passwords,
    /// Logins until now.
    logins: AtomicUsize,
    /// Somebody could not be served, and that was said. Should the clients give up, it is all of them.
    failed: AtomicBool,
}

/// Everything that one connection has.
struct Stream<'s> {
    server: &'s Server,
    wire: Wire,
    connection: Connection<'s>,
    header: StreamHeader,
}

impl Server {
    pub(crate) fn new(tls: Arc<ServerConfig>, passwords: Passwords) -> Result<Self, Fault> {
        let names = [ServerName::parse(HOST)?];
        let server = mechanism::Server::new(Service::XMPP, names, [scram::MECHANISM, "PLAIN"])?;
        Ok(Self {
            server: server.fast([TOKENS], ServiceKeys::new(1, &random()?)),
            recognition: Recognition::new(tls),
            store: MemoryStore::default(),
            passwords,
            logins: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
        })
    }

    /// How many have logged in.
    pub(crate) fn logins(&self) -> usize {
        self.logins.load(Ordering::Relaxed)
    }

    /// Serves all who come to this listener until `closed` says that nobody comes any more; what that took.
    pub(crate) fn run(self: &Arc<Self>, listener: &Listener, mut closed: watch::Receiver<bool>) -> Result<Cpu, Fault> {
        let meter = Rc::new(Meter::start());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = listener.try_clone()?;
        listener.set_nonblocking(true)?;
        LocalSet::new().block_on(&runtime, async {
            let listener = TcpListener::from_std(listener)?;
            loop {
                let tcp = tokio::select! {
                    tcp = listener.accept() => tcp?.0,
                    _ = closed.wait_for(|closed| *closed) => return Ok(meter.stop()),
                };
                let (server, meter) = (Arc::clone(self), Rc::clone(&meter));
                spawn_local(async move {
                    if let Err(fault) = server.serve(tcp, meter).await {
                        if !server.failed.swap(true, Ordering::Relaxed) {
                            eprintln!("the server: {fault}");
                        }
                    }
                });
            }
        })
    }

    /// One connection, until the client closes it.
    async fn serve(&self, tcp: TcpStream, meter: Rc<Meter>) -> Result<(), Fault> {
        let handle = || Ok::<_, Fault>(self.recognition.connection(Handle::new(random()?)));
        let (config, watch) = meter.time(Part::Channel, handle)?;
        let tls = meter.time(Part::Tls, || ServerConnection::new(config))?;
        let mut wire = Line::new(tcp, tls, Rc::clone(&meter))?;
        wire.handshake().await?;
        let connection = meter.time(Part::Channel, || {
            let connection = Connection::new(&self.server, watch.facts(&mut wire.tls)?);
            let lineage = match connection.lookup() {
                Some(lookup) => self.store.lookup(&lookup, now())?.lineage,
                None => None,
            };
            Ok::<_, Fault>(connection.resumes(lineage))
        })?;
        let header = wire.header().await?;
        let mut stream = Stream { server: self, wire, connection, header };
        stream.greet().await?;
        while let Some(element) = stream.wire.element().await? {
            let element = meter.time(Part::Xmpp, || ClientElement::parse(&element))?;
            let ClientElement::Authenticate(login) = element else { return Err("a login was due".into()) };
            match login.request.mechanism.as_str() {
                scram::MECHANISM => stream.scram(&login).await?,
                "PLAIN" => stream.plain(&login).await?,
                _ => stream.recognise(&login).await?,
            }
            self.logins.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn commit(&self, commit: &Commit) -> Result<(), Fault> {
        match self.store.commit(commit, now())? {
            committed if committed.is_durable() => Ok(()),
            other => Err(format!("the store did not keep it: {other:?}").into()),
        }
    }
}

impl Stream<'_> {
    /// The server's header, and what it lists.
    async fn greet(&mut self) -> Result<(), Fault> {
        let meter = Rc::clone(&self.wire.meter);
        let (listed, tokens) =
            meter.time(Part::Authentication, || (self.connection.mechanisms(now()), self.connection.fast_mechanisms()));
        let octets = meter.time(Part::Xmpp, || {
            let header = StreamHeader { to: None, from: Some(HOST.to_owned()), id: Some("1".to_owned()) };
            let offer = Offer::of(tokens.into_iter().map(HtMechanism::name))?;
            let features = Features {
                sasl2: Offer::of(listed)?,
                bind: true,
                fast: Some(FastFeature { offer, tls_0rtt: false }),
                channel_bindings: vec![BindingType::Exporter.name().to_owned()],
                ..Features::default()
            };
            Ok::<_, Fault>([header.to_octets()?, features.to_octets()?].concat())
        })?;
        self.wire.send(&octets).await
    }

    /// EXTERNAL, IKY, or HT.
    async fn recognise(&mut self, login: &Authenticate) -> Result<(), Fault> {
        let meter = Rc::clone(&self.wire.meter);
        let (store, name) = (&self.server.store, login.request.mechanism);
        let drawn = || random().ok();
        let verdict = meter.time(Part::Authentication, || {
            let attempt = match login.fast {
                Some(_) => self.connection.ht(login.ht_request(&self.header, &drawn)?),
                None => {
                    let message = login.request.initial_response.as_deref().unwrap_or_default();
                    let attempt = self.connection.receive(name.as_str(), message);
                    attempt.ok_or_else(|| format!("{name} recognises nobody"))?
                }
            };
            Ok::<_, Fault>(attempt.run(store, now()))
        })?;
        let Some(client) = &verdict.recognised else {
            let failure = Failure::new(verdict.outcome, verdict.message.as_deref());
            self.wire.send(&failure.to_octets(Version::Sasl2)?).await?;
            return Err(format!("{name} is refused: {:?}", verdict.outcome).into());
        };
        self.success(client.identity(), verdict.message.as_deref(), verdict.token.as_ref()).await?;
        meter.time(Part::Record, || {
            self.connection.recognised(client, now()).map_or(Ok(()), |link| self.server.commit(&link))
        })
    }

    /// A full login with SCRAM; who asks for a token is one to be known from now on.
    async fn scram(&mut self, login: &Authenticate) -> Result<(), Fault> {
        let meter = Rc::clone(&self.wire.meter);
        let from = self.header.from.as_deref().and_then(|from| from.split('@').next()).unwrap_or_default();
        let (mut scram, message) = meter.time(Part::Authentication, || {
            let mut scram = scram::Server::start(self.server.passwords.scram(from)?, self.connection.facts())?;
            let message = scram.step(login.request.initial_response.as_deref().unwrap_or_default())?;
            Ok::<_, Fault>((scram, message))
        })?;
        let octets = meter.time(Part::Xmpp, || challenge(Version::Sasl2, &message))?;
        self.wire.send(&octets).await?;
        let element = self.wire.element().await?.ok_or("a client that ended in the middle of SCRAM")?;
        let element = meter.time(Part::Xmpp, || ClientElement::parse(&element))?;
        let ClientElement::Response(response) = element else { return Err("a response was due".into()) };
        let (message, name) = meter.time(Part::Authentication, || {
            let message = scram.step(&response.message)?;
            Ok::<_, Fault>((message, scram.who().ok_or("a wrong name or password")?))
        })?;
        let issued = match login.token_request(&name, random()?)? {
            Some(request) => {
                let full = scram::full_login(&name, self.connection.facts())?;
                Some(self.remember(&full, &name, &request)?)
            }
            None => None,
        };
        self.success(&name, Some(&message), issued.as_ref()).await
    }

    fn remember(
        &mut self,
        full: &FullLogin,
        name: &str,
        request: &fast_reauth::assertion::TokenRequest<'_>,
    ) -> Result<Issued, Fault> {
        let who = Login { full, identity: name, device: DeviceId::new(random()?), now: now() };
        let (made, issued) = self.connection.logged_in_with_token(who, &exporter(&self.wire.tls), request);
        self.server.commit(&made.commit)?;
        Ok(issued?)
    }

    /// A full login with a password, which is hashed.
    async fn plain(&mut self, login: &Authenticate) -> Result<(), Fault> {
        let message = login.request.initial_response.as_deref().unwrap_or_default();
        let meter = Rc::clone(&self.wire.meter);
        match meter.time(Part::Authentication, || self.server.passwords.plain(message))? {
            Some(name) => self.success(&name, None, None).await,
            None => {
                let failure = Failure::new(Outcome::BadProof, None);
                self.wire.send(&failure.to_octets(Version::Sasl2)?).await?;
                Err("a wrong password".into())
            }
        }
    }

    async fn success(&mut self, name: &str, message: Option<&[u8]>, token: Option<&Issued>) -> Result<(), Fault> {
        let octets = self.wire.meter.time(Part::Xmpp, || {
            let success = Success {
                data: message.map(|message| message.to_vec().into()),
                authorization_identifier: Some(format!("{name}@{HOST}/storm")),
                bound: Some(Bound::empty()),
                token: token.map(IssuedToken::try_from).transpose()?,
                ..Success::default()
            };
            Ok::<_, Fault>(success.to_octets(Version::Sasl2)?)
        })?;
        self.wire.send(&octets).await
    }
}
