//! `iky.json`: key schedule, exchanges that succeed, and what a client makes of answers.

use serde_json::{Value, json};

use crate::file::{Edit, File, replace};
use crate::formulas::*;
use crate::scene::{DAY, LOGIN, Scene};
use crate::scene_json::{assertion_json, keys_json};

pub(crate) fn file() -> File {
    let source = "the draft's formulas over ring's hash functions, HMAC and Ed25519 (examples/vectors/formulas.rs), not the library's; \
                  all secrets are SHA-256 of labels";
    let mut file = File::new("iky.json", source);
    derive(&mut file);
    agree(&mut file);
    exchange(&mut file);
    responder(&mut file);
    file
}

type Change = fn(&mut Assertion);

fn derive(file: &mut File) {
    let add = |file: &mut File, assertion: Assertion, note: &str| {
        let keys = assertion.keys();
        let outputs = json!({
            "id": hex(&keys.id),
            "client_key": hex(&keys.client),
            "stored_key": hex(&keys.stored),
            "server_key": hex(&keys.server),
        });
        file.case(true, note, assertion_json(&assertion), keys_json(&assertion, false), outputs);
    };
    file.group("derive", "A derived assertion: seed is what the exporter gave for EXPORTER-SASL-IKY and the context.");
    for mechanism in MECHANISMS {
        add(file, Assertion::new(mechanism), "a bound login");
    }
    let variants: [(Change, &str); 9] = [
        (|a| (a.full_mechanism, a.full_binding) = ("PLAIN".into(), String::new()), "a disclosed login"),
        (|a| a.full_binding = "tls-server-end-point".into(), "a login bound to the certificate"),
        (
            |a| {
                (a.full_mechanism, a.full_binding, a.session_key) =
                    ("SCRAM-SHA-256".into(), String::new(), seeded("SCRAM session key"))
            },
            "a keyed login",
        ),
        (|a| a.login_name = String::new(), "no login name"),
        (|a| a.login_name = "élise=a,b@example.com".into(), "a login name in UTF-8, with what the message escapes"),
        (|a| a.server_name = String::new(), "no SNI"),
        (|a| a.ordinal = 2, "the second login of a connection"),
        (|a| a.ordinal = 258, "an ordinal with two octets in it"),
        (|a| (a.service, a.server_name) = ("smtp".into(), "smtp.example.com".into()), "a sibling service"),
    ];
    for (change, note) in variants {
        let mut assertion = Assertion::new("IKY-SHA-256-EXPR");
        change(&mut assertion);
        add(file, assertion, note);
    }
    file.group("grant", "A granted assertion: seed is 32 random octets of the server's, and no exporter is asked.");
    for mechanism in ["IKY-SHA-256-NONE", "IKY-SHA-384-ENDP", "IKY-ED25519-EXPR"] {
        let seed = seeded(&format!("granted {mechanism}"));
        add(file, Assertion { seed, ..Assertion::new(mechanism) }, "granted after a bound login");
    }
}

/// Two ends that saw different logins.
fn agree(file: &mut File) {
    file.group("agree", "What each end derives from what it saw; valid where both have the same assertion.");
    let add = |file: &mut File, client: &Assertion, server: &Assertion, note: &str| {
        let (c, s) = (client.keys(), server.keys());
        let side = |assertion: &Assertion| keys_json(assertion, false);
        let outputs = json!({ "client_id": hex(&c.id), "server_id": hex(&s.id) });
        let inputs = json!({ "client": assertion_json(client), "server": assertion_json(server) });
        file.case(c.id == s.id, note, inputs, json!({ "client": side(client), "server": side(server) }), outputs);
    };
    let same = Assertion::new("IKY-SHA-256-EXPR");
    add(file, &same, &same, "both saw the same");
    let changes: [(Change, &str); 14] = [
        (
            |a| a.mechanism = "IKY-SHA-256-NONE".into(),
            "the weaker mechanism's record would take the stronger one's proofs: no pin",
        ),
        (
            |a| a.mechanism = "IKY-ED25519-EXPR".into(),
            "a key for HMAC and one for signatures would come from one derivation",
        ),
        (|a| a.service = "smtp".into(), "a proof for one service would log in at another"),
        (|a| a.server_name = "other.example.com".into(), "a proof for one tenant would log in at another"),
        (|a| a.server_name = String::new(), "a server that saw no SNI would take the client of any tenant"),
        (|a| a.full_mechanism = "SCRAM-SHA-512-PLUS".into(), "a downgrade of the full login would go unnoticed"),
        (
            |a| a.full_binding = "tls-server-end-point".into(),
            "client and server would disagree on what bound the login",
        ),
        (|a| a.full_binding = String::new(), "a stripped binding would still make an assertion"),
        (|a| a.login_name = "alice2".into(), "one user's login would become another's assertion"),
        (|a| a.login_name = "Alice".into(), "names would be canonicalised at one end only"),
        (|a| a.ordinal = 2, "the second user of a connection would get the first one's keys"),
        (|a| a.session_key = seeded("SCRAM session key"), "a keyed origin would be taken for one without the key"),
        (|a| a.seed = seeded("another connection"), "the seed of a man in the middle's connection would do"),
        (
            |a| (a.service, a.server_name) = ("imapi".into(), "map.example.com".into()),
            "without lengths the end of one field could be the beginning of the next",
        ),
    ];
    for (change, note) in changes {
        let mut server = same.clone();
        change(&mut server);
        add(file, &same, &server, note);
    }
}

fn add(file: &mut File, scene: &Scene, note: &str) {
    let valid = scene.outcome().0 == "accepted";
    assert!(valid, "{note}: {:?}", scene.refusals());
    file.case(valid, note, scene.inputs(), scene.intermediates(), scene.outputs());
}

fn exchange(file: &mut File) {
    file.group("exchange", "A whole exchange that succeeds, at both ends.");
    for mechanism in MECHANISMS {
        for resumed in [false, true] {
            let scene = Scene::new(mechanism, resumed);
            let how = if resumed { "resumed, with lineage" } else { "a full handshake" };
            add(file, &scene, &format!("{mechanism}: {how}"));
        }
    }
    for mechanism in ["IKY-SHA-256-EXPR", "IKY-SHA-384-EXPR", "IKY-SHA-512-EXPR", "IKY-ED25519-EXPR"] {
        let scene = Scene::new(mechanism, true).with(|s| {
            s.client.offer = Some(s.offer());
            s.now = LOGIN + 29 * DAY;
            s.lin().expires = LOGIN + 30 * DAY;
            s.channel.renew = Some(seeded("EXPORTER-SASL-IKY-Renew"));
        });
        add(file, &scene, &format!("{mechanism}: renewed through the exporter, with the hash of the offer"));
    }
    for mechanism in ["IKY-SHA-256-NONE", "IKY-SHA-512-ENDP"] {
        let scene = Scene::new(mechanism, false).with(|s| {
            s.now = LOGIN + 29 * DAY;
            s.server.grant = Some(seeded("granted renewal"));
        });
        add(file, &scene, &format!("{mechanism}: renewed with granted octets"));
    }
    let mut name = Assertion::new("IKY-SHA-256-EXPR");
    name.login_name = "a=b,c@example.com".into();
    add(file, &Scene::of(name, false), "a login name that is escaped");
    let mut none = Assertion::new("IKY-SHA-256-EXPR");
    (none.login_name, none.server_name) = (String::new(), String::new());
    add(file, &Scene::of(none, true), "neither login name nor SNI");
    let mut keyed = Assertion::new("IKY-SHA-384-EXPR");
    keyed.full_mechanism = "SCRAM-SHA-256".into();
    (keyed.full_binding, keyed.session_key) = (String::new(), seeded("SCRAM session key"));
    add(file, &Scene::of(keyed, false), "a keyed origin");
    let tls12 = Scene::new("IKY-SHA-256-EXPR", false).with(|s| s.channel.tls12 = Some((true, true)));
    add(file, &tls12, "TLS 1.2 with extended master secret and sessions kept by the server");
    let first = Scene::new("IKY-SHA-256-EXPR", false).with(|s| s.rec().unused_until = Some(LOGIN + 7 * DAY));
    add(file, &first, "the first use: the record stops being tentative");
    let hidden = Scene::new("IKY-SHA-256-EXPR", false).with(|s| s.channel.sni = None);
    add(file, &hidden, "a server that can't see the SNI assumes its own name");
}

fn responder(file: &mut File) {
    file.group(
        "responder",
        "What a client makes of an answer, edited or not, and of what the protocol said of the login.",
    );
    let base = |renew: bool| {
        Scene::new("IKY-SHA-256-EXPR", false).with(|s| {
            if renew {
                s.now = LOGIN + 29 * DAY;
                s.channel.renew = Some(seeded("EXPORTER-SASL-IKY-Renew"));
            }
        })
    };
    let plain = base(false);
    let answer = |scene: &Scene| scene.outputs()["responder"].as_str().expect("an answer").to_owned();
    let signed = |scene: &Scene, covered: &str| {
        let digest = hash(hash_of(&scene.client.mechanism), &scene.client_transcript());
        let signature = scene.assertion.keys().sign(&scene.client.mechanism, &digest, &scene.proof(), covered);
        format!("{covered}v={}", b64(&signature))
    };
    let good = answer(&plain);
    let says = |file: &mut File,
                scene: &Scene,
                honest: &str,
                edit: Option<Edit<'_>>,
                accepts: bool,
                client: &str,
                note: &str| {
        respond(file, scene, honest, edit, accepts, client, note);
    };
    let none = || None;
    says(file, &plain, &good, none(), true, "logged-in", "the answer of a server that is the server");
    for mechanism in ["IKY-SHA-384-ENDP", "IKY-SHA-512-NONE", "IKY-ED25519-EXPR"] {
        let scene = Scene::new(mechanism, false);
        says(file, &scene, &answer(&scene), none(), true, "logged-in", "the same with another mechanism");
    }
    let renews = base(true);
    says(file, &renews, &answer(&renews), none(), true, "logged-in", "a renewal through the exporter");
    let granted = format!("x=2592000,r={},", b64(&seeded("granted renewal")));
    says(file, &plain, &signed(&plain, &granted), none(), true, "logged-in", "a renewal with granted octets");
    says(file, &plain, &signed(&plain, ""), none(), true, "logged-in", "nothing but the signature");
    says(
        file,
        &plain,
        &signed(&plain, "x=60,q=later,z=1,"),
        none(),
        true,
        "logged-in",
        "extensions are covered and ignored",
    );

    for (reason, outcome, note) in [
        ("expired", "expired", "a login that the server refused would count"),
        ("revoked", "revoked", "a client that was logged out would go on as if it were not"),
        ("full-login-due", "full-login-due", "the client would go on although its password is wanted"),
        (
            "configuration-changed",
            "configuration-changed",
            "the client would keep what belongs to another configuration",
        ),
        ("replayed", "replayed", "a replay would count as a login"),
        ("something-new", "expired", "a reason of a later version would be taken for success"),
    ] {
        let text = signed(&plain, &format!("e={reason},"));
        says(file, &plain, &text, none(), false, &format!("signed-refusal {outcome}"), note);
    }
    for (text, outcome) in [
        ("e=not-recognised", "not-recognised"),
        ("e=unavailable", "unavailable"),
        ("e=revoked", "revoked"),
        ("e=malformed", "malformed"),
    ] {
        let note = "anybody can say this: were it believed, an attacker could delete the client's assertion";
        says(file, &plain, text, none(), false, &format!("unsigned-refusal {outcome}"), note);
    }

    let len = good.len();
    let cut = |at: usize, remove: usize| Some(Edit { at, remove, insert: b"" });
    let put = |at: usize, insert: &'static [u8]| Some(Edit { at, remove: 0, insert });
    let mut no = |edit: Option<Edit<'_>>, client: &str, note: &str| {
        respond(file, &plain, &good, edit, true, client, note);
    };
    no(cut(0, len), "missing", "without an answer the server is not authenticated: whoever ends TLS can say OK (A8)");
    no(cut(len - 1, 1), "malformed", "base64 without its padding: a second spelling of one signature");
    no(put(len, b" "), "malformed", "trailing octets: nobody signed them");
    no(put(len, b",z=1"), "malformed", "an attribute behind the signature: nobody signed it");
    no(put(0, b"z=1,"), "malformed", "an extension ahead of x=, whose order is fixed");
    no(put(2, b"0"), "malformed", "a leading zero: a second spelling of one number");
    no(put(2, b"-"), "malformed", "a negative lifetime would be read as a very long one");
    no(
        put(0, b"e=ok,"),
        "malformed",
        "success and failure in one message: which one counts would depend on the reader",
    );
    no(put(good.find("v=").unwrap_or(0), b"m=1,"), "malformed", "a mandatory extension that is not understood");
    no(put(good.find("v=").unwrap_or(0), b"r=2,"), "malformed", "a renewal from nowhere");
    no(put(good.find("v=").unwrap_or(0), b"z=1,z=1,"), "malformed", "an extension twice: two readers, two values");
    no(
        put(good.find("v=").unwrap_or(0), b"r=1,"),
        "wrong-signature",
        "a renewal that the server did not announce: a relay makes itself a lasting key (A7)",
    );
    no(put(2, b"9"), "wrong-signature", "a longer lifetime than the server gave");
    no(cut(0, good.find("v=").unwrap_or(0)), "wrong-signature", "the lifetime was cut off");
    let at = good.find("v=").unwrap_or(0) + 4;
    let other: &'static [u8] = if good.as_bytes()[at] == b'A' { b"B" } else { b"A" };
    no(
        Some(Edit { at, remove: 1, insert: other }),
        "wrong-signature",
        "one bit of the signature: whoever ends TLS could sign anything",
    );
    let truncated = b64(&unhex(&"00".repeat(16)));
    let edit = Edit { at: good.find("v=").unwrap_or(0) + 2, remove: 44, insert: truncated.as_bytes() };
    no(Some(edit), "malformed", "half a signature: a shorter MAC is easier to guess");
    let reflected = b64(&plain.proof());
    let edit = Edit { at: good.find("v=").unwrap_or(0) + 2, remove: 44, insert: reflected.as_bytes() };
    no(Some(edit), "wrong-signature", "reflection: the client's own proof is no signature");
    let elsewhere = Scene::new("IKY-SHA-256-EXPR", false).with(|s| s.client.binding = seeded("another connection"));
    let foreign = signed(&elsewhere, "x=2505600,");
    let edit = Edit { at: 0, remove: len, insert: foreign.as_bytes() };
    no(Some(edit), "wrong-signature", "the answer of another connection: a man in the middle relays it");
    let digest = hash("SHA-256", &plain.client_transcript());
    let zero = plain.assertion.keys().sign("IKY-SHA-256-EXPR", &digest, &[0; 32], "x=2505600,");
    let zero = b64(&zero);
    let edit = Edit { at: good.find("v=").unwrap_or(0) + 2, remove: 44, insert: zero.as_bytes() };
    no(
        Some(edit),
        "wrong-signature",
        "a signature over another proof: the answer would fit any attempt on this connection",
    );

    respond(
        file,
        &plain,
        &good,
        None,
        false,
        "contradiction",
        "the proof of success, and the protocol says no: somebody altered one of the two",
    );
    let refusal = signed(&plain, "e=revoked,");
    respond(
        file,
        &plain,
        &refusal,
        None,
        true,
        "contradiction",
        "a signed refusal, and the protocol says yes: somebody altered one of the two",
    );
    respond(
        file,
        &plain,
        "e=not-recognised",
        None,
        true,
        "contradiction",
        "a refusal, and the protocol says yes: the client would go on without a server",
    );
    let edit = replace(refusal.as_bytes(), "revoked", b"expired");
    respond(file, &plain, &refusal, Some(edit), false, "wrong-signature", "a signature for another reason");
    let edit = Edit { at: 2, remove: 7, insert: b"" };
    respond(file, &plain, &refusal, Some(edit), false, "malformed", "a refusal without a reason");
    let edit = replace(refusal.as_bytes(), "revoked", b"re voked");
    respond(
        file,
        &plain,
        &refusal,
        Some(edit),
        false,
        "malformed",
        "a reason with a space: a log could be forged with it",
    );
    let everything = Edit { at: 0, remove: refusal.len(), insert: b"" };
    respond(
        file,
        &plain,
        &refusal,
        Some(everything),
        false,
        "unsigned-refusal not-recognised",
        "no answer and a refusal: nobody signed it, so nothing is deleted for it",
    );
}

fn respond(
    file: &mut File,
    scene: &Scene,
    honest: &str,
    edit: Option<Edit<'_>>,
    accepts: bool,
    client: &str,
    note: &str,
) {
    let mechanism = &scene.client.mechanism;
    let valid = client == "logged-in";
    let mut inputs = json!({
        "assertion": assertion_json(&scene.assertion),
        "client": scene.inputs()["client"],
        "answer": honest,
        "protocol_accepts": accepts,
    });
    let mut between = keys_json(&scene.assertion, true);
    let digest = hash(hash_of(mechanism), &scene.client_transcript());
    between["transcript_hash"] = json!(hex(&digest));
    between["message"] = json!(scene.message());
    between["contradicts"] = json!(honest.starts_with("e=") == accepts);
    // The signature that would be right over what the unedited answer covers; null for an unsigned one.
    let covered = honest.rsplit_once("v=").map(|(covered, _)| covered);
    let right = covered.map(|covered| scene.assertion.keys().sign(mechanism, &digest, &scene.proof(), covered));
    between["right_signature"] = json!(right.map(|right| hex(&right)));
    if let Some(edit) = &edit {
        inputs["edit"] = edit.json(honest.as_bytes());
        between["received"] = json!(String::from_utf8(edit.apply(honest.as_bytes())).expect("text"));
    }
    // A signed refusal ends the assertion, but for a replay and for a full login that is due; nothing else does.
    let stays = client.ends_with("replayed") || client.ends_with("full-login-due");
    let ends = client.starts_with("signed-refusal") && !stays;
    let mut outputs = json!({ "client": client, "keeps_assertion": !ends });
    if valid {
        let number = honest.strip_prefix("x=").and_then(|rest| rest.split(',').next());
        let seconds = number.map(|digits| digits.parse::<u64>().expect("a number"));
        if seconds.is_some() {
            inputs["now"] = json!(scene.now);
        }
        outputs["expires"] = json!(seconds.map(|seconds| scene.now + seconds));
        let renewal = honest.split(',').find_map(|part| part.strip_prefix("r="));
        if let Some(renewal) = renewal {
            let granted = seeded("granted renewal");
            let x = match renewal {
                "1" => scene.channel.renew.clone().expect("an exporter"),
                _ => granted,
            };
            if renewal == "1" {
                inputs["renew"] = json!(hex(&x));
            }
            let renewed = Renewed::of(mechanism, &scene.assertion.keys().server, &digest, &x);
            between["renewal"] =
                json!({ "salt": hex(&renewed.salt), "seed": hex(&renewed.seed), "prk": hex(&renewed.keys.prk) });
            outputs["successor"] = keys_out(&renewed.keys);
        }
    }
    file.case(valid, note, inputs, between, outputs);
}

fn keys_out(keys: &Keys) -> Value {
    json!({
        "id": hex(&keys.id),
        "client_key": hex(&keys.client),
        "stored_key": hex(&keys.stored),
        "server_key": hex(&keys.server),
    })
}
