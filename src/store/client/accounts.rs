//! The accounts that a client knows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Connection;
use crate::assertion::{AssertionId, ClientAssertion, ClientToken, HtMechanism, Pin, Policy, Scope};
use crate::channel::{ChannelFacts, Lineage};
use crate::held::Held;

/// One account of this client: a service, a server name, and the name that it logs in under.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account {
    /// Where.
    pub scope: Scope,
    /// Under which name, as it is sent in a full login: at most 255 octets.
    pub login_name: Box<str>,
}

impl Account {
    /// The account of this name at this service.
    pub fn new(scope: Scope, login_name: &str) -> Self {
        Self { scope, login_name: login_name.into() }
    }
}

/// What a client knows of the connection whose TLS session it resumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predecessor {
    /// That connection's lineage.
    pub lineage: Lineage,
    /// The family of the assertion that was used or made there.
    pub family: Option<AssertionId>,
}

/// All accounts of a client, for many threads.
///
/// It lives in memory. What has to survive a restart is [`to_bytes`](Self::to_bytes), to be put back with [`restore_all`](Self::restore_all); or, for
/// an application that stores each by itself, an account's [`assertions`](Self::assertions) and [`tokens`](Self::tokens), to be put back with
/// [`restore`](Self::restore) and [`restore_token`](Self::restore_token). See also [`Attempt::store_first`](super::Attempt::store_first).
#[derive(Debug)]
pub struct Accounts {
    pub(super) policy: Policy,
    pub(super) preferred: Vec<Pin>,
    pub(super) preferred_tokens: Vec<HtMechanism>,
    known: Mutex<HashMap<Account, Known>>,
}

#[derive(Debug, Default)]
pub(super) struct Known {
    /// The one that worked last, then its successors, oldest first.
    pub(super) assertions: Vec<ClientAssertion>,
    /// What the server offered when it was last seen.
    pub(super) offered: Vec<Box<str>>,
    /// The token that worked last, then the one that is to take its place.
    pub(super) tokens: Vec<ClientToken>,
    /// The mechanisms for tokens that the server listed when it was last seen.
    pub(super) fast: Vec<Box<str>>,
}

impl Accounts {
    /// No accounts yet, under these rules, deriving for the first of [`Pin::ALL`] that a server lists.
    pub fn new(policy: Policy) -> Self {
        let preferred_tokens = HtMechanism::all().collect();
        Self { policy, preferred: Pin::ALL.to_vec(), preferred_tokens, known: Mutex::default() }
    }

    /// Derives only for these mechanisms, the first one that the server lists and the channel can carry.
    #[must_use]
    pub fn preferring(mut self, pins: impl IntoIterator<Item = Pin>) -> Self {
        self.preferred = pins.into_iter().collect();
        self
    }

    /// Asks for tokens for these mechanisms only, the first one that the server lists and the channel can carry.
    #[must_use]
    pub fn preferring_tokens(mut self, mechanisms: impl IntoIterator<Item = HtMechanism>) -> Self {
        self.preferred_tokens = mechanisms.into_iter().collect();
        self
    }

    /// A connection to an account's server, of which these facts are known.
    pub fn connect<'a>(&'a self, account: &Account, facts: ChannelFacts) -> Connection<'a> {
        Connection::new(Held::Borrowed(self), account.clone(), facts)
    }

    /// The same for a connection that has to live on its own, as in the callbacks of a SASL framework.
    pub fn connect_shared(self: &Arc<Self>, account: &Account, facts: ChannelFacts) -> Connection<'static> {
        Connection::new(Held::Shared(Arc::clone(self)), account.clone(), facts)
    }

    /// All accounts of which something is known, in order.
    pub fn all(&self) -> Vec<Account> {
        let mut all: Vec<_> = self.known().keys().cloned().collect();
        all.sort_unstable();
        all
    }

    /// The assertions of an account: what to store before the application ends, or after each change.
    pub fn assertions(&self, account: &Account) -> Vec<ClientAssertion> {
        self.known().get(account).map(|known| known.assertions.clone()).unwrap_or_default()
    }

    /// Puts back an assertion that was stored, with what the server offered when it was last seen, where that is known.
    pub fn restore<'a>(
        &self,
        account: &Account,
        assertion: ClientAssertion,
        offered: impl IntoIterator<Item = &'a str>,
    ) {
        let mut known = self.known();
        let known = known.entry(account.clone()).or_default();
        known.assertions.retain(|held| held.id() != assertion.id());
        known.assertions.push(assertion);
        known.offered = offered.into_iter().map(Into::into).collect();
    }

    /// The tokens of an account: what to store before the application ends, or after each change.
    pub fn tokens(&self, account: &Account) -> Vec<ClientToken> {
        self.known().get(account).map(|known| known.tokens.clone()).unwrap_or_default()
    }

    /// Puts back a token that was stored, behind those put back before it. Its server is taken to list its mechanism still.
    pub fn restore_token(&self, account: &Account, token: ClientToken) {
        let mut known = self.known();
        let known = known.entry(account.clone()).or_default();
        if known.fast.iter().all(|name| token.mechanism().spelling(name).is_none()) {
            known.fast.push(token.mechanism().name().into());
        }
        known.tokens.retain(|held| held.token() != token.token());
        known.tokens.push(token);
    }

    /// What the server offered when it was last seen.
    pub fn last_offer(&self, account: &Account) -> Vec<Box<str>> {
        self.known().get(account).map(|known| known.offered.clone()).unwrap_or_default()
    }

    /// Forgets an account, as when the user removes it or logs out.
    pub fn forget(&self, account: &Account) {
        self.known().remove(account);
    }

    pub(super) fn known(&self) -> MutexGuard<'_, HashMap<Account, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Accounts {
    fn default() -> Self {
        Self::new(Policy::default())
    }
}
