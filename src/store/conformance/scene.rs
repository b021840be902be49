//! The clients that the cases are about.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use crate::assertion::{
    AccountSecret, AssertionId, DeviceId, HtMechanism, LineageRecord, LoginId, Origin, Pin, Record, Salt, Scope,
    Service, TokenId, TokenRecord, TokenSlot,
};
use crate::channel::{Handle, Lineage, ServerName};
use crate::crypto::{Absorb, Hash, Secret, hash};
use crate::store::{Link, NewSecret, Remember, TokenUse, Use};
use crate::time::Timestamp;

pub(super) const DAY: u64 = 24 * 60 * 60;
/// How long a predecessor goes on.
pub(super) const GRACE: u64 = 300;
/// How long a record waits for its first use, and how long it lasts then.
pub(super) const UNUSED: u64 = 7 * DAY;
pub(super) const LIFETIME: u64 = 30 * DAY;

pub(super) const EXPR: Pin = Pin::SHA_256_EXPR;
pub(super) const NONE: Pin = Pin::SHA_256_NONE;

/// So many seconds into the case.
pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(1_790_000_000 + seconds)
}

pub(super) fn imap() -> Scope {
    scope(Service::IMAP)
}

pub(super) fn smtp() -> Scope {
    scope(Service::SMTP)
}

fn scope(service: Service) -> Scope {
    Scope::new(service, ServerName::parse("mail.example").unwrap_or_else(|_| ServerName::none()))
}

/// Octets that follow from their name: after a restart they are the same.
fn octets<const N: usize>(name: fmt::Arguments<'_>) -> [u8; N] {
    let digest = hash(Hash::Sha512, |context| context.lp(name.to_string().as_bytes()));
    let mut out = [0; N];
    out.copy_from_slice(&digest.as_ref()[..N]);
    out
}

/// One client of an account, from one full login on.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) identity: Arc<str>,
    pub(super) n: usize,
    pub(super) login: Timestamp,
}

/// The `n`th client of this account, which logged in then.
pub(super) fn client(identity: &str, n: usize, login: Timestamp) -> Client {
    Client { identity: identity.into(), n, login }
}

impl Client {
    pub(super) fn device(&self) -> DeviceId {
        DeviceId::new(octets(format_args!("device {} {}", self.identity, self.n)))
    }

    pub(super) fn login_id(&self) -> LoginId {
        LoginId::of(&imap(), &self.identity)
    }

    /// The record that its login makes for this mechanism.
    pub(super) fn record(&self, pin: Pin) -> Record {
        self.record_in(pin, imap())
    }

    pub(super) fn record_in(&self, pin: Pin, scope: Scope) -> Record {
        let key = |which: &str, len: usize| {
            let mut key = Secret::zeroed(len);
            let octets = octets::<64>(format_args!("{which} {} {} {pin}", self.identity, self.n));
            key.as_mut().copy_from_slice(&octets[..len]);
            key
        };
        let len = pin.hash().output_len();
        let named = format_args!("record {} {} {pin} {}", self.identity, self.n, scope.service).to_string();
        Record {
            id: AssertionId(octets(format_args!("{named}"))),
            pin,
            stored_key: key("stored", if pin.signs() { 32 } else { len }),
            server_key: key("server", len),
            identity: self.identity.clone(),
            login_name: self.identity.clone(),
            scope,
            device: self.device(),
            origin: Origin::Bound,
            issued: self.login,
            full_login: self.login,
            expires: self.login.after(Duration::from_secs(LIFETIME)),
            unused_until: Some(self.login.after(Duration::from_secs(UNUSED))),
            superseded: false,
            renews: None,
            revoked: false,
        }
    }

    /// The handle of its `k`th connection.
    pub(super) fn handle(&self, k: usize) -> Handle {
        Handle::new(octets(format_args!("handle {} {} {k}", self.identity, self.n)))
    }

    pub(super) fn lineage(&self) -> LineageRecord {
        LineageRecord {
            identity: self.identity.clone(),
            login_name: self.identity.clone(),
            scope: imap(),
            device: self.device(),
            origin: Origin::Bound,
            full_login: self.login,
            strength: Origin::Bound,
            lineage: Some(Lineage::new(octets(format_args!("lineage {} {}", self.identity, self.n)))),
            expires: self.login.after(Duration::from_secs(UNUSED)),
            shared: false,
            revoked: false,
        }
    }

    /// Its `k`th connection, which resumes that one.
    pub(super) fn link(&self, k: usize, predecessor: Option<Handle>) -> Link {
        Link { handle: self.handle(k), lineage: self.lineage(), predecessor, sealed: false }
    }

    /// The token that it gets by its login, on this installation.
    pub(super) fn tokens_on(&self, installation: &str) -> TokenRecord {
        TokenRecord {
            id: TokenId::of(&imap(), &self.identity, installation),
            identity: self.identity.clone(),
            authcid: self.identity.clone(),
            scope: imap(),
            device: self.device(),
            current: None,
            new: Some(self.slot(0, HtMechanism::HT_SHA_256_EXPR)),
            revoked: false,
        }
    }

    pub(super) fn tokens(&self) -> TokenRecord {
        self.tokens_on(&format!("installation {}", self.n))
    }

    /// Its `k`th token.
    pub(super) fn slot(&self, k: usize, mechanism: HtMechanism) -> TokenSlot {
        TokenSlot {
            salt: Salt::new(octets(format_args!("salt {} {} {k}", self.identity, self.n))),
            key: 1,
            mechanism,
            origin: Origin::Bound,
            full_login: self.login,
            expires: self.login.after(Duration::from_secs(LIFETIME)),
        }
    }

    /// Its full login: a record, a token and a session.
    pub(super) fn remember(&self) -> Remember {
        Remember {
            records: vec![self.record(EXPR)],
            token: Some(Box::new(self.tokens())),
            link: Some(self.link(0, None)),
            secret: None,
        }
    }

    /// Its full login, of these records only.
    pub(super) fn with_records(&self, records: &[Record]) -> Remember {
        Remember { records: records.to_vec(), token: None, link: None, secret: None }
    }

    /// A secret for its account, needed for so many seconds after its login.
    pub(super) fn secret(&self, which: u8, lasts: u64) -> NewSecret {
        NewSecret {
            login: self.login_id(),
            identity: self.identity.clone(),
            secret: AccountSecret::new([which; AccountSecret::LEN]),
            found: false,
            device: self.device(),
            full_login: self.login,
            until: self.login.after(Duration::from_secs(lasts)),
        }
    }
}

/// The `k`th successor of a record.
pub(super) fn successor(of: &Record, k: usize, issued: Timestamp) -> Record {
    Record {
        id: AssertionId(octets(format_args!("successor {:?} {k}", of.id.0))),
        issued,
        expires: issued.after(Duration::from_secs(LIFETIME)),
        unused_until: Some(issued.after(Duration::from_secs(UNUSED))),
        superseded: false,
        renews: Some(of.id),
        ..of.clone()
    }
}

/// A use of a record that changes nothing yet.
pub(super) fn use_of(record: &Record, now: Timestamp) -> Use {
    Use {
        assertion: record.id,
        counter: None,
        confirm: false,
        predecessor_until: now.after(Duration::from_secs(GRACE)),
        successor: None,
        ends: None,
        secret: None,
    }
}

pub(super) fn first_use_of(record: &Record, now: Timestamp) -> Use {
    Use { confirm: true, ..use_of(record, now) }
}

pub(super) fn counted(record: &Record, counter: u64, now: Timestamp) -> Use {
    Use { counter: Some(counter), ..use_of(record, now) }
}

pub(super) fn renewing(record: &Record, successor: &Record, now: Timestamp) -> Use {
    Use { successor: Some(Box::new(successor.clone())), ..use_of(record, now) }
}

/// A use of this token of a client.
pub(super) fn token_use(tokens: &TokenRecord, slot: &TokenSlot) -> TokenUse {
    TokenUse { token: tokens.id, salt: slot.salt, count: None, invalidate: false, issue: None }
}
