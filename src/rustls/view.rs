//! One connection's view of its account's TLS sessions.

use core::fmt;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use ::rustls::NamedGroup;
use ::rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use ::rustls::pki_types::ServerName;

use super::client::Hints;
use super::lock;
use crate::store::client::Predecessor;

/// Most TLS 1.3 tickets that are kept for one account, and for one connection before it authenticates; as many as rustls keeps
/// for one server.
pub(super) const MAX_TICKETS: usize = 8;

/// The sessions of one account, all from connections that authenticated.
#[derive(Default)]
pub(super) struct Slot {
    tls13: VecDeque<Kept<Tls13ClientSessionValue>>,
    tls12: Option<Kept<Tls12ClientSessionValue>>,
    /// The account was forgotten: its connections may still be there, but what they bring is not kept.
    closed: bool,
}

/// A session, the name that it verified, and the connection that it comes from.
struct Kept<T> {
    name: ServerName<'static>,
    session: T,
    from: Arc<Predecessor>,
}

impl Slot {
    pub(super) fn close(&mut self) {
        *self = Self { closed: true, ..Self::default() };
    }

    fn keep_tls13(&mut self, kept: Kept<Tls13ClientSessionValue>) {
        if !self.closed {
            push(&mut self.tls13, kept);
        }
    }

    fn keep_tls12(&mut self, kept: Kept<Tls12ClientSessionValue>) {
        if !self.closed {
            self.tls12 = Some(kept);
        }
    }

    /// The newest ticket for this server, which nobody gets again.
    fn take_tls13(&mut self, name: &ServerName<'_>) -> Option<Kept<Tls13ClientSessionValue>> {
        let newest = self.tls13.iter().rposition(|kept| kept.name == *name)?;
        self.tls13.remove(newest)
    }

    fn tls12(&self, name: &ServerName<'_>) -> Option<&Kept<Tls12ClientSessionValue>> {
        self.tls12.as_ref().filter(|kept| kept.name == *name)
    }
}

fn push<T>(tickets: &mut VecDeque<T>, ticket: T) {
    if tickets.len() >= MAX_TICKETS {
        tickets.pop_front();
    }
    tickets.push_back(ticket);
}

/// What rustls sees of the sessions on one connection.
pub(super) struct View {
    slot: Arc<Mutex<Slot>>,
    hints: Arc<Mutex<Hints>>,
    resume: bool,
    noted: Mutex<Noted>,
}

/// What passed by on the connection.
#[derive(Default)]
pub(super) struct Noted {
    /// The name that the connection was made with; rustls asks for a ticket for it exactly once.
    pub(super) name: Option<ServerName<'static>>,
    /// It asked twice, so there are two connections.
    pub(super) reused: bool,
    /// Where the session comes from that was offered to the server.
    pub(super) offered: Option<Arc<Predecessor>>,
    /// This connection, as its successors will know it, once it authenticated.
    authenticated: Option<Arc<Predecessor>>,
    /// What arrives before that.
    tls13: VecDeque<(ServerName<'static>, Tls13ClientSessionValue)>,
    tls12: Option<(ServerName<'static>, Tls12ClientSessionValue)>,
}

impl View {
    pub(super) fn new(slot: Arc<Mutex<Slot>>, hints: Arc<Mutex<Hints>>, resume: bool) -> Self {
        Self { slot, hints, resume, noted: Mutex::default() }
    }

    pub(super) fn slot(&self) -> &Arc<Mutex<Slot>> {
        &self.slot
    }

    pub(super) fn noted<T>(&self, read: impl FnOnce(&Noted) -> T) -> T {
        read(&lock(&self.noted))
    }

    /// From now on the connection's sessions may be offered, those that arrived already included.
    pub(super) fn authenticated(&self, resumed: bool, this: Predecessor) {
        let this = Arc::new(this);
        let mut noted = lock(&self.noted);
        if noted.reused {
            return;
        }
        noted.authenticated = Some(Arc::clone(&this));
        let mut slot = lock(&self.slot);
        for (name, session) in noted.tls13.drain(..) {
            slot.keep_tls13(Kept { name, session, from: Arc::clone(&this) });
        }
        // A TLS 1.2 session that was resumed is still the session of its full handshake, which is kept already.
        if let Some((name, session)) = noted.tls12.take().filter(|_| !resumed) {
            slot.keep_tls12(Kept { name, session, from: this });
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
        // At the end of the handshake, so before anything can have authenticated.
        lock(&self.noted).tls12 = Some((server_name, value));
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        let mut noted = lock(&self.noted);
        if !self.resume || noted.reused {
            return None;
        }
        let slot = lock(&self.slot);
        let kept = slot.tls12(server_name)?;
        noted.offered = Some(Arc::clone(&kept.from));
        Some(kept.session.clone())
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        let mut slot = lock(&self.slot);
        if slot.tls12(server_name).is_some() {
            slot.tls12 = None;
        }
    }

    fn insert_tls13_ticket(&self, server_name: ServerName<'static>, value: Tls13ClientSessionValue) {
        let mut noted = lock(&self.noted);
        match noted.authenticated.clone() {
            Some(from) => lock(&self.slot).keep_tls13(Kept { name: server_name, session: value, from }),
            None => push(&mut noted.tls13, (server_name, value)),
        }
    }

    fn take_tls13_ticket(&self, server_name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let mut noted = lock(&self.noted);
        noted.reused = noted.name.replace(server_name.clone()).is_some();
        if !self.resume || noted.reused {
            return None;
        }
        let kept = lock(&self.slot).take_tls13(server_name)?;
        noted.offered = Some(kept.from);
        Some(kept.session)
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("resume", &self.resume).finish_non_exhaustive()
    }
}
