//! The row that the store keeps of an account: its secret, and what was revoked.

use super::*;

/// The row of alice's account as it is now, to put into another store.
pub(super) fn of_alice(service: &Service) -> NewSecret {
    let lookup = service.connection(&Tls::full()).account_lookup("alice");
    let state = service.store.lookup(&lookup, service.now).unwrap().account.into_option().expect("the account's row");
    let (login, identity, secret) = (lookup.login.unwrap().id(), state.identity.clone(), state.secret.clone());
    let (device, full_login, until) = (DeviceId::new([9; 8]), service.now, later(40 * DAY));
    NewSecret { login, identity, secret, found: false, device, full_login, until }
}

#[test]
fn nodes_need_the_keys_and_one_row() {
    let mut service = Service::new();
    let sealed = service.sealed("alice");
    let row = of_alice(&service);
    // Another node, another store: nothing but that row.
    service.store = MemoryStore::default();
    assert_eq!(service.try_this(&sealed), Outcome::Stale, "without the row nothing opens");
    service.commit(&Commit::Secret(row));
    assert_eq!(service.try_this(&sealed), Outcome::Accepted);
}

#[test]
fn a_secret_is_never_replaced_by_a_second_one() {
    let service = Service::new();
    let first = service.sealed("alice");
    let second = service.sealed("alice");
    assert_eq!(service.try_this(&first), Outcome::Accepted);
    assert_eq!(service.try_this(&second), Outcome::Accepted);
    let other = NewSecret { secret: AccountSecret::new([1; 16]), ..of_alice(&service) };
    assert_eq!(service.store.commit(&Commit::Secret(other), service.now), Ok(Committed::WithoutSuccessor));
    assert_eq!(service.try_this(&first), Outcome::Accepted);
}

#[test]
fn the_row_of_another_account_opens_nothing() {
    // Its secret is the same one: what was revoked of the one account says nothing of the other.
    let mut service = Service::new();
    let sealed = service.sealed("alice");
    let row = NewSecret { identity: "bob".into(), ..of_alice(&service) };
    service.store = MemoryStore::default();
    service.commit(&Commit::Secret(row));
    assert_eq!(service.try_this(&sealed), Outcome::Stale);
}

/// Another service with the same keys is the thief's: it has rows of its own.
#[test]
fn the_service_keys_alone_forge_nothing_and_are_no_server() {
    let (service, thief) = (Service::new(), Service::new());
    let sealed = service.sealed("alice");
    let forged = thief.sealed("alice");
    assert_eq!(thief.try_this(&forged), Outcome::Accepted);
    assert_eq!(service.try_this(&forged), Outcome::Stale);
    // As the server he can't open what the client sends, so whatever he says is not signed.
    let tls = Tls::full();
    let mut client = service.client.connect(&account("alice"), tls.client()).offered([EXPR]);
    let Plan::Known(attempt) = client.plan(service.now) else { panic!("the client is known") };
    let verdict = thief.judge(&tls, sealed.pin(), attempt.message());
    assert_eq!(verdict.outcome, Outcome::Stale);
    let settled = client.settle(attempt, Outcome::Accepted, verdict.message.as_deref(), service.now);
    assert_eq!(settled, Settled::Failed(fast_reauth::mechanism::NextStep::Abandon));
}

#[test]
fn the_row_that_stands_in_for_another_opens_nothing() {
    let service = Service::new();
    let sealed = service.sealed("alice");
    let tls = Tls::full();
    let message = iky::Client::start(&sealed, &tls.client(), None, None).unwrap().message;
    let connection = service.connection(&tls);
    assert_eq!(with_stand_ins(connection.iky(sealed.pin(), &message), &service.store, service.now), Outcome::Stale);
    assert_eq!(connection.iky(sealed.pin(), &message).run(&service.store, service.now).outcome, Outcome::Accepted);
}

#[test]
fn two_accounts_of_one_login_name_share_no_secret() {
    let service = Service::new();
    service.sealed("alice");
    let alices = of_alice(&service);
    let (tls, full) = (Tls::full(), bound("alice"));
    let mut connection = service.connection(&tls);
    let found = service.store.lookup(&connection.account_lookup("alice"), service.now).unwrap().account;
    assert!(found.is_there());
    let login = Login { full: &full, identity: "bob", device: DeviceId::new(fresh()), now: service.now };
    let (logged_in, sealed) = connection.logged_in_granting_sealed(login, Pin::SHA_256_EXPR, &fresh(), found.get());
    let Commit::Remember(remember) = logged_in.commit else { panic!("a login") };
    let of_bob = remember.secret.expect("a secret of his own");
    assert!(sealed.is_some() && !of_bob.found && *of_bob.identity == *"bob");
    assert!(of_bob.secret != alices.secret, "whoever revokes one of them revokes nothing of the other");
}

/// A secret that was found, and that the store lost since, took along what was revoked.
#[test]
fn nothing_is_granted_under_a_secret_that_was_lost_meanwhile() {
    let service = Service::new();
    service.sealed("alice");
    let secret = Some(NewSecret { found: true, ..of_alice(&service) });
    let alone = Commit::Remember(Remember { records: Vec::new(), token: None, link: None, secret });
    assert_eq!(service.store.commit(&alone, service.now), Ok(Committed::Done));
    assert_eq!(MemoryStore::default().commit(&alone, service.now), Ok(Committed::Gone));
}

#[test]
fn a_store_that_lost_its_rows_gets_none_back() {
    let mut service = Service::new();
    let (held, message, tls) = sealing_anew(&mut service);
    let connection = service.connection(&tls);
    let pending = up_to_its_commit(&service, &connection, &held, &message);
    let (empty, commit) = (MemoryStore::default(), pending.commit().clone());
    let committed = empty.commit(&commit, service.now);
    assert_eq!(committed, Ok(Committed::Gone));
    assert!(empty.is_empty(), "with it what was revoked would be forgotten");
    let verdict = pending.committed(committed);
    assert_eq!(verdict.outcome, Outcome::Stale);
    assert!(verdict.recognised.is_none());
    // The same where the account is known again, by another login.
    let elsewhere = Service::new();
    elsewhere.full_login("alice");
    assert_eq!(elsewhere.store.commit(&commit, service.now), Ok(Committed::Gone));
    let lookup = elsewhere.connection(&Tls::full()).account_lookup("alice");
    assert!(elsewhere.store.lookup(&lookup, service.now).unwrap().account.get().is_none());
}
