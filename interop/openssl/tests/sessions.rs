//! The OpenSSL client's sessions: by account, from connections that authenticated, bounded, and the same after a restart.

use std::num::NonZeroUsize;

use fast_reauth::openssl::{InvalidSessions, Sessions};
use openssl_and_rustls::rustls_support::login::Ends;
use openssl_and_rustls::rustls_support::*;
use openssl_and_rustls::{Bench, Client, STATEFUL, Server, Stack, connector};

const SERVERS: [Stack; 2] = [Stack::Rustls, Stack::OpenSsl];
const TLS13: Mode = STATEFUL[0];

/// Each server, each version.
fn benches() -> impl Iterator<Item = (Mode, Bench)> {
    let both = |mode| SERVERS.into_iter().map(move |server| (mode, Bench::new((Stack::OpenSsl, server), mode)));
    STATEFUL.into_iter().flat_map(both)
}

#[test]
fn two_accounts_at_one_host_never_resume_each_other() {
    for (mode, bench) in benches() {
        let alice = bench.login("alice");
        assert!(!bench.login("bob").is_resumed(), "{mode:?}");
        assert_eq!(bench.connect("alice").facts().resumed_handle(), Some(&alice.handle), "{mode:?}");
    }
}

#[test]
fn sessions_of_connections_that_did_not_authenticate_are_not_offered() {
    for (mode, bench) in benches() {
        bench.connect("alice");
        let mut second = bench.connect("alice");
        assert!(!second.is_resumed(), "{mode:?}");
        // Tickets came before the authentication; now they count.
        second.authenticated(Some(family(2)));
        let mut third = bench.connect("alice");
        assert_eq!(third.facts().resumed_handle(), Some(&second.handle), "{mode:?}");
        let predecessor = third.predecessor().unwrap();
        assert_eq!(predecessor.family, Some(family(2)));
        assert_eq!(Some(&predecessor.lineage), second.facts().lineage());
    }
}

#[test]
fn tickets_count_also_when_they_come_after_the_authentication() {
    for server in SERVERS {
        let bench = Bench::new((Stack::OpenSsl, server), TLS13);
        let mut first = bench.start("alice");
        while first.client.facts().is_none() {
            first.to_server();
        }
        first.authenticated(None);
        first.pump();
        assert_eq!(bench.connect("alice").facts().resumed_handle(), Some(&first.handle));
    }
}

#[test]
fn forgetting_makes_the_next_handshake_full() {
    for (mode, bench) in benches() {
        bench.login("alice");
        let failed = bench.login("alice");
        let mut late = bench.connect_fully("alice");
        failed.recognition_failed();
        // Also what the account's other connections bring is gone.
        late.authenticated(None);
        let mut next = bench.login("alice");
        assert!(!next.is_resumed(), "{mode:?}");
        // A second word from the old connection does not cost the new one its sessions.
        failed.recognition_failed();
        assert!(bench.login("alice").is_resumed(), "{mode:?}");
        bench.client.sessions().forget(&account("alice"));
        assert!(!bench.connect("alice").is_resumed(), "{mode:?}");
    }
}

#[test]
fn a_full_handshake_can_be_asked_for_and_its_sessions_are_kept() {
    for (mode, bench) in benches() {
        bench.login("alice");
        let mut full = bench.connect_fully("alice");
        assert!(!full.is_resumed(), "{mode:?}");
        full.authenticated(None);
        assert_eq!(bench.connect("alice").facts().resumed_handle(), Some(&full.handle), "{mode:?}");
    }
}

#[test]
fn a_tls13_ticket_is_offered_once_and_at_most_eight_are_kept() {
    let bench = Bench::openssl(TLS13, |server| server.set_num_tickets(20).unwrap(), |_| ());
    let first = bench.login("alice");
    let links: Vec<_> = (0..20).map(|_| bench.connect("alice")).collect();
    let resumed: Vec<_> = links.into_iter().filter_map(|mut link| link.facts().resumed_handle().copied()).collect();
    assert_eq!(resumed, [first.handle; 8]);
}

#[test]
fn the_account_that_was_longest_unused_goes() {
    let identity = identity(&rcgen::PKCS_ECDSA_P256_SHA256);
    let two = Sessions::new(connector(TLS13, &identity).unwrap(), NonZeroUsize::new(2).unwrap()).unwrap();
    let bench = Bench { client: Client::OpenSsl(two), server: Server::new(Stack::OpenSsl, TLS13, &identity) };
    for name in ["alice", "bob", "alice", "carol"] {
        bench.login(name);
    }
    assert!(bench.login("alice").is_resumed());
    assert!(bench.login("carol").is_resumed());
    assert!(!bench.login("bob").is_resumed());
}

#[test]
fn the_name_is_the_one_on_the_wire() {
    for (mode, bench) in benches() {
        for (host, sent) in [("127.0.0.1", ""), ("MAIL.Example", NAME)] {
            for resumed in [false, true] {
                let mut link = bench.start_to(host, "alice", true);
                link.pump();
                assert_eq!(link.client_facts().name().as_str(), sent);
                assert_agreed(&link.client_facts(), &link.facts());
                assert_eq!(link.is_resumed(), resumed, "{mode:?}");
                link.authenticated(None);
            }
        }
    }
}

#[test]
fn another_certificate_is_refused_and_leaves_nothing() {
    let (one, other) = (identity(&rcgen::PKCS_ECDSA_P256_SHA256), identity(&rcgen::PKCS_ECDSA_P256_SHA256));
    let bench =
        Bench { client: Client::new(Stack::OpenSsl, TLS13, &one), server: Server::new(Stack::OpenSsl, TLS13, &other) };
    let mut link = bench.start("alice");
    let stream = link.client.stream();
    assert!(stream.connect().is_err() && stream.get_mut().output.len() > 100, "the ClientHello");
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| link.pump()));
    assert!(refused.is_err());
    assert!(link.client.facts().is_none());
}

#[test]
fn sessions_come_back_after_a_restart() {
    for (mode, bench) in benches() {
        let mut first = bench.connect("alice");
        first.authenticated(Some(family(3)));
        let saved = bench.client.sessions().saved(&account("alice"));
        // As much as the certificate and the keys need, and nothing else.
        assert!(saved.len() < 4096, "{}", saved.len());
        for name in ["alice", "bob"] {
            bench.client.sessions().forget(&account(name));
            assert!(!bench.connect(name).is_resumed());
        }
        bench.client.sessions().restore(&account("alice"), &saved).unwrap();
        let mut next = bench.connect("alice");
        assert_eq!(next.facts().resumed_handle(), Some(&first.handle), "{mode:?}");
        let predecessor = next.predecessor().unwrap();
        assert_eq!((Some(&predecessor.lineage), predecessor.family), (first.facts().lineage(), Some(family(3))));
        // The certificate comes with it.
        assert_eq!(next.client_facts().tls_server_end_point(), first.client_facts().tls_server_end_point());
        assert!(next.client_facts().tls_server_end_point().is_some());
        assert!(!bench.connect("bob").is_resumed());
    }
}

#[test]
fn what_was_saved_is_read_whole_or_not_at_all() {
    let bench = Bench::new((Stack::OpenSsl, Stack::OpenSsl), TLS13);
    let sessions = bench.client.sessions();
    let none = sessions.saved(&account("alice"));
    bench.login("alice");
    let saved = sessions.saved(&account("alice"));
    sessions.forget(&account("alice"));
    let refuses = |octets: &[u8]| {
        let refused = sessions.restore(&account("alice"), octets);
        assert!(!bench.connect("alice").is_resumed());
        refused
    };
    assert_eq!(sessions.restore(&account("bob"), &saved), Err(InvalidSessions::AnotherAccount));
    assert!(!bench.connect("bob").is_resumed());
    assert_eq!(refuses(b""), Err(InvalidSessions::NotSessions));
    assert_eq!(refuses(&saved[1..]), Err(InvalidSessions::NotSessions));
    assert_eq!(refuses(&none), Ok(()));
    assert_eq!(refuses(&saved[..saved.len() - 1]), Err(InvalidSessions::Damaged));
    assert_eq!(refuses(&[&saved[..], b"\0"].concat()), Err(InvalidSessions::Damaged));
    // The last value is a session in DER, with its length in front.
    let is_length = |at: &usize| saved[*at..*at + 4] == u32::try_from(saved.len() - at - 4).unwrap().to_be_bytes();
    let der = 4 + (0..saved.len() - 4).rfind(is_length).unwrap();
    let mut no_session = saved.to_vec();
    no_session[der] ^= 0x81;
    assert_eq!(refuses(&no_session), Err(InvalidSessions::Damaged));
    for end in 0..saved.len() {
        // Two tickets: the first one whole is a good end as well.
        let _ = sessions.restore(&account("carol"), &saved[..end]);
    }
    for at in 0..saved.len() {
        let mut altered = saved.to_vec();
        altered[at] ^= 0x81;
        let _ = sessions.restore(&account("alice"), &altered); // an error or another session, never a panic
    }
    sessions.forget(&account("alice"));
    sessions.restore(&account("alice"), &saved).unwrap();
    assert!(bench.connect("alice").is_resumed());
}
