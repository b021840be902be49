//! Service keys: what is sealed under an old one, a new one, and none.

use super::*;

#[test]
fn a_new_key_loses_nobody() {
    let mut service = Service::new();
    let old = service.sealed("alice");
    let both = keys().and(2, &[0x22; 32]).unwrap();
    service.server = server().sealed(both.clone().current(2).unwrap());
    assert_eq!(service.reconnect("alice"), (Outcome::Accepted, Settled::LoggedIn), "and brings one under the new key");
    let new = service.held("alice");
    service.server = server().sealed(both.current(2).unwrap().without(1));
    assert_eq!(service.try_this(&new), Outcome::Accepted);
    assert_eq!(service.try_this(&old), Outcome::Stale, "the old key is gone");
    // A node that does not seal any more still opens nothing.
    service.server = server();
    assert_eq!(service.try_this(&new), Outcome::Stale);
}

#[test]
fn a_node_that_has_not_switched_yet_leaves_a_newer_key_alone() {
    let mut service = Service::new();
    let both = keys().and(2, &[0x22; 32]).unwrap();
    service.server = server().sealed(both.clone().current(2).unwrap());
    let sealed = service.sealed("alice");
    service.server = server().sealed(both);
    let message = iky::Client::start(&sealed, &Tls::full().client(), None, None).unwrap().message;
    assert_eq!(service.reconnect("alice"), (Outcome::Accepted, Settled::LoggedIn));
    let after = service.held("alice");
    let again = iky::Client::start(&after, &Tls::full().client(), None, None).unwrap().message;
    let text = |message: &[u8]| sealed_text(core::str::from_utf8(message).unwrap()).to_owned();
    assert_eq!(text(&message), text(&again), "each login at the one node and the other would seal it anew");
}

#[test]
fn one_set_of_random_octets_seals_once() {
    // Under one box key and one nonce two records would give each other away, and let their client write a third.
    let service = Service::new();
    service.full_login("alice");
    let stored = service.client.assertions(&account("alice")).pop().unwrap();
    let tls = Tls::full();
    let message = iky::Client::start(&stored, &tls.client(), None, None).unwrap().message;
    let connection = service.connection(&tls);
    let sealed = [service.now, later(1)].map(|now| {
        let verdict = connection.iky(Pin::SHA_256_EXPR, &message).run(&service.store, now);
        assert_eq!(verdict.outcome, Outcome::Accepted);
        core::str::from_utf8(&verdict.message.unwrap()).unwrap().contains(",t=")
    });
    assert_eq!(sealed, [true, false]);
}

/// What stands in for a key or a secret that isn't there is known to everybody: zeros.
#[test]
fn what_is_sealed_with_the_stand_ins_of_missing_keys() {
    let forger = Service::with(server().sealed(ServiceKeys::new(7, &[0; 32])));
    forger.full_login("alice");
    let login = forger.connection(&Tls::full()).account_lookup("alice").login.unwrap().id();
    forger.commit(&Commit::Secret(NewSecret {
        login,
        identity: "alice".into(),
        secret: AccountSecret::new([0; AccountSecret::LEN]),
        found: false,
        device: DeviceId::new([9; 8]),
        full_login: START,
        until: later(40 * DAY),
    }));
    let forged = forger.sealed("alice");
    assert_eq!(forger.try_this(&forged), Outcome::Accepted);
    let service = Service::new();
    assert_eq!(service.try_this(&forged), Outcome::Stale, "neither this key nor the account is known here");
    service.sealed("alice");
    assert_eq!(service.try_this(&forged), Outcome::Stale, "nor is the key");
}
