//! The adapter for the `rustls` crate, plain or under tokio-rustls.
//!
//! A server wraps its configuration once in a [`Recognition`] and makes every connection from a clone of it; a client keeps its
//! TLS sessions in [`Sessions`], by account. Both get a watch beside the configuration, which says after the handshake what is
//! known of that one connection, as [`ChannelFacts`].
//!
//! ```no_run
//! # fn server(base: std::sync::Arc<rustls::ServerConfig>, random: [u8; 16]) -> Result<(), Box<dyn std::error::Error>> {
//! use fast_reauth::{channel::Handle, rustls::Recognition};
//!
//! let recognition = Recognition::new(base);
//! // For every connection; the configuration goes to ServerConnection::new, TlsAcceptor::from or StartHandshake::into_stream.
//! let (config, watch) = recognition.connection(Handle::new(random));
//! let mut tls = rustls::ServerConnection::new(config)?;
//! // … once the ClientHello is processed (with half-RTT data the greeting can already say so):
//! let known = watch.recognised(&tls);
//! // … after the handshake:
//! let facts = watch.facts(&mut tls)?;
//! # Ok(())
//! # }
//! ```
//!
//! A greeting as half-RTT data is written once the ClientHello is processed: with plain rustls after the first
//! `process_new_packets`, under tokio-rustls in the callback of `LazyConfigAcceptor` and `StartHandshake::into_stream_with`. Under
//! TLS 1.2, or where the server asks for a client certificate, rustls holds it back until the handshake is finished.
//!
//! Early data is off, as it is in rustls. A server that accepts it reads with an [`Input`], which knows what came as early data, and asks
//! for the facts by [`Watch::facts_for`]; a client asks [`ClientWatch::early`] and sends with [`ClientWatch::send_early`].
//!
//! What a resumed session resumes differs by version. In TLS 1.3 it is the connection that sent the ticket. A TLS 1.2 session
//! that is resumed stays the session of its full handshake: same session id, same master secret, and a new ticket only if the
//! server likes. So under TLS 1.2 the client keeps the session, and the predecessor, of the full handshake: the one reading on
//! which the two ends agree whatever the server does.

mod client;
mod early;
mod label;
mod server;
mod view;
mod wrapped;

use core::ops::Deref;

use ::rustls::{CommonState, ConnectionCommon, HandshakeKind, ProtocolVersion};

use crate::channel::{ChannelFacts, Exporter, ExporterUnavailable, InvalidServerName};

pub use crate::adapter::Input;
pub use client::{ClientWatch, Sessions};
pub use server::{Recognition, Watch};

/// Why the facts of a connection can't be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactsUnavailable {
    /// Too early: the handshake is not finished.
    #[error("the handshake is not finished; ask again when it is")]
    Handshaking,
    /// A configuration made for one connection was used for several, so what was noted may belong to another of them.
    #[error("a configuration made for one connection was used for several; make one for each")]
    ConfigurationReused,
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
pub fn exporter<'a, C, Data>(connection: &'a C) -> impl Exporter + use<'a, C, Data>
where
    C: Deref<Target = ConnectionCommon<Data>>,
    Data: 'a,
{
    let connection: &'a ConnectionCommon<Data> = connection;
    // The context is always present: TLS 1.2 tells an empty one from none.
    move |label: &[u8], context: &[u8], out: &mut [u8]| {
        connection.export_keying_material(out, label, Some(context)).map(|_| ()).map_err(|_| ExporterUnavailable)
    }
}

/// The facts that both ends read off a connection in the same way.
fn facts<C, Data>(connection: &C, require_ems: bool) -> Result<ChannelFacts, FactsUnavailable>
where
    C: Deref<Target = ConnectionCommon<Data>>,
{
    if connection.is_handshaking() {
        return Err(FactsUnavailable::Handshaking);
    }
    Ok(facts_so_far(connection, require_ems)?.exporter(&exporter(connection))?)
}

/// What is known as soon as the ClientHello is processed: everything but the exporter.
fn facts_so_far(connection: &CommonState, require_ems: bool) -> Result<ChannelFacts, FactsUnavailable> {
    // Forward secrecy is given: rustls has neither psk_ke nor static RSA.
    let facts = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => ChannelFacts::tls13(),
        // rustls uses the extended master secret wherever the peer does, but does not tell: only its requirement is certain.
        Some(ProtocolVersion::TLSv1_2) => ChannelFacts::tls12(require_ems),
        _ => return Err(FactsUnavailable::Version),
    };
    Ok(if is_resumed(connection) { facts.resumed() } else { facts })
}

/// Whether TLS really resumed. A ticket that was offered, or even decrypted, may still have been refused.
fn is_resumed(connection: &CommonState) -> bool {
    connection.handshake_kind() == Some(HandshakeKind::Resumed)
}
