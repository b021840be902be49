//! How a case asks a store about its clients.

use std::sync::Arc;

use super::scene::{Client, EXPR, first_use_of, token_use, use_of};
use crate::assertion::{AccountState, HtMechanism, LineageRecord, LoginId, Record, Scope, TokenRecord};
use crate::channel::Handle;
use crate::store::{Commit, Committed, Device, Found, Link, Lookup, NewSecret, Remember, Revoke, Store, TokenUse, Use};
use crate::time::Timestamp;

/// What comes of a case: nothing, or why the store fails it.
pub(super) type Checked = Result<(), String>;

macro_rules! ensure {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err(format!($($why)+));
        }
    };
}
pub(super) use ensure;

/// A store, asked for what the cases want to know.
#[derive(Clone, Copy)]
pub(super) struct On<'s>(pub(super) &'s dyn Store);

impl On<'_> {
    pub(super) fn commit(self, commit: &Commit, now: Timestamp) -> Result<Committed, String> {
        self.0.commit(commit, now).map_err(|_| "the store does not answer to a commit".to_owned())
    }

    fn expect(self, commit: &Commit, now: Timestamp, wanted: Committed, what: &str) -> Checked {
        let committed = self.commit(commit, now)?;
        ensure!(committed == wanted, "{what}: {committed:?} where it should be {wanted:?}");
        Ok(())
    }

    pub(super) fn remember(self, remember: &Remember, now: Timestamp, wanted: Committed, what: &str) -> Checked {
        self.expect(&Commit::Remember(remember.clone()), now, wanted, what)
    }

    pub(super) fn log_in(self, client: &Client) -> Checked {
        self.remember(&client.remember(), client.login, Committed::Done, "a full login")
    }

    pub(super) fn apply(self, change: &Use, now: Timestamp, wanted: Committed, what: &str) -> Checked {
        self.expect(&Commit::Use(change.clone()), now, wanted, what)
    }

    pub(super) fn token(self, change: &TokenUse, now: Timestamp, wanted: Committed, what: &str) -> Checked {
        self.expect(&Commit::Token(change.clone()), now, wanted, what)
    }

    pub(super) fn secret(self, new: &NewSecret, now: Timestamp, wanted: Committed, what: &str) -> Checked {
        self.expect(&Commit::Secret(new.clone()), now, wanted, what)
    }

    pub(super) fn link(self, link: &Link, now: Timestamp, wanted: Committed, what: &str) -> Checked {
        self.expect(&Commit::Link(link.clone()), now, wanted, what)
    }

    pub(super) fn lookup(self, lookup: &Lookup, now: Timestamp) -> Result<Found, String> {
        self.0.lookup(lookup, now).map_err(|_| "the store does not answer to a lookup".to_owned())
    }

    pub(super) fn devices(self, identity: &str, now: Timestamp) -> Result<Vec<Device>, String> {
        self.devices_in(identity, None, now)
    }

    pub(super) fn devices_in(
        self,
        identity: &str,
        scope: Option<&Scope>,
        now: Timestamp,
    ) -> Result<Vec<Device>, String> {
        self.0.devices(identity, scope, now).map_err(|_| "the store does not list the devices".to_owned())
    }

    pub(super) fn revoke(self, identity: &str, which: Revoke, now: Timestamp) -> Result<usize, String> {
        self.0.revoke(identity, which, now).map_err(|_| "the store does not answer to a revocation".to_owned())
    }

    /// A revocation that should end so many clients.
    pub(super) fn revoke_some(self, identity: &str, which: Revoke, now: Timestamp, wanted: usize) -> Checked {
        let count = self.revoke(identity, which, now)?;
        ensure!(count == wanted, "{which:?} of {identity} ended {count} where it should end {wanted}");
        Ok(())
    }

    pub(super) fn revoke_everyone(self, now: Timestamp) -> Checked {
        self.0.revoke_everyone(now).map_err(|_| "the store does not answer to a revocation of everyone".to_owned())
    }

    pub(super) fn record(self, record: &Record, now: Timestamp) -> Result<Option<Arc<Record>>, String> {
        let login = Some(LoginId::of(&record.scope, &record.login_name));
        Ok(self
            .lookup(&Lookup { login: login.map(Into::into), assertion: Some(record.id), ..Lookup::default() }, now)?
            .record
            .into_option())
    }

    pub(super) fn lineage(self, handle: Handle, now: Timestamp) -> Result<Option<Arc<LineageRecord>>, String> {
        Ok(self.lookup(&Lookup { handle: Some(handle), ..Lookup::default() }, now)?.lineage)
    }

    pub(super) fn tokens(self, tokens: &TokenRecord, now: Timestamp) -> Result<Option<Arc<TokenRecord>>, String> {
        let login = Some(LoginId::of(&tokens.scope, &tokens.authcid));
        Ok(self
            .lookup(&Lookup { login: login.map(Into::into), token: Some(tokens.id), ..Lookup::default() }, now)?
            .token
            .into_option())
    }

    pub(super) fn state(self, login: LoginId, now: Timestamp) -> Result<Option<Arc<AccountState>>, String> {
        Ok(self
            .lookup(&Lookup { login: Some(login.into()), account: true, ..Lookup::default() }, now)?
            .account
            .into_option())
    }

    /// The record, where a client can still log in with it.
    pub(super) fn live(self, record: &Record, now: Timestamp) -> Result<Option<Arc<Record>>, String> {
        Ok(self.record(record, now)?.filter(|found| !found.revoked && now < found.expires()))
    }

    pub(super) fn must_live(self, record: &Record, now: Timestamp, what: &str) -> Result<Arc<Record>, String> {
        self.live(record, now)?.ok_or_else(|| format!("{what}: its record is gone"))
    }

    pub(super) fn must_be_over(self, record: &Record, now: Timestamp, what: &str) -> Checked {
        ensure!(self.live(record, now)?.is_none(), "{what}: its record is still good");
        let change = use_of(record, now);
        // An expired record may still be there.
        let expired = self.record(record, now)?.is_some_and(|found| !found.revoked);
        if expired { Ok(()) } else { self.apply(&change, now, Committed::Gone, what) }
    }

    /// The client is known by all that it has from its login.
    pub(super) fn must_know(self, client: &Client, now: Timestamp) -> Checked {
        let who = format!("{} {}", client.identity, client.n);
        self.must_live(&client.record(EXPR), now, &who)?;
        let lineage = self.lineage(client.handle(0), now)?;
        ensure!(lineage.is_some_and(|lineage| !lineage.revoked), "{who}: its session is gone");
        let tokens = self.tokens(&client.tokens(), now)?;
        ensure!(tokens.is_some_and(|tokens| !tokens.revoked), "{who}: its token is gone");
        ensure!(self.lists(client, now)?, "{who}: it is not among the devices");
        Ok(())
    }

    /// The client is revoked in all that it had from its login.
    pub(super) fn must_not_know(self, client: &Client, now: Timestamp) -> Checked {
        let who = format!("{} {}, who is revoked", client.identity, client.n);
        let record = client.record(EXPR);
        ensure!(self.record(&record, now)?.is_none_or(|found| found.revoked), "{who}: its record is still good");
        let lineage = self.lineage(client.handle(0), now)?;
        ensure!(lineage.is_none_or(|lineage| lineage.revoked), "{who}: its session is still good");
        let tokens = client.tokens();
        ensure!(self.tokens(&tokens, now)?.is_none_or(|found| found.revoked), "{who}: its token is still good");
        ensure!(!self.lists(client, now)?, "{who}: it is still among the devices");
        let link = client.link(9, Some(client.handle(0)));
        self.link(&link, now, Committed::Gone, &format!("a connection of {who}"))?;
        ensure!(self.lineage(link.handle, now)?.is_none_or(|found| found.revoked), "{who}: it has another session");
        self.apply(&first_use_of(&record, now), now, Committed::Gone, &format!("a use by {who}"))?;
        let slot = client.slot(0, HtMechanism::HT_SHA_256_EXPR);
        self.token(&token_use(&tokens, &slot), now, Committed::Gone, &format!("a token of {who}"))
    }

    fn lists(self, client: &Client, now: Timestamp) -> Result<bool, String> {
        Ok(self.devices(&client.identity, now)?.iter().any(|device| device.id == client.device()))
    }

    /// All that can be known of these clients, to see that nothing changed.
    pub(super) fn known_of(self, clients: &[Client], now: Timestamp) -> Result<Vec<(Found, Vec<Device>)>, String> {
        let all = clients.iter().map(|client| {
            let lookup = Lookup {
                login: Some(client.login_id().into()),
                assertion: Some(client.record(EXPR).id),
                handle: Some(client.handle(0)),
                token: Some(client.tokens().id),
                account: true,
            };
            Ok((self.lookup(&lookup, now)?, self.devices(&client.identity, now)?))
        });
        all.collect()
    }
}
