//! What a client makes of the answer.

use serde_json::{Value, json};

use super::{IKY, TAG};
use crate::file::{Edit, File, replace};
use crate::formulas::{b64, hex};
use crate::tables::NOTHING;

pub(super) fn answers(f: &mut File) {
    f.group("answer", "What a client makes of the server's octets behind its login; valid where it is logged in and has the server's message.");
    let b = b64(b"x=60,v=AAAA");
    let refusal = b64(b"e=not-recognised");
    let tagged = |protocol: &str| matches!(protocol, "imap" | "acap");
    let mut unedited: Vec<(String, Value)> = Vec::new();
    let mut add =
        |protocol: &str, mechanism: &str, received: &str, edit: Option<Edit<'_>>, outputs: Value, note: &str| {
            let mut inputs = json!({ "protocol": protocol, "mechanism": mechanism, "received": received });
            if tagged(protocol) {
                inputs["tag"] = json!(TAG);
            }
            let mut between = NOTHING;
            if let Some(edit) = edit {
                inputs["edit"] = edit.json(received.as_bytes());
                let edited = edit.apply(received.as_bytes());
                let (_, base) = unedited.iter().find(|(base, _)| base == received).expect("the base was a case");
                between = json!({ "received": hex(&edited), "unedited": base });
            } else {
                unedited.push((received.to_owned(), outputs.clone()));
            }
            let valid = outputs["verdict"] == "accepted" && (outputs["data"].is_string() || mechanism == "EXTERNAL");
            f.case(valid, note, inputs, between, outputs);
        };
    let done = |verdict: &str, data: Option<&str>, passed: &[&str], line: &str, rest: &str| json!({ "verdict": verdict, "data": data, "passed": passed, "line": line, "rest": rest });
    let error = |error: &str| json!({ "error": error });
    let (x, e) = (Some("x=60,v=AAAA"), Some("e=not-recognised"));
    let imap = format!("* 1 EXISTS\r\n+ {b}\r\na1 OK Recognised\r\na2 OK done\r\n");
    add(
        "imap",
        IKY,
        &imap,
        None,
        done("accepted", x, &["* 1 EXISTS\r\n"], "a1 OK Recognised\r\n", "a2 OK done\r\n"),
        "one challenge, and success",
    );
    let smtp = format!("334 {b}\r\n235-2.7.0 well\r\n235 2.7.0 Recognised\r\n250 ok\r\n");
    add(
        "smtp",
        IKY,
        &smtp,
        None,
        done("accepted", x, &[], "235 2.7.0 Recognised\r\n", "250 ok\r\n"),
        "one challenge, and success in two lines",
    );
    let pop = format!("+ {b}\r\n+OK Recognised\r\n");
    add("pop", IKY, &pop, None, done("accepted", x, &[], "+OK Recognised\r\n", ""), "one challenge, and success");
    let sieve = format!("OK (SASL \"{b}\") \"Recognised\"\r\n");
    add("sieve", IKY, &sieve, None, done("accepted", x, &[], &sieve, ""), "the message with success");
    let acap = "a1 OK (SASL \"x=60,v=AAAA\") \"Recognised\"\r\n";
    add("acap", IKY, acap, None, done("accepted", x, &[], acap, ""), "the message with success, as it is");
    add(
        "imap",
        "EXTERNAL",
        "a1 OK Recognised\r\n",
        None,
        done("accepted", None, &[], "a1 OK Recognised\r\n", ""),
        "EXTERNAL has no message",
    );

    for (protocol, text, line, verdict) in [
        (
            "imap",
            format!("+ {refusal}\r\na1 NO [AUTHENTICATIONFAILED] no\r\n"),
            "a1 NO [AUTHENTICATIONFAILED] no\r\n",
            "refused",
        ),
        ("imap", format!("+ {refusal}\r\na1 NO [EXPIRED] no\r\n"), "a1 NO [EXPIRED] no\r\n", "expired"),
        ("imap", format!("+ {refusal}\r\na1 BAD no\r\n"), "a1 BAD no\r\n", "malformed"),
        ("smtp", format!("334 {refusal}\r\n535 5.7.8 no\r\n"), "535 5.7.8 no\r\n", "refused"),
        ("smtp", format!("334 {refusal}\r\n454 4.7.0 later\r\n"), "454 4.7.0 later\r\n", "unavailable"),
        ("pop", format!("+ {refusal}\r\n-ERR [AUTH] no\r\n"), "-ERR [AUTH] no\r\n", "refused"),
        ("pop", format!("+ {refusal}\r\n-ERR [SYS/TEMP] later\r\n"), "-ERR [SYS/TEMP] later\r\n", "unavailable"),
    ] {
        add(
            protocol,
            IKY,
            &text,
            None,
            done(verdict, e, &[], line, ""),
            "refused: a client that went on would send a stranger its commands",
        );
    }
    for (protocol, text, verdict) in [
        ("sieve", "NO (AUTH-TOO-WEAK) \"no\"\r\n", "expired"),
        ("sieve", "NO \"no\"\r\n", "refused"),
        ("acap", "a1 NO (TRYLATER) \"no\"\r\n", "unavailable"),
        ("acap", "a1 BAD \"no\"\r\n", "malformed"),
    ] {
        add(
            protocol,
            IKY,
            text,
            None,
            done(verdict, None, &[], text, ""),
            "refused: a client that went on would send a stranger its commands",
        );
    }
    let ok = "a1 OK Recognised\r\n";
    add(
        "imap",
        IKY,
        ok,
        None,
        done("accepted", None, &[], ok, ""),
        "no message of the server's: it is not authenticated (A8)",
    );
    add(
        "sieve",
        IKY,
        "OK \"Recognised\"\r\n",
        None,
        done("accepted", None, &[], "OK \"Recognised\"\r\n", ""),
        "no message of the server's: it is not authenticated (A8)",
    );
    let edit = |text: &str, from: &str, to: &'static str| Some(replace(text.as_bytes(), from, to.as_bytes()));
    let cut = |text: &str, at: usize| Some(Edit { at, remove: text.len() - at, insert: b"" });
    add(
        "imap",
        IKY,
        &imap,
        edit(&imap, "+ eD", "+ eD="),
        error("not-base64"),
        "base64 that is not canonical: a second spelling of one message",
    );
    add(
        "imap",
        IKY,
        &imap,
        edit(&imap, "* 1 EXISTS\r\n", "* 1 EXISTS\n"),
        error("bare-line-feed"),
        "a bare line feed: two parsers see different lines",
    );
    add(
        "imap",
        IKY,
        &imap,
        edit(&imap, "* 1 EXISTS", "\"x\" EXISTS"),
        error("malformed"),
        "what is no tag: the stream is out of step",
    );
    add(
        "smtp",
        IKY,
        &smtp,
        edit(&smtp, "334 ", "33 "),
        error("malformed"),
        "a reply code of two digits: the stream is out of step",
    );
    add("smtp", IKY, &smtp, edit(&smtp, "334 ", "134 "), error("malformed"), "a reply code that SMTP lacks");
    add(
        "pop",
        IKY,
        &pop,
        edit(&pop, "+OK", "OK"),
        error("malformed"),
        "neither +OK nor -ERR: the stream is out of step",
    );
    add(
        "sieve",
        IKY,
        &sieve,
        edit(&sieve, "OK (SASL", "YES (SASL"),
        error("malformed"),
        "a status that does not exist",
    );
    add(
        "sieve",
        IKY,
        &sieve,
        edit(&sieve, "(SASL \"", "(SASL \"-"),
        error("not-base64"),
        "base64 that is not canonical",
    );
    add(
        "acap",
        IKY,
        acap,
        edit(acap, "\")", "\""),
        error("malformed"),
        "a response code without its end: what is data depends on the reader",
    );
    for (protocol, text) in
        [("imap", "+ \r\na1 OK done\r\n"), ("smtp", "334 \r\n235 2.7.0 done\r\n"), ("pop", "+ \r\n+OK done\r\n")]
    {
        let mut outputs = error("unexpected-challenge");
        outputs["sent"] = json!("*\r\n");
        add(
            protocol,
            "EXTERNAL",
            text,
            None,
            outputs,
            "a challenge where there is nothing to answer: the server may have read a command as an answer",
        );
    }
    for (protocol, text) in
        [("smtp", "454 4.7.0 later\r\n500 5.5.2 what\r\n"), ("pop", "-ERR [SYS/TEMP] later\r\n-ERR what\r\n")]
    {
        add(
            protocol,
            IKY,
            text,
            None,
            error("missing-challenge"),
            "the empty answer that went ahead was read as a command: its reply would be taken for the next one's",
        );
    }
    let twice = format!("+ {b}\r\n+ {b}\r\na1 OK done\r\n");
    let mut outputs = error("unexpected-challenge");
    outputs["sent"] = json!("*\r\n");
    add("imap", IKY, &twice, None, outputs, "a second challenge: the next command would be its answer");
    let unfinished = cut(&imap, imap.find("a1 OK").unwrap_or(0) + 8);
    add(
        "imap",
        IKY,
        &imap,
        unfinished,
        json!({ "error": "incomplete" }),
        "half a completion: it may still become a refusal",
    );
}
