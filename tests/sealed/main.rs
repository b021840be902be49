//! Sealed assertions: their life, and everything that is refused of them.

#[path = "../common/mod.rs"]
mod common;
mod early;
mod granted;
mod keys;
mod life;
mod quiet;
mod refused;
mod revoked;
mod row;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::*;
use fast_reauth::assertion::{AccountSecret, Binding, ClientAssertion, DeviceId, Hash, Pin, Policy, ServiceKeys};
use fast_reauth::mechanism::{AwaitCommit, Connection, Login, Outcome, Received, Server, Step, Verdict, iky};
use fast_reauth::store::client::{Accounts, Plan, Settled};
use fast_reauth::store::{Commit, Committed, MemoryStore, NewSecret, Remember, Revoke, Store};
use fast_reauth::{Timestamp, internal};

const EXPR: &str = "IKY-SHA-256-EXPR";

fn keys() -> ServiceKeys {
    ServiceKeys::new(1, &[0x11; 32])
}

/// A service that seals, its store, and a client.
struct Service {
    server: Server,
    store: MemoryStore,
    client: Accounts,
    now: Timestamp,
}

impl Service {
    fn new() -> Self {
        Self::with(server().sealed(keys()))
    }

    fn with(server: Server) -> Self {
        Self { server, store: MemoryStore::default(), client: Accounts::default(), now: START }
    }

    fn connection(&self, tls: &Tls) -> Connection<'_> {
        let connection = Connection::new(&self.server, tls.server()).seal_with(fresh());
        let lineage = connection.lookup().and_then(|lookup| self.store.lookup(&lookup, self.now).unwrap().lineage);
        connection.resumes(lineage)
    }

    fn commit(&self, commit: &Commit) {
        assert!(self.store.commit(commit, self.now).unwrap().is_durable());
    }

    fn full_login(&self, name: &str) -> DeviceId {
        let (tls, full, device) = (Tls::full(), bound(name), DeviceId::new(fresh()));
        let mut connection = self.connection(&tls);
        let offered = connection.mechanisms(self.now);
        let login = Login { full: &full, identity: name, device, now: self.now };
        self.commit(&connection.logged_in(login, &tls.exporter()).commit);
        let mut client = self.client.connect(&account(name), tls.client()).offered(offered);
        client.logged_in(&full, &tls.exporter(), &[], self.now).unwrap();
        device
    }

    fn judge(&self, tls: &Tls, pin: Pin, message: &[u8]) -> Verdict {
        let mut connection = self.connection(tls);
        let verdict = connection.iky(pin, message).run(&self.store, self.now);
        if let Some(link) = verdict.recognised.as_ref().and_then(|client| connection.recognised(client, self.now)) {
            // Of a client that was just revoked there is nothing to remember.
            let _ = self.store.commit(&link, self.now).unwrap();
        }
        verdict
    }

    /// A reconnect on a full handshake, as the client plans it.
    fn reconnect(&self, name: &str) -> (Outcome, Settled) {
        let tls = Tls::full();
        let offered = self.connection(&tls).mechanisms(self.now);
        let mut client = self.client.connect(&account(name), tls.client()).offered(offered);
        let Plan::Known(attempt) = client.plan(self.now) else { panic!("the client is known") };
        let verdict = self.judge(&tls, Pin::from_name(attempt.mechanism()).unwrap(), attempt.message());
        let settled = client.settle(attempt, verdict.outcome, verdict.message.as_deref(), self.now);
        (verdict.outcome, settled)
    }

    /// The sealed assertion that the client of `name` has, after its first reconnect.
    fn sealed(&self, name: &str) -> ClientAssertion {
        self.full_login(name);
        assert_eq!(self.reconnect(name), (Outcome::Accepted, Settled::LoggedIn));
        self.held(name)
    }

    fn held(&self, name: &str) -> ClientAssertion {
        let held = self.client.assertions(&account(name)).pop().unwrap();
        assert!(held.is_sealed());
        held
    }

    /// What the server makes of this assertion on a full handshake.
    fn try_this(&self, assertion: &ClientAssertion) -> Outcome {
        self.try_altered(assertion, |message| message)
    }

    fn try_altered(&self, assertion: &ClientAssertion, alter: impl Fn(String) -> String) -> Outcome {
        let tls = Tls::full();
        let message = iky::Client::start(assertion, &tls.client(), None, None).unwrap().message;
        let before = internal::fingerprint(&self.store);
        let altered = alter(String::from_utf8(message).unwrap());
        let connection = self.connection(&tls);
        let verdict = connection.iky(assertion.pin(), altered.as_bytes()).run(&self.store, self.now);
        if verdict.outcome != Outcome::Accepted {
            assert_eq!(before, internal::fingerprint(&self.store), "a failed attempt changes nothing");
        }
        verdict.outcome
    }
}

fn name() -> fast_reauth::channel::ServerName {
    fast_reauth::channel::ServerName::parse(NAME).unwrap()
}

/// The sealed text in a message.
fn sealed_text(message: &str) -> &str {
    message.split(",t=").nth(1).unwrap().split(',').next().unwrap()
}

fn octets(message: &str) -> Vec<u8> {
    STANDARD.decode(sealed_text(message)).unwrap()
}

/// An attempt with what alice holds, at a service that has a newer key, up to its commit.
fn sealing_anew(service: &mut Service) -> (ClientAssertion, Vec<u8>, Tls) {
    let held = service.sealed("alice");
    service.server = server().sealed(keys().and(2, &[0x22; 32]).unwrap().current(2).unwrap());
    let tls = Tls::full();
    let message = iky::Client::start(&held, &tls.client(), None, None).unwrap().message;
    (held, message, tls)
}

/// What of it is to be written.
fn up_to_its_commit(
    service: &Service,
    connection: &Connection<'_>,
    held: &ClientAssertion,
    message: &[u8],
) -> AwaitCommit {
    let Received::Lookup(pending) = connection.iky(held.pin(), message) else { panic!("a lookup") };
    let found = service.store.lookup(pending.lookup(), service.now);
    let Step::Commit(pending) = pending.found(found, service.now) else { panic!("a new one under the new key") };
    pending
}
