//! The store's own rules, one by one.

use super::*;
use crate::assertion::AssertionId;
use crate::store::memory::index::Name;
use crate::store::memory::pack::is_small;
use crate::store::memory::unpack::Wanted;

fn login(identity: &str, number: u64, handle: u8, now: Timestamp) -> Remember {
    let records = vec![record(identity, number, Pin::SHA_256_EXPR, number as u8, now)];
    Remember { records, token: None, link: Some(link(identity, number, handle, None, now)), secret: None }
}

fn has_session(store: &MemoryStore, handle: u8, now: Timestamp) -> bool {
    let lookup = Lookup { handle: Some(Handle::new([handle; 16])), ..Lookup::default() };
    store.lookup(&lookup, now).unwrap().lineage.is_some()
}

#[test]
fn a_refused_login_costs_no_session() {
    let store = MemoryStore::new(Capacity { lineages: 1, ..small() });
    assert_eq!(store.commit(&Commit::Remember(login("alice", 1, 1, later(10))), later(10)), Ok(Committed::Done));
    store.revoke("alice", Revoke::AllBut(device(1)), later(5)).unwrap();
    let under_way = Commit::Remember(login("alice", 2, 2, later(3)));
    let before = store.fingerprint();
    assert_eq!(store.commit(&under_way, later(11)), Ok(Committed::Gone));
    assert_eq!(store.fingerprint(), before);
    let unknown = Commit::Link(link("alice", 4, 3, None, later(11)));
    assert_eq!(store.commit(&unknown, later(11)), Ok(Committed::Gone));
    assert!(has_session(&store, 1, later(11)));
    store.must_agree();
}

/// A full store: what ended makes way, of whomever it is.
#[test]
fn a_login_to_a_store_full_of_sessions_that_ended_has_one() {
    let store = MemoryStore::new(Capacity { lineages: 1, ..small() });
    assert_eq!(store.commit(&Commit::Remember(login("alice", 1, 1, START)), START), Ok(Committed::Done));
    for (number, now, has_one) in [(2, later(DAY), false), (3, later(8 * DAY), true)] {
        let committed = store.commit(&Commit::Remember(login("bob", number.into(), number, now)), now);
        assert_eq!((committed, has_session(&store, number, now)), (Ok(Committed::Done), has_one));
    }
    store.must_agree();
}

fn thirty_sessions(store: &MemoryStore, number: u8) {
    for session in 0..30 {
        let link = link("alice", number.into(), 30 * number + session, None, START);
        assert_eq!(store.commit(&Commit::Link(link), START), Ok(Committed::Done));
    }
}

/// An account with so much that it is not packed.
#[test]
fn a_large_account_finds_all_that_it_has() {
    let store = MemoryStore::default();
    let is_packed = || {
        let mut packed = true;
        store.read_all(|account| packed &= is_small(account));
        packed
    };
    for number in 0..4u8 {
        assert_eq!(is_packed(), number < 2);
        let token = Some(Box::new(token("alice", number.into(), number, START)));
        let remember = Remember { token, ..login("alice", number.into(), 0x80 | number, START) };
        assert_eq!(store.commit(&Commit::Remember(remember), START), Ok(Committed::Done));
        thirty_sessions(&store, number);
        for number in 0..=number {
            let id = record("alice", number.into(), Pin::SHA_256_EXPR, number, START).id;
            let token = TokenId::from_octets([number; 16]);
            let lookup = Lookup { assertion: Some(id), token: Some(token), ..Lookup::default() };
            let found = store.lookup(&lookup, START).unwrap();
            assert_eq!(found.record.into_option().map(|record| record.id), Some(id));
            assert_eq!(found.token.into_option().map(|token| token.device), Some(device(number.into())));
            assert!((0..30).all(|session| has_session(&store, 30 * number + session, START)));
        }
    }
    store.must_agree();
}

/// Also where a secret lasts longer than what is over.
#[test]
fn what_is_over_leaves_a_large_account_as_well() {
    let store = MemoryStore::default();
    let (secret, after) = (secret("alice", 1, 1, later(30 * DAY)), later(8 * DAY));
    assert_eq!(store.commit(&Commit::Secret(secret), START), Ok(Committed::Done));
    for number in 0..3u8 {
        let remember = login("alice", number.into(), 0x80 | number, START);
        assert_eq!(store.commit(&Commit::Remember(remember), START), Ok(Committed::Done));
        thirty_sessions(&store, number);
    }
    assert_eq!(store.len(), (3, 93));
    store.sweep(after);
    assert_eq!(store.len().1, 0);
    store.must_agree();
}

#[test]
fn a_secret_takes_the_room_of_a_record_until_it_ends() {
    let store = MemoryStore::new(Capacity { records: 2, ..small() });
    let set = |identity: &str, login: u8| Commit::Secret(secret(identity, 1, login, later(DAY)));
    assert_eq!(store.commit(&set("alice", 1), START), Ok(Committed::Done));
    assert_eq!(store.commit(&set("alice", 2), START), Ok(Committed::Done), "by another login");
    assert_eq!(store.commit(&set("bob", 3), START), Ok(Committed::Done));
    assert_eq!((store.len(), store.is_empty()), ((0, 0), false));
    let before = store.fingerprint();
    assert_eq!(store.commit(&set("carol", 4), START), Ok(Committed::WithoutSuccessor));
    assert_eq!(store.commit(&Commit::Remember(login("carol", 1, 1, START)), START), Ok(Committed::Full));
    let alone =
        Remember { records: Vec::new(), token: None, link: None, secret: Some(secret("dave", 1, 5, later(DAY))) };
    assert_eq!(store.commit(&Commit::Remember(alone), START), Ok(Committed::Full));
    assert_eq!(store.fingerprint(), before);
    assert_eq!(store.commit(&Commit::Remember(login("carol", 1, 1, later(DAY))), later(DAY)), Ok(Committed::Done));
    store.sweep(later(DAY));
    assert_eq!(store.len(), (1, 1));
    store.must_agree();
}

#[test]
fn an_account_is_found_by_so_many_logins_and_no_more() {
    let store = MemoryStore::default();
    for login in 0..=255 {
        store.commit(&Commit::Secret(secret("alice", 1, login, later(DAY))), START).unwrap();
    }
    let finds = |login: u8| {
        let lookup =
            Lookup { login: Some(LoginId::from_octets([login; 16]).into()), account: true, ..Lookup::default() };
        store.lookup(&lookup, START).unwrap().account.is_there()
    };
    assert!(finds(255) && !finds(0));
    assert_eq!((store.counts.records.get(), store.index.len()), (1, 64));
    store.must_agree();
}

/// Accounts that have nothing but a revocation to remember are bounded too; beyond, logins under way at unknown
/// accounts pay for it.
#[test]
fn revocations_of_accounts_without_clients_are_bounded_and_never_lost() {
    let store = MemoryStore::new(small());
    for number in 0..100 {
        assert_eq!(store.revoke(&format!("user{number}"), Revoke::All, later(5)), Ok(0));
        store.must_agree();
    }
    for number in 0..100 {
        let identity = format!("user{number}");
        assert_eq!(store.commit(&Commit::Remember(login(&identity, 1, 1, later(4))), later(6)), Ok(Committed::Gone));
    }
    assert_eq!(store.commit(&Commit::Remember(login("user99", 1, 1, later(6))), later(6)), Ok(Committed::Done));
    store.must_agree();
    store.sweep(later(40 * DAY));
    assert!(store.is_empty_inside());
}

/// A login name that goes over to another identity takes what it finds with it.
#[test]
fn what_goes_over_to_another_account_leaves_the_first() {
    let store = MemoryStore::default();
    let with = |identity: &str, number| Remember {
        records: Vec::new(),
        token: Some(Box::new(token(identity, number, 7, START))),
        link: None,
        secret: Some(NewSecret { device: device(number), ..secret(identity, number as u8, 9, later(DAY)) }),
    };
    let lookup = Lookup {
        login: Some(LoginId::from_octets([9; 16]).into()),
        token: Some(TokenId::from_octets([7; 16])),
        account: true,
        ..Lookup::default()
    };
    for (identity, number) in [("old", 1), ("new", 2), ("old", 3), ("new", 4)] {
        assert_eq!(store.commit(&Commit::Remember(with(identity, number)), START), Ok(Committed::Done));
        let found = store.lookup(&lookup, START).unwrap();
        assert_eq!(found.token.into_option().unwrap().identity(), identity);
        assert!(found.account.into_option().is_some_and(|state| state.secret.expose()[0] < number as u8 + 1));
        store.must_agree();
    }
    // A token and a secret of the new one, a secret of the old one.
    assert_eq!((store.len(), store.counts.secrets.get()), ((1, 0), 2));
    let logged_out = TokenUse {
        token: TokenId::from_octets([7; 16]),
        salt: Salt::new([4; 32]),
        count: None,
        invalidate: true,
        issue: None,
    };
    assert_eq!(store.commit(&Commit::Token(logged_out), START), Ok(Committed::Done));
    assert!(store.lookup(&lookup, START).unwrap().token.get().is_none(), "and the old one's does not come back");
    store.sweep(later(40 * DAY));
    assert!(store.is_empty_inside());
}

/// An account with more than is packed goes from one form to the other and back, and is the same in both.
#[test]
fn a_large_account_is_kept_as_well() {
    let store = MemoryStore::new(Capacity { devices_per_account: 100, ..Capacity::default() });
    let lookup = |number: u64| {
        let id = record("alice", number, Pin::SHA_256_EXPR, number as u8, START).id;
        store.lookup(&Lookup { assertion: Some(id), ..Lookup::default() }, later(1)).unwrap().record.into_option()
    };
    for number in 0..80 {
        let committed = store.commit(&Commit::Remember(login("alice", number, number as u8, START)), START);
        assert_eq!(committed, Ok(Committed::Done));
        store.must_agree();
    }
    for number in 0..80 {
        let known = AssertionId::from_octets(*lookup(number).unwrap().id().as_octets());
        assert_eq!(known, record("alice", number, Pin::SHA_256_EXPR, number as u8, START).id);
        assert!(has_session(&store, number as u8, later(1)));
    }
    assert_eq!(store.devices("alice", None, later(1)).unwrap().len(), 80);
    assert_eq!(store.revoke("alice", Revoke::AllBut(device(3)), later(2)), Ok(79));
    store.must_agree();
    store.sweep(later(8 * DAY));
    assert!(store.is_empty_inside() || store.len() == (0, 0));
}

/// A scope beyond those that have a number is written out.
#[test]
fn there_may_be_many_scopes() {
    let store = MemoryStore::default();
    for number in 0..300u64 {
        let mut remember = login("alice", number, number as u8, START);
        remember.records[0].scope = scope(&format!("host{number}.example"));
        let id = remember.records[0].id;
        assert_eq!(store.commit(&Commit::Remember(remember), START), Ok(Committed::Done));
        let found = store
            .lookup(&Lookup { assertion: Some(id), ..Lookup::default() }, START)
            .unwrap()
            .record
            .into_option()
            .unwrap();
        assert_eq!(found.scope().server_name.as_str(), format!("host{number}.example"));
    }
    store.must_agree();
}

/// For a name that nobody has something of its kind is read, which takes as long as what was meant, and none of it is given away.
#[test]
fn a_name_that_nobody_has_finds_nothing_of_its_neighbours() {
    let store = MemoryStore::default();
    for number in 0..40u8 {
        let with_record = login(&format!("record-{number}"), u64::from(number), number, START);
        let token = Some(Box::new(token(&format!("token-{number}"), 1, number, START)));
        let with_token = Remember { records: Vec::new(), token, link: None, secret: None };
        let with_secret = Commit::Secret(secret(&format!("secret-{number}"), 1, number, later(DAY)));
        for commit in [Commit::Remember(with_record), Commit::Remember(with_token), with_secret] {
            assert_eq!(store.commit(&commit, START), Ok(Committed::Done));
        }
    }
    for number in 100..=255 {
        let (record, tokens) = (AssertionId::from_octets([number; 16]), TokenId::from_octets([number; 16]));
        let login = LoginId::from_octets([number; 16]);
        let (assertion, token, account) = (Some(record), Some(tokens), true);
        let lookup = Lookup { assertion, token, login: Some(login.into()), account, ..Lookup::default() };
        let found = store.lookup(&lookup, START).unwrap();
        assert!(found.record.get().is_none() && found.token.get().is_none() && found.account.get().is_none());

        let next_to = |name| store.index.find_or_nearest(&name).nearest().expect("there are others");
        let (record, tokens) = (Wanted { name: &record, or_any: true }, Wanted { name: &tokens, or_any: true });
        let login = Wanted { name: &login, or_any: true };
        let place = next_to(Name::Record(*record.name));
        assert!(store.read(place, |kept| kept.record(record, &store.scopes)).is_some());
        let place = next_to(Name::Token(*tokens.name));
        assert!(store.read(place, |kept| kept.tokens(tokens, &store.scopes)).is_some());
        let place = next_to(Name::Login(*login.name));
        assert!(store.read(place, |kept| kept.state(login, START, &store.scopes)).is_some());
    }
}

/// What is sealed would outlast a client of which the account says that it was revoked, whatever its record says.
#[test]
fn nothing_is_sealed_for_a_client_that_its_account_says_was_revoked() {
    let store = MemoryStore::default();
    let login = login("alice", 1, 1, START);
    let assertion = login.records[0].id;
    assert_eq!(store.commit(&Commit::Remember(login), START), Ok(Committed::Done));
    let _ = store.change_of("alice", false, START, |account, _| account.revoked.revoke_all(START, None, None));
    let use_with = |secret| Use {
        assertion,
        counter: None,
        confirm: true,
        predecessor_until: START,
        successor: None,
        ends: None,
        secret,
    };
    let before = store.fingerprint();
    let sealing = Commit::Use(use_with(Some(secret("alice", 1, 1, later(DAY)))));
    assert_eq!(store.commit(&sealing, later(1)), Ok(Committed::Gone));
    assert_eq!(store.fingerprint(), before);
    assert_eq!(store.commit(&Commit::Use(use_with(None)), later(1)), Ok(Committed::Done));
    store.must_agree();
}

/// Two logins on one session at once, neither of which saw the other when it looked: what came of the session of the first is shared, too.
#[test]
fn a_session_of_two_is_shared_with_all_that_the_first_has() {
    let store = MemoryStore::default();
    assert_eq!(store.commit(&Commit::Remember(login("alice", 1, 1, START)), START), Ok(Committed::Done));
    let resumed = Commit::Link(link("alice", 1, 2, None, START));
    assert_eq!(store.commit(&resumed, START), Ok(Committed::Done));
    for handle in [1, 3] {
        let unseen = link("bob", 2, handle, None, START);
        let _ = store.change_of("bob", true, START, |account, _| account.link(&unseen, &store.capacity, START));
    }
    let is_shared = |handle: u8| {
        let lookup = Lookup { handle: Some(Handle::new([handle; 16])), ..Lookup::default() };
        store.lookup(&lookup, START).unwrap().lineage.expect("a session").shared
    };
    assert_eq!([1, 2, 3].map(is_shared), [true, true, false]);
    store.must_agree();
}

/// Whatever asks for it: what takes an assertion's place is of the same client and account.
#[test]
fn no_successor_of_somebody_else_is_kept() {
    let store = MemoryStore::default();
    let first = login("alice", 1, 1, START);
    let assertion = first.records[0].id;
    assert_eq!(store.commit(&Commit::Remember(first), START), Ok(Committed::Done));
    for (identity, device, kept) in [("bob", 1, false), ("alice", 2, false), ("alice", 1, true)] {
        let renewal = Use {
            assertion,
            counter: None,
            confirm: true,
            predecessor_until: START,
            successor: Some(Box::new(record(identity, device, Pin::SHA_256_EXPR, 9, START))),
            ends: None,
            secret: None,
        };
        let expected = if kept { Committed::Done } else { Committed::WithoutSuccessor };
        assert_eq!(store.commit(&Commit::Use(renewal), START), Ok(expected), "{identity} {device}");
        assert_eq!(store.len().0, 1 + usize::from(kept));
        store.must_agree();
    }
}

/// A full store: what ended makes way for a renewal, of whomever it is.
#[test]
fn a_renewal_in_a_store_full_of_records_that_ended_has_room() {
    let store = MemoryStore::new(Capacity { records: 2, ..small() });
    let used = login("alice", 1, 1, later(20 * DAY));
    let assertion = used.records[0].id;
    assert_eq!(store.commit(&Commit::Remember(login("bob", 2, 2, START)), START), Ok(Committed::Done));
    assert_eq!(store.commit(&Commit::Remember(used), later(DAY)), Ok(Committed::Done));
    for (now, committed) in [(later(2 * DAY), Committed::WithoutSuccessor), (later(21 * DAY), Committed::Done)] {
        let renewal = Use {
            assertion,
            counter: None,
            confirm: true,
            predecessor_until: now,
            successor: Some(Box::new(record("alice", 1, Pin::SHA_256_EXPR, 9, now))),
            ends: None,
            secret: None,
        };
        assert_eq!(store.commit(&Commit::Use(renewal), now), Ok(committed));
    }
    store.must_agree();
}

/// Nobody's login pays for a store full of what ended.
#[test]
fn a_login_to_a_full_store_looks_at_so_many_accounts_and_no_more() {
    let store = MemoryStore::new(Capacity { records: 1000, ..Capacity::default() });
    for number in 0..1000 {
        let ended = Remember { link: None, ..login(&format!("user-{number}"), number, 0, START) };
        assert_eq!(store.commit(&Commit::Remember(ended), START), Ok(Committed::Done));
    }
    let now = later(40 * DAY);
    assert_eq!(
        store.commit(&Commit::Remember(Remember { link: None, ..login("alice", 1, 1, now) }), now),
        Ok(Committed::Done)
    );
    let left = store.len().0;
    assert!((1000 - 256..=1000 - 200).contains(&left), "{left}");
}
