//! Both ends of a TLS connection in memory, with a client that keeps its sessions by account.
#![allow(dead_code, missing_docs, unreachable_pub)]

pub mod login;

use std::num::NonZeroUsize;
use std::ops::DerefMut;
use std::sync::Arc;

use fast_reauth::assertion::{AssertionId, Scope, Service};
use fast_reauth::channel::{ChannelFacts, Exporter, Handle, ServerName, Tickets, TlsVersion};
use fast_reauth::rustls::{ClientWatch, Recognition, Sessions, Watch, exporter};
use fast_reauth::store::client::{Account, Predecessor};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache};
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, RootCertStore, ServerConfig, ServerConnection, SideData,
};

pub const NAME: &str = "mail.example";

/// A version, and where the server keeps its sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub TlsVersion, pub Tickets);

pub const MODES: [Mode; 4] = [
    Mode(TlsVersion::Tls13, Tickets::Stateful),
    Mode(TlsVersion::Tls13, Tickets::Stateless),
    Mode(TlsVersion::Tls12, Tickets::Stateful),
    Mode(TlsVersion::Tls12, Tickets::Stateless),
];

pub struct Identity {
    pub certificate: CertificateDer<'static>,
    pub key: PrivateKeyDer<'static>,
}

pub fn identity(algorithm: &'static rcgen::SignatureAlgorithm) -> Identity {
    let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let names = [NAME, "other.example", "127.0.0.1"].map(str::to_owned);
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    Identity {
        certificate: certificate.der().clone(),
        key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
    }
}

static TLS12: [&rustls::SupportedProtocolVersion; 1] = [&rustls::version::TLS12];
static TLS13: [&rustls::SupportedProtocolVersion; 1] = [&rustls::version::TLS13];

impl Mode {
    fn versions(self) -> &'static [&'static rustls::SupportedProtocolVersion] {
        match self.0 {
            TlsVersion::Tls12 => &TLS12,
            TlsVersion::Tls13 => &TLS13,
        }
    }

    pub fn server(self, identity: &Identity) -> ServerConfig {
        let mut config = ServerConfig::builder_with_protocol_versions(self.versions())
            .with_no_client_auth()
            .with_single_cert(vec![identity.certificate.clone()], identity.key.clone_key())
            .unwrap();
        match self.1 {
            Tickets::Stateful => config.session_storage = ServerSessionMemoryCache::new(1024),
            Tickets::Stateless => {
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.ticketer = rustls::crypto::ring::Ticketer::new().unwrap();
            }
        }
        config.require_ems = true;
        config.send_half_rtt_data = true;
        config
    }

    pub fn client(self, identity: &Identity) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(identity.certificate.clone()).unwrap();
        let mut config = ClientConfig::builder_with_protocol_versions(self.versions())
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.require_ems = true;
        config
    }
}

pub fn account(login_name: &str) -> Account {
    let scope = Scope::new(Service::IMAP, ServerName::parse(NAME).unwrap());
    Account { scope, login_name: login_name.into() }
}

pub fn handle() -> Handle {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Handle::new(u128::from(NEXT.fetch_add(1, Ordering::Relaxed)).to_be_bytes())
}

pub fn family(octet: u8) -> AssertionId {
    AssertionId::from_octets([octet; 16])
}

/// A server and a client with its sessions.
pub struct Bench {
    pub recognition: Recognition,
    pub base: Arc<ClientConfig>,
    pub sessions: Sessions,
}

impl Bench {
    pub fn new(mode: Mode) -> Self {
        Self::with(mode, |_| ())
    }

    pub fn with(mode: Mode, change: impl FnOnce(&mut ServerConfig)) -> Self {
        let identity = identity(&rcgen::PKCS_ECDSA_P256_SHA256);
        let mut server = mode.server(&identity);
        change(&mut server);
        Self::of(server, mode.client(&identity))
    }

    pub fn of(server: ServerConfig, client: ClientConfig) -> Self {
        Self {
            recognition: Recognition::new(Arc::new(server)),
            base: Arc::new(client),
            sessions: Sessions::new(NonZeroUsize::new(16).unwrap()),
        }
    }

    /// Both ends, before the first octet.
    pub fn start(&self, login_name: &str) -> Link {
        self.link(self.sessions.connection(&self.base, &account(login_name)), NAME)
    }

    pub fn link(&self, (config, client_watch): (Arc<ClientConfig>, ClientWatch), name: &str) -> Link {
        let handle = handle();
        let (server_config, watch) = self.recognition.connection(handle);
        Link {
            client: ClientConnection::new(config, name.to_owned().try_into().unwrap()).unwrap(),
            server: ServerConnection::new(server_config).unwrap(),
            handle,
            watch,
            client_watch,
        }
    }

    /// A connection after its handshake.
    pub fn connect(&self, login_name: &str) -> Link {
        let mut link = self.start(login_name);
        link.pump();
        link
    }

    /// A connection on which an authentication succeeded.
    pub fn login(&self, login_name: &str) -> Link {
        let mut link = self.connect(login_name);
        link.authenticated(None);
        link
    }
}

/// One connection.
pub struct Link {
    pub client: ClientConnection,
    pub server: ServerConnection,
    pub handle: Handle,
    pub watch: Watch,
    pub client_watch: ClientWatch,
}

impl Link {
    pub fn pump(&mut self) {
        while transfer(&mut self.client, &mut self.server) + transfer(&mut self.server, &mut self.client) > 0 {}
    }

    pub fn authenticated(&mut self, family: Option<AssertionId>) {
        self.client_watch.authenticated(&self.client_facts(), family);
    }

    pub fn facts(&mut self) -> ChannelFacts {
        self.watch.facts(&mut self.server).unwrap()
    }

    pub fn client_facts(&self) -> ChannelFacts {
        self.client_watch.facts(&self.client).unwrap()
    }

    pub fn is_resumed(&mut self) -> bool {
        assert_eq!(self.facts().is_resumed(), self.client_facts().is_resumed());
        self.facts().is_resumed()
    }

    /// The lineage of the predecessor, as the client has it.
    pub fn resumed_lineage(&self) -> Option<fast_reauth::channel::Lineage> {
        self.client_watch.predecessor(&self.client).map(|predecessor| predecessor.lineage)
    }
}

impl login::Ends for Link {
    fn server_facts(&mut self) -> ChannelFacts {
        self.facts()
    }

    fn client_facts(&self) -> ChannelFacts {
        Self::client_facts(self)
    }

    fn predecessor(&self) -> Option<Predecessor> {
        self.client_watch.predecessor(&self.client)
    }

    fn server_exporter(&self) -> Box<dyn Exporter + '_> {
        Box::new(exporter(&self.server))
    }

    fn client_exporter(&self) -> Box<dyn Exporter + '_> {
        Box::new(exporter(&self.client))
    }

    fn authenticated(&mut self, family: Option<AssertionId>) {
        Self::authenticated(self, family);
    }

    fn recognition_failed(&self) {
        self.client_watch.forget();
    }
}

/// Moves what one end has to send; how many octets that was.
pub fn transfer<A: SideData, B: SideData>(
    from: &mut impl DerefMut<Target = ConnectionCommon<A>>,
    to: &mut impl DerefMut<Target = ConnectionCommon<B>>,
) -> usize {
    let mut wire = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut wire).unwrap();
    }
    let mut rest = wire.as_slice();
    while !rest.is_empty() {
        to.read_tls(&mut rest).unwrap();
        to.process_new_packets().unwrap();
    }
    wire.len()
}

/// Both ends say the same of one connection.
pub fn assert_agreed(client: &ChannelFacts, server: &ChannelFacts) {
    assert_eq!(client.version(), server.version());
    assert_eq!(client.handshake(), server.handshake());
    assert_eq!(client.name(), server.name());
    assert!(client.name_was_seen() && server.name_was_seen());
    assert!(client.tls_exporter().is_some() && client.tls_exporter() == server.tls_exporter());
    assert!(client.lineage().is_some() && client.lineage() == server.lineage());
}
