//! A connection that lives on its own, apart from its server.

use std::sync::{Arc, Mutex};

use super::Connection;
use super::connection::SealRandom;
use crate::assertion::{LineageRecord, Renewal};
use crate::channel::ChannelFacts;
use crate::mechanism::Server;

/// All of a [`Connection`] but the reference to its server: for a caller that can't hold one, such as the callbacks of a SASL framework.
#[derive(Debug)]
#[must_use = "what a connection knows of its logins is in it"]
pub struct Detached {
    pub(super) facts: ChannelFacts,
    pub(super) predecessor: Option<Arc<LineageRecord>>,
    pub(super) manager: bool,
    pub(super) grant: Option<Renewal>,
    pub(super) seal: Mutex<Option<SealRandom>>,
    pub(super) successes: u32,
    pub(super) identity: Option<Arc<str>>,
    pub(super) shared: bool,
}

impl Detached {
    /// The connection again. It has to be the server that it was detached from.
    pub fn attach(self, server: &Server) -> Connection<'_> {
        let Self { facts, predecessor, manager, grant, seal, successes, identity, shared } = self;
        Connection { server, facts, predecessor, manager, grant, seal, successes, identity, shared }
    }

    /// A connection on which nobody can be recognised.
    #[cfg(any(feature = "rsasl", feature = "sasl"))]
    pub(crate) fn nobody() -> Self {
        let facts = ChannelFacts::tls12(false);
        let seal = Mutex::new(None);
        Self { facts, predecessor: None, manager: true, grant: None, seal, successes: 0, identity: None, shared: true }
    }

    /// What is known of the channel.
    pub fn facts(&self) -> &ChannelFacts {
        &self.facts
    }
}

impl Connection<'_> {
    /// This connection without its server.
    pub fn detach(self) -> Detached {
        let Self { server: _, facts, predecessor, manager, grant, seal, successes, identity, shared } = self;
        Detached { facts, predecessor, manager, grant, seal, successes, identity, shared }
    }
}
