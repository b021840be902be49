//! The client's TLS 1.3, by rustls, with the library's adapter in between.

use std::num::NonZeroUsize;
use std::sync::Arc;

use fast_reauth::assertion::FullLogin;
use fast_reauth::rustls::{ClientWatch, Sessions, exporter};
use fast_reauth::store::client::{Account, Connection};
use tokio_rustls::rustls::ClientConfig;

use crate::client::{Link, Tls};
use crate::common::tls::{Connected, connect_to};
use crate::common::wire::ClientStream;
use crate::common::{Fault, now};

/// A client's connections to one server, and their TLS sessions.
pub(crate) struct Rustls {
    base: Arc<ClientConfig>,
    sessions: Sessions,
    server: String,
}

impl Rustls {
    pub(crate) fn new(base: Arc<ClientConfig>, server: &str) -> Self {
        Self { base, sessions: Sessions::new(NonZeroUsize::MIN), server: server.to_owned() }
    }
}

impl Tls for Rustls {
    type Stream = ClientStream;
    type Watch = ClientWatch;

    async fn connect(&self, account: &Account) -> Result<Link<ClientStream, ClientWatch>, Fault> {
        let connected = connect_to(&self.server, &self.base, &self.sessions, account).await?;
        let Connected { wire, facts, predecessor, watch } = connected;
        Ok(Link { stream: wire.stream, facts, predecessor, watch })
    }

    fn derive(&self, tls: &ClientStream, connection: &mut Connection<'_>, full: &FullLogin) -> Result<bool, Fault> {
        Ok(connection.logged_in(full, &exporter(tls.get_ref().1), &[], now())?)
    }

    fn authenticated(&self, watch: &ClientWatch, connection: &Connection<'_>) {
        watch.authenticated(connection.facts(), connection.family());
    }

    fn forget(&self, account: &Account) {
        self.sessions.forget(account);
    }
}
