//! How a Redis store is set up.

use core::fmt;
use core::time::Duration;

use redis::{ConnectionInfo, IntoConnectionInfo};

/// What is known of a server's data after it went down.
///
/// A server that lost its last writes would take a counter that was used for a new one, and a revoked client for a known one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// A restart, or a replica in the place of its primary, forgets everything: what the process before wrote is not looked at again, and
    /// expires. Every client logs in fully, once. It is right with any configuration of the server, and for what is a cache to its
    /// operator.
    #[default]
    Forget,
    /// A write that was answered survives: `appendonly yes` and `appendfsync always`, on a disk that keeps what it said it has. That is
    /// checked on each connection. There must be no replica that takes over, as replication is not waited for. Who puts a backup of its data
    /// back calls [`revoke_everyone`](crate::store::Store::revoke_everyone) before anything else: counters used and clients revoked since are
    /// unknown to it.
    Always,
    /// The same, where the server doesn't let it be checked (`CONFIG GET` is refused). Nothing but the operator's word stands for it.
    AlwaysUnchecked,
}

/// How to reach a server, and how much may be kept in it.
#[derive(Clone)]
pub struct RedisSettings {
    pub(super) server: ConnectionInfo,
    pub(super) prefix: String,
    pub(super) durability: Durability,
    pub(super) deadline: Duration,
    pub(super) devices_per_account: usize,
    pub(super) lineages_per_device: usize,
}

/// That is no address of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("that is no address of a Redis server")]
pub struct InvalidAddress;

/// Why a server is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisProblem {
    /// It does not answer, or not in time.
    #[error("the server does not answer in time")]
    Silent,
    /// It answers otherwise than a server of Valkey or Redis 7 does; or refuses our user a command (`INFO`, `SCRIPT`, `EVALSHA`).
    #[error("the server answers otherwise than Valkey or Redis 7, or refuses a command that is needed")]
    Unsuited,
    /// It is a replica, which may not know of the latest writes.
    #[error("the server is a replica")]
    Replica,
    /// It drops keys when its memory is full, and could drop what was revoked: `maxmemory-policy` has to be `noeviction`.
    #[error("the server may drop keys when its memory is full; set maxmemory-policy noeviction")]
    Evicts,
    /// [`Durability::Always`] was asked for, and the server is not configured so, or doesn't tell.
    #[error("the server is not known to keep what it answered: appendonly yes, appendfsync always")]
    NotDurable,
}

impl RedisSettings {
    /// The server of this URL (`redis://[user:password@]host[:port][/database]`, or `unix:` and a path), or of this
    /// `redis::ConnectionInfo`. TLS to the server is a matter of the `redis` crate's features (`tokio-rustls-comp` and `tls-rustls`),
    /// which a program that depends on it can enable.
    ///
    /// # Errors
    /// [`InvalidAddress`]
    pub fn new(server: impl IntoConnectionInfo) -> Result<Self, InvalidAddress> {
        Ok(Self {
            server: server.into_connection_info().map_err(|_| InvalidAddress)?,
            prefix: "fast-reauth".to_owned(),
            durability: Durability::default(),
            deadline: Duration::from_millis(500),
            devices_per_account: 64,
            lineages_per_device: 32,
        })
    }

    /// What the names of all keys begin with. Default: `fast-reauth`.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        // A brace would be taken for that of a hash tag.
        self.prefix = prefix.replace(['{', '}', ' '], "_");
        self
    }

    /// What a restart of the server means. Default: [`Durability::Forget`].
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How long a call takes at most, with all that it needs, before it is `Unavailable`. Default: 500 ms.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Clients of one account; see [`Capacity`](crate::store::Capacity::devices_per_account). Default: 64.
    #[must_use]
    pub fn devices_per_account(mut self, devices: usize) -> Self {
        self.devices_per_account = devices.max(1);
        self
    }

    /// Connections of one client that can be resumed. Default: 32.
    #[must_use]
    pub fn lineages_per_device(mut self, lineages: usize) -> Self {
        self.lineages_per_device = lineages.max(1);
        self
    }

    pub(super) fn is_kept(&self) -> bool {
        self.durability != Durability::Forget
    }
}

impl fmt::Debug for RedisSettings {
    /// Without the address, which may have a password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("prefix", &self.prefix)
            .field("durability", &self.durability)
            .field("deadline", &self.deadline)
            .field("devices_per_account", &self.devices_per_account)
            .field("lineages_per_device", &self.lineages_per_device)
            .finish_non_exhaustive()
    }
}
