//! A client: an installation of one user, what it keeps, and its full logins.

use std::sync::Arc;

use fast_reauth::assertion::{ClientAssertion, ClientToken, DeviceId, FullLogin, Policy, Service, TokenRequest};
use fast_reauth::mechanism::Login;
use fast_reauth::store::client::{Account, Accounts, Predecessor};
use fast_reauth::store::{Committed, Revoke, Store};

use super::service::Setup;
use super::world::{World, session_handle};
use crate::common::{Tls, account, fresh};

/// A TLS session that can be resumed.
pub(super) struct Session {
    pub(super) tls: Tls,
    /// Whether it is one of the sibling service.
    pub(super) sibling: bool,
    pub(super) predecessor: Option<Predecessor>,
}

pub(super) struct Client {
    pub(super) user: &'static str,
    pub(super) accounts: Arc<Accounts>,
    pub(super) session: Option<Session>,
    pub(super) backup: Option<Kept>,
}

/// What a client stores, as octets: for the service, and for its sibling.
#[derive(Clone)]
pub(super) struct Kept([KeptThere; 2]);

#[derive(Clone)]
struct KeptThere {
    assertions: Vec<Vec<u8>>,
    tokens: Vec<Vec<u8>>,
    offered: Vec<Box<str>>,
}

impl Client {
    pub(super) fn new(user: &'static str, setup: &Setup) -> Self {
        Self { user, accounts: Self::starts(setup), session: None, backup: None }
    }

    /// A process that knows nothing yet.
    fn starts(setup: &Setup) -> Arc<Accounts> {
        let accounts = Accounts::new(Policy::default()).preferring(setup.pins.iter().copied());
        Arc::new(accounts.preferring_tokens(setup.tokens))
    }

    /// Its process ends, and the next one reads the file that this one left.
    pub(super) fn restart_with_all(&mut self, setup: &Setup) {
        let (saved, restored) = (self.accounts.to_bytes(), Self::starts(setup));
        restored.restore_all(&saved).expect("it was written");
        (self.session, self.accounts) = (None, restored);
    }

    /// Its process ends, and the next one puts back each thing that was kept.
    pub(super) fn restart(&mut self, kept: &Kept, setup: &Setup) {
        (self.session, self.accounts) = (None, Self::starts(setup));
        for (kept, sibling) in kept.0.iter().zip([false, true]) {
            let (accounts, account) = (&self.accounts, account_at(sibling, self.user));
            for octets in &kept.assertions {
                let assertion = ClientAssertion::from_bytes(octets).expect("it was written");
                accounts.restore(&account, assertion, kept.offered.iter().map(|name| &**name));
            }
            for octets in &kept.tokens {
                accounts.restore_token(&account, ClientToken::from_bytes(octets).expect("it was written"));
            }
        }
    }
}

/// This user's account at the service, or at its sibling.
pub(super) fn account_at(sibling: bool, user: &str) -> Account {
    let mut account = account(user);
    if sibling {
        account.scope.service = Service::SMTP;
    }
    account
}

impl Kept {
    pub(super) fn has_something(&self, sibling: bool) -> bool {
        let there = &self.0[usize::from(sibling)];
        !there.assertions.is_empty() || !there.tokens.is_empty()
    }

    pub(super) fn of(client: &Client) -> Self {
        Self([false, true].map(|sibling| {
            let (accounts, account) = (&client.accounts, account_at(sibling, client.user));
            let assertions = accounts.assertions(&account).iter().map(|one| one.to_bytes().to_vec()).collect();
            let tokens = accounts.tokens(&account).iter().map(|one| one.to_bytes().to_vec()).collect();
            KeptThere { assertions, tokens, offered: accounts.last_offer(&account) }
        }))
    }
}

impl World {
    /// A full login at both ends; whether the service now knows the client, if its policy would have it so. With `granting` it gives
    /// the client what it is known by, where it makes assertions at all.
    pub(super) fn log_in_fully(&mut self, at: usize, full: &FullLogin, granting: bool, lost: bool) -> bool {
        let (open, now, device) = (&mut self.open[at], self.now, fresh());
        let user = self.clients[open.owner].user;
        self.oracle.logged_in(device, open.owner, user, (session_handle(&open.tls), open.sibling), now);
        open.client.saw_offer(open.server.mechanisms(now));
        open.client.saw_fast(open.server.fast_mechanisms().into_iter().map(|mechanism| mechanism.name()));
        let login = Login { full, identity: user, device: DeviceId::new(device), now };
        let wanted = open.client.wanted_token();
        let installation = format!("installation {}", open.owner);
        let granting = self.setup.pins.first().filter(|_| granting && wanted.is_none());
        if let Some(&pin) = granting {
            let seed = fresh();
            let found = self.service.lookup(&open.server.account_lookup(user), now).expect("it answers");
            let (logged_in, sealed) = open.server.logged_in_granting_sealed(login, pin, &seed, found.account.get());
            let committed = self.service.commit(&logged_in.commit, now).expect("it answers");
            if lost {
                self.open.remove(at);
                return false;
            }
            if logged_in.unknown.is_none() && committed.is_durable() {
                let kept = open.client.logged_in_granted_sealed(full, pin, &seed, sealed.as_deref(), now);
                assert!(kept.is_ok(), "the service may and the client may not");
            }
            self.keep_session(at);
            return committed == Committed::Done;
        }
        let (logged_in, issued) = match wanted {
            Some((mechanism, _)) => {
                let request = TokenRequest { mechanism, authcid: user, client: &installation, random: fresh() };
                let (logged_in, issued) = open.server.logged_in_with_token(login, &open.tls.exporter(), &request);
                (logged_in, issued.ok().map(|issued| (mechanism, issued)))
            }
            None => (open.server.logged_in(login, &open.tls.exporter()), None),
        };
        let committed = self.service.commit(&logged_in.commit, now).expect("it answers");
        if lost {
            self.open.remove(at);
            return false;
        }
        let siblings = if open.sibling { Vec::new() } else { self.setup.siblings() };
        let derived = open.client.logged_in(full, &open.tls.exporter(), &siblings, now);
        assert!(derived.is_ok(), "there is an exporter");
        if let Some((mechanism, issued)) = issued.filter(|_| committed.is_durable()) {
            let _ = open.client.token_issued(full, mechanism, issued.token.expose(), issued.expires, now);
        }
        self.keep_session(at);
        committed == Committed::Done
    }

    pub(super) fn revoke(&mut self, client: usize, how: usize) {
        let (user, now) = (self.user(client), self.now);
        let device = self.oracle.device(user, how / 8);
        match (how % 8, device) {
            (0..=2, Some(device)) => {
                let _ = self.service.revoke(user, Revoke::Device(device), now);
                // Of an account that the service has forgotten there is nothing to revoke, nor anything left.
                self.oracle.revoked_device(*device.as_octets());
            }
            (3 | 4, Some(device)) => {
                let _ = self.service.revoke(user, Revoke::AllBut(device), now);
                self.oracle.revoked(Some(user), Some(*device.as_octets()), now);
            }
            (7, _) => {
                let _ = self.service.revoke_everyone(now);
                self.oracle.revoked(None, None, now);
            }
            _ => {
                let _ = self.service.revoke(user, Revoke::All, now);
                self.oracle.revoked(Some(user), None, now);
            }
        }
    }
}
