//! What must be refused, by either end.

use super::answer::{Answer, Waiting};
use super::attempt::Attempt;
use super::cases::{EXPR, EXPR2};
use super::formulas::*;
use crate::file::{Edit, File};
use crate::formulas::seeded;

pub(super) fn refused(f: &mut File) {
    f.group("ht-refused", "Messages that follow the grammar, and that the server has to refuse.");
    let attempt = |mechanism: &str| Attempt::new(Token::new(mechanism));
    let mut add = |attempt: Attempt, note: &str| attempt.add(f, None, note);
    for mechanism in [EXPR, EXPR2, "HT-SHA3-512-NONE"] {
        let other = Token::new(mechanism).salted("another salt").text();
        add(Attempt { presented: Some(other), ..attempt(mechanism) }, "another token: anybody could log in");
    }
    let other = Token { service_key: seeded("another service key"), ..Token::new(EXPR) }.text();
    add(Attempt { presented: Some(other), ..attempt(EXPR) }, "a token made with another service key");
    let other = Token::new(EXPR).of("mallory").text();
    add(Attempt { presented: Some(other), ..attempt(EXPR) }, "another account's token");
    for mechanism in [EXPR, EXPR2, "HT-SHA-256-UNIQ", "HT-SHA-256-ENDP", "HT2-SHA3-256-EXPR"] {
        let len = attempt(mechanism).binding.len();
        let binding = seeded("another connection")[..len].to_vec();
        add(Attempt { binding, ..attempt(mechanism) }, "made for another connection: a man in the middle passes it on");
    }
    add(Attempt { binding: Vec::new(), ..attempt(EXPR) }, "made without the binding, under a name that has it");
    for (pin, used, note) in [
        (
            EXPR,
            "HT-SHA-256-NONE",
            "a token for EXPR used without a binding: the hash is right, and a man in the middle could have passed it on",
        ),
        (EXPR, "HT-SHA-256-ENDP", "a token for EXPR used with a weaker binding: the hash is right"),
        (EXPR, "HT-SHA-256-UNIQ", "a token for EXPR used with another binding: the hash is right"),
        ("HT-SHA-256-NONE", EXPR, "a token for NONE used with a binding: there is one pin and no other"),
        ("HT-SHA-512-EXPR", EXPR, "a token for SHA-512 used with a shorter hash: the hash is right"),
        ("HT-SHA-256-EXPR", "HT-SHA3-256-EXPR", "a token for SHA-256 used with SHA3-256: the hash is right"),
        (
            EXPR,
            EXPR2,
            "a token for HT used with HT2: without pairs the hash is the same, and the families could be exchanged on the way",
        ),
        (EXPR2, EXPR, "a token for HT2 used with HT: the pairs would be dropped on the way"),
    ] {
        add(Attempt::with(Token::new(pin), used), note);
    }
    let unknown: [(fn(&mut Attempt), &str); 6] = [
        (|a| a.authcid = "mallory".into(), "another name, which has no token"),
        (|a| a.authcid = "Alice".into(), "the name in other letters"),
        (|a| a.authcid = "alice ".into(), "the name with a space"),
        (|a| a.client_id = "another".into(), "another client of the account: tokens are not shared"),
        (|a| a.service = "imap".into(), "another service: a server of one could log in at the other"),
        (|a| a.server_name = "example.org".into(), "another host: a server of one could log in at the other"),
    ];
    for (change, note) in unknown {
        let mut changed = attempt(EXPR);
        change(&mut changed);
        add(changed, note);
    }
    let mut looks_the_same = Attempt::new(Token::new(EXPR2).of("caf\u{e9}"));
    looks_the_same.authcid = "cafe\u{301}".into();
    add(looks_the_same, "a name that looks the same: nothing is normalised");
    let channel = |mechanism: &str, change: fn(&mut Channel), note: &str| {
        let mut changed = attempt(mechanism);
        change(&mut changed.channel);
        (changed, note.to_owned())
    };
    let no_secret: fn(&mut Channel) = |channel| (channel.tls12, channel.extended_master_secret) = (true, false);
    for (attempt, note) in [
        channel("HT-SHA-256-UNIQ", |c| c.tls12 = false, "tls-unique on TLS 1.3, where it is not defined"),
        channel("HT2-SHA-512-UNIQ", |c| (c.tls12, c.value) = (false, None), "UNIQ on TLS 1.3, whose stack gives none"),
        channel(
            "HT-SHA-256-UNIQ",
            no_secret,
            "tls-unique without the extended master secret: a triple handshake makes two alike",
        ),
        channel(EXPR, no_secret, "tls-exporter without the extended master secret: a triple handshake makes two alike"),
        channel(EXPR2, |c| c.value = None, "EXPR where the server has no exporter: it can't check the binding"),
        channel(EXPR, |c| c.forward_secret = false, "a key exchange without forward secrecy"),
    ] {
        add(attempt, &note);
    }

    let pairs = attempt(EXPR2).pairs("a=b,c=d", "");
    let base = pairs.message();
    let end = base.len() - 32;
    let edits: [(usize, usize, &[u8], &str); 7] = [
        (6, 1, b"A", "a key altered on the way"),
        (8, 1, b"c", "a value altered on the way"),
        (9, 4, b"", "a pair dropped on the way"),
        (6, 7, b"", "all pairs dropped on the way"),
        (13, 0, b",e=f", "a pair added on the way"),
        (6, 7, b"c=d,a=b", "pairs in another order"),
        (end, 1, &[base[end] ^ 1], "one bit of the hashed token"),
    ];
    for (at, remove, insert, note) in edits {
        pairs.add(f, Some(&Edit { at, remove, insert }), note);
    }
    for mechanism in [EXPR, "HT-SHA-384-EXPR", "HT-SHA3-512-ENDP"] {
        let base = attempt(mechanism).message();
        let last = base.len() - 1;
        attempt(mechanism).add(
            f,
            Some(&Edit { at: 6, remove: 1, insert: &[base[6] ^ 0x80] }),
            "the first bit of the hashed token",
        );
        attempt(mechanism).add(
            f,
            Some(&Edit { at: last, remove: 1, insert: &[base[last] ^ 1] }),
            "the last bit of the hashed token",
        );
    }
    for mechanism in [EXPR, EXPR2] {
        let at = attempt(mechanism).message().len() - 32;
        let own = Waiting::new(mechanism).hashed("Responder", "");
        attempt(mechanism).add(
            f,
            Some(&Edit { at, remove: 32, insert: &own }),
            "the server's own hashed token: reflection",
        );
        attempt(mechanism).add(
            f,
            Some(&Edit { at, remove: 32, insert: &[0; 32] }),
            "zeros, which is what a missing value reads as",
        );
    }
    let name = attempt(EXPR);
    name.add(
        f,
        Some(&Edit { at: 0, remove: 5, insert: b"mallory" }),
        "the name altered on the way: it is not in the hash, so another name must have another token",
    );
}

/// What the pairs of either end must not be.
const BAD_PAIRS: [(&str, &str); 19] = [
    ("a", "no equals sign"),
    ("a=b,c", "no equals sign in the second"),
    ("=b", "an empty key"),
    ("a=", "an empty value"),
    ("=", "both empty"),
    ("a=b,", "a comma behind them: an empty pair"),
    (",a=b", "a comma ahead of them: an empty pair"),
    ("a=b,,c=d", "an empty pair between two"),
    (",", "nothing but a comma"),
    ("a=b,a=c", "a key twice: which one counts depends on the reader"),
    ("a=b,c=d,a=b", "a key twice with the same value"),
    ("a=b=c", "two equals signs"),
    ("a=b==", "padding of base64"),
    ("a=b c", "a space: outside the alphabet"),
    ("a=b, c=d", "a space behind the comma"),
    ("a=b;c=d", "another separator"),
    ("a=\u{e9}", "a letter that is not ASCII"),
    ("a=b\r\n", "a line end: the frame leaks into them"),
    ("a.b=c", "a full stop in a key"),
];

pub(super) fn malformed(f: &mut File) {
    f.group(
        "ht-malformed",
        "Messages that do not follow the grammar. The hash is right, also over what is wrong, where that is possible.",
    );
    let attempt = |mechanism: &str| Attempt::new(Token::new(mechanism));
    for (pairs, note) in BAD_PAIRS {
        attempt(EXPR2).pairs(pairs, "").add(f, None, &format!("pairs: {note}"));
    }
    let long = format!("{}=v", "k".repeat(1023));
    attempt(EXPR2).pairs(&long, "").add(f, None, "pairs: 1,025 octets, work before anything is proved");
    let both = |spoken: &str, named: &str| Attempt { named: named.into(), ..Attempt::with(Token::new(named), spoken) };
    both(EXPR, EXPR2).add(f, None, "a message of HT under HT2: its hash would be read as pairs");
    both(EXPR2, EXPR).add(f, None, "a message of HT2 under HT: what is too long is not the hash");
    let pairs = both(EXPR2, EXPR).pairs("a=b", "");
    pairs.add(f, None, "a message of HT2 with pairs under HT: they would be dropped");
    both("HT-SHA-512-EXPR", EXPR).add(f, None, "a longer hash than the name's: cut, it would be a weaker one");
    both("HT-SHA-256-EXPR", "HT-SHA-384-EXPR").add(f, None, "a shorter hash than the name's");
    let nothing = |authcid: String, mechanism: &str| Attempt { authcid, ..attempt(mechanism) };
    nothing(String::new(), EXPR).add(f, None, "no authcid, with a hash: it would be for whoever is first");
    nothing(String::new(), EXPR2).add(f, None, "no authcid in HT2");
    nothing("a".repeat(256), EXPR).add(f, None, "256 octets of authcid: work before anything is proved");
    nothing("é".repeat(128), EXPR2).add(f, None, "256 octets of authcid in 128 letters");

    for good in [attempt(EXPR), attempt(EXPR2).pairs("a=b", "")] {
        let len = good.message().len();
        let start = len - 32;
        let cases: [(usize, usize, &[u8], &str); 21] = [
            (0, len, b"", "an empty message"),
            (0, len, b"\0", "nothing but a NUL"),
            (0, len, b"alice", "nothing but a name"),
            (0, len, b"alice\0", "nothing behind the NUL"),
            (5, 1, b"", "no NUL behind the name"),
            (5, 1, b" ", "a space in place of the NUL"),
            (0, 0, b"\0", "a NUL ahead of the name, as in PLAIN"),
            (0, 5, b"\xff", "a name that is not UTF-8"),
            (1, 0, b"\xc0\x80", "an overlong NUL: two readers, two names"),
            (1, 0, b"\xc1\xa1", "an overlong letter: two spellings of one name"),
            (5, 0, b"\xed\xa0\x80", "half a surrogate pair"),
            (5, 0, b"\xe6\x84", "a letter cut short: the NUL behind it could be taken for its rest"),
            (5, 0, b"\xf4\x90\x80\x80", "beyond Unicode: two readers, two names"),
            (start, 32, b"", "no hashed token: it would equal any that is cut to nothing"),
            (start + 16, 16, b"", "half a hashed token: easier to guess"),
            (len - 1, 1, b"", "a hashed token without its last octet"),
            (start, 1, b"", "a hashed token without its first octet"),
            (len, 0, b"\0", "a NUL behind the hashed token: the rest is nobody's"),
            (len, 0, b"\r\n", "a line end behind the hashed token: the frame leaks into the message"),
            (len, 0, &[7; 32], "a second hashed token"),
            (start, 0, b"x", "an octet ahead of the hashed token"),
        ];
        for (at, remove, insert, note) in cases {
            good.add(f, Some(&Edit { at, remove, insert }), note);
        }
    }
    let pairs = attempt(EXPR2).pairs("a=b", "");
    let edits: [(usize, usize, &[u8], &str); 3] = [
        (9, 1, b"", "no NUL behind the pairs"),
        (9, 1, b"\0\0", "two NULs behind the pairs"),
        (7, 0, b"\0", "a NUL in the pairs"),
    ];
    for (at, remove, insert, note) in edits {
        pairs.add(f, Some(&Edit { at, remove, insert }), note);
    }
    for mechanism in ["HT-SHA-384-NONE", "HT-SHA3-512-EXPR", "HT2-SHA3-256-ENDP", "HT2-SHA-512-UNIQ"] {
        let len = attempt(mechanism).message().len();
        let short = Edit { at: len - 1, remove: 1, insert: b"" };
        attempt(mechanism).add(f, Some(&short), "a hashed token without its last octet");
        attempt(mechanism).add(
            f,
            Some(&Edit { at: len, remove: 0, insert: b"\x07" }),
            "a hashed token with an octet more",
        );
    }
}

/// What a client waiting for this mechanism's answer must see in one that follows the success `of` these pairs.
pub(super) fn answers(f: &mut File) {
    use Answer::{Failure, Nothing, Success};
    f.group("ht-answer", "What a client makes of the server's answer. Without a good one it is not logged in, whatever the protocol says.");
    for mechanism in
        [EXPR, "HT-SHA-384-ENDP", "HT-SHA-512-UNIQ", "HT-SHA3-256-EXPR", "HT-SHA3-512-NONE", EXPR2, "HT2-SHA3-512-NONE"]
    {
        Waiting::new(mechanism).add(f, Success(""), None, true, "a good answer");
    }
    let with = |pairs: &str| Waiting { pairs: Some(pairs.into()), ..Waiting::new(EXPR2) };
    with("").add(f, Success("a=b"), None, true, "with a pair of the server");
    with("a=b").add(f, Success("c=d,e=f"), None, true, "with pairs of both");
    with("a=b").add(f, Success("a=b"), None, true, "the same pairs, under another label");
    let found =
        (1..100_000).map(|n| Waiting { token: Token::new(EXPR2).salted(&format!("salt {n}")).text(), ..with("") });
    let found = found.into_iter().find(|w| w.hashed("Responder", "").starts_with(&[0])).expect("one of them");
    found.add(f, Success(""), None, true, "a hashed token that begins with NUL");
    let found = (1..100_000)
        .map(|n| Waiting { token: Token::new(EXPR).salted(&format!("salt {n}")).text(), ..Waiting::new(EXPR) });
    let found = found.into_iter().find(|w| w.hashed("Responder", "").starts_with(&[1])).expect("one of them");
    found.add(f, Success(""), None, true, "in HT a first octet of 1 is no failure: it belongs to the hash");

    for mechanism in [EXPR, EXPR2, "HT-SHA3-512-NONE"] {
        let w = Waiting::new(mechanism);
        let base = w.answer(Success("")).expect("an answer");
        let (len, hash_len) = (base.len(), hash_len(mechanism));
        let start = len - hash_len;
        w.add(f, Nothing, None, true, "no answer: the server proved nothing");
        w.add(
            f,
            Success(""),
            Some(&Edit { at: 0, remove: len, insert: b"" }),
            true,
            "an empty answer: the server proved nothing",
        );
        let mut other = w.clone();
        other.token = Token::new(mechanism).salted("another salt").text();
        let another_token = other.hashed("Responder", "");
        let own = w.hashed("Initiator", "");
        let cases: [(usize, usize, &[u8], &str); 9] = [
            (start, 1, &[base[start] ^ 0x80], "the first bit of the hashed token"),
            (len - 1, 1, &[base[len - 1] ^ 1], "the last bit of the hashed token"),
            (start, hash_len, &another_token, "made with another token: the server does not know this one"),
            (start, hash_len, &own, "the client's own hashed token: reflection"),
            (start, hash_len, &vec![0; hash_len], "zeros, which is what a missing value reads as"),
            (len - 1, 1, b"", "a hashed token without its last octet"),
            (start + hash_len / 2, hash_len / 2, b"", "half a hashed token: easier to guess"),
            (len, 0, b"\0", "an octet behind the hashed token: the rest is nobody's"),
            (len, 0, b"\r\n", "a line end behind the hashed token"),
        ];
        for (at, remove, insert, note) in cases {
            w.add(f, Success(""), Some(&Edit { at, remove, insert }), true, note);
        }
        if !w.binding.is_empty() {
            let other = Waiting { binding: seeded("another connection"), ..w.clone() }.hashed("Responder", "");
            let edit = Edit { at: start, remove: hash_len, insert: &other };
            w.add(f, Success(""), Some(&edit), true, "of another connection: a man in the middle passes it on");
        }
        w.add(f, Nothing, None, false, "the protocol refuses, and nothing is said of it");
        w.add(f, Success(""), None, false, "the protocol refuses a login that the answer grants");
        w.add(
            f,
            Success(""),
            Some(&Edit { at: start, remove: 1, insert: b"" }),
            false,
            "the protocol refuses, whatever is said of it",
        );
    }

    let w = Waiting::new(EXPR);
    let hashed = w.hashed("Responder", "");
    let whole = |insert| Edit { at: 0, remove: 32, insert };
    let ht2 = success(Some(""), &hashed);
    w.add(f, Success(""), Some(&whole(&ht2)), true, "an answer of HT2 under HT");
    w.add(f, Success(""), Some(&whole(b"\x01invalid-token")), true, "a failure of HT2 under HT");
    w.add(f, Success(""), Some(&whole(b"\0")), true, "one octet: equal to any hash that is cut to it, one time in 256");

    let w = with("a=b");
    let base = w.answer(Success("c=d")).expect("an answer");
    let (len, hashed) = (base.len(), w.hashed("Responder", "c=d"));
    let cases: [(usize, usize, &[u8], &str); 17] = [
        (0, 5, b"", "an answer of HT under HT2: the hash alone"),
        (0, 1, b"\x02", "a status that nobody defined"),
        (0, 1, b"\xff", "a status that is no digit and no letter"),
        (0, 1, b"0", "the digit, and not the octet"),
        (0, 1, b"", "no status: success would be a matter of taste"),
        (0, len, b"\0", "a status and nothing else"),
        (0, len, b"\0\0", "no hashed token: it would equal any that is cut to nothing"),
        (4, 1, b"", "no NUL behind the pairs"),
        (0, 5, b"\0", "pairs and their NUL dropped on the way"),
        (1, 3, b"", "the pairs dropped on the way"),
        (3, 1, b"e", "a value altered on the way"),
        (4, 0, b",e=f", "a pair added on the way"),
        (2, 0, b"\0", "a NUL in the pairs"),
        (0, 1, b"\x01", "a failure with a hash for its reason: the status is not in the hash"),
        (0, len, b"\x01", "a failure without a reason"),
        (0, len, b"\x01\xff", "a failure with a reason that is not UTF-8"),
        (0, len, b"\x01other\0error", "a failure with a NUL in its reason"),
    ];
    for (at, remove, insert, note) in cases {
        w.add(f, Success("c=d"), Some(&Edit { at, remove, insert }), true, note);
    }
    assert_ne!(hashed, w.hashed("Responder", "a=b"));
    let echoed = success(Some("a=b"), &w.hashed("Initiator", "a=b"));
    w.add(
        f,
        Success("c=d"),
        Some(&Edit { at: 0, remove: len, insert: &echoed }),
        true,
        "the client's own pairs and hash: reflection",
    );
    for (pairs, note) in BAD_PAIRS {
        w.add(f, Success(pairs), None, true, &format!("pairs: {note}"));
    }
    let long = format!("{}=v", "k".repeat(1023));
    w.add(f, Success(&long), None, true, "pairs: 1,025 octets");
    for reason in ["unknown-user", "invalid-token", "other-error", "später vielleicht"] {
        w.add(f, Failure(reason), None, false, "a refusal with its reason");
        w.add(f, Failure(reason), None, true, "a failure where the protocol says success");
    }
}
