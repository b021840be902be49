//! TLS 1.3 early data (RFC 8446 section 2.3): what a client sends ahead of the handshake, and what a server reads of it.

use std::io::{self, Read, Write};
use std::sync::atomic::Ordering::Relaxed;

use ::rustls::{ClientConnection, ServerConnection};

use super::{ClientWatch, FactsUnavailable, Watch};
use crate::adapter::Input;
use crate::channel::{ChannelFacts, Tickets};
use crate::store::client::Predecessor;

impl ClientWatch {
    /// What the client knows of the connection while it can send early data, and whose session it offers.
    ///
    /// `None` where it can't: the configuration ([`enable_early_data`](::rustls::ClientConfig::enable_early_data)) or the session's ticket
    /// does not allow it, or there is no session, or the server has answered. rustls 0.23 has no early exporter, so only a mechanism
    /// without binding is fit for it.
    ///
    /// ```no_run
    /// # use fast_reauth::{Timestamp, rustls::ClientWatch, store::client::{Account, Accounts}};
    /// # type Result<T> = core::result::Result<T, Box<dyn std::error::Error>>;
    /// # fn flight(_: &[u8]) -> Vec<u8> { Vec::new() }
    /// # fn log_in(mut tls: rustls::ClientConnection, watch: &ClientWatch, accounts: &Accounts, account: &Account, now: Timestamp) -> Result<()> {
    /// let Some((facts, before)) = watch.early(&mut tls) else { return Ok(()) };
    /// let mut connection = accounts.connect(account, facts).resumes(Some(before));
    /// let Some(early) = connection.plan_early(now) else { return Ok(()) };
    /// // … store the account's assertions, as its counter went on, and then
    /// let sent = watch.send_early(&mut tls, &flight(early.message())); // false where it doesn't fit: it is sent below
    /// // … and once the handshake is finished:
    /// let (facts, taken) = (watch.facts(&tls)?, sent && watch.early_taken(&tls));
    /// let attempt = connection.handshake_finished(facts, early, taken);
    /// // … unless it was taken, send the flight of this attempt; settle it when the server has answered.
    /// # drop(attempt);
    /// # Ok(())
    /// # }
    /// ```
    pub fn early(&self, connection: &mut ClientConnection) -> Option<(ChannelFacts, Predecessor)> {
        if connection.handshake_kind().is_some() || connection.early_data().is_none() {
            return None;
        }
        let (offered, name) = (self.offered()?, self.server_name().ok()?);
        let facts = ChannelFacts::tls13().resumed().tickets(Tickets::Stateful).server_name(name);
        Some((facts.exporter_to_come().in_early_data(), offered))
    }

    /// Sends a flight as early data, the whole of it or nothing; whether it was sent.
    ///
    /// A flight cut in two could be taken by half. What was not sent, and when the handshake is finished what was not
    /// [taken](Self::early_taken), has to be sent once more.
    #[must_use = "a flight that was not sent has to be sent when the handshake is finished"]
    pub fn send_early(&self, connection: &mut ClientConnection, flight: &[u8]) -> bool {
        let Some(mut early) = connection.early_data() else { return false };
        let sent = early.bytes_left() >= flight.len() && early.write_all(flight).is_ok();
        self.sent_early.fetch_or(sent, Relaxed);
        sent
    }

    /// Whether the server took what [`send_early`](Self::send_early) sent, once the handshake is finished; false where that sent
    /// nothing.
    ///
    /// rustls' `is_early_data_accepted` is no answer: where the session's ticket allows early data and the server does too, it
    /// is true also if there was none, and who then waits for the answer to a login that was never sent waits for ever.
    pub fn early_taken(&self, connection: &ClientConnection) -> bool {
        self.sent_early.load(Relaxed) && connection.is_early_data_accepted()
    }
}

impl Input {
    /// Takes everything that has arrived, after each `process_new_packets`; how many octets that was, 0 for none yet.
    ///
    /// rustls bounds what arrives between two calls; how much may wait here is the caller's to limit.
    ///
    /// # Errors
    /// Those of rustls' reader, an end of the stream without close_notify above all.
    pub fn read(&mut self, connection: &mut ServerConnection) -> io::Result<usize> {
        let before = self.octets.len();
        if let Some(mut early) = connection.early_data() {
            self.early += early.read_to_end(&mut self.octets)?;
        }
        match connection.reader().read_to_end(&mut self.octets) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(self.octets.len() - before),
        }
    }
}

impl Watch {
    /// What the server knows of the connection, for the message at the front of `input`, so before that is consumed.
    ///
    /// While the handshake is not finished there is no exporter, so the facts are good for a login in early data and nothing
    /// else; [`Connection::recognised`](crate::mechanism::Connection::recognised) waits for those after it.
    ///
    /// # Errors
    /// [`FactsUnavailable`], before the end of the handshake above all, where the message is no early data.
    pub fn facts_for(&self, input: &Input, connection: &ServerConnection) -> Result<ChannelFacts, FactsUnavailable> {
        match (input.is_early(), connection.is_handshaking()) {
            (true, true) => Ok(self.facts_at_greeting(connection)?.in_early_data()),
            (true, false) => Ok(self.finished(connection)?.in_early_data()),
            (false, _) => self.finished(connection),
        }
    }
}
