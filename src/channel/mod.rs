//! Facts about one TLS connection, as plain values.
//!
//! Data enters the library here. An adapter (or the application) says what it knows of the connection; nothing of the TLS
//! stack is kept. What is not known stays `None`, and what needs it is then refused rather than guessed.

mod end_point;
mod exporter_secret;
mod facts;
mod lineage;
mod server_name;

pub use end_point::{EndPoint, EndPointUnavailable};
pub use exporter_secret::{ExporterSecret, InvalidExporterSecret};
pub use facts::{ChannelFacts, Exporter, ExporterUnavailable, Handshake, Tickets, TlsVersion, Unsuitable};
pub use lineage::{Handle, Lineage};
pub use server_name::{InvalidServerName, ServerName};
