//! Who may forward facts.

use core::net::IpAddr;
use core::str::FromStr;

use super::ForgedHeader;
use super::header::begins_a_header;
use crate::channel::{EndPoint, ServerName};

/// The type of our own TLV unless configured otherwise; PROXY protocol v2 leaves 0xE0 to 0xEF to applications.
const TLV_TYPE: u8 = 0xE9;

/// The front ends of a server, by their addresses, and what its operator knows of all of them.
///
/// With several kinds of front ends there is one of these for each kind. The hop from there must be trusted as well: it
/// carries what logs clients in, unencrypted unless something below TCP encrypts it.
#[derive(Clone, Debug)]
pub struct TrustedPeers {
    prefixes: Vec<Prefix>,
    pub(super) tlv_type: u8,
    pub(super) end_point: Option<EndPoint>,
    pub(super) assumed_name: Option<ServerName>,
    pub(super) no_early_data: bool,
}

impl TrustedPeers {
    /// Peers with these addresses or prefixes, and nobody else.
    pub fn new(prefixes: impl IntoIterator<Item = Prefix>) -> Self {
        Self {
            prefixes: prefixes.into_iter().collect(),
            tlv_type: TLV_TYPE,
            end_point: None,
            assumed_name: None,
            no_early_data: false,
        }
    }

    /// The type of the TLV with our facts, where 0xE9 means something else to the front ends.
    ///
    /// # Errors
    /// [`InvalidTlvType`] outside 0xE0 to 0xEF, the types for applications.
    pub fn tlv_type(mut self, kind: u8) -> Result<Self, InvalidTlvType> {
        if !(0xE0..=0xEF).contains(&kind) {
            return Err(InvalidTlvType);
        }
        self.tlv_type = kind;
        Ok(self)
    }

    /// The tls-server-end-point of the one certificate that the front ends show. Nothing in a header says which it was,
    /// so where they have several, or have just replaced it, leave this out: a resumed connection goes on with the one
    /// before.
    #[must_use]
    pub fn certificate(mut self, end_point: EndPoint) -> Self {
        self.end_point = Some(end_point);
        self
    }

    /// The server name for connections of which the front end does not say whether the client sent one.
    #[must_use]
    pub fn assuming_server_name(mut self, name: ServerName) -> Self {
        self.assumed_name = Some(name);
        self
    }

    /// The front ends are configured to accept no TLS early data. Without this, a connection is taken for one with
    /// early data unless the front end says otherwise, and HAProxy can't say so.
    #[must_use]
    pub fn without_early_data(mut self) -> Self {
        self.no_early_data = true;
        self
    }

    /// What a TCP peer with this address is. The address is that of the socket, never one from a header.
    pub fn peer(&self, address: IpAddr) -> Peer<'_> {
        let address = address.to_canonical();
        if self.prefixes.iter().any(|prefix| prefix.contains(address)) {
            Peer::Trusted(Trusted(self))
        } else {
            Peer::Other(Other(()))
        }
    }
}

/// A peer, by the address of its socket.
#[derive(Clone, Copy, Debug)]
pub enum Peer<'p> {
    /// A front end. It must send a header, before anything else.
    Trusted(Trusted<'p>),
    /// Anybody else. A header from there is forged.
    Other(Other),
}

/// Shows that the peer's address was found among the [`TrustedPeers`]; there are no forwarded facts without it.
#[derive(Clone, Copy, Debug)]
pub struct Trusted<'p>(pub(super) &'p TrustedPeers);

/// Shows that it was not.
#[derive(Clone, Copy, Debug)]
pub struct Other(());

impl Other {
    /// Checks the first octets that this peer sent, where a server talks to such peers at all. To be called until there
    /// are 16.
    ///
    /// # Errors
    /// [`ForgedHeader`] when they are the start of a PROXY protocol header of version 1 or 2. The connection must be
    /// closed.
    pub fn refuse_header(&self, first: &[u8]) -> Result<(), ForgedHeader> {
        if begins_a_header(first) { Err(ForgedHeader) } else { Ok(()) }
    }
}

/// An address, or a prefix of addresses: `192.0.2.1`, `2001:db8::/64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    address: IpAddr,
    len: u8,
}

impl Prefix {
    fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(prefix), IpAddr::V4(address)) => {
                (u32::from(prefix) ^ u32::from(address)) & v4_mask(self.len) == 0
            }
            (IpAddr::V6(prefix), IpAddr::V6(address)) => {
                (u128::from(prefix) ^ u128::from(address)) & v6_mask(self.len) == 0
            }
            _ => false,
        }
    }

    fn has_host_bits(self) -> bool {
        match self.address {
            IpAddr::V4(address) => u32::from(address) & !v4_mask(self.len) != 0,
            IpAddr::V6(address) => u128::from(address) & !v6_mask(self.len) != 0,
        }
    }
}

fn v4_mask(len: u8) -> u32 {
    u32::MAX.checked_shl(32u32.saturating_sub(len.into())).unwrap_or(0)
}

fn v6_mask(len: u8) -> u128 {
    u128::MAX.checked_shl(128u32.saturating_sub(len.into())).unwrap_or(0)
}

impl From<IpAddr> for Prefix {
    fn from(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let len = if address.is_ipv4() { 32 } else { 128 };
        Self { address, len }
    }
}

impl FromStr for Prefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        let Some((address, len)) = text.split_once('/') else {
            return text.parse::<IpAddr>().map(Self::from).map_err(|_| InvalidPrefix);
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidPrefix)?;
        let digits = !len.is_empty() && len.bytes().all(|octet| octet.is_ascii_digit());
        let len = if digits { len.parse().map_err(|_| InvalidPrefix)? } else { 0 };
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = Self { address, len };
        // A peer with a mapped address counts as the IPv4 peer that it is, so a prefix of such addresses would match
        // nobody.
        let mapped = address.to_canonical() != address;
        // To trust everybody is to trust the clients themselves.
        if !(1..=longest).contains(&len) || mapped || prefix.has_host_bits() {
            return Err(InvalidPrefix);
        }
        Ok(prefix)
    }
}

/// Not an address or a prefix, or one of everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an address, or a prefix of 1 to 32 (IPv6: 128) bits with no bits set behind it")]
pub struct InvalidPrefix;

/// Not a type that PROXY protocol v2 leaves to applications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a TLV type for applications is 0xE0 to 0xEF")]
pub struct InvalidTlvType;
