//! What must be refused. Each test fails when its rule is taken out: `tests/disable-rules` shows it.

#[path = "../common/mod.rs"]
mod common;

mod answer;
mod both_ends;
mod bounds;
mod boxed;
mod channel;
mod client;
mod commit;
mod early;
mod external;
mod forger;
mod lineage;
mod message;
mod origin;
mod record;
mod replay;
mod signed;
mod stand_in;
mod stolen;
mod stored;
mod thief;
mod values;
mod weakest;

use common::*;
use fast_reauth::assertion::{BindingType, DeviceId, FullLogin, Origin, Pin, Policy, Scope, Service};
use fast_reauth::channel::{ServerName, Tickets};
use fast_reauth::internal::fingerprint;
use fast_reauth::mechanism::{Login, NextStep, Outcome, Server, Verdict};
use fast_reauth::store::client::{Plan, Settled};
use fast_reauth::store::{Capacity, Committed, MemoryStore, Revoke, Store};
use forger::Forger;

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

fn says(verdict: &Verdict, start: &str) -> bool {
    verdict.message.as_ref().is_some_and(|message| message.starts_with(start.as_bytes()))
}
