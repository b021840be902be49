//! TLS 1.3 by rustls, both ends, with the library's adapter in between.

use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::sync::Arc;

use fast_reauth::assertion::{Scope, Service};
use fast_reauth::channel::{ChannelFacts, Handle, ServerName};
use fast_reauth::rustls::{Recognition, Sessions};
use fast_reauth::store::client::Account;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName as DnsName};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};

use crate::client::Tls;
use crate::wire::patient;
use crate::{Args, Fault, USER};

/// A client's connections to one server.
pub(crate) struct Rustls {
    base: Arc<ClientConfig>,
    sessions: Sessions,
    port: u16,
}

impl Rustls {
    pub(crate) fn new(args: &Args) -> Result<Self, Fault> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&args.ca)?)?;
        let base = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { base: Arc::new(base), sessions: Sessions::new(NonZeroUsize::MIN), port: args.port })
    }
}

impl Tls for Rustls {
    type Stream = StreamOwned<ClientConnection, TcpStream>;

    fn connect(&self, name: &str) -> Result<(Self::Stream, ChannelFacts), Fault> {
        let account = Account::new(Scope::new(Service::XMPP, ServerName::parse(name)?), USER);
        let (config, watch) = self.sessions.connection_without_resumption(&self.base, &account);
        let tls = ClientConnection::new(config, DnsName::try_from(name.to_owned())?)?;
        let mut tls = StreamOwned::new(tls, patient(TcpStream::connect(("127.0.0.1", self.port))?)?);
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock)?;
        }
        let facts = watch.facts(&tls.conn)?;
        Ok((tls, facts))
    }
}

/// A server's side of one connection.
pub(crate) type Accepted = StreamOwned<ServerConnection, TcpStream>;

pub(crate) fn recognition(args: &Args) -> Result<Recognition, Fault> {
    let chain = CertificateDer::pem_file_iter(&args.cert)?.collect::<Result<Vec<_>, _>>()?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(&args.key)?)?;
    Ok(Recognition::new(Arc::new(config)))
}

/// A connection after the handshake.
pub(crate) fn accept(recognition: &Recognition, tcp: TcpStream) -> Result<(Accepted, ChannelFacts), Fault> {
    let (config, watch) = recognition.connection(Handle::new(random()?));
    let mut tls = StreamOwned::new(ServerConnection::new(config)?, patient(tcp)?);
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock)?;
    }
    let facts = watch.facts(&mut tls.conn)?;
    Ok((tls, facts))
}

/// Fresh random octets.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut octets = [0; N];
    SystemRandom::new().fill(&mut octets).map_err(|_| "the system has no random numbers")?;
    Ok(octets)
}
