//! `iky-messages.json`: what is a message of either side, and what only looks like one.

use serde_json::{Value, json};

use crate::file::{Edit, File, replace};
use crate::formulas::*;
use crate::tables::NOTHING;

const EXPR: &str = "IKY-SHA-256-EXPR";
const NONE: &str = "IKY-SHA-256-NONE";

/// The parts of a valid message.
#[derive(Clone)]
struct Parts {
    mechanism: &'static str,
    flag: &'static str,
    authzid: Option<&'static str>,
    name: &'static str,
    sealed: Option<usize>,
    counter: Option<u64>,
    lineage: bool,
    offer: bool,
    extensions: &'static [(&'static str, &'static str)],
}

impl Parts {
    fn new(mechanism: &'static str) -> Self {
        Self {
            mechanism,
            flag: flag_of(mechanism),
            authzid: Some("alice"),
            name: "imap.example.com",
            sealed: None,
            counter: (binding_of(mechanism) != "EXPR").then_some(1),
            lineage: false,
            offer: false,
            extensions: &[],
        }
    }

    fn id(&self) -> Vec<u8> {
        seeded("id of a message")[..16].to_vec()
    }

    fn sealed_text(&self) -> Option<String> {
        self.sealed.map(|len| b64(&seeded("a sealed assertion").repeat(12)[..len]))
    }

    fn offer_octets(&self) -> Vec<u8> {
        seeded("offer of a message")[..16].to_vec()
    }

    fn proof(&self) -> Vec<u8> {
        [seeded("proof of a message"), seeded("more of it")].concat()[..proof_len(self.mechanism)].to_vec()
    }

    fn text(&self) -> String {
        let authzid = self.authzid.map(|name| format!("a={}", name.replace('=', "=3D").replace(',', "=2C")));
        let mut text = format!("{},{},h={}", self.flag, authzid.unwrap_or_default(), self.name);
        text += &match self.sealed_text() {
            Some(sealed) => format!(",t={sealed}"),
            None => format!(",i={}", b64(&self.id())),
        };
        if let Some(counter) = self.counter {
            text += &format!(",n={counter}");
        }
        if self.lineage {
            text += ",l=1";
        }
        if self.offer {
            text += &format!(",f={}", b64(&self.offer_octets()));
        }
        for (name, value) in self.extensions {
            text += &format!(",{name}={value}");
        }
        text + &format!(",p={}", b64(&self.proof()))
    }

    fn add(&self, file: &mut File, note: &str) {
        let outputs = json!({
            "flag": &self.flag[..1],
            "binding": self.flag.strip_prefix("p="),
            "authzid": self.authzid,
            "server_name": self.name,
            "assertion_id": self.sealed.is_none().then(|| hex(&self.id())),
            "sealed": self.sealed_text(),
            "counter": self.counter,
            "lineage": self.lineage,
            "offer": self.offer.then(|| hex(&self.offer_octets())),
            "extensions": self.extensions.iter().map(|(name, value)| json!([name, value])).collect::<Vec<_>>(),
            "proof": hex(&self.proof()),
        });
        let inputs = json!({ "mechanism": self.mechanism, "message": self.text() });
        file.case(true, note, inputs, NOTHING, outputs);
    }
}

pub(crate) fn file() -> File {
    let source = "the draft's grammar; RFC 5801 section 4 and RFC 5802 sections 5.1 and 7 for the gs2-header, saslname and SCRAM's attributes";
    let mut file = File::new("iky-messages.json", source);
    file.group("initiator", "A message that follows the grammar, and its parts.");
    let f = &mut file;
    for mechanism in MECHANISMS {
        Parts::new(mechanism).add(f, "a plain message");
    }
    let good = Parts::new(EXPR);
    Parts { authzid: None, ..good.clone() }.add(f, "no login name");
    Parts { authzid: Some("a=b,c"), ..good.clone() }.add(f, "an escaped login name");
    Parts { authzid: Some("élise"), ..good.clone() }.add(f, "a login name in UTF-8");
    Parts { name: "", ..good.clone() }.add(f, "no server name");
    Parts { name: "_x.2001:db8::1", ..good.clone() }.add(f, "every character of a server name");
    Parts { sealed: Some(100), ..good.clone() }.add(f, "a sealed assertion");
    Parts { sealed: Some(384), ..good.clone() }.add(f, "the longest sealed assertion, 512 characters");
    Parts { counter: Some(u64::MAX), ..Parts::new(NONE) }.add(f, "the largest counter");
    Parts { flag: "y", ..Parts::new(NONE) }.add(f, "y");
    let all = Parts {
        lineage: true,
        offer: true,
        counter: Some(7),
        extensions: &[("z", "anything=at/all"), ("Q", "1"), ("b", " ")],
        ..good.clone()
    };
    all.add(f, "everything at once; a counter with EXPR is allowed");
    refused(f, &good, &all);
    responders(f);
    file
}

fn refused(f: &mut File, good: &Parts, all: &Parts) {
    f.group(
        "malformed-initiator",
        "A good message and an alteration that leaves the grammar; the server says so, unsigned.",
    );
    let text = good.text();
    let base = text.as_bytes();
    let id = b64(&good.id());
    let proof = b64(&good.proof());
    let at = |what: &str| text.find(what).expect("it is in the message");
    // Behind the id, ahead of the proof.
    let tail = text.rfind(",p=").expect("a proof");
    let cases: Vec<(usize, usize, Vec<u8>, &str)> = vec![
        (at("p=tls"), 14, b"p=".to_vec(), "a binding without a name: any binding would fit it"),
        (
            at("p=tls"),
            14,
            b"p=tls_exporter".to_vec(),
            "a binding name outside its alphabet: parsers would differ on what was bound",
        ),
        (at("p=tls"), 14, b"P=tls-exporter".to_vec(), "a flag in upper case: two spellings of one header"),
        (at("p=tls"), 14, b"x".to_vec(), "a flag that doesn't exist: unknown must not mean unbound"),
        (at("p=tls"), 15, b"".to_vec(), "no binding flag at all: the binding could be cut off"),
        (at("a=alice"), 7, b"a=".to_vec(), "an empty name is not the absence of one"),
        (at("a=alice"), 7, b"alice".to_vec(), "a name without its attribute"),
        (at("a=alice"), 7, b"a=al=69ce".to_vec(), "an escape for what needs none: two spellings of one name"),
        (at("a=alice"), 7, b"a=alice=2c".to_vec(), "an escape in lower case: two spellings of one name"),
        (at("a=alice"), 7, b"a=alice=".to_vec(), "half an escape"),
        (at("a=alice"), 7, b"a=alice,a=alice".to_vec(), "two names: which one is authorised depends on the reader"),
        (at("a=alice"), 7, b"a=al\0ice".to_vec(), "a NUL, which ends the name for some readers"),
        (at("a=alice"), 7, b"a=al\xffice".to_vec(), "not UTF-8: two systems would read two names"),
        (at("h="), 18, b"H=imap.example.com".to_vec(), "an attribute in upper case is another attribute"),
        (at("h="), 18, b"h=IMAP.example.com".to_vec(), "a server name in upper case: two spellings of one name"),
        (at("h="), 18, b"h=imap.example.com/".to_vec(), "a server name outside its alphabet"),
        (at("h="), 18, b"h=imap.ex\xc3\xa4mple.com".to_vec(), "a server name that is no A-label"),
        (at(",h="), 22, b",i=".to_vec(), "no server name: the proof would be good for any of them"),
        (at(",h="), 0, b",h=imap.example.com".to_vec(), "a server name twice: which one counts depends on the reader"),
        (at(",i="), 30, b",p=".to_vec(), "no assertion is named"),
        (
            at(",i="),
            27,
            format!(",i={}", id.trim_end_matches('=')).into_bytes(),
            "an id without padding: two spellings of one id",
        ),
        (at(",i="), 27, b",i=AAAA".to_vec(), "an id that is too short"),
        (at(",i="), 27, format!(",i={}", b64(&[7; 17])).into_bytes(), "an id that is too long"),
        (at(",i="), 27, b",i=AAAAAAAAAAAAAAAAAAAAAB==".to_vec(), "bits behind the last octet: two spellings of one id"),
        (at(",i="), 27, b",i=AAAAAAAAAAAAAAAAAAAA-_==".to_vec(), "base64url is another alphabet"),
        (at(",i="), 27, format!(",i={id}\n").into_bytes(), "a line feed: some decoders skip it"),
        (
            at(",i="),
            27,
            format!(",i={id},i={}", b64(&[1; 16])).into_bytes(),
            "two ids: which record is asked depends on the reader",
        ),
        (
            at(",i="),
            27,
            format!(",i={id},t=AAAA").into_bytes(),
            "an id and a sealed assertion: which one counts depends on the reader",
        ),
        (at(",i="), 27, b",t=".to_vec(), "an empty sealed assertion"),
        (at(",i="), 27, b",t=AAA".to_vec(), "a sealed assertion that is not base64"),
        (
            at(",i="),
            27,
            format!(",t={}", "AAAA".repeat(129)).into_bytes(),
            "a sealed assertion longer than any: work before anything is proved",
        ),
        (
            at("a=alice"),
            53,
            b",h=imap.example.com,t=AAAA".to_vec(),
            "a sealed assertion without the name that it is for",
        ),
        (tail, 0, b",n=0".to_vec(), "counters begin at 1: 0 is what a missing one reads as"),
        (tail, 0, b",n=01".to_vec(), "a leading zero: two spellings of one counter"),
        (tail, 0, b",n=+1".to_vec(), "a sign: two spellings of one counter"),
        (tail, 0, b",n=1 ".to_vec(), "a space: two spellings of one counter"),
        (tail, 0, b",n=".to_vec(), "an empty counter"),
        (tail, 0, b",n=18446744073709551616".to_vec(), "2^64: it would be read as 0, or as the largest"),
        (tail, 0, b",n=1,n=2".to_vec(), "two counters: which one is used up depends on the reader"),
        (tail, 0, b",l=0".to_vec(), "l=0: a claim that is none"),
        (tail, 0, b",l=".to_vec(), "an empty claim"),
        (tail, 0, b",l=1,l=1".to_vec(), "a claim twice"),
        (tail, 0, b",l=1,n=1".to_vec(), "out of order: one message, two spellings"),
        (tail, 0, b",f=AAAA".to_vec(), "a short hash is easier to hit"),
        (tail, 0, format!(",f={}", b64(&[7; 32])).into_bytes(), "a hash of another length than the draft's"),
        (tail, 0, format!(",f={},l=1", b64(&[7; 16])).into_bytes(), "out of order, behind the hash"),
        (tail, 0, b",m=1".to_vec(), "a mandatory extension that nobody here understands"),
        (tail, 0, b",z=1,z=2".to_vec(), "an extension twice: two readers, two values"),
        (tail, 0, b",z=".to_vec(), "an extension without a value"),
        (tail, 0, b",z".to_vec(), "an extension without anything"),
        (tail, 0, b",zz=1".to_vec(), "an attribute of two letters"),
        (tail, 0, b",1=1".to_vec(), "an attribute that is no letter"),
        (tail, 1, b",,".to_vec(), "an empty attribute"),
        (tail, 0, b",v=AAAA".to_vec(), "the responder's signature in the initiator's message: reflection"),
        (tail, 0, b",e=expired".to_vec(), "the responder's refusal in the initiator's message: reflection"),
        (tail, 0, b",z=\0".to_vec(), "a NUL, which ends the message for some readers"),
        (
            tail,
            0,
            format!(",z={}", "x".repeat(2000)).into_bytes(),
            "more than 2048 octets: work before anything is proved",
        ),
        (tail, 0, b",p=AAAA".to_vec(), "two proofs: what is covered would depend on the reader"),
        (tail + 1, 1, b"q".to_vec(), "an extension where the proof should be"),
        (tail, 3 + proof.len(), b",p=".to_vec(), "an empty proof"),
        (
            tail + 3,
            proof.len(),
            proof.trim_end_matches('=').as_bytes().to_vec(),
            "a proof without padding: two spellings of one proof",
        ),
        (tail + 3, proof.len(), b64(&[7; 16]).into_bytes(), "half a proof: a shorter MAC is easier to guess"),
        (tail + 3, proof.len(), b64(&[7; 64]).into_bytes(), "a proof that is too long: the rest is nobody's"),
        (base.len(), 0, b" ".to_vec(), "a space behind the proof"),
        (base.len(), 0, b"\r\n".to_vec(), "a line end behind the proof: the frame leaks into the message"),
        (base.len(), 0, b",z=1".to_vec(), "an extension behind the proof, which does not cover it"),
        (0, base.len(), b"".to_vec(), "an empty message"),
        (0, 0, b" ".to_vec(), "a space ahead of everything"),
        (0, 0, b"F,".to_vec(), "gs2's non-standard flag, which has no meaning here"),
    ];
    for (at, remove, insert, note) in cases {
        bad(f, good, Edit { at, remove, insert: &insert }, note);
    }
    let text = all.text();
    let edit = replace(text.as_bytes(), ",l=1", b"");
    let lineage = edit.at;
    let swapped = ",l=1,n=7";
    bad(
        f,
        all,
        Edit { at: lineage - 4, remove: 8, insert: swapped.as_bytes() },
        "counter and lineage in the wrong order",
    );
    let counter = Parts::new(NONE);
    let text = counter.text();
    bad(
        f,
        &counter,
        replace(text.as_bytes(), ",n=1,p=", b",p="),
        "NONE without a counter: the proof could be used for ever",
    );
    let endp = Parts::new("IKY-SHA-256-ENDP");
    let text = endp.text();
    bad(
        f,
        &endp,
        replace(text.as_bytes(), ",n=1,p=", b",p="),
        "ENDP without a counter: the proof could be used for ever",
    );
    let signs = Parts::new("IKY-ED25519-EXPR");
    let text = signs.text();
    let tail = text.rfind(",p=").expect("a proof") + 3;
    let half = b64(&signs.proof()[..32]);
    let edit = Edit { at: tail, remove: text.len() - tail, insert: half.as_bytes() };
    bad(f, &signs, edit, "half an Ed25519 signature");
}

fn bad(f: &mut File, parts: &Parts, edit: Edit<'_>, note: &str) {
    let base = parts.text();
    let edited = edit.apply(base.as_bytes());
    let inputs = json!({ "mechanism": parts.mechanism, "message": base, "edit": edit.json(base.as_bytes()) });
    let outputs = json!({ "outcome": "malformed", "responder": "e=malformed" });
    f.case(false, note, inputs, json!({ "received": hex(&edited) }), outputs);
}

/// The parts of a responder message of success.
#[derive(Clone)]
struct Answer {
    mechanism: &'static str,
    seconds: Option<u64>,
    renewal: Option<&'static str>,
    sealed: Option<usize>,
    extensions: &'static [(&'static str, &'static str)],
}

fn granted() -> Vec<u8> {
    seeded("granted octets of a message")
}

fn signature(mechanism: &str) -> Vec<u8> {
    [seeded("signature of a message"), seeded("more of it")].concat()[..hash_len(mechanism)].to_vec()
}

impl Answer {
    fn new(mechanism: &'static str) -> Self {
        Self { mechanism, seconds: None, renewal: None, sealed: None, extensions: &[] }
    }

    fn sealed_text(&self) -> Option<String> {
        self.sealed.map(|len| b64(&seeded("a sealed successor").repeat(12)[..len]))
    }

    fn text(&self) -> String {
        let mut text = self.seconds.map(|seconds| format!("x={seconds},")).unwrap_or_default();
        match self.renewal {
            Some("granted") => text += &format!("r={},", b64(&granted())),
            Some(_) => text += "r=1,",
            None => {}
        }
        if let Some(sealed) = self.sealed_text() {
            text += &format!("t={sealed},");
        }
        for (name, value) in self.extensions {
            text += &format!("{name}={value},");
        }
        text + &format!("v={}", b64(&signature(self.mechanism)))
    }

    fn add(&self, file: &mut File, note: &str) {
        let renewal =
            self.renewal.map(|renewal| if renewal == "granted" { hex(&granted()) } else { renewal.to_owned() });
        let outputs = json!({
            "seconds": self.seconds,
            "renewal": renewal,
            "sealed": self.sealed_text(),
            "extensions": self.extensions.iter().map(|(name, value)| json!([name, value])).collect::<Vec<_>>(),
            "reason": Value::Null,
            "signature": hex(&signature(self.mechanism)),
        });
        let inputs = json!({ "mechanism": self.mechanism, "message": self.text() });
        file.case(true, note, inputs, NOTHING, outputs);
    }
}

const RESPONDERS: [&str; 4] = ["IKY-SHA-256-EXPR", "IKY-SHA-384-EXPR", "IKY-SHA-512-NONE", "IKY-ED25519-EXPR"];

fn responders(f: &mut File) {
    f.group("responder-message", "A responder message that follows the grammar, and its parts.");
    for mechanism in RESPONDERS {
        Answer::new(mechanism).add(f, "nothing but the signature");
    }
    let good = Answer { seconds: Some(2_592_000), ..Answer::new(EXPR) };
    let exporter = Answer { renewal: Some("1"), ..good.clone() };
    let granted = Answer { renewal: Some("granted"), ..good.clone() };
    good.add(f, "seconds");
    Answer { seconds: Some(0), ..good.clone() }.add(f, "the last second");
    Answer { seconds: Some(u64::MAX), ..good.clone() }.add(f, "the largest number of seconds");
    exporter.add(f, "a renewal through the exporter");
    granted.add(f, "a renewal with granted octets");
    let sealed = Answer { sealed: Some(136), ..exporter.clone() };
    sealed.add(f, "a sealed successor behind r=1");
    Answer { sealed: Some(140), ..granted.clone() }.add(f, "a sealed successor behind granted octets");
    Answer { seconds: None, ..sealed.clone() }.add(f, "a sealed successor, and nothing said of its end");
    Answer { sealed: Some(384), ..exporter.clone() }.add(f, "the longest sealed successor, 512 characters");
    for len in [1, 2, 3] {
        Answer { sealed: Some(len), ..exporter.clone() }
            .add(f, "the shortest, for the grammar; nothing can be sealed in it");
    }
    for mechanism in RESPONDERS {
        Answer { mechanism, ..sealed.clone() }.add(f, "a sealed successor with each length of signature");
    }
    let all = Answer { extensions: &[("T", "AAAA"), ("z", "t=AAAA"), ("b", " ")], ..sealed.clone() };
    all.add(f, "extensions behind it, one of which is a capital T");
    for mechanism in RESPONDERS {
        for signed in [false, true] {
            let signature = signed.then(|| signature(mechanism));
            let reason = if signed { "full-login-due" } else { "not-recognised" };
            let tail = signature.as_ref().map(|octets| format!(",v={}", b64(octets))).unwrap_or_default();
            let outputs = json!({
                "seconds": Value::Null, "renewal": Value::Null, "sealed": Value::Null, "extensions": [],
                "reason": reason, "signature": signature.map(|octets| hex(&octets)),
            });
            let inputs = json!({ "mechanism": mechanism, "message": format!("e={reason}{tail}") });
            f.case(true, if signed { "a signed failure" } else { "a failure" }, inputs, NOTHING, outputs);
        }
    }
    bad_answers(f, &sealed, &granted);
}

fn bad_answers(f: &mut File, good: &Answer, granted: &Answer) {
    f.group("malformed-responder", "A good message and an alteration that leaves the grammar; the client closes.");
    let text = good.text();
    let base = text.as_bytes();
    let sealed = good.sealed_text().expect("a sealed one");
    let at = |what: &str| text.find(what).expect("it is in the message");
    let (r, t, v) = (at("r=1,"), at("t="), text.rfind(",v=").expect("a signature") + 1);
    let signature = b64(&signature(EXPR));
    let whole = t + 2 + sealed.len() + 1;
    let cases: Vec<(usize, usize, Vec<u8>, &str)> = vec![
        (r, 6, b"t=".to_vec(), "t= without r=: a record of a successor that there is no key for"),
        (r, whole - r, format!("t={sealed},r=1,").into_bytes(), "t= ahead of r=: one message, two spellings"),
        (0, whole, format!("t={sealed},x=2592000,r=1,").into_bytes(), "t= ahead of everything"),
        (
            whole,
            0,
            format!("t={},", b64(&[7; 136])).into_bytes(),
            "two sealed successors: which one is kept depends on the reader",
        ),
        (t, sealed.len() + 2, b"t=".to_vec(), "an empty sealed successor"),
        (t, sealed.len() + 2, b"t".to_vec(), "t without anything"),
        (t, 1, b"tt".to_vec(), "an attribute of two letters"),
        (t + 2, sealed.len(), b"AAAAA".to_vec(), "not base64: a character too many"),
        (t + 2, sealed.len(), b"AAA".to_vec(), "no padding: two spellings of one value"),
        (t + 2, sealed.len(), b"AB==".to_vec(), "bits behind the last octet: two spellings of one value"),
        (t + 2, sealed.len(), b"AAB=".to_vec(), "the same with two octets"),
        (t + 2, sealed.len(), b"A===".to_vec(), "padding for no octet"),
        (t, sealed.len() + 2, b"t=====".to_vec(), "padding alone"),
        (t + 2, sealed.len(), b"AA==AAAA".to_vec(), "octets behind the padding"),
        (t + 2, sealed.len(), b"AA-_".to_vec(), "base64url is another alphabet"),
        (t + 2, sealed.len(), b"AAAA\n".to_vec(), "a line feed: some decoders skip it"),
        (t + 2, sealed.len(), b"AAAA ".to_vec(), "a space: some decoders skip it"),
        (t + 2, sealed.len(), b64(&[7; 385]).into_bytes(), "385 octets: more than the client has room for"),
        (t + 2, sealed.len(), "AAAA".repeat(129).into_bytes(), "516 characters: more than the client has room for"),
        (t + 2, sealed.len(), "AAAA".repeat(400).into_bytes(), "a thousand octets and more"),
        (whole, 0, b"z=1,t=AAAA,".to_vec(), "t= behind an extension: one message, two spellings"),
        (t, 0, b"z=1,".to_vec(), "an extension between r= and t=: one message, two spellings"),
        (base.len(), 0, format!(",t={sealed}").into_bytes(), "t= behind the signature, which does not cover it"),
        (v, 2 + signature.len(), format!("t={sealed}").into_bytes(), "t= in place of the signature"),
        (r, 4, b"r=,".to_vec(), "an empty renewal"),
        (r, 4, b"r=2,".to_vec(), "a renewal from nowhere"),
        (r, 4, b"r=1,r=1,".to_vec(), "two renewals: which one counts depends on the reader"),
        (r, 4, format!("r={},", b64(&[7; 16])).into_bytes(), "16 granted octets: half of what there is to guess"),
        (r, 4, format!("r={},", b64(&[7; 48])).into_bytes(), "48 granted octets"),
        (0, 0, b"r=1,".to_vec(), "r= ahead of x=: one message, two spellings"),
        (0, r, b"x=,".to_vec(), "no number of seconds"),
        (0, r, b"x=01,".to_vec(), "a leading zero: a second spelling of one number"),
        (0, r, b"x=-1,".to_vec(), "a negative lifetime would be read as a very long one"),
        (0, r, b"x=18446744073709551616,".to_vec(), "2^64: it would be read as 0, or as the largest"),
        (0, r, b"x=1,x=1,".to_vec(), "two lifetimes: which one counts depends on the reader"),
        (whole, 0, b"m=1,".to_vec(), "a mandatory extension that nobody here understands"),
        (whole, 0, b"z=1,z=2,".to_vec(), "an extension twice: two readers, two values"),
        (whole, 0, b"z=,".to_vec(), "an extension without a value"),
        (whole - 1, 1, b",,".to_vec(), "an empty attribute"),
        (whole, 0, b"i=AAAA,".to_vec(), "the initiator's id in the responder's message: reflection"),
        (whole, 0, b"p=AAAA,".to_vec(), "the initiator's proof in the responder's message: reflection"),
        (whole, 0, b"z=\0,".to_vec(), "a NUL, which ends the message for some readers"),
        (whole, 0, b"z=\xff,".to_vec(), "not UTF-8: two systems would read two texts"),
        (whole, 0, format!("z={},", "x".repeat(2000)).into_bytes(), "more than 2048 octets"),
        (v, 2, b"V=".to_vec(), "an extension where the signature should be"),
        (v, 2 + signature.len(), b"".to_vec(), "no signature: anybody could have sent it"),
        (v, 2 + signature.len(), b"v=".to_vec(), "an empty signature"),
        (v + 2, signature.len(), b64(&[7; 16]).into_bytes(), "half a signature: a shorter MAC is easier to guess"),
        (v + 2, signature.len(), b64(&[7; 64]).into_bytes(), "the signature of another mechanism"),
        (base.len(), 0, b"\r\n".to_vec(), "a line end behind the signature: the frame leaks into the message"),
        (0, 0, b"e=revoked,".to_vec(), "success and failure in one message"),
        (0, base.len(), b"e=".to_vec(), "a failure without a reason"),
        (0, base.len(), format!("e=revoked,t={sealed},v={signature}").into_bytes(), "a sealed successor in a failure"),
        (0, base.len(), format!("e=revoked,z=1,v={signature}").into_bytes(), "an extension in a failure"),
        (0, base.len(), format!("e=revoked,v={}", b64(&[7; 16])).into_bytes(), "a failure with half a signature"),
    ];
    for (at, remove, insert, note) in cases {
        bad_answer(f, good, &Edit { at, remove, insert: &insert }, note);
    }
    let text = granted.text();
    let value = b64(&self::granted());
    let edit = replace(text.as_bytes(), &value, value.trim_end_matches('=').as_bytes());
    bad_answer(f, granted, &edit, "granted octets without padding: two spellings of one value");
}

fn bad_answer(f: &mut File, answer: &Answer, edit: &Edit<'_>, note: &str) {
    let base = answer.text();
    let edited = edit.apply(base.as_bytes());
    let inputs = json!({ "mechanism": answer.mechanism, "message": base, "edit": edit.json(base.as_bytes()) });
    f.case(false, note, inputs, json!({ "received": hex(&edited) }), json!({ "client": "malformed" }));
}
