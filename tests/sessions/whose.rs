//! Whose a session is.

use super::*;

/// A login that makes nobody known is a login all the same.
#[test]
fn a_login_that_can_not_be_remembered_still_counts_for_the_session() {
    type LogIn = fn(&mut Connection<'_>, &Pair, &Tls) -> LoggedIn;
    let ways: [(LogIn, CannotDerive); 4] = [
        (
            |connection, pair, tls| {
                let unbound = FullLogin::new("SCRAM-SHA-256", "bob").unwrap();
                connection.logged_in(login(&unbound, "bob", pair), &tls.exporter())
            },
            CannotDerive::Origin,
        ),
        (
            |connection, pair, _| {
                connection.logged_in_granting(login(&bound("bob"), "bob", pair), Pin::ED25519_EXPR, &[1; 32])
            },
            CannotDerive::NotConfigured,
        ),
        (
            |connection, pair, tls| connection.logged_in(login(&bound("bob"), &"b".repeat(256), pair), &tls.exporter()),
            CannotDerive::Identity,
        ),
        (
            |connection, pair, _| connection.logged_in(login(&bound("bob"), "bob", pair), &Tls::full().exporter()),
            CannotDerive::OtherConnection,
        ),
    ];
    for (log_in, why) in ways {
        let pair = Pair::new(server());
        let first = Tls::full();
        pair.full_login("alice", &first);
        let second = Tls::resuming(&first);
        let mut connection = pair.connection(&second);
        let made = log_in(&mut connection, &pair, &second);
        assert_eq!(made.unknown, Some(why));
        assert_eq!(pair.store.commit(&made.commit, pair.now), Ok(Committed::Done));
        assert_ne!(external_on(&pair, &Tls::resuming(&first)), Outcome::Accepted, "{why}");
        assert_ne!(external_on(&pair, &Tls::resuming(&second)), Outcome::Accepted, "{why}");
    }
}

/// A stack that makes a new `Connection` for a second login on the same TLS connection: the store sees the handle again.
#[test]
fn a_second_identity_is_noticed_by_the_store() {
    let pair = Pair::new(server());
    let tls = Tls::full();
    pair.full_login("alice", &tls);
    pair.full_login("bob", &tls);
    assert_eq!(external_on(&pair, &Tls::resuming(&tls)), Outcome::Stale);
}

/// Under TLS 1.2 the session goes on under its first handle, whoever logs in on it.
#[test]
fn two_identities_on_a_tls12_session() {
    let tls12 = || Tls { version12: Some(true), ..Tls::full() };
    for forgets in [false, true] {
        let pair = Pair::new(server());
        let first = tls12();
        pair.full_login("alice", &first);
        let second = Tls::resuming(&first);
        if forgets {
            let mut connection = Connection::new(&pair.server, second.server());
            let made = connection.logged_in(login(&bound("bob"), "bob", &pair), &second.exporter());
            pair.store.commit(&made.commit, pair.now).unwrap();
        } else {
            pair.full_login("bob", &second);
        }
        assert_eq!(external_on(&pair, &second), Outcome::Stale);
        assert_eq!(external_on(&pair, &Tls::resuming(&first)), Outcome::Stale);
    }
    // The same identity once more is another client: the session is not that one's.
    let pair = Pair::new(server());
    let first = tls12();
    pair.full_login("alice", &first);
    pair.full_login("alice", &Tls::resuming(&first));
    assert_ne!(external_on(&pair, &Tls::resuming(&first)), Outcome::Accepted);
    assert!(accepted(&pair.reconnect("alice", &tls12(), None, EXPR)));
}

/// The session became shared after this connection asked.
#[test]
fn a_session_that_became_shared_meanwhile() {
    let pair = Pair::new(server());
    let first = Tls::full();
    pair.full_login("alice", &first);
    let open = Tls::resuming(&first);
    let mut connection = pair.connection(&open);
    pair.full_login("bob", &Tls::resuming(&first));
    let made = connection.logged_in(login(&bound("alice"), "alice", &pair), &open.exporter());
    pair.store.commit(&made.commit, pair.now).unwrap();
    assert_eq!(external_on(&pair, &Tls::resuming(&open)), Outcome::Stale);
}

#[test]
fn every_session_that_came_of_a_shared_one_is_shared() {
    let pair = Pair::new(server());
    let first = Tls::full();
    pair.full_login("alice", &first);
    let second = Tls::resuming(&first);
    pair.full_login("alice", &second); // another client, as far as the server knows
    pair.full_login("bob", &Tls::resuming(&first));
    assert_eq!(external_on(&pair, &Tls::resuming(&second)), Outcome::Stale);
}

/// Nothing on the server's side was asked or told but the commits: the predecessor is in the link.
#[test]
fn a_stack_that_forgets_to_look_up_the_predecessor() {
    let pair = Pair::new(server());
    let first = Tls::full();
    pair.full_login("alice", &first);
    let second = Tls::resuming(&first);
    let mut connection = Connection::new(&pair.server, second.server());
    let made = connection.logged_in(login(&bound("bob"), "bob", &pair), &second.exporter());
    pair.store.commit(&made.commit, pair.now).unwrap();
    for tls in [&first, &second] {
        assert_eq!(external_on(&pair, &Tls::resuming(tls)), Outcome::Stale);
    }
}

#[test]
fn an_exporter_of_another_connection_makes_no_assertion() {
    let pair = Pair::new(server());
    let tls = Tls::full();
    let mut connection = pair.connection(&tls);
    let made = connection.logged_in(login(&bound("alice"), "alice", &pair), &Tls::full().exporter());
    assert_eq!(made.unknown, Some(CannotDerive::OtherConnection));
    pair.store.commit(&made.commit, pair.now).unwrap();
    assert_eq!(pair.store.len().0, 0);
    let mut client = pair.client.connect(&account("alice"), tls.client()).offered(EXPR.iter().copied());
    let made = client.logged_in(&bound("alice"), &Tls::full().exporter(), &[], pair.now);
    assert_eq!(made, Err(CannotDerive::OtherConnection));
}

#[test]
fn a_grant_needs_a_channel_of_its_own() {
    let pair = Pair::new(server_with(&[Pin::SHA_256_NONE]));
    for spoil in [|tls: &mut Tls| tls.dhe = false, |tls: &mut Tls| tls.version12 = Some(false)] {
        let mut tls = Tls::full();
        spoil(&mut tls);
        let mut connection = pair.connection(&tls);
        let made = connection.logged_in_granting(login(&bound("alice"), "alice", &pair), Pin::SHA_256_NONE, &[1; 32]);
        assert!(matches!(made.unknown, Some(CannotDerive::Channel(_))));
    }
    let tls = Tls::full();
    let mut connection = pair.connection(&tls).through_manager();
    let made = connection.logged_in_granting(login(&bound("alice"), "alice", &pair), Pin::SHA_256_NONE, &[1; 32]);
    assert_eq!(made.unknown, Some(CannotDerive::ConnectionManager));
    assert_eq!(pair.store.len().0, 0);
}

/// A lineage of another service proves nothing here, although identity and client are the same.
#[test]
fn a_lineage_of_another_service() {
    let names = [ServerName::parse(NAME).unwrap()];
    let smtp = Scope::new(Service::SMTP, names[0].clone());
    let sibling = Sibling { scope: smtp.clone(), pin: Pin::SHA_256_EXPR };
    let mut pair = Pair::new(server().sibling(sibling));
    let first = Tls::full();
    let mut connection = pair.connection(&first);
    let made = connection.logged_in(login(&bound("alice"), "alice", &pair), &first.exporter());
    pair.store.commit(&made.commit, pair.now).unwrap();
    let mut client = pair.client.connect(&account("alice"), first.client()).offered(EXPR.iter().copied());
    let siblings = [Sibling { scope: smtp.clone(), pin: Pin::SHA_256_EXPR }];
    client.logged_in(&bound("alice"), &first.exporter(), &siblings, pair.now).unwrap();
    drop((client, connection));

    pair.server = Server::new(Service::SMTP, names, FULL).unwrap();
    let there = Account::new(smtp, "alice");
    let family = *pair.client.assertions(&there)[0].family();
    let before = fast_reauth::store::client::Predecessor { lineage: first.lineage(), family: Some(family) };
    let tls = Tls::resuming(&first);
    let mut client = pair.client.connect(&there, tls.client()).resumes(Some(before));
    let Plan::Known(attempt) = client.plan(pair.now) else { panic!() };
    assert!(String::from_utf8_lossy(attempt.message()).contains(",l=1"));
    assert_eq!(pair.judge(&tls, EXPR[0], attempt.message()).outcome, Outcome::BadProof);
}

/// An origin without exporter has no lineage to prove: `l=1` with nothing behind it is no lineage.
#[test]
fn a_lineage_that_has_no_value() {
    let pair = Pair::new(server_with(&[Pin::SHA_256_NONE]));
    let first = Tls { has_exporter: false, ..Tls::full() };
    let mut connection = pair.connection(&first);
    let full = bound("alice");
    let made = connection.logged_in_granting(login(&full, "alice", &pair), Pin::SHA_256_NONE, &[1; 32]);
    pair.store.commit(&made.commit, pair.now).unwrap();
    let made = fast_reauth::assertion::ClientAssertion::granted(
        Pin::SHA_256_NONE,
        &Service::IMAP,
        &full,
        &first.client(),
        &[1; 32],
        &Policy::default(),
        pair.now,
    );
    let tls = Tls { has_exporter: false, ..Tls::resuming(&first) };
    let nothing = fast_reauth::internal::empty_lineage();
    let start = fast_reauth::mechanism::iky::Client::start(&made.unwrap(), &tls.client(), Some(&nothing), Some(1));
    let message = start.unwrap().message;
    assert!(String::from_utf8_lossy(&message).contains(",l=1"));
    assert_eq!(pair.judge(&tls, "IKY-SHA-256-NONE", &message).outcome, Outcome::BadProof);
}
