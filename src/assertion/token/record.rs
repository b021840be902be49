//! What the server keeps of the tokens of one client.

use core::fmt;
use std::sync::Arc;

use super::HtMechanism;
use crate::assertion::{DeviceId, Origin, Scope};
use crate::crypto::{Absorb, Hash, hash};
use crate::time::Timestamp;

/// The name that a client's tokens are found by: who says it is whom, with which installation, and where.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId([u8; TokenId::LEN]);

impl TokenId {
    /// Length, in octets.
    pub const LEN: usize = 16;

    /// The first 16 octets of `SHA-256(lp("FAST client v1") lp(service) lp(server name) lp(authcid) lp(client id))`.
    pub fn of(scope: &Scope, authcid: &str, client: &str) -> Self {
        Self::of_names(scope.service.as_str(), scope.server_name.as_str(), authcid, client)
    }

    pub(crate) fn of_names(service: &str, server_name: &str, authcid: &str, client: &str) -> Self {
        let digest = hash(Hash::Sha256, |context| {
            for part in ["FAST client v1", service, server_name, authcid, client] {
                context.lp(part.as_bytes());
            }
        });
        let mut first = [0; Self::LEN];
        first.copy_from_slice(&digest.as_ref()[..Self::LEN]);
        Self(first)
    }

    /// An id of 16 octets that was computed before, as a store kept it.
    pub const fn from_octets(octets: [u8; Self::LEN]) -> Self {
        Self(octets)
    }

    /// The 16 octets.
    pub const fn as_octets(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenId(")?;
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
        f.write_str(")")
    }
}

/// The tokens of one client of an account: the *current* one, and a *new* one that waits for its first use (XEP-0484 section 3.5).
///
/// There is no secret in it. A thief of records has no token, and can't make one without the service key; a thief of both has all
/// of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    pub(crate) id: TokenId,
    pub(crate) identity: Arc<str>,
    pub(crate) authcid: Arc<str>,
    pub(crate) scope: Scope,
    pub(crate) device: DeviceId,
    pub(crate) current: Option<TokenSlot>,
    pub(crate) new: Option<TokenSlot>,
    pub(crate) revoked: bool,
}

/// What tells a token from every other: 32 random octets, which the service key makes into the token.
///
/// No secret by itself; it is not printed all the same, as with the service key it is one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Salt([u8; Salt::LEN]);

impl Salt {
    /// Length, in octets.
    pub const LEN: usize = 32;

    /// A salt of 32 octets from a cryptographically secure random number generator.
    pub const fn new(random: [u8; Self::LEN]) -> Self {
        Self(random)
    }

    /// The 32 octets.
    pub const fn as_octets(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(redacted)")
    }
}

/// One token, as the server keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSlot {
    pub(crate) salt: Salt,
    pub(crate) key: u32,
    pub(crate) mechanism: HtMechanism,
    pub(crate) origin: Origin,
    pub(crate) full_login: Timestamp,
    pub(crate) expires: Timestamp,
}

impl TokenSlot {
    /// What tells this token from every other.
    pub fn salt(&self) -> &Salt {
        &self.salt
    }

    /// The mechanism that it may be used with, and no other.
    pub fn mechanism(&self) -> HtMechanism {
        self.mechanism
    }

    /// How strong the full login behind it was.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// When that was.
    pub fn full_login(&self) -> Timestamp {
        self.full_login
    }

    /// When it ends.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }
}

impl TokenRecord {
    /// The name that it is found by.
    pub fn id(&self) -> &TokenId {
        &self.id
    }

    /// The account, as the server calls it.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The name that the client authenticates under, as its messages have it.
    pub fn authcid(&self) -> &str {
        &self.authcid
    }

    /// The service and server name that it holds for.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The client it belongs to.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// The token that was used last.
    pub fn current(&self) -> Option<&TokenSlot> {
        self.current.as_ref()
    }

    /// The token that was issued since, and that no connection used yet.
    pub fn new_token(&self) -> Option<&TokenSlot> {
        self.new.as_ref()
    }

    /// When the last of them ends.
    pub fn expires(&self) -> Timestamp {
        let ends = [&self.current, &self.new].into_iter().flatten().map(|slot| slot.expires);
        ends.max().unwrap_or(Timestamp::from_secs(0))
    }

    /// Whether it was revoked; the store keeps it until it expires, so that its client can be told.
    pub fn is_revoked(&self) -> bool {
        self.revoked
    }
}

impl fmt::Debug for TokenSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSlot")
            .field("mechanism", &self.mechanism)
            .field("origin", &self.origin)
            .field("full_login", &self.full_login)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
