//! The client's TLS 1.3, by rustls, with the library's adapter in between.

use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::sync::Arc;

use fast_reauth::assertion::{Scope, Service};
use fast_reauth::channel::{ChannelFacts, ServerName};
use fast_reauth::rustls::Sessions;
use fast_reauth::store::client::Account;
use tokio_rustls::rustls::pki_types::ServerName as DnsName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::client::Tls;
use crate::wire::patient;
use crate::{Fault, USER};

/// A client's connections to one server.
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
    type Stream = StreamOwned<ClientConnection, TcpStream>;

    fn connect(&self, name: &str) -> Result<(Self::Stream, ChannelFacts), Fault> {
        let account = Account::new(Scope::new(Service::XMPP, ServerName::parse(name)?), USER);
        let (config, watch) = self.sessions.connection_without_resumption(&self.base, &account);
        let tls = ClientConnection::new(config, DnsName::try_from(name.to_owned())?)?;
        let tcp = TcpStream::connect(&self.server);
        let tcp = tcp.map_err(|error| format!("no connection to {}: {error}", self.server))?;
        let mut tls = StreamOwned::new(tls, patient(tcp)?);
        while tls.conn.is_handshaking() {
            let done = tls.conn.complete_io(&mut tls.sock);
            done.map_err(|error| format!("no TLS with {} as {name}: {error}", self.server))?;
        }
        let facts = watch.facts(&tls.conn)?;
        Ok((tls, facts))
    }
}
