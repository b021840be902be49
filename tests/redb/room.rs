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

fn full_of_what_expires() -> RedbStore {
    let store = with_room_for(MANY.into());
    for n in 0..MANY {
        log_in(&store, &format!("user{n}"), START);
    }
    assert_eq!(store.len(), Ok((MANY.into(), MANY.into())));
    store
}

#[test]
fn what_expired_makes_room_for_a_login_and_its_session() {
    let (store, now) = (full_of_what_expires(), later(8 * DAY));
    let new = login("alice", now);
    assert_eq!(add(&store, &new, now), Committed::Done);
    let handle = new.link.map(|link| link.handle);
    assert!(store.lookup(&Lookup { handle, ..Lookup::default() }, now).unwrap().lineage.is_some());
}

#[test]
fn what_expired_makes_room_for_a_session_alone() {
    let store = Disk::default().open(Capacity { lineages: MANY.into(), ..Capacity::default() }).unwrap();
    for n in 0..MANY {
        log_in(&store, &format!("user{n}"), START);
    }
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

#[test]
fn what_expired_makes_room_for_a_secret() {
    let (store, now) = (full_of_what_expires(), later(8 * DAY));
    let login = LoginId::of(&Scope::new(Service::IMAP, ServerName::parse(NAME).unwrap()), "alice");
    let (secret, device) = (AccountSecret::new([1; 16]), DeviceId::new([1; 8]));
    let (full_login, until) = (now, later(9 * DAY));
    let new = NewSecret { login, identity: "alice".into(), secret, found: false, device, full_login, until };
    assert_eq!(store.commit(&Commit::Secret(new), now), Ok(Committed::Done));
}
