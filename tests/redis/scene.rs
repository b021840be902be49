//! Logins, as the stores see them.

use fast_reauth::Timestamp;
use fast_reauth::assertion::{DeviceId, LoginId, Pin, Record};
use fast_reauth::channel::Handle;
use fast_reauth::mechanism::{Login, Server};
use fast_reauth::store::{Commit, Committed, Lookup, Remember, Store, Unavailable, Use};

use super::common::{Tls, bound, fresh, server_with};

/// A client that logged in fully: what is to be remembered of it.
pub(crate) struct Client {
    pub(crate) remember: Remember,
    pub(crate) record: Record,
    pub(crate) handle: Handle,
}

pub(crate) fn service() -> Server {
    server_with(&[Pin::SHA_256_NONE])
}

impl Client {
    pub(crate) fn new(name: &str, now: Timestamp) -> Self {
        let (server, tls) = (service(), Tls::full());
        let mut connection = fast_reauth::mechanism::Connection::new(&server, tls.server());
        let login = Login { full: &bound(name), identity: name, device: DeviceId::new(fresh()), now };
        let Commit::Remember(remember) = connection.logged_in(login, &tls.exporter()).commit else { panic!() };
        Self { record: remember.records[0].clone(), handle: tls.handle, remember }
    }

    /// Remembered by this store.
    pub(crate) fn known(store: &dyn Store, name: &str, now: Timestamp) -> Self {
        let client = Self::new(name, now);
        assert_eq!(store.commit(&client.commit(), now), Ok(Committed::Done));
        client
    }

    pub(crate) fn commit(&self) -> Commit {
        Commit::Remember(self.remember.clone())
    }

    /// What its message makes the server ask for.
    pub(crate) fn lookup(&self) -> Lookup<'static> {
        let login = Some(LoginId::of(self.record.scope(), self.record.login_name()).into());
        Lookup { login, assertion: Some(*self.record.id()), handle: Some(self.handle), ..Lookup::default() }
    }

    pub(crate) fn used(&self, counter: u64, now: Timestamp) -> Commit {
        Commit::Use(Use {
            assertion: *self.record.id(),
            counter: Some(counter),
            confirm: true,
            predecessor_until: now,
            successor: None,
            ends: None,
            secret: None,
        })
    }

    /// Whether a message of it would be accepted now.
    pub(crate) fn is_accepted(&self, store: &dyn Store, counter: u64, now: Timestamp) -> Result<bool, Unavailable> {
        let found = store.lookup(&self.lookup(), now)?;
        if found.record.into_option().is_none_or(|record| record.is_revoked()) {
            return Ok(false);
        }
        Ok(store.commit(&self.used(counter, now), now)? == Committed::Done)
    }

    /// Whether its session stands for it.
    pub(crate) fn is_on_its_session(&self, store: &dyn Store, now: Timestamp) -> Result<bool, Unavailable> {
        let lookup = Lookup { handle: Some(self.handle), ..Lookup::default() };
        Ok(store.lookup(&lookup, now)?.lineage.is_some_and(|lineage| !lineage.is_revoked()))
    }
}
