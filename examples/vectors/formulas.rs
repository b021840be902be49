//! The draft's formulas over ring, without the library: what the vectors expect comes from here.

use base64::Engine as _;
use ring::signature::KeyPair as _;
use ring::{digest, hmac, signature};

/// Lower-case hexadecimal.
pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The octets of hexadecimal text.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len() % 2 == 0, "odd hexadecimal");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal")).collect()
}

/// Base64 with padding (RFC 4648 section 4).
pub(crate) fn b64(octets: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(octets)
}

/// The 32 octets that this label stands for: every secret of the vectors is made so.
pub(crate) fn seeded(label: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, format!("fast-reauth test vectors: {label}").as_bytes()).as_ref().to_vec()
}

/// `lp(x)` of each part, one behind the other.
pub(crate) fn lp(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().flat_map(|part| [&(part.len() as u32).to_be_bytes()[..], part].concat()).collect()
}

pub(crate) fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

/// `SHA-256`, `SHA-384` or `SHA-512`.
pub(crate) fn hash(name: &str, data: &[u8]) -> Vec<u8> {
    let algorithm = match name {
        "SHA-256" => &digest::SHA256,
        "SHA-384" => &digest::SHA384,
        "SHA-512" => &digest::SHA512,
        other => panic!("no hash {other}"),
    };
    digest::digest(algorithm, data).as_ref().to_vec()
}

pub(crate) fn mac(name: &str, key: &[u8], data: &[u8]) -> Vec<u8> {
    let algorithm = match name {
        "SHA-256" => hmac::HMAC_SHA256,
        "SHA-384" => hmac::HMAC_SHA384,
        "SHA-512" => hmac::HMAC_SHA512,
        other => panic!("no hash {other}"),
    };
    hmac::sign(&hmac::Key::new(algorithm, key), data).as_ref().to_vec()
}

/// HKDF-Expand (RFC 5869 section 2.3), block by block.
pub(crate) fn expand(name: &str, prk: &[u8], info: &[u8], len: usize) -> Vec<u8> {
    let (mut okm, mut block) = (Vec::new(), Vec::new());
    for counter in 1u8.. {
        if okm.len() >= len {
            break;
        }
        block = mac(name, prk, &[&block[..], info, &[counter]].concat());
        okm.extend_from_slice(&block);
    }
    okm.truncate(len);
    okm
}

/// HKDF-Expand-Label of TLS 1.3 (RFC 8446 section 7.1), with SHA-256.
pub(crate) fn expand_label(secret: &[u8], label: &str, context: &[u8], len: usize) -> Vec<u8> {
    let label = format!("tls13 {label}");
    let info =
        [&(len as u16).to_be_bytes()[..], &[label.len() as u8], label.as_bytes(), &[context.len() as u8], context]
            .concat();
    expand("SHA-256", secret, &info, len)
}

/// TLS-Exporter of TLS 1.3 (RFC 8446 section 7.5), with SHA-256, 32 octets.
pub(crate) fn tls13_exporter(master: &[u8], label: &str, context: &[u8]) -> Vec<u8> {
    let derived = expand_label(master, label, &hash("SHA-256", b""), 32);
    expand_label(&derived, "exporter", &hash("SHA-256", context), 32)
}

/// Every mechanism of the family.
pub(crate) const MECHANISMS: [&str; 10] = [
    "IKY-SHA-256-EXPR",
    "IKY-SHA-384-EXPR",
    "IKY-SHA-512-EXPR",
    "IKY-ED25519-EXPR",
    "IKY-SHA-256-ENDP",
    "IKY-SHA-384-ENDP",
    "IKY-SHA-512-ENDP",
    "IKY-SHA-256-NONE",
    "IKY-SHA-384-NONE",
    "IKY-SHA-512-NONE",
];

/// The hash of a mechanism.
pub(crate) fn hash_of(mechanism: &str) -> &str {
    if signs(mechanism) { "SHA-256" } else { &mechanism[4..11] }
}

pub(crate) fn hash_len(mechanism: &str) -> usize {
    hash_of(mechanism)[4..].parse::<usize>().expect("bits") / 8
}

pub(crate) fn signs(mechanism: &str) -> bool {
    mechanism == "IKY-ED25519-EXPR"
}

/// `EXPR`, `ENDP` or `NONE`.
pub(crate) fn binding_of(mechanism: &str) -> &str {
    &mechanism[mechanism.len() - 4..]
}

/// The gs2-header's binding flag of a mechanism.
pub(crate) fn flag_of(mechanism: &str) -> &'static str {
    match binding_of(mechanism) {
        "EXPR" => "p=tls-exporter",
        "ENDP" => "p=tls-server-end-point",
        _ => "n",
    }
}

pub(crate) fn proof_len(mechanism: &str) -> usize {
    if signs(mechanism) { 64 } else { hash_len(mechanism) }
}

/// What both ends know of a full login, and the exporter's (or the server's) 32 octets.
#[derive(Clone, Debug)]
pub(crate) struct Assertion {
    pub(crate) mechanism: String,
    pub(crate) service: String,
    pub(crate) server_name: String,
    pub(crate) full_mechanism: String,
    pub(crate) full_binding: String,
    pub(crate) login_name: String,
    pub(crate) ordinal: u32,
    pub(crate) session_key: Vec<u8>,
    pub(crate) seed: Vec<u8>,
}

impl Assertion {
    pub(crate) fn new(mechanism: &str) -> Self {
        Self {
            mechanism: mechanism.into(),
            service: "imap".into(),
            server_name: "imap.example.com".into(),
            full_mechanism: "SCRAM-SHA-256-PLUS".into(),
            full_binding: "tls-exporter".into(),
            login_name: "alice".into(),
            ordinal: 1,
            session_key: Vec::new(),
            seed: seeded(&format!("exporter of the full login for {mechanism}")),
        }
    }

    /// `H(lp("IKY derive v1") …)`
    pub(crate) fn context(&self) -> Vec<u8> {
        let parts: [&[u8]; 9] = [
            b"IKY derive v1",
            self.mechanism.as_bytes(),
            self.service.as_bytes(),
            self.server_name.as_bytes(),
            self.full_mechanism.as_bytes(),
            self.full_binding.as_bytes(),
            self.login_name.as_bytes(),
            b"c",
            &self.ordinal.to_be_bytes(),
        ];
        hash(hash_of(&self.mechanism), &lp(&parts))
    }

    pub(crate) fn keys(&self) -> Keys {
        Keys::of(&self.mechanism, &self.seed, &self.session_key, &self.context())
    }
}

/// Everything that follows from a seed.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) prk: Vec<u8>,
    pub(crate) id: Vec<u8>,
    /// For Ed25519 the client's signing key.
    pub(crate) client: Vec<u8>,
    pub(crate) stored: Vec<u8>,
    pub(crate) server: Vec<u8>,
}

impl Keys {
    pub(crate) fn of(mechanism: &str, seed: &[u8], session_key: &[u8], context: &[u8]) -> Self {
        let (name, len) = (hash_of(mechanism), hash_len(mechanism));
        let prk = mac(name, b"IKY assertion v1", &lp(&[seed, session_key, context]));
        let client = match signs(mechanism) {
            true => expand(name, &prk, b"client signing key", 32),
            false => expand(name, &prk, b"client key", len),
        };
        let stored = match signs(mechanism) {
            true => key_pair(&client).public_key().as_ref().to_vec(),
            false => hash(name, &client),
        };
        let (id, server) = (expand(name, &prk, b"id", 16), expand(name, &prk, b"server key", len));
        Self { prk, id, client, stored, server }
    }

    /// The proof over a transcript.
    pub(crate) fn prove(&self, mechanism: &str, transcript: &[u8]) -> Vec<u8> {
        match signs(mechanism) {
            true => key_pair(&self.client).sign(transcript).as_ref().to_vec(),
            false => xor(&self.client, &mac(hash_of(mechanism), &self.stored, transcript)),
        }
    }

    /// The responder's signature.
    pub(crate) fn sign(&self, mechanism: &str, transcript_hash: &[u8], proof: &[u8], covered: &str) -> Vec<u8> {
        let signed = lp(&[b"IKY responder", transcript_hash, proof, covered.as_bytes()]);
        mac(hash_of(mechanism), &self.server, &signed)
    }
}

pub(crate) fn key_pair(seed: &[u8]) -> signature::Ed25519KeyPair {
    signature::Ed25519KeyPair::from_seed_unchecked(seed).expect("32 octets")
}

/// A renewal: salt, chained seed, and the successor's keys.
#[derive(Clone, Debug)]
pub(crate) struct Renewed {
    pub(crate) salt: Vec<u8>,
    pub(crate) seed: Vec<u8>,
    pub(crate) keys: Keys,
}

impl Renewed {
    pub(crate) fn of(mechanism: &str, server_key: &[u8], transcript_hash: &[u8], x: &[u8]) -> Self {
        let name = hash_of(mechanism);
        let salt = mac(name, server_key, &lp(&[b"IKY renew", transcript_hash]));
        let seed = mac(name, &salt, x);
        let keys = Keys::of(mechanism, &seed, b"", b"");
        Self { salt, seed, keys }
    }
}

/// `f=`: the first 16 octets of the hash over sorted names.
pub(crate) fn offer_hash<'a>(name: &str, mechanisms: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let names = offer_names(mechanisms);
    let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
    hash(name, &lp(&names))[..16].to_vec()
}

/// The names that are hashed: upper case, sorted, each once, without EXTERNAL, HT and HT2.
pub(crate) fn offer_names<'a>(mechanisms: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let names: std::collections::BTreeSet<String> = mechanisms.into_iter().map(str::to_ascii_uppercase).collect();
    let left_out = |name: &str| name == "EXTERNAL" || ["HT-", "HT2-"].iter().any(|family| name.starts_with(family));
    names.into_iter().filter(|name| !left_out(name)).collect()
}
