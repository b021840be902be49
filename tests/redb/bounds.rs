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

#[test]
fn in_a_store_full_of_sessions_a_login_takes_that_of_a_client_that_has_one() {
    let store = Disk::default().open(Capacity { lineages: 1, ..Capacity::default() }).unwrap();
    let [first, second, third] = [1, 2, 3].map(|n| login_of("alice", DeviceId::new([n; 8]), later(n.into())));
    let handles = [&second, &third].map(|it| it.link.as_ref().expect("a session").handle);
    for remember in [Remember { link: None, ..first }, second, third] {
        let now = remember.records[0].full_login();
        assert_eq!(store.commit(&Commit::Remember(remember), now), Ok(Committed::Done));
    }
    assert_eq!(handles.map(|handle| has_session(&store, handle)), [false, true]);
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

/// A secret of this account for a day, under the login name alice.
fn secret_of(identity: &str, which: u8) -> NewSecret {
    let login = LoginId::of(&Scope::new(Service::IMAP, ServerName::parse(NAME).unwrap()), "alice");
    let (secret, device, until) = (AccountSecret::new([which; 16]), DeviceId::new([1; 8]), later(DAY));
    NewSecret { login, identity: identity.into(), secret, found: false, device, full_login: START, until }
}

/// Whose secret is found under the login name alice.
fn whose(store: &RedbStore, now: Timestamp) -> Option<String> {
    let lookup = Lookup { login: Some(secret_of("alice", 1).login.into()), account: true, ..Lookup::default() };
    store.lookup(&lookup, now).unwrap().account.into_option().map(|state| state.identity.to_string())
}

#[test]
fn a_secret_that_ended_is_not_there_though_nobody_swept() {
    let store = Disk::default().open(Capacity::default()).unwrap();
    let new = secret_of("alice", 1);
    assert_eq!(store.commit(&Commit::Secret(new.clone()), START), Ok(Committed::Done));
    let is_there = |now| whose(&store, now).is_some();
    assert_eq!([later(DAY - 1), later(DAY)].map(is_there), [true, false]);
    // Nor does it come back for who found it in time, and is late.
    let found = NewSecret { found: true, until: later(2 * DAY), ..new };
    assert_eq!(store.commit(&Commit::Secret(found.clone()), later(DAY)), Ok(Committed::Gone));
    let login = login_of("alice", found.device, later(DAY));
    let remember = Remember { secret: Some(found), ..login };
    assert_eq!(store.commit(&Commit::Remember(remember), later(DAY)), Ok(Committed::Done));
    assert!(!is_there(later(DAY)));
}

#[test]
fn a_login_name_of_two_accounts_leads_to_the_one_that_used_it_last_and_has_a_secret() {
    let store = Disk::default().open(Capacity::default()).unwrap();
    for (identity, which) in [("alice", 1), ("bob", 2), ("alice", 1), ("bob", 2)] {
        assert_eq!(store.commit(&Commit::Secret(secret_of(identity, which)), START), Ok(Committed::Done));
        assert_eq!(whose(&store, later(1)).as_deref(), Some(identity));
    }
    // Carol's is gone: her login takes the name from nobody.
    let found = NewSecret { found: true, ..secret_of("carol", 3) };
    let remember = Remember { secret: Some(found.clone()), ..login_of("carol", found.device, START) };
    assert_eq!(store.commit(&Commit::Remember(remember), START), Ok(Committed::Done));
    assert_eq!(whose(&store, later(1)).as_deref(), Some("bob"));
}

/// For a login that was under way meanwhile, also of an account that nothing else is known of; no longer, or who revokes makes it grow.
#[test]
fn a_revocation_is_remembered_for_a_day() {
    let store = Disk::default().open(Capacity::default()).unwrap();
    store.revoke("alice", Revoke::All, START).unwrap();
    let late = |now| {
        store.sweep(now).unwrap();
        store.commit(&Commit::Remember(login("alice", START)), now)
    };
    assert_eq!(late(later(DAY - 1)), Ok(Committed::Gone));
    assert_eq!(late(later(DAY)), Ok(Committed::Done));
}

/// A client is told that it was revoked, and not that it never was.
#[test]
fn what_everyones_revocation_reached_is_found_as_revoked() {
    let store = Disk::default().open(Capacity::default()).unwrap();
    let [alices, others] = [1, 2].map(|n| with_token("alice", DeviceId::new([n; 8]), START));
    for remember in [&others, &alices] {
        assert_eq!(store.commit(&Commit::Remember(remember.clone()), START), Ok(Committed::Done));
    }
    store.revoke_everyone(later(1)).unwrap();
    for remember in [alices, others] {
        let token = remember.token.as_deref().map(|token| *token.id());
        let (assertion, handle) = (Some(*remember.records[0].id()), remember.link.as_ref().map(|link| link.handle));
        let found = store.lookup(&Lookup { assertion, handle, token, ..Lookup::default() }, later(2)).unwrap();
        assert!(found.record.into_option().is_some_and(|record| record.is_revoked()));
        assert!(found.lineage.is_some_and(|lineage| lineage.is_revoked()));
        let found = found.token.into_option().expect("a token");
        assert_eq!((Some(*found.id()), found.is_revoked()), (token, true));
    }
}
