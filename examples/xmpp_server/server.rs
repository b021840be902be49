//! The server: one account, a password, and this library. It takes messages, and delivers them to its standard output.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use fast_reauth::assertion::{BindingType, DeviceId, HtMechanism, Issued, Service, ServiceKeys};
use fast_reauth::channel::{ChannelFacts, Handle, ServerName};
use fast_reauth::mechanism::{self, Connection, Login};
use fast_reauth::profile::Offer;
use fast_reauth::profile::xmpp::{
    Authenticate, Bound, ClientElement, Failure, FastFeature, Features, IssuedToken, StreamHeader, Success, Version,
    challenge,
};
use fast_reauth::rustls::{Recognition, exporter};
use fast_reauth::store::{Commit, MemoryStore, Store as _};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::common::random;
use crate::scram::{self, StoredPassword};
use crate::wire::{self, patient};
use crate::{Fault, PASSWORD, USER, now};

/// The host that it serves.
pub(crate) const NAME: &str = "xmpp.example.com";

const DAY: u64 = 86_400;

/// A connection after the handshake.
type Wire = wire::Wire<StreamOwned<ServerConnection, TcpStream>>;

/// A server with one account.
pub(crate) struct Peer {
    server: mechanism::Server,
    recognition: Recognition,
    store: MemoryStore,
    password: StoredPassword,
    mode: String,
}

impl Peer {
    /// Takes tokens for one mechanism, or for all of them, so that a client meets names that it doesn't know.
    pub(crate) fn new(tls: Arc<ServerConfig>, mechanism: Option<HtMechanism>, mode: &str) -> Result<Self, Fault> {
        if !["normal", "renew", "expire", "missing", "empty", "wrong"].contains(&mode) {
            return Err(format!("there is no mode {mode}").into());
        }
        let server = mechanism::Server::new(Service::XMPP, [ServerName::parse(NAME)?], [scram::MECHANISM])?;
        let tokens = mechanism.map_or_else(|| HtMechanism::all().collect(), |mechanism| vec![mechanism]);
        Ok(Self {
            server: server.fast(tokens, ServiceKeys::new(1, &random()?)),
            recognition: Recognition::new(tls),
            store: MemoryStore::default(),
            password: StoredPassword::new(USER, PASSWORD, random()?),
            mode: mode.to_owned(),
        })
    }

    /// Serves one connection after the other, and tells `say` what comes of each.
    pub(crate) fn run(&self, listener: &TcpListener, say: impl Fn(String)) -> Result<(), Fault> {
        loop {
            if let Err(fault) = self.serve(listener.accept()?.0, &say) {
                say(format!("error {fault}"));
            }
        }
    }

    fn accept(&self, tcp: TcpStream) -> Result<(Wire, ChannelFacts), Fault> {
        let (config, watch) = self.recognition.connection(Handle::new(random()?));
        let mut tls = StreamOwned::new(ServerConnection::new(config)?, patient(tcp)?);
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock)?;
        }
        let facts = watch.facts(&mut tls.conn)?;
        Ok((Wire::new(tls), facts))
    }

    fn serve(&self, tcp: TcpStream, say: &dyn Fn(String)) -> Result<(), Fault> {
        let (mut wire, facts) = self.accept(tcp)?;
        let mut connection = Connection::new(&self.server, facts);
        let header = wire.header()?;
        let answer =
            StreamHeader { to: header.from.clone(), from: Some(NAME.to_owned()), id: Some(hex(random::<8>()?)) };
        let features = Features {
            sasl2: Offer::of(connection.mechanisms(now()))?,
            bind: true,
            fast: Some(FastFeature {
                offer: Offer::of(connection.fast_mechanisms().into_iter().map(HtMechanism::name))?,
                tls_0rtt: false,
            }),
            channel_bindings: [BindingType::Exporter, BindingType::EndPoint]
                .map(|binding| binding.name().to_owned())
                .to_vec(),
            ..Features::default()
        };
        wire.send(&[answer.to_octets()?, features.to_octets()?].concat())?;
        while let Some(element) = wire.next()? {
            let done = match ClientElement::parse(&element)? {
                ClientElement::Authenticate(login) if login.fast.is_some() => {
                    self.token(&mut wire, &mut connection, &header, &login, say)?
                }
                ClientElement::Authenticate(login) => self.password(&mut wire, &mut connection, &login, say)?,
                _ => return Err(format!("a login was due, not {}", String::from_utf8_lossy(&element)).into()),
            };
            if done {
                return stanzas(&mut wire, say);
            }
        }
        Ok(())
    }

    /// A full login, and the token that the client asks for with it.
    fn password(
        &self,
        wire: &mut Wire,
        connection: &mut Connection<'_>,
        login: &Authenticate,
        say: &dyn Fn(String),
    ) -> Result<bool, Fault> {
        let mechanism = login.request.mechanism;
        if mechanism.as_str() != scram::MECHANISM {
            return Err(format!("a full login with {mechanism}").into());
        }
        let mut scram = scram::Server::start(&self.password, connection.facts())?;
        let message = scram.step(login.request.initial_response.as_deref().unwrap_or_default())?;
        wire.send(&challenge(Version::Sasl2, &message)?)?;
        let ClientElement::Response(response) = ClientElement::parse(&wire.element()?)? else {
            return Err("a response was due".into());
        };
        let message = scram.step(&response.message)?;
        let name = scram.who().ok_or("a wrong name or password")?;
        let full = scram::full_login(&name, connection.facts())?;
        let who = Login { full: &full, identity: &name, device: DeviceId::new(random()?), now: now() };
        let (logged_in, issued) = match login.token_request(&name, random()?)? {
            Some(request) => {
                let (logged_in, issued) = connection.logged_in_with_token(who, &exporter(&wire.tls.conn), &request);
                (logged_in, Some(issued?))
            }
            None => (connection.logged_in(who, &exporter(&wire.tls.conn)), None),
        };
        self.commit(&logged_in.commit)?;
        say(format!("login {mechanism} {name}{}", if issued.is_some() { " token" } else { "" }));
        wire.send(&success(&name, Some(message), issued.as_ref())?)?;
        Ok(true)
    }

    /// A login with a token.
    fn token(
        &self,
        wire: &mut Wire,
        connection: &mut Connection<'_>,
        header: &StreamHeader,
        login: &Authenticate,
        say: &dyn Fn(String),
    ) -> Result<bool, Fault> {
        let name = login.request.mechanism;
        let request = login.ht_request(header, random()?)?;
        // How much later it is for tokens than for passwords.
        let later = match self.mode.as_str() {
            "renew" => Duration::from_secs(25 * DAY),
            "expire" => Duration::from_secs(31 * DAY),
            _ => Duration::ZERO,
        };
        let now = now().after(later);
        let mut verdict = connection.ht(request).run(&self.store, now);
        let Some(client) = &verdict.recognised else {
            say(format!("refused {name} {:?}", verdict.outcome));
            wire.send(&Failure::new(verdict.outcome, None).to_octets(Version::Sasl2)?)?;
            return Ok(false);
        };
        say(format!("recognised {name} {}{}", client.identity(), if verdict.token.is_some() { " token" } else { "" }));
        match (self.mode.as_str(), &mut verdict.message) {
            ("missing", message) => *message = None,
            ("empty", message) => *message = Some(Vec::new()),
            ("wrong", Some(message)) => message.iter_mut().take(1).for_each(|octet| *octet ^= 1),
            _ => {}
        }
        wire.send(&success(client.identity(), verdict.message.take(), verdict.token.as_ref())?)?;
        if let Some(link) = connection.recognised(client, now) {
            self.commit(&link)?;
        }
        Ok(true)
    }

    fn commit(&self, commit: &Commit) -> Result<(), Fault> {
        match self.store.commit(commit, now())? {
            committed if committed.is_durable() => Ok(()),
            other => Err(format!("the store did not keep it: {other:?}").into()),
        }
    }
}

/// `<success/>` with everything in it, and the features behind it.
fn success(name: &str, message: Option<Vec<u8>>, token: Option<&Issued>) -> Result<Vec<u8>, Fault> {
    let token = token.map(IssuedToken::try_from).transpose()?;
    let success = Success {
        data: message.map(Into::into),
        authorization_identifier: Some(format!("{name}@{NAME}/interop")),
        bound: Some(Bound::empty()),
        token,
        ..Success::default()
    };
    Ok([success.to_octets(Version::Sasl2)?, Features::default().to_octets()?].concat())
}

/// Takes what the client has to say until it closes the stream.
fn stanzas(wire: &mut Wire, say: &dyn Fn(String)) -> Result<(), Fault> {
    while let Some(element) = wire.next()? {
        let text = String::from_utf8_lossy(&element);
        if text.starts_with("<iq ") && text.contains("'urn:xmpp:ping'") {
            let id = text.split(['\'', '"']).skip_while(|part| !part.ends_with(" id=")).nth(1);
            wire.send(format!("<iq type='result' id='{}'/>", id.unwrap_or_default()).as_bytes())?;
        }
        if text.starts_with("<message ") {
            let body = text.split_once("<body>").and_then(|(_, rest)| rest.split_once("</body>"));
            say(format!("message {}", body.ok_or("a message without body")?.0));
        }
    }
    wire.send(b"</stream:stream>")
}

fn hex(octets: [u8; 8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
