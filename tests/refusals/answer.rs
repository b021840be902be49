//! IKY, the client: what can't be an answer of the server's, and what can't be asked.

use super::*;
use fast_reauth::assertion::ClientAssertion;
use fast_reauth::mechanism::external;
use fast_reauth::mechanism::iky::{CannotStart, Client, Malformed, Refused};

fn assertion(pair: &Pair) -> ClientAssertion {
    pair.client.assertions(&account("alice")).pop().unwrap()
}

/// A message of the client's, which waits for its answer.
fn asked(pair: &Pair, tls: &Tls) -> (Vec<u8>, Client) {
    let start = Client::start(&assertion(pair), &tls.client(), None, None).unwrap();
    (start.message, start.state)
}

#[test]
fn a_refusal_without_a_message_is_anybodys_word() {
    let (pair, _) = logged_in(server());
    for answer in [None, Some(&b""[..])] {
        let (_, client) = asked(&pair, &Tls::full());
        assert_eq!(client.finish(answer, false, pair.now).unwrap_err(), Refused::Unsigned(Outcome::Stale));
        let (mut client, attempt) = pair.attempt("alice", &Tls::full(), None, EXPR);
        let settled = client.settle(attempt.unwrap(), Outcome::Stale, answer, pair.now);
        assert_eq!(settled, Settled::Failed(NextStep::FullLogin));
        assert_eq!(pair.client.assertions(&account("alice")).len(), 1, "nothing is deleted for that");
    }
}

#[test]
fn success_that_the_protocol_calls_a_refusal() {
    let (pair, _) = logged_in(server());
    let tls = Tls::full();
    let (mut client, attempt) = pair.attempt("alice", &tls, None, EXPR);
    let attempt = attempt.unwrap();
    let verdict = pair.judge(&tls, attempt.mechanism(), attempt.message());
    assert_eq!(verdict.outcome, Outcome::Accepted);
    let settled = client.settle(attempt, Outcome::Stale, verdict.message.as_deref(), pair.now);
    assert_eq!(settled, Settled::Failed(NextStep::Abandon));
    let (message, client) = asked(&pair, &tls);
    let verdict = pair.judge(&tls, EXPR[0], &message);
    let refused = client.finish(verdict.message.as_deref(), false, pair.now).unwrap_err();
    assert_eq!((refused, refused.keeps_assertion()), (Refused::Contradiction, true));
}

#[test]
fn a_refusal_whose_signature_is_wrong_deletes_nothing() {
    let (pair, _) = logged_in(server());
    let forged = format!("e=revoked,v={}=", "A".repeat(43));
    let (_, client) = asked(&pair, &Tls::full());
    assert_eq!(client.finish(Some(forged.as_bytes()), false, pair.now).unwrap_err(), Refused::WrongSignature);
    let (mut client, attempt) = pair.attempt("alice", &Tls::full(), None, EXPR);
    let settled = client.settle(attempt.unwrap(), Outcome::Revoked, Some(forged.as_bytes()), pair.now);
    assert_eq!(settled, Settled::Failed(NextStep::Abandon), "whoever it is, he is not the server");
    assert_eq!(pair.client.assertions(&account("alice")).len(), 1);
}

#[test]
fn an_answer_outside_the_grammar() {
    let (pair, _) = logged_in(server());
    let v = format!("v={}=", "A".repeat(43));
    let refusal = |answer: &[u8]| {
        let (_, client) = asked(&pair, &Tls::full());
        client.finish(Some(answer), true, pair.now).unwrap_err()
    };
    let at = Malformed::Attribute;
    for (answer, why) in [
        (String::from("e="), at('e')),
        (String::from("e=not recognised"), at('e')),
        (String::from("e=revoked,v=AAAA"), at('v')),
        (format!("e=revoked,{v},z=1"), Malformed::NotAnAttribute),
        (String::from("e=revoked,z=1"), Malformed::NotAnAttribute),
        (format!("x=,{v}"), at('x')),
        (format!("x=-1,{v}"), at('x')),
        (format!("x=01,{v}"), at('x')),
        (format!("r=2,{v}"), at('r')),
        (format!("x=5,r=AAAA,{v}"), at('r')),
        (format!("x=5,t=AAAA,{v}"), at('t')),
        (format!("x=5,r=1,t=,{v}"), at('t')),
        (format!("x=5,r=1,t=A,{v}"), at('t')),
        (format!("r=1,x=5,{v}"), at('x')),
        (format!("x=5,m=1,{v}"), at('m')),
        (format!("x=5,z=1,z=1,{v}"), at('z')),
        (format!("x=5,{v},z=1"), at('v')),
        (String::from("x=5,v=AAAA"), at('v')),
        (String::from("x=5,z=1"), at('v')),
        (format!("x=5,z={}=", "A".repeat(43)), at('v')),
        (String::from("x=5"), at('v')),
        (String::from("x=5,v"), Malformed::NotAnAttribute),
        (format!("{v}\0"), Malformed::NotText),
        (format!("z={},{v}", "x".repeat(3000)), Malformed::TooLong),
    ] {
        assert_eq!(refusal(answer.as_bytes()), Refused::Malformed(why), "{answer}");
    }
    assert_eq!(refusal(b"e=\xff"), Refused::Malformed(Malformed::NotText));
    assert_eq!(refusal(format!("x=5,z=any,{v}").as_bytes()), Refused::WrongSignature, "an extension is none of these");
    assert_eq!(Refused::Malformed(at('v')).next_step(&Tls::full().client()), NextStep::Abandon);
}

#[test]
fn a_reusable_proof_takes_a_counter_from_1() {
    let (pair, _) = logged_in(server_with(&[Pin::SHA_256_NONE]));
    let start = |counter| Client::start(&assertion(&pair), &Tls::full().client(), None, counter);
    for counter in [None, Some(0)] {
        assert_eq!(start(counter).unwrap_err(), CannotStart::CounterNeeded, "{counter:?}");
    }
    assert!(start(Some(1)).is_ok());
}

#[test]
fn what_an_answer_says_by_itself() {
    let (pair, first) = logged_in(server());
    let tls = Tls::full();
    let attempt = || pair.attempt("alice", &tls, None, EXPR).1.unwrap();
    let success = pair.judge(&tls, EXPR[0], attempt().message()).message.unwrap();
    assert_eq!(attempt().says(&success), Outcome::Accepted, "which is still to be verified");
    assert_eq!(attempt().says(b"e=revoked"), Outcome::Revoked);
    assert_eq!(attempt().says(b"e=malformed"), Outcome::Malformed);
    assert_eq!(attempt().says(b"e=unheard-of"), Outcome::Stale);
    assert_eq!(attempt().says(b"nonsense"), Outcome::Accepted, "and then it is no answer");
    let (_, external) = pair.attempt("alice", &Tls::resuming(&first), Some(&first), &["EXTERNAL"]);
    assert_eq!(external.unwrap().says(b"whatever"), Outcome::Accepted, "only the protocol's word counts");
}

/// EXTERNAL has nothing to verify: the protocol's word is all that there is.
#[test]
fn external_that_was_refused_takes_a_full_handshake() {
    let resumed = Tls::resuming(&Tls::full()).client();
    for outcome in Outcome::ALL {
        let client = external::Client::start("alice", &resumed).unwrap().state;
        let expected = match outcome {
            Outcome::Accepted => Ok(()),
            Outcome::Unavailable => Err(NextStep::Later),
            _ => Err(NextStep::FullHandshake),
        };
        assert_eq!(client.finish(outcome), expected, "{outcome:?}");
    }
}

/// Nothing of it is known then but the binding that it names.
#[test]
fn a_message_that_ends_in_its_gs2_header() {
    let (pair, _) = logged_in(server());
    let (tls, forger) = (Tls::full(), Forger::new(&pair));
    for covered in ["p=tls-exporter", "n", "y", "", "p=tls-exporter,", "p=tls-exporter,a=alice"] {
        let _ = refused(&pair, &tls, EXPR[0], &forger.prove(&tls, None, covered), Outcome::Malformed);
    }
}

#[test]
fn nothing_but_iky_goes_on_from_early_data() {
    let (pair, first) = logged_in(server());
    let tls = Tls::resuming(&first);
    let (mut client, attempt) = pair.attempt("alice", &tls, Some(&first), &["EXTERNAL"]);
    for taken in [true, false] {
        let (_, external) = pair.attempt("alice", &tls, Some(&first), &["EXTERNAL"]);
        assert!(client.handshake_finished(tls.client(), external.unwrap(), taken).is_none(), "{taken}");
    }
    assert_eq!(attempt.unwrap().mechanism(), "EXTERNAL");
}
