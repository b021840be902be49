//! The server's half of an assertion.

use core::fmt;
use std::sync::Arc;

use super::origin::valid_login_name;
use super::renewal::Renewal;
use super::schedule::{self, Keys};
use super::{AssertionId, CannotDerive, FullLogin, Origin, Pin, Policy, Scope};
use crate::channel::{ChannelFacts, Exporter};
use crate::crypto::Secret;
use crate::time::Timestamp;

/// One client of an account, from one full login on: all assertions that come from that login belong to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId([u8; DeviceId::LEN]);

impl DeviceId {
    /// Length, in octets.
    pub const LEN: usize = 8;

    /// An id of 8 octets, random; unique within an account is enough.
    pub const fn new(random: [u8; Self::LEN]) -> Self {
        Self(random)
    }

    /// The 8 octets.
    pub const fn as_octets(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceId(")?;
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
        f.write_str(")")
    }
}

/// What the server remembers of a client: enough to check its proofs and to answer them, not enough to make them.
///
/// A thief of records logs in nowhere with them alone (for HMAC mechanisms, not without one proof seen or the TLS ticket key
/// besides; see the draft's security considerations).
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    pub(crate) id: AssertionId,
    pub(crate) pin: Pin,
    pub(crate) stored_key: Secret,
    pub(crate) server_key: Secret,
    pub(crate) identity: Arc<str>,
    pub(crate) login_name: Arc<str>,
    pub(crate) scope: Scope,
    pub(crate) device: DeviceId,
    pub(crate) origin: Origin,
    pub(crate) issued: Timestamp,
    pub(crate) full_login: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) unused_until: Option<Timestamp>,
    pub(crate) superseded: bool,
    pub(crate) renews: Option<AssertionId>,
    pub(crate) revoked: bool,
}

/// Whose assertion a record is to be, and by which rules: the server's side of a login.
#[derive(Clone, Debug)]
pub(crate) struct Owner<'a> {
    /// The account, as the server calls it after the login.
    pub(crate) identity: &'a str,
    pub(crate) device: DeviceId,
    pub(crate) policy: &'a Policy,
    pub(crate) now: Timestamp,
}

impl Record {
    /// A *derived* record, for one mechanism in one scope.
    ///
    /// For a sibling service `scope` differs from that of the connection, and the channel binding of `pin` is not asked of it.
    pub(crate) fn derive(
        pin: Pin,
        scope: &Scope,
        login: &FullLogin,
        exporter: &dyn Exporter,
        owner: &Owner<'_>,
    ) -> Result<Self, CannotDerive> {
        let context = schedule::context(pin, scope, login);
        let seed = schedule::derived_seed(exporter, &context)?;
        Self::from_seed(pin, scope, login, &seed, &context, owner)
    }

    /// A *granted* record, from the 32 random octets that the server sends to the client.
    pub(crate) fn grant(
        pin: Pin,
        scope: &Scope,
        login: &FullLogin,
        seed: &[u8; 32],
        owner: &Owner<'_>,
    ) -> Result<Self, CannotDerive> {
        let context = schedule::context(pin, scope, login);
        let mut secret = Secret::zeroed(32);
        secret.as_mut().copy_from_slice(seed);
        Self::from_seed(pin, scope, login, &secret, &context, owner)
    }

    fn from_seed(
        pin: Pin,
        scope: &Scope,
        login: &FullLogin,
        seed: &Secret,
        context: &Secret,
        owner: &Owner<'_>,
    ) -> Result<Self, CannotDerive> {
        if owner.identity.is_empty() || !valid_login_name(owner.identity) {
            return Err(CannotDerive::Identity);
        }
        let (policy, now) = (owner.policy, owner.now);
        let expires = policy.expiry(login.origin(), now, now).ok_or(CannotDerive::Origin)?;
        let session_key = login.session_key.as_ref().map_or(&b""[..], AsRef::as_ref);
        let Keys { id, client, server } = schedule::keys(pin, seed.as_ref(), session_key, context.as_ref());
        let identity: Arc<str> = owner.identity.into();
        let login_name =
            if *login.login_name == *identity { identity.clone() } else { login.login_name.as_ref().into() };
        Ok(Self {
            id,
            pin,
            stored_key: schedule::stored_key(pin, &client),
            server_key: server,
            identity,
            login_name,
            scope: scope.clone(),
            device: owner.device,
            origin: login.origin(),
            issued: now,
            full_login: now,
            expires,
            unused_until: Some(now.after(policy.tentative_lifetime)),
            superseded: false,
            renews: None,
            revoked: false,
        })
    }

    /// The successor of this record: the same client, scope, pin and origin under keys chained to the present ones.
    ///
    /// `transcript` is `H(T)` of the exchange that renews; `exported` this connection's renewal value where `renewal` says so.
    pub(crate) fn renewed(
        &self,
        renewal: &Renewal,
        transcript: &Secret,
        facts: &ChannelFacts,
        policy: &Policy,
        now: Timestamp,
    ) -> Option<Self> {
        let expires = policy.expiry(self.origin, self.full_login, now)?;
        let seed = renewal.seed(self.pin, &self.server_key, transcript, facts)?;
        let Keys { id, client, server } = schedule::keys(self.pin, seed.as_ref(), b"", b"");
        Some(Self {
            id,
            stored_key: schedule::stored_key(self.pin, &client),
            server_key: server,
            issued: now,
            expires,
            unused_until: Some(now.after(policy.tentative_lifetime)),
            renews: Some(self.id),
            superseded: false,
            ..self.clone()
        })
    }

    /// The name that a client's message calls it by.
    pub fn id(&self) -> &AssertionId {
        &self.id
    }

    /// The mechanism it may be used with.
    pub fn pin(&self) -> Pin {
        self.pin
    }

    /// The account, as the server calls it.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The name that the client logged in under, which its messages must repeat.
    pub fn login_name(&self) -> &str {
        &self.login_name
    }

    /// The service and server name that it holds for.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The client it belongs to.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// How strong the login behind it was.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// When it was made.
    pub fn issued(&self) -> Timestamp {
        self.issued
    }

    /// When the client last logged in fully.
    pub fn full_login(&self) -> Timestamp {
        self.full_login
    }

    /// When it ends, or would end if it stayed unused.
    pub fn expires(&self) -> Timestamp {
        self.unused_until.map_or(self.expires, |until| until.min(self.expires))
    }

    /// Whether it was never used yet.
    pub fn is_tentative(&self) -> bool {
        self.unused_until.is_some()
    }

    /// The record that this one succeeds.
    pub fn renews(&self) -> Option<&AssertionId> {
        self.renews.as_ref()
    }

    /// Whether a successor of it was used: it goes on for a grace, and is not renewed again.
    pub fn is_superseded(&self) -> bool {
        self.superseded
    }

    /// Whether it was revoked; the store keeps it until it expires, so that its client can be told.
    pub fn is_revoked(&self) -> bool {
        self.revoked
    }
}

/// A StoredKey that stands in for a record that isn't there, so that its absence costs what a wrong proof costs.
///
/// It is no secret: whoever is checked against it is refused whatever the proof is. How long a public key takes to be read hangs on which of two
/// square roots is right, and on its sign, and so there is one of each of the four kinds. Which one a stranger meets hangs on `drawn_by`, two bits of
/// something random, as it hangs on the key itself where there is one.
pub(crate) fn stand_in(pin: Pin, drawn_by: u8) -> Secret {
    if !pin.signs() {
        return Secret::zeroed(pin.hash().output_len());
    }
    let mut point = POINTS[usize::from(drawn_by & 1)];
    point[31] |= drawn_by << 6 & 0x80;
    Secret::new(&point).unwrap_or_else(|| Secret::zeroed(point.len()))
}

/// Valid points, as an invalid one would fail early: the base point of RFC 8032, and three times it.
const POINTS: [[u8; 32]; 2] = [BASE_POINT, THREE_TIMES];
const BASE_POINT: [u8; 32] = {
    let mut point = [0x66; 32];
    point[0] = 0x58;
    point
};
#[rustfmt::skip]
const THREE_TIMES: [u8; 32] = [
    0xd4, 0xb4, 0xf5, 0x78, 0x48, 0x68, 0xc3, 0x02, 0x04, 0x03, 0x24, 0x67, 0x17, 0xec, 0x16, 0x9f,
    0xf7, 0x9e, 0x26, 0x60, 0x8e, 0xa1, 0x26, 0xa1, 0xab, 0x69, 0xee, 0x77, 0xd1, 0xb1, 0x67, 0x12,
];

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id)
            .field("pin", &self.pin)
            .field("identity", &self.identity)
            .field("login_name", &self.login_name)
            .field("scope", &self.scope)
            .field("device", &self.device)
            .field("origin", &self.origin)
            .field("issued", &self.issued)
            .field("full_login", &self.full_login)
            .field("expires", &self.expires)
            .field("unused_until", &self.unused_until)
            .field("superseded", &self.superseded)
            .field("renews", &self.renews)
            .field("revoked", &self.revoked)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stand_in_of_each_kind_of_public_key() {
        let drawn = [0, 1, 2, 3].map(|bits| stand_in(Pin::ED25519_EXPR, bits).as_ref().to_vec());
        for (number, point) in drawn.iter().enumerate() {
            let [of_these, sign] = [number & 1, number >> 1];
            assert_eq!(point[..31], POINTS[of_these][..31]);
            assert_eq!(usize::from(point[31] >> 7), sign);
            assert_eq!(point[31] & 0x7f, POINTS[of_these][31]);
        }
        assert_eq!(stand_in(Pin::ED25519_EXPR, 0xff).as_ref(), drawn[3]);
        assert_eq!(stand_in(Pin::SHA_256_EXPR, 3).as_ref(), [0; 32]);
    }
}
