//! The worked example, computed from the draft's formulas.

use super::*;

fn h(data: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, data).as_ref().to_vec()
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref().to_vec()
}

fn lp(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().flat_map(|part| [&(part.len() as u32).to_be_bytes()[..], part].concat()).collect()
}

fn expand(prk: &[u8], info: &str, len: usize) -> Vec<u8> {
    mac(prk, &[info.as_bytes(), &[1]].concat())[..len].to_vec()
}

/// Every value of one derivation, one proof and one renewal: computed here from the draft's formulas, and compared with what the
/// library sends.
#[test]
fn worked_example() {
    let name = "imap.example.com";
    let mut policy = Policy::default();
    // 25 days later the assertion has 5 days left and is renewed, though never used before, on a session as old.
    policy.tentative_lifetime = policy.lifetime;
    policy.lineage_lifetime = policy.lifetime;
    let mut world = World::new(Service::IMAP, name, "alice", &[Pin::SHA_256_EXPR], policy);
    let (first, second) = (Tls::full(1, name), Tls::full(1, name).resuming(2));
    world.full_login(&first, &[]);
    world.now = Timestamp::from_secs(START.as_secs() + 25 * 24 * 60 * 60);

    let mut out = Dialogue::default();
    let context = h(&lp(&[
        b"IKY derive v1",
        b"IKY-SHA-256-EXPR",
        b"imap",
        name.as_bytes(),
        b"SCRAM-SHA-256-PLUS",
        b"tls-exporter",
        b"alice",
        b"c",
        &1u32.to_be_bytes(),
    ]));
    let seed = first.value("EXPORTER-SASL-IKY", &context);
    let prk = mac(b"IKY assertion v1", &lp(&[&seed, b"", &context]));
    let id = expand(&prk, "id", 16);
    let client_key = expand(&prk, "client key", 32);
    let server_key = expand(&prk, "server key", 32);
    let stored_key = h(&client_key);
    let lineage = first.value("EXPORTER-SASL-IKY-Lineage", b"");
    out.0.push_str("Connection 1, after the full authentication:\n\n");
    for (name, value) in [
        ("context", &context[..]),
        ("seed", &seed),
        ("PRK", &prk),
        ("id", &id),
        ("ClientKey", &client_key),
        ("StoredKey", &stored_key),
        ("ServerKey", &server_key),
        ("lineage of connection 1", &lineage),
    ] {
        out.value(name, value);
    }

    let mut names = FULL.to_vec();
    names.push("IKY-SHA-256-EXPR");
    names.sort_unstable();
    let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
    let offer = &h(&lp(&names))[..16];
    let binding = second.value("EXPORTER-Channel-Binding", b"");
    let covered =
        format!("p=tls-exporter,a=alice,h={name},i={},l=1,f={}", STANDARD.encode(&id), STANDARD.encode(offer));
    let t = lp(&[b"IKY initiator", b"IKY-SHA-256-EXPR", b"imap", &[1], &binding, &lineage, covered.as_bytes()]);
    let mask = mac(&stored_key, &t);
    let proof: Vec<u8> = client_key.iter().zip(mask).map(|(a, b)| a ^ b).collect();
    let message = format!("{covered},p={}", STANDARD.encode(&proof));
    out.0.push_str("\nConnection 2, which resumes connection 1:\n\n");
    for (name, value) in
        [("cb-data", &binding[..]), ("offer hash, 16 octets", offer), ("T", &t), ("H(T)", &h(&t)), ("proof", &proof)]
    {
        out.value(name, value);
    }
    out.decoded("Initiator message", message.as_bytes());

    let mut attempt = world.attempt(&second, Some(&first), "EXTERNAL");
    assert_eq!(attempt.message(), message.as_bytes());
    let verdict = attempt.judge("IKY-SHA-256-EXPR", message.as_bytes());
    let answered = "x=2592000,r=1,";
    let signature = mac(&server_key, &lp(&[b"IKY responder", &h(&t), &proof, answered.as_bytes()]));
    let answer = format!("{answered}v={}", STANDARD.encode(&signature));
    assert_eq!(verdict.message.as_deref(), Some(answer.as_bytes()));
    out.decoded("Responder message, with a renewal", answer.as_bytes());

    assert_eq!(attempt.settle(Outcome::Accepted, verdict.message.as_deref()), Settled::LoggedIn);
    let fresh = second.value("EXPORTER-SASL-IKY-Renew", b"");
    let salt = mac(&server_key, &lp(&[b"IKY renew", &h(&t)]));
    let seed = mac(&salt, &fresh);
    let prk = mac(b"IKY assertion v1", &lp(&[&seed, b"", b""]));
    let id = expand(&prk, "id", 16);
    out.0.push_str("\nThe successor, at both ends:\n\n");
    for (name, value) in [
        ("x", &fresh[..]),
        ("seed'", &seed),
        ("PRK'", &prk),
        ("id'", &id),
        ("ClientKey'", &expand(&prk, "client key", 32)),
        ("ServerKey'", &expand(&prk, "server key", 32)),
    ] {
        out.value(name, value);
    }
    assert_eq!(world.assertion().id().as_octets()[..], id);
    check("example.txt", out);
}
