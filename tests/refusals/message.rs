//! IKY: the octets of a message.

use super::*;

#[test]
fn any_octet_altered_added_or_removed() {
    for pin in [Pin::SHA_256_EXPR, Pin::ED25519_EXPR] {
        let (pair, first) = logged_in(server_with(&[pin]));
        let tls = Tls::resuming(&first);
        let message = good(&pair, &tls, Some(&first), pin);
        let before = fingerprint(&pair.store);
        let no = |message: &[u8], what: &str| {
            let verdict = pair.judge(&tls, pin.name(), message);
            assert_ne!(verdict.outcome, Outcome::Accepted, "{what}: {:?}", String::from_utf8_lossy(message));
            assert_eq!(fingerprint(&pair.store), before);
        };
        for at in 0..message.len() {
            for bit in 0..8 {
                let mut altered = message.clone();
                altered[at] ^= 1 << bit;
                no(&altered, "altered");
            }
            no(&message[..at], "truncated");
            no(&[&message[..at], &message[at + 1..]].concat(), "removed");
            for extra in [b'A', b'=', b',', b'1', b'\n', 0] {
                no(&[&message[..at], &[extra], &message[at..]].concat(), "added");
            }
        }
        for extra in ["=", ",", "A", " ", "\r\n", "\0", ",z=1"] {
            no(&[&message, extra.as_bytes()].concat(), "extended");
        }
        assert_eq!(pair.judge(&tls, pin.name(), &message).outcome, Outcome::Accepted);
    }
}

/// Syntax that a lenient parser would take, with a proof that is right for the octets as sent.
#[test]
fn not_canonical() {
    let (pair, _) = logged_in(server());
    let tls = Tls::full();
    let forger = Forger::new(&pair);
    let id = forger.id_b64();
    let good = format!("p=tls-exporter,a=alice,h={NAME},i={id}");
    assert_eq!(pair.judge(&tls, EXPR[0], &forger.prove(&tls, None, &good)).outcome, Outcome::Accepted);
    let swapped_bits = {
        // The last character before the padding carries bits that decode to nothing.
        let mut id = id.clone().into_bytes();
        let at = id.len() - 3;
        id[at] = match id[at] {
            b'A'..=b'Y' | b'a'..=b'y' | b'0'..=b'8' => id[at] + 1,
            _ => b'B',
        };
        String::from_utf8(id).unwrap()
    };
    let long = "x".repeat(3000);
    for covered in [
        format!("p=tls-exporter,a=alice,h={NAME},i={}", id.trim_end_matches('=')),
        format!("p=tls-exporter,a=alice,h={NAME},i={swapped_bits}"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id}\n"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},i={id}"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},t=AAAA"),
        format!("p=tls-exporter,a=alice,i={id},h={NAME}"),
        format!("p=tls-exporter,a=alice,h={NAME},h={NAME},i={id}"),
        format!("p=tls-exporter,a=alice,h={},i={id}", NAME.to_uppercase()),
        format!("p=tls-exporter,a=alice,a=alice,h={NAME},i={id}"),
        format!("p=tls-exporter,a=,h={NAME},i={id}"),
        format!("p=tls-exporter,a=al=69ce,h={NAME},i={id}"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},n=01"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},n=0"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},n=+1"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},n=18446744073709551616"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},l=0"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},l=1,n=1"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},f=AAAA"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},m=1"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},z=1,z=1"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},z="),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},zz=1"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},z=\0"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},z={long}"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},p=AAAA"),
        format!("p=tls-exporter,h={NAME},i={id}"),
        format!("p=tls-exporter,,h={NAME},t=AAAA"),
        format!("p=tls_exporter,a=alice,h={NAME},i={id}"),
        format!("a=alice,h={NAME},i={id}"),
    ] {
        let _ = refused(&pair, &tls, EXPR[0], &forger.prove(&tls, None, &covered), Outcome::Malformed);
    }
    for proof in [b"AAAA".to_vec(), vec![], vec![b'A'; 88]] {
        let message = [good.as_bytes(), b",p=", &proof].concat();
        let _ = refused(&pair, &tls, EXPR[0], &message, Outcome::Malformed);
    }
    // An extension that nobody knows is covered by the proof, and ignored.
    let extended = format!("p=tls-exporter,a=alice,h={NAME},i={id},z=anything=at/all");
    assert_eq!(pair.judge(&tls, EXPR[0], &forger.prove(&tls, None, &extended)).outcome, Outcome::Accepted);
}

#[test]
fn a_sealed_assertion_is_not_known_here() {
    let (pair, _) = logged_in(server());
    let tls = Tls::full();
    let covered = format!("p=tls-exporter,a=alice,h={NAME},t=AAAA");
    let message = Forger::new(&pair).prove(&tls, None, &covered);
    let verdict = refused(&pair, &tls, EXPR[0], &message, Outcome::Stale);
    assert!(says(&verdict, "e=not-recognised"));
}

#[test]
fn unknown_id_and_wrong_proof_read_the_same() {
    let (pair, _) = logged_in(server());
    let tls = Tls::full();
    let mut forger = Forger::new(&pair);
    let mut wrong = forger.message(&tls, None);
    let at = wrong.len() - 10;
    wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
    let wrong = refused(&pair, &tls, EXPR[0], &wrong, Outcome::BadProof);
    forger.id = [9; 16];
    let unknown = refused(&pair, &tls, EXPR[0], &forger.message(&tls, None), Outcome::Stale);
    assert_eq!(wrong.message, unknown.message);
    assert_eq!(wrong.message.as_deref(), Some(&b"e=not-recognised"[..]));
}
