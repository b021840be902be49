//! A server's view of one connection: what it may offer there, who logs in, and what becomes of that.

use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use super::exchange::Recognised;
use super::{Outcome, Received, Server, Verdict, external, ht, iky, names};
use crate::assertion::{
    AccountSecret, AccountState, Binding, CannotDerive, CannotIssue, DeviceId, FullLogin, Hash, HtMechanism, Issued,
    LineageRecord, LoginId, OfferHash, Origin, OwnToken, Owner, Pin, Record, Renewal, Salt, Scope, ServiceKeys,
    TokenId, TokenRecord, TokenRequest, TokenSlot, seal, valid_login_name,
};
use crate::channel::{ChannelFacts, Exporter, TlsVersion};
use crate::store::{Commit, Link, Lookup, NewSecret, Remember, Store};
use crate::time::Timestamp;

/// One connection of a [`Server`].
///
/// In this order: [`new`](Self::new); [`lookup`](Self::lookup) and [`resumes`](Self::resumes), where TLS resumed a session;
/// [`mechanisms`](Self::mechanisms), to be listed. Then for each attempt [`receive`](Self::receive), and
/// [`recognised`](Self::recognised) once one was accepted; or after a full login [`logged_in`](Self::logged_in).
#[derive(Debug)]
pub struct Connection<'s> {
    pub(super) server: &'s Server,
    pub(super) facts: ChannelFacts,
    pub(super) predecessor: Option<Arc<LineageRecord>>,
    pub(super) manager: bool,
    pub(super) grant: Option<Renewal>,
    pub(super) seal: Mutex<Option<SealRandom>>,
    pub(super) beside: Mutex<Option<ht::Beside>>,
    pub(super) successes: u32,
    pub(super) identity: Option<Arc<str>>,
    pub(super) shared: bool,
}

/// What sealing takes of randomness.
#[derive(Clone, Debug)]
pub(super) struct SealRandom {
    pub(super) salt: Salt,
    pub(super) secret: AccountSecret,
}

impl SealRandom {
    /// The record sealed, and what its account needs for it: the secret that was found, where it is this account's, else a new one.
    pub(super) fn seal(
        self,
        keys: &ServiceKeys,
        account: Option<&AccountState>,
        record: &Record,
    ) -> Option<(String, NewSecret)> {
        let own = account.filter(|account| account.identity == record.identity);
        let (secret, found) = own.map_or((self.secret, false), |account| (account.secret.clone(), true));
        let text = seal(keys, &secret, record, &self.salt)?;
        let (login, identity) = (LoginId::of(&record.scope, &record.login_name), record.identity.clone());
        let (device, full_login, until) = (record.device, record.full_login, record.expires);
        Some((text, NewSecret { login, identity, secret, found, device, full_login, until }))
    }
}

/// A full login that just succeeded on a connection.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// How it was done. Its ordinal is set by the connection.
    pub full: &'a FullLogin,
    /// The account, as the server calls it: 1 to 255 octets without NUL.
    pub identity: &'a str,
    /// A fresh random id for the client.
    pub device: DeviceId,
    /// When.
    pub now: Timestamp,
}

/// What a full login leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "the commit has to be made durable, also where the client does not become known"]
pub struct LoggedIn {
    /// What must be durable before success is sent. Never skip it: it is also how a second identity on one session is noticed.
    pub commit: Commit,
    /// Why the client does not become known by this login; `None` if it does.
    pub unknown: Option<CannotDerive>,
}

impl<'s> Connection<'s> {
    /// A connection of which these facts are known.
    ///
    /// What [`lookup`](Self::lookup) asks for follows in [`resumes`](Self::resumes); [`resumes_in`](Self::resumes_in) does both.
    pub fn new(server: &'s Server, facts: ChannelFacts) -> Self {
        Self {
            server,
            facts,
            predecessor: None,
            manager: false,
            grant: None,
            seal: Mutex::new(None),
            beside: Mutex::new(None),
            successes: 0,
            identity: None,
            shared: false,
        }
    }

    /// What to look up as soon as the handshake says that TLS resumed a session; `None` for a full handshake.
    pub fn lookup(&self) -> Option<Lookup<'static>> {
        let handle = *self.facts.resumed_handle()?;
        Some(Lookup { handle: Some(handle), ..Lookup::default() })
    }

    /// Who authenticated on the connection that this one resumes, as the store knows.
    #[must_use]
    pub fn resumes(mut self, predecessor: Option<Arc<LineageRecord>>) -> Self {
        self.predecessor = predecessor;
        self
    }

    /// Looks that up in a store that answers at once. One that does not answer now costs the client EXTERNAL, and nothing else.
    #[must_use]
    pub fn resumes_in(self, store: &dyn Store, now: Timestamp) -> Self {
        let found = self.lookup().and_then(|lookup| store.lookup(&lookup, now).ok());
        self.resumes(found.and_then(|found| found.lineage))
    }

    /// The peer is a connection manager: it carries several users over its TLS sessions, so none of them stands for anybody. No client becomes known
    /// through it; XMPP's profile has a `Manager` that the operator trusts for more.
    #[must_use]
    pub fn through_manager(mut self) -> Self {
        self.manager = true;
        self
    }

    /// 32 fresh random octets, for a renewal on a channel without exporter; without them there is none.
    #[must_use]
    pub fn grant_with(mut self, random: [u8; 32]) -> Self {
        self.grant = Some(Renewal::Granted(random));
        self
    }

    /// 48 fresh random octets, for one sealed assertion, and for the account's secret if it has none yet; without them none is issued.
    #[must_use]
    pub fn seal_with(mut self, random: [u8; 48]) -> Self {
        let random = Zeroizing::new(random);
        let (mut salt, mut secret) = (Zeroizing::new([0; Salt::LEN]), Zeroizing::new([0; AccountSecret::LEN]));
        salt.copy_from_slice(&random[..Salt::LEN]);
        secret.copy_from_slice(&random[Salt::LEN..]);
        self.seal = Mutex::new(Some(SealRandom { salt: Salt::new(*salt), secret: AccountSecret::new(*secret) }));
        self
    }

    /// The random octets for one sealing: a second one under the same would give away both.
    pub(super) fn take_seal(&self) -> Option<SealRandom> {
        self.seal.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn may_seal(&self) -> bool {
        self.server.sealing.is_some() && self.seal.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// What is known of the channel, once more is known of it than at the greeting. What was said to be nobody's own stays so
    /// ([`ChannelFacts::of_no_single_connection`], and what XMPP's `Path` and `Manager` leave of a connection's facts).
    pub fn update_facts(&mut self, facts: ChannelFacts) {
        self.facts = self.facts.updated(facts);
    }

    /// What is known of the channel.
    pub fn facts(&self) -> &ChannelFacts {
        &self.facts
    }

    /// The mechanisms to list: those for a full login, the IKY ones that this channel can carry, and EXTERNAL where the server
    /// can already say "I know you".
    pub fn mechanisms(&self, now: Timestamp) -> Vec<&'s str> {
        let server: &'s Server = self.server;
        let mut names: Vec<&'s str> = Vec::with_capacity(server.full_mechanisms.len() + server.pins.len() + 1);
        if external::recognise(self, self.predecessor.as_deref(), now).is_ok() {
            names.push(external::NAME);
        }
        names.extend(self.listed_pins().map(|pin| pin.name()));
        names.extend(server.full_mechanisms.iter().map(|name| &**name));
        names
    }

    /// The IKY mechanisms that are configured and that this channel can carry.
    pub(super) fn listed_pins(&self) -> impl Iterator<Item = Pin> + Clone {
        let taken = self.server.pins.iter().copied().filter(|pin| self.server.policy.takes(pin.binding()));
        // A connection manager's TLS is not its user's: there is nothing to bind to.
        let fit = taken
            .filter(|pin| !self.manager || pin.binding() == Binding::None)
            .filter(|pin| pin.may_be_listed(&self.facts));
        // No more than a login makes records for: a client derives for the one that it prefers among those listed.
        fit.take(self.server.policy.records_per_login)
    }

    /// The HT and HT2 mechanisms to list (in XMPP's `<fast/>`): those that are configured and that this channel can carry.
    pub fn fast_mechanisms(&self) -> Vec<HtMechanism> {
        self.listed_ht().collect()
    }

    pub(super) fn listed_ht(&self) -> impl Iterator<Item = HtMechanism> {
        let all = self.server.fast.iter().flat_map(|fast| fast.mechanisms.iter().copied());
        // A connection manager reads tokens, and the message of one that is bound to nothing is good until it ends.
        all.filter(|_| !self.manager)
            .filter(|mechanism| self.server.policy.takes_token(mechanism.binding()))
            .filter(|mechanism| mechanism.may_be_listed(&self.facts))
    }

    /// The hash over what is offered here now, to compare with what the client was offered at its full login.
    pub(super) fn offer(&self, hash: Hash) -> OfferHash {
        self.server.offers.of(hash, self.listed_pins(), &self.server.full_mechanisms)
    }

    /// An attempt with EXTERNAL (RFC 4422 appendix A): the initial response, decoded, is the authzid in UTF-8, or empty.
    pub fn external<'m>(&'m self, initial_response: &'m [u8]) -> Received<'m> {
        external::receive(self, initial_response)
    }

    /// An attempt with an IKY mechanism: the initiator message as received, decoded; more than [`iky::MAX_MESSAGE`] octets are malformed.
    ///
    /// Wherever this runs, the client gets the verdict's message whatever it says, also for a mechanism that is not listed.
    pub fn iky<'m>(&'m self, pin: Pin, message: &'m [u8]) -> Received<'m> {
        iky::receive(self, pin, message)
    }

    /// An attempt with a token that this service issued: HT or HT2.
    pub fn ht<'m>(&'m self, request: ht::Request<'m>) -> Received<'m> {
        ht::receive(self, request)
    }

    /// What belongs beside the next message of an HT mechanism, and beside no other; without it, [`receive`](Self::receive) refuses one.
    pub fn beside(&mut self, beside: ht::Beside) {
        *self.beside.get_mut().unwrap_or_else(PoisonError::into_inner) = Some(beside);
    }

    /// Whether [`receive`](Self::receive) takes the mechanism of this name, and not the full SASL engine.
    pub fn recognises_by(mechanism: &str) -> bool {
        names::is_known(mechanism)
    }

    /// An attempt with the mechanism of this name, in any case of letters, and its message, decoded; `None` for one that the full SASL engine takes.
    pub fn receive<'m>(&'m self, mechanism: &str, message: &'m [u8]) -> Option<Received<'m>> {
        let beside = self.beside.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(pin) = Pin::from_name(mechanism) {
            return Some(self.iky(pin, message));
        }
        if mechanism.eq_ignore_ascii_case(external::NAME) {
            return Some(self.external(message));
        }
        match (HtMechanism::from_name(mechanism), beside) {
            (Some(mechanism), Some(beside)) => Some(self.ht(beside.request(mechanism, message))),
            // Also HT with a hash function that this build lacks: there is no full login of that name.
            _ => Self::recognises_by(mechanism).then(|| Received::Done(Verdict::of(Outcome::Malformed))),
        }
    }

    /// After a full login: makes the client known, here and at the sibling services, by *derived* assertions.
    ///
    /// A login in the second of a revocation counts as one before it. The login stands whatever comes of this. The commit must be durable before success is sent, or the client may come back
    /// too early; a store that answers that there is no room just does not know the client then.
    pub fn logged_in(&mut self, login: Login<'_>, exporter: &dyn Exporter) -> LoggedIn {
        let full = self.count(login.full);
        let derived = self.derive(&full, login, exporter);
        self.remember(derived, &full, login)
    }

    /// After a full login: makes the client known by an assertion *granted* with these 32 random octets, which go to the
    /// client where its protocol has room for them. If the result says [`LoggedIn::unknown`], they must not be sent.
    pub fn logged_in_granting(&mut self, login: Login<'_>, pin: Pin, seed: &[u8; 32]) -> LoggedIn {
        let full = self.count(login.full);
        let granted = self.grant(&full, login, pin, seed);
        self.remember(granted, &full, login)
    }

    /// What to look up before [`logged_in_granting_sealed`](Self::logged_in_granting_sealed).
    pub fn account_lookup(&self, login_name: &str) -> Lookup<'static> {
        let login = Some(LoginId::of(&self.scope(), login_name).into());
        Lookup { login, account: true, ..Lookup::default() }
    }

    /// The same as [`logged_in_granting`](Self::logged_in_granting), with the record sealed, for the client to keep beside the seed. `account` is
    /// what [`account_lookup`](Self::account_lookup) found. The record is stored, and there is no sealed one, where the server, the mechanism
    /// or the connection ([`seal_with`](Self::seal_with)) is not fit for it.
    ///
    /// Of two first logins at once one may get a sealed assertion under a secret that the other's took the place of. It is refused
    /// then, and its client logs in fully once more.
    pub fn logged_in_granting_sealed(
        &mut self,
        login: Login<'_>,
        pin: Pin,
        seed: &[u8; 32],
        account: Option<&AccountState>,
    ) -> (LoggedIn, Option<String>) {
        let mut logged_in = self.logged_in_granting(login, pin, seed);
        let Commit::Remember(remember) = &mut logged_in.commit else { return (logged_in, None) };
        let sealing = self.server.sealing.as_ref().zip(self.take_seal());
        let sealed = sealing
            .zip(remember.records.first())
            .and_then(|((keys, random), record)| random.seal(keys, account, record));
        let Some((text, secret)) = sealed else { return (logged_in, None) };
        remember.records.clear();
        remember.secret = Some(secret);
        remember.link.iter_mut().for_each(|link| link.sealed = true);
        (logged_in, Some(text))
    }

    /// After a full login whose client asked for a token (XEP-0484): the same as [`logged_in`](Self::logged_in), and the token.
    ///
    /// The token goes to the client only once the commit is durable, and not at all after `Gone` or `Full`. What the client had before goes on until it used this one.
    pub fn logged_in_with_token(
        &mut self,
        login: Login<'_>,
        exporter: &dyn Exporter,
        request: &TokenRequest<'_>,
    ) -> (LoggedIn, Result<Issued, CannotIssue>) {
        let issued = self.issue(login, request);
        let mut logged_in = self.logged_in(login, exporter);
        match (issued, &mut logged_in.commit) {
            (Ok((record, issued)), Commit::Remember(remember)) => {
                remember.token = Some(Box::new(record));
                (logged_in, Ok(issued))
            }
            (Err(why), _) => (logged_in, Err(why)),
            // It is always that commit.
            (Ok(_), _) => (logged_in, Err(CannotIssue::NotListed)),
        }
    }

    /// After a client was recognised, by EXTERNAL or IKY: lets the connections that resume this one be recognised in turn.
    ///
    /// It may be stored after the reply. `None` where TLS sessions don't matter; also until the handshake is finished, as there is no lineage to
    /// store: after a login in early data, [update](Self::update_facts) the facts and ask then.
    pub fn recognised(&mut self, client: &Recognised, now: Timestamp) -> Option<Commit> {
        if self.facts.exporter_is_to_come() {
            return None;
        }
        self.successes = self.successes.saturating_add(1);
        let lineage = self.lineage(client, now);
        let mut link = self.link(lineage)?;
        // A TLS 1.2 session goes on where it is, and would go on to stand for it.
        let goes_on = client.leaves && link.predecessor == Some(link.handle);
        if goes_on {
            (link.lineage.lineage, link.lineage.strength, link.lineage.revoked) = (None, Origin::Unbound, true);
        }
        // Nothing is left of one that leaves, but that it was here: another identity's session may not stand for that one any more.
        let is_told = !client.leaves || self.shared || goes_on;
        is_told.then_some(Commit::Link(Link { sealed: client.sealed, ..link }))
    }

    fn derive(&self, full: &FullLogin, login: Login<'_>, exporter: &dyn Exporter) -> Result<Vec<Record>, CannotDerive> {
        let owner = self.owner(full, &login)?;
        if !self.facts.is_of(exporter)? {
            return Err(CannotDerive::OtherConnection);
        }
        let here = self.scope();
        let own = self.listed_pins().map(|pin| Record::derive(pin, &here, full, exporter, &owner));
        let siblings = &self.server.siblings;
        let there = siblings.iter().map(|sibling| Record::derive(sibling.pin, &sibling.scope, full, exporter, &owner));
        // Never grown: what a vector leaves behind when it grows is not wiped.
        let mut records = Vec::with_capacity(self.listed_pins().count() + siblings.len());
        own.chain(there).try_for_each(|record| record.map(|record| records.push(record)))?;
        Ok(records)
    }

    fn grant(
        &self,
        full: &FullLogin,
        login: Login<'_>,
        pin: Pin,
        seed: &[u8; 32],
    ) -> Result<Vec<Record>, CannotDerive> {
        let owner = self.owner(full, &login)?;
        if !self.server.pins.contains(&pin) {
            return Err(CannotDerive::NotConfigured);
        }
        if !self.server.policy.takes(pin.binding()) {
            return Err(CannotDerive::WeakBinding);
        }
        pin.check_channel(&self.facts)?;
        Ok(vec![Record::grant(pin, &self.scope(), full, seed, &owner)?])
    }

    fn issue(&self, login: Login<'_>, request: &TokenRequest<'_>) -> Result<(TokenRecord, Issued), CannotIssue> {
        let fast = self.server.fast.as_ref().ok_or(CannotIssue::NotListed)?;
        if !self.listed_ht().any(|listed| listed == request.mechanism) {
            return Err(CannotIssue::NotListed);
        }
        self.facts.is_no_early_data()?;
        self.facts.keys_are_private()?;
        // Whoever is on the channel reads the token.
        let origin = login.full.origin().of_the_channel();
        let expires = self.server.policy.expiry(origin, login.now, login.now).ok_or(CannotIssue::Origin)?;
        let named = |name: &str| !name.is_empty() && valid_login_name(name);
        if ![request.authcid, request.client, login.identity].into_iter().all(named) {
            return Err(CannotIssue::Name);
        }
        let (salt, key, mechanism) = (Salt::new(request.random), fast.keys.current_id(), request.mechanism);
        let slot = TokenSlot { salt, key, mechanism, origin, full_login: login.now, expires };
        let id = TokenId::of(&self.scope(), request.authcid, request.client);
        let token = OwnToken::of(&fast.keys, &id, &slot).ok_or(CannotIssue::NotListed)?.token();
        let record = TokenRecord {
            id,
            identity: login.identity.into(),
            authcid: request.authcid.into(),
            scope: self.scope(),
            device: login.device,
            current: None,
            new: Some(slot),
            revoked: false,
        };
        Ok((record, Issued { token, mechanism, expires }))
    }

    /// Whose records a login may make, if it may make any.
    fn owner<'l>(&'l self, full: &FullLogin, login: &Login<'l>) -> Result<Owner<'l>, CannotDerive> {
        if self.manager {
            return Err(CannotDerive::ConnectionManager);
        }
        self.facts.is_no_early_data()?;
        self.facts.keys_are_private()?;
        let policy = &self.server.policy;
        policy.lifetime_of(full.origin()).ok_or(CannotDerive::Origin)?;
        Ok(Owner { identity: login.identity, device: login.device, policy, now: login.now })
    }

    fn count(&mut self, login: &FullLogin) -> FullLogin {
        self.successes = self.successes.saturating_add(1);
        login.clone().with_ordinal(self.successes)
    }

    pub(super) fn scope(&self) -> Scope {
        Scope::new(self.server.service.clone(), self.facts.name().clone())
    }

    fn remember(&mut self, records: Result<Vec<Record>, CannotDerive>, full: &FullLogin, login: Login<'_>) -> LoggedIn {
        let client = Recognised {
            identity: Arc::from(login.identity),
            login_name: Arc::from(full.login_name()),
            device: login.device,
            origin: full.origin(),
            full_login: login.now,
            // Its keys are the client's, but its channel may be a man in the middle's.
            strength: full.origin().of_the_channel(),
            sealed: false,
            leaves: false,
        };
        let lineage = self.lineage(&client, login.now);
        let (records, unknown) = match records {
            Ok(records) => (records, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        LoggedIn {
            commit: Commit::Remember(Remember { records, token: None, link: self.link(lineage), secret: None }),
            unknown,
        }
    }

    /// What is remembered of this connection, once somebody authenticated on it.
    fn lineage(&self, client: &Recognised, now: Timestamp) -> LineageRecord {
        let private = self.facts.keys_are_private().is_ok();
        LineageRecord {
            identity: client.identity.clone(),
            login_name: client.login_name.clone(),
            scope: self.scope(),
            device: client.device,
            origin: client.origin,
            full_login: client.full_login,
            strength: if private { client.strength } else { Origin::Unbound },
            lineage: self.facts.lineage().filter(|_| private).cloned(),
            expires: self.server.policy.lineage_expiry(client.origin, client.full_login, now),
            shared: false,
            revoked: false,
        }
    }

    fn link(&mut self, mut lineage: LineageRecord) -> Option<Link> {
        // Two identities on one session, now or before: it stands for neither, and so do all that resume it. The store looks
        // again, as it may have come to pass since this connection asked.
        let other = |before: &str| *before != *lineage.identity;
        self.shared |= self.identity.as_deref().is_some_and(other);
        self.shared |= self.predecessor.as_ref().is_some_and(|before| before.shared || other(&before.identity));
        self.identity = Some(lineage.identity.clone());
        if self.manager {
            return None;
        }
        lineage.shared = self.shared;
        let (own, predecessor) = (*self.facts.own_handle()?, self.facts.resumed_handle().copied());
        match predecessor {
            // A resumed TLS 1.2 session goes on under the handle and the master secret of its full handshake.
            Some(first) if self.facts.version() == TlsVersion::Tls12 => {
                match self.predecessor.as_ref().filter(|before| before.device == lineage.device) {
                    Some(before) => lineage.lineage = before.lineage.clone(),
                    // Another client's login goes on with a session that isn't its own. It is there to be compared.
                    None => (lineage.lineage, lineage.strength) = (None, Origin::Unbound),
                }
                Some(Link { handle: first, predecessor, lineage, sealed: false })
            }
            _ => Some(Link { handle: own, predecessor, lineage, sealed: false }),
        }
    }
}
