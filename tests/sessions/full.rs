//! What a store takes, what gives way in a full one, and until when it keeps what it has.

use fast_reauth::assertion::{AccountSecret, HtMechanism, LoginId, Revocations, ServiceKeys, TokenRequest};
use fast_reauth::store::{Commit, Link, LoginOf, NewSecret, Remember, TokenUse, Use};

use super::*;

fn room_for(records: usize, devices_per_account: usize) -> MemoryStore {
    MemoryStore::new(Capacity { records, lineages: 100, devices_per_account, lineages_per_device: 8 })
}

/// A login as it is remembered, not stored yet.
fn remember(pair: &Pair, name: &str, device: DeviceId) -> Remember {
    let tls = Tls::full();
    let mut connection = pair.connection(&tls);
    let login = Login { full: &bound(name), identity: name, device, now: pair.now };
    match connection.logged_in(login, &tls.exporter()).commit {
        Commit::Remember(remember) => remember,
        other => panic!("{other:?}"),
    }
}

fn commit(pair: &Pair, remember: &Remember) -> Committed {
    pair.store.commit(&Commit::Remember(remember.clone()), pair.now).unwrap()
}

#[test]
fn a_login_is_one_clients_or_none() {
    let pair = Pair::new(server());
    let [one, two] = [[1; 8], [2; 8]].map(DeviceId::new);
    let (own, other_device, other_account) =
        (remember(&pair, "alice", one), remember(&pair, "alice", two), remember(&pair, "bob", one));
    let before = fingerprint(&pair.store);
    for other in [&other_device, &other_account] {
        let linked = Remember { link: other.link.clone(), ..own.clone() };
        assert_eq!(commit(&pair, &linked), Committed::Gone, "another's session");
        let records = [own.records.clone(), other.records.clone()].concat();
        assert_eq!(commit(&pair, &Remember { records, ..own.clone() }), Committed::Gone, "another's record");
    }
    assert_eq!(fingerprint(&pair.store), before);
    assert_eq!(commit(&pair, &own), Committed::Done);
}

#[test]
fn in_a_full_store_as_many_unused_clients_give_way_as_have_to() {
    let mut pair = Pair::new(server());
    pair.store = room_for(4, 8);
    pair.full_login("alice", &Tls::full());
    pair.now = later(1);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    let used = pair.store.devices("alice", None, pair.now).unwrap()[0].id;
    let mut unused = Vec::new();
    for second in 2..5 {
        pair.now = later(second);
        unused.push(pair.full_login("alice", &Tls::full()));
    }
    pair.now = later(9);
    let last = pair.full_login("alice", &Tls::full());
    let mut left: Vec<_> =
        pair.store.devices("alice", None, pair.now).unwrap().iter().map(|device| device.id).collect();
    left.sort_unstable();
    let mut expected = [used, unused[1], unused[2], last];
    expected.sort_unstable();
    assert_eq!(left, expected);
}

#[test]
fn in_a_full_store_the_last_unused_client_gives_way_and_one_that_was_revoked() {
    let mut pair = Pair::new(server());
    pair.store = room_for(1, 8);
    pair.full_login("alice", &Tls::full());
    pair.now = later(1);
    let second = pair.full_login("alice", &Tls::full());
    assert_eq!(
        pair.store.devices("alice", None, pair.now).unwrap().iter().map(|one| one.id).collect::<Vec<_>>(),
        [second]
    );
    // It is used, and then revoked.
    pair.now = later(2);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    assert_eq!(commit(&pair, &remember(&pair, "alice", DeviceId::new([3; 8]))), Committed::Full);
    pair.store.revoke("alice", Revoke::Device(second), pair.now).unwrap();
    pair.now = later(3);
    assert_eq!(commit(&pair, &remember(&pair, "alice", DeviceId::new([3; 8]))), Committed::Done);
}

/// A login that asked for a token, too, as it is remembered.
fn with_token(pair: &Pair) -> Remember {
    let (tls, mechanism) = (Tls::full(), HtMechanism::HT_SHA_256_EXPR);
    let login = Login { full: &bound("alice"), identity: "alice", device: DeviceId::new([1; 8]), now: pair.now };
    let request = TokenRequest { mechanism, authcid: "alice", client: "phone", random: fresh() };
    let mut connection = pair.connection(&tls);
    let (logged_in, issued) = connection.logged_in_with_token(login, &tls.exporter(), &request);
    assert!(issued.is_ok());
    match logged_in.commit {
        Commit::Remember(remember) => remember,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_login_that_is_committed_again_needs_no_more_room() {
    let keys = || ServiceKeys::new(1, &[1; 32]);
    for pins in [&[Pin::SHA_256_EXPR][..], &[Pin::SHA_256_EXPR, Pin::SHA_256_NONE]] {
        let mut pair = Pair::new(server_with(pins).fast([HtMechanism::HT_SHA_256_EXPR], keys()));
        for (login, room) in
            [(remember(&pair, "alice", DeviceId::new([1; 8])), pins.len()), (with_token(&pair), pins.len() + 1)]
        {
            pair.store = room_for(room - 1, 8);
            assert_eq!(commit(&pair, &login), Committed::Full);
            assert_eq!(pair.store.len().0, 0);
            pair.store = room_for(room, 8);
            assert_eq!(commit(&pair, &login), Committed::Done);
            // It came back, so it does not give way to itself either.
            let used = Use {
                assertion: *login.records[0].id(),
                counter: None,
                confirm: false,
                predecessor_until: later(1),
                successor: None,
                ends: None,
                secret: None,
            };
            assert!(pair.store.commit(&Commit::Use(used), later(1)).unwrap().is_durable());
            let before = fingerprint(&pair.store);
            assert_eq!(commit(&pair, &login), Committed::Done);
            assert_eq!((fingerprint(&pair.store), pair.store.len().0), (before, room));
        }
    }
}

/// Of an account's clients one that was revoked goes before one that never came back.
#[test]
fn a_revoked_client_goes_first() {
    let mut pair = Pair::new(server());
    pair.store = room_for(8, 2);
    let revoked = pair.full_login("alice", &Tls::full());
    pair.now = later(1);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    pair.store.revoke("alice", Revoke::Device(revoked), pair.now).unwrap();
    pair.now = later(2);
    let unused = pair.full_login("alice", &Tls::full());
    pair.now = later(3);
    let last = pair.full_login("alice", &Tls::full());
    let devices: Vec<_> = pair.store.devices("alice", None, pair.now).unwrap().iter().map(|one| one.id).collect();
    assert_eq!(devices, [unused, last]);
}

/// In the second of its login, too.
#[test]
fn a_client_that_came_back_at_once_is_in_use() {
    let came_back = |records, devices_per_account| {
        let mut pair = Pair::new(server());
        pair.store = room_for(records, devices_per_account);
        let device = pair.full_login("alice", &Tls::full());
        assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
        (pair, device)
    };
    // In a full store,
    let (pair, device) = came_back(1, 8);
    let before = fingerprint(&pair.store);
    assert_eq!(commit(&pair, &remember(&pair, "alice", DeviceId::new([3; 8]))), Committed::Full);
    assert_eq!(fingerprint(&pair.store), before);
    assert_eq!(pair.store.devices("alice", None, pair.now).unwrap()[0].id, device);
    // and in an account that has its clients.
    let (pair, device) = came_back(8, 2);
    for n in 3..6 {
        assert_eq!(commit(&pair, &remember(&pair, "alice", DeviceId::new([n; 8]))), Committed::Done);
        let left = pair.store.devices("alice", None, pair.now).unwrap();
        assert!(left.len() == 2 && left.iter().any(|one| one.id == device));
    }
}

/// With a token, too.
#[test]
fn a_client_that_came_back_at_once_with_a_token_is_in_use() {
    let mut pair = Pair::new(server().fast([HtMechanism::HT_SHA_256_EXPR], ServiceKeys::new(1, &[1; 32])));
    pair.store = room_for(1, 8);
    let login = Remember { records: Vec::new(), ..with_token(&pair) };
    assert_eq!(commit(&pair, &login), Committed::Done);
    let token = login.token.unwrap();
    let salt = *token.new_token().unwrap().salt();
    let used = TokenUse { token: *token.id(), salt, count: None, invalidate: false, issue: None };
    assert_eq!(pair.store.commit(&Commit::Token(used), pair.now), Ok(Committed::Done));
    assert_eq!(commit(&pair, &remember(&pair, "alice", DeviceId::new([3; 8]))), Committed::Full);
}

#[test]
fn a_client_has_as_many_sessions_as_it_may() {
    let mut pair = Pair::new(server());
    pair.store = MemoryStore::new(Capacity { records: 8, lineages: 8, devices_per_account: 8, lineages_per_device: 2 });
    let mut sessions = vec![Tls::full()];
    pair.full_login("alice", &sessions[0]);
    for held in [2, 2, 2] {
        let tls = Tls::resuming(sessions.last().unwrap());
        assert!(accepted(&pair.reconnect("alice", &tls, sessions.last(), EXPR)));
        sessions.push(tls);
        let known = |tls: &&Tls| pair.store.lookup(&handle_of(tls), pair.now).unwrap().lineage.is_some();
        assert_eq!(sessions.iter().rev().take_while(known).count(), held);
    }
}

/// Of the account's clients the one that has a session gives up its oldest.
#[test]
fn a_client_without_a_session_gives_none_up() {
    let mut pair = Pair::new(server());
    pair.store = MemoryStore::new(Capacity { records: 8, lineages: 1, devices_per_account: 8, lineages_per_device: 8 });
    pair.full_login("alice", &Tls { sees_sessions: false, ..Tls::full() });
    for second in [1, 2] {
        pair.now = later(second);
        let tls = Tls::full();
        pair.full_login("alice", &tls);
        assert!(pair.store.lookup(&handle_of(&tls), pair.now).unwrap().lineage.is_some(), "{second}");
    }
}

#[test]
fn a_client_that_keeps_its_own_record_takes_no_place_of_another() {
    let mut pair = Pair::new(server());
    pair.store = room_for(8, 1);
    pair.full_login("alice", &Tls::full());
    let own = remember(&pair, "alice", DeviceId::new([1; 8])).link.unwrap();
    let link = Commit::Link(Link { sealed: true, ..own });
    assert_eq!(pair.store.commit(&link, pair.now), Ok(Committed::Full));
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
}

/// The revocation of an account that is not known ends logins that are under way there, and nowhere else.
#[test]
fn the_revocation_of_an_unknown_account_is_no_one_elses() {
    let mut pair = Pair::new(server());
    let (alice, bob) = (remember(&pair, "alice", DeviceId::new([1; 8])), remember(&pair, "bob", DeviceId::new([2; 8])));
    pair.now = later(1);
    pair.store.revoke("bob", Revoke::All, pair.now).unwrap();
    assert_eq!(commit(&pair, &bob), Committed::Gone);
    assert_eq!(commit(&pair, &alice), Committed::Done);
    // It is remembered for a day, which no login takes.
    pair.store.sweep(later(DAY));
    assert_eq!(commit(&pair, &bob), Committed::Gone);
    pair.store.sweep(later(DAY + 1));
    assert_eq!(commit(&pair, &bob), Committed::Done);
    // Where it can't remember more such accounts, all logins under way end.
    pair.store = room_for(1, 8);
    for name in ["bob", "carol", "dave"] {
        pair.store.revoke(name, Revoke::All, pair.now).unwrap();
    }
    for name in ["bob", "carol", "dave"] {
        let before = Pair { now: START, store: MemoryStore::default(), client: Accounts::default(), server: server() };
        assert_eq!(commit(&pair, &remember(&before, name, DeviceId::new([1; 8]))), Committed::Gone, "{name}");
    }
}

/// The account's row has no room for one more, which takes all others with it: also in what is stored of them.
#[test]
fn one_client_too_many_is_revoked_with_all_others() {
    let mut pair = Pair::new(server());
    let first = Tls::full();
    let known = pair.full_login("alice", &first);
    pair.now = later(1);
    for n in 0..Revocations::MAX_DEVICES as u64 {
        assert_eq!(pair.store.revoke("alice", Revoke::Device(DeviceId::new(n.to_be_bytes())), pair.now), Ok(0));
    }
    assert_eq!(pair.store.devices("alice", None, pair.now).unwrap()[0].id, known);
    assert_eq!(external_on(&pair, &Tls::resuming(&first)), Outcome::Accepted);
    assert_eq!(pair.store.revoke("alice", Revoke::Device(DeviceId::new([0xee; 8])), pair.now), Ok(1));
    assert_eq!(pair.store.devices("alice", None, pair.now), Ok(Vec::new()));
    assert_eq!(external_on(&pair, &Tls::resuming(&first)), Outcome::Revoked);
    assert_eq!(pair.reconnect("alice", &Tls::full(), None, EXPR).0.outcome, Outcome::Revoked);
    pair.now = later(2);
    pair.full_login("alice", &Tls::full());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
}

#[test]
fn one_assertion_is_revoked_with_its_successors_and_no_other() {
    let mut pair = Pair::new(server_with(&[Pin::SHA_256_EXPR, Pin::SHA_256_NONE]));
    let login = remember(&pair, "alice", DeviceId::new([1; 8]));
    assert_eq!(commit(&pair, &login), Committed::Done);
    let [first, second] = &login.records[..] else { panic!("two records") };
    let is_revoked = |pair: &Pair, id| {
        let lookup = Lookup { assertion: Some(id), ..Lookup::default() };
        pair.store.lookup(&lookup, pair.now).unwrap().record.into_option().unwrap().is_revoked()
    };
    let revoke = |pair: &Pair, id| pair.store.revoke("alice", Revoke::Assertion(id), pair.now).unwrap();
    assert_eq!(revoke(&pair, *first.id()), 1);
    assert!(is_revoked(&pair, *first.id()) && !is_revoked(&pair, *second.id()));
    assert_eq!(revoke(&pair, *first.id()), 0, "again");
    assert!(!is_revoked(&pair, *second.id()));

    pair.full_login("alice", &Tls::full());
    let family = pair.family("alice").unwrap();
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    pair.now = later(25 * DAY);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    let successor = *pair.client.assertions(&account("alice"))[1].id();
    assert_eq!(revoke(&pair, family), 1);
    assert!(is_revoked(&pair, family) && is_revoked(&pair, successor));
}

#[test]
fn a_secret_is_there_until_it_ends_and_another_one_from_then_on() {
    let pair = Pair::new(server());
    let login = LoginId::of(&Scope::new(Service::IMAP, ServerName::parse(NAME).unwrap()), "alice");
    let set = |octet, until, now| {
        let (identity, secret) = ("alice".into(), AccountSecret::new([octet; 16]));
        let (device, full_login, found) = (DeviceId::new([1; 8]), START, false);
        pair.store.commit(&Commit::Secret(NewSecret { login, identity, secret, found, device, full_login, until }), now)
    };
    let secret = |now| {
        let lookup = Lookup { login: Some(LoginOf::from(login)), account: true, ..Lookup::default() };
        pair.store.lookup(&lookup, now).unwrap().account.into_option().map(|account| account.secret.expose()[0])
    };
    assert_eq!(set(1, START, START), Ok(Committed::WithoutSuccessor), "it has ended");
    assert_eq!(set(1, later(10), START), Ok(Committed::Done));
    assert_eq!((secret(later(9)), secret(later(10))), (Some(1), None));
    assert_eq!(set(2, later(20), later(9)), Ok(Committed::WithoutSuccessor), "it has another one");
    assert_eq!(set(2, later(20), later(10)), Ok(Committed::Done));
    assert_eq!(secret(later(10)), Some(2));
}

/// The tests go by it that a failed attempt changes nothing.
#[test]
fn a_fingerprint_tells_any_two_states() {
    let mut pair =
        Pair::new(server_with(&[Pin::SHA_256_NONE]).policy(policy(|policy| policy.lineage = LineageRule::Never)));
    let mut seen = vec![fingerprint(&pair.store)];
    let mut changed = |pair: &Pair, what: &str| {
        let now = fingerprint(&pair.store);
        assert_eq!(fingerprint(&pair.store), now);
        assert!(!seen.contains(&now), "{what}");
        seen.push(now);
    };
    let device = pair.full_login("alice", &Tls::full());
    changed(&pair, "a login");
    for what in ["its first use", "a counter"] {
        pair.now = pair.now.after(Duration::from_secs(1));
        assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, &["IKY-SHA-256-NONE"])));
        changed(&pair, what);
    }
    pair.full_login("bob", &Tls::full());
    changed(&pair, "another account");
    pair.store.revoke("alice", Revoke::Device(device), pair.now).unwrap();
    changed(&pair, "a revocation");
    pair.store.revoke("carol", Revoke::All, pair.now).unwrap();
    changed(&pair, "that of an account that is not known");
}

/// A login that another account has now leaves the first one, which its other logins go on to find.
#[test]
fn a_login_is_one_accounts_and_the_others_stay() {
    let pair = Pair::new(server());
    let scope = Scope::new(Service::IMAP, ServerName::parse(NAME).unwrap());
    let login = |name| LoginId::of(&scope, name);
    let set = |identity: &str, name| {
        let (identity, secret) = (identity.into(), AccountSecret::new([identity.len() as u8; 16]));
        let (device, full_login, until) = (DeviceId::new([1; 8]), START, later(DAY));
        let new = NewSecret { login: login(name), identity, secret, found: false, device, full_login, until };
        assert_eq!(pair.store.commit(&Commit::Secret(new), pair.now), Ok(Committed::Done));
    };
    let finds = |name| {
        let lookup = Lookup { login: Some(LoginOf::from(login(name))), account: true, ..Lookup::default() };
        pair.store.lookup(&lookup, pair.now).unwrap().account.into_option().map(|account| account.identity.to_string())
    };
    set("first", "alice");
    set("first", "al");
    set("the other", "alice");
    assert_eq!((finds("alice").as_deref(), finds("al").as_deref()), (Some("the other"), Some("first")));
}

#[test]
fn there_is_room_for_thousands_of_accounts() {
    let mut pair = Pair::new(server());
    let name = |number: u64| format!("user {number}");
    let logins: Vec<_> = [1, 5_000, 9_999].map(|n| remember(&pair, &name(n), DeviceId::new([1; 8]))).into();
    let other = remember(&pair, "alice", DeviceId::new([1; 8]));
    pair.now = later(1);
    for number in 0..10_000 {
        pair.store.revoke(&name(number), Revoke::All, pair.now).unwrap();
    }
    assert!(logins.iter().all(|login| commit(&pair, login) == Committed::Gone));
    assert_eq!(commit(&pair, &other), Committed::Done);
}
