//! What the keys are called, and what is said of a whole server in one of them.

use redis::{Cmd, Value};

use super::reply::{Broken, number_in};
use super::scripts::Script;
use crate::assertion::{LoginId, Scope};
use crate::channel::Handle;
use crate::crypto::{Absorb, Hash, hash};
use crate::time::Timestamp;

/// 16 octets that name a login, an account, a session, an assertion or a client's tokens.
pub(super) type Name = [u8; 16];

/// How long keys outlast what is in them, in seconds: a client is told that what it has is over, and not that it never was.
pub(super) const SLACK: u64 = 24 * 60 * 60;

/// How long an account's own key does: longer than the copies of its revocations.
pub(super) const ACCOUNT_SLACK: u64 = 3 * SLACK;

/// Numbers are exact up to here in a script.
const MOST: u64 = (1 << 53) - 1;

/// An account's name, which tells nobody its identity.
pub(super) fn account_name(identity: &str) -> Name {
    let digest = hash(Hash::Sha256, |context| {
        context.lp(b"account v1");
        context.lp(identity.as_bytes());
    });
    let mut first = [0; 16];
    first.copy_from_slice(&digest.as_ref()[..16]);
    first
}

/// A scope as a script keeps it.
pub(super) fn scope_text(scope: &Scope) -> String {
    format!("{} {}", scope.service.as_str(), scope.server_name.as_str())
}

/// Seconds, as a script can count them.
pub(super) fn seconds(at: Timestamp) -> u64 {
    at.as_secs().min(MOST)
}

/// The keys of one generation. The braces are what a cluster chooses a key's node by, and no call has keys with different ones.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
    pub(super) generation: String,
}

impl Keys {
    pub(super) fn new(prefix: &str, generation: &str) -> Self {
        Self { prefix: format!("{prefix}:{generation}"), generation: generation.to_owned() }
    }

    fn key(&self, kind: &str, name: &[u8]) -> String {
        let mut key = format!("{}:{kind}:{{", self.prefix);
        name.iter().for_each(|octet| key.push_str(&format!("{octet:02x}")));
        key.push('}');
        key
    }

    /// A call on a login: its records, tokens, and its account's secret.
    pub(super) fn login(&self, login: &Name, op: &str) -> Call {
        Call::script(Script::Login, &self.key("login", login), op)
    }

    /// The same, for one that makes the key grow: not where the server is full.
    pub(super) fn growing_login(&self, login: &Name, op: &str) -> Call {
        Call::script(Script::GrowingLogin, &self.key("login", login), op)
    }

    /// A call on an account: its clients, and what was revoked.
    pub(super) fn account(&self, account: &Name, op: &str) -> Call {
        Call::script(Script::Account, &self.key("account", account), op)
    }

    pub(super) fn growing_account(&self, account: &Name, op: &str) -> Call {
        Call::script(Script::GrowingAccount, &self.key("account", account), op)
    }

    /// A call on a session.
    pub(super) fn session(&self, handle: &[u8], op: &str) -> Call {
        Call::script(Script::Session, &self.key("session", handle), op)
    }

    pub(super) fn growing_session(&self, handle: &Handle, op: &str) -> Call {
        Call::script(Script::GrowingSession, &self.key("session", handle.as_octets()), op)
    }

    /// Where an assertion or a client's tokens are, for who knows nothing but their name.
    pub(super) fn place(&self, name: &Name) -> Call {
        Call { cmd: redis::cmd("GET").arg(self.key("place", name)).to_owned(), may_fail: false }
    }

    /// Where the server's memory is full it goes without: whoever looked the assertion up knows the place.
    pub(super) fn put_place(&self, name: &Name, place: &Place, lasts: u64) -> Call {
        let mut octets = Vec::with_capacity(Place::LEN);
        octets.extend_from_slice(&place.login);
        octets.extend_from_slice(&place.account);
        octets.extend_from_slice(&place.device);
        let cmd = redis::cmd("SET").arg(self.key("place", name)).arg(octets).arg("EX").arg(lasts).to_owned();
        Call { cmd, may_fail: true }
    }
}

/// Where something of a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) login: Name,
    pub(super) account: Name,
    pub(super) device: [u8; 8],
}

impl Place {
    const LEN: usize = 40;

    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        let (login, rest) = octets.split_first_chunk::<16>()?;
        let (account, rest) = rest.split_first_chunk::<16>()?;
        let device: &[u8; 8] = rest.try_into().ok()?;
        Some(Self { login: *login, account: *account, device: *device })
    }
}

/// One command.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) cmd: Cmd,
    pub(super) may_fail: bool,
}

impl Call {
    pub(super) fn script(script: Script, key: &str, op: &str) -> Self {
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(script.hash()).arg(1).arg(key).arg(op);
        Self { cmd, may_fail: false }
    }

    pub(super) fn octets(mut self, octets: &[u8]) -> Self {
        self.cmd.arg(octets);
        self
    }

    pub(super) fn text(self, text: &str) -> Self {
        self.octets(text.as_bytes())
    }

    pub(super) fn number(mut self, number: u64) -> Self {
        self.cmd.arg(number.min(MOST));
        self
    }

    pub(super) fn at(self, at: Timestamp) -> Self {
        self.number(at.as_secs())
    }

    pub(super) fn flag(self, flag: bool) -> Self {
        self.number(u64::from(flag))
    }

    /// A counter, if there is one: all its 64 bits, in two halves.
    pub(super) fn counter(self, counter: Option<u64>) -> Self {
        let value = counter.unwrap_or_default();
        self.flag(counter.is_some()).number(value >> 32).number(value & u64::from(u32::MAX))
    }
}

/// What is said of a server in one key, which every exchange reads: whose keys count, and until when everyone was revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Epoch {
    pub(super) generation: String,
    /// How often everyone was revoked.
    pub(super) count: u64,
    /// Who logged in fully until then was; 0 for nobody.
    pub(super) until: u64,
}

impl Epoch {
    /// `None` where the server knows of none: it was emptied.
    pub(super) fn read(value: &Value) -> Result<Option<Self>, Broken> {
        let octets = match value {
            Value::Nil => return Ok(None),
            Value::BulkString(octets) => octets,
            _ => return Err(Broken),
        };
        let mut parts = core::str::from_utf8(octets).map_err(|_| Broken)?.split(' ');
        let (_, generation) = (parts.next(), parts.next().ok_or(Broken)?.to_owned());
        let (count, until) = (number_in(parts.next())?, number_in(parts.next())?);
        Ok(Some(Self { generation, count, until }))
    }

    /// Whether everyone was revoked since this was stored, or after that login.
    pub(super) fn revokes(&self, stored_at: u64, full_login: u64) -> bool {
        stored_at < self.count || self.rules_out(full_login)
    }

    /// Whether everyone was revoked after that login.
    pub(super) fn rules_out(&self, full_login: u64) -> bool {
        self.count > 0 && full_login <= self.until
    }
}

/// The login's name.
pub(super) fn login_name(scope: &Scope, name: &str) -> Name {
    *LoginId::of(scope, name).as_octets()
}
