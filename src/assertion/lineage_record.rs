//! What a server remembers of a connection on which somebody authenticated, for the connections that resume it.

use core::fmt;
use std::sync::Arc;

use super::{DeviceId, Origin, Record, Scope};
use crate::channel::Lineage;
use crate::time::Timestamp;

/// Who authenticated on a connection: the server's half of its [`Lineage`], found by the connection's handle.
///
/// Specified by the draft in "Lineage Records".
#[derive(Clone, PartialEq, Eq)]
pub struct LineageRecord {
    pub(crate) identity: Arc<str>,
    pub(crate) login_name: Arc<str>,
    pub(crate) scope: Scope,
    pub(crate) device: DeviceId,
    pub(crate) origin: Origin,
    pub(crate) full_login: Timestamp,
    pub(crate) strength: Origin,
    pub(crate) lineage: Option<Lineage>,
    pub(crate) expires: Timestamp,
    pub(crate) shared: bool,
    pub(crate) revoked: bool,
}

impl LineageRecord {
    /// The account, as the server calls it.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The name that the client logged in under.
    pub fn login_name(&self) -> &str {
        &self.login_name
    }

    /// The service and server name that were logged in to.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The client that authenticated.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// How strong the last full login behind it was.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// When that was.
    pub fn full_login(&self) -> Timestamp {
        self.full_login
    }

    /// How strongly what authenticated there tied the client to this very TLS session, which is what EXTERNAL on it is worth.
    ///
    /// Weaker than [`origin`](Self::origin) where only keys were tied to the client and not the session: after a keyed login, or
    /// a proof that is not bound to one connection, the session may be a man in the middle's.
    pub fn strength(&self) -> Origin {
        self.strength
    }

    /// When it ends.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Whether two identities ever authenticated on the session, so that it stands for neither.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// Whether the client behind it was revoked; kept until it expires, so that the session can't start anew as somebody else's.
    pub fn is_revoked(&self) -> bool {
        self.revoked
    }

    /// Whether this connection authenticated the very client that `record` belongs to, there where the record holds.
    pub(crate) fn authenticated(&self, record: &Record, now: Timestamp) -> bool {
        !self.shared
            && !self.revoked
            && now < self.expires
            && self.identity == record.identity
            && self.device == record.device
            && self.scope == record.scope
    }
}

impl fmt::Debug for LineageRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineageRecord")
            .field("identity", &self.identity)
            .field("login_name", &self.login_name)
            .field("scope", &self.scope)
            .field("device", &self.device)
            .field("origin", &self.origin)
            .field("full_login", &self.full_login)
            .field("strength", &self.strength)
            .field("expires", &self.expires)
            .field("shared", &self.shared)
            .field("revoked", &self.revoked)
            .finish_non_exhaustive()
    }
}
