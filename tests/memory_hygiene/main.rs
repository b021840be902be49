//! What is left in this process's memory once clients, servers, stores and keys are dropped: no secret that this crate had on
//! the heap.
//!
//! It reads all of the process's memory, so it is a process of its own and has one test. Linux only.
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
mod memory;
mod states;

use core::cell::RefCell;
use core::time::Duration;
use std::thread;

use common::*;
use fast_reauth::assertion::{
    AccountSecret, DeviceId, FullLogin, HtMechanism, LineageRule, Pin, Policy, Renewal, Salt, ServiceKeys, TokenRequest,
};
use fast_reauth::channel::{ChannelFacts, Exporter as _, ExporterSecret};
use fast_reauth::mechanism::{Login, Outcome, ht};
use fast_reauth::store::Store;
use fast_reauth::store::client::{Accounts, Plan, Settled};
use memory::{Needles, Place, search};
use states::{add_ed25519, add_hmac};
use zeroize::Zeroizing;

/// Octets that nobody else has, made where they stay.
fn secret<const N: usize>(which: u64) -> Box<Zeroizing<[u8; N]>> {
    let mut octets = Box::new(Zeroizing::new([0; N]));
    let mut state = which.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
    for octet in octets.iter_mut() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *octet = (state >> 56) as u8;
    }
    octets
}

/// Renews each time.
fn eager() -> Policy {
    let mut policy = Policy::default();
    policy.renew_within = Duration::from_secs(40 * DAY);
    policy
}

/// Clients of derived assertions, through logins, renewals and lost replies.
fn derived(needles: &mut Needles, pins: &[Pin]) {
    let mut pair = Pair::new(server_with(pins).policy(eager()));
    pair.client = Accounts::new(eager());
    let session_key = secret::<32>(1);
    needles.add("a session key", &**session_key);
    let mut before = Tls::full();
    for name in ["alice", "bob", "carol", "dave", "eve"] {
        before = Tls::full();
        let full = bound(name).keyed(&**session_key).unwrap();
        full_login(needles, &pair, &full, name, &before);
        note(needles, &pair, name);
    }
    are_there(needles, &["a client key", "a server key", "a lineage"]);
    if pins.iter().all(|pin| !pin.signs()) {
        are_there(needles, &["what a server stores"]);
    }
    for round in 1..12 {
        pair.now = later(round * 2 * DAY);
        let tls = Tls::resuming(&before);
        note_exported(needles, &tls);
        let (mut client, attempt) = pair.attempt("eve", &tls, Some(&before), &["IKY-ED25519-EXPR", "IKY-SHA-256-EXPR"]);
        let attempt = attempt.unwrap();
        let verdict = pair.judge(&tls, attempt.mechanism(), attempt.message());
        assert_eq!(verdict.outcome, Outcome::Accepted);
        // The reply to every third login is lost.
        if round % 3 != 0 {
            let settled = client.settle(attempt, verdict.outcome, verdict.message.as_deref(), pair.now);
            assert_eq!(settled, Settled::LoggedIn);
        }
        note(needles, &pair, "eve");
        before = tls;
    }
    pair.store.sweep(pair.now);
    // All accounts as octets, which are wiped where they are.
    drop([(); 8].map(|()| pair.client.to_bytes()));
    pair.client.forget(&account("alice"));
}

/// A full login, and what both ends ask of the TLS stack for it.
fn full_login(needles: &mut Needles, pair: &Pair, full: &FullLogin, name: &str, tls: &Tls) {
    note_exported(needles, tls);
    let needles = RefCell::new(needles);
    let exporter = |label: &[u8], context: &[u8], out: &mut [u8]| {
        tls.export(label, context, out)?;
        needles.borrow_mut().add("a derived seed", out);
        Ok(())
    };
    let mut connection = pair.connection(tls);
    let offered = connection.mechanisms(pair.now);
    let login = Login { full, identity: name, device: DeviceId::new(fresh()), now: pair.now };
    assert!(pair.store.commit(&connection.logged_in(login, &exporter).commit, pair.now).unwrap().is_durable());
    let mut client = pair.client.connect(&account(name), tls.client()).offered(offered);
    client.logged_in(full, &exporter, &[], pair.now).unwrap();
}

/// What the facts of a connection have of its exporter.
const EXPORTED: [(&str, &[u8]); 3] = [
    ("a tls-exporter binding", b"EXPORTER-Channel-Binding"),
    ("a lineage", b"EXPORTER-SASL-IKY-Lineage"),
    ("the input of a renewal", b"EXPORTER-SASL-IKY-Renew"),
];

fn note_exported(needles: &mut Needles, tls: &Tls) {
    let mut value = Zeroizing::new([0; 32]);
    for (name, label) in EXPORTED {
        tls.export(label, b"", &mut *value).unwrap();
        needles.add(name, &*value);
    }
}

/// What is looked for is what is kept, while it is.
fn are_there(needles: &Needles, names: &[&'static str]) {
    let here = 0u8;
    let found = search(needles, core::ptr::from_ref(&here).addr());
    for name in names {
        assert!(found.contains_key(&(Place::Heap, *name)), "{name} is nowhere");
    }
}

/// The keys of a client's assertions.
fn note(needles: &mut Needles, pair: &Pair, name: &str) {
    for assertion in pair.client.assertions(&account(name)) {
        let octets = assertion.to_bytes();
        let (client, server) = (field(&octets, 7), field(&octets, 8));
        needles.add("a client key", client);
        needles.add("a server key", server);
        // What ring makes of them, and does not wipe.
        add_hmac(needles, "a server key, as HMAC keeps it", server);
        if assertion.pin().signs() {
            add_ed25519(needles, "a client key, as Ed25519 keeps it", client);
        } else {
            let stored = ring::digest::digest(&ring::digest::SHA256, client);
            needles.add("what a server stores", stored.as_ref());
            add_hmac(needles, "what a server stores, as HMAC keeps it", stored.as_ref());
        }
    }
}

/// The nth field of a serialised assertion.
fn field(serialised: &[u8], at: usize) -> &[u8] {
    let mut rest = &serialised[9..];
    let mut next = || {
        let (len, after) = rest.split_first_chunk().unwrap();
        let (field, after) = after.split_at(u32::from_be_bytes(*len) as usize);
        rest = after;
        field
    };
    for _ in 0..at {
        next();
    }
    next()
}

/// A client of a granted assertion, whose record comes sealed.
fn granted(needles: &mut Needles) {
    let (seed, random, key) = (secret::<32>(2), secret::<48>(3), secret::<32>(4));
    needles.add("a granted seed", &**seed);
    needles.add("an account's secret", &random[Salt::LEN..Salt::LEN + AccountSecret::LEN]);
    needles.add("a service key", &**key);
    let keys = ServiceKeys::new(1, &key);
    let mut policy = Policy::default();
    policy.lineage = LineageRule::Never;
    let pair = Pair::new(server_with(&[Pin::SHA_256_ENDP]).sealed(keys).policy(policy));
    let (tls, full) = (Tls::full(), bound("alice"));
    let mut connection = pair.connection(&tls).seal_with(**random);
    let login = Login { full: &full, identity: "alice", device: DeviceId::new(fresh()), now: pair.now };
    let (logged_in, text) = connection.logged_in_granting_sealed(login, Pin::SHA_256_ENDP, &seed, None);
    assert!(pair.store.commit(&logged_in.commit, pair.now).unwrap().is_durable());
    let offered = connection.mechanisms(pair.now);
    let mut client = pair.client.connect(&account("alice"), tls.client()).offered(offered);
    client.logged_in_granted_sealed(&full, Pin::SHA_256_ENDP, &seed, text.as_deref(), pair.now).unwrap();
    drop(client);
    note(needles, &pair, "alice");
    let result = pair.reconnect("alice", &Tls::full(), None, &["IKY-SHA-256-ENDP"]);
    assert!(accepted(&result), "{result:?}");
    note(needles, &pair, "alice");
}

/// A client of tokens, which rotate.
fn tokens(needles: &mut Needles) {
    let key = secret::<32>(5);
    needles.add("a service key", &**key);
    add_hmac(needles, "a service key, as HMAC keeps it", &**key);
    let mechanism = HtMechanism::HT_SHA_256_EXPR;
    let mut keys = ServiceKeys::new(1, &secret::<32>(6)).and(2, &key).unwrap().current(2).unwrap();
    // As many as make a list grow.
    for id in 3..16 {
        let older = secret::<32>(100 + u64::from(id));
        needles.add("a service key", &**older);
        keys = keys.and(id, &older).unwrap();
    }
    let mut pair = Pair::new(server().fast([mechanism], keys));
    let (full, tls) = (bound("alice"), Tls::full());
    let request = TokenRequest { mechanism, authcid: "alice", client: "phone", random: fresh() };
    let login = Login { full: &full, identity: "alice", device: DeviceId::new(fresh()), now: pair.now };
    let (logged_in, issued) = pair.connection(&tls).logged_in_with_token(login, &tls.exporter(), &request);
    let issued = issued.unwrap();
    assert!(pair.store.commit(&logged_in.commit, pair.now).unwrap().is_durable());
    let mut client = pair.client.connect(&account("alice"), tls.client()).fast([mechanism.name()]);
    client.token_issued(&full, mechanism, issued.token.expose(), issued.expires, pair.now).unwrap();
    drop((client, issued, logged_in));
    for round in 1..6 {
        pair.now = later(round * 6 * DAY);
        let mut client = pair.client.connect(&account("alice"), tls.client()).fast([mechanism.name()]);
        for token in pair.client.tokens(&account("alice")) {
            needles.add("a token", token.token().expose().as_bytes());
            add_hmac(needles, "a token, as HMAC keeps it", token.token().expose().as_bytes());
        }
        let Plan::Known(attempt) = client.plan(pair.now) else { panic!("a token to use") };
        let connection = pair.connection(&tls);
        let request = ht::Request::new(mechanism, attempt.message(), "phone", fresh());
        let verdict = connection.ht(request).run(&pair.store, pair.now);
        let settled = client.settle(attempt, verdict.outcome, verdict.message.as_deref(), pair.now);
        assert_eq!(settled, Settled::LoggedIn);
        if let Some(next) = &verdict.token {
            client.token_rotated(next.token.expose(), next.expires, pair.now).unwrap();
        }
    }
}

/// What has no place of its own on the heap there, put on the heap.
fn alone(needles: &mut Needles) {
    let (account, seed) = (secret::<16>(8), secret::<32>(9));
    needles.add("an account's secret", &**account);
    needles.add("a granted seed", &**seed);
    // Several, and so in the middle of what is freed, too.
    drop(Box::new([(); 8].map(|()| AccountSecret::new(**account))));
    drop(Box::new([(); 8].map(|()| Renewal::Granted(**seed))));

    let exporter = secret::<48>(11);
    needles.add("an exporter secret", &**exporter);
    let of = ExporterSecret::new(&**exporter).unwrap();
    let mut value = Zeroizing::new([0; 32]);
    for (name, label) in EXPORTED.into_iter().chain([("the early exporter's value", &b"EXPORTER-SASL-IKY-Early"[..])]) {
        of.export(label, b"", &mut *value).unwrap();
        needles.add(name, &*value);
    }
    let facts = || ChannelFacts::tls13().exporter(&of).unwrap().early_exporter(&of).unwrap();
    let kept = Box::new([(); 8].map(|()| (facts(), of.clone())));
    are_there(needles, &EXPORTED.map(|(name, _)| name));
    are_there(needles, &["an exporter secret", "the early exporter's value"]);
    drop(kept);

    // ring keeps a key of HMAC as what its hash function makes of it.
    let key = secret::<32>(10);
    add_hmac(needles, "a service key", &**key);
    drop([(); 8].map(|()| ServiceKeys::new(1, &key)));
}

/// Everything, on a thread of its own. Gives an address on its stack.
fn all_of_it(needles: &mut Needles) -> usize {
    derived(needles, &[Pin::SHA_256_EXPR, Pin::SHA_256_NONE]);
    derived(needles, &[Pin::SHA_256_EXPR, Pin::ED25519_EXPR, Pin::SHA_256_NONE]);
    granted(needles);
    tokens(needles);
    alone(needles);
    let here = 0u8;
    core::ptr::from_ref(&here).addr()
}

#[test]
fn no_secret_is_left_on_the_heap() {
    let mut needles = Needles::default();
    let stack = thread::scope(|scope| scope.spawn(|| all_of_it(&mut needles)).join().unwrap());
    assert!(needles.len() > 50);
    let found = search(&needles, stack);
    for ((place, name), times) in &found {
        println!("{name}: {times} pieces ({place:?})");
    }
    assert!(found.keys().all(|(place, _)| *place == Place::Stack), "{found:?}");

    // It can find something: freed, and not wiped.
    let octets = secret::<32>(7);
    needles.add("what nobody wiped", octets.as_slice());
    // In the middle, and more than one, as allocators write into what is freed and use it again.
    drop([(); 8].map(|()| [&[1; 100], octets.as_slice(), &[1; 100]].concat()));
    drop(octets);
    assert!(search(&needles, stack).contains_key(&(Place::Heap, "what nobody wiped")));
}
