//! The adapter for the `openssl` crate, over OpenSSL 3.0 or later.
//!
//! A server builds its context once, as a [`Recognition`], and makes every connection from it; a client keeps its TLS sessions in
//! [`Sessions`], by account. Both say after the handshake what is known of a connection, as [`ChannelFacts`].
//!
//! ```no_run
//! # use openssl::ssl::SslAcceptorBuilder;
//! # type Result = std::result::Result<(), Box<dyn std::error::Error>>;
//! # fn server(acceptor: SslAcceptorBuilder, socket: std::net::TcpStream, random: [u8; 16]) -> Result {
//! use fast_reauth::{channel::Handle, openssl::Recognition};
//!
//! let recognition = Recognition::new(acceptor)?;
//! // For every connection:
//! let mut stream = openssl::ssl::SslStream::new(recognition.connection(Handle::new(random))?, socket)?;
//! stream.accept()?;
//! let facts = recognition.facts(stream.ssl())?;
//! // … and at its end, whatever became of the client:
//! let _ = stream.shutdown();
//! # Ok(())
//! # }
//! ```
//!
//! *Sessions are stateful*, in both versions: the server's context keeps them, and a ticket is a name for one. A session of
//! OpenSSL has a place for a handle, but the crate has no safe way to it; so the handles are beside the context's cache, by
//! session id, and go when it lets a session go.
//!
//! *Set a session with one line of your own.* `SslRef::set_session` is unsafe in the crate, and this library has no unsafe code:
//! [`Sessions::connection`] gives the session to offer, and the application offers it.
//!
//! *Early data* is off. A server that takes it is made by [`Recognition::with_early_data`], reads with [`Recognition::read`], and asks for the facts by
//! [`Recognition::facts_for`]; they have the early exporter, so `-EXPR` serves there too. A client by this crate must not send any: neither the
//! crate nor `openssl-sys` has `SSL_get_early_data_status`, so it can't learn whether its login was taken, and one that was not has to be sent
//! once more. Renegotiation is off.

mod client;
mod early;
mod server;

use ::openssl::ssl::{NameType, SslRef, SslVersion};

use crate::channel::{ChannelFacts, EndPoint, Exporter, ExporterUnavailable, InvalidServerName, ServerName};

pub use crate::adapter::Input;
pub use crate::adapter::saved::InvalidSessions;
pub use client::Sessions;
pub use early::early_exporter;
pub use server::Recognition;

/// Why the facts of a connection can't be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactsUnavailable {
    /// Too early: the handshake is not finished.
    #[error("the handshake is not finished; ask again when it is")]
    Handshaking,
    /// The connection was made otherwise than by the value that was asked.
    #[error("a connection of another context; ask the one whose `connection` made it")]
    Foreign,
    /// A protocol version that can't carry fast reauthentication.
    #[error("neither TLS 1.2 nor TLS 1.3")]
    Version,
    /// The server name is not one.
    #[error(transparent)]
    ServerName(#[from] InvalidServerName),
    /// The TLS exporter failed.
    #[error(transparent)]
    Exporter(#[from] ExporterUnavailable),
}

/// The TLS exporter of a client's or server's connection, for the derivation of assertions.
pub fn exporter(ssl: &SslRef) -> impl Exporter + use<'_> {
    move |label: &[u8], context: &[u8], out: &mut [u8]| {
        let label = core::str::from_utf8(label).map_err(|_| ExporterUnavailable)?;
        // OpenSSL's server exports before it has verified the client's Finished message.
        if !ssl.is_init_finished() {
            return Err(ExporterUnavailable);
        }
        // The context is always present: TLS 1.2 tells an empty one from none.
        ssl.export_keying_material(out, label, Some(context)).map_err(|_| ExporterUnavailable)
    }
}

/// The facts that both ends read off a connection in the same way.
fn facts(ssl: &SslRef) -> Result<ChannelFacts, FactsUnavailable> {
    if !ssl.is_init_finished() {
        return Err(FactsUnavailable::Handshaking);
    }
    Ok(facts_so_far(ssl)?.exporter(&exporter(ssl))?)
}

/// Everything but the exporter.
fn facts_so_far(ssl: &SslRef) -> Result<ChannelFacts, FactsUnavailable> {
    let (facts, forward_secret) = match ssl.version2() {
        // Without a key of the peer it was psk_ke.
        Some(SslVersion::TLS1_3) => (ChannelFacts::tls13(), ssl.peer_tmp_key().is_ok()),
        Some(SslVersion::TLS1_2) => (tls12(ssl), is_ephemeral(ssl)),
        _ => return Err(FactsUnavailable::Version),
    };
    let facts = if forward_secret { facts } else { facts.without_forward_secrecy() };
    Ok(if ssl.session_reused() { facts.resumed() } else { facts })
}

fn tls12(ssl: &SslRef) -> ChannelFacts {
    // The first Finished message is the client's in a full handshake, and the server's in a resumed one.
    let mut finished = [0; 64];
    let len = match ssl.is_server() == ssl.session_reused() {
        true => ssl.finished(&mut finished),
        false => ssl.peer_finished(&mut finished),
    };
    ChannelFacts::tls12(ssl.extms_support() == Some(true)).unique(finished.get(..len).unwrap_or_default())
}

/// Whether the TLS 1.2 cipher suite has (EC)DHE, as its registered name says.
fn is_ephemeral(ssl: &SslRef) -> bool {
    let name = ssl.current_cipher().and_then(|cipher| cipher.standard_name());
    name.is_some_and(|name| name.starts_with("TLS_ECDHE_") || name.starts_with("TLS_DHE_"))
}

/// The server name in the ClientHello of this handshake.
fn name_sent(ssl: &SslRef) -> Result<ServerName, InvalidServerName> {
    match ssl.servername_raw(NameType::HOST_NAME) {
        Some(name) => ServerName::parse(core::str::from_utf8(name).map_err(|_| InvalidServerName)?),
        None => Ok(ServerName::none()),
    }
}

fn end_point(certificate: &::openssl::x509::X509Ref) -> Option<EndPoint> {
    EndPoint::from_certificate(&certificate.to_der().ok()?).ok()
}
