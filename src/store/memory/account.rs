//! Everything that is known of one account's clients.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::{
    Committed, Device, Link, MAX_PENDING_SUCCESSORS, NewSecret, Remember, Revoke, StoredTokens, TokenUse, Use, Window,
};
use super::Capacity;
use crate::assertion::{
    AccountSecret, AccountState, AssertionId, DeviceId, LineageRecord, LoginId, Record, Revocations, Scope, TokenId,
    TokenRecord,
};
use crate::channel::Handle;
use crate::crypto::Absorb;
use crate::time::Timestamp;

/// One account. Its lock is what makes a commit one step.
pub(super) struct Account {
    identity: Arc<str>,
    revoked: Revocations,
    /// Its secret, until when that is needed, and the logins that it is found by.
    secret: Option<Secret>,
    clients: Vec<Client>,
    /// It is leaving the index: whoever still holds it has to look again.
    pub(super) dropped: bool,
}

struct Secret {
    secret: AccountSecret,
    until: Timestamp,
    logins: Vec<LoginId>,
}

struct Client {
    device: Device,
    revoked: bool,
    records: Vec<Stored>,
    tokens: Option<Box<StoredTokens>>,
    lineages: VecDeque<(Handle, Arc<LineageRecord>)>,
}

struct Stored {
    record: Arc<Record>,
    window: Window,
}

/// What left an account, to leave the indices too.
#[derive(Default)]
pub(super) struct Removed {
    pub(super) records: Vec<AssertionId>,
    pub(super) tokens: Vec<TokenId>,
    pub(super) lineages: Vec<Handle>,
    pub(super) logins: Vec<LoginId>,
    /// Lineages that took the place of one under the same handle, which stays in the index.
    pub(super) replaced: usize,
    /// Set when nothing is left of the account.
    pub(super) emptied: Option<Arc<str>>,
}

/// What came to an account, to go into the indices, and what left it.
#[derive(Default)]
pub(super) struct Added {
    pub(super) records: Vec<AssertionId>,
    /// The client's tokens, unless they only moved here from another login of the same client.
    pub(super) token: Option<TokenId>,
    pub(super) removed: Removed,
}

impl Removed {
    pub(super) fn append(&mut self, mut other: Self) {
        self.records.append(&mut other.records);
        self.tokens.append(&mut other.tokens);
        self.lineages.append(&mut other.lineages);
        self.logins.append(&mut other.logins);
        self.replaced += other.replaced;
        self.emptied = self.emptied.take().or(other.emptied);
    }

    fn client(&mut self, client: Client) {
        self.records.extend(client.records.iter().map(|stored| stored.record.id));
        self.tokens.extend(client.tokens.iter().map(|tokens| *tokens.record().id()));
        self.lineages.extend(client.lineages.iter().map(|(handle, _)| *handle));
    }

    /// How much room its records leave.
    pub(super) fn room(&self) -> usize {
        self.records.len() + self.tokens.len()
    }
}

impl Added {
    /// How much room its records take.
    pub(super) fn room(&self) -> usize {
        self.records.len() + usize::from(self.token.is_some())
    }
}

impl Client {
    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.tokens.is_none() && self.lineages.is_empty()
    }

    fn room(&self) -> usize {
        self.records.len() + usize::from(self.tokens.is_some())
    }

    fn is_live(&self, now: Timestamp) -> bool {
        !self.revoked
            && (self.records.iter().any(|stored| now < stored.record.expires())
                || self.tokens.iter().any(|tokens| !tokens.is_over(now))
                || self.lineages.iter().any(|(_, lineage)| now < lineage.expires))
    }

    fn was_never_used(&self) -> bool {
        self.device.last_used == self.device.created
    }
}

impl Account {
    /// An account of a store whose every client until then was revoked.
    pub(super) fn new(identity: Arc<str>, since: Option<Timestamp>) -> Self {
        let revoked = Revocations { until: since, ..Revocations::default() };
        Self { identity, revoked, secret: None, clients: Vec::new(), dropped: false }
    }

    /// What is known of it as a whole, where it has a secret.
    pub(super) fn state(&self, now: Timestamp) -> Option<Arc<AccountState>> {
        let secret = self.secret.as_ref().filter(|secret| now < secret.until)?;
        Some(Arc::new(AccountState { secret: secret.secret.clone(), revoked: self.revoked.clone() }))
    }

    /// The account's secret, unless it has one; whether it is this one.
    pub(super) fn set_secret(&mut self, new: &NewSecret, now: Timestamp) -> bool {
        let live = self.secret.take().filter(|secret| now < secret.until);
        let known = live.unwrap_or_else(|| Secret { secret: new.secret.clone(), until: new.until, logins: Vec::new() });
        let secret = self.secret.insert(known);
        if secret.secret != new.secret {
            return false;
        }
        secret.until = secret.until.max(new.until);
        if !secret.logins.contains(&new.login) {
            secret.logins.push(new.login);
        }
        true
    }

    pub(super) fn record(&self, id: &AssertionId) -> Option<Arc<Record>> {
        let mut all = self.clients.iter().flat_map(|client| &client.records);
        all.find(|stored| stored.record.id == *id).map(|stored| stored.record.clone())
    }

    pub(super) fn tokens(&self, id: &TokenId) -> Option<Arc<TokenRecord>> {
        let mut all = self.clients.iter().filter_map(|client| client.tokens.as_deref());
        all.find(|tokens| tokens.record().id() == id).map(|tokens| Arc::new(tokens.record().clone()))
    }

    pub(super) fn lineage(&self, handle: &Handle) -> Option<Arc<LineageRecord>> {
        let mut all = self.clients.iter().flat_map(|client| &client.lineages);
        all.find(|(known, _)| known == handle).map(|(_, lineage)| lineage.clone())
    }

    /// Feeds all that is kept of the account, in the order in which it is kept.
    pub(super) fn feed(&self, to: &mut impl Absorb) {
        to.lp(self.identity.as_bytes());
        to.lp(format!("{:?}", self.revoked).as_bytes());
        if let Some(secret) = &self.secret {
            to.lp(secret.secret.expose());
            to.lp(format!("{:?} {:?}", secret.until, secret.logins).as_bytes());
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

    pub(super) fn identity(&self) -> &Arc<str> {
        &self.identity
    }

    /// A client that logged in fully: its records, its token, and its connection's lineage. The client needed least makes room
    /// where the account has too many. What is there already from the same commit is not added twice.
    pub(super) fn add_client(
        &mut self,
        remember: &Remember,
        link: Option<&Link>,
        now: Timestamp,
        capacity: &Capacity,
    ) -> Result<Added, Committed> {
        let records = &remember.records;
        let token = remember.token.as_deref();
        let Some(device) = device_of(remember, link) else { return Ok(Added::default()) };
        let (id, full_login) = (device.id, device.created);
        let spared = |client: &Client| client.device.created == full_login && !client.revoked;
        let known = self.clients.iter().any(|client| client.device.id == id && spared(client));
        if self.revoked.revokes(id, full_login) && !known {
            return Err(Committed::Gone);
        }
        // Another login under the same id is another client.
        let namesake = self.position(id).filter(|&at| self.clients[at].device.created != full_login);
        if self.position(id).is_some_and(|at| namesake.is_none() && self.clients[at].revoked) {
            return Err(Committed::Gone);
        }
        let mut added = Added::default();
        // Its tokens go on with it, so they leave its earlier login before that may have to go.
        let before = token.and_then(|token| self.take_tokens(token.id()));
        if let Some(at) = namesake {
            added.removed.client(self.clients.remove(at));
        }
        if self.position(id).is_none() {
            self.drop_expired(now, &mut added.removed);
            while self.clients.len() >= capacity.devices_per_account.max(1) {
                match self.least_needed() {
                    Some(at) => added.removed.client(self.clients.remove(at)),
                    None => break,
                }
            }
            let (records, lineages) = (Vec::new(), VecDeque::new());
            self.clients.push(Client { device, revoked: false, records, tokens: None, lineages });
        }
        if let Some(client) = self.clients.iter_mut().find(|client| client.device.id == id) {
            for record in records {
                if client.records.iter().all(|stored| stored.record.id != record.id) {
                    client.records.push(Stored { record: Arc::new(record.clone()), window: Window::default() });
                    added.records.push(record.id);
                }
            }
            if let Some(token) = token {
                let tokens = StoredTokens::new(token.clone());
                added.token = before.is_none().then_some(*token.id());
                let tokens = match before {
                    Some(before) => tokens.following(before),
                    None => tokens,
                };
                added.removed.tokens.extend(client.tokens.as_ref().map(|tokens| *tokens.record().id()));
                client.tokens = Some(Box::new(tokens));
            }
        }
        if let Some(link) = link {
            added.removed.append(self.link(link, capacity, full_login)?);
        }
        if let Some(new) = &remember.secret {
            self.set_secret(new, now);
        }
        Ok(added)
    }

    /// A connection of a client that is known, for those that resume it.
    pub(super) fn link(&mut self, link: &Link, capacity: &Capacity, now: Timestamp) -> Result<Removed, Committed> {
        let at = match self.position(link.lineage.device) {
            Some(at) => at,
            None if link.sealed => self.adopt(&link.lineage, capacity)?,
            None => return Err(Committed::Gone),
        };
        // Under the lock once more: it may have become shared in this moment.
        let before = link.predecessor.and_then(|handle| self.lineage(&handle));
        let mut lineage = link.lineage.clone();
        lineage.shared |= before.is_some_and(|before| before.shared);
        if self.clients[at].revoked {
            return Err(Committed::Gone);
        }
        let mut removed = Removed::default();
        for client in &mut self.clients {
            let before = client.lineages.len();
            client.lineages.retain(|(handle, _)| *handle != link.handle);
            // It stays in the index, under the new lineage.
            removed.replaced += before - client.lineages.len();
        }
        let client = &mut self.clients[at];
        client.device.last_used = client.device.last_used.max(now);
        client.lineages.push_back((link.handle, Arc::new(lineage)));
        while client.lineages.len() > capacity.lineages_per_device.max(1) {
            removed.lineages.extend(client.lineages.pop_front().map(|(handle, _)| handle));
        }
        Ok(removed)
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
        let device = Device { id, created, last_used: created, origin: lineage.origin, service };
        let (records, lineages) = (Vec::new(), VecDeque::new());
        self.clients.push(Client { device, revoked: false, records, tokens: None, lineages });
        Ok(self.clients.len() - 1)
    }

    /// The tokens of this client, whichever of its logins they came with.
    fn take_tokens(&mut self, id: &TokenId) -> Option<StoredTokens> {
        let meant = |tokens: &mut Box<StoredTokens>| tokens.record().id() == id;
        self.clients.iter_mut().find_map(|client| client.tokens.take_if(meant)).map(|tokens| *tokens)
    }

    /// The use of a token.
    pub(super) fn apply_token(&mut self, change: &TokenUse, now: Timestamp) -> (Committed, Removed) {
        let mut removed = Removed::default();
        let holds = |client: &&mut Client| client.tokens.iter().any(|tokens| *tokens.record().id() == change.token);
        let Some(client) = self.clients.iter_mut().find(holds) else { return (Committed::Gone, removed) };
        let Some(tokens) = &mut client.tokens else { return (Committed::Gone, removed) };
        let committed = tokens.apply(change, now);
        if committed.is_durable() {
            client.device.last_used = client.device.last_used.max(now);
            if tokens.is_over(now) {
                client.tokens = None;
                removed.tokens.push(change.token);
            }
        }
        (committed, removed)
    }

    fn position(&self, id: DeviceId) -> Option<usize> {
        self.clients.iter().position(|client| client.device.id == id)
    }

    /// Which client goes first: one that was never used again, then the one used least lately.
    fn least_needed(&self) -> Option<usize> {
        let order = |client: &Client| (!client.revoked, !client.was_never_used(), client.device.last_used);
        self.clients.iter().enumerate().min_by_key(|(_, client)| order(client)).map(|(at, _)| at)
    }

    /// Gives up clients that were never used again, until `wanted` records are free, when the whole store is full; none at all
    /// where they would not do.
    pub(super) fn make_room(&mut self, wanted: usize) -> Removed {
        let spare = |client: &Client| client.was_never_used() || client.revoked;
        let mut removed = Removed::default();
        if self.clients.iter().filter(|client| spare(client)).map(Client::room).sum::<usize>() < wanted {
            return removed;
        }
        while removed.room() < wanted {
            match self.clients.iter().position(spare) {
                Some(at) => removed.client(self.clients.remove(at)),
                None => break,
            }
        }
        removed
    }

    /// Gives up the oldest session of this client, or of the one used least lately, when the whole store is full.
    pub(super) fn give_up_lineage(&mut self, of: Option<DeviceId>) -> Removed {
        let meant = |client: &&mut Client| of.is_none_or(|id| client.device.id == id) && !client.lineages.is_empty();
        let mut removed = Removed::default();
        if let Some(client) = self.clients.iter_mut().filter(meant).min_by_key(|client| client.device.last_used) {
            removed.lineages.extend(client.lineages.pop_front().map(|(handle, _)| handle));
        }
        removed
    }

    /// The use of an assertion, as a whole or not at all. `room` says whether a successor may be added.
    pub(super) fn apply(&mut self, change: &Use, room: bool, now: Timestamp) -> Result<(Committed, Added), Committed> {
        let holds = |client: &&mut Client| client.records.iter().any(|stored| stored.record.id == change.assertion);
        let client = self.clients.iter_mut().find(holds).ok_or(Committed::Gone)?;
        let records = &mut client.records;
        let used = records.iter_mut().find(|stored| stored.record.id == change.assertion).ok_or(Committed::Gone)?;
        if used.record.revoked {
            return Err(Committed::Gone);
        }
        if change.counter.is_some_and(|counter| !used.window.accept(counter)) {
            return Err(Committed::Replayed);
        }
        client.device.last_used = client.device.last_used.max(now);
        if let Some(end) = change.ends {
            let used = Arc::make_mut(&mut used.record);
            used.expires = used.expires.min(end);
        }

        let mut added = Added::default();
        let removed = &mut added.removed;
        if change.confirm && used.record.unused_until.is_some() {
            Arc::make_mut(&mut used.record).unused_until = None;
            let used = used.record.clone();
            confirm(records, &used, change.predecessor_until, removed);
        }
        records.retain(|stored| {
            let kept = stored.record.id == change.assertion || now < stored.record.expires();
            keep(kept, stored.record.id, &mut removed.records)
        });
        let Some(successor) = &change.successor else {
            let other = change.secret.as_ref().is_some_and(|new| !self.set_secret(new, now));
            return Ok((if other { Committed::WithoutSuccessor } else { Committed::Done }, added));
        };
        if records.iter().any(|stored| stored.record.id == successor.id) {
            // The same message once more on the same connection: the same successor.
            return Ok((Committed::Done, added));
        }
        if !room || !room_for_successor(records, successor, change, now, removed) {
            return Ok((Committed::WithoutSuccessor, added));
        }
        records.push(Stored { record: Arc::new(successor.as_ref().clone()), window: Window::default() });
        added.records.push(successor.id);
        Ok((Committed::Done, added))
    }

    /// Marks every lineage of the account as shared: another identity authenticated on a session of it. Which of its other sessions
    /// come from that one isn't known any more, and a full handshake is all that it costs.
    pub(super) fn share(&mut self) {
        for (_, lineage) in self.clients.iter_mut().flat_map(|client| &mut client.lineages) {
            Arc::make_mut(lineage).shared = true;
        }
    }

    pub(super) fn devices(&self, scope: Option<&Scope>, now: Timestamp) -> Vec<Device> {
        let known = |client: &&Client| {
            let here = |of: &Scope| scope.is_none_or(|scope| scope == of);
            let by_record =
                client.records.iter().any(|stored| here(&stored.record.scope) && now < stored.record.expires());
            let by_token = client.tokens.iter().any(|tokens| here(&tokens.record().scope) && !tokens.is_over(now));
            let by_lineage = client.lineages.iter().any(|(_, lineage)| here(&lineage.scope) && now < lineage.expires);
            !client.revoked && (by_record || by_token || by_lineage)
        };
        let mut devices: Vec<_> = self.clients.iter().filter(known).map(|client| client.device.clone()).collect();
        devices.sort_by_key(|device| (device.created, device.id));
        devices
    }

    /// Marks clients as revoked. What is kept of them is kept to tell them so, and to keep their sessions from starting anew.
    pub(super) fn revoke(&mut self, which: Revoke, now: Timestamp) -> usize {
        let meant = |client: &&mut Client| match which {
            Revoke::Device(id) => client.device.id == id,
            Revoke::AllBut(id) => client.device.id != id,
            Revoke::All => true,
            Revoke::Assertion(_) => false,
        };
        match which {
            Revoke::Device(id) => self.revoked.revoke(id, now),
            Revoke::AllBut(id) => self.revoked.revoke_all(now, Some(id)),
            Revoke::All => {
                self.revoked.revoke_all(now, None);
                self.secret = None;
            }
            Revoke::Assertion(id) => {
                let mut records = self.clients.iter_mut().flat_map(|client| &mut client.records);
                let Some(stored) = records.find(|stored| stored.record.id == id) else { return 0 };
                return usize::from(!core::mem::replace(&mut Arc::make_mut(&mut stored.record).revoked, true));
            }
        }
        let mut count = 0;
        for client in self.clients.iter_mut().filter(meant) {
            count += usize::from(client.is_live(now));
            client.revoked = true;
            client.tokens.iter_mut().for_each(|tokens| tokens.revoke());
            client.records.iter_mut().for_each(|stored| Arc::make_mut(&mut stored.record).revoked = true);
            client.lineages.iter_mut().for_each(|(_, lineage)| Arc::make_mut(lineage).revoked = true);
        }
        count
    }

    pub(super) fn remove_expired(&mut self, now: Timestamp) -> Removed {
        let mut removed = Removed::default();
        self.drop_expired(now, &mut removed);
        if let Some(secret) = self.secret.take_if(|secret| secret.until <= now) {
            removed.logins.extend(secret.logins);
        }
        let remembers = self.revoked.until.is_some_and(|at| at.seconds_until(now) < REVOCATION_KEPT);
        if self.clients.is_empty() && self.secret.is_none() && !remembers {
            self.dropped = true;
            removed.emptied = Some(self.identity.clone());
        }
        removed
    }

    fn drop_expired(&mut self, now: Timestamp, removed: &mut Removed) {
        for client in &mut self.clients {
            client.records.retain(|stored| keep(now < stored.record.expires(), stored.record.id, &mut removed.records));
            removed
                .tokens
                .extend(client.tokens.take_if(|tokens| tokens.is_over(now)).map(|tokens| *tokens.record().id()));
            client.lineages.retain(|(handle, lineage)| keep(now < lineage.expires, *handle, &mut removed.lineages));
        }
        self.clients.retain(|client| !client.is_empty());
    }
}

/// How long an account's revocation outlasts its clients, in seconds: a login that began before it is over by then.
const REVOCATION_KEPT: u64 = 24 * 60 * 60;

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

fn keep<T>(keep: bool, name: T, removed: &mut Vec<T>) -> bool {
    if !keep {
        removed.push(name);
    }
    keep
}

/// The first use of `used`: what was made beside it for other mechanisms goes, and what it succeeds ends after the grace.
fn confirm(records: &mut Vec<Stored>, used: &Record, predecessor_until: Timestamp, removed: &mut Removed) {
    for stored in records.iter_mut() {
        if used.renews == Some(stored.record.id) {
            let predecessor = Arc::make_mut(&mut stored.record);
            predecessor.expires = predecessor.expires.min(predecessor_until);
            predecessor.superseded = true;
        }
    }
    records.retain(|stored| {
        let other = &stored.record;
        let beside = other.is_tentative() && other.renews == used.renews && other.scope == used.scope;
        keep(other.id == used.id || !beside, other.id, &mut removed.records)
    });
}

/// Whether one more successor may wait; one that waited longer than the grace gives way, as its reply was lost.
fn room_for_successor(
    records: &mut Vec<Stored>,
    successor: &Record,
    change: &Use,
    now: Timestamp,
    removed: &mut Removed,
) -> bool {
    let grace = now.seconds_until(change.predecessor_until);
    let waits = |stored: &Stored| stored.record.renews == successor.renews && stored.record.is_tentative();
    let waiting = records.iter().filter(|stored| waits(stored));
    if waiting.clone().count() < MAX_PENDING_SUCCESSORS {
        return true;
    }
    let lost = waiting.min_by_key(|stored| stored.record.issued).map(|stored| (stored.record.id, stored.record.issued));
    match lost {
        Some((id, issued)) if issued.seconds_until(now) >= grace => {
            records.retain(|stored| keep(stored.record.id != id, stored.record.id, &mut removed.records));
            true
        }
        _ => false,
    }
}
