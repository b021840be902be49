//! Logins with rustls at one end and OpenSSL at the other, and with OpenSSL at both: who is recognised, and what a restart costs.

use std::fs;

use fast_reauth::assertion::{ClientAssertion, Pin, Policy};
use fast_reauth::mechanism::{NextStep, Outcome};
use fast_reauth::store::client::Accounts;
use openssl::ssl::{Ssl, SslOptions, SslStream};
use openssl_and_rustls::rustls_support::login::{Came, Logins};
use openssl_and_rustls::rustls_support::*;
use openssl_and_rustls::{Bench, Client, PAIRS, Pipe, STATEFUL, Server, ServerEnd, Stack};

const EXPR: [Pin; 1] = [Pin::SHA_256_EXPR];

struct World {
    pair: (Stack, Stack),
    mode: Mode,
    identity: Identity,
    bench: Bench,
    logins: Logins,
}

impl World {
    fn new(pair: (Stack, Stack), mode: Mode, pins: &[Pin]) -> Self {
        let identity = identity(&rcgen::PKCS_ECDSA_P256_SHA256);
        let bench =
            Bench { client: Client::new(pair.0, mode, &identity), server: Server::new(pair.1, mode, &identity) };
        Self { pair, mode, identity, bench, logins: Logins::new(Policy::default(), pins) }
    }

    /// Connects as `name` and does what the plan says; `without` is not offered.
    fn log_in(&self, name: &str, resume: bool, without: &str) -> Came {
        let mut link = if resume { self.bench.connect(name) } else { self.bench.connect_fully(name) };
        self.logins.log_in_on(&mut link, name, without)
    }
}

/// Every pair, each version.
fn worlds(pins: &[Pin]) -> impl Iterator<Item = World> {
    PAIRS.into_iter().flat_map(move |pair| STATEFUL.into_iter().map(move |mode| World::new(pair, mode, pins)))
}

#[test]
fn every_way_in() {
    for pin in [Pin::SHA_256_EXPR, Pin::ED25519_EXPR] {
        for world in worlds(&[pin]) {
            let case = (world.pair, world.mode);
            assert_eq!(world.log_in("alice", true, ""), Came::Fully, "{case:?}");
            // Until it was used once, an assertion comes before EXTERNAL.
            assert_eq!(world.log_in("alice", true, ""), Came::In(pin.name()), "{case:?}");
            for _ in 0..3 {
                assert_eq!(world.log_in("alice", true, ""), Came::In("EXTERNAL"), "{case:?}");
                // On a resumed session the proof has the lineage in it (l=1).
                assert_eq!(world.log_in("alice", true, "EXTERNAL"), Came::In(pin.name()), "{case:?}");
                assert_eq!(world.log_in("alice", false, ""), Came::In(pin.name()), "{case:?}");
            }
        }
    }
}

/// A proof that is bound to the certificate, or to nothing, counts only with the lineage: both ends have the same one.
#[test]
fn a_proof_that_is_not_bound_to_the_connection_needs_the_session() {
    for pin in [Pin::SHA_256_ENDP, Pin::SHA_256_NONE] {
        for world in worlds(&[pin]) {
            let case = (world.pair, world.mode);
            assert_eq!(world.log_in("alice", true, ""), Came::Fully, "{case:?}");
            assert_eq!(world.log_in("alice", true, "EXTERNAL"), Came::In(pin.name()), "{case:?}");
            assert_eq!(world.log_in("alice", true, "EXTERNAL"), Came::In(pin.name()), "{case:?}");
            let refused = Came::ToNothing(Outcome::FullAuthenticationDue, NextStep::FullLogin);
            assert_eq!(world.log_in("alice", false, ""), refused, "{case:?}");
        }
    }
}

#[test]
fn two_accounts_at_one_name_never_mix() {
    for world in worlds(&EXPR) {
        for came in [Came::Fully, Came::In("IKY-SHA-256-EXPR"), Came::In("EXTERNAL")] {
            for name in ["alice", "bob"] {
                assert_eq!(world.log_in(name, true, ""), came); // which checks whose it is
            }
        }
    }
}

/// Another's session is worth nothing, whoever offers it: the name is not the one that the session is known for.
#[test]
fn a_stolen_session_is_not_anothers_login() {
    for world in worlds(&EXPR).filter(|world| world.pair.0 == Stack::OpenSsl) {
        assert_eq!(world.log_in("alice", true, ""), Came::Fully);
        assert_eq!(world.log_in("bob", true, ""), Came::Fully);
        let sessions = world.bench.client.sessions();
        let (mut ssl, _) = sessions.connection(NAME, &account("bob")).unwrap();
        let (_, session) = sessions.connection(NAME, &account("alice")).unwrap();
        openssl_and_rustls::offer(&mut ssl, &session.unwrap());
        let mut link = world.bench.start("bob");
        *link.client.stream() = SslStream::new(ssl, Pipe::default()).unwrap();
        link.pump();
        assert!(link.is_resumed());
        let came = world.logins.log_in_on(&mut link, "bob", "");
        assert!(matches!(came, Came::ToNothing(..)), "{:?} {:?}: {came:?}", world.pair, world.mode);
    }
}

/// Resumed, and the server does not know what: the client's proof has a lineage in it that the server has not.
#[test]
fn a_session_of_unknown_origin_is_no_login() {
    for mode in STATEFUL {
        let world = World::new((Stack::OpenSsl, Stack::OpenSsl), mode, &EXPR);
        let Server::OpenSsl(recognition) = &world.bench.server else { unreachable!() };
        assert_eq!(world.log_in("alice", true, ""), Came::Fully);
        world.bench.client.sessions().forget(&account("alice"));
        let foreign = Ssl::new(recognition.connection(handle()).unwrap().ssl_context()).unwrap();
        let mut unknown = world.bench.start("alice");
        unknown.server = ServerEnd::OpenSsl(SslStream::new(foreign, Pipe::default()).unwrap(), recognition.clone());
        unknown.pump();
        let assertions = world.logins.accounts.assertions(&account("alice"));
        unknown.authenticated(Some(*assertions[0].family()));
        let mut link = world.bench.connect("alice");
        assert!(link.is_resumed());
        let came = world.logins.log_in_on(&mut link, "alice", "");
        assert_eq!(came, Came::ToNothing(Outcome::BadProof, NextStep::FullHandshake), "{mode:?}");
        assert_eq!(
            world.log_in("alice", true, ""),
            Came::In("IKY-SHA-256-EXPR"),
            "a full handshake, and the assertion"
        );
    }
}

#[test]
fn a_restarted_server_costs_no_login() {
    for mut world in worlds(&EXPR) {
        assert_eq!(world.log_in("alice", true, ""), Came::Fully);
        assert_eq!(world.log_in("alice", true, ""), Came::In("IKY-SHA-256-EXPR"));
        assert_eq!(world.log_in("alice", true, ""), Came::In("EXTERNAL"));
        world.bench.server = Server::new(world.pair.1, world.mode, &world.identity);
        assert_eq!(world.log_in("alice", true, ""), Came::In("IKY-SHA-256-EXPR"), "{:?} {:?}", world.pair, world.mode);
        assert_eq!(world.log_in("alice", true, ""), Came::In("EXTERNAL"));
    }
}

/// What rustls can't do: its sessions do not leave the process.
#[test]
fn a_restarted_client_still_has_its_session() {
    for mut world in worlds(&EXPR).filter(|world| world.pair.0 == Stack::OpenSsl) {
        assert_eq!(world.log_in("alice", true, ""), Came::Fully);
        assert_eq!(world.log_in("alice", true, ""), Came::In("IKY-SHA-256-EXPR"));
        let folder = std::env::temp_dir().join(format!("fast-reauth-openssl-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (session_file, assertion_file) = (folder.join("sessions"), folder.join("assertion"));
        fs::write(&session_file, world.bench.client.sessions().saved(&account("alice"))).unwrap();
        let assertions = world.logins.accounts.assertions(&account("alice"));
        let offered = world.logins.accounts.last_offer(&account("alice"));
        assert_eq!(assertions.len(), 1);
        fs::write(&assertion_file, assertions[0].to_bytes()).unwrap();

        // Nothing of the client is left but the files.
        world.bench.client = Client::new(world.pair.0, world.mode, &world.identity);
        world.logins.accounts = Accounts::new(Policy::default());
        let sessions = world.bench.client.sessions();
        sessions.restore(&account("alice"), &fs::read(&session_file).unwrap()).unwrap();
        let assertion = ClientAssertion::from_bytes(&fs::read(&assertion_file).unwrap()).unwrap();
        world.logins.accounts.restore(&account("alice"), assertion, offered.iter().map(|name| &**name));
        assert_eq!(world.log_in("alice", true, ""), Came::In("EXTERNAL"), "{:?} {:?}", world.pair, world.mode);
        assert_eq!(world.log_in("alice", true, "EXTERNAL"), Came::In("IKY-SHA-256-EXPR"));
        fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn tls12_without_extended_master_secret_is_refused() {
    // SSL_OP_NO_EXTENDED_MASTER_SECRET, which the crate does not name.
    let without = SslOptions::from_bits_retain(1);
    let mut world = World::new((Stack::OpenSsl, Stack::OpenSsl), STATEFUL[1], &EXPR);
    world.bench = Bench::openssl(STATEFUL[1], |server| _ = server.set_options(without), |_| ());
    for _ in 0..3 {
        assert_eq!(world.log_in("alice", true, ""), Came::Fully);
    }
    assert_eq!(world.logins.store.len().0, 0);
}
