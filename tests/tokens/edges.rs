//! Where tokens begin and end: counts, lengths, moments, and what is read back.

use super::common::DAY;
use super::*;
use fast_reauth::assertion::{InvalidAssertion, TokenBinding};
use fast_reauth::channel::Unsuitable;
use fast_reauth::mechanism::Received;
use fast_reauth::mechanism::ht::InvalidPairs;
use fast_reauth::store::client::{Account, Accounts, Plan, Settled};

fn scope() -> fast_reauth::assertion::Scope {
    fast_reauth::assertion::Scope::new(Service::XMPP, ServerName::parse(NAME).unwrap())
}

/// A client that has this token.
fn holding(token: &ClientToken) -> (Accounts, Account) {
    let (accounts, account) = (Accounts::default(), Account::new(scope(), "alice"));
    accounts.restore_token(&account, token.clone());
    (accounts, account)
}

#[test]
fn counts_start_anew_with_a_token_that_was_rotated() {
    let fleet = Fleet::new();
    let (mut token, _) = fleet.log_in("alice", PHONE, mechanism("HT-SHA-256-NONE"), &Tls::full());
    assert_eq!([token.next_count(), token.next_count()], [1, 2]);
    let mut next = token.rotated("another", later(DAY), &Policy::default(), START).unwrap();
    assert_eq!(next.next_count(), 1);
}

#[test]
fn each_binding_needs_what_it_binds_to() {
    let check = |name: &str, tls: &Tls| mechanism(name).check_channel(&tls.client());
    assert_eq!(check("HT-SHA-256-UNIQ", &Tls::full()), Err(Unsuitable::NoUnique), "TLS 1.3 has none");
    assert_eq!(check("HT-SHA-256-UNIQ", &Tls { unique: None, ..tls12() }), Err(Unsuitable::NoUnique));
    assert_eq!(check("HT-SHA-256-UNIQ", &tls12()), Ok(()));
    assert_eq!(check("HT-SHA-256-ENDP", &Tls { end_point: None, ..Tls::full() }), Err(Unsuitable::NoEndPoint));
    assert_eq!(check("HT-SHA-256-ENDP", &Tls::full()), Ok(()));
    assert_eq!(check("HT-SHA-256-EXPR", &Tls { has_exporter: false, ..Tls::full() }), Err(Unsuitable::NoExporter));
    assert_eq!(mechanism("HT-SHA-256-ENDP").binding(), TokenBinding::EndPoint);
}

#[test]
fn a_stored_token_has_a_name_that_is_one() {
    let (token, _) = Fleet::new().log_in("alice", PHONE, EXPR, &Tls::full());
    let octets = token.to_bytes();
    let at = octets.windows(9).position(|nine| nine == b"\0\0\0\x05alice").unwrap();
    for name in [&b""[..], b"a\0ice"] {
        let named = [&octets[..at], &(name.len() as u32).to_be_bytes(), name, &octets[at + 9..]].concat();
        assert_eq!(ClientToken::from_bytes(&named), Err(InvalidAssertion::Damaged));
    }
}

#[test]
fn pairs_have_a_length() {
    let text = |len: usize| ["k=", &"v".repeat(len - 2)].concat();
    assert!(Pairs::parse(text(Pairs::MAX_LEN).as_bytes()).is_ok());
    assert_eq!(Pairs::parse(text(Pairs::MAX_LEN + 1).as_bytes()), Err(InvalidPairs::TooLong));
}

#[test]
fn a_message_asks_for_the_tokens_and_the_login_that_it_names() {
    let fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    let message = ht::Client::start(&token, &Tls::full().client(), &Pairs::none()).unwrap().message;
    let connection = fleet.connection(&Tls::full());
    let Received::Lookup(pending) = connection.ht(Request::new(EXPR, &message, PHONE, fresh())) else {
        panic!("a lookup")
    };
    let login = fast_reauth::assertion::LoginId::of(&scope(), "alice");
    assert_eq!(pending.lookup().login.map(|of| of.id()), Some(login));
    assert!(pending.lookup().token.is_some() && pending.lookup().assertion.is_none());
}

/// HT2's failures say one thing of two, and no more.
#[test]
fn a_failure_is_read_as_what_it_says() {
    assert_eq!(ht::failure(Outcome::Malformed), b"\x01other-error");
    assert_eq!(ht::failure(Outcome::Unavailable), b"\x01other-error");
    for outcome in [Outcome::Stale, Outcome::BadProof, Outcome::Revoked] {
        assert_eq!(ht::failure(outcome), b"\x01invalid-token");
    }
    let fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, mechanism("HT2-SHA-256-EXPR"), &Tls::full());
    let state = ht::Client::start(&token, &Tls::full().client(), &Pairs::none()).unwrap().state;
    assert_eq!(state.says(&ht::failure(Outcome::Malformed)), Outcome::Malformed);
    assert_eq!(state.says(&ht::failure(Outcome::BadProof)), Outcome::Stale);
    assert_eq!(state.says(b"\x01anything"), Outcome::Stale);
    assert_eq!(state.says(&[&[0, 0][..], &[7; 32]].concat()), Outcome::Accepted);
}

#[test]
fn a_token_that_would_not_last_longer_is_not_issued() {
    let mut fleet = Fleet::new();
    let (mut token, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    for day in [25, 50, 75, 100, 125, 150] {
        fleet.now = later(day * DAY);
        let issued = fleet.try_token(&token, PHONE, &Tls::full()).token.expect("a rotation");
        token = token.rotated(issued.token.expose(), issued.expires, &Policy::default(), fleet.now).unwrap();
    }
    assert_eq!(token.expires(), later(180 * DAY), "then a full login is due");
    assert!(fleet.accepts(&token, PHONE));
    fleet.now = later(175 * DAY);
    assert_eq!(fleet.try_token(&token, PHONE, &Tls::full()).token, None);
}

#[test]
fn at_its_end_a_token_is_over_for_its_client() {
    let (token, _) = Fleet::new().log_in("alice", PHONE, EXPR, &Tls::full());
    let (accounts, account) = holding(&token);
    let connect = |tls: Tls| accounts.connect(&account, tls.client()).fast([EXPR.name()]);
    let before = Timestamp::from_secs(token.expires().as_secs() - 1);
    assert!(matches!(connect(Tls::full()).plan(before), Plan::Known(_)));
    assert!(matches!(connect(Tls::full()).plan(token.expires()), Plan::FullLogin));
    // On a session that was resumed there is nothing to be known by any more, so nothing that a server should have listed.
    let resumed = || accounts.connect(&account, Tls::resuming(&Tls::full()).client()).fast(["PLAIN"]);
    assert!(matches!(resumed().plan(before), Plan::FullHandshake));
    assert!(matches!(resumed().plan(token.expires()), Plan::FullLogin));
}

#[test]
fn tokens_go_through_a_store_of_all_accounts_and_back() {
    let (token, _) = Fleet::new().log_in("alice", PHONE, EXPR, &Tls::full());
    let (accounts, account) = holding(&token);
    let again = Accounts::default();
    again.restore_all(&accounts.to_bytes()).unwrap();
    assert_eq!(again.tokens(&account), std::slice::from_ref(&token));
    assert_eq!(again.to_bytes(), accounts.to_bytes(), "and what was listed for them");
    assert!(matches!(again.connect(&account, Tls::full().client()).plan(START), Plan::Known(_)));
    // Put back twice it is held once, beside another one.
    let other = token.rotated("another", later(DAY), &Policy::default(), START).unwrap();
    for token in [&other, &token, &other] {
        again.restore_token(&account, token.clone());
    }
    assert_eq!(again.tokens(&account), [token, other]);
}

#[test]
fn a_client_that_logged_out_has_no_token() {
    let (token, _) = Fleet::new().log_in("alice", PHONE, EXPR, &Tls::full());
    let (accounts, account) = holding(&token);
    accounts.connect(&account, Tls::full().client()).token_invalidated();
    assert!(accounts.tokens(&account).is_empty());
}

/// A full login behind a token on one connection is the second at both ends.
#[test]
fn a_full_login_behind_a_token_makes_the_same_assertion_at_both_ends() {
    let fleet = Fleet::new();
    let (token, device) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    let (accounts, account) = holding(&token);
    let tls = Tls::full();
    let mut there = fleet.connection(&tls);
    let mut here = accounts.connect(&account, tls.client()).offered(there.mechanisms(START)).fast([EXPR.name()]);
    let Plan::Known(attempt) = here.plan(START) else { panic!("a token to use") };
    let verdict = there.ht(Request::new(EXPR, attempt.message(), PHONE, fresh())).run(&fleet.store, START);
    let settled = here.settle(attempt, verdict.outcome, verdict.message.as_deref(), START);
    assert_eq!(settled, Settled::LoggedIn);
    let _ = there.recognised(verdict.recognised.as_ref().unwrap(), START);
    let (full, exporter) = (bound("alice"), tls.exporter());
    let commit = there.logged_in(Login { full: &full, identity: "alice", device, now: START }, &exporter).commit;
    assert_eq!(here.logged_in(&full, &exporter, &[], START), Ok(true));
    let fast_reauth::store::Commit::Remember(remember) = commit else { panic!("a login") };
    assert!(remember.records.iter().any(|record| record.id() == accounts.assertions(&account)[0].id()));
}
