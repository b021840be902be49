//! Revocation, before and while it is used.

use super::*;

#[test]
fn revoked_by_client_by_account_and_everywhere_else() {
    for which in 0..5 {
        let mut service = Service::new();
        let sealed = service.sealed("alice");
        let phone = service.store.devices("alice", None, service.now).unwrap()[0].id;
        let (laptop, bob) = (DeviceId::new([9; 8]), service.sealed("bob"));
        service.now = later(10);
        let expected = match which {
            0 => {
                service.store.revoke("alice", Revoke::Device(phone), service.now).unwrap();
                Outcome::Revoked
            }
            1 => {
                service.store.revoke("alice", Revoke::AllBut(laptop), service.now).unwrap();
                Outcome::Revoked
            }
            2 => {
                service.store.revoke("alice", Revoke::AllBut(phone), service.now).unwrap();
                Outcome::Accepted
            }
            3 => {
                service.store.revoke("alice", Revoke::All, service.now).unwrap();
                Outcome::Stale
            }
            _ => {
                service.store.revoke_everyone(service.now).unwrap();
                assert_eq!(service.try_this(&bob), Outcome::Stale);
                Outcome::Stale
            }
        };
        assert_eq!(service.try_this(&sealed), expected, "{which}");
        if which < 4 {
            assert_eq!(service.try_this(&bob), Outcome::Accepted, "{which}: another account");
        }
        // It lasts, whatever else is forgotten.
        service.now = later(20 * DAY);
        service.store.sweep(service.now);
        if expected != Outcome::Accepted {
            assert_ne!(service.try_this(&sealed), Outcome::Accepted, "{which}");
        }
        // And a login after it starts anew.
        let again = service.sealed("alice");
        assert_eq!(service.try_this(&again), Outcome::Accepted, "{which}");
        assert_eq!(service.try_this(&sealed) == Outcome::Accepted, expected == Outcome::Accepted, "{which}");
    }
}

#[test]
fn nothing_is_sealed_for_a_client_that_was_revoked_meanwhile() {
    let mut service = Service::new();
    let (held, message, tls) = sealing_anew(&mut service);
    let connection = service.connection(&tls);
    let pending = up_to_its_commit(&service, &connection, &held, &message);
    let phone = service.store.devices("alice", None, service.now).unwrap()[0].id;
    service.store.revoke("alice", Revoke::Device(phone), service.now).unwrap();
    let committed = service.store.commit(pending.commit(), service.now);
    assert_eq!(committed, Ok(Committed::Gone));
    let verdict = pending.committed(committed);
    assert!(verdict.recognised.is_none());
    assert_eq!(verdict.outcome, Outcome::Stale);
}

/// Where TLS shows no session, such a login leaves its account's secret and nothing else.
#[test]
fn nothing_is_granted_to_a_login_that_was_revoked_meanwhile() {
    for has_secret in [false, true] {
        let mut service = Service::new();
        if has_secret {
            service.sealed("alice");
        }
        let granted = |service: &Service| {
            let (tls, full) = (Tls { sees_sessions: false, ..Tls::full() }, bound("alice"));
            let mut connection = service.connection(&tls);
            let found = service.store.lookup(&connection.account_lookup("alice"), service.now).unwrap().account;
            let login = Login { full: &full, identity: "alice", device: DeviceId::new(fresh()), now: service.now };
            let (logged_in, text) =
                connection.logged_in_granting_sealed(login, Pin::SHA_256_EXPR, &fresh(), found.get());
            let Commit::Remember(remember) = &logged_in.commit else { panic!("a login") };
            assert!(text.is_some() && remember.records.is_empty() && remember.link.is_none());
            assert_eq!(remember.secret.as_ref().unwrap().found, found.is_there());
            logged_in.commit
        };
        let under_way = granted(&service);
        service.now = later(1);
        service.store.revoke("alice", Revoke::All, service.now).unwrap();
        let before = internal::fingerprint(&service.store);
        assert_eq!(service.store.commit(&under_way, service.now), Ok(Committed::Gone));
        assert_eq!(internal::fingerprint(&service.store), before);
        service.now = later(2);
        service.commit(&granted(&service));
    }
}

/// The store knows such a client by nothing of its own.
#[test]
fn a_client_that_only_keeps_itself_is_linked_to_nothing_once_it_is_revoked() {
    let mut service = Service::new();
    let sealed = service.sealed("alice");
    let row = row::of_alice(&service);
    service.store = MemoryStore::default();
    service.commit(&Commit::Secret(row));
    let tls = Tls::full();
    let message = iky::Client::start(&sealed, &tls.client(), None, None).unwrap().message;
    let mut connection = service.connection(&tls);
    let verdict = connection.iky(sealed.pin(), &message).run(&service.store, service.now);
    let link = connection.recognised(&verdict.recognised.expect("a client"), service.now).expect("a session");
    service.store.revoke("alice", Revoke::AllBut(DeviceId::new([9; 8])), service.now).unwrap();
    let before = internal::fingerprint(&service.store);
    assert_eq!(service.store.commit(&link, service.now), Ok(Committed::Gone));
    assert_eq!(internal::fingerprint(&service.store), before);
}
