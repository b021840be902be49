//! Sealed records that their own client altered, swapped or made up: the proof is right, and the record is not the server's.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fast_reauth::assertion::{ClientAssertion, Pin, ServiceKeys};
use fast_reauth::internal::fingerprint;
use fast_reauth::mechanism::{Connection, Outcome, iky};
use fast_reauth::store::client::{Plan, Settled};

use crate::common::{Pair, Tls, account, fresh, server, start_over};
use crate::input::{edited, split};

/// A client, and the text that it may send with its proof.
struct Holder {
    assertion: ClientAssertion,
    text: String,
}

struct Scene {
    pair: Pair,
    holders: Vec<Holder>,
    fingerprint: [u8; 32],
}

impl Scene {
    fn new() -> Self {
        start_over();
        let keys = ServiceKeys::new(1, &[0x11; 32]).and(2, &[0x22; 32]).expect("two keys");
        let pair = Pair::new(server().sealed(keys));
        let holders = ["alice", "bob", "carol"].map(|name| holder(&pair, name)).into();
        let fingerprint = fingerprint(&pair.store);
        Self { pair, holders, fingerprint }
    }

    fn judge(&self, assertion: &ClientAssertion) -> Outcome {
        let tls = Tls::full();
        let message = iky::Client::start(assertion, &tls.client(), None, None).expect("a fit channel").message;
        let connection = Connection::new(&self.pair.server, tls.server());
        connection.iky(assertion.pin(), &message).run(&self.pair.store, self.pair.now).outcome
    }
}

/// The client of `name`, after its first reconnect.
fn holder(pair: &Pair, name: &str) -> Holder {
    pair.full_login(name, &Tls::full());
    let tls = Tls::full();
    let mut client = pair.client.connect(&account(name), tls.client()).offered(["IKY-SHA-256-EXPR"]);
    let Plan::Known(attempt) = client.plan(pair.now) else { panic!("the client is known") };
    let connection = pair.connection(&tls).seal_with(fresh());
    let verdict = connection.iky(Pin::SHA_256_EXPR, attempt.message()).run(&pair.store, pair.now);
    let settled = client.settle(attempt, verdict.outcome, verdict.message.as_deref(), pair.now);
    assert_eq!(settled, Settled::LoggedIn);
    let assertion = pair.client.assertions(&account(name)).pop().expect("an assertion");
    assert!(assertion.is_sealed());
    let message = iky::Client::start(&assertion, &tls.client(), None, None).expect("a fit channel").message;
    let message = String::from_utf8(message).expect("text");
    let text = message.split(",t=").nth(1).and_then(|rest| rest.split(',').next()).expect("it is sealed");
    Holder { assertion, text: text.to_owned() }
}

/// The first octet chooses whose record, the second whose key proves it, the third what the rest does to it.
pub fn run(data: &[u8]) {
    static SCENE: OnceLock<Scene> = OnceLock::new();
    let scene = SCENE.get_or_init(Scene::new);
    let Some(([whose, who, how], rest)) = split(data) else { return };
    let (holder, other) = (&scene.holders[usize::from(who) % 3], &scene.holders[usize::from(whose) % 3]);
    let octets = STANDARD.decode(&other.text).expect("base64");
    let text = match how % 3 {
        0 => STANDARD.encode(edited(&octets, rest)),
        1 => STANDARD.encode(rest),
        _ => match String::from_utf8(edited(other.text.as_bytes(), rest)) {
            Ok(text) => text,
            Err(_) => return,
        },
    };
    let Some(assertion) = holder.assertion.clone().sealed(&text) else { return };
    assert_eq!(scene.judge(&assertion) == Outcome::Accepted, text == holder.text, "{text}");
    assert!(fingerprint(&scene.pair.store) == scene.fingerprint, "neither changes anything");
}
