//! A client, and its view of one connection.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use fast_reauth::Timestamp;
use fast_reauth::assertion::{FullLogin, HtMechanism};
use fast_reauth::channel::{ChannelFacts, Exporter, TlsVersion};
use fast_reauth::mechanism::Sibling;
use fast_reauth::store::client::{Account, Accounts, Attempt, Connection, Plan, Predecessor, Settled};
use self_cell::self_cell;
use zeroize::Zeroizing;

use crate::names::scope;
use crate::values::present;
use crate::{fr_result, result, session, state};

/// All accounts of a client. For many threads.
pub struct fr_client(Arc<Known>);

struct Known {
    accounts: Arc<Accounts>,
    /// The library can't list them.
    which: Mutex<BTreeSet<Account>>,
}

/// One connection to the server of an account. For one thread at a time; another one that comes meanwhile waits.
pub struct fr_client_connection {
    known: Arc<Known>,
    account: Account,
    number: u64,
    /// Where the TLS session comes from that was resumed, as far as that is known.
    before: Option<Predecessor>,
    /// Whether a login succeeded here, so that its TLS sessions are the account's.
    authenticated: AtomicBool,
    cell: Mutex<Cell>,
}

self_cell!(
    struct Cell {
        owner: Arc<Accounts>,
        #[covariant]
        dependent: Connection,
    }
);

/// An attempt to be recognised. It belongs to its connection, and is finished once.
pub struct fr_attempt {
    connection: u64,
    attempt: Mutex<Option<Attempt>>,
}

/// Tells the connections of this process apart.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

impl Known {
    fn which(&self) -> Result<MutexGuard<'_, BTreeSet<Account>>, fr_result> {
        self.which.lock().map_err(|_| fr_result::FR_INTERNAL)
    }

    fn adopt(&self, account: &Account) -> Result<(), fr_result> {
        self.which()?.insert(account.clone());
        Ok(())
    }
}

impl fr_client {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Known { accounts: Arc::default(), which: Mutex::default() }))
    }

    pub(crate) fn save(&self) -> Result<Zeroizing<Vec<u8>>, fr_result> {
        Ok(state::save(&self.0.accounts, &*self.0.which()?))
    }

    /// Takes the place of everything that is known.
    pub(crate) fn load(&self, octets: &[u8]) -> Result<(), fr_result> {
        let kept = state::read(octets)?;
        let accounts = &self.0.accounts;
        let mut which = self.0.which()?;
        which.iter().for_each(|account| accounts.forget(account));
        which.clear();
        for state::Kept { account, assertions, tokens, offer } in kept {
            for assertion in assertions {
                accounts.restore(&account, assertion, offer.iter().map(String::as_str));
            }
            tokens.into_iter().for_each(|token| accounts.restore_token(&account, token));
            which.insert(account);
        }
        Ok(())
    }

    pub(crate) fn forget(&self, service: &str, server_name: &str, login_name: &str) -> Result<(), fr_result> {
        let account = Account::new(scope(service, server_name)?, login_name);
        self.0.accounts.forget(&account);
        self.0.which()?.remove(&account);
        Ok(())
    }

    pub(crate) fn connect(
        &self,
        service: &str,
        login_name: &str,
        facts: ChannelFacts,
        predecessor: &[u8],
    ) -> Result<fr_client_connection, fr_result> {
        let account = Account::new(scope(service, facts.name().as_str())?, login_name);
        let before = session::read(&account, predecessor)?;
        let resumed = before.clone();
        let cell = Cell::new(self.0.accounts.clone(), |accounts| accounts.connect(&account, facts).resumes(resumed));
        let number = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        let (authenticated, cell) = (AtomicBool::new(false), Mutex::new(cell));
        Ok(fr_client_connection { known: self.0.clone(), account, number, before, authenticated, cell })
    }
}

impl fr_client_connection {
    fn with<T>(&self, work: impl FnOnce(&mut Connection<'_>) -> Result<T, fr_result>) -> Result<T, fr_result> {
        let mut cell = self.cell.lock().map_err(|_| fr_result::FR_INTERNAL)?;
        cell.with_dependent_mut(|_, connection| work(connection))
    }

    pub(crate) fn offered(&self, mechanisms: &str) -> Result<(), fr_result> {
        let is_ht = |name: &&str| HtMechanism::from_name(name).is_some();
        let (ht, others): (Vec<_>, Vec<_>) = mechanisms.split_ascii_whitespace().partition(is_ht);
        self.with(|connection| {
            connection.saw_offer(others);
            connection.saw_fast(ht);
            Ok(())
        })
    }

    pub(crate) fn plan(&self, now: u64) -> Result<fr_attempt, fr_result> {
        let now = present(now)?;
        match self.with(|connection| Ok(connection.plan(now)))? {
            Plan::Known(attempt) => Ok(fr_attempt { connection: self.number, attempt: Mutex::new(Some(attempt)) }),
            Plan::FullLogin => Err(fr_result::FR_FULL_LOGIN),
            Plan::FullHandshake => Err(fr_result::FR_FULL_HANDSHAKE),
            Plan::Abandon => Err(fr_result::FR_ABANDON),
        }
    }

    pub(crate) fn finish(
        &self,
        attempt: &fr_attempt,
        outcome: i32,
        responder: &[u8],
        now: u64,
    ) -> Result<(), fr_result> {
        let (outcome, now) = (result::outcome(outcome)?, present(now)?);
        if attempt.connection != self.number {
            return Err(fr_result::FR_INVALID);
        }
        let attempt = attempt.attempt.lock().map_err(|_| fr_result::FR_INTERNAL)?.take().ok_or(fr_result::FR_SPENT)?;
        let responder = (!responder.is_empty()).then_some(responder);
        match self.with(|connection| Ok(connection.settle(attempt, outcome, responder, now)))? {
            Settled::LoggedIn => {
                self.authenticated.store(true, Ordering::Release);
                Ok(())
            }
            Settled::Failed(next) => Err(next.into()),
        }
    }

    pub(crate) fn logged_in(
        &self,
        login: &FullLogin,
        exporter: &dyn Exporter,
        siblings: &[Sibling],
        now: u64,
    ) -> Result<(), fr_result> {
        self.is_of(login)?;
        let now = present(now)?;
        self.authenticated.store(true, Ordering::Release);
        for Sibling { scope, .. } in siblings {
            self.known.adopt(&Account { scope: scope.clone(), login_name: self.account.login_name.clone() })?;
        }
        self.known.adopt(&self.account)?;
        let known = self.with(|connection| {
            connection.logged_in(login, exporter, siblings, now).map_err(|_| fr_result::FR_NOT_KNOWN)
        })?;
        if known { Ok(()) } else { Err(fr_result::FR_NOT_KNOWN) }
    }

    /// Where the TLS sessions of this connection come from.
    pub(crate) fn session(&self) -> Result<Zeroizing<Vec<u8>>, fr_result> {
        self.with(|connection| {
            let facts = connection.facts();
            let lineage = facts.lineage().filter(|_| self.authenticated.load(Ordering::Acquire));
            let lineage = lineage.cloned().ok_or(fr_result::FR_NOT_KNOWN)?;
            // A TLS 1.2 session that was resumed is still that of its full handshake, whoever logged in since.
            let from = if facts.is_resumed() && facts.version() == TlsVersion::Tls12 {
                self.before.clone().ok_or(fr_result::FR_NOT_KNOWN)?
            } else {
                Predecessor { lineage, family: connection.family() }
            };
            Ok(session::write(&self.account, &from))
        })
    }

    pub(crate) fn token_issued(
        &self,
        login: &FullLogin,
        mechanism: &str,
        token: &str,
        expires: u64,
        now: u64,
    ) -> Result<(), fr_result> {
        self.is_of(login)?;
        let now = present(now)?;
        let mechanism = HtMechanism::from_name(mechanism).ok_or(fr_result::FR_INVALID)?;
        self.authenticated.store(true, Ordering::Release);
        self.known.adopt(&self.account)?;
        self.with(|connection| {
            connection
                .token_issued(login, mechanism, token, Timestamp::from_secs(expires), now)
                .map_err(|_| fr_result::FR_NOT_KNOWN)
        })
    }

    pub(crate) fn token_rotated(&self, token: &str, expires: u64, now: u64) -> Result<(), fr_result> {
        let now = present(now)?;
        let expires = Timestamp::from_secs(expires);
        self.with(|connection| connection.token_rotated(token, expires, now).map_err(|_| fr_result::FR_NOT_KNOWN))
    }

    /// What is kept belongs to the account that the connection was opened for.
    fn is_of(&self, login: &FullLogin) -> Result<(), fr_result> {
        (*login.login_name() == *self.account.login_name).then_some(()).ok_or(fr_result::FR_INVALID)
    }
}

impl fr_attempt {
    pub(crate) fn with<T>(&self, read: impl FnOnce(&Attempt) -> T) -> Result<T, fr_result> {
        let attempt = self.attempt.lock().map_err(|_| fr_result::FR_INTERNAL)?;
        attempt.as_ref().map(read).ok_or(fr_result::FR_SPENT)
    }
}
