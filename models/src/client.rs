//! An installation of the user's, and what it keeps.

use std::sync::Arc;

use fast_reauth::assertion::{ClientAssertion, ClientToken, Policy};
use fast_reauth::store::client::{Accounts, Predecessor};

use crate::common::{Tls, account};
use crate::setup::Setup;
use crate::world::USER;

/// A TLS session that can be resumed.
#[derive(Clone)]
pub struct Session {
    pub tls: Tls,
    pub predecessor: Option<Predecessor>,
}

pub struct Client {
    pub accounts: Arc<Accounts>,
    pub session: Option<Session>,
    /// The full login behind what it holds, if the service remembers that one.
    pub login: Option<[u8; 8]>,
}

impl Client {
    pub fn new(accounts: Arc<Accounts>) -> Self {
        Self { accounts, session: None, login: None }
    }

    /// What it would store: assertions and tokens.
    pub fn held(&self) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let account = account(USER);
        let assertions = self.accounts.assertions(&account).iter().map(|one| one.to_bytes().to_vec()).collect();
        let tokens = self.accounts.tokens(&account).iter().map(|one| one.to_bytes().to_vec()).collect();
        (assertions, tokens)
    }

    /// Whether something has been renewed, and the successor not been used.
    pub fn waits(&self) -> bool {
        let (assertions, tokens) = self.held();
        assertions.len() > 1 || tokens.len() > 1
    }

    /// The process starts anew: TLS sessions are gone.
    pub fn restart(&mut self, setup: &Setup) {
        let (held, account) = (self.held(), account(USER));
        let offered = self.accounts.last_offer(&account);
        let accounts = Accounts::new(Policy::default()).preferring(setup.pins.iter().copied());
        let accounts = accounts.preferring_tokens(setup.token);
        let assertions = held.0.iter().filter_map(|octets| ClientAssertion::from_bytes(octets).ok());
        assertions.for_each(|one| accounts.restore(&account, one, offered.iter().map(|name| &**name)));
        let tokens = held.1.iter().filter_map(|octets| ClientToken::from_bytes(octets).ok());
        tokens.for_each(|one| accounts.restore_token(&account, one));
        (self.accounts, self.session) = (Arc::new(accounts), None);
    }
}
