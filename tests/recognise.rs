//! What works: every way to be recognised, over and over.

mod common;

use common::*;
use fast_reauth::assertion::Pin;

#[test]
fn every_iky_mechanism_on_a_fresh_and_on_a_resumed_session() {
    for pin in Pin::ALL {
        let pair = Pair::new(server_with(&[pin]));
        let first = Tls::full();
        pair.full_login("alice", &first);
        let resumed = Tls::resuming(&first);
        let result = pair.reconnect("alice", &resumed, Some(&first), &[pin.name()]);
        assert!(accepted(&result), "{pin} resumed: {result:?}");
        let again = Tls::resuming(&resumed);
        assert!(accepted(&pair.reconnect("alice", &again, Some(&resumed), &[pin.name()])), "{pin} resumed twice");
        let result = pair.reconnect("alice", &Tls::full(), None, &[pin.name()]);
        // A proof that isn't bound to one connection has to come with a session's lineage, by default.
        assert_eq!(accepted(&result), !pin.needs_counter(), "{pin} fresh: {result:?}");
    }
}

#[test]
fn external_on_a_resumed_session_again_and_again() {
    let pair = Pair::new(server());
    let mut before = Tls::full();
    pair.full_login("alice", &before);
    for _ in 0..5 {
        let tls = Tls::resuming(&before);
        assert!(pair.connection(&tls).mechanisms(pair.now).contains(&"EXTERNAL"));
        let result = pair.reconnect("alice", &tls, Some(&before), &["EXTERNAL"]);
        assert!(accepted(&result), "{result:?}");
        assert_eq!(result.0.recognised.unwrap().identity(), "alice");
        before = tls;
    }
}
