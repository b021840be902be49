//! The scene of the examples for SASL frameworks: a service and two clients, over TCP and TLS 1.3 on loopback, in one process.
//!
//! What a framework does is in the example; here is what goes around it: TLS, lines, the store, what a client keeps, and who comes when.
#![allow(unreachable_pub)] // a module of two programs

mod service;
mod visitor;
mod wire;

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use fast_reauth::Timestamp;
use fast_reauth::mechanism::NextStep;
use fast_reauth::store::client::Settled;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::ServerSessionMemoryCache;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

pub use service::{Guest, SCRAM, Service};
pub use visitor::{Visit, Visitor};
pub use wire::{encoded, message_of};

/// Whatever goes wrong ends the program, with a message.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

pub const HOST: &str = "imap.example.org";

/// The same for all; nothing here depends on it.
pub const PASSWORD: &str = "wherefore art thou";

/// The client's `<user-agent/>`; there is one installation of each account here.
const INSTALLATION: &str = "d4565fa7-4d72-4749-b3d3-740edbf87770";

/// What a framework does: one login at the client, which mechanism that was, and all logins of a connection at the server.
pub struct Framework {
    pub name: &'static str,
    pub log_in: fn(&mut Visit) -> Result<(String, Settled), Fault>,
    pub serve: fn(&mut Guest) -> Result<(), Fault>,
}

/// Who comes when, and how each is expected to log in.
pub fn run(framework: &Framework) -> Result<(), Fault> {
    println!("Both ends are driven by {}:\n", framework.name);
    let (server_tls, client_tls) = configurations()?;
    let service = Service::new(server_tls)?;
    let mut juliet = Visitor::new("juliet", client_tls.clone(), false)?;
    let mut romeo = Visitor::new("romeo", client_tls, true)?;

    visit(framework, &service, &juliet, "is new", &[SCRAM])?;
    visit(framework, &service, &juliet, "comes back", &["IKY-SHA-256-EXPR"])?;
    visit(framework, &service, &juliet, "comes back once more", &["EXTERNAL"])?;
    juliet.restart()?;
    visit(framework, &service, &juliet, "comes back after a restart", &["IKY-SHA-256-EXPR"])?;
    visit(framework, &service, &romeo, "is new, and asks for a token", &[SCRAM])?;
    visit(framework, &service, &romeo, "comes back", &["EXTERNAL"])?;
    romeo.restart()?;
    visit(framework, &service, &romeo, "comes back after a restart", &["HT-SHA-256-EXPR"])?;
    service.revoke("juliet")?;
    juliet.restart()?;
    visit(framework, &service, &juliet, "was revoked, and restarts", &["IKY-SHA-256-EXPR", SCRAM])?;
    juliet.restart()?;
    visit(framework, &service, &juliet, "comes back after a restart", &["IKY-SHA-256-EXPR"])
}

/// One connection, with as many attempts as it takes.
fn visit(framework: &Framework, service: &Service, who: &Visitor, how: &str, expected: &[&str]) -> Result<(), Fault> {
    HOURS.fetch_add(1, Ordering::Relaxed);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let tcp = TcpStream::connect(listener.local_addr()?)?;
    std::thread::scope(|scope| {
        let server = scope.spawn(|| (framework.serve)(&mut service.accept(listener.accept()?.0)?));
        let mut visit = who.connect(tcp)?;
        let tls = if visit.facts.is_resumed() { "resumed" } else { "full" };
        let mut used = Vec::new();
        loop {
            let (mechanism, settled) = (framework.log_in)(&mut visit)?;
            let (name, how) = if used.is_empty() { (who.user, how) } else { ("", "") };
            println!("{name:6} {how:28} TLS {tls:8} {mechanism:19} {settled:?}");
            used.push(mechanism);
            match settled {
                Settled::LoggedIn => break,
                Settled::Failed(NextStep::FullLogin | NextStep::TryPredecessor) => {}
                Settled::Failed(next) => return Err(format!("next: {next}").into()),
            }
        }
        if used != expected {
            return Err(format!("{expected:?} was to be used").into());
        }
        drop(visit);
        server.join().map_err(|_| "the server panicked")?
    })
}

fn configurations() -> Result<(Arc<ServerConfig>, Arc<ClientConfig>), Fault> {
    let CertifiedKey { cert, key_pair } = generate_simple_self_signed([HOST.to_owned()])?;
    let key = PrivateKeyDer::try_from(key_pair.serialize_der())?;
    let provider = Arc::new(default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[&TLS13])?;
    let mut server = server.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key)?;
    server.session_storage = ServerSessionMemoryCache::new(1024);
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone())?;
    let client = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13])?;
    Ok((Arc::new(server), Arc::new(client.with_root_certificates(roots).with_no_client_auth())))
}

/// The library reads no clock: the application does. Here an hour goes by before each connection.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_secs(since.as_secs() + 3600 * HOURS.load(Ordering::Relaxed))
}

static HOURS: AtomicU64 = AtomicU64::new(0);

fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut octets = [0; N];
    SystemRandom::new().fill(&mut octets).map_err(|_| "the system has no random numbers")?;
    Ok(octets)
}
