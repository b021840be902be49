//! What a session is worth.

use super::*;

/// The keys of a keyed login are the client's, but the session may be a man in the middle's who relayed it.
#[test]
fn a_keyed_login_does_not_vouch_for_its_session() {
    let pair = Pair::new(server());
    let keyed = FullLogin::new("SCRAM-SHA-256", "alice").unwrap().keyed(b"session key").unwrap();
    let first = Tls::full();
    pair.full_login_with(&keyed, "alice", &first);
    assert_eq!(external_on(&pair, &Tls::resuming(&first)), Outcome::FullAuthenticationDue);
    // Once a proof was bound to a connection, that connection is the client's.
    let second = Tls::full();
    assert!(accepted(&pair.reconnect("alice", &second, None, EXPR)));
    assert_eq!(external_on(&pair, &Tls::resuming(&second)), Outcome::Accepted);
}

/// A3: whoever ends TLS in the client's sight can use such a proof once. Once, and not for ever after.
#[test]
fn a_proof_without_binding_does_not_vouch_for_its_session() {
    for pin in [Pin::SHA_256_NONE, Pin::SHA_256_ENDP] {
        let pair = Pair::new(server_with(&[pin]).policy(policy(|policy| policy.lineage = LineageRule::Never)));
        pair.full_login("alice", &Tls::full());
        let relayed = Tls::full();
        assert!(accepted(&pair.reconnect("alice", &relayed, None, &[pin.name()])));
        assert_eq!(external_on(&pair, &Tls::resuming(&relayed)), Outcome::FullAuthenticationDue);
    }
    // With the lineage proved, the session goes on with what it was worth.
    let pair = Pair::new(server_with(&[Pin::SHA_256_NONE]));
    let first = Tls::full();
    pair.full_login("alice", &first);
    let second = Tls::resuming(&first);
    assert!(accepted(&pair.reconnect("alice", &second, Some(&first), &["IKY-SHA-256-NONE"])));
    assert_eq!(external_on(&pair, &Tls::resuming(&second)), Outcome::Accepted);
}

#[test]
fn a_session_from_a_channel_that_may_be_shared_is_worth_nothing() {
    for spoil in [
        |tls: &mut Tls| tls.dhe = false,
        |tls: &mut Tls| tls.version12 = Some(false),
        |tls: &mut Tls| (tls.version12, tls.tickets) = (Some(true), Tickets::Stateless),
    ] {
        let pair = Pair::new(server());
        let mut first = Tls::full();
        spoil(&mut first);
        pair.full_login("alice", &first);
        let good = Tls { resumed: Some(first.handle), ..Tls::full() };
        assert_ne!(external_on(&pair, &good), Outcome::Accepted);
        let lineage = pair.store.lookup(&handle_of(&first), pair.now).unwrap().lineage.unwrap();
        assert_eq!(lineage.strength(), Origin::Unbound);
    }
}

#[test]
fn a_session_does_not_outlast_an_assertion_of_its_origin() {
    let mut pair = Pair::new(server().policy(policy(|policy| policy.disclosed_lifetime = Duration::from_secs(60))));
    let first = Tls::full();
    pair.full_login_with(&FullLogin::new("PLAIN", "alice").unwrap(), "alice", &first);
    assert_eq!(external_on(&pair, &Tls::resuming(&first)), Outcome::Accepted);
    pair.now = later(60);
    assert_eq!(external_on(&pair, &Tls::resuming(&first)), Outcome::Stale);
}

#[test]
fn a_link_lasts_from_its_own_login_on() {
    let mut pair = Pair::new(server());
    let first = Tls::full();
    pair.full_login("alice", &first);
    let mut before = first;
    for day in [6, 12, 18] {
        pair.now = later(day * DAY);
        let tls = Tls::resuming(&before);
        assert_eq!(external_on(&pair, &tls), Outcome::Accepted, "day {day}");
        before = tls;
    }
}

/// A rule that became stricter holds for assertions that were made before.
#[test]
fn a_lineage_that_the_policy_asks_for_now() {
    let mut pair = Pair::new(server());
    let first = Tls::full();
    pair.full_login("alice", &first);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    pair.server = pair.server.policy(policy(|policy| policy.lineage = LineageRule::Always));
    let resumed = Tls::resuming(&first);
    assert!(accepted(&pair.reconnect("alice", &resumed, Some(&first), EXPR)));
    let (verdict, settled) = pair.reconnect("alice", &Tls::full(), None, EXPR);
    assert_eq!(verdict.outcome, Outcome::FullAuthenticationDue);
    assert_eq!(settled, Settled::Failed(NextStep::FullLogin));
}

/// What is known at the greeting is good for listing. The exporter, and whether early data came, are still unknown.
#[test]
fn nobody_is_recognised_on_the_facts_of_a_greeting() {
    let pair =
        Pair::new(server_with(&[Pin::SHA_256_NONE]).policy(policy(|policy| policy.lineage = LineageRule::Never)));
    let first = Tls::full();
    pair.full_login("alice", &first);
    let name = ServerName::parse(NAME).unwrap();
    let greeting = ChannelFacts::tls13().exporter_to_come().resumed().tickets(Tickets::Stateful).server_name(name);
    let greeting = greeting.handle(Tls::full().handle).predecessor(first.handle);
    let connection = Connection::new(&pair.server, greeting);
    let lineage = pair.store.lookup(&connection.lookup().unwrap(), pair.now).unwrap().lineage;
    let connection = connection.resumes(lineage);
    assert!(connection.mechanisms(pair.now).contains(&"EXTERNAL"), "it may be listed");
    assert_eq!(pair.judge_on(&connection, "EXTERNAL", b"").outcome, Outcome::BindingMismatch);
    let (_, attempt) = pair.attempt("alice", &Tls::full(), None, &["IKY-SHA-256-NONE"]);
    let message = attempt.unwrap().message().to_vec();
    assert_eq!(pair.judge_on(&connection, "IKY-SHA-256-NONE", &message).outcome, Outcome::BindingMismatch);
}

#[test]
fn external_where_it_stands_for_a_certificate() {
    let pair = Pair::new(server().without_external());
    let first = Tls::full();
    pair.full_login("alice", &first);
    let tls = Tls::resuming(&first);
    assert!(!pair.connection(&tls).mechanisms(pair.now).contains(&"EXTERNAL"));
    assert_eq!(external_on(&pair, &tls), Outcome::Stale);
}

#[test]
fn an_authzid_that_is_none() {
    let pair = Pair::new(server());
    let first = Tls::full();
    pair.full_login("alice", &first);
    for bad in [&b"alice\0"[..], b"\xff", &[b'a'; 256]] {
        assert_eq!(pair.judge(&Tls::resuming(&first), "EXTERNAL", bad).outcome, Outcome::Malformed);
    }
}

/// A session that is resumed is worth what it was only where the proof says that it is the client's.
#[test]
fn a_session_whose_lineage_was_not_proved_vouches_for_nobody() {
    let pair =
        Pair::new(server_with(&[Pin::SHA_256_NONE]).policy(policy(|policy| policy.lineage = LineageRule::Never)));
    let first = Tls::full();
    pair.full_login("alice", &first);
    let second = Tls::resuming(&first);
    assert!(accepted(&pair.reconnect("alice", &second, None, &["IKY-SHA-256-NONE"])));
    let lineage = pair.store.lookup(&handle_of(&second), pair.now).unwrap().lineage.unwrap();
    assert_eq!(lineage.strength(), Origin::Unbound);
    assert_ne!(external_on(&pair, &Tls::resuming(&second)), Outcome::Accepted);
}
