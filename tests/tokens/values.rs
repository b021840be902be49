//! Tokens that can't be issued or kept, and what can't be said beside one.

use super::common::DAY;
use super::*;
use fast_reauth::assertion::{Binding, CannotIssue, CannotKeep, InvalidToken, Origin, Scope, Token};
use fast_reauth::mechanism::ht::{InvalidPairs, Malformed, Refused};
use fast_reauth::store::client::{Account, Accounts, Plan};

#[test]
fn a_server_that_lists_no_tokens_issues_none() {
    let names = [ServerName::parse(NAME).unwrap()];
    let fleet = Fleet::with(Server::new(Service::XMPP, names, FULL).unwrap());
    let issued = fleet.log_in_as(&bound("alice"), "alice", PHONE, DeviceId::new(fresh()), EXPR, &Tls::full());
    assert_eq!(issued.err(), Some(CannotIssue::NotListed));
}

#[test]
fn a_client_keeps_no_token_below_its_weakest_binding() {
    let scope = Scope::new(Service::XMPP, ServerName::parse(NAME).unwrap());
    let account = Account::new(scope, "alice");
    let mut policy = Policy::default();
    policy.weakest_binding = Binding::EndPoint;
    let accounts = Accounts::new(policy);
    let tls = Tls::full();
    let mut connection = accounts.connect(&account, tls.client());
    let mut keep = |mechanism| connection.token_issued(&bound("alice"), mechanism, "a token", later(DAY), START);
    assert_eq!(keep(NONE), Err(CannotKeep::WeakBinding));
    assert_eq!(keep(ENDP), Ok(()));
    assert_eq!(accounts.tokens(&account).len(), 1);
}

#[test]
fn a_token_takes_a_login_and_a_text_to_be_kept() {
    let scope = Scope::new(Service::XMPP, ServerName::parse(NAME).unwrap());
    let (accounts, account) = (Accounts::default(), Account::new(scope, "alice"));
    let mut connection = accounts.connect(&account, Tls::full().client());
    assert_eq!(connection.token_rotated("a token", later(DAY), START), Err(CannotKeep::NoLogin));
    for text in ["", &"t".repeat(513)] {
        assert_eq!(Token::new(text).err(), Some(InvalidToken));
        let kept = connection.token_issued(&bound("alice"), EXPR, text, later(DAY), START);
        assert_eq!(kept, Err(CannotKeep::Token(InvalidToken)));
    }
    assert!(accounts.tokens(&account).is_empty());
}

#[test]
fn a_rotated_token_is_of_an_origin_that_is_still_taken() {
    let scope = Scope::new(Service::XMPP, ServerName::parse(NAME).unwrap());
    let mut lenient = Policy::default();
    lenient.unbound_lifetime = Some(lenient.lifetime);
    let issued = |policy: &Policy| {
        ClientToken::issued("a token", EXPR, &scope, "alice", Origin::Unbound, later(DAY), policy, START)
    };
    assert_eq!(issued(&Policy::default()).err(), Some(CannotKeep::Origin));
    let token = issued(&lenient).unwrap();
    assert!(token.rotated("another", later(DAY), &lenient, START).is_ok());
    assert_eq!(token.rotated("another", later(DAY), &Policy::default(), START).err(), Some(CannotKeep::Origin));
}

#[test]
fn pairs_that_are_no_text() {
    assert_eq!(Pairs::parse(b"key=\xff").err(), Some(InvalidPairs::Syntax));
    let fleet = Fleet::new();
    let ht2 = mechanism("HT2-SHA-256-NONE");
    let message = [b"alice\0key=\xff\0".as_slice(), &[7; 32]].concat();
    assert_eq!(fleet.judge(ht2, &message, PHONE, &Tls::full(), |request| request).outcome, Outcome::Malformed);
}

/// A client that asked with a token for this mechanism.
fn asked(mechanism: HtMechanism) -> ht::Client {
    let (token, _) = Fleet::new().log_in("alice", PHONE, mechanism, &Tls::full());
    ht::Client::start(&token, &Tls::full().client(), &Pairs::none()).unwrap().state
}

#[test]
fn an_answer_to_a_token_outside_the_grammar() {
    let ht2 = mechanism("HT2-SHA-256-NONE");
    let refusal = |mechanism, answer: &[u8]| asked(mechanism).finish(Some(answer), true).unwrap_err();
    for (answer, why) in [
        (&[2; 40][..], Malformed::Status),
        (b"\0key=value", Malformed::Fields),
        (b"\0key\0", Malformed::Pairs(InvalidPairs::Syntax)),
        (b"\0key=value\0too short", Malformed::HashedToken),
    ] {
        assert_eq!(refusal(ht2, answer), Refused::Malformed(why), "{answer:?}");
    }
    assert_eq!(refusal(EXPR, b"too short"), Refused::Malformed(Malformed::HashedToken));
    assert_eq!(refusal(EXPR, b""), Refused::Missing);
    assert_eq!(refusal(ht2, b"\x01invalid-token"), Refused::Contradiction);
    assert_eq!(refusal(ht2, &[&b"\0\0"[..], &[7; 32]].concat()), Refused::WrongResponder);
}

#[test]
fn what_an_answer_to_a_token_says_by_itself() {
    let ht2 = mechanism("HT2-SHA-256-NONE");
    assert_eq!(asked(ht2).says(&ht::failure(Outcome::Malformed)), Outcome::Malformed);
    assert_eq!(asked(ht2).says(&ht::failure(Outcome::BadProof)), Outcome::Stale);
    assert_eq!(asked(ht2).says(b"nonsense"), Outcome::Accepted, "and then it is no answer");
    assert_eq!(asked(EXPR).says(&[7; 32]), Outcome::Accepted, "which is still to be verified");
    // The same, of what a connection planned.
    let scope = Scope::new(Service::XMPP, ServerName::parse(NAME).unwrap());
    let (accounts, account) = (Accounts::default(), Account::new(scope, "alice"));
    let mut connection = accounts.connect(&account, Tls::full().client()).offered(FULL).fast(["HT-SHA-256-EXPR"]);
    connection.token_issued(&bound("alice"), EXPR, "a token", later(DAY), START).unwrap();
    let Plan::Known(attempt) = connection.plan(START) else { panic!("a token to use") };
    assert_eq!(attempt.says(&[7; 32]), Outcome::Accepted);
}
