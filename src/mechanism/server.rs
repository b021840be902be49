//! A service's configuration.

use crate::assertion::{HtMechanism, Pin, Policy, Scope, Service, ServiceKeys};
use crate::channel::ServerName;
use crate::mechanism::offers::Offers;

/// A service that recognises its clients: what is configured once and shared by all connections.
#[derive(Clone, Debug)]
pub struct Server {
    pub(crate) service: Service,
    pub(crate) names: Vec<ServerName>,
    pub(crate) full_mechanisms: Vec<Box<str>>,
    pub(crate) pins: Vec<Pin>,
    pub(crate) policy: Policy,
    pub(crate) siblings: Vec<Sibling>,
    pub(crate) external: bool,
    pub(crate) early_data: bool,
    pub(crate) fast: Option<Fast>,
    pub(crate) sealing: Option<ServiceKeys>,
    pub(crate) offers: Offers,
}

/// The tokens that a service issues (XEP-0484).
#[derive(Clone, Debug)]
pub(crate) struct Fast {
    pub(crate) mechanisms: Vec<HtMechanism>,
    pub(crate) keys: ServiceKeys,
}

/// Another service of the same provider, at which a client that logs in here is made known too.
///
/// The client's account settings name it as well; nothing about it crosses the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sibling {
    /// Its service and server name.
    pub scope: Scope,
    /// The mechanism to use there. One without binding (`-NONE`) is for a server that sees nothing of TLS: a server that sees its
    /// TLS sessions asks it for their lineage, which a client that never was there can't have.
    pub pin: Pin,
}

/// A configuration that can't work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidServer {
    /// Without a server name, no message could name this server.
    #[error("a server needs at least one name; use ServerName::none() for clients that send none")]
    NoName,
}

impl Server {
    /// A service under these names, which offers these mechanisms for full logins, and `IKY-SHA-256-EXPR` by default.
    ///
    /// # Errors
    /// [`InvalidServer`] for an empty list of names.
    pub fn new<'a>(
        service: Service,
        names: impl IntoIterator<Item = ServerName>,
        full_mechanisms: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidServer> {
        let names: Vec<_> = names.into_iter().collect();
        if names.is_empty() {
            return Err(InvalidServer::NoName);
        }
        Ok(Self {
            service,
            names,
            full_mechanisms: full_mechanisms.into_iter().map(Into::into).collect(),
            pins: vec![Pin::SHA_256_EXPR],
            policy: Policy::default(),
            siblings: Vec::new(),
            external: true,
            early_data: false,
            fast: None,
            sealing: None,
            offers: Offers::default(),
        })
    }

    /// The IKY mechanisms to list, in the order of preference.
    #[must_use]
    pub fn pins(mut self, pins: impl IntoIterator<Item = Pin>) -> Self {
        self.pins = pins.into_iter().collect();
        self
    }

    /// The operator's rules.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// A service at which clients of this one are known too.
    #[must_use]
    pub fn sibling(mut self, sibling: Sibling) -> Self {
        self.siblings.push(sibling);
        self
    }

    /// Issues and takes tokens for these HT and HT2 mechanisms, in the order of preference (XEP-0484).
    ///
    /// The keys make the tokens, so keep them across restarts: deployed clients don't all log in fully by themselves when a token is
    /// refused. List a mechanism with SHA-256 and without HT2 among them, as some clients know no other.
    #[must_use]
    pub fn fast(mut self, mechanisms: impl IntoIterator<Item = HtMechanism>, keys: ServiceKeys) -> Self {
        self.fast = Some(Fast { mechanisms: mechanisms.into_iter().collect(), keys });
        self
    }

    /// Issues and takes sealed assertions, for the mechanisms that bind to tls-exporter: from its first use on an assertion's record is in the
    /// client's hands, encrypted under these keys, and the store keeps one row for each account instead.
    ///
    /// Login names have to be unique at the service: two accounts under one name share a secret. What else is known to be missing is in the
    /// changelog.
    ///
    /// It takes random octets on each connection: [`Connection::seal_with`](super::Connection::seal_with). Where TLS sessions resume,
    /// [`Connection::recognised`](super::Connection::recognised) has a session to store for these clients too; a service that wants to keep nothing of
    /// them leaves that out, and its clients come back with IKY instead of EXTERNAL.
    #[must_use]
    pub fn sealed(mut self, keys: ServiceKeys) -> Self {
        self.sealing = Some(keys);
        self
    }

    /// Takes IKY in TLS 1.3 early data, off by default: with a counter, on a session that the server keeps itself (stateful) and whose
    /// lineage the client proves; with `-EXPR` only where the TLS stack has an early exporter. All else is refused there.
    ///
    /// All nodes that accept early data of the same TLS sessions need one store of assertions, as that is where a replayed flight is
    /// noticed. Of a connection's early data nothing is carried out before the login in it was accepted.
    #[must_use]
    pub fn early_data(mut self) -> Self {
        self.early_data = true;
        self
    }

    /// Neither lists nor takes EXTERNAL: for a service at which it stands for a TLS client certificate.
    #[must_use]
    pub fn without_external(mut self) -> Self {
        self.external = false;
        self
    }

    /// The service name.
    pub fn service(&self) -> &Service {
        &self.service
    }
}
