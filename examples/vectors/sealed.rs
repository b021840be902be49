//! `sealed.json`: records that their client keeps, encrypted under the service's keys: the box, and attempts with it.

use ring::aead;
use serde_json::{Value, json};

use crate::file::{Edit, File};
use crate::formulas::*;
use crate::scene::{DAY, LOGIN, Record, Scene};
use crate::scene_json::{assertion_json, keys_json};

const EXPR: &str = "IKY-SHA-256-EXPR";
const PINS: [&str; 4] = ["IKY-SHA-256-EXPR", "IKY-SHA-384-EXPR", "IKY-SHA-512-EXPR", "IKY-ED25519-EXPR"];
const LABEL: &[u8] = b"IKY sealed v1";
const HEADER: usize = 21;
const TAG: usize = 16;
/// The longest account beside a login name.
const MOST: usize = 44;

pub(crate) fn file() -> File {
    let source = "the draft's format over ring's AES-256-GCM, HMAC and Ed25519 (examples/vectors/sealed.rs), not the library's; all secrets \
                  are SHA-256 of labels. aes-gcm: McGrew and Viega, The Galois/Counter Mode of Operation (GCM), test cases 13 to 16";
    let mut file = File::new("sealed.json", source);
    let f = &mut file;
    aes_gcm(f);
    seals(f);
    exchanges(f);
    renewals(f);
    refused(f);
    file
}

/// AES-256-GCM.
fn gcm(key: &[u8], nonce: [u8; 12], ad: &[u8], plain: &[u8]) -> Vec<u8> {
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, key).expect("32 octets"));
    let mut octets = plain.to_vec();
    let nonce = aead::Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, aead::Aad::from(ad), &mut octets).expect("not too long");
    octets
}

fn gcm_open(key: &[u8], ad: &[u8], octets: &[u8]) -> Option<Vec<u8>> {
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, key).expect("32 octets"));
    let mut octets = octets.to_vec();
    let nonce = aead::Nonce::assume_unique_for_key([0; 12]);
    key.open_in_place(nonce, aead::Aad::from(ad), &mut octets).ok().map(|plain| plain.to_vec())
}

fn aes_gcm(f: &mut File) {
    f.group("aes-gcm", "AES-256-GCM as published, and what has to be refused of it.");
    let key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
    let plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
    let sealed = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad";
    let (zero, iv) = ("00".repeat(32), "cafebabefacedbaddecaf888");
    let ad = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
    let published: [(&str, &str, &str, &str, String, &str); 4] = [
        (&zero, &zero[..24], "", "", "530f8afbc74536b9a963b4f1c4cb738b".into(), "test case 13"),
        (
            &zero,
            &zero[..24],
            "",
            &zero[..32],
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919".into(),
            "test case 14",
        ),
        (key, iv, "", plain, format!("{sealed}b094dac5d93471bdec1a502270e3cc6c"), "test case 15"),
        (key, iv, ad, &plain[..120], format!("{}76fc6ece0f4e1768cddf8853bb2d551b", &sealed[..120]), "test case 16"),
    ];
    let inputs =
        |key: &str, nonce: &str, ad: &str, plain: &str| json!({ "key": key, "nonce": nonce, "ad": ad, "plain": plain });
    for (key, nonce, ad, plain, expected, note) in &published {
        let octets = gcm(&unhex(key), unhex(nonce).try_into().expect("12 octets"), &unhex(ad), &unhex(plain));
        assert_eq!(hex(&octets), *expected, "{note}");
        f.case(true, note, inputs(key, nonce, ad, plain), json!({ "right": expected }), json!({ "sealed": expected }));
    }
    let (_, _, _, plain, expected, _) = &published[3];
    let right = unhex(expected);
    let last = right.len() - 1;
    for (at, bit, note) in [
        (0, 1, "one bit of the ciphertext: whoever knows the plaintext could write another"),
        (last - TAG, 0x80, "the last bit of the ciphertext, in a block that is not full"),
        (last - 15, 1, "the first bit of the tag: half a tag is easier to guess"),
        (last, 0x80, "the last bit of the tag: half a tag is easier to guess"),
    ] {
        let mut change = vec![0; right.len()];
        change[at] = bit;
        let mut inputs = inputs(key, iv, ad, plain);
        inputs["sealed_xor"] = json!(hex(&change));
        f.case(false, note, inputs, json!({ "right": expected }), json!({ "sealed": hex(&xor(&right, &change)) }));
    }
}

/// What a record was sealed with.
#[derive(Clone)]
struct Sealed {
    key: (u32, Vec<u8>),
    secret: Vec<u8>,
    salt: Vec<u8>,
    record: Record,
    /// Where it was sealed for another: mechanism, service, server name, login name.
    mechanism: Option<&'static str>,
    /// An alteration of the octets: where, how many go, and what comes.
    edit: Option<(usize, usize, Vec<u8>)>,
}

/// The steps from a record to the box, as JSON too.
struct Steps {
    prk: Vec<u8>,
    key: Vec<u8>,
    ad: Vec<u8>,
    plain: Vec<u8>,
    octets: Vec<u8>,
}

impl Steps {
    fn new(service_key: &[u8], secret: &[u8], header: &[u8], names: [&str; 4]) -> Self {
        let prk = mac("SHA-256", &header[5..], &lp(&[service_key, secret]));
        let key = expand("SHA-256", &prk, LABEL, 32);
        let names = names.map(str::as_bytes);
        let ad = lp(&[&[LABEL, header], &names[..]].concat());
        Self { prk, key, ad, plain: Vec::new(), octets: Vec::new() }
    }

    fn json(&self) -> Value {
        json!({ "prk": hex(&self.prk), "key": hex(&self.key), "ad": hex(&self.ad), "plain": hex(&self.plain) })
    }
}

fn header(id: u32, salt: &[u8]) -> Vec<u8> {
    [&[1], &id.to_be_bytes()[..], salt].concat()
}

/// Whether it has room for the account, or needs none.
fn fits(login_name: &str, record: &Record) -> bool {
    record.identity == login_name || record.identity.len() <= MOST
}

fn plain(keys: &Keys, origin: &str, login_name: &str, record: &Record) -> Vec<u8> {
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

fn seal(key: &(u32, Vec<u8>), secret: &[u8], salt: &[u8], names: [&str; 4], plain: Vec<u8>) -> Steps {
    let header = header(key.0, salt);
    let mut steps = Steps::new(&key.1, secret, &header, names);
    steps.octets = [&header[..], &gcm(&steps.key, [0; 12], &steps.ad, &plain)].concat();
    steps.plain = plain;
    steps
}

fn service_key(id: u32) -> (u32, Vec<u8>) {
    (id, seeded(&format!("service key {id}")))
}

fn account_secret() -> Vec<u8> {
    seeded("account secret")[..16].to_vec()
}

impl Sealed {
    fn of(record: Record) -> Self {
        let salt = seeded("salt of a sealed assertion")[..16].to_vec();
        Self { key: service_key(1), secret: account_secret(), salt, record, mechanism: None, edit: None }
    }

    fn steps(&self, scene: &Scene) -> Steps {
        let a = &scene.assertion;
        let names = [self.mechanism.unwrap_or(&a.mechanism), &a.service, &a.server_name, &a.login_name];
        let plain = plain(&scene.keys(), scene.origin(), &a.login_name, &self.record);
        seal(&self.key, &self.secret, &self.salt, names, plain)
    }

    fn json(&self) -> Value {
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

    fn sent(&self, octets: &[u8]) -> Vec<u8> {
        match &self.edit {
            Some((at, remove, insert)) => Edit { at: *at, remove: *remove, insert }.apply(octets),
            None => octets.to_vec(),
        }
    }
}

fn seals(f: &mut File) {
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

/// What the server keeps of an account.
#[derive(Clone, Default)]
struct Account {
    /// None: the record's.
    identity: Option<String>,
    secret: Vec<u8>,
    until: Option<u64>,
    /// The client that is spared, if it logged in after this.
    spared: Option<(String, Option<u64>)>,
    devices: Vec<String>,
}

/// An attempt at a server that seals.
#[derive(Clone)]
struct Attempt {
    scene: Scene,
    /// None: the message names a record that is stored.
    sealed: Option<Sealed>,
    /// The server's keys, the current one first.
    keys: Vec<(u32, Vec<u8>)>,
    account: Option<Account>,
    /// No random octets, so nothing can be sealed.
    no_random: bool,
}

/// What takes the place of an assertion.
struct Successor {
    expires: u64,
    renewed: Renewed,
    sealed: Option<Steps>,
}

impl Attempt {
    /// The client holds a sealed assertion, and uses it.
    fn new(mechanism: &str, resumed: bool) -> Self {
        let scene = Scene::new(mechanism, resumed);
        let sealed = Some(Sealed::of(scene.record.clone().expect("a record")));
        let account = Some(Account { secret: account_secret(), ..Account::default() });
        Self { scene, sealed, keys: vec![service_key(1)], account, no_random: false }
    }

    /// The same with a record that is in the store.
    fn stored(mechanism: &str) -> Self {
        Self { sealed: None, ..Self::new(mechanism, false) }
    }

    fn with(mut self, edit: impl FnOnce(&mut Self)) -> Self {
        edit(&mut self);
        self.settled()
    }

    fn held(&mut self) -> &mut Sealed {
        self.sealed.as_mut().expect("a sealed one")
    }

    fn row(&mut self) -> &mut Account {
        self.account.as_mut().expect("a row")
    }

    /// The message carries the box, and the server knows what it can open of it.
    fn settled(mut self) -> Self {
        self.scene.seals = true;
        let Some(sealed) = self.sealed.clone() else { return self };
        self.scene.client.sealed = Some(b64(&sealed.sent(&sealed.steps(&self.scene).octets)));
        self.scene.record = (self.fits_and_opens() && self.other_account().is_none()).then(|| {
            let mut record = sealed.record.clone();
            let account = self.account.as_ref().expect("it was opened");
            let spares = |(device, after): &(String, Option<u64>)| {
                *device == record.device && after.is_none_or(|after| after < record.full_login)
            };
            let with_all = account.until.is_some_and(|until| record.full_login <= until);
            record.revoked =
                account.devices.contains(&record.device) || (with_all && !account.spared.as_ref().is_some_and(spares));
            record
        });
        self
    }

    /// Whose the row is, and that it is the record's.
    fn owner(&self, record: &Record) -> Option<(String, bool)> {
        let identity = self.account.as_ref()?.identity.clone().unwrap_or_else(|| record.identity.clone());
        let own = identity == record.identity;
        Some((identity, own))
    }

    /// Another account's row, which what was opened isn't of: both names.
    fn other_account(&self) -> Option<(String, &str)> {
        let sealed = self.sealed.as_ref().filter(|_| self.fits_and_opens())?;
        let (identity, own) = self.owner(&sealed.record)?;
        (!own).then_some((identity, &sealed.record.identity))
    }

    fn fits_and_opens(&self) -> bool {
        self.opened().is_some_and(|steps| !steps.plain.is_empty()) && binding_of(&self.scene.client.mechanism) == "EXPR"
    }

    /// The octets as the server gets them.
    fn received(&self) -> Option<Vec<u8>> {
        let sealed = self.sealed.as_ref()?;
        Some(sealed.sent(&sealed.steps(&self.scene).octets))
    }

    /// The server's key of the id in the header.
    fn key(&self) -> Option<&(u32, Vec<u8>)> {
        let id = self.presented()?;
        self.keys.iter().find(|(known, _)| *known == id)
    }

    /// The id in the header.
    fn presented(&self) -> Option<u32> {
        let octets = self.received()?;
        octets.get(1..5).map(|id| u32::from_be_bytes(id.try_into().expect("four octets")))
    }

    /// What the server does to open it, where it has what that takes; the plaintext is empty where it can't be opened.
    fn opened(&self) -> Option<Steps> {
        let (octets, key, account) = (self.received()?, self.key()?, self.account.as_ref()?);
        if octets[0] != 1 || octets.len() < HEADER {
            return None;
        }
        let scene = &self.scene;
        let names = [&*scene.client.mechanism, &scene.server.service, &scene.client.name, &scene.client.authzid];
        let mut steps = Steps::new(&key.1, &account.secret, &octets[..HEADER], names);
        steps.plain = gcm_open(&steps.key, &steps.ad, &octets[HEADER..]).unwrap_or_default();
        Some(steps)
    }

    fn refusals(&self) -> Vec<Vec<Value>> {
        let mut all = self.scene.refusals();
        let Some(octets) = self.received() else { return all };
        if self.scene.record.is_some() {
            return all;
        }
        assert_eq!(all.pop(), Some(vec![json!("unknown")]));
        if binding_of(&self.scene.client.mechanism) != "EXPR" {
            all.push(vec![json!("seal-mechanism"), json!(self.scene.client.mechanism)]);
        }
        if octets[0] != 1 {
            all.push(vec![json!("seal-version"), json!(octets[0])]);
        }
        if self.key().is_none() {
            let id = self.presented();
            let known = self.keys.iter().map(|(id, _)| json!(id));
            all.push([json!("seal-key"), json!(id)].into_iter().chain(known).collect());
        }
        if self.account.is_none() {
            all.push(vec![json!("seal-account")]);
        }
        if self.opened().is_some_and(|steps| steps.plain.is_empty()) {
            all.push(vec![json!("seal-open")]);
        }
        if let Some((row, record)) = self.other_account() {
            all.push(vec![json!("seal-other-account"), json!(row), json!(record)]);
        }
        all
    }

    fn outcome(&self) -> (&'static str, Option<&'static str>) {
        let refusals = self.refusals();
        match refusals.first() {
            Some(first) if first[0].as_str().is_some_and(|rule| rule.starts_with("seal-")) => ("stale", None),
            _ => self.scene.outcome(),
        }
    }

    fn accepted(&self) -> bool {
        self.outcome().0 == "accepted"
    }

    /// What the server asks the store to make durable is there even if the store then says no.
    fn passes(&self) -> bool {
        self.refusals().iter().all(|refusal| refusal[0] == "store" && refusal[1] != "lookup-unavailable")
    }

    fn successor(&self) -> Option<Successor> {
        let record = self.scene.record.as_ref().filter(|_| self.passes())?;
        let server = &self.scene.server;
        let lifetime = server.lifetime?;
        let expires = (self.scene.now + lifetime).min(record.full_login + server.full_login_every);
        let ending = record.expires - self.scene.now < server.renew_within.min(lifetime / 3);
        let current = self.keys.first().filter(|_| !self.no_random);
        let login_name = &self.scene.assertion.login_name;
        let seals = current.filter(|_| !self.scene.counts() && !login_name.is_empty() && fits(login_name, record));
        let moving = seals.is_some_and(|(id, _)| self.presented().is_none_or(|under| under < *id));
        let lasts_longer = expires > record.expires;
        if !(moving || (ending && lasts_longer)) || (seals.is_none() && self.sealed.is_some()) {
            return None;
        }
        let renewed = self.scene.renewed();
        let sealed = seals.map(|key| {
            let a = &self.scene.assertion;
            let record = Record { expires, ..record.clone() };
            let plain = plain(&renewed.keys, self.scene.origin(), &a.login_name, &record);
            let names = [&*a.mechanism, &a.service, &a.server_name, &a.login_name];
            seal(key, &self.new_secret().0, &self.salt(), names, plain)
        });
        Some(Successor { expires, renewed, sealed })
    }

    fn salt(&self) -> Vec<u8> {
        seeded("salt of a sealed successor")[..16].to_vec()
    }

    /// The account's secret, which is made where it has none; and whether it was found.
    fn new_secret(&self) -> (Vec<u8>, bool) {
        let made = || (seeded("a new account secret")[..16].to_vec(), false);
        let own = self.scene.record.as_ref().and_then(|record| self.owner(record)).is_some_and(|(_, own)| own);
        let found = self.account.as_ref().filter(|_| own);
        found.map_or_else(made, |account| (account.secret.clone(), true))
    }

    fn inputs(&self) -> Value {
        let mut inputs = self.scene.inputs();
        let server = inputs["server"].as_object_mut().expect("an object");
        server.remove("successor_grace");
        server.remove("tentative_lifetime");
        let successor = self.successor();
        let seals = successor.as_ref().is_some_and(|successor| successor.sealed.is_some());
        let opened = self.opened();
        let used = self.key().filter(|_| opened.is_some()).map(|(id, _)| *id);
        let keys = self.keys.iter().enumerate().map(|(at, (id, key))| {
            let matters = used == Some(*id) || (seals && at == 0);
            if matters { json!({ "id": id, "key": hex(key) }) } else { json!({ "id": id }) }
        });
        inputs["server"]["service_keys"] = json!(keys.collect::<Vec<_>>());
        if let Some(sealed) = &self.sealed {
            inputs.as_object_mut().expect("an object").remove("record");
            inputs["box"] = sealed.json();
            if let Some((at, remove, insert)) = &sealed.edit {
                inputs["edit"] = Edit { at: *at, remove: *remove, insert }.json(&sealed.steps(&self.scene).octets);
            }
        } else if self.use_of_a_stored_one() {
            inputs["server"]["successor_grace"] = json!(self.scene.server.successor_grace);
            if successor.is_some() {
                inputs["server"]["tentative_lifetime"] = json!(self.scene.server.tentative_lifetime);
            }
        }
        if let Some(account) = &self.account {
            let mut row = json!({});
            if opened.is_some() || (seals && self.new_secret().1) {
                row["secret"] = json!(hex(&account.secret));
            }
            let record = self.scene.record.as_ref().or(self.sealed.as_ref().map(|sealed| &sealed.record));
            let owner = record.filter(|_| seals || self.fits_and_opens()).and_then(|record| self.owner(record));
            if let Some((identity, _)) = owner {
                row["identity"] = json!(identity);
            }
            if self.sealed.is_some() && self.scene.record.is_some() {
                row["until"] = json!(account.until);
                row["spared"] = json!(
                    account.spared.as_ref().map(|(device, after)| { json!({ "device": device, "after": after }) })
                );
                row["devices"] = json!(account.devices);
            }
            if self.sealed.is_some() || seals {
                inputs["account"] = row;
            }
        }
        if self.no_random {
            inputs["random"] = Value::Null;
        } else if seals {
            inputs["random"] = json!({ "salt": hex(&self.salt()) });
            if let (secret, false) = self.new_secret() {
                inputs["random"]["secret"] = json!(hex(&secret));
            }
        }
        inputs
    }

    fn use_of_a_stored_one(&self) -> bool {
        let record = self.scene.record.as_ref().filter(|_| self.sealed.is_none() && self.passes());
        record.is_some_and(|record| record.unused_until.is_some() || self.scene.counts() || self.successor().is_some())
    }

    fn between(&self) -> Value {
        let mut out = self.scene.intermediates();
        out.as_object_mut().expect("an object").remove("renewal");
        out["refusals"] = json!(self.refusals());
        if self.scene.record.is_some() {
            out["key_ids"] = json!([self.presented(), self.keys.first().map(|(id, _)| *id)]);
        }
        if let Some(owner) = self.inputs()["account"].get("identity") {
            out["owner"] = owner.clone();
        }
        if let Some(sealed) = &self.sealed {
            let steps = sealed.steps(&self.scene);
            out["box"] = steps.json();
            out["octets"] = json!(hex(&steps.octets));
            if sealed.edit.is_some() {
                out["received"] = json!(hex(&sealed.sent(&steps.octets)));
            }
            if let Some(opened) = self.opened() {
                out["opened"] = opened.json();
                if opened.plain.is_empty() {
                    out["opened"]["plain"] = Value::Null;
                }
            }
            if let Some(record) = &self.scene.record {
                let account = self.account.as_ref().expect("it was opened");
                let since = |then: u64| record.full_login as i64 - then as i64;
                out["revocation"] = json!({
                    "until": account.until.map(since),
                    "spared": account.spared.as_ref().map(|(device, after)| json!([device, after.map(since)])),
                    "devices": account.devices,
                });
            }
        }
        if let Some(successor) = self.successor() {
            let renewed = &successor.renewed;
            out["renewal"] =
                json!({ "salt": hex(&renewed.salt), "seed": hex(&renewed.seed), "prk": hex(&renewed.keys.prk) });
            if let Some(steps) = &successor.sealed {
                out["successor_box"] = steps.json();
            }
        }
        out
    }

    fn outputs(&self) -> Value {
        let mut out = self.scene.outputs();
        let members = out.as_object_mut().expect("an object");
        members.remove("commit");
        members.remove("successor");
        let (outcome, reason) = self.outcome();
        out["outcome"] = json!(outcome);
        if outcome == "stale" && reason.is_none() {
            out["responder"] = json!("e=not-recognised");
        }
        let Some(record) = &self.scene.record else { return out };
        let successor = self.successor();
        if self.passes() {
            let mut commit = json!({});
            if self.use_of_a_stored_one() {
                let server = &self.scene.server;
                commit = json!({
                    "counter": self.scene.client.counter.filter(|_| self.scene.counts()),
                    "confirm": record.unused_until.is_some(),
                    "predecessor_until": self.scene.now + server.successor_grace,
                });
                if successor.as_ref().is_some_and(|successor| successor.sealed.is_some()) {
                    commit["ends"] = json!(self.scene.now + server.tentative_lifetime);
                } else if let Some(successor) = &successor {
                    commit["successor"] = json!({
                        "id": hex(&successor.renewed.keys.id),
                        "expires": successor.expires,
                        "unused_until": self.scene.now + server.tentative_lifetime,
                    });
                }
            }
            if let Some(successor) = successor.as_ref().filter(|successor| successor.sealed.is_some()) {
                let (secret, found) = self.new_secret();
                (commit["secret"], commit["secret_found"]) = (json!(hex(&secret)), json!(found));
                commit["secret_until"] = json!(successor.expires);
            }
            if commit != json!({}) {
                out["commit"] = commit;
            }
        }
        if !self.accepted() {
            return out;
        }
        let announced = successor.filter(|_| self.scene.store != Some("no-room"));
        let expires = announced.as_ref().map_or(record.expires, |successor| successor.expires);
        let mut covered = format!("x={},", expires - self.scene.now);
        if let Some(successor) = &announced {
            covered += "r=1,";
            let keys = &successor.renewed.keys;
            out["successor"] = json!({
                "id": hex(&keys.id),
                "client_key": hex(&keys.client),
                "stored_key": hex(&keys.stored),
                "server_key": hex(&keys.server),
            });
            if let Some(steps) = &successor.sealed {
                covered += &format!("t={},", b64(&steps.octets));
                out["successor"]["sealed"] = json!(b64(&steps.octets));
            }
        }
        let mechanism = &self.scene.client.mechanism;
        let digest = hash(hash_of(mechanism), &self.scene.server_transcript().expect("a transcript"));
        let signature = self.scene.keys().sign(mechanism, &digest, &self.scene.proof(), &covered);
        out["responder"] = json!(format!("{covered}v={}", b64(&signature)));
        out
    }

    fn add(&self, f: &mut File, want: &str, note: &str) {
        assert_eq!(self.outcome().0, want, "{note}: {:?}", self.refusals());
        f.case(want == "accepted", note, self.inputs(), self.between(), self.outputs());
    }
}

fn renew(scene: &mut Scene) {
    scene.channel.renew = Some(seeded("EXPORTER-SASL-IKY-Renew"));
}

fn exchanges(f: &mut File) {
    f.group("sealed-exchange", "A whole exchange with a sealed assertion that succeeds, at both ends; or one that brings the client its first.");
    let ok = "accepted";
    for mechanism in PINS {
        for resumed in [false, true] {
            let how = if resumed { "resumed, with lineage" } else { "a full handshake" };
            Attempt::new(mechanism, resumed).settled().add(f, ok, &format!("{mechanism}: {how}"));
        }
        let other = Attempt::new(mechanism, false).with(|a| a.held().record.identity = "alice@example.com".into());
        other.add(f, ok, "the server's name for the account is another");
    }
    let mut name = Assertion::new(EXPR);
    name.login_name = "élise=a,b".into();
    let mut escaped = Attempt::new(EXPR, false);
    escaped.scene = Scene::of(name, false);
    escaped.settled().add(f, ok, "a login name that the message escapes and the box does not");
    let offer = Attempt::new(EXPR, false).with(|a| a.scene.client.offer = Some(a.scene.offer()));
    offer.add(f, ok, "with the hash of the offer");
    let hidden = Attempt::new(EXPR, false).with(|a| a.scene.channel.sni = None);
    hidden.add(f, ok, "a server that can't see the SNI assumes its own name");
    let last = Attempt::new(EXPR, false).with(|a| a.scene.now = LOGIN + 20 * DAY);
    last.add(f, ok, "ten days before its end: not renewed yet");
    let late = Attempt::new(EXPR, false).with(|a| {
        a.scene.now = LOGIN + 179 * DAY;
        a.held().record.expires = LOGIN + 180 * DAY;
    });
    late.add(f, ok, "no renewal can outlast the next full login, so there is none");
    let silent = Attempt::new(EXPR, false).with(|a| (a.scene.now, a.no_random) = (LOGIN + 29 * DAY, true));
    silent.add(f, ok, "near its end at a server that can't seal just now: not renewed, as nothing is stored for it");
    for mechanism in PINS {
        let first = Attempt::stored(mechanism).with(|a| {
            renew(&mut a.scene);
            a.scene.rec().unused_until = Some(LOGIN + 7 * DAY);
            a.account = None;
        });
        first.add(
            f,
            ok,
            "the first use of a stored record: the record goes to its client, and the account gets its secret",
        );
    }
    let second = Attempt::stored(EXPR).with(|a| renew(&mut a.scene));
    second.add(
        f,
        ok,
        "a stored record that was used, of an account that has its secret: its reply was lost, it is sealed once more",
    );
    let race = Attempt::stored(EXPR).with(|a| {
        renew(&mut a.scene);
        (a.account, a.scene.store) = (None, Some("no-room"));
    });
    race.add(f, ok, "the account got another secret in between: accepted, and nothing goes to the client");
    let namesake = Attempt::stored(EXPR).with(|a| {
        renew(&mut a.scene);
        a.row().identity = Some("bob".into());
    });
    namesake.add(f, ok, "the login name is another account's too, whose row is found: a new secret, which that one's owner does not share");
    let ahead = Attempt::new(EXPR, false).with(|a| {
        a.held().key = service_key(2);
        a.keys = vec![service_key(1), service_key(2)];
    });
    ahead.add(f, ok, "sealed under a newer key, by a node that has switched already: it stays, else each login would seal it once more");
    let plain = Attempt::stored(EXPR).with(|a| {
        a.scene.rec().unused_until = Some(LOGIN + 7 * DAY);
        a.no_random = true;
    });
    plain.add(f, ok, "a stored record at a server that can't seal just now: used as ever");
    for mechanism in ["IKY-SHA-256-NONE", "IKY-SHA-256-ENDP"] {
        Attempt::stored(mechanism).settled().add(
            f,
            ok,
            "a mechanism whose proofs can be replayed: its record stays in the store",
        );
    }
    let long = |a: &mut Attempt| {
        a.scene.rec().identity = "a".repeat(45);
        a.scene.rec().unused_until = Some(LOGIN + 30 * DAY);
    };
    let first = Attempt::stored(EXPR).with(|a| long(a));
    first.add(f, ok, "a record that would be too long for a client: it stays in the store");
    let near = Attempt::stored(EXPR).with(|a| {
        long(a);
        renew(&mut a.scene);
        a.scene.now = LOGIN + 29 * DAY;
    });
    near.add(f, ok, "the same near its end: renewed in the store");
    let after = Attempt::new(EXPR, false).with(|a| a.row().until = Some(LOGIN - 1));
    after.add(f, ok, "all clients that logged in fully until a second before were revoked");
    let spared = Attempt::new(EXPR, false).with(|a| {
        let device = a.held().record.device.clone();
        (a.row().until, a.row().spared) = (Some(LOGIN + 10), Some((device, None)));
    });
    spared.add(f, ok, "everyone else was logged out");
    let twice = Attempt::new(EXPR, false).with(|a| {
        let device = a.held().record.device.clone();
        (a.row().until, a.row().spared) = (Some(LOGIN + 10), Some((device, Some(LOGIN - 1))));
    });
    twice.add(f, ok, "the same, and it logged in after the revocation before, which did not spare it");
    let other = Attempt::new(EXPR, false).with(|a| a.row().devices = vec!["1112131415161718".into()]);
    other.add(f, ok, "another client was revoked");
}

/// A renewal that delivers a sealed successor, and the next login with that.
fn renewals(f: &mut File) {
    f.group(
        "sealed-renewal",
        "An exchange that brings the client a sealed successor, and the next exchange, with that one.",
    );
    let near = |a: &mut Attempt| {
        a.scene.now = LOGIN + 29 * DAY;
        renew(&mut a.scene);
    };
    for mechanism in PINS {
        let other = |a: &mut Attempt| a.held().record.identity = "alice@example.com".into();
        twice(f, &Attempt::new(mechanism, false).with(|a| near(a)), "near its end");
        twice(
            f,
            &Attempt::new(mechanism, true).with(|a| {
                near(a);
                other(a);
                a.scene.lin().identity = "alice@example.com".into();
                a.scene.lin().expires = LOGIN + 30 * DAY;
            }),
            "the same on a resumed session, and the server's name for the account is another",
        );
        let rekeyed = Attempt::new(mechanism, false).with(|a| {
            renew(&mut a.scene);
            a.keys = vec![service_key(2), service_key(1)];
        });
        twice(f, &rekeyed, "sealed under an older key: a new one under the current key");
        let moved = Attempt::stored(mechanism).with(|a| {
            renew(&mut a.scene);
            a.scene.rec().unused_until = Some(LOGIN + 7 * DAY);
            a.account = None;
        });
        twice(f, &moved, "the first use of a stored record: the record goes to its client, and is used from there");
    }
    let end = Attempt::new(EXPR, false).with(|a| {
        renew(&mut a.scene);
        a.scene.now = LOGIN + 179 * DAY;
        a.held().record.expires = LOGIN + 180 * DAY;
        a.keys = vec![service_key(2), service_key(1)];
    });
    twice(f, &end, "sealed under an older key, and it can't last longer: the successor ends when it would have");
}

fn twice(f: &mut File, first: &Attempt, note: &str) {
    assert!(first.accepted(), "{note}: {:?}", first.refusals());
    let successor = first.successor().expect("a successor");
    let record = first.scene.record.as_ref().expect("a record");
    let record = Record { expires: successor.expires, unused_until: None, ..record.clone() };
    let mut scene = Scene::of(first.scene.assertion.clone(), false);
    scene.client.binding = seeded("tls-exporter of the next connection");
    scene.channel.binding = Some(scene.client.binding.clone());
    scene.successor = Some(successor.renewed.keys.clone());
    scene.now = first.scene.now + 60;
    scene.server = first.scene.server.clone();
    let account = Some(Account { secret: first.new_secret().0, ..Account::default() });
    let sealed = Sealed {
        key: first.keys[0].clone(),
        secret: first.new_secret().0,
        salt: first.salt(),
        record,
        mechanism: None,
        edit: None,
    };
    let next = Attempt { scene, sealed: Some(sealed), keys: first.keys.clone(), account, no_random: false }.settled();
    assert!(next.accepted(), "{note}: {:?}", next.refusals());
    assert!(next.successor().is_none(), "{note}");
    let (mut inputs, mut between, mut outputs) = (first.inputs(), first.between(), first.outputs());
    assert_eq!(outputs["successor"]["sealed"], json!(next.scene.client.sealed));
    let of_next = next.inputs();
    inputs["then"] = json!({ "client": of_next["client"], "channel": of_next["channel"], "now": of_next["now"] });
    let mut then = next.between();
    for known in ["context", "prk", "id", "client_key", "stored_key", "server_key", "box", "octets"] {
        then.as_object_mut().expect("an object").remove(known);
    }
    (between["then"], outputs["then"]) = (then, next.outputs());
    f.case(true, note, inputs, between, outputs);
}

fn refused(f: &mut File) {
    f.group("sealed-refused", "An attempt with a sealed assertion that the server has to refuse.");
    altered(f);
    elsewhere(f);
    revoked(f);
}

fn altered(f: &mut File) {
    let len = Attempt::new(EXPR, false).settled().received().expect("a box").len();
    let edits: Vec<(usize, usize, Vec<u8>, &str)> = vec![
        (0, 1, vec![2], "another version: its format is not this one"),
        (0, 1, vec![0], "version 0, which there is not"),
        (
            1,
            4,
            vec![0, 0, 0, 2],
            "the id of a key that the server does not have: were others tried, a stranger could make it work",
        ),
        (1, 4, vec![1, 0, 0, 0], "the key's id in the other order of octets: two spellings of one id"),
        (5, 1, vec![0], "the salt, at its beginning: the key would not depend on it"),
        (20, 1, vec![0], "the salt, at its end: the key would not depend on it"),
        (HEADER, 1, vec![0], "the stored key: somebody puts in one that fits a key of his own"),
        (HEADER + 32, 1, vec![0], "the server key: somebody signs answers with his own"),
        (HEADER + 64, 1, vec![0], "the assertion's id: one that was not revoked"),
        (HEADER + 80, 1, vec![0], "the device: one that was not revoked"),
        (HEADER + 88, 1, vec![0], "the strength: a disclosed login becomes a bound one"),
        (HEADER + 93, 1, vec![0], "the time of the full login: no other would ever be due"),
        (HEADER + 98, 1, vec![0], "the expiry: an assertion that never ends"),
        (len - TAG, 1, vec![0], "the tag, at its beginning: a shorter one is easier to guess"),
        (len - 1, 1, vec![0], "the tag, at its end: a shorter one is easier to guess"),
        (len - 1, 1, vec![], "the tag without its last octet: a shorter one is easier to guess"),
        (len - TAG, TAG, vec![], "no tag: whoever knows the plaintext could write another"),
        (len - TAG, 0, b"bob".to_vec(), "an account behind the record: alice becomes bob"),
        (len, 0, vec![0], "an octet behind the tag, which nobody made"),
        (HEADER, len - HEADER, vec![], "a header and nothing behind it"),
    ];
    for (at, remove, insert, note) in edits {
        let attempt = Attempt::new(EXPR, false).with(|a| {
            let octets = a.held().clone().steps(&a.scene).octets;
            let mut insert = insert.clone();
            // The bits of one octet that is replaced: what was there is not what comes.
            if remove == 1 && insert == [0] && at > 0 {
                insert[0] = octets[at] ^ if at % 2 == 0 { 1 } else { 0x80 };
            }
            a.held().edit = Some((at, remove, insert));
        });
        attempt.add(f, "stale", note);
    }
    for mechanism in &PINS[1..] {
        let attempt = Attempt::new(mechanism, false).with(|a| {
            let octets = a.held().clone().steps(&a.scene).octets;
            a.held().edit = Some((octets.len() - TAG - 1, 1, vec![octets[octets.len() - TAG - 1] ^ 1]));
        });
        attempt.add(f, "stale", "the last bit of the expiry, with another mechanism: an assertion that lasts longer");
    }
    let short = Attempt::new(EXPR, false).with(|a| {
        let len = a.held().clone().steps(&a.scene).octets.len();
        a.held().edit = Some((4, len - 4, vec![]));
    });
    short.add(f, "stale", "four octets: less than a header, and a key id that ends before it is there");
}

fn elsewhere(f: &mut File) {
    let stale = |f: &mut File, edit: &dyn Fn(&mut Attempt), note: &str| {
        Attempt::new(EXPR, false).with(|a| edit(a)).add(f, "stale", note);
    };
    stale(
        f,
        &|a| a.scene.client.authzid = "bob".into(),
        "alice's assertion under bob's name, of an account with the same secret",
    );
    stale(f, &|a| a.scene.client.authzid = "Alice".into(), "names are compared as octets");
    stale(
        f,
        &|a| {
            let other = "other.example.com".to_owned();
            (a.scene.client.name, a.scene.server.name, a.scene.channel.sni) =
                (other.clone(), other.clone(), Some(other));
        },
        "another tenant's name, where both have the same keys",
    );
    stale(
        f,
        &|a| (a.scene.server.service, a.scene.client.service) = ("smtp".into(), "smtp".into()),
        "another service, where both have the same keys",
    );
    stale(f, &|a| a.scene.server.service = "smtp".into(), "the same with a proof that was made for the other service");
    stale(
        f,
        &|a| a.held().mechanism = Some(PINS[3]),
        "sealed for another mechanism, whose keys are of the same length: no pin",
    );
    stale(
        f,
        &|a| a.held().mechanism = Some("IKY-SHA-256-NONE"),
        "sealed for a mechanism that binds to nothing: no pin",
    );
    stale(
        f,
        &|a| a.row().secret = seeded("another account secret")[..16].to_vec(),
        "the account got another secret: it was revoked as a whole",
    );
    stale(
        f,
        &|a| a.keys = vec![(1, seeded("another service key"))],
        "another key under the same id: that of another service",
    );
    stale(f, &|a| a.keys = vec![service_key(2)], "the key was dropped, which ends what was sealed with it");
    stale(f, &|a| a.keys = Vec::new(), "a server that does not seal");
    stale(f, &|a| a.account = None, "no row of the account: a revocation may have been lost with it");
    stale(
        f,
        &|a| a.row().identity = Some("bob".into()),
        "another account's row, which opens it: what was revoked of the one says nothing of the other",
    );
    stale(f, &|a| (a.account, a.keys) = (None, Vec::new()), "neither row nor keys: nothing can be opened");
    stale(
        f,
        &|a| {
            a.account = None;
            a.scene.client.proof_xor = Some(vec![1; 32]);
        },
        "no row, and a wrong proof as well: it would read as if the row mattered",
    );
    stale(
        f,
        &|a| (a.scene.client.claims_lineage, a.scene.client.lineage, a.account) = (true, seeded("lineage"), None),
        "no row, and a lineage on a connection that resumed nothing: nothing of it matters",
    );
    for mechanism in ["IKY-SHA-256-NONE", "IKY-SHA-256-ENDP"] {
        let note = "a mechanism whose proofs can be replayed, though it opens: nobody keeps its counter";
        Attempt::new(mechanism, false).settled().add(f, "stale", note);
    }
    let p = "bad-proof";
    let bad = |f: &mut File, edit: &dyn Fn(&mut Attempt), note: &str| {
        Attempt::new(EXPR, false).with(|a| edit(a)).add(f, p, note);
    };
    bad(
        f,
        &|a| a.scene.client.proof_xor = Some(vec![1; 32]),
        "a sealed assertion that was overheard, without its key: it would be a password",
    );
    bad(
        f,
        &|a| a.scene.client.binding = seeded("another connection"),
        "the proof of another connection: a man in the middle relays it",
    );
    bad(
        f,
        &|a| a.scene.server.name = "other.example.com".into(),
        "a name that this server is not configured with, though it opens by what the message says",
    );
    bad(
        f,
        &|a| a.scene.channel.sni = Some("other.example.com".into()),
        "the message names another server than TLS did",
    );
    let lineage = Attempt::new(EXPR, true).with(|a| a.scene.lin().device = "1112131415161718".into());
    lineage.add(f, p, "another client of the account: a stolen assertion is used over the thief's own session");
    let stripped = Attempt::new(EXPR, false).with(|a| a.scene.client.flag = "n".into());
    stripped.add(f, "binding-mismatch", "the binding is stripped from the header: a proof that is bound to nothing");
    let forgotten = Attempt::new(EXPR, true).with(|a| a.scene.lineage = None);
    forgotten.add(f, "stale", "the session that TLS resumed is unknown: anybody's session would do");
}

fn revoked(f: &mut File) {
    let device = |a: &mut Attempt| a.held().record.device.clone();
    let add = |f: &mut File, want: &str, edit: &dyn Fn(&mut Attempt), note: &str| {
        Attempt::new(EXPR, false).with(|a| edit(a)).add(f, want, note);
    };
    let gone = "revoked";
    add(
        f,
        gone,
        &|a| a.row().until = Some(LOGIN),
        "revoked in the second in which it logged in: a stolen telephone would stay logged in",
    );
    add(f, gone, &|a| a.row().until = Some(LOGIN + 10), "every client was revoked after it logged in");
    add(f, gone, &|a| a.row().devices = vec![device(a)], "this client was revoked by itself");
    add(
        f,
        gone,
        &|a| a.row().devices = vec!["1112131415161718".into(), device(a)],
        "this client was revoked by itself, as another was",
    );
    add(
        f,
        gone,
        &|a| (a.row().until, a.row().spared) = (Some(LOGIN + 10), Some(("1112131415161718".into(), None))),
        "another client was spared: log out everywhere else would leave this one in",
    );
    add(
        f,
        gone,
        &|a| (a.row().until, a.row().spared) = (Some(LOGIN + 10), Some((device(a), Some(LOGIN)))),
        "it was spared the second time, and not the first: it would come back to life",
    );
    add(
        f,
        gone,
        &|a| {
            (a.row().until, a.row().spared) = (Some(LOGIN + 10), Some((device(a), None)));
            a.row().devices = vec![device(a)];
        },
        "it was spared, and revoked by itself: the one does not undo the other",
    );
    add(
        f,
        gone,
        &|a| {
            a.row().until = Some(LOGIN + 10);
            a.scene.now = LOGIN + 31 * DAY;
        },
        "revoked and expired: the client learns that it was revoked",
    );
    for mechanism in &PINS[1..] {
        let attempt = Attempt::new(mechanism, false).with(|a| a.row().until = Some(LOGIN));
        attempt.add(f, gone, "revoked, with another mechanism: nothing but the row says so");
    }
    add(
        f,
        "stale",
        &|a| a.scene.now = LOGIN + 30 * DAY,
        "the very second in which it ends: nothing but the box says so",
    );
    add(f, "stale", &|a| a.scene.now = LOGIN + 40 * DAY, "long expired: the client may know that it was once good");
    let due = "full-authentication-due";
    add(
        f,
        due,
        &|a| a.scene.server.full_login_every = DAY,
        "the very second in which a full login is due: nothing but the box says when the last one was",
    );
    add(
        f,
        due,
        &|a| {
            let assertion = &mut a.scene.assertion;
            (assertion.full_mechanism, assertion.full_binding) = ("SCRAM-SHA-256".into(), String::new());
            a.scene.server.lifetime = None;
        },
        "the policy refuses the origin now: tightening it would have no effect on what is sealed",
    );
    add(f, due, &|a| a.scene.server.lineage_required = true, "the operator asked for a lineage with every proof");
    add(
        f,
        "configuration-changed",
        &|a| {
            a.scene.client.offer = Some(a.scene.offer());
            a.scene.server.full_mechanisms.push("PLAIN".into());
        },
        "PLAIN was added to what the client saw, or somebody strips what it sees",
    );
    add(
        f,
        "unavailable",
        &|a| a.scene.store = Some("lookup-unavailable"),
        "without the row nobody knows whether it was revoked",
    );
    let commit = Attempt::stored(EXPR).with(|a| {
        renew(&mut a.scene);
        (a.account, a.scene.store) = (None, Some("commit-unavailable"));
    });
    commit.add(f, "unavailable", "the account's secret is not durable: what is sealed with it could never be opened");
    let rekeyed = Attempt::new(EXPR, false).with(|a| {
        renew(&mut a.scene);
        a.keys = vec![service_key(2), service_key(1)];
        a.scene.store = Some("commit-unavailable");
    });
    rekeyed.add(f, "unavailable", "how long the account's secret is needed is not durable: it could be dropped before");
}
