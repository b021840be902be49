//! The server knows which connection is resumed, and what both stacks say of one connection agrees.

use std::collections::HashSet;

use fast_reauth::channel::{Tickets, TlsVersion, Unsuitable};
use fast_reauth::openssl::{FactsUnavailable, Recognition};
use openssl::pkey::PKey;
use openssl::ssl::{SniError, Ssl, SslOptions, SslStream};
use openssl::x509::X509;
use openssl_and_rustls::rustls_support::login::Ends;
use openssl_and_rustls::rustls_support::*;
use openssl_and_rustls::{
    Bench, Client, PAIRS, Pipe, STATEFUL, Server, ServerEnd, Stack, acceptor, assert_same_end_point, connector,
};

const OPENSSL: (Stack, Stack) = (Stack::OpenSsl, Stack::OpenSsl);
const TLS13: Mode = STATEFUL[0];
const TLS12: Mode = STATEFUL[1];

fn recognition(bench: &Bench) -> &Recognition {
    match &bench.server {
        Server::OpenSsl(recognition) => recognition,
        Server::Rustls(_) => panic!("a server by rustls"),
    }
}

#[test]
fn a_returning_client_is_recognised_and_both_ends_agree() {
    for pair in PAIRS {
        for mode in STATEFUL {
            let bench = Bench::new(pair, mode);
            let mut first = bench.login("alice");
            assert_eq!(first.facts().resumed_handle(), None);
            assert_eq!(first.server.recognised(), None);
            let mut second = bench.connect("alice");
            assert_eq!(second.facts().resumed_handle(), Some(&first.handle), "{pair:?} {mode:?}");
            assert_eq!(second.facts().own_handle(), Some(&second.handle));
            assert_eq!(second.predecessor().as_ref().map(|before| &before.lineage), first.facts().lineage());
            for link in [&mut first, &mut second] {
                assert_agreed(&link.client_facts(), &link.facts());
                assert_same_end_point(&link.client_facts(), &link.facts());
                assert_eq!(link.facts().version(), mode.0);
                assert_eq!(link.facts().session_tickets(), Tickets::Stateful);
                assert_eq!(link.facts().name().as_str(), NAME, "{pair:?} {mode:?}");
                link.facts().exporter_is_private().unwrap();
                link.client_facts().exporter_is_private().unwrap();
            }
            assert_ne!(first.facts().lineage(), second.facts().lineage());
        }
    }
}

/// rustls as a server with tickets that carry the session: the client can't tell them from the others.
#[test]
fn an_openssl_client_resumes_stateless_tickets() {
    for mode in [MODES[1], MODES[3]] {
        let bench = Bench::new((Stack::OpenSsl, Stack::Rustls), mode);
        let first = bench.login("alice");
        let mut second = bench.connect("alice");
        assert_eq!(second.facts().resumed_handle(), Some(&first.handle), "{mode:?}");
        assert_eq!(second.facts().session_tickets(), Tickets::Stateless);
        assert_agreed(&second.client_facts(), &second.facts());
    }
}

#[test]
fn the_predecessor_is_known_once_the_client_hello_is_processed() {
    for pair in PAIRS {
        for mode in STATEFUL {
            let bench = Bench::new(pair, mode);
            let first = bench.login("alice");
            let mut second = bench.start("alice");
            assert_eq!(second.server.recognised(), None);
            assert!(second.client.facts().is_none() && second.predecessor().is_none());
            second.to_server();
            assert_eq!(second.server.recognised(), Some(first.handle), "{pair:?} {mode:?}");
            assert!(second.server.facts().is_none());
            if pair.1 == Stack::OpenSsl {
                let facts = recognition(&bench).facts(second.server.stream().ssl());
                assert_eq!(facts.err(), Some(FactsUnavailable::Handshaking));
            }
            assert!(second.server_exporter().export(b"EXPORTER-any", b"", &mut [0; 32]).is_err());
        }
    }
}

#[test]
fn a_chain_gives_each_its_predecessor_in_the_reading_of_its_version() {
    for pair in PAIRS {
        for mode in STATEFUL {
            let bench = Bench::new(pair, mode);
            let mut before = bench.login("alice");
            for _ in 0..4 {
                let mut next = bench.login("alice");
                assert_eq!(next.facts().resumed_handle(), Some(&before.handle), "{pair:?} {mode:?}");
                assert_eq!(next.predecessor().as_ref().map(|known| &known.lineage), before.facts().lineage());
                if mode.0 == TlsVersion::Tls13 {
                    before = next;
                }
            }
        }
    }
}

/// A session that both ends have, and of which it is not known where it comes from.
#[test]
fn a_session_of_unknown_origin_resumes_and_is_nobodys() {
    for mode in STATEFUL {
        let bench = Bench::new(OPENSSL, mode);
        let recognition = recognition(&bench);
        let made = recognition.connection(handle()).unwrap();
        let foreign = Ssl::new(made.ssl_context()).unwrap();
        let mut first = bench.start("alice");
        first.server = ServerEnd::OpenSsl(SslStream::new(foreign, Pipe::default()).unwrap(), recognition.clone());
        first.pump();
        assert_eq!(recognition.facts(first.server.stream().ssl()).err(), Some(FactsUnavailable::Foreign));
        first.authenticated(None);
        let mut second = bench.connect("alice");
        assert!(second.is_resumed(), "{mode:?}");
        assert_eq!(second.server.recognised(), None);
        assert_eq!(second.facts().resumed_handle(), None);
        assert_eq!(second.facts().own_handle(), Some(&second.handle));
        // Its own successor is its successor; a TLS 1.2 session stays what it was.
        second.authenticated(None);
        let expected = (mode.0 == TlsVersion::Tls13).then_some(second.handle);
        assert_eq!(bench.connect("alice").facts().resumed_handle().copied(), expected);
    }
}

#[test]
fn a_session_offered_twice_names_the_same_connection_twice() {
    for mode in STATEFUL {
        let bench = Bench::new(OPENSSL, mode);
        let first = bench.login("alice");
        let stolen = bench.client.sessions().saved(&account("alice"));
        let mut exporters = HashSet::new();
        for _ in 0..2 {
            bench.client.sessions().forget(&account("alice"));
            bench.client.sessions().restore(&account("alice"), &stolen).unwrap();
            let mut link = bench.connect("alice");
            assert_eq!(link.facts().resumed_handle(), Some(&first.handle), "{mode:?}");
            exporters.insert(link.facts().tls_exporter().unwrap().to_vec());
        }
        assert_eq!(exporters.len(), 2);
    }
}

/// A servername callback that puts the connection on another context.
#[test]
fn on_another_context_everyone_is_a_stranger() {
    for mode in STATEFUL {
        let identity = identity(&rcgen::PKCS_ECDSA_P256_SHA256);
        let other = acceptor(mode, &identity).unwrap().build().into_context();
        let mut server = acceptor(mode, &identity).unwrap();
        server.set_servername_callback(move |ssl, _| ssl.set_ssl_context(&other).map_err(|_| SniError::ALERT_FATAL));
        let bench = Bench { client: Client::new(Stack::OpenSsl, mode, &identity), server: Server::openssl(server) };
        bench.login("alice");
        let mut second = bench.connect("alice");
        assert!(second.is_resumed());
        assert_eq!(second.facts().resumed_handle(), None, "{mode:?}");
    }
}

#[test]
fn a_restarted_server_resumes_nothing() {
    for pair in PAIRS {
        for mode in STATEFUL {
            let identity = identity(&rcgen::PKCS_ECDSA_P256_SHA256);
            let server = || Server::new(pair.1, mode, &identity);
            let mut bench = Bench { client: Client::new(pair.0, mode, &identity), server: server() };
            bench.login("alice");
            bench.server = server();
            let mut next = bench.connect("alice");
            assert!(!next.is_resumed(), "{pair:?} {mode:?}");
            assert_eq!(next.predecessor(), None);
        }
    }
}

#[test]
fn what_is_kept_of_sessions_goes_with_them() {
    for mode in STATEFUL {
        let bench = Bench::openssl(mode, |server| _ = server.set_session_cache_size(4), |_| ());
        for number in 0..20 {
            bench.login(&format!("user{number}"));
        }
        let kept = format!("{:?}", recognition(&bench));
        assert!((0..=4).any(|count| kept.contains(&format!("sessions: {count},"))), "{kept}");
        assert!(!bench.connect("user0").is_resumed());
    }
}

/// OpenSSL takes a connection that ends without a word for one that failed.
#[test]
fn the_newest_session_of_a_connection_without_close_notify_is_dropped() {
    for mode in STATEFUL {
        for rude in [false, true] {
            let bench = Bench::new(OPENSSL, mode);
            bench.login("alice").rude = rude;
            assert_eq!(bench.connect("alice").is_resumed(), !rude, "{mode:?}");
        }
    }
}

#[test]
fn no_end_point_where_the_client_holds_another_certificate() {
    for mode in STATEFUL {
        let bench = Bench::new(OPENSSL, mode);
        let renewed = identity(&rcgen::PKCS_ECDSA_P256_SHA256);
        let connect = || {
            let mut link = bench.start("alice");
            let key = PKey::private_key_from_der(renewed.key.secret_der()).unwrap();
            let Server::OpenSsl(recognition) = &bench.server else { unreachable!() };
            let mut ssl = recognition.connection(link.handle).unwrap();
            ssl.set_certificate(&X509::from_der(&renewed.certificate).unwrap()).unwrap();
            ssl.set_private_key(&key).unwrap();
            link.server = ServerEnd::OpenSsl(SslStream::new(ssl, Pipe::default()).unwrap(), recognition.clone());
            link.pump();
            link.authenticated(None);
            link
        };
        let first = bench.login("alice");
        let (mut second, mut third) = (connect(), connect());
        assert_eq!(second.facts().resumed_handle(), Some(&first.handle));
        assert!(third.is_resumed());
        for link in [&mut second, &mut third] {
            // The client still has the old one.
            assert_eq!(link.client_facts().tls_server_end_point(), first.client_facts().tls_server_end_point());
            assert_eq!(link.facts().tls_server_end_point(), None, "{mode:?}");
        }
    }
}

#[test]
fn tls12_without_extended_master_secret_is_told() {
    // SSL_OP_NO_EXTENDED_MASTER_SECRET, which the crate does not name.
    let without = SslOptions::from_bits_retain(1);
    let bench = Bench::openssl(TLS12, |server| _ = server.set_options(without), |_| ());
    let mut link = bench.connect("alice");
    assert_eq!(link.facts().keys_are_private(), Err(Unsuitable::NoExtendedMasterSecret));
    assert_eq!(link.client_facts().keys_are_private(), Err(Unsuitable::NoExtendedMasterSecret));
    assert_eq!(link.facts().tls_unique(), None);
}

#[test]
fn static_rsa_is_told() {
    let key = openssl::rsa::Rsa::generate(2048).unwrap();
    let pem = PKey::from_rsa(key).unwrap().private_key_to_pem_pkcs8().unwrap();
    let key =
        rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(core::str::from_utf8(&pem).unwrap(), &rcgen::PKCS_RSA_SHA256)
            .unwrap();
    let certificate = rcgen::CertificateParams::new([NAME.to_owned()]).unwrap().self_signed(&key).unwrap();
    let identity = Identity {
        certificate: certificate.der().clone(),
        key: rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
    };
    for (suite, private) in [
        ("AES128-GCM-SHA256", Err(Unsuitable::NoForwardSecrecy)),
        ("ECDHE-RSA-AES128-GCM-SHA256", Ok(())),
        ("DHE-RSA-AES128-GCM-SHA256", Ok(())),
    ] {
        let (mut server, client) = (acceptor(TLS12, &identity).unwrap(), connector(TLS12, &identity).unwrap());
        server.set_cipher_list(suite).unwrap();
        let bench = Bench { client: Client::openssl(client), server: Server::openssl(server) };
        for resumed in [false, true] {
            let mut link = bench.login("alice");
            assert_eq!(link.is_resumed(), resumed, "{suite}");
            assert_eq!(link.facts().keys_are_private(), private, "{suite}");
            assert_eq!(link.client_facts().keys_are_private(), private, "{suite}");
        }
    }
}

/// Resumption with the pre-shared key alone, which OpenSSL does if it is allowed and the two ends have no group in common.
#[test]
fn tls13_without_a_key_exchange_is_told() {
    // SSL_OP_ALLOW_NO_DHE_KEX, which the crate does not name.
    let allow = SslOptions::from_bits_retain(1 << 10);
    let identity = identity(&rcgen::PKCS_ECDSA_P256_SHA256);
    let mut server = acceptor(TLS13, &identity).unwrap();
    server.set_options(allow);
    server.set_groups_list("X25519").unwrap();
    let client = |groups| {
        let mut client = connector(TLS13, &identity).unwrap();
        client.set_options(allow);
        client.set_groups_list(groups).unwrap();
        Client::openssl(client)
    };
    let mut bench = Bench { client: client("X25519"), server: Server::openssl(server) };
    bench.login("alice").facts().keys_are_private().unwrap();
    let saved = bench.client.sessions().saved(&account("alice"));
    bench.client = client("P-384");
    bench.client.sessions().restore(&account("alice"), &saved).unwrap();
    let mut link = bench.connect("alice");
    assert!(link.is_resumed());
    assert_eq!(link.facts().keys_are_private(), Err(Unsuitable::NoForwardSecrecy));
    assert_eq!(link.client_facts().keys_are_private(), Err(Unsuitable::NoForwardSecrecy));
}

#[test]
fn tls_unique_is_the_same_at_both_ends() {
    let bench = Bench::new(OPENSSL, TLS12);
    let mut seen = HashSet::new();
    for resumed in [false, true] {
        let mut link = bench.login("alice");
        assert_eq!(link.is_resumed(), resumed);
        assert_eq!(link.facts().tls_unique().unwrap().len(), 12);
        assert_eq!(link.facts().tls_unique(), link.client_facts().tls_unique());
        // The first Finished message is the client's in a full handshake, and the server's in a resumed one.
        let first = if resumed { link.server.stream().ssl() } else { link.client.stream().ssl() };
        let mut finished = [0; 12];
        assert_eq!(first.finished(&mut finished), 12);
        assert_eq!(link.client_facts().tls_unique(), Some(&finished[..]));
        seen.insert(finished.to_vec());
    }
    assert_eq!(seen.len(), 2);
    assert_eq!(Bench::new(OPENSSL, TLS13).login("alice").facts().tls_unique(), None);
}

#[test]
fn early_data_is_not_allowed_by_any_session() {
    let bench = Bench::openssl(TLS13, |server| server.set_max_early_data(16_384).unwrap(), |_| ());
    bench.login("alice");
    let (_, session) = bench.client.sessions().connection(NAME, &account("alice")).unwrap();
    assert_eq!(session.unwrap().max_early_data(), 0);
}

/// A client that is not this library, and offers a session under another name than it was made for.
#[test]
fn the_name_beside_a_session_is_the_one_that_counts_for_its_version() {
    for mode in STATEFUL {
        let bench = Bench::new(OPENSSL, mode);
        bench.login("alice");
        let (_, session) = bench.client.sessions().connection(NAME, &account("alice")).unwrap();
        let mut other = bench.start_to("other.example", "alice", true);
        let (mut ssl, none) = bench.client.sessions().connection("other.example", &account("alice")).unwrap();
        assert!(none.is_none(), "the certificate was verified for another name");
        openssl_and_rustls::offer(&mut ssl, &session.unwrap());
        other.client = openssl_and_rustls::ClientEnd::OpenSsl(
            SslStream::new(ssl, Pipe::default()).unwrap(),
            bench.client.sessions().clone(),
        );
        other.pump();
        let facts = other.facts();
        // OpenSSL resumes it. In TLS 1.3 the name is the one that was sent; a TLS 1.2 session has one.
        assert!(facts.resumed_handle().is_some(), "{mode:?}");
        let name = if mode.0 == TlsVersion::Tls13 { "other.example" } else { NAME };
        assert_eq!(facts.name().as_str(), name);
    }
}

#[test]
fn nothing_secret_is_printed() {
    let bench = Bench::new(OPENSSL, TLS13);
    let mut link = bench.connect("alice");
    link.authenticated(Some(family(7)));
    let text = format!("{:?} {:?} {:?}", recognition(&bench), bench.client.sessions(), link.facts());
    assert!(!text.contains(&format!("{:?}", link.handle.as_octets())), "{text}");
    assert!(!text.contains(&format!("{:?}", link.facts().lineage().unwrap().expose())), "{text}");
}
