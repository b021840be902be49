//! `ht.json`: names, tokens and exchanges of HT and HT2, and what either end has to refuse. Beside it, what others published.

mod answer;
mod attempt;
mod cases;
mod formulas;
mod published;
mod refusals;
mod sha3;

use serde_json::json;

use crate::file::File;
use crate::formulas::hex;
use crate::tables::NOTHING;
use formulas::*;

pub(crate) fn files() -> Vec<File> {
    vec![file(), published::published(), published::prosody()]
}

fn file() -> File {
    let source = "draft-schmaus-kitten-sasl-ht-09 and draft-ietf-kitten-sasl-ht-02 (messages), this project's draft (tokens); \
                  HMAC by RFC 2104, SHA-3 by FIPS 202";
    let mut file = File::new("ht.json", source);
    let f = &mut file;
    f.group("ht-name", "A mechanism's name, and what it stands for.");
    for (name, note) in cases::NAMES {
        let [family, hash, binding] = parts(name);
        let error = match (matches!(family, "HT" | "HT2"), HASHES.contains(&hash_of(name)), BINDINGS.contains(&binding))
        {
            (false, ..) => Some("family"),
            (_, false, _) => Some("hash"),
            (.., false) => Some("binding"),
            _ => None,
        };
        let outputs = match error {
            Some(error) => json!({ "error": error }),
            None => json!({ "mechanism": canonical(name), "hashed_token_octets": hash_len(name) }),
        };
        f.case(error.is_none(), note, json!({ "name": name }), json!({ "parts": [family, hash, binding] }), outputs);
    }
    f.group("ht-channel", "Whether a connection carries a mechanism, and what it is bound to.");
    for (mechanism, channel, note) in cases::channels() {
        let against = channel.against(mechanism);
        let value = channel.value.as_ref().map(|(_, value)| hex(value));
        let outputs = match against.first() {
            None => json!({ "binding": hex(&channel.binding(mechanism).expect("a binding")) }),
            Some(first) => json!({ "error": first }),
        };
        let inputs = json!({ "mechanism": mechanism, "channel": channel.json() });
        f.case(against.is_empty(), note, inputs, json!({ "against": against, "value": value }), outputs);
    }
    f.group("ht-token", "What this library's server issues.");
    for (token, note) in cases::tokens() {
        let between = json!({ "id_input": hex(&token.id_input()), "text_input": hex(&token.text_input()) });
        f.case(true, note, token.json(), between, json!({ "id": hex(&token.id()), "text": token.text() }));
    }
    f.group("ht-token-id", "Two clients, and whether their tokens are one's.");
    for (one, other, note) in cases::pairs_of_clients() {
        let [one, other] = [one, other].map(|[service, server_name, authcid, client_id]| {
            let mut token = Token::new("HT-SHA-256-NONE").of(authcid);
            token.service = service.into();
            token.server_name = server_name.into();
            token.client_id = client_id.into();
            token
        });
        let of = |token: &Token| {
            json!({
                "service": token.service,
                "server_name": token.server_name,
                "authcid": token.authcid,
                "client_id": token.client_id,
            })
        };
        let outputs = json!({ "one": hex(&one.id()), "other": hex(&other.id()) });
        f.case(one.id() == other.id(), note, json!({ "one": of(&one), "other": of(&other) }), NOTHING, outputs);
    }
    cases::foreign(f);
    cases::exchanges(f);
    refusals::refused(f);
    refusals::malformed(f);
    refusals::answers(f);
    file
}

/// A token of any server, and the two messages that belong to it on this channel.
fn foreign(file: &mut File, mechanism: &str, authcid: &str, token: &str, binding: &[u8], pairs: [&str; 2], note: &str) {
    let [own, theirs] = pairs.map(|pairs| is_ht2(mechanism).then_some(pairs));
    let (first, second) = (data("Initiator", binding, own), data("Responder", binding, theirs));
    let hashed = |data: &[u8]| ht_mac(mechanism, token.as_bytes(), data);
    let mut inputs = json!({ "mechanism": mechanism, "authcid": authcid, "token": token, "binding": hex(binding) });
    if let (Some(own), Some(theirs)) = (own, theirs) {
        inputs["pairs"] = json!(own);
        inputs["answer_pairs"] = json!(theirs);
    }
    let between = json!({ "initiator_data": hex(&first), "responder_data": hex(&second) });
    let outputs = json!({
        "initiator": hex(&initiator(authcid, own, &hashed(&first))),
        "responder": hex(&success(theirs, &hashed(&second))),
    });
    file.case(true, note, inputs, between, outputs);
}
