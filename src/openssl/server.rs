//! The server: knows which connection a client resumes.

use core::fmt;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};

use ::openssl::error::ErrorStack;
use ::openssl::ex_data::Index;
use ::openssl::ssl::{Ssl, SslAcceptorBuilder, SslContext, SslOptions, SslRef, SslSessionCacheMode, SslVersion};

use super::{FactsUnavailable, end_point, facts, name_sent};
use crate::adapter::lock;
use crate::channel::{ChannelFacts, EndPoint, Handle, ServerName, Tickets};

/// A server context whose sessions lead from each connection to its successors.
///
/// For TLS 1.3 and 1.2. A clone is another handle to the same context and the same sessions.
///
/// *The cache is the context's own*: [`set_session_cache_size`](::openssl::ssl::SslContextBuilder::set_session_cache_size) bounds it,
/// and what is kept here with it, to 20,480 sessions unless told otherwise; a TLS 1.3 handshake takes two.
///
/// *End every connection with* [`shutdown`](::openssl::ssl::SslStream::shutdown), also where the client is gone and writing fails.
/// OpenSSL takes a connection that is freed without `close_notify`, sent or received, for one that failed, and drops its
/// newest session: of TLS 1.3 the ticket that a client offers first, of TLS 1.2 the only one there is.
///
/// *Certificates by name* are set on the connection, not by another context: `SslRef::set_ssl_context` takes away what
/// recognises a TLS 1.3 session, and everyone is a stranger.
#[derive(Clone)]
pub struct Recognition {
    context: SslContext,
    index: Index<Ssl, Arc<Noted>>,
    labels: Arc<Labels>,
}

type Labels = Mutex<Labelled>;

/// Where each session comes from, by session id.
#[derive(Default)]
struct Labelled {
    /// Those that the context's cache has.
    kept: HashMap<Box<[u8]>, Arc<Label>>,
    /// Those that went last. A context with early data lets a session go as it resumes it, before anything can be asked.
    gone: VecDeque<(Box<[u8]>, Arc<Label>)>,
}

impl Labelled {
    /// As many handshakes as may be between the one and the other at a time; what is more is not recognised.
    const MAX_GONE: usize = 256;

    fn go(&mut self, session: &[u8]) {
        if let Some(gone) = self.kept.remove_entry(session) {
            if self.gone.len() >= Self::MAX_GONE {
                self.gone.pop_front();
            }
            self.gone.push_back(gone);
        }
    }

    fn find(&self, session: &[u8]) -> Option<Arc<Label>> {
        let gone = || self.gone.iter().rev().find(|(id, _)| **id == *session).map(|(_, label)| label);
        self.kept.get(session).or_else(gone).cloned()
    }
}

struct Label {
    handle: Handle,
    /// That of the certificate that the client holds with the session; `None` where it is not certain which.
    end_point: Option<EndPoint>,
    name: Option<ServerName>,
}

/// What is noted of one connection, on its own [`Ssl`].
struct Noted {
    handle: Handle,
    resumes: OnceLock<Option<Arc<Label>>>,
    /// TLS took early data.
    took_early: AtomicBool,
}

impl Recognition {
    /// Builds the context, once for all connections.
    ///
    /// It sets stateful sessions, a cache for them, and the callbacks for new and removed sessions and for the key log (whose
    /// secrets are not looked at); it takes early data ([`with_early_data`](Self::with_early_data) has it) and renegotiation away. A context that asks for client certificates
    /// needs a `set_session_id_context` to resume at all.
    ///
    /// # Errors
    /// OpenSSL's own.
    pub fn new(acceptor: SslAcceptorBuilder) -> Result<Self, ErrorStack> {
        Self::taking(acceptor, 0)
    }

    pub(super) fn taking(mut acceptor: SslAcceptorBuilder, early_data: u32) -> Result<Self, ErrorStack> {
        let index = Ssl::new_ex_index()?;
        let labels = Arc::<Labels>::default();
        acceptor.set_options(SslOptions::NO_TICKET | SslOptions::NO_RENEGOTIATION);
        // Not only the application sets options, also the machine's configuration of OpenSSL does.
        acceptor.clear_options(SslOptions::from_bits_retain(NO_ANTI_REPLAY));
        acceptor.set_session_cache_mode(SslSessionCacheMode::SERVER);
        acceptor.set_max_early_data(early_data)?;
        acceptor.set_new_session_callback({
            let labels = Arc::clone(&labels);
            move |ssl, session| {
                if let Some(label) = label(ssl, index) {
                    lock(&labels).kept.insert(session.id().into(), Arc::new(label));
                }
            }
        });
        // Called under a lock of the context. That is no deadlock: nobody calls OpenSSL with the labels locked.
        acceptor.set_remove_session_callback({
            let labels = Arc::clone(&labels);
            move |_, session| lock(&labels).go(session.id())
        });
        // The one callback of every handshake in both versions. By its end TLS 1.3 has put a new session, with an id of its own,
        // in the place of the one that was resumed.
        acceptor.set_keylog_callback({
            let labels = Arc::clone(&labels);
            move |ssl, line| {
                if let (Some(noted), Some(session)) = (ssl.ex_data(index), ssl.session()) {
                    noted.resumes.get_or_init(|| lock(&labels).find(session.id()));
                    noted.took_early.fetch_or(line.starts_with(EARLY_DATA), Relaxed);
                }
            }
        });
        Ok(Self { context: acceptor.build().into_context(), index, labels })
    }

    /// A connection to come, for [`SslStream::new`](::openssl::ssl::SslStream::new) and `accept`. The handle is fresh: no other
    /// connection has it.
    ///
    /// # Errors
    /// OpenSSL's own.
    pub fn connection(&self, handle: Handle) -> Result<Ssl, ErrorStack> {
        let mut ssl = Ssl::new(&self.context)?;
        let noted = Noted { handle, resumes: OnceLock::new(), took_early: AtomicBool::new(false) };
        ssl.set_ex_data(self.index, Arc::new(noted));
        Ok(ssl)
    }

    /// The handle of the connection whose session this one resumes, as soon as the ClientHello is processed.
    pub fn recognised(&self, ssl: &SslRef) -> Option<Handle> {
        resumed(ssl, ssl.ex_data(self.index)?).map(|label| label.handle)
    }

    /// What the server knows of the connection, once the handshake is finished. Where TLS took early data, all that the client sends counts
    /// as that; [`facts_for`](Self::facts_for) tells the two apart.
    ///
    /// *The end point* is that of the certificate that the server shows; on a resumed connection only if the client holds the
    /// same one.
    ///
    /// # Errors
    /// [`FactsUnavailable`], before the end of the handshake above all.
    pub fn facts(&self, ssl: &SslRef) -> Result<ChannelFacts, FactsUnavailable> {
        let facts = self.noted(ssl, facts(ssl)?)?;
        Ok(if self.took_early(ssl) { facts.in_early_data() } else { facts })
    }

    /// Whether TLS took early data on this connection.
    pub(super) fn took_early(&self, ssl: &SslRef) -> bool {
        ssl.ex_data(self.index).is_some_and(|noted| noted.took_early.load(Relaxed))
    }

    /// These facts, and what was noted.
    pub(super) fn noted(&self, ssl: &SslRef, facts: ChannelFacts) -> Result<ChannelFacts, FactsUnavailable> {
        let noted = ssl.ex_data(self.index).ok_or(FactsUnavailable::Foreign)?;
        let label = resumed(ssl, noted);
        let mut facts = facts.tickets(Tickets::Stateful).handle(noted.handle);
        if let Some(name) = name(ssl, label)? {
            facts = facts.server_name(name);
        }
        if let Some(end_point) = client_holds(ssl, label) {
            facts = facts.end_point(end_point);
        }
        Ok(match label {
            Some(label) => facts.predecessor(label.handle),
            None => facts,
        })
    }
}

/// `SSL_OP_NO_ANTI_REPLAY`, which the crate has no name for: without it a context that takes early data resumes each session once.
const NO_ANTI_REPLAY: u64 = 1 << 24;

/// Logged when a server takes early data, and never otherwise.
const EARLY_DATA: &str = "CLIENT_EARLY_TRAFFIC_SECRET ";

/// The label of the session that the connection resumes.
fn resumed<'a>(ssl: &SslRef, noted: &'a Noted) -> Option<&'a Label> {
    noted.resumes.get()?.as_deref().filter(|_| ssl.session_reused())
}

/// The label for a new session of this connection.
fn label(ssl: &SslRef, index: Index<Ssl, Arc<Noted>>) -> Option<Label> {
    let noted = ssl.ex_data(index)?;
    let resumed = resumed(ssl, noted);
    let name = name(ssl, resumed).ok().flatten();
    Some(Label { handle: noted.handle, end_point: client_holds(ssl, resumed), name })
}

/// The name that the client sent. A TLS 1.2 session is for one name (RFC 6066 section 3), and OpenSSL tells no other on a
/// connection that resumes it.
fn name(ssl: &SslRef, resumed: Option<&Label>) -> Result<Option<ServerName>, FactsUnavailable> {
    match ssl.session_reused() && ssl.version2() == Some(SslVersion::TLS1_2) {
        true => Ok(resumed.and_then(|label| label.name.clone())),
        false => Ok(Some(name_sent(ssl)?)),
    }
}

/// tls-server-end-point of the certificate that the server shows, where the client holds that one.
fn client_holds(ssl: &SslRef, resumed: Option<&Label>) -> Option<EndPoint> {
    let shown = end_point(ssl.certificate()?);
    match ssl.session_reused() {
        true => shown.filter(|shown| resumed.is_some_and(|label| label.end_point.as_ref() == Some(shown))),
        false => shown,
    }
}

impl fmt::Debug for Recognition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recognition").field("sessions", &lock(&self.labels).kept.len()).finish_non_exhaustive()
    }
}
