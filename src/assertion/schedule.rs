//! The key schedule: from a full authentication to the two halves of an assertion.

use core::fmt;

use ring::signature::{Ed25519KeyPair, KeyPair};
use zeroize::Zeroizing;

use super::{FullLogin, Pin, Scope};
use crate::channel::{Exporter, ExporterUnavailable, Unsuitable};
use crate::crypto::{Absorb, Prk, Secret, hash};

/// The name of an assertion: 16 octets that say nothing about its keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssertionId(pub(crate) [u8; AssertionId::LEN]);

impl AssertionId {
    /// Length, in octets.
    pub const LEN: usize = 16;

    /// The id of these octets.
    pub const fn from_octets(octets: [u8; Self::LEN]) -> Self {
        Self(octets)
    }

    /// The 16 octets.
    pub const fn as_octets(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for AssertionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AssertionId(")?;
        self.0[..4].iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
        f.write_str("…)")
    }
}

/// Why a login makes no assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotDerive {
    /// The channel may be shared with somebody else, or lacks what the mechanism binds to.
    #[error("the channel is not fit for it: {0}")]
    Channel(#[from] Unsuitable),
    /// The TLS exporter failed.
    #[error(transparent)]
    Exporter(#[from] ExporterUnavailable),
    /// The policy refuses an assertion of this origin.
    #[error("the policy refuses an assertion from a login of this origin")]
    Origin,
    /// The exporter is not that of the connection whose facts are known.
    #[error("the exporter belongs to another connection than the channel facts")]
    OtherConnection,
    /// The peer is a connection manager, whose connections stand for nobody.
    #[error("the peer is a connection manager")]
    ConnectionManager,
    /// The server is not configured with the mechanism.
    #[error("the server is not configured with this mechanism")]
    NotConfigured,
    /// The policy asks for a stronger channel binding than the mechanism's.
    #[error("the policy asks for a stronger channel binding than this mechanism's")]
    WeakBinding,
    /// The client keeps assertions by account, and the login is of another name than the account's.
    #[error("the login is of another name than the account")]
    OtherAccount,
    /// The server's name for the account has more than 255 octets, or none, or a NUL.
    #[error("an identity has 1 to 255 octets and no NUL")]
    Identity,
}

/// All keys of one assertion, before each end keeps its half and forgets the rest.
pub(super) struct Keys {
    pub(super) id: AssertionId,
    /// ClientKey; for Ed25519 the client's signing key (its RFC 8032 seed).
    pub(super) client: Secret,
    pub(super) server: Secret,
}

/// The context of a derivation: everything that both ends must agree on.
pub(super) fn context(pin: Pin, scope: &Scope, login: &FullLogin) -> Secret {
    hash(pin.hash(), |context| {
        context.lp(b"IKY derive v1");
        context.lp(pin.name().as_bytes());
        context.lp(scope.service.as_str().as_bytes());
        context.lp(scope.server_name.as_str().as_bytes());
        context.lp(login.mechanism.as_bytes());
        context.lp(login.binding.map_or("", |binding| binding.name()).as_bytes());
        context.lp(login.login_name.as_bytes());
        // Always the client: a server that is recognised by its client has no profile here.
        context.lp(b"c");
        context.lp(&login.ordinal.to_be_bytes());
    })
}

/// A *derived* seed: both ends compute it, nothing crosses the wire.
pub(super) fn derived_seed(exporter: &dyn Exporter, context: &Secret) -> Result<Secret, ExporterUnavailable> {
    let mut seed = Secret::zeroed(32);
    exporter.export(b"EXPORTER-SASL-IKY", context.as_ref(), seed.as_mut())?;
    Ok(seed)
}

/// From a seed, derived or granted or renewed, to the keys. A renewal has neither session key nor context: its seed is
/// chained to both through the keys it comes from.
pub(super) fn keys(pin: Pin, seed: &[u8], session_key: &[u8], context: &[u8]) -> Keys {
    let mut ikm = Zeroizing::new(Vec::with_capacity(12 + seed.len() + session_key.len() + context.len()));
    ikm.lp(seed);
    ikm.lp(session_key);
    ikm.lp(context);
    let prk = Prk::extract(pin.hash(), b"IKY assertion v1", &ikm);

    let mut id = [0; AssertionId::LEN];
    prk.expand(b"id", &mut id);
    let mut client = Secret::zeroed(if pin.signs() { 32 } else { pin.hash().output_len() });
    prk.expand(if pin.signs() { b"client signing key" } else { b"client key" }, client.as_mut());
    let mut server = Secret::zeroed(pin.hash().output_len());
    prk.expand(b"server key", server.as_mut());
    Keys { id: AssertionId(id), client, server }
}

/// What the server keeps to check proofs with: `StoredKey = H(ClientKey)`, or the Ed25519 public key.
pub(super) fn stored_key(pin: Pin, client: &Secret) -> Secret {
    if pin.signs() {
        signing_key(client).map_or_else(|| Secret::zeroed(32), |pair| from_public(pair.public_key().as_ref()))
    } else {
        hash(pin.hash(), |context| context.absorb(client.as_ref()))
    }
}

/// The Ed25519 key pair of a client's half; `None` only for a seed that isn't 32 octets long.
pub(crate) fn signing_key(client: &Secret) -> Option<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(client.as_ref()).ok()
}

fn from_public(key: &[u8]) -> Secret {
    Secret::new(key).unwrap_or_else(|| Secret::zeroed(32))
}
