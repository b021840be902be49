//! What the client makes of an answer octet by octet: of a refusal that is signed, or says more than it may.

use fast_reauth::internal::is_responder_message;
use fast_reauth::mechanism::iky::{self, Client, Refused, Start};

use super::*;

/// An attempt whose assertion was revoked, and the server's signed word of it.
fn revoked(pair: &Pair) -> (Client, String) {
    let assertion = pair.client.assertions(&account("alice")).pop().unwrap();
    let tls = Tls::full();
    let Start { message, state } = Client::start(&assertion, &tls.client(), None, None).unwrap();
    let verdict = pair.judge(&tls, EXPR[0], &message);
    assert_eq!(verdict.outcome, Outcome::Revoked);
    (state, String::from_utf8(verdict.message.unwrap().into()).unwrap())
}

#[test]
fn a_refusal_is_believed_for_its_signature_and_nothing_behind_it() {
    let (pair, _) = logged_in(server());
    pair.store.revoke("alice", Revoke::All, pair.now).unwrap();
    let finish = |alter: &dyn Fn(&str) -> String, accepted| {
        let (state, answer) = revoked(&pair);
        assert!(answer.starts_with("e=revoked,v="), "{answer}");
        state.finish(Some(alter(&answer).as_bytes()), accepted, pair.now).unwrap_err()
    };
    let refused = |alter: &dyn Fn(&str) -> String| finish(alter, false);
    assert_eq!(refused(&str::to_owned), Refused::Signed(Outcome::Revoked));
    assert_eq!(finish(&str::to_owned, true), Refused::Contradiction);

    // The first character of the signature has no bits that decode to nothing.
    let other = |answer: &str| {
        let (start, signature) = answer.split_at("e=revoked,v=".len());
        let first = if signature.starts_with('A') { "B" } else { "A" };
        [start, first, &signature[1..]].concat()
    };
    assert_eq!(refused(&other), Refused::WrongSignature);
    assert_eq!(refused(&|answer| answer.replace("e=revoked", "e=expired")), Refused::WrongSignature);
    for more in [",z=1", ",v=AAAA", ",", ",e=revoked"] {
        let refused = refused(&|answer| format!("{answer}{more}"));
        assert!(matches!(refused, Refused::Malformed(_)), "{more}: {refused:?}");
        assert!(refused.keeps_assertion(), "{more}");
    }
    for text in ["e=", "e=not recognised", "e=revoked,z=1", "e=revoked,v=", "e=revoked,v=AAAA", "e=revoked,"] {
        assert!(matches!(refused(&|_| text.to_owned()), Refused::Malformed(_)), "{text}");
    }
}

#[test]
fn a_refusal_with_a_wrong_signature_deletes_nothing() {
    let (pair, _) = logged_in(server());
    let (mut client, attempt) = pair.attempt("alice", &Tls::full(), None, EXPR);
    let forged = format!("e=revoked,v={}", b64(&[7; 32]));
    let settled = client.settle(attempt.unwrap(), Outcome::BadProof, Some(forged.as_bytes()), pair.now);
    assert_eq!(settled, Settled::Failed(NextStep::Abandon));
    assert_eq!(pair.client.assertions(&account("alice")).len(), 1);
}

#[test]
fn an_answer_ends_with_its_signature() {
    let signature = b64(&[7; 32]);
    let is_one = |text: String| is_responder_message(Pin::SHA_256_EXPR, text.as_bytes());
    assert!(is_one(format!("x=1,v={signature}")));
    assert!(is_one(format!("x=1,r=1,z=1,v={signature}")));
    assert!(!is_one(format!("x=1,q={signature}")));
    assert!(!is_one(format!("x=1,v={signature},z=1")));
    assert!(!is_one(format!("x=1,1=1,v={signature}")), "a name is a letter");
    for octets in [&[7; 31][..], &[7; 33], &[7; 48]] {
        assert!(!is_one(format!("x=1,v={}", b64(octets))), "{}", octets.len());
    }
    assert!(!is_one(format!("x=1,t=AAAA,v={signature}")), "a sealed successor is one of a renewal");
}

#[test]
fn a_message_has_a_length_and_no_nul_however_many() {
    let (pair, _) = logged_in(server());
    let (tls, forger) = (Tls::full(), Forger::new(&pair));
    let plain = format!("p=tls-exporter,a=alice,h={NAME},i={}", forger.id_b64());
    let proof = forger.prove(&tls, None, &plain).len() - plain.len();
    let long = |len: usize| {
        let filler = "x".repeat(len - plain.len() - proof - ",z=".len());
        let message = forger.prove(&tls, None, &format!("{plain},z={filler}"));
        assert_eq!(message.len(), len);
        message
    };
    assert_eq!(pair.judge(&tls, EXPR[0], &long(iky::MAX_MESSAGE)).outcome, Outcome::Accepted);
    let _ = refused(&pair, &tls, EXPR[0], &long(iky::MAX_MESSAGE + 1), Outcome::Malformed);
    for end in ["z=\0", "z=\0\0", "1=1", "-=1"] {
        let message = forger.prove(&tls, None, &format!("{plain},{end}"));
        let _ = refused(&pair, &tls, EXPR[0], &message, Outcome::Malformed);
    }
}

/// A service remembers its offer hash, for one list of its own mechanisms; another list is another offer.
#[test]
fn an_offer_of_two_mechanisms_is_not_that_of_two_others() {
    let pins = [Pin::SHA_256_EXPR, Pin::SHA_256_ENDP, Pin::SHA_256_NONE];
    let mut pair = Pair::new(server_with(&pins));
    pair.client = fast_reauth::store::client::Accounts::new(Policy::default()).preferring([Pin::SHA_256_ENDP]);
    let with = || Tls { sees_sessions: false, ..Tls::full() };
    let listed = |tls: &Tls| -> Vec<&str> {
        pair.connection(tls).mechanisms(pair.now).into_iter().filter(|name| name.starts_with("IKY")).collect()
    };
    let without = Tls { has_exporter: false, ..with() };
    assert_eq!(listed(&with()), ["IKY-SHA-256-EXPR", "IKY-SHA-256-ENDP"]);
    assert_eq!(listed(&without), ["IKY-SHA-256-ENDP", "IKY-SHA-256-NONE"]);
    pair.full_login("alice", &with());
    let endp = [Pin::SHA_256_ENDP.name()];
    assert!(accepted(&pair.reconnect("alice", &with(), None, &endp)));
    let (_, attempt) = pair.attempt("alice", &without, None, &endp);
    let attempt = attempt.expect("the client has a way to be recognised");
    let verdict = pair.judge(&without, attempt.mechanism(), attempt.message());
    assert_eq!(verdict.outcome, Outcome::ConfigurationChanged);
}

fn b64(octets: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(octets)
}
