//! Sealed assertions: the box, and attempts with it, at a server whose store is a row.

use std::sync::{Arc, Mutex};

use fast_reauth::Timestamp;
use fast_reauth::assertion::{
    AccountSecret, AccountState, ClientAssertion, DeviceId, LoginId, Scope, ServiceKeys, Spared,
};
use fast_reauth::channel::ServerName;
use fast_reauth::mechanism::{Connection, Login, Outcome, Server, Verdict};
use fast_reauth::store::{
    Commit, Committed, Device, Found, Lookup, MemoryStore, NewSecret, Revoke, Store, Unavailable,
};
use serde_json::{Value, json};

use crate::case::*;
use crate::facts::*;
use crate::iky::{client_assertion, has_keys, start};

pub(crate) fn aes_gcm(case: &Case<'_>) {
    use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    let of = |name: &str| octets(&case.inputs()[name]);
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &of("key")).expect("32 octets"));
    let nonce = || Nonce::assume_unique_for_key(array(&case.inputs()["nonce"]));
    let mut right = of("plain");
    key.seal_in_place_append_tag(nonce(), Aad::from(of("ad")), &mut right).expect("not too long");
    assert_eq!(hex(&right), text(&case.between()["right"]));
    let change = case.inputs().get("sealed_xor").map_or_else(|| vec![0; right.len()], octets);
    let mut octets: Vec<u8> = right.iter().zip(change).map(|(a, b)| a ^ b).collect();
    assert_eq!(hex(&octets), text(&case.outputs()["sealed"]));
    let opened = key.open_in_place(nonce(), Aad::from(of("ad")), &mut octets);
    assert_eq!(opened.is_ok(), case.is_valid());
    assert!(opened.is_err() || opened.is_ok_and(|plain| *plain == of("plain")));
}

fn service_keys(keys: &[(u32, Option<[u8; 32]>)]) -> Option<ServiceKeys> {
    // Where a vector names no octets, any will do.
    let mut keys = keys.iter().map(|(id, key)| (*id, key.unwrap_or([0xee; 32])));
    let (id, key) = keys.next()?;
    let first = ServiceKeys::new(id, &key);
    Some(keys.fold(first, |all, (id, key)| all.and(id, &key).expect("another id")))
}

/// What sealing takes of randomness: only 16 octets of the 32 for a salt are used.
fn random(salt: &[u8], secret: Option<&Value>) -> [u8; 48] {
    let secret = secret.map_or(vec![0xdd; 16], octets);
    [salt, &[0xee; 16], &secret].concat().try_into().expect("48 octets")
}

fn secret(value: &Value) -> AccountSecret {
    AccountSecret::new(array(value))
}

/// The octets that the library seals a record in, granted to its client at the full login.
fn sealed_by_grant(assertion: &Value, of_box: &Value) -> Option<String> {
    let (pin, server_name) = (pin(&assertion["mechanism"]), name(&assertion["server_name"]));
    let (made, ends) = (moment(&of_box["full_login"]), number(&of_box["expires"]));
    let lasts = core::time::Duration::from_secs(ends - made.as_secs());
    let mut policy = lax();
    (policy.lifetime, policy.disclosed_lifetime, policy.unbound_lifetime) = (lasts, lasts, Some(lasts));
    let key = &of_box["service_key"];
    let server = Server::new(service(&assertion["service"]), [server_name.clone()], []).expect("a server").pins([pin]);
    let keys = ServiceKeys::new(number(&key["id"]) as u32, &array(&key["key"]));
    let server = server.policy(policy).sealed(keys);
    let exports = Exports::default();
    let connection = Connection::new(&server, login_facts(server_name, &exports));
    let mut connection = connection.seal_with(random(&octets(&of_box["salt"]), None));
    let full = full_login(assertion);
    let (identity, device) = (text(&of_box["identity"]), device(&of_box["device"]));
    let login = Login { full: &full, identity, device, now: made };
    let secret = secret(&of_box["account_secret"]);
    let state = AccountState { identity: identity.into(), secret, revoked: Default::default() };
    let seed = array(&assertion["seed"]);
    let (logged_in, sealed) = connection.logged_in_granting_sealed(login, pin, &seed, Some(&state));
    let Commit::Remember(remember) = logged_in.commit else { panic!("a login remembers") };
    assert_eq!(remember.records.is_empty(), sealed.is_some(), "it is sealed, or stored");
    assert_eq!(
        remember.secret.map(|new| (new.secret, new.until.as_secs())),
        sealed.as_ref().map(|_| (state.secret, ends))
    );
    sealed
}

pub(crate) fn seal(case: &Case<'_>) {
    let (assertion, of_box) = (&case.inputs()["assertion"], &case.inputs()["box"]);
    let sealed = sealed_by_grant(assertion, of_box);
    assert_eq!(json!(sealed), case.outputs()["sealed"]);
    assert_eq!(sealed.is_some(), case.is_valid());
    has_keys(&client_assertion(assertion, &case.between()["context"]), case.between());
}

/// A store that knows one account's row, and what else a vector says; and what it was asked.
#[derive(Debug)]
struct Row {
    login: LoginId,
    found: Found,
    sealing: bool,
    fault: Option<String>,
    committed: Mutex<Option<Commit>>,
}

impl Store for Row {
    fn lookup(&self, lookup: &Lookup, _: Timestamp) -> Result<Found, Unavailable> {
        assert_eq!((lookup.login, lookup.account), (Some(self.login.into()), self.sealing));
        assert_eq!(lookup.assertion.is_some(), self.found.record.is_there(), "the id or the box");
        if self.fault.as_deref() == Some("lookup-unavailable") {
            return Err(Unavailable);
        }
        let lineage = self.found.lineage.clone().filter(|_| lookup.handle.is_some());
        let account = self.found.account.clone().into_option().filter(|_| lookup.account).into();
        Ok(Found { lineage, account, ..self.found.clone() })
    }

    fn commit(&self, commit: &Commit, _: Timestamp) -> Result<Committed, Unavailable> {
        assert!(self.committed.lock().expect("a lock").replace(commit.clone()).is_none(), "one commit");
        match self.fault.as_deref() {
            Some("commit-unavailable") => Err(Unavailable),
            Some("no-room") => Ok(Committed::WithoutSuccessor),
            _ => Ok(Committed::Done),
        }
    }

    fn devices(&self, _: &str, _: Option<&Scope>, _: Timestamp) -> Result<Vec<Device>, Unavailable> {
        panic!("an attempt asks for no devices")
    }

    fn revoke(&self, _: &str, _: Revoke, _: Timestamp) -> Result<usize, Unavailable> {
        panic!("an attempt revokes nobody")
    }

    fn revoke_everyone(&self, _: Timestamp) -> Result<(), Unavailable> {
        panic!("an attempt revokes nobody")
    }
}

fn account(row: &Value) -> AccountState {
    // Where a vector names no secret, none is needed.
    let secret = row.get("secret").map_or(AccountSecret::new([0xcc; 16]), secret);
    let identity = row.get("identity").map_or("", text).into();
    let mut state = AccountState { identity, secret, revoked: Default::default() };
    state.revoked.until = row["until"].as_u64().map(Timestamp::from_secs);
    state.revoked.devices = row["devices"].as_array().into_iter().flatten().map(device).collect();
    state.revoked.spared = row.get("spared").filter(|spared| !spared.is_null()).map(|spared| Spared {
        device: device(&spared["device"]),
        after: spared["after"].as_u64().map(Timestamp::from_secs),
    });
    state
}

/// One attempt: the parts that change from the first to the next.
struct Attempt<'a> {
    server: &'a Server,
    assumed: ServerName,
    inputs: &'a Value,
    message: &'a str,
    now: Timestamp,
}

impl<'a> Attempt<'a> {
    fn new(server: &'a Server, inputs: &'a Value, between: &'a Value, assumed: &Value) -> Self {
        let now = inputs.get("now").map_or(Timestamp::from_secs(LOGIN), moment);
        Self { server, assumed: name(assumed), inputs, message: text(&between["message"]), now }
    }

    fn run(&self, store: &dyn Store, random: Option<[u8; 48]>) -> Verdict {
        let mut connection = Connection::new(self.server, channel(&self.inputs["channel"], &self.assumed));
        if self.inputs.get("lineage").is_some_and(|lineage| truth(&lineage["through_manager"])) {
            connection = connection.through_manager();
        }
        if let Some(random) = random {
            connection = connection.seal_with(random);
        }
        let pin = pin(&self.inputs["client"]["mechanism"]);
        let covered = text(&self.inputs["client"]["covered"]);
        assert!(self.message.strip_prefix(covered).is_some_and(|rest| rest.starts_with(",p=")));
        connection.iky(pin, self.message.as_bytes()).run(store, self.now)
    }

    /// The message as the client of this assertion writes it, and what it makes of the answer.
    fn client(&self, assertion: &ClientAssertion, answer: &Value) -> Option<ClientAssertion> {
        let facts = channel(&self.inputs["channel"], &self.assumed);
        let start = start(assertion, &facts, &self.inputs["client"]);
        assert_eq!(String::from_utf8(start.message).expect("text"), self.message);
        let known = start.state.finish(Some(text(answer).as_bytes()), true, self.now).expect("the server's answer");
        known.successor
    }

    /// The login that the message claims: the account is found by it.
    fn login(&self) -> LoginId {
        let part = |name: &str| self.message.split(',').find_map(|part| part.strip_prefix(name)).unwrap_or_default();
        let login_name = part("a=").replace("=2C", ",").replace("=3D", "=");
        let server_name = ServerName::parse(part("h=")).expect("a name");
        let service = text(&self.inputs["server"]["service"]);
        LoginId::of(
            &Scope::new(fast_reauth::assertion::Service::parse(service).expect("a service"), server_name),
            &login_name,
        )
    }
}

fn is_as_told(verdict: &Verdict, outputs: &Value) {
    assert_eq!(outcome_name(verdict.outcome), text(&outputs["outcome"]));
    let answer = verdict.message.clone().map(|message| String::from_utf8(message.into()).expect("text"));
    assert_eq!(answer.as_deref(), outputs["responder"].as_str());
    let recognised = verdict.recognised.as_ref().map(|client| {
        json!({
            "identity": client.identity(),
            "login_name": client.login_name(),
            "device": hex(client.device().as_octets()),
            "origin": origin_name(client.origin()),
            "full_login": client.full_login().as_secs(),
            "strength": origin_name(client.strength()),
        })
    });
    assert_eq!(recognised.unwrap_or_default(), outputs.get("recognised").cloned().unwrap_or_default());
}

fn committed(commit: Option<Commit>, login: LoginId, identity: &str) -> Value {
    let new = |secret: &NewSecret| {
        assert_eq!((secret.login, &*secret.identity), (login, identity));
        let (found, until) = (secret.found, secret.until.as_secs());
        json!({ "secret": hex(secret.secret.expose()), "secret_found": found, "secret_until": until })
    };
    match commit {
        None => Value::Null,
        Some(Commit::Secret(secret)) => new(&secret),
        Some(Commit::Use(change)) => {
            let mut out = change.secret.as_ref().map_or_else(|| json!({}), new);
            out["counter"] = json!(change.counter);
            out["confirm"] = json!(change.confirm);
            out["predecessor_until"] = json!(change.predecessor_until.as_secs());
            if let Some(ends) = change.ends {
                out["ends"] = json!(ends.as_secs());
            }
            if let Some(successor) = &change.successor {
                assert!(change.secret.is_none() && successor.is_tentative(), "what is sealed is not stored");
                // A tentative successor shows the earlier of its two ends.
                let ends = successor.expires().as_secs();
                out["successor"] = json!({ "id": hex(successor.id().as_octets()), "ends": ends });
            }
            out
        }
        other => panic!("an attempt does not {other:?}"),
    }
}

/// An attempt at a server that seals, and the next one where there is one.
pub(crate) fn attempt(case: &Case<'_>) {
    let (inputs, between, outputs) = (case.inputs(), case.between(), case.outputs());
    let (assertion, context) = (&inputs["assertion"], &between["context"]);
    let mut server = server(&inputs["server"]);
    let keys = inputs["server"]["service_keys"].as_array().expect("an array").iter();
    let keys: Vec<_> = keys.map(|key| (number(&key["id"]) as u32, key.get("key").map(array))).collect();
    if let Some(keys) = service_keys(&keys) {
        server = server.sealed(keys);
    }
    let sealing = !keys.is_empty();
    let random = match inputs.get("random") {
        Some(Value::Null) => None,
        Some(given) => Some(random(&octets(&given["salt"]), given.get("secret"))),
        None => Some([0xee; 48]),
    };
    let this = Attempt::new(&server, inputs, between, &inputs["server"]["name"]);
    let login = this.login();

    // What the client holds, and what its message carries.
    let mut held = client_assertion(assertion, context);
    has_keys(&held, between);
    if let Some(of_box) = inputs.get("box") {
        let octets = octets(&between["octets"]);
        let sent = case.edited(&octets);
        assert_eq!(between.get("received").map_or(hex(&octets), |received| text(received).to_owned()), hex(&sent));
        let sent = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, sent);
        assert!(text(&inputs["client"]["covered"]).contains(&format!(",t={sent}")));
        if of_box.get("mechanism").is_none()
            && text(&assertion["mechanism"]).ends_with("EXPR")
            && inputs.get("edit").is_none()
        {
            assert_eq!(sealed_by_grant(assertion, of_box), Some(sent.clone()));
        }
        held = held.sealed(&sent).expect("what can be one");
    }
    if text(&inputs["client"]["covered"]).contains(",f=") {
        let of_server = &inputs["server"];
        held = held.offered([texts(&of_server["full_mechanisms"]), texts(&of_server["iky_mechanisms"])].concat());
    }

    let stored = store(assertion, context, &inputs["record"]);
    let lookup = Lookup { assertion: Some(*held.id()), ..Lookup::default() };
    let row = Row {
        login,
        found: Found {
            record: stored.lookup(&lookup, this.now).expect("an answer").record,
            lineage: inputs.get("lineage").map(lineage),
            account: inputs.get("account").map(|row| Arc::new(account(row))).into(),
            ..Found::default()
        },
        sealing,
        fault: inputs.get("store").map(|fault| text(fault).to_owned()),
        committed: Mutex::default(),
    };
    let verdict = this.run(&row, random);
    is_as_told(&verdict, outputs);
    assert_eq!(case.is_valid(), verdict.outcome == Outcome::Accepted);
    let identity = inputs.get("box").or(inputs.get("record")).map_or("", |held| text(&held["identity"]));
    let commit = committed(row.committed.lock().expect("a lock").take(), login, identity);
    let mut expected = outputs.get("commit").cloned().unwrap_or_default();
    if let Some(successor) = expected.get_mut("successor") {
        let ends = number(&successor["expires"]).min(number(&successor["unused_until"]));
        *successor = json!({ "id": successor["id"], "ends": ends });
    }
    assert_eq!(commit, expected);
    if !case.is_valid() {
        return;
    }

    let successor = this.client(&held, &outputs["responder"]);
    assert_eq!(successor.is_some(), outputs.get("successor").is_some());
    if let Some(successor) = &successor {
        has_keys(successor, &outputs["successor"]);
        assert_eq!(successor.is_sealed(), outputs["successor"].get("sealed").is_some());
    }
    if row.fault.is_some() || inputs.get("lineage").is_some() || inputs["account"]["until"].is_u64() {
        return;
    }
    // The same with the library's own store, which has the row and nothing else of a sealed assertion.
    if let Some(row) = row.found.account.get() {
        let secret = NewSecret {
            login,
            identity: row.identity.clone(),
            secret: row.secret.clone(),
            found: false,
            device: DeviceId::new([0xdd; 8]),
            full_login: this.now,
            until: this.now.after(core::time::Duration::from_secs(1_000_000)),
        };
        assert_eq!(stored.commit(&Commit::Secret(secret), this.now), Ok(Committed::Done));
    }
    is_as_told(&this.run(&stored, random), outputs);
    let Some(then) = inputs.get("then") else { return };
    next(then, case, &server, &stored, &successor.expect("a successor"), login);
}

/// The next login, with the sealed successor; the store has what the first one left in it.
fn next(
    then: &Value,
    case: &Case<'_>,
    server: &Server,
    store: &MemoryStore,
    successor: &ClientAssertion,
    login: LoginId,
) {
    let (inputs, between, outputs) = (case.inputs(), &case.between()["then"], &case.outputs()["then"]);
    let mut whole = then.clone();
    whole["server"] = inputs["server"].clone();
    let this = Attempt::new(server, &whole, between, &inputs["server"]["name"]);
    assert_eq!(this.login(), login);
    assert_eq!(this.client(successor, &outputs["responder"]).map(|next| *next.id()), None);
    let before = fast_reauth::internal::fingerprint(store);
    is_as_told(&this.run(store, Some([0xee; 48])), outputs);
    assert_eq!(before, fast_reauth::internal::fingerprint(store), "and nothing is written");
}
