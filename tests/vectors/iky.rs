//! Keys, exchanges, decisions, answers and messages of IKY.

use std::sync::Arc;

use base64::Engine as _;
use fast_reauth::assertion::{ClientAssertion, Hash, LineageRecord, OfferHash, Pin};
use fast_reauth::channel::{ChannelFacts, EndPoint, Lineage, ServerName, Tickets};
use fast_reauth::mechanism::iky::{Client, Refused, Start};
use fast_reauth::mechanism::{Connection, Outcome, Received, Server, Step, Verdict};
use fast_reauth::store::{Commit, Committed, Found, MemoryStore, Store, Unavailable};
use serde_json::{Value, json};

use crate::case::*;
use crate::facts::*;

/// The client's half of an assertion.
pub(crate) fn client_assertion(assertion: &Value, context: &Value) -> ClientAssertion {
    let exports = login_exports(assertion, context);
    let full = full_login(assertion).ordinal(number(&assertion["ordinal"]) as u32).expect("an ordinal");
    let facts = login_facts(name(&assertion["server_name"]), &exports);
    let now = fast_reauth::Timestamp::from_secs(LOGIN);
    let (pin, scope) = (pin(&assertion["mechanism"]), scope(assertion));
    ClientAssertion::derive_for(pin, &scope, &full, &facts, &exports.exporter(), &lax(), now).expect("an assertion")
}

/// The fields of a serialised assertion: id, client key and server key are the fifth, eighth and ninth.
fn keys_of(assertion: &ClientAssertion) -> [Vec<u8>; 3] {
    let serialised = assertion.to_bytes();
    let mut rest = serialised.get(9..).expect("a version");
    let mut fields = Vec::new();
    for _ in 0..9 {
        let (len, after) = rest.split_first_chunk::<4>().expect("a length");
        let (field, after) = after.split_at(u32::from_be_bytes(*len) as usize);
        fields.push(field.to_vec());
        rest = after;
    }
    [fields[4].clone(), fields[7].clone(), fields[8].clone()]
}

pub(crate) fn has_keys(assertion: &ClientAssertion, expected: &Value) {
    let [id, client, server] = keys_of(assertion).map(|octets| hex(&octets));
    assert_eq!(id, text(&expected["id"]));
    assert_eq!(client, text(&expected["client_key"]));
    assert_eq!(server, text(&expected["server_key"]));
    // StoredKey, which the library keeps to itself.
    let key = octets(&expected["client_key"]);
    let stored = if assertion.pin().signs() {
        let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(&key).expect("32 octets");
        ring::signature::KeyPair::public_key(&pair).as_ref().to_vec()
    } else {
        let algorithm = match assertion.pin().hash() {
            Hash::Sha256 => &ring::digest::SHA256,
            Hash::Sha384 => &ring::digest::SHA384,
            Hash::Sha512 => &ring::digest::SHA512,
        };
        ring::digest::digest(algorithm, &key).as_ref().to_vec()
    };
    assert_eq!(hex(&stored), text(&expected["stored_key"]));
}

pub(crate) fn derive(case: &Case<'_>) {
    let (assertion, context) = (case.inputs(), &case.between()["context"]);
    has_keys(&client_assertion(assertion, context), case.outputs());
    let record = server_record(assertion, context, &Value::Null, lax());
    assert_eq!(*record.id(), id(&case.outputs()["id"]));
}

pub(crate) fn grant(case: &Case<'_>) {
    let assertion = case.inputs();
    let (pin, full, now) =
        (pin(&assertion["mechanism"]), full_login(assertion), fast_reauth::Timestamp::from_secs(LOGIN));
    let facts = login_facts(name(&assertion["server_name"]), &Exports::default());
    let (service, seed) = (service(&assertion["service"]), array(&assertion["seed"]));
    let granted = ClientAssertion::granted(pin, &service, &full, &facts, &seed, &lax(), now).expect("an assertion");
    has_keys(&granted, case.outputs());
    let server = Server::new(service, [name(&assertion["server_name"])], []).expect("a server").pins([pin]);
    let login = fast_reauth::mechanism::Login {
        full: &full,
        identity: "alice",
        device: fast_reauth::assertion::DeviceId::new([7; 8]),
        now,
    };
    match Connection::new(&server, facts).logged_in_granting(login, pin, &seed).commit {
        Commit::Remember(remember) => assert_eq!(*remember.records[0].id(), id(&case.outputs()["id"])),
        other => panic!("a login remembers, and does not {other:?}"),
    }
}

pub(crate) fn agree(case: &Case<'_>) {
    let (client, server) = (&case.inputs()["client"], &case.inputs()["server"]);
    let held = client_assertion(client, &case.between()["client"]["context"]);
    let record = server_record(server, &case.between()["server"]["context"], &Value::Null, lax());
    assert_eq!(*held.id(), id(&case.outputs()["client_id"]));
    assert_eq!(*record.id(), id(&case.outputs()["server_id"]));
    assert_eq!(held.id() == record.id(), case.is_valid());
}

/// The server's side of an attempt, step by step.
pub(crate) fn decision(case: &Case<'_>) {
    let (inputs, between, outputs) = (case.inputs(), case.between(), case.outputs());
    let server = server(&inputs["server"]);
    let assumed = name(&inputs["server"]["name"]);
    let store = store(&inputs["assertion"], &between["context"], &inputs["record"]);
    let session = inputs.get("lineage").map(lineage);
    let mut connection = Connection::new(&server, channel(&inputs["channel"], &assumed));
    if inputs.get("lineage").is_some_and(|lineage| truth(&lineage["through_manager"])) {
        connection = connection.through_manager();
    }
    if let Some(grant) = inputs["server"].get("grant") {
        connection = connection.grant_with(array(grant));
    }
    let message = text(&between["message"]);
    let covered = text(&inputs["client"]["covered"]);
    assert!(message.strip_prefix(covered).is_some_and(|rest| rest.starts_with(",p=")));
    let attempt = connection.iky(pin(&inputs["client"]["mechanism"]), message.as_bytes());
    let (verdict, commit) = verdict_of(case, attempt, &store, session);

    assert_eq!(outcome_name(verdict.outcome), text(&outputs["outcome"]));
    assert_eq!(case.is_valid(), verdict.outcome == Outcome::Accepted);
    let answer = verdict.message.map(|message| String::from_utf8(message.into()).expect("text"));
    assert_eq!(answer.as_deref(), outputs["responder"].as_str());
    let recognised = verdict.recognised.map(|client| {
        json!({
            "identity": client.identity(),
            "login_name": client.login_name(),
            "device": hex(client.device().as_octets()),
            "origin": origin_name(client.origin()),
            "full_login": client.full_login().as_secs(),
            "strength": origin_name(client.strength()),
        })
    });
    assert_eq!(recognised.unwrap_or_default(), outputs.get("recognised").cloned().unwrap_or_default());
    assert_eq!(commit.unwrap_or_default(), outputs.get("commit").map(without_details).unwrap_or_default());
    if outputs.get("successor").is_some() {
        let successor = &outputs["commit"]["successor"];
        assert_eq!(successor["id"], outputs["successor"]["id"]);
        let lasts = number(&successor["expires"]) - number(&inputs["now"]);
        assert!(text(&outputs["responder"]).starts_with(&format!("x={lasts},r=")));
        client(case);
    }
}

/// A commit as far as it can be seen: a tentative successor shows the earlier of its two ends.
fn without_details(commit: &Value) -> Value {
    let mut commit = commit.clone();
    if let Some(successor) = commit.get_mut("successor") {
        let ends = number(&successor["expires"]).min(number(&successor["unused_until"]));
        *successor = json!({ "id": successor["id"], "ends": ends });
    }
    commit
}

fn verdict_of(
    case: &Case<'_>,
    attempt: Received<'_>,
    store: &MemoryStore,
    session: Option<Arc<LineageRecord>>,
) -> (Verdict, Option<Value>) {
    let inputs = case.inputs();
    let fault = inputs.get("store").map(text);
    // Where a vector names no time, none is needed.
    let now = inputs.get("now").map_or(fast_reauth::Timestamp::from_secs(LOGIN), moment);
    let pending = match attempt {
        Received::Done(verdict) => return (verdict, None),
        Received::Lookup(pending) => pending,
    };
    let found = match fault {
        Some("lookup-unavailable") => Err(Unavailable),
        _ => {
            let lookup = pending.lookup();
            let record = store.lookup(lookup, now).expect("an answer").record;
            Ok(Found { record, lineage: session.filter(|_| lookup.handle.is_some()), ..Found::default() })
        }
    };
    let pending = match pending.found(found, now) {
        Step::Done(verdict) => return (verdict, None),
        Step::Commit(pending) => pending,
    };
    let Commit::Use(change) = pending.commit() else { panic!("an attempt uses an assertion") };
    let mut commit = json!({
        "counter": change.counter,
        "confirm": change.confirm,
        "predecessor_until": change.predecessor_until.as_secs(),
    });
    if let Some(successor) = &change.successor {
        assert_eq!(successor.renews(), Some(&change.assertion));
        assert!(successor.is_tentative());
        commit["successor"] = json!({ "id": hex(successor.id().as_octets()), "ends": successor.expires().as_secs() });
    }
    let committed = match fault {
        Some("commit-unavailable") => Err(Unavailable),
        Some("gone") => Ok(Committed::Gone),
        Some("no-room") => Ok(Committed::WithoutSuccessor),
        None => store.commit(pending.commit(), now),
        Some(other) => panic!("nothing in a store is {other}"),
    };
    (pending.committed(committed), Some(commit))
}

/// The client's side of an exchange that succeeds.
pub(crate) fn client(case: &Case<'_>) {
    let (inputs, between, outputs) = (case.inputs(), case.between(), case.outputs());
    let covered = text(&inputs["client"]["covered"]);
    let mut assertion = client_assertion(&inputs["assertion"], &between["context"]);
    has_keys(&assertion, between);
    if covered.contains(",f=") {
        let server = &inputs["server"];
        let listed: Vec<&str> = [texts(&server["full_mechanisms"]), texts(&server["iky_mechanisms"])].concat();
        assertion = assertion.offered(listed.iter().copied());
        assert_eq!(hex(OfferHash::of(assertion.pin().hash(), listed).as_octets()), text(&between["offer"]));
    }
    let facts = channel(&inputs["channel"], &name(&inputs["assertion"]["server_name"]));
    let start = start(&assertion, &facts, &inputs["client"]);
    assert_eq!(String::from_utf8(start.message).expect("text"), text(&between["message"]));
    let answer = text(&outputs["responder"]);
    let known = start.state.finish(Some(answer.as_bytes()), true, moment(&inputs["now"])).expect("the server's answer");
    assert_eq!(known.successor.is_some(), outputs.get("successor").is_some());
    if let Some(successor) = known.successor {
        has_keys(&successor, &outputs["successor"]);
    }
}

/// The client's message; its counter and its lineage are as the vector has them.
pub(crate) fn start(assertion: &ClientAssertion, facts: &ChannelFacts, client: &Value) -> Start {
    let attribute =
        |name: &str| text(&client["covered"]).split(',').find_map(|part| part.strip_prefix(name).map(str::to_owned));
    let counter = attribute("n=").map(|digits| digits.parse().expect("a counter"));
    let lineage = match text(&client["lineage"]) {
        "" => None,
        _ => Some(Lineage::new(array(&client["lineage"]))),
    };
    Client::start(assertion, facts, lineage.as_ref(), counter).expect("a message")
}

pub(crate) fn responder(case: &Case<'_>) {
    let (inputs, between, outputs) = (case.inputs(), case.between(), case.outputs());
    let assertion = client_assertion(&inputs["assertion"], &between["context"]);
    let client = &inputs["client"];
    let mut facts =
        ChannelFacts::tls13().tickets(Tickets::Stateful).server_name(name(&inputs["assertion"]["server_name"]));
    let mut exports = Exports::default();
    match pin(&client["mechanism"]).binding().type_name() {
        Some("tls-exporter") => exports.binding = octets(&client["binding"]),
        Some(_) => facts = facts.end_point(EndPoint::from_octets(&octets(&client["binding"])).expect("a binding")),
        None => {}
    }
    if let Some(renew) = inputs.get("renew") {
        exports.renew = octets(renew);
    }
    facts = facts.exporter(&exports.exporter()).expect("an exporter");
    if number(&client["flags"]) == 1 {
        facts = facts.resumed();
    }
    let start = start(&assertion, &facts, client);
    assert_eq!(String::from_utf8(start.message).expect("text"), text(&between["message"]));

    let received = case.edited(text(&inputs["answer"]).as_bytes());
    if let Some(edited) = between.get("received") {
        assert_eq!(String::from_utf8_lossy(&received), text(edited));
    }
    // Where a vector names no time, none is needed.
    let now = inputs.get("now").map_or(fast_reauth::Timestamp::from_secs(LOGIN), moment);
    let result = start.state.finish(Some(&received), truth(&inputs["protocol_accepts"]), now);
    let keeps = result.as_ref().err().is_none_or(|refused| refused.keeps_assertion());
    assert_eq!(keeps, truth(&outputs["keeps_assertion"]));
    assert_eq!(case.is_valid(), result.is_ok());
    let said = match result {
        Ok(known) => {
            assert_eq!(json!(known.expires.map(|expires| expires.as_secs())), outputs["expires"]);
            assert_eq!(known.successor.is_some(), outputs.get("successor").is_some());
            if let Some(successor) = known.successor {
                has_keys(&successor, &outputs["successor"]);
            }
            "logged-in".to_owned()
        }
        Err(Refused::Missing) => "missing".into(),
        Err(Refused::Malformed(_)) => "malformed".into(),
        Err(Refused::WrongSignature) => "wrong-signature".into(),
        Err(Refused::Contradiction) => "contradiction".into(),
        Err(Refused::Signed(outcome)) => format!("signed-refusal {}", reason(outcome, "expired")),
        Err(Refused::Unsigned(outcome)) => format!("unsigned-refusal {}", reason(outcome, "not-recognised")),
    };
    assert_eq!(said, text(&outputs["client"]));
}

/// The reason that an outcome stands for on the client's side; `unknown` is how one of a later version reads.
fn reason(outcome: Outcome, unknown: &'static str) -> &'static str {
    match outcome {
        Outcome::Stale => unknown,
        Outcome::BadProof | Outcome::BindingMismatch => "not-recognised",
        Outcome::FullAuthenticationDue => "full-login-due",
        outcome => outcome_name(outcome),
    }
}

/// A server with every mechanism, on a channel that carries all of them.
fn verdict_on(mechanism: &Value, message: &[u8], looked_up: impl FnOnce(&fast_reauth::store::Lookup)) -> Verdict {
    let names = [ServerName::parse("imap.example.com").expect("a name")];
    let server = Server::new(fast_reauth::assertion::Service::IMAP, names.clone(), []).expect("a server");
    let server = server.pins(Pin::ALL);
    let [name] = names;
    let facts =
        login_facts(name, &Exports::default()).resumed().predecessor(fast_reauth::channel::Handle::new([8; 16]));
    let connection = Connection::new(&server, facts);
    match connection.iky(pin(mechanism), message) {
        Received::Done(verdict) => verdict,
        Received::Lookup(pending) => {
            looked_up(pending.lookup());
            match pending.found(Ok(Found::default()), fast_reauth::Timestamp::from_secs(LOGIN)) {
                Step::Done(verdict) => verdict,
                Step::Commit(_) => panic!("nobody is known here"),
            }
        }
    }
}

pub(crate) fn initiator(case: &Case<'_>) {
    let outputs = case.outputs();
    let message = text(&case.inputs()["message"]);
    assert_eq!(written(outputs), message);
    let verdict = verdict_on(&case.inputs()["mechanism"], message.as_bytes(), |lookup| {
        let named = lookup.assertion.map(|id| hex(id.as_octets()));
        assert_eq!(json!(named), outputs["assertion_id"]);
        assert_eq!(lookup.handle.is_some(), truth(&outputs["lineage"]));
    });
    // Nobody is known here; y is refused, as bindings are listed.
    let expected = if outputs["flag"] == "y" { Outcome::BindingMismatch } else { Outcome::Stale };
    assert_eq!(verdict.outcome, expected);
    let forgotten = verdict.message.expect("an answer");
    assert_eq!(*forgotten, *b"e=not-recognised");
}

/// The message of these parts; the library does not show the parts of the one that it parsed.
fn written(parts: &Value) -> String {
    let base64 = |value: &Value| base64::engine::general_purpose::STANDARD.encode(octets(value));
    let given = |name: &str| Some(&parts[name]).filter(|value| !value.is_null());
    let mut message = match given("binding") {
        Some(binding) => format!("{}={},", text(&parts["flag"]), text(binding)),
        None => format!("{},", text(&parts["flag"])),
    };
    if let Some(authzid) = given("authzid") {
        message += &format!("a={}", text(authzid).replace('=', "=3D").replace(',', "=2C"));
    }
    message += &format!(",h={}", text(&parts["server_name"]));
    message += &match (given("assertion_id"), given("sealed")) {
        (Some(id), None) => format!(",i={}", base64(id)),
        (None, Some(sealed)) => format!(",t={}", text(sealed)),
        other => panic!("an assertion has one name, not {other:?}"),
    };
    if let Some(counter) = given("counter") {
        message += &format!(",n={counter}");
    }
    if truth(&parts["lineage"]) {
        message += ",l=1";
    }
    if let Some(offer) = given("offer") {
        message += &format!(",f={}", base64(offer));
    }
    for extension in parts["extensions"].as_array().expect("an array") {
        let [name, value] = texts(extension)[..] else { panic!("a name and a value") };
        message += &format!(",{name}={value}");
    }
    message + &format!(",p={}", base64(&parts["proof"]))
}

pub(crate) fn malformed(case: &Case<'_>) {
    let received = case.edited(text(&case.inputs()["message"]).as_bytes());
    assert_eq!(hex(&received), text(&case.between()["received"]));
    let mechanism = &case.inputs()["mechanism"];
    let good = verdict_on(mechanism, text(&case.inputs()["message"]).as_bytes(), |_| {});
    assert_eq!(good.outcome, Outcome::Stale, "the message is good but for the edit");
    let verdict = verdict_on(mechanism, &received, |_| {});
    assert_eq!(outcome_name(verdict.outcome), text(&case.outputs()["outcome"]));
    assert_eq!(verdict.message.as_deref(), Some(text(&case.outputs()["responder"]).as_bytes()));
}

/// What a client of this mechanism makes of an answer, where the protocol said that it is accepted, or not.
fn judged(mechanism: &Value, answer: &[u8], accepted: bool) -> Refused {
    let assertion = json!({
        "mechanism": mechanism, "service": "imap", "server_name": "imap.example.com", "login_name": "alice",
        "full_mechanism": "SCRAM-SHA-256-PLUS", "full_binding": "tls-exporter", "ordinal": 1, "session_key": "",
        "seed": hex(&[5; 32]),
    });
    let held = client_assertion(&assertion, &json!(hex(&[0; 32])));
    let facts = login_facts(name(&assertion["server_name"]), &Exports::default());
    let start = Client::start(&held, &facts, None, Some(1)).expect("a message");
    let now = fast_reauth::Timestamp::from_secs(LOGIN);
    start.state.finish(Some(answer), accepted, now).expect_err("nobody signed it")
}

pub(crate) fn responder_message(case: &Case<'_>) {
    let (inputs, parts) = (case.inputs(), case.outputs());
    let given = |name: &str| Some(&parts[name]).filter(|value| !value.is_null());
    let base64 = |value: &Value| base64::engine::general_purpose::STANDARD.encode(octets(value));
    let mut written = String::new();
    let signature = given("signature").map(|signature| format!("v={}", base64(signature)));
    if let Some(reason) = given("reason") {
        let parts: Vec<String> = [format!("e={}", text(reason))].into_iter().chain(signature.clone()).collect();
        written = parts.join(",");
    } else {
        if let Some(seconds) = given("seconds") {
            written += &format!("x={seconds},");
        }
        match given("renewal").map(text) {
            Some("1") => written += "r=1,",
            Some(_) => written += &format!("r={},", base64(&parts["renewal"])),
            None => {}
        }
        if let Some(sealed) = given("sealed") {
            written += &format!("t={},", text(sealed));
        }
        for extension in parts["extensions"].as_array().expect("an array") {
            let [name, value] = texts(extension)[..] else { panic!("a name and a value") };
            written += &format!("{name}={value},");
        }
        written += signature.as_deref().expect("a success is signed");
    }
    let message = text(&inputs["message"]);
    assert_eq!(written, message);
    assert!(fast_reauth::internal::is_responder_message(pin(&inputs["mechanism"]), message.as_bytes()));
    // It is read, and then nobody had signed it.
    let refused = judged(&inputs["mechanism"], message.as_bytes(), given("reason").is_none());
    match (given("reason"), signature) {
        (Some(_), None) => assert!(matches!(refused, Refused::Unsigned(_)), "{refused:?}"),
        _ => assert_eq!(refused, Refused::WrongSignature),
    }
}

pub(crate) fn malformed_responder(case: &Case<'_>) {
    let inputs = case.inputs();
    let good = text(&inputs["message"]).as_bytes();
    let received = case.edited(good);
    assert_eq!(hex(&received), text(&case.between()["received"]));
    let pin = pin(&inputs["mechanism"]);
    assert!(fast_reauth::internal::is_responder_message(pin, good), "the message is good but for the edit");
    assert!(!fast_reauth::internal::is_responder_message(pin, &received));
    for accepted in [false, true] {
        let refused = judged(&inputs["mechanism"], &received, accepted);
        assert!(matches!(refused, Refused::Malformed(_)), "{refused:?}");
    }
    assert_eq!(text(&case.outputs()["client"]), "malformed");
}
