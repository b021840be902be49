//! What else is refused of it: what was altered, what belongs elsewhere, what can be replayed.

use super::*;

#[test]
fn any_octet_altered() {
    let service = Service::new();
    let sealed = service.sealed("alice");
    let message = iky::Client::start(&sealed, &Tls::full().client(), None, None).unwrap().message;
    let len = octets(&String::from_utf8(message).unwrap()).len();
    for at in 0..len {
        let outcome = service.try_altered(&sealed, |message| {
            let mut altered = octets(&message);
            altered[at] ^= 1;
            message.replace(sealed_text(&message), &STANDARD.encode(altered))
        });
        assert_eq!(outcome, Outcome::Stale, "octet {at}");
    }
    for cut in [1, len - 21, len - 20, len] {
        let outcome = service.try_altered(&sealed, |message| {
            let octets = octets(&message);
            let rest = STANDARD.encode(&octets[..octets.len() - cut]);
            message.replace(sealed_text(&message), &rest)
        });
        assert!(matches!(outcome, Outcome::Stale | Outcome::Malformed), "cut by {cut}: {outcome:?}");
    }
}

#[test]
fn it_is_for_its_login_its_scope_and_its_mechanism() {
    let service = Service::new();
    let (alice, bob) = (service.sealed("alice"), service.sealed("bob"));
    let swapped = |from: &ClientAssertion, name: &str| {
        let message = iky::Client::start(from, &Tls::full().client(), None, None).unwrap().message;
        let text = sealed_text(std::str::from_utf8(&message).unwrap()).to_owned();
        let name = name.to_owned();
        move |message: String| message.replace(sealed_text(&message), &text).replace("a=bob", &format!("a={name}"))
    };
    assert_eq!(service.try_altered(&bob, swapped(&alice, "bob")), Outcome::Stale, "alice's under bob's name");
    assert_eq!(service.try_altered(&bob, swapped(&alice, "alice")), Outcome::BadProof, "alice's without her key");
    assert_eq!(service.try_altered(&bob, |message| message.replace("a=bob", "a=alice")), Outcome::Stale);
    assert_eq!(service.try_altered(&bob, |message| message.replace("a=bob,", ",")), Outcome::Malformed);

    // Another mechanism with the same hash, another service.
    let both = Service::with(server_with(&[Pin::SHA_256_EXPR, Pin::ED25519_EXPR]).sealed(keys()));
    let sealed = both.sealed("alice");
    let tls = Tls::full();
    assert_eq!(sealed.pin(), Pin::ED25519_EXPR, "the client prefers it");
    let message = iky::Client::start(&sealed, &tls.client(), None, None).unwrap().message;
    let text = String::from_utf8(message).unwrap();
    let proof = text.rsplit_once(",p=").unwrap().1;
    let shorter = text.replace(proof, &STANDARD.encode([7; 32]));
    assert_eq!(both.judge(&tls, Pin::SHA_256_EXPR, shorter.as_bytes()).outcome, Outcome::Stale);
    let mut service = service;
    service.server = Server::new(fast_reauth::assertion::Service::SMTP, [name()], FULL).unwrap().sealed(keys());
    assert_eq!(service.try_this(&alice), Outcome::Stale, "another service");
}

#[test]
fn what_can_be_replayed_is_not_sealed() {
    use fast_reauth::assertion::LineageRule;
    let mut policy = Policy::default();
    policy.lineage = LineageRule::Never;
    let service = Service::with(server_with(&[Pin::SHA_256_NONE]).policy(policy).sealed(keys()));
    service.full_login("alice");
    assert_eq!(service.reconnect("alice"), (Outcome::Accepted, Settled::LoggedIn));
    assert!(service.client.assertions(&account("alice")).iter().all(|held| !held.is_sealed()));
}

#[test]
fn a_sealed_successor_stands_behind_its_renewal() {
    let signature = STANDARD.encode([7; 32]);
    let is =
        |covered: &str| internal::is_responder_message(Pin::SHA_256_EXPR, format!("{covered}v={signature}").as_bytes());
    assert!(is("x=5,r=1,t=QUJD,"));
    assert!(is("x=5,r=1,t=QUJD,b=ext,"));
    let long = STANDARD.encode([7; 384]);
    assert!(is(&format!("r=1,t={long},")));
    let longer = STANDARD.encode([7; 387]);
    for wrong in ["x=5,t=QUJD,", "t=QUJD,r=1,", "r=1,t=,", "r=1,t=QUJ,", "r=1,t=QUJD,t=QUJD,", "r=1,b=ext,t=QUJD,"] {
        assert!(!is(wrong), "{wrong}");
    }
    assert!(!is(&format!("r=1,t={longer},")));
}
