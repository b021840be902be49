//! Someone who holds the client's half, and says what he likes.

use super::*;

/// Someone who holds the client's half, or part of it, and says what he likes.
pub(crate) struct Forger {
    pub(crate) mechanism: String,
    pub(crate) header: String,
    pub(crate) authzid: String,
    pub(crate) name: String,
    pub(crate) service: &'static str,
    pub(crate) id: [u8; 16],
    pub(crate) client_key: Vec<u8>,
    pub(crate) counter: Option<u64>,
    pub(crate) flags: u8,
}

impl Forger {
    pub(crate) fn new(pair: &Pair) -> Self {
        Self::of(&pair.client.assertions(&account("alice")).pop().unwrap())
    }

    pub(crate) fn of(assertion: &fast_reauth::assertion::ClientAssertion) -> Self {
        let pin = assertion.pin();
        Self {
            mechanism: pin.name().into(),
            header: "p=tls-exporter".into(),
            authzid: "alice".into(),
            name: NAME.into(),
            service: "imap",
            id: *assertion.id().as_octets(),
            client_key: field(&assertion.to_bytes(), 8),
            counter: None,
            flags: 0,
        }
    }

    pub(crate) fn id_b64(&self) -> String {
        b64(&self.id)
    }

    pub(crate) fn message(&self, tls: &Tls, before: Option<&Tls>) -> Vec<u8> {
        let mut covered = format!("{},", self.header);
        if !self.authzid.is_empty() {
            covered += &format!("a={}", self.authzid);
        }
        covered += &format!(",h={},i={}", self.name, self.id_b64());
        if let Some(counter) = self.counter {
            covered += &format!(",n={counter}");
        }
        if before.is_some() {
            covered += ",l=1";
        }
        self.prove(tls, before, &covered)
    }

    /// The formulas of the draft once more, for HMAC with SHA-256 and EXPR or NONE.
    pub(crate) fn prove(&self, tls: &Tls, before: Option<&Tls>, covered: &str) -> Vec<u8> {
        use ring::{digest, hmac};
        let stored = digest::digest(&digest::SHA256, &self.client_key);
        let mask =
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, stored.as_ref()), &self.transcript(tls, before, covered));
        let proof: Vec<u8> = mask.as_ref().iter().zip(&self.client_key).map(|(a, b)| a ^ b).collect();
        self.with_proof(covered, &proof)
    }

    pub(crate) fn with_proof(&self, covered: &str, proof: &[u8]) -> Vec<u8> {
        format!("{covered},p={}", b64(proof)).into_bytes()
    }

    /// `T`.
    pub(crate) fn transcript(&self, tls: &Tls, before: Option<&Tls>, covered: &str) -> Vec<u8> {
        let expr = self.mechanism.ends_with("EXPR");
        let mut binding = [0; 32];
        if tls.early_data && tls.early_exporter {
            tls.early_export(b"EXPORTER-SASL-IKY-Early", b"", &mut binding).unwrap();
        } else if expr {
            tls.export(b"EXPORTER-Channel-Binding", b"", &mut binding).unwrap();
        }
        let mut lineage = [0; 32];
        if let Some(before) = before {
            before.export(b"EXPORTER-SASL-IKY-Lineage", b"", &mut lineage).unwrap();
        }
        let seen = u8::from(tls.resumed.is_some()) | u8::from(tls.early_data) << 1;
        let flags = if expr { self.flags | seen } else { 0 };
        let mut t = Vec::new();
        for part in [
            &b"IKY initiator"[..],
            self.mechanism.as_bytes(),
            self.service.as_bytes(),
            &[flags],
            if expr { &binding } else { b"" },
            if before.is_some() { &lineage } else { b"" },
            covered.as_bytes(),
        ] {
            t.extend((part.len() as u32).to_be_bytes());
            t.extend(part);
        }
        t
    }
}

pub(crate) fn b64(octets: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(octets)
}

/// A field of a serialised assertion: the eighth is the client key, the ninth the server key.
pub(crate) fn field(serialised: &[u8], number: usize) -> Vec<u8> {
    let mut rest = &serialised[9..];
    let mut field = Vec::new();
    for _ in 0..number {
        let len = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        field = rest[4..4 + len].to_vec();
        rest = &rest[4 + len..];
    }
    field
}
