//! What is packed, read part by part. Nothing of it is copied before it is wanted.

use super::account::Secret;
use super::pack::Packed;
use super::scopes::Scopes;
use crate::assertion::{
    AccountSecret, AssertionId, DeviceId, LoginId, Origin, Pin, Revocations, Salt, Scope, Service, Spared, TokenId,
};
use crate::channel::{Handle, ServerName};
use crate::store::Window;
use crate::time::Timestamp;

pub(super) struct Reader<'a> {
    rest: &'a [u8],
    tail: &'a [u8],
    scopes: &'a Scopes,
}

/// What comes before an account's clients.
pub(super) struct Head<'a> {
    pub(super) identity: &'a str,
    pub(super) revoked: Revocations,
    pub(super) secret: Option<Secret>,
    pub(super) clients: usize,
}

/// What comes before what a client has.
pub(super) struct ClientRef<'a> {
    pub(super) id: DeviceId,
    pub(super) created: Timestamp,
    pub(super) last_used: Timestamp,
    pub(super) origin: Origin,
    pub(super) service: ScopeRef<'a>,
    pub(super) revoked: bool,
    pub(super) records: usize,
    has_tokens: bool,
    has_lineages: bool,
}

/// Something that a client has.
pub(super) enum Item<'a> {
    Record(RecordRef<'a>),
    Tokens(TokensRef<'a>),
    Lineage(LineageRef<'a>),
}

pub(super) struct RecordRef<'a> {
    pub(super) id: AssertionId,
    pub(super) pin: Pin,
    pub(super) stored_key: &'a [u8],
    pub(super) server_key: &'a [u8],
    pub(super) scope: ScopeRef<'a>,
    pub(super) origin: Origin,
    pub(super) full_login: Timestamp,
    pub(super) issued: Timestamp,
    pub(super) expires: Timestamp,
    pub(super) unused_until: Option<Timestamp>,
    pub(super) renews: Option<AssertionId>,
    /// Where it is not the identity.
    pub(super) login_name: Option<&'a str>,
    pub(super) window: Window,
    pub(super) superseded: bool,
    pub(super) revoked: bool,
}

pub(super) struct TokensRef<'a> {
    pub(super) id: TokenId,
    pub(super) scope: ScopeRef<'a>,
    /// Where it is not the identity.
    pub(super) authcid: Option<&'a str>,
    pub(super) current: (Option<SlotRef<'a>>, Window),
    pub(super) new: (Option<SlotRef<'a>>, Window),
    pub(super) revoked: bool,
}

pub(super) struct SlotRef<'a> {
    pub(super) salt: &'a [u8],
    pub(super) key: u64,
    /// The mechanism's number.
    pub(super) mechanism: u8,
    pub(super) origin: Origin,
    pub(super) full_login: Timestamp,
    pub(super) expires: Timestamp,
}

pub(super) struct LineageRef<'a> {
    pub(super) handle: Handle,
    pub(super) scope: ScopeRef<'a>,
    pub(super) origin: Origin,
    pub(super) strength: Origin,
    pub(super) full_login: Timestamp,
    pub(super) expires: Timestamp,
    /// Where it is not the identity.
    pub(super) login_name: Option<&'a str>,
    pub(super) exported: Option<&'a [u8]>,
    pub(super) shared: bool,
    pub(super) revoked: bool,
}

/// A scope that is looked at only where it is needed.
#[derive(Clone, Copy)]
pub(super) enum ScopeRef<'a> {
    Known(&'a Scope),
    Written(&'a str, &'a str),
}

impl ScopeRef<'_> {
    pub(super) fn scope(self) -> Option<Scope> {
        Some(match self {
            Self::Known(scope) => scope.clone(),
            Self::Written(service, name) => Scope::new(Service::parse(service).ok()?, ServerName::parse(name).ok()?),
        })
    }

    pub(super) fn service(self) -> Option<Service> {
        match self {
            Self::Known(scope) => Some(scope.service.clone()),
            Self::Written(service, _) => Service::parse(service).ok(),
        }
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

impl<'a> Reader<'a> {
    pub(super) fn new(packed: &'a Packed, scopes: &'a Scopes) -> Self {
        Self { rest: packed.head(), tail: packed.tail(), scopes }
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        // What is read at once was packed at once, so it is here or there as a whole.
        if self.rest.is_empty() {
            self.rest = core::mem::take(&mut self.tail);
        }
        let (octets, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(octets)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn octet(&mut self) -> Option<u8> {
        self.array().map(|[octet]| octet)
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

    /// Whose it is, of an account that nothing was read of yet.
    pub(super) fn identity(mut self) -> Option<&'a str> {
        self.octet()?;
        self.text()
    }

    pub(super) fn head(&mut self) -> Option<Head<'a>> {
        let [is_revoked, has_secret] = unflag(self.octet()?);
        let identity = self.text()?;
        let revoked = self.maybe(is_revoked, Self::revocations)?.unwrap_or_default();
        let secret = self.maybe(has_secret, Self::secret)?;
        Some(Head { identity, revoked, secret, clients: self.len()? })
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
        let latest = self.near(until)?;
        let mut logins = Vec::new();
        for _ in 0..self.len()? {
            logins.push(LoginId::from_octets(self.array()?));
        }
        Some(Secret { secret, until, latest, logins })
    }

    pub(super) fn client(&mut self) -> Option<ClientRef<'a>> {
        let octet = self.octet()?;
        let [revoked, has_tokens, has_lineages] = unflag(octet >> 2);
        let (id, created) = (DeviceId::new(self.array()?), self.moment()?);
        let last_used = self.near(created)?;
        let (origin, service, records) = (origin(octet), self.scope()?, self.len()?);
        Some(ClientRef { id, created, last_used, origin, service, revoked, records, has_tokens, has_lineages })
    }

    /// All that this client has, until `look` says that this is it.
    pub(super) fn items<T>(
        &mut self,
        client: &ClientRef<'a>,
        mut look: impl FnMut(Item<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        for _ in 0..client.records {
            if let Some(found) = look(Item::Record(self.record(client)?)) {
                return Some(Some(found));
            }
        }
        if let Some(found) = self.maybe(client.has_tokens, |reader| reader.tokens(client))? {
            if let Some(found) = look(Item::Tokens(found)) {
                return Some(Some(found));
            }
        }
        for _ in 0..self.maybe(client.has_lineages, Self::len)?.unwrap_or(0) {
            if let Some(found) = look(Item::Lineage(self.lineage(client)?)) {
                return Some(Some(found));
            }
        }
        Some(None)
    }

    fn record(&mut self, client: &ClientRef<'_>) -> Option<RecordRef<'a>> {
        let octet = self.octet()?;
        let [own_name, used, superseded, revoked, is_successor, is_tentative] = unflag(octet >> 2);
        let id = AssertionId(self.array()?);
        let pin = *Pin::ALL.get(usize::from(self.octet()?))?;
        let (stored_key, server_key) = (self.octets()?, self.octets()?);
        let scope = self.scope()?;
        let full_login = self.near(client.created)?;
        let issued = self.near(full_login)?;
        let expires = self.near(issued)?;
        let unused_until = self.maybe(is_tentative, |reader| reader.near(issued))?;
        let renews = self.maybe(is_successor, Self::array)?.map(AssertionId);
        let login_name = self.maybe(own_name, Self::text)?;
        let window = self.maybe(used, Self::window)?.unwrap_or_default();
        Some(RecordRef {
            id,
            pin,
            stored_key,
            server_key,
            scope,
            origin: origin(octet),
            full_login,
            issued,
            expires,
            unused_until,
            renews,
            login_name,
            window,
            superseded,
            revoked,
        })
    }

    fn tokens(&mut self, client: &ClientRef<'_>) -> Option<TokensRef<'a>> {
        let [own_name, revoked, has_current, has_new] = unflag(self.octet()?);
        let id = TokenId::from_octets(self.array()?);
        let scope = self.scope()?;
        let authcid = self.maybe(own_name, Self::text)?;
        let current = (self.maybe(has_current, |reader| reader.slot(client))?, self.window()?);
        let new = (self.maybe(has_new, |reader| reader.slot(client))?, self.window()?);
        Some(TokensRef { id, scope, authcid, current, new, revoked })
    }

    fn slot(&mut self, client: &ClientRef<'_>) -> Option<SlotRef<'a>> {
        let salt = self.take(Salt::LEN)?;
        let (key, mechanism) = (self.number()?, self.octet()?);
        let origin = origin(self.octet()?);
        let full_login = self.near(client.created)?;
        Some(SlotRef { salt, key, mechanism, origin, full_login, expires: self.near(full_login)? })
    }

    fn lineage(&mut self, client: &ClientRef<'_>) -> Option<LineageRef<'a>> {
        let octet = self.octet()?;
        let [own_name, shared, revoked, has_value] = unflag(octet >> 4);
        let handle = Handle::new(self.array()?);
        let scope = self.scope()?;
        let full_login = self.near(client.created)?;
        let expires = self.near(full_login)?;
        let login_name = self.maybe(own_name, Self::text)?;
        let exported = self.maybe(has_value, Self::octets)?;
        let (origin, strength) = (origin(octet), origin(octet >> 2));
        Some(LineageRef { handle, scope, origin, strength, full_login, expires, login_name, exported, shared, revoked })
    }
}
