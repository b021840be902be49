//! Writes the seeds of every corpus, from the test vectors and from what the library itself makes, into the folder that is named.
//!
//! `cargo run --release --manifest-path fuzz/Cargo.toml --example seed -- fuzz/corpus`

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Where the seeds go; each file is named by what is in it.
struct Seeds(PathBuf);

impl Seeds {
    fn add(&self, target: &str, parts: &[&[u8]]) {
        let octets = parts.concat();
        let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &octets);
        let name: String = digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
        let folder = self.0.join(target);
        std::fs::create_dir_all(&folder).expect("a folder for the seeds");
        std::fs::write(folder.join(name), octets).expect("a file for a seed");
    }
}

fn main() {
    let to = std::env::args().nth(1).expect("the folder to write to");
    let seeds = Seeds(PathBuf::from(to));
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../test-vectors");
    for file in
        ["iky-messages", "iky-outcomes", "iky", "ht", "ht-prosody-13.0.1", "profile", "sealed", "tls-server-end-point"]
    {
        let text = std::fs::read_to_string(vectors.join(format!("{file}.json"))).expect("a file of vectors");
        let file: Value = serde_json::from_str(&text).expect("JSON");
        for group in file["groups"].as_array().expect("groups") {
            let kind = group["type"].as_str().unwrap_or_default();
            group["cases"].as_array().expect("cases").iter().for_each(|case| of_a_case(&seeds, kind, case));
        }
    }
    fast_reauth_fuzz::seeds::all(&mut |target, octets| seeds.add(target, &[octets]));
}

fn of_a_case(seeds: &Seeds, kind: &str, case: &Value) {
    let mut texts = Vec::new();
    strings(case, "", &mut texts);
    for (name, text) in texts {
        let octets = unhex(text).unwrap_or_else(|| text.as_bytes().to_vec());
        match name {
            "certificate" => seeds.add("names_and_certificates", &[&[0], &octets]),
            "mechanism" | "server_name" | "service" | "name" | "login_name" => {
                seeds.add("names_and_certificates", &[&[1], text.as_bytes()]);
            }
            "message" | "received" | "responder" if kind.contains("ht-") => {
                for (mechanism, how) in [(0, 0), (1, 0), (2, 4), (3, 2)] {
                    seeds.add("ht_login", &[&[mechanism, how], &octets]);
                }
            }
            "message" | "received" | "responder" => {
                let mechanism = case["inputs"]["mechanism"].as_str().unwrap_or_default();
                messages(seeds, mechanism, &octets);
                wire(seeds, kind, &case["inputs"]["protocol"], &octets);
            }
            "sent" | "pdu" | "text" | "completion" => wire(seeds, kind, &case["inputs"]["protocol"], &octets),
            _ => {}
        }
    }
}

/// A message of IKY, to either side's parser.
fn messages(seeds: &Seeds, mechanism: &str, octets: &[u8]) {
    let rules = ["SHA-256", "SHA-384", "SHA-512", "ED25519"];
    let Some(rule) = rules.iter().position(|rule| mechanism.contains(rule)) else { return };
    let responder = ["x=", "r=", "v=", "e="].iter().any(|start| octets.starts_with(start.as_bytes()));
    let rule = if responder { 4 + rule % 3 } else { rule };
    seeds.add("iky_grammar", &[&[rule as u8, 0], octets]);
    seeds.add("iky_login", &[&[u8::from(responder) * 4, 0], octets]);
}

/// What is on the wire of a protocol, to each half and to whoever hears an offer.
fn wire(seeds: &Seeds, kind: &str, protocol: &Value, octets: &[u8]) {
    if octets.starts_with(b"<") {
        seeds.add("xmpp_elements", &[&[1, 0], octets]);
    }
    let protocol = protocol.as_str().unwrap_or(if kind.starts_with("ldap") { "ldap" } else { "" });
    let which = ["imap", "smtp", "pop", "sieve", "acap", "ldap"].iter().position(|known| protocol.starts_with(known));
    for half in 0..3 {
        if let Some(which) = which {
            seeds.add("profile_streams", &[&[which as u8 + 6 * half, 4, 16, 1], octets]);
        }
    }
}

/// Every text in it, with its name.
fn strings<'v>(value: &'v Value, name: &'v str, out: &mut Vec<(&'v str, &'v str)>) {
    match value {
        Value::String(text) => out.push((name, text)),
        Value::Array(all) => all.iter().for_each(|each| strings(each, name, out)),
        Value::Object(all) => all.iter().for_each(|(name, each)| strings(each, name, out)),
        _ => {}
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.len() % 2 == 0 && !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_hexdigit());
    let pairs =
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2).unwrap_or_default(), 16).ok());
    if digits { pairs.collect() } else { None }
}
