//! The life of an assertion: first use, renewal, parallel connections, restarts, revocation, the list of devices.

mod common;

use std::sync::Arc;

use common::*;
use fast_reauth::assertion::{
    ClientAssertion, DeviceId, FullLogin, InvalidAssertion, LineageRule, Pin, Policy, Scope, Service,
};
use fast_reauth::channel::ServerName;
use fast_reauth::internal::fingerprint;
use fast_reauth::mechanism::{Connection, Login, NextStep, Outcome, Server, Sibling, Step};
use fast_reauth::store::client::{Account, Accounts, Plan, Settled};
use fast_reauth::store::{Committed, MemoryStore, Revoke, Store, Unavailable, Window};

const EXPR: &[&str] = &["IKY-SHA-256-EXPR"];

#[test]
fn the_first_use_deletes_the_records_for_other_mechanisms() {
    let pair = Pair::new(server_with(&[Pin::ED25519_EXPR, Pin::SHA_256_EXPR, Pin::SHA_256_NONE]));
    let first = Tls::full();
    pair.full_login("alice", &first);
    assert_eq!(pair.store.len().0, 2, "two of the three, by default");
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, &["IKY-ED25519-EXPR"])));
    assert_eq!(pair.store.len().0, 1);
}

#[test]
fn the_hot_path_writes_nothing() {
    let pair = Pair::new(server());
    pair.full_login("alice", &Tls::full());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)), "the first use confirms");
    let before = fingerprint(&pair.store);
    let tls = Tls::full();
    let (_, attempt) = pair.attempt("alice", &tls, None, EXPR);
    let attempt = attempt.unwrap();
    let connection = pair.connection(&tls);
    let fast_reauth::mechanism::Received::Lookup(pending) = connection.iky(Pin::SHA_256_EXPR, attempt.message()) else {
        panic!("it has to look the record up");
    };
    let found = pair.store.lookup(pending.lookup(), pair.now);
    let Step::Done(verdict) = pending.found(found, pair.now) else { panic!("it has nothing to write") };
    assert_eq!(verdict.outcome, Outcome::Accepted);
    assert_eq!(fingerprint(&pair.store), before);
}

#[test]
fn thirty_two_parallel_connections_share_one_assertion() {
    for pin in [Pin::SHA_256_EXPR, Pin::SHA_256_NONE] {
        let pair = Arc::new(Pair::new(server_with(&[pin])));
        let first = Tls::full();
        pair.full_login("alice", &first);
        let threads: Vec<_> = (0..32)
            .map(|_| {
                let (pair, first) = (pair.clone(), first.clone());
                std::thread::spawn(move || pair.reconnect("alice", &Tls::resuming(&first), Some(&first), &[pin.name()]))
            })
            .collect();
        for thread in threads {
            let result = thread.join().unwrap();
            assert!(accepted(&result), "{result:?}");
        }
    }
}

#[test]
fn one_counter_from_many_threads_is_accepted_once() {
    let pair = Arc::new(Pair::new(server_with(&[Pin::SHA_256_NONE])));
    let first = Tls::full();
    pair.full_login("alice", &first);
    let tls = Tls::resuming(&first);
    let (_, attempt) = pair.attempt("alice", &tls, Some(&first), &["IKY-SHA-256-NONE"]);
    let message = attempt.unwrap().message().to_vec();
    let threads: Vec<_> = (0..16)
        .map(|_| {
            let (pair, tls, message) = (pair.clone(), tls.clone(), message.clone());
            std::thread::spawn(move || pair.judge(&tls, "IKY-SHA-256-NONE", &message).outcome)
        })
        .collect();
    let outcomes: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(outcomes.iter().filter(|&&outcome| outcome == Outcome::Accepted).count(), 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|&outcome| matches!(outcome, Outcome::Accepted | Outcome::Replayed)));
}

/// A client that comes back now and then for a year is renewed until a full login is due, and never stuck before.
#[test]
fn renewal_carries_a_client_until_a_full_login_is_due() {
    for pin in [Pin::SHA_256_EXPR, Pin::ED25519_EXPR] {
        let mut pair = Pair::new(server_with(&[pin]));
        pair.full_login("alice", &Tls::full());
        let mut ids = std::collections::HashSet::new();
        for day in 1..180 {
            pair.now = later(day * DAY);
            let result = pair.reconnect("alice", &Tls::full(), None, &[pin.name()]);
            assert!(accepted(&result), "{pin}, day {day}: {result:?}");
            ids.insert(*pair.client.assertions(&account("alice")).last().unwrap().id());
            assert!(pair.store.len().0 <= 3);
        }
        assert!(ids.len() > 5, "renewed {} times", ids.len() - 1);
        pair.now = later(180 * DAY);
        let (mut client, attempt) = pair.attempt("alice", &Tls::full(), None, &[pin.name()]);
        assert!(attempt.is_none() && matches!(client.plan(pair.now), Plan::FullLogin));
    }
}

#[test]
fn a_lost_reply_costs_nothing() {
    let mut pair = Pair::new(server());
    pair.full_login("alice", &Tls::full());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    pair.now = later(25 * DAY);
    // The server renews each time, the client never hears of it.
    for _ in 0..10 {
        let tls = Tls::full();
        let (_, attempt) = pair.attempt("alice", &tls, None, EXPR);
        let attempt = attempt.unwrap();
        assert_eq!(pair.judge(&tls, attempt.mechanism(), attempt.message()).outcome, Outcome::Accepted);
        assert!(pair.store.len().0 <= 3, "the assertion and two successors at most");
    }
    pair.now = later(25 * DAY + 600);
    let result = pair.reconnect("alice", &Tls::full(), None, EXPR);
    assert!(accepted(&result));
    assert_eq!(pair.client.assertions(&account("alice")).len(), 2, "the assertion and its successor");
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    assert_eq!(pair.client.assertions(&account("alice")).len(), 1, "the successor worked");
}

/// The server renews, and then comes back from a backup that doesn't have it.
#[test]
fn a_stale_successor_means_try_the_old_one() {
    let mut pair = Pair::new(server());
    let lost = MemoryStore::default();
    let first = Tls::full();
    let mut connection = pair.connection(&first);
    let login = Login { full: &bound("alice"), identity: "alice", device: DeviceId::new(fresh()), now: pair.now };
    let made = connection.logged_in(login, &first.exporter());
    let mut client = pair.client.connect(&account("alice"), first.client()).offered(connection.mechanisms(pair.now));
    client.logged_in(&bound("alice"), &first.exporter(), &[], pair.now).unwrap();
    drop((connection, client));
    // Both stores saw the login and the first use, only one of them the renewal.
    let tls = Tls::full();
    let (_, attempt) = pair.attempt("alice", &tls, None, EXPR);
    let first_use = attempt.unwrap().message().to_vec();
    for store in [&pair.store, &lost] {
        store.commit(&made.commit, pair.now).unwrap();
        let verdict = pair.connection(&tls).iky(Pin::SHA_256_EXPR, &first_use).run(store, pair.now);
        assert_eq!(verdict.outcome, Outcome::Accepted);
    }
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    pair.now = later(25 * DAY);
    let tls = Tls::full();
    let (mut client, attempt) = pair.attempt("alice", &tls, None, EXPR);
    let attempt = attempt.unwrap();
    let verdict = pair.connection(&tls).iky(Pin::SHA_256_EXPR, attempt.message()).run(&lost, pair.now);
    assert_eq!(client.settle(attempt, verdict.outcome, verdict.message.as_deref(), pair.now), Settled::LoggedIn);
    assert_eq!(pair.client.assertions(&account("alice")).len(), 2);

    let tls = Tls::full();
    let (mut client, attempt) = pair.attempt("alice", &tls, None, EXPR);
    let attempt = attempt.unwrap();
    let verdict = pair.judge(&tls, attempt.mechanism(), attempt.message());
    assert_eq!(verdict.outcome, Outcome::Stale);
    let settled = client.settle(attempt, verdict.outcome, verdict.message.as_deref(), pair.now);
    assert_eq!(settled, Settled::Failed(NextStep::TryPredecessor));
    let Plan::Known(attempt) = client.plan(pair.now) else { panic!("the predecessor is left") };
    let verdict = pair.judge(&tls, attempt.mechanism(), attempt.message());
    assert_eq!(verdict.outcome, Outcome::Accepted);
    assert_eq!(client.settle(attempt, verdict.outcome, verdict.message.as_deref(), pair.now), Settled::LoggedIn);
}

#[test]
fn the_predecessor_goes_on_for_connections_under_way() {
    let mut pair = Pair::new(server());
    pair.full_login("alice", &Tls::full());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    pair.now = later(25 * DAY);
    let slow = Tls::full();
    let (_, attempt) = pair.attempt("alice", &slow, None, EXPR);
    let under_way = attempt.unwrap().message().to_vec();
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)), "renewed");
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)), "by the successor");
    assert_eq!(pair.judge(&slow, EXPR[0], &under_way).outcome, Outcome::Accepted);
    pair.now = later(25 * DAY + 300);
    assert_eq!(pair.judge(&slow, EXPR[0], &under_way).outcome, Outcome::Stale);
}

#[test]
fn a_granted_assertion_and_its_renewal_without_exporter() {
    granted_and_renewed(Pin::SHA_256_NONE, &Tls { has_exporter: false, ..Tls::full() });
}

#[test]
fn a_granted_assertion_and_its_renewal_with_the_binding_alone() {
    granted_and_renewed(Pin::SHA_256_EXPR, &Tls { binding_alone: true, ..Tls::full() });
}

fn granted_and_renewed(pin: Pin, tls: &Tls) {
    let mut policy = Policy::default();
    policy.lineage = LineageRule::Never;
    let mut pair = Pair::new(server_with(&[pin]).policy(policy));
    let seed = fresh();
    let mut connection = pair.connection(tls);
    let plain = FullLogin::new("PLAIN", "alice").unwrap();
    let login = Login { full: &plain, identity: "alice", device: DeviceId::new(fresh()), now: pair.now };
    let commit = connection.logged_in_granting(login, pin, &seed).commit;
    assert_eq!(pair.store.commit(&commit, pair.now), Ok(Committed::Done));
    let listed = connection.mechanisms(pair.now);
    let mut client = pair.client.connect(&account("alice"), tls.client()).offered(listed);
    client.logged_in_granted(&plain, pin, &seed, pair.now).unwrap();
    drop(client);

    let offered = [pin.name()];
    assert!(accepted(&pair.reconnect("alice", tls, None, &offered)));
    pair.now = later(6 * DAY);
    let first = *pair.client.assertions(&account("alice"))[0].id();
    let (mut client, attempt) = pair.attempt("alice", tls, None, &offered);
    let attempt = attempt.unwrap();
    assert_eq!(attempt.store_first(), pin == Pin::SHA_256_NONE, "it has a counter");
    let connection = pair.connection(tls).grant_with(fresh());
    let verdict = pair.judge_on(&connection, attempt.mechanism(), attempt.message());
    assert!(core::str::from_utf8(verdict.message.as_deref().unwrap()).unwrap().contains(",r="));
    assert_eq!(client.settle(attempt, verdict.outcome, verdict.message.as_deref(), pair.now), Settled::LoggedIn);
    let result = pair.reconnect("alice", tls, None, &offered);
    assert!(accepted(&result), "{result:?}");
    assert_ne!(*pair.client.assertions(&account("alice"))[0].id(), first);
}

#[test]
fn a_sibling_service_knows_the_client_without_a_login() {
    let name = ServerName::parse(NAME).unwrap();
    let smtp = Scope::new(Service::SMTP, name.clone());
    let sibling = Sibling { scope: smtp.clone(), pin: Pin::SHA_256_NONE };
    let mut pair = Pair::new(server().sibling(sibling));
    let tls = Tls::full();
    let mut connection = pair.connection(&tls);
    let login = Login { full: &bound("alice"), identity: "alice", device: DeviceId::new(fresh()), now: pair.now };
    pair.store.commit(&connection.logged_in(login, &tls.exporter()).commit, pair.now).unwrap();
    let mut client = pair.client.connect(&account("alice"), tls.client()).offered(EXPR.iter().copied());
    let siblings = [Sibling { scope: smtp.clone(), pin: Pin::SHA_256_NONE }];
    assert_eq!(client.logged_in(&bound("alice"), &tls.exporter(), &siblings, pair.now), Ok(true));
    drop((client, connection));

    pair.server = Server::new(Service::SMTP, [name], ["PLAIN"]).unwrap().pins([Pin::SHA_256_NONE]);
    let tls = Tls { has_exporter: false, sees_sessions: false, ..Tls::full() };
    let there = Account::new(smtp, "alice");
    let mut client = pair.client.connect(&there, tls.client());
    let Plan::Known(attempt) = client.plan(pair.now) else { panic!("known at the sibling") };
    let verdict = pair.judge(&tls, attempt.mechanism(), attempt.message());
    assert_eq!(verdict.outcome, Outcome::Accepted);
    assert_eq!(client.settle(attempt, verdict.outcome, verdict.message.as_deref(), pair.now), Settled::LoggedIn);
}

#[test]
fn two_accounts_at_one_server_never_mix() {
    let pair = Pair::new(server());
    let (alices, bobs) = (Tls::full(), Tls::full());
    pair.full_login("alice", &alices);
    pair.full_login("bob", &bobs);
    for (name, before) in [("alice", &alices), ("bob", &bobs)] {
        for offered in [&["EXTERNAL"][..], EXPR] {
            let result = pair.reconnect(name, &Tls::resuming(before), Some(before), offered);
            assert_eq!(result.0.recognised.unwrap().identity(), name);
        }
    }
    // One's TLS session under the other's name: EXTERNAL says who it is meant for, and IKY proves it.
    let crossed = Tls::resuming(&alices);
    let (_, attempt) = pair.attempt("bob", &crossed, Some(&alices), &["EXTERNAL"]);
    assert_eq!(pair.judge(&crossed, "EXTERNAL", attempt.unwrap().message()).outcome, Outcome::BadProof);
}

#[test]
fn an_assertion_survives_a_restart_of_the_client() {
    for pin in Pin::ALL {
        let mut policy = Policy::default();
        policy.lineage = LineageRule::Never;
        let mut pair = Pair::new(server_with(&[pin]).policy(policy));
        pair.full_login("alice", &Tls::full());
        let kept: Vec<_> = pair.client.assertions(&account("alice")).iter().map(ClientAssertion::to_bytes).collect();
        pair.client = Accounts::default();
        for octets in &kept {
            let assertion = ClientAssertion::from_bytes(octets).unwrap();
            assert_eq!(assertion.to_bytes(), *octets);
            pair.client.restore(&account("alice"), assertion, [pin.name()]);
        }
        assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, &[pin.name()])));
    }
}

#[test]
fn damaged_serialised_assertions_are_refused() {
    let pair = Pair::new(server());
    pair.full_login("alice", &Tls::full());
    let good = pair.client.assertions(&account("alice"))[0].to_bytes();
    for end in 0..good.len() {
        assert!(ClientAssertion::from_bytes(&good[..end]).is_err());
    }
    assert_eq!(ClientAssertion::from_bytes(&[&good[..], b"\0"].concat()), Err(InvalidAssertion::Damaged));
    assert_eq!(ClientAssertion::from_bytes(b"something else"), Err(InvalidAssertion::NotAnAssertion));
    let mut other = good.to_vec();
    other[8] = 2;
    assert_eq!(ClientAssertion::from_bytes(&other), Err(InvalidAssertion::Version(2)));
    for at in 0..good.len() {
        let mut altered = good.to_vec();
        altered[at] ^= 0x80;
        let _ = ClientAssertion::from_bytes(&altered); // an error or another assertion, never a panic
    }
}

#[test]
fn a_server_that_lost_its_records_is_logged_in_to_fully() {
    let mut pair = Pair::new(server());
    let first = Tls::full();
    pair.full_login("alice", &first);
    pair.store = MemoryStore::default();
    let (verdict, settled) = pair.reconnect("alice", &Tls::full(), None, EXPR);
    assert_eq!((verdict.outcome, settled), (Outcome::Stale, Settled::Failed(NextStep::FullLogin)));
    let (verdict, settled) = pair.reconnect("alice", &Tls::resuming(&first), Some(&first), EXPR);
    assert_eq!((verdict.outcome, settled), (Outcome::Stale, Settled::Failed(NextStep::FullHandshake)));
    pair.full_login("alice", &Tls::full());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
}

#[test]
fn the_list_of_devices_and_logging_them_out() {
    let mut pair = Pair::new(server());
    let phone = Tls::full();
    let phone_id = pair.full_login("alice", &phone);
    let phone_key = pair.client.assertions(&account("alice"))[0].clone();
    pair.now = later(60);
    let laptop_id = pair.full_login("alice", &Tls::full());
    pair.now = later(120);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));

    let devices = pair.store.devices("alice", None, pair.now).unwrap();
    assert_eq!(devices.iter().map(|device| device.id).collect::<Vec<_>>(), [phone_id, laptop_id]);
    assert_eq!((devices[1].created, devices[1].last_used), (later(60), later(120)));
    assert_eq!((&devices[1].service, devices[1].origin), (&Service::IMAP, bound("alice").origin()));
    assert!(pair.store.devices("bob", None, pair.now).unwrap().is_empty());
    let smtp = Scope::new(Service::SMTP, ServerName::parse(NAME).unwrap());
    assert!(pair.store.devices("alice", Some(&smtp), pair.now).unwrap().is_empty());

    assert_eq!(pair.store.revoke("alice", Revoke::AllBut(laptop_id), pair.now), Ok(1));
    assert_eq!(pair.store.devices("alice", None, pair.now).unwrap().len(), 1);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)), "the laptop is still known");
    pair.client.restore(&account("alice"), phone_key, EXPR.iter().copied());
    let (verdict, _) = pair.reconnect("alice", &Tls::full(), None, EXPR);
    assert_eq!(verdict.outcome, Outcome::Revoked);
    assert_eq!(pair.store.revoke("alice", Revoke::Device(laptop_id), pair.now), Ok(1));
    assert_eq!(pair.store.revoke("alice", Revoke::All, pair.now), Ok(0), "nobody is left");
    assert_eq!(pair.store.revoke("nobody", Revoke::All, pair.now), Ok(0));
}

#[test]
fn a_revocation_between_lookup_and_commit_wins() {
    let pair = Pair::new(server());
    pair.full_login("alice", &Tls::full());
    let tls = Tls::full();
    let (_, attempt) = pair.attempt("alice", &tls, None, EXPR);
    let attempt = attempt.unwrap();
    let connection = pair.connection(&tls);
    let fast_reauth::mechanism::Received::Lookup(pending) = connection.iky(Pin::SHA_256_EXPR, attempt.message()) else {
        panic!()
    };
    let found = pair.store.lookup(pending.lookup(), pair.now);
    let Step::Commit(pending) = pending.found(found, pair.now) else { panic!("the first use is written") };
    pair.store.revoke("alice", Revoke::All, pair.now).unwrap();
    let committed = pair.store.commit(pending.commit(), pair.now);
    assert_eq!(committed, Ok(Committed::Gone));
    let verdict = pending.committed(committed);
    assert_eq!((verdict.outcome, verdict.recognised), (Outcome::Stale, None));
}

#[test]
fn a_store_that_does_not_answer_is_no_refusal() {
    let pair = Pair::new(server());
    let first = Tls::full();
    pair.full_login("alice", &first);
    let tls = Tls::resuming(&first);
    for offered in [&["EXTERNAL"][..], EXPR] {
        let (mut client, attempt) = pair.attempt("alice", &tls, Some(&first), offered);
        let attempt = attempt.unwrap();
        let connection: Connection<'_> = pair.connection(&tls);
        let received = match Pin::from_name(attempt.mechanism()) {
            Some(pin) => connection.iky(pin, attempt.message()),
            None => connection.external(attempt.message()),
        };
        let fast_reauth::mechanism::Received::Lookup(pending) = received else { panic!() };
        let Step::Done(verdict) = pending.found(Err(Unavailable), pair.now) else { panic!() };
        assert_eq!((verdict.outcome, &verdict.recognised), (Outcome::Unavailable, &None));
        assert!(!verdict.outcome.counts_as_failure());
        let settled = client.settle(attempt, verdict.outcome, verdict.message.as_deref(), pair.now);
        assert_eq!(settled, Settled::Failed(NextStep::Later));
    }
    assert_eq!(pair.client.assertions(&account("alice")).len(), 1);
}

#[test]
fn an_expired_account_leaves_nothing_behind() {
    let mut pair = Pair::new(server());
    let first = Tls::full();
    pair.full_login("alice", &first);
    pair.store.sweep(later(6 * DAY));
    assert_eq!(pair.store.len(), (1, 1));
    pair.now = later(7 * DAY);
    pair.store.sweep(pair.now);
    assert!(pair.store.is_empty());
    assert_eq!(fingerprint(&pair.store), fingerprint(&MemoryStore::default()));
    pair.full_login("alice", &Tls::full());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
}

#[test]
fn a_window_goes_through_a_store_and_back() {
    let mut window = Window::default();
    assert!(window.accept(5) && window.accept(3));
    let (highest, used) = window.parts();
    let mut again = Window::from_parts(highest, used);
    assert!(!again.accept(5) && !again.accept(3) && again.accept(4));
}
