//! The server: knows a returning client before its first octet of application data.

use std::sync::Arc;

use ::rustls::{ServerConfig, ServerConnection};

use super::label::Label;
use super::wrapped::{Noted, Wrapped};
use super::{FactsUnavailable, facts, facts_so_far, is_resumed};
use crate::channel::{ChannelFacts, Handle, ServerName, Tickets};

/// A server configuration whose sessions carry a handle from each connection to its successors.
///
/// Works alike for TLS 1.3 and 1.2, with sessions kept in the server ([`ServerConfig::session_storage`]) and in tickets
/// ([`ServerConfig::ticketer`]), whichever the configuration has. Sessions of the same storage or ticket keys that were made
/// without it do not resume. Not for QUIC.
///
/// Worth setting in the configuration: `send_half_rtt_data`, so that the greeting travels with the server's first flight;
/// `require_ems`, without which TLS 1.2 is unfit for reauthentication; and a session storage for more than rustls' 256 entries,
/// of which every TLS 1.3 handshake takes two.
#[derive(Clone, Debug)]
pub struct Recognition {
    base: Arc<ServerConfig>,
}

impl Recognition {
    /// Wraps a configuration, once for all connections.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self { base: config }
    }

    /// The configuration for one connection, and what watches it. The handle is fresh: no other connection has it.
    ///
    /// A configuration that serves a second connection makes the watch refuse to say anything more.
    pub fn connection(&self, handle: Handle) -> (Arc<ServerConfig>, Watch) {
        let mut config = ServerConfig::clone(&self.base);
        let wrapped = Arc::new(Wrapped::new(Arc::clone(&self.base), handle));
        config.session_storage = wrapped.clone();
        config.ticketer = wrapped.clone();
        config.cert_resolver = wrapped.clone();
        config.key_log = wrapped.clone();
        (Arc::new(config), Watch(wrapped))
    }
}

/// What is known of the one connection that was made with the configuration beside it.
#[derive(Debug)]
pub struct Watch(Arc<Wrapped>);

impl Watch {
    /// The handle of the connection that this one resumes, and only if TLS really resumes it.
    ///
    /// Known as soon as the ClientHello is processed, so in time for a greeting sent as half-RTT data. At that time the client
    /// has not finished the handshake: nothing may be done for it yet but to say that it was recognised.
    pub fn recognised(&self, connection: &ServerConnection) -> Option<Handle> {
        self.0.noted(|noted| resumed(connection, noted).map(|label| label.handle))
    }

    /// What the server knows of the connection, once the handshake is finished.
    ///
    /// Where early data was accepted, all that the client sends counts as early data: this can't know which of it is meant.
    /// [`facts_for`](Self::facts_for) does. `connection` is mutable only because rustls tells in no other way whether it was accepted.
    ///
    /// *Sessions* are [`Tickets::Stateless`] when the resumed session was, or may have been, in a ticket, or those to come may
    /// be: a TLS 1.2 session goes into the storage and into a ticket, under one master secret. *The end point* is that of the
    /// certificate served; on a resumed connection, which serves none, only if it is still the one that the client holds since
    /// the full handshake. After a certificate was replaced, a resumed connection has none.
    ///
    /// # Errors
    /// [`FactsUnavailable`], before the end of the handshake above all.
    pub fn facts(&self, connection: &mut ServerConnection) -> Result<ChannelFacts, FactsUnavailable> {
        let early_data = connection.early_data().is_some();
        let facts = self.finished(connection)?;
        Ok(if early_data { facts.in_early_data() } else { facts })
    }

    /// What is known once the handshake is finished, wherever the client's octets came from.
    pub(super) fn finished(&self, connection: &ServerConnection) -> Result<ChannelFacts, FactsUnavailable> {
        let facts = facts(connection, self.0.base().require_ems)?;
        self.0.noted(|noted| self.as_noted(facts, connection, noted))
    }

    /// What the server knows as soon as the ClientHello is processed, for a greeting sent as half-RTT data: all but the exporter,
    /// which is still to come. To be replaced by [`facts`](Self::facts) before anything is done for the client.
    ///
    /// # Errors
    /// [`FactsUnavailable`], before the ClientHello is processed above all.
    pub fn facts_at_greeting(&self, connection: &ServerConnection) -> Result<ChannelFacts, FactsUnavailable> {
        if connection.handshake_kind().is_none() {
            return Err(FactsUnavailable::Handshaking);
        }
        let facts = facts_so_far(connection, self.0.base().require_ems)?.exporter_to_come();
        self.0.noted(|noted| self.as_noted(facts, connection, noted))
    }

    fn as_noted(
        &self,
        facts: ChannelFacts,
        connection: &ServerConnection,
        noted: &Noted,
    ) -> Result<ChannelFacts, FactsUnavailable> {
        if noted.is_reused() {
            return Err(FactsUnavailable::ConfigurationReused);
        }
        let name = connection.server_name().map_or_else(|| Ok(ServerName::none()), ServerName::parse)?;
        let label = resumed(connection, noted);
        let mut facts = facts
            .tickets(match label {
                Some(Label { tickets: Tickets::Stateless, .. }) => Tickets::Stateless,
                _ => self.0.tickets(),
            })
            .server_name(name)
            .handle(self.0.handle());
        if let Some(label) = label {
            facts = facts.predecessor(label.handle);
        }
        if !facts.is_resumed() || label.is_some_and(|label| noted.is_served(label.certificate)) {
            if let Some(end_point) = noted.end_point() {
                facts = facts.end_point(end_point);
            }
        }
        Ok(facts)
    }
}

/// The label of the session that the connection resumes.
fn resumed<'a>(connection: &ServerConnection, noted: &'a Noted) -> Option<&'a Label> {
    noted.session().filter(|_| is_resumed(connection) && !noted.is_reused())
}
