//! An account from its octets, or as much of it as is asked for.

use std::sync::Arc;

use super::account::{Account, Secret};
use super::client::{Client, Stored};
use super::pack::Octets;
use super::scopes::Scopes;
use crate::assertion::{
    AccountSecret, AssertionId, DeviceId, HtMechanism, LineageRecord, LoginId, Origin, Pin, Record, Revocations, Salt,
    Scope, Service, Spared, TokenId, TokenRecord, TokenSlot,
};
use crate::channel::{Handle, Lineage, ServerName};
use crate::crypto::Secret as Key;
use crate::store::{Device, StoredTokens, Window};
use crate::time::Timestamp;

/// How much of an account is wanted. Clients that have nothing of it are left out.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    All,
    /// One record, or one client's tokens, or one lineage.
    Record(&'a AssertionId),
    Tokens(&'a TokenId),
    Lineage(&'a Handle),
    /// Its secret and its revocations, which come with every part.
    State,
}

/// The account, or this part of it; `None` where there is none.
pub(super) fn unpack(octets: &Octets, part: Part<'_>, scopes: &Scopes) -> Option<Box<Account>> {
    octets.approach();
    let mut reader = Unpacker { rest: octets.as_slice(), part, scopes, first_end: None };
    let account = reader.account()?;
    Some(Box::new(account))
}

/// When the first thing in it ends; `None` where there is nothing.
pub(super) fn first_end(octets: &Octets, scopes: &Scopes) -> Option<Timestamp> {
    let mut reader = Unpacker { rest: octets.as_slice(), part: Part::State, scopes, first_end: None };
    reader.account()?;
    reader.first_end
}

/// Whose it is.
pub(super) fn is_of(octets: &Octets, identity: &str, scopes: &Scopes) -> bool {
    let mut reader = Unpacker { rest: octets.as_slice(), part: Part::State, scopes, first_end: None };
    reader.octet().and_then(|_| reader.text()) == Some(identity)
}

struct Unpacker<'a> {
    rest: &'a [u8],
    part: Part<'a>,
    scopes: &'a Scopes,
    first_end: Option<Timestamp>,
}

/// A scope that is looked at only where it is needed.
#[derive(Clone, Copy)]
enum ScopeRef<'a> {
    Known(&'a Scope),
    Written(&'a str, &'a str),
}

impl ScopeRef<'_> {
    fn scope(self) -> Option<Scope> {
        Some(match self {
            Self::Known(scope) => scope.clone(),
            Self::Written(service, name) => Scope::new(Service::parse(service).ok()?, ServerName::parse(name).ok()?),
        })
    }
}

/// The first answers of [`flags`](super::pack::flags).
fn unflag<const N: usize>(octet: u8) -> [bool; N] {
    core::array::from_fn(|at| octet >> at & 1 == 1)
}

fn origin(bits: u8) -> Origin {
    match bits & 3 {
        0 => Origin::Unbound,
        1 => Origin::Disclosed,
        2 => Origin::Keyed,
        _ => Origin::Bound,
    }
}

impl<'a> Unpacker<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (octets, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(octets)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (octets, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*octets)
    }

    fn octet(&mut self) -> Option<u8> {
        let (octet, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*octet)
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let octet = self.octet()?;
            value |= u64::from(octet & 0x7f) << shift;
            if octet < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn len(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn octets(&mut self) -> Option<&'a [u8]> {
        let len = self.len()?;
        self.take(len)
    }

    fn text(&mut self) -> Option<&'a str> {
        core::str::from_utf8(self.octets()?).ok()
    }

    /// What stands there only if so.
    fn maybe<T>(&mut self, is_there: bool, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if is_there { read(self).map(Some) } else { Some(None) }
    }

    fn moment(&mut self) -> Option<Timestamp> {
        self.number().map(Timestamp::from_secs)
    }

    fn near(&mut self, base: Timestamp) -> Option<Timestamp> {
        let number = self.number()?;
        let distance = (number >> 1) ^ (number & 1).wrapping_neg();
        Some(Timestamp::from_secs(base.as_secs().wrapping_add(distance)))
    }

    fn scope(&mut self) -> Option<ScopeRef<'a>> {
        let number = self.octet()?;
        if usize::from(number) == Scopes::MAX {
            return Some(ScopeRef::Written(self.text()?, self.text()?));
        }
        self.scopes.get(number).map(ScopeRef::Known)
    }

    fn window(&mut self) -> Option<Window> {
        Some(Window::from_parts(self.number()?, u64::from_be_bytes(self.array()?)))
    }

    /// Something ends then.
    fn ends(&mut self, at: Timestamp) {
        self.first_end = Some(self.first_end.map_or(at, |first| first.min(at)));
    }

    fn account(&mut self) -> Option<Account> {
        let [is_revoked, has_secret] = unflag(self.octet()?);
        let identity: Arc<str> = self.text()?.into();
        let revoked = self.maybe(is_revoked, Self::revocations)?.unwrap_or_default();
        let secret = self.maybe(has_secret, Self::secret)?;
        let count = self.len()?;
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.extend(self.client(&identity)?);
        }
        Some(Account { identity, revoked, secret, clients })
    }

    fn revocations(&mut self) -> Option<Revocations> {
        let [has_until, has_spared, has_after] = unflag(self.octet()?);
        let until = self.maybe(has_until, Self::moment)?;
        let device = self.maybe(has_spared, Self::array)?.map(DeviceId::new);
        let after = self.maybe(has_after, Self::moment)?;
        let mut devices = Vec::new();
        for _ in 0..self.len()? {
            devices.push(DeviceId::new(self.array()?));
        }
        Some(Revocations { until, spared: device.map(|device| Spared { device, after }), devices })
    }

    fn secret(&mut self) -> Option<Secret> {
        let (secret, until) = (AccountSecret::new(self.array()?), self.moment()?);
        self.ends(until);
        let latest = self.near(until)?;
        let mut logins = Vec::new();
        for _ in 0..self.len()? {
            logins.push(LoginId::from_octets(self.array()?));
        }
        Some(Secret { secret, until, latest, logins })
    }

    fn client(&mut self, identity: &Arc<str>) -> Option<Option<Client>> {
        let octet = self.octet()?;
        let [revoked, has_tokens, has_lineages] = unflag(octet >> 2);
        let (id, created) = (DeviceId::new(self.array()?), self.moment()?);
        let last_used = self.near(created)?;
        let service = self.scope()?;
        let owner = Owner { identity, id, created };
        let count = self.len()?;
        let mut records = Vec::new();
        for _ in 0..count {
            records.extend(self.record(&owner)?);
        }
        let tokens = self.maybe(has_tokens, |reader| reader.tokens(&owner))?.flatten();
        let count = self.maybe(has_lineages, Self::len)?.unwrap_or(0);
        let mut lineages = Vec::new();
        for _ in 0..count {
            lineages.extend(self.lineage(&owner)?);
        }
        if !matches!(self.part, Part::All) && records.is_empty() && tokens.is_none() && lineages.is_empty() {
            return Some(None);
        }
        let device = Device { id, created, last_used, origin: origin(octet), service: service.scope()?.service };
        Some(Some(Client { device, revoked, records, tokens, lineages: lineages.into() }))
    }

    fn record(&mut self, owner: &Owner<'_>) -> Option<Option<Stored>> {
        let octet = self.octet()?;
        let [own_name, used, superseded, revoked, is_successor, is_tentative] = unflag(octet >> 2);
        let id = AssertionId(self.array()?);
        let pin = *Pin::ALL.get(usize::from(self.octet()?))?;
        let (stored_key, server_key) = (self.octets()?, self.octets()?);
        let scope = self.scope()?;
        let full_login = self.near(owner.created)?;
        let issued = self.near(full_login)?;
        let expires = self.near(issued)?;
        let unused_until = self.maybe(is_tentative, |reader| reader.near(issued))?;
        let renews = self.maybe(is_successor, Self::array)?.map(AssertionId);
        let login_name = self.maybe(own_name, Self::text)?;
        let window = self.maybe(used, Self::window)?.unwrap_or_default();
        self.ends(unused_until.map_or(expires, |until| until.min(expires)));
        if !matches!(self.part, Part::All) && !matches!(self.part, Part::Record(wanted) if *wanted == id) {
            return Some(None);
        }
        let record = Record {
            id,
            pin,
            stored_key: Key::new(stored_key)?,
            server_key: Key::new(server_key)?,
            identity: owner.identity.clone(),
            login_name: login_name.map_or_else(|| owner.identity.clone(), Arc::from),
            scope: scope.scope()?,
            device: owner.id,
            origin: origin(octet),
            issued,
            full_login,
            expires,
            unused_until,
            superseded,
            renews,
            revoked,
        };
        Some(Some(Stored { record: Arc::new(record), window }))
    }

    fn tokens(&mut self, owner: &Owner<'_>) -> Option<Option<Box<StoredTokens>>> {
        let [own_name, revoked, has_current, has_new] = unflag(self.octet()?);
        let id = TokenId::from_octets(self.array()?);
        let scope = self.scope()?;
        let authcid = self.maybe(own_name, Self::text)?;
        let current = self.maybe(has_current, |reader| reader.slot(owner))?;
        let current_window = self.window()?;
        let new = self.maybe(has_new, |reader| reader.slot(owner))?;
        let new_window = self.window()?;
        let slots = [&current, &new].into_iter().flatten();
        self.ends(slots.map(|slot| slot.expires).max().unwrap_or(Timestamp::from_secs(0)));
        if !matches!(self.part, Part::All) && !matches!(self.part, Part::Tokens(wanted) if *wanted == id) {
            return Some(None);
        }
        let (identity, device) = (owner.identity.clone(), owner.id);
        let authcid = authcid.map_or_else(|| identity.clone(), Arc::from);
        let record = TokenRecord { id, identity, authcid, scope: scope.scope()?, device, current, new, revoked };
        Some(Some(Box::new(StoredTokens::from_parts(record, current_window, new_window))))
    }

    fn slot(&mut self, owner: &Owner<'_>) -> Option<TokenSlot> {
        let salt = Salt::new(self.array()?);
        let key = u32::try_from(self.number()?).ok()?;
        let mechanism = HtMechanism::from_name(self.text()?)?;
        let origin = origin(self.octet()?);
        let full_login = self.near(owner.created)?;
        Some(TokenSlot { salt, key, mechanism, origin, full_login, expires: self.near(full_login)? })
    }

    fn lineage(&mut self, owner: &Owner<'_>) -> Option<Option<(Handle, Arc<LineageRecord>)>> {
        let octet = self.octet()?;
        let [own_name, shared, revoked, has_value] = unflag(octet >> 4);
        let handle = Handle::new(self.array()?);
        let scope = self.scope()?;
        let full_login = self.near(owner.created)?;
        let expires = self.near(full_login)?;
        let login_name = self.maybe(own_name, Self::text)?;
        let exported = self.maybe(has_value, Self::octets)?;
        self.ends(expires);
        if !matches!(self.part, Part::All) && !matches!(self.part, Part::Lineage(wanted) if *wanted == handle) {
            return Some(None);
        }
        let lineage = exported.map(|octets| Some(Lineage::from_secret(Key::new(octets)?)));
        let lineage = LineageRecord {
            identity: owner.identity.clone(),
            login_name: login_name.map_or_else(|| owner.identity.clone(), Arc::from),
            scope: scope.scope()?,
            device: owner.id,
            origin: origin(octet),
            full_login,
            strength: origin(octet >> 2),
            lineage: lineage.flatten(),
            expires,
            shared,
            revoked,
        };
        Some(Some((handle, Arc::new(lineage))))
    }
}

/// Whose something is, and when that client logged in.
struct Owner<'a> {
    identity: &'a Arc<str>,
    id: DeviceId,
    created: Timestamp,
}
