//! One account's sessions, and those that are still arriving on one connection.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::lock;
use crate::assertion::AssertionId;
use crate::channel::ChannelFacts;
use crate::store::client::Predecessor;

/// Most TLS 1.3 tickets that are kept for one account, and for one connection before it authenticates; as many as rustls keeps
/// for one server.
pub(crate) const MAX_TICKETS: usize = 8;

/// The sessions of one account, all from connections that authenticated.
///
/// `Once` is a TLS 1.3 ticket, `Again` a TLS 1.2 session, `N` the server name that either verified.
pub(crate) struct Slot<N, Once, Again> {
    tls13: VecDeque<Kept<N, Once>>,
    tls12: Option<Kept<N, Again>>,
    /// The account was forgotten: its connections may still be there, but what they bring is not kept.
    closed: bool,
}

pub(crate) type SharedSlot<N, Once, Again> = Arc<Mutex<Slot<N, Once, Again>>>;

impl<N, Once, Again> Default for Slot<N, Once, Again> {
    fn default() -> Self {
        Self { tls13: VecDeque::new(), tls12: None, closed: false }
    }
}

/// A session, the name that it verified, and the connection that it comes from.
pub(crate) struct Kept<N, T> {
    pub(crate) name: N,
    pub(crate) session: T,
    pub(crate) from: Arc<Predecessor>,
}

impl<N, Once, Again> Slot<N, Once, Again> {
    pub(super) fn close(&mut self) {
        *self = Self { closed: true, ..Self::default() };
    }

    pub(crate) fn keep_tls13(&mut self, name: N, session: Once, from: Arc<Predecessor>) {
        if !self.closed {
            push(&mut self.tls13, Kept { name, session, from });
        }
    }

    pub(crate) fn keep_tls12(&mut self, name: N, session: Again, from: Arc<Predecessor>) {
        if !self.closed {
            self.tls12 = Some(Kept { name, session, from });
        }
    }

    /// The newest ticket for this server, which nobody gets again.
    fn take_tls13(&mut self, is: impl Fn(&N) -> bool) -> Option<Kept<N, Once>> {
        let newest = self.tls13.iter().rposition(|kept| is(&kept.name))?;
        self.tls13.remove(newest)
    }

    fn tls12(&self, is: impl Fn(&N) -> bool) -> Option<&Kept<N, Again>> {
        self.tls12.as_ref().filter(|kept| is(&kept.name))
    }

    #[cfg(feature = "rustls")]
    pub(crate) fn remove_tls12(&mut self, is: impl Fn(&N) -> bool) {
        if self.tls12(is).is_some() {
            self.tls12 = None;
        }
    }
}

/// What there is, to be written down.
#[cfg(feature = "openssl")]
impl<N, Once, Again> Slot<N, Once, Again> {
    /// Oldest first.
    pub(crate) fn all_tls13(&self) -> impl Iterator<Item = &Kept<N, Once>> {
        self.tls13.iter()
    }

    pub(crate) fn any_tls12(&self) -> Option<&Kept<N, Again>> {
        self.tls12.as_ref()
    }
}

fn push<T>(tickets: &mut VecDeque<T>, ticket: T) {
    if tickets.len() >= MAX_TICKETS {
        tickets.pop_front();
    }
    tickets.push_back(ticket);
}

/// What one connection takes from its account's sessions, and brings to them.
pub(crate) struct Arriving<N, Once, Again> {
    slot: SharedSlot<N, Once, Again>,
    /// Where the session comes from that was offered to the server.
    offered: Option<Arc<Predecessor>>,
    /// This connection, as its successors will know it, once it authenticated.
    authenticated: Option<Arc<Predecessor>>,
    /// What arrives before that.
    tls13: VecDeque<(N, Once)>,
    tls12: Option<(N, Again)>,
}

impl<N, Once, Again> Arriving<N, Once, Again> {
    pub(crate) fn new(slot: SharedSlot<N, Once, Again>) -> Self {
        Self { slot, offered: None, authenticated: None, tls13: VecDeque::new(), tls12: None }
    }

    pub(crate) fn slot(&self) -> &SharedSlot<N, Once, Again> {
        &self.slot
    }

    pub(crate) fn offered(&self) -> Option<&Predecessor> {
        self.offered.as_deref()
    }

    /// The newest ticket for this server, to be offered.
    pub(crate) fn take_tls13(&mut self, is: impl Fn(&N) -> bool) -> Option<Once> {
        let kept = lock(&self.slot).take_tls13(is)?;
        self.offered = Some(kept.from);
        Some(kept.session)
    }

    /// The TLS 1.2 session for this server, to be offered.
    pub(crate) fn tls12(&mut self, is: impl Fn(&N) -> bool) -> Option<Again>
    where
        Again: Clone,
    {
        let slot = lock(&self.slot);
        let kept = slot.tls12(is)?;
        self.offered = Some(Arc::clone(&kept.from));
        Some(kept.session.clone())
    }

    pub(crate) fn tls13_arrived(&mut self, name: N, session: Once) {
        match &self.authenticated {
            Some(from) => lock(&self.slot).keep_tls13(name, session, Arc::clone(from)),
            None => push(&mut self.tls13, (name, session)),
        }
    }

    /// At the end of the handshake, so before anything can have authenticated.
    pub(crate) fn tls12_arrived(&mut self, name: N, session: Again) {
        self.tls12 = Some((name, session));
    }

    /// An authentication succeeded on the connection, whose facts these are: from now on its sessions may be offered, those that arrived
    /// already included. None without a lineage, as nothing would tie what comes of them to it.
    pub(crate) fn authenticated(&mut self, facts: &ChannelFacts, family: Option<AssertionId>) {
        let Some(lineage) = facts.lineage().cloned() else { return };
        let this = Arc::new(Predecessor { lineage, family });
        self.authenticated = Some(Arc::clone(&this));
        let mut slot = lock(&self.slot);
        for (name, session) in self.tls13.drain(..) {
            slot.keep_tls13(name, session, Arc::clone(&this));
        }
        // A TLS 1.2 session that was resumed is still the session of its full handshake, which is kept already.
        if let Some((name, session)) = self.tls12.take().filter(|_| !facts.is_resumed()) {
            slot.keep_tls12(name, session, this);
        }
    }
}
