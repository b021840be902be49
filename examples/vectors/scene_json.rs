//! A scene as the inputs, intermediates and outputs of a case.

use serde_json::{Value, json};

use crate::formulas::*;
use crate::scene::{Record, Scene};

impl Scene {
    pub(crate) fn inputs(&self) -> Value {
        let (client, channel, server) = (&self.client, &self.channel, &self.server);
        let mut of_channel = json!({
            "tls": if channel.tls12.is_some() { "1.2" } else { "1.3" },
            "forward_secret": channel.forward_secret,
            "early_data": channel.early_data,
            "handshake_complete": channel.complete,
            "sni": channel.sni,
        });
        if let Some((extended, stateful)) = channel.tls12 {
            of_channel["extended_master_secret"] = json!(extended);
            of_channel["tickets"] = json!(if stateful { "stateful" } else { "stateless" });
        }
        if channel.early_data {
            of_channel["tickets"] = json!(if channel.stateful { "stateful" } else { "stateless" });
        }
        if let Some(binding) = &channel.early_binding {
            of_channel["early_exporter"] = json!(hex(binding));
        }
        let in_transcript = !self.counts() && channel.binding.is_some();
        if in_transcript || self.client.claims_lineage {
            of_channel["resumed"] = json!(channel.resumed);
        }
        if let Some(binding) = &channel.binding {
            let name = if self.counts() { "tls_server_end_point" } else { "tls_exporter" };
            of_channel[name] = json!(hex(binding));
        }
        if (self.counts() || channel.early_data) && channel.exporter {
            of_channel["exporter"] = json!(true);
        }
        if let Some(renew) = &channel.renew {
            of_channel["renew"] = json!(hex(renew));
        }
        let mut of_client = json!({
            "mechanism": client.mechanism,
            "service": client.service,
            "flags": client.flags,
            "binding": hex(&client.binding),
            "lineage": hex(&client.lineage),
            "covered": self.covered(),
        });
        if let Some(change) = &client.proof_xor {
            of_client["proof_xor"] = json!(hex(change));
        }
        let mut of_server = json!({
            "service": server.service,
            "name": server.name,
            "full_mechanisms": server.full_mechanisms,
            "iky_mechanisms": server.pins,
        });
        let mut inputs = json!({ "assertion": assertion_json(&self.assertion), "client": of_client });
        if let Some(record) = &self.record {
            of_server["full_login_every"] = json!(server.full_login_every);
            of_server["lineage_required"] = json!(server.lineage_required);
            of_server["renew_within"] = json!(server.renew_within);
            of_server["lifetime"] = json!(server.lifetime);
            inputs["record"] = self.record_json(record);
            inputs["now"] = json!(self.now);
            if self.commit(record).is_some() {
                of_server["successor_grace"] = json!(server.successor_grace);
            }
            if self.renews(record) {
                of_server["tentative_lifetime"] = json!(server.tentative_lifetime);
            }
        }
        if channel.early_data {
            of_server["early_data"] = json!(server.early_data);
        }
        if let Some(grant) = &server.grant {
            of_server["grant"] = json!(hex(grant));
        }
        if let Some(lineage) = &self.lineage {
            inputs["lineage"] = json!({
                "identity": lineage.identity,
                "device": lineage.device,
                "service": lineage.service,
                "server_name": lineage.server_name,
                "value": lineage.value.as_ref().map(|value| hex(value)),
                "expires": lineage.expires,
                "shared": lineage.shared,
                "revoked": lineage.revoked,
                "through_manager": lineage.through_manager,
            });
            if self.counts() || channel.early_data {
                inputs["lineage"]["strength"] = json!(lineage.strength);
            }
        }
        if let Some(store) = self.store {
            inputs["store"] = json!(store);
        }
        inputs["channel"] = of_channel;
        inputs["server"] = of_server;
        inputs
    }

    fn record_json(&self, record: &Record) -> Value {
        let mut of_record = json!({
            "identity": record.identity,
            "device": record.device,
            "full_login": record.full_login,
            "expires": record.expires,
            "unused_until": record.unused_until,
            "revoked": record.revoked,
        });
        if self.counts() || self.marks().is_some() {
            of_record["used_counters"] = json!(record.used);
        }
        of_record
    }

    pub(crate) fn intermediates(&self) -> Value {
        let mechanism = &self.client.mechanism;
        let mut out = keys_json(&self.assertion, true);
        out["client_transcript"] = json!(hex(&self.client_transcript()));
        out["message"] = json!(self.message());
        out["offer"] = json!(hex(&self.offer()));
        out["refusals"] = json!(self.refusals());
        // What "h" has to equal: the record's name, the server's, and that in TLS where it is seen.
        let record = self.record.as_ref().map(|_| self.assertion.server_name.as_str());
        out["server_names"] = json!([record, self.server.name, self.channel.sni]);
        if let (Some(transcript), Some(difference)) = (self.server_transcript(), self.difference()) {
            out["transcript_hash"] = json!(hex(&hash(hash_of(mechanism), &transcript)));
            out["proof_difference"] = json!(hex(&difference));
        }
        if let Some(record) = &self.record {
            out["who"] = json!([record.identity, self.assertion.login_name, record.device, self.origin()]);
            let until = |moment: u64| moment as i64 - self.now as i64;
            out["times"] = json!({
                "expires_in": until(record.expires),
                "unused_until_in": record.unused_until.map(until),
                "full_login_due_in": until(record.full_login + self.server.full_login_every),
                "renewal_due_in": until(record.expires) - self.server.renew_within as i64,
                "last_third_in": self.server.lifetime.map(|lifetime| until(record.expires) - (lifetime / 3) as i64),
                "would_last_until": self.server.lifetime.map(|lifetime| self.now + lifetime),
            });
            if let Some(lineage) = &self.lineage {
                out["times"]["lineage_expires_in"] = json!(until(lineage.expires));
            }
            out["session_strength"] = json!(self.strength());
            out["lineage"] = json!(match (self.server.lineage_required, self.client.claims_lineage) {
                (true, true) => "required and given",
                (true, false) => "required",
                (false, true) => "given",
                (false, false) => "neither required nor given",
            });
            if self.counts() || self.marks().is_some() {
                let (highest, used) = self.window(record);
                out["window"] = json!({ "highest": highest, "used": format!("{used:016x}") });
            }
            if self.renews(record) {
                let renewed = self.renewed();
                out["renewal"] = json!({
                    "salt": hex(&renewed.salt),
                    "seed": hex(&renewed.seed),
                    "prk": hex(&renewed.keys.prk),
                });
            }
        }
        out
    }

    /// Whether a successor is announced.
    fn renews(&self, record: &Record) -> bool {
        self.outcome().0 == "accepted" && self.successor_expiry(record).is_some()
    }

    /// What the server makes durable before it answers. It asks for it before the store says that it can't.
    fn commit(&self, record: &Record) -> Option<Value> {
        let refused = self.refusals().iter().any(|refusal| {
            let late = refusal[0] == "replayed" || (refusal[0] == "store" && refusal[1] != "lookup-unavailable");
            !late
        });
        let (confirm, renews) = (record.unused_until.is_some(), self.renews(record));
        if refused || !(confirm || self.marks().is_some() || renews) {
            return None;
        }
        let mut commit = json!({
            "counter": self.marks(),
            "confirm": confirm,
            "predecessor_until": self.now + self.server.successor_grace,
        });
        if renews {
            commit["successor"] = json!({
                "id": hex(&self.renewed().keys.id),
                "expires": self.successor_expiry(record),
                "unused_until": self.now + self.server.tentative_lifetime,
            });
        }
        Some(commit)
    }

    pub(crate) fn outputs(&self) -> Value {
        let (outcome, reason) = self.outcome();
        let mut out = json!({ "outcome": outcome });
        let keys = self.keys();
        let mechanism = &self.client.mechanism;
        let sign = |covered: String| {
            let digest = hash(hash_of(mechanism), &self.server_transcript().expect("a transcript"));
            let signature = keys.sign(mechanism, &digest, &self.proof(), &covered);
            format!("{covered}v={}", b64(&signature))
        };
        out["responder"] = json!(match (outcome, reason) {
            ("accepted", _) => sign(self.success()),
            ("malformed" | "unavailable", _) => format!("e={outcome}"),
            (_, None) => "e=not-recognised".to_owned(),
            (_, Some(reason)) => sign(format!("e={reason},")),
        });
        let Some(record) = &self.record else { return out };
        if let Some(commit) = self.commit(record) {
            out["commit"] = commit;
        }
        if outcome == "accepted" {
            out["recognised"] = json!({
                "identity": record.identity,
                "login_name": self.assertion.login_name,
                "device": record.device,
                "origin": self.origin(),
                "full_login": record.full_login,
                "strength": self.strength(),
            });
            if self.renews(record) && self.store != Some("no-room") {
                let keys = self.renewed().keys;
                out["successor"] = json!({
                    "id": hex(&keys.id),
                    "client_key": hex(&keys.client),
                    "stored_key": hex(&keys.stored),
                    "server_key": hex(&keys.server),
                });
            }
        }
        out
    }

    fn success(&self) -> String {
        let record = self.record.as_ref().expect("a record");
        let renewal = self.successor_expiry(record).filter(|_| self.store != Some("no-room"));
        let Some(expires) = renewal else { return format!("x={},", record.expires.saturating_sub(self.now)) };
        let said = match &self.server.grant {
            Some(grant) if !self.has_exporter() => b64(grant),
            _ => "1".to_owned(),
        };
        format!("x={},r={said},", expires - self.now)
    }
}

pub(crate) fn assertion_json(assertion: &Assertion) -> Value {
    json!({
        "mechanism": assertion.mechanism,
        "service": assertion.service,
        "server_name": assertion.server_name,
        "full_mechanism": assertion.full_mechanism,
        "full_binding": assertion.full_binding,
        "login_name": assertion.login_name,
        "ordinal": assertion.ordinal,
        "session_key": hex(&assertion.session_key),
        "seed": hex(&assertion.seed),
    })
}

/// Context and PRK, and with `all` the keys too.
pub(crate) fn keys_json(assertion: &Assertion, all: bool) -> Value {
    let keys = assertion.keys();
    let mut out = json!({ "context": hex(&assertion.context()), "prk": hex(&keys.prk) });
    if all {
        out["id"] = json!(hex(&keys.id));
        out["client_key"] = json!(hex(&keys.client));
        out["stored_key"] = json!(hex(&keys.stored));
        out["server_key"] = json!(hex(&keys.server));
    }
    out
}
