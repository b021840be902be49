//! A server's accounts (there is one), its store, and how this library is asked.

use std::sync::Arc;
use std::time::Duration;

use fast_reauth::Timestamp;
use fast_reauth::assertion::{self, DeviceId, HtMechanism, Issued, ServiceKeys, TokenRequest};
use fast_reauth::channel::{ChannelFacts, ServerName};
use fast_reauth::mechanism::{Connection, LoggedIn, Login, Recognised, Server, Verdict, ht};
use fast_reauth::profile::{MechanismName, Offer};
use fast_reauth::rustls::exporter;
use fast_reauth::store::{Commit, Revoke, Store};
use tokio_rustls::rustls::ServerConnection;

use super::scram::{self, StoredPassword};
use super::wire::ServerWire;
use super::{Fault, now, random};

/// One service of one protocol.
pub(crate) struct Service {
    server: Server,
    store: Arc<dyn Store>,
    password: StoredPassword,
}

impl Service {
    pub(crate) fn new(
        service: assertion::Service,
        name: &str,
        (user, password): (&str, &str),
        store: Arc<dyn Store>,
    ) -> Result<Self, Fault> {
        let server = Server::new(service, [ServerName::parse(name)?], [scram::MECHANISM])?;
        Ok(Self { server, store, password: StoredPassword::new(user, password, random()?) })
    }

    /// The same, with tokens for these mechanisms beside it. Their keys are made here: a server that means to be restarted keeps them.
    pub(crate) fn with_tokens(self, mechanisms: impl IntoIterator<Item = HtMechanism>) -> Result<Self, Fault> {
        Ok(Self { server: self.server.fast(mechanisms, ServiceKeys::new(1, &random()?)), ..self })
    }

    /// Neither IKY nor EXTERNAL.
    pub(crate) fn with_tokens_only(self) -> Self {
        Self { server: self.server.pins([]).without_external(), ..self }
    }

    /// A connection, of which these facts are known. Who resumes a session that is known may be somebody.
    pub(crate) fn meet(&self, facts: ChannelFacts) -> Result<Connection<'_>, Fault> {
        let connection = Connection::new(&self.server, facts);
        let lineage = match connection.lookup() {
            Some(lookup) => self.store.lookup(&lookup, now())?.lineage,
            None => None,
        };
        Ok(connection.resumes(lineage))
    }

    /// What this service lists on this connection: EXTERNAL only for whom it knows.
    pub(crate) fn offer(connection: &Connection<'_>) -> Result<Offer, Fault> {
        Ok(Offer::of(connection.mechanisms(now()))?)
    }

    /// What EXTERNAL or IKY makes of a message; none for another mechanism.
    pub(crate) fn judge(&self, connection: &Connection<'_>, name: MechanismName, message: &[u8]) -> Option<Verdict> {
        Some(connection.receive(name.as_str(), message)?.run(&*self.store, now()))
    }

    /// What HT makes of a login with a token, at this time.
    pub(crate) fn judge_token(&self, connection: &Connection<'_>, request: ht::Request<'_>, now: Timestamp) -> Verdict {
        connection.ht(request).run(&*self.store, now)
    }

    /// A client was recognised: its next connection may resume this one.
    pub(crate) fn recognised(&self, connection: &mut Connection<'_>, client: &Recognised) -> Result<(), Fault> {
        connection.recognised(client, now()).map_or(Ok(()), |link| self.commit(&link).map(drop))
    }

    /// The server's half of a full login.
    pub(crate) fn full_login(&self, connection: &Connection<'_>) -> Result<scram::Server, Fault> {
        scram::Server::start(&self.password, connection.facts())
    }

    /// A client logged in with its password: from now on this service knows it. Before it is told so.
    pub(crate) fn logged_in(
        &self,
        connection: &mut Connection<'_>,
        wire: &ServerWire,
        name: &str,
    ) -> Result<(), Fault> {
        self.logged_in_with_token(connection, wire.stream.stream.get_ref().1, name, None).map(drop)
    }

    /// The same, and the token that the client asked for.
    pub(crate) fn logged_in_with_token(
        &self,
        connection: &mut Connection<'_>,
        tls: &ServerConnection,
        name: &str,
        request: Option<&TokenRequest<'_>>,
    ) -> Result<Option<Issued>, Fault> {
        let full = scram::full_login(name, connection.facts())?;
        let login = Login { full: &full, identity: name, device: DeviceId::new(random()?), now: now() };
        let (logged_in, issued): (LoggedIn, _) = match request {
            Some(request) => {
                let (logged_in, issued) = connection.logged_in_with_token(login, &exporter(tls), request);
                (logged_in, Some(issued?))
            }
            None => (connection.logged_in(login, &exporter(tls)), None),
        };
        if let Some(why) = logged_in.unknown {
            eprintln!("{name} stays unknown: {why}");
        }
        let kept = self.commit(&logged_in.commit)?;
        // A token that the store knows nothing of would be refused.
        Ok(issued.filter(|_| kept))
    }

    /// "Log out everywhere": whoever was known under this name is not any more.
    pub(crate) async fn revoke(&self, name: &str) -> Result<usize, Fault> {
        let revoked = self.store.revoke(name, Revoke::All, now())?;
        // Time has seconds: a login in the same one may have begun before, and so nothing is kept of it.
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(revoked)
    }

    fn commit(&self, commit: &Commit) -> Result<bool, Fault> {
        let committed = self.store.commit(commit, now())?;
        if !committed.is_durable() {
            // The login stands all the same; the client just has to do it in full again.
            eprintln!("the store did not keep it: {committed:?}");
        }
        Ok(committed.is_durable())
    }
}
