//! What a thief has of it: the server's records, or a copy of the client.

use fast_reauth::store::Lookup;

use super::*;

/// StoredKey of the client's assertion, which is in the server's database; and ClientKey is not.
fn stored_key(pair: &Pair) -> Vec<u8> {
    let id = *pair.client.assertions(&account("alice"))[0].id();
    let lookup = Lookup { assertion: Some(id), ..Lookup::default() };
    let record = pair.store.lookup(&lookup, pair.now).unwrap().record.into_option().unwrap();
    let octets = record.to_bytes();
    let client_key = Forger::new(pair).client_key;
    let stored_key = ring::digest::digest(&ring::digest::SHA256, &client_key).as_ref().to_vec();
    assert!(octets.windows(stored_key.len()).any(|field| field == stored_key), "the record has no StoredKey");
    assert!(octets.windows(client_key.len()).all(|field| field != client_key), "the record has ClientKey");
    stored_key
}

#[test]
fn records_alone() {
    let (pair, _) = logged_in(server_with(&[Pin::SHA_256_EXPR]));
    let mut thief = Forger::new(&pair);
    thief.client_key = stored_key(&pair);
    let tls = Tls::full();
    let _ = refused(&pair, &tls, EXPR[0], &thief.message(&tls, None), Outcome::BadProof);
}

/// With HMAC, records and one proof give ClientKey, as the draft says. Where the lineage is required, that is not enough.
#[test]
fn records_with_a_proof_but_without_the_session() {
    let (pair, first) = logged_in(server_with(&[Pin::SHA_256_NONE]));
    let thief = Forger { header: "n".into(), counter: Some(5), ..Forger::new(&pair) };
    let tls = Tls::full();
    let _ = refused(&pair, &tls, "IKY-SHA-256-NONE", &thief.message(&tls, None), Outcome::FullAuthenticationDue);
    let hers = Tls::full();
    pair.full_login("mallory", &hers);
    let tls = Tls::resuming(&hers);
    for lineage in [&hers, &first] {
        let _ = refused(&pair, &tls, "IKY-SHA-256-NONE", &thief.message(&tls, Some(lineage)), Outcome::BadProof);
    }
}

#[test]
fn a_clone_whose_counters_are_behind() {
    let (pair, first) = logged_in(server_with(&[Pin::SHA_256_NONE]));
    let copy = pair.client.assertions(&account("alice")).remove(0);
    for _ in 0..3 {
        let tls = Tls::resuming(&first);
        assert!(accepted(&pair.reconnect("alice", &tls, Some(&first), &["IKY-SHA-256-NONE"])));
    }
    // The client's storage came back from a backup: its counters were used, and it is told so by the server itself.
    pair.client.forget(&account("alice"));
    pair.client.restore(&account("alice"), copy, ["IKY-SHA-256-NONE"]);
    for _ in 0..3 {
        let tls = Tls::resuming(&first);
        let (verdict, settled) = pair.reconnect("alice", &tls, Some(&first), &["IKY-SHA-256-NONE"]);
        assert_eq!((verdict.outcome, says(&verdict, "e=replayed,v=")), (Outcome::Replayed, true));
        assert!(matches!(settled, Settled::Failed(_)));
        assert_eq!(pair.client.assertions(&account("alice")).len(), 1, "it is kept");
    }
    let tls = Tls::resuming(&first);
    assert!(accepted(&pair.reconnect("alice", &tls, Some(&first), &["IKY-SHA-256-NONE"])), "its counter has passed");
}

/// Of two copies neither shuts the other one out, and both end with the client that they were made of.
#[test]
fn a_clone_ends_with_its_client() {
    let pair = Pair::new(server_with(&[Pin::SHA_256_EXPR]));
    let device = pair.full_login("alice", &Tls::full());
    let thief = Forger::new(&pair);
    let tls = Tls::full();
    assert_eq!(pair.judge(&tls, EXPR[0], &thief.message(&tls, None)).outcome, Outcome::Accepted);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    assert_eq!(pair.store.revoke("alice", Revoke::Device(device), pair.now), Ok(1));
    let tls = Tls::full();
    let _ = refused(&pair, &tls, EXPR[0], &thief.message(&tls, None), Outcome::Revoked);
}

/// Only the server's clock decides: a client whose own is wrong tries too late or too early, and is told.
#[test]
fn a_client_whose_clock_is_wrong() {
    let (pair, _) = logged_in(server_with(&[Pin::SHA_256_EXPR]));
    let tls = Tls::full();
    let message = Forger::new(&pair).message(&tls, None);
    let late = Pair { now: later(8 * DAY), ..pair };
    let _ = refused(&late, &tls, EXPR[0], &message, Outcome::Stale);
}
