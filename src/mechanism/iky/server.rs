//! IKY, the server's side.

use core::fmt;
use std::borrow::Cow;
use std::sync::Arc;

use super::early;
use super::message::{BindingFlag, InitiatorMessage, Named, success, with_signature};
use super::transcript::{Transcript, signature};
use crate::assertion::{
    AccountState, Binding, Bound, LineageRecord, LoginId, Origin, Pin, Record, Renewal, Sealed, stand_in,
};
use crate::channel::Lineage;
use crate::crypto::{Secret, choose};
use crate::mechanism::exchange::{AwaitRecordOf, PendingOf, Recognised};
use crate::mechanism::{AwaitCommit, AwaitRecord, Connection, Outcome, Received, ServerMessage, Step, Verdict};
use crate::store::{Commit, Committed, Found, LoginOf, Lookup, NewSecret, Sought, Use};
use crate::time::Timestamp;

/// Where in the text of a sealed assertion there is nothing but its salt: behind its version and the id of its key, five octets.
const SALT_AT: usize = 8;

/// `e=` and its reason. Everything before a proof verified reads the same.
const fn reason(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Malformed => "malformed",
        Outcome::Unavailable => "unavailable",
        Outcome::Revoked => "revoked",
        Outcome::FullAuthenticationDue => "full-login-due",
        Outcome::ConfigurationChanged => "configuration-changed",
        Outcome::Replayed => "replayed",
        // Signed, it says that the assertion was known and is no more; unsigned, nothing at all.
        Outcome::Stale => "expired",
        Outcome::Accepted | Outcome::BindingMismatch | Outcome::BadProof => "not-recognised",
    }
}

/// What a reason in a responder message says; a reason of a later version reads like an unknown assertion.
pub(super) fn outcome_of(text: &str) -> Outcome {
    // `not-recognised` may be any of three outcomes, which nobody but the server can tell apart.
    let named = |outcome: &Outcome| *outcome != Outcome::Accepted && reason(*outcome) == text;
    Outcome::ALL.into_iter().find(named).filter(|_| text != reason(Outcome::BadProof)).unwrap_or(Outcome::Stale)
}

/// The failure message that anybody could have sent.
pub(crate) fn unsigned(outcome: Outcome) -> ServerMessage {
    let said = match outcome {
        Outcome::Malformed | Outcome::Unavailable => outcome,
        _ => Outcome::BadProof,
    };
    failure(said)
}

fn failure(outcome: Outcome) -> ServerMessage {
    let mut message = ServerMessage::new();
    message.push(b"e=");
    message.push(reason(outcome).as_bytes());
    message
}

fn refused(outcome: Outcome) -> Verdict {
    Verdict { message: Some(unsigned(outcome)), ..Verdict::of(outcome) }
}

/// The client's message.
pub(crate) fn receive<'m>(connection: &'m Connection<'_>, pin: Pin, message: &'m [u8]) -> Received<'m> {
    let message = match InitiatorMessage::parse(pin, message) {
        Ok(message) => message,
        Err(_) => return Received::Done(refused(Outcome::Malformed)),
    };
    if pin.needs_counter() && message.counter.is_none() {
        return Received::Done(refused(Outcome::Malformed));
    }
    if !binding_is_right(connection, pin, message.flag) || !early::is_timely(connection, &message) {
        return Received::Done(refused(Outcome::BindingMismatch));
    }
    let (service, server_name) = (connection.server.service.as_str(), message.server_name);
    let login = match &message.authzid {
        None => LoginOf::names(service, server_name, ""),
        Some(Cow::Borrowed(name)) => LoginOf::names(service, server_name, name),
        Some(Cow::Owned(name)) => LoginId::of_names(service, server_name, name).into(),
    };
    let lookup = Lookup {
        login: Some(login),
        assertion: match message.assertion {
            Named::Id(id) => Some(id),
            Named::Sealed(_) => None,
        },
        account: connection.server.sealing.is_some(),
        handle: connection.facts.resumed_handle().copied().filter(|_| message.lineage),
        ..Lookup::default()
    };
    let state = AwaitProofKeys { connection, pin, message };
    Received::Lookup(AwaitRecord { lookup, mechanism: AwaitRecordOf::Iky(state) })
}

/// The gs2-header names the binding that the mechanism is for, and the channel has it.
fn binding_is_right(connection: &Connection<'_>, pin: Pin, flag: BindingFlag<'_>) -> bool {
    let named = match (flag, pin.binding().type_name()) {
        (BindingFlag::Used(used), Some(name)) => used == name,
        (BindingFlag::Unused, None) => true,
        // "You offer no channel binding": a lie, or a stripped list, where this server does (RFC 5802 section 6).
        (BindingFlag::Unoffered, None) => connection.listed_pins().all(|pin| pin.binding().type_name().is_none()),
        _ => false,
    };
    let server = connection.server;
    // A connection manager's TLS is none of its users'.
    let is_theirs = !connection.manager || pin.binding() == Binding::None;
    named
        && is_theirs
        && server.pins.contains(&pin)
        && server.policy.takes(pin.binding())
        && pin.check_channel(&connection.facts).is_ok()
}

/// An attempt that waits for the keys to check its proof with.
#[derive(Debug)]
pub(crate) struct AwaitProofKeys<'m> {
    connection: &'m Connection<'m>,
    pin: Pin,
    message: InitiatorMessage<'m>,
}

impl AwaitProofKeys<'_> {
    pub(crate) fn verify(self, found: &Found, now: Timestamp) -> Step {
        let lineage = found.lineage.as_deref();
        // From here to the comparison everything costs the same, whether there is a record or not.
        let opened = match self.message.assertion {
            Named::Id(_) => None,
            Named::Sealed(text) => Some(self.open(text, &found.account)),
        };
        let sought = opened.as_ref().unwrap_or(&found.record);
        // Of what stands in for a record that isn't there, nothing is believed.
        let is_meant = self.is_meant(sought, lineage, now) & sought.is_there();
        let stand_in = self.stand_in(sought);
        let stored_key = self.stored_key(sought, &stand_in);

        let ancestor = if self.message.lineage { lineage.and_then(|lineage| lineage.lineage.as_ref()) } else { None };
        let Some((transcript, verified)) = self.check(stored_key, ancestor) else {
            return Step::Done(refused(Outcome::BindingMismatch));
        };
        let Some(record) = sought.any().filter(|_| is_meant & verified) else {
            // What the server forgot is nobody's fault: the record, or the session that the client proves.
            let forgotten = !sought.is_there() | (self.proves_lineage() && lineage.is_none());
            let outcome = choose(forgotten, Outcome::Stale, Outcome::BadProof);
            return Step::Done(Verdict { outcome, ..refused(Outcome::BadProof) });
        };

        let record = record.clone();
        let proven = Proven { record, transcript, proof: self.message.proof.clone() };
        match self.objection(&proven.record, now) {
            Some(outcome) => Step::Done(proven.failure(outcome)),
            None => self.accept(found, proven, now),
        }
    }

    /// The record that the client brought, with what is known of it here: whether it was revoked. It is there if it is one of this account.
    fn open(&self, text: &str, account: &Sought<AccountState>) -> Sought<Record> {
        let (record, is_ours) = self.opened(text, account).unzip();
        Sought::new(record, is_ours.unwrap_or(false))
    }

    fn opened(&self, text: &str, sought: &Sought<AccountState>) -> Option<(Arc<Record>, bool)> {
        let keys = self.connection.server.sealing.as_ref()?;
        let account = sought.any();
        let bound = Bound {
            pin: self.pin,
            service: &self.connection.server.service,
            server_name: self.message.server_name,
            login_name: self.message.authzid.as_deref().unwrap_or_default(),
        };
        let (mut record, is_ours) = Sealed::parse(text)?.open(keys, account.map(|account| &account.secret), bound)?;
        record.revoked = account.is_some_and(|account| account.revoked.revokes(record.device, record.full_login));
        let (name, is_there) = (bound.login_name, sought.is_there());
        let is_theirs = *choose(is_there, account.map_or(name, |account| &account.identity), name) == *record.identity;
        Some((Arc::new(record), is_ours & is_theirs & is_there))
    }

    /// Drawn by the id that was found, or by the one that was asked for; or by an octet of the sealed assertion's salt, as what can't be opened has
    /// an id that says nothing.
    fn stand_in(&self, sought: &Sought<Record>) -> Secret {
        let drawn_by = match &self.message.assertion {
            Named::Id(id) => sought.any().map_or(id, |record| &record.id).as_octets().first(),
            Named::Sealed(text) => text.as_bytes().get(SALT_AT),
        };
        stand_in(self.pin, drawn_by.copied().unwrap_or_default())
    }

    /// The key to check the proof with, of the record or of what stands in for it, if it is one of this mechanism: what is no public key is
    /// refused sooner than one that is somebody else's.
    fn stored_key<'r>(&self, sought: &'r Sought<Record>, stand_in: &'r Secret) -> &'r Secret {
        let is_made_up = self.is_sealed() & !sought.is_there();
        sought
            .any()
            .map_or(stand_in, |record| choose((record.pin == self.pin) & !is_made_up, &record.stored_key, stand_in))
    }

    /// Whether the message can speak of this record at all: pinned mechanism, scope, identity, and lineage where it claims one. Where it isn't
    /// there, what the message says is compared with itself.
    fn is_meant(&self, sought: &Sought<Record>, lineage: Option<&LineageRecord>, now: Timestamp) -> bool {
        let (facts, server, message) = (&self.connection.facts, self.connection.server, &self.message);
        let (name, login_name) = (message.server_name, message.authzid.as_deref().unwrap_or(""));
        let (record, is_there) = (sought.any(), sought.is_there());
        let pin = choose(is_there, record.map_or(self.pin, |record| record.pin), self.pin);
        let service = choose(is_there, record.map_or(&server.service, |record| &record.scope.service), &server.service);
        let server_name = choose(is_there, record.map_or(name, |record| record.scope.server_name.as_str()), name);
        let known_as = choose(is_there, record.map_or(login_name, |record| &record.login_name), login_name);
        pin == self.pin
            && *service == server.service
            && server_name == name
            && server.names.iter().any(|configured| configured.as_str() == name)
            && (!facts.name_was_seen() || facts.name().as_str() == name)
            && known_as == login_name
            && (!message.lineage || record.is_some_and(|record| self.has_lineage(record, lineage, now)))
    }

    /// Whether the client proves the lineage of a session that TLS did resume.
    fn proves_lineage(&self) -> bool {
        self.message.lineage && self.connection.facts.resumed_handle().is_some()
    }

    fn has_lineage(&self, record: &Record, lineage: Option<&LineageRecord>, now: Timestamp) -> bool {
        !self.connection.manager
            && lineage.is_some_and(|lineage| lineage.lineage.is_some() && lineage.authenticated(record, now))
    }

    /// `H(T)`, and whether the proof is right.
    fn check(&self, stored_key: &Secret, ancestor: Option<&Lineage>) -> Option<(Secret, bool)> {
        let connection = self.connection;
        let service = &connection.server.service;
        let transcript = Transcript::new(self.pin, service, &connection.facts, ancestor, self.message.covered)?;
        Some((transcript.digest(), transcript.verify(stored_key, &self.message.proof)))
    }

    /// What speaks against a client that proved who it is.
    fn objection(&self, record: &Record, now: Timestamp) -> Option<Outcome> {
        let policy = &self.connection.server.policy;
        if record.revoked {
            return Some(Outcome::Revoked);
        }
        if record.expires() <= now {
            return Some(Outcome::Stale);
        }
        let due = record.full_login.after(policy.full_login_every) <= now;
        let sees_sessions = self.connection.facts.own_handle().is_some();
        let lacks_lineage = policy.requires_lineage(self.pin) && sees_sessions && !self.message.lineage;
        if due || policy.lifetime_of(record.origin).is_none() || lacks_lineage {
            return Some(Outcome::FullAuthenticationDue);
        }
        if self.message.offer.is_some_and(|offer| offer != self.connection.offer(self.pin.hash())) {
            return Some(Outcome::ConfigurationChanged);
        }
        None
    }

    /// What the session of this connection is worth to those that resume it.
    fn strength(&self, record: &Record, lineage: Option<&LineageRecord>) -> Origin {
        match lineage {
            // The proof is bound to this connection, and so the connection to the client.
            _ if self.pin.binding() == Binding::Exporter && !self.connection.facts.is_early_data() => record.origin,
            // It isn't, but the session goes on, with what it was worth.
            Some(lineage) if self.message.lineage => lineage.strength.min(record.origin),
            // Whoever ends TLS in the client's sight could have sent this.
            _ => Origin::Unbound,
        }
    }

    fn accept(self, found: &Found, proven: Proven, now: Timestamp) -> Step {
        let (policy, record) = (&self.connection.server.policy, &proven.record);
        let renewed = self.renewed(found.account.get(), &proven, now);
        let commit = match (&renewed, self.is_sealed()) {
            (Some(Renewed { sealed: Some(sealed), .. }), true) => Some(Commit::Secret(sealed.secret.clone())),
            // The store has nothing of a sealed assertion to change.
            (_, true) => None,
            (renewed, false) => {
                let sealed = renewed.as_ref().and_then(|renewed| renewed.sealed.as_ref());
                let stored = renewed.as_ref().filter(|renewed| renewed.sealed.is_none());
                let change = Use {
                    assertion: record.id,
                    counter: self.message.counter,
                    confirm: record.is_tentative(),
                    predecessor_until: now.after(policy.successor_grace),
                    successor: stored.map(|renewed| renewed.successor.clone()),
                    // Its client has what takes its place, unless the reply gets lost.
                    ends: sealed.map(|_| now.after(policy.tentative_lifetime)),
                    secret: sealed.map(|sealed| sealed.secret.clone()),
                };
                let nothing = change.counter.is_none() && !change.confirm && renewed.is_none();
                (!nothing).then_some(Commit::Use(change))
            }
        };
        let strength = self.strength(record, found.lineage.as_deref());
        let pending = AwaitUse { sealed: self.is_sealed(), strength, renewed, proven, now };
        match commit {
            None => Step::Done(pending.success(false)),
            Some(commit) => Step::Commit(AwaitCommit { commit, pending: PendingOf::Iky(pending) }),
        }
    }

    /// What takes the place of this assertion, when it is time: a record that the store keeps, or one that its client does.
    fn renewed(&self, account: Option<&AccountState>, proven: &Proven, now: Timestamp) -> Option<Renewed> {
        let (connection, policy, record) = (self.connection, &self.connection.server.policy, &proven.record);
        let ending = policy.renews(record.origin, record.expires, now);
        let sealing = connection.server.sealing.as_ref().filter(|_| connection.may_seal());
        // A record leaves the store at its first use; one under an older key changes to the current one.
        // A node that has not switched to the newest key leaves alone what is under it.
        let moving = sealing.is_some_and(|keys| self.sealed_under().is_none_or(|id| id < keys.current_id()));
        // In early data the answer leaves before the client has shown that it is there.
        let early = connection.facts.is_early_data();
        if early || record.superseded || !(ending || moving) {
            return None;
        }
        let renewal = self.renewal()?;
        let successor = record.renewed(&renewal, &proven.transcript, &connection.facts, policy, now)?;
        let sealed = sealing.and_then(|keys| {
            let (text, secret) = connection.take_seal()?.seal(keys, account, &successor)?;
            Some(Box::new(SealedRecord { text, secret }))
        });
        let lasts_longer = successor.expires > record.expires;
        let worth_it =
            if sealed.is_some() { moving || lasts_longer } else { !self.is_sealed() && ending && lasts_longer };
        worth_it.then(|| Renewed { renewal, successor: Box::new(successor), sealed })
    }

    fn is_sealed(&self) -> bool {
        matches!(self.message.assertion, Named::Sealed(_))
    }

    /// The id of the service key that the assertion is sealed under.
    fn sealed_under(&self) -> Option<u32> {
        match self.message.assertion {
            Named::Id(_) => None,
            Named::Sealed(text) => Sealed::parse(text)?.key_id(),
        }
    }

    /// The fresh input of a renewal, where the channel has one.
    fn renewal(&self) -> Option<Renewal> {
        let facts = &self.connection.facts;
        if facts.exporter_is_private().is_ok() && facts.renewal().is_some() {
            return Some(Renewal::Exporter);
        }
        self.connection.grant.clone()
    }
}

/// What takes the place of an assertion.
#[derive(Debug)]
struct Renewed {
    renewal: Renewal,
    successor: Box<Record>,
    sealed: Option<Box<SealedRecord>>,
}

/// A successor that its client keeps, and the account's secret that it is sealed with.
struct SealedRecord {
    text: String,
    secret: NewSecret,
}

impl fmt::Debug for SealedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedRecord({} octets)", self.text.len())
    }
}

/// A proof that was right: what it takes to sign the responder message.
#[derive(Debug)]
struct Proven {
    record: Arc<Record>,
    transcript: Secret,
    proof: Secret,
}

impl Proven {
    fn sign(&self, covered: ServerMessage) -> ServerMessage {
        let Record { pin, server_key, .. } = &*self.record;
        let signature = signature(*pin, server_key, &self.transcript, &self.proof, &covered);
        with_signature(covered, signature.as_ref())
    }

    /// A refusal that the client can trust: its proof was right.
    fn failure(&self, outcome: Outcome) -> Verdict {
        let mut covered = failure(outcome);
        covered.push(b",");
        Verdict { message: Some(self.sign(covered)), ..Verdict::of(outcome) }
    }
}

/// An attempt that is accepted as soon as its use is durable.
#[derive(Debug)]
pub(crate) struct AwaitUse {
    sealed: bool,
    strength: Origin,
    renewed: Option<Renewed>,
    proven: Proven,
    now: Timestamp,
}

impl AwaitUse {
    pub(crate) fn finish(self, committed: Committed) -> Verdict {
        match committed {
            Committed::Done => self.success(true),
            Committed::WithoutSuccessor => self.success(false),
            Committed::Replayed => self.proven.failure(Outcome::Replayed),
            Committed::Gone | Committed::Full => refused(Outcome::Stale),
        }
    }

    fn success(&self, with_successor: bool) -> Verdict {
        let record = &self.proven.record;
        let renewed = self.renewed.as_ref().filter(|_| with_successor);
        let expires = renewed.map_or(record.expires, |renewed| renewed.successor.expires);
        let renewal = renewed.map(|renewed| &renewed.renewal);
        let sealed = renewed.and_then(|renewed| renewed.sealed.as_ref()).map(|sealed| &*sealed.text);
        let message = self.proven.sign(success(self.now.seconds_until(expires), renewal, sealed));
        Verdict {
            message: Some(message),
            recognised: Some(Recognised {
                identity: record.identity.clone(),
                login_name: record.login_name.clone(),
                device: record.device,
                origin: record.origin,
                full_login: record.full_login,
                strength: self.strength,
                sealed: self.sealed,
                leaves: false,
            }),
            ..Verdict::of(Outcome::Accepted)
        }
    }
}
