//! HT as others published it, and as a server of others said it on the wire.

use serde_json::{Value, json};

use super::foreign;
use super::formulas::*;
use crate::file::File;
use crate::formulas::{b64, hex, unhex};

fn vectors(text: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).expect("JSON");
    file["vectors"].as_array().expect("an array").clone()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key}"))
}

/// The two messages, by the formulas.
fn messages(mechanism: &str, authcid: &str, token: &str, binding: &[u8]) -> [Vec<u8>; 2] {
    let hashed = |label| ht_mac(mechanism, token.as_bytes(), &data(label, binding, None));
    [initiator(authcid, None, &hashed("Initiator")), success(None, &hashed("Responder"))]
}

pub(super) fn published() -> File {
    let source = "test suites of others, named in each note, with the commit; the responder's message is in none of them and was \
                  computed; collected in examples/vectors/sources/ht-published.json";
    let mut file = File::new("ht-published.json", source);
    file.group("ht-foreign", "A token, and the two messages that belong to it.");
    for vector in vectors(include_str!("../sources/ht-published.json")) {
        let [mechanism, authcid, token] = ["mechanism", "authcid", "token"].map(|key| text(&vector, key));
        let binding = unhex(text(&vector, "cb_data_hex"));
        let [first, second] = messages(mechanism, authcid, token, &binding);
        assert_eq!(hex(&first), text(&vector, "initiator_msg_hex"), "what was published");
        assert_eq!(b64(&first), text(&vector, "initiator_msg_b64"), "the same in base64");
        assert_eq!(hex(&second), text(&vector, "responder_hashed_token_hex_COMPUTED"));
        let origin = &vector["origin"];
        let note = format!(
            "{}: {} {} at {}",
            text(&vector, "name"),
            text(origin, "repo"),
            text(origin, "path"),
            text(origin, "commit")
        );
        foreign(&mut file, mechanism, authcid, token, &binding, ["", ""], &note);
    }
    file
}

pub(super) fn prosody() -> File {
    let source = "captured from Prosody 13.0.1 (Debian), channel bindings and HMACs recomputed from the TLS secrets; \
                  collected in examples/vectors/sources/ht-prosody-13.0.1.json";
    let mut file = File::new("ht-prosody-13.0.1.json", source);
    let captured = vectors(include_str!("../sources/ht-prosody-13.0.1.json"));
    let parts = |vector: &Value| {
        let [mechanism, user, token] = ["mechanism", "user", "token"].map(|key| text(vector, key).to_owned());
        (mechanism, user, token, unhex(text(vector, "cb_hex")))
    };
    file.group("ht-foreign", "A login that Prosody accepted, and its answer.");
    for vector in &captured {
        let (mechanism, user, token, binding) = parts(vector);
        let [first, second] = messages(&mechanism, &user, &token, &binding);
        assert_eq!(b64(&first), text(vector, "initial_response_b64"), "what was sent");
        assert!(hex(&first).ends_with(text(vector, "initiator_hmac")));
        assert_eq!(b64(&second), text(vector, "responder_b64"), "what Prosody answered");
        assert_eq!(text(vector, "outcome"), "success");
        let note = format!("{}, {}", text(vector, "tls"), text(vector, "label"));
        foreign(&mut file, &mechanism, &user, &token, &binding, ["", ""], &note);
    }
    let note = "The answer to one of these logins, at the client that sent another with the same token.";
    file.group("ht-elsewhere", note);
    for two in captured.windows(2) {
        let (mechanism, user, token, binding) = parts(&two[0]);
        let (_, _, other_token, other) = parts(&two[1]);
        if token != other_token {
            continue;
        }
        let [[_, here], [_, there]] = [&binding, &other].map(|binding| messages(&mechanism, &user, &token, binding));
        let inputs = json!({
            "mechanism": mechanism,
            "token": token,
            "binding": hex(&binding),
            "other_binding": hex(&other),
        });
        let note = match here == there {
            true => "nothing binds it to its connection: one answer fits all",
            false => "whoever has it could pass it on to another connection, if it fitted",
        };
        let between = json!({ "right": hex(&here) });
        let outputs = json!({ "other": hex(&there), "client": if here == there { "logged-in" } else { "wrong" } });
        file.case(here == there, note, inputs, between, outputs);
    }
    file
}
