//! What a store keeps to while it is so.

use super::*;

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
        assert!(core::str::from_utf8(&verdict.message.unwrap()).unwrap().contains("r=1"));
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
    assert!(!core::str::from_utf8(&verdict.message.unwrap()).unwrap().contains("r=1"));
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

/// A full table of sessions costs an account its own oldest one, and nobody else's.
#[test]
fn a_new_login_gets_the_place_of_the_accounts_oldest_session() {
    let capacity = Capacity { records: 100, lineages: 2, devices_per_account: 8, lineages_per_device: 8 };
    let mut pair = Pair::new(server());
    pair.store = MemoryStore::new(capacity);
    let (old, bobs, new) = (Tls::full(), Tls::full(), Tls::full());
    pair.full_login("alice", &old);
    pair.full_login("bob", &bobs);
    pair.now = later(1);
    pair.full_login("alice", &new);
    assert_eq!(pair.store.len().1, 2);
    let still = [&old, &bobs, &new].map(|tls| pair.store.lookup(&handle_of(tls), pair.now).unwrap().lineage.is_some());
    assert_eq!(still, [false, true, true]);
    assert_eq!(external_on(&pair, &Tls::resuming(&new)), Outcome::Accepted);
}
