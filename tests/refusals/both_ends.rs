//! An end that is a client and a server at once: what it said as the one comes back to it as the other.

use super::*;

/// Two ends that log in to each other, under one name, for one service: the first as the client, and as the server.
fn two_ends() -> (Pair, Pair) {
    (logged_in(server()).0, logged_in(server()).0)
}

#[test]
fn an_ends_own_message_is_no_login_at_itself() {
    let (as_client, as_server) = two_ends();
    // Even on the very connection that it was made for.
    let tls = Tls::full();
    let (mut client, attempt) = as_client.attempt("alice", &tls, None, EXPR);
    let attempt = attempt.unwrap();
    let verdict = refused(&as_server, &tls, attempt.mechanism(), attempt.message(), Outcome::Stale);
    // Nor is what it answers itself a login at the other end.
    for claimed in [verdict.outcome, Outcome::Accepted] {
        let (mut client, attempt) = as_client.attempt("alice", &tls, None, EXPR);
        let settled = client.settle(attempt.unwrap(), claimed, verdict.message.as_deref(), as_client.now);
        assert!(matches!(settled, Settled::Failed(_)), "{claimed:?}: {settled:?}");
    }
    let accepted = as_client.judge(&tls, attempt.mechanism(), attempt.message());
    let settled = client.settle(attempt, accepted.outcome, accepted.message.as_deref(), as_client.now);
    assert_eq!(settled, Settled::LoggedIn, "the other end takes it");
}

/// The other end logs in here, and what is answered to it comes back as the answer to what was said to it.
#[test]
fn what_an_end_signs_as_the_server_is_no_answer_to_it_as_the_client() {
    let (as_client, as_server) = two_ends();
    let tls = Tls::full();
    let (_, others) = as_server.attempt("alice", &tls, None, EXPR);
    let others = others.unwrap();
    let signed = as_server.judge(&tls, others.mechanism(), others.message());
    assert_eq!(signed.outcome, Outcome::Accepted);
    let (mut client, attempt) = as_client.attempt("alice", &tls, None, EXPR);
    let settled = client.settle(attempt.unwrap(), signed.outcome, signed.message.as_deref(), as_client.now);
    assert_eq!(settled, Settled::Failed(NextStep::Abandon));
    assert_eq!(as_client.client.assertions(&account("alice")).len(), 1, "and nothing is deleted");
}
