//! What a client does next, and what it keeps for the next time.

use fast_reauth::assertion::ClientAssertion;
use fast_reauth::store::client::{Attempt, Predecessor};

use super::*;

fn store_first(pair: &Pair, tls: &Tls, before: Option<&Tls>, offered: &[&str]) -> Option<bool> {
    pair.attempt("alice", tls, before, offered).1.as_ref().map(Attempt::store_first)
}

#[test]
fn only_what_counts_is_stored_before_it_is_sent() {
    let pair =
        Pair::new(server_with(&[Pin::SHA_256_NONE]).policy(policy(|policy| policy.lineage = LineageRule::Never)));
    let first = Tls::full();
    pair.full_login("alice", &first);
    assert_eq!(store_first(&pair, &Tls::full(), None, &["IKY-SHA-256-NONE"]), Some(true));
    assert_eq!(store_first(&pair, &Tls::resuming(&first), Some(&first), &["EXTERNAL"]), Some(false));
    let pair = Pair::new(server());
    pair.full_login("alice", &first);
    assert_eq!(store_first(&pair, &Tls::full(), None, EXPR), Some(false));
    assert!(!pair.attempt("alice", &Tls::full(), None, EXPR).1.unwrap().uses_token());
}

/// Who can't judge now refuses nothing, by the protocol's word or by a message; anything else is a refusal.
#[test]
fn unavailable_is_no_refusal_whoever_says_it() {
    let pair = Pair::new(server());
    pair.full_login("alice", &Tls::full());
    let next = |outcome, message: Option<&str>| {
        let (mut client, attempt) = pair.attempt("alice", &Tls::full(), None, EXPR);
        client.settle(attempt.unwrap(), outcome, message.map(str::as_bytes), pair.now)
    };
    assert_eq!(next(Outcome::Unavailable, None), Settled::Failed(NextStep::Later));
    assert_eq!(next(Outcome::Unavailable, Some("e=not-recognised")), Settled::Failed(NextStep::Later));
    assert_eq!(next(Outcome::BadProof, Some("e=unavailable")), Settled::Failed(NextStep::Later));
    assert_eq!(next(Outcome::BadProof, Some("e=not-recognised")), Settled::Failed(NextStep::FullLogin));
    assert_eq!(next(Outcome::BadProof, None), Settled::Failed(NextStep::FullLogin));
}

/// At its end an assertion is over, but the session still comes of a connection on which the server knew the client: what lists nothing to be
/// known by now, and shows no certificate, gets no password.
#[test]
fn a_session_of_a_known_client_gets_no_password_also_when_its_assertion_has_ended() {
    let pair = Pair::new(server());
    let first = Tls::full();
    pair.full_login("alice", &first);
    let end = pair.client.assertions(&account("alice"))[0].expires();
    let plan = |before: Option<Predecessor>, tls: &Tls, now| {
        let client = pair.client.connect(&account("alice"), tls.client());
        client.resumes(before).offered(["PLAIN"]).plan(now)
    };
    let (resumed, full, before) = (Tls::resuming(&first), Tls::full(), || Some(pair.predecessor("alice", &first)));
    for now in [Timestamp::from_secs(end.as_secs() - 1), end] {
        assert!(matches!(plan(before(), &resumed, now), Plan::FullHandshake));
        assert!(matches!(plan(before(), &full, now), Plan::FullLogin));
    }
    // Of a client that the server never knew, it is a session as any other.
    let never = Some(Predecessor { family: None, ..before().unwrap() });
    assert!(matches!(plan(never, &resumed, end), Plan::FullLogin));
}

/// An account's assertions are of its name: in EXTERNAL the client says that name, to a server which knows the session as somebody else's.
#[test]
fn what_is_of_another_name_is_not_kept_or_used_for_an_account() {
    let pair = Pair::new(server());
    let tls = Tls::full();
    let mut connection = pair.client.connect(&account("alice"), tls.client()).offered([EXPR[0]]);
    let shared = bound("shared");
    let other = Err(CannotDerive::OtherAccount);
    assert_eq!(connection.logged_in(&shared, &tls.exporter(), &[], pair.now), other.map(|()| true));
    assert_eq!(connection.logged_in_granted(&shared, Pin::SHA_256_EXPR, &[7; 32], pair.now), other);
    assert!(pair.client.assertions(&account("alice")).is_empty());

    pair.full_login("shared", &tls);
    let assertion = pair.client.assertions(&account("shared")).pop().unwrap();
    let plan = |name: &str| {
        let accounts = Accounts::default();
        accounts.restore(&account(name), assertion.clone(), [EXPR[0]]);
        accounts.connect(&account(name), Tls::full().client()).plan(pair.now)
    };
    assert!(matches!(plan("shared"), Plan::Known(_)));
    assert!(matches!(plan("alice"), Plan::FullLogin));
}

/// EXTERNAL confirms nothing and renews nothing: a client that came by it alone would have no assertion left after a week, and where its TLS
/// sessions are lost then, log in fully.
#[test]
fn a_client_that_comes_each_day_keeps_its_assertion() {
    for days in [5, 8, 31, 60, 170] {
        let mut pair = Pair::new(server());
        let mut last = Tls::full();
        pair.full_login("alice", &last);
        let mut ways = Vec::new();
        for day in 1..=days {
            pair.now = later(day * DAY);
            let tls = Tls::resuming(&last);
            let (mut client, attempt) = pair.attempt("alice", &tls, Some(&last), &["EXTERNAL", EXPR[0]]);
            let attempt = attempt.expect("known each day");
            ways.push(attempt.mechanism());
            let verdict = pair.judge(&tls, attempt.mechanism(), attempt.message());
            let settled = client.settle(attempt, verdict.outcome, verdict.message.as_deref(), pair.now);
            assert!(accepted(&(verdict, settled)), "day {day}");
            last = tls;
        }
        assert_eq!(ways[..3], [EXPR[0], "EXTERNAL", "EXTERNAL"], "its first use, and then what costs less");
        assert!(ways.iter().filter(|way| **way == EXPR[0]).count() <= 1 + 2 * ways.len() / 20, "{ways:?}");
        // The TLS sessions are lost.
        assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)), "after {days} days");
    }
}

/// A full login behind a recognition on one connection is the second at both ends.
#[test]
fn a_full_login_behind_a_recognition_makes_the_same_assertion_at_both_ends() {
    for known_by in ["EXTERNAL", EXPR[0]] {
        let pair = Pair::new(server());
        let first = Tls::full();
        pair.full_login("alice", &first);
        let tls = Tls::resuming(&first);
        let mut there = pair.connection(&tls);
        let (mut here, attempt) = pair.attempt("alice", &tls, Some(&first), &[known_by]);
        let attempt = attempt.unwrap();
        assert_eq!(attempt.mechanism(), known_by);
        let verdict = pair.judge_on(&there, known_by, attempt.message());
        let link = there.recognised(verdict.recognised.as_ref().unwrap(), pair.now).unwrap();
        assert_eq!(pair.store.commit(&link, pair.now), Ok(Committed::Done));
        let settled = here.settle(attempt, verdict.outcome, verdict.message.as_deref(), pair.now);
        assert_eq!(settled, Settled::LoggedIn);

        let full = bound("alice");
        let commit = there.logged_in(login(&full, "alice", &pair), &tls.exporter()).commit;
        assert_eq!(pair.store.commit(&commit, pair.now), Ok(Committed::Done));
        here.saw_offer(there.mechanisms(pair.now));
        assert_eq!(here.logged_in(&full, &tls.exporter(), &[], pair.now), Ok(true));
        assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)), "{known_by}");
    }
}

#[test]
fn what_is_put_back_stands_beside_what_was_put_back_before_it() {
    let mut pair = Pair::new(server());
    pair.full_login("alice", &Tls::full());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    pair.now = later(25 * DAY);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    let held = pair.client.assertions(&account("alice"));
    assert_eq!(held.len(), 2, "and its successor");
    let again = Accounts::default();
    let ids = || -> Vec<_> { again.assertions(&account("alice")).iter().map(|held| *held.id()).collect() };
    for assertion in held.iter().chain(&held[1..]) {
        again.restore(
            &account("alice"),
            ClientAssertion::from_bytes(&assertion.to_bytes()).unwrap(),
            ["PLAIN", EXPR[0]],
        );
    }
    assert_eq!(ids(), [*held[0].id(), *held[1].id()]);
    assert_eq!(again.last_offer(&account("alice")).iter().map(|name| &**name).collect::<Vec<_>>(), ["PLAIN", EXPR[0]]);
}

/// Three replies to one assertion, each with a successor: the third came after the server gave up the first.
#[test]
fn a_client_keeps_two_successors_and_the_newest_of_them() {
    let mut pair = Pair::new(server());
    pair.full_login("alice", &Tls::full());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    let used = *pair.client.assertions(&account("alice"))[0].id();
    pair.now = later(25 * DAY);
    let connections = [Tls::full(), Tls::full(), Tls::full()];
    let answers: Vec<_> = connections
        .iter()
        .map(|tls| {
            let (client, attempt) = pair.attempt("alice", tls, None, EXPR);
            (client, attempt.unwrap())
        })
        .collect();
    let mut successors = Vec::new();
    for (number, ((mut client, attempt), tls)) in (0..).zip(answers.into_iter().zip(&connections)) {
        let now = later(25 * DAY + number * 3600);
        let verdict = pair.connection(tls).iky(Pin::SHA_256_EXPR, attempt.message()).run(&pair.store, now);
        let settled = client.settle(attempt, verdict.outcome, verdict.message.as_deref(), now);
        assert_eq!(settled, Settled::LoggedIn);
        successors.push(*pair.client.assertions(&account("alice")).last().unwrap().id());
    }
    let held: Vec<_> = pair.client.assertions(&account("alice")).iter().map(|held| *held.id()).collect();
    assert_eq!(held, [used, successors[1], successors[2]]);
}

#[test]
fn a_sibling_is_offered_once_however_often_one_logs_in() {
    let pair = Pair::new(server());
    let smtp = Scope::new(Service::SMTP, ServerName::parse(NAME).unwrap());
    let sibling = Sibling { scope: smtp.clone(), pin: Pin::SHA_256_NONE };
    let there = Account::new(smtp, "alice");
    let _ = pair.client.connect(&there, Tls::full().client()).offered(["PLAIN"]);
    for _ in 0..2 {
        let tls = Tls::full();
        let mut client = pair.client.connect(&account("alice"), tls.client()).offered(EXPR.iter().copied());
        client.logged_in(&bound("alice"), &tls.exporter(), core::slice::from_ref(&sibling), pair.now).unwrap();
        let offered = pair.client.last_offer(&there);
        assert_eq!(offered.iter().map(|name| &**name).collect::<Vec<_>>(), ["PLAIN", "IKY-SHA-256-NONE"]);
    }
}

#[test]
fn a_renewal_comes_in_the_last_third_and_only_if_it_lasts_longer() {
    let mut pair = Pair::new(server());
    pair.full_login("alice", &Tls::full());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    let mut is_renewed = |now| {
        pair.now = now;
        let (verdict, settled) = pair.reconnect("alice", &Tls::full(), None, EXPR);
        assert_eq!(settled, Settled::LoggedIn);
        verdict.message.unwrap().windows(3).any(|three| three == b",r=")
    };
    assert!(!is_renewed(later(20 * DAY)));
    assert!(is_renewed(later(20 * DAY + 1)));
    assert!(!is_renewed(later(20 * DAY + 2)), "it is used, so it lasts");
    for day in [50, 75, 100, 125] {
        assert!(is_renewed(later(day * DAY)), "{day}");
        assert!(!is_renewed(later(day * DAY)), "the new one, {day}");
    }
    assert!(is_renewed(later(150 * DAY)), "up to the full login that is due");
    assert!(!is_renewed(later(151 * DAY)));
    assert!(!is_renewed(later(175 * DAY)), "near the end, which no renewal moves");
}
