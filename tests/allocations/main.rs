//! A login that is verified takes nothing from the heap, accepted or refused: from the message to the verdict, the store's own part left out.

#[allow(dead_code, unreachable_pub)] // the benches use all of it
mod scene;

use allocation_counter::measure;
use fast_reauth::assertion::{HtMechanism, HtVersion, Pin, TokenBinding, TokenHash};
use fast_reauth::mechanism::{Outcome, Received, Step, ht};
use fast_reauth::store::{Committed, Found, Store as _};
use scene::{CLIENT, Iky, NOW};

/// Whatever goes wrong ends the test.
pub(crate) type Fault = Box<dyn std::error::Error>;

/// The verdict, and how often it went to the heap for it.
fn judge<'c>(receive: impl Fn() -> Received<'c>, found: &Found) -> (Outcome, u64) {
    let mut outcome = None;
    let mut run = || {
        let verdict = match receive() {
            Received::Done(verdict) => verdict,
            Received::Lookup(pending) => match pending.found(Ok(found.clone()), NOW) {
                Step::Done(verdict) => verdict,
                Step::Commit(pending) => pending.committed(Ok(Committed::Done)),
            },
        };
        outcome = Some(verdict.outcome);
    };
    // What is computed once for all connections.
    run();
    let allocations = measure(run).count_total;
    (outcome.unwrap(), allocations)
}

#[test]
fn iky_takes_nothing_from_the_heap() {
    for pin in Pin::ALL.into_iter().filter(|pin| !pin.name().ends_with("-ENDP")) {
        // An Ed25519 signature is over the transcript in one piece.
        let none = u64::from(pin.signs());
        for resumed in [false, true] {
            let client = scene::iky(Iky { pin, sealed: false, resumed }).unwrap();
            let receive = || client.connection.iky(pin, &client.message);
            assert_eq!(judge(receive, &client.found), (Outcome::Accepted, none), "{pin}, resumed: {resumed}");

            // Nor does a stranger.
            let found = Found { record: None.into(), ..client.found.clone() };
            assert_eq!(judge(receive, &found), (Outcome::Stale, none), "{pin}, unknown");
            let mut wrong = client.message.clone();
            let proof = wrong.windows(3).rposition(|part| part == b",p=").unwrap() + 3;
            wrong[proof] = if wrong[proof] == b'A' { b'B' } else { b'A' };
            let receive = || client.connection.iky(pin, &wrong);
            assert_eq!(judge(receive, &client.found), (Outcome::BadProof, none), "{pin}, a wrong proof");
        }
    }
}

#[test]
fn a_refusal_that_is_signed_takes_nothing_either() {
    let pin = Pin::SHA_256_EXPR;
    let client = scene::iky(Iky { pin, sealed: false, resumed: false }).unwrap();
    client.store.revoke(scene::ALICE, fast_reauth::store::Revoke::All, NOW).unwrap();
    let receive = || client.connection.iky(pin, &client.message);
    let Received::Lookup(pending) = receive() else { panic!("it needs a record") };
    let found = client.store.lookup(pending.lookup(), NOW).unwrap();
    assert_eq!(judge(receive, &found), (Outcome::Revoked, 0));
}

#[test]
fn tokens_take_nothing_from_the_heap() {
    for version in [HtVersion::Ht, HtVersion::Ht2] {
        for binding in [TokenBinding::Exporter, TokenBinding::None] {
            for hash in [TokenHash::Sha256, TokenHash::Sha384, TokenHash::Sha512] {
                let mechanism = HtMechanism::new(version, hash, binding);
                let client = scene::ht(mechanism).unwrap();
                let request = || ht::Request::new(mechanism, &client.message, CLIENT, [4; 32]).count(Some(3));
                let receive = || client.connection.ht(request());
                assert_eq!(judge(receive, &client.found), (Outcome::Accepted, 0), "{mechanism}");
                let found = Found { token: None.into(), ..client.found.clone() };
                assert_eq!(judge(receive, &found), (Outcome::Stale, 0), "{mechanism}, unknown");
            }
        }
    }
}

#[test]
fn external_takes_nothing_from_the_heap() {
    let client = scene::external().unwrap();
    let receive = || client.connection.external(&client.message);
    assert_eq!(judge(receive, &client.found), (Outcome::Accepted, 0));
}
