//! Its life: it moves to the client, is renewed, and comes back for as long as a login may last.

use super::*;

#[test]
fn the_record_moves_to_the_client_at_its_first_use_and_the_store_keeps_one_row_an_account() {
    let mut service = Service::new();
    let sealed = service.sealed("alice");
    service.now = later(8 * DAY);
    service.store.sweep(service.now);
    assert_eq!(service.store.len().0, 0, "no record is left in the store");
    assert_eq!(service.try_this(&sealed), Outcome::Accepted);
    let before = internal::fingerprint(&service.store);
    assert_eq!(service.try_this(&sealed), Outcome::Accepted);
    assert_eq!(before, internal::fingerprint(&service.store), "and the hot path writes nothing");
}

#[test]
fn it_comes_back_for_half_a_year_and_then_a_full_login_is_due() {
    let mut service = Service::new();
    service.full_login("alice");
    for day in 0..180 {
        service.now = later(day * DAY);
        service.store.sweep(service.now);
        assert_eq!(service.reconnect("alice"), (Outcome::Accepted, Settled::LoggedIn), "day {day}");
    }
    service.now = later(180 * DAY);
    let tls = Tls::full();
    let mut client = service.client.connect(&account("alice"), tls.client()).offered([EXPR]);
    assert!(matches!(client.plan(service.now), Plan::FullLogin));
}

#[test]
fn it_is_small() {
    for pin in [Pin::SHA_256_EXPR, Pin::ED25519_EXPR, Pin::mac(Hash::Sha512, Binding::Exporter)] {
        let service = Service::with(server_with(&[pin]).sealed(keys()));
        let name = "a.name.of.thirty-two.characters.";
        let assertion = service.sealed(name);
        let message = iky::Client::start(&assertion, &Tls::full().client(), None, None).unwrap().message;
        let message = String::from_utf8(message).unwrap();
        let limit = if pin.hash() == Hash::Sha256 { 180 } else { 384 };
        assert!(octets(&message).len() <= limit, "{pin}: {}", octets(&message).len());
        // A longer command line follows an empty challenge.
        if pin == Pin::SHA_256_EXPR {
            let line = format!("AUTH {} {}\r\n", pin.name(), STANDARD.encode(&message));
            assert!(line.len() <= 512, "{pin}: {}", line.len());
        }
    }
}

#[test]
fn lineage_and_external_go_on_with_it() {
    let service = Service::new();
    let sealed = service.sealed("alice");
    let first = Tls::full();
    let message = iky::Client::start(&sealed, &first.client(), None, None).unwrap().message;
    assert_eq!(service.judge(&first, sealed.pin(), &message).outcome, Outcome::Accepted);
    let tls = Tls::resuming(&first);
    let message = iky::Client::start(&sealed, &tls.client(), Some(&first.lineage()), None).unwrap().message;
    assert!(String::from_utf8(message.clone()).unwrap().contains(",l=1"));
    assert_eq!(service.judge(&tls, sealed.pin(), &message).outcome, Outcome::Accepted);
    let next = Tls::resuming(&tls);
    let connection = service.connection(&next);
    assert!(connection.mechanisms(service.now).contains(&"EXTERNAL"));
    assert_eq!(connection.external(b"alice").run(&service.store, service.now).outcome, Outcome::Accepted);
}

#[test]
fn a_lost_reply_costs_nothing() {
    let service = Service::new();
    service.full_login("alice");
    let stored = service.client.assertions(&account("alice")).pop().unwrap();
    for _ in 0..3 {
        assert_eq!(service.try_this(&stored), Outcome::Accepted, "the reply with the sealed one never arrived");
    }
    assert_eq!(service.reconnect("alice"), (Outcome::Accepted, Settled::LoggedIn));
    assert_eq!(service.try_this(&service.held("alice")), Outcome::Accepted);
}

#[test]
fn a_server_without_random_octets_or_keys_stores_as_ever() {
    let service = Service::new();
    service.full_login("alice");
    let tls = Tls::full();
    let mut client = service.client.connect(&account("alice"), tls.client()).offered([EXPR]);
    let Plan::Known(attempt) = client.plan(service.now) else { panic!("known") };
    let connection = Connection::new(&service.server, tls.server());
    let verdict = connection.iky(Pin::SHA_256_EXPR, attempt.message()).run(&service.store, service.now);
    assert_eq!(client.settle(attempt, verdict.outcome, verdict.message.as_deref(), service.now), Settled::LoggedIn);
    assert!(service.client.assertions(&account("alice")).iter().all(|held| !held.is_sealed()));
}

#[test]
fn a_long_name_of_an_account_is_not_sealed() {
    for (len, is_sealed) in [(44, true), (45, false)] {
        let service = Service::new();
        let (tls, full, identity) = (Tls::full(), bound("alice"), "a".repeat(len));
        let login = Login { full: &full, identity: &identity, device: DeviceId::new(fresh()), now: service.now };
        let mut connection = service.connection(&tls);
        let (logged_in, sealed) = connection.logged_in_granting_sealed(login, Pin::SHA_256_EXPR, &fresh(), None);
        assert_eq!(sealed.as_ref().is_some_and(|text| STANDARD.decode(text).unwrap().len() == 180), is_sealed);
        let Commit::Remember(remember) = logged_in.commit else { panic!("a login") };
        assert_eq!(remember.records.is_empty(), is_sealed, "the store has what the client has not");
    }
}
