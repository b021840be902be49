//! The client's TLS sessions: by account, from connections that authenticated, bounded, and forgotten when told to.
#![cfg(feature = "rustls")]

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::Arc;

use fast_reauth::rustls::{FactsUnavailable, Sessions};
use rustls::{ClientConfig, ClientConnection};

mod rustls_support;
use rustls_support::*;

const TLS13: Mode = MODES[0];

#[test]
fn two_accounts_at_one_host_never_resume_each_other() {
    for mode in MODES {
        let bench = Bench::new(mode);
        let alice = bench.login("alice");
        assert!(!bench.login("bob").is_resumed(), "{mode:?}");
        let mut again = bench.connect("alice");
        assert_eq!(again.facts().resumed_handle(), Some(&alice.handle), "{mode:?}");
        let mut other_service = account("alice");
        other_service.scope.service = fast_reauth::assertion::Service::SMTP;
        let mut link = bench.link(bench.sessions.connection(&bench.base, &other_service), NAME);
        link.pump();
        assert!(!link.is_resumed(), "{mode:?}");
    }
}

#[test]
fn sessions_of_connections_that_did_not_authenticate_are_not_offered() {
    for mode in MODES {
        let bench = Bench::new(mode);
        bench.connect("alice");
        let mut second = bench.connect("alice");
        assert!(!second.is_resumed(), "{mode:?}");
        // Tickets came before the authentication; now they count.
        second.authenticated(Some(family(2)));
        let mut third = bench.connect("alice");
        assert_eq!(third.facts().resumed_handle(), Some(&second.handle), "{mode:?}");
        let predecessor = third.client_watch.predecessor(&third.client).unwrap();
        assert_eq!(predecessor.family, Some(family(2)));
        assert_eq!(Some(&predecessor.lineage), second.facts().lineage());
    }
}

#[test]
fn tickets_count_also_when_they_come_after_the_authentication() {
    let bench = Bench::new(TLS13);
    let mut first = bench.start("alice");
    transfer(&mut first.client, &mut first.server);
    transfer(&mut first.server, &mut first.client);
    // The client is finished; the server, and so its tickets, are not.
    first.authenticated(None);
    assert!(!bench.connect("alice").is_resumed());
    first.pump();
    assert_eq!(bench.connect("alice").facts().resumed_handle(), Some(&first.handle));
}

#[test]
fn a_predecessor_counts_only_once_the_server_resumed_it() {
    for mode in MODES {
        let bench = Bench::new(mode);
        bench.login("alice");
        let mut second = bench.start("alice");
        assert_eq!(second.client_watch.predecessor(&second.client), None);
        second.pump();
        assert!(second.client_watch.predecessor(&second.client).is_some(), "{mode:?}");
    }
}

#[test]
fn forgetting_makes_the_next_handshake_full() {
    for mode in MODES {
        let bench = Bench::new(mode);
        bench.login("alice");
        let failed = bench.login("alice");
        let mut late = bench.link(bench.sessions.connection_without_resumption(&bench.base, &account("alice")), NAME);
        let prepared = bench.sessions.connection(&bench.base, &account("alice"));
        failed.client_watch.forget();
        // Also what the account's other connections still get is gone, even for a connection prepared before.
        late.pump();
        late.authenticated(None);
        let mut prepared = bench.link(prepared, NAME);
        prepared.pump();
        assert!(!prepared.is_resumed(), "{mode:?}");
        let mut next = bench.login("alice");
        assert!(!next.is_resumed(), "{mode:?}");
        // A second word from the old connection does not cost the new one its sessions.
        failed.client_watch.forget();
        assert!(bench.connect("alice").is_resumed(), "{mode:?}");
        let mut late = bench.link(bench.sessions.connection_without_resumption(&bench.base, &account("alice")), NAME);
        let prepared = bench.sessions.connection(&bench.base, &account("alice"));
        bench.sessions.forget(&account("alice"));
        late.pump();
        late.authenticated(None);
        let mut prepared = bench.link(prepared, NAME);
        prepared.pump();
        assert!(!prepared.is_resumed(), "{mode:?}");
        assert!(!bench.connect("alice").is_resumed(), "{mode:?}");
        bench.sessions.forget(&account("nobody"));
    }
}

#[test]
fn a_full_handshake_can_be_asked_for_and_its_sessions_are_kept() {
    for mode in MODES {
        let bench = Bench::new(mode);
        bench.login("alice");
        let mut full = bench.link(bench.sessions.connection_without_resumption(&bench.base, &account("alice")), NAME);
        full.pump();
        assert!(!full.is_resumed(), "{mode:?}");
        full.authenticated(None);
        assert_eq!(bench.connect("alice").facts().resumed_handle(), Some(&full.handle), "{mode:?}");
    }
}

#[test]
fn eight_connections_at_once_each_resume_with_a_ticket_of_their_own() {
    let bench = Bench::with(TLS13, |config| config.send_tls13_tickets = 8);
    let first = bench.login("alice");
    let mut links: Vec<_> = (0..8).map(|_| bench.start("alice")).collect();
    for link in &mut links {
        link.pump();
        assert_eq!(link.facts().resumed_handle(), Some(&first.handle));
        assert_agreed(&link.client_facts(), &link.facts());
    }
    let exporters: HashSet<_> = links.iter_mut().map(|link| link.facts().tls_exporter().unwrap().to_vec()).collect();
    assert_eq!(exporters.len(), 8);
    // Every ticket is spent, and none of these connections authenticated.
    assert!(!bench.connect("alice").is_resumed());
}

#[test]
fn at_most_eight_tickets_are_kept_before_and_after_the_authentication() {
    let bench = Bench::with(TLS13, |config| config.send_tls13_tickets = 20);
    for _ in 0..2 {
        bench.login("alice");
    }
    let resumed = (0..20).filter(|_| bench.connect("alice").is_resumed()).count();
    assert_eq!(resumed, 8);
}

#[test]
fn the_account_that_was_longest_unused_goes() {
    let mut bench = Bench::new(TLS13);
    bench.sessions = Sessions::new(NonZeroUsize::new(2).unwrap());
    let alice = bench.login("alice");
    bench.login("bob");
    bench.login("alice");
    bench.login("carol");
    assert!(bench.login("alice").is_resumed());
    assert!(bench.login("carol").is_resumed());
    assert!(!bench.login("bob").is_resumed());
    // Evicted meanwhile, so its tickets to come go nowhere.
    alice.client_watch.authenticated(&alice.client_facts(), None);
    assert!(format!("{:?}", bench.sessions).contains("accounts: 2"));
}

/// The server would accept it where neither name is sent; but the certificate was never verified for the second.
#[test]
fn a_session_is_offered_only_under_the_name_that_it_verified() {
    for mode in MODES {
        let mut bench = Bench::new(mode);
        let mut client = ClientConfig::clone(&bench.base);
        client.enable_sni = false;
        bench.base = Arc::new(client);
        bench.login("alice");
        let mut other = bench.link(bench.sessions.connection(&bench.base, &account("alice")), "other.example");
        other.pump();
        assert!(!other.is_resumed(), "{mode:?}");
        assert!(bench.connect("alice").is_resumed(), "{mode:?}");
    }
}

#[test]
fn the_name_is_the_one_on_the_wire() {
    for mode in MODES {
        let bench = Bench::new(mode);
        for (name, sent) in [("127.0.0.1", ""), ("MAIL.Example", NAME), ("mail.example.", NAME)] {
            let mut link = bench.link(bench.sessions.connection(&bench.base, &account(name)), name);
            link.pump();
            assert_eq!(link.client_facts().name().as_str(), sent);
            assert_agreed(&link.client_facts(), &link.facts());
        }
    }
}

#[test]
fn a_configuration_serves_one_connection() {
    let bench = Bench::new(TLS13);
    bench.login("alice");
    let (config, watch) = bench.sessions.connection(&bench.base, &account("alice"));
    let mut link = bench.link((Arc::clone(&config), watch), NAME);
    link.pump();
    assert!(link.is_resumed());
    let _second = ClientConnection::new(config, NAME.try_into().unwrap()).unwrap();
    assert_eq!(link.client_watch.facts(&link.client).err(), Some(FactsUnavailable::ConfigurationReused));
    assert_eq!(link.client_watch.predecessor(&link.client), None);
}

#[test]
fn another_verifier_resumes_nothing() {
    let bench = Bench::new(TLS13);
    bench.login("alice");
    let identity = identity(&rcgen::PKCS_ECDSA_P256_SHA256);
    let stranger: ClientConfig = TLS13.client(&identity);
    let (config, watch) = bench.sessions.connection(&stranger, &account("alice"));
    let mut link = bench.link((config, watch), NAME);
    transfer(&mut link.client, &mut link.server);
    assert_eq!(link.watch.recognised(&link.server), None);
}

#[test]
fn nothing_secret_is_printed() {
    let bench = Bench::new(TLS13);
    let mut link = bench.login("alice");
    let mut link = (link.is_resumed(), bench.login("alice")).1;
    let predecessor = link.client_watch.predecessor(&link.client).unwrap();
    assert!(format!("{predecessor:?}").contains("Lineage(redacted)"));
    let lineage = format!("{:?}", predecessor.lineage.expose());
    let handle = format!("{:?}", link.handle.as_octets());
    for text in [
        format!("{:?}", bench.sessions),
        format!("{:?}", link.client_watch),
        format!("{:?}", link.watch),
        format!("{:?}", link.facts()),
        format!("{:?}", bench.sessions.connection(&bench.base, &account("alice"))),
    ] {
        assert!(!text.contains(&lineage) && !text.contains(&handle), "{text}");
    }
}
