//! Two ends of a TLS connection in memory, each by rustls or by OpenSSL.

#[path = "../../../tests/rustls_support/mod.rs"]
pub mod rustls_support;

mod ends;
mod pipe;

use std::num::NonZeroUsize;
use std::sync::Arc;

use fast_reauth::channel::{ChannelFacts, Handle, TlsVersion};
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{
    SslAcceptor, SslAcceptorBuilder, SslConnector, SslConnectorBuilder, SslContextBuilder, SslMethod, SslRef,
    SslSession, SslVersion,
};
use openssl::x509::X509;
use rustls::ClientConfig;
use rustls_support::{Identity, MODES, Mode, NAME, account, handle, identity};

pub use ends::{ClientEnd, Link, ServerEnd};
pub use pipe::Pipe;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    Rustls,
    OpenSsl,
}

/// Client, then server; rustls at both ends is tested elsewhere.
pub const PAIRS: [(Stack, Stack); 3] =
    [(Stack::Rustls, Stack::OpenSsl), (Stack::OpenSsl, Stack::Rustls), (Stack::OpenSsl, Stack::OpenSsl)];

/// TLS 1.3 and TLS 1.2, both with sessions in the server.
pub const STATEFUL: [Mode; 2] = [MODES[0], MODES[2]];

pub enum Client {
    Rustls(fast_reauth::rustls::Sessions, Arc<ClientConfig>),
    OpenSsl(fast_reauth::openssl::Sessions),
}

pub enum Server {
    Rustls(fast_reauth::rustls::Recognition),
    OpenSsl(fast_reauth::openssl::Recognition),
}

/// A server and a client with its sessions.
pub struct Bench {
    pub client: Client,
    pub server: Server,
}

/// What an application writes itself.
pub fn offer(ssl: &mut SslRef, session: &SslSession) {
    // SAFETY: the session was decoded for this connection, and is in the cache of no context.
    unsafe { ssl.set_session(session) }.unwrap();
}

pub fn accounts() -> NonZeroUsize {
    NonZeroUsize::new(16).unwrap()
}

pub fn acceptor(mode: Mode, identity: &Identity) -> Result<SslAcceptorBuilder, ErrorStack> {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    acceptor.set_certificate(&*X509::from_der(&identity.certificate)?)?;
    acceptor.set_private_key(&*PKey::private_key_from_der(identity.key.secret_der())?)?;
    only(mode.0, &mut acceptor)?;
    Ok(acceptor)
}

pub fn connector(mode: Mode, identity: &Identity) -> Result<SslConnectorBuilder, ErrorStack> {
    let mut connector = SslConnector::builder(SslMethod::tls_client())?;
    connector.cert_store_mut().add_cert(X509::from_der(&identity.certificate)?)?;
    only(mode.0, &mut connector)?;
    Ok(connector)
}

fn only(version: TlsVersion, context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
    let version = match version {
        TlsVersion::Tls12 => SslVersion::TLS1_2,
        TlsVersion::Tls13 => SslVersion::TLS1_3,
    };
    context.set_min_proto_version(Some(version))?;
    context.set_max_proto_version(Some(version))
}

impl Client {
    pub fn new(stack: Stack, mode: Mode, identity: &Identity) -> Self {
        match stack {
            Stack::Rustls => {
                Self::Rustls(fast_reauth::rustls::Sessions::new(accounts()), Arc::new(mode.client(identity)))
            }
            Stack::OpenSsl => Self::openssl(connector(mode, identity).unwrap()),
        }
    }

    pub fn openssl(connector: SslConnectorBuilder) -> Self {
        Self::OpenSsl(fast_reauth::openssl::Sessions::new(connector, accounts()).unwrap())
    }

    /// The sessions, of an OpenSSL client.
    pub fn sessions(&self) -> &fast_reauth::openssl::Sessions {
        match self {
            Self::OpenSsl(sessions) => sessions,
            Self::Rustls(..) => panic!("a client by rustls"),
        }
    }

    fn connection(&self, name: &str, host: &str, resume: bool) -> ClientEnd {
        let account = account(name);
        match self {
            Self::Rustls(sessions, base) => {
                let (config, watch) = match resume {
                    true => sessions.connection(base, &account),
                    false => sessions.connection_without_resumption(base, &account),
                };
                ClientEnd::rustls(config, host, watch)
            }
            Self::OpenSsl(sessions) => {
                let (mut ssl, session) = match resume {
                    true => sessions.connection(host, &account).unwrap(),
                    false => (sessions.connection_without_resumption(host, &account).unwrap(), None),
                };
                if let Some(session) = session {
                    offer(&mut ssl, &session);
                }
                ClientEnd::openssl(ssl, sessions.clone())
            }
        }
    }
}

impl Server {
    pub fn new(stack: Stack, mode: Mode, identity: &Identity) -> Self {
        match stack {
            Stack::Rustls => Self::Rustls(fast_reauth::rustls::Recognition::new(Arc::new(mode.server(identity)))),
            Stack::OpenSsl => Self::openssl(acceptor(mode, identity).unwrap()),
        }
    }

    pub fn openssl(acceptor: SslAcceptorBuilder) -> Self {
        Self::OpenSsl(fast_reauth::openssl::Recognition::new(acceptor).unwrap())
    }

    fn connection(&self, handle: Handle) -> ServerEnd {
        match self {
            Self::Rustls(recognition) => {
                let (config, watch) = recognition.connection(handle);
                ServerEnd::rustls(config, watch)
            }
            Self::OpenSsl(recognition) => {
                ServerEnd::openssl(recognition.connection(handle).unwrap(), recognition.clone())
            }
        }
    }
}

impl Bench {
    pub fn new((client, server): (Stack, Stack), mode: Mode) -> Self {
        let identity = identity(&rcgen::PKCS_ECDSA_P256_SHA256);
        Self { client: Client::new(client, mode, &identity), server: Server::new(server, mode, &identity) }
    }

    /// OpenSSL at both ends, with a change to each.
    pub fn openssl(
        mode: Mode,
        server: impl FnOnce(&mut SslAcceptorBuilder),
        client: impl FnOnce(&mut SslConnectorBuilder),
    ) -> Self {
        let identity = identity(&rcgen::PKCS_ECDSA_P256_SHA256);
        let (mut acceptor, mut connector) = (acceptor(mode, &identity).unwrap(), connector(mode, &identity).unwrap());
        server(&mut acceptor);
        client(&mut connector);
        Self { client: Client::openssl(connector), server: Server::openssl(acceptor) }
    }

    /// Both ends, before the first octet.
    pub fn start_to(&self, host: &str, name: &str, resume: bool) -> Link {
        let handle = handle();
        let (client, server) = (self.client.connection(name, host, resume), self.server.connection(handle));
        Link { client, server, handle, rude: false }
    }

    pub fn start(&self, name: &str) -> Link {
        self.start_to(NAME, name, true)
    }

    /// A connection after its handshake.
    pub fn connect(&self, name: &str) -> Link {
        let mut link = self.start(name);
        link.pump();
        link
    }

    /// A connection that makes a full handshake.
    pub fn connect_fully(&self, name: &str) -> Link {
        let mut link = self.start_to(NAME, name, false);
        link.pump();
        link
    }

    /// A connection on which an authentication succeeded, and whose octets from the server are all read.
    pub fn login(&self, name: &str) -> Link {
        let mut link = self.connect(name);
        link.authenticated(None);
        link
    }
}

/// Both ends agree on the certificate.
pub fn assert_same_end_point(client: &ChannelFacts, server: &ChannelFacts) {
    assert!(client.tls_server_end_point().is_some());
    assert_eq!(client.tls_server_end_point(), server.tls_server_end_point());
}
