//! What a server lists, and what a client sends for it.

use serde_json::{Value, json};

use super::{IKY, TAG};
use crate::file::{Edit, File, replace};
use crate::formulas::b64;
use crate::tables::NOTHING;

pub(super) fn offers(f: &mut File) {
    f.group("advertise", "What a server says of its mechanisms.");
    let names = ["SCRAM-SHA-256-PLUS", "EXTERNAL", IKY];
    for (protocol, pipelining, iky, text) in [
        ("imap", None, None, "SASL-IR AUTH=SCRAM-SHA-256-PLUS AUTH=EXTERNAL AUTH=IKY-SHA-256-EXPR"),
        (
            "smtp",
            Some(true),
            Some(true),
            "250-PIPELINING\r\n250-AUTH SCRAM-SHA-256-PLUS EXTERNAL IKY-SHA-256-EXPR\r\n250-IKNOWYOU\r\n",
        ),
        ("smtp", Some(false), Some(false), "250-AUTH SCRAM-SHA-256-PLUS EXTERNAL IKY-SHA-256-EXPR\r\n"),
        (
            "pop",
            Some(true),
            None,
            "RESP-CODES\r\nAUTH-RESP-CODE\r\nSASL SCRAM-SHA-256-PLUS EXTERNAL IKY-SHA-256-EXPR\r\nPIPELINING\r\n",
        ),
        ("sieve", None, None, "\"SASL\" \"SCRAM-SHA-256-PLUS EXTERNAL IKY-SHA-256-EXPR\"\r\n"),
        ("acap", None, None, "(SASL \"SCRAM-SHA-256-PLUS\" \"EXTERNAL\" \"IKY-SHA-256-EXPR\")"),
    ] {
        let mut inputs = json!({ "protocol": protocol, "mechanisms": names });
        if let Some(pipelining) = pipelining {
            inputs["pipelining"] = json!(pipelining);
        }
        if let Some(iky) = iky {
            inputs["iky_pipelining"] = json!(iky);
        }
        f.case(true, "what is listed", inputs, NOTHING, json!({ "text": text }));
    }

    f.group("offer", "What a client hears; valid where IKY-SHA-256-EXPR is listed. words is what was received, split at white space.");
    let words = |text: &str| text.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut hear = |protocol: &str, text: &str, edit: Option<Edit<'_>>, heard: Value, note: &str| {
        let mut inputs = json!({ "protocol": protocol, "received": text });
        let received = match &edit {
            Some(edit) => {
                inputs["edit"] = edit.json(text.as_bytes());
                String::from_utf8(edit.apply(text.as_bytes())).expect("text")
            }
            None => text.to_owned(),
        };
        let valid = heard["mechanisms"].as_array().expect("names").contains(&json!(IKY));
        f.case(valid, note, inputs, json!({ "words": words(&received) }), heard);
    };
    let imap = |names: &[&str], initial: bool| json!({ "mechanisms": names, "initial_response": initial });
    let smtp = |names: &[&str], pipelining: bool, iky: bool| json!({ "mechanisms": names, "pipelining": pipelining, "iky_pipelining": iky });
    let pop = |names: &[&str], pipelining: bool| json!({ "mechanisms": names, "pipelining": pipelining });
    let plain = |names: &[&str]| json!({ "mechanisms": names });
    let i = "* OK [CAPABILITY IMAP4rev2 SASL-IR AUTH=EXTERNAL AUTH=IKY-SHA-256-EXPR] ready\r\n";
    let s = "250-mail.example.com\r\n250-PIPELINING\r\n250-AUTH EXTERNAL IKY-SHA-256-EXPR\r\n250 IKNOWYOU\r\n";
    let p = "+OK\r\nSASL EXTERNAL IKY-SHA-256-EXPR\r\nPIPELINING\r\n.\r\n";
    let v = "\"SASL\" \"EXTERNAL IKY-SHA-256-EXPR\"\r\n";
    let a = "* ACAP (IMPLEMENTATION \"x\") (SASL \"EXTERNAL\" \"IKY-SHA-256-EXPR\")\r\n";
    let both = ["EXTERNAL", IKY];
    hear("imap", i, None, imap(&both, true), "in the greeting");
    hear(
        "imap",
        "* CAPABILITY AUTH=iky-sha-256-expr\r\n",
        None,
        imap(&[IKY], false),
        "untagged, without SASL-IR, in lower case",
    );
    hear("smtp", s, None, smtp(&both, true, true), "the reply to EHLO");
    hear("smtp", "250 AUTH IKY-SHA-256-EXPR\r\n", None, smtp(&[IKY], false, false), "AUTH alone");
    hear("pop", p, None, pop(&both, true), "the answer to CAPA");
    hear("sieve", v, None, plain(&both), "the line of the capabilities");
    hear("acap", a, None, plain(&both), "the greeting");
    let edit = |text: &str, from: &str, to: &'static str| replace(text.as_bytes(), from, to.as_bytes());
    hear(
        "imap",
        i,
        Some(edit(i, "OK [", "NO [")),
        imap(&[], false),
        "a refused command lists nothing: its text may be somebody else's",
    );
    hear(
        "imap",
        i,
        Some(edit(i, "[CAPABILITY", "CAPABILITY")),
        imap(&[], false),
        "free text is not a list: whoever writes the greeting's text would write the list",
    );
    hear(
        "imap",
        i,
        Some(edit(i, "* OK [CAPABILITY", "* LIST (CAPABILITY")),
        imap(&[], false),
        "a mailbox name is not a list: users choose mailbox names",
    );
    hear(
        "imap",
        i,
        Some(edit(i, "AUTH=IKY", "AUTHIKY")),
        imap(&["EXTERNAL"], true),
        "a capability that only looks like one for SASL",
    );
    hear(
        "imap",
        i,
        Some(edit(i, "] ready", "x] ready")),
        imap(&["EXTERNAL", "IKY-SHA-256-EXPRX"], true),
        "a longer name is another mechanism",
    );
    hear(
        "imap",
        i,
        Some(edit(i, "] ready", "-PLUS] ready")),
        imap(&["EXTERNAL"], true),
        "a name of 21 characters is none",
    );
    hear("smtp", s, Some(edit(s, "250-AUTH", "550-AUTH")), smtp(&[], true, true), "a refusal lists nothing");
    hear(
        "smtp",
        s,
        Some(edit(s, "250-AUTH ", "250-AUTH=")),
        smtp(&[], true, true),
        "AUTH= of old servers: its names are not a list that RFC 4954 knows",
    );
    hear("pop", p, Some(edit(p, "SASL ", "XSASL ")), pop(&[], true), "another capability");
    hear("sieve", v, Some(edit(v, "\"SASL\"", "\"NOTIFY\"")), plain(&[]), "another capability's value");
    hear(
        "acap",
        a,
        Some(edit(a, "* ACAP", "* OK")),
        plain(&[]),
        "not the greeting: whoever writes a status line would write the list",
    );
    hear("acap", a, Some(edit(a, "(SASL", "(CONTEXTLIMIT")), plain(&[]), "another item of the greeting");
}

fn line(protocol: &str, mechanism: &str, message: Option<&str>) -> String {
    let (tag, encoded) = (TAG, message.map(|text| b64(text.as_bytes())));
    let initial = |encoded: Option<String>| match encoded.as_deref() {
        None => String::new(),
        Some("") => " =".to_owned(),
        Some(text) => format!(" {text}"),
    };
    match protocol {
        "imap" => format!("{tag} AUTHENTICATE {mechanism}{}\r\n", initial(encoded)),
        "smtp" | "pop" => format!("AUTH {mechanism}{}\r\n", initial(encoded)),
        "sieve" => format!(
            "AUTHENTICATE \"{mechanism}\"{}\r\n",
            encoded.map(|text| format!(" \"{text}\"")).unwrap_or_default()
        ),
        _ => format!(
            "{tag} AUTHENTICATE \"{mechanism}\"{}\r\n",
            message.map(|text| format!(" \"{text}\"")).unwrap_or_default()
        ),
    }
}

pub(super) fn commands(f: &mut File) {
    f.group(
        "command",
        "What a client sends for a mechanism and its message; valid where its next commands may follow at once.",
    );
    let short = "p=tls-exporter,a=alice,h=imap.example.com,i=AAAAAAAAAAAAAAAAAAAAAA==,p=AAAA".to_owned();
    let medium = format!("{short}{}", "A".repeat(120));
    let long = format!("{short}{}", "A".repeat(320));
    /// `permits`: the names of what the server said, of those that matter here.
    struct Row<'a>(&'a str, &'a str, &'a str, bool, &'a [(&'a str, bool)], bool, bool, bool, &'a str);
    let rows: Vec<Row<'_>> = vec![
        // protocol, mechanism, message, listed, permits, message held back, answer ahead, rides along, note
        Row("imap", IKY, &short, true, &[("initial_response", true)], false, true, true, "listing IKY permits it"),
        Row(
            "imap",
            "EXTERNAL",
            "alice",
            true,
            &[("initial_response", true)],
            false,
            false,
            true,
            "EXTERNAL has no challenge",
        ),
        Row(
            "imap",
            "EXTERNAL",
            "",
            true,
            &[("initial_response", true)],
            false,
            false,
            true,
            "the empty message is written =",
        ),
        Row("smtp", IKY, &short, true, &[("iky_pipelining", true)], false, true, true, "under IKNOWYOU"),
        Row(
            "smtp",
            "EXTERNAL",
            "alice",
            true,
            &[("pipelining", true)],
            false,
            false,
            true,
            "under PIPELINING (RFC 4954 section 4)",
        ),
        Row("pop", IKY, &short, true, &[("pipelining", true)], false, true, true, "under PIPELINING"),
        Row("pop", "EXTERNAL", "alice", true, &[("pipelining", true)], false, false, true, "EXTERNAL under PIPELINING"),
        Row("sieve", IKY, &short, true, &[], false, false, true, "listing IKY permits it"),
        Row("acap", IKY, &short, true, &[], false, false, true, "listing IKY permits it"),
        Row(
            "imap",
            IKY,
            &short,
            false,
            &[("initial_response", true)],
            false,
            false,
            false,
            "a server that does not list IKY may read a command as an answer to a challenge",
        ),
        Row(
            "imap",
            "EXTERNAL",
            "alice",
            false,
            &[("initial_response", true)],
            false,
            false,
            false,
            "a server that does not list EXTERNAL refuses it, and a SELECT behind it is refused too, or worse",
        ),
        Row(
            "imap",
            "SCRAM-SHA-256",
            "n,,n=alice,r=x",
            true,
            &[("initial_response", true)],
            false,
            false,
            false,
            "a command behind SCRAM would be read as the answer to its challenge",
        ),
        Row(
            "imap",
            IKY,
            &short,
            true,
            &[("initial_response", false)],
            true,
            false,
            false,
            "without SASL-IR the server challenges first: a command ahead would be the answer",
        ),
        Row(
            "imap",
            IKY,
            &long,
            true,
            &[("initial_response", true)],
            true,
            false,
            false,
            "a line of more than 512 octets: small buffers cut it, and what follows would be a command",
        ),
        Row(
            "smtp",
            IKY,
            &short,
            true,
            &[("iky_pipelining", false)],
            false,
            false,
            false,
            "RFC 4954 lets nothing follow a mechanism with a challenge",
        ),
        Row(
            "smtp",
            "EXTERNAL",
            "alice",
            true,
            &[("pipelining", false)],
            false,
            false,
            false,
            "without PIPELINING the server may drop what it read ahead",
        ),
        Row(
            "smtp",
            IKY,
            &short,
            false,
            &[],
            false,
            false,
            false,
            "a keyword for IKY and no IKY: the server would read MAIL as an answer",
        ),
        Row(
            "smtp",
            IKY,
            &long,
            true,
            &[("iky_pipelining", true)],
            true,
            false,
            false,
            "more than 512 octets (RFC 4954 section 4)",
        ),
        Row(
            "pop",
            IKY,
            &short,
            true,
            &[("pipelining", false)],
            false,
            false,
            false,
            "without PIPELINING the server may drop what it read ahead",
        ),
        Row(
            "pop",
            IKY,
            &medium,
            true,
            &[("pipelining", true)],
            true,
            false,
            false,
            "more than 255 octets (RFC 2449 section 4)",
        ),
        Row(
            "sieve",
            "EXTERNAL",
            "alice",
            true,
            &[],
            false,
            false,
            false,
            "RFC 5804 has no pipelining: a command behind EXTERNAL may be lost",
        ),
        Row(
            "acap",
            "EXTERNAL",
            "alice",
            true,
            &[],
            false,
            false,
            false,
            "RFC 2244 forbids commands while a SASL exchange goes on",
        ),
        Row(
            "sieve",
            IKY,
            &short,
            false,
            &[],
            false,
            false,
            false,
            "a server that does not list IKY may read a command as an answer",
        ),
        Row(
            "acap",
            IKY,
            &short,
            false,
            &[],
            false,
            false,
            false,
            "a server that does not list IKY may read a command as an answer",
        ),
    ];
    for Row(protocol, mechanism, message, listed, permits, held, ahead, rides, note) in rows {
        let mut inputs = json!({ "protocol": protocol, "mechanism": mechanism, "message": message, "listed": listed });
        if matches!(protocol, "imap" | "acap") {
            inputs["tag"] = json!(TAG);
        }
        for (name, value) in permits {
            inputs[*name] = json!(value);
        }
        let whole = line(protocol, mechanism, Some(message));
        let mut outputs = json!({ "rides_along": rides });
        let answer = if ahead { "\r\n" } else { "" };
        if held {
            outputs["sent"] = json!(line(protocol, mechanism, None));
            let follows = mechanism == IKY && listed && !matches!(permits, [("iky_pipelining" | "pipelining", false)]);
            let answer = if follows { "\r\n" } else { "" };
            outputs["behind_the_empty_challenge"] = json!(format!("{}\r\n{answer}", b64(message.as_bytes())));
        } else {
            outputs["sent"] = json!(format!("{whole}{answer}"));
        }
        // Everything that speaks against sending commands behind it.
        let said = |name: &str| permits.iter().any(|(said, value)| *said == name && *value);
        let denied = |name: &str| permits.iter().any(|(said, value)| *said == name && !*value);
        let external = mechanism == "EXTERNAL";
        let against: Vec<&str> = [
            ("not-listed", !listed),
            ("mechanism-has-more-challenges", !external && mechanism != IKY),
            ("protocol-does-not-pipeline", external && matches!(protocol, "sieve" | "acap")),
            ("no-pipelining", denied("pipelining")),
            ("no-iknowyou", denied("iky_pipelining")),
            ("message-held-back", held),
        ]
        .into_iter()
        .filter_map(|(rule, applies)| applies.then_some(rule))
        .collect();
        assert_eq!(against.is_empty(), rides, "{note}");
        assert!(!held || whole.len() > 255 || !said("initial_response"), "{note}");
        let between = json!({ "line_octets": whole.len(), "against": against });
        f.case(rides, note, inputs, between, outputs);
    }
}
