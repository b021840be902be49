//! The client's end.

use core::fmt;
use std::sync::{Arc, Mutex};

use super::{Clock, lock};
use crate::assertion::{CannotDerive, FullLogin, Pin, Scope};
use crate::channel::Exporter;
use crate::mechanism::{NextStep, Outcome};
use crate::store::client::{Attempt, Connection, Plan, Settled};
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
    connection: Connection<'static>,
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
    /// A connection that was told what the server [offers](Connection::offered), of
    /// [`Accounts::connect_shared`](crate::store::client::Accounts::connect_shared).
    pub fn new(connection: Connection<'static>, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let state = Mutex::new(State { connection, attempt: None, sent: false, settled: None });
        Self(Arc::new(Inner { state, clock: Box::new(clock) }))
    }

    /// Which way to log in here and now; the same until the attempt is over.
    pub fn plan(&self) -> Way {
        let mut state = lock(&self.0.state);
        if let Some(attempt) = &state.attempt {
            return Way::Known(attempt.mechanism());
        }
        (state.sent, state.settled) = (false, None);
        match state.connection.plan(self.now()) {
            Plan::FullLogin => Way::FullLogin,
            Plan::FullHandshake => Way::FullHandshake,
            Plan::Abandon => Way::Abandon,
            Plan::Known(attempt) => {
                let name = attempt.mechanism();
                state.attempt = Some(attempt);
                Way::Known(name)
            }
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
        match state.settle(outcome, message, self.now()) {
            Some(Settled::LoggedIn) => Ok(()),
            Some(Settled::Failed(next)) => Err(next),
            // Nobody asked for it.
            None => Err(NextStep::Abandon),
        }
    }

    /// Takes what the protocol said in the end, and says what came of the attempt, once. `None` where there was none: it was a full
    /// login.
    ///
    /// A login that the protocol says succeeded failed all the same, if the server did not show that it is the server.
    pub fn finish(&self, outcome: Outcome) -> Option<Settled> {
        let mut state = lock(&self.0.state);
        let settled = match state.settled.take() {
            Some(Settled::LoggedIn) if outcome != Outcome::Accepted => Some(Settled::Failed(NextStep::Abandon)),
            Some(settled) => Some(settled),
            None => state.settle(outcome, None, self.now()),
        };
        state.settled = None;
        settled
    }

    /// After a full login: derives the assertion that the next connection will use; see [`Connection::logged_in`].
    ///
    /// # Errors
    /// [`CannotDerive`]; the login itself stands.
    pub fn logged_in(
        &self,
        login: &FullLogin,
        exporter: &dyn Exporter,
        siblings: &[(Scope, Pin)],
    ) -> Result<bool, CannotDerive> {
        self.with(|connection| connection.logged_in(login, exporter, siblings, self.now()))
    }

    /// The connection itself: for tokens, granted assertions, and what TLS has to know of a login. The handle is not to be used inside.
    pub fn with<T>(&self, ask: impl FnOnce(&mut Connection<'static>) -> T) -> T {
        ask(&mut lock(&self.0.state).connection)
    }

    fn now(&self) -> Timestamp {
        (self.0.clock)()
    }
}

impl State {
    /// Settles the attempt, if its message was sent.
    fn settle(&mut self, outcome: Outcome, message: Option<&[u8]>, now: Timestamp) -> Option<Settled> {
        let attempt = self.attempt.take_if(|_| self.sent)?;
        let settled = self.connection.settle(attempt, outcome, message, now);
        self.settled = Some(settled);
        Some(settled)
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
