//! IKY: which record a message may speak of, and until when.

use super::*;

#[test]
fn iky_another_service() {
    let (mut pair, _) = logged_in(server());
    let tls = Tls::full();
    let message = good(&pair, &tls, None, Pin::SHA_256_EXPR);
    pair.server = Server::new(Service::SMTP, [ServerName::parse(NAME).unwrap()], FULL).unwrap();
    let _ = refused(&pair, &tls, EXPR[0], &message, Outcome::BadProof);
}

/// A sibling's record is the same client's, and no good here, although its key is known.
#[test]
fn iky_a_record_of_a_sibling_service() {
    let smtp = Scope::new(Service::SMTP, ServerName::parse(NAME).unwrap());
    let sibling = fast_reauth::mechanism::Sibling { scope: smtp.clone(), pin: Pin::SHA_256_EXPR };
    let pair = Pair::new(server().sibling(sibling));
    let tls = Tls::full();
    let mut connection = pair.connection(&tls);
    let login = Login { full: &bound("alice"), identity: "alice", device: DeviceId::new(fresh()), now: pair.now };
    pair.store.commit(&connection.logged_in(login, &tls.exporter()).commit, pair.now).unwrap();
    let mut client = pair.client.connect(&account("alice"), tls.client()).offered(EXPR.iter().copied());
    let siblings = [fast_reauth::mechanism::Sibling { scope: smtp.clone(), pin: Pin::SHA_256_EXPR }];
    client.logged_in(&bound("alice"), &tls.exporter(), &siblings, pair.now).unwrap();
    let there = fast_reauth::store::client::Account::new(smtp, "alice");
    let forger = Forger::of(&pair.client.assertions(&there)[0]);
    let tls = Tls::full();
    let _ = refused(&pair, &tls, EXPR[0], &forger.message(&tls, None), Outcome::BadProof);
}

#[test]
fn iky_another_server_name_than_the_servers() {
    let (mut pair, _) = logged_in(server());
    let tls = Tls::full();
    let message = good(&pair, &tls, None, Pin::SHA_256_EXPR);
    pair.server = Server::new(Service::IMAP, [ServerName::parse("other.example.com").unwrap()], FULL).unwrap();
    let _ = refused(&pair, &tls, EXPR[0], &message, Outcome::BadProof);
}

#[test]
fn iky_another_server_name_than_the_one_in_tls() {
    let names = [NAME, "other.example.com"].map(|name| ServerName::parse(name).unwrap());
    let (pair, _) = logged_in(Server::new(Service::IMAP, names, FULL).unwrap());
    let mut tls = Tls::full();
    let message = good(&pair, &tls, None, Pin::SHA_256_EXPR);
    tls.name = "other.example.com";
    let _ = refused(&pair, &tls, EXPR[0], &message, Outcome::BadProof);
}

/// Where TLS does not show which name the client asked for, any that the server has will do.
#[test]
fn a_name_that_was_not_seen_in_tls_is_not_held_against_the_message() {
    let names = [NAME, "other.example.com"].map(|name| ServerName::parse(name).unwrap());
    let (pair, _) = logged_in(Server::new(Service::IMAP, names, FULL).unwrap());
    let tls = Tls::full();
    let message = good(&pair, &tls, None, Pin::SHA_256_EXPR);
    let assumed = ServerName::parse("other.example.com").unwrap();
    let facts = tls.server().assumed_server_name(assumed);
    assert!(!facts.name_was_seen());
    let connection = fast_reauth::mechanism::Connection::new(&pair.server, facts);
    let verdict = connection.iky(Pin::SHA_256_EXPR, &message).run(&pair.store, pair.now);
    assert_eq!(verdict.outcome, Outcome::Accepted);
}

#[test]
fn iky_another_server_name_than_the_records() {
    let names = [NAME, "other.example.com"].map(|name| ServerName::parse(name).unwrap());
    let (pair, _) = logged_in(Server::new(Service::IMAP, names, FULL).unwrap());
    let mut tls = Tls::full();
    tls.name = "other.example.com";
    // The client of a rogue: its own proof, for the wrong name, with the right key.
    let mut forger = Forger::new(&pair);
    forger.name = "other.example.com".into();
    let _ = refused(&pair, &tls, EXPR[0], &forger.message(&tls, None), Outcome::BadProof);
}

#[test]
fn iky_another_identity() {
    let (pair, _) = logged_in(server());
    let tls = Tls::full();
    let mut forger = Forger::new(&pair);
    for authzid in ["bob", "", "Alice", "alice "] {
        forger.authzid = authzid.into();
        let _ = refused(&pair, &tls, EXPR[0], &forger.message(&tls, None), Outcome::BadProof);
    }
    forger.authzid = "alice".into();
    assert_eq!(pair.judge(&tls, EXPR[0], &forger.message(&tls, None)).outcome, Outcome::Accepted);
}

#[test]
fn iky_another_mechanism_than_the_pin() {
    let pins = [Pin::SHA_256_EXPR, Pin::SHA_256_NONE];
    let mut policy = Policy::default();
    policy.lineage = fast_reauth::assertion::LineageRule::Never;
    let pair = Pair::new(server_with(&pins).policy(policy));
    pair.full_login("alice", &Tls::full());
    let tls = Tls::full();
    let mut forger = Forger::new(&pair);
    forger.mechanism = "IKY-SHA-256-NONE".into();
    forger.header = "n".into();
    forger.counter = Some(1);
    let _ = refused(&pair, &tls, "IKY-SHA-256-NONE", &forger.message(&tls, None), Outcome::BadProof);
}

#[test]
fn iky_a_mechanism_that_is_not_listed() {
    let (mut pair, _) = logged_in(server());
    let tls = Tls::full();
    let message = good(&pair, &tls, None, Pin::SHA_256_EXPR);
    pair.server = pair.server.pins([Pin::SHA_256_NONE]);
    let _ = refused(&pair, &tls, EXPR[0], &message, Outcome::BindingMismatch);
}

#[test]
fn iky_expired_and_unused_too_long() {
    let (mut pair, first) = logged_in(server());
    pair.now = later(7 * DAY);
    let verdict = refused(&pair, &first, EXPR[0], &Forger::new(&pair).message(&first, None), Outcome::Stale);
    assert!(says(&verdict, "e=expired,v="));

    let (mut pair, _) = logged_in(server());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    pair.now = later(30 * DAY - 1);
    let forger = Forger::new(&pair);
    let tls = Tls::full();
    assert_eq!(pair.judge(&tls, EXPR[0], &forger.message(&tls, None)).outcome, Outcome::Accepted);
    pair.now = later(30 * DAY);
    let verdict = refused(&pair, &tls, EXPR[0], &forger.message(&tls, None), Outcome::Stale);
    assert!(says(&verdict, "e=expired,v="));
}

#[test]
fn iky_revoked_and_the_client_can_trust_it() {
    let (pair, _) = logged_in(server());
    pair.store.revoke("alice", Revoke::All, pair.now).unwrap();
    let (verdict, settled) = pair.reconnect("alice", &Tls::full(), None, EXPR);
    assert_eq!(verdict.outcome, Outcome::Revoked);
    assert_eq!(settled, Settled::Failed(NextStep::FullLogin));
    assert!(pair.client.assertions(&account("alice")).is_empty(), "a signed revocation ends the client's half");
}

/// Reasons are for who has the key: to others a client that was revoked, or whose time is over, is nobody.
#[test]
fn what_became_of_an_assertion_is_told_to_nobody_without_its_key() {
    let revoke = |pair: &mut Pair| assert_eq!(pair.store.revoke("alice", Revoke::All, pair.now), Ok(1));
    let expire = |pair: &mut Pair| pair.now = later(7 * DAY);
    let due = |pair: &mut Pair| {
        let mut policy = Policy::default();
        policy.full_login_every = core::time::Duration::from_secs(0);
        pair.server = core::mem::replace(&mut pair.server, server()).policy(policy);
    };
    type Happens = fn(&mut Pair);
    let cases: [(Happens, Outcome); 3] =
        [(revoke, Outcome::Revoked), (expire, Outcome::Stale), (due, Outcome::FullAuthenticationDue)];
    for (happens, told) in cases {
        let (mut pair, _) = logged_in(server_with(&[Pin::SHA_256_EXPR]));
        let tls = Tls::full();
        let client = Forger::new(&pair);
        let stranger = Forger { client_key: vec![7; 32], ..Forger::new(&pair) };
        happens(&mut pair);
        let verdict = refused(&pair, &tls, EXPR[0], &stranger.message(&tls, None), Outcome::BadProof);
        assert_eq!(verdict.message.as_deref(), Some(&b"e=not-recognised"[..]), "{told:?}");
        let verdict = refused(&pair, &tls, EXPR[0], &client.message(&tls, None), told);
        assert!(!says(&verdict, "e=not-recognised") && says(&verdict, "e="), "{told:?}");
    }
}

#[test]
fn iky_full_login_due() {
    let (mut pair, _) = logged_in(server());
    let mut policy = Policy::default();
    policy.full_login_every = core::time::Duration::from_secs(60);
    pair.server = pair.server.policy(policy);
    pair.now = later(60);
    let tls = Tls::full();
    let message = good(&pair, &tls, None, Pin::SHA_256_EXPR);
    let verdict = refused(&pair, &tls, EXPR[0], &message, Outcome::FullAuthenticationDue);
    assert!(says(&verdict, "e=full-login-due,v="));
}

#[test]
fn iky_origin_below_the_present_policy() {
    let mut lax = Policy::default();
    lax.unbound_lifetime = Some(core::time::Duration::from_secs(DAY));
    let mut pair = Pair::new(server().policy(lax.clone()));
    pair.client = fast_reauth::store::client::Accounts::new(lax);
    let unbound = FullLogin::new("SCRAM-SHA-256", "alice").unwrap();
    pair.full_login_with(&unbound, "alice", &Tls::full());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    pair.server = pair.server.policy(Policy::default());
    let tls = Tls::full();
    let message = good(&pair, &tls, None, Pin::SHA_256_EXPR);
    let _ = refused(&pair, &tls, EXPR[0], &message, Outcome::FullAuthenticationDue);
}

/// A4: one relayed login must not become a lasting assertion.
#[test]
fn an_unbound_origin_makes_no_assertion() {
    let pair = Pair::new(server());
    let unbound = FullLogin::new("SCRAM-SHA-256", "alice").unwrap();
    pair.full_login_with(&unbound, "alice", &Tls::full());
    assert_eq!(pair.store.len().0, 0, "the server keeps no record");
    assert!(pair.client.assertions(&account("alice")).is_empty(), "nor does the client");
}

#[test]
fn an_origin_is_no_stronger_than_its_mechanism() {
    let login = |name| FullLogin::new(name, "alice").unwrap();
    let exporter = BindingType::Exporter;
    assert_eq!(login("SCRAM-SHA-256-PLUS").bound_by(exporter).origin(), Origin::Bound);
    assert_eq!(login("SCRAM-SHA-256-PLUS").origin(), Origin::Unbound);
    assert_eq!(login("SCRAM-SHA-256").bound_by(exporter).origin(), Origin::Unbound);
    assert_eq!(login("SCRAM-SHA-256").keyed(b"key").unwrap().origin(), Origin::Keyed);
    assert_eq!(login("PLAIN").bound_by(exporter).keyed(b"key").unwrap().origin(), Origin::Disclosed);
    assert_eq!(FullLogin::client_certificate("alice").unwrap().origin(), Origin::Bound);
    for name in ["EXTERNAL", "external", "IKY-SHA-256-EXPR", "HT-SHA-256-NONE", "HT2-SHA-256-EXPR"] {
        assert!(FullLogin::new(name, "alice").is_err(), "{name} makes nobody known who isn't already");
    }
    assert_eq!(login("CRAM-MD5").origin(), Origin::Unbound);
}

#[test]
fn a_disclosed_origin_lasts_less() {
    let mut pair = Pair::new(server());
    let plain = FullLogin::new("PLAIN", "alice").unwrap();
    pair.full_login_with(&plain, "alice", &Tls::full());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    pair.now = later(7 * DAY);
    let tls = Tls::full();
    let _ = refused(&pair, &tls, EXPR[0], &Forger::new(&pair).message(&tls, None), Outcome::Stale);
}

#[test]
fn iky_configuration_changed() {
    let (mut pair, _) = logged_in(server());
    let tls = Tls::full();
    let message = good(&pair, &tls, None, Pin::SHA_256_EXPR);
    let names = [ServerName::parse(NAME).unwrap()];
    pair.server = Server::new(Service::IMAP, names, ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN"]).unwrap();
    let verdict = refused(&pair, &tls, EXPR[0], &message, Outcome::ConfigurationChanged);
    assert!(says(&verdict, "e=configuration-changed,v="));
    assert!(!verdict.outcome.counts_as_failure());
}

/// What was computed for the connection before is not what this one offers: a service remembers its offer hash.
#[test]
fn iky_an_offer_of_another_connection() {
    let pins = [Pin::SHA_256_EXPR, Pin::SHA_256_NONE];
    let mut pair = Pair::new(server_with(&pins));
    pair.client = fast_reauth::store::client::Accounts::new(Policy::default()).preferring([Pin::SHA_256_NONE]);
    let without_sessions = || Tls { sees_sessions: false, ..Tls::full() };
    pair.full_login("alice", &without_sessions());
    let none = [Pin::SHA_256_NONE.name()];
    assert!(accepted(&pair.reconnect("alice", &without_sessions(), None, &none)));
    // Here -EXPR is not listed.
    let tls = Tls { has_exporter: false, ..without_sessions() };
    let (mut client, attempt) = pair.attempt("alice", &tls, None, &none);
    let attempt = attempt.expect("the client has a way to be recognised");
    let verdict = pair.judge(&tls, attempt.mechanism(), attempt.message());
    assert_eq!(verdict.outcome, Outcome::ConfigurationChanged);
    let _ = client.settle(attempt, verdict.outcome, verdict.message.as_deref(), pair.now);
}
