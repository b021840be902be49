//! Everything that is known of one account's clients, as a value: a commit reads it, changes it and puts it back.

use std::sync::Arc;

use super::super::{Committed, Device, Link, NewSecret, Remember, StoredTokens};
use super::Capacity;
use super::client::{Client, Stored, device_of};
use super::index::Name;
use super::unpack::Wanted;
use crate::assertion::{
    AccountSecret, AccountState, AssertionId, DeviceId, LineageRecord, LoginId, Record, Revocations, Scope, TokenId,
    TokenRecord,
};
use crate::channel::Handle;
use crate::crypto::Absorb;
use crate::time::Timestamp;

/// How long an account's revocation outlasts its clients, in seconds: a login that began before it is over by then.
const REVOCATION_KEPT: u64 = 24 * 60 * 60;

/// Logins that an account's secret is found by; a further one takes the place of the first.
const MAX_LOGINS: usize = 64;

/// One account.
pub(super) struct Account {
    pub(super) identity: Arc<str>,
    pub(super) revoked: Revocations,
    pub(super) secret: Option<Secret>,
    pub(super) clients: Vec<Client>,
}

/// An account's secret, until when it is needed, and the logins that it is found by.
pub(super) struct Secret {
    pub(super) secret: AccountSecret,
    pub(super) until: Timestamp,
    /// The last full login of a client that something is sealed for.
    pub(super) latest: Timestamp,
    pub(super) logins: Vec<LoginId>,
}

impl Account {
    /// An account of a store whose every client until then was revoked.
    pub(super) fn new(identity: Arc<str>, since: Option<Timestamp>) -> Self {
        let revoked = Revocations { until: since, ..Revocations::default() };
        Self { identity, revoked, secret: None, clients: Vec::new() }
    }

    /// What is known of it as a whole, where it has a secret that is found by this login.
    pub(super) fn state(&self, wanted: Wanted<'_, LoginId>, now: Timestamp) -> Option<Arc<AccountState>> {
        let is_meant = |secret: &&Secret| now < secret.until && secret.logins.iter().any(|login| wanted.is(login));
        let secret = self.secret.as_ref().filter(is_meant)?;
        let (identity, secret) = (self.identity.clone(), secret.secret.clone());
        Some(Arc::new(AccountState { identity, secret, revoked: self.revoked.clone() }))
    }

    pub(super) fn has_secret(&self, now: Timestamp) -> bool {
        self.secret.as_ref().is_some_and(|secret| now < secret.until)
    }

    /// Whether nothing may be sealed with this secret: for a client that was revoked, or under one that was found and is gone since. What was
    /// revoked has gone with it.
    pub(super) fn denies(&self, new: &NewSecret, now: Timestamp) -> bool {
        self.revoked.revokes(new.device, new.full_login) || (new.found && !self.has_secret(now))
    }

    /// The account's secret, unless it has one; whether it is this one. Either way the login finds the account's own from now on.
    pub(super) fn set_secret(&mut self, new: &NewSecret, now: Timestamp) -> bool {
        if !self.has_secret(now) && !new.found {
            let (secret, until, latest) = (new.secret.clone(), new.until, new.full_login);
            self.secret = Some(Secret { secret, until, latest, logins: Vec::new() });
        }
        let Some(secret) = self.secret.as_mut().filter(|secret| now < secret.until) else { return false };
        if !secret.logins.contains(&new.login) {
            if secret.logins.len() >= MAX_LOGINS {
                secret.logins.remove(0);
            }
            secret.logins.push(new.login);
        }
        let is_this = secret.secret == new.secret;
        if is_this {
            (secret.until, secret.latest) = (secret.until.max(new.until), secret.latest.max(new.full_login));
        }
        is_this
    }

    pub(super) fn record(&self, wanted: Wanted<'_, AssertionId>) -> Option<Arc<Record>> {
        let mut all = self.clients.iter().flat_map(|client| &client.records);
        all.find(|stored| wanted.is(&stored.record.id)).map(|stored| stored.record.clone())
    }

    pub(super) fn tokens(&self, wanted: Wanted<'_, TokenId>) -> Option<Arc<TokenRecord>> {
        let mut all = self.clients.iter().filter_map(|client| client.tokens.as_deref());
        all.find(|tokens| wanted.is(tokens.record().id())).map(|tokens| Arc::new(tokens.record().clone()))
    }

    pub(super) fn lineage(&self, handle: &Handle) -> Option<Arc<LineageRecord>> {
        let mut all = self.clients.iter().flat_map(|client| &client.lineages);
        all.find(|(known, _)| known == handle).map(|(_, lineage)| lineage.clone())
    }

    /// All that it is found by.
    pub(super) fn names(&self) -> Vec<Name> {
        let logins = self.secret.iter().flat_map(|secret| &secret.logins).map(|login| Name::Login(*login));
        self.clients.iter().flat_map(Client::names).chain(logins).collect()
    }

    /// How much of the store's room it takes: for records, a secret being one, and for lineages.
    pub(super) fn room(&self) -> (usize, usize) {
        let records = self.clients.iter().map(Client::room).sum::<usize>();
        (records + usize::from(self.secret.is_some()), self.clients.iter().map(|client| client.lineages.len()).sum())
    }

    /// Whether it has nothing but, perhaps, a revocation to remember.
    pub(super) fn is_bare(&self) -> bool {
        self.clients.is_empty() && self.secret.is_none()
    }

    /// Until when it was revoked, if a login from before may still be under way. A store that refuses every new
    /// account's logins until `since` anyway needs no account to remember that.
    pub(super) fn remembers(&self, since: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        self.revoked.until.filter(|at| Some(*at) > since && at.seconds_until(now) < REVOCATION_KEPT)
    }

    /// When the first thing of it ends; `None` where there is nothing.
    pub(super) fn ends(&self) -> Option<Timestamp> {
        self.clients.iter().flat_map(Client::ends).chain(self.secret.as_ref().map(|secret| secret.until)).min()
    }

    /// Feeds all that is kept of the account, in the order in which it is kept.
    pub(super) fn feed(&self, to: &mut impl Absorb) {
        to.lp(self.identity.as_bytes());
        to.lp(format!("{:?}", self.revoked).as_bytes());
        if let Some(secret) = &self.secret {
            to.lp(secret.secret.expose());
            to.lp(format!("{:?} {:?} {:?}", secret.until, secret.latest, secret.logins).as_bytes());
        }
        for client in &self.clients {
            to.lp(format!("{:?} {}", client.device, client.revoked).as_bytes());
            for Stored { record, window } in &client.records {
                to.lp(format!("{record:?} {window:?}").as_bytes());
                to.lp(record.stored_key.as_ref());
                to.lp(record.server_key.as_ref());
            }
            if let Some(tokens) = &client.tokens {
                to.lp(format!("{tokens:?}").as_bytes());
                let slots = [tokens.record().current(), tokens.record().new_token()];
                slots.into_iter().flatten().for_each(|slot| to.lp(slot.salt().as_octets()));
            }
            for (handle, lineage) in &client.lineages {
                to.lp(handle.as_octets());
                to.lp(format!("{lineage:?}").as_bytes());
                to.lp(lineage.lineage.as_ref().map_or(&[], |lineage| lineage.expose()));
            }
        }
    }

    /// Whether a login can be remembered now, and as which client. Nothing is changed before that is known.
    pub(super) fn admits(
        &self,
        remember: &Remember,
        link: Option<&Link>,
        now: Timestamp,
    ) -> Result<Option<Device>, Committed> {
        let Some(device) = device_of(remember, link) else {
            // All that is known of such a client is in its secret.
            let denied = remember.secret.as_ref().is_some_and(|new| self.denies(new, now));
            return if denied { Err(Committed::Gone) } else { Ok(None) };
        };
        let (id, full_login) = (device.id, device.created);
        let known = self.same_login(&device);
        if self.revoked.revokes(id, full_login) && known.is_none() {
            return Err(Committed::Gone);
        }
        if known.is_some_and(|client| client.revoked) {
            return Err(Committed::Gone);
        }
        if remember.is_of_one_client() { Ok(Some(device)) } else { Err(Committed::Gone) }
    }

    /// How much room for records this client's login needs: none for what is there already.
    pub(super) fn wants(&self, remember: &Remember, device: &Device) -> usize {
        let known = self.same_login(device);
        let has =
            |record: &Record| known.is_some_and(|client| client.records.iter().any(|own| own.record.id == record.id));
        let records = remember.records.iter().filter(|record| !has(record)).count();
        // A token that is another client's yet may go with that one, to make room.
        let has = |token: &TokenRecord| {
            known.is_some_and(|client| client.tokens.iter().any(|own| own.record().id() == token.id()))
        };
        records + usize::from(remember.token.as_ref().is_some_and(|token| !has(token)))
    }

    /// A client that logged in fully: its records, its token, and its connection's lineage. The client needed least
    /// makes room where the account has too many. What is there already from the same commit is not added twice.
    pub(super) fn add_client(
        &mut self,
        remember: &Remember,
        device: Device,
        link: Option<&Link>,
        capacity: &Capacity,
        now: Timestamp,
    ) {
        let (id, full_login) = (device.id, device.created);
        // Its tokens go on with it, so they leave its earlier login before that may have to go.
        let token = remember.token.as_deref();
        let before = token.and_then(|token| self.take_tokens(token.id()));
        // Another login under the same id is another client.
        if let Some(at) = self.position(id).filter(|&at| self.clients[at].device.created != full_login) {
            self.clients.remove(at);
        }
        if self.position(id).is_none() {
            self.drop_clients(now);
            while self.clients.len() >= capacity.devices_per_account.max(1) {
                match self.least_needed() {
                    Some(at) => drop(self.clients.remove(at)),
                    None => break,
                }
            }
            self.clients.push(Client::new(device));
        }
        if let Some(client) = self.clients.iter_mut().find(|client| client.device.id == id) {
            for record in &remember.records {
                if client.records.iter().all(|stored| stored.record.id != record.id) {
                    client.records.push(Stored::new(record));
                }
            }
            if let Some(token) = token {
                let tokens = StoredTokens::new(token.clone());
                client.tokens = Some(Box::new(match before {
                    Some(before) => tokens.following(before),
                    None => tokens,
                }));
            }
        }
        if let Some(link) = link {
            self.link(link, capacity, full_login);
        }
    }

    /// Whether a connection can be linked to its client now.
    pub(super) fn admits_link(&self, link: &Link, capacity: &Capacity) -> Result<(), Committed> {
        let lineage = &link.lineage;
        match self.position(lineage.device).map(|at| &self.clients[at]) {
            Some(client) if client.revoked => Err(Committed::Gone),
            Some(_) => Ok(()),
            None if !link.sealed || self.revoked.revokes(lineage.device, lineage.full_login) => Err(Committed::Gone),
            // Its records are with itself: it takes no place of one that has them here.
            None if self.clients.len() >= capacity.devices_per_account.max(1) => Err(Committed::Full),
            None => Ok(()),
        }
    }

    /// A connection of a client that was admitted, for those that resume it.
    pub(super) fn link(&mut self, link: &Link, capacity: &Capacity, now: Timestamp) {
        // Under the lock once more: it may have become shared in this moment.
        let before = link.predecessor.and_then(|handle| self.lineage(&handle));
        let mut lineage = link.lineage.clone();
        lineage.shared |= before.is_some_and(|before| before.shared);
        self.clients.iter_mut().for_each(|client| client.lineages.retain(|(handle, _)| *handle != link.handle));
        let at = self.position(lineage.device).unwrap_or_else(|| {
            // A client that is known by a sealed assertion only.
            let (id, created, service) = (lineage.device, lineage.full_login, lineage.scope.service.clone());
            self.clients.push(Client::new(Device { id, created, last_used: created, origin: lineage.origin, service }));
            self.clients.len() - 1
        });
        let client = &mut self.clients[at];
        client.used(now);
        client.lineages.push_back((link.handle, Arc::new(lineage)));
        while client.lineages.len() > capacity.lineages_per_device.max(1) {
            client.lineages.pop_front();
        }
    }

    /// The tokens of this client, whichever of its logins they came with.
    fn take_tokens(&mut self, id: &TokenId) -> Option<StoredTokens> {
        let meant = |tokens: &mut Box<StoredTokens>| tokens.record().id() == id;
        self.clients.iter_mut().find_map(|client| client.tokens.take_if(meant)).map(|tokens| *tokens)
    }

    /// Gives up what another account has now: a token that was issued to it, a login that finds it.
    pub(super) fn give_up(&mut self, name: &Name) {
        match name {
            Name::Token(id) => drop(self.take_tokens(id)),
            Name::Login(login) => self.secret.iter_mut().for_each(|secret| secret.logins.retain(|own| own != login)),
            Name::Record(_) | Name::Handle(_) => {}
        }
    }

    fn position(&self, id: DeviceId) -> Option<usize> {
        self.clients.iter().position(|client| client.device.id == id)
    }

    fn same_login(&self, device: &Device) -> Option<&Client> {
        self.clients.iter().find(|client| client.is_of(device))
    }

    /// Which client goes first: one that was never used again, then the one used least lately.
    fn least_needed(&self) -> Option<usize> {
        let order = |client: &Client| (!client.revoked, !client.was_never_used(), client.device.last_used);
        self.clients.iter().enumerate().min_by_key(|(_, client)| order(client)).map(|(at, _)| at)
    }

    /// Gives up clients that were never used again, until `wanted` records are free, when the whole store is full; none
    /// at all where they would not do. Whether they did.
    pub(super) fn make_room(&mut self, wanted: usize, login: Option<&Device>) -> bool {
        let same = |client: &Client| login.is_some_and(|login| client.is_of(login));
        let spare = |client: &Client| client.was_never_used() || client.revoked;
        let mut freed = 0;
        if self.clients.iter().filter(|client| spare(client) && !same(client)).map(Client::room).sum::<usize>() < wanted
        {
            return false;
        }
        while freed < wanted {
            match self.clients.iter().position(|client| spare(client) && !same(client)) {
                Some(at) => freed += self.clients.remove(at).room(),
                None => break,
            }
        }
        true
    }

    /// Gives up the oldest session of this client, or of the one used least lately, when the whole store is full.
    /// Whether there was one.
    pub(super) fn give_up_lineage(&mut self, of: Option<DeviceId>) -> bool {
        let meant = |client: &&mut Client| of.is_none_or(|id| client.device.id == id) && !client.lineages.is_empty();
        let client = self.clients.iter_mut().filter(meant).min_by_key(|client| client.device.last_used);
        client.and_then(|client| client.lineages.pop_front()).is_some()
    }

    pub(super) fn devices(&self, scope: Option<&Scope>, now: Timestamp) -> Vec<Device> {
        let here = |of: &Scope| scope.is_none_or(|scope| scope == of);
        let known = |client: &&Client| !client.revoked && client.holds(here, now);
        let mut devices: Vec<_> = self.clients.iter().filter(known).map(|client| client.device.clone()).collect();
        devices.sort_by_key(|device| (device.created, device.id));
        devices
    }

    /// Drops what expired.
    pub(super) fn drop_expired(&mut self, now: Timestamp) {
        self.drop_clients(now);
        self.secret.take_if(|secret| secret.until <= now);
    }

    fn drop_clients(&mut self, now: Timestamp) {
        self.clients.iter_mut().for_each(|client| client.drop_expired(now));
        self.clients.retain(|client| !client.is_empty());
    }
}
