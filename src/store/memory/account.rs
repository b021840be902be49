//! Everything that is known of one account's clients.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::{Committed, Device, Link, MAX_PENDING_SUCCESSORS, Revoke, Use, Window};
use super::Capacity;
use crate::assertion::{AssertionId, DeviceId, LineageRecord, Record, Scope};
use crate::channel::Handle;
use crate::crypto::Absorb;
use crate::time::Timestamp;

/// One account. Its lock is what makes a commit one step.
pub(super) struct Account {
    identity: Arc<str>,
    clients: Vec<Client>,
    /// It is leaving the index: whoever still holds it has to look again.
    pub(super) dropped: bool,
}

struct Client {
    device: Device,
    revoked: bool,
    records: Vec<Stored>,
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
    pub(super) lineages: Vec<Handle>,
    /// Lineages that took the place of one under the same handle, which stays in the index.
    pub(super) replaced: usize,
    /// Set when nothing is left of the account.
    pub(super) emptied: Option<Arc<str>>,
}

impl Removed {
    pub(super) fn append(&mut self, mut other: Self) {
        self.records.append(&mut other.records);
        self.lineages.append(&mut other.lineages);
        self.replaced += other.replaced;
        self.emptied = self.emptied.take().or(other.emptied);
    }

    fn client(&mut self, client: Client) {
        self.records.extend(client.records.iter().map(|stored| stored.record.id));
        self.lineages.extend(client.lineages.iter().map(|(handle, _)| *handle));
    }
}

impl Client {
    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.lineages.is_empty()
    }

    fn was_never_used(&self) -> bool {
        self.device.last_used == self.device.created
    }
}

impl Account {
    pub(super) fn new(identity: Arc<str>) -> Self {
        Self { identity, clients: Vec::new(), dropped: false }
    }

    pub(super) fn record(&self, id: &AssertionId) -> Option<Arc<Record>> {
        let mut all = self.clients.iter().flat_map(|client| &client.records);
        all.find(|stored| stored.record.id == *id).map(|stored| stored.record.clone())
    }

    pub(super) fn lineage(&self, handle: &Handle) -> Option<Arc<LineageRecord>> {
        let mut all = self.clients.iter().flat_map(|client| &client.lineages);
        all.find(|(known, _)| known == handle).map(|(_, lineage)| lineage.clone())
    }

    /// Feeds all that is kept of the account, in the order in which it is kept.
    pub(super) fn feed(&self, to: &mut impl Absorb) {
        to.lp(self.identity.as_bytes());
        for client in &self.clients {
            to.lp(format!("{:?} {}", client.device, client.revoked).as_bytes());
            for Stored { record, window } in &client.records {
                to.lp(format!("{record:?} {window:?}").as_bytes());
                to.lp(record.stored_key.as_ref());
                to.lp(record.server_key.as_ref());
            }
            for (handle, lineage) in &client.lineages {
                to.lp(handle.as_octets());
                to.lp(format!("{lineage:?}").as_bytes());
                to.lp(lineage.lineage.as_ref().map_or(&[], |lineage| lineage.expose()));
            }
        }
    }

    pub(super) fn identity(&self) -> Arc<str> {
        self.identity.clone()
    }

    pub(super) fn is_revoked(&self, device: DeviceId) -> bool {
        self.clients.iter().any(|client| client.device.id == device && client.revoked)
    }

    /// A client that logged in fully, with its records; the client used least lately makes room where the account has too many.
    pub(super) fn add_device(&mut self, records: &[Record], now: Timestamp, capacity: &Capacity) -> Removed {
        let mut removed = Removed::default();
        for record in records {
            let client = self.client(record.device, now, capacity, &mut removed, |id| Device {
                id,
                created: record.full_login,
                last_used: record.full_login,
                origin: record.origin,
                service: record.scope.service.clone(),
            });
            client.records.push(Stored { record: Arc::new(record.clone()), window: Window::default() });
        }
        removed
    }

    /// A connection of a client, for those that resume it.
    pub(super) fn link(&mut self, link: &Link, now: Timestamp, capacity: &Capacity) -> Removed {
        let mut removed = Removed::default();
        let lineage = &link.lineage;
        let client = self.client(lineage.device, now, capacity, &mut removed, |id| Device {
            id,
            created: lineage.full_login,
            last_used: lineage.full_login,
            origin: lineage.origin,
            service: lineage.scope.service.clone(),
        });
        client.device.last_used = client.device.last_used.max(now);
        if let Some(known) = client.lineages.iter_mut().find(|(handle, _)| *handle == link.handle) {
            known.1 = Arc::new(lineage.clone());
            removed.replaced += 1;
            return removed;
        }
        client.lineages.push_back((link.handle, Arc::new(lineage.clone())));
        while client.lineages.len() > capacity.lineages_per_device.max(1) {
            removed.lineages.extend(client.lineages.pop_front().map(|(handle, _)| handle));
        }
        removed
    }

    /// The client of this id, made where there is none.
    fn client(
        &mut self,
        id: DeviceId,
        now: Timestamp,
        capacity: &Capacity,
        removed: &mut Removed,
        make: impl FnOnce(DeviceId) -> Device,
    ) -> &mut Client {
        let at = match self.clients.iter().position(|client| client.device.id == id) {
            Some(at) => at,
            None => {
                self.drop_expired(now, removed);
                while self.clients.len() >= capacity.devices_per_account.max(1) {
                    match self.least_needed() {
                        Some(at) => removed.client(self.clients.remove(at)),
                        None => break,
                    }
                }
                let client =
                    Client { device: make(id), revoked: false, records: Vec::new(), lineages: VecDeque::new() };
                self.clients.push(client);
                self.clients.len() - 1
            }
        };
        &mut self.clients[at]
    }

    /// Which client goes first: one that was never used again, then the one used least lately.
    fn least_needed(&self) -> Option<usize> {
        let order = |client: &Client| (!client.revoked, !client.was_never_used(), client.device.last_used);
        self.clients.iter().enumerate().min_by_key(|(_, client)| order(client)).map(|(at, _)| at)
    }

    /// Gives up own clients until `wanted` records are free, when the whole store is full.
    pub(super) fn make_room(&mut self, wanted: usize) -> Removed {
        let mut removed = Removed::default();
        while removed.records.len() < wanted {
            match self.least_needed() {
                Some(at) => removed.client(self.clients.remove(at)),
                None => break,
            }
        }
        removed
    }

    /// Gives up a client's oldest session, when the whole store is full.
    pub(super) fn give_up_lineage(&mut self, device: DeviceId) -> Removed {
        let mut removed = Removed::default();
        if let Some(client) = self.clients.iter_mut().find(|client| client.device.id == device) {
            removed.lineages.extend(client.lineages.pop_front().map(|(handle, _)| handle));
        }
        removed
    }

    /// The use of an assertion, as a whole or not at all. `room` says whether a successor may be added.
    pub(super) fn apply(
        &mut self,
        change: &Use,
        room: bool,
        now: Timestamp,
    ) -> Result<(Committed, Removed), Committed> {
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

        let mut removed = Removed::default();
        if change.confirm && used.record.unused_until.is_some() {
            Arc::make_mut(&mut used.record).unused_until = None;
            let used = used.record.clone();
            confirm(records, &used, change.predecessor_until, &mut removed);
        }
        records.retain(|stored| {
            let kept = stored.record.id == change.assertion || now < stored.record.expires();
            keep(kept, stored.record.id, &mut removed.records)
        });
        let committed = match &change.successor {
            Some(successor) if room && room_for_successor(records, successor, change, now, &mut removed) => {
                records.push(Stored { record: Arc::new(successor.as_ref().clone()), window: Window::default() });
                Committed::Done
            }
            Some(_) => Committed::WithoutSuccessor,
            None => Committed::Done,
        };
        Ok((committed, removed))
    }

    /// Marks every lineage of the client that `handle` belongs to as shared by two identities.
    pub(super) fn share(&mut self, handle: &Handle) {
        let holds = |client: &&mut Client| client.lineages.iter().any(|(known, _)| known == handle);
        if let Some(client) = self.clients.iter_mut().find(holds) {
            client.lineages.iter_mut().for_each(|(_, lineage)| Arc::make_mut(lineage).shared = true);
        }
    }

    pub(super) fn devices(&self, scope: Option<&Scope>, now: Timestamp) -> Vec<Device> {
        let known = |client: &&Client| {
            let here = |of: &Scope| scope.is_none_or(|scope| scope == of);
            let by_record =
                client.records.iter().any(|stored| here(&stored.record.scope) && now < stored.record.expires());
            let by_lineage = client.lineages.iter().any(|(_, lineage)| here(&lineage.scope) && now < lineage.expires);
            !client.revoked && (by_record || by_lineage)
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
        };
        let mut count = 0;
        for client in self.clients.iter_mut().filter(meant).filter(|client| !client.revoked) {
            let live = client.records.iter().any(|stored| now < stored.record.expires())
                || client.lineages.iter().any(|(_, lineage)| now < lineage.expires);
            count += usize::from(live);
            client.revoked = true;
            client.records.iter_mut().for_each(|stored| Arc::make_mut(&mut stored.record).revoked = true);
            client.lineages.iter_mut().for_each(|(_, lineage)| Arc::make_mut(lineage).revoked = true);
        }
        count
    }

    pub(super) fn remove_expired(&mut self, now: Timestamp) -> Removed {
        let mut removed = Removed::default();
        self.drop_expired(now, &mut removed);
        if self.clients.is_empty() {
            self.dropped = true;
            removed.emptied = Some(self.identity.clone());
        }
        removed
    }

    fn drop_expired(&mut self, now: Timestamp, removed: &mut Removed) {
        for client in &mut self.clients {
            client.records.retain(|stored| keep(now < stored.record.expires(), stored.record.id, &mut removed.records));
            client.lineages.retain(|(handle, lineage)| keep(now < lineage.expires, *handle, &mut removed.lineages));
        }
        self.clients.retain(|client| !client.is_empty());
    }
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
