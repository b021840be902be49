//! Everything that is known of one account's clients, by the rules of the in-memory store.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::{Capacity, Committed, Device, Link, NewSecret, Remember, StoredTokens, TokenUse, Window};
use crate::assertion::{
    AccountSecret, AssertionId, DeviceId, LineageRecord, LoginId, Record, Revocations, Scope, TokenId, TokenRecord,
};
use crate::channel::Handle;
use crate::time::Timestamp;

/// How long an account's revocation outlasts its clients, in seconds: a login that began before it is over by then.
const REVOCATION_KEPT: u64 = 24 * 60 * 60;

/// Logins that an account's secret is found by; the one that came first goes for a further one.
const MAX_LOGINS: usize = 64;

/// One account: the value that a commit reads, changes and writes back, or drops where it is refused.
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

pub(super) struct Client {
    pub(super) device: Device,
    pub(super) revoked: bool,
    pub(super) records: Vec<Stored>,
    pub(super) tokens: Option<StoredTokens>,
    pub(super) lineages: VecDeque<(Handle, LineageRecord)>,
}

pub(super) struct Stored {
    pub(super) record: Arc<Record>,
    pub(super) window: Window,
}

impl Stored {
    pub(super) fn new(record: Record) -> Self {
        Self { record: Arc::new(record), window: Window::default() }
    }

    pub(super) fn record_mut(&mut self) -> &mut Record {
        Arc::make_mut(&mut self.record)
    }
}

impl Client {
    fn new(device: Device) -> Self {
        Self { device, revoked: false, records: Vec::new(), tokens: None, lineages: VecDeque::new() }
    }

    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.tokens.is_none() && self.lineages.is_empty()
    }

    /// How many records it takes of the store's capacity.
    pub(super) fn room(&self) -> usize {
        self.records.len() + usize::from(self.tokens.is_some())
    }

    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        !self.revoked && self.holds(|_| true, now)
    }

    /// Whether anything of it holds now, in a scope that is meant.
    fn holds(&self, meant: impl Fn(&Scope) -> bool, now: Timestamp) -> bool {
        self.records.iter().any(|stored| meant(&stored.record.scope) && now < stored.record.expires())
            || self.tokens.iter().any(|tokens| meant(&tokens.record().scope) && !tokens.is_over(now))
            || self.lineages.iter().any(|(_, lineage)| meant(&lineage.scope) && now < lineage.expires)
    }

    /// Whether it never came back. If it did in the very second of its login, only what it used then says so.
    pub(super) fn was_never_used(&self) -> bool {
        let is_unused = self.records.iter().all(|stored| stored.record.is_tentative())
            && self.tokens.iter().all(|tokens| tokens.record().current.is_none());
        self.device.last_used == self.device.created && is_unused
    }

    pub(super) fn used(&mut self, now: Timestamp) {
        self.device.last_used = self.device.last_used.max(now);
    }

    fn ends(&self) -> impl Iterator<Item = Timestamp> {
        let records = self.records.iter().map(|stored| stored.record.expires());
        let tokens = self.tokens.iter().map(|tokens| tokens.record().expires());
        records.chain(tokens).chain(self.lineages.iter().map(|(_, lineage)| lineage.expires))
    }
}

impl Account {
    /// An account of a store whose every client until then was revoked.
    pub(super) fn new(identity: Arc<str>, since: Option<Timestamp>) -> Self {
        let revoked = Revocations { until: since, ..Revocations::default() };
        Self { identity, revoked, secret: None, clients: Vec::new() }
    }

    pub(super) fn record(&self, id: &AssertionId) -> Option<Record> {
        let mut all = self.clients.iter().flat_map(|client| &client.records);
        all.find(|stored| stored.record.id == *id).map(|stored| stored.record.as_ref().clone())
    }

    pub(super) fn tokens(&self, id: &TokenId) -> Option<TokenRecord> {
        let mut all = self.clients.iter().filter_map(|client| client.tokens.as_ref());
        all.find(|tokens| tokens.record().id() == id).map(|tokens| tokens.record().clone())
    }

    pub(super) fn lineage(&self, handle: &Handle) -> Option<&LineageRecord> {
        let mut all = self.clients.iter().flat_map(|client| &client.lineages);
        all.find(|(known, _)| known == handle).map(|(_, lineage)| lineage)
    }

    /// The names that it is found by.
    pub(super) fn names(&self) -> Names {
        let clients = || self.clients.iter();
        Names {
            records: clients().flat_map(|client| &client.records).map(|stored| stored.record.id).collect(),
            tokens: clients().flat_map(|client| &client.tokens).map(|tokens| *tokens.record().id()).collect(),
            lineages: clients().flat_map(|client| &client.lineages).map(|(handle, _)| *handle).collect(),
            logins: self.secret.iter().flat_map(|secret| &secret.logins).copied().collect(),
        }
    }

    /// When something of it ends next; past where nothing is left.
    pub(super) fn due(&self) -> Timestamp {
        let ends = self.clients.iter().flat_map(Client::ends).chain(self.secret.as_ref().map(|secret| secret.until));
        let remembered = || self.revoked.until.map_or(0, |at| at.as_secs().saturating_add(REVOCATION_KEPT));
        ends.min().unwrap_or_else(|| Timestamp::from_secs(remembered()))
    }

    /// Whether nothing is left of it.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        let remembers = self.revoked.until.is_some_and(|at| at.seconds_until(now) < REVOCATION_KEPT);
        self.clients.is_empty() && self.secret.is_none() && !remembers
    }

    pub(super) fn has_secret(&self, now: Timestamp) -> bool {
        self.secret.as_ref().is_some_and(|secret| now < secret.until)
    }

    pub(super) fn is_found_by(&self, login: &LoginId) -> bool {
        self.secret.as_ref().is_some_and(|secret| secret.logins.contains(login))
    }

    /// Whether nothing may be sealed with this secret: for a client that was revoked, or under one that was found and is gone since. What was
    /// revoked has gone with it.
    pub(super) fn denies(&self, new: &NewSecret, now: Timestamp) -> bool {
        self.revoked.revokes(new.device, new.full_login) || (new.found && !self.has_secret(now))
    }

    /// Whether the account would have one more secret by this one.
    pub(super) fn lacks_secret(&self, new: &NewSecret, now: Timestamp) -> bool {
        !new.found && !self.has_secret(now)
    }

    /// The account's secret, unless it has one; whether it is this one. Either way the login finds the account's own from now on.
    pub(super) fn set_secret(&mut self, new: &NewSecret, now: Timestamp) -> bool {
        if self.lacks_secret(new, now) {
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

    /// A client that logged in fully: its records, its token, and its connection's lineage. The client needed least makes room
    /// where the account has too many. What is there already from the same commit is not added twice.
    pub(super) fn add_client(
        &mut self,
        remember: &Remember,
        link: Option<&Link>,
        now: Timestamp,
        capacity: &Capacity,
    ) -> Result<(), Committed> {
        let Some(device) = device_of(remember, link) else {
            if let Some(new) = &remember.secret {
                // All that is known of such a client is in its secret.
                if self.denies(new, now) {
                    return Err(Committed::Gone);
                }
                self.set_secret(new, now);
            }
            return Ok(());
        };
        let (id, full_login) = (device.id, device.created);
        // Another login under the same id is another client.
        let (known, namesake) = match self.position(id) {
            Some(at) if self.clients[at].device.created == full_login => (Some(at), None),
            namesake => (None, namesake),
        };
        if self.revoked.revokes(id, full_login) && known.is_none() {
            return Err(Committed::Gone);
        }
        if known.is_some_and(|at| self.clients[at].revoked) {
            return Err(Committed::Gone);
        }
        // Its tokens go on with it, so they leave its earlier login before that may have to go.
        let before = remember.token.as_deref().and_then(|token| self.take_tokens(token.id()));
        if let Some(at) = namesake {
            self.clients.remove(at);
        }
        if self.position(id).is_none() {
            self.drop_expired(now);
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
                    client.records.push(Stored::new(record.clone()));
                }
            }
            if let Some(token) = remember.token.as_deref() {
                let tokens = StoredTokens::new(token.clone());
                client.tokens = Some(match before {
                    Some(before) => tokens.following(before),
                    None => tokens,
                });
            }
        }
        if let Some(link) = link {
            self.link(link, capacity, full_login)?;
        }
        if let Some(new) = &remember.secret {
            self.set_secret(new, now);
        }
        Ok(())
    }

    /// How many records of a commit are not here yet, a secret being one.
    pub(super) fn lacks(&self, remember: &Remember, now: Timestamp) -> usize {
        let records = remember.records.iter().filter(|record| self.record(&record.id).is_none()).count();
        let tokens = remember.token.iter().filter(|token| self.tokens(token.id()).is_none()).count();
        records + tokens + usize::from(remember.secret.as_ref().is_some_and(|new| self.lacks_secret(new, now)))
    }

    /// A connection of a client that is known, for those that resume it.
    pub(super) fn link(&mut self, link: &Link, capacity: &Capacity, now: Timestamp) -> Result<(), Committed> {
        let at = match self.position(link.lineage.device) {
            Some(at) => at,
            None if link.sealed => self.adopt(&link.lineage, capacity)?,
            None => return Err(Committed::Gone),
        };
        if self.clients[at].revoked {
            return Err(Committed::Gone);
        }
        for client in &mut self.clients {
            client.lineages.retain(|(handle, _)| *handle != link.handle);
        }
        let client = &mut self.clients[at];
        client.used(now);
        client.lineages.push_back((link.handle, link.lineage.clone()));
        while client.lineages.len() > capacity.lineages_per_device.max(1) {
            client.lineages.pop_front();
        }
        Ok(())
    }

    /// A client that is known by a sealed assertion only.
    fn adopt(&mut self, lineage: &LineageRecord, capacity: &Capacity) -> Result<usize, Committed> {
        if self.revoked.revokes(lineage.device, lineage.full_login) {
            return Err(Committed::Gone);
        }
        // Its records are with itself: it takes no place of one that has them here.
        if self.clients.len() >= capacity.devices_per_account.max(1) {
            return Err(Committed::Full);
        }
        let (id, created, service) = (lineage.device, lineage.full_login, lineage.scope.service.clone());
        self.clients.push(Client::new(Device { id, created, last_used: created, origin: lineage.origin, service }));
        Ok(self.clients.len() - 1)
    }

    /// The tokens of this client, whichever of its logins they came with.
    fn take_tokens(&mut self, id: &TokenId) -> Option<StoredTokens> {
        let meant = |tokens: &mut StoredTokens| tokens.record().id() == id;
        self.clients.iter_mut().find_map(|client| client.tokens.take_if(meant))
    }

    /// The use of a token.
    pub(super) fn apply_token(&mut self, change: &TokenUse, now: Timestamp) -> Committed {
        let holds = |client: &&mut Client| client.tokens.iter().any(|tokens| *tokens.record().id() == change.token);
        let Some(client) = self.clients.iter_mut().find(holds) else { return Committed::Gone };
        let Some(tokens) = &mut client.tokens else { return Committed::Gone };
        let committed = tokens.apply(change, now);
        if committed.is_durable() {
            if tokens.is_over(now) {
                client.tokens = None;
            }
            client.used(now);
        }
        committed
    }

    fn position(&self, id: DeviceId) -> Option<usize> {
        self.clients.iter().position(|client| client.device.id == id)
    }

    /// Marks every lineage of the account as shared: another identity authenticated on a session of it. Which of its other sessions
    /// come from that one isn't known any more, and a full handshake is all that it costs.
    pub(super) fn share(&mut self) {
        for (_, lineage) in self.clients.iter_mut().flat_map(|client| &mut client.lineages) {
            lineage.shared = true;
        }
    }

    /// Whether [`share`](Self::share) would change nothing.
    pub(super) fn is_shared(&self) -> bool {
        self.clients.iter().flat_map(|client| &client.lineages).all(|(_, lineage)| lineage.shared)
    }

    pub(super) fn devices(&self, scope: Option<&Scope>, now: Timestamp) -> Vec<Device> {
        let here = |of: &Scope| scope.is_none_or(|scope| scope == of);
        let known = self.clients.iter().filter(|client| !client.revoked && client.holds(here, now));
        let mut devices: Vec<_> = known.map(|client| client.device.clone()).collect();
        devices.sort_by_key(|device| (device.created, device.id));
        devices
    }

    /// Drops what expired.
    pub(super) fn expire(&mut self, now: Timestamp) {
        self.drop_expired(now);
        self.secret.take_if(|secret| secret.until <= now);
    }

    fn drop_expired(&mut self, now: Timestamp) {
        for client in &mut self.clients {
            client.records.retain(|stored| now < stored.record.expires());
            client.tokens.take_if(|tokens| tokens.is_over(now));
            client.lineages.retain(|(_, lineage)| now < lineage.expires);
        }
        self.clients.retain(|client| !client.is_empty());
    }
}

/// The names that an account is found by, each in its own index.
#[derive(Default)]
pub(super) struct Names {
    pub(super) records: Vec<AssertionId>,
    pub(super) tokens: Vec<TokenId>,
    pub(super) lineages: Vec<Handle>,
    pub(super) logins: Vec<LoginId>,
}

impl Names {
    /// How many records it takes of the store's capacity.
    pub(super) fn room(&self) -> usize {
        self.records.len() + self.tokens.len()
    }

    /// An account's secret takes as much as a record. There is none that no login leads to.
    pub(super) fn has_secret(&self) -> bool {
        !self.logins.is_empty()
    }
}

/// Which client logged in, as any part of the commit says.
fn device_of(remember: &Remember, link: Option<&Link>) -> Option<Device> {
    let (id, created, origin, service) = match (remember.records.first(), remember.token.as_deref(), link) {
        (Some(record), ..) => (record.device, record.full_login, record.origin, &record.scope.service),
        (None, Some(token), _) => {
            let slot = token.new.as_ref()?;
            (token.device, slot.full_login, slot.origin, &token.scope.service)
        }
        (None, None, Some(Link { lineage, .. })) => {
            (lineage.device, lineage.full_login, lineage.origin, &lineage.scope.service)
        }
        (None, None, None) => return None,
    };
    Some(Device { id, created, last_used: created, origin, service: service.clone() })
}
