//! The adapter for servers behind a front end that terminates TLS, and forwards channel facts in a PROXY protocol v2
//! header.
//!
//! With them everything works as if TLS ended at the server. What the front end does not forward stays unknown, and
//! what would need it is refused: one that can't say which earlier connection was resumed gives no handle, so there is
//! no EXTERNAL and no `l=1`.
//!
//! Specified by the draft in "Forwarded Channel Facts".
//!
//! ```
//! # fn accepted(peer: std::net::SocketAddr, received: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! use fast_reauth::proxy::{Header, Peer, TrustedPeers};
//!
//! let peers = TrustedPeers::new(["192.0.2.10".parse()?, "2001:db8::/64".parse()?]).without_early_data();
//! // For every connection, before anything is sent:
//! let Peer::Trusted(front_end) = peers.peer(peer.ip()) else { return Err("not a front end".into()) };
//! match front_end.header(received)? {
//!     Header::NeedMore => { /* read on, for some seconds */ }
//!     Header::Local { .. } => { /* a health check: nobody logs in */ }
//!     Header::Forwarded { facts, len } => {
//!         let channel = facts.channel(); // for mechanism::Connection::new; `&*facts` is the exporter
//!         let client = &received[len..];
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The encoding
//!
//! The TLS version is in PP2_TYPE_SSL, which there must be, the server name in PP2_TYPE_AUTHORITY. The rest is in a TLV
//! of a type for applications, 0xE9 unless configured otherwise:
//!
//! ```text
//! version  1 octet: 1
//! flags    1 octet: 1 resumed, 2 early data, 4 the client sent a server name, 8 (EC)DHE,
//!          16 extended master secret, 32 sessions are kept in the front end (stateful); the others 0
//! items    each: type, length (1 octet each), value; in the order of their types
//!   1  exporter secret, 32 octets (SHA-256) or 48 (SHA-384)                   TLS 1.3 only
//!   2  TLS-Exporter("EXPORTER-Channel-Binding", "", 32)                       2, 3 and 4 together, and not with 1
//!   3  TLS-Exporter("EXPORTER-SASL-IKY-Lineage", "", 32)
//!   4  TLS-Exporter("EXPORTER-SASL-IKY-Renew", "", 32)
//!   5  handle in the resumption data of this connection, 16 octets
//!   6  handle that the resumed session brought back, 16 octets                with flag 1 only
//! ```
//!
//! [`tlv`] makes it. Front ends that can make texts only have the same TLV, or PP2_TYPE_UNIQUE_ID, for a text of at
//! most 128 octets:
//!
//! ```text
//! text = %s"iky1:r=" bit ",e=" bit ",n=" bit ",s=" *96(DIGIT / %x61-66)  ; 0, 64 or 96 digits
//! bit  = "0" / "1"
//! ```
//!
//! with what flags 1, 2 and 4 say, and the exporter secret in hexadecimal. For HAProxy (measured with 2.6):
//!
//! ```text
//! global
//!   tune.ssl.keylog on
//! frontend imaps
//!   mode tcp
//!   bind :993 ssl crt imap.pem ssl-min-ver TLSv1.3       # and no allow-0rtt
//!   unique-id-format iky1:r=%[ssl_fc_is_resumed],e=%[ssl_fc_has_early],n=%[ssl_fc_has_sni],s=%[ssl_fc_exporter_secret]
//!   default_backend imap
//! backend imap
//!   mode tcp
//!   server imap 192.0.2.20:143 send-proxy-v2 proxy-v2-options ssl,authority,ssl-cipher,unique-id
//! ```
//!
//! `e=0` says nothing, as HAProxy forgets early data at the end of the handshake: hence
//! [`TrustedPeers::without_early_data`], where there is no `allow-0rtt`.

mod facts;
mod header;
mod layout;
mod peers;

use crate::channel::InvalidServerName;

pub use facts::ForwardedFacts;
pub use header::{Header, MAX_HEADER};
pub use layout::tlv;
pub use peers::{InvalidPrefix, InvalidTlvType, Other, Peer, Prefix, Trusted, TrustedPeers};

/// Why a header of a trusted peer, or the lack of one, ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Something else was sent.
    #[error("a front end sent no PROXY protocol header")]
    Missing,
    /// Version 1, which has no room for facts.
    #[error("a PROXY protocol header of version 1; the front end has to send version 2")]
    Version1,
    /// More than [`MAX_HEADER`] octets.
    #[error("a PROXY protocol header of more than {MAX_HEADER} octets")]
    TooLong,
    /// Not what PROXY protocol v2 says.
    #[error("a malformed PROXY protocol header")]
    Malformed,
    /// For datagrams.
    #[error("a PROXY protocol header for datagrams")]
    NotAStream,
    /// The same type twice, of those that are relied upon.
    #[error("a PROXY protocol header with two TLVs of type {0:#04x}")]
    Duplicate(u8),
    /// The client's connection has no TLS, or the front end does not say; HAProxy does with `proxy-v2-options ssl`.
    #[error("the front end forwarded a connection that it did not say has TLS")]
    NotTls,
    /// The client's TLS version is not forwarded, or neither 1.2 nor 1.3.
    #[error("the front end forwarded a connection with neither TLS 1.2 nor TLS 1.3")]
    TlsVersion,
    /// More than the 128 octets that PROXY protocol v2 allows.
    #[error("a unique id of more than 128 octets")]
    UniqueIdTooLong,
    /// The forwarded server name is not one.
    #[error(transparent)]
    ServerName(#[from] InvalidServerName),
    /// The facts are not encoded as this version of the encoding says.
    #[error("forwarded facts in an encoding that is not known here")]
    Details,
    /// Facts that can't be true together: an exporter secret of another hash function than the cipher suite's, or a
    /// server name that was sent and is not there.
    #[error("forwarded facts that contradict each other")]
    Contradiction,
}

/// A peer that is no front end sent a PROXY protocol header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a PROXY protocol header from a peer that is not trusted to send one")]
pub struct ForgedHeader;
