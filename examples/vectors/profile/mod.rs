//! `profile.json`: what goes over the wire in each protocol, and what it means.

mod answers;
mod offers;
mod others;
mod serve;

use serde_json::{Value, json};

use crate::file::File;
use crate::tables::NOTHING;

const IKY: &str = "IKY-SHA-256-EXPR";
const TAG: &str = "a1";

pub(crate) fn file() -> File {
    let source = "RFC 9051, 4959 and 5530 (IMAP), 4954, 2920 and 5248 (SMTP), 5034, 2449 and 3206 (POP3), 5804 (ManageSieve), \
                  2244 (ACAP), 4511 (LDAP), 6120 and XEP-0388 (XMPP), and the draft's profiles; written by hand";
    let mut file = File::new("profile.json", source);
    let f = &mut file;
    codes(f);
    offers::offers(f);
    offers::commands(f);
    answers::answers(f);
    serve::serve(f);
    others::ldap(f);
    others::xmpp(f);
    file
}

fn codes(f: &mut File) {
    f.group("codes", "How each outcome reads on the wire, ahead of any text for humans.");
    let accepted = json!({ "imap": "OK", "smtp": "235 2.7.0", "pop": "+OK", "sieve": "OK", "acap": "OK", "ldap": 0, "xmpp": null });
    let refused = json!({ "imap": "NO [AUTHENTICATIONFAILED]", "smtp": "535 5.7.8", "pop": "-ERR [AUTH]", "sieve": "NO", "acap": "NO", "ldap": 49, "xmpp": "not-authorized" });
    let expired = json!({ "imap": "NO [EXPIRED]", "smtp": "535 5.7.8", "pop": "-ERR [AUTH]", "sieve": "NO (AUTH-TOO-WEAK)", "acap": "NO (AUTH-TOO-WEAK)", "ldap": 49, "xmpp": "credentials-expired" });
    let unavailable = json!({ "imap": "NO [UNAVAILABLE]", "smtp": "454 4.7.0", "pop": "-ERR [SYS/TEMP]", "sieve": "NO (TRYLATER)", "acap": "NO (TRYLATER)", "ldap": 52, "xmpp": "temporary-auth-failure" });
    let malformed = json!({ "imap": "BAD", "smtp": "501 5.5.2", "pop": "-ERR", "sieve": "NO", "acap": "BAD", "ldap": 2, "xmpp": "malformed-request" });
    let rows: [(&str, &str, &Value, bool, bool, &str); 10] = [
        ("accepted", "accepted", &accepted, false, true, "the one outcome that logs in"),
        ("stale", "refused", &refused, false, false, "a stranger could tell an unknown assertion from a wrong proof"),
        ("revoked", "expired", &expired, false, false, "a client that was logged out would try for ever"),
        (
            "full-authentication-due",
            "expired",
            &expired,
            false,
            true,
            "the client would not know that its password is wanted",
        ),
        (
            "configuration-changed",
            "expired",
            &expired,
            false,
            false,
            "an honest client would be counted as an attacker after an upgrade",
        ),
        ("binding-mismatch", "refused", &refused, true, true, "a stranger could tell which bindings this channel has"),
        ("replayed", "refused", &refused, true, true, "whoever replays would learn that the proof was good"),
        ("bad-proof", "refused", &refused, true, true, "a stranger could tell that the assertion exists"),
        ("malformed", "malformed", &malformed, true, true, "a wrong proof would read like a bug in the client"),
        (
            "unavailable",
            "unavailable",
            &unavailable,
            false,
            true,
            "an honest client would give up its assertion because a database was down",
        ),
    ];
    for (outcome, verdict, codes, counts, keeps, note) in rows {
        let mut outputs = json!({ "verdict": verdict, "counts_as_failure": counts, "keeps_assertion": keeps });
        let (reason, signed) = match outcome {
            "accepted" => (None, true),
            "revoked" | "replayed" | "configuration-changed" => (Some(outcome), true),
            "full-authentication-due" => (Some("full-login-due"), true),
            "malformed" | "unavailable" => (Some(outcome), false),
            _ => (Some("not-recognised"), false),
        };
        outputs["reason"] = json!(reason);
        outputs["signed"] = json!(signed);
        for (protocol, code) in codes.as_object().expect("an object") {
            outputs[protocol] = code.clone();
        }
        f.case(outcome == "accepted", note, json!({ "outcome": outcome }), NOTHING, outputs);
    }
}
