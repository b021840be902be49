//! A message of a client, and what the server makes of it.

use serde_json::{Value, json};

use super::formulas::*;
use crate::file::{Edit, File};
use crate::formulas::hex;

/// An attempt with a token: what the client does, what the server knows, and what becomes of the message on the way.
#[derive(Clone)]
pub(super) struct Attempt {
    pub(super) token: Token,
    /// The mechanism whose messages the client makes, with this name, channel binding data, token and pairs.
    pub(super) spoken: String,
    pub(super) authcid: String,
    pub(super) binding: Vec<u8>,
    pub(super) presented: Option<String>,
    pub(super) pairs: Option<String>,
    /// The mechanism that the client named, and where the server is.
    pub(super) named: String,
    pub(super) service: String,
    pub(super) server_name: String,
    pub(super) client_id: String,
    pub(super) channel: Channel,
    pub(super) answer_pairs: Option<String>,
}

impl Attempt {
    pub(super) fn new(token: Token) -> Self {
        let mechanism = token.mechanism.clone();
        Self::with(token, &mechanism)
    }

    /// The token, used with this mechanism by both ends.
    pub(super) fn with(token: Token, mechanism: &str) -> Self {
        let channel = Channel::carrying(mechanism);
        let pairs = is_ht2(mechanism).then(String::new);
        Self {
            spoken: mechanism.into(),
            named: mechanism.into(),
            authcid: token.authcid.clone(),
            binding: channel.binding(mechanism).expect("it carries it"),
            presented: None,
            answer_pairs: pairs.clone(),
            pairs,
            service: token.service.clone(),
            server_name: token.server_name.clone(),
            client_id: token.client_id.clone(),
            channel,
            token,
        }
    }

    pub(super) fn pairs(mut self, client: &str, server: &str) -> Self {
        (self.pairs, self.answer_pairs) = (Some(client.into()), Some(server.into()));
        self
    }

    pub(super) fn bound(mut self, value: &[u8]) -> Self {
        self.binding = value.to_vec();
        self.channel = self.channel.with(value);
        self
    }

    fn presented(&self) -> String {
        self.presented.clone().unwrap_or_else(|| self.token.text())
    }

    fn initiator_data(&self) -> Vec<u8> {
        data("Initiator", &self.binding, self.pairs.as_deref())
    }

    pub(super) fn message(&self) -> Vec<u8> {
        let hashed = ht_mac(&self.spoken, self.presented().as_bytes(), &self.initiator_data());
        initiator(&self.authcid, self.pairs.as_deref(), &hashed)
    }

    /// The name that the server looks for, where the message has this authcid.
    fn asked(&self, authcid: &str) -> Vec<u8> {
        let (service, server_name, client_id) =
            (self.service.clone(), self.server_name.clone(), self.client_id.clone());
        Token { service, server_name, client_id, ..self.token.clone().of(authcid) }.id()
    }

    /// What the server expects for these pairs, with the token that it has.
    fn right(&self, pairs: &[u8]) -> Option<Vec<u8>> {
        let binding = self.channel.binding(&self.named)?;
        let covered = [b"Initiator", &binding[..], pairs].concat();
        Some(ht_mac(&self.named, self.token.text().as_bytes(), &covered))
    }

    /// Everything that speaks against it.
    fn refusals(&self, received: &[u8]) -> Vec<Value> {
        let (authcid, pairs, hashed) = match read_initiator(&self.named, received) {
            Ok(parts) => parts,
            Err(what) => return vec![json!(["malformed", what])],
        };
        let against = self.channel.against(&self.named);
        let mut out: Vec<Value> = against.into_iter().map(|reason| json!(["channel", reason])).collect();
        if self.asked(authcid) != self.token.id() {
            out.push(json!(["unknown"]));
        }
        let (here, pin) = (canonical(&self.named), canonical(&self.token.mechanism));
        if here != pin {
            out.push(json!(["pin", here, pin]));
        }
        if self.right(pairs).is_none_or(|right| right != hashed) {
            out.push(json!(["hashed-token"]));
        }
        out
    }

    /// What the first of them comes to.
    fn outcome(refusals: &[Value]) -> &'static str {
        match refusals.first().map(|first| first[0].as_str().expect("a name")) {
            None => "accepted",
            Some("malformed") => "malformed",
            Some("channel") => "binding-mismatch",
            Some("unknown") => "stale",
            Some(_) => "bad-proof",
        }
    }

    /// Adds the case, with the message as it is or edited.
    pub(super) fn add(&self, file: &mut File, edit: Option<&Edit<'_>>, note: &str) {
        let message = self.message();
        let received = edit.map_or_else(|| message.clone(), |edit| edit.apply(&message));
        let refusals = self.refusals(&received);
        let outcome = Self::outcome(&refusals);
        if edit.is_some() {
            assert!(self.refusals(&message).is_empty(), "{note}: good but for the edit");
        }
        let mut client = json!({
            "mechanism": self.spoken,
            "authcid": self.authcid,
            "binding": hex(&self.binding),
        });
        let mut server = json!({
            "mechanism": self.named,
            "service": self.service,
            "server_name": self.server_name,
            "client_id": self.client_id,
            "channel": self.channel.json(),
        });
        if let Some(token) = &self.presented {
            client["token"] = json!(token);
        }
        if let Some(pairs) = &self.pairs {
            client["pairs"] = json!(pairs);
        }
        let unedited_pairs = self.pairs.clone().unwrap_or_default();
        let right = self.right(unedited_pairs.as_bytes());
        let mut between = json!({
            "token_id": hex(&self.token.id()),
            "token": self.token.text(),
            "asked_id": hex(&self.asked(&self.authcid)),
            "initiator_data": hex(&self.initiator_data()),
            "message": hex(&message),
            "against": self.channel.against(&self.named),
            "right": right.map(|right| hex(&right)),
            "refusals": refusals,
        });
        let verdict = if matches!(outcome, "accepted" | "malformed") { outcome } else { "refused" };
        let mut outputs = json!({ "server": verdict, "outcome": outcome });
        if outcome == "accepted" {
            let pairs = self.answer_pairs.as_deref();
            if let Some(pairs) = pairs {
                server["pairs"] = json!(pairs);
            }
            let covered = data("Responder", &self.channel.binding(&self.named).expect("a binding"), pairs);
            between["responder_data"] = json!(hex(&covered));
            let hashed = ht_mac(&self.named, self.token.text().as_bytes(), &covered);
            outputs["responder"] = json!(hex(&success(pairs, &hashed)));
        } else if is_ht2(&self.named) {
            let reason = if outcome == "malformed" { "other-error" } else { "invalid-token" };
            outputs["responder"] = json!(hex(&[b"\x01", reason.as_bytes()].concat()));
        }
        let mut inputs = json!({ "token": self.token.json(), "client": client, "server": server });
        if let Some(edit) = edit {
            inputs["edit"] = edit.json(&message);
            between["received"] = json!(hex(&received));
        }
        file.case(outcome == "accepted", note, inputs, between, outputs);
    }
}
