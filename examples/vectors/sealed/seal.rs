//! From a record to the box.

use super::*;

/// What a record was sealed with.
#[derive(Clone)]
pub(super) struct Sealed {
    pub(super) key: (u32, Vec<u8>),
    pub(super) secret: Vec<u8>,
    pub(super) salt: Vec<u8>,
    pub(super) record: Record,
    /// Where it was sealed for another: mechanism, service, server name, login name.
    pub(super) mechanism: Option<&'static str>,
    /// An alteration of the octets: where, how many go, and what comes.
    pub(super) edit: Option<(usize, usize, Vec<u8>)>,
}

/// The steps from a record to the box, as JSON too.
pub(super) struct Steps {
    pub(super) prk: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) ad: Vec<u8>,
    pub(super) plain: Vec<u8>,
    pub(super) octets: Vec<u8>,
}

impl Steps {
    pub(super) fn new(service_key: &[u8], secret: &[u8], header: &[u8], names: [&str; 4]) -> Self {
        let prk = mac("SHA-256", &header[5..], &lp(&[service_key, secret]));
        let key = expand("SHA-256", &prk, LABEL, 32);
        let names = names.map(str::as_bytes);
        let ad = lp(&[&[LABEL, header], &names[..]].concat());
        Self { prk, key, ad, plain: Vec::new(), octets: Vec::new() }
    }

    pub(super) fn json(&self) -> Value {
        json!({ "prk": hex(&self.prk), "key": hex(&self.key), "ad": hex(&self.ad), "plain": hex(&self.plain) })
    }
}

pub(super) fn header(id: u32, salt: &[u8]) -> Vec<u8> {
    [&[1], &id.to_be_bytes()[..], salt].concat()
}

/// Whether it has room for the account, or needs none.
pub(super) fn fits(login_name: &str, record: &Record) -> bool {
    record.identity == login_name || record.identity.len() <= MOST
}

pub(super) fn plain(keys: &Keys, origin: &str, login_name: &str, record: &Record) -> Vec<u8> {
    let account = if record.identity == login_name { "" } else { &record.identity };
    let (full_login, expires) = (record.full_login.to_be_bytes(), record.expires.to_be_bytes());
    [
        &keys.stored[..],
        &keys.server,
        &keys.id,
        &unhex(&record.device),
        &origin.as_bytes()[..1],
        &full_login[3..],
        &expires[3..],
        account.as_bytes(),
    ]
    .concat()
}

pub(super) fn seal(key: &(u32, Vec<u8>), secret: &[u8], salt: &[u8], names: [&str; 4], plain: Vec<u8>) -> Steps {
    let header = header(key.0, salt);
    let mut steps = Steps::new(&key.1, secret, &header, names);
    steps.octets = [&header[..], &gcm(&steps.key, [0; 12], &steps.ad, &plain)].concat();
    steps.plain = plain;
    steps
}

pub(super) fn service_key(id: u32) -> (u32, Vec<u8>) {
    (id, seeded(&format!("service key {id}")))
}

pub(super) fn account_secret() -> Vec<u8> {
    seeded("account secret")[..16].to_vec()
}

impl Sealed {
    pub(super) fn of(record: Record) -> Self {
        let salt = seeded("salt of a sealed assertion")[..16].to_vec();
        Self { key: service_key(1), secret: account_secret(), salt, record, mechanism: None, edit: None }
    }

    pub(super) fn steps(&self, scene: &Scene) -> Steps {
        let a = &scene.assertion;
        let names = [self.mechanism.unwrap_or(&a.mechanism), &a.service, &a.server_name, &a.login_name];
        let plain = plain(&scene.keys(), scene.origin(), &a.login_name, &self.record);
        seal(&self.key, &self.secret, &self.salt, names, plain)
    }

    pub(super) fn json(&self) -> Value {
        let record = &self.record;
        let mut out = json!({
            "service_key": { "id": self.key.0, "key": hex(&self.key.1) },
            "account_secret": hex(&self.secret),
            "salt": hex(&self.salt),
            "identity": record.identity,
            "device": record.device,
            "full_login": record.full_login,
            "expires": record.expires,
        });
        if let Some(mechanism) = self.mechanism {
            out["mechanism"] = json!(mechanism);
        }
        out
    }

    pub(super) fn sent(&self, octets: &[u8]) -> Vec<u8> {
        match &self.edit {
            Some((at, remove, insert)) => Edit { at: *at, remove: *remove, insert }.apply(octets),
            None => octets.to_vec(),
        }
    }
}

pub(super) fn seals(f: &mut File) {
    f.group("seal", "A record and the octets that it is sealed in; or why there are none.");
    let add = |f: &mut File, assertion: Assertion, change: &dyn Fn(&mut Sealed), note: &str| {
        let scene = Scene::of(assertion, false);
        let mut sealed = Sealed::of(scene.record.clone().expect("a record"));
        change(&mut sealed);
        let steps = sealed.steps(&scene);
        let mut refusals: Vec<Value> = Vec::new();
        if scene.counts() {
            refusals.push(json!(["seal-mechanism", scene.assertion.mechanism]));
        }
        if scene.assertion.login_name.is_empty() {
            refusals.push(json!(["seal-no-login-name"]));
        }
        if !fits(&scene.assertion.login_name, &sealed.record) {
            refusals.push(json!(["seal-too-long", sealed.record.identity.len()]));
        }
        let mut between = keys_json(&scene.assertion, true);
        between["box"] = steps.json();
        between["octets"] = json!(hex(&steps.octets));
        between["refusals"] = json!(refusals);
        let text = refusals.is_empty().then(|| b64(&steps.octets));
        let inputs = json!({ "assertion": assertion_json(&scene.assertion), "box": sealed.json() });
        f.case(text.is_some(), note, inputs, between, json!({ "sealed": text }));
    };
    let same = |_: &mut Sealed| {};
    for mechanism in PINS {
        add(f, Assertion::new(mechanism), &same, "the account is the login name, and left out");
        let other = |s: &mut Sealed| s.record.identity = "alice@example.com".into();
        add(f, Assertion::new(mechanism), &other, "the server's name for the account is another");
    }
    let utf8 = |s: &mut Sealed| s.record.identity = "élise@example.com".into();
    let name = Assertion { login_name: "élise=a,b".into(), ..Assertion::new(EXPR) };
    add(f, name, &utf8, "login name and account in UTF-8: the login name as it is, without the message's escapes");
    let disclosed = Assertion { full_mechanism: "PLAIN".into(), full_binding: String::new(), ..Assertion::new(EXPR) };
    add(f, disclosed, &same, "a disclosed login");
    let keyed = Assertion {
        full_mechanism: "SCRAM-SHA-256".into(),
        full_binding: String::new(),
        session_key: seeded("SCRAM session key"),
        ..Assertion::new(EXPR)
    };
    add(f, keyed.clone(), &same, "a keyed login");
    add(f, Assertion { session_key: Vec::new(), ..keyed }, &same, "an unbound login, where policy takes it");
    add(f, Assertion { server_name: String::new(), ..Assertion::new(EXPR) }, &same, "no SNI");
    let sibling = Assertion { service: "smtp".into(), server_name: "smtp.example.com".into(), ..Assertion::new(EXPR) };
    add(f, sibling, &same, "another service");
    add(f, Assertion::new(EXPR), &|s| s.key = service_key(0x0102_0304), "a key id of four octets");
    let late = |s: &mut Sealed| (s.record.full_login, s.record.expires) = (5_000_000_000, 5_000_000_000 + 30 * DAY);
    add(f, Assertion::new(EXPR), &late, "times of more than four octets");
    let long = |len: usize| move |s: &mut Sealed| s.record.identity = "a".repeat(len);
    add(f, Assertion::new(EXPR), &long(44), "180 octets, the most that there are with SHA-256");
    add(f, Assertion::new(PINS[2]), &long(44), "the same account with SHA-512");
    let login = Assertion { login_name: "a".repeat(45), ..Assertion::new(EXPR) };
    add(f, login, &long(45), "a longer account that is the login name takes no room");
    add(f, Assertion::new(EXPR), &long(45), "181 octets: a command line may have no room for it");
    add(f, Assertion::new(PINS[2]), &long(45), "the same account with SHA-512");
    for mechanism in ["IKY-SHA-256-NONE", "IKY-SHA-256-ENDP", "IKY-SHA-512-NONE"] {
        let note = "its proofs can be replayed, and nobody would keep the counter of a record that nobody keeps";
        add(f, Assertion::new(mechanism), &same, note);
    }
    let nameless = Assertion { login_name: String::new(), ..Assertion::new(EXPR) };
    add(f, nameless, &same, "no login name: the message could not say whose it is");
}
