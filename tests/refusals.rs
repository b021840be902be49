//! What must be refused. Each test fails when its rule is taken out: `tests/disable-rules` shows it.

mod common;

use common::*;
use fast_reauth::assertion::{BindingType, DeviceId, FullLogin, Origin, Pin, Policy, Scope, Service};
use fast_reauth::channel::{ServerName, Tickets};
use fast_reauth::internal::fingerprint;
use fast_reauth::mechanism::{Login, NextStep, Outcome, Server, Verdict};
use fast_reauth::store::client::{Plan, Settled};
use fast_reauth::store::{Capacity, Committed, MemoryStore, Revoke, Store};

const EXPR: &[&str] = &["IKY-SHA-256-EXPR"];

/// The server refuses, nobody is recognised, and its store is what it was.
fn refused(pair: &Pair, tls: &Tls, mechanism: &str, message: &[u8], outcome: Outcome) -> Verdict {
    let before = fingerprint(&pair.store);
    let verdict = pair.judge(tls, mechanism, message);
    assert_eq!(verdict.outcome, outcome, "{mechanism} {:?}", String::from_utf8_lossy(message));
    assert_eq!(verdict.recognised, None);
    assert_eq!(fingerprint(&pair.store), before, "a failed attempt changed the store");
    verdict
}

fn external_refused(pair: &Pair, tls: &Tls, authzid: &str, outcome: Outcome) {
    assert!(!pair.connection(tls).mechanisms(pair.now).contains(&"EXTERNAL") || !authzid.is_empty());
    let _ = refused(pair, tls, "EXTERNAL", authzid.as_bytes(), outcome);
}

/// The message with which `name` would be accepted on `tls`.
fn good(pair: &Pair, tls: &Tls, before: Option<&Tls>, pin: Pin) -> Vec<u8> {
    let (_, attempt) = pair.attempt("alice", tls, before, &[pin.name()]);
    attempt.expect("the client knows a way").message().to_vec()
}

fn logged_in(server: Server) -> (Pair, Tls) {
    let pair = Pair::new(server);
    let first = Tls::full();
    pair.full_login("alice", &first);
    (pair, first)
}

// ---- EXTERNAL (DESIGN 4.1) ----

#[test]
fn external_not_really_resumed() {
    let (pair, first) = logged_in(server());
    // A ticket was offered and its handle read, but TLS did a full handshake.
    let tls = Tls::full();
    let facts = tls.server().predecessor(first.handle);
    let connection = fast_reauth::mechanism::Connection::new(&pair.server, facts);
    let lineage = pair.store.lookup(&lookup_handle(&first), pair.now).unwrap().lineage;
    let connection = connection.resumes(lineage);
    assert!(!connection.mechanisms(pair.now).contains(&"EXTERNAL"));
    assert_eq!(pair.judge_on(&connection, "EXTERNAL", b"").outcome, Outcome::Stale);
    // The control: really resumed, it is accepted.
    assert_eq!(pair.judge(&Tls::resuming(&first), "EXTERNAL", b"").outcome, Outcome::Accepted);
}

fn lookup_handle(tls: &Tls) -> fast_reauth::store::Lookup {
    fast_reauth::store::Lookup { assertion: None, handle: Some(tls.handle) }
}

#[test]
fn external_another_service() {
    let (mut pair, first) = logged_in(server());
    pair.server = Server::new(Service::SMTP, [ServerName::parse(NAME).unwrap()], FULL).unwrap();
    external_refused(&pair, &Tls::resuming(&first), "", Outcome::Stale);
}

#[test]
fn external_another_server_name() {
    let (pair, first) = logged_in(server());
    let mut tls = Tls::resuming(&first);
    tls.name = "other.example.com";
    external_refused(&pair, &tls, "", Outcome::Stale);
}

#[test]
fn external_another_identity() {
    let (pair, first) = logged_in(server());
    external_refused(&pair, &Tls::resuming(&first), "bob", Outcome::BadProof);
    assert_eq!(pair.judge(&Tls::resuming(&first), "EXTERNAL", b"alice").outcome, Outcome::Accepted);
}

#[test]
fn external_two_identities_on_one_connection() {
    for (one, other) in [("alice", "bob"), ("bob", "alice")] {
        let pair = Pair::new(server());
        let tls = Tls::full();
        let mut connection = pair.connection(&tls);
        for name in [one, other] {
            let login = Login { full: &bound(name), identity: name, device: DeviceId::new(fresh()), now: pair.now };
            let commit = connection.logged_in(login, &tls.exporter()).commit;
            pair.store.commit(&commit, pair.now).unwrap();
        }
        external_refused(&pair, &Tls::resuming(&tls), "", Outcome::Stale);
    }
}

#[test]
fn external_two_identities_on_one_session() {
    let (pair, first) = logged_in(server());
    let second = Tls::resuming(&first);
    pair.full_login("bob", &second);
    external_refused(&pair, &Tls::resuming(&second), "", Outcome::Stale);
    // What resumes it is shared too, whoever logs in there.
    let third = Tls::resuming(&second);
    pair.full_login("bob", &third);
    external_refused(&pair, &Tls::resuming(&third), "", Outcome::Stale);
}

/// TLS 1.2 resumes the first session again and again; TLS 1.3 may have tickets of it left.
#[test]
fn external_on_the_first_session_after_another_identity_resumed_it() {
    let (pair, first) = logged_in(server());
    assert_eq!(pair.judge(&Tls::resuming(&first), "EXTERNAL", b"").outcome, Outcome::Accepted);
    pair.full_login("bob", &Tls::resuming(&first));
    external_refused(&pair, &Tls::resuming(&first), "", Outcome::Stale);
}

#[test]
fn external_through_a_connection_manager() {
    let (pair, first) = logged_in(server());
    let tls = Tls::resuming(&first);
    let connection = pair.connection(&tls).through_manager();
    assert!(!connection.mechanisms(pair.now).contains(&"EXTERNAL"));
    assert_eq!(pair.judge_on(&connection, "EXTERNAL", b"").outcome, Outcome::Stale);
}

#[test]
fn a_connection_manager_makes_nobody_known() {
    let pair = Pair::new(server());
    let tls = Tls::full();
    let mut connection = pair.connection(&tls).through_manager();
    let login = Login { full: &bound("alice"), identity: "alice", device: DeviceId::new(fresh()), now: pair.now };
    let commit = connection.logged_in(login, &tls.exporter()).commit;
    pair.store.commit(&commit, pair.now).unwrap();
    assert!(pair.store.is_empty());
}

#[test]
fn external_origin_below_policy() {
    let pair = Pair::new(server());
    let first = Tls::full();
    let unbound = FullLogin::new("SCRAM-SHA-256", "alice").unwrap();
    assert_eq!(unbound.origin(), Origin::Unbound);
    pair.full_login_with(&unbound, "alice", &first);
    external_refused(&pair, &Tls::resuming(&first), "", Outcome::FullAuthenticationDue);
}

#[test]
fn external_tls12_without_extended_master_secret() {
    let (pair, first) = logged_in(server());
    let mut tls = Tls::resuming(&first);
    tls.version12 = Some(false);
    external_refused(&pair, &tls, "", Outcome::BindingMismatch);
    tls.version12 = Some(true);
    assert_eq!(pair.judge(&tls, "EXTERNAL", b"").outcome, Outcome::Accepted);
}

#[test]
fn external_tls12_with_stateless_tickets() {
    let mut policy = Policy::default();
    policy.external_on_stateless_tickets = true;
    let (pair, first) = logged_in(server().policy(policy));
    let mut tls = Tls::resuming(&first);
    tls.version12 = Some(true);
    tls.tickets = Tickets::Stateless;
    external_refused(&pair, &tls, "", Outcome::BindingMismatch);
}

#[test]
fn external_stateless_tickets_unless_chosen() {
    let (mut pair, first) = logged_in(server());
    let mut tls = Tls::resuming(&first);
    tls.tickets = Tickets::Stateless;
    external_refused(&pair, &tls, "", Outcome::Stale);
    let mut policy = Policy::default();
    policy.external_on_stateless_tickets = true;
    pair.server = pair.server.policy(policy);
    assert_eq!(pair.judge(&tls, "EXTERNAL", b"").outcome, Outcome::Accepted);
}

#[test]
fn external_in_early_data() {
    let (pair, first) = logged_in(server());
    let mut tls = Tls::resuming(&first);
    tls.early_data = true;
    external_refused(&pair, &tls, "", Outcome::BindingMismatch);
}

#[test]
fn external_expired() {
    let (mut pair, first) = logged_in(server());
    pair.now = later(7 * DAY - 1);
    assert_eq!(pair.judge(&Tls::resuming(&first), "EXTERNAL", b"").outcome, Outcome::Accepted);
    pair.now = later(7 * DAY);
    external_refused(&pair, &Tls::resuming(&first), "", Outcome::Stale);
}

#[test]
fn external_full_login_due() {
    let mut policy = Policy::default();
    policy.full_login_every = core::time::Duration::from_secs(DAY);
    let (mut pair, first) = logged_in(server().policy(policy));
    pair.now = later(DAY);
    external_refused(&pair, &Tls::resuming(&first), "", Outcome::FullAuthenticationDue);
}

#[test]
fn external_revoked() {
    let (pair, first) = logged_in(server());
    let tls = Tls::resuming(&first);
    // Recognised at the greeting, revoked before the command.
    let connection = pair.connection(&tls);
    assert!(connection.mechanisms(pair.now).contains(&"EXTERNAL"));
    assert_eq!(pair.store.revoke("alice", Revoke::All, pair.now), Ok(1));
    assert_eq!(pair.judge_on(&connection, "EXTERNAL", b"").outcome, Outcome::Revoked);
    external_refused(&pair, &tls, "", Outcome::Revoked);
}

#[test]
fn a_revoked_session_does_not_start_anew_as_somebody_elses() {
    let (pair, first) = logged_in(server());
    pair.store.revoke("alice", Revoke::All, pair.now).unwrap();
    let second = Tls::resuming(&first);
    pair.full_login("bob", &second);
    external_refused(&pair, &Tls::resuming(&second), "", Outcome::Stale);
}

// ---- IKY (DESIGN 4.2): the record ----

#[test]
fn iky_another_service() {
    let (mut pair, _) = logged_in(server());
    let tls = Tls::full();
    let message = good(&pair, &tls, None, Pin::SHA_256_EXPR);
    pair.server = Server::new(Service::SMTP, [ServerName::parse(NAME).unwrap()], FULL).unwrap();
    let _ = refused(&pair, &tls, EXPR[0], &message, Outcome::BadProof);
}

/// A sibling's record is the same client's, and still no good here, nor is this one there.
#[test]
fn iky_a_record_of_a_sibling_service() {
    let smtp = Scope::new(Service::SMTP, ServerName::parse(NAME).unwrap());
    let sibling = fast_reauth::mechanism::Sibling { scope: smtp, pin: Pin::SHA_256_EXPR };
    let (mut pair, _) = logged_in(server().sibling(sibling));
    let tls = Tls::full();
    let message = good(&pair, &tls, None, Pin::SHA_256_EXPR);
    pair.server = Server::new(Service::SMTP, [ServerName::parse(NAME).unwrap()], FULL).unwrap();
    let _ = refused(&pair, &tls, EXPR[0], &message, Outcome::BadProof);
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

fn says(verdict: &Verdict, start: &str) -> bool {
    verdict.message.as_ref().is_some_and(|message| message.starts_with(start.as_bytes()))
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

// ---- IKY: the channel ----

#[test]
fn iky_on_another_connection() {
    for pin in [Pin::SHA_256_EXPR, Pin::ED25519_EXPR] {
        let (pair, _) = logged_in(server_with(&[pin]));
        let message = good(&pair, &Tls::full(), None, pin);
        let _ = refused(&pair, &Tls::full(), pin.name(), &message, Outcome::BadProof);
    }
}

#[test]
fn iky_another_certificate() {
    let mut policy = Policy::default();
    policy.lineage = fast_reauth::assertion::LineageRule::Never;
    let (pair, _) = logged_in(server_with(&[Pin::SHA_256_ENDP]).policy(policy));
    let mut tls = Tls::full();
    let message = good(&pair, &tls, None, Pin::SHA_256_ENDP);
    tls.end_point = Some([8; 32]);
    let _ = refused(&pair, &tls, "IKY-SHA-256-ENDP", &message, Outcome::BadProof);
    tls.end_point = None;
    let _ = refused(&pair, &tls, "IKY-SHA-256-ENDP", &message, Outcome::BindingMismatch);
}

#[test]
fn iky_resumed_flag_is_covered() {
    let (pair, first) = logged_in(server());
    let tls = Tls::resuming(&first);
    let mut full = tls.clone();
    full.resumed = None;
    let message = good(&pair, &full, None, Pin::SHA_256_EXPR);
    let _ = refused(&pair, &tls, EXPR[0], &message, Outcome::BadProof);
}

#[test]
fn iky_in_early_data() {
    let (pair, _) = logged_in(server());
    let mut tls = Tls::full();
    let message = good(&pair, &tls, None, Pin::SHA_256_EXPR);
    tls.early_data = true;
    let _ = refused(&pair, &tls, EXPR[0], &message, Outcome::BindingMismatch);
}

/// A2, A5: exporters that somebody else can have.
#[test]
fn iky_on_a_channel_that_may_be_shared() {
    let (pair, _) = logged_in(server());
    for spoil in [
        |tls: &mut Tls| tls.version12 = Some(false),
        |tls: &mut Tls| (tls.version12, tls.tickets) = (Some(true), Tickets::Stateless),
        |tls: &mut Tls| tls.dhe = false,
        |tls: &mut Tls| tls.has_exporter = false,
    ] {
        let mut tls = Tls::full();
        let message = good(&pair, &tls, None, Pin::SHA_256_EXPR);
        spoil(&mut tls);
        assert!(!pair.connection(&tls).mechanisms(pair.now).contains(&EXPR[0]));
        let _ = refused(&pair, &tls, EXPR[0], &message, Outcome::BindingMismatch);
        let (_, attempt) = pair.attempt("alice", &tls, None, EXPR);
        assert!(attempt.is_none(), "the client does not try either");
    }
}

/// A2, A5 at the origin.
#[test]
fn no_assertion_from_a_channel_that_may_be_shared() {
    for spoil in [
        |tls: &mut Tls| tls.version12 = Some(false),
        |tls: &mut Tls| (tls.version12, tls.tickets) = (Some(true), Tickets::Stateless),
        |tls: &mut Tls| tls.dhe = false,
    ] {
        let smtp = Scope::new(Service::SMTP, ServerName::parse(NAME).unwrap());
        let sibling = fast_reauth::mechanism::Sibling { scope: smtp, pin: Pin::SHA_256_NONE };
        let pair = Pair::new(server_with(&[Pin::SHA_256_EXPR, Pin::SHA_256_NONE]).sibling(sibling));
        let mut tls = Tls::full();
        spoil(&mut tls);
        let mut connection = pair.connection(&tls);
        let login = Login { full: &bound("alice"), identity: "alice", device: DeviceId::new(fresh()), now: pair.now };
        let commit = connection.logged_in(login, &tls.exporter()).commit;
        pair.store.commit(&commit, pair.now).unwrap();
        assert_eq!(pair.store.len().0, 0);
        let mut client = pair.client.connect(&account("alice"), tls.client()).offered(["IKY-SHA-256-NONE"]);
        assert_eq!(client.logged_in(&bound("alice"), &tls.exporter(), &[], pair.now), Ok(false));
    }
}

#[test]
fn iky_gs2_header_of_another_mechanism() {
    let (pair, _) = logged_in(server());
    let tls = Tls::full();
    let mut forger = Forger::new(&pair);
    for header in ["n", "y", "p=tls-server-end-point", "p=tls-unique"] {
        forger.header = header.into();
        let _ = refused(&pair, &tls, EXPR[0], &forger.message(&tls, None), Outcome::BindingMismatch);
    }
}

#[test]
fn iky_none_with_y_where_bindings_are_listed() {
    let mut policy = Policy::default();
    policy.lineage = fast_reauth::assertion::LineageRule::Never;
    let mut pair = Pair::new(server_with(&[Pin::SHA_256_NONE]).policy(policy));
    pair.full_login("alice", &Tls::full());
    let tls = Tls::full();
    let mut forger = Forger::new(&pair);
    forger.header = "y".into();
    forger.counter = Some(1);
    assert_eq!(pair.judge(&tls, "IKY-SHA-256-NONE", &forger.message(&tls, None)).outcome, Outcome::Accepted);
    pair.server = pair.server.pins([Pin::SHA_256_NONE, Pin::SHA_256_EXPR]);
    forger.counter = Some(2);
    let _ = refused(&pair, &tls, "IKY-SHA-256-NONE", &forger.message(&tls, None), Outcome::BindingMismatch);
}

// ---- IKY: lineage ----

#[test]
fn lineage_of_another_connection() {
    let (pair, first) = logged_in(server());
    let tls = Tls::resuming(&first);
    // The client mixes in a lineage that isn't that of the connection which the server sees resumed.
    let stranger = Tls::full();
    let message = good(&pair, &tls, Some(&stranger), Pin::SHA_256_EXPR);
    let _ = refused(&pair, &tls, EXPR[0], &message, Outcome::BadProof);
}

#[test]
fn lineage_without_resumption() {
    let (pair, first) = logged_in(server());
    let tls = Tls::full();
    let mut forger = Forger::new(&pair);
    forger.flags = 0;
    let message = forger.message(&tls, Some(&first));
    let _ = refused(&pair, &tls, EXPR[0], &message, Outcome::BadProof);
}

#[test]
fn lineage_of_another_identity() {
    let (pair, _) = logged_in(server());
    let bobs = Tls::full();
    pair.full_login("bob", &bobs);
    let tls = Tls::resuming(&bobs);
    let forger = Forger::new(&pair);
    let _ = refused(&pair, &tls, EXPR[0], &forger.message(&tls, Some(&bobs)), Outcome::BadProof);
}

#[test]
fn lineage_of_another_client_of_the_account() {
    let (pair, first) = logged_in(server());
    let forger = Forger::new(&pair);
    let other = Tls::full();
    pair.full_login("alice", &other); // a second device; the forger keeps the first one's assertion
    let tls = Tls::resuming(&other);
    let _ = refused(&pair, &tls, EXPR[0], &forger.message(&tls, Some(&other)), Outcome::BadProof);
    let tls = Tls::resuming(&first);
    assert_eq!(pair.judge(&tls, EXPR[0], &forger.message(&tls, Some(&first))).outcome, Outcome::Accepted);
}

#[test]
fn lineage_of_a_shared_or_expired_or_managed_session() {
    let (mut pair, first) = logged_in(server());
    let tls = Tls::resuming(&first);
    let forger = Forger::new(&pair);
    let managed = pair.connection(&tls).through_manager();
    let message = forger.message(&tls, Some(&first));
    assert_eq!(pair.judge_on(&managed, EXPR[0], &message).outcome, Outcome::BadProof);
    drop(managed);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)), "used, so that it lives longer");
    pair.now = later(7 * DAY);
    let _ = refused(&pair, &tls, EXPR[0], &message, Outcome::BadProof);

    let (pair, first) = logged_in(server());
    let forger = Forger::new(&pair);
    let second = Tls::resuming(&first);
    pair.full_login("bob", &second);
    let third = Tls::resuming(&second);
    let _ = refused(&pair, &third, EXPR[0], &forger.message(&third, Some(&second)), Outcome::BadProof);
    // Nor does another ticket of the first connection, which was alice's alone.
    let again = Tls::resuming(&first);
    let _ = refused(&pair, &again, EXPR[0], &forger.message(&again, Some(&first)), Outcome::BadProof);
}

#[test]
fn lineage_required_where_the_proof_is_reusable() {
    for pin in [Pin::SHA_256_NONE, Pin::SHA_256_ENDP] {
        let (pair, _) = logged_in(server_with(&[pin]));
        let tls = Tls::full();
        let message = good(&pair, &tls, None, pin);
        let _ = refused(&pair, &tls, pin.name(), &message, Outcome::FullAuthenticationDue);
    }
}

// ---- IKY: replay ----

#[test]
fn a_counter_is_accepted_once() {
    for pin in [Pin::SHA_256_NONE, Pin::SHA_256_ENDP] {
        let (pair, first) = logged_in(server_with(&[pin]));
        let tls = Tls::resuming(&first);
        let message = good(&pair, &tls, Some(&first), pin);
        assert_eq!(pair.judge(&tls, pin.name(), &message).outcome, Outcome::Accepted);
        let verdict = refused(&pair, &tls, pin.name(), &message, Outcome::Replayed);
        assert!(says(&verdict, "e=replayed,v="));
    }
}

#[test]
fn a_reusable_proof_without_counter() {
    let (pair, first) = logged_in(server_with(&[Pin::SHA_256_NONE]));
    let tls = Tls::resuming(&first);
    let mut forger = Forger::new(&pair);
    forger.header = "n".into();
    let _ = refused(&pair, &tls, "IKY-SHA-256-NONE", &forger.message(&tls, Some(&first)), Outcome::Malformed);
}

#[test]
fn a_wrong_proof_uses_up_no_counter() {
    let (pair, first) = logged_in(server_with(&[Pin::SHA_256_NONE]));
    let tls = Tls::resuming(&first);
    let message = good(&pair, &tls, Some(&first), Pin::SHA_256_NONE);
    let mut wrong = message.clone();
    let last = wrong.len() - 3;
    wrong[last] = if wrong[last] == b'A' { b'B' } else { b'A' };
    let outcome = pair.judge(&tls, "IKY-SHA-256-NONE", &wrong).outcome;
    assert!(matches!(outcome, Outcome::BadProof | Outcome::Malformed));
    assert_eq!(pair.judge(&tls, "IKY-SHA-256-NONE", &message).outcome, Outcome::Accepted);
}

// ---- IKY: the message ----

#[test]
fn any_octet_altered_added_or_removed() {
    for pin in [Pin::SHA_256_EXPR, Pin::ED25519_EXPR] {
        let (pair, first) = logged_in(server_with(&[pin]));
        let tls = Tls::resuming(&first);
        let message = good(&pair, &tls, Some(&first), pin);
        let before = fingerprint(&pair.store);
        let no = |message: &[u8], what: &str| {
            let verdict = pair.judge(&tls, pin.name(), message);
            assert_ne!(verdict.outcome, Outcome::Accepted, "{what}: {:?}", String::from_utf8_lossy(message));
            assert_eq!(fingerprint(&pair.store), before);
        };
        for at in 0..message.len() {
            for bit in 0..8 {
                let mut altered = message.clone();
                altered[at] ^= 1 << bit;
                no(&altered, "altered");
            }
            no(&message[..at], "truncated");
            no(&[&message[..at], &message[at + 1..]].concat(), "removed");
            for extra in [b'A', b'=', b',', b'1', b'\n', 0] {
                no(&[&message[..at], &[extra], &message[at..]].concat(), "added");
            }
        }
        for extra in ["=", ",", "A", " ", "\r\n", "\0", ",z=1"] {
            no(&[&message, extra.as_bytes()].concat(), "extended");
        }
        assert_eq!(pair.judge(&tls, pin.name(), &message).outcome, Outcome::Accepted);
    }
}

/// Syntax that a lenient parser would take, with a proof that is right for the octets as sent.
#[test]
fn not_canonical() {
    let (pair, _) = logged_in(server());
    let tls = Tls::full();
    let forger = Forger::new(&pair);
    let id = forger.id_b64();
    let good = format!("p=tls-exporter,a=alice,h={NAME},i={id}");
    assert_eq!(pair.judge(&tls, EXPR[0], &forger.prove(&tls, None, &good)).outcome, Outcome::Accepted);
    let swapped_bits = {
        // The last character before the padding carries bits that decode to nothing.
        let mut id = id.clone().into_bytes();
        let at = id.len() - 3;
        id[at] = match id[at] {
            b'A'..=b'Y' | b'a'..=b'y' | b'0'..=b'8' => id[at] + 1,
            _ => b'B',
        };
        String::from_utf8(id).unwrap()
    };
    let long = "x".repeat(3000);
    for covered in [
        format!("p=tls-exporter,a=alice,h={NAME},i={}", id.trim_end_matches('=')),
        format!("p=tls-exporter,a=alice,h={NAME},i={swapped_bits}"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id}\n"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},i={id}"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},t=AAAA"),
        format!("p=tls-exporter,a=alice,i={id},h={NAME}"),
        format!("p=tls-exporter,a=alice,h={NAME},h={NAME},i={id}"),
        format!("p=tls-exporter,a=alice,h={},i={id}", NAME.to_uppercase()),
        format!("p=tls-exporter,a=alice,a=alice,h={NAME},i={id}"),
        format!("p=tls-exporter,a=,h={NAME},i={id}"),
        format!("p=tls-exporter,a=al=69ce,h={NAME},i={id}"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},n=01"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},n=0"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},n=+1"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},n=18446744073709551616"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},l=0"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},l=1,n=1"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},f=AAAA"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},m=1"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},z=1,z=1"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},z="),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},zz=1"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},z=\0"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},z={long}"),
        format!("p=tls-exporter,a=alice,h={NAME},i={id},p=AAAA"),
        format!("p=tls-exporter,h={NAME},i={id}"),
        format!("p=tls-exporter,,h={NAME},t=AAAA"),
        format!("p=tls_exporter,a=alice,h={NAME},i={id}"),
        format!("a=alice,h={NAME},i={id}"),
    ] {
        let _ = refused(&pair, &tls, EXPR[0], &forger.prove(&tls, None, &covered), Outcome::Malformed);
    }
    for proof in [b"AAAA".to_vec(), vec![], vec![b'A'; 88]] {
        let message = [good.as_bytes(), b",p=", &proof].concat();
        let _ = refused(&pair, &tls, EXPR[0], &message, Outcome::Malformed);
    }
    // An extension that nobody knows is covered by the proof, and ignored.
    let extended = format!("p=tls-exporter,a=alice,h={NAME},i={id},z=anything=at/all");
    assert_eq!(pair.judge(&tls, EXPR[0], &forger.prove(&tls, None, &extended)).outcome, Outcome::Accepted);
}

#[test]
fn a_sealed_assertion_is_not_known_here() {
    let (pair, _) = logged_in(server());
    let tls = Tls::full();
    let covered = format!("p=tls-exporter,a=alice,h={NAME},t=AAAA");
    let message = Forger::new(&pair).prove(&tls, None, &covered);
    let verdict = refused(&pair, &tls, EXPR[0], &message, Outcome::Stale);
    assert!(says(&verdict, "e=not-recognised"));
}

#[test]
fn unknown_id_and_wrong_proof_read_the_same() {
    let (pair, _) = logged_in(server());
    let tls = Tls::full();
    let mut forger = Forger::new(&pair);
    let mut wrong = forger.message(&tls, None);
    let at = wrong.len() - 10;
    wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
    let wrong = refused(&pair, &tls, EXPR[0], &wrong, Outcome::BadProof);
    forger.id = [9; 16];
    let unknown = refused(&pair, &tls, EXPR[0], &forger.message(&tls, None), Outcome::Stale);
    assert_eq!(wrong.message, unknown.message);
    assert_eq!(wrong.message.as_deref(), Some(&b"e=not-recognised"[..]));
}

// ---- the client: the server has to show that it is the server ----

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
        let answer = spoil(verdict.message.unwrap());
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

// ---- the origin ----

/// Two ends that saw different logins have nothing in common.
#[test]
fn any_difference_at_the_origin_makes_another_assertion() {
    let logins: [FullLogin; 6] = [
        bound("alice"),
        FullLogin::new("SCRAM-SHA-512-PLUS", "alice").unwrap().bound_by(BindingType::Exporter),
        FullLogin::new("SCRAM-SHA-256-PLUS", "alice").unwrap().bound_by(BindingType::EndPoint),
        bound("alice2"),
        bound("alice").ordinal(2).unwrap(),
        bound("alice").keyed(b"session key").unwrap(),
    ];
    let tls = Tls::full();
    let derive = |login: &FullLogin, service: &Service, pin: Pin, name: &'static str| {
        let mut tls = tls.clone();
        tls.name = name;
        let policy = Policy::default();
        let facts = tls.client();
        let exporter = tls.exporter();
        *fast_reauth::assertion::ClientAssertion::derive(pin, service, login, &facts, &exporter, &policy, START)
            .unwrap()
            .id()
    };
    let mut ids: Vec<_> = logins.iter().map(|login| derive(login, &Service::IMAP, Pin::SHA_256_EXPR, NAME)).collect();
    ids.push(derive(&logins[0], &Service::SMTP, Pin::SHA_256_EXPR, NAME));
    ids.push(derive(&logins[0], &Service::IMAP, Pin::SHA_256_NONE, NAME));
    ids.push(derive(&logins[0], &Service::IMAP, Pin::SHA_256_EXPR, "other.example.com"));
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

// ---- the store's bounds ----

#[test]
fn no_account_is_logged_out_by_another() {
    let capacity = Capacity { records: 8, lineages: 8, devices_per_account: 4, lineages_per_device: 4 };
    let mut pair = Pair::new(server());
    pair.store = MemoryStore::new(capacity);
    pair.full_login("alice", &Tls::full());
    let mallory = |n: usize| {
        let tls = Tls::full();
        let mut connection = pair.connection(&tls);
        let name = format!("mallory{}", n % 50);
        let login = Login { full: &bound(&name), identity: &name, device: DeviceId::new(fresh()), now: pair.now };
        let commit = connection.logged_in(login, &tls.exporter()).commit;
        pair.store.commit(&commit, pair.now).unwrap()
    };
    let refused = (0..1000).filter(|&n| mallory(n) == Committed::Full).count();
    assert!(refused > 0, "a full store says so");
    assert!(pair.store.len().0 <= capacity.records && pair.store.len().1 <= capacity.lineages);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)), "alice is still known");
}

#[test]
fn one_account_has_so_many_devices_and_sessions_and_no_more() {
    let capacity = Capacity { records: 1000, lineages: 1000, devices_per_account: 4, lineages_per_device: 3 };
    let mut pair = Pair::new(server());
    pair.store = MemoryStore::new(capacity);
    let used = Tls::full();
    pair.full_login("alice", &used);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    pair.now = later(1);
    let mine = Forger::new(&pair);
    for _ in 0..100 {
        pair.full_login("alice", &Tls::full());
    }
    assert_eq!(pair.store.len(), (4, pair.store.len().1));
    assert_eq!(pair.store.devices("alice", None, pair.now).unwrap().len(), 4);
    let mut before = Tls::full();
    pair.full_login("alice", &before);
    for _ in 0..20 {
        let tls = Tls::resuming(&before);
        assert!(accepted(&pair.reconnect("alice", &tls, Some(&before), EXPR)));
        before = tls;
    }
    assert!(pair.store.len().1 <= 4 * 3);
    // Logins that nobody ever used went first.
    let tls = Tls::full();
    let _ = pair.judge(&tls, EXPR[0], &mine.message(&tls, None));
}

/// Someone who holds the client's half, or part of it, and says what he likes.
struct Forger {
    mechanism: String,
    header: String,
    authzid: String,
    name: String,
    service: &'static str,
    id: [u8; 16],
    client_key: Vec<u8>,
    counter: Option<u64>,
    flags: u8,
}

impl Forger {
    fn new(pair: &Pair) -> Self {
        let assertion = pair.client.assertions(&account("alice")).pop().unwrap();
        let pin = assertion.pin();
        Self {
            mechanism: pin.name().into(),
            header: "p=tls-exporter".into(),
            authzid: "alice".into(),
            name: NAME.into(),
            service: "imap",
            id: *assertion.id().as_octets(),
            client_key: client_key(&assertion.to_bytes()),
            counter: None,
            flags: 0,
        }
    }

    fn id_b64(&self) -> String {
        b64(&self.id)
    }

    fn message(&self, tls: &Tls, before: Option<&Tls>) -> Vec<u8> {
        let mut covered = format!("{},", self.header);
        if !self.authzid.is_empty() {
            covered += &format!("a={}", self.authzid);
        }
        covered += &format!(",h={},i={}", self.name, self.id_b64());
        if let Some(counter) = self.counter {
            covered += &format!(",n={counter}");
        }
        if before.is_some() {
            covered += ",l=1";
        }
        self.prove(tls, before, &covered)
    }

    /// The formulas of the draft once more, for HMAC with SHA-256 and EXPR or NONE.
    fn prove(&self, tls: &Tls, before: Option<&Tls>, covered: &str) -> Vec<u8> {
        use ring::{digest, hmac};
        let expr = self.mechanism.ends_with("EXPR");
        let mut binding = [0; 32];
        tls.export(b"EXPORTER-Channel-Binding", b"", &mut binding).unwrap();
        let mut lineage = [0; 32];
        if let Some(before) = before {
            before.export(b"EXPORTER-SASL-IKY-Lineage", b"", &mut lineage).unwrap();
        }
        let flags = if expr { self.flags | u8::from(tls.resumed.is_some()) } else { 0 };
        let mut t = Vec::new();
        for part in [
            &b"IKY initiator"[..],
            self.mechanism.as_bytes(),
            self.service.as_bytes(),
            &[flags],
            if expr { &binding } else { b"" },
            if before.is_some() { &lineage } else { b"" },
            covered.as_bytes(),
        ] {
            t.extend((part.len() as u32).to_be_bytes());
            t.extend(part);
        }
        let stored = digest::digest(&digest::SHA256, &self.client_key);
        let mask = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, stored.as_ref()), &t);
        let proof: Vec<u8> = mask.as_ref().iter().zip(&self.client_key).map(|(a, b)| a ^ b).collect();
        format!("{covered},p={}", b64(&proof)).into_bytes()
    }
}

fn b64(octets: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(octets)
}

/// The client key out of a serialised assertion: the eighth field.
fn client_key(serialised: &[u8]) -> Vec<u8> {
    let mut rest = &serialised[9..];
    let mut field = Vec::new();
    for _ in 0..8 {
        let len = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        field = rest[4..4 + len].to_vec();
        rest = &rest[4 + len..];
    }
    field
}
