//! IKY: proofs that were used before.

use super::*;

#[test]
fn a_counter_is_accepted_once() {
    for pin in [Pin::SHA_256_NONE, Pin::SHA_256_ENDP] {
        let (pair, first) = logged_in(server_with(&[pin]));
        let tls = Tls::resuming(&first);
        let message = good(&pair, &tls, Some(&first), pin);
        assert_eq!(pair.judge(&tls, pin.name(), &message).outcome, Outcome::Accepted);
        let verdict = refused(&pair, &tls, pin.name(), &message, Outcome::Replayed);
        assert!(says(&verdict, "e=replayed,v="));
    }
}

#[test]
fn a_reusable_proof_without_counter() {
    let (pair, first) = logged_in(server_with(&[Pin::SHA_256_NONE]));
    let tls = Tls::resuming(&first);
    let mut forger = Forger::new(&pair);
    forger.header = "n".into();
    let _ = refused(&pair, &tls, "IKY-SHA-256-NONE", &forger.message(&tls, Some(&first)), Outcome::Malformed);
}

#[test]
fn a_wrong_proof_uses_up_no_counter() {
    let (pair, first) = logged_in(server_with(&[Pin::SHA_256_NONE]));
    let tls = Tls::resuming(&first);
    let message = good(&pair, &tls, Some(&first), Pin::SHA_256_NONE);
    let mut wrong = message.clone();
    let last = wrong.len() - 3;
    wrong[last] = if wrong[last] == b'A' { b'B' } else { b'A' };
    let outcome = pair.judge(&tls, "IKY-SHA-256-NONE", &wrong).outcome;
    assert!(matches!(outcome, Outcome::BadProof | Outcome::Malformed));
    assert_eq!(pair.judge(&tls, "IKY-SHA-256-NONE", &message).outcome, Outcome::Accepted);
}
