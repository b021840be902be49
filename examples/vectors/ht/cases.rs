//! What is good: names, channels, tokens, exchanges.

use super::attempt::Attempt;
use super::formulas::*;
use crate::file::File;
use crate::formulas::seeded;

pub(super) const EXPR: &str = "HT-SHA-256-EXPR";
pub(super) const EXPR2: &str = "HT2-SHA-256-EXPR";

pub(super) const NAMES: [(&str, &str); 20] = [
    ("HT-SHA-256-NONE", "no binding"),
    ("HT-SHA-384-ENDP", "bound to the certificate"),
    ("HT-SHA-512-UNIQ", "bound to a TLS 1.2 connection"),
    ("HT-SHA3-256-EXPR", "SHA-3 in the draft's spelling, and bound to a connection"),
    ("HT-SHA3-512-EXPR", "the longer SHA-3"),
    ("HT-SHA-3-256-ENDP", "SHA-3 as some servers spell it"),
    ("HT-SHA-3-512-EXPR", "and the longer one"),
    ("HT2-SHA-256-EXPR", "the family with key/value pairs"),
    ("HT2-SHA3-512-NONE", "with SHA-3"),
    ("HT2-SHA-3-512-UNIQ", "the other spelling in the other family"),
    ("HT3-SHA-256-EXPR", "a family that nobody defined: its messages would be guessed"),
    ("HTX-SHA-256-EXPR", "only the beginning is right"),
    ("HT-SHA-1-NONE", "a broken hash function, which nobody asked for"),
    ("HT-MD5-EXPR", "another broken one"),
    ("HT-SHA-224-NONE", "a hash that this library does not have"),
    ("HT-SHA3-384-EXPR", "SHA-3 in a length that nobody uses"),
    ("HT-SHA256-EXPR", "a name that is nearly right: two spellings more for one mechanism"),
    ("HT-SHA-256-PLUS", "SCRAM's suffix does not say which binding"),
    ("HT-SHA-256", "without a binding: taken for NONE it would be a downgrade"),
    ("HT-SHA-3-512", "without a binding, where the hash has a hyphen more"),
];

pub(super) fn channels() -> Vec<(&'static str, Channel, &'static str)> {
    let of = Channel::carrying;
    let tls12 = |mechanism| Channel { tls12: true, ..of(mechanism) };
    let without_secret = |mechanism| Channel { extended_master_secret: false, ..tls12(mechanism) };
    vec![
        (EXPR, of(EXPR), "tls-exporter on TLS 1.3"),
        (EXPR, tls12(EXPR), "on TLS 1.2 with the extended master secret"),
        ("HT2-SHA-512-ENDP", of("HT2-SHA-512-ENDP"), "tls-server-end-point"),
        (
            "HT-SHA-256-ENDP",
            of("HT-SHA-256-ENDP").with(&[&seeded("certificate")[..], &seeded("of SHA-512")].concat()),
            "of 64 octets",
        ),
        ("HT-SHA-256-UNIQ", of("HT-SHA-256-UNIQ"), "tls-unique on TLS 1.2"),
        (
            "HT2-SHA-256-UNIQ",
            of("HT2-SHA-256-UNIQ").with(&seeded("first Finished")),
            "of a cipher suite with a longer Finished",
        ),
        ("HT-SHA-256-NONE", of("HT-SHA-256-NONE"), "nothing"),
        (
            "HT-SHA-256-UNIQ",
            Channel { tls12: false, ..of("HT-SHA-256-UNIQ") },
            "tls-unique is not defined for TLS 1.3: what a stack gives there binds nothing",
        ),
        (
            "HT2-SHA-384-UNIQ",
            Channel { tls12: false, value: None, ..of("HT-SHA-256-UNIQ") },
            "TLS 1.3, whose stack gives none: an empty binding would be NONE",
        ),
        (
            "HT-SHA-256-UNIQ",
            without_secret("HT-SHA-256-UNIQ"),
            "triple handshake: two connections with the same Finished",
        ),
        (EXPR, without_secret(EXPR), "triple handshake: two connections with the same exporter"),
        (
            "HT-SHA-256-ENDP",
            without_secret("HT-SHA-256-ENDP"),
            "draft-ietf-kitten-sasl-ht-02 asks for the extended master secret whatever the binding is",
        ),
        ("HT2-SHA-256-NONE", without_secret("HT2-SHA-256-NONE"), "and without a binding, too"),
        (
            EXPR,
            Channel { forward_secret: false, ..of(EXPR) },
            "whoever learns the long-term key later has the exporter",
        ),
        (EXPR, Channel { value: None, ..of(EXPR) }, "no exporter: an empty binding would be NONE"),
        (EXPR, of("HT-SHA-256-ENDP"), "another binding is known, but not this one"),
        ("HT-SHA-256-ENDP", Channel { value: None, ..of(EXPR) }, "no certificate: an empty binding would be NONE"),
        ("HT-SHA-256-UNIQ", Channel { value: None, ..tls12(EXPR) }, "no Finished: an empty binding would be NONE"),
    ]
}

pub(super) fn tokens() -> Vec<(Token, &'static str)> {
    let token = Token::new;
    let mut out = vec![
        (token(EXPR), "a token"),
        (token(EXPR).salted("another salt"), "the next one of that client: another salt"),
        (Token { service_key: seeded("another service key"), ..token(EXPR) }, "of a server with another key"),
        (Token { client_id: "another".into(), ..token(EXPR) }, "of another client of that account"),
        (token("HT2-SHA-256-EXPR"), "for HT2"),
        (token("HT-SHA3-512-EXPR"), "for SHA-3"),
        (
            Token { mechanism: "HT-SHA-3-512-EXPR".into(), ..token("HT-SHA3-512-EXPR") },
            "asked for in the other spelling: the same token",
        ),
        (token(EXPR).of("jürgen"), "an authcid that is not ASCII"),
        (token(EXPR).of(&"a".repeat(255)), "an authcid of 255 octets"),
        (Token { client_id: "ü".repeat(127) + "i", ..token(EXPR) }, "a client id of 255 octets"),
    ];
    let zeros = Token { service_key: vec![0; 32], salt: vec![0; 32], ..token("HT-SHA-256-NONE") };
    out.push((zeros, "of nothing but zeros"));
    out
}

/// Service, server name, authcid and client id.
type Client = [&'static str; 4];

pub(super) fn pairs_of_clients() -> [(Client, Client, &'static str); 8] {
    let base = ["xmpp", "example.com", "alice", "phone"];
    [
        (base, base, "the same client"),
        (
            base,
            ["xmpp", "example.com", "alicep", "hone"],
            "the same letters, cut elsewhere: without lengths two clients would be one",
        ),
        (
            base,
            ["xmpp", "example.co", "malice", "phone"],
            "a name that begins in the server's: without lengths alice would be malice",
        ),
        (
            base,
            ["xmpp", "example.com", "Alice", "phone"],
            "names are compared as octets: what is an alias is the server's affair",
        ),
        (base, ["imap", "example.com", "alice", "phone"], "another service has tokens of its own"),
        (base, ["xmpp", "example.org", "alice", "phone"], "another host has tokens of its own"),
        (base, ["xmpp", "example.com", "alice", "tablet"], "another client: logging one out would log out both"),
        (
            ["xmpp", "example.com", "caf\u{e9}", "phone"],
            ["xmpp", "example.com", "cafe\u{301}", "phone"],
            "a name that looks the same: nothing is normalised",
        ),
    ]
}

/// Tokens of other servers, whatever they look like.
pub(super) fn foreign(f: &mut File) {
    f.group(
        "ht-foreign",
        "A token of any server, with the two messages that belong to it: its text is the key, whatever it looks like.",
    );
    let long = "0123456789abcdef".repeat(16);
    let cases: [(&str, &str, [&str; 2], &str); 12] = [
        (EXPR, "secret-token:fast-KQSuk7f7j8pRLv-xS4LEmGmnU3o_U4B-vffi", ["", ""], "as Prosody issues them"),
        ("HT-SHA-256-NONE", "x", ["", ""], "one letter"),
        ("HT-SHA-256-NONE", "пароль 🔑", ["", ""], "UTF-8 is hashed as it is"),
        ("HT-SHA-512-ENDP", " spaced ", ["", ""], "spaces belong to it"),
        ("HT-SHA-256-NONE", "AAAA====", ["", ""], "base64 is not decoded"),
        ("HT-SHA-256-NONE", &long[..64], ["", ""], "as long as a block of the hash"),
        ("HT-SHA-256-NONE", &long[..65], ["", ""], "longer than a block: HMAC hashes it first"),
        ("HT-SHA-384-NONE", &long[..129], ["", ""], "longer than a block of SHA-384"),
        ("HT-SHA3-256-EXPR", &long[..137], ["", ""], "longer than a block of SHA3-256"),
        ("HT-SHA3-512-UNIQ", &long[..72], ["", ""], "as long as a block of SHA3-512"),
        ("HT-SHA3-512-UNIQ", &long[..73], ["", ""], "longer than a block of SHA3-512"),
        (
            "HT2-SHA-256-EXPR",
            "secret-token:fast-KQSuk7f7j8pRLv-xS4LEmGmnU3o_U4B-vffi",
            ["a=b", "c=d,e=f"],
            "with pairs",
        ),
    ];
    for (mechanism, token, pairs, note) in cases {
        let binding = Channel::carrying(mechanism).binding(mechanism).expect("it carries it");
        super::foreign(f, mechanism, "alice", token, &binding, pairs, note);
    }
}

/// The first salt for which this holds.
fn seek(mechanism: &str, wanted: impl Fn(&Attempt) -> bool) -> Attempt {
    let attempts = (1..).map(|n| Attempt::new(Token::new(mechanism).salted(&format!("salt {n}"))));
    attempts.take(100_000).find(wanted).expect("one of them")
}

/// The hashed token at the end of an attempt's message.
fn hashed(attempt: &Attempt) -> Vec<u8> {
    let message = attempt.message();
    message[message.len() - hash_len(&attempt.spoken)..].to_vec()
}

pub(super) fn exchanges(f: &mut File) {
    f.group("ht-exchange", "A token of this library's server, used: both messages.");
    let attempt = |mechanism: &str| Attempt::new(Token::new(mechanism));
    for family in ["HT", "HT2"] {
        for hash in HASHES {
            for binding in BINDINGS {
                attempt(&format!("{family}-{hash}-{binding}")).add(f, None, "every hash and every binding");
            }
        }
    }
    let longest = format!("{}=v", "k".repeat(1022));
    let pairs: [(&str, &str, &str, &str); 8] = [
        (EXPR2, "a=b", "", "one pair of the client"),
        (EXPR2, "", "a=b", "one pair of the server"),
        (EXPR2, "a=b,c=d,e=f", "g=h,i=j", "several, each end its own"),
        (EXPR2, "a=b", "a=b", "the same at both ends: only the label tells the hashes apart"),
        ("HT2-SHA3-512-NONE", "c=d,a=b", "", "in the order in which they stand"),
        ("HT2-SHA-384-ENDP", "A/z0+9-_=_-9+0z/A", "Az09=+", "every kind of character"),
        ("HT2-SHA-512-UNIQ", "a=b,A=b,aa=b", "a=a", "keys that are nearly the same"),
        ("HT2-SHA-256-NONE", &longest, "", "1,024 octets"),
    ];
    for (mechanism, client, server, note) in pairs {
        attempt(mechanism).pairs(client, server).add(f, None, note);
    }
    let names: [(&str, &str); 8] = [
        ("a", "an authcid of one letter"),
        ("jürgen", "an authcid that is not ASCII"),
        ("cafe\u{301}", "one that is not normalised"),
        ("用户@例子.测试", "one of three octets a letter"),
        ("𝒶lice\u{1}\u{7f}", "four octets, and control characters: all but NUL is allowed"),
        ("a,b=c", "what would be pairs"),
        (&"a".repeat(255), "255 octets"),
        (&"愛".repeat(85), "255 octets in 85 letters"),
    ];
    for (name, note) in names {
        Attempt::new(Token::new(EXPR).of(name)).add(f, None, note);
    }
    Attempt::new(Token::new(EXPR2).of(&"愛".repeat(85))).pairs("a=b", "").add(f, None, "255 octets and pairs");
    for (mechanism, other) in [("HT-SHA3-512-EXPR", "HT-SHA-3-512-EXPR"), ("HT2-SHA3-256-NONE", "HT2-SHA-3-256-NONE")] {
        Attempt::with(Token::new(mechanism), other).add(f, None, "the other spelling is the same mechanism");
    }
    let two = [&seeded("certificate")[..], &seeded("of SHA-512")].concat();
    attempt("HT-SHA-256-ENDP").bound(&two[..48]).add(f, None, "a certificate with a SHA-384 signature");
    attempt("HT2-SHA-256-ENDP").bound(&two).add(f, None, "a certificate with a SHA-512 signature");
    attempt("HT-SHA-256-UNIQ").bound(&seeded("first Finished")).add(f, None, "a longer Finished");
    seek(EXPR, |a| hashed(a).starts_with(&[0])).add(
        f,
        None,
        "a hashed token that begins with NUL: the first NUL ends the name",
    );
    seek(EXPR2, |a| hashed(a).starts_with(&[0])).add(f, None, "the same behind no pairs: three NULs in a row");
    seek(EXPR, |a| hashed(a).ends_with(&[0])).add(f, None, "a hashed token that ends with NUL");
    seek(EXPR2, |a| hashed(a).ends_with(b"\n")).add(f, None, "a hashed token that ends with a line feed");
}
