//! What a TLS session stands for: how strongly, for whom, and until when; and what a store keeps to while it is so.
//! Like `refusals`, every rule here is taken out in turn by `tests/disable-rules`.

#[path = "../common/mod.rs"]
mod common;

mod client;
mod full;
mod next;
mod shared;
mod store;
mod whose;
mod worth;

use core::time::Duration;

use common::*;
use fast_reauth::Timestamp;
use fast_reauth::assertion::{
    Binding, CannotDerive, DeviceId, FullLogin, Hash, InvalidAssertion, LineageRule, Origin, Pin, Policy, Scope,
    Service,
};
use fast_reauth::channel::{ChannelFacts, ServerName, Tickets};
use fast_reauth::internal::fingerprint;
use fast_reauth::mechanism::{
    Connection, LoggedIn, Login, NextStep, Outcome, Received, Server, Sibling, Step, external,
};
use fast_reauth::store::client::{Account, Accounts, Plan, Settled};
use fast_reauth::store::{Capacity, Committed, Lookup, MemoryStore, Revoke, Store};

const EXPR: &[&str] = &["IKY-SHA-256-EXPR"];

fn policy(change: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = Policy::default();
    change(&mut policy);
    policy
}

fn external_on(pair: &Pair, tls: &Tls) -> Outcome {
    pair.judge(tls, "EXTERNAL", b"").outcome
}

fn login<'a>(full: &'a FullLogin, identity: &'a str, pair: &Pair) -> Login<'a> {
    Login { full, identity, device: DeviceId::new(fresh()), now: pair.now }
}

fn handle_of(tls: &Tls) -> Lookup<'static> {
    Lookup { handle: Some(tls.handle), ..Lookup::default() }
}
