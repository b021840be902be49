//! LDAP and XMPP.

use serde_json::{Value, json};

use super::IKY;
use crate::file::{Edit, File, replace};
use crate::formulas::{b64, hex};
use crate::tables::NOTHING;

fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    assert!(contents.len() < 128);
    [&[tag, contents.len() as u8][..], contents].concat()
}

fn pdu(id: u8, operation: &[u8]) -> Vec<u8> {
    tlv(0x30, &[tlv(2, &[id]), operation.to_vec()].concat())
}

pub(super) fn ldap(f: &mut File) {
    f.group("ldap-request", "A SASL bind as a PDU of LDAP.");
    for (id, mechanism, message) in
        [(1, IKY, "p=tls-exporter,,h=,i=AA,p=AA"), (127, "EXTERNAL", ""), (7, "EXTERNAL", "dn:cn=alice")]
    {
        let sasl = tlv(0xa3, &[tlv(4, mechanism.as_bytes()), tlv(4, message.as_bytes())].concat());
        let bind = tlv(0x60, &[tlv(2, &[3]), tlv(4, b""), sasl].concat());
        let inputs = json!({ "message_id": id, "mechanism": mechanism, "message": message });
        f.case(true, "nothing rides along", inputs, NOTHING, json!({ "pdu": hex(&pdu(id, &bind)) }));
    }
    f.group(
        "ldap-response",
        "What a client makes of a BindResponse; valid where it is logged in and has the server's message.",
    );
    let response = |code: u8, text: &str, data: Option<&str>| {
        let creds = data.map(|data| tlv(0x87, data.as_bytes())).unwrap_or_default();
        pdu(7, &tlv(0x61, &[tlv(10, &[code]), tlv(4, b""), tlv(4, text.as_bytes()), creds].concat()))
    };
    let unedited = json!({ "verdict": "accepted", "data": "x=60,v=AAAA" });
    let mut add = |pdu: Vec<u8>, edit: Option<Edit<'_>>, between: Value, outputs: Value, note: &str| {
        let mut inputs = json!({ "message_id": 7, "received": hex(&pdu) });
        let mut between = between;
        if let Some(edit) = edit {
            inputs["edit"] = edit.json(&pdu);
            between = json!({ "received": hex(&edit.apply(&pdu)), "unedited": unedited });
        }
        let valid = outputs["verdict"] == "accepted" && outputs["data"].is_string();
        f.case(valid, note, inputs, between, outputs);
    };
    let good = response(0, "", Some("x=60,v=AAAA"));
    let diagnostic = |text: &str, code: u8| json!({ "diagnostic": text, "result_code": code });
    add(
        good.clone(),
        None,
        diagnostic("", 0),
        json!({ "verdict": "accepted", "data": "x=60,v=AAAA" }),
        "success with serverSaslCreds",
    );
    add(
        response(0, "", None),
        None,
        diagnostic("", 0),
        json!({ "verdict": "accepted", "data": null }),
        "no message of the server's: it is not authenticated (A8)",
    );
    for (code, verdict) in
        [(49, "refused"), (52, "unavailable"), (2, "malformed"), (8, "expired"), (51, "unavailable"), (7, "refused")]
    {
        let outputs = json!({ "verdict": verdict, "data": "e=x" });
        add(
            response(code, "no", Some("e=x")),
            None,
            diagnostic("no", code),
            outputs,
            "refused: a client that went on would send a stranger its requests",
        );
    }
    let error = |error: &str| json!({ "error": error });
    add(
        response(14, "", Some("")),
        None,
        diagnostic("", 14),
        error("unexpected-challenge"),
        "saslBindInProgress: there is nothing to answer",
    );
    let edits: [(usize, usize, &[u8], &str); 5] = [
        (0, 1, b"\x31", "not a SEQUENCE: the stream is out of step"),
        (1, 1, b"\x80", "the indefinite length, which RFC 4511 section 5.1 forbids"),
        (5, 1, b"\x62", "another operation under the bind's message id"),
        (9, 1, b"\x02", "the result code as another type"),
        (4, 1, b"\xff", "a negative message id"),
    ];
    for (at, remove, insert, note) in edits {
        let at = if at == 9 { 7 } else { at };
        add(good.clone(), Some(Edit { at, remove, insert }), NOTHING, error("malformed"), note);
    }
}

pub(super) fn xmpp(f: &mut File) {
    const SASL1: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
    const SASL2: &str = "urn:xmpp:sasl:2";
    let m = b64(b"p=tls-exporter,,h=,i=AA,p=AA");
    f.group("xmpp-request", "What a server makes of a client's element.");
    let mut add = |received: &str, edit: Option<Edit<'_>>, outputs: Value, note: &str| {
        let mut inputs = json!({ "received": received });
        let mut between = NOTHING;
        if let Some(edit) = edit {
            inputs["edit"] = edit.json(received.as_bytes());
            between = json!({ "received": hex(&edit.apply(received.as_bytes())) });
        }
        f.case(outputs.get("error").is_none(), note, inputs, between, outputs);
    };
    let sasl2 = format!(
        "<authenticate xmlns='{SASL2}' mechanism='{IKY}'><initial-response>{m}</initial-response></authenticate>"
    );
    let sasl1 = format!("<auth xmlns='{SASL1}' mechanism='{IKY}'>{m}</auth>");
    let parsed =
        |version: &str, message: Option<&str>| json!({ "version": version, "mechanism": IKY, "message": message });
    let text = Some("p=tls-exporter,,h=,i=AA,p=AA");
    add(&sasl2, None, parsed("sasl2", text), "SASL2");
    add(&sasl1, None, parsed("sasl1", text), "SASL of RFC 6120");
    add(
        &format!("<auth xmlns='{SASL1}' mechanism='{IKY}'>=</auth>"),
        None,
        parsed("sasl1", Some("")),
        "the empty message",
    );
    add(&format!("<auth xmlns='{SASL1}' mechanism='{IKY}'/>"), None, parsed("sasl1", None), "no message yet");
    let error = |error: &str| json!({ "error": error });
    let edit = |text: &str, from: &str, to: &'static str| Some(replace(text.as_bytes(), from, to.as_bytes()));
    add(
        &sasl2,
        edit(&sasl2, "<initial-response>", "<initial-response>-"),
        error("not-base64"),
        "base64url is another alphabet: two spellings of one message",
    );
    add(
        &sasl1,
        edit(&sasl1, "</auth>", "=</auth>"),
        error("not-base64"),
        "too much padding: two spellings of one message",
    );
    add(
        &sasl1,
        edit(&sasl1, "</auth>", "\n</auth>"),
        error("not-base64"),
        "white space in base64: two spellings of one message",
    );
    add(
        &sasl2,
        edit(&sasl2, " mechanism=", " mechanism2="),
        error("malformed"),
        "no mechanism: the server would have to guess",
    );
    add(&sasl2, edit(&sasl2, "IKY-SHA-256-EXPR", "IKY SHA"), error("malformed"), "a mechanism name with a space");
    add(
        &sasl2,
        edit(&sasl2, "</authenticate>", "</authentication>"),
        error("malformed"),
        "not well-formed: two parsers see different elements",
    );
    add(
        &sasl2,
        edit(&sasl2, "</authenticate>", "</authenticate><x/>"),
        error("malformed"),
        "two elements where one is due",
    );
    add(
        &sasl2,
        edit(&sasl2, "<authenticate ", "<!DOCTYPE a><authenticate "),
        error("malformed"),
        "a DTD: entities expand without bound (RFC 6120 section 11.1)",
    );

    f.group(
        "xmpp-answer",
        "What a client makes of the server's element; valid where it is logged in and has the server's message.",
    );
    let b = b64(b"x=60,v=AAAA");
    let mut add = |version: &str, received: &str, outputs: Value, note: &str| {
        let inputs = json!({ "version": version, "received": received });
        let valid = outputs["verdict"] == "accepted" && outputs["data"].is_string();
        f.case(valid, note, inputs, NOTHING, outputs);
    };
    let says = |verdict: &str, data: Option<&str>| json!({ "verdict": verdict, "data": data });
    let x = Some("x=60,v=AAAA");
    let success2 = format!("<success xmlns='{SASL2}'><additional-data>{b}</additional-data></success>");
    add("sasl2", &success2, says("accepted", x), "success with the message");
    add("sasl1", &format!("<success xmlns='{SASL1}'>{b}</success>"), says("accepted", x), "success with the message");
    add(
        "sasl2",
        &format!("<success xmlns='{SASL2}'/>"),
        says("accepted", None),
        "no message of the server's: it is not authenticated (A8)",
    );
    add(
        "sasl1",
        &format!("<success xmlns='{SASL1}'/>"),
        says("accepted", None),
        "no message of the server's: it is not authenticated (A8)",
    );
    let failure = |condition: &str, message: Option<&str>| {
        let iky = message.map(|text| format!("<iky xmlns='urn:ietf:params:xml:ns:iky'>{}</iky>", b64(text.as_bytes())));
        format!("<failure xmlns='{SASL2}'><{condition} xmlns='{SASL1}'/>{}</failure>", iky.unwrap_or_default())
    };
    for (condition, verdict) in [
        ("not-authorized", "refused"),
        ("credentials-expired", "expired"),
        ("temporary-auth-failure", "unavailable"),
        ("malformed-request", "malformed"),
    ] {
        let note = "a failure: a client that went on would send a stranger its stanzas";
        add("sasl2", &failure(condition, Some("e=x")), says(verdict, Some("e=x")), note);
    }
    add(
        "sasl2",
        &failure("not-authorized", None),
        says("refused", None),
        "a failure without a message: nothing is deleted for it",
    );
    for (version, received) in [
        ("sasl2", format!("<challenge xmlns='{SASL2}'>{b}</challenge>")),
        ("sasl1", format!("<challenge xmlns='{SASL1}'>{b}</challenge>")),
    ] {
        add(
            version,
            &received,
            json!({ "error": "unexpected-challenge", "challenge": "x=60,v=AAAA" }),
            "a challenge where there is nothing to answer: it is aborted",
        );
    }
}
