//! A connection that lives on its own.

use core::mem;
use std::sync::{Arc, Mutex};

use super::connection::SealRandom;
use super::{Connection, Server, ht};
use crate::assertion::{LineageRecord, Renewal};
use crate::channel::ChannelFacts;

/// A [`Connection`] that shares its server, for a caller that can't borrow one, such as the callbacks of a SASL framework.
#[derive(Debug)]
pub struct SharedConnection {
    server: Arc<Server>,
    kept: Kept,
}

impl SharedConnection {
    /// A connection of which these facts are known.
    pub fn new(server: Arc<Server>, facts: ChannelFacts) -> Self {
        let kept = Kept::of(Connection::new(&server, facts));
        Self { server, kept }
    }

    /// Asks it something, or tells it.
    pub fn with<T>(&mut self, ask: impl FnOnce(&mut Connection<'_>) -> T) -> T {
        let mut connection = mem::replace(&mut self.kept, Kept::nobody()).attach(&self.server);
        let answer = ask(&mut connection);
        self.kept = Kept::of(connection);
        answer
    }

    /// Sets it up: `|connection| connection.resumes_in(store, now)`, and what else takes a connection and gives it back.
    #[must_use]
    pub fn set_up(self, how: impl for<'s> FnOnce(Connection<'s>) -> Connection<'s>) -> Self {
        let Self { server, kept } = self;
        let kept = Kept::of(how(kept.attach(&server)));
        Self { server, kept }
    }
}

/// All of a connection but its server.
#[derive(Debug)]
struct Kept {
    facts: ChannelFacts,
    predecessor: Option<Arc<LineageRecord>>,
    manager: bool,
    grant: Option<Renewal>,
    seal: Mutex<Option<SealRandom>>,
    beside: Mutex<Option<ht::Beside>>,
    successes: u32,
    identity: Option<Arc<str>>,
    shared: bool,
}

impl Kept {
    fn of(connection: Connection<'_>) -> Self {
        let Connection { server: _, facts, predecessor, manager, grant, seal, beside, successes, identity, shared } =
            connection;
        Self { facts, predecessor, manager, grant, seal, beside, successes, identity, shared }
    }

    fn attach(self, server: &Server) -> Connection<'_> {
        let Self { facts, predecessor, manager, grant, seal, beside, successes, identity, shared } = self;
        Connection { server, facts, predecessor, manager, grant, seal, beside, successes, identity, shared }
    }

    /// What is left where an application panics as it asks: nobody is recognised on it.
    fn nobody() -> Self {
        let (seal, beside) = (Mutex::new(None), Mutex::new(None));
        let facts = ChannelFacts::tls12(false);
        let (predecessor, grant, identity) = (None, None, None);
        Self { facts, predecessor, manager: true, grant, seal, beside, successes: 0, identity, shared: true }
    }
}
