//! A server's answer, and what the client makes of it.

use serde_json::{Value, json};

use super::formulas::*;
use crate::file::{Edit, File};
use crate::formulas::hex;

/// What the server says, before anybody edits it.
#[derive(Clone, Copy)]
pub(super) enum Answer<'a> {
    Nothing,
    /// With these pairs in HT2.
    Success(&'a str),
    /// HT2: `%x01` and the reason.
    Failure(&'a str),
}

/// A client that waits for an answer.
#[derive(Clone)]
pub(super) struct Waiting {
    pub(super) mechanism: String,
    pub(super) token: String,
    pub(super) binding: Vec<u8>,
    pub(super) pairs: Option<String>,
}

impl Waiting {
    pub(super) fn new(mechanism: &str) -> Self {
        let binding = Channel::carrying(mechanism).binding(mechanism).expect("it carries it");
        let pairs = is_ht2(mechanism).then(String::new);
        Self { mechanism: mechanism.into(), token: Token::new(mechanism).text(), binding, pairs }
    }

    pub(super) fn hashed(&self, label: &str, pairs: &str) -> Vec<u8> {
        let pairs = is_ht2(&self.mechanism).then_some(pairs);
        ht_mac(&self.mechanism, self.token.as_bytes(), &data(label, &self.binding, pairs))
    }

    pub(super) fn answer(&self, answer: Answer<'_>) -> Option<Vec<u8>> {
        match answer {
            Answer::Nothing => None,
            Answer::Success(pairs) => {
                let of = is_ht2(&self.mechanism).then_some(pairs);
                Some(success(of, &self.hashed("Responder", pairs)))
            }
            Answer::Failure(reason) => Some([b"\x01", reason.as_bytes()].concat()),
        }
    }

    /// What the client takes the answer for, and the pairs or the reason in it.
    fn judge(&self, received: Option<&[u8]>, accepted: bool) -> (&'static str, Value) {
        let message = received.unwrap_or_default();
        // The reason is anybody's word: whatever it is, nobody is logged in by it.
        let failure = message.strip_prefix(b"\x01").filter(|_| is_ht2(&self.mechanism));
        if !accepted || failure.is_some() {
            let reason = failure.and_then(|reason| std::str::from_utf8(reason).ok());
            return ("failed", json!(reason.filter(|reason| !reason.is_empty() && !reason.contains('\0'))));
        }
        if message.is_empty() {
            return ("missing", Value::Null);
        }
        let rest = match is_ht2(&self.mechanism) {
            true => message.strip_prefix(b"\0"),
            false => Some(message),
        };
        match rest.ok_or("status").and_then(|rest| tail(&self.mechanism, rest)) {
            Err(_) => ("malformed", Value::Null),
            Ok((pairs, hashed)) => {
                let pairs = std::str::from_utf8(pairs).expect("ASCII");
                match self.hashed("Responder", pairs) == hashed {
                    true => ("logged-in", if is_ht2(&self.mechanism) { json!(pairs) } else { Value::Null }),
                    false => ("wrong", Value::Null),
                }
            }
        }
    }

    pub(super) fn add(&self, file: &mut File, answer: Answer<'_>, edit: Option<&Edit<'_>>, accepted: bool, note: &str) {
        let unedited = self.answer(answer);
        let received = match (&unedited, edit) {
            (Some(octets), Some(edit)) => Some(edit.apply(octets)),
            _ => unedited.clone(),
        };
        let (verdict, detail) = self.judge(received.as_deref(), accepted);
        let own = self.pairs.as_deref();
        let message = initiator("alice", own, &self.hashed("Initiator", own.unwrap_or_default()));
        let mut inputs = json!({
            "mechanism": self.mechanism,
            "authcid": "alice",
            "token": self.token,
            "binding": hex(&self.binding),
            "answer": match answer {
                Answer::Nothing => "nothing",
                Answer::Success(_) => "success",
                Answer::Failure(_) => "failure",
            },
            "protocol_accepts": accepted,
        });
        if let Some(pairs) = own {
            inputs["pairs"] = json!(pairs);
        }
        match answer {
            Answer::Success(pairs) if is_ht2(&self.mechanism) => inputs["answer_pairs"] = json!(pairs),
            Answer::Failure(reason) => inputs["reason"] = json!(reason),
            _ => {}
        }
        let says_failure = received.as_ref().is_some_and(|octets| is_ht2(&self.mechanism) && octets.starts_with(&[1]));
        let speaks = received.as_ref().is_some_and(|octets| !octets.is_empty());
        let mut between = json!({
            "message": hex(&message),
            "answer": unedited.as_deref().map(hex),
            "contradicts": speaks && says_failure == accepted,
        });
        if let (Some(edit), Some(base), Some(received)) = (edit, &unedited, &received) {
            inputs["edit"] = edit.json(base);
            between["received"] = json!(hex(received));
        }
        let mut outputs = json!({ "client": verdict });
        match verdict {
            "logged-in" if is_ht2(&self.mechanism) => outputs["pairs"] = detail,
            "failed" => outputs["reason"] = detail,
            _ => {}
        }
        file.case(verdict == "logged-in", note, inputs, between, outputs);
    }
}
