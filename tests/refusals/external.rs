//! EXTERNAL on a resumed session.

use super::*;

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

fn lookup_handle(tls: &Tls) -> fast_reauth::store::Lookup<'static> {
    fast_reauth::store::Lookup { handle: Some(tls.handle), ..Default::default() }
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

/// Whether EXTERNAL is listed, and what is said of it that isn't, tells a holder of a session of his own, and of nobody else's.
#[test]
fn external_as_an_oracle_for_who_is_known() {
    let pair = Pair::new(server());
    let lists = |tls: &Tls| pair.connection(tls).mechanisms(pair.now).join(" ");
    let nobodys = Tls::full();
    let strangers = [Tls::full(), Tls::resuming(&nobodys)];
    let of_a_stranger = lists(&strangers[0]);
    let (alices, bobs) = (Tls::full(), Tls::full());
    for (name, tls) in [("alice", &alices), ("bob", &bobs)] {
        pair.full_login(name, tls);
        assert_eq!(lists(&Tls::resuming(tls)), format!("EXTERNAL {of_a_stranger}"));
        for stranger in &strangers {
            assert_eq!(lists(stranger), of_a_stranger, "{name} is known");
            external_refused(&pair, stranger, "", Outcome::Stale);
        }
    }
    // On a session of his own, he may ask for others, whether they are known or not.
    for name in ["alice", "nobody"] {
        let verdict = refused(&pair, &Tls::resuming(&bobs), "EXTERNAL", name.as_bytes(), Outcome::BadProof);
        assert_eq!(verdict.message, None, "{name}");
        let verdict = refused(&pair, &strangers[1], "EXTERNAL", name.as_bytes(), Outcome::Stale);
        assert_eq!(verdict.message, None, "{name}");
    }
    pair.store.revoke("alice", Revoke::All, pair.now).unwrap();
    assert_eq!(lists(&Tls::resuming(&alices)), of_a_stranger);
    assert_eq!(lists(&Tls::resuming(&bobs)), format!("EXTERNAL {of_a_stranger}"));
}
