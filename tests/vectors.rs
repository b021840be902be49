//! Every vector of `test-vectors/` through the public interface, and Wycheproof's through ring as this library uses it.
//!
//! `cargo run --example vectors -- json` writes the files; `test-vectors/README.md` says what is in them, and how many cases at
//! least. What the files expect was computed without this library.

#[path = "vectors/case.rs"]
mod case;
#[path = "vectors/facts.rs"]
mod facts;
#[path = "vectors/ht.rs"]
mod ht;
#[path = "vectors/iky.rs"]
mod iky;
#[path = "vectors/primitives.rs"]
mod primitives;
#[path = "vectors/profile.rs"]
mod profile;
#[path = "vectors/schema.rs"]
mod schema;
#[path = "vectors/sealed.rs"]
mod sealed;
#[path = "vectors/tables.rs"]
mod tables;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use case::Case;
use serde_json::Value;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("test-vectors")
}

fn read(name: &str) -> Value {
    let text = std::fs::read_to_string(directory().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Runs one case; a type that nobody handles fails.
fn run(kind: &str, case: &Case<'_>) {
    match kind {
        "derive" => iky::derive(case),
        "grant" => iky::grant(case),
        "agree" => iky::agree(case),
        "exchange" => {
            iky::decision(case);
            iky::client(case);
        }
        "decision" => iky::decision(case),
        "responder" => iky::responder(case),
        "initiator" => iky::initiator(case),
        "malformed-initiator" => iky::malformed(case),
        "responder-message" => iky::responder_message(case),
        "malformed-responder" => iky::malformed_responder(case),
        "aes-gcm" => sealed::aes_gcm(case),
        "seal" => sealed::seal(case),
        "sealed-exchange" | "sealed-renewal" | "sealed-refused" => sealed::attempt(case),
        "external" => tables::external(case),
        "origin" => tables::origin(case),
        "window" => tables::window(case),
        "offer-hash" => tables::offer_hash(case),
        "tls-exporter" => tables::tls_exporter(case),
        "not-tls-exporter" => tables::not_tls_exporter(case),
        "end-point" => tables::end_point(case),
        "no-end-point" => tables::no_end_point(case),
        "not-a-certificate" => tables::not_a_certificate(case),
        "other-certificate" => tables::other_certificate(case),
        "codes" => profile::codes(case),
        "advertise" => profile::advertise(case),
        "offer" => profile::offer(case),
        "command" => profile::command(case),
        "answer" => profile::answer(case),
        "serve" => profile::serve(case),
        "ldap-request" => profile::ldap_request(case),
        "ldap-response" => profile::ldap_response(case),
        "xmpp-request" => profile::xmpp_request(case),
        "xmpp-answer" => profile::xmpp_answer(case),
        "ht-name" => ht::mechanism_name(case),
        "ht-channel" => ht::channel(case),
        "ht-token" => ht::token(case),
        "ht-token-id" => ht::token_id(case),
        "ht-foreign" => ht::foreign(case),
        "ht-elsewhere" => ht::elsewhere(case),
        "ht-exchange" | "ht-refused" | "ht-malformed" => ht::attempt(case),
        "ht-answer" => ht::answer(case),
        "hkdf" => primitives::hkdf(case),
        "hmac" => primitives::hmac(case),
        "ed25519" => primitives::ed25519(case),
        other => panic!("nobody handles the type {other:?}"),
    }
}

/// The rows `| file | valid | invalid |` of the README.
fn stated() -> BTreeMap<String, [usize; 2]> {
    let readme = std::fs::read_to_string(directory().join("README.md")).expect("a README");
    let rows = readme.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, file, valid, invalid, ..] = cells[..] else { return None };
        let file = file.trim_matches('`');
        Some((file.to_owned(), [valid.parse().ok()?, invalid.parse().ok()?]))
    });
    rows.filter(|(file, _)| file.ends_with(".json")).collect()
}

#[test]
fn every_file_is_known_and_described() {
    let stated = stated();
    let known = ["README.md", "appendix.md", "schemas", "check"];
    for entry in std::fs::read_dir(directory()).expect("test-vectors") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        if known.contains(&&*name) || name.starts_with('.') {
            continue;
        }
        assert!(stated.contains_key(&name), "{name} is not in the README's table, or not a file of vectors");
        let schema = directory().join("schemas").join(name.replace(".json", ".schema.json"));
        assert!(schema.exists(), "{name} has no schema");
    }
    let schemas = std::fs::read_dir(directory().join("schemas")).expect("schemas").count();
    assert_eq!(schemas, stated.len() + usize::from(directory().join("schemas/common.schema.json").exists()));
    let totals = stated.values().fold([0, 0], |sum, counts| [sum[0] + counts[0], sum[1] + counts[1]]);
    assert!(totals[0] + totals[1] >= 150, "{totals:?}");
    assert!(totals[1] > totals[0], "more must be refused than accepted: {totals:?}");
}

#[test]
fn every_file_follows_its_schema() {
    for name in stated().keys() {
        let file = read(name);
        let path = file["schema"].as_str().expect("a schema");
        assert_eq!(path, format!("schemas/{}", name.replace(".json", ".schema.json")));
        let errors = schema::check(&read(path), &file);
        assert!(errors.is_empty(), "{name}:\n{}", errors.join("\n"));
    }
}

#[test]
fn every_case() {
    let mut failures = Vec::new();
    for (name, stated) in stated() {
        let file = read(&name);
        let mut counts = [0, 0];
        let mut ids = 0;
        for group in file["groups"].as_array().expect("groups") {
            let kind = group["type"].as_str().expect("a type");
            for value in group["cases"].as_array().expect("cases") {
                ids += 1;
                assert_eq!(value["id"], ids, "{name}: cases are counted from 1");
                let case = Case { value };
                counts[usize::from(!case.is_valid())] += 1;
                if catch_unwind(AssertUnwindSafe(|| run(kind, &case))).is_err() {
                    failures.push(format!("{name} {kind} {}: {}", value["id"], value["note"]));
                }
            }
        }
        assert!(
            counts[0] >= stated[0] && counts[1] >= stated[1],
            "{name} has {counts:?} cases, the README says {stated:?}"
        );
    }
    assert!(failures.is_empty(), "{} cases failed:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn wycheproof() {
    primitives::wycheproof();
}
