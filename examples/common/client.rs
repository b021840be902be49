//! A client with one account at one server, and what it keeps of it: in memory, and in a file.

use std::num::NonZeroUsize;
use std::sync::Arc;

use fast_reauth::assertion::{Policy, Scope, Service};
use fast_reauth::channel::ServerName;
use fast_reauth::mechanism::NextStep;
use fast_reauth::rustls::{Sessions, exporter};
use fast_reauth::store::client::{Account, Accounts, Attempt, Connection};
use tokio_rustls::rustls::ClientConfig;

use super::state::StateFile;
use super::wire::ClientStream;
use super::{Fault, now, scram};

/// Where, as whom, and what is known from last time.
pub(crate) struct Client {
    pub(crate) server: String,
    pub(crate) base: Arc<ClientConfig>,
    pub(crate) sessions: Sessions,
    pub(crate) accounts: Accounts,
    pub(crate) account: Account,
    pub(crate) password: String,
    state: StateFile,
}

impl Client {
    /// A client that starts: its TLS sessions are gone, what it keeps in the file is there.
    pub(crate) fn start(
        server: &str,
        base: Arc<ClientConfig>,
        (service, name): (Service, &str),
        (user, password): (&str, &str),
        state: StateFile,
    ) -> Result<Self, Fault> {
        let client = Self {
            server: server.to_owned(),
            base,
            sessions: Sessions::new(NonZeroUsize::MIN),
            accounts: Accounts::new(Policy::default()),
            account: Account::new(Scope::new(service, ServerName::parse(name)?), user),
            password: password.to_owned(),
            state,
        };
        client.state.load(&client.accounts, &client.account)?;
        Ok(client)
    }

    pub(crate) fn name(&self) -> &str {
        &self.account.login_name
    }

    /// Before an attempt is sent: a counter that is used again after a crash is taken for a replay.
    pub(crate) fn before(&self, attempt: &Attempt) -> Result<(), Fault> {
        if attempt.store_first() { self.save() } else { Ok(()) }
    }

    /// After a full login: from now on the client can be recognised. Returns whether it will be.
    pub(crate) fn logged_in(&self, connection: &mut Connection<'_>, tls: &ClientStream) -> Result<bool, Fault> {
        let full = scram::full_login(self.name(), connection.facts())?;
        Ok(connection.logged_in(&full, &exporter(tls.get_ref().1), &[], now())?)
    }

    pub(crate) fn save(&self) -> Result<(), Fault> {
        self.state.save(&self.accounts, &self.account)
    }
}

/// What a person can do about a login that failed and may not simply go on.
pub(crate) fn refused(next: NextStep) -> Fault {
    match next {
        NextStep::FullLogin | NextStep::TryPredecessor => "refused; log in with the password on this connection",
        NextStep::FullHandshake => "refused on a TLS session that was not to be resumed: this is not the server it was",
        NextStep::Abandon => "whoever answered could not show that it is the server: check the address and the network",
        NextStep::Later => "the server can't say now: try again in a minute; what this client keeps is still good",
    }
    .into()
}

/// What a person is told as the client goes on in another way, on the same connection.
pub(crate) fn not_recognised(mechanism: &str) {
    eprintln!("{mechanism}: not recognised by the server; on to what else there is, the password at last");
}

/// What came of one connection.
pub(crate) enum Visit {
    Done(Report),
    /// The server does not know the client, on a TLS session that it resumed: the password goes over a new handshake only.
    FullHandshake,
}

/// Connects, and once more without resuming where that is what has to be done.
pub(crate) async fn visit<F>(client: &Client, mut connection: impl FnMut() -> F) -> Result<Report, Fault>
where
    F: Future<Output = Result<Visit, Fault>>,
{
    if let Visit::Done(report) = connection().await? {
        return Ok(report);
    }
    eprintln!("not recognised on a resumed TLS session: connecting again, without resuming");
    client.sessions.forget(&client.account);
    match connection().await? {
        Visit::Done(report) => Ok(report),
        Visit::FullHandshake => Err(refused(NextStep::FullHandshake)),
    }
}

/// A connection on which the client is logged in.
pub(crate) struct Report {
    pub(crate) mechanism: String,
    pub(crate) resumed: bool,
    /// Round trips that the login added.
    pub(crate) waited: u32,
    pub(crate) answer: String,
}

impl Report {
    /// An example's claim, so that it ends with an error should it not be so.
    pub(crate) fn expect(self, waited: u32) -> Result<Self, Fault> {
        match self.waited == waited {
            true => Ok(self),
            false => Err(format!("{} waited for {} round trips, not {waited}", self.mechanism, self.waited).into()),
        }
    }

    /// One line.
    pub(crate) fn print(&self, what: &str) {
        let tls = if self.resumed { "resumed TLS" } else { "full TLS" };
        println!("{what:<28} {:<19} {tls:<12} waited for the login: {}   {}", self.mechanism, self.waited, self.answer);
    }
}
