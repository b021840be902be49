//! The client's end.

use core::fmt;
use std::sync::{Arc, Mutex};

use super::{Clock, lock};
use crate::assertion::{CannotDerive, FullLogin};
use crate::channel::Exporter;
use crate::mechanism::{Connection, NextStep, Outcome, Sibling};
use crate::store::client::{self, Attempt, Plan, Settled};
use crate::time::Timestamp;

/// One connection of a client, shared by the application and the mechanisms of a SASL framework.
///
/// For each login: [`plan`](Self::plan) it; let the framework do it; [`finish`](Self::finish) it with what the protocol said, which is
/// also what shows that a server kept its own proof back. After a full login, [`logged_in`](Self::logged_in).
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    clock: Clock,
}

struct State {
    connection: client::Connection<'static>,
    way: Way,
    attempt: Option<Attempt>,
    sent: bool,
    settled: Option<Settled>,
}

/// Which way to log in; a [`Plan`] whose attempt is kept for the framework's mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a session that was not recognised gets no password"]
pub enum Way {
    /// By the mechanism of this name, and no other: the server knows this client.
    Known(&'static str),
    /// Fully, by a mechanism of the framework's own.
    FullLogin,
    /// Close, and connect again without resuming a TLS session.
    FullHandshake,
    /// Close: whoever answers here could not show that it is the server.
    Abandon,
}

impl Client {
    /// A connection that was told what the server [offers](client::Connection::offered), of
    /// [`Accounts::connect_shared`](crate::store::client::Accounts::connect_shared).
    pub fn new(connection: client::Connection<'static>, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let state = Mutex::new(State { connection, way: Way::FullLogin, attempt: None, sent: false, settled: None });
        Self(Arc::new(Inner { state, clock: Box::new(clock) }))
    }

    /// Which way to log in here and now; the same until the attempt is [finished](Self::finish), unless it already failed so that the
    /// connection is to be closed.
    pub fn plan(&self) -> Way {
        let mut state = lock(&self.0.state);
        if let Some(way) = state.under_way() {
            return way;
        }
        state.sent = false;
        state.way = match state.connection.plan(self.now()) {
            Plan::FullLogin => Way::FullLogin,
            Plan::FullHandshake => Way::FullHandshake,
            Plan::Abandon => Way::Abandon,
            Plan::Known(attempt) => {
                let name = attempt.mechanism();
                state.attempt = Some(attempt);
                Way::Known(name)
            }
        };
        state.way
    }

    /// Whether the plan is to log in by the mechanism of this name, for a framework that selects one by asking about each.
    pub fn takes(&self, mechanism: &str) -> bool {
        match self.plan() {
            Way::Known(name) => mechanism == name,
            Way::FullLogin => !Connection::recognises_by(mechanism),
            Way::FullHandshake | Way::Abandon => false,
        }
    }

    /// What else the protocol has to know of the planned attempt, such as its [count](Attempt::count) and whether to
    /// [store first](Attempt::store_first).
    pub fn attempt<T>(&self, ask: impl FnOnce(&Attempt) -> T) -> Option<T> {
        lock(&self.0.state).attempt.as_ref().map(ask)
    }

    /// The planned attempt's message, once, if it is for this mechanism.
    pub fn message(&self, mechanism: &str) -> Option<Vec<u8>> {
        let mut state = lock(&self.0.state);
        let attempt = state.attempt.as_ref().filter(|attempt| !state.sent && attempt.mechanism() == mechanism)?;
        let message = attempt.message().to_vec();
        state.sent = true;
        Some(message)
    }

    /// Takes the server's message, or that it sent none. Only after `Ok` did the server show that it is the server.
    ///
    /// # Errors
    /// What to do next. It may be recoverable, but not in this exchange.
    pub fn responder(&self, message: Option<&[u8]>) -> Result<(), NextStep> {
        let mut state = lock(&self.0.state);
        let outcome = match (&state.attempt, message) {
            (Some(attempt), Some(message)) => attempt.says(message),
            _ => Outcome::Accepted,
        };
        // Nobody asked for it.
        let Some(attempt) = state.take_sent() else { return Err(NextStep::Abandon) };
        let settled = state.connection.settle(attempt, outcome, message, self.now());
        state.settled = Some(settled);
        match settled {
            Settled::LoggedIn => Ok(()),
            Settled::Failed(next) => Err(next),
        }
    }

    /// Takes what the protocol said in the end, and says what came of the attempt, once. `None` where there was none: the plan was a
    /// full login.
    ///
    /// A login that the protocol says succeeded failed all the same, if the server did not show that it is the server: also where
    /// the attempt's message was never sent. Where the protocol contradicts the server's message, the connection is abandoned.
    pub fn finish(&self, outcome: Outcome) -> Option<Settled> {
        let mut state = lock(&self.0.state);
        let settled = match (state.settled.take(), state.take_sent(), state.attempt.take()) {
            (Some(settled), ..) => settled,
            (None, Some(sent), _) => state.connection.settle(sent, outcome, None, self.now()),
            (None, None, Some(unsent)) => Settled::Failed(unsent.fallback()),
            (None, None, None) => return state.way.closes().map(Settled::Failed),
        };
        let contradiction = (settled == Settled::LoggedIn) != (outcome == Outcome::Accepted);
        if contradiction {
            state.connection.abandon();
        }
        let settled = if contradiction { Settled::Failed(NextStep::Abandon) } else { settled };
        state.way = Way::after(settled).unwrap_or(Way::FullLogin);
        Some(settled)
    }

    /// After a full login: derives the assertion that the next connection will use; see [`client::Connection::logged_in`].
    ///
    /// # Errors
    /// [`CannotDerive`]; the login itself stands.
    pub fn logged_in(
        &self,
        login: &FullLogin,
        exporter: &dyn Exporter,
        siblings: &[Sibling],
    ) -> Result<bool, CannotDerive> {
        self.with(|connection| connection.logged_in(login, exporter, siblings, self.now()))
    }

    /// The connection itself: for tokens, granted assertions, and what TLS has to know of a login. The handle is not to be used inside.
    pub fn with<T>(&self, ask: impl FnOnce(&mut client::Connection<'static>) -> T) -> T {
        ask(&mut lock(&self.0.state).connection)
    }

    fn now(&self) -> Timestamp {
        (self.0.clock)()
    }
}

impl State {
    /// The way of an attempt that is not finished.
    fn under_way(&self) -> Option<Way> {
        match (&self.attempt, self.settled) {
            (_, Some(settled)) => Some(Way::after(settled).unwrap_or(self.way)),
            (attempt, None) => attempt.as_ref().map(|_| self.way),
        }
    }

    fn take_sent(&mut self) -> Option<Attempt> {
        self.attempt.take_if(|_| self.sent)
    }
}

impl Way {
    /// Where the connection is to be closed after this.
    fn after(settled: Settled) -> Option<Self> {
        match settled {
            Settled::Failed(NextStep::FullHandshake) => Some(Self::FullHandshake),
            Settled::Failed(NextStep::Abandon) => Some(Self::Abandon),
            Settled::Failed(_) | Settled::LoggedIn => None,
        }
    }

    /// Where the connection is to be closed: no login succeeds there.
    fn closes(self) -> Option<NextStep> {
        match self {
            Self::FullHandshake => Some(NextStep::FullHandshake),
            Self::Abandon => Some(NextStep::Abandon),
            Self::Known(_) | Self::FullLogin => None,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.0.state);
        f.debug_struct("Client")
            .field("attempt", &state.attempt)
            .field("settled", &state.settled)
            .finish_non_exhaustive()
    }
}
