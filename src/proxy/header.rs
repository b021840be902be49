//! From the octets of a header to what it says.

use core::net::SocketAddr;

use proxy_header::{ParseConfig, Protocol, ProxyHeader, SslInfo, Tlv};

use super::facts::ForwardedFacts;
use super::layout::{self, Details};
use super::{HeaderError, Trusted};
use crate::channel::{ServerName, TlsVersion};

/// The signature of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family, length.
const FIXED: usize = 16;

/// Longest header, in octets; what HAProxy sends has less than 1,000, unless it forwards a long name of a client's
/// certificate.
pub const MAX_HEADER: usize = 4096;

/// PROXY protocol v2's limit for a unique id.
const MAX_UNIQUE_ID: usize = 128;

/// What a trusted peer sent so far.
#[derive(Clone, Debug)]
pub enum Header {
    /// Not yet a whole header. It needs more octets; at the end of the connection, or of the server's patience, there
    /// is none.
    NeedMore,
    /// The front end itself, to see whether the server is there: nobody logs in on this connection.
    Local {
        /// The octets of the header.
        len: usize,
    },
    /// A client's connection.
    Forwarded {
        /// The facts about its TLS.
        facts: Box<ForwardedFacts>,
        /// The octets of the header. What follows them is the client's, a second header too.
        len: usize,
    },
}

impl Trusted<'_> {
    /// Reads the header with which every connection from a front end starts. The octets hold secrets: clear them after
    /// use.
    ///
    /// # Errors
    /// [`HeaderError`] if there is none, or none to be relied upon. The connection must be closed.
    pub fn header(&self, received: &[u8]) -> Result<Header, HeaderError> {
        if received.starts_with(b"PROXY ") {
            return Err(HeaderError::Version1);
        }
        if !agrees(received, SIGNATURE) && !agrees(received, b"PROXY ") {
            return Err(HeaderError::Missing);
        }
        let Some(&[.., command, _, high, low]) = received.first_chunk::<FIXED>() else {
            return Ok(Header::NeedMore);
        };
        let len = FIXED + usize::from(u16::from_be_bytes([high, low]));
        if len > MAX_HEADER {
            return Err(HeaderError::TooLong);
        }
        // Only now, so that one that can't be right is refused at once.
        let Some(octets) = received.get(..len) else {
            return Ok(Header::NeedMore);
        };
        let config = ParseConfig { include_tlvs: true, allow_v1: false, allow_v2: true };
        let (header, _) = ProxyHeader::parse(octets, config).map_err(|_| HeaderError::Malformed)?;
        if command == 0x20 {
            return Ok(Header::Local { len });
        }
        let source = match header.proxied_address() {
            Some(address) if address.protocol != Protocol::Stream => return Err(HeaderError::NotAStream),
            address => address.map(|address| address.source),
        };
        let found = Found::in_tlvs(&header, self.0.tlv_type)?;
        Ok(Header::Forwarded { facts: Box::new(found.into_facts(*self, source)?), len })
    }
}

/// Whether one of the two is the start of the other.
fn agrees(received: &[u8], expected: &[u8]) -> bool {
    received.iter().zip(expected).all(|(a, b)| a == b)
}

/// Whether these octets are a header, or the first part of one that leaves no doubt.
pub(super) fn begins_a_header(first: &[u8]) -> bool {
    first.starts_with(b"PROXY ") || (first.len() >= 5 && agrees(first, SIGNATURE))
}

/// What there is at most one of.
#[derive(Default)]
struct Found {
    tls: Option<Tls>,
    authority: Option<ServerName>,
    details: Option<Details>,
}

struct Tls {
    version: TlsVersion,
    /// Where the front end says.
    cipher: Option<Box<str>>,
}

impl Found {
    fn in_tlvs(header: &ProxyHeader<'_>, own: u8) -> Result<Self, HeaderError> {
        let mut found = Self::default();
        let mut seen = Seen::default();
        for tlv in header.tlvs() {
            let tlv = tlv.map_err(|_| HeaderError::Malformed)?;
            match &tlv {
                Tlv::Authority(name) => {
                    seen.once(tlv.kind())?;
                    if name.is_empty() {
                        return Err(HeaderError::Details);
                    }
                    found.authority = Some(ServerName::parse(name)?);
                }
                Tlv::UniqueId(id) => {
                    seen.once(tlv.kind())?;
                    if id.len() > MAX_UNIQUE_ID {
                        return Err(HeaderError::UniqueIdTooLong);
                    }
                    // A unique id is there for other purposes too.
                    if layout::is_text(id) {
                        found.add(layout::parse_text(id)?)?;
                    }
                }
                Tlv::Ssl(ssl) => {
                    seen.once(tlv.kind())?;
                    found.tls = Some(tls(ssl)?);
                }
                Tlv::Custom(kind, value) if *kind == own => {
                    seen.once(*kind)?;
                    found.add(layout::parse(value)?)?;
                }
                _ => {}
            }
        }
        Ok(found)
    }

    fn add(&mut self, details: Details) -> Result<(), HeaderError> {
        match self.details.replace(details) {
            None => Ok(()),
            Some(_) => Err(HeaderError::Contradiction),
        }
    }

    /// Puts together what belongs together.
    fn into_facts(self, trusted: Trusted<'_>, source: Option<SocketAddr>) -> Result<ForwardedFacts, HeaderError> {
        let Tls { version, cipher } = self.tls.ok_or(HeaderError::NotTls)?;
        let mut name = self.authority;
        let mut forward_secret = version == TlsVersion::Tls13;
        if let Some(details) = &self.details {
            match (&name, details.name_sent) {
                (Some(_), true) => {}
                (None, false) => name = Some(ServerName::none()),
                _ => return Err(HeaderError::Contradiction),
            }
            if let Some(said) = details.forward_secret {
                forward_secret = said;
            }
            let hash_len = details.secret_len();
            let fits = match (version, cipher.as_deref()) {
                (TlsVersion::Tls12, _) => hash_len.is_none(),
                (TlsVersion::Tls13, Some(cipher)) if cipher.ends_with("_SHA384") => {
                    hash_len.is_none_or(|len| len == 48)
                }
                (TlsVersion::Tls13, Some(cipher)) if cipher.ends_with("_SHA256") => {
                    hash_len.is_none_or(|len| len == 32)
                }
                (TlsVersion::Tls13, Some(_)) => false,
                (TlsVersion::Tls13, None) => true,
            };
            if !fits {
                return Err(HeaderError::Contradiction);
            }
        }
        Ok(ForwardedFacts::new(trusted.0, source, version, forward_secret, name, self.details))
    }
}

/// The version, which every front end that forwards facts has to tell, and the cipher suite.
fn tls(ssl: &SslInfo<'_>) -> Result<Tls, HeaderError> {
    if !ssl.client_ssl() {
        return Err(HeaderError::NotTls);
    }
    let (mut version, mut cipher, mut seen) = (None, None, Seen::default());
    for tlv in ssl.tlvs() {
        let tlv = tlv.map_err(|_| HeaderError::Malformed)?;
        match &tlv {
            Tlv::SslVersion(name) => {
                seen.once(tlv.kind())?;
                version = Some(match &**name {
                    "TLSv1.3" => TlsVersion::Tls13,
                    "TLSv1.2" => TlsVersion::Tls12,
                    _ => return Err(HeaderError::TlsVersion),
                });
            }
            Tlv::SslCipher(name) => {
                seen.once(tlv.kind())?;
                cipher = Some(Box::from(&**name));
            }
            _ => {}
        }
    }
    Ok(Tls { version: version.ok_or(HeaderError::TlsVersion)?, cipher })
}

/// The types that were there.
#[derive(Default)]
struct Seen([u128; 2]);

impl Seen {
    fn once(&mut self, kind: u8) -> Result<(), HeaderError> {
        let (half, bit) = (usize::from(kind >> 7), 1u128 << (kind & 0x7f));
        if self.0[half] & bit != 0 {
            return Err(HeaderError::Duplicate(kind));
        }
        self.0[half] |= bit;
        Ok(())
    }
}
