//! A client: an installation of one user, what it keeps, and its full logins.

use fast_reauth::assertion::{ClientAssertion, ClientToken, DeviceId, FullLogin, TokenRequest};
use fast_reauth::mechanism::Login;
use fast_reauth::store::client::{Accounts, Predecessor};
use fast_reauth::store::{Committed, Revoke, Store};

use super::world::World;
use crate::common::{Tls, account, fresh};

/// A TLS session that can be resumed.
pub(super) struct Session {
    pub(super) tls: Tls,
    pub(super) predecessor: Option<Predecessor>,
}

pub(super) struct Client<'a> {
    pub(super) user: &'static str,
    /// One for each time that its process starts.
    lives: &'a [Accounts],
    life: usize,
    pub(super) session: Option<Session>,
    pub(super) backup: Option<Kept>,
}

/// What a client stores, as octets.
#[derive(Clone)]
pub(super) struct Kept {
    assertions: Vec<Vec<u8>>,
    tokens: Vec<Vec<u8>>,
    offered: Vec<Box<str>>,
}

impl<'a> Client<'a> {
    pub(super) fn new(user: &'static str, lives: &'a [Accounts]) -> Self {
        Self { user, lives, life: 0, session: None, backup: None }
    }

    pub(super) fn accounts(&self) -> &'a Accounts {
        &self.lives[self.life]
    }

    pub(super) fn restart(&mut self, kept: &Kept) {
        self.session = None;
        // In its last life it goes on as it is.
        if self.life + 1 == self.lives.len() {
            return;
        }
        self.life += 1;
        let (accounts, account) = (self.accounts(), account(self.user));
        for octets in &kept.assertions {
            let assertion = ClientAssertion::from_bytes(octets).expect("it was written");
            accounts.restore(&account, assertion, kept.offered.iter().map(|name| &**name));
        }
        for octets in &kept.tokens {
            accounts.restore_token(&account, ClientToken::from_bytes(octets).expect("it was written"));
        }
    }
}

impl Kept {
    pub(super) fn of(client: &Client<'_>) -> Self {
        let (accounts, account) = (client.accounts(), account(client.user));
        let assertions = accounts.assertions(&account).iter().map(|one| one.to_bytes().to_vec()).collect();
        let tokens = accounts.tokens(&account).iter().map(|one| one.to_bytes().to_vec()).collect();
        Self { assertions, tokens, offered: accounts.last_offer(&account) }
    }
}

impl World<'_> {
    /// A full login at both ends; whether the service now knows the client, if its policy would have it so.
    pub(super) fn log_in_fully(&mut self, at: usize, full: &FullLogin, lost: bool) -> bool {
        let (open, now, device) = (&mut self.open[at], self.now, fresh());
        let user = self.clients[open.owner].user;
        self.oracle.logged_in(device, open.owner, user, *open.tls.handle.as_octets(), now);
        open.client.saw_offer(open.server.mechanisms(now));
        open.client.saw_fast(open.server.fast_mechanisms().into_iter().map(|mechanism| mechanism.name()));
        let login = Login { full, identity: user, device: DeviceId::new(device), now };
        let wanted = open.client.wanted_token();
        let installation = format!("installation {}", open.owner);
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
        let derived = open.client.logged_in(full, &open.tls.exporter(), &[], now);
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
