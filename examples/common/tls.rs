//! TLS from the first octet, by tokio-rustls, with the library's adapter in between: every connection is made from a configuration
//! of its own, and what is known of it comes back as channel facts.

use std::sync::Arc;

use fast_reauth::channel::{ChannelFacts, Handle};
use fast_reauth::mechanism::Connection;
use fast_reauth::rustls::{ClientWatch, Recognition, Sessions};
use fast_reauth::store::client::{Account, Predecessor};
use tokio::net::TcpStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName as DnsName;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::client::Client;
use super::service::Service;
use super::wire::{ClientWire, ServerWire, Wire};
use super::{Fault, random};

/// A server's connection after the handshake, and what this library makes of it: who this was, if TLS resumed.
pub(crate) async fn accept<'s>(
    service: &'s Service,
    recognition: &Recognition,
    tcp: TcpStream,
) -> Result<(ServerWire, Connection<'s>), Fault> {
    tcp.set_nodelay(true)?;
    let (config, watch) = recognition.connection(Handle::new(random()?));
    let mut tls = TlsAcceptor::from(config).accept(tcp).await?;
    let facts = watch.facts(tls.get_mut().1)?;
    Ok((Wire::new(tls), service.meet(facts)?))
}

/// A client's connection after the handshake, and what is known of it.
pub(crate) struct Connected {
    pub(crate) wire: ClientWire,
    pub(crate) facts: ChannelFacts,
    pub(crate) predecessor: Option<Predecessor>,
    pub(crate) watch: ClientWatch,
}

/// Makes a connection of this client's account.
pub(crate) async fn connect(client: &Client) -> Result<Connected, Fault> {
    connect_to(&client.server, &client.base, &client.sessions, &client.account).await
}

/// Makes a connection of this account to the server at this address. What TLS says of a certificate is a sentence already.
pub(crate) async fn connect_to(
    server: &str,
    base: &Arc<ClientConfig>,
    sessions: &Sessions,
    account: &Account,
) -> Result<Connected, Fault> {
    let tcp = TcpStream::connect(server).await;
    let tcp = tcp.map_err(|error| format!("no connection to {server}: {error}"))?;
    tcp.set_nodelay(true)?;
    let (config, watch) = sessions.connection(base, account);
    let name = account.scope.server_name.as_str();
    let tls = TlsConnector::from(config).connect(DnsName::try_from(name.to_owned())?, tcp).await;
    let tls = tls.map_err(|error| format!("no TLS with {server} as {name}: {error}"))?;
    let facts = watch.facts(tls.get_ref().1)?;
    let predecessor = watch.predecessor(tls.get_ref().1);
    Ok(Connected { wire: Wire::new(tls), facts, predecessor, watch })
}
