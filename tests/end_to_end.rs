//! Logins over real TLS, both versions, stateful and stateless: who is recognised, and what a restart costs.
#![cfg(feature = "rustls")]

mod rustls_support;

use std::sync::Arc;

use fast_reauth::assertion::{LineageRule, Pin, Policy};
use fast_reauth::channel::{Tickets, TlsVersion};
use fast_reauth::mechanism::{Connection, NextStep, Outcome};
use fast_reauth::store::{MemoryStore, Store};
use rustls_support::login::{Came, Logins, NOW};
use rustls_support::*;

/// A service on a TLS bench, and a client.
struct World {
    bench: Bench,
    identity: Identity,
    mode: Mode,
    logins: Logins,
}

impl World {
    fn new(mode: Mode, policy: Policy, pins: &[Pin]) -> Self {
        let identity = identity(&rcgen::PKCS_ECDSA_P256_SHA256);
        let bench = Bench::of(mode.server(&identity), mode.client(&identity));
        Self { bench, identity, mode, logins: Logins::new(policy, pins) }
    }

    /// The server starts again: its TLS sessions and ticket keys are gone, the certificate and the store are not.
    fn restart(&mut self) {
        self.bench.recognition = fast_reauth::rustls::Recognition::new(Arc::new(self.mode.server(&self.identity)));
    }

    fn connect(&self, name: &str, resume: bool) -> Link {
        let (sessions, base) = (&self.bench.sessions, &self.bench.base);
        let made = match resume {
            true => sessions.connection(base, &account(name)),
            false => sessions.connection_without_resumption(base, &account(name)),
        };
        let mut link = self.bench.link(made, NAME);
        link.pump();
        link
    }

    /// Connects as `name` and does what the plan says; `without` is not offered.
    fn log_in(&self, name: &str, resume: bool, without: &str) -> Came {
        self.log_in_on(&mut self.connect(name, resume), name, without)
    }

    fn log_in_on(&self, link: &mut Link, name: &str, without: &str) -> Came {
        self.logins.log_in_on(link, name, without)
    }
}

fn trusting_ticket_keys() -> Policy {
    let mut policy = Policy::default();
    policy.external_on_stateless_tickets = true;
    policy
}

const EXPR: [Pin; 1] = [Pin::SHA_256_EXPR];
const STATELESS_12: Mode = Mode(TlsVersion::Tls12, Tickets::Stateless);

#[test]
fn every_way_in_over_every_kind_of_tls_session() {
    for mode in MODES.into_iter().filter(|mode| *mode != STATELESS_12) {
        for pin in [Pin::SHA_256_EXPR, Pin::ED25519_EXPR] {
            let world = World::new(mode, trusting_ticket_keys(), &[pin]);
            assert_eq!(world.log_in("alice", true, ""), Came::Fully, "{mode:?}");
            // Until it was used once, an assertion comes before EXTERNAL.
            assert_eq!(world.log_in("alice", true, ""), Came::In(pin.name()), "{mode:?}");
            for _ in 0..3 {
                assert_eq!(world.log_in("alice", true, ""), Came::In("EXTERNAL"), "{mode:?}");
                assert_eq!(world.log_in("alice", true, "EXTERNAL"), Came::In(pin.name()), "{mode:?}");
                assert_eq!(world.log_in("alice", false, ""), Came::In(pin.name()), "{mode:?}");
            }
        }
    }
}

/// Recognised, and refused: whoever has the ticket key can recompute what everything hangs on.
#[test]
fn tls12_with_stateless_tickets_is_recognised_and_refused() {
    let world = World::new(STATELESS_12, trusting_ticket_keys(), &EXPR);
    assert_eq!(world.log_in("alice", true, ""), Came::Fully);
    let mut link = world.connect("alice", true);
    assert!(link.watch.recognised(&link.server).is_some());
    assert_eq!(world.log_in_on(&mut link, "alice", ""), Came::Fully);
    assert_eq!(world.logins.store.len().0, 0, "no assertion comes of it either");
}

/// With stateless tickets, EXTERNAL is the operator's choice; IKY needs no trust in the ticket key.
#[test]
fn stateless_tickets_by_default() {
    let world = World::new(Mode(TlsVersion::Tls13, Tickets::Stateless), Policy::default(), &EXPR);
    assert_eq!(world.log_in("alice", true, ""), Came::Fully);
    assert_eq!(world.log_in("alice", true, ""), Came::In("IKY-SHA-256-EXPR"));
}

#[test]
fn tls12_without_extended_master_secret_is_refused() {
    let mode = Mode(TlsVersion::Tls12, Tickets::Stateful);
    let mut world = World::new(mode, Policy::default(), &EXPR);
    let mut config = mode.server(&world.identity);
    config.require_ems = false; // whether it was used is then not known
    world.bench.recognition = fast_reauth::rustls::Recognition::new(Arc::new(config));
    for _ in 0..3 {
        assert_eq!(world.log_in("alice", true, ""), Came::Fully);
    }
    assert_eq!(world.logins.store.len().0, 0);
}

#[test]
fn a_proof_that_is_not_bound_needs_the_session() {
    for pin in [Pin::SHA_256_ENDP, Pin::SHA_256_NONE] {
        let world = World::new(MODES[0], Policy::default(), &[pin]);
        assert_eq!(world.log_in("alice", true, ""), Came::Fully);
        assert_eq!(world.log_in("alice", true, "EXTERNAL"), Came::In(pin.name()));
        assert_eq!(world.log_in("alice", true, "EXTERNAL"), Came::In(pin.name()));
        let refused = Came::ToNothing(Outcome::FullAuthenticationDue, NextStep::FullLogin);
        assert_eq!(world.log_in("alice", false, ""), refused);
        assert_eq!(world.log_in("alice", true, "EXTERNAL"), refused, "its sessions were dropped after that");
        world.logins.accounts.forget(&account("alice"));
        assert_eq!(world.log_in("alice", false, ""), Came::Fully);

        let mut policy = Policy::default();
        policy.lineage = LineageRule::Never;
        let world = World::new(MODES[0], policy, &[pin]);
        assert_eq!(world.log_in("alice", true, ""), Came::Fully);
        assert_eq!(world.log_in("alice", false, ""), Came::In(pin.name()));
    }
}

#[test]
fn a_restart_that_loses_the_tls_sessions_costs_no_login() {
    for mode in MODES.into_iter().filter(|mode| *mode != STATELESS_12) {
        let mut world = World::new(mode, trusting_ticket_keys(), &EXPR);
        assert_eq!(world.log_in("alice", true, ""), Came::Fully);
        assert_eq!(world.log_in("alice", true, ""), Came::In("IKY-SHA-256-EXPR"));
        assert_eq!(world.log_in("alice", true, ""), Came::In("EXTERNAL"));
        world.restart();
        let mut link = world.connect("alice", true);
        assert!(!link.is_resumed(), "{mode:?}");
        assert_eq!(world.log_in_on(&mut link, "alice", ""), Came::In("IKY-SHA-256-EXPR"), "{mode:?}");
        assert_eq!(world.log_in("alice", true, ""), Came::In("EXTERNAL"), "{mode:?}");
    }
}

#[test]
fn a_restart_that_loses_the_records_costs_a_full_login() {
    for mode in [MODES[0], MODES[1]] {
        let mut world = World::new(mode, Policy::default(), &EXPR);
        // After a full handshake: Stale, then a full login on the same connection.
        assert_eq!(world.log_in("alice", true, ""), Came::Fully);
        world.logins.store = MemoryStore::default();
        let mut link = world.connect("alice", false);
        let stale = |next| Came::ToNothing(Outcome::Stale, next);
        assert_eq!(world.log_in_on(&mut link, "alice", ""), stale(NextStep::FullLogin));
        world.logins.accounts.forget(&account("alice"));
        assert_eq!(world.log_in_on(&mut link, "alice", ""), Came::Fully);

        // On a resumed session: Stale, and a full handshake before any password.
        assert_eq!(world.log_in("alice", false, ""), Came::In("IKY-SHA-256-EXPR"));
        world.logins.store = MemoryStore::default();
        let mut link = world.connect("alice", true);
        assert!(link.is_resumed());
        assert_eq!(world.log_in_on(&mut link, "alice", ""), stale(NextStep::FullHandshake));
        let mut link = world.connect("alice", true);
        assert!(!link.is_resumed(), "the sessions of the account were forgotten");
        assert_eq!(world.log_in_on(&mut link, "alice", ""), stale(NextStep::FullLogin));
    }
}

#[test]
fn two_accounts_at_one_name_never_mix() {
    let world = World::new(MODES[0], Policy::default(), &EXPR);
    for came in [Came::Fully, Came::In("IKY-SHA-256-EXPR"), Came::In("EXTERNAL")] {
        for name in ["alice", "bob"] {
            assert_eq!(world.log_in(name, true, ""), came); // log_in checks whose it is
        }
    }
}

#[test]
fn parallel_connections_with_one_assertion() {
    let world = World::new(MODES[0], Policy::default(), &EXPR);
    assert_eq!(world.log_in("alice", true, ""), Came::Fully);
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..32).map(|_| scope.spawn(|| world.log_in("alice", true, "EXTERNAL"))).collect();
        for one in all {
            assert_eq!(one.join().unwrap(), Came::In("IKY-SHA-256-EXPR"));
        }
    });
}

/// The greeting of a server that speaks first: known before the client's first octet of application data.
#[test]
fn mechanisms_in_a_half_rtt_greeting() {
    let world = World::new(MODES[0], Policy::default(), &EXPR);
    assert_eq!(world.log_in("alice", true, ""), Came::Fully);
    for (resume, external) in [(true, true), (false, false)] {
        let (sessions, base) = (&world.bench.sessions, &world.bench.base);
        let made = match resume {
            true => sessions.connection(base, &account("alice")),
            false => sessions.connection_without_resumption(base, &account("alice")),
        };
        let mut link = world.bench.link(made, NAME);
        assert!(link.watch.facts_at_greeting(&link.server).is_err(), "before the ClientHello");
        transfer(&mut link.client, &mut link.server);
        assert!(link.watch.facts(&mut link.server).is_err(), "before the client's Finished");
        let mut server = Connection::new(&world.logins.service, link.watch.facts_at_greeting(&link.server).unwrap());
        let lineage = server.lookup().and_then(|lookup| world.logins.store.lookup(&lookup, NOW).unwrap().lineage);
        server = server.resumes(lineage);
        let listed = server.mechanisms(NOW);
        assert_eq!(listed.contains(&"EXTERNAL"), external);
        assert!(listed.contains(&"IKY-SHA-256-EXPR"));
        link.pump();
        server.update_facts(link.facts());
        assert_eq!(server.mechanisms(NOW), listed);
        if external {
            assert_eq!(server.external(b"alice").run(&world.logins.store, NOW).outcome, Outcome::Accepted);
        }
    }
}
