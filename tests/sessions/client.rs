//! The client's side.

use super::*;

#[test]
fn the_client_asserts_only_on_a_session_that_is_its_own() {
    let pair = Pair::new(server());
    let first = Tls::full();
    pair.full_login("alice", &first);
    let tls = Tls::resuming(&first);
    // Resumed, and listed, but the application does not know from whom: no EXTERNAL.
    let mut client = pair.client.connect(&account("alice"), tls.client()).offered(["EXTERNAL"]);
    assert!(matches!(client.plan(pair.now), Plan::FullHandshake));
    for spoil in
        [|tls: &mut Tls| tls.resumed = None, |tls: &mut Tls| tls.dhe = false, |tls: &mut Tls| tls.early_data = true]
    {
        let mut tls = tls.clone();
        spoil(&mut tls);
        assert!(external::Client::start("alice", &tls.client()).is_none());
        let (_, attempt) = pair.attempt("alice", &tls, Some(&first), &["EXTERNAL"]);
        assert!(attempt.is_none());
    }
    // A session of an assertion that is gone has no lineage to prove.
    let other = fast_reauth::store::client::Predecessor { lineage: first.lineage(), family: None };
    let mut client =
        pair.client.connect(&account("alice"), tls.client()).resumes(Some(other)).offered(EXPR.iter().copied());
    let Plan::Known(attempt) = client.plan(pair.now) else { panic!() };
    assert!(!String::from_utf8_lossy(attempt.message()).contains(",l=1"));
}

/// Who holds the ticket key can resume the session and list what he likes. He gets no password for it.
#[test]
fn a_resumed_session_that_lists_nothing_the_client_is_known_by() {
    let pair = Pair::new(server());
    let first = Tls::full();
    pair.full_login("alice", &first);
    let before = || Some(pair.predecessor("alice", &first));
    let mut client = pair.client.connect(&account("alice"), Tls::resuming(&first).client());
    client = client.resumes(before()).offered(["PLAIN"]);
    assert!(matches!(client.plan(pair.now), Plan::FullHandshake));
    let mut client = pair.client.connect(&account("alice"), Tls::full().client()).offered(["PLAIN"]);
    assert!(matches!(client.plan(pair.now), Plan::FullLogin));
}

/// Whoever answers there is not the server: no password either.
#[test]
fn after_a_wrong_responder_there_is_no_plan_but_to_leave() {
    let pair = Pair::new(server());
    pair.full_login("alice", &Tls::full());
    let (mut client, attempt) = pair.attempt("alice", &Tls::full(), None, EXPR);
    let settled = client.settle(attempt.unwrap(), Outcome::Accepted, None, pair.now);
    assert_eq!(settled, Settled::Failed(NextStep::Abandon));
    assert!(matches!(client.plan(pair.now), Plan::Abandon));
}

#[test]
fn the_stricter_end_decides_how_long() {
    let strict = policy(|policy| policy.lifetime = Duration::from_secs(DAY));
    let mut pair = Pair::new(server());
    pair.client = Accounts::new(strict);
    pair.full_login("alice", &Tls::full());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    assert_eq!(pair.client.assertions(&account("alice"))[0].expires(), later(DAY));

    let pair = Pair::new(server());
    pair.full_login("alice", &Tls::full());
    assert_eq!(pair.client.assertions(&account("alice"))[0].expires(), later(7 * DAY), "unused, it is short-lived");
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    assert_eq!(pair.client.assertions(&account("alice"))[0].expires(), later(30 * DAY));
}

#[test]
fn a_siblings_assertion_is_put_beside_one_that_works_there() {
    let smtp = Scope::new(Service::SMTP, ServerName::parse(NAME).unwrap());
    let there = Account::new(smtp.clone(), "alice");
    let pair = Pair::new(server());
    for logins in 1..4 {
        let tls = Tls::full();
        let mut client = pair.client.connect(&account("alice"), tls.client()).offered(EXPR.iter().copied());
        let siblings = [Sibling { scope: smtp.clone(), pin: Pin::SHA_256_NONE }];
        client.logged_in(&bound("alice"), &tls.exporter(), &siblings, pair.now).unwrap();
        assert_eq!(pair.client.assertions(&there).len(), logins.min(2));
    }
}

#[test]
fn all_accounts_survive_a_restart() {
    let pair = Pair::new(server());
    let first = Tls::full();
    for name in ["bob", "alice"] {
        pair.full_login(name, &first);
    }
    assert_eq!(pair.client.all(), [account("alice"), account("bob")]);
    let saved = pair.client.to_bytes();
    let back = Accounts::default();
    back.restore_all(&saved).unwrap();
    for account in pair.client.all() {
        assert_eq!(back.assertions(&account), pair.client.assertions(&account));
        assert_eq!(back.last_offer(&account), pair.client.last_offer(&account));
    }
    // A client that speaks first needs nothing else.
    let mut client = back.connect(&account("alice"), Tls::full().client());
    assert!(matches!(client.plan(pair.now), Plan::Known(_)));
    // It comes back whole or not at all, and never in a panic.
    for end in 0..saved.len() {
        let cut = Accounts::default();
        // Behind a whole value is an end as good as any.
        assert!(cut.restore_all(&saved[..end]).is_ok() || cut.all().is_empty());
    }
    for at in 0..saved.len() {
        let mut altered = saved.to_vec();
        altered[at] ^= 0x81;
        let _ = Accounts::default().restore_all(&altered);
    }
    let damaged = Accounts::default();
    assert_eq!(damaged.restore_all(&saved[..saved.len() - 1]), Err(InvalidAssertion::Damaged));
    assert_eq!(damaged.restore_all(b"something else"), Err(InvalidAssertion::NotAnAssertion));
    assert!(damaged.all().is_empty());
}
