//! One attempt with IKY, from the client's proof to the server's verdict, decided by the draft's rules and not by the library.

use serde_json::{Value, json};

use crate::formulas::*;
use crate::tables::rank;

pub(crate) const NAME: &str = "imap.example.com";
pub(crate) const DAY: u64 = 24 * 60 * 60;
/// The full login: a moment in 2026.
pub(crate) const LOGIN: u64 = 1_790_000_000;

/// What the server keeps besides the keys.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) identity: String,
    pub(crate) device: String,
    pub(crate) full_login: u64,
    pub(crate) expires: u64,
    pub(crate) unused_until: Option<u64>,
    pub(crate) revoked: bool,
    pub(crate) used: Vec<u64>,
}

/// What the server knows of the connection that this one resumes.
#[derive(Clone, Debug)]
pub(crate) struct Lineage {
    pub(crate) identity: String,
    pub(crate) device: String,
    pub(crate) service: String,
    pub(crate) server_name: String,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) strength: &'static str,
    pub(crate) expires: u64,
    pub(crate) shared: bool,
    pub(crate) revoked: bool,
    pub(crate) through_manager: bool,
}

/// What the client puts into its proof.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) mechanism: String,
    pub(crate) service: String,
    pub(crate) flags: u8,
    pub(crate) binding: Vec<u8>,
    pub(crate) lineage: Vec<u8>,
    pub(crate) flag: String,
    pub(crate) authzid: String,
    pub(crate) name: String,
    pub(crate) id: Option<Vec<u8>>,
    /// `t=`, in place of the id.
    pub(crate) sealed: Option<String>,
    pub(crate) counter: Option<u64>,
    pub(crate) claims_lineage: bool,
    pub(crate) offer: Option<Vec<u8>>,
    pub(crate) extensions: String,
    pub(crate) proof_xor: Option<Vec<u8>>,
}

/// What the server knows of its TLS connection.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    /// Extended master secret, and whether the sessions are kept by the server.
    pub(crate) tls12: Option<(bool, bool)>,
    pub(crate) forward_secret: bool,
    pub(crate) resumed: bool,
    pub(crate) early_data: bool,
    /// Of TLS 1.3; it matters in early data.
    pub(crate) stateful: bool,
    /// What the early exporter gives, for EXPR in early data.
    pub(crate) early_binding: Option<Vec<u8>>,
    /// Not so in a greeting that is sent as half-RTT data.
    pub(crate) complete: bool,
    pub(crate) sni: Option<String>,
    pub(crate) binding: Option<Vec<u8>>,
    /// There is an exporter; with EXPR that is what `binding` says.
    pub(crate) exporter: bool,
    pub(crate) renew: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) full_mechanisms: Vec<String>,
    pub(crate) pins: Vec<String>,
    pub(crate) early_data: bool,
    pub(crate) full_login_every: u64,
    pub(crate) renew_within: u64,
    /// By policy, on a connection whose TLS sessions carry handles.
    pub(crate) lineage_required: bool,
    pub(crate) lifetime: Option<u64>,
    pub(crate) tentative_lifetime: u64,
    pub(crate) successor_grace: u64,
    pub(crate) grant: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) assertion: Assertion,
    /// The keys, where they are not those of the login but of a successor.
    pub(crate) successor: Option<Keys>,
    /// What takes its place is decided in `sealed.rs`.
    pub(crate) seals: bool,
    pub(crate) record: Option<Record>,
    pub(crate) lineage: Option<Lineage>,
    pub(crate) client: Client,
    pub(crate) channel: Channel,
    pub(crate) server: Server,
    pub(crate) now: u64,
    /// What goes wrong in the store.
    pub(crate) store: Option<&'static str>,
}

/// A refusal: the rule's name, and what it compared.
pub(crate) type Refusal = Vec<Value>;

impl Scene {
    /// A client that logged in on a connection, used its assertion once, and comes back on another, resumed or not.
    pub(crate) fn new(mechanism: &str, resumed: bool) -> Self {
        Self::of(Assertion::new(mechanism), resumed)
    }

    pub(crate) fn of(assertion: Assertion, resumed: bool) -> Self {
        let mechanism = assertion.mechanism.clone();
        let expr = binding_of(&mechanism) == "EXPR";
        let binding = match binding_of(&mechanism) {
            "EXPR" => seeded(&format!("tls-exporter {mechanism} {resumed}")),
            "ENDP" => seeded("tls-server-end-point"),
            _ => Vec::new(),
        };
        let lineage = resumed.then(|| Lineage {
            identity: "alice".into(),
            device: "0102030405060708".into(),
            service: assertion.service.clone(),
            server_name: assertion.server_name.clone(),
            value: Some(seeded(&format!("lineage {mechanism}"))),
            strength: "bound",
            expires: LOGIN + 7 * DAY,
            shared: false,
            revoked: false,
            through_manager: false,
        });
        let client = Client {
            mechanism: mechanism.clone(),
            service: assertion.service.clone(),
            flags: u8::from(expr && resumed),
            binding: binding.clone(),
            lineage: lineage.as_ref().and_then(|lineage| lineage.value.clone()).unwrap_or_default(),
            flag: flag_of(&mechanism).into(),
            authzid: assertion.login_name.clone(),
            name: assertion.server_name.clone(),
            id: None,
            sealed: None,
            counter: (!expr).then_some(1),
            claims_lineage: resumed,
            offer: None,
            extensions: String::new(),
            proof_xor: None,
        };
        let channel = Channel {
            tls12: None,
            forward_secret: true,
            resumed,
            early_data: false,
            stateful: true,
            early_binding: None,
            complete: true,
            sni: Some(assertion.server_name.clone()),
            binding: (binding_of(&mechanism) != "NONE").then_some(binding),
            exporter: expr,
            renew: None,
        };
        let server = Server {
            service: assertion.service.clone(),
            name: assertion.server_name.clone(),
            full_mechanisms: vec!["SCRAM-SHA-256-PLUS".into(), "SCRAM-SHA-256".into()],
            pins: vec![mechanism],
            early_data: false,
            full_login_every: 180 * DAY,
            renew_within: 10 * DAY,
            lineage_required: !expr && resumed,
            lifetime: Some(30 * DAY),
            tentative_lifetime: 7 * DAY,
            successor_grace: 300,
            grant: None,
        };
        let record = Record {
            identity: "alice".into(),
            device: "0102030405060708".into(),
            full_login: LOGIN,
            expires: LOGIN + 30 * DAY,
            unused_until: None,
            revoked: false,
            used: Vec::new(),
        };
        Self {
            assertion,
            successor: None,
            seals: false,
            record: Some(record),
            lineage,
            client,
            channel,
            server,
            now: LOGIN + DAY,
            store: None,
        }
    }

    pub(crate) fn with(mut self, edit: impl FnOnce(&mut Self)) -> Self {
        edit(&mut self);
        self
    }

    pub(crate) fn rec(&mut self) -> &mut Record {
        self.record.as_mut().expect("a record")
    }

    pub(crate) fn lin(&mut self) -> &mut Lineage {
        self.lineage.as_mut().expect("a lineage")
    }

    pub(crate) fn keys(&self) -> Keys {
        self.successor.clone().unwrap_or_else(|| self.assertion.keys())
    }

    pub(crate) fn counts(&self) -> bool {
        binding_of(&self.client.mechanism) != "EXPR"
    }

    /// The counter that is marked as used: any that there is, but nobody keeps those of a sealed assertion.
    pub(crate) fn marks(&self) -> Option<u64> {
        self.client.counter.filter(|_| self.client.sealed.is_none())
    }

    pub(crate) fn has_exporter(&self) -> bool {
        let binding = self.channel.binding.is_some() && !self.counts();
        self.channel.exporter && (self.counts() || self.channel.early_data) || binding
    }

    /// The message up to `,p=`.
    pub(crate) fn covered(&self) -> String {
        let client = &self.client;
        let id = client.id.clone().unwrap_or_else(|| self.keys().id);
        let mut text = format!("{},", client.flag);
        if !client.authzid.is_empty() {
            text += &format!("a={}", client.authzid.replace('=', "=3D").replace(',', "=2C"));
        }
        text += &match &client.sealed {
            Some(sealed) => format!(",h={},t={sealed}", client.name),
            None => format!(",h={},i={}", client.name, b64(&id)),
        };
        if let Some(counter) = client.counter {
            text += &format!(",n={counter}");
        }
        if client.claims_lineage {
            text += ",l=1";
        }
        if let Some(offer) = &client.offer {
            text += &format!(",f={}", b64(offer));
        }
        text + &client.extensions
    }

    fn transcript(&self, service: &str, flags: u8, binding: &[u8], lineage: &[u8]) -> Vec<u8> {
        let covered = self.covered();
        let mechanism = self.client.mechanism.as_bytes();
        lp(&[b"IKY initiator", mechanism, service.as_bytes(), &[flags], binding, lineage, covered.as_bytes()])
    }

    pub(crate) fn client_transcript(&self) -> Vec<u8> {
        let client = &self.client;
        self.transcript(&client.service, client.flags, &client.binding, &client.lineage)
    }

    pub(crate) fn proof(&self) -> Vec<u8> {
        let proof = self.keys().prove(&self.client.mechanism, &self.client_transcript());
        match &self.client.proof_xor {
            Some(change) => xor(&proof, change),
            None => proof,
        }
    }

    pub(crate) fn message(&self) -> String {
        format!("{},p={}", self.covered(), b64(&self.proof()))
    }

    /// The transcript as the server has it; none without the mechanism's channel binding.
    pub(crate) fn server_transcript(&self) -> Option<Vec<u8>> {
        let channel = &self.channel;
        let binding = match binding_of(&self.client.mechanism) {
            "NONE" => Vec::new(),
            "EXPR" if channel.early_data => channel.early_binding.clone()?,
            _ => channel.binding.clone()?,
        };
        let flags = if self.counts() { 0 } else { u8::from(channel.resumed) | u8::from(channel.early_data) << 1 };
        let known = self.lineage.as_ref().filter(|_| self.client.claims_lineage && channel.resumed);
        let lineage = known.and_then(|lineage| lineage.value.clone()).unwrap_or_default();
        Some(self.transcript(&self.server.service, flags, &binding, &lineage))
    }

    /// Why this channel can't carry a mechanism.
    fn unfit(&self, mechanism: &str, has_exporter: bool) -> Vec<&'static str> {
        let channel = &self.channel;
        let mut why = Vec::new();
        if channel.tls12.is_some_and(|(extended, _)| !extended) {
            why.push("no-extended-master-secret");
        }
        if !channel.forward_secret {
            why.push("no-forward-secrecy");
        }
        if channel.tls12.is_some_and(|(_, stateful)| !stateful) {
            why.push("tls12-stateless-tickets");
        }
        match binding_of(mechanism) {
            "EXPR" if !has_exporter => why.push("no-exporter"),
            "ENDP" if channel.binding.is_none() => why.push("no-end-point"),
            _ => {}
        }
        why
    }

    /// What the server lists of IKY: two mechanisms at most, those that the channel can carry.
    fn listed(&self) -> Vec<&str> {
        // In a greeting it is enough that there will be an exporter.
        let exporter = self.has_exporter() || !self.channel.complete;
        let fit = self.server.pins.iter().filter(|pin| self.unfit(pin, exporter).is_empty());
        fit.map(String::as_str).take(2).collect()
    }

    /// The hash over the server's present offer.
    pub(crate) fn offer(&self) -> Vec<u8> {
        let names = self.listed().into_iter().chain(self.server.full_mechanisms.iter().map(String::as_str));
        offer_hash(hash_of(&self.client.mechanism), names)
    }

    pub(crate) fn window(&self, record: &Record) -> (u64, u64) {
        record.used.iter().fold((0, 0), |window, &counter| crate::tables::accept(window, counter).0)
    }

    /// Everything that speaks against the attempt, in the order in which the server asks.
    pub(crate) fn refusals(&self) -> Vec<Refusal> {
        let (client, channel, server) = (&self.client, &self.channel, &self.server);
        let mut all: Vec<Refusal> = Vec::new();
        let mut refuse = |rule: &str, compared: &[Value]| {
            all.push([&[json!(rule)], compared].concat());
        };
        if self.counts() && client.counter.is_none() {
            refuse("no-counter", &[]);
        }
        let y = client.flag == "y" && binding_of(&client.mechanism) == "NONE";
        let bound = self.listed().into_iter().find(|pin| binding_of(pin) != "NONE");
        match bound {
            _ if client.flag == flag_of(&client.mechanism) => {}
            None if y => {}
            bound => refuse("gs2-header", &[json!(client.flag), json!(if y { bound } else { None })]),
        }
        if !server.pins.contains(&client.mechanism) {
            refuse("mechanism-not-configured", &[json!(client.mechanism)]);
        }
        let managed = self.lineage.as_ref().is_some_and(|lineage| lineage.through_manager);
        if managed && binding_of(&client.mechanism) != "NONE" {
            refuse("bound-through-manager", &[json!(client.mechanism)]);
        }
        let exporter = if channel.early_data { channel.early_binding.is_some() } else { self.has_exporter() };
        for why in self.unfit(&client.mechanism, exporter) {
            refuse("channel", &[json!(why)]);
        }
        for (why, applies) in [
            ("not-configured", !server.early_data),
            ("stateless-tickets", !channel.stateful),
            ("no-lineage", !client.claims_lineage),
            ("no-counter", client.counter.is_none()),
            ("sealed", client.sealed.is_some()),
        ] {
            if channel.early_data && applies {
                refuse("early-data", &[json!(why)]);
            }
        }
        if !channel.complete && !channel.early_data {
            refuse("handshaking", &[]);
        }
        if self.store == Some("lookup-unavailable") {
            refuse("store", &[json!("lookup-unavailable")]);
        }
        let Some(record) = &self.record else {
            refuse("unknown", &[]);
            return all;
        };
        if client.id.as_ref().is_some_and(|id| *id != self.keys().id) {
            refuse("unknown", &[]);
            return all;
        }
        let session = self.lineage.as_ref().filter(|_| channel.resumed);
        if client.claims_lineage && session.is_none() && channel.resumed {
            all.push(vec![json!("lineage-unknown")]);
        }
        let mut differs = |rule: &str, has: &str, wants: &str| {
            if has != wants {
                all.push(vec![json!(rule), json!(has), json!(wants)]);
            }
        };
        differs("pin", &client.mechanism, &self.assertion.mechanism);
        differs("service", &server.service, &self.assertion.service);
        differs("server-name-of-the-record", &client.name, &self.assertion.server_name);
        differs("server-name-of-the-server", &client.name, &server.name);
        if let Some(sni) = &channel.sni {
            differs("server-name-in-tls", &client.name, sni);
        }
        differs("login-name", &client.authzid, &self.assertion.login_name);
        if client.claims_lineage {
            match session {
                None if channel.resumed => {}
                None => all.push(vec![json!("lineage-without-resumption")]),
                Some(lineage) => self.lineage_refusals(record, lineage, &mut all),
            }
        }
        if self.difference().is_some_and(|difference| difference.iter().any(|&octet| octet != 0)) {
            all.push(vec![json!("proof")]);
        }
        self.objections(record, &mut all);
        if let Some(store) = self.store.filter(|&store| store != "lookup-unavailable" && store != "no-room") {
            all.push(vec![json!("store"), json!(store)]);
        }
        all
    }

    fn lineage_refusals(&self, record: &Record, lineage: &Lineage, all: &mut Vec<Refusal>) {
        let mut refuse = |rule: &str, has: &str, wants: &str| {
            if has != wants {
                all.push(vec![json!(rule), json!(has), json!(wants)]);
            }
        };
        refuse("lineage-identity", &lineage.identity, &record.identity);
        refuse("lineage-device", &lineage.device, &record.device);
        refuse("lineage-service", &lineage.service, &self.assertion.service);
        refuse("lineage-server-name", &lineage.server_name, &self.assertion.server_name);
        for (rule, applies) in [
            ("lineage-without-value", lineage.value.is_none()),
            ("lineage-through-manager", lineage.through_manager),
            ("lineage-shared", lineage.shared),
            ("lineage-revoked", lineage.revoked),
            ("lineage-expired", lineage.expires <= self.now),
        ] {
            if applies {
                all.push(vec![json!(rule)]);
            }
        }
    }

    fn objections(&self, record: &Record, all: &mut Vec<Refusal>) {
        let (client, server) = (&self.client, &self.server);
        let ends = record.unused_until.map_or(record.expires, |until| until.min(record.expires));
        for (rule, applies) in [
            ("revoked", record.revoked),
            ("expired", ends <= self.now),
            ("full-login-due", record.full_login + server.full_login_every <= self.now),
            ("origin", server.lifetime.is_none()),
            ("lineage-required", server.lineage_required && !client.claims_lineage),
        ] {
            if applies {
                all.push(vec![json!(rule)]);
            }
        }
        if let Some(offer) = client.offer.as_ref().filter(|&offer| *offer != self.offer()) {
            all.push(vec![json!("offer"), json!(hex(offer)), json!(hex(&self.offer()))]);
        }
        if let Some(counter) = self.marks() {
            if !crate::tables::accept(self.window(record), counter).1 {
                all.push(vec![json!("replayed"), json!(counter)]);
            }
        }
    }

    /// The proof as received XOR the one that would be right here.
    pub(crate) fn difference(&self) -> Option<Vec<u8>> {
        let right = self.keys().prove(&self.client.mechanism, &self.server_transcript()?);
        Some(xor(&self.proof(), &right))
    }

    /// The outcome that the first refusal stands for, and the reason to sign; no reason where nothing is signed.
    pub(crate) fn outcome(&self) -> (&'static str, Option<&'static str>) {
        let refusals = self.refusals();
        let Some(first) = refusals.first() else { return ("accepted", None) };
        let what = first.get(1).and_then(Value::as_str).unwrap_or_default();
        match (first[0].as_str().expect("a rule"), what) {
            ("no-counter", _) => ("malformed", None),
            (
                "gs2-header"
                | "mechanism-not-configured"
                | "bound-through-manager"
                | "channel"
                | "early-data"
                | "handshaking",
                _,
            ) => ("binding-mismatch", None),
            ("unknown" | "lineage-unknown", _) | ("store", "gone") => ("stale", None),
            ("store", _) => ("unavailable", None),
            ("revoked", _) => ("revoked", Some("revoked")),
            ("expired", _) => ("stale", Some("expired")),
            ("full-login-due" | "origin" | "lineage-required", _) => {
                ("full-authentication-due", Some("full-login-due"))
            }
            ("offer", _) => ("configuration-changed", Some("configuration-changed")),
            ("replayed", _) => ("replayed", Some("replayed")),
            _ => ("bad-proof", None),
        }
    }

    /// How the strength of the full login reads.
    pub(crate) fn origin(&self) -> &'static str {
        crate::tables::origin(
            &self.assertion.full_mechanism,
            !self.assertion.full_binding.is_empty(),
            !self.assertion.session_key.is_empty(),
        )
    }

    /// What the session of this connection is worth to those that resume it.
    pub(crate) fn strength(&self) -> &'static str {
        let lineage = self.lineage.as_ref().filter(|_| self.client.claims_lineage);
        match lineage {
            _ if !self.counts() && !self.channel.early_data => self.origin(),
            Some(lineage) if rank(lineage.strength) < rank(self.origin()) => lineage.strength,
            Some(_) => self.origin(),
            None => "unbound",
        }
    }

    /// The successor's expiry, when one is due and lasts longer.
    pub(crate) fn successor_expiry(&self, record: &Record) -> Option<u64> {
        let server = &self.server;
        if self.seals || self.channel.early_data {
            return None;
        }
        let near = server.renew_within.min(server.lifetime? / 3);
        let due = record.expires.saturating_sub(self.now) < near;
        let fresh = self.has_exporter() || server.grant.is_some();
        let expires = (self.now + server.lifetime?).min(record.full_login + server.full_login_every);
        (due && fresh && expires > record.expires).then_some(expires)
    }

    pub(crate) fn renewed(&self) -> Renewed {
        let granted = self.server.grant.clone().filter(|_| !self.has_exporter());
        let x = granted.or_else(|| self.channel.renew.clone()).expect("the input of a renewal");
        let mechanism = &self.client.mechanism;
        let digest = hash(hash_of(mechanism), &self.server_transcript().expect("a transcript"));
        Renewed::of(mechanism, &self.keys().server, &digest, &x)
    }
}
