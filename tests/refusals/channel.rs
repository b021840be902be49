//! IKY: the channel that a proof belongs to.

use super::*;

#[test]
fn iky_on_another_connection() {
    for pin in [Pin::SHA_256_EXPR, Pin::ED25519_EXPR] {
        let (pair, _) = logged_in(server_with(&[pin]));
        let message = good(&pair, &Tls::full(), None, pin);
        let _ = refused(&pair, &Tls::full(), pin.name(), &message, Outcome::BadProof);
    }
}

#[test]
fn iky_another_certificate() {
    let mut policy = Policy::default();
    policy.lineage = fast_reauth::assertion::LineageRule::Never;
    let (pair, _) = logged_in(server_with(&[Pin::SHA_256_ENDP]).policy(policy));
    let mut tls = Tls::full();
    let message = good(&pair, &tls, None, Pin::SHA_256_ENDP);
    tls.end_point = Some([8; 32]);
    let _ = refused(&pair, &tls, "IKY-SHA-256-ENDP", &message, Outcome::BadProof);
    tls.end_point = None;
    let _ = refused(&pair, &tls, "IKY-SHA-256-ENDP", &message, Outcome::BindingMismatch);
}

#[test]
fn iky_resumed_flag_is_covered() {
    let (pair, first) = logged_in(server());
    let tls = Tls::resuming(&first);
    let mut full = tls.clone();
    full.resumed = None;
    let message = good(&pair, &full, None, Pin::SHA_256_EXPR);
    let _ = refused(&pair, &tls, EXPR[0], &message, Outcome::BadProof);
}

#[test]
fn iky_in_early_data() {
    let (pair, _) = logged_in(server());
    let mut tls = Tls::full();
    let message = good(&pair, &tls, None, Pin::SHA_256_EXPR);
    tls.early_data = true;
    let _ = refused(&pair, &tls, EXPR[0], &message, Outcome::BindingMismatch);
}

/// A2, A5: exporters that somebody else can have.
#[test]
fn iky_on_a_channel_that_may_be_shared() {
    let (pair, _) = logged_in(server());
    for spoil in [
        |tls: &mut Tls| tls.version12 = Some(false),
        |tls: &mut Tls| (tls.version12, tls.tickets) = (Some(true), Tickets::Stateless),
        |tls: &mut Tls| tls.dhe = false,
        |tls: &mut Tls| tls.has_exporter = false,
    ] {
        let mut tls = Tls::full();
        let message = good(&pair, &tls, None, Pin::SHA_256_EXPR);
        spoil(&mut tls);
        assert!(!pair.connection(&tls).mechanisms(pair.now).contains(&EXPR[0]));
        let _ = refused(&pair, &tls, EXPR[0], &message, Outcome::BindingMismatch);
        let (_, attempt) = pair.attempt("alice", &tls, None, EXPR);
        assert!(attempt.is_none(), "the client does not try either");
    }
}

/// A2, A5 at the origin.
#[test]
fn no_assertion_from_a_channel_that_may_be_shared() {
    for spoil in [
        |tls: &mut Tls| tls.version12 = Some(false),
        |tls: &mut Tls| (tls.version12, tls.tickets) = (Some(true), Tickets::Stateless),
        |tls: &mut Tls| tls.dhe = false,
    ] {
        let smtp = Scope::new(Service::SMTP, ServerName::parse(NAME).unwrap());
        let sibling = fast_reauth::mechanism::Sibling { scope: smtp, pin: Pin::SHA_256_NONE };
        let pair = Pair::new(server_with(&[Pin::SHA_256_EXPR, Pin::SHA_256_NONE]).sibling(sibling));
        let mut tls = Tls::full();
        spoil(&mut tls);
        let mut connection = pair.connection(&tls);
        let login = Login { full: &bound("alice"), identity: "alice", device: DeviceId::new(fresh()), now: pair.now };
        let commit = connection.logged_in(login, &tls.exporter()).commit;
        pair.store.commit(&commit, pair.now).unwrap();
        assert_eq!(pair.store.len().0, 0);
        let mut client = pair.client.connect(&account("alice"), tls.client()).offered(["IKY-SHA-256-NONE"]);
        assert_eq!(client.logged_in(&bound("alice"), &tls.exporter(), &[], pair.now), Ok(false));
    }
}

#[test]
fn iky_gs2_header_of_another_mechanism() {
    let (pair, _) = logged_in(server());
    let tls = Tls::full();
    let mut forger = Forger::new(&pair);
    for header in ["n", "y", "p=tls-server-end-point", "p=tls-unique"] {
        forger.header = header.into();
        let _ = refused(&pair, &tls, EXPR[0], &forger.message(&tls, None), Outcome::BindingMismatch);
    }
}

#[test]
fn iky_none_with_y_where_bindings_are_listed() {
    let mut policy = Policy::default();
    policy.lineage = fast_reauth::assertion::LineageRule::Never;
    let mut pair = Pair::new(server_with(&[Pin::SHA_256_NONE]).policy(policy));
    pair.full_login("alice", &Tls::full());
    let tls = Tls::full();
    let mut forger = Forger::new(&pair);
    forger.header = "y".into();
    forger.counter = Some(1);
    assert_eq!(pair.judge(&tls, "IKY-SHA-256-NONE", &forger.message(&tls, None)).outcome, Outcome::Accepted);
    pair.server = pair.server.pins([Pin::SHA_256_NONE, Pin::SHA_256_EXPR]);
    forger.counter = Some(2);
    let _ = refused(&pair, &tls, "IKY-SHA-256-NONE", &forger.message(&tls, None), Outcome::BindingMismatch);
}

#[test]
fn iky_by_a_binding_of_another_length() {
    let with = |octets: &[u8]| fast_reauth::channel::ChannelFacts::tls13().tls_exporter_alone(octets);
    let facts = with(&[7; 32]).expect("as RFC 9266 has it");
    assert_eq!((facts.exporter_is_private(), facts.tls_exporter()), (Ok(()), Some(&[7; 32][..])));
    assert!(facts.lineage().is_none(), "that takes the exporter itself");
    for len in [0, 12, 31, 33, 64, 65] {
        assert!(with(&vec![7; len]).is_err(), "{len} octets");
    }
}

#[test]
fn nothing_bound_to_a_managers_tls_is_taken() {
    for pin in [Pin::SHA_256_EXPR, Pin::SHA_256_ENDP] {
        let mut policy = Policy::default();
        policy.lineage = fast_reauth::assertion::LineageRule::Never;
        let pair = Pair::new(server_with(&[pin]).policy(policy));
        let first = Tls::full();
        pair.full_login("alice", &first);
        // A client that says nothing of what it was offered: f= is optional.
        let assertion = fast_reauth::assertion::ClientAssertion::derive(
            pin,
            &Service::IMAP,
            &bound("alice"),
            &first.client(),
            &first.exporter(),
            &Policy::default(),
            START,
        )
        .unwrap();
        let tls = Tls::full();
        let counter = pin.needs_counter().then_some(1);
        let start = fast_reauth::mechanism::iky::Client::start(&assertion, &tls.client(), None, counter).unwrap();
        let connection = fast_reauth::mechanism::Connection::new(&pair.server, tls.server()).through_manager();
        assert!(!connection.mechanisms(START).contains(&pin.name()));
        let verdict = pair.judge_on(&connection, pin.name(), &start.message);
        assert_ne!(verdict.outcome, Outcome::Accepted, "{pin} is not listed there and taken all the same");
    }
}
