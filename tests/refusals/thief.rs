//! Where the draft's limits are for somebody who has a key: the server's, which poses as the server, or the client's, which renews.

use fast_reauth::store::Lookup;
use fast_reauth::store::client::Accounts;
use ring::{digest, hmac};

use super::forger::{b64, field};
use super::*;

/// The thief of ServerKey, who ends TLS in the client's sight.
struct Thief {
    server_key: Vec<u8>,
    forger: Forger,
}

impl Thief {
    /// With what is in the server's record of alice.
    fn of(pair: &Pair) -> Self {
        let held = pair.client.assertions(&account("alice")).pop().unwrap();
        let server_key = field(&held.to_bytes(), 9);
        let lookup = Lookup { assertion: Some(*held.id()), ..Lookup::default() };
        let record = pair.store.lookup(&lookup, pair.now).unwrap().record.into_option().unwrap().to_bytes();
        assert!(record.windows(server_key.len()).any(|field| field == server_key), "the record has no ServerKey");
        Self { server_key, forger: Forger::new(pair) }
    }

    /// The responder message of the draft, by its formula.
    fn answer(&self, tls: &Tls, message: &[u8], says: &str) -> Vec<u8> {
        use base64::Engine as _;
        let (covered, proof) = core::str::from_utf8(message).unwrap().rsplit_once(",p=").unwrap();
        let proof = base64::engine::general_purpose::STANDARD.decode(proof).unwrap();
        let transcript = digest::digest(&digest::SHA256, &self.forger.transcript(tls, None, covered));
        let mut signed = Vec::new();
        for part in [&b"IKY responder"[..], transcript.as_ref(), &proof, says.as_bytes()] {
            signed.extend((part.len() as u32).to_be_bytes());
            signed.extend(part);
        }
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.server_key), &signed);
        format!("{says}v={}", b64(signature.as_ref())).into_bytes()
    }

    /// What the client makes of it that comes to the thief.
    fn meets_the_client(&self, pair: &Pair, says: &str) -> Settled {
        let tls = Tls::full();
        let (mut client, attempt) = pair.attempt("alice", &tls, None, EXPR);
        let attempt = attempt.unwrap();
        let answer = self.answer(&tls, attempt.message(), says);
        client.settle(attempt, Outcome::Accepted, Some(&answer), pair.now)
    }
}

/// Until then it can, as the draft says.
#[test]
fn the_thief_of_a_server_key_is_no_server_once_the_assertion_is_replaced() {
    let (pair, _) = logged_in(server_with(&[Pin::SHA_256_EXPR]));
    let mut thief = Thief::of(&pair);
    assert_eq!(thief.meets_the_client(&pair, ""), Settled::LoggedIn);
    pair.full_login("alice", &Tls::full());
    assert_eq!(thief.meets_the_client(&pair, ""), Settled::Failed(NextStep::Abandon));
    // And it is nobody's key for logging in.
    thief.forger.client_key = thief.server_key.clone();
    let tls = Tls::full();
    let _ = refused(&pair, &tls, EXPR[0], &thief.forger.message(&tls, None), Outcome::BadProof);
}

/// He ends TLS, so he has the successor's keys as the client has: but the server has no such record.
#[test]
fn what_the_thief_of_a_server_key_renews_logs_nobody_in() {
    let (pair, _) = logged_in(server_with(&[Pin::SHA_256_EXPR]));
    assert_eq!(Thief::of(&pair).meets_the_client(&pair, "x=2592000,r=1,"), Settled::LoggedIn);
    let held = pair.client.assertions(&account("alice"));
    assert_eq!(held.len(), 2, "the client believes it");
    let tls = Tls::full();
    let message = Forger::of(held.last().unwrap()).message(&tls, None);
    let _ = refused(&pair, &tls, EXPR[0], &message, Outcome::Stale);
    // The client tries it, and is let in by what it had.
    let tls = Tls::full();
    let (mut client, attempt) = pair.attempt("alice", &tls, None, EXPR);
    let attempt = attempt.unwrap();
    let verdict = pair.judge(&tls, attempt.mechanism(), attempt.message());
    let settled = client.settle(attempt, verdict.outcome, verdict.message.as_deref(), pair.now);
    assert_eq!((verdict.outcome, settled), (Outcome::Stale, Settled::Failed(NextStep::TryPredecessor)));
    let Plan::Known(attempt) = client.plan(pair.now) else { panic!("the one before") };
    assert_eq!(pair.judge(&tls, attempt.mechanism(), attempt.message()).outcome, Outcome::Accepted);
}

#[test]
fn the_renewal_of_a_thief_is_seen_by_the_client_and_ends_with_the_device() {
    let mut pair = Pair::new(server_with(&[Pin::SHA_256_EXPR]));
    let device = pair.full_login("alice", &Tls::full());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    let copied = Accounts::new(Policy::default());
    copied.restore(&account("alice"), pair.client.assertions(&account("alice")).remove(0), EXPR.iter().copied());
    pair.now = later(25 * DAY);
    let own = core::mem::replace(&mut pair.client, copied);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)), "the thief is given a successor");
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)), "and uses it");
    // The grace is over: what the client has is no more, so it logs in fully.
    pair.now = later(25 * DAY + 300);
    let thief = core::mem::replace(&mut pair.client, own);
    let (verdict, settled) = pair.reconnect("alice", &Tls::full(), None, EXPR);
    assert_eq!((verdict.outcome, settled), (Outcome::Stale, Settled::Failed(NextStep::FullLogin)));
    // The successor is of the same device, and revoked with it.
    assert_eq!(pair.store.revoke("alice", Revoke::Device(device), pair.now), Ok(1));
    pair.client = thief;
    let (verdict, settled) = pair.reconnect("alice", &Tls::full(), None, EXPR);
    assert_eq!((verdict.outcome, settled), (Outcome::Revoked, Settled::Failed(NextStep::FullLogin)));
}
