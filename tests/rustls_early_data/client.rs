//! An IMAP client that comes back.

use std::io::{Read, Write};
use std::sync::Arc;

use bytes::BytesMut;
use fast_reauth::assertion::FullLogin;
use fast_reauth::mechanism::Outcome;
use fast_reauth::profile::imap::{self, authenticate};
use fast_reauth::profile::{ClientExchange, Event, Flight, MechanismName, NextCommand, Offer, Tag};
use fast_reauth::rustls::{ClientWatch, exporter};
use fast_reauth::store::client::{Accounts, Attempt, Connection, Plan, Settled};
use rustls::{ClientConfig, ClientConnection};

use super::{NAME, NOW, Served, account};

/// What the server lists, as it did the last time.
pub(crate) fn offer() -> Offer {
    imap::offer(b"* OK [CAPABILITY SASL-IR AUTH=EXTERNAL AUTH=IKY-SHA-256-NONE AUTH=IKY-SHA-256-EXPR] hello\r\n")
}

/// One connection, seen from the client.
pub(crate) struct Client<'a> {
    pub(crate) tls: ClientConnection,
    pub(crate) watch: ClientWatch,
    accounts: &'a Accounts,
    connection: Option<Connection<'a>>,
    login: Option<(Attempt, ClientExchange)>,
    early: Option<Attempt>,
    input: BytesMut,
    /// The lines that are not part of the login.
    pub(crate) heard: String,
}

impl<'a> Client<'a> {
    pub(crate) fn new(config: Arc<ClientConfig>, watch: ClientWatch, accounts: &'a Accounts) -> Self {
        let tls = ClientConnection::new(config, NAME.try_into().unwrap()).unwrap();
        let input = BytesMut::new();
        Self { tls, watch, accounts, connection: None, login: None, early: None, input, heard: String::new() }
    }

    /// Plans a login in early data and sends it with this command behind; what goes on the wire.
    pub(crate) fn send_early(&mut self, command: &str) -> Vec<u8> {
        let flight = self.plan_early();
        assert!(flight.rides_along.permits_early(NextCommand::Asks));
        assert!(!flight.rides_along.permits_early(NextCommand::Changes));
        self.send_octets_early(&[&flight.bytes, command.as_bytes()].concat())
    }

    /// Plans a login in early data, which is not sent yet.
    pub(crate) fn plan_early(&mut self) -> Flight {
        let (facts, before) = self.watch.early(&mut self.tls).expect("there is a session that allows it");
        let mut connection = self.accounts.connect(&account("alice"), facts).resumes(Some(before));
        let attempt = connection.plan_early(NOW).expect("it is fit for early data");
        let (flight, _) = imap_login(attempt.mechanism(), attempt.message());
        (self.connection, self.early) = (Some(connection), Some(attempt));
        flight
    }

    pub(crate) fn send_octets_early(&mut self, octets: &[u8]) -> Vec<u8> {
        assert!(self.watch.send_early(&mut self.tls, octets));
        self.wire()
    }

    /// Early data that the server did not take.
    pub(crate) fn send_again(&mut self, command: &str) {
        let (attempt, _) = self.login.as_ref().unwrap();
        let (flight, _) = imap_login(attempt.mechanism(), attempt.message());
        self.say(&flight.bytes);
        self.say(command.as_bytes());
    }

    /// Logs in as on any connection, once the handshake is finished.
    pub(crate) fn log_in(&mut self, mechanism: &str) {
        let facts = self.watch.facts(&self.tls).unwrap();
        assert!(!facts.is_early_data());
        let before = self.watch.predecessor(&self.tls);
        let mut connection = self.accounts.connect(&account("alice"), facts).resumes(before).offered([mechanism]);
        let Plan::Known(attempt) = connection.plan(NOW) else { panic!("the client knows a way") };
        let (flight, exchange) = imap_login(attempt.mechanism(), attempt.message());
        self.say(&flight.bytes);
        (self.connection, self.login) = (Some(connection), Some((attempt, exchange)));
    }

    /// Takes octets off the wire; what came of the login, if that is known now.
    pub(crate) fn receive(&mut self, mut wire: &[u8]) -> Option<Settled> {
        while !wire.is_empty() {
            self.tls.read_tls(&mut wire).unwrap();
            self.tls.process_new_packets().unwrap();
        }
        let mut octets = Vec::new();
        let _ = self.tls.reader().read_to_end(&mut octets);
        self.input.extend_from_slice(&octets);
        if !self.tls.is_handshaking() {
            self.handshake_finished();
        }
        let settled = self.login.take().and_then(|(attempt, exchange)| self.settle(attempt, exchange));
        if self.login.is_none() {
            self.heard += std::str::from_utf8(&self.input.split()).unwrap();
        }
        settled
    }

    fn handshake_finished(&mut self) {
        let Some(early) = self.early.take() else { return };
        let (taken, facts) = (self.watch.early_taken(&self.tls), self.watch.facts(&self.tls).unwrap());
        let attempt = self.connection.as_mut().unwrap().handshake_finished(facts, early, taken).unwrap();
        let (_, exchange) = imap_login(attempt.mechanism(), attempt.message());
        self.login = Some((attempt, exchange));
    }

    fn settle(&mut self, attempt: Attempt, mut exchange: ClientExchange) -> Option<Settled> {
        loop {
            match exchange.receive(&mut self.input).unwrap() {
                Event::NeedMore => {
                    self.login = Some((attempt, exchange));
                    return None;
                }
                Event::Pass(line) => self.heard += std::str::from_utf8(&line).unwrap(),
                Event::Send(flight) => self.say(&flight.bytes),
                Event::Done(done) => {
                    let outcome = if done.accepted() { Outcome::Accepted } else { Outcome::Stale };
                    let connection = self.connection.as_mut().unwrap();
                    return Some(connection.settle(attempt, outcome, done.data.as_deref(), NOW));
                }
            }
        }
    }

    /// Octets both ways until nobody has more to say.
    pub(crate) fn exchange(&mut self, served: &mut Served<'_>) -> Option<Settled> {
        let mut settled = None;
        loop {
            let wire = self.wire();
            let answer = served.receive(&wire);
            settled = self.receive(&answer).or(settled);
            if wire.is_empty() && answer.is_empty() {
                return settled;
            }
        }
    }

    pub(crate) fn full_login(&mut self, full: &FullLogin, offered: Vec<&str>) {
        let facts = self.watch.facts(&self.tls).unwrap();
        let mut connection = self.accounts.connect(&account("alice"), facts).offered(offered);
        assert_eq!(connection.logged_in(full, &exporter(&self.tls), &[], NOW), Ok(true));
        self.connection = Some(connection);
        self.authenticated();
    }

    /// The sessions of this connection may be offered from now on.
    pub(crate) fn authenticated(&mut self) {
        let family = self.connection.as_ref().and_then(Connection::family);
        self.watch.authenticated(&self.watch.facts(&self.tls).unwrap(), family);
    }

    pub(crate) fn say(&mut self, octets: &[u8]) {
        self.tls.writer().write_all(octets).unwrap();
    }

    fn wire(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut wire).unwrap();
        }
        wire
    }
}

pub(crate) fn imap_login(mechanism: &str, message: &[u8]) -> (Flight, ClientExchange) {
    let mechanism = MechanismName::parse(mechanism).unwrap();
    authenticate(Tag::parse("a1").unwrap(), &offer(), mechanism, message)
}
