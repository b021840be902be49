//! The client: the server has to show that it is the server.

use super::*;

/// A8: whoever terminates TLS can say OK.
#[test]
fn missing_empty_or_wrong_responder() {
    let (pair, _) = logged_in(server());
    type Spoil = fn(Vec<u8>) -> Option<Vec<u8>>;
    let spoils: [Spoil; 7] = [
        |_| None,
        |_| Some(Vec::new()),
        |good| Some(good[..good.len() - 1].to_vec()),
        |good| Some([&good[..], b" "].concat()),
        |mut good| {
            let at = good.len() - 5;
            good[at] = if good[at] == b'A' { b'B' } else { b'A' };
            Some(good)
        },
        |mut good| {
            good[2] = if good[2] == b'9' { b'8' } else { b'9' }; // the lifetime
            Some(good)
        },
        |_| Some(b"e=not-recognised".to_vec()),
    ];
    for spoil in spoils {
        let tls = Tls::full();
        let (mut client, attempt) = pair.attempt("alice", &tls, None, EXPR);
        let attempt = attempt.unwrap();
        let verdict = pair.judge(&tls, attempt.mechanism(), attempt.message());
        let answer = spoil(verdict.message.unwrap().into());
        let settled = client.settle(attempt, Outcome::Accepted, answer.as_deref(), pair.now);
        assert_eq!(settled, Settled::Failed(NextStep::Abandon), "{answer:?}");
        assert_eq!(pair.client.assertions(&account("alice")).len(), 1, "and nothing is deleted");
    }
}

#[test]
fn a_responder_message_of_another_exchange() {
    let (pair, _) = logged_in(server());
    let other = Tls::full();
    let (_, attempt) = pair.attempt("alice", &other, None, EXPR);
    let attempt = attempt.unwrap();
    let answer = pair.judge(&other, attempt.mechanism(), attempt.message()).message;
    let tls = Tls::full();
    let (mut client, attempt) = pair.attempt("alice", &tls, None, EXPR);
    let settled = client.settle(attempt.unwrap(), Outcome::Accepted, answer.as_deref(), pair.now);
    assert_eq!(settled, Settled::Failed(NextStep::Abandon));
}

/// Reflection: the client's own message, or its proof, is no answer to it.
#[test]
fn a_reflected_message_is_no_answer() {
    let (pair, _) = logged_in(server());
    let tls = Tls::full();
    let (mut client, attempt) = pair.attempt("alice", &tls, None, EXPR);
    let attempt = attempt.unwrap();
    let message = attempt.message().to_vec();
    let proof = String::from_utf8(message.clone()).unwrap().rsplit_once(",p=").unwrap().1.to_owned();
    let settled = client.settle(attempt, Outcome::Accepted, Some(format!("v={proof}").as_bytes()), pair.now);
    assert_eq!(settled, Settled::Failed(NextStep::Abandon));
    let (mut client, attempt) = pair.attempt("alice", &tls, None, EXPR);
    let settled = client.settle(attempt.unwrap(), Outcome::Accepted, Some(&message), pair.now);
    assert_eq!(settled, Settled::Failed(NextStep::Abandon));
}

#[test]
fn an_unsigned_refusal_deletes_nothing() {
    let (pair, _) = logged_in(server());
    for text in ["e=not-recognised", "e=revoked", "e=expired", "e=full-login-due", "e=anything"] {
        let (mut client, attempt) = pair.attempt("alice", &Tls::full(), None, EXPR);
        let settled = client.settle(attempt.unwrap(), Outcome::BadProof, Some(text.as_bytes()), pair.now);
        assert_eq!(settled, Settled::Failed(NextStep::FullLogin), "{text}");
        assert_eq!(pair.client.assertions(&account("alice")).len(), 1, "{text}");
    }
}

#[test]
fn after_a_failure_on_a_resumed_session_no_password_goes_there() {
    let (pair, first) = logged_in(server());
    pair.store.revoke("alice", Revoke::All, pair.now).unwrap();
    let tls = Tls::resuming(&first);
    let (mut client, attempt) = pair.attempt("alice", &tls, Some(&first), EXPR);
    let attempt = attempt.unwrap();
    assert_eq!(attempt.fallback(), NextStep::FullHandshake);
    let verdict = pair.judge(&tls, attempt.mechanism(), attempt.message());
    let settled = client.settle(attempt, verdict.outcome, verdict.message.as_deref(), pair.now);
    assert_eq!(settled, Settled::Failed(NextStep::FullHandshake));
    assert!(matches!(client.plan(pair.now), Plan::FullHandshake));
}

#[test]
fn the_client_sends_nothing_to_another_server_name() {
    let (pair, _) = logged_in(server());
    let mut tls = Tls::full();
    tls.name = "other.example.com";
    let (_, attempt) = pair.attempt("alice", &tls, None, EXPR);
    assert!(attempt.is_none());
}
