//! A service and a client that is known to it by one mechanism, behind the handles that a SASL framework's mechanisms have.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

use std::sync::Arc;

use fast_reauth::Timestamp;
use fast_reauth::assertion::{DeviceId, HtMechanism, Pin, Scope, ServiceKeys, TokenBinding, TokenRequest};
use fast_reauth::framework::{Client, Server};
use fast_reauth::mechanism::ht::Beside;
use fast_reauth::mechanism::{self, Login, SharedConnection};
use fast_reauth::store::client::{Accounts, Predecessor};
use fast_reauth::store::{Commit, Committed, Device, Found, Lookup, MemoryStore, Revoke, Store, Unavailable};

use crate::common::*;

/// An installation of a client.
pub const PHONE: &str = "d4565fa7-4d72-4749-b3d3-740edbf87770";

/// The name of every mechanism.
pub fn all_names() -> Vec<&'static str> {
    let pins = Pin::ALL.into_iter().map(Pin::name);
    ["EXTERNAL"].into_iter().chain(pins).chain(HtMechanism::all().map(HtMechanism::name)).collect()
}

/// Those with a message of the server.
pub fn all_mutual() -> impl Iterator<Item = &'static str> {
    all_names().into_iter().filter(|name| *name != "EXTERNAL")
}

/// A service and a client that logged in there.
pub struct Bed {
    pub name: &'static str,
    pub server: Arc<mechanism::Server>,
    pub store: Arc<dyn Store>,
    pub accounts: Arc<Accounts>,
    pub first: Tls,
    /// The connection that is to be tried.
    pub tls: Tls,
}

impl Bed {
    /// The client is known by the mechanism of this name, and will come back on a resumed session.
    pub fn known(name: &'static str) -> Self {
        let bed = Self::stranger(name);
        bed.log_in();
        bed
    }

    /// The client was never here.
    pub fn stranger(name: &'static str) -> Self {
        let (pin, token) = (Pin::from_name(name), HtMechanism::from_name(name));
        let mut server = server_with(&pin.map_or(vec![], |pin| vec![pin]));
        if let Some(token) = token {
            server = server.fast([token], ServiceKeys::new(1, &[0x11; 32]));
        }
        let accounts = Accounts::default().preferring(pin).preferring_tokens(token);
        let mut first = Tls::full();
        if token.is_some_and(|token| token.binding() == TokenBinding::Unique) {
            (first.version12, first.unique) = (Some(true), Some(fresh()));
        }
        let tls = Tls { unique: first.unique.map(|_| fresh()), ..Tls::resuming(&first) };
        let store = Arc::new(MemoryStore::default());
        Self { name, server: Arc::new(server), store, accounts: Arc::new(accounts), first, tls }
    }

    pub fn log_in(&self) {
        let listed = self.server_on(&self.first).mechanisms();
        self.log_in_at(&listed.iter().map(|name| &**name).collect::<Vec<_>>());
    }

    /// The client is shown this list before its full login.
    pub fn log_in_at(&self, listed: &[&str]) {
        let (full, tls) = (bound("alice"), &self.first);
        let login = Login { full: &full, identity: "alice@example.com", device: DeviceId::new(fresh()), now: START };
        let server = self.server_on(tls);
        let client = self.client_on(tls, None, listed);
        let Some(mechanism) = HtMechanism::from_name(self.name) else {
            let known = server.logged_in(login, &tls.exporter()).unwrap();
            assert_eq!(client.logged_in(&full, &tls.exporter(), &[]).unwrap(), known && self.name != "EXTERNAL");
            return;
        };
        let request = TokenRequest { mechanism, authcid: "alice", client: PHONE, random: fresh() };
        let issued = server.logged_in_with_token(login, &tls.exporter(), &request).unwrap().unwrap();
        client.logged_in(&full, &tls.exporter(), &[]).unwrap();
        let text = issued.token.expose();
        client.with(|connection| connection.token_issued(&full, mechanism, text, issued.expires, START)).unwrap();
    }

    /// The client's end, where the server lists these.
    pub fn client_on(&self, tls: &Tls, before: Option<&Tls>, offered: &[&str]) -> Client {
        let account = account("alice");
        let family = self.accounts.assertions(&account).first().map(|assertion| *assertion.family());
        let before = before.map(|before| Predecessor { lineage: before.lineage(), family });
        let connection = self.accounts.connect_shared(&account, tls.client()).resumes(before);
        let connection = connection.offered(offered.iter().copied()).fast([self.name]);
        Client::new(connection, || START)
    }

    pub fn server_on(&self, tls: &Tls) -> Server {
        let connection = SharedConnection::new(Arc::clone(&self.server), tls.server());
        let server = Server::new(connection, Arc::clone(&self.store), || START);
        let (client, random) = (PHONE.to_owned(), fresh());
        server.beside(Beside { client, random, count: Some(1), invalidate: false, wants: None });
        server
    }

    pub fn client(&self) -> Client {
        self.client_on(&self.tls, Some(&self.first), &[self.name, "SCRAM-SHA-256-PLUS"])
    }

    pub fn server(&self) -> Server {
        self.server_on(&self.tls)
    }
}

/// A store that never answers.
#[derive(Debug)]
pub struct Down;

impl Store for Down {
    fn lookup(&self, _: &Lookup, _: Timestamp) -> Result<Found, Unavailable> {
        Err(Unavailable)
    }

    fn commit(&self, _: &Commit, _: Timestamp) -> Result<Committed, Unavailable> {
        Err(Unavailable)
    }

    fn devices(&self, _: &str, _: Option<&Scope>, _: Timestamp) -> Result<Vec<Device>, Unavailable> {
        Err(Unavailable)
    }

    fn revoke(&self, _: &str, _: Revoke, _: Timestamp) -> Result<usize, Unavailable> {
        Err(Unavailable)
    }

    fn revoke_everyone(&self, _: Timestamp) -> Result<(), Unavailable> {
        Err(Unavailable)
    }
}
