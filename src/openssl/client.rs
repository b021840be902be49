//! The client: TLS sessions by account, and which connection each of them comes from.

use core::fmt;
use core::num::NonZeroUsize;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use ::openssl::error::ErrorStack;
use ::openssl::ex_data::Index;
use ::openssl::ssl::{
    Ssl, SslConnector, SslConnectorBuilder, SslOptions, SslRef, SslSession, SslSessionCacheMode, SslVersion,
};
use zeroize::Zeroizing;

use super::{FactsUnavailable, end_point, facts};
use crate::adapter::saved::{self, InvalidSessions, Octets};
use crate::adapter::{self, Arriving, lock};
use crate::assertion::AssertionId;
use crate::channel::{ChannelFacts, ServerName, Tickets};
use crate::store::client::{Account, Predecessor};

/// How an account's sessions start, when they are saved: with a name and a version. A session is in DER.
const SAVED: &[u8] = b"fast-reauth OpenSSL sessions\0\x01";

/// A client's TLS sessions: per account, and only those of connections on which an authentication succeeded.
///
/// Two accounts at one host never share a session, so a server that recognises a session recognises the right client. Eight
/// TLS 1.3 tickets and one TLS 1.2 session an account; of more accounts than the capacity, the one that was longest without a
/// new connection goes. A ticket is offered once; connections in parallel each take one. A clone is another handle to the same
/// sessions.
///
/// They live in memory. [`saved`](Self::saved) and [`restore`](Self::restore) take an account's through a restart.
#[derive(Clone)]
pub struct Sessions {
    connector: SslConnector,
    index: Index<Ssl, Arc<Ours>>,
    accounts: Arc<Mutex<Accounts>>,
}

type Accounts = adapter::Accounts<Arc<str>, Octets, Octets>;

/// What is noted of one connection, on its own [`Ssl`].
struct Ours {
    account: Account,
    /// The name that the certificate is verified for.
    host: Arc<str>,
    sessions: Mutex<Arriving<Arc<str>, Octets, Octets>>,
}

impl Sessions {
    /// Builds the connector. No sessions yet, and never those of more than this many accounts.
    ///
    /// It sets the session cache mode and the callback for new sessions, and takes renegotiation away.
    ///
    /// # Errors
    /// OpenSSL's own.
    pub fn new(mut connector: SslConnectorBuilder, accounts: NonZeroUsize) -> Result<Self, ErrorStack> {
        let index = Ssl::new_ex_index()?;
        connector.set_options(SslOptions::NO_RENEGOTIATION);
        connector.set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
        connector.set_new_session_callback(move |ssl, session| arrived(ssl.ex_data(index), &session));
        let accounts = Arc::new(Mutex::new(Accounts::new(accounts)));
        Ok(Self { connector: connector.build(), index, accounts })
    }

    /// A connection of this account to come, and the session to offer on it.
    ///
    /// `host` is the name that the certificate is verified for, and that is sent unless it is an address. The session goes to
    /// `SslRef::set_session` before `connect`, or nothing is resumed. That is unsafe in the crate, on the condition that the
    /// session is of the same context. It is: it was decoded just now, is in no context's cache, and comes from connections of
    /// this one, or from [`restore`](Self::restore).
    ///
    /// # Errors
    /// OpenSSL's own.
    pub fn connection(&self, host: &str, account: &Account) -> Result<(Ssl, Option<SslSession>), ErrorStack> {
        let (ssl, ours) = self.ours(host, account)?;
        let mut sessions = lock(&ours.sessions);
        let is = |name: &Arc<str>| **name == *host;
        let session = sessions.take_tls13(is).or_else(|| sessions.tls12(is));
        Ok((ssl, session.and_then(|der| SslSession::from_der(&der).ok())))
    }

    /// The same for a connection that makes a full handshake, whatever sessions there are. Its own are kept as ever.
    ///
    /// # Errors
    /// OpenSSL's own.
    pub fn connection_without_resumption(&self, host: &str, account: &Account) -> Result<Ssl, ErrorStack> {
        self.ours(host, account).map(|(ssl, _)| ssl)
    }

    fn ours(&self, host: &str, account: &Account) -> Result<(Ssl, Arc<Ours>), ErrorStack> {
        let mut ssl = self.connector.configure()?.into_ssl(host)?;
        let sessions = Mutex::new(Arriving::new(lock(&self.accounts).slot(account)));
        let ours = Arc::new(Ours { account: account.clone(), host: host.into(), sessions });
        ssl.set_ex_data(self.index, Arc::clone(&ours));
        Ok((ssl, ours))
    }

    /// The connection that this one resumes, if TLS really resumed it; in TLS 1.2, the one of the full handshake.
    pub fn predecessor(&self, ssl: &SslRef) -> Option<Predecessor> {
        let ours = ssl.ex_data(self.index)?;
        lock(&ours.sessions).offered().filter(|_| ssl.session_reused()).cloned()
    }

    /// What the client knows of the connection, once the handshake is finished.
    ///
    /// *Sessions* are [`Tickets::Stateful`] for want of knowledge: in TLS 1.2 the server alone knows which, and whether to
    /// refuse. *The end point* is that of the certificate shown at the full handshake, also on a resumed connection.
    ///
    /// # Errors
    /// [`FactsUnavailable`], before the end of the handshake above all.
    pub fn facts(&self, ssl: &SslRef) -> Result<ChannelFacts, FactsUnavailable> {
        let ours = ssl.ex_data(self.index).ok_or(FactsUnavailable::Foreign)?;
        let name = match ours.host.parse::<IpAddr>() {
            Ok(_) => ServerName::none(),
            Err(_) => ServerName::parse(&ours.host)?,
        };
        let facts = facts(ssl)?.tickets(Tickets::Stateful).server_name(name);
        Ok(match ssl.peer_certificate().and_then(|certificate| end_point(&certificate)) {
            Some(end_point) => facts.end_point(end_point),
            None => facts,
        })
    }

    /// An authentication succeeded on this connection, whose facts these are: its sessions may be offered from now on, those
    /// that arrived before included. Without lineage in the facts nothing is kept.
    ///
    /// `family` is that of the assertion that was made or used, as [`Connection::family`](crate::store::client::Connection::family)
    /// has it.
    pub fn authenticated(&self, ssl: &SslRef, facts: &ChannelFacts, family: Option<AssertionId>) {
        if let Some(ours) = ssl.ex_data(self.index) {
            lock(&ours.sessions).authenticated(facts, family);
        }
    }

    /// A recognition failed on this connection: drops its account's sessions, as [`forget`](Self::forget), unless that was done
    /// since it was made.
    pub fn recognition_failed(&self, ssl: &SslRef) {
        if let Some(ours) = ssl.ex_data(self.index) {
            let slot = Arc::clone(lock(&ours.sessions).slot());
            lock(&self.accounts).forget_slot(&ours.account, &slot);
        }
    }

    /// Drops the account's sessions, also those that its present connections may still get: the next connection makes a full
    /// handshake.
    pub fn forget(&self, account: &Account) {
        lock(&self.accounts).forget(account);
    }

    /// The account's sessions as octets, some 2,000 a session with its certificate; as secret as an assertion.
    ///
    /// A ticket that is offered after this was written may be offered again after a restart. Servers that take a ticket once
    /// then make a full handshake; an observer can link the two connections.
    pub fn saved(&self, account: &Account) -> Zeroizing<Vec<u8>> {
        let slot = lock(&self.accounts).existing(account);
        match slot {
            Some(slot) => saved::write(SAVED, account, &lock(&slot)),
            None => saved::write(SAVED, account, &adapter::Slot::default()),
        }
    }

    /// Puts back what [`saved`](Self::saved) wrote, for the same account, beside what is there already.
    ///
    /// The connector has to trust the same authorities as the one before: a session that is resumed shows no certificate, so
    /// none is verified.
    ///
    /// # Errors
    /// [`InvalidSessions`], and then nothing is put back.
    pub fn restore(&self, account: &Account, octets: &[u8]) -> Result<(), InvalidSessions> {
        let read = saved::read(SAVED, account, octets, |der| SslSession::from_der(der).is_ok())?;
        let slot = lock(&self.accounts).slot(account);
        lock(&slot).put_back(read);
        Ok(())
    }
}

fn arrived(ours: Option<&Arc<Ours>>, session: &SslSession) {
    if let (Some(ours), Ok(der)) = (ours, session.to_der()) {
        let (mut sessions, der) = (lock(&ours.sessions), Zeroizing::new(der));
        match session.protocol_version() == SslVersion::TLS1_3 {
            true => sessions.tls13_arrived(ours.host.clone(), der),
            false => sessions.tls12_arrived(ours.host.clone(), der),
        }
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("accounts", &lock(&self.accounts).len()).finish_non_exhaustive()
    }
}
