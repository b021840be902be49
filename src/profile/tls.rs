//! The edge between plain text and TLS.

use bytes::BytesMut;

/// The peer, or somebody between, sent plain text behind STARTTLS. Close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("peer misbehaved: {octets} octets of plain text came behind STARTTLS; whoever sent them is not authenticated")]
pub struct InjectedPlaintext {
    /// How many octets were found, and thrown away.
    pub octets: usize,
}

/// Call it with the plain-text input buffer when the TLS handshake starts: what was read ahead is never carried over.
///
/// Octets that arrived before TLS and are parsed after it are the STARTTLS injection (CVE-2011-0411, CVE-2021-33515).
/// The client makes no [`Offer`](super::Offer) from what it heard in plain text, and asks again inside TLS (RFC 9051
/// section 6.2.1, RFC 3207 section 4.2, RFC 6120 section 5.4.3.3).
///
/// # Errors
/// [`InjectedPlaintext`] when there were any octets; the buffer is empty afterwards in either case.
pub fn start_tls(plaintext: &mut BytesMut) -> Result<(), InjectedPlaintext> {
    let octets = plaintext.len();
    plaintext.clear();
    if octets == 0 { Ok(()) } else { Err(InjectedPlaintext { octets }) }
}
