//! Logins in TLS 1.3 early data, and what a replayed first flight comes to: nobody is logged in by it and no command is run.
#![cfg(feature = "rustls")]

#[path = "../rustls_support/mod.rs"]
mod rustls_support;

mod client;
mod node;
mod refusals;

use std::num::NonZeroUsize;
use std::sync::Arc;

use client::Client;
use fast_reauth::Timestamp;
use fast_reauth::assertion::{BindingType, FullLogin, Pin, Service};
use fast_reauth::channel::{ServerName, Tickets, TlsVersion};
use fast_reauth::mechanism::{Outcome, Server};
use fast_reauth::rustls::{Recognition, Sessions};
use fast_reauth::store::MemoryStore;
use fast_reauth::store::client::{Accounts, Settled};
use node::{Replicated, Served};
use rustls::ClientConfig;
use rustls_support::*;

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
const MODE: Mode = Mode(TlsVersion::Tls13, Tickets::Stateful);
const NONE: &str = "IKY-SHA-256-NONE";

/// A service with one store of assertions, and a client.
struct World {
    identity: Identity,
    sessions_of_node: Arc<Replicated>,
    node: Recognition,
    service: Server,
    store: MemoryStore,
    base: Arc<ClientConfig>,
    sessions: Sessions,
    accounts: Accounts,
}

impl World {
    fn new(pins: &[Pin]) -> Self {
        let identity = identity(&rcgen::PKCS_ECDSA_P256_SHA256);
        let names = [ServerName::parse(NAME).unwrap()];
        let service = Server::new(Service::IMAP, names, ["SCRAM-SHA-256-PLUS"]).unwrap();
        let mut base = MODE.client(&identity);
        base.enable_early_data = true;
        let sessions_of_node = Arc::<Replicated>::default();
        Self {
            node: node(&identity, sessions_of_node.clone(), 4096),
            sessions_of_node,
            identity,
            service: service.pins(pins.iter().copied()).early_data(),
            store: MemoryStore::default(),
            base: Arc::new(base),
            sessions: Sessions::new(NonZeroUsize::new(4).unwrap()),
            accounts: Accounts::default(),
        }
    }

    /// A world in which alice logged in fully, so that she has a session and an assertion.
    fn logged_in(pins: &[Pin]) -> Self {
        let world = Self::new(pins);
        let (mut client, mut served) = (world.client(), world.serve(&world.node));
        client.exchange(&mut served);
        let full = FullLogin::new("SCRAM-SHA-256-PLUS", "alice").unwrap().bound_by(BindingType::Exporter);
        let offered = served.full_login(&full);
        client.full_login(&full, offered);
        world
    }

    fn client(&self) -> Client<'_> {
        let (config, watch) = self.sessions.connection(&self.base, &account("alice"));
        Client::new(config, watch, &self.accounts)
    }

    fn serve(&self, node: &Recognition) -> Served<'_> {
        Served::new(node, &self.service, &self.store)
    }

    /// Another node, with TLS sessions as this one has them now.
    fn replica(&self, early_data: u32) -> Recognition {
        node(&self.identity, self.sessions_of_node.copy(), early_data)
    }

    /// What a node makes of a flight that was recorded, octet by octet.
    fn replay(&self, node: &Recognition, flight: &[u8]) -> (Vec<Outcome>, bool) {
        let mut served = self.serve(node);
        for octet in flight {
            let _ = served.receive(&[*octet]);
        }
        assert_eq!(served.logged_in, None, "a replay logs nobody in");
        assert!(served.ran.is_empty(), "a replay runs no command");
        (served.outcomes, served.tls.early_data().is_some())
    }
}

fn node(identity: &Identity, sessions: Arc<Replicated>, early_data: u32) -> Recognition {
    let mut config = MODE.server(identity);
    config.session_storage = sessions;
    config.max_early_data_size = early_data;
    Recognition::new(Arc::new(config))
}

#[test]
fn the_login_and_the_first_command_are_answered_in_the_servers_first_flight() {
    let world = World::logged_in(&[Pin::SHA_256_NONE]);
    for _ in 0..3 {
        let (mut client, mut served) = (world.client(), world.serve(&world.node));
        let first_flight = client.send_early("a2 SELECT INBOX\r\n");
        let answer = served.receive(&first_flight);
        assert!(served.tls.is_handshaking(), "the client's Finished is still to come");
        assert_eq!(served.logged_in.as_deref(), Some("alice"));
        assert_eq!(served.ran, ["SELECT INBOX"]);
        assert_eq!(client.receive(&answer), Some(Settled::LoggedIn));
        assert!(client.heard.contains("a2 OK done\r\n"), "{}", client.heard);
        // The rest of the handshake, after which the session is worth as much as any: the next round resumes it.
        client.exchange(&mut served);
        assert!(!served.tls.is_handshaking());
        client.authenticated();
    }
}

#[test]
fn a_replayed_first_flight_logs_nobody_in_and_runs_no_command() {
    let world = World::logged_in(&[Pin::SHA_256_NONE]);
    let (replica, untouched) = (world.replica(4096), world.replica(4096));
    let (mut client, mut served) = (world.client(), world.serve(&world.node));
    let first_flight = client.send_early("a2 SELECT INBOX\r\n");
    let answer = served.receive(&first_flight);
    assert_eq!(served.ran, ["SELECT INBOX"]);
    // While the first connection is still shaking hands. The same node gave its session away, so to it that is no early data.
    assert_eq!(world.replay(&world.node, &first_flight), (vec![], false));
    // A node that has the session as well takes it for early data; the counter was used.
    assert_eq!(world.replay(&replica, &first_flight), (vec![Outcome::Replayed], true));
    assert_eq!(client.receive(&answer), Some(Settled::LoggedIn));
    client.exchange(&mut served);
    // And afterwards.
    assert_eq!(world.replay(&world.node, &first_flight), (vec![], false));
    assert_eq!(world.replay(&untouched, &first_flight), (vec![Outcome::Replayed], true));
    // A node that knows nothing of the session.
    let other = node(&world.identity, Arc::default(), 4096);
    assert_eq!(world.replay(&other, &first_flight), (vec![], false));
}

/// Who is faster than the client's own octets has them carried out, once, and reads nothing of the answers.
#[test]
fn a_first_flight_that_arrives_twice_counts_where_it_comes_first() {
    let world = World::logged_in(&[Pin::SHA_256_NONE]);
    let replica = world.replica(4096);
    let (mut client, mut served) = (world.client(), world.serve(&world.node));
    let first_flight = client.send_early("a2 SELECT INBOX\r\n");
    let mut first = world.serve(&replica);
    let _ = first.receive(&first_flight);
    assert_eq!((first.ran.len(), first.tls.is_handshaking()), (1, true));
    let answer = served.receive(&first_flight);
    assert_eq!(served.outcomes, [Outcome::Replayed]);
    assert!(served.ran.is_empty() && served.logged_in.is_none());
    assert!(matches!(client.receive(&answer), Some(Settled::Failed(_))), "signed, and the client logs in again");
}

#[test]
fn early_data_that_was_not_taken_is_sent_again_and_what_was_kept_of_it_is_void() {
    let world = World::logged_in(&[Pin::SHA_256_NONE]);
    let without = world.replica(0);
    let (mut client, mut served) = (world.client(), world.serve(&without));
    let first_flight = client.send_early("a2 SELECT INBOX\r\n");
    let answer = served.receive(&first_flight);
    assert!(served.outcomes.is_empty() && served.ran.is_empty());
    assert_eq!(client.receive(&answer), None);
    assert!(!client.tls.is_handshaking() && !client.watch.early_taken(&client.tls));
    client.send_again("a2 SELECT INBOX\r\n");
    assert_eq!(client.exchange(&mut served), Some(Settled::LoggedIn));
    assert_eq!((served.outcomes.as_slice(), served.ran.len()), (&[Outcome::Accepted][..], 1));
    // The flight was never used, and this node has the session: without the same counter it would run the command again.
    assert_eq!(world.replay(&world.node, &first_flight), (vec![Outcome::Replayed], true));
}

/// The other order: what was held back is carried out, and the client's second try is the replay.
#[test]
fn a_second_try_behind_a_flight_that_was_carried_out_elsewhere_runs_no_command() {
    let world = World::logged_in(&[Pin::SHA_256_NONE]);
    let without = world.replica(0);
    let (mut client, mut served) = (world.client(), world.serve(&without));
    let first_flight = client.send_early("a2 SELECT INBOX\r\n");
    let answer = served.receive(&first_flight);
    assert_eq!(client.receive(&answer), None);
    let mut elsewhere = world.serve(&world.node);
    let _ = elsewhere.receive(&first_flight);
    assert_eq!(elsewhere.ran.len(), 1);
    client.send_again("a2 SELECT INBOX\r\n");
    assert!(matches!(client.exchange(&mut served), Some(Settled::Failed(_))));
    assert_eq!(served.outcomes, [Outcome::Replayed]);
    assert!(served.ran.is_empty());
}
