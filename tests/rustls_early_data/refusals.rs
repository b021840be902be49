//! What is refused in early data.

use super::client::imap_login;
use super::*;

/// The world's alice sends this login as early data; what came of it.
fn early(world: &World, mechanism: &str, message: &[u8]) -> Vec<Outcome> {
    let (mut client, mut served) = (world.client(), world.serve(&world.node));
    let (flight, _) = imap_login(mechanism, message);
    let first_flight = client.send_octets_early(&[&flight.bytes[..], b"a2 SELECT INBOX\r\n"].concat());
    let _ = served.receive(&first_flight);
    assert!(served.tls.early_data().is_some(), "TLS took it");
    assert_eq!(served.logged_in, None);
    assert!(served.ran.is_empty());
    served.outcomes
}

/// The message with which alice would be accepted in early data.
fn good(world: &World) -> Vec<u8> {
    let mut client = world.client();
    let (facts, before) = client.watch.early(&mut client.tls).unwrap();
    let mut connection = world.accounts.connect(&account("alice"), facts).resumes(Some(before));
    connection.plan_early(NOW).unwrap().message().to_vec()
}

#[test]
fn external() {
    let world = World::logged_in(&[Pin::SHA_256_NONE]);
    assert_eq!(early(&world, "EXTERNAL", b"alice"), [Outcome::BindingMismatch]);
}

#[test]
fn a_bound_mechanism_without_an_early_exporter() {
    let world = World::logged_in(&[Pin::SHA_256_EXPR]);
    let mut client = world.client();
    let (facts, before) = client.watch.early(&mut client.tls).unwrap();
    let mut connection = world.accounts.connect(&account("alice"), facts).resumes(Some(before));
    assert!(connection.plan_early(NOW).is_none(), "the client does not try");
    // With a counter and without; the proof is that of another connection.
    let mut served = world.serve(&world.node);
    client.exchange(&mut served);
    client.log_in("IKY-SHA-256-EXPR");
    assert_eq!(client.exchange(&mut served), Some(Settled::LoggedIn));
    let id = b64(world.accounts.assertions(&account("alice"))[0].id().as_octets());
    let proof = b64(&[1; 32]);
    for counter in ["", ",n=1"] {
        client.authenticated();
        let message = format!("p=tls-exporter,a=alice,h={NAME},i={id}{counter},l=1,p={proof}");
        assert_eq!(early(&world, "IKY-SHA-256-EXPR", message.as_bytes()), [Outcome::BindingMismatch]);
    }
}

#[test]
fn a_proof_without_counter() {
    let world = World::logged_in(&[Pin::SHA_256_NONE]);
    let message = String::from_utf8(good(&world)).unwrap().replace(",n=1,", ",");
    assert!(!message.contains("n=1"));
    assert_eq!(early(&world, NONE, message.as_bytes()), [Outcome::Malformed]);
}

#[test]
fn a_service_that_did_not_choose_it() {
    let mut world = World::logged_in(&[Pin::SHA_256_NONE]);
    let names = [ServerName::parse(NAME).unwrap()];
    let service = Server::new(Service::IMAP, names, ["SCRAM-SHA-256-PLUS"]).unwrap().pins([Pin::SHA_256_NONE]);
    world.service = service;
    let (mut client, mut served) = (world.client(), world.serve(&world.node));
    let first_flight = client.send_early("a2 SELECT INBOX\r\n");
    let answer = served.receive(&first_flight);
    assert_eq!(served.outcomes, [Outcome::BindingMismatch]);
    assert!(served.ran.is_empty() && served.logged_in.is_none());
    assert!(matches!(client.receive(&answer), Some(Settled::Failed(_))));
}

/// A message that ends behind the handshake is early data if it began as that.
#[test]
fn a_message_that_begins_as_early_data() {
    for split in [1, 40] {
        let mut world = World::logged_in(&[Pin::SHA_256_NONE]);
        let names = [ServerName::parse(NAME).unwrap()];
        let service = Server::new(Service::IMAP, names, ["SCRAM-SHA-256-PLUS"]).unwrap().pins([Pin::SHA_256_NONE]);
        world.service = service;
        let (mut client, mut served) = (world.client(), world.serve(&world.node));
        let (facts, before) = client.watch.early(&mut client.tls).unwrap();
        let mut connection = world.accounts.connect(&account("alice"), facts).resumes(Some(before));
        let attempt = connection.plan_early(NOW).unwrap();
        let (flight, _) = imap_login(attempt.mechanism(), attempt.message());
        let first_flight = client.send_octets_early(&flight.bytes[..split]);
        let answer = served.receive(&first_flight);
        let _ = client.receive(&answer);
        client.say(&flight.bytes[split..]);
        client.exchange(&mut served);
        assert!(!served.tls.is_handshaking());
        assert_eq!(served.outcomes, [Outcome::BindingMismatch]);
    }
}

#[test]
fn behind_its_early_data_a_connection_is_like_any_other() {
    for (pin, mechanism) in
        [(Pin::SHA_256_NONE, NONE), (Pin::SHA_256_EXPR, "EXTERNAL"), (Pin::SHA_256_EXPR, "IKY-SHA-256-EXPR")]
    {
        let world = World::logged_in(&[pin]);
        let (mut client, mut served) = (world.client(), world.serve(&world.node));
        let first_flight = client.send_octets_early(b"a0 NOOP\r\n");
        let answer = served.receive(&first_flight);
        let _ = client.receive(&answer);
        assert!(client.heard.contains("a0 OK"), "{}", client.heard);
        client.exchange(&mut served);
        assert!(served.tls.early_data().is_some());
        client.log_in(mechanism);
        assert_eq!(client.exchange(&mut served), Some(Settled::LoggedIn), "{mechanism}");
    }
}

#[test]
fn a_flight_that_does_not_fit_is_not_sent_by_half() {
    let world = World::logged_in(&[Pin::SHA_256_NONE]);
    let mut client = world.client();
    assert!(!client.watch.send_early(&mut client.tls, &[b'x'; 4097]));
    assert!(client.watch.send_early(&mut client.tls, &[b'x'; 4096]));
}

/// rustls says that early data was taken also where there was none. Who believes that waits for an answer for ever.
#[test]
fn a_flight_that_was_not_sent_was_not_taken() {
    let world = World::logged_in(&[Pin::SHA_256_NONE]);
    for (len, sent) in [(4097, false), (4096, true)] {
        let (mut client, mut served) = (world.client(), world.serve(&world.node));
        assert!(client.watch.early(&mut client.tls).is_some());
        assert_eq!(client.watch.send_early(&mut client.tls, &vec![b'x'; len]), sent);
        assert!(!client.watch.early_taken(&client.tls), "nobody has answered");
        // TLS alone, as this is no login.
        for _ in 0..2 {
            let mut wire = Vec::new();
            while client.tls.wants_write() {
                client.tls.write_tls(&mut wire).unwrap();
            }
            let mut wire = &wire[..];
            while !wire.is_empty() {
                served.tls.read_tls(&mut wire).unwrap();
                served.tls.process_new_packets().unwrap();
            }
            let mut wire = Vec::new();
            while served.tls.wants_write() {
                served.tls.write_tls(&mut wire).unwrap();
            }
            let _ = client.receive(&wire);
        }
        assert!(!client.tls.is_handshaking() && client.tls.is_early_data_accepted());
        assert_eq!(client.watch.early_taken(&client.tls), sent);
        client.authenticated();
    }
}

/// A login whose flight is too long for early data is sent when the handshake is finished, and is as good there.
#[test]
fn a_login_that_was_not_sent_early_is_sent_after_the_handshake() {
    let world = World::logged_in(&[Pin::SHA_256_NONE]);
    let (mut client, mut served) = (world.client(), world.serve(&world.node));
    client.plan_early();
    assert!(!client.watch.send_early(&mut client.tls, &[b'x'; 4097]));
    assert_eq!(client.exchange(&mut served), None);
    assert!(served.outcomes.is_empty() && !client.watch.early_taken(&client.tls));
    client.send_again("a2 SELECT INBOX\r\n");
    assert_eq!(client.exchange(&mut served), Some(Settled::LoggedIn));
}

#[test]
fn nothing_is_sent_early_where_nothing_allows_it() {
    // No session; a client that did not choose it; a server that did not.
    let world = World::new(&[Pin::SHA_256_NONE]);
    let mut client = world.client();
    assert!(client.watch.early(&mut client.tls).is_none());
    assert!(!client.watch.send_early(&mut client.tls, b"x"));
    let mut world = World::logged_in(&[Pin::SHA_256_NONE]);
    let mut base = ClientConfig::clone(&world.base);
    base.enable_early_data = false;
    world.base = Arc::new(base);
    let mut client = world.client();
    assert!(client.watch.early(&mut client.tls).is_none());
}

fn b64(octets: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(octets)
}
