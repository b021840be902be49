//! One connection's view of its account's TLS sessions.

use core::fmt;
use std::sync::{Arc, Mutex};

use ::rustls::NamedGroup;
use ::rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use ::rustls::pki_types::ServerName;

use super::client::Hints;
use crate::adapter::{self, Arriving, lock};
use crate::assertion::AssertionId;
use crate::channel::ChannelFacts;

pub(super) type Accounts = adapter::Accounts<ServerName<'static>, Tls13ClientSessionValue, Tls12ClientSessionValue>;
type SharedSlot = adapter::SharedSlot<ServerName<'static>, Tls13ClientSessionValue, Tls12ClientSessionValue>;

/// What rustls sees of the sessions on one connection.
pub(super) struct View {
    hints: Arc<Mutex<Hints>>,
    resume: bool,
    noted: Mutex<Noted>,
}

/// What passed by on the connection.
pub(super) struct Noted {
    /// The name that the connection was made with; rustls asks for a ticket for it exactly once.
    pub(super) name: Option<ServerName<'static>>,
    /// It asked twice, so there are two connections.
    pub(super) reused: bool,
    pub(super) sessions: Arriving<ServerName<'static>, Tls13ClientSessionValue, Tls12ClientSessionValue>,
}

impl View {
    pub(super) fn new(slot: SharedSlot, hints: Arc<Mutex<Hints>>, resume: bool) -> Self {
        let noted = Noted { name: None, reused: false, sessions: Arriving::new(slot) };
        Self { hints, resume, noted: Mutex::new(noted) }
    }

    pub(super) fn noted<T>(&self, read: impl FnOnce(&Noted) -> T) -> T {
        read(&lock(&self.noted))
    }

    /// See [`Arriving::authenticated`].
    pub(super) fn authenticated(&self, facts: &ChannelFacts, family: Option<AssertionId>) {
        let mut noted = lock(&self.noted);
        if !noted.reused {
            noted.sessions.authenticated(facts, family);
        }
    }
}

impl ClientSessionStore for View {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        lock(&self.hints).set(server_name, group);
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        lock(&self.hints).get(server_name)
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        lock(&self.noted).sessions.tls12_arrived(server_name, value);
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        let mut noted = lock(&self.noted);
        if !self.resume || noted.reused {
            return None;
        }
        noted.sessions.tls12(|name| name == server_name)
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        lock(lock(&self.noted).sessions.slot()).remove_tls12(|name| name == server_name);
    }

    fn insert_tls13_ticket(&self, server_name: ServerName<'static>, value: Tls13ClientSessionValue) {
        lock(&self.noted).sessions.tls13_arrived(server_name, value);
    }

    fn take_tls13_ticket(&self, server_name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let mut noted = lock(&self.noted);
        noted.reused = noted.name.replace(server_name.clone()).is_some();
        if !self.resume || noted.reused {
            return None;
        }
        noted.sessions.take_tls13(|name| name == server_name)
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("resume", &self.resume).finish_non_exhaustive()
    }
}
