//! Forged and altered messages of IKY, to a server that knows the client and to a client that waits for its server: nobody
//! believes them, and nothing is changed by them.

use std::sync::OnceLock;

use fast_reauth::assertion::{Binding, ClientAssertion, Hash, LineageRule, Pin, Policy};
use fast_reauth::internal::{fingerprint, is_responder_message};
use fast_reauth::mechanism::{Outcome, iky};

use crate::common::{Pair, Tls, account, server_with, start_over};
use crate::input::{edited, split};

const PINS: [Pin; 4] =
    [Pin::SHA_256_EXPR, Pin::SHA_256_NONE, Pin::ED25519_EXPR, Pin::mac(Hash::Sha384, Binding::EndPoint)];
const COUNTER: u64 = 9;

/// A client that is known, the connection on which it comes back, and what both ends say there.
struct Scene {
    pair: Pair,
    before: Tls,
    tls: Tls,
    assertion: ClientAssertion,
    message: Vec<u8>,
    answer: Vec<u8>,
    fingerprint: [u8; 32],
}

impl Scene {
    fn new(pin: Pin) -> Self {
        let mut policy = Policy::default();
        policy.lineage = LineageRule::Never;
        let pair = Pair::new(server_with(&[pin]).policy(policy));
        let before = Tls::full();
        pair.full_login("alice", &before);
        let tls = Tls::resuming(&before);
        let assertion = pair.client.assertions(&account("alice"))[0].clone();
        let mut scene =
            Self { pair, before, tls, assertion, message: Vec::new(), answer: Vec::new(), fingerprint: [0; 32] };
        scene.message = scene.start().message;
        let verdict = scene.pair.judge(&scene.tls, pin.name(), &scene.message);
        assert_eq!(verdict.outcome, Outcome::Accepted);
        scene.answer = verdict.message.expect("IKY's always comes").into();
        scene.fingerprint = fingerprint(&scene.pair.store);
        scene
    }

    fn start(&self) -> iky::Start {
        let lineage = self.before.lineage();
        iky::Client::start(&self.assertion, &self.tls.client(), Some(&lineage), Some(COUNTER)).expect("a fit channel")
    }
}

/// The first octet chooses the mechanism and who gets it, the second whether the rest is the message or edits the true one.
pub fn run(data: &[u8]) {
    static SCENES: OnceLock<Vec<Scene>> = OnceLock::new();
    let scenes = SCENES.get_or_init(|| {
        start_over();
        PINS.map(Scene::new).into()
    });
    let Some(([which, how], rest)) = split(data) else { return };
    let scene = &scenes[usize::from(which) % scenes.len()];
    let true_one = if which & 4 == 0 { &scene.message } else { &scene.answer };
    let message = if how & 1 == 0 { rest.to_vec() } else { edited(true_one, rest) };
    if message == *true_one {
        return;
    }
    if which & 4 == 0 { to_server(scene, &message) } else { to_client(scene, &message, how & 2 == 0) }
}

fn to_server(scene: &Scene, message: &[u8]) {
    let pin = scene.assertion.pin();
    let verdict = scene.pair.judge(&scene.tls, pin.name(), message);
    assert!(verdict.outcome != Outcome::Accepted && verdict.recognised.is_none(), "{message:?}");
    assert!(fingerprint(&scene.pair.store) == scene.fingerprint, "a failed attempt changes nothing");
    let answer = Vec::from(verdict.message.expect("IKY's always comes"));
    assert!(is_responder_message(pin, &answer), "{:?}", String::from_utf8_lossy(&answer));
    // Nobody proved anything, so nothing is signed; and a stranger is not told what the store knows.
    assert!(!answer.windows(2).any(|two| two == b"v="));
    if matches!(verdict.outcome, Outcome::Stale | Outcome::BadProof | Outcome::BindingMismatch) {
        assert_eq!(*answer, *b"e=not-recognised");
    }
}

fn to_client(scene: &Scene, answer: &[u8], accepted: bool) {
    let result = scene.start().state.finish(Some(answer), accepted, scene.pair.now);
    let refused = result.expect_err("only the server's own answer is believed");
    assert!(refused.keeps_assertion(), "nobody but the server ends an assertion: {refused:?}");
}
