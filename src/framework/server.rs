//! The server's end.

use core::{fmt, mem};
use std::sync::{Arc, Mutex};

use super::{Clock, lock};
use crate::assertion::{HtMechanism, Issued, Salt, TokenRequest};
use crate::channel::Exporter;
use crate::mechanism::ht::{self, Pairs};
use crate::mechanism::{self, Connection, Detached, Login, Outcome, Verdict};
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
    server: Arc<mechanism::Server>,
    store: Arc<dyn Store>,
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    connection: Detached,
    beside: Option<Beside>,
    verdict: Option<Verdict>,
}

/// What XEP-0484 has beside the message of an HT mechanism. A protocol without it has a fixed `client`, and neither counts nor asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Beside {
    /// Which installation it is (`<user-agent id='…'/>`).
    pub client: String,
    /// 32 fresh octets from a cryptographically secure random number generator, for a token that may be due.
    pub random: [u8; Salt::LEN],
    /// How often the client used the token.
    pub count: Option<u64>,
    /// All tokens of the client end.
    pub invalidate: bool,
    /// The client asks for another token.
    pub wants: Option<HtMechanism>,
}

impl Server {
    /// A connection of this server. What TLS resumed is looked up at once; a store that does not answer costs the client EXTERNAL.
    pub fn new(
        server: Arc<mechanism::Server>,
        connection: Detached,
        store: Arc<dyn Store>,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        let connection = connection.attach(&server);
        let found = connection.lookup().and_then(|lookup| store.lookup(&lookup, clock()).ok());
        let connection = connection.resumes(found.and_then(|found| found.lineage)).detach();
        let state = Mutex::new(State { connection, beside: None, verdict: None });
        Self(Arc::new(Inner { server, store, clock: Box::new(clock), state }))
    }

    /// The SASL mechanisms to list; see [`Connection::mechanisms`]. Those for tokens are [`Connection::fast_mechanisms`].
    pub fn mechanisms(&self) -> Vec<String> {
        self.with(|connection| connection.mechanisms(self.now()).into_iter().map(str::to_owned).collect())
    }

    /// Asks the connection something, or [updates](Connection::update_facts) what is known of it. The handle is not to be used inside.
    pub fn with<T>(&self, ask: impl FnOnce(&mut Connection<'_>) -> T) -> T {
        self.0.with(&mut lock(&self.0.state), ask)
    }

    /// What comes beside the next message of an HT mechanism. Without it, none is accepted.
    pub fn beside(&self, beside: Beside) {
        lock(&self.0.state).beside = Some(beside);
    }

    /// Judges a message of the mechanism of this name, against the store.
    pub fn judge(&self, mechanism: &str, message: &[u8]) -> Verdict {
        let (mut state, store, now) = (lock(&self.0.state), &*self.0.store, self.now());
        let beside = state.beside.take();
        let judged = self.0.with(&mut state, |connection| match (HtMechanism::from_name(mechanism), beside) {
            (Some(mechanism), Some(beside)) => {
                let request = ht::Request::new(mechanism, message, &beside.client, beside.random);
                let request = request.count(beside.count).invalidate(beside.invalidate).wants(beside.wants);
                Some(connection.ht(request).run(store, now))
            }
            (Some(_), None) => None,
            (None, _) => connection.receive(mechanism, message).map(|received| received.run(store, now)),
        });
        let verdict = judged.unwrap_or_else(refused);
        state.verdict = Some(verdict.clone());
        verdict
    }

    /// A full login begins: what was tried before it on this connection is over. The adapters say so.
    pub fn full_login_begins(&self) {
        lock(&self.0.state).verdict = None;
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
        match self.0.with(&mut state, |connection| connection.recognised(&client, now)) {
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

impl Inner {
    fn with<T>(&self, state: &mut State, ask: impl FnOnce(&mut Connection<'_>) -> T) -> T {
        let mut connection = mem::replace(&mut state.connection, Detached::nobody()).attach(&self.server);
        let answer = ask(&mut connection);
        state.connection = connection.detach();
        answer
    }
}

/// Nothing to judge: no such mechanism, or an HT one without what belongs beside its message.
fn refused() -> Verdict {
    Verdict { outcome: Outcome::Malformed, message: None, recognised: None, token: None, pairs: Pairs::none() }
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beside").field("client", &self.client).field("count", &self.count).finish_non_exhaustive()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("verdict", &lock(&self.0.state).verdict).finish_non_exhaustive()
    }
}
