//! What a front end said, as the facts of a channel.

use core::fmt;
use core::net::SocketAddr;

use super::TrustedPeers;
use super::layout::{Details, Exported};
use crate::channel::{ChannelFacts, EndPoint, Exporter, ExporterUnavailable, ServerName, TlsVersion};

/// What a trusted front end forwarded of one client's TLS connection.
///
/// It is the connection's exporter too, as far as it goes: with the exporter secret for everything, with values only
/// for these.
#[derive(Clone)]
pub struct ForwardedFacts {
    source: Option<SocketAddr>,
    version: TlsVersion,
    forward_secret: bool,
    name: Option<ServerName>,
    assumed_name: Option<ServerName>,
    end_point: Option<EndPoint>,
    no_early_data: bool,
    details: Option<Details>,
}

impl ForwardedFacts {
    pub(super) fn new(
        peers: &TrustedPeers,
        source: Option<SocketAddr>,
        version: TlsVersion,
        forward_secret: bool,
        name: Option<ServerName>,
        details: Option<Details>,
    ) -> Self {
        Self {
            source,
            version,
            forward_secret,
            name,
            assumed_name: peers.assumed_name.clone(),
            end_point: peers.end_point.clone(),
            no_early_data: peers.no_early_data,
            details,
        }
    }

    /// The client's address, where it has one.
    pub fn source(&self) -> Option<SocketAddr> {
        self.source
    }

    /// The facts for [`Connection::new`](crate::mechanism::Connection::new); what was not forwarded stays unknown
    /// there.
    pub fn channel(&self) -> ChannelFacts {
        let details = self.details.as_ref();
        let mut facts = match self.version {
            TlsVersion::Tls13 => ChannelFacts::tls13(),
            TlsVersion::Tls12 => ChannelFacts::tls12(details.is_some_and(|details| details.extended_master_secret)),
        };
        if !self.forward_secret {
            facts = facts.without_forward_secrecy();
        }
        if let Some(name) = &self.name {
            facts = facts.server_name(name.clone());
        } else if let Some(name) = &self.assumed_name {
            facts = facts.assumed_server_name(name.clone());
        }
        if let Some(end_point) = &self.end_point {
            facts = facts.end_point(end_point.clone());
        }
        // If nobody says that there is none, there may be some.
        if details.and_then(|details| details.early_data).unwrap_or(!self.no_early_data) {
            facts = facts.in_early_data();
        }
        let Some(details) = details else { return facts };
        facts = facts.tickets(details.tickets);
        if details.resumed {
            facts = facts.resumed();
        }
        if let Some(handle) = details.handle {
            facts = facts.handle(handle);
        }
        if let Some(handle) = details.predecessor {
            facts = facts.predecessor(handle);
        }
        facts.clone().exporter(self).unwrap_or(facts)
    }
}

impl Exporter for ForwardedFacts {
    fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), ExporterUnavailable> {
        let exporter = self.details.as_ref().map(|details| &details.exporter);
        let value = match exporter {
            None | Some(Exported::Nothing) => return Err(ExporterUnavailable),
            Some(Exported::Secret(secret)) => return secret.export(label, context, out),
            Some(Exported::Values { tls_exporter, lineage, renewal }) => match label {
                b"EXPORTER-Channel-Binding" => tls_exporter,
                b"EXPORTER-SASL-IKY-Lineage" => lineage,
                b"EXPORTER-SASL-IKY-Renew" => renewal,
                _ => return Err(ExporterUnavailable),
            },
        };
        if !context.is_empty() || out.len() != value.as_ref().len() {
            return Err(ExporterUnavailable);
        }
        out.copy_from_slice(value.as_ref());
        Ok(())
    }
}

impl fmt::Debug for ForwardedFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardedFacts").field("source", &self.source).field("channel", &self.channel()).finish()
    }
}
