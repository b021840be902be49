//! The last step of a login, what has to be durable: a store that does not answer, and a commit that is no client's.

use super::*;
use fast_reauth::mechanism::{Received, Step};
use fast_reauth::store::{Commit, Remember, Unavailable};

#[test]
fn nobody_is_known_until_the_use_of_an_assertion_is_durable() {
    let (pair, _) = logged_in(server());
    let tls = Tls::full();
    let message = good(&pair, &tls, None, Pin::SHA_256_EXPR);
    let before = fingerprint(&pair.store);
    let connection = pair.connection(&tls);
    let Received::Lookup(pending) = connection.iky(Pin::SHA_256_EXPR, &message) else { panic!("a message to look up") };
    let found = pair.store.lookup(pending.lookup(), pair.now);
    let Step::Commit(pending) = pending.found(found, pair.now) else { panic!("its first use is to be stored") };
    let verdict = pending.committed(Err(Unavailable));
    assert_eq!((verdict.outcome, &verdict.recognised), (Outcome::Unavailable, &None));
    assert!(says(&verdict, "e=unavailable"));
    assert_eq!(fingerprint(&pair.store), before);
    assert_eq!(pair.judge(&tls, EXPR[0], &message).outcome, Outcome::Accepted, "the same again, later");
}

/// Between the lookup and the commit: what its proof was checked with is gone, and so nothing is said that only its client could know.
#[test]
fn a_client_that_is_revoked_while_it_logs_in_reads_what_a_stranger_does() {
    let (pair, _) = logged_in(server());
    let tls = Tls::full();
    let message = good(&pair, &tls, None, Pin::SHA_256_EXPR);
    let connection = pair.connection(&tls);
    let Received::Lookup(pending) = connection.iky(Pin::SHA_256_EXPR, &message) else { panic!("a message to look up") };
    let found = pair.store.lookup(pending.lookup(), pair.now);
    let Step::Commit(pending) = pending.found(found, pair.now) else { panic!("its first use is to be stored") };
    pair.store.revoke("alice", Revoke::All, pair.now).unwrap();
    let before = fingerprint(&pair.store);
    let committed = pair.store.commit(pending.commit(), pair.now);
    let verdict = pending.committed(committed);
    assert_eq!((verdict.outcome, &verdict.recognised), (Outcome::Stale, &None));
    assert_eq!(verdict.message.as_deref(), Some(&b"e=not-recognised"[..]));
    assert_eq!(fingerprint(&pair.store), before);
}

fn login_of(pair: &Pair, name: &str, tls: &Tls) -> Remember {
    let full = bound(name);
    let login = Login { full: &full, identity: name, device: DeviceId::new(fresh()), now: pair.now };
    match pair.connection(tls).logged_in(login, &tls.exporter()).commit {
        Commit::Remember(remember) => remember,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_remembered_of_a_login_is_all_of_one_client() {
    let pair = Pair::new(server());
    let [alice, bob, other] = ["alice", "bob", "alice"].map(|name| login_of(&pair, name, &Tls::full()));
    let before = fingerprint(&pair.store);
    for stranger in [bob, other] {
        let foreign_record =
            Remember { records: [&alice.records[..], &stranger.records[..]].concat(), ..alice.clone() };
        let foreign_link = Remember { link: stranger.link, ..alice.clone() };
        for mixed in [foreign_record, foreign_link] {
            assert_eq!(pair.store.commit(&Commit::Remember(mixed), pair.now), Ok(Committed::Gone));
            assert_eq!(fingerprint(&pair.store), before);
        }
    }
    assert_eq!(pair.store.commit(&Commit::Remember(alice), pair.now), Ok(Committed::Done));
}
