//! The draft's formulas once more, from hash functions up and by another route, against what the library computes.

mod common;

use base64::Engine as _;
use common::*;
use fast_reauth::assertion::{
    BindingType, ClientAssertion, DeviceId, FullLogin, Hash, OfferHash, Pin, Policy, Service,
};
use fast_reauth::mechanism::{Login, Outcome, iky};
use fast_reauth::store::{Lookup, Store};
use ring::{digest, hmac};

fn h(pin: Pin, data: &[u8]) -> Vec<u8> {
    let algorithm = match pin.hash() {
        Hash::Sha256 => &digest::SHA256,
        Hash::Sha384 => &digest::SHA384,
        Hash::Sha512 => &digest::SHA512,
    };
    digest::digest(algorithm, data).as_ref().to_vec()
}

fn mac(pin: Pin, key: &[u8], data: &[u8]) -> Vec<u8> {
    let algorithm = match pin.hash() {
        Hash::Sha256 => hmac::HMAC_SHA256,
        Hash::Sha384 => hmac::HMAC_SHA384,
        Hash::Sha512 => hmac::HMAC_SHA512,
    };
    hmac::sign(&hmac::Key::new(algorithm, key), data).as_ref().to_vec()
}

/// HKDF-Expand (RFC 5869 section 2.3) for at most one block.
fn expand(pin: Pin, prk: &[u8], info: &str, len: usize) -> Vec<u8> {
    mac(pin, prk, &[info.as_bytes(), &[1]].concat())[..len].to_vec()
}

fn lp(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().flat_map(|part| [&(part.len() as u32).to_be_bytes()[..], part].concat()).collect()
}

fn b64(octets: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(octets)
}

struct Keys {
    id: Vec<u8>,
    client: Vec<u8>,
    server: Vec<u8>,
    stored: Vec<u8>,
}

fn keys(pin: Pin, seed: &[u8], k_auth: &[u8], context: &[u8]) -> Keys {
    let prk = mac(pin, b"IKY assertion v1", &lp(&[seed, k_auth, context]));
    let client = match pin.signs() {
        true => expand(pin, &prk, "client signing key", 32),
        false => expand(pin, &prk, "client key", pin.hash().output_len()),
    };
    let stored = match pin.signs() {
        true => {
            use ring::signature::KeyPair;
            let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(&client).unwrap();
            pair.public_key().as_ref().to_vec()
        }
        false => h(pin, &client),
    };
    let server = expand(pin, &prk, "server key", pin.hash().output_len());
    Keys { id: expand(pin, &prk, "id", 16), client, server, stored }
}

fn context(pin: Pin, full: &str, binding: &str, login: &str, ordinal: u32) -> Vec<u8> {
    h(
        pin,
        &lp(&[
            b"IKY derive v1",
            pin.name().as_bytes(),
            b"imap",
            NAME.as_bytes(),
            full.as_bytes(),
            binding.as_bytes(),
            login.as_bytes(),
            b"c",
            &ordinal.to_be_bytes(),
        ]),
    )
}

fn derive(pin: Pin, tls: &Tls) -> Keys {
    let context = context(pin, "SCRAM-SHA-256-PLUS", "tls-exporter", "alice", 1);
    let mut seed = [0; 32];
    tls.export(b"EXPORTER-SASL-IKY", &context, &mut seed).unwrap();
    keys(pin, &seed, b"", &context)
}

#[test]
fn derivation_proof_signature_and_renewal() {
    for pin in Pin::ALL {
        let mut policy = Policy::default();
        policy.tentative_lifetime = policy.lifetime;
        policy.lineage_lifetime = policy.lifetime;
        let mut pair = Pair::new(server_with(&[pin]).policy(policy.clone()));
        pair.client = fast_reauth::store::client::Accounts::new(policy);
        let first = Tls::full();
        pair.full_login("alice", &first);
        pair.now = later(21 * DAY); // near the end, so that it is renewed
        let expected = derive(pin, &first);
        let assertion = pair.client.assertions(&account("alice"))[0].clone();
        assert_eq!(assertion.id().as_octets()[..], expected.id);

        let tls = Tls::resuming(&first);
        let (mut client, attempt) = pair.attempt("alice", &tls, Some(&first), &[pin.name()]);
        let attempt = attempt.unwrap();

        // The initiator message, letter by letter.
        let mut offered: Vec<&str> = FULL.to_vec();
        offered.push(pin.name());
        offered.sort_unstable();
        let names: Vec<&[u8]> = offered.iter().map(|name| name.as_bytes()).collect();
        let offer = b64(&h(pin, &lp(&names))[..16]);
        let (header, binding) = match &pin.name()[pin.name().len() - 4..] {
            "EXPR" => ("p=tls-exporter", {
                let mut binding = [0; 32];
                tls.export(b"EXPORTER-Channel-Binding", b"", &mut binding).unwrap();
                binding.to_vec()
            }),
            "ENDP" => ("p=tls-server-end-point", tls.end_point.unwrap().to_vec()),
            _ => ("n", Vec::new()),
        };
        let reusable = pin.needs_counter();
        let counter = if reusable { ",n=1" } else { "" };
        let covered = format!("{header},a=alice,h={NAME},i={}{counter},l=1,f={offer}", b64(&expected.id));
        let mut lineage = [0; 32];
        first.export(b"EXPORTER-SASL-IKY-Lineage", b"", &mut lineage).unwrap();
        let flags = [u8::from(!reusable)];
        let t = lp(&[b"IKY initiator", pin.name().as_bytes(), b"imap", &flags, &binding, &lineage, covered.as_bytes()]);
        let proof = match pin.signs() {
            true => {
                let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(&expected.client).unwrap();
                pair.sign(&t).as_ref().to_vec()
            }
            false => {
                let mask = mac(pin, &expected.stored, &t);
                expected.client.iter().zip(mask).map(|(a, b)| a ^ b).collect()
            }
        };
        let message = format!("{covered},p={}", b64(&proof));
        assert_eq!(String::from_utf8(attempt.message().to_vec()).unwrap(), message);

        // The responder message, letter by letter: renewed through the exporter.
        let verdict = pair.judge(&tls, pin.name(), attempt.message());
        assert_eq!(verdict.outcome, Outcome::Accepted);
        let answered = format!("x={},r=1,", 30 * DAY);
        let signed = lp(&[b"IKY responder", &h(pin, &t), &proof, answered.as_bytes()]);
        let answer = format!("{answered}v={}", b64(&mac(pin, &expected.server, &signed)));
        assert_eq!(core::str::from_utf8(verdict.message.as_deref().unwrap()).unwrap(), answer);

        // The successor, at both ends.
        let _ = client.settle(attempt, verdict.outcome, verdict.message.as_deref(), pair.now);
        let mut x = [0; 32];
        tls.export(b"EXPORTER-SASL-IKY-Renew", b"", &mut x).unwrap();
        let salt = mac(pin, &expected.server, &lp(&[b"IKY renew", &h(pin, &t)]));
        let successor = keys(pin, &mac(pin, &salt, &x), b"", b"");
        let held = pair.client.assertions(&account("alice"));
        assert_eq!(held.last().unwrap().id().as_octets()[..], successor.id, "{pin}");
        let id = *held.last().unwrap().id();
        assert!(
            pair.store
                .lookup(&Lookup { assertion: Some(id), ..Lookup::default() }, pair.now)
                .unwrap()
                .record
                .is_there()
        );
    }
}

#[test]
fn keyed_and_granted() {
    let pin = Pin::SHA_256_EXPR;
    let tls = Tls::full();
    let full = FullLogin::new("SCRAM-SHA-256", "alice").unwrap().keyed(b"the session key").unwrap();
    let policy = Policy::default();
    let derived =
        ClientAssertion::derive(pin, &Service::IMAP, &full, &tls.client(), &tls.exporter(), &policy, START).unwrap();
    let ctx = context(pin, "SCRAM-SHA-256", "", "alice", 1);
    let mut seed = [0; 32];
    tls.export(b"EXPORTER-SASL-IKY", &ctx, &mut seed).unwrap();
    assert_eq!(derived.id().as_octets()[..], keys(pin, &seed, b"the session key", &ctx).id);

    let granted =
        ClientAssertion::granted(pin, &Service::IMAP, &full, &tls.client(), &[5; 32], &policy, START).unwrap();
    assert_eq!(granted.id().as_octets()[..], keys(pin, &[5; 32], b"the session key", &ctx).id);
}

/// The ordinal is counted by the connection, whatever the login says of itself.
#[test]
fn the_second_login_of_a_connection() {
    let pair = Pair::new(server());
    let tls = Tls::full();
    let mut connection = pair.connection(&tls);
    for ordinal in 1..=3 {
        let full = FullLogin::new("SCRAM-SHA-256-PLUS", "alice").unwrap().bound_by(BindingType::Exporter);
        let login = Login { full: &full, identity: "alice", device: DeviceId::new(fresh()), now: pair.now };
        pair.store.commit(&connection.logged_in(login, &tls.exporter()).commit, pair.now).unwrap();
        let ctx = context(Pin::SHA_256_EXPR, "SCRAM-SHA-256-PLUS", "tls-exporter", "alice", ordinal);
        let mut seed = [0; 32];
        tls.export(b"EXPORTER-SASL-IKY", &ctx, &mut seed).unwrap();
        let id: [u8; 16] = keys(Pin::SHA_256_EXPR, &seed, b"", &ctx).id.try_into().unwrap();
        let id = fast_reauth::assertion::AssertionId::from_octets(id);
        let found = pair.store.lookup(&Lookup { assertion: Some(id), ..Lookup::default() }, pair.now).unwrap();
        assert!(found.record.is_there(), "{ordinal}");
    }
}

#[test]
fn an_offer_is_a_set() {
    let of = |names: &[&str]| OfferHash::of(Hash::Sha256, names.iter().copied());
    assert_eq!(of(&["B", "a", "EXTERNAL", "b"]), of(&["A", "B"]));
    assert_ne!(of(&["AB"]), of(&["A", "B"]));
    assert_eq!(of(&["EXTERNAL"]), of(&[]));
}

/// The line that goes out fits the smallest line that a protocol allows, for any ordinary name.
#[test]
fn messages_are_short() {
    for pin in Pin::ALL {
        let tls = Tls::full();
        let name = "a.rather.long.name@example.com";
        let full = FullLogin::new("SCRAM-SHA-256-PLUS", name).unwrap().bound_by(BindingType::Exporter);
        let policy = Policy::default();
        let made = ClientAssertion::derive(pin, &Service::IMAP, &full, &tls.client(), &tls.exporter(), &policy, START);
        let made = made.unwrap().offered(FULL);
        let start = iky::Client::start(&made, &tls.client(), Some(&tls.lineage()), Some(u64::MAX)).unwrap();
        let line = "AUTH  \r\n".len() + pin.name().len() + start.message.len().div_ceil(3) * 4;
        assert!(line <= 512, "{pin}: {line}");
    }
}
