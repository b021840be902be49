//! HT and HT2, and the tokens for them.

use fast_reauth::Timestamp;
use fast_reauth::assertion::{
    BindingType, ClientToken, DeviceId, FullLogin, HtMechanism, Issued, Origin, Scope, ServiceKeys, TokenBinding,
    TokenId, TokenRequest,
};
use fast_reauth::channel::{ChannelFacts, EndPoint, ServerName, Tickets, Unsuitable};
use fast_reauth::mechanism::ht::{Client, Pairs, Refused, Request, Start, failure};
use fast_reauth::mechanism::{Connection, Login, Outcome, Received, Server};
use fast_reauth::store::{Committed, MemoryStore, Store};
use serde_json::{Value, json};

use crate::case::*;
use crate::facts::{Exports, LOGIN, lax, name, outcome_name, service};

const NOW: Timestamp = Timestamp::from_secs(LOGIN);

fn mechanism(value: &Value) -> HtMechanism {
    HtMechanism::from_name(text(value)).expect("a mechanism")
}

/// A connection with this binding, and whatever else its mechanism asks for.
fn carrying(mechanism: HtMechanism, binding: &[u8], server_name: ServerName) -> ChannelFacts {
    let facts = match mechanism.binding() {
        TokenBinding::Exporter if binding.len() == 32 => {
            let exports = Exports { binding: binding.to_vec(), ..Exports::default() };
            ChannelFacts::tls13().exporter(&exports.exporter()).expect("an exporter")
        }
        TokenBinding::Unique => ChannelFacts::tls12(true).unique(binding),
        TokenBinding::EndPoint => ChannelFacts::tls13().end_point(EndPoint::from_octets(binding).expect("a binding")),
        _ => ChannelFacts::tls13(),
    };
    facts.server_name(server_name)
}

/// A connection as a vector describes it.
fn facts(of: &Value) -> ChannelFacts {
    let mut facts = match text(&of["tls"]) {
        "1.2" => ChannelFacts::tls12(truth(&of["extended_master_secret"])),
        _ => ChannelFacts::tls13(),
    };
    if !truth(&of["forward_secret"]) {
        facts = facts.without_forward_secrecy();
    }
    if let Some(binding) = of.get("tls_exporter") {
        let exports = Exports { binding: octets(binding), ..Exports::default() };
        facts = facts.exporter(&exports.exporter()).expect("an exporter");
    }
    if let Some(binding) = of.get("tls_server_end_point") {
        facts = facts.end_point(EndPoint::from_octets(&octets(binding)).expect("a binding"));
    }
    if let Some(binding) = of.get("tls_unique") {
        facts = facts.unique(&octets(binding));
    }
    facts
}

/// What the server of a token has in its store after the login that it was issued with.
fn issued(token: &Value) -> (Issued, TokenId, MemoryStore) {
    let (pin, authcid, server_name) =
        (mechanism(&token["mechanism"]), text(&token["authcid"]), name(&token["server_name"]));
    let keys = ServiceKeys::new(1, &array(&token["service_key"]));
    let server = Server::new(service(&token["service"]), [server_name.clone()], []).expect("a server");
    let server = server.policy(lax()).fast([pin], keys);
    let exports = Exports::default();
    // All that a mechanism may ask for is there.
    let facts = ChannelFacts::tls12(true).tickets(Tickets::Stateful).server_name(server_name).unique(&[5; 12]);
    let facts = facts.end_point(EndPoint::from_octets(&[4; 32]).expect("a binding"));
    let facts = facts.exporter(&exports.exporter()).expect("an exporter");
    let full = FullLogin::new("SCRAM-SHA-256-PLUS", authcid).expect("a login").bound_by(BindingType::Exporter);
    let request =
        TokenRequest { mechanism: pin, authcid, client: text(&token["client_id"]), random: array(&token["salt"]) };
    let login = Login { full: &full, identity: "the account", device: DeviceId::new([7; 8]), now: NOW };
    let (made, issued) = Connection::new(&server, facts).logged_in_with_token(login, &exports.exporter(), &request);
    let fast_reauth::store::Commit::Remember(remember) = &made.commit else { panic!("a login remembers") };
    let id = *remember.token.as_ref().expect("a token").id();
    let store = MemoryStore::default();
    assert_eq!(store.commit(&made.commit, NOW), Ok(Committed::Done));
    (issued.expect("a token"), id, store)
}

/// What a client keeps of a token.
fn kept(mechanism: HtMechanism, scope: &Scope, authcid: &str, token: &str) -> Option<ClientToken> {
    let expires = Timestamp::from_secs(LOGIN + 1000);
    ClientToken::issued(token, mechanism, scope, authcid, Origin::Bound, expires, &lax(), NOW).ok()
}

fn pairs(of: &Value, name: &str) -> Option<Pairs> {
    Pairs::parse(of.get(name).map_or("", text).as_bytes()).ok()
}

/// A client at example.com that sends its message.
fn start(inputs: &Value) -> Start {
    let (mechanism, server_name) = (mechanism(&inputs["mechanism"]), ServerName::parse("example.com").expect("a name"));
    let scope = Scope::new(fast_reauth::assertion::Service::XMPP, server_name.clone());
    let authcid = inputs.get("authcid").map_or("alice", text);
    let token = kept(mechanism, &scope, authcid, text(&inputs["token"])).expect("a token");
    let facts = carrying(mechanism, &octets(&inputs["binding"]), server_name);
    Client::start(&token, &facts, &pairs(inputs, "pairs").expect("pairs")).expect("a message")
}

pub(crate) fn mechanism_name(case: &Case<'_>) {
    let outputs = case.outputs();
    match HtMechanism::from_name(text(&case.inputs()["name"])) {
        Some(mechanism) => {
            assert!(case.is_valid());
            assert_eq!(mechanism.name(), text(&outputs["mechanism"]));
            assert_eq!(mechanism.hash().output_len() as u64, number(&outputs["hashed_token_octets"]));
        }
        None => assert!(!case.is_valid()),
    }
}

pub(crate) fn channel(case: &Case<'_>) {
    let (inputs, outputs) = (case.inputs(), case.outputs());
    let (mechanism, facts) = (mechanism(&inputs["mechanism"]), facts(&inputs["channel"]));
    let expected = match outputs.get("error").map(text) {
        None => Ok(()),
        Some("no-extended-master-secret") => Err(Unsuitable::NoExtendedMasterSecret),
        Some("no-forward-secrecy") => Err(Unsuitable::NoForwardSecrecy),
        Some("no-exporter") => Err(Unsuitable::NoExporter),
        Some("no-end-point") => Err(Unsuitable::NoEndPoint),
        Some("no-unique" | "not-tls-1.2") => Err(Unsuitable::NoUnique),
        Some(other) => panic!("no error {other}"),
    };
    assert_eq!(mechanism.check_channel(&facts), expected);
    assert_eq!(expected.is_ok(), case.is_valid());
    let against = texts(&case.between()["against"]);
    let undefined = ["not-tls-1.2", "no-extended-master-secret"];
    assert!(facts.tls_unique().is_none() || !undefined.iter().any(|why| against.contains(why)));
    if case.is_valid() {
        let binding = match mechanism.binding() {
            TokenBinding::Exporter => facts.tls_exporter().map(<[u8]>::to_vec),
            TokenBinding::Unique => facts.tls_unique().map(<[u8]>::to_vec),
            TokenBinding::EndPoint => facts.tls_server_end_point().map(<[u8]>::to_vec),
            TokenBinding::None => Some(Vec::new()),
        };
        assert_eq!(binding, Some(octets(&outputs["binding"])));
    }
}

pub(crate) fn token(case: &Case<'_>) {
    let (issued, id, _) = issued(case.inputs());
    assert_eq!(issued.token.expose(), text(&case.outputs()["text"]));
    assert_eq!(hex(id.as_octets()), text(&case.outputs()["id"]));
}

pub(crate) fn token_id(case: &Case<'_>) {
    let [one, other] = ["one", "other"].map(|who| {
        let of = &case.inputs()[who];
        let scope = Scope::new(service(&of["service"]), name(&of["server_name"]));
        let id = TokenId::of(&scope, text(&of["authcid"]), text(&of["client_id"]));
        assert_eq!(hex(id.as_octets()), text(&case.outputs()[who]));
        id
    });
    assert_eq!(one == other, case.is_valid());
}

pub(crate) fn foreign(case: &Case<'_>) {
    let started = start(case.inputs());
    assert_eq!(hex(&started.message), text(&case.outputs()["initiator"]));
    let known = started.state.finish(Some(&octets(&case.outputs()["responder"])), true).expect("the server");
    assert_eq!(known.pairs.as_str(), case.inputs().get("answer_pairs").map_or("", text));
}

pub(crate) fn elsewhere(case: &Case<'_>) {
    let finished = start(case.inputs()).state.finish(Some(&octets(&case.outputs()["other"])), true);
    assert_eq!(finished.is_ok(), case.is_valid());
    assert_eq!(finished.err(), (!case.is_valid()).then_some(Refused::WrongResponder));
}

/// The client's message, where this library's client can be brought to send it.
fn message_of(case: &Case<'_>) -> Option<Start> {
    let (issued_to, client) = (&case.inputs()["token"], &case.inputs()["client"]);
    let (spoken, server_name) = (mechanism(&client["mechanism"]), name(&issued_to["server_name"]));
    let scope = Scope::new(service(&issued_to["service"]), server_name.clone());
    let token = text(client.get("token").unwrap_or(&case.between()["token"]));
    let token = kept(spoken, &scope, text(&client["authcid"]), token)?;
    let facts = carrying(spoken, &octets(&client["binding"]), server_name);
    Client::start(&token, &facts, &pairs(client, "pairs")?).ok()
}

/// An attempt, from the client's message to the server's verdict, and back where the client is logged in.
pub(crate) fn attempt(case: &Case<'_>) {
    let (inputs, between, outputs) = (case.inputs(), case.between(), case.outputs());
    let (of, here) = (&inputs["token"], &inputs["server"]);
    let (issued, id, store) = issued(of);
    assert_eq!(issued.token.expose(), text(&between["token"]));
    assert_eq!(hex(id.as_octets()), text(&between["token_id"]));
    let message = octets(&between["message"]);
    let started = message_of(case);
    assert!(started.is_some() || !case.is_valid());
    if let Some(started) = &started {
        assert_eq!(started.message, message);
    }
    let received = case.edited(&message);
    if let Some(expected) = between.get("received") {
        assert_eq!(received, octets(expected));
    }

    let (named, pin) = (mechanism(&here["mechanism"]), mechanism(&of["mechanism"]));
    let keys = ServiceKeys::new(1, &array(&of["service_key"]));
    let server = Server::new(service(&here["service"]), [name(&here["server_name"])], []).expect("a server");
    let server = server.policy(lax()).fast([pin, named], keys);
    let facts = facts(&here["channel"]).server_name(name(&here["server_name"]));
    let connection = Connection::new(&server, facts);
    let request = Request::new(named, &received, text(&here["client_id"]), [9; 32]);
    let request = request.answering(pairs(here, "pairs").expect("pairs"));
    let attempt = connection.ht(request);
    if let Received::Lookup(pending) = &attempt {
        let asked = pending.lookup().token.expect("an id");
        assert!(inputs.get("edit").is_some() || hex(asked.as_octets()) == text(&between["asked_id"]));
    }
    let verdict = attempt.run(&store, NOW);
    assert_eq!(outcome_name(verdict.outcome), text(&outputs["outcome"]));
    assert_eq!(case.is_valid(), verdict.outcome == Outcome::Accepted);
    if !case.is_valid() {
        assert!(verdict.message.is_none() && verdict.recognised.is_none());
        if let Some(expected) = outputs.get("responder") {
            assert_eq!(hex(&failure(verdict.outcome)), text(expected));
        }
        return;
    }
    let client = verdict.recognised.expect("a client");
    assert_eq!((client.identity(), client.login_name()), ("the account", text(&of["authcid"])));
    assert_eq!(verdict.pairs.as_str(), inputs["client"].get("pairs").map_or("", text));
    let message = verdict.message.expect("an answer");
    assert_eq!(hex(&message), text(&outputs["responder"]));
    let known = started.expect("a client").state.finish(Some(&message), true).expect("the server");
    assert_eq!(known.pairs.as_str(), here.get("pairs").map_or("", text));
}

pub(crate) fn answer(case: &Case<'_>) {
    let (inputs, between, outputs) = (case.inputs(), case.between(), case.outputs());
    let started = start(inputs);
    assert_eq!(hex(&started.message), text(&between["message"]));
    let answer = (!between["answer"].is_null()).then(|| case.edited(&octets(&between["answer"])));
    if let Some(expected) = between.get("received") {
        assert_eq!(answer, Some(octets(expected)));
    }
    let accepted = truth(&inputs["protocol_accepts"]);
    let finished = started.state.finish(answer.as_deref(), accepted);
    let what = match &finished {
        Ok(_) => "logged-in",
        Err(Refused::Missing) => "missing",
        Err(Refused::Malformed(_)) => "malformed",
        Err(Refused::WrongResponder) => "wrong",
        Err(Refused::Contradiction | Refused::Refused) => "failed",
    };
    assert_eq!(what, text(&outputs["client"]));
    assert_eq!(finished.is_ok(), case.is_valid());
    match finished {
        Ok(known) => assert_eq!(json!(known.pairs.as_str()), *outputs.get("pairs").unwrap_or(&json!(""))),
        Err(why) => assert_eq!(why == Refused::Contradiction, what == "failed" && accepted),
    }
}
