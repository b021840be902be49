//! The server knows which connection is resumed, and what it says of a connection agrees with what the client says.
#![cfg(feature = "rustls")]

use std::io::{Read, Write};
use std::sync::Arc;

use fast_reauth::channel::{Exporter, ExporterUnavailable, Tickets, Unsuitable};
use fast_reauth::rustls::{FactsUnavailable, Recognition, exporter};
use rustls::client::{ClientSessionMemoryCache, Resumption, Tls12Resumption};
use rustls::crypto::ring::kx_group;
use rustls::server::ProducesTickets;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, ServerConfig, ServerConnection};

mod rustls_support;
use rustls_support::*;

const TLS13: Mode = MODES[0];
const TLS12: Mode = MODES[2];
const TLS12_TICKETS: Mode = MODES[3];

#[test]
fn a_returning_client_is_recognised_in_every_mode() {
    for mode in MODES {
        let bench = Bench::new(mode);
        let mut first = bench.login("alice");
        assert_eq!(first.facts().resumed_handle(), None, "{mode:?}");
        assert_eq!(first.watch.recognised(&first.server), None);

        let mut second = bench.connect("alice");
        let facts = second.facts();
        assert_eq!(facts.resumed_handle(), Some(&first.handle), "{mode:?}");
        assert_eq!(facts.own_handle(), Some(&second.handle));
        assert_eq!(facts.version(), mode.0);
        assert_eq!(facts.session_tickets(), mode.1, "{mode:?}");
        assert_eq!(second.resumed_lineage().as_ref(), first.facts().lineage());
        for link in [&mut first, &mut second] {
            assert_agreed(&link.client_facts(), &link.facts());
            assert_eq!(link.facts().tls_server_end_point(), link.client_facts().tls_server_end_point());
            assert!(link.facts().tls_server_end_point().is_some());
            assert_eq!(link.facts().name().as_str(), NAME);
        }
        assert_ne!(first.facts().lineage(), second.facts().lineage());
    }
}

#[test]
fn the_predecessor_is_known_once_the_client_hello_is_processed() {
    for mode in MODES {
        let bench = Bench::new(mode);
        let first = bench.login("alice");
        let mut second = bench.start("alice");
        assert_eq!(second.watch.recognised(&second.server), None);
        transfer(&mut second.client, &mut second.server);
        assert!(second.server.is_handshaking());
        assert_eq!(second.watch.recognised(&second.server), Some(first.handle), "{mode:?}");
        assert_eq!(second.watch.facts(&mut second.server).err(), Some(FactsUnavailable::Handshaking));
        assert_eq!(second.client_watch.facts(&second.client).err(), Some(FactsUnavailable::Handshaking));
        assert!(exporter(&second.server).export(b"EXPORTER-any", b"", &mut [0; 32]).is_err());
    }
}

#[test]
fn a_chain_gives_each_its_direct_predecessor() {
    for mode in &MODES[..2] {
        let bench = Bench::new(*mode);
        let mut last = bench.login("alice");
        for _ in 0..4 {
            let mut next = bench.login("alice");
            assert_eq!(next.facts().resumed_handle(), Some(&last.handle), "{mode:?}");
            assert_eq!(next.resumed_lineage().as_ref(), last.facts().lineage());
            last = next;
        }
    }
}

#[test]
fn a_tls12_session_stays_that_of_its_full_handshake_on_both_ends() {
    for mode in &MODES[2..] {
        let bench = Bench::new(*mode);
        let mut first = bench.login("alice");
        for _ in 0..4 {
            let mut next = bench.login("alice");
            assert_eq!(next.facts().resumed_handle(), Some(&first.handle), "{mode:?}");
            assert_eq!(next.resumed_lineage().as_ref(), first.facts().lineage());
        }
    }
}

/// A client that takes the new ticket of a resumed TLS 1.2 session, as rustls' own store does, resumes that connection.
#[test]
fn a_renewed_tls12_ticket_names_the_connection_that_sent_it() {
    let bench = Bench::new(TLS12_TICKETS);
    let mut config = ClientConfig::clone(&bench.base);
    config.resumption = Resumption::store(Arc::new(ClientSessionMemoryCache::new(8)));
    let config = Arc::new(config);
    let mut last = None;
    for _ in 0..4 {
        let (_, unused) = bench.sessions.connection(&bench.base, &account("alice"));
        let mut link = bench.link((Arc::clone(&config), unused), NAME);
        link.pump();
        assert_eq!(link.facts().resumed_handle().copied(), last);
        last = Some(link.handle);
    }
}

#[test]
fn a_session_that_decrypts_and_is_refused_is_no_predecessor() {
    for mode in MODES {
        let bench = Bench::new(mode);
        bench.login("alice");
        // The same host without SNI: the client offers the session, the server finds it and must refuse it.
        let mut config = ClientConfig::clone(&bench.base);
        config.enable_sni = false;
        let mut second = bench.link(bench.sessions.connection(&config, &account("alice")), NAME);
        transfer(&mut second.client, &mut second.server);
        assert_eq!(second.watch.recognised(&second.server), None);
        second.pump();
        let facts = second.facts();
        assert!(!facts.is_resumed(), "{mode:?}");
        assert_eq!(facts.resumed_handle(), None);
        assert_eq!(facts.name().as_str(), "");
        assert_eq!(second.resumed_lineage(), None);
        assert_agreed(&second.client_facts(), &facts);
        // What it leaves to its own successor is its own handle.
        second.authenticated(None);
        let mut third = bench.link(bench.sessions.connection(&config, &account("alice")), NAME);
        third.pump();
        assert_eq!(third.facts().resumed_handle(), Some(&second.handle), "{mode:?}");
    }
}

#[test]
fn sessions_of_wrapped_and_unwrapped_configurations_do_not_mix() {
    for mode in MODES {
        let identity = identity(&rcgen::PKCS_ECDSA_P256_SHA256);
        let base = Arc::new(mode.server(&identity));
        let wrapped = Recognition::new(Arc::clone(&base));
        let mut client = mode.client(&identity);
        client.resumption = Resumption::store(Arc::new(ClientSessionMemoryCache::new(8)));
        let client = Arc::new(client);
        let kind = |config| {
            let mut server = ServerConnection::new(config).unwrap();
            let mut client = ClientConnection::new(Arc::clone(&client), NAME.try_into().unwrap()).unwrap();
            while transfer(&mut client, &mut server) + transfer(&mut server, &mut client) > 0 {}
            server.handshake_kind().unwrap()
        };
        let unwrapped = || Arc::clone(&base);
        let wrapped = || wrapped.connection(handle()).0;
        assert_eq!(kind(unwrapped()), HandshakeKind::Full);
        assert_eq!(kind(unwrapped()), HandshakeKind::Resumed);
        // TLS 1.3 keeps several tickets, and the newest is offered first.
        assert_eq!(kind(wrapped()), HandshakeKind::Full, "{mode:?}");
        assert_eq!(kind(wrapped()), HandshakeKind::Resumed, "{mode:?}");
        assert_eq!(kind(unwrapped()), HandshakeKind::Full, "{mode:?}");
        assert_eq!(kind(unwrapped()), HandshakeKind::Resumed, "{mode:?}");
    }
}

#[test]
fn a_configuration_serves_one_connection() {
    for mode in MODES {
        let bench = Bench::new(mode);
        let (server_config, watch) = bench.recognition.connection(handle());
        let run = || {
            let (config, client_watch) = bench.sessions.connection(&bench.base, &account("alice"));
            let mut client = ClientConnection::new(config, NAME.try_into().unwrap()).unwrap();
            let mut server = ServerConnection::new(Arc::clone(&server_config)).unwrap();
            while transfer(&mut client, &mut server) + transfer(&mut server, &mut client) > 0 {}
            client_watch.authenticated(&client_watch.facts(&client).unwrap(), None);
            server
        };
        let mut first = run();
        assert!(watch.facts(&mut first).is_ok());
        let mut second = run();
        assert_eq!(second.handshake_kind(), Some(HandshakeKind::Resumed));
        assert_eq!(watch.recognised(&second), None, "{mode:?}");
        for server in [&mut first, &mut second] {
            assert_eq!(watch.facts(server).err(), Some(FactsUnavailable::ConfigurationReused), "{mode:?}");
        }
    }
}

#[test]
fn exporters_agree_and_depend_on_the_context() {
    for mode in MODES {
        let link = Bench::new(mode).login("alice");
        let export = |exporter: &dyn Exporter, context: &[u8]| {
            let mut out = [0; 32];
            exporter.export(b"EXPORTER-SASL-IKY", context, &mut out).map(|()| out)
        };
        for context in [b"".as_slice(), b"context"] {
            let value = export(&exporter(&link.client), context).unwrap();
            assert_eq!(Ok(value), export(&exporter(&link.server), context));
        }
        let empty = export(&exporter(&link.client), b"");
        assert_ne!(empty, export(&exporter(&link.client), b"context"));
        assert_eq!(exporter(&link.client).export(b"any", b"", &mut []), Err(ExporterUnavailable));
    }
}

#[test]
fn tls12_needs_the_extended_master_secret_and_sessions_kept_in_the_server() {
    let mut link = Bench::new(TLS12).login("alice");
    assert_eq!(link.facts().exporter_is_private(), Ok(()));
    assert_eq!(link.client_facts().exporter_is_private(), Ok(()));

    let mut link = Bench::new(TLS12_TICKETS).login("alice");
    assert_eq!(link.facts().exporter_is_private(), Err(Unsuitable::Tls12StatelessTickets));

    // Not required, it is used, but nothing says so.
    let mut bench = Bench::with(TLS12, |config| config.require_ems = false);
    let mut client = ClientConfig::clone(&bench.base);
    client.require_ems = false;
    bench.base = Arc::new(client);
    let mut link = bench.login("alice");
    assert_eq!(link.facts().exporter_is_private(), Err(Unsuitable::NoExtendedMasterSecret));
    assert_eq!(link.client_facts().exporter_is_private(), Err(Unsuitable::NoExtendedMasterSecret));
}

/// With both a storage and a ticketer, rustls puts a TLS 1.2 session into both, so the ticket key opens it either way.
#[test]
fn a_tls12_session_that_is_also_in_a_ticket_is_stateless() {
    let identity = identity(&rcgen::PKCS_ECDSA_P256_SHA256);
    let storage = TLS12.server(&identity).session_storage;
    let mut both = TLS12_TICKETS.server(&identity);
    both.session_storage = storage.clone();
    let mut bench = Bench::of(both, TLS12.client(&identity));
    bench.sessions = bench.sessions.tls12_resumption(Tls12Resumption::SessionIdOnly);
    bench.login("alice");
    let mut second = bench.connect("alice");
    assert!(second.is_resumed());
    assert_eq!(second.facts().session_tickets(), Tickets::Stateless);
    // Switching tickets off does not take the old ones back.
    let mut stateful = TLS12.server(&identity);
    stateful.session_storage = storage;
    bench.recognition = Recognition::new(Arc::new(stateful));
    let mut third = bench.connect("alice");
    assert!(third.is_resumed());
    assert_eq!(third.facts().session_tickets(), Tickets::Stateless);
    assert_eq!(bench.connect("bob").facts().session_tickets(), Tickets::Stateful);
}

/// Issues no tickets any more, and still opens the old ones: TLS 1.2 asks it to.
#[derive(Debug)]
struct Retired(Arc<dyn ProducesTickets>);

impl ProducesTickets for Retired {
    fn enabled(&self) -> bool {
        false
    }

    fn lifetime(&self) -> u32 {
        self.0.lifetime()
    }

    fn encrypt(&self, _plain: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.0.decrypt(cipher)
    }
}

#[test]
fn a_ticket_stays_stateless_when_no_more_are_issued() {
    let identity = identity(&rcgen::PKCS_ECDSA_P256_SHA256);
    let issuing = TLS12_TICKETS.server(&identity);
    let mut retired = TLS12.server(&identity);
    retired.ticketer = Arc::new(Retired(issuing.ticketer.clone()));
    let mut bench = Bench::of(issuing, TLS12.client(&identity));
    let first = bench.login("alice");
    bench.recognition = Recognition::new(Arc::new(retired));
    let mut second = bench.connect("alice");
    assert_eq!(second.facts().resumed_handle(), Some(&first.handle));
    assert_eq!(second.facts().session_tickets(), Tickets::Stateless);
}

#[test]
fn a_replaced_certificate_leaves_resumed_connections_without_end_point() {
    for mode in MODES {
        let (old, new) = (identity(&rcgen::PKCS_ECDSA_P256_SHA256), identity(&rcgen::PKCS_ECDSA_P256_SHA256));
        let before = mode.server(&old);
        let mut after = mode.server(&new);
        after.session_storage = before.session_storage.clone();
        after.ticketer = before.ticketer.clone();
        let mut bench = Bench::of(before, mode.client(&old));
        let mut first = bench.login("alice");
        bench.recognition = Recognition::new(Arc::new(after));
        // The second successor got its session from a connection to the new certificate, but still holds the old one.
        for _ in 0..2 {
            let mut link = bench.login("alice");
            assert!(link.is_resumed(), "{mode:?}");
            assert_eq!(link.facts().tls_server_end_point(), None, "{mode:?}");
            assert_eq!(link.client_facts().tls_server_end_point(), first.facts().tls_server_end_point());
            assert!(link.client_facts().tls_server_end_point().is_some());
        }
    }
}

#[test]
fn a_certificate_without_a_hash_has_no_end_point() {
    let identity = identity(&rcgen::PKCS_ED25519);
    let mut link = Bench::of(TLS13.server(&identity), TLS13.client(&identity)).login("alice");
    assert_eq!(link.facts().tls_server_end_point(), None);
    assert_eq!(link.client_facts().tls_server_end_point(), None);
    assert_agreed(&link.client_facts(), &link.facts());
}

#[test]
fn a_server_that_reads_past_its_input_takes_everything_for_early_data() {
    let mut bench = Bench::with(TLS13, |config| config.max_early_data_size = 1024);
    let mut client = ClientConfig::clone(&bench.base);
    client.enable_early_data = true;
    bench.base = Arc::new(client);
    let mut first = bench.login("alice");
    assert!(!first.facts().is_early_data());

    let mut second = bench.start("alice");
    second.client.early_data().unwrap().write_all(b"a1 NOOP\r\n").unwrap();
    second.pump();
    assert!(second.facts().is_early_data());
    assert!(!second.client_facts().is_early_data(), "what it sends from now on is none");
    assert_agreed(&second.client_facts(), &second.facts());
    let mut read = [0; 9];
    second.server.early_data().unwrap().read_exact(&mut read).unwrap();
    assert_eq!(&read, b"a1 NOOP\r\n");
    // Reading it changes nothing.
    assert!(second.facts().is_early_data());
    assert_eq!(second.facts().resumed_handle(), Some(&first.handle));
}

#[test]
fn a_hello_retry_request_changes_nothing() {
    let identity = identity(&rcgen::PKCS_ECDSA_P256_SHA256);
    let storage = TLS13.server(&identity).session_storage;
    let recognition = |group| {
        let mut provider = rustls::crypto::ring::default_provider();
        provider.kx_groups = vec![group];
        let mut server = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![identity.certificate.clone()], identity.key.clone_key())
            .unwrap();
        server.session_storage = Arc::clone(&storage);
        Recognition::new(Arc::new(server))
    };
    let mut bench = Bench::new(TLS13);
    bench.base = Arc::new(TLS13.client(&identity));
    bench.recognition = recognition(kx_group::SECP384R1);
    let mut first = bench.login("alice");
    assert_eq!(first.server.handshake_kind(), Some(HandshakeKind::FullWithHelloRetryRequest));
    assert_agreed(&first.client_facts(), &first.facts());
    assert!(!first.facts().is_resumed());
    // The group is remembered by the name of the server, so for every account.
    assert_eq!(bench.connect("bob").server.handshake_kind(), Some(HandshakeKind::Full));

    // The server's taste changes: the client offers its session in both of its ClientHellos.
    bench.recognition = recognition(kx_group::SECP256R1);
    let mut second = bench.connect("alice");
    assert_eq!(second.facts().resumed_handle(), Some(&first.handle));
    assert_agreed(&second.client_facts(), &second.facts());
}
