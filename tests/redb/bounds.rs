//! A store that is full: who is in it stays. And one that was not swept.

use super::disk::Disk;
use super::*;
use fast_reauth::assertion::{AccountSecret, LoginId, Scope, Service};
use fast_reauth::channel::{Handle, ServerName};
use fast_reauth::store::{Link, NewSecret};

fn has_session(store: &RedbStore, handle: Handle) -> bool {
    let lookup = Lookup { handle: Some(handle), ..Lookup::default() };
    store.lookup(&lookup, START).unwrap().lineage.is_some()
}

#[test]
fn in_a_store_full_of_sessions_an_old_one_of_the_same_client_gives_way_and_no_other() {
    let store = Disk::default().open(Capacity { lineages: 2, ..Capacity::default() }).unwrap();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| {
        let remember = login(name, START);
        let link = remember.link.clone().expect("a session");
        assert_eq!(store.commit(&Commit::Remember(remember), START), Ok(Committed::Done), "{name}");
        link
    });
    let next = |of: &Link| Link { handle: Handle::new(fresh()), predecessor: Some(of.handle), ..of.clone() };
    assert_eq!(store.len(), Ok((3, 2)), "who comes last is known, and has no session");
    assert!(!has_session(&store, carol.handle));
    assert_eq!(store.commit(&Commit::Link(next(&carol)), START), Ok(Committed::Full));
    let alices = next(&alice);
    assert_eq!(store.commit(&Commit::Link(alices.clone()), START), Ok(Committed::Done));
    assert_eq!([alice, alices, bob].map(|link| has_session(&store, link.handle)), [false, true, true]);
    assert_eq!(store.len(), Ok((3, 2)));
}

/// Alice's client uses its assertion, and this takes its place. What comes of it, and how many records there are then.
fn renewed(records: usize, name: &str, device: DeviceId) -> (Committed, usize) {
    let store = Disk::default().open(Capacity { records, ..Capacity::default() }).unwrap();
    let first = login_of("alice", ALICES, START);
    let id = *first.records[0].id();
    assert_eq!(store.commit(&Commit::Remember(first), START), Ok(Committed::Done));
    let successor = Some(login_of(name, device, START).records[0].clone().into());
    let Commit::Use(change) = count(id, 1) else { panic!("a use") };
    let committed = store.commit(&Commit::Use(Use { successor, ..change }), START).unwrap();
    (committed, store.len().unwrap().0)
}

const ALICES: DeviceId = DeviceId::new([1; 8]);

#[test]
fn in_a_store_full_of_records_nothing_is_renewed() {
    assert_eq!(renewed(1, "alice", ALICES), (Committed::WithoutSuccessor, 1));
    assert_eq!(renewed(2, "alice", ALICES), (Committed::Done, 2));
}

/// Whatever asks for it: what takes an assertion's place is of the same client and account.
#[test]
fn no_successor_of_somebody_else_is_kept() {
    assert_eq!(renewed(2, "bob", ALICES), (Committed::WithoutSuccessor, 1));
    assert_eq!(renewed(2, "alice", DeviceId::new([2; 8])), (Committed::WithoutSuccessor, 1));
}

#[test]
fn a_secret_that_ended_is_not_there_though_nobody_swept() {
    let store = Disk::default().open(Capacity::default()).unwrap();
    let login = LoginId::of(&Scope::new(Service::IMAP, ServerName::parse(NAME).unwrap()), "alice");
    let (secret, device, until) = (AccountSecret::new([1; 16]), DeviceId::new([1; 8]), later(DAY));
    let new = NewSecret { login, identity: "alice".into(), secret, found: false, device, full_login: START, until };
    assert_eq!(store.commit(&Commit::Secret(new), START), Ok(Committed::Done));
    let lookup = Lookup { login: Some(login.into()), account: true, ..Lookup::default() };
    let is_there = |now| store.lookup(&lookup, now).unwrap().account.is_there();
    assert_eq!([later(DAY - 1), later(DAY)].map(is_there), [true, false]);
}
