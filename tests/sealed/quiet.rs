//! When a sealed assertion is renewed, and when it is left alone.

use super::*;

/// The octets of an answer to this assertion on a full handshake, and its outcome.
fn answer(service: &Service, assertion: &ClientAssertion) -> String {
    let tls = Tls::full();
    let message = iky::Client::start(assertion, &tls.client(), None, None).unwrap().message;
    let verdict = service.judge(&tls, assertion.pin(), &message);
    assert_eq!(verdict.outcome, Outcome::Accepted);
    String::from_utf8(verdict.message.unwrap().into()).unwrap()
}

#[test]
fn one_under_the_current_key_is_left_alone_until_it_ends() {
    for id in [1, 2, u32::MAX] {
        let mut service = Service::with(server().sealed(ServiceKeys::new(id, &[0x11; 32])));
        let sealed = service.sealed("alice");
        assert!(!answer(&service, &sealed).contains(",r="), "{id}");
        service.now = later(25 * DAY);
        assert!(answer(&service, &sealed).contains(",r=1,t="), "{id}: it is near its end");
    }
}

#[test]
fn what_can_not_be_sealed_is_not_renewed_for_that() {
    let mut service = Service::new();
    let (tls, full, identity) = (Tls::full(), bound("alice"), "a".repeat(45));
    let mut connection = service.connection(&tls);
    let login = Login { full: &full, identity: &identity, device: DeviceId::new(fresh()), now: service.now };
    service.commit(&connection.logged_in(login, &tls.exporter()).commit);
    let mut client =
        service.client.connect(&account("alice"), tls.client()).offered(connection.mechanisms(service.now));
    client.logged_in(&full, &tls.exporter(), &[], service.now).unwrap();
    let held = || service.client.assertions(&account("alice")).pop().unwrap();
    assert!(!answer(&service, &held()).contains(",r="));
    let held = held();
    service.now = later(DAY);
    assert!(!answer(&service, &held).contains(",r="));
}

/// Its store knows nothing else of the client by then.
#[test]
fn a_session_is_known_again_after_all_those_before_it_ended() {
    let mut service = Service::new();
    let sealed = service.sealed("alice");
    service.now = later(20 * DAY);
    service.store.sweep(service.now);
    assert_eq!(service.store.len(), (0, 0));
    let first = Tls::full();
    let message = iky::Client::start(&sealed, &first.client(), None, None).unwrap().message;
    assert_eq!(service.judge(&first, sealed.pin(), &message).outcome, Outcome::Accepted);
    let next = Tls::resuming(&first);
    let connection = service.connection(&next);
    assert_eq!(connection.external(b"alice").run(&service.store, service.now).outcome, Outcome::Accepted);
}
