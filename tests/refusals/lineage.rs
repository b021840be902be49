//! IKY: the lineage that a proof claims.

use super::*;

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
    let message = forger.message(&tls, Some(&first));
    {
        // With a mechanism that is taken through a manager at all.
        let (pair, first) = logged_in(server_with(&[Pin::SHA_256_NONE]));
        let tls = Tls::resuming(&first);
        let held = pair.client.assertions(&account("alice")).pop().unwrap();
        let start = fast_reauth::mechanism::iky::Client::start(&held, &tls.client(), Some(&first.lineage()), Some(1));
        let message = start.unwrap().message;
        let managed = pair.connection(&tls).through_manager();
        let verdict = pair.judge_on(&managed, "IKY-SHA-256-NONE", &message);
        assert_eq!(verdict.outcome, Outcome::BadProof);
        drop(managed);
        assert_eq!(pair.judge(&tls, "IKY-SHA-256-NONE", &message).outcome, Outcome::Accepted);
    }
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
