//! One client of an account: its records, its tokens, and the sessions that can be resumed as it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::{Device, Link, MAX_PENDING_SUCCESSORS, Remember, StoredTokens, Use, Window};
use super::index::Name;
use crate::assertion::{LineageRecord, Record, Scope};
use crate::channel::Handle;
use crate::time::Timestamp;

pub(super) struct Client {
    pub(super) device: Device,
    pub(super) revoked: bool,
    pub(super) records: Vec<Stored>,
    pub(super) tokens: Option<Box<StoredTokens>>,
    /// Oldest first.
    pub(super) lineages: VecDeque<(Handle, Arc<LineageRecord>)>,
}

pub(super) struct Stored {
    pub(super) record: Arc<Record>,
    pub(super) window: Window,
}

impl Stored {
    pub(super) fn new(record: &Record) -> Self {
        Self { record: Arc::new(record.clone()), window: Window::default() }
    }
}

impl Client {
    pub(super) fn new(device: Device) -> Self {
        Self { device, revoked: false, records: Vec::new(), tokens: None, lineages: VecDeque::new() }
    }

    /// Whether it is the client of this very login.
    pub(super) fn is_of(&self, login: &Device) -> bool {
        self.device.id == login.id && self.device.created == login.created
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.tokens.is_none() && self.lineages.is_empty()
    }

    /// How much of the store's room for records it takes.
    pub(super) fn room(&self) -> usize {
        self.records.len() + usize::from(self.tokens.is_some())
    }

    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        !self.revoked && self.holds(|_| true, now)
    }

    /// Whether anything of it holds now, in a scope that is meant.
    pub(super) fn holds(&self, meant: impl Fn(&Scope) -> bool, now: Timestamp) -> bool {
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

    pub(super) fn names(&self) -> impl Iterator<Item = Name> {
        let records = self.records.iter().map(|stored| Name::Record(stored.record.id));
        let tokens = self.tokens.iter().map(|tokens| Name::Token(*tokens.record().id()));
        records.chain(tokens).chain(self.lineages.iter().map(|(handle, _)| Name::Handle(*handle)))
    }

    /// When each thing of it ends.
    pub(super) fn ends(&self) -> impl Iterator<Item = Timestamp> {
        let records = self.records.iter().map(|stored| stored.record.expires());
        let tokens = self.tokens.iter().map(|tokens| tokens.record().expires());
        records.chain(tokens).chain(self.lineages.iter().map(|(_, lineage)| lineage.expires))
    }

    pub(super) fn drop_expired(&mut self, now: Timestamp) {
        self.records.retain(|stored| now < stored.record.expires());
        self.tokens.take_if(|tokens| tokens.is_over(now));
        self.lineages.retain(|(_, lineage)| now < lineage.expires);
    }

    /// Marks it as revoked. What is kept of it is kept to tell it so, and to keep its sessions from starting anew.
    pub(super) fn revoke(&mut self) {
        self.revoked = true;
        self.tokens.iter_mut().for_each(|tokens| tokens.revoke());
        self.records.iter_mut().for_each(|stored| Arc::make_mut(&mut stored.record).revoked = true);
        self.lineages.iter_mut().for_each(|(_, lineage)| Arc::make_mut(lineage).revoked = true);
    }
}

/// Which client logged in, as any part of the commit says.
pub(super) fn device_of(remember: &Remember, link: Option<&Link>) -> Option<Device> {
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

/// The first use of `used`: what was made beside it for other mechanisms goes, and what it succeeds ends after the
/// grace.
pub(super) fn confirm(records: &mut Vec<Stored>, used: &Record, predecessor_until: Timestamp) {
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
        other.id == used.id || !beside
    });
}

/// Whether one more successor may wait; one that waited longer than the grace gives way, as its reply was lost.
pub(super) fn room_for_successor(records: &mut Vec<Stored>, successor: &Record, change: &Use, now: Timestamp) -> bool {
    let grace = now.seconds_until(change.predecessor_until);
    let waits = |stored: &Stored| stored.record.renews == successor.renews && stored.record.is_tentative();
    let waiting = records.iter().filter(|stored| waits(stored));
    if waiting.clone().count() < MAX_PENDING_SUCCESSORS {
        return true;
    }
    let lost = waiting.min_by_key(|stored| stored.record.issued).map(|stored| (stored.record.id, stored.record.issued));
    match lost {
        Some((id, issued)) if issued.seconds_until(now) >= grace => {
            records.retain(|stored| stored.record.id != id);
            true
        }
        _ => false,
    }
}
