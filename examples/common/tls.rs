//! TLS 1.3 from the first octet, by rustls, with the library's adapter in between: every connection is made from a configuration of
//! its own, and what is known of it comes back as channel facts.

use std::path::Path;
use std::sync::Arc;

use fast_reauth::channel::{ChannelFacts, Handle};
use fast_reauth::mechanism::Connection;
use fast_reauth::rustls::{ClientWatch, Recognition};
use fast_reauth::store::client::Predecessor;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::TcpStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName as DnsName};
use tokio_rustls::rustls::server::ServerSessionMemoryCache;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::client::Client;
use super::service::Service;
use super::wire::{ClientWire, ServerWire, Wire};
use super::{Fault, random};

/// A certificate and its key, as PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// A certificate for this name that nobody signed but itself.
pub(crate) fn self_signed(name: &str) -> Result<Identity, Fault> {
    let CertifiedKey { cert, key_pair } = generate_simple_self_signed([name.to_owned()])?;
    Ok(Identity { certificate: cert.pem(), key: key_pair.serialize_pem() })
}

/// A file, or which one could not be read.
pub(crate) fn read(path: &Path, what: &str) -> Result<String, Fault> {
    std::fs::read_to_string(path).map_err(|error| format!("{what} {}: {error}", path.display()).into())
}

/// The configuration of a server.
pub(crate) fn server(identity: &Identity) -> Result<Arc<ServerConfig>, Fault> {
    let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| format!("the certificate: {error}"))?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(|error| format!("the key: {error}"))?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider())).with_protocol_versions(&[&TLS13])?;
    let mut config = config.with_no_client_auth().with_single_cert(chain, key)?;
    // Sessions stay in the server, so that a stolen ticket key logs nobody in: EXTERNAL is offered without further ado.
    config.session_storage = ServerSessionMemoryCache::new(1024);
    Ok(Arc::new(config))
}

/// The configuration of a client that trusts this certificate, or who signed with it.
pub(crate) fn client(trusted: &str) -> Result<Arc<ClientConfig>, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(trusted.as_bytes()) {
        roots.add(certificate.map_err(|error| format!("the trusted certificate: {error}"))?)?;
    }
    if roots.is_empty() {
        return Err("there is no certificate in what is to be trusted: is it PEM?".into());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider())).with_protocol_versions(&[&TLS13])?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

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

/// Makes a connection of this client's account. What TLS says of a certificate is a sentence already.
pub(crate) async fn connect(client: &Client) -> Result<Connected, Fault> {
    let tcp = TcpStream::connect(&client.server).await;
    let tcp = tcp.map_err(|error| format!("no connection to {}: {error}", client.server))?;
    tcp.set_nodelay(true)?;
    let (config, watch) = client.sessions.connection(&client.base, &client.account);
    let name = client.account.scope.server_name.as_str();
    let tls = TlsConnector::from(config).connect(DnsName::try_from(name.to_owned())?, tcp).await;
    let tls = tls.map_err(|error| format!("no TLS with {} as {name}: {error}", client.server))?;
    let facts = watch.facts(tls.get_ref().1)?;
    let predecessor = watch.predecessor(tls.get_ref().1);
    Ok(Connected { wire: Wire::new(tls), facts, predecessor, watch })
}
