//! What a TLS session stands for: how strongly, for whom, and until when; and what a store keeps to while it is so.
//! Like `refusals`, every rule here is taken out in turn by `tests/disable-rules`.

mod common;

use core::time::Duration;

use common::*;
use fast_reauth::Timestamp;
use fast_reauth::assertion::{
    Binding, CannotDerive, DeviceId, FullLogin, Hash, LineageRule, Origin, Pin, Policy, Scope, Service,
};
use fast_reauth::channel::{ChannelFacts, ServerName, Tickets};
use fast_reauth::internal::fingerprint;
use fast_reauth::mechanism::{
    Connection, LoggedIn, Login, NextStep, Outcome, Received, Server, Sibling, Step, external,
};
use fast_reauth::store::client::{Account, Accounts, Plan, Settled};
use fast_reauth::store::{Capacity, Committed, Lookup, MemoryStore, Revoke, Store};

const EXPR: &[&str] = &["IKY-SHA-256-EXPR"];

fn policy(change: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = Policy::default();
    change(&mut policy);
    policy
}

fn external_on(pair: &Pair, tls: &Tls) -> Outcome {
    pair.judge(tls, "EXTERNAL", b"").outcome
}

fn login<'a>(full: &'a FullLogin, identity: &'a str, pair: &Pair) -> Login<'a> {
    Login { full, identity, device: DeviceId::new(fresh()), now: pair.now }
}

fn handle_of(tls: &Tls) -> Lookup {
    Lookup { assertion: None, handle: Some(tls.handle) }
}

// ---- what a session is worth ----

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

// ---- whose a session is ----

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
    let siblings = [(smtp.clone(), Pin::SHA_256_EXPR)];
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

// ---- the client's side ----

#[test]
fn the_client_asserts_only_on_a_session_that_is_its_own() {
    let pair = Pair::new(server());
    let first = Tls::full();
    pair.full_login("alice", &first);
    let tls = Tls::resuming(&first);
    // Resumed, and listed, but the application does not know from whom: no EXTERNAL.
    let mut client = pair.client.connect(&account("alice"), tls.client()).offered(["EXTERNAL"]);
    assert!(matches!(client.plan(pair.now), Plan::FullHandshake));
    for spoil in
        [|tls: &mut Tls| tls.resumed = None, |tls: &mut Tls| tls.dhe = false, |tls: &mut Tls| tls.early_data = true]
    {
        let mut tls = tls.clone();
        spoil(&mut tls);
        assert!(external::Client::start("alice", &tls.client()).is_none());
        let (_, attempt) = pair.attempt("alice", &tls, Some(&first), &["EXTERNAL"]);
        assert!(attempt.is_none());
    }
    // A session of an assertion that is gone has no lineage to prove.
    let other = fast_reauth::store::client::Predecessor { lineage: first.lineage(), family: None };
    let mut client =
        pair.client.connect(&account("alice"), tls.client()).resumes(Some(other)).offered(EXPR.iter().copied());
    let Plan::Known(attempt) = client.plan(pair.now) else { panic!() };
    assert!(!String::from_utf8_lossy(attempt.message()).contains(",l=1"));
}

/// Who holds the ticket key can resume the session and list what he likes. He gets no password for it.
#[test]
fn a_resumed_session_that_lists_nothing_the_client_is_known_by() {
    let pair = Pair::new(server());
    let first = Tls::full();
    pair.full_login("alice", &first);
    let before = || Some(pair.predecessor("alice", &first));
    let mut client = pair.client.connect(&account("alice"), Tls::resuming(&first).client());
    client = client.resumes(before()).offered(["PLAIN"]);
    assert!(matches!(client.plan(pair.now), Plan::FullHandshake));
    let mut client = pair.client.connect(&account("alice"), Tls::full().client()).offered(["PLAIN"]);
    assert!(matches!(client.plan(pair.now), Plan::FullLogin));
}

/// Whoever answers there is not the server: no password either.
#[test]
fn after_a_wrong_responder_there_is_no_plan_but_to_leave() {
    let pair = Pair::new(server());
    pair.full_login("alice", &Tls::full());
    let (mut client, attempt) = pair.attempt("alice", &Tls::full(), None, EXPR);
    let settled = client.settle(attempt.unwrap(), Outcome::Accepted, None, pair.now);
    assert_eq!(settled, Settled::Failed(NextStep::Abandon));
    assert!(matches!(client.plan(pair.now), Plan::Abandon));
}

#[test]
fn the_stricter_end_decides_how_long() {
    let strict = policy(|policy| policy.lifetime = Duration::from_secs(DAY));
    let mut pair = Pair::new(server());
    pair.client = Accounts::new(strict);
    pair.full_login("alice", &Tls::full());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    assert_eq!(pair.client.assertions(&account("alice"))[0].expires(), later(DAY));

    let pair = Pair::new(server());
    pair.full_login("alice", &Tls::full());
    assert_eq!(pair.client.assertions(&account("alice"))[0].expires(), later(7 * DAY), "unused, it is short-lived");
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    assert_eq!(pair.client.assertions(&account("alice"))[0].expires(), later(30 * DAY));
}

#[test]
fn a_siblings_assertion_is_put_beside_one_that_works_there() {
    let smtp = Scope::new(Service::SMTP, ServerName::parse(NAME).unwrap());
    let there = Account::new(smtp.clone(), "alice");
    let pair = Pair::new(server());
    for logins in 1..4 {
        let tls = Tls::full();
        let mut client = pair.client.connect(&account("alice"), tls.client()).offered(EXPR.iter().copied());
        client.logged_in(&bound("alice"), &tls.exporter(), &[(smtp.clone(), Pin::SHA_256_NONE)], pair.now).unwrap();
        assert_eq!(pair.client.assertions(&there).len(), logins.min(2));
    }
}

// ---- the store ----

#[test]
fn a_reused_device_id_is_another_client() {
    let mut pair = Pair::new(server());
    let device = DeviceId::new([1; 8]);
    let log_in = |pair: &Pair| {
        let tls = Tls::full();
        let mut connection = pair.connection(&tls);
        let login = Login { full: &bound("alice"), identity: "alice", device, now: pair.now };
        let made = connection.logged_in(login, &tls.exporter());
        let mut client = pair.client.connect(&account("alice"), tls.client()).offered(connection.mechanisms(pair.now));
        client.logged_in(&bound("alice"), &tls.exporter(), &[], pair.now).unwrap();
        pair.store.commit(&made.commit, pair.now).unwrap()
    };
    log_in(&pair);
    pair.now = later(10);
    assert_eq!(pair.store.revoke("alice", Revoke::All, pair.now), Ok(1));
    pair.now = later(20);
    assert_eq!(log_in(&pair), Committed::Done);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    assert_eq!(pair.store.devices("alice", None, pair.now).unwrap().len(), 1);
    pair.now = later(30);
    assert_eq!(pair.store.revoke("alice", Revoke::All, pair.now), Ok(1), "and it can be revoked again");
    let (verdict, _) = pair.reconnect("alice", &Tls::full(), None, EXPR);
    assert_eq!(verdict.outcome, Outcome::Revoked);
    for n in 0..100 {
        pair.now = later(40 + n);
        log_in(&pair);
    }
    assert_eq!(pair.store.len().0, 1, "one client, however often it logs in");
}

/// The password was checked, then changed, and only then the login is remembered.
#[test]
fn a_login_from_before_a_revocation_is_not_remembered_after_it() {
    let mut pair = Pair::new(server());
    for which in [Revoke::All, Revoke::AllBut(DeviceId::new([9; 8]))] {
        let tls = Tls::full();
        let mut connection = pair.connection(&tls);
        let made = connection.logged_in(login(&bound("alice"), "alice", &pair), &tls.exporter());
        pair.full_login("alice", &Tls::full());
        let at = Timestamp::from_secs(pair.now.as_secs() + 5);
        pair.store.revoke("alice", which, at).unwrap();
        assert_eq!(pair.store.commit(&made.commit, at), Ok(Committed::Gone));
        assert_ne!(external_on(&pair, &Tls::resuming(&tls)), Outcome::Accepted);
        drop(connection);
        pair.now = Timestamp::from_secs(at.as_secs() + 1);
        pair.full_login("alice", &Tls::full());
        assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    }
}

/// The account's very first login is under way when its password is changed.
#[test]
fn a_revocation_of_an_account_without_clients_is_remembered() {
    let pair = Pair::new(server());
    let tls = Tls::full();
    let mut connection = pair.connection(&tls);
    let made = connection.logged_in(login(&bound("alice"), "alice", &pair), &tls.exporter());
    assert_eq!(pair.store.revoke("alice", Revoke::All, later(5)), Ok(0));
    pair.store.sweep(later(6));
    assert_eq!(pair.store.commit(&made.commit, later(7)), Ok(Committed::Gone));
    pair.store.sweep(later(5 + DAY));
    assert_eq!(fingerprint(&pair.store), fingerprint(&MemoryStore::default()));
}

#[test]
fn a_revoked_or_unknown_client_is_linked_to_nothing() {
    let pair = Pair::new(server());
    let first = Tls::full();
    pair.full_login("alice", &first);
    let tls = Tls::resuming(&first);
    let mut connection = pair.connection(&tls);
    let verdict = pair.judge_on(&connection, "EXTERNAL", b"");
    let link = connection.recognised(&verdict.recognised.unwrap(), pair.now).unwrap();
    pair.store.revoke("alice", Revoke::All, pair.now).unwrap();
    let before = fingerprint(&pair.store);
    assert_eq!(pair.store.commit(&link, pair.now), Ok(Committed::Gone));
    assert_eq!(fingerprint(&pair.store), before);
    let empty = MemoryStore::default();
    assert_eq!(empty.commit(&link, pair.now), Ok(Committed::Gone));
    assert_eq!(fingerprint(&empty), fingerprint(&MemoryStore::default()));
    drop(connection);
    assert_ne!(external_on(&pair, &Tls::resuming(&tls)), Outcome::Accepted);
}

#[test]
fn a_commit_made_twice_is_made_once() {
    let pair = Pair::new(server());
    let tls = Tls::full();
    let mut connection = pair.connection(&tls);
    let made = connection.logged_in(login(&bound("alice"), "alice", &pair), &tls.exporter());
    pair.store.commit(&made.commit, pair.now).unwrap();
    let (before, len) = (fingerprint(&pair.store), pair.store.len());
    for _ in 0..3 {
        assert_eq!(pair.store.commit(&made.commit, pair.now), Ok(Committed::Done));
        assert_eq!((fingerprint(&pair.store), pair.store.len()), (before, len));
    }
}

/// The same message twice on one connection renews to the same successor, and only once.
#[test]
fn a_message_repeated_near_the_end_costs_nothing() {
    let mut pair = Pair::new(server());
    pair.full_login("alice", &Tls::full());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    pair.now = later(25 * DAY);
    let tls = Tls::full();
    let (mut client, attempt) = pair.attempt("alice", &tls, None, EXPR);
    let attempt = attempt.unwrap();
    for _ in 0..5 {
        let verdict = pair.judge(&tls, attempt.mechanism(), attempt.message());
        assert!(String::from_utf8(verdict.message.unwrap()).unwrap().contains("r=1"));
        assert_eq!(pair.store.len().0, 2);
    }
    let verdict = pair.judge(&tls, attempt.mechanism(), attempt.message());
    let _ = client.settle(attempt, verdict.outcome, verdict.message.as_deref(), pair.now);
    pair.now = later(31 * DAY);
    pair.store.sweep(pair.now);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)), "by the successor");
}

/// A copy of an assertion that was succeeded goes on for the grace, and no further.
#[test]
fn a_superseded_assertion_is_not_renewed() {
    let mut pair = Pair::new(server());
    pair.full_login("alice", &Tls::full());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    pair.now = later(25 * DAY);
    let copy = Accounts::default();
    copy.restore(&account("alice"), pair.client.assertions(&account("alice"))[0].clone(), EXPR.iter().copied());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)), "renewed");
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)), "by the successor");
    let tls = Tls::full();
    let mut client = copy.connect(&account("alice"), tls.client());
    let Plan::Known(attempt) = client.plan(pair.now) else { panic!() };
    let verdict = pair.judge(&tls, attempt.mechanism(), attempt.message());
    assert_eq!(verdict.outcome, Outcome::Accepted);
    assert!(!String::from_utf8(verdict.message.unwrap()).unwrap().contains("r=1"));
}

#[test]
fn the_hot_path_of_a_disclosed_origin_writes_nothing_either() {
    let mut pair = Pair::new(server());
    pair.full_login_with(&FullLogin::new("PLAIN", "alice").unwrap(), "alice", &Tls::full());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    pair.now = later(DAY);
    let tls = Tls::full();
    let (_, attempt) = pair.attempt("alice", &tls, None, EXPR);
    let attempt = attempt.unwrap();
    let connection = pair.connection(&tls);
    let Received::Lookup(pending) = connection.iky(Pin::SHA_256_EXPR, attempt.message()) else { panic!() };
    let found = pair.store.lookup(pending.lookup(), pair.now);
    assert!(matches!(pending.found(found, pair.now), Step::Done(verdict) if verdict.outcome == Outcome::Accepted));
}

#[test]
fn a_full_store_gives_up_nothing_in_vain() {
    let capacity = Capacity { records: 3, lineages: 100, devices_per_account: 8, lineages_per_device: 8 };
    let mut pair = Pair::new(server_with(&[Pin::SHA_256_EXPR, Pin::mac(Hash::Sha512, Binding::Exporter)]));
    pair.store = MemoryStore::new(capacity);
    pair.full_login("alice", &Tls::full());
    pair.now = later(1);
    assert!(
        accepted(&pair.reconnect("alice", &Tls::full(), None, &["IKY-SHA-512-EXPR"])),
        "used, so one record is left of two"
    );
    pair.full_login("bob", &Tls::full());
    let before = fingerprint(&pair.store);
    let tls = Tls::full();
    let mut connection = pair.connection(&tls);
    let made = connection.logged_in(login(&bound("alice"), "alice", &pair), &tls.exporter());
    assert_eq!(pair.store.commit(&made.commit, pair.now), Ok(Committed::Full));
    assert_eq!(fingerprint(&pair.store), before);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, &["IKY-SHA-512-EXPR"])));
}

/// A client that did come back is not given up for one that may never.
#[test]
fn a_full_store_gives_up_no_client_that_is_in_use() {
    let capacity = Capacity { records: 2, lineages: 100, devices_per_account: 8, lineages_per_device: 8 };
    let mut pair = Pair::new(server());
    pair.store = MemoryStore::new(capacity);
    pair.full_login("alice", &Tls::full());
    pair.now = later(1);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    pair.full_login("bob", &Tls::full());
    let tls = Tls::full();
    let mut connection = pair.connection(&tls);
    let made = connection.logged_in(login(&bound("alice"), "alice", &pair), &tls.exporter());
    assert_eq!(pair.store.commit(&made.commit, pair.now), Ok(Committed::Full));
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
}

/// Of an account's clients, one that never came back goes before one that did, however long ago.
#[test]
fn unused_clients_go_first() {
    let capacity = Capacity { records: 100, lineages: 100, devices_per_account: 2, lineages_per_device: 8 };
    let mut pair = Pair::new(server());
    pair.store = MemoryStore::new(capacity);
    let used = pair.full_login("alice", &Tls::full());
    pair.now = later(1);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    for n in 2..10 {
        pair.now = later(n);
        pair.full_login("alice", &Tls::full());
    }
    let devices = pair.store.devices("alice", None, pair.now).unwrap();
    assert_eq!((devices.len(), devices[0].id), (2, used));
}

/// A TLS 1.2 session is resumed again and again under the handle of its full handshake.
#[test]
fn a_tls12_session_is_resumed_as_often_as_one_likes() {
    let pair = Pair::new(server());
    let first = Tls { version12: Some(true), ..Tls::full() };
    pair.full_login("alice", &first);
    for n in 0..100 {
        assert_eq!(external_on(&pair, &Tls::resuming(&first)), Outcome::Accepted, "{n}");
        let result = pair.reconnect("alice", &Tls::resuming(&first), Some(&first), EXPR);
        assert!(accepted(&result), "{n}");
    }
    assert_eq!(pair.store.len().1, 1);
}

#[test]
fn the_first_use_spares_the_siblings() {
    let smtp = Scope::new(Service::SMTP, ServerName::parse(NAME).unwrap());
    let pair = Pair::new(server().sibling(Sibling { scope: smtp, pin: Pin::SHA_256_NONE }));
    pair.full_login("alice", &Tls::full());
    assert_eq!(pair.store.len().0, 2);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    assert_eq!(pair.store.len().0, 2);
}

#[test]
fn a_full_store_sweeps_what_expired() {
    let capacity = Capacity { records: 4, lineages: 4, devices_per_account: 8, lineages_per_device: 8 };
    let mut pair = Pair::new(server());
    pair.store = MemoryStore::new(capacity);
    for n in 0..4 {
        pair.full_login(&format!("user{n}"), &Tls::full());
    }
    pair.now = later(8 * DAY);
    let log_in = || {
        let tls = Tls::full();
        let mut connection = pair.connection(&tls);
        let made = connection.logged_in(login(&bound("alice"), "alice", &pair), &tls.exporter());
        pair.store.commit(&made.commit, pair.now).unwrap()
    };
    // A part of the accounts at a time: it has been round by then.
    assert!((0..64).any(|_| log_in() == Committed::Done));
}

#[test]
fn external_has_no_message_whatever_comes_of_it() {
    let pair = Pair::new(server());
    let first = Tls::full();
    pair.full_login("alice", &first);
    let tls = Tls::resuming(&first);
    let connection = pair.connection(&tls);
    let Received::Lookup(pending) = connection.external(b"") else { panic!() };
    let Step::Done(verdict) = pending.found(Err(fast_reauth::store::Unavailable), pair.now) else { panic!() };
    assert_eq!((verdict.outcome, verdict.message), (Outcome::Unavailable, None));
}

/// What the server forgot is no failed login.
#[test]
fn a_forgotten_session_is_stale() {
    let mut pair = Pair::new(server());
    let first = Tls::full();
    pair.full_login("alice", &first);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    pair.now = later(8 * DAY);
    pair.store.sweep(pair.now);
    let (verdict, settled) = pair.reconnect("alice", &Tls::resuming(&first), Some(&first), EXPR);
    assert_eq!((verdict.outcome, settled), (Outcome::Stale, Settled::Failed(NextStep::FullHandshake)));
    assert!(!verdict.outcome.counts_as_failure());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)), "a full handshake is all that it costs");
}
