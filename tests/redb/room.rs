//! A store that is full: what expired makes room, and so does what the same account never used, but no more of it than is needed.

use super::disk::Disk;
use super::*;
use fast_reauth::assertion::{AccountSecret, LoginId, Scope, Service};
use fast_reauth::channel::{Handle, ServerName};
use fast_reauth::store::{Link, NewSecret};

fn with_room_for(records: usize) -> RedbStore {
    Disk::default().open(Capacity { records, lineages: records, ..Capacity::default() }).unwrap()
}

fn is_there(store: &RedbStore, remember: &Remember, now: Timestamp) -> bool {
    store.lookup(&of(*remember.records[0].id()), now).unwrap().record.is_there()
}

/// A client of alice's, with a record and a token: two places.
fn alices(number: u8) -> Remember {
    with_token("alice", DeviceId::new([number; 8]), START)
}

fn add(store: &RedbStore, remember: &Remember, now: Timestamp) -> Committed {
    store.commit(&Commit::Remember(remember.clone()), now).unwrap()
}

fn used(store: &RedbStore, remember: &Remember) {
    let use_it = count(*remember.records[0].id(), 1);
    assert_eq!(store.commit(&use_it, later(1)), Ok(Committed::Done));
}

#[test]
fn who_was_never_used_gives_way_to_the_same_account_and_no_more_than_it_takes() {
    let store = with_room_for(4);
    let [first, second, third, fourth] = [1, 2, 3, 4].map(alices);
    assert_eq!([&first, &second].map(|it| add(&store, it, START)), [Committed::Done; 2]);
    assert_eq!(store.len().unwrap().0, 4, "it is full");
    let bobs = with_token("bob", DeviceId::new([9; 8]), START);
    assert_eq!(add(&store, &bobs, START), Committed::Full, "nobody of another account gives way");
    assert_eq!(add(&store, &third, START), Committed::Done);
    assert_eq!([&first, &second, &third].map(|it| is_there(&store, it, START)), [false, true, true]);
    assert_eq!(store.len().unwrap().0, 4);
    [&second, &third].into_iter().for_each(|it| used(&store, it));
    assert_eq!(add(&store, &fourth, later(2)), Committed::Full, "who is in use stays");
    assert_eq!([&second, &third, &fourth].map(|it| is_there(&store, it, later(2))), [true, true, false]);
    assert_eq!(store.revoke("alice", Revoke::Device(DeviceId::new([2; 8])), later(3)), Ok(1));
    assert_eq!(add(&store, &fourth, later(3)), Committed::Done, "who was revoked does not");
    assert_eq!([&second, &third, &fourth].map(|it| is_there(&store, it, later(3))), [false, true, true]);
}

#[test]
fn nobody_gives_way_where_that_would_not_do() {
    let store = with_room_for(3);
    let (one, two) = (login_of("alice", DeviceId::new([1; 8]), START), alices(2));
    assert_eq!([&one, &two].map(|it| add(&store, it, START)), [Committed::Done; 2]);
    used(&store, &two);
    // It takes two places, and one would be free.
    assert_eq!(add(&store, &alices(3), later(2)), Committed::Full);
    assert_eq!([&one, &two].map(|it| is_there(&store, it, later(2))), [true; 2]);
    assert_eq!(store.len().unwrap().0, 3);
}

/// More accounts than a commit sweeps anyway; what they have is over a week later.
const MANY: u8 = 20;

fn full_of_what_expires(capacity: Capacity) -> RedbStore {
    let store = Disk::default().open(capacity).unwrap();
    for n in 0..MANY {
        log_in(&store, &format!("user{n}"), START);
    }
    assert_eq!(store.len(), Ok((MANY.into(), MANY.into())));
    store
}

#[test]
fn what_expired_makes_room_for_a_login_and_its_session() {
    let capacity = Capacity::default();
    for capacity in [Capacity { records: MANY.into(), ..capacity }, Capacity { lineages: MANY.into(), ..capacity }] {
        // Also what the account had itself.
        for name in ["alice", "user0"] {
            let (store, now) = (full_of_what_expires(capacity), later(8 * DAY));
            let new = login(name, now);
            assert_eq!(add(&store, &new, now), Committed::Done);
            let handle = new.link.map(|link| link.handle);
            assert!(store.lookup(&Lookup { handle, ..Lookup::default() }, now).unwrap().lineage.is_some());
            assert_eq!(store.len(), Ok((1, 1)), "all of it went");
        }
    }
}

#[test]
fn what_expires_goes_in_that_second() {
    let store = with_room_for(10);
    let new = login("alice", START);
    assert_eq!(add(&store, &new, START), Committed::Done);
    let ends = [new.records[0].expires(), new.link.expect("a session").lineage.expires()].map(Timestamp::as_secs);
    let left = |now: u64| {
        store.sweep(Timestamp::from_secs(now)).unwrap();
        store.len().unwrap()
    };
    let (first, last) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
    assert_eq!(left(first - 1), (1, 1));
    assert_eq!(left(first), (usize::from(ends[0] > first), usize::from(ends[1] > first)));
    assert_eq!(left(last), (0, 0));
}

#[test]
fn a_client_that_is_known_by_its_session_alone_is_listed_until_that_ends() {
    let store = with_room_for(10);
    let sealed = Remember { records: Vec::new(), ..login("alice", START) };
    assert_eq!(add(&store, &sealed, START), Committed::Done);
    let end = sealed.link.expect("a session").lineage.expires().as_secs();
    let listed = |now| store.devices("alice", None, Timestamp::from_secs(now)).unwrap().len();
    assert_eq!((listed(end - 1), listed(end)), (1, 0));
}

#[test]
fn what_expired_makes_room_for_a_session_alone() {
    let store = full_of_what_expires(Capacity { lineages: MANY.into(), ..Capacity::default() });
    let known = login("alice", START);
    assert_eq!(add(&store, &known, START), Committed::Done);
    used(&store, &known);
    let now = later(8 * DAY);
    let link = Link { handle: Handle::new(fresh()), ..known.link.expect("a session") };
    assert_eq!(store.commit(&Commit::Link(link), now), Ok(Committed::Done));
}

#[test]
fn what_expired_makes_room_for_a_successor() {
    let store = with_room_for(MANY.into());
    let known = login_of("alice", DeviceId::new([1; 8]), START);
    assert_eq!(add(&store, &known, START), Committed::Done);
    used(&store, &known);
    for n in 1..MANY {
        log_in(&store, &format!("user{n}"), START);
    }
    let now = later(8 * DAY);
    let successor = Some(login_of("alice", DeviceId::new([1; 8]), now).records[0].clone().into());
    let Commit::Use(change) = count(*known.records[0].id(), 2) else { panic!("a use") };
    assert_eq!(store.commit(&Commit::Use(Use { successor, ..change }), now), Ok(Committed::Done));
}

/// Alice's secret, which ends with the day.
fn secret(found: bool) -> NewSecret {
    let login = LoginId::of(&Scope::new(Service::IMAP, ServerName::parse(NAME).unwrap()), "alice");
    let (secret, device, until) = (AccountSecret::new([1; 16]), DeviceId::new([1; 8]), later(DAY));
    NewSecret { login, identity: "alice".into(), secret, found, device, full_login: START, until }
}

/// A store with so many places, in which alice's client has one, with a secret or without.
fn with_alice(places: usize, has_secret: bool) -> (RedbStore, AssertionId) {
    let store = with_room_for(places);
    let alice = login_of("alice", DeviceId::new([1; 8]), START);
    let id = *alice.records[0].id();
    assert_eq!(add(&store, &alice, START), Committed::Done);
    if has_secret {
        assert_eq!(store.commit(&Commit::Secret(secret(false)), START), Ok(Committed::Done));
    }
    (store, id)
}

#[test]
fn a_secret_takes_one_place_however_often_its_account_is_used() {
    for (places, wanted) in [(3, Committed::Full), (4, Committed::Done)] {
        let (store, alices) = with_alice(places, true);
        let bobs = log_in(&store, "bob", START);
        for counter in 1..10 {
            for id in [alices, bobs] {
                assert_eq!(store.commit(&count(id, counter), later(1)), Ok(Committed::Done));
            }
        }
        assert_eq!(add(&store, &login("carol", START), later(2)), wanted, "{places} places");
    }
}

#[test]
fn in_a_full_store_the_secret_that_there_is_goes_on_and_there_is_no_new_one() {
    for has_secret in [true, false] {
        let (store, id) = with_alice(if has_secret { 2 } else { 1 }, has_secret);
        let Commit::Use(change) = count(id, 1) else { panic!("a use") };
        let change = Use { secret: Some(NewSecret { until: later(2 * DAY), ..secret(has_secret) }), ..change };
        let wanted = if has_secret { Committed::Done } else { Committed::WithoutSuccessor };
        assert_eq!(store.commit(&Commit::Use(change), later(1)), Ok(wanted));
        let lookup = Lookup { login: Some(secret(true).login.into()), account: true, ..Lookup::default() };
        let found = store.lookup(&lookup, later(DAY + 1)).unwrap().account.is_there();
        assert_eq!(found, has_secret, "it lasts for as long as the use says");
    }
}

#[test]
fn what_expired_makes_room_for_a_secret() {
    let capacity = Capacity { records: MANY.into(), ..Capacity::default() };
    let (store, now) = (full_of_what_expires(capacity), later(8 * DAY));
    let new = NewSecret { full_login: now, until: later(9 * DAY), ..secret(false) };
    assert_eq!(store.commit(&Commit::Secret(new), now), Ok(Committed::Done));
}
