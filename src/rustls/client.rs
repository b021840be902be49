//! The client: TLS sessions by account, and which connection each of them comes from.

use core::fmt;
use core::num::NonZeroUsize;
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use ::rustls::client::{Resumption, Tls12Resumption};
use ::rustls::pki_types;
use ::rustls::{ClientConfig, ClientConnection, NamedGroup};

use super::view::{Accounts, View};
use super::{FactsUnavailable, facts, is_resumed};
use crate::adapter::lock;
use crate::assertion::AssertionId;
use crate::channel::{ChannelFacts, EndPoint, ServerName, Tickets};
use crate::store::client::{Account, Predecessor};

/// A client's TLS sessions: per account, and only those of connections on which an authentication succeeded.
///
/// Two accounts at one host never share a session, so a server that recognises a session recognises the right client. Kept in
/// memory, eight TLS 1.3 tickets and one TLS 1.2 session an account; of more accounts than the capacity, the one that was
/// longest without a new connection goes. A ticket is offered once; connections in parallel each take one. A clone is another
/// handle to the same sessions.
#[derive(Clone)]
pub struct Sessions {
    accounts: Arc<Mutex<Accounts>>,
    hints: Arc<Mutex<Hints>>,
    tls12: Tls12Resumption,
}

impl Sessions {
    /// No sessions yet, and never those of more than this many accounts.
    pub fn new(accounts: NonZeroUsize) -> Self {
        Self {
            accounts: Arc::new(Mutex::new(Accounts::new(accounts))),
            hints: Arc::new(Mutex::new(Hints { groups: HashMap::new(), capacity: accounts })),
            tls12: Tls12Resumption::SessionIdOrTickets,
        }
    }

    /// How TLS 1.2 sessions are resumed: rustls' default is by session id or ticket. It is the mode of this handle and its
    /// clones to come.
    ///
    /// With [`Tls12Resumption::SessionIdOnly`] no server can put a master secret into a ticket.
    #[must_use]
    pub fn tls12_resumption(mut self, mode: Tls12Resumption) -> Self {
        self.tls12 = mode;
        self
    }

    /// The configuration for one connection of this account, and what watches it.
    ///
    /// `base` is always the same configuration, never one rebuilt from the same parts: rustls resumes only under the very same
    /// certificate verifier and client certificate resolver. Its own session store is not used.
    ///
    /// A configuration that serves a second connection makes the watch refuse to say anything more.
    pub fn connection(&self, base: &ClientConfig, account: &Account) -> (Arc<ClientConfig>, ClientWatch) {
        self.view(base, account, true)
    }

    /// The same for a connection that makes a full handshake, whatever sessions there are. Its own are kept as ever.
    pub fn connection_without_resumption(
        &self,
        base: &ClientConfig,
        account: &Account,
    ) -> (Arc<ClientConfig>, ClientWatch) {
        self.view(base, account, false)
    }

    /// Drops the account's sessions, also those that its present connections may still get: the next connection makes a full
    /// handshake.
    pub fn forget(&self, account: &Account) {
        lock(&self.accounts).forget(account);
    }

    fn view(&self, base: &ClientConfig, account: &Account, resume: bool) -> (Arc<ClientConfig>, ClientWatch) {
        let slot = lock(&self.accounts).slot(account);
        let view = Arc::new(View::new(slot, Arc::clone(&self.hints), resume));
        let mut config = base.clone();
        config.resumption = Resumption::store(view.clone()).tls12_resumption(self.tls12);
        let watch = ClientWatch {
            view,
            accounts: Arc::clone(&self.accounts),
            account: account.clone(),
            sends_name: config.enable_sni,
            require_ems: config.require_ems,
            sent_early: AtomicBool::new(false),
        };
        (Arc::new(config), watch)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("accounts", &lock(&self.accounts).len()).finish_non_exhaustive()
    }
}

/// What is known of the one connection that was made with the configuration beside it.
pub struct ClientWatch {
    view: Arc<View>,
    accounts: Arc<Mutex<Accounts>>,
    account: Account,
    sends_name: bool,
    require_ems: bool,
    /// A flight went out as early data.
    pub(super) sent_early: AtomicBool,
}

impl ClientWatch {
    /// The connection that this one resumes, if TLS really resumed it; in TLS 1.2, the one of the full handshake.
    pub fn predecessor(&self, connection: &ClientConnection) -> Option<Predecessor> {
        self.offered().filter(|_| is_resumed(connection))
    }

    /// The connection whose session is offered to the server, resumed or not.
    pub(super) fn offered(&self) -> Option<Predecessor> {
        self.view.noted(|noted| noted.sessions.offered().filter(|_| !noted.reused).cloned())
    }

    /// What the client knows of the connection, once the handshake is finished; whatever it sends from then on is no early data.
    ///
    /// *Sessions* are [`Tickets::Stateful`] for want of knowledge: in TLS 1.2 the server alone knows which, and whether to
    /// refuse; it also holds the ticket keys that make the difference. *The end point* is that of the certificate shown at the
    /// full handshake, also on a resumed connection.
    ///
    /// # Errors
    /// [`FactsUnavailable`], before the end of the handshake above all.
    pub fn facts(&self, connection: &ClientConnection) -> Result<ChannelFacts, FactsUnavailable> {
        let facts = facts(connection, self.require_ems)?;
        let mut facts = facts.tickets(Tickets::Stateful).server_name(self.server_name()?);
        let certificate = connection.peer_certificates().and_then(|chain| chain.first());
        if let Some(end_point) = certificate.and_then(|der| EndPoint::from_certificate(der).ok()) {
            facts = facts.end_point(end_point);
        }
        Ok(facts)
    }

    /// The server name that the client sends.
    pub(super) fn server_name(&self) -> Result<ServerName, FactsUnavailable> {
        self.view.noted(|noted| match &noted.name {
            _ if noted.reused => Err(FactsUnavailable::ConfigurationReused),
            // On the wire it has no final dot (RFC 6066 section 3), which older versions of pki-types leave in place.
            Some(pki_types::ServerName::DnsName(name)) if self.sends_name => {
                Ok(ServerName::parse(name.as_ref().trim_end_matches('.'))?)
            }
            // An address is never sent.
            _ => Ok(ServerName::none()),
        })
    }

    /// An authentication succeeded on this connection, whose facts these are: its sessions may be offered from now on, those
    /// that arrived before included. Without lineage in the facts nothing is kept.
    ///
    /// `family` is that of the assertion that was made or used, as [`Connection::family`](crate::store::client::Connection::family)
    /// has it.
    pub fn authenticated(&self, facts: &ChannelFacts, family: Option<AssertionId>) {
        self.view.authenticated(facts, family);
    }

    /// A recognition failed: drops the account's sessions, as [`Sessions::forget`], unless that was done since this connection
    /// was made.
    pub fn forget(&self) {
        let slot = self.view.noted(|noted| Arc::clone(noted.sessions.slot()));
        lock(&self.accounts).forget_slot(&self.account, &slot);
    }
}

impl fmt::Debug for ClientWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientWatch").field("account", &self.account).finish_non_exhaustive()
    }
}

/// Which key exchange group each server chose. It says nothing about an account, so all share it.
pub(super) struct Hints {
    groups: HashMap<pki_types::ServerName<'static>, NamedGroup>,
    capacity: NonZeroUsize,
}

impl Hints {
    pub(super) fn get(&self, name: &pki_types::ServerName<'_>) -> Option<NamedGroup> {
        self.groups.get(&name.to_owned()).copied()
    }

    pub(super) fn set(&mut self, name: pki_types::ServerName<'static>, group: NamedGroup) {
        // Any may go: without one, a handshake at worst takes another round trip, once.
        if self.groups.len() >= self.capacity.get() && !self.groups.contains_key(&name) {
            if let Some(any) = self.groups.keys().next().cloned() {
                self.groups.remove(&any);
            }
        }
        self.groups.insert(name, group);
    }
}
