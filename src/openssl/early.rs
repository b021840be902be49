//! TLS 1.3 early data (RFC 8446 section 2.3): what a server reads of it, and the exporter that binds it.

use std::io::{Read, Write};

use ::openssl::error::ErrorStack;
use ::openssl::ssl::{Error, ErrorCode, SslAcceptorBuilder, SslRef, SslStream};

use super::{FactsUnavailable, Recognition, facts, facts_so_far};
use crate::adapter::Input;
use crate::channel::{ChannelFacts, Exporter, ExporterUnavailable};

/// OpenSSL's own limit for what a server reads, which the crate can't raise (`SSL_CTX_set_recv_max_early_data`).
const MOST_EARLY: u32 = 16_384;

/// The TLS early exporter (RFC 8446 section 7.5), of a connection whose early data was sent or taken.
///
/// On any other connection OpenSSL exports from a secret of zeros, which everybody knows: never give this to
/// [`ChannelFacts::early_exporter`] there. [`Recognition::facts_for`] doesn't.
pub fn early_exporter(ssl: &SslRef) -> impl Exporter + use<'_> {
    move |label: &[u8], context: &[u8], out: &mut [u8]| {
        let label = core::str::from_utf8(label).map_err(|_| ExporterUnavailable)?;
        ssl.export_keying_material_early(out, label, context).map_err(|_| ExporterUnavailable)
    }
}

impl Recognition {
    /// The same as [`new`](Self::new) for a service that takes so many octets of early data on a connection, at most 16,384: more are not
    /// read by OpenSSL, which ends a connection that sends them.
    ///
    /// Sessions are stateful as ever, and each is resumed once: `SSL_OP_NO_ANTI_REPLAY` is taken away, wherever it was set. A cache of the
    /// application's own (`set_get_session_callback`) has to see to that itself.
    /// What else has to hold is [`Server::early_data`](crate::mechanism::Server::early_data)'s.
    ///
    /// # Errors
    /// OpenSSL's own.
    pub fn with_early_data(acceptor: SslAcceptorBuilder, octets: u32) -> Result<Self, ErrorStack> {
        Self::taking(acceptor, octets.min(MOST_EARLY))
    }

    /// Takes what has arrived; how many octets that was, 0 for none yet or for the end of the stream. It also brings the connection through
    /// its handshake. Until that is finished, `SslStream::write_early_data` is how to answer.
    ///
    /// How much may wait in the input is the caller's to limit.
    ///
    /// # Errors
    /// OpenSSL's own, but for those that ask for more octets.
    pub fn read<S: Read + Write>(&self, input: &mut Input, stream: &mut SslStream<S>) -> Result<usize, Error> {
        let ends = [ErrorCode::WANT_READ, ErrorCode::WANT_WRITE, ErrorCode::ZERO_RETURN];
        match read(input, stream) {
            Err(error) if ends.contains(&error.code()) => Ok(0),
            read => read,
        }
    }

    /// What the server knows of the connection, for the message at the front of `input`, so before that is consumed.
    ///
    /// While the handshake is not finished there is the early exporter alone, so the facts are good for a login in early data and
    /// nothing else; [`Connection::recognised`](crate::mechanism::Connection::recognised) waits for those after it.
    ///
    /// # Errors
    /// [`FactsUnavailable`], before the end of the handshake above all, where the message is no early data.
    pub fn facts_for(&self, input: &Input, ssl: &SslRef) -> Result<ChannelFacts, FactsUnavailable> {
        if !input.is_early() {
            return self.noted(ssl, facts(ssl)?);
        }
        let facts = match ssl.is_init_finished() {
            true => facts(ssl)?,
            false => facts_so_far(ssl)?.exporter_to_come(),
        };
        let facts = self.noted(ssl, facts)?.in_early_data();
        // Only where TLS says that it took early data is there a secret to export from.
        Ok(if self.took_early(ssl) { facts.early_exporter(&early_exporter(ssl))? } else { facts })
    }
}

fn read<S: Read + Write>(input: &mut Input, stream: &mut SslStream<S>) -> Result<usize, Error> {
    let mut buffer = [0; 4096];
    if !input.early_is_over {
        let count = stream.read_early_data(&mut buffer)?;
        input.octets.extend(buffer.iter().take(count));
        input.early += count;
        input.early_is_over = count == 0;
        if count > 0 {
            return Ok(count);
        }
    }
    if !stream.ssl().is_init_finished() {
        stream.accept()?;
    }
    let count = stream.ssl_read(&mut buffer)?;
    input.octets.extend(buffer.iter().take(count));
    Ok(count)
}
