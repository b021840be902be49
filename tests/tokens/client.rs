//! What a client does with its tokens.

use super::common::DAY;
use super::*;
use fast_reauth::assertion::{CannotKeep, InvalidAssertion, Origin, Scope};
use fast_reauth::mechanism::NextStep;
use fast_reauth::store::client::{Account, Accounts, Plan, Predecessor, Settled};

struct Phone {
    accounts: Accounts,
    account: Account,
}

impl Phone {
    fn new() -> Self {
        let scope = Scope::new(Service::XMPP, ServerName::parse(NAME).unwrap());
        Self { accounts: Accounts::default(), account: Account::new(scope, "alice") }
    }

    fn connect(&self, tls: &Tls) -> fast_reauth::store::client::Connection<'_> {
        self.accounts.connect(&self.account, tls.client()).offered(FULL)
    }

    /// A full login that asks for the token that the client prefers.
    fn log_in(&self, fleet: &Fleet, tls: &Tls) {
        let listed = fleet.connection(tls).fast_mechanisms();
        let mut connection = self.connect(tls).fast(listed.iter().map(|mechanism| mechanism.name()));
        assert!(matches!(connection.plan(fleet.now), Plan::FullLogin));
        let (mechanism, _) = connection.wanted_token().expect("one that it prefers");
        let device = DeviceId::new(fresh());
        let issued = fleet.log_in_as(&bound("alice"), "alice", PHONE, device, mechanism, tls).expect("a token");
        let text = issued.token.expose();
        connection.token_issued(&bound("alice"), mechanism, text, issued.expires, fleet.now).unwrap();
    }

    /// A reconnect by token; what both ends make of it.
    fn reconnect(&self, fleet: &Fleet, tls: &Tls) -> (Outcome, Settled) {
        let mut connection = self.connect(tls);
        let Plan::Known(attempt) = connection.plan(fleet.now) else { panic!("a token to use") };
        assert!(attempt.uses_token());
        let mechanism = mechanism(attempt.mechanism());
        let count = attempt.count();
        let verdict = fleet.judge(mechanism, attempt.message(), PHONE, tls, |request| request.count(count));
        let settled = connection.settle(attempt, verdict.outcome, verdict.message.as_deref(), fleet.now);
        if let Some(issued) = verdict.token {
            connection.token_rotated(issued.token.expose(), issued.expires, fleet.now).unwrap();
        }
        (verdict.outcome, settled)
    }
}

/// EXTERNAL brings no new token: a client that came by it alone would have none left after a month.
#[test]
fn a_token_is_used_in_time_to_be_renewed() {
    let (fleet, phone, before) = (Fleet::new(), Phone::new(), Tls::full());
    phone.log_in(&fleet, &before);
    let way = |now| {
        let predecessor = Predecessor { lineage: before.lineage(), family: None };
        let mut connection = phone.connect(&Tls::resuming(&before)).resumes(Some(predecessor)).offered(["EXTERNAL"]);
        match connection.plan(now) {
            Plan::Known(attempt) => attempt.mechanism(),
            plan => panic!("{plan:?}"),
        }
    };
    assert_eq!(way(fleet.now), "EXTERNAL");
    assert_eq!(way(later(20 * DAY)), "EXTERNAL");
    assert_eq!(way(later(21 * DAY)), "HT2-SHA-256-EXPR");
}

#[test]
fn it_logs_in_once_and_reconnects_for_as_long_as_it_comes_back() {
    let (mut fleet, phone) = (Fleet::new(), Phone::new());
    phone.log_in(&fleet, &Tls::full());
    for day in 0..170 {
        fleet.now = later(day * DAY);
        assert_eq!(phone.reconnect(&fleet, &Tls::full()), (Outcome::Accepted, Settled::LoggedIn), "day {day}");
        assert!(phone.accounts.tokens(&phone.account).len() <= 2);
    }
}

#[test]
fn it_asks_for_a_bound_token_in_the_servers_spelling() {
    let phone = Phone::new();
    let of = |names: &[&str], tls: &Tls| phone.connect(tls).fast(names.iter().copied()).wanted_token();
    assert_eq!(of(&["HT-SHA-256-NONE", "HT-SHA-256-EXPR"], &Tls::full()), Some((EXPR, "HT-SHA-256-EXPR")));
    let other = Some((mechanism("HT-SHA3-512-EXPR"), "HT-SHA-3-512-EXPR"));
    assert_eq!(of(&["HT-SHA-3-512-EXPR"], &Tls::full()), other);
    assert_eq!(of(&["HT-SHA-256-UNIQ"], &Tls::full()), None, "TLS 1.3 has no tls-unique");
    assert_eq!(of(&["HT-SHA-256-UNIQ"], &tls12()), Some((UNIQ, "HT-SHA-256-UNIQ")));
    assert_eq!(of(&["SCRAM-SHA-256"], &Tls::full()), None);
    let picky = Accounts::default().preferring_tokens([NONE]);
    let connection = picky.connect(&phone.account, Tls::full().client()).fast(["HT-SHA-256-EXPR"]);
    assert_eq!(connection.wanted_token(), None);
}

#[test]
fn a_lost_rotation_and_a_parallel_connection_cost_nothing() {
    let (mut fleet, phone) = (Fleet::new(), Phone::new());
    phone.log_in(&fleet, &Tls::full());
    assert_eq!(phone.reconnect(&fleet, &Tls::full()).1, Settled::LoggedIn);
    fleet.now = later(25 * DAY);
    // A parallel connection is under way with the old token when the new one is used.
    let tls = Tls::full();
    let mut parallel = phone.connect(&tls);
    let Plan::Known(attempt) = parallel.plan(fleet.now) else { panic!("a token to use") };
    assert_eq!(phone.reconnect(&fleet, &Tls::full()).1, Settled::LoggedIn, "this brings the new token");
    assert_eq!(phone.reconnect(&fleet, &Tls::full()).1, Settled::LoggedIn, "this uses it");
    let verdict = fleet.judge(mechanism(attempt.mechanism()), attempt.message(), PHONE, &tls, |request| request);
    assert_eq!(verdict.outcome, Outcome::BadProof);
    let settled = parallel.settle(attempt, verdict.outcome, None, fleet.now);
    assert_eq!(settled, Settled::Failed(NextStep::TryPredecessor), "it has another one by now");
    let Plan::Known(attempt) = parallel.plan(fleet.now) else { panic!("the new token") };
    let verdict = fleet.judge(mechanism(attempt.mechanism()), attempt.message(), PHONE, &tls, |request| request);
    let settled = parallel.settle(attempt, verdict.outcome, verdict.message.as_deref(), fleet.now);
    assert_eq!(settled, Settled::LoggedIn);
}

#[test]
fn a_new_token_that_the_server_lost_costs_nothing_either() {
    let (mut fleet, phone) = (Fleet::new(), Phone::new());
    phone.log_in(&fleet, &Tls::full());
    assert_eq!(phone.reconnect(&fleet, &Tls::full()).1, Settled::LoggedIn);
    let tls = Tls::full();
    let mut connection = phone.connect(&tls);
    let Plan::Known(attempt) = connection.plan(fleet.now) else { panic!("a token to use") };
    let verdict = fleet.judge(mechanism(attempt.mechanism()), attempt.message(), PHONE, &tls, |request| request);
    assert_eq!(connection.settle(attempt, verdict.outcome, verdict.message.as_deref(), fleet.now), Settled::LoggedIn);
    connection.token_rotated("a token that the server forgot", later(30 * DAY), fleet.now).unwrap();
    fleet.now = later(1);
    let mut connection = phone.connect(&tls);
    let Plan::Known(attempt) = connection.plan(fleet.now) else { panic!("the newest token first") };
    let verdict = fleet.judge(mechanism(attempt.mechanism()), attempt.message(), PHONE, &tls, |request| request);
    assert_eq!(connection.settle(attempt, verdict.outcome, None, fleet.now), Settled::Failed(NextStep::TryPredecessor));
    assert_eq!(phone.reconnect(&fleet, &Tls::full()), (Outcome::Accepted, Settled::LoggedIn));
}

#[test]
fn a_server_that_shows_nothing_is_left_and_asked_in_another_way_next_time() {
    let (fleet, phone) = (Fleet::new(), Phone::new());
    phone.log_in(&fleet, &Tls::full());
    for responder in [None, Some(&b""[..]), Some(&[7; 32]), Some(b"short")] {
        let tls = Tls::full();
        let mut connection = phone.connect(&tls);
        let Plan::Known(attempt) = connection.plan(fleet.now) else { panic!("a token to use") };
        let settled = connection.settle(attempt, Outcome::Accepted, responder, fleet.now);
        assert_eq!(settled, Settled::Failed(NextStep::Abandon));
        assert!(matches!(connection.plan(fleet.now), Plan::Abandon));
        // The next connection does not run into the same: a full login is the way out.
        assert!(matches!(phone.connect(&Tls::full()).plan(fleet.now), Plan::FullLogin));
        let stored = phone.accounts.tokens(&phone.account)[0].to_bytes();
        assert!(matches!(ClientToken::from_bytes(&stored), Ok(read) if read.to_bytes() == stored));
        phone.log_in(&fleet, &Tls::full());
        assert_eq!(phone.reconnect(&fleet, &Tls::full()).1, Settled::LoggedIn);
    }
    // On a session without certificate it may have been anybody.
    let before = Tls::full();
    let tls = Tls::resuming(&before);
    let mut connection = phone.connect(&tls);
    let Plan::Known(attempt) = connection.plan(fleet.now) else { panic!("a token to use") };
    assert_eq!(connection.settle(attempt, Outcome::Accepted, None, fleet.now), Settled::Failed(NextStep::Abandon));
    assert_eq!(phone.reconnect(&fleet, &Tls::full()).1, Settled::LoggedIn);
}

#[test]
fn tokens_that_are_of_no_use() {
    let (mut fleet, phone) = (Fleet::new(), Phone::new());
    phone.log_in(&fleet, &Tls::full());
    let token = phone.accounts.tokens(&phone.account)[0].clone();
    // Of another service, put back under this account.
    let elsewhere = Phone {
        account: Account::new(Scope { service: Service::IMAP, ..token.scope().clone() }, "alice"),
        ..Phone::new()
    };
    elsewhere.accounts.restore_token(&elsewhere.account, token);
    assert!(matches!(elsewhere.connect(&Tls::full()).plan(fleet.now), Plan::FullLogin));
    // On a resumed session that lists nothing the client is known by, no password.
    let before = Tls::full();
    let resumed = Tls::resuming(&before);
    let mut connection = phone.connect(&resumed).fast([]);
    assert!(matches!(connection.plan(fleet.now), Plan::FullHandshake));
    // Expired.
    drop(connection);
    let phone = Phone::new();
    phone.log_in(&fleet, &Tls::full());
    fleet.now = later(31 * DAY);
    assert!(matches!(phone.connect(&Tls::full()).plan(fleet.now), Plan::FullLogin));
}

#[test]
fn at_most_two_are_kept_and_one_that_worked_ends_those_before() {
    let (fleet, phone) = (Fleet::new(), Phone::new());
    phone.log_in(&fleet, &Tls::full());
    let first = phone.accounts.tokens(&phone.account)[0].clone();
    let tls = Tls::full();
    let mut connection = phone.connect(&tls);
    let Plan::Known(attempt) = connection.plan(fleet.now) else { panic!("a token to use") };
    let verdict = fleet.judge(mechanism(attempt.mechanism()), attempt.message(), PHONE, &tls, |request| request);
    assert_eq!(connection.settle(attempt, verdict.outcome, verdict.message.as_deref(), fleet.now), Settled::LoggedIn);
    for text in ["one", "two", "three"] {
        connection.token_rotated(text, later(30 * DAY), fleet.now).unwrap();
    }
    let held = phone.accounts.tokens(&phone.account);
    assert_eq!(held.iter().map(|held| held.token().expose()).collect::<Vec<_>>(), [first.token().expose(), "three"]);
    // The newest works.
    let tls = Tls::full();
    let mut connection = phone.connect(&tls);
    let Plan::Known(attempt) = connection.plan(fleet.now) else { panic!("the newest token") };
    let start = ht::Client::start(&held[1], &tls.client(), &Pairs::none()).unwrap();
    assert_eq!(attempt.message(), start.message);
    let hash = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"three");
    let said = [b"Responder", tls.client().tls_exporter().unwrap()].concat();
    let answer = ring::hmac::sign(&hash, &said);
    let answer = match held[1].mechanism().version() {
        fast_reauth::assertion::HtVersion::Ht2 => [b"\0\0", answer.as_ref()].concat(),
        fast_reauth::assertion::HtVersion::Ht => answer.as_ref().to_vec(),
    };
    assert_eq!(connection.settle(attempt, Outcome::Accepted, Some(&answer), fleet.now), Settled::LoggedIn);
    let held = phone.accounts.tokens(&phone.account);
    assert_eq!(held.iter().map(|held| held.token().expose()).collect::<Vec<_>>(), ["three"]);
}

#[test]
fn a_refused_token_is_forgotten_where_the_server_showed_its_certificate() {
    let before = Tls::full();
    for (tls, outcome, next, kept) in [
        (Tls::full(), Outcome::Stale, NextStep::FullLogin, 0),
        (Tls::full(), Outcome::FullAuthenticationDue, NextStep::FullLogin, 0),
        (Tls::full(), Outcome::Unavailable, NextStep::Later, 1),
        (Tls::full(), Outcome::Malformed, NextStep::FullLogin, 1),
        (Tls::full(), Outcome::ConfigurationChanged, NextStep::FullLogin, 1),
        (Tls::resuming(&before), Outcome::Stale, NextStep::FullHandshake, 1),
    ] {
        let (fleet, phone) = (Fleet::new(), Phone::new());
        phone.log_in(&fleet, &before);
        let mut connection = phone.connect(&tls);
        let Plan::Known(attempt) = connection.plan(fleet.now) else { panic!("a token to use") };
        assert_eq!(connection.settle(attempt, outcome, None, fleet.now), Settled::Failed(next), "{outcome:?}");
        assert_eq!(phone.accounts.tokens(&phone.account).len(), kept, "{outcome:?}");
    }
}

#[test]
fn a_server_that_sets_every_attempt_aside_is_asked_in_another_way() {
    let (fleet, phone) = (Fleet::new(), Phone::new());
    phone.log_in(&fleet, &Tls::full());
    let tls = Tls::full();
    let mut connection = phone.connect(&tls);
    for _ in 0..2 {
        let Plan::Known(attempt) = connection.plan(fleet.now) else { panic!("the same token again") };
        connection.set_aside(attempt);
    }
    assert!(matches!(connection.plan(fleet.now), Plan::FullLogin));
    assert_eq!(phone.accounts.tokens(&phone.account).len(), 1);
}

#[test]
fn a_token_goes_nowhere_else() {
    let fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, NONE, &Tls::full());
    let elsewhere = Tls { name: "other.example.com", ..Tls::full() };
    let start = ht::Client::start(&token, &elsewhere.client(), &Pairs::none());
    assert_eq!(start.err(), Some(ht::CannotStart::OtherServer));
}

#[test]
fn counts_are_stored_before_they_are_sent() {
    let (fleet, phone) = (Fleet::new(), Phone::new());
    let phone = Phone { accounts: phone.accounts.preferring_tokens([NONE]), ..phone };
    phone.log_in(&fleet, &Tls::full());
    for count in 1..4 {
        let tls = Tls::full();
        let mut connection = phone.connect(&tls);
        let Plan::Known(attempt) = connection.plan(fleet.now) else { panic!("a token to use") };
        assert_eq!((attempt.count(), attempt.store_first()), (Some(count), true));
    }
    assert_eq!(phone.reconnect(&fleet, &Tls::full()).1, Settled::LoggedIn);
}

#[test]
fn it_survives_a_restart_as_octets() {
    let (fleet, phone) = (Fleet::new(), Phone::new());
    phone.log_in(&fleet, &Tls::full());
    let stored = phone.accounts.tokens(&phone.account)[0].to_bytes();
    let read = ClientToken::from_bytes(&stored).unwrap();
    let again = Phone::new();
    again.accounts.restore_token(&again.account, read);
    assert_eq!(again.reconnect(&fleet, &Tls::full()).1, Settled::LoggedIn);
    for len in 0..stored.len() {
        assert!(ClientToken::from_bytes(&stored[..len]).is_err());
    }
    assert_eq!(ClientToken::from_bytes(&[&stored[..], b"x"].concat()), Err(InvalidAssertion::Damaged));
    let text = String::from_utf8_lossy(&stored).into_owned();
    let at = text.find("HT2-SHA-256-EXPR").expect("its mechanism");
    let mut other = stored.to_vec();
    other[at] = b'h';
    assert_eq!(ClientToken::from_bytes(&other), Err(InvalidAssertion::Damaged), "one spelling");
    let mut other = stored.to_vec();
    other[8] = 2;
    assert_eq!(ClientToken::from_bytes(&other), Err(InvalidAssertion::Version(2)));
}

#[test]
fn what_a_client_does_not_keep() {
    let scope = Scope::new(Service::XMPP, ServerName::parse(NAME).unwrap());
    let policy = Policy::default();
    let issued = |text: &str, authcid: &str, origin| {
        ClientToken::issued(text, EXPR, &scope, authcid, origin, later(DAY), &policy, START)
    };
    assert!(matches!(issued("", "alice", Origin::Bound), Err(CannotKeep::Token(_))));
    assert!(matches!(issued(&"x".repeat(513), "alice", Origin::Bound), Err(CannotKeep::Token(_))));
    assert_eq!(issued("x", "", Origin::Bound), Err(CannotKeep::Authcid));
    assert_eq!(issued("x", &"a".repeat(256), Origin::Bound), Err(CannotKeep::Authcid));
    assert_eq!(issued("x", "alice", Origin::Unbound), Err(CannotKeep::Origin));
    let far = ClientToken::issued("x", EXPR, &scope, "alice", Origin::Bound, later(1000 * DAY), &policy, START);
    assert_eq!(far.unwrap().expires(), later(30 * DAY), "the client's own rule is the stricter one");
    let mut connection = Accounts::default();
    connection = connection.preferring_tokens([EXPR]);
    let account = account("alice");
    let mut connection = connection.connect(&account, Tls::full().client());
    assert_eq!(connection.token_rotated("x", later(DAY), START), Err(CannotKeep::NoLogin));
}

/// The stricter end decides.
#[test]
fn a_client_uses_no_token_below_its_own_weakest_binding() {
    let (fleet, mut phone) = (Fleet::new(), Phone::new());
    phone.accounts = Accounts::default().preferring_tokens([HtMechanism::HT_SHA_256_NONE]);
    phone.log_in(&fleet, &Tls::full());
    let token = phone.accounts.tokens(&phone.account).remove(0);
    let mut policy = fast_reauth::assertion::Policy::default();
    policy.weakest_binding = fast_reauth::assertion::Binding::EndPoint;
    phone.accounts = Accounts::new(policy);
    phone.accounts.restore_token(&phone.account, token);
    assert!(!matches!(phone.connect(&Tls::full()).plan(fleet.now), Plan::Known(_)));
    let mut connection = phone.connect(&Tls::full()).fast(["HT-SHA-256-NONE"]);
    assert!(!matches!(connection.plan(fleet.now), Plan::Known(_)));
    assert_eq!(connection.wanted_token(), None);
}
