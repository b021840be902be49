//! Sealed in the reply to a full login.

use super::*;

#[test]
fn granted_and_sealed() {
    let service = Service::new();
    let (tls, full, seed) = (Tls::full(), bound("alice"), fresh());
    let mut connection = service.connection(&tls);
    let login = Login { full: &full, identity: "alice@example.com", device: DeviceId::new(fresh()), now: service.now };
    let lookup = connection.account_lookup("alice");
    let account_state = service.store.lookup(&lookup, service.now).unwrap().account;
    let pin = Pin::SHA_256_EXPR;
    let (logged_in, sealed) = connection.logged_in_granting_sealed(login, pin, &seed, account_state.get());
    service.commit(&logged_in.commit);
    assert_eq!(service.store.len().0, 0, "nothing is stored but the row");
    let offered = service.connection(&tls).mechanisms(service.now);
    let mut client = service.client.connect(&account("alice"), tls.client()).offered(offered);
    client.logged_in_granted_sealed(&full, pin, &seed, sealed.as_deref(), service.now).unwrap();
    let held = service.held("alice");
    assert_eq!(service.try_this(&held), Outcome::Accepted);
    let read = ClientAssertion::from_bytes(&held.to_bytes()).unwrap();
    assert_eq!(service.try_this(&read), Outcome::Accepted, "it survives a restart of the client");
    // The identity is the server's own name for the account.
    let tls = Tls::full();
    let message = iky::Client::start(&held, &tls.client(), None, None).unwrap().message;
    assert_eq!(service.judge(&tls, pin, &message).recognised.unwrap().identity(), "alice@example.com");
}
