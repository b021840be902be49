//! The server's end.

use core::fmt;
use std::sync::{Arc, Mutex};

use super::{Clock, lock};
use crate::assertion::{Issued, TokenRequest};
use crate::channel::Exporter;
use crate::mechanism::ht::Beside;
use crate::mechanism::{Connection, Login, Outcome, SharedConnection, Verdict};
use crate::store::{Store, Unavailable};
use crate::time::Timestamp;

/// One connection of a server, shared by the application and the mechanisms of a SASL framework.
///
/// List [`mechanisms`](Self::mechanisms), and not all that the framework has; let the framework do the login; then say
/// [`completed`](Self::completed) once the client was told that it succeeded, or after a full login [`logged_in`](Self::logged_in)
/// before it is told.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    connection: SharedConnection,
    verdict: Option<Verdict>,
}

impl Server {
    /// A connection of a server. What TLS resumed is [looked up](Connection::resumes_in) at once.
    pub fn new(
        connection: SharedConnection,
        store: Arc<dyn Store>,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        let connection = connection.set_up(|connection| connection.resumes_in(&*store, clock()));
        let state = Mutex::new(State { connection, verdict: None });
        Self(Arc::new(Inner { store, clock: Box::new(clock), state }))
    }

    /// The SASL mechanisms to list; see [`Connection::mechanisms`]. Those for tokens are [`Connection::fast_mechanisms`].
    pub fn mechanisms(&self) -> Vec<String> {
        self.with(|connection| connection.mechanisms(self.now()).into_iter().map(str::to_owned).collect())
    }

    /// Asks the connection something, or [updates](Connection::update_facts) what is known of it. The handle is not to be used inside.
    pub fn with<T>(&self, ask: impl FnOnce(&mut Connection<'_>) -> T) -> T {
        lock(&self.0.state).connection.with(ask)
    }

    /// What comes beside the next message of an HT mechanism; see [`Connection::beside`].
    pub fn beside(&self, beside: Beside) {
        self.with(|connection| connection.beside(beside));
    }

    /// Judges a message of the mechanism of this name, against the store.
    pub fn judge(&self, mechanism: &str, message: &[u8]) -> Verdict {
        let mut state = lock(&self.0.state);
        let now = self.now();
        let judged = state.connection.with(|connection| {
            connection.receive(mechanism, message).map(|received| received.run(&*self.0.store, now))
        });
        let verdict = judged.unwrap_or_else(|| Verdict::of(Outcome::Malformed));
        state.verdict = Some(verdict.clone());
        verdict
    }

    /// An exchange begins: what was tried before on this connection is over. The adapters say so.
    pub fn begins(&self) {
        lock(&self.0.state).verdict = None;
    }

    /// An exchange with this mechanism is under way. Where it is a full login, it is one that [began](Self::begins).
    pub fn is_under_way(&self, mechanism: &str) {
        if !Connection::recognises_by(mechanism) {
            self.begins();
        }
    }

    /// What came of the message in this exchange: its outcome, who it was, the token to send. `None` in a full login.
    pub fn verdict(&self) -> Option<Verdict> {
        lock(&self.0.state).verdict.clone()
    }

    /// The client was told that it is recognised: its next connection may resume this one. Not before, as it may cancel behind an
    /// accepted proof.
    ///
    /// # Errors
    /// [`Unavailable`]: the login stands, but the session will not be recognised.
    pub fn completed(&self) -> Result<(), Unavailable> {
        let (mut state, now) = (lock(&self.0.state), self.now());
        let Some(client) = state.verdict.take().and_then(|verdict| verdict.recognised) else { return Ok(()) };
        match state.connection.with(|connection| connection.recognised(&client, now)) {
            Some(link) => self.0.store.commit(&link, now).map(|_| ()),
            None => Ok(()),
        }
    }

    /// After a full login, before the client is told so. Whether the client will be known, which the login does not depend on.
    ///
    /// # Errors
    /// [`Unavailable`] when the store does not answer.
    pub fn logged_in(&self, login: Login<'_>, exporter: &dyn Exporter) -> Result<bool, Unavailable> {
        let made = self.with(|connection| connection.logged_in(login, exporter));
        // Also where the client stays unknown: it is how a second identity on one session is noticed.
        let durable = self.0.store.commit(&made.commit, login.now)?.is_durable();
        Ok(durable && made.unknown.is_none())
    }

    /// The same for a client that asked for a token; it goes to the client with the success.
    ///
    /// # Errors
    /// [`Unavailable`] when the store does not answer.
    pub fn logged_in_with_token(
        &self,
        login: Login<'_>,
        exporter: &dyn Exporter,
        request: &TokenRequest<'_>,
    ) -> Result<Option<Issued>, Unavailable> {
        let (made, issued) = self.with(|connection| connection.logged_in_with_token(login, exporter, request));
        let durable = self.0.store.commit(&made.commit, login.now)?.is_durable();
        Ok(issued.ok().filter(|_| durable))
    }

    fn now(&self) -> Timestamp {
        (self.0.clock)()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("verdict", &lock(&self.0.state).verdict).finish_non_exhaustive()
    }
}
