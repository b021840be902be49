//! The formulas of HT and HT2, of this library's tokens, and the grammar of the messages.

use base64::Engine as _;
use serde_json::{Value, json};

use super::sha3;
use crate::formulas::{hash, hex, lp, mac, seeded};

pub(super) const HASHES: [&str; 5] = ["SHA-256", "SHA-384", "SHA-512", "SHA3-256", "SHA3-512"];
pub(super) const BINDINGS: [&str; 4] = ["NONE", "ENDP", "UNIQ", "EXPR"];

/// Family, hash and binding of a name: what is ahead of the first hyphen, what is behind the last one, and what is between.
pub(super) fn parts(name: &str) -> [&str; 3] {
    let (family, rest) = name.split_once('-').expect("a hyphen");
    let (hash, binding) = rest.rsplit_once('-').unwrap_or((rest, ""));
    [family, hash, binding]
}

/// The hash of a mechanism in the draft's spelling.
pub(super) fn hash_of(name: &str) -> &str {
    match parts(name)[1] {
        "SHA-3-256" => "SHA3-256",
        "SHA-3-512" => "SHA3-512",
        other => other,
    }
}

/// The mechanism's name in the draft's spelling.
pub(super) fn canonical(name: &str) -> String {
    let [family, _, binding] = parts(name);
    format!("{family}-{}-{binding}", hash_of(name))
}

pub(super) fn is_ht2(name: &str) -> bool {
    parts(name)[0] == "HT2"
}

pub(super) fn hash_len(name: &str) -> usize {
    hash_of(name).rsplit_once('-').expect("bits").1.parse::<usize>().expect("bits") / 8
}

/// HMAC with the hash of this mechanism.
pub(super) fn ht_mac(name: &str, key: &[u8], data: &[u8]) -> Vec<u8> {
    match hash_of(name) {
        "SHA3-256" => sha3::mac(256, key, data),
        "SHA3-512" => sha3::mac(512, key, data),
        other => mac(other, key, data),
    }
}

/// What is hashed, `"Initiator"` or `"Responder"` first. There are no pairs in HT.
pub(super) fn data(label: &str, binding: &[u8], pairs: Option<&str>) -> Vec<u8> {
    [label.as_bytes(), binding, pairs.unwrap_or_default().as_bytes()].concat()
}

/// The initiator's message.
pub(super) fn initiator(authcid: &str, pairs: Option<&str>, hashed: &[u8]) -> Vec<u8> {
    let pairs = pairs.map_or_else(String::new, |pairs| format!("{pairs}\0"));
    [authcid.as_bytes(), b"\0", pairs.as_bytes(), hashed].concat()
}

/// The responder's message on success.
pub(super) fn success(pairs: Option<&str>, hashed: &[u8]) -> Vec<u8> {
    let pairs = pairs.map_or_else(String::new, |pairs| format!("\0{pairs}\0"));
    [pairs.as_bytes(), hashed].concat()
}

// ---- tokens ----

/// A token as this library's server makes it.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) service_key: Vec<u8>,
    pub(super) service: String,
    pub(super) server_name: String,
    pub(super) authcid: String,
    pub(super) client_id: String,
    pub(super) mechanism: String,
    pub(super) salt: Vec<u8>,
}

pub(super) const CLIENT_ID: &str = "d4565fa7-4d72-4749-b3d3-740edbf87770";

impl Token {
    pub(super) fn new(mechanism: &str) -> Self {
        Self {
            service_key: seeded("a service key"),
            service: "xmpp".into(),
            server_name: "example.com".into(),
            authcid: "alice".into(),
            client_id: CLIENT_ID.into(),
            mechanism: mechanism.into(),
            salt: seeded(&format!("salt of a token for {mechanism}")),
        }
    }

    pub(super) fn of(mut self, authcid: &str) -> Self {
        self.authcid = authcid.into();
        self
    }

    pub(super) fn salted(mut self, label: &str) -> Self {
        self.salt = seeded(label);
        self
    }

    pub(super) fn id_input(&self) -> Vec<u8> {
        let parts = ["FAST client v1", &self.service, &self.server_name, &self.authcid, &self.client_id];
        lp(&parts.map(str::as_bytes))
    }

    pub(super) fn id(&self) -> Vec<u8> {
        hash("SHA-256", &self.id_input())[..16].to_vec()
    }

    pub(super) fn text_input(&self) -> Vec<u8> {
        lp(&[b"FAST token v1", &self.id(), canonical(&self.mechanism).as_bytes(), &self.salt])
    }

    pub(super) fn text(&self) -> String {
        let octets = mac("SHA-256", &self.service_key, &self.text_input());
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(octets)
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "service_key": hex(&self.service_key),
            "service": self.service,
            "server_name": self.server_name,
            "authcid": self.authcid,
            "client_id": self.client_id,
            "mechanism": self.mechanism,
            "salt": hex(&self.salt),
        })
    }
}

// ---- channels ----

/// What one end knows of its TLS connection.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Channel {
    pub(super) tls12: bool,
    pub(super) extended_master_secret: bool,
    pub(super) forward_secret: bool,
    /// `ENDP`, `UNIQ` or `EXPR`, and the value that the TLS stack gives.
    pub(super) value: Option<(&'static str, Vec<u8>)>,
}

impl Channel {
    /// A connection that carries this mechanism.
    pub(super) fn carrying(mechanism: &str) -> Self {
        let value = match parts(mechanism)[2] {
            "ENDP" => Some(("ENDP", seeded("certificate"))),
            "UNIQ" => Some(("UNIQ", seeded("first Finished")[..12].to_vec())),
            "EXPR" => Some(("EXPR", seeded("tls-exporter"))),
            _ => None,
        };
        let tls12 = parts(mechanism)[2] == "UNIQ";
        Self { tls12, extended_master_secret: true, forward_secret: true, value }
    }

    pub(super) fn with(mut self, value: &[u8]) -> Self {
        self.value.as_mut().expect("a binding").1 = value.to_vec();
        self
    }

    /// What it gives for this mechanism, whether or not that may be used.
    pub(super) fn binding(&self, mechanism: &str) -> Option<Vec<u8>> {
        match (parts(mechanism)[2], &self.value) {
            ("NONE", _) => Some(Vec::new()),
            (wanted, Some((kind, value))) if wanted == *kind => Some(value.clone()),
            _ => None,
        }
    }

    /// What speaks against this mechanism here.
    pub(super) fn against(&self, mechanism: &str) -> Vec<&'static str> {
        let mut reasons = Vec::new();
        if self.tls12 && !self.extended_master_secret {
            reasons.push("no-extended-master-secret");
        }
        if !self.forward_secret {
            reasons.push("no-forward-secrecy");
        }
        let binding = parts(mechanism)[2];
        if binding == "UNIQ" && !self.tls12 {
            reasons.push("not-tls-1.2");
        }
        if self.binding(mechanism).is_none() {
            reasons.push(match binding {
                "ENDP" => "no-end-point",
                "UNIQ" => "no-unique",
                _ => "no-exporter",
            });
        }
        reasons
    }

    pub(super) fn json(&self) -> Value {
        let mut out = json!({
            "tls": if self.tls12 { "1.2" } else { "1.3" },
            "forward_secret": self.forward_secret,
        });
        if self.tls12 {
            out["extended_master_secret"] = json!(self.extended_master_secret);
        }
        if let Some((kind, value)) = &self.value {
            let name = match *kind {
                "ENDP" => "tls_server_end_point",
                "UNIQ" => "tls_unique",
                _ => "tls_exporter",
            };
            out[name] = json!(hex(value));
        }
        out
    }
}

// ---- the grammar ----

/// Whether these are key/value pairs, each key once, 1,024 octets at most.
fn pairs_follow(pairs: &[u8]) -> bool {
    let word =
        |octets: &[u8]| !octets.is_empty() && octets.iter().all(|o| o.is_ascii_alphanumeric() || b"/+-_".contains(o));
    let mut keys = Vec::new();
    pairs.len() <= 1024
        && (pairs.is_empty()
            || pairs.split(|&o| o == b',').all(|pair| {
                let parts: Vec<&[u8]> = pair.split(|&o| o == b'=').collect();
                let good = parts.len() == 2 && word(parts[0]) && word(parts[1]) && !keys.contains(&parts[0]);
                keys.push(parts[0]);
                good
            }))
}

fn split_at_nul(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = octets.iter().position(|&o| o == 0)?;
    Some((&octets[..at], &octets[at + 1..]))
}

/// `[pairs NUL] hashed token`, behind the NUL that is ahead of both.
pub(super) fn tail<'a>(mechanism: &str, rest: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), &'static str> {
    let (pairs, hashed) = match is_ht2(mechanism) {
        true => split_at_nul(rest).ok_or("no-nul")?,
        false => (&[][..], rest),
    };
    if !pairs_follow(pairs) {
        return Err("pairs");
    }
    if hashed.len() != hash_len(mechanism) {
        return Err("hashed-token-length");
    }
    Ok((pairs, hashed))
}

/// Authcid, pairs and hashed token of an initiator's message, or what is wrong with it.
pub(super) fn read_initiator<'a>(
    mechanism: &str,
    message: &'a [u8],
) -> Result<(&'a str, &'a [u8], &'a [u8]), &'static str> {
    let (authcid, rest) = split_at_nul(message).ok_or("no-nul")?;
    if authcid.is_empty() {
        return Err("no-authcid");
    }
    if authcid.len() > 255 {
        return Err("authcid-length");
    }
    let authcid = std::str::from_utf8(authcid).map_err(|_| "authcid-not-utf-8")?;
    tail(mechanism, rest).map(|(pairs, hashed)| (authcid, pairs, hashed))
}
