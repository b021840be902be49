//! What a server makes of a login.

use serde_json::{Value, json};

use super::IKY;
use crate::file::{Edit, File};
use crate::formulas::{b64, hex};
use crate::tables::NOTHING;

pub(super) fn serve(f: &mut File) {
    f.group("serve", "What a server makes of a client's octets, and answers, given the mechanism's verdict; valid where the client is logged in.");
    let message = "p=tls-exporter,,h=,i=AAAAAAAAAAAAAAAAAAAAAA==,p=AAAA";
    let (m, answer) = (b64(message.as_bytes()), "x=60,v=AAAA");
    let b = b64(answer.as_bytes());
    let mut unedited: Vec<(String, Value)> = Vec::new();
    let mut add = |protocol: &str,
                   listed: &str,
                   received: &str,
                   edit: Option<Edit<'_>>,
                   verdict: Option<(&str, &str)>,
                   outputs: Value,
                   note: &str| {
        let mut inputs = json!({ "protocol": protocol, "listed": listed, "received": received });
        // What is edited is also served as it was, with success.
        let verdict = if edit.is_some() { Some(("accepted", answer)) } else { verdict };
        if let Some((verdict, answer)) = verdict {
            inputs["verdict"] = json!(verdict);
            if !answer.is_empty() {
                inputs["answer"] = json!(answer);
            }
        }
        let mut between = NOTHING;
        if let Some(edit) = edit {
            inputs["edit"] = edit.json(received.as_bytes());
            let (_, base) = unedited.iter().find(|(base, _)| base == received).expect("the base was a case");
            between = json!({ "received": hex(&edit.apply(received.as_bytes())), "unedited": base });
        } else if verdict.is_none() {
            between = json!({ "asked_for": IKY, "listed": listed, "message": message });
        } else {
            unedited.push((received.to_owned(), outputs.clone()));
        }
        let valid = outputs["accepted"] == true;
        f.case(valid, note, inputs, between, outputs);
    };
    let out = |message: Option<&str>, challenge: &str, completion: &str, accepted: bool, rest: &str| json!({ "message": message, "challenges": challenge, "completion": completion, "accepted": accepted, "rest": rest });
    let imap = format!("a1 AUTHENTICATE {IKY} {m}\r\n\r\na2 NOOP\r\n");
    let smtp = format!("AUTH {IKY} {m}\r\n\r\nNOOP\r\n");
    let pop = format!("AUTH {IKY} {m}\r\n\r\nSTAT\r\n");
    let sieve = format!("AUTHENTICATE \"{IKY}\" \"{m}\"\r\nNOOP\r\n");
    let acap = format!("a1 AUTHENTICATE \"{IKY}\" \"{message}\"\r\na2 NOOP\r\n");
    let (plus, s334) = (format!("+ {b}\r\n"), format!("334 {b}\r\n"));
    let ok = Some(("accepted", answer));
    add(
        "imap",
        IKY,
        &imap,
        None,
        ok,
        out(Some(message), &plus, "a1 OK", true, "a2 NOOP\r\n"),
        "the empty answer ahead of its challenge",
    );
    add(
        "smtp",
        IKY,
        &smtp,
        None,
        ok,
        out(Some(message), &s334, "235 2.7.0", true, "NOOP\r\n"),
        "the empty answer ahead of its challenge",
    );
    add(
        "pop",
        IKY,
        &pop,
        None,
        ok,
        out(Some(message), &plus, "+OK", true, "STAT\r\n"),
        "the empty answer ahead of its challenge",
    );
    add(
        "sieve",
        IKY,
        &sieve,
        None,
        ok,
        out(Some(message), "", &format!("OK (SASL \"{b}\")"), true, "NOOP\r\n"),
        "the answer with success",
    );
    add(
        "acap",
        IKY,
        &acap,
        None,
        ok,
        out(Some(message), "", &format!("a1 OK (SASL \"{answer}\")"), true, "a2 NOOP\r\n"),
        "the answer with success, as it is",
    );
    add(
        "imap",
        "EXTERNAL",
        "a1 AUTHENTICATE EXTERNAL =\r\na2 NOOP\r\n",
        None,
        Some(("accepted", "")),
        out(Some(""), "", "a1 OK", true, "a2 NOOP\r\n"),
        "EXTERNAL, whose message is empty",
    );
    let later = format!("a1 AUTHENTICATE {IKY}\r\n{m}\r\n\r\n");
    add(
        "imap",
        IKY,
        &later,
        None,
        ok,
        out(Some(message), &format!("+ \r\n{plus}"), "a1 OK", true, ""),
        "the message behind an empty challenge",
    );

    let no = b64(b"e=not-recognised");
    for (protocol, text, verdict, challenge, completion, rest) in [
        ("imap", &imap, "refused", format!("+ {no}\r\n"), "a1 NO [AUTHENTICATIONFAILED]", "a2 NOOP\r\n"),
        ("imap", &imap, "expired", format!("+ {no}\r\n"), "a1 NO [EXPIRED]", "a2 NOOP\r\n"),
        ("smtp", &smtp, "malformed", format!("334 {no}\r\n"), "501 5.5.2", "NOOP\r\n"),
        ("smtp", &smtp, "unavailable", format!("334 {no}\r\n"), "454 4.7.0", "NOOP\r\n"),
        ("pop", &pop, "unavailable", format!("+ {no}\r\n"), "-ERR [SYS/TEMP]", "STAT\r\n"),
    ] {
        let note = "refused: without the one challenge the empty line would be the next command";
        add(
            protocol,
            IKY,
            text,
            None,
            Some((verdict, "e=not-recognised")),
            out(Some(message), &challenge, completion, false, rest),
            note,
        );
    }
    for (protocol, text, verdict, completion, rest) in [
        ("sieve", &sieve, "expired", "NO (AUTH-TOO-WEAK)", "NOOP\r\n"),
        ("acap", &acap, "malformed", "a1 BAD", "a2 NOOP\r\n"),
        ("acap", &acap, "unavailable", "a1 NO (TRYLATER)", "a2 NOOP\r\n"),
    ] {
        let note = "refused: success data of a failure would be taken for success";
        add(protocol, IKY, text, None, Some((verdict, "")), out(Some(message), "", completion, false, rest), note);
    }
    let behind = |text: &str| text.find("\r\n\r\n").unwrap_or(0) + 2;
    let cancel = Some(Edit { at: behind(&imap), remove: 2, insert: b"*\r\n" });
    add(
        "imap",
        IKY,
        &imap,
        cancel,
        ok,
        out(Some(message), &plus, "a1 BAD", false, "a2 NOOP\r\n"),
        "cancelled behind a good proof: the client says that it is not logged in",
    );
    let talk = Some(Edit { at: behind(&imap), remove: 0, insert: b"AAAA" });
    add(
        "imap",
        IKY,
        &imap,
        talk,
        ok,
        out(Some(message), &plus, "a1 BAD", false, "a2 NOOP\r\n"),
        "an answer where an empty one is due: what it says is nobody's",
    );
    let at = |text: &str| text.find(&m).unwrap_or(0) + m.len() - 1;
    for (protocol, text, challenge, completion, rest) in [
        ("imap", &imap, "+ \r\n", "a1 BAD", "a2 NOOP\r\n"),
        ("smtp", &smtp, "334 \r\n", "501 5.5.2", "NOOP\r\n"),
        ("pop", &pop, "+ \r\n", "-ERR", "STAT\r\n"),
        ("sieve", &sieve, "", "NO", "NOOP\r\n"),
    ] {
        let edit = Some(Edit { at: at(text), remove: 1, insert: b"-" });
        add(
            protocol,
            IKY,
            text,
            edit,
            None,
            out(None, challenge, completion, false, rest),
            "not base64: the empty line behind it is consumed all the same, or it would be the next command",
        );
    }
    let edit = Some(Edit { at: imap.find(&m).unwrap_or(0), remove: m.len(), insert: b"" });
    add(
        "imap",
        IKY,
        &imap,
        edit,
        None,
        out(None, "+ \r\n", "a1 BAD", false, "a2 NOOP\r\n"),
        "a space and nothing behind it: neither the empty message nor none",
    );
    for (protocol, text, completion, rest) in [
        ("imap", &imap, "a1 NO", "\r\na2 NOOP\r\n"),
        ("smtp", &smtp, "504 5.5.4", "\r\nNOOP\r\n"),
        ("pop", &pop, "-ERR", "\r\nSTAT\r\n"),
        ("sieve", &sieve, "NO", "NOOP\r\n"),
        ("acap", &acap, "a1 NO", "a2 NOOP\r\n"),
    ] {
        add(
            protocol,
            "EXTERNAL",
            text,
            None,
            None,
            out(None, "", completion, false, rest),
            "a mechanism that is not listed: switched off must mean off",
        );
    }
}
