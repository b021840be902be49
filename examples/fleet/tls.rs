//! TLS 1.3 by rustls, both ends, with the library's adapter in between.

use std::net::TcpStream;
use std::sync::Arc;

use fast_reauth::channel::{ChannelFacts, Handle};
use fast_reauth::rustls::{ClientWatch, Recognition, Sessions};
use fast_reauth::store::client::{Account, Predecessor};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName as DnsName};
use tokio_rustls::rustls::server::ServerSessionMemoryCache;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};

use crate::wire::patient;
use crate::{DOMAIN, Fault, random};

/// The service's certificate and its key, in DER.
#[derive(Clone, Default)]
pub(crate) struct Certificate {
    pub(crate) certificate: Vec<u8>,
    pub(crate) private_key: Vec<u8>,
}

impl Certificate {
    /// A new one, which vouches for itself.
    pub(crate) fn new() -> Result<Self, Fault> {
        let CertifiedKey { cert, key_pair } = generate_simple_self_signed([DOMAIN.to_owned()])?;
        Ok(Self { certificate: cert.der().to_vec(), private_key: key_pair.serialize_der() })
    }

    /// For a server. Its sessions are in its own memory: no other node resumes them.
    pub(crate) fn recognition(&self) -> Result<Recognition, Fault> {
        let chain = vec![CertificateDer::from(self.certificate.clone())];
        let key = PrivateKeyDer::try_from(self.private_key.clone())?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13])?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.session_storage = ServerSessionMemoryCache::new(1024);
        Ok(Recognition::new(Arc::new(config)))
    }

    /// For a client that trusts it.
    pub(crate) fn trusted(&self) -> Result<Arc<ClientConfig>, Fault> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.certificate.clone()))?;
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_protocol_versions(&[&TLS13])?.with_root_certificates(roots).with_no_client_auth();
        Ok(Arc::new(config))
    }
}

/// A server's side of one connection.
pub(crate) type Accepted = StreamOwned<ServerConnection, TcpStream>;

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

/// A client's side of one connection, and what is known of it.
pub(crate) struct Connected {
    pub(crate) tls: StreamOwned<ClientConnection, TcpStream>,
    pub(crate) facts: ChannelFacts,
    pub(crate) predecessor: Option<Predecessor>,
    pub(crate) watch: ClientWatch,
}

/// A connection of this account to the node at this port, which may resume a session.
pub(crate) fn connect(
    base: &ClientConfig,
    sessions: &Sessions,
    account: &Account,
    port: u16,
    resume: bool,
) -> Result<Connected, Fault> {
    let (config, watch) = match resume {
        true => sessions.connection(base, account),
        false => sessions.connection_without_resumption(base, account),
    };
    let tls = ClientConnection::new(config, DnsName::try_from(DOMAIN)?)?;
    let mut tls = StreamOwned::new(tls, patient(TcpStream::connect(("127.0.0.1", port))?)?);
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock)?;
    }
    let (facts, predecessor) = (watch.facts(&tls.conn)?, watch.predecessor(&tls.conn));
    Ok(Connected { tls, facts, predecessor, watch })
}
