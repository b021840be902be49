//! No secret in any Debug output, in debug and release builds alike (`.ci/run` runs it in both).

mod common;

use core::fmt::Debug;

use base64::Engine as _;
use common::*;
use fast_reauth::assertion::{
    DeviceId, FullLogin, HtMechanism, LineageRule, Pin, Policy, Renewal, ServiceKeys, TokenRequest,
};
use fast_reauth::channel::{EndPoint, Lineage};
use fast_reauth::mechanism::ht::Request;
use fast_reauth::mechanism::{Login, Received, Step, iky};
use fast_reauth::store::client::Plan;
use fast_reauth::store::{Lookup, Store};

/// Every way in which Debug might show octets.
fn spellings(secret: &[u8]) -> Vec<String> {
    let list = |each: fn(&u8) -> String| secret.iter().map(each).collect::<Vec<_>>();
    vec![
        list(|octet| format!("{octet:02x}")).concat(),
        list(|octet| format!("{octet:02X}")).concat(),
        list(|octet| octet.to_string()).join(", "),
        list(|octet| format!("    {octet},")).join("\n"),
        base64::engine::general_purpose::STANDARD_NO_PAD.encode(secret),
        String::from_utf8_lossy(secret).into_owned(),
    ]
}

struct Secrets(Vec<(&'static str, Vec<u8>)>);

impl Secrets {
    fn hidden_in(&self, what: &dyn Debug) {
        for text in [format!("{what:?}"), format!("{what:#?}")] {
            for (name, secret) in &self.0 {
                // A piece is as bad as the whole.
                for piece in secret.chunks(8).filter(|piece| piece.len() == 8) {
                    for spelling in spellings(piece) {
                        let spelling = spelling.trim_end_matches(',').trim();
                        assert!(!text.contains(spelling), "{name} in {text}");
                    }
                }
            }
        }
    }
}

#[test]
fn no_debug_output_shows_a_secret() {
    for pin in [Pin::SHA_256_EXPR, Pin::ED25519_EXPR, Pin::SHA_256_NONE] {
        let mut policy = Policy::default();
        policy.lineage = LineageRule::Never;
        let mut pair = Pair::new(server_with(&[pin]).policy(policy));
        let first = Tls::full();
        let session_key: [u8; 32] = fresh();
        let full = bound("alice").keyed(&session_key).unwrap();
        let device = pair.full_login_with(&full, "alice", &first);
        let assertion = pair.client.assertions(&account("alice"))[0].clone();

        let mut secrets = Secrets(vec![
            ("the TLS secret", first.secret.to_vec()),
            ("the session key", session_key.to_vec()),
            ("the handle", first.handle.as_octets().to_vec()),
            ("the end point", first.end_point.unwrap().map(|_| 0xfe).to_vec()),
            ("the lineage", first.lineage().expose().to_vec()),
            ("the tls-exporter value", first.client().tls_exporter().unwrap().to_vec()),
        ]);
        let serialised = assertion.to_bytes();
        for (at, name) in [(7, "the client key"), (8, "the server key")] {
            secrets.0.push((name, field(&serialised, at)));
        }
        secrets.hidden_in(&assertion);
        secrets.hidden_in(&full);
        secrets.hidden_in(&(first.client(), first.server(), first.handle, first.lineage()));
        secrets.hidden_in(&EndPoint::from_octets(&[0xfe; 32]).unwrap());
        secrets.hidden_in(&Login { full: &full, identity: "alice", device, now: pair.now });
        secrets.hidden_in(&(&pair.client, &pair.store, &pair.server, pair.connection(&first)));

        let tls = Tls::resuming(&first);
        let predecessor = pair.predecessor("alice", &first);
        secrets.hidden_in(&predecessor);
        let lookup = Lookup { assertion: Some(*assertion.id()), handle: Some(first.handle), ..Lookup::default() };
        let found = pair.store.lookup(&lookup, pair.now).unwrap();
        assert!(found.record.is_there() && found.lineage.is_some());
        secrets.hidden_in(&(lookup, found));

        pair.now = later(6 * DAY);
        pair.server = server_with(&[pin]).policy({
            let mut policy = Policy::default();
            policy.lineage = LineageRule::Never;
            policy.renew_within = core::time::Duration::from_secs(40 * DAY);
            policy.lifetime = core::time::Duration::from_secs(120 * DAY);
            policy
        });
        let (client, attempt) = pair.attempt("alice", &tls, Some(&first), &[pin.name()]);
        let attempt = attempt.unwrap();
        let message = String::from_utf8(attempt.message().to_vec()).unwrap();
        let proof = message.rsplit_once(",p=").unwrap().1;
        secrets.0.push(("the proof", base64::engine::general_purpose::STANDARD.decode(proof).unwrap()));
        secrets.0.push(("the proof as text", proof.as_bytes().to_vec()));
        secrets.hidden_in(&(&client, &attempt));
        let counter = pin.needs_counter().then_some(77);
        secrets.hidden_in(&iky::Client::start(&assertion, &tls.client(), None, counter).unwrap());

        let grant: [u8; 32] = fresh();
        secrets.0.push(("the grant", grant.to_vec()));
        secrets.hidden_in(&Renewal::Granted(grant));
        let mut connection = pair.connection(&tls).grant_with(grant);
        secrets.hidden_in(&connection);
        let received = connection.iky(pin, attempt.message());
        secrets.hidden_in(&received);
        let Received::Lookup(pending) = received else { panic!() };
        let found = pair.store.lookup(pending.lookup(), pair.now);
        let step = pending.found(found, pair.now);
        secrets.hidden_in(&step);
        let Step::Commit(pending) = step else { panic!("the first use is written") };
        secrets.hidden_in(pending.commit());
        let committed = pair.store.commit(pending.commit(), pair.now);
        let verdict = pending.committed(committed);
        let message = String::from_utf8(verdict.message.clone().unwrap().into()).unwrap();
        secrets.0.push(("the signature", message.rsplit_once("v=").unwrap().1.as_bytes().to_vec()));
        assert!(message.contains("r="), "renewed");
        secrets.hidden_in(&verdict);
        let recognised = verdict.recognised.unwrap();
        secrets.hidden_in(&connection.recognised(&recognised, pair.now));
        let login = Login { full: &full, identity: "alice", device: DeviceId::new(fresh()), now: pair.now };
        secrets.hidden_in(&connection.logged_in(login, &tls.exporter()));
        secrets.hidden_in(&Lineage::new(fresh()));
        secrets.hidden_in(&FullLogin::new("PLAIN", "alice").unwrap());
    }
}

/// The nth field of a serialised assertion.
fn field(serialised: &[u8], at: usize) -> Vec<u8> {
    let mut rest = &serialised[9..];
    for _ in 0..at {
        let len = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        rest = &rest[4 + len..];
    }
    let len = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
    rest[4..4 + len].to_vec()
}

#[test]
fn the_test_itself_can_fail() {
    let secrets = Secrets(vec![("octets", (10..42).collect())]);
    for shown in [&(10..42u8).collect::<Vec<u8>>() as &dyn Debug, &"0a0b0c0d0e0f1011", &"CgsMDQ4PEBE"] {
        assert!(std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| secrets.hidden_in(shown))).is_err());
    }
}

#[test]
fn nor_a_token() {
    let key: [u8; 32] = fresh();
    let keys = ServiceKeys::new(7, &key);
    let mechanism = HtMechanism::from_name("HT2-SHA-256-EXPR").unwrap();
    let mut pair = Pair::new(server().fast([mechanism], keys.clone()));
    let (full, tls) = (bound("alice"), Tls { unique: Some(fresh()), ..Tls::full() });
    let salt: [u8; 32] = fresh();
    let request = TokenRequest { mechanism, authcid: "alice", client: "phone", random: salt };
    let login = Login { full: &full, identity: "alice", device: DeviceId::new(fresh()), now: pair.now };
    let (logged_in, issued) = pair.connection(&tls).logged_in_with_token(login, &tls.exporter(), &request);
    let issued = issued.unwrap();
    let mut secrets = Secrets(vec![
        ("the service key", key.to_vec()),
        ("the salt", salt.to_vec()),
        ("the token", issued.token.expose().as_bytes().to_vec()),
        ("tls-unique", tls.unique.unwrap().to_vec()),
    ]);
    assert!(pair.store.commit(&logged_in.commit, pair.now).unwrap().is_durable());
    let account = account("alice");
    let mut client = pair.client.connect(&account, tls.client()).fast([mechanism.name()]);
    client.token_issued(&full, mechanism, issued.token.expose(), issued.expires, pair.now).unwrap();
    secrets.hidden_in(&(&request, &issued, &logged_in, &keys, &client, &pair.client, &pair.store, &pair.server));

    pair.now = later(25 * DAY);
    let mut client = pair.client.connect(&account, tls.client());
    let Plan::Known(attempt) = client.plan(pair.now) else { panic!("a token to use") };
    let hash = &attempt.message()[attempt.message().len() - 32..];
    secrets.0.push(("the hashed token", hash.to_vec()));
    secrets.hidden_in(&(&client, &attempt));
    let connection = pair.connection(&tls);
    let received = connection.ht(Request::new(mechanism, attempt.message(), "phone", salt));
    secrets.hidden_in(&received);
    let Received::Lookup(pending) = received else { panic!("a lookup") };
    let found = pair.store.lookup(pending.lookup(), pair.now);
    secrets.hidden_in(&found);
    let step = pending.found(found, pair.now);
    secrets.hidden_in(&step);
    let Step::Commit(pending) = step else { panic!("a rotation") };
    let committed = pair.store.commit(pending.commit(), pair.now);
    let verdict = pending.committed(committed);
    let next = verdict.token.as_ref().expect("the next token").token.expose();
    secrets.0.push(("the next token", next.as_bytes().to_vec()));
    secrets.0.push(("the responder message", verdict.message.clone().unwrap().into()));
    secrets.hidden_in(&(&verdict, &pair.store));
    let kept = pair.client.tokens(&account);
    secrets.hidden_in(&(kept[0].token(), &kept));
}
