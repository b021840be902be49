//! Sealed assertions that nobody sealed: made by someone who has one of the two secrets, or none, and puts zeros in their place.

use fast_reauth::assertion::{AccountSecret, LoginId, ServiceKeys};
use fast_reauth::store::{Commit, NewSecret};
use ring::{aead, digest, hkdf};

use super::*;

const LABEL: &[u8] = b"IKY sealed v1";
const SERVICE_KEY: [u8; 32] = [0x11; 32];
const ACCOUNT: [u8; 16] = [0x22; 16];

fn lp(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().flat_map(|part| [&(part.len() as u32).to_be_bytes(), *part].concat()).collect()
}

/// A box for whoever has this client key, by the formulas of the draft.
fn boxed(client_key: &[u8], version: u8, key_id: u32, service: &[u8], account: &[u8]) -> String {
    let header = [&[version][..], &key_id.to_be_bytes(), &[5; 16]].concat();
    let stored = digest::digest(&digest::SHA256, client_key);
    let [full_login, expires] = [START, later(DAY)].map(|time| time.as_secs().to_be_bytes());
    let mut plain = [stored.as_ref(), &[6; 32], &[7; 16], &[8; 8], b"b", &full_login[3..], &expires[3..]].concat();
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &[5; 16]).extract(&lp(&[service, account]));
    let key = aead::UnboundKey::from(prk.expand(&[LABEL], &aead::AES_256_GCM).unwrap());
    let said = lp(&[LABEL, &header, b"IKY-SHA-256-EXPR", b"imap", NAME.as_bytes(), b"alice"]);
    let nonce = aead::Nonce::assume_unique_for_key([0; 12]);
    aead::LessSafeKey::new(key).seal_in_place_append_tag(nonce, aead::Aad::from(said), &mut plain).unwrap();
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, [header, plain].concat())
}

#[test]
fn a_box_of_zeros_opens_nothing() {
    let sealing = || server().sealed(ServiceKeys::new(1, &SERVICE_KEY));
    let pair = Pair::new(sealing());
    pair.full_login("alice", &Tls::full());
    let forger = Forger::new(&pair);
    let message = |version, key_id, service: &[u8], account: &[u8]| {
        let sealed = boxed(&forger.client_key, version, key_id, service, account);
        forger.prove(
            &Tls { secret: [9; 32], ..Tls::full() },
            None,
            &format!("p=tls-exporter,a=alice,h={NAME},t={sealed}"),
        )
    };
    let tls = || Tls { secret: [9; 32], ..Tls::full() };
    let none = |message: &[u8]| {
        let _ = refused(&pair, &tls(), EXPR[0], message, Outcome::Stale);
    };
    // The account has no secret: nothing opens, whatever of the service's somebody knows.
    none(&message(1, 9, &[0; 32], &[0; 16]));
    none(&message(1, 1, &SERVICE_KEY, &[0; 16]));
    none(&message(1, 1, &[0; 32], &[0; 16]));
    none(&message(1, 1, &SERVICE_KEY, &ACCOUNT));
    let scope = Scope::new(Service::IMAP, ServerName::parse(NAME).unwrap());
    let secret = NewSecret {
        login: LoginId::of(&scope, "alice"),
        identity: "alice".into(),
        secret: AccountSecret::new(ACCOUNT),
        found: false,
        device: DeviceId::new([8; 8]),
        full_login: START,
        until: later(40 * DAY),
    };
    assert!(pair.store.commit(&Commit::Secret(secret), pair.now).unwrap().is_durable());
    // Nor for one who has the account's secret, and none of the service's keys.
    none(&message(1, 9, &[0; 32], &ACCOUNT));
    none(&message(1, 9, &SERVICE_KEY, &ACCOUNT));
    none(&message(1, 1, &[0; 32], &ACCOUNT));
    none(&message(1, 1, &SERVICE_KEY, &[0; 16]));
    none(&message(0, 1, &SERVICE_KEY, &ACCOUNT));
    none(&message(2, 1, &SERVICE_KEY, &ACCOUNT));
    // With both it is as good as the service's own.
    let own = message(1, 1, &SERVICE_KEY, &ACCOUNT);
    assert_eq!(pair.judge(&tls(), EXPR[0], &own).outcome, Outcome::Accepted);
}
