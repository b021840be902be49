//! Exporter values from the exporter secret: RFC 8448's connections, and one of rustls.

use std::sync::{Arc, Mutex};

use fast_reauth::channel::{Exporter, ExporterSecret, ExporterUnavailable, InvalidExporterSecret, TlsVersion};
use fast_reauth::rustls::exporter;
use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::{ClientConfig, KeyLog};

use super::hex;

#[path = "../rustls_support/mod.rs"]
mod support;

fn unhex(text: &serde_json::Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn the_connections_of_rfc_8448() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/test-vectors/tls-exporter-rfc8448.json");
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut cases = 0;
    for case in file["groups"].as_array().unwrap().iter().filter(|group| group["type"] == "tls-exporter") {
        for case in case["cases"].as_array().unwrap() {
            let secret = ExporterSecret::new(&unhex(&case["intermediates"]["exporter_master_secret"])).unwrap();
            let (label, context) = (case["inputs"]["label"].as_str().unwrap(), unhex(&case["inputs"]["context"]));
            let mut value = unhex(&case["outputs"]["value"]);
            let expected = hex(&value);
            value.fill(0);
            secret.export(label.as_bytes(), &context, &mut value).unwrap();
            assert_eq!(hex(&value), expected, "{case}");
            cases += 1;
        }
    }
    assert!(cases >= 9, "{cases}");
}

/// Keeps the exporter secret.
#[derive(Debug, Default)]
struct Tap(Mutex<Vec<u8>>);

impl KeyLog for Tap {
    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        if label == "EXPORTER_SECRET" {
            *self.0.lock().unwrap() = secret.to_vec();
        }
    }
}

#[test]
fn a_live_connection_with_either_hash_function() {
    let suites = [(cipher_suite::TLS13_AES_128_GCM_SHA256, 32), (cipher_suite::TLS13_AES_256_GCM_SHA384, 48)];
    for (suite, len) in suites {
        let identity = support::identity(&rcgen::PKCS_ECDSA_P256_SHA256);
        let mode = support::Mode(TlsVersion::Tls13, fast_reauth::channel::Tickets::Stateful);
        let mut roots = rustls::RootCertStore::empty();
        roots.add(identity.certificate.clone()).unwrap();
        let mut provider = default_provider();
        provider.cipher_suites = vec![suite];
        let mut client = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tap = Arc::new(Tap::default());
        client.key_log = tap.clone();
        let link = support::Bench::of(mode.server(&identity), client).connect("alice");
        let secret = tap.0.lock().unwrap().clone();
        assert_eq!(secret.len(), len);
        let (ours, theirs) = (ExporterSecret::new(&secret).unwrap(), exporter(&link.server));
        for (label, context) in [("EXPORTER-Channel-Binding", &b""[..]), ("EXPORTER-SASL-IKY", &[7; 300])] {
            for len in [1, 32, 48, 64, 1000] {
                let (mut a, mut b) = (vec![0; len], vec![1; len]);
                ours.export(label.as_bytes(), context, &mut a).unwrap();
                theirs.export(label.as_bytes(), context, &mut b).unwrap();
                assert_eq!(a, b, "{label}, {len} octets");
            }
        }
    }
}

#[test]
fn what_rfc_8446_has_no_room_for() {
    for len in (0..100).filter(|len| ![32, 48].contains(len)) {
        assert_eq!(ExporterSecret::new(&vec![1; len]).err(), Some(InvalidExporterSecret));
    }
    let secret = ExporterSecret::new(&[1; 32]).unwrap();
    // A label has 249 octets at most behind "tls13 ", a value 255 blocks.
    assert_eq!(secret.export(&[b'x'; 249], b"", &mut [0; 32]), Ok(()));
    assert_eq!(secret.export(&[b'x'; 250], b"", &mut [0; 32]), Err(ExporterUnavailable));
    assert_eq!(secret.export(b"x", b"", &mut [0; 255 * 32]), Ok(()));
    assert_eq!(secret.export(b"x", b"", &mut [0; 255 * 32 + 1]), Err(ExporterUnavailable));
    assert_eq!(secret.export(b"x", b"", &mut vec![0; 70_000]), Err(ExporterUnavailable));
    assert_eq!(format!("{secret:?}"), "ExporterSecret(redacted)");
}
