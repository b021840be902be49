//! An account from its octets, or only what is asked for.

use core::hint::black_box;
use std::sync::Arc;

use super::account::Account;
use super::client::{Client, Stored};
use super::pack::Packed;
use super::reader::{ClientRef, Item, LineageRef, Reader, RecordRef, SlotRef, TokensRef};
use super::scopes::Scopes;
use crate::assertion::{
    AssertionId, DeviceId, HtMechanism, LineageRecord, Record, Salt, TokenId, TokenRecord, TokenSlot,
};
use crate::channel::{Handle, Lineage};
use crate::crypto::Secret as Key;
use crate::store::{Device, StoredTokens};
use crate::time::Timestamp;

/// What has this name, or whatever there is of its kind, in the same time.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a, T> {
    pub(super) name: &'a T,
    pub(super) or_any: bool,
}

impl<T: PartialEq> Wanted<'_, T> {
    pub(super) fn is(&self, name: &T) -> bool {
        // Compared in either case.
        black_box(self.name == name) | self.or_any
    }
}

/// The account; `None` where there is none.
pub(super) fn account(packed: &Packed, scopes: &Scopes) -> Option<Box<Account>> {
    packed.approach();
    let mut reader = Reader::new(packed, scopes);
    let head = reader.head()?;
    let (identity, mut clients) = (Arc::from(head.identity), Vec::new());
    for _ in 0..head.clients {
        let client = reader.client()?;
        clients.push(client.client()?);
        let Client { records, tokens, lineages, .. } = clients.last_mut()?;
        // Whether something of it can't be; nothing can.
        let broken = reader.items(&client, |item| {
            let taken = match item {
                Item::Record(record) => {
                    let window = record.window;
                    record.record(&identity, client.id).map(|record| records.push(Stored { record, window }))
                }
                Item::Tokens(of) => of.stored(&identity, client.id).map(|of| *tokens = Some(Box::new(of))),
                Item::Lineage(lineage) => {
                    let handle = lineage.handle;
                    lineage.lineage(&identity, client.id).map(|lineage| lineages.push_front((handle, lineage)))
                }
            };
            taken.is_none().then_some(())
        })?;
        if broken.is_some() {
            return None;
        }
    }
    Some(Box::new(Account { identity, revoked: head.revoked, secret: head.secret, clients }))
}

/// The account as if it had no clients.
pub(super) fn without_clients(packed: &Packed, scopes: &Scopes) -> Option<Account> {
    packed.approach();
    let head = Reader::new(packed, scopes).head()?;
    let identity = Arc::from(head.identity);
    Some(Account { identity, revoked: head.revoked, secret: head.secret, clients: Vec::new() })
}

pub(super) fn record(packed: &Packed, wanted: Wanted<'_, AssertionId>, scopes: &Scopes) -> Option<Arc<Record>> {
    find(packed, scopes, |identity, client, item| match item {
        Item::Record(record) if wanted.is(&record.id) => record.record(&Arc::from(identity), client.id),
        _ => None,
    })
}

pub(super) fn tokens(packed: &Packed, wanted: Wanted<'_, TokenId>, scopes: &Scopes) -> Option<Arc<TokenRecord>> {
    find(packed, scopes, |identity, client, item| match item {
        Item::Tokens(tokens) if wanted.is(&tokens.id) => tokens.record(&Arc::from(identity), client.id).map(Arc::new),
        _ => None,
    })
}

pub(super) fn lineage(packed: &Packed, handle: &Handle, scopes: &Scopes) -> Option<Arc<LineageRecord>> {
    find(packed, scopes, |identity, client, item| match item {
        Item::Lineage(lineage) if lineage.handle == *handle => lineage.lineage(&Arc::from(identity), client.id),
        _ => None,
    })
}

/// When the first thing in it ends; `None` where there is nothing.
pub(super) fn first_end(packed: &Packed, scopes: &Scopes) -> Option<Timestamp> {
    let mut first = Reader::new(packed, scopes).head()?.secret.map(|secret| secret.until);
    find(packed, scopes, |_, _, item| -> Option<()> {
        let end = match item {
            Item::Record(record) => record.unused_until.map_or(record.expires, |until| until.min(record.expires)),
            Item::Tokens(tokens) => {
                let slots = [tokens.current.0, tokens.new.0].into_iter().flatten();
                slots.map(|slot| slot.expires).max().unwrap_or(Timestamp::from_secs(0))
            }
            Item::Lineage(lineage) => lineage.expires,
        };
        first = Some(first.map_or(end, |first| first.min(end)));
        None
    });
    first
}

/// Whose it is.
pub(super) fn is_of(packed: &Packed, identity: &str, scopes: &Scopes) -> bool {
    Reader::new(packed, scopes).identity() == Some(identity)
}

/// The first answer to what a client of the account has.
fn find<'a, T>(
    packed: &'a Packed,
    scopes: &'a Scopes,
    mut look: impl FnMut(&'a str, &ClientRef<'a>, Item<'a>) -> Option<T>,
) -> Option<T> {
    packed.approach();
    let mut reader = Reader::new(packed, scopes);
    let head = reader.head()?;
    for _ in 0..head.clients {
        let client = reader.client()?;
        let found = reader.items(&client, |item| look(head.identity, &client, item))?;
        if found.is_some() {
            return found;
        }
    }
    None
}

/// A name that is mostly the identity.
fn name(own: Option<&str>, identity: &Arc<str>) -> Arc<str> {
    own.map_or_else(|| identity.clone(), Arc::from)
}

impl ClientRef<'_> {
    /// The client, without what it has.
    fn client(&self) -> Option<Client> {
        let Self { id, created, last_used, origin, service, revoked, .. } = *self;
        let device = Device { id, created, last_used, origin, service: service.service()? };
        let mut client = Client::new(device);
        client.revoked = revoked;
        Some(client)
    }
}

impl RecordRef<'_> {
    fn record(self, identity: &Arc<str>, device: DeviceId) -> Option<Arc<Record>> {
        let Self { id, pin, origin, issued, full_login, expires, unused_until, superseded, renews, revoked, .. } = self;
        Some(Arc::new(Record {
            id,
            pin,
            stored_key: Key::new(self.stored_key)?,
            server_key: Key::new(self.server_key)?,
            identity: identity.clone(),
            login_name: name(self.login_name, identity),
            scope: self.scope.scope()?,
            device,
            origin,
            issued,
            full_login,
            expires,
            unused_until,
            superseded,
            renews,
            revoked,
        }))
    }
}

impl TokensRef<'_> {
    fn record(self, identity: &Arc<str>, device: DeviceId) -> Option<TokenRecord> {
        let Self { id, scope, authcid, current: (current, _), new: (new, _), revoked } = self;
        let slot = |slot: Option<SlotRef<'_>>| match slot {
            Some(slot) => slot.slot().map(Some),
            None => Some(None),
        };
        let (identity, authcid) = (identity.clone(), name(authcid, identity));
        let (current, new) = (slot(current)?, slot(new)?);
        Some(TokenRecord { id, identity, authcid, scope: scope.scope()?, device, current, new, revoked })
    }

    fn stored(self, identity: &Arc<str>, device: DeviceId) -> Option<StoredTokens> {
        let (current, new) = (self.current.1, self.new.1);
        Some(StoredTokens::from_parts(self.record(identity, device)?, current, new))
    }
}

impl SlotRef<'_> {
    fn slot(self) -> Option<TokenSlot> {
        let Self { origin, full_login, expires, .. } = self;
        let (salt, key) = (Salt::new(self.salt.try_into().ok()?), u32::try_from(self.key).ok()?);
        let mechanism = HtMechanism::from_number(self.mechanism)?;
        Some(TokenSlot { salt, key, mechanism, origin, full_login, expires })
    }
}

impl LineageRef<'_> {
    fn lineage(self, identity: &Arc<str>, device: DeviceId) -> Option<Arc<LineageRecord>> {
        let Self { origin, strength, full_login, expires, shared, revoked, .. } = self;
        let exported = match self.exported {
            Some(octets) => Some(Lineage::from_secret(Key::new(octets)?)),
            None => None,
        };
        Some(Arc::new(LineageRecord {
            identity: identity.clone(),
            login_name: name(self.login_name, identity),
            scope: self.scope.scope()?,
            device,
            origin,
            full_login,
            strength,
            lineage: exported,
            expires,
            shared,
            revoked,
        }))
    }
}
