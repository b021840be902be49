//! What stands between rustls and a server's configuration on one connection, and takes notes.

use core::fmt;
use std::sync::{Arc, Mutex};

use ::rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert, StoresServerSessions};
use ::rustls::sign::CertifiedKey;
use ::rustls::{KeyLog, ServerConfig};

use super::label::{Fingerprint, Label};
use crate::adapter::lock;
use crate::channel::{EndPoint, Handle, Tickets};
use crate::crypto::{Absorb, Hash, hash};

/// The session storage, ticketer, certificate resolver and key log of one connection: each the base's own, with notes taken.
pub(super) struct Wrapped {
    base: Arc<ServerConfig>,
    handle: Handle,
    noted: Mutex<Noted>,
}

/// What passed by on the connection.
#[derive(Default)]
pub(super) struct Noted {
    /// The label of the session that was looked up last: the one that is resumed, if any is.
    session: Option<Label>,
    certificate: Option<(Arc<CertifiedKey>, Fingerprint)>,
    client_random: Option<[u8; 32]>,
    reused: bool,
}

impl Noted {
    pub(super) fn session(&self) -> Option<&Label> {
        self.session.as_ref()
    }

    pub(super) fn is_reused(&self) -> bool {
        self.reused
    }

    /// Whether this certificate is the one that the server would show today.
    pub(super) fn is_served(&self, certificate: Option<Fingerprint>) -> bool {
        certificate.is_some() && certificate == self.served()
    }

    /// tls-server-end-point of the certificate chosen for this connection, where it has one.
    pub(super) fn end_point(&self) -> Option<EndPoint> {
        let (key, _) = self.certificate.as_ref()?;
        EndPoint::from_certificate(key.cert.first()?).ok()
    }

    fn served(&self) -> Option<Fingerprint> {
        self.certificate.as_ref().map(|(_, fingerprint)| *fingerprint)
    }
}

impl Wrapped {
    pub(super) fn new(base: Arc<ServerConfig>, handle: Handle) -> Self {
        Self { base, handle, noted: Mutex::default() }
    }

    pub(super) fn base(&self) -> &ServerConfig {
        &self.base
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle
    }

    pub(super) fn noted<T>(&self, read: impl FnOnce(&Noted) -> T) -> T {
        read(&lock(&self.noted))
    }

    /// Where the sessions that this configuration makes are, or may also be.
    pub(super) fn tickets(&self) -> Tickets {
        if self.base.ticketer.enabled() { Tickets::Stateless } else { Tickets::Stateful }
    }

    fn put_on(&self, tickets: Tickets, session: &[u8]) -> Vec<u8> {
        let certificate = self.noted(|noted| match noted.session {
            // The client of a resumed session still holds the old certificate. Whether it resumes is not known here, so a
            // certificate that was replaced in between makes it uncertain.
            Some(resumed) if !noted.is_served(resumed.certificate) => None,
            _ => noted.served(),
        });
        Label { handle: self.handle, tickets, certificate }.put_on(session)
    }

    /// Notes where a session comes from; what came before it was refused.
    fn take_off(&self, found: Option<(Label, Vec<u8>)>) -> Option<Vec<u8>> {
        let (label, session) = found.unzip();
        lock(&self.noted).session = label;
        session
    }
}

impl StoresServerSessions for Wrapped {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.base.session_storage.put(key, self.put_on(self.tickets(), &value))
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.take_off(self.base.session_storage.get(key).and_then(Label::take_off))
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.take_off(self.base.session_storage.take(key).and_then(Label::take_off))
    }

    fn can_cache(&self) -> bool {
        self.base.session_storage.can_cache()
    }
}

impl ProducesTickets for Wrapped {
    fn enabled(&self) -> bool {
        self.base.ticketer.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.base.ticketer.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.base.ticketer.encrypt(&self.put_on(Tickets::Stateless, plain))
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.take_off(self.base.ticketer.decrypt(cipher).and_then(Label::take_off))
    }
}

impl ResolvesServerCert for Wrapped {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let key = self.base.cert_resolver.resolve(client_hello)?;
        let certificate = key.cert.first().and_then(|certificate| {
            let fingerprint = hash(Hash::Sha256, |context| context.absorb(certificate));
            fingerprint.as_ref().try_into().ok()
        });
        lock(&self.noted).certificate = certificate.map(|fingerprint| (Arc::clone(&key), fingerprint));
        Some(key)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.base.cert_resolver.only_raw_public_keys()
    }
}

/// Every connection has its own client random, which rustls tells nobody but the key log; a second one shows that the
/// configuration serves a second connection, whose notes would pass for those of the first. The secrets are not looked at.
impl KeyLog for Wrapped {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        if let Ok(client_random) = client_random.try_into() {
            let mut noted = lock(&self.noted);
            noted.reused |= *noted.client_random.get_or_insert(client_random) != client_random;
        }
        if label != EVERY_TLS13_CONNECTION || self.base.key_log.will_log(label) {
            self.base.key_log.log(label, client_random, secret);
        }
    }

    fn will_log(&self, label: &str) -> bool {
        label == EVERY_TLS13_CONNECTION || self.base.key_log.will_log(label)
    }
}

/// Logged while the ClientHello is processed; TLS 1.2 logs its one secret without asking.
const EVERY_TLS13_CONNECTION: &str = "CLIENT_HANDSHAKE_TRAFFIC_SECRET";

impl fmt::Debug for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wrapped").field("handle", &self.handle).finish_non_exhaustive()
    }
}
