//! Forged and altered messages of HT and HT2; and HT2 without pairs against HT, which are the same but for their framing.

use std::sync::OnceLock;

use fast_reauth::assertion::{
    ClientToken, DeviceId, HtMechanism, HtVersion, Policy, Scope, Service, ServiceKeys, TokenRequest,
};
use fast_reauth::channel::ServerName;
use fast_reauth::internal::fingerprint;
use fast_reauth::mechanism::ht::{self, Pairs, Request};
use fast_reauth::mechanism::{Login, Outcome};
use fast_reauth::store::Store;

use crate::common::{NAME, Pair, Tls, bound, server, start_over};
use crate::input::{edited, split};

/// The second of each two is HT2, with the same hash and binding as the first.
const NAMES: [&str; 6] = [
    "HT-SHA-256-EXPR",
    "HT2-SHA-256-EXPR",
    "HT-SHA-256-NONE",
    "HT2-SHA-256-NONE",
    "HT-SHA-512-ENDP",
    "HT2-SHA-512-ENDP",
];
const PHONE: &str = "phone";

struct Scene {
    pair: Pair,
    tls: Tls,
    mechanism: HtMechanism,
    token: ClientToken,
    message: Vec<u8>,
    answer: Vec<u8>,
    fingerprint: [u8; 32],
}

impl Scene {
    fn new(name: &str) -> Self {
        start_over();
        let mechanism = HtMechanism::from_name(name).expect("a mechanism of this build");
        let pair = Pair::new(server().fast([mechanism], ServiceKeys::new(1, &[7; 32])));
        let (full, tls) = (bound("alice"), Tls::full());
        let request = TokenRequest { mechanism, authcid: "alice", client: PHONE, random: [8; 32] };
        let login = Login { full: &full, identity: "alice", device: DeviceId::new([9; 8]), now: pair.now };
        let (logged_in, issued) = pair.connection(&tls).logged_in_with_token(login, &tls.exporter(), &request);
        assert!(pair.store.commit(&logged_in.commit, pair.now).is_ok_and(|committed| committed.is_durable()));
        let issued = issued.expect("a token");
        let scope = Scope::new(Service::IMAP, ServerName::parse(NAME).expect("a name"));
        let (text, policy) = (issued.token.expose(), Policy::default());
        let token =
            ClientToken::issued(text, mechanism, &scope, "alice", full.origin(), issued.expires, &policy, pair.now);
        let (message, answer) = (Vec::new(), Vec::new());
        let token = token.expect("a token to keep");
        let mut scene = Self { pair, tls, mechanism, token, message, answer, fingerprint: [0; 32] };
        scene.message = scene.start().message;
        let verdict = scene.judge(&scene.message, PHONE);
        assert_eq!(verdict.0, Outcome::Accepted);
        scene.answer = verdict.1.expect("with success");
        scene.fingerprint = fingerprint(&scene.pair.store);
        scene
    }

    fn start(&self) -> ht::Start {
        ht::Client::start(&self.token, &self.tls.client(), &self.pairs()).expect("a fit channel")
    }

    fn pairs(&self) -> Pairs {
        match self.mechanism.version() {
            HtVersion::Ht => Pairs::none(),
            HtVersion::Ht2 => Pairs::new([("a", "b"), ("c", "d")]).expect("pairs"),
        }
    }

    fn judge(&self, message: &[u8], client: &str) -> (Outcome, Option<Vec<u8>>) {
        let connection = self.pair.connection(&self.tls);
        let verdict =
            connection.ht(Request::new(self.mechanism, message, client, [3; 32])).run(&self.pair.store, self.pair.now);
        (verdict.outcome, verdict.message.map(Vec::from))
    }
}

/// The first octet chooses the mechanism, the second what the rest is.
pub fn run(data: &[u8]) {
    static SCENES: OnceLock<Vec<Scene>> = OnceLock::new();
    let scenes = SCENES.get_or_init(|| NAMES.map(Scene::new).into());
    let Some(([which, how], rest)) = split(data) else { return };
    let which = usize::from(which) % NAMES.len();
    let scene = &scenes[which];
    match how % 6 {
        0 => to_server(scene, rest, PHONE),
        1 => to_server(scene, &edited(&scene.message, rest), PHONE),
        2 => to_client(scene, rest),
        3 => to_client(scene, &edited(&scene.answer, rest)),
        4 => both_versions(&scenes[which / 2 * 2], &scenes[which / 2 * 2 + 1], rest),
        _ => {
            to_server(scene, &scene.message, &String::from_utf8_lossy(rest));
            pairs(rest);
        }
    }
}

fn to_server(scene: &Scene, message: &[u8], client: &str) {
    if message == scene.message && client == PHONE {
        return;
    }
    let (outcome, answer) = scene.judge(message, client);
    assert!(outcome != Outcome::Accepted && answer.is_none(), "{message:?}");
    assert!(fingerprint(&scene.pair.store) == scene.fingerprint, "a failed attempt changes nothing");
}

fn to_client(scene: &Scene, answer: &[u8]) {
    let result = scene.start().state.finish(Some(answer), true);
    assert_eq!(result.is_ok(), answer == scene.answer, "only the server's own answer is believed");
}

/// The same octets to a client of each, with the same token on the same connection.
fn both_versions(one: &Scene, two: &Scene, answer: &[u8]) {
    let text = one.token.token().expose();
    let again = |scene: &Scene| {
        let (expires, policy, now) = (scene.token.expires(), Policy::default(), scene.pair.now);
        let (scope, origin) = (scene.token.scope(), scene.token.origin());
        let token = ClientToken::issued(text, scene.mechanism, scope, "alice", origin, expires, &policy, now);
        ht::Client::start(&token.expect("a token to keep"), &one.tls.client(), &Pairs::none()).expect("a fit channel")
    };
    let (first, second) = (again(one), again(two));
    let at = first.message.iter().position(|&octet| octet == 0).expect("there is a NUL");
    let framed = [&first.message[..=at], b"\0", &first.message[at + 1..]].concat();
    assert_eq!(framed, second.message);
    let framed = [b"\0\0", answer].concat();
    let (first, second) = (first.state.finish(Some(answer), true), second.state.finish(Some(&framed), true));
    assert_eq!(first.is_ok(), second.is_ok());
    // And to a server of each, whose tokens differ.
    let Some(at) = answer.iter().position(|&octet| octet == 0) else { return };
    let framed = [&answer[..=at], b"\0", &answer[at + 1..]].concat();
    if *answer != one.message {
        assert_eq!(one.judge(answer, PHONE).0, two.judge(&framed, PHONE).0, "{answer:?}");
    }
}

fn pairs(octets: &[u8]) {
    let Ok(pairs) = Pairs::parse(octets) else { return };
    assert_eq!(pairs.as_str().as_bytes(), octets);
    assert_eq!(Pairs::new(pairs.iter()).as_ref(), Ok(&pairs));
    assert!(pairs.iter().all(|(key, value)| pairs.get(key) == Some(value)));
}
