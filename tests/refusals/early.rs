//! TLS 1.3 early data: what may come there, and that it counts once.

use core::time::Duration;

use fast_reauth::assertion::{CannotDerive, LineageRule};
use fast_reauth::channel::Unsuitable;
use fast_reauth::mechanism::iky;
use fast_reauth::store::client::{Account, Accounts, Attempt, Connection};

use super::*;

const NONE: Pin = Pin::SHA_256_NONE;

/// A connection on which nothing but early data has arrived.
fn early(before: &Tls) -> Tls {
    Tls { early_data: true, has_exporter: false, early_exporter: true, ..Tls::resuming(before) }
}

/// The same connection behind its early data.
fn finished(tls: &Tls) -> Tls {
    Tls { early_data: false, has_exporter: true, ..tls.clone() }
}

/// What a client sends in early data on a session that its login left.
fn sent<'a>(pair: &'a Pair, tls: &Tls, first: &Tls, pin: Pin) -> (Connection<'a>, Attempt) {
    let client = pair.client.connect(&account("alice"), tls.client());
    let mut client = client.resumes(Some(pair.predecessor("alice", first))).offered([pin.name()]);
    let attempt = client.plan_early(pair.now).expect("it is fit for early data");
    (client, attempt)
}

#[test]
fn in_early_data_one_message_is_one_login() {
    for pin in [NONE, Pin::SHA_256_ENDP, Pin::SHA_256_EXPR, Pin::ED25519_EXPR] {
        let (pair, first) = logged_in(server_with(&[pin]).early_data());
        let tls = early(&first);
        let (mut client, attempt) = sent(&pair, &tls, &first, pin);
        assert!(attempt.store_first(), "it has a counter");
        let flight = attempt.message().to_vec();
        let verdict = pair.judge(&tls, pin.name(), &flight);
        assert_eq!(verdict.outcome, Outcome::Accepted, "{pin}");
        let verdict_again = refused(&pair, &tls, pin.name(), &flight, Outcome::Replayed);
        assert!(says(&verdict_again, "e=replayed,v="));
        let attempt = client.handshake_finished(finished(&tls).client(), attempt, true).unwrap();
        assert_eq!(attempt.message(), flight, "nothing is sent again");
        let settled = client.settle(attempt, verdict.outcome, verdict.message.as_deref(), pair.now);
        assert_eq!(settled, Settled::LoggedIn);
    }
}

/// What has no lineage yet is not stored as if it had none.
#[test]
fn a_session_is_linked_when_the_handshake_is_finished() {
    let (pair, first) = logged_in(server_with(&[NONE]).early_data());
    let tls = early(&first);
    let (_, attempt) = sent(&pair, &tls, &first, NONE);
    let mut connection = pair.connection(&tls);
    let received = connection.receive(NONE.name(), attempt.message()).unwrap();
    let client = received.run(&pair.store, pair.now).recognised.unwrap();
    assert_eq!(connection.recognised(&client, pair.now), None);
    connection.update_facts(finished(&tls).server());
    assert!(connection.recognised(&client, pair.now).is_some());
}

/// Somebody held the first flight back, and the client sent it once more. One of the two counts.
#[test]
fn early_data_that_was_not_taken_is_sent_again_and_counts_once() {
    for pin in [NONE, Pin::SHA_256_EXPR] {
        for held_back_comes_first in [false, true] {
            let (pair, first) = logged_in(server_with(&[pin]).early_data());
            let tls = early(&first);
            let (mut client, attempt) = sent(&pair, &tls, &first, pin);
            let held_back = attempt.message().to_vec();
            let mut here = finished(&tls);
            (here.secret, here.handle) = (fresh(), fast_reauth::channel::Handle::new(fresh()));
            let again = client.handshake_finished(here.client(), attempt, false).unwrap();
            if held_back_comes_first {
                assert_eq!(pair.judge(&tls, pin.name(), &held_back).outcome, Outcome::Accepted, "{pin}");
                let verdict = refused(&pair, &here, pin.name(), again.message(), Outcome::Replayed);
                let settled = client.settle(again, verdict.outcome, verdict.message.as_deref(), pair.now);
                assert!(matches!(settled, Settled::Failed(_)));
            } else {
                let verdict = pair.judge(&here, pin.name(), again.message());
                let settled = client.settle(again, verdict.outcome, verdict.message.as_deref(), pair.now);
                assert_eq!(settled, Settled::LoggedIn, "{pin}");
                let _ = refused(&pair, &tls, pin.name(), &held_back, Outcome::Replayed);
            }
        }
    }
}

/// The server did not resume at all: what the client then sends uses the counter up, where it needs no session.
#[test]
fn early_data_on_a_session_that_did_not_resume_is_void_once_the_client_is_in() {
    let (pair, first) = logged_in(server().early_data());
    let tls = early(&first);
    let (mut client, attempt) = sent(&pair, &tls, &first, Pin::SHA_256_EXPR);
    let held_back = attempt.message().to_vec();
    let full = Tls::full();
    let again = client.handshake_finished(full.client(), attempt, false).unwrap();
    assert_eq!(pair.judge(&full, EXPR[0], again.message()).outcome, Outcome::Accepted);
    let _ = refused(&pair, &tls, EXPR[0], &held_back, Outcome::Replayed);
}

#[test]
fn early_data_where_the_operator_did_not_choose_it() {
    for pin in [NONE, Pin::SHA_256_EXPR] {
        let (mut pair, first) = logged_in(server_with(&[pin]));
        let tls = early(&first);
        let (_, attempt) = sent(&pair, &tls, &first, pin);
        let _ = refused(&pair, &tls, pin.name(), attempt.message(), Outcome::BindingMismatch);
        pair.server = pair.server.early_data();
        assert_eq!(pair.judge(&tls, pin.name(), attempt.message()).outcome, Outcome::Accepted);
    }
}

/// A10: whoever has the ticket key puts other commands behind the proof.
#[test]
fn early_data_under_a_ticket_key() {
    let (pair, first) = logged_in(server_with(&[NONE]).early_data());
    let mut tls = early(&first);
    tls.tickets = Tickets::Stateless;
    let (_, attempt) = sent(&pair, &tls, &first, NONE);
    let _ = refused(&pair, &tls, NONE.name(), attempt.message(), Outcome::BindingMismatch);
}

#[test]
fn early_data_without_a_counter() {
    let (pair, first) = logged_in(server().early_data());
    let tls = early(&first);
    let mut forger = Forger::new(&pair);
    let _ = refused(&pair, &tls, EXPR[0], &forger.message(&tls, Some(&first)), Outcome::BindingMismatch);
    forger.counter = Some(1);
    assert_eq!(pair.judge(&tls, EXPR[0], &forger.message(&tls, Some(&first))).outcome, Outcome::Accepted);
}

#[test]
fn early_data_without_a_lineage() {
    let mut policy = Policy::default();
    policy.lineage = LineageRule::Never;
    let (pair, first) = logged_in(server_with(&[NONE]).policy(policy).early_data());
    let tls = early(&first);
    let mut forger = Forger::new(&pair);
    (forger.header, forger.counter) = ("n".into(), Some(1));
    let message = forger.message(&tls, None);
    let _ = refused(&pair, &tls, NONE.name(), &message, Outcome::BindingMismatch);
    assert_eq!(pair.judge(&finished(&tls), NONE.name(), &message).outcome, Outcome::Accepted);
}

#[test]
fn early_data_that_is_bound_needs_the_early_exporter() {
    for pin in [Pin::SHA_256_EXPR, Pin::ED25519_EXPR] {
        let (pair, first) = logged_in(server_with(&[pin]).early_data());
        let tls = early(&first);
        let (_, attempt) = sent(&pair, &tls, &first, pin);
        // A message that is read behind the handshake, with an exporter that is not that of early data.
        for has_exporter in [false, true] {
            let without = Tls { early_exporter: false, has_exporter, ..tls.clone() };
            let _ = refused(&pair, &without, pin.name(), attempt.message(), Outcome::BindingMismatch);
            let client = pair.client.connect(&account("alice"), without.client());
            let client = client.resumes(Some(pair.predecessor("alice", &first))).offered([pin.name()]);
            assert!({ client }.plan_early(pair.now).is_none(), "the client does not try either");
        }
        // Another ClientHello.
        let other = Tls { secret: fresh(), ..tls.clone() };
        let _ = refused(&pair, &other, pin.name(), attempt.message(), Outcome::BadProof);
        // Behind the early data it is another proof.
        let _ = refused(&pair, &finished(&tls), pin.name(), attempt.message(), Outcome::BadProof);
    }
}

#[test]
fn external_and_tokens_are_never_early_data() {
    let (pair, first) = logged_in(server().early_data());
    let mut tls = early(&first);
    for has_exporter in [false, true] {
        tls.has_exporter = has_exporter;
        external_refused(&pair, &tls, "alice", Outcome::BindingMismatch);
        assert!(!pair.connection(&tls).mechanisms(pair.now).contains(&"EXTERNAL"));
    }
}

/// A password that arrived as early data may be a replayed one.
#[test]
fn a_full_login_in_early_data_makes_nobody_known() {
    let (pair, first) = logged_in(server().early_data());
    let known = pair.store.len();
    for has_exporter in [false, true] {
        let tls = Tls { has_exporter, ..early(&first) };
        let mut connection = pair.connection(&tls);
        let login = Login { full: &bound("alice"), identity: "alice", device: DeviceId::new(fresh()), now: pair.now };
        let logged_in = connection.logged_in(login, &tls.exporter());
        assert_eq!(logged_in.unknown, Some(CannotDerive::Channel(Unsuitable::EarlyData)));
        pair.store.commit(&logged_in.commit, pair.now).unwrap();
        let logged_in = connection.logged_in_granting(login, Pin::SHA_256_EXPR, &[9; 32]);
        assert_eq!(logged_in.unknown, Some(CannotDerive::Channel(Unsuitable::EarlyData)));
    }
    assert_eq!(pair.store.len().0, known.0);
}

/// Who sees that the client is there only after its answer left gives it nothing that lasts.
#[test]
fn early_data_renews_nothing() {
    let mut policy = Policy::default();
    policy.lifetime = Duration::from_secs(6 * DAY);
    let (mut pair, first) = logged_in(server_with(&[NONE]).policy(policy).early_data());
    pair.now = later(5 * DAY);
    let judge = |tls: &Tls, message: &[u8]| {
        let connection = pair.connection(tls).grant_with([7; 32]);
        let verdict = pair.judge_on(&connection, NONE.name(), message);
        assert_eq!(verdict.outcome, Outcome::Accepted);
        verdict.message.unwrap().windows(3).any(|part| part == b",r=")
    };
    let tls = early(&first);
    let (_, attempt) = sent(&pair, &tls, &first, NONE);
    assert!(!judge(&tls, attempt.message()));
    let (mut client, attempt) = sent(&pair, &tls, &first, NONE);
    let again = client.handshake_finished(finished(&tls).client(), attempt, false).unwrap();
    assert!(judge(&finished(&tls), again.message()), "it is due");
}

/// The proof is bound to the session and the ClientHello, and not to what became of them.
#[test]
fn early_data_does_not_vouch_for_more_than_its_session() {
    let pair = Pair::new(server().early_data());
    let first = Tls::full();
    let keyed = FullLogin::new("SCRAM-SHA-256", "alice").unwrap().keyed(b"sixteen octets.!").unwrap();
    pair.full_login_with(&keyed, "alice", &first);
    let tls = early(&first);
    let (_, attempt) = sent(&pair, &tls, &first, Pin::SHA_256_EXPR);
    let verdict = pair.judge(&tls, EXPR[0], attempt.message());
    assert_eq!(verdict.recognised.unwrap().strength(), Origin::Unbound);
}

#[test]
fn the_client_sends_nothing_early_that_it_could_not_send_once() {
    let (pair, first) = logged_in(server_with(&[NONE]).early_data());
    let tls = early(&first);
    let connect = |facts| pair.client.connect(&account("alice"), facts).offered([NONE.name()]);
    // No lineage, or a connection that is past that.
    assert!(connect(tls.client()).plan_early(pair.now).is_none());
    let before = || Some(pair.predecessor("alice", &first));
    assert!(connect(finished(&tls).client()).resumes(before()).plan_early(pair.now).is_none());
    // What is planned for early data is planned as such.
    assert!(matches!(connect(tls.client()).resumes(before()).plan(pair.now), Plan::FullHandshake));
    let assertion = pair.client.assertions(&account("alice")).pop().unwrap();
    for (lineage, counter) in [(None, Some(9)), (Some(first.lineage()), None)] {
        let started = iky::Client::start(&assertion, &tls.client(), lineage.as_ref(), counter);
        assert!(matches!(started, Err(iky::CannotStart::EarlyData)));
    }
}

#[test]
fn early_data_is_for_imap_only() {
    use fast_reauth::store::client::Predecessor;
    use fast_reauth::store::{MemoryStore, Store as _};
    let names = [ServerName::parse(NAME).unwrap()];
    let server = Server::new(Service::XMPP, names, FULL).unwrap().pins([NONE]).early_data();
    let store = MemoryStore::default();
    let accounts = Accounts::default().preferring([NONE]);
    let account = Account::new(Scope::new(Service::XMPP, ServerName::parse(NAME).unwrap()), "alice");
    let first = Tls::full();
    let mut connection = fast_reauth::mechanism::Connection::new(&server, first.server());
    let full = bound("alice");
    let login = Login { full: &full, identity: "alice", device: DeviceId::new(fresh()), now: START };
    let made = connection.logged_in(login, &first.exporter());
    assert!(store.commit(&made.commit, START).unwrap().is_durable());
    let mut client = accounts.connect(&account, first.client()).offered([NONE.name()].into_iter().chain(FULL));
    assert!(client.logged_in(&full, &first.exporter(), &[], START).unwrap());
    let before = Predecessor { lineage: first.lineage(), family: client.family() };
    let early = Tls { early_data: true, has_exporter: false, ..Tls::resuming(&first) };
    let mut client = accounts.connect(&account, early.client()).resumes(Some(before));
    assert!(client.plan_early(START).is_none(), "the client plans it");
    // Another client's own idea.
    let held = accounts.assertions(&account).pop().unwrap();
    let message = iky::Client::start(&held, &early.client(), Some(&first.lineage()), Some(1)).unwrap().message;
    let connection = fast_reauth::mechanism::Connection::new(&server, early.server());
    let lineage = store.lookup(&connection.lookup().unwrap(), START).unwrap().lineage;
    let verdict = connection.resumes(lineage).iky(NONE, &message).run(&store, START);
    assert_ne!(verdict.outcome, Outcome::Accepted, "a login of XMPP binds or resumes");
}

#[test]
fn no_password_is_planned_as_early_data() {
    let tls = Tls { early_data: true, has_exporter: false, ..Tls::resuming(&Tls::full()) };
    let accounts = Accounts::default();
    let mut client = accounts.connect(&account("alice"), tls.client()).offered(["EXTERNAL"]);
    let plan = client.plan(START);
    assert!(!matches!(plan, Plan::FullLogin), "{plan:?}");
}
