//! An IMAP server on one of the nodes of a service.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use fast_reauth::assertion::{DeviceId, FullLogin};
use fast_reauth::mechanism::{Connection, Login, Outcome, Recognised, Server};
use fast_reauth::profile::{Offer, Request, ServerEvent, ServerExchange, imap};
use fast_reauth::rustls::{Input, Recognition, Watch, exporter};
use fast_reauth::store::{MemoryStore, Store};
use rustls::ServerConnection;
use rustls::server::StoresServerSessions;

use super::{NOW, handle};

/// TLS sessions that can be copied, as a careless replication does.
#[derive(Debug, Default)]
pub(crate) struct Replicated(Mutex<HashMap<Vec<u8>, Vec<u8>>>);

impl Replicated {
    pub(crate) fn copy(&self) -> Arc<Self> {
        Arc::new(Self(Mutex::new(self.0.lock().unwrap().clone())))
    }
}

impl StoresServerSessions for Replicated {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.0.lock().unwrap().insert(key, value);
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.lock().unwrap().get(key).cloned()
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.lock().unwrap().remove(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

/// One connection, seen from the server.
pub(crate) struct Served<'s> {
    pub(crate) tls: ServerConnection,
    watch: Watch,
    input: Input,
    store: &'s MemoryStore,
    server: &'s Server,
    /// There from the greeting on.
    known: Option<(Connection<'s>, Offer, ServerExchange)>,
    client: Option<Recognised>,
    /// What came of each attempt to log in.
    pub(crate) outcomes: Vec<Outcome>,
    /// Who is logged in.
    pub(crate) logged_in: Option<String>,
    /// The commands that were carried out for somebody.
    pub(crate) ran: Vec<String>,
}

impl<'s> Served<'s> {
    pub(crate) fn new(recognition: &Recognition, server: &'s Server, store: &'s MemoryStore) -> Self {
        let (config, watch) = recognition.connection(handle());
        let tls = ServerConnection::new(config).unwrap();
        let (outcomes, ran) = (Vec::new(), Vec::new());
        Self {
            tls,
            watch,
            input: Input::default(),
            store,
            server,
            known: None,
            client: None,
            outcomes,
            logged_in: None,
            ran,
        }
    }

    /// Takes octets off the wire, and says what goes back.
    pub(crate) fn receive(&mut self, mut wire: &[u8]) -> Vec<u8> {
        while !wire.is_empty() {
            self.tls.read_tls(&mut wire).unwrap();
            self.tls.process_new_packets().unwrap();
            self.greet();
            self.input.read(&mut self.tls).unwrap();
            while self.step() {}
            self.link();
        }
        let mut out = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut out).unwrap();
        }
        out
    }

    fn greet(&mut self) {
        let Ok(facts) = self.watch.facts_at_greeting(&self.tls) else { return };
        if self.known.is_some() {
            return;
        }
        let connection = Connection::new(self.server, facts);
        let lineage = connection.lookup().and_then(|lookup| self.store.lookup(&lookup, NOW).unwrap().lineage);
        let connection = connection.resumes(lineage);
        let offer = Offer::of(connection.mechanisms(NOW)).unwrap();
        let exchange = imap::server(&offer);
        self.say(format!("* OK [CAPABILITY {}] hello\r\n", imap::capabilities(&offer)).as_bytes());
        self.known = Some((connection, offer, exchange));
    }

    /// One step of a login, or one command.
    fn step(&mut self) -> bool {
        let Some((connection, offer, exchange)) = &mut self.known else { return false };
        if self.input.octets().is_empty() {
            return false;
        }
        let Ok(facts) = self.watch.facts_for(&self.input, &self.tls) else { return false };
        connection.update_facts(facts);
        let mut octets = BytesMut::from(self.input.octets());
        let before = octets.len();
        let event = exchange.receive(&mut octets).unwrap();
        let mut consumed = before - octets.len();
        let mut said = Vec::new();
        let mut goes_on = true;
        match event {
            ServerEvent::NeedMore => goes_on = false,
            ServerEvent::Send(bytes) => said = bytes.to_vec(),
            ServerEvent::Verify(Request { mechanism, initial_response }) => {
                let message = initial_response.unwrap();
                let verdict = connection.receive(mechanism.as_str(), &message).unwrap().run(self.store, NOW);
                self.outcomes.push(verdict.outcome);
                self.client = verdict.recognised;
                match exchange.finish(verdict.outcome, verdict.message.as_deref()).unwrap() {
                    ServerEvent::Send(bytes) => said = bytes.to_vec(),
                    ServerEvent::Done { bytes, accepted } => {
                        said = bytes.to_vec();
                        self.logged_in =
                            self.client.as_ref().filter(|_| accepted).map(|client| client.identity().into());
                        *exchange = imap::server(offer);
                    }
                    event => panic!("{event:?}"),
                }
            }
            ServerEvent::Done { bytes, accepted } => {
                said = bytes.to_vec();
                self.logged_in = self.client.as_ref().filter(|_| accepted).map(|client| client.identity().into());
                *exchange = imap::server(offer);
            }
            ServerEvent::OtherCommand => {
                let Some(end) = octets.iter().position(|octet| *octet == b'\n') else { return false };
                let line = String::from_utf8(octets[..=end].to_vec()).unwrap();
                consumed = line.len();
                let (tag, command) = line.trim_end().split_once(' ').unwrap();
                said = match (&self.logged_in, command) {
                    (None, "NOOP") | (Some(_), _) => format!("{tag} OK done\r\n").into(),
                    (None, _) => format!("{tag} BAD not now\r\n").into(),
                };
                if self.logged_in.is_some() {
                    self.ran.push(command.into());
                }
            }
        }
        self.input.consume(consumed);
        self.say(&said);
        goes_on
    }

    fn say(&mut self, octets: &[u8]) {
        self.tls.writer().write_all(octets).unwrap();
    }

    /// Makes the connections known that resume this one, when the handshake is finished.
    fn link(&mut self) {
        let (false, Some((connection, ..))) = (self.tls.is_handshaking(), &mut self.known) else { return };
        let Some(client) = self.client.take_if(|_| self.logged_in.is_some()) else { return };
        connection.update_facts(self.watch.facts_for(&self.input, &self.tls).unwrap());
        if let Some(link) = connection.recognised(&client, NOW) {
            assert!(self.store.commit(&link, NOW).unwrap().is_durable());
        }
    }

    /// A full login that just happened.
    pub(crate) fn full_login(&mut self, full: &FullLogin) -> Vec<&'s str> {
        let mut connection = Connection::new(self.server, self.watch.facts(&mut self.tls).unwrap());
        let offered = connection.mechanisms(NOW);
        let device = DeviceId::new(handle().as_octets()[8..].try_into().unwrap());
        let login = Login { full, identity: "alice", device, now: NOW };
        let commit = connection.logged_in(login, &exporter(&self.tls)).commit;
        assert!(self.store.commit(&commit, NOW).unwrap().is_durable());
        offered
    }
}
