//! Which earlier connection a TLS connection continues, as both ends can prove it.

use core::fmt;

use crate::crypto::Secret;

/// What the server puts into the TLS resumption data of one connection: 128 bits, random, fresh for every connection.
///
/// A connection that really resumes brings back its predecessor's handle, and the handle finds what was authenticated there.
///
/// Specified by the draft in "Recognising a Resumed Connection".
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle([u8; Handle::LEN]);

impl Handle {
    /// Length, in octets.
    pub const LEN: usize = 16;

    /// A handle of 16 octets that must come from a cryptographically secure random number generator.
    pub const fn new(random: [u8; Self::LEN]) -> Self {
        Self(random)
    }

    /// The 16 octets.
    pub const fn as_octets(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle(redacted)")
    }
}

/// `TLS-Exporter("EXPORTER-SASL-IKY-Lineage", "", 32)` of a connection on which an authentication succeeded.
///
/// It never crosses the wire. A successor of that connection mixes it into its proof (`l=1`), and so shows that the ends of
/// the new connection are the ends of the old one.
///
/// Specified by the draft in "Lineage in the Proof".
#[derive(Clone, PartialEq, Eq)]
pub struct Lineage(Secret);

impl Lineage {
    /// Length, in octets.
    pub const LEN: usize = 32;

    /// The lineage of the connection whose exporter gave these 32 octets.
    pub fn new(exported: [u8; Self::LEN]) -> Self {
        let mut secret = Secret::zeroed(Self::LEN);
        secret.as_mut().copy_from_slice(&exported);
        Self(secret)
    }

    pub(crate) fn empty() -> Self {
        Self(Secret::zeroed(0))
    }

    pub(crate) fn from_secret(exported: Secret) -> Self {
        Self(exported)
    }

    /// The 32 secret octets, to be stored as carefully as a key.
    pub fn expose(&self) -> &[u8] {
        self.0.as_ref()
    }
}

impl fmt::Debug for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lineage(redacted)")
    }
}
