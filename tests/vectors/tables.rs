//! EXTERNAL, origins, the window, the offer hash; exporters and certificates.

use core::cell::RefCell;
use core::time::Duration;

use fast_reauth::assertion::{ClientAssertion, DeviceId, Hash, OfferHash, Pin};
use fast_reauth::channel::{ChannelFacts, EndPoint, EndPointUnavailable, ExporterUnavailable, Tickets};
use fast_reauth::mechanism::{Connection, Login, Outcome, Received, Server, Step};
use fast_reauth::store::{Commit, Found, Unavailable, Window};
use ring::{digest, hmac};
use serde_json::json;

use crate::case::*;
use crate::facts::{LOGIN, channel, full_login, lax, lineage, moment, name, origin_name, outcome_name, service};

pub(crate) fn external(case: &Case<'_>) {
    let (inputs, outputs) = (case.inputs(), case.outputs());
    let (configured, session) = (&inputs["server"], &inputs["session"]);
    let here = configured.get("service").map_or(fast_reauth::assertion::Service::IMAP, service);
    let sni = inputs["channel"].get("sni").cloned().unwrap_or(json!("imap.example.com"));
    let mut policy = lax();
    if let Some(weakest) = configured.get("external_origin") {
        policy.external_origin = crate::facts::origin(text(weakest));
        policy.full_login_every = Duration::from_secs(number(&configured["full_login_every"]));
    }
    policy.external_on_stateless_tickets = configured.get("external_on_stateless_tickets").is_some_and(truth);
    let mut server = Server::new(here, [name(&sni)], []).expect("a server").policy(policy);
    if !truth(&configured["external_configured"]) {
        server = server.without_external();
    }
    let known = (!session.is_null()).then(|| lineage(session));
    let mut facts = channel(&inputs["channel"], &name(&sni));
    if inputs["channel"].get("sni").is_none() {
        facts = facts.server_name(name(&sni));
    }
    // Where a vector names no time, none is needed.
    let now = inputs.get("now").map_or(fast_reauth::Timestamp::from_secs(LOGIN), moment);
    let mut connection = Connection::new(&server, facts);
    let asks = connection.lookup().is_some();
    connection = connection.resumes(known.clone().filter(|_| asks));
    if truth(&inputs["channel"]["through_manager"]) {
        connection = connection.through_manager();
    }
    assert_eq!(connection.mechanisms(now).contains(&"EXTERNAL"), truth(&outputs["listed"]));
    let verdict = match connection.external(text(&inputs["authzid"]).as_bytes()) {
        Received::Done(verdict) => verdict,
        Received::Lookup(pending) => {
            let found = match inputs.get("store").map(text) {
                None => Ok(Found { lineage: known, ..Found::default() }),
                Some("unavailable") => Err(Unavailable),
                Some(other) => panic!("nothing in a store is {other}"),
            };
            match pending.found(found, now) {
                Step::Done(verdict) => verdict,
                Step::Commit(_) => panic!("EXTERNAL commits nothing"),
            }
        }
    };
    assert_eq!(outcome_name(verdict.outcome), text(&outputs["outcome"]));
    assert_eq!(case.is_valid(), verdict.outcome == Outcome::Accepted);
    assert_eq!(verdict.message, None);
    let recognised = verdict.recognised.map(|client| {
        json!({
            "identity": client.identity(),
            "login_name": client.login_name(),
            "origin": origin_name(client.origin()),
            "strength": origin_name(client.strength()),
            "full_login": client.full_login().as_secs(),
        })
    });
    assert_eq!(recognised.unwrap_or_default(), outputs.get("recognised").cloned().unwrap_or_default());
}

/// Whether a login is remembered, at both ends.
pub(crate) fn origin(case: &Case<'_>) {
    let (inputs, between, outputs) = (case.inputs(), case.between(), case.outputs());
    let mut full = full_login(inputs);
    if inputs.get("keyed").is_some_and(truth) {
        full = full.keyed(&[6; 32]).expect("a session key");
    }
    assert_eq!(origin_name(full.origin()), text(&outputs["origin"]));
    let mut policy = lax();
    let lifetime = inputs["lifetime"].as_u64().map(Duration::from_secs);
    policy.unbound_lifetime = lifetime;
    policy.lifetime = lifetime.unwrap_or(policy.lifetime);
    policy.disclosed_lifetime = lifetime.unwrap_or(policy.disclosed_lifetime);
    policy.full_login_every = Duration::from_secs(number(&inputs["full_login_every"]));
    let now = moment(&inputs["now"]);

    let (of, server_name) = (&inputs["channel"], name(&inputs["server_name"]));
    let mut facts = match of["tls"] == "1.2" {
        true => ChannelFacts::tls12(truth(&of["extended_master_secret"])),
        false => ChannelFacts::tls13(),
    };
    if of["tickets"] != "stateless" {
        facts = facts.tickets(Tickets::Stateful);
    }
    if !truth(&of["forward_secret"]) {
        facts = facts.without_forward_secrecy();
    }
    let context = RefCell::new(None);
    let exporter = |label: &[u8], of: &[u8], out: &mut [u8]| -> Result<(), ExporterUnavailable> {
        if label == b"EXPORTER-SASL-IKY" {
            *context.borrow_mut() = Some(hex(of));
        }
        out.fill(1);
        Ok(())
    };
    let facts = facts.server_name(server_name.clone()).exporter(&exporter).expect("an exporter");
    let here = service(&inputs["service"]);
    let server = Server::new(here.clone(), [server_name], []).expect("a server").policy(policy.clone());
    let login = Login { full: &full, identity: "alice", device: DeviceId::new([7; 8]), now };
    let made = Connection::new(&server, facts.clone()).logged_in(login, &exporter);
    let Commit::Remember(remember) = made.commit else { panic!("a login remembers") };
    let expires = remember.records.first().map(|record| record.expires().as_secs());
    assert_eq!(json!(expires), outputs["expires"]);
    assert_eq!(case.is_valid(), made.unknown.is_none());
    let held = ClientAssertion::derive(Pin::SHA_256_EXPR, &here, &full, &facts, &exporter, &policy, now);
    assert_eq!(json!(held.ok().map(|held| held.expires().as_secs())), outputs["expires"]);
    if case.is_valid() {
        assert_eq!(context.borrow().as_deref(), Some(text(&between["context"])));
    }
}

pub(crate) fn window(case: &Case<'_>) {
    let mut window = Window::default();
    let counters = case.inputs()["counters"].as_array().expect("an array");
    let verdicts: Vec<bool> = counters.iter().map(|counter| window.accept(number(counter))).collect();
    assert_eq!(json!(verdicts), case.between()["accepted"]);
    assert_eq!(verdicts.last(), Some(&case.is_valid()));
    let (highest, used) = window.parts();
    assert_eq!(json!({ "highest": highest, "used": format!("{used:016x}") }), *case.outputs());
}

pub(crate) fn offer_hash(case: &Case<'_>) {
    let hash = match text(&case.inputs()["hash"]) {
        "SHA-256" => Hash::Sha256,
        "SHA-384" => Hash::Sha384,
        "SHA-512" => Hash::Sha512,
        other => panic!("no hash {other}"),
    };
    let of = |list: &str| OfferHash::of(hash, texts(&case.inputs()[list]));
    assert_eq!(hex(of("then").as_octets()), text(&case.outputs()["then"]));
    assert_eq!(hex(of("now").as_octets()), text(&case.outputs()["now"]));
    assert_eq!(of("then") == of("now"), case.is_valid());
}

// ---- exporters ----

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref().to_vec()
}

/// HKDF-Expand-Label of TLS 1.3 for 32 octets (RFC 8446 section 7.1): what a TLS stack does.
fn expand_label(secret: &[u8], label: &[u8], context: &[u8]) -> Vec<u8> {
    let label = [b"tls13 ", label].concat();
    let context = [&[context.len() as u8], context].concat();
    mac(secret, &[&[0, 32, label.len() as u8][..], &label, &context, &[1]].concat())
}

fn exported(master: &[u8], label: &[u8], context: &[u8]) -> Vec<u8> {
    let hash = |data: &[u8]| digest::digest(&digest::SHA256, data).as_ref().to_vec();
    expand_label(&expand_label(master, label, &hash(b"")), b"exporter", &hash(context))
}

/// The facts of a connection whose TLS stack exports from this secret.
fn connection(master: &[u8]) -> ChannelFacts {
    let exporter = |label: &[u8], context: &[u8], out: &mut [u8]| -> Result<(), ExporterUnavailable> {
        out.copy_from_slice(&exported(master, label, context));
        Ok(())
    };
    ChannelFacts::tls13().exporter(&exporter).expect("an exporter")
}

pub(crate) fn tls_exporter(case: &Case<'_>) {
    let (inputs, between) = (case.inputs(), case.between());
    let master = expand_label(&octets(&inputs["master_secret"]), b"exp master", &octets(&inputs["transcript_hash"]));
    assert_eq!(hex(&master), text(&between["exporter_master_secret"]));
    let facts = connection(&master);
    let value = match text(&inputs["label"]) {
        "EXPORTER-Channel-Binding" => facts.tls_exporter().expect("a binding").to_vec(),
        "EXPORTER-SASL-IKY-Lineage" => facts.lineage().expect("a lineage").expose().to_vec(),
        // The library keeps these two to itself.
        label => exported(&master, label.as_bytes(), &octets(&inputs["context"])),
    };
    assert_eq!(hex(&value), text(&case.outputs()["value"]));
}

pub(crate) fn not_tls_exporter(case: &Case<'_>) {
    let presented = &case.inputs()["presented"];
    let facts = connection(&octets(&case.inputs()["exporter_master_secret"]));
    let binding = facts.tls_exporter().expect("a binding");
    assert_eq!(hex(binding), text(&case.outputs()["tls_exporter"]));
    let secret = octets(&presented["exporter_master_secret"]);
    let other = exported(&secret, text(&presented["label"]).as_bytes(), &octets(&presented["context"]));
    assert_eq!(hex(&other), text(&case.outputs()["presented"]));
    assert_eq!(binding == other, case.is_valid());
}

// ---- certificates ----

pub(crate) fn end_point(case: &Case<'_>) {
    let binding = EndPoint::from_certificate(&octets(&case.inputs()["certificate"])).expect("a binding");
    assert_eq!(hex(binding.as_octets()), text(&case.outputs()["binding"]));
    assert!(case.is_valid());
}

pub(crate) fn no_end_point(case: &Case<'_>) {
    let expected = match text(&case.outputs()["error"]) {
        "undefined" => EndPointUnavailable::Undefined,
        "unsupported-hash" => EndPointUnavailable::UnsupportedHash,
        "not-a-certificate" => EndPointUnavailable::NotACertificate,
        other => panic!("no error {other}"),
    };
    let certificate = case.edited(&octets(&case.inputs()["certificate"]));
    assert_eq!(EndPoint::from_certificate(&certificate), Err(expected));
    assert!(!case.is_valid());
}

pub(crate) fn not_a_certificate(case: &Case<'_>) {
    let certificate = octets(&case.inputs()["certificate"]);
    assert!(EndPoint::from_certificate(&certificate).is_ok(), "it is one but for the edit");
    assert_eq!(hex(&case.edited(&certificate)), text(&case.between()["received"]));
    no_end_point(case);
}

pub(crate) fn other_certificate(case: &Case<'_>) {
    let certificate = octets(&case.inputs()["certificate"]);
    let other = case.edited(&certificate);
    assert_eq!(hex(&other), text(&case.between()["received"]));
    let binding = |certificate: &[u8]| EndPoint::from_certificate(certificate).expect("a binding");
    assert_eq!(hex(binding(&certificate).as_octets()), text(&case.outputs()["binding"]));
    assert_eq!(hex(binding(&other).as_octets()), text(&case.outputs()["other"]));
    assert_eq!(binding(&certificate) == binding(&other), case.is_valid());
}
