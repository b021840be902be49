//! The service: what it answers to a login, whatever carries it.

use bytes::BytesMut;
use fast_reauth::assertion::{DeviceId, FullLogin, Policy};
use fast_reauth::channel::Exporter;
use fast_reauth::mechanism::{Connection, Login, Server};
use fast_reauth::profile::Offer;
use fast_reauth::profile::xmpp::{
    Authenticate, Bound, ClientElement, Failure, Features, Frame, Framer, GrantedAssertion, Manager, Path,
    StreamHeader, Success, Version,
};
use fast_reauth::rustls::exporter;
use fast_reauth::store::{MemoryStore, Store};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicU8, Ordering};

use super::rustls_support::{Bench, Link, Mode, transfer};
use super::*;

/// A service, and the TLS by which managers come to it.
pub(crate) struct Site {
    pub(crate) server: Server,
    pub(crate) store: MemoryStore,
    pub(crate) tls: Bench,
}

impl Site {
    pub(crate) fn new(mode: Mode, pins: &[Pin]) -> Self {
        let mut policy = Policy::default();
        policy.records_per_login = pins.len();
        let server = Server::new(Service::XMPP, [host()], ["PLAIN"]).unwrap();
        let server = server.pins(pins.iter().copied()).policy(policy);
        Self { server, store: MemoryStore::default(), tls: Bench::new(mode) }
    }

    /// The connection that a stream is on, with whoever is known on its session.
    pub(crate) fn accept(&self, path: Path) -> Connection<'_> {
        let connection = path.accept(&self.server);
        let lineage = connection.lookup().and_then(|lookup| self.store.lookup(&lookup, NOW).unwrap().lineage);
        connection.resumes(lineage)
    }

    pub(crate) fn features(&self, connection: &Connection<'_>) -> Vec<u8> {
        let sasl2 = Offer::of(connection.mechanisms(NOW)).unwrap();
        Features { sasl2, bind: true, grants: true, ..Features::default() }.to_octets().unwrap()
    }

    /// The answer to an element, and whom it logged in.
    pub(crate) fn answer(
        &self,
        connection: &mut Connection<'_>,
        exporter: &dyn Exporter,
        element: &[u8],
    ) -> (Vec<u8>, Option<String>) {
        let Ok(ClientElement::Authenticate(login)) = ClientElement::parse(element) else { panic!("a login was due") };
        if login.request.mechanism.as_str() == "PLAIN" {
            return self.full(connection, exporter, &login);
        }
        let message = login.request.initial_response.clone().unwrap_or_default();
        let received = connection.receive(login.request.mechanism.as_str(), &message).unwrap();
        let verdict = received.run(&self.store, NOW);
        let Some(client) = verdict.recognised else {
            let failure = Failure::new(verdict.outcome, verdict.message.as_deref());
            return (failure.to_octets(Version::Sasl2).unwrap(), None);
        };
        if let Some(link) = connection.recognised(&client, NOW) {
            assert!(self.store.commit(&link, NOW).unwrap().is_durable());
        }
        let success = Success { data: verdict.message.map(Into::into), ..success() };
        (success.to_octets(Version::Sasl2).unwrap(), Some(client.identity().to_owned()))
    }

    fn full(
        &self,
        connection: &mut Connection<'_>,
        exporter: &dyn Exporter,
        login: &Authenticate,
    ) -> (Vec<u8>, Option<String>) {
        static DEVICES: AtomicU8 = AtomicU8::new(1);
        let message = String::from_utf8(login.request.initial_response.clone().unwrap().into()).unwrap();
        let name = message.split('\0').nth(1).unwrap().to_owned();
        let full = FullLogin::new("PLAIN", &name).unwrap();
        let device = DeviceId::new([DEVICES.fetch_add(1, Ordering::Relaxed); 8]);
        let who = Login { full: &full, identity: &name, device, now: NOW };
        let mut success = success();
        let made = match login.assertion_request {
            None => connection.logged_in(who, exporter),
            Some(asked) => {
                let seed = [device.as_octets()[0]; 32];
                let made = connection.logged_in_granting(who, Pin::from_name(asked.as_str()).unwrap(), &seed);
                success.assertion = made.unknown.is_none().then(|| GrantedAssertion::new(asked, seed));
                made
            }
        };
        assert!(self.store.commit(&made.commit, NOW).unwrap().is_durable());
        (success.to_octets(Version::Sasl2).unwrap(), Some(name))
    }
}

fn success() -> Success {
    Success { bound: Some(Bound::empty()), ..Success::default() }
}

/// What the server's operator said of the peer that is a connection manager.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    Configured(Manager),
    /// Nothing: it is taken for a client.
    Unknown,
}

/// A manager's connection to the server, with one user's stream on it. All its connections resume one another, whoever the
/// users are: the worst that a manager can do. One that the server knows as such resumes those on which nobody logged in, too.
pub(crate) struct Leg<'s> {
    site: &'s Site,
    link: Link,
    connection: Connection<'s>,
    framers: [Framer; 2],
    inputs: [BytesMut; 2],
    /// Whom the server took the user for.
    pub(crate) who: Option<String>,
}

impl<'s> Leg<'s> {
    pub(crate) fn new(site: &'s Site, peer: &Peer) -> Self {
        let mut link = site.tls.connect("the manager");
        let connection = match peer {
            Peer::Configured(manager) => {
                link.authenticated(None);
                manager.accept(&site.server)
            }
            Peer::Unknown => site.accept(Path::tcp(link.facts())),
        };
        Self { site, link, connection, framers: Default::default(), inputs: Default::default(), who: None }
    }

    pub(crate) fn is_resumed(&mut self) -> bool {
        self.link.is_resumed()
    }

    /// Whether the server lists a mechanism on it.
    pub(crate) fn lists(&self, mechanism: &str) -> bool {
        self.connection.mechanisms(NOW).contains(&mechanism)
    }

    /// Sends octets of the stream, and gives what the server answers.
    pub(crate) fn send(&mut self, octets: &[u8]) -> Vec<Frame> {
        self.link.client.writer().write_all(octets).unwrap();
        transfer(&mut self.link.client, &mut self.link.server);
        read(&mut self.link.server.reader(), &mut self.inputs[0]);
        while let Some(frame) = next(&mut self.framers[0], &mut self.inputs[0]) {
            let answer = match frame {
                Frame::Header(_) => {
                    let header = StreamHeader { from: Some(NAME.to_owned()), id: Some("1".to_owned()), to: None };
                    [header.to_octets().unwrap(), self.site.features(&self.connection)].concat()
                }
                Frame::Element(element) => {
                    let exporter = exporter(&self.link.server);
                    let (answer, who) = self.site.answer(&mut self.connection, &exporter, &element);
                    self.who = self.who.take().or(who);
                    answer
                }
                frame => panic!("{frame:?}"),
            };
            self.link.server.writer().write_all(&answer).unwrap();
        }
        transfer(&mut self.link.server, &mut self.link.client);
        read(&mut self.link.client.reader(), &mut self.inputs[1]);
        if self.who.is_some() {
            self.link.authenticated(None);
        }
        std::iter::from_fn(|| next(&mut self.framers[1], &mut self.inputs[1])).collect()
    }
}

fn read(from: &mut impl Read, into: &mut BytesMut) {
    let mut octets = Vec::new();
    // It has no more for now, and says so with an error.
    let _ = from.read_to_end(&mut octets);
    into.extend_from_slice(&octets);
}

fn next(framer: &mut Framer, input: &mut BytesMut) -> Option<Frame> {
    match framer.receive(input).unwrap() {
        Frame::NeedMore => None,
        frame => Some(frame),
    }
}
