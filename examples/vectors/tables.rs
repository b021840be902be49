//! Decisions without keys: origins, the replay window, the offer hash.

use serde_json::{Value, json};

use crate::file::File;
use crate::formulas::*;
use crate::scene::{DAY, LOGIN, NAME, Refusal};

/// The window `(highest, used)` and whether `counter` is fresh.
pub(crate) fn accept((highest, used): (u64, u64), counter: u64) -> ((u64, u64), bool) {
    if counter == 0 {
        return ((highest, used), false);
    }
    if counter > highest {
        let ahead = counter - highest;
        let used = if ahead >= 64 { 0 } else { used << ahead };
        return ((counter, used | 1), true);
    }
    let behind = highest - counter;
    if behind >= 64 || used >> behind & 1 == 1 {
        return ((highest, used), false);
    }
    ((highest, used | 1 << behind), true)
}

/// How strong a full login is.
pub(crate) fn origin(full_mechanism: &str, bound: bool, keyed: bool) -> &'static str {
    match full_mechanism {
        "PLAIN" | "LOGIN" | "OAUTHBEARER" | "XOAUTH2" => "disclosed",
        "EXTERNAL" => "bound",
        plus if plus.ends_with("-PLUS") && bound => "bound",
        _ if keyed => "keyed",
        _ => "unbound",
    }
}

pub(crate) fn rank(origin: &str) -> i64 {
    ["unbound", "disclosed", "keyed", "bound"].iter().position(|name| *name == origin).expect("an origin") as i64
}

pub(crate) fn files() -> Vec<File> {
    vec![origins(), windows(), offers()]
}

// ---- origins ----

fn origins() -> File {
    let source =
        "the draft's rules for origins and channels, and its defaults; the derivation context is the draft's formula";
    let mut file = File::new("origins.json", source);
    file.group(
        "origin",
        "A full login on a channel, and whether an assertion (here for IKY-SHA-256-EXPR) is made from it, until when.",
    );
    struct Login {
        mechanism: &'static str,
        binding: &'static str,
        name: &'static str,
        keyed: bool,
        tls12: Option<(bool, bool)>,
        forward_secret: bool,
        lifetime: Option<u64>,
        every: u64,
    }
    let good = || Login {
        mechanism: "SCRAM-SHA-256-PLUS",
        binding: "tls-exporter",
        name: "alice",
        keyed: false,
        tls12: None,
        forward_secret: true,
        lifetime: Some(30 * DAY),
        every: 180 * DAY,
    };
    let mut add = |login: Login, note: &str| {
        let strength = origin(login.mechanism, !login.binding.is_empty(), login.keyed);
        let mut refusals: Vec<Refusal> = Vec::new();
        for (why, applies) in [
            ("no-extended-master-secret", login.tls12.is_some_and(|(extended, _)| !extended)),
            ("no-forward-secrecy", !login.forward_secret),
            ("tls12-stateless-tickets", login.tls12.is_some_and(|(_, stateful)| !stateful)),
        ] {
            if applies {
                refusals.push(vec![json!("channel"), json!(why)]);
            }
        }
        if login.lifetime.is_none() {
            refusals.push(vec![json!("origin"), json!(strength)]);
        }
        let assertion = Assertion {
            full_mechanism: login.mechanism.into(),
            full_binding: login.binding.into(),
            login_name: login.name.into(),
            ..Assertion::new("IKY-SHA-256-EXPR")
        };
        let valid = refusals.is_empty();
        let expires = login.lifetime.map(|lifetime| lifetime.min(login.every));
        let mut channel = json!({
            "tls": if login.tls12.is_some() { "1.2" } else { "1.3" },
            "forward_secret": login.forward_secret,
        });
        if let Some((extended, stateful)) = login.tls12 {
            channel["extended_master_secret"] = json!(extended);
            channel["tickets"] = json!(if stateful { "stateful" } else { "stateless" });
        }
        let mut inputs = json!({
            "service": "imap",
            "server_name": NAME,
            "full_mechanism": login.mechanism,
            "full_binding": login.binding,
            "login_name": login.name,
            "channel": channel,
            "lifetime": login.lifetime,
            "full_login_every": login.every,
            "now": LOGIN,
        });
        if matches!(strength, "keyed" | "unbound") {
            inputs["keyed"] = json!(login.keyed);
        }
        let between = json!({
            "context": hex(&assertion.context()),
            "lifetime_ends": login.lifetime.map(|lifetime| LOGIN + lifetime),
            "full_login_due": LOGIN + login.every,
            "refusals": refusals,
        });
        let expires = expires.filter(|_| valid).map(|after| LOGIN + after);
        file.case(valid, note, inputs, between, json!({ "origin": strength, "expires": expires }));
    };
    let d = 7 * DAY;
    add(good(), "SCRAM with tls-exporter");
    add(Login { binding: "tls-server-end-point", ..good() }, "SCRAM with tls-server-end-point");
    add(
        Login { mechanism: "SCRAM-SHA-1-PLUS", binding: "tls-unique", tls12: Some((true, true)), ..good() },
        "TLS 1.2 with tls-unique, sessions kept by the server",
    );
    add(
        Login { mechanism: "EXTERNAL", binding: "", name: "", ..good() },
        "a TLS client certificate signs the handshake, so it is bound",
    );
    add(
        Login { mechanism: "SCRAM-SHA-256", binding: "", keyed: true, ..good() },
        "SCRAM without binding, its session key mixed in",
    );
    add(Login { mechanism: "PLAIN", binding: "", lifetime: Some(d), ..good() }, "a password lasts a week by default");
    add(Login { mechanism: "LOGIN", binding: "", lifetime: Some(d), ..good() }, "the same by another name");
    add(
        Login { mechanism: "OAUTHBEARER", binding: "", lifetime: Some(d), ..good() },
        "a bearer token is disclosed too",
    );
    add(Login { mechanism: "XOAUTH2", binding: "", lifetime: Some(d), ..good() }, "a bearer token as others send it");
    add(Login { mechanism: "OAUTH10A", binding: "", keyed: true, ..good() }, "keyed, by whatever key both ends have");
    add(
        Login { mechanism: "SCRAM-SHA-256", binding: "", lifetime: Some(DAY), ..good() },
        "unbound, where the operator allows it for a day",
    );
    add(Login { every: 10 * DAY, ..good() }, "never longer than the next full login is due");
    for (mechanism, note) in [
        ("SCRAM-SHA-256", "a man in the middle relays one login and has an assertion for a month (A4)"),
        ("SCRAM-SHA-256-PLUS", "a PLUS name without a binding is no binding: the name proves nothing"),
        ("CRAM-MD5", "a relayed challenge-response would become a lasting key (A4)"),
        ("DIGEST-MD5", "a relayed challenge-response would become a lasting key (A4)"),
        (
            "GSSAPI",
            "a mechanism of which nothing is known counts as unbound, or new names would be stronger than old ones",
        ),
    ] {
        add(Login { mechanism, binding: "", lifetime: None, ..good() }, note);
    }
    add(
        Login { tls12: Some((false, true)), ..good() },
        "without extended master secret two connections share an exporter (A2)",
    );
    add(
        Login { tls12: Some((true, false)), ..good() },
        "whoever has the ticket key recomputes the exporter, and with it the assertion (A5)",
    );
    add(
        Login { tls12: Some((false, false)), ..good() },
        "both: a man in the middle and a thief of ticket keys have the assertion",
    );
    add(
        Login { forward_secret: false, ..good() },
        "without (EC)DHE whoever has the key of the server or the PSK has the assertion",
    );
    add(
        Login { forward_secret: false, mechanism: "PLAIN", binding: "", lifetime: Some(d), ..good() },
        "a password does not make the exporter private",
    );
    add(
        Login { tls12: Some((false, true)), mechanism: "SCRAM-SHA-256", binding: "", lifetime: None, ..good() },
        "neither channel nor login: both refuse it",
    );
    add(
        Login { mechanism: "SCRAM-SHA-256", lifetime: None, ..good() },
        "a binding that is claimed for a mechanism without -PLUS counts for nothing",
    );
    add(
        Login { mechanism: "ANONYMOUS", binding: "", name: "", lifetime: None, ..good() },
        "nobody logged in: there is nobody to know again",
    );
    file
}

// ---- window ----

fn windows() -> File {
    let source =
        "the draft's replay window, computed by counting; checked against a set of all counters in src/store/window.rs";
    let mut file = File::new("window.json", source);
    file.group("window", "Counters in the order in which they arrive; the result is that of the last one.");
    let max = u64::MAX;
    let cases: [(&[u64], bool, &str); 30] = [
        (&[1], true, "the first counter"),
        (&[1, 2, 3], true, "in order"),
        (&[3, 1, 2], true, "parallel connections arrive out of order"),
        (&[64, 1], true, "63 behind is the last place in the window"),
        (&[100, 163, 100 + 1], true, "62 behind, not used"),
        (&[5, 70, 7], true, "63 behind after a jump of 65"),
        (&[1, max], true, "the largest counter"),
        (&[max, max - 63], true, "63 behind the largest"),
        (&[2, 66, 65], true, "a jump of exactly 64 empties the window"),
        (&[1_000_000], true, "a restored client may skip"),
        (&[0], false, "no client sends 0: a missing counter read as 0 would be accepted once"),
        (&[7, 0], false, "0 within the width of the window is still no counter"),
        (&[1, 1], false, "the plainest replay: a proof is used twice"),
        (&[3, 2, 1, 2], false, "a replay out of order: only the highest would be remembered"),
        (&[10, 5, 10], false, "a replay of the highest after a lower one"),
        (&[64, 1, 1], false, "a replay in the last place of the window"),
        (&[65, 1], false, "64 behind: it may have been used, and nobody remembers"),
        (&[1, 65, 1], false, "used, and moved out of the window by a jump of 64"),
        (&[1, 64, 1], false, "used, and still in the window after a jump of 63"),
        (&[1, 200, 1], false, "used, and far behind"),
        (&[1, 2, 3, 66, 3], false, "used, in the last place after a jump of 63"),
        (&[1, 2, 3, 67, 3], false, "used, just out of the window"),
        (&[100, 99, 98, 98], false, "a replay within a run of lower counters"),
        (&[max, max], false, "the largest counter twice: no overflow may make it fresh"),
        (&[max, 1], false, "far behind the largest: no wrap-around"),
        (&[max, max - 64], false, "64 behind the largest"),
        (&[max - 1, max, max - 1], false, "used, next to the largest"),
        (&[1, 129, 65, 66, 66], false, "65 is refused, 66 is fresh once and not twice"),
        (
            &[9_223_372_036_854_775_808, 9_223_372_036_854_775_808],
            false,
            "2^63: signed arithmetic would call it negative",
        ),
        (&[4_294_967_296, 4_294_967_296], false, "2^32: a 32-bit counter would call it 0"),
    ];
    for (counters, fresh, note) in cases {
        let mut window = (0, 0);
        let (mut verdicts, mut behind) = (Vec::new(), Vec::new());
        for &counter in counters {
            // as a signed number of 128 bits, in decimal: positive behind, negative ahead
            behind.push((i128::from(window.0) - i128::from(counter)).to_string());
            let (next, accepted) = accept(window, counter);
            window = next;
            verdicts.push(accepted);
        }
        assert_eq!(verdicts.last(), Some(&fresh), "{note}");
        file.case(
            fresh,
            note,
            json!({ "counters": counters }),
            json!({ "behind": behind, "accepted": verdicts }),
            json!({ "highest": window.0, "used": format!("{:016x}", window.1) }),
        );
    }
    file
}

// ---- the offer hash ----

fn offers() -> File {
    let source = "the draft's offer hash over the lists as given";
    let mut file = File::new("offer-hash.json", source);
    file.group(
        "offer-hash",
        "What was offered before the full login, and what is offered now; valid where f= is equal.",
    );
    let full = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"];
    let iky = "IKY-SHA-256-EXPR";
    let base: Vec<&str> = vec![iky, full[0], full[1]];
    let mut add = |hash: &str, then: &[&str], now: &[&str], note: &str| {
        let of = |names: &[&str]| hex(&offer_hash(hash, names.iter().copied()));
        let names = |names: &[&str]| offer_names(names.iter().copied());
        let inputs = json!({ "hash": hash, "then": then, "now": now });
        let between = json!({ "then": names(then), "now": names(now) });
        file.case(of(then) == of(now), note, inputs, between, json!({ "then": of(then), "now": of(now) }));
    };
    for hash in ["SHA-256", "SHA-384", "SHA-512"] {
        add(hash, &base, &base, "the same list");
    }
    add("SHA-256", &base, &[full[1], iky, full[0]], "another order");
    add("SHA-256", &base, &[iky, full[0], full[1], full[0]], "a name twice");
    add("SHA-256", &base, &["EXTERNAL", iky, full[0], full[1]], "EXTERNAL comes and goes with the session");
    add("SHA-256", &base, &["iky-sha-256-expr", "Scram-SHA-256-PLUS", full[1]], "names in other cases of letters");
    let tokens = [iky, "HT-SHA-256-EXPR", full[0], "ht2-sha-512-none", full[1]];
    add("SHA-256", &base, &tokens, "mechanisms for tokens are left out: XMPP lists them apart");
    add("SHA-256", &["EXTERNAL"], &[], "nothing but EXTERNAL is nothing");
    let invalid: [(&[&str], &[&str], &str); 13] = [
        (&base, &base[..2], "a mechanism was stripped from the offer"),
        (&base, &base[1..], "the IKY mechanism itself was stripped"),
        (&base, &[iky, full[1]], "the binding mechanism was stripped: a downgrade goes unnoticed (XEP-0474)"),
        (&base, &[iky, full[0], full[1], "PLAIN"], "PLAIN was added: a client may be made to send its password"),
        (&base, &[iky, full[0], "SCRAM-SHA-1"], "a mechanism was replaced by a weaker one"),
        (&["AB", "C"], &["A", "BC"], "without lengths both lists would be ABC"),
        (&["ABC"], &["AB", "C"], "without lengths one name could stand for two"),
        (&base, &[], "nothing is offered any more"),
        (&["A"], &["A", "A-PLUS"], "a name that begins with another"),
        (&base, &[iky, full[0], full[1], "EXTERNAL2"], "only EXTERNAL itself is left out"),
        (&base, &[iky, full[0], full[1], "HTTP"], "a name that begins like one for tokens is another"),
        (&["SCRAM_SHA"], &["SCRAM-SHA"], "an underscore is no hyphen"),
        (&["A", "B", "C"], &["A", "B", "D"], "one letter: the sets are different ones"),
    ];
    for (then, now, note) in invalid {
        add("SHA-256", then, now, note);
    }
    file
}

/// What `Value` says where there is nothing between inputs and outputs.
pub(crate) const NOTHING: Value = Value::Null;
