//! Logins, channels, records and lineages as the vectors describe them, made through the public interface.

use core::time::Duration;
use std::sync::Arc;

use fast_reauth::Timestamp;
use fast_reauth::assertion::{
    AssertionId, BindingType, DeviceId, FullLogin, LineageRecord, LineageRule, Origin, Pin, Policy, Record, Scope,
    Service,
};
use fast_reauth::channel::{ChannelFacts, EndPoint, ExporterUnavailable, Handle, ServerName, Tickets};
use fast_reauth::mechanism::{Connection, Login, Outcome, Server};
use fast_reauth::store::{Commit, Committed, Lookup, MemoryStore, Revoke, Store, Use};
use serde_json::Value;

use crate::case::*;

/// The moment of a login where the vector names none.
pub(crate) const LOGIN: u64 = 1_790_000_000;
/// Longer than anything in the vectors.
const LONG: Duration = Duration::from_secs(1_000_000_000);
const OWN: Handle = Handle::new([9; 16]);
const BEFORE: Handle = Handle::new([8; 16]);

/// What the exporter of a connection gives. Where a vector says nothing of a value, any will do.
#[derive(Clone, Debug)]
pub(crate) struct Exports {
    /// Of a full login: the context that is expected, and the value.
    pub(crate) seed: Option<(Vec<u8>, Vec<u8>)>,
    pub(crate) binding: Vec<u8>,
    pub(crate) early: Vec<u8>,
    pub(crate) lineage: Vec<u8>,
    pub(crate) renew: Vec<u8>,
}

impl Default for Exports {
    fn default() -> Self {
        Self { seed: None, binding: vec![1; 32], early: vec![4; 32], lineage: vec![2; 32], renew: vec![3; 32] }
    }
}

impl Exports {
    pub(crate) fn exporter(&self) -> impl Fn(&[u8], &[u8], &mut [u8]) -> Result<(), ExporterUnavailable> + '_ {
        |label, context, out| {
            let value = match label {
                b"EXPORTER-SASL-IKY" => match &self.seed {
                    Some((expected, seed)) if context == expected => seed.clone(),
                    _ => vec![0xee; 32],
                },
                _ if !context.is_empty() => panic!("this label has no context"),
                b"EXPORTER-Channel-Binding" => self.binding.clone(),
                b"EXPORTER-SASL-IKY-Early" => self.early.clone(),
                b"EXPORTER-SASL-IKY-Lineage" => self.lineage.clone(),
                b"EXPORTER-SASL-IKY-Renew" => self.renew.clone(),
                other => panic!("no such label: {}", String::from_utf8_lossy(other)),
            };
            out.copy_from_slice(&value);
            Ok(())
        }
    }
}

pub(crate) fn pin(value: &Value) -> Pin {
    Pin::from_name(text(value)).expect("a mechanism")
}

pub(crate) fn name(value: &Value) -> ServerName {
    ServerName::parse(text(value)).expect("a server name")
}

pub(crate) fn service(value: &Value) -> Service {
    Service::parse(text(value)).expect("a service")
}

pub(crate) fn device(value: &Value) -> DeviceId {
    DeviceId::new(array(value))
}

pub(crate) fn moment(value: &Value) -> Timestamp {
    Timestamp::from_secs(number(value))
}

pub(crate) fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Stale => "stale",
        Outcome::Revoked => "revoked",
        Outcome::FullAuthenticationDue => "full-authentication-due",
        Outcome::ConfigurationChanged => "configuration-changed",
        Outcome::BindingMismatch => "binding-mismatch",
        Outcome::Replayed => "replayed",
        Outcome::BadProof => "bad-proof",
        Outcome::Malformed => "malformed",
        Outcome::Unavailable => "unavailable",
    }
}

pub(crate) fn outcome(name: &str) -> Outcome {
    let found = Outcome::ALL.into_iter().find(|&outcome| outcome_name(outcome) == name);
    found.unwrap_or_else(|| panic!("no outcome {name}"))
}

pub(crate) fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Unbound => "unbound",
        Origin::Disclosed => "disclosed",
        Origin::Keyed => "keyed",
        Origin::Bound => "bound",
    }
}

pub(crate) fn origin(name: &str) -> Origin {
    let all = [Origin::Unbound, Origin::Disclosed, Origin::Keyed, Origin::Bound];
    all.into_iter().find(|&origin| origin_name(origin) == name).unwrap_or_else(|| panic!("no origin {name}"))
}

/// The full login behind an assertion.
pub(crate) fn full_login(assertion: &Value) -> FullLogin {
    let (mechanism, login_name) = (text(&assertion["full_mechanism"]), text(&assertion["login_name"]));
    let mut full = match mechanism {
        "EXTERNAL" => FullLogin::client_certificate(login_name).expect("a login"),
        _ => FullLogin::new(mechanism, login_name).expect("a login"),
    };
    full = match text(&assertion["full_binding"]) {
        "" => full,
        "tls-exporter" => full.bound_by(BindingType::Exporter),
        "tls-server-end-point" => full.bound_by(BindingType::EndPoint),
        "tls-unique" => full.bound_by(BindingType::Unique),
        other => panic!("no binding {other}"),
    };
    match assertion.get("session_key").map(octets) {
        Some(key) if !key.is_empty() => full.keyed(&key).expect("a session key"),
        _ => full,
    }
}

pub(crate) fn scope(value: &Value) -> Scope {
    Scope::new(service(&value["service"]), name(&value["server_name"]))
}

/// A policy that refuses nothing and forgets nothing.
pub(crate) fn lax() -> Policy {
    let mut policy = Policy::default();
    policy.lifetime = LONG;
    policy.disclosed_lifetime = LONG;
    policy.unbound_lifetime = Some(LONG);
    policy.tentative_lifetime = LONG;
    policy.full_login_every = LONG;
    policy.lineage_lifetime = LONG;
    policy
}

/// A connection on which anybody can log in and have an assertion for any mechanism.
pub(crate) fn login_facts(server_name: ServerName, exports: &Exports) -> ChannelFacts {
    let end_point = EndPoint::from_octets(&[4; 32]).expect("a binding");
    let facts = ChannelFacts::tls13().tickets(Tickets::Stateful).server_name(server_name).end_point(end_point);
    facts.exporter(&exports.exporter()).expect("an exporter").handle(OWN)
}

/// The exporter of the login behind an assertion, whose context is known.
pub(crate) fn login_exports(assertion: &Value, context: &Value) -> Exports {
    Exports { seed: Some((octets(context), octets(&assertion["seed"]))), ..Exports::default() }
}

/// The server's record of an assertion, by as many logins as its ordinal says.
pub(crate) fn server_record(assertion: &Value, context: &Value, details: &Value, policy: Policy) -> Record {
    let exports = login_exports(assertion, context);
    let server_name = name(&assertion["server_name"]);
    let server = Server::new(service(&assertion["service"]), [server_name.clone()], []).expect("a server");
    let server = server.pins([pin(&assertion["mechanism"])]).policy(policy);
    let mut connection = Connection::new(&server, login_facts(server_name, &exports));
    let full = full_login(assertion);
    let identity = details.get("identity").map_or("alice", text);
    let device = details.get("device").map_or(DeviceId::new([7; 8]), device);
    let now = details.get("full_login").map_or(Timestamp::from_secs(LOGIN), moment);
    let mut made = None;
    for _ in 0..number(&assertion["ordinal"]) {
        let login = Login { full: &full, identity, device, now };
        let logged_in = connection.logged_in(login, &exports.exporter());
        assert_eq!(logged_in.unknown, None);
        made = Some(logged_in.commit);
    }
    match made {
        Some(Commit::Remember(remember)) => remember.records.into_iter().next().expect("a record"),
        other => panic!("a login remembers, and does not {other:?}"),
    }
}

/// A store in which an assertion's record is as a vector says.
pub(crate) fn store(assertion: &Value, context: &Value, details: &Value) -> MemoryStore {
    let store = MemoryStore::default();
    if details.is_null() {
        return store;
    }
    let made = moment(&details["full_login"]);
    let lasts = Duration::from_secs(number(&details["expires"]) - made.as_secs());
    let mut policy = lax();
    (policy.lifetime, policy.disclosed_lifetime, policy.unbound_lifetime) = (lasts, lasts, Some(lasts));
    let unused_until = details["unused_until"].as_u64();
    policy.tentative_lifetime = unused_until.map_or(LONG, |until| Duration::from_secs(until - made.as_secs()));
    let record = server_record(assertion, context, details, policy);
    let assertion = *record.id();
    let identity = record.identity().to_owned();
    let done = |commit: Commit| assert_eq!(store.commit(&commit, made), Ok(Committed::Done));
    done(Commit::Remember(fast_reauth::store::Remember {
        records: vec![record],
        token: None,
        link: None,
        secret: None,
    }));
    let change = |counter: Option<u64>, confirm: bool| {
        done(Commit::Use(Use {
            assertion,
            counter,
            confirm,
            predecessor_until: made,
            successor: None,
            ends: None,
            secret: None,
        }));
    };
    if unused_until.is_none() {
        change(None, true);
    }
    for counter in details["used_counters"].as_array().into_iter().flatten() {
        change(Some(number(counter)), false);
    }
    if truth(&details["revoked"]) {
        assert_eq!(store.revoke(&identity, Revoke::All, made), Ok(1));
    }
    store
}

/// What a login on an earlier connection left behind, as a vector says.
pub(crate) fn lineage(details: &Value) -> Arc<LineageRecord> {
    let made = details.get("full_login").map_or(Timestamp::from_secs(LOGIN), moment);
    let mut policy = lax();
    policy.lineage_lifetime = Duration::from_secs(number(&details["expires"]) - made.as_secs());
    let server_name = name(&details["server_name"]);
    let server = Server::new(service(&details["service"]), [server_name.clone()], []).expect("a server");
    let server = server.policy(policy);
    let mut facts = ChannelFacts::tls13().tickets(Tickets::Stateful).server_name(server_name).handle(BEFORE);
    let mut exports = Exports::default();
    if let Some(value) = details.get("value").filter(|value| !value.is_null()) {
        exports.lineage = octets(value);
        facts = facts.exporter(&exports.exporter()).expect("an exporter");
    }
    let identity = text(&details["identity"]);
    let login_name = details.get("login_name").map_or(identity, text);
    // What a session is worth: that of the login, but that a keyed one is worth nothing.
    let strength = details.get("strength").map_or("bound", text);
    let origin = details.get("origin").map_or(strength, text);
    let new = |mechanism: &str| FullLogin::new(mechanism, login_name).expect("a login");
    let full = match (origin, strength) {
        ("bound", "bound") => new("SCRAM-SHA-256-PLUS").bound_by(BindingType::Exporter),
        ("disclosed", "disclosed") => new("PLAIN"),
        ("keyed", "unbound") => new("SCRAM-SHA-256").keyed(&[6; 32]).expect("a session key"),
        ("unbound", "unbound") => new("SCRAM-SHA-256"),
        other => panic!("no login leaves {other:?}"),
    };
    let mut connection = Connection::new(&server, facts);
    let device = details.get("device").map_or(DeviceId::new([7; 8]), device);
    if truth(&details["shared"]) {
        let login = Login { full: &full, identity: "somebody else", device: DeviceId::new([1; 8]), now: made };
        let _ = connection.logged_in(login, &exports.exporter());
    }
    let commit = connection.logged_in(Login { full: &full, identity, device, now: made }, &exports.exporter()).commit;
    let store = MemoryStore::default();
    assert_eq!(store.commit(&commit, made), Ok(Committed::Done));
    if truth(&details["revoked"]) {
        assert_eq!(store.revoke(identity, Revoke::All, made), Ok(1));
    }
    let found = store.lookup(&Lookup { handle: Some(BEFORE), ..Lookup::default() }, made).expect("an answer");
    let lineage = found.lineage.expect("a lineage");
    assert_eq!((lineage.is_shared(), lineage.is_revoked()), (truth(&details["shared"]), truth(&details["revoked"])));
    assert_eq!(lineage.expires(), moment(&details["expires"]));
    assert_eq!((origin_name(lineage.origin()), origin_name(lineage.strength())), (origin, strength));
    lineage
}

/// What a server knows of a connection, as a vector says.
pub(crate) fn channel(channel: &Value, assumed: &ServerName) -> ChannelFacts {
    let mut facts = match text(&channel["tls"]) {
        "1.3" => ChannelFacts::tls13().tickets(Tickets::Stateful),
        "1.2" => ChannelFacts::tls12(truth(&channel["extended_master_secret"])),
        other => panic!("no TLS {other}"),
    };
    if let Some(tickets) = channel.get("tickets") {
        facts = facts.tickets(match text(tickets) {
            "stateful" => Tickets::Stateful,
            "stateless" => Tickets::Stateless,
            other => panic!("no {other} tickets"),
        });
    }
    if !truth(&channel["forward_secret"]) {
        facts = facts.without_forward_secrecy();
    }
    facts = facts.handle(OWN).predecessor(BEFORE);
    if channel.get("resumed").is_some_and(truth) {
        facts = facts.resumed();
    }
    if truth(&channel["early_data"]) {
        facts = facts.in_early_data();
    }
    if let Some(binding) = channel.get("early_exporter") {
        let early = Exports { early: octets(binding), ..Exports::default() };
        facts = facts.early_exporter(&early.exporter()).expect("an exporter");
    }
    facts = match channel.get("sni").filter(|sni| !sni.is_null()) {
        Some(sni) => facts.server_name(name(sni)),
        None => facts.assumed_server_name(assumed.clone()),
    };
    if let Some(end_point) = channel.get("tls_server_end_point") {
        facts = facts.end_point(EndPoint::from_octets(&octets(end_point)).expect("a binding"));
    }
    let mut exports = Exports::default();
    let mut has_exporter = channel.get("exporter").is_some_and(truth);
    if let Some(binding) = channel.get("tls_exporter") {
        (exports.binding, has_exporter) = (octets(binding), true);
    }
    if let Some(renew) = channel.get("renew") {
        (exports.renew, has_exporter) = (octets(renew), true);
    }
    if has_exporter {
        facts = facts.exporter(&exports.exporter()).expect("an exporter");
    }
    if truth(&channel["handshake_complete"]) { facts } else { facts.exporter_to_come() }
}

/// A server, as a vector says.
pub(crate) fn server(server: &Value) -> Server {
    let names = [name(&server["name"])];
    let made = Server::new(service(&server["service"]), names, texts(&server["full_mechanisms"])).expect("a server");
    let pins = server["iky_mechanisms"].as_array().expect("an array").iter().map(pin);
    let mut policy = Policy::default();
    let seconds = |name: &str| server.get(name).map(|value| Duration::from_secs(number(value)));
    policy.full_login_every = seconds("full_login_every").unwrap_or(policy.full_login_every);
    policy.renew_within = seconds("renew_within").unwrap_or(policy.renew_within);
    policy.successor_grace = seconds("successor_grace").unwrap_or(policy.successor_grace);
    policy.tentative_lifetime = seconds("tentative_lifetime").unwrap_or(policy.tentative_lifetime);
    if let Some(lifetime) = server.get("lifetime") {
        let lifetime = lifetime.as_u64().map(Duration::from_secs);
        policy.unbound_lifetime = lifetime;
        policy.lifetime = lifetime.unwrap_or(policy.lifetime);
        policy.disclosed_lifetime = lifetime.unwrap_or(policy.disclosed_lifetime);
    }
    let required = server.get("lineage_required").is_some_and(truth);
    policy.lineage = if required { LineageRule::Always } else { LineageRule::Never };
    let made = made.pins(pins).policy(policy);
    if server.get("early_data").is_some_and(truth) { made.early_data() } else { made }
}

pub(crate) fn id(value: &Value) -> AssertionId {
    AssertionId::from_octets(array(value))
}
