//! The mechanism that a token may be used with, and no other.

use core::fmt;

use crate::channel::{ChannelFacts, TlsVersion, Unsuitable};
#[cfg(feature = "sha3")]
use crate::crypto;
use crate::crypto::{Absorb as _, Hash, MacKey, Secret};

/// The hash function of an HT mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TokenHash {
    /// SHA-256 (FIPS 180-4), 32 octets.
    Sha256,
    /// SHA-384, 48 octets.
    Sha384,
    /// SHA-512, 64 octets.
    Sha512,
    /// SHA3-256 (FIPS 202), 32 octets.
    #[cfg(feature = "sha3")]
    Sha3_256,
    /// SHA3-512 (FIPS 202), 64 octets.
    #[cfg(feature = "sha3")]
    Sha3_512,
}

impl TokenHash {
    /// In the order of their declaration.
    const ALL: &[Self] = &[
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        #[cfg(feature = "sha3")]
        Self::Sha3_256,
        #[cfg(feature = "sha3")]
        Self::Sha3_512,
    ];

    /// The one that names of mechanisms call so, in any case of letters and either spelling.
    fn from_name(name: &str) -> Option<Self> {
        match Hash::from_name(name) {
            Some(Hash::Sha256) => Some(Self::Sha256),
            Some(Hash::Sha384) => Some(Self::Sha384),
            Some(Hash::Sha512) => Some(Self::Sha512),
            #[cfg(feature = "sha3")]
            None if ["SHA3-256", "SHA-3-256"].iter().any(|known| known.eq_ignore_ascii_case(name)) => {
                Some(Self::Sha3_256)
            }
            #[cfg(feature = "sha3")]
            None if ["SHA3-512", "SHA-3-512"].iter().any(|known| known.eq_ignore_ascii_case(name)) => {
                Some(Self::Sha3_512)
            }
            None => None,
        }
    }

    /// Length of the output, in octets.
    pub const fn output_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
            #[cfg(feature = "sha3")]
            Self::Sha3_256 => 32,
            #[cfg(feature = "sha3")]
            Self::Sha3_512 => 64,
        }
    }
}

/// A token as the key of HMAC.
pub(crate) enum TokenKey {
    Sha2(MacKey),
    #[cfg(feature = "sha3")]
    Sha3_256(crypto::MacKey3<sha3::Sha3_256>),
    #[cfg(feature = "sha3")]
    Sha3_512(crypto::MacKey3<sha3::Sha3_512>),
}

impl TokenKey {
    pub(crate) fn new(hash: TokenHash, token: &[u8]) -> Self {
        match hash {
            TokenHash::Sha256 => Self::Sha2(MacKey::new(Hash::Sha256, token)),
            TokenHash::Sha384 => Self::Sha2(MacKey::new(Hash::Sha384, token)),
            TokenHash::Sha512 => Self::Sha2(MacKey::new(Hash::Sha512, token)),
            #[cfg(feature = "sha3")]
            TokenHash::Sha3_256 => Self::Sha3_256(crypto::MacKey3::new(token)),
            #[cfg(feature = "sha3")]
            TokenHash::Sha3_512 => Self::Sha3_512(crypto::MacKey3::new(token)),
        }
    }

    /// `HMAC(token, …)` over the concatenation of `parts` (RFC 2104).
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> Secret {
        match self {
            Self::Sha2(key) => key.mac(|context| parts.iter().for_each(|part| context.absorb(part))),
            #[cfg(feature = "sha3")]
            Self::Sha3_256(key) => key.mac(parts),
            #[cfg(feature = "sha3")]
            Self::Sha3_512(key) => key.mac(parts),
        }
    }
}

/// The channel binding of an HT mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenBinding {
    /// `-EXPR`: tls-exporter (RFC 9266), unique to the connection.
    Exporter,
    /// `-UNIQ`: tls-unique (RFC 5929 section 3), unique to the connection; TLS 1.2 with the extended master secret only.
    Unique,
    /// `-ENDP`: tls-server-end-point (RFC 5929 section 4), shared by whoever holds the certificate.
    EndPoint,
    /// `-NONE`: no binding.
    None,
}

impl TokenBinding {
    /// In the order of their declaration.
    const ALL: [Self; 4] = [Self::Exporter, Self::Unique, Self::EndPoint, Self::None];

    /// What names of mechanisms end with.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Exporter => "EXPR",
            Self::Unique => "UNIQ",
            Self::EndPoint => "ENDP",
            Self::None => "NONE",
        }
    }
}

/// Which of the two families a mechanism is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HtVersion {
    /// `HT-`: draft-schmaus-kitten-sasl-ht-09, what is deployed.
    Ht,
    /// `HT2-`: draft-ietf-kitten-sasl-ht-02, with authenticated key/value pairs.
    Ht2,
}

/// An HT or HT2 mechanism: the one that a token is pinned to.
///
/// A server that lets a token be used with another mechanism lets one that was issued for a bound mechanism be used without
/// binding (XEP-0484 section 3.4 forbids it).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HtMechanism {
    version: HtVersion,
    hash: TokenHash,
    binding: TokenBinding,
}

macro_rules! bindings {
    ($mechanism:expr, $prefix:literal) => {
        match $mechanism.binding {
            TokenBinding::Exporter => concat!($prefix, "-EXPR"),
            TokenBinding::Unique => concat!($prefix, "-UNIQ"),
            TokenBinding::EndPoint => concat!($prefix, "-ENDP"),
            TokenBinding::None => concat!($prefix, "-NONE"),
        }
    };
}

impl HtMechanism {
    /// `HT-SHA-256-EXPR`, the one to start with.
    pub const HT_SHA_256_EXPR: Self = Self::new(HtVersion::Ht, TokenHash::Sha256, TokenBinding::Exporter);
    /// `HT-SHA-256-UNIQ`, for TLS 1.2. It is the only binding of TLS 1.2 that is unique to the connection.
    pub const HT_SHA_256_UNIQ: Self = Self::new(HtVersion::Ht, TokenHash::Sha256, TokenBinding::Unique);
    /// `HT-SHA-256-ENDP`, for a server that knows its front end's certificate.
    pub const HT_SHA_256_ENDP: Self = Self::new(HtVersion::Ht, TokenHash::Sha256, TokenBinding::EndPoint);
    /// `HT-SHA-256-NONE`, for clients that see nothing of TLS, as in a browser.
    pub const HT_SHA_256_NONE: Self = Self::new(HtVersion::Ht, TokenHash::Sha256, TokenBinding::None);

    /// `HT[2]-<hash>-<binding>`.
    pub const fn new(version: HtVersion, hash: TokenHash, binding: TokenBinding) -> Self {
        Self { version, hash, binding }
    }

    /// Every mechanism of both families that this build knows, strongest binding first, HT2 before HT.
    pub fn all() -> impl Iterator<Item = Self> {
        let pairs =
            TokenBinding::ALL.into_iter().flat_map(|binding| [HtVersion::Ht2, HtVersion::Ht].map(|v| (v, binding)));
        pairs.flat_map(|(version, binding)| TokenHash::ALL.iter().map(move |&hash| Self::new(version, hash, binding)))
    }

    /// A number of its own within this build; [`from_number`](Self::from_number) has it back.
    pub(crate) const fn number(self) -> u8 {
        (self.version as u8) << 5 | (self.binding as u8) << 3 | self.hash as u8
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        let version = *[HtVersion::Ht, HtVersion::Ht2].get(usize::from(number >> 5))?;
        let binding = *TokenBinding::ALL.get(usize::from(number >> 3 & 3))?;
        Some(Self::new(version, *TokenHash::ALL.get(usize::from(number & 7))?, binding))
    }

    /// The mechanism of this name, in any case of letters and in either spelling of the SHA-3 names.
    pub fn from_name(name: &str) -> Option<Self> {
        // By its parts, as it is asked at every attempt.
        let (family, rest) = name.split_once('-')?;
        let (hash, suffix) = rest.rsplit_once('-')?;
        let version = match family {
            _ if family.eq_ignore_ascii_case("HT") => HtVersion::Ht,
            _ if family.eq_ignore_ascii_case("HT2") => HtVersion::Ht2,
            _ => return None,
        };
        let binding = TokenBinding::ALL.into_iter().find(|binding| binding.suffix().eq_ignore_ascii_case(suffix))?;
        Some(Self::new(version, TokenHash::from_name(hash)?, binding))
    }

    /// The SASL mechanism name, as the drafts spell it (`HT-SHA3-512-EXPR`).
    pub const fn name(self) -> &'static str {
        match (self.version, self.hash) {
            (HtVersion::Ht, TokenHash::Sha256) => bindings!(self, "HT-SHA-256"),
            (HtVersion::Ht, TokenHash::Sha384) => bindings!(self, "HT-SHA-384"),
            (HtVersion::Ht, TokenHash::Sha512) => bindings!(self, "HT-SHA-512"),
            #[cfg(feature = "sha3")]
            (HtVersion::Ht, TokenHash::Sha3_256) => bindings!(self, "HT-SHA3-256"),
            #[cfg(feature = "sha3")]
            (HtVersion::Ht, TokenHash::Sha3_512) => bindings!(self, "HT-SHA3-512"),
            (HtVersion::Ht2, TokenHash::Sha256) => bindings!(self, "HT2-SHA-256"),
            (HtVersion::Ht2, TokenHash::Sha384) => bindings!(self, "HT2-SHA-384"),
            (HtVersion::Ht2, TokenHash::Sha512) => bindings!(self, "HT2-SHA-512"),
            #[cfg(feature = "sha3")]
            (HtVersion::Ht2, TokenHash::Sha3_256) => bindings!(self, "HT2-SHA3-256"),
            #[cfg(feature = "sha3")]
            (HtVersion::Ht2, TokenHash::Sha3_512) => bindings!(self, "HT2-SHA3-512"),
        }
    }

    /// The name as some servers spell it (`HT-SHA-3-512-EXPR`); the same as [`name`](Self::name) but for SHA-3.
    pub const fn other_name(self) -> &'static str {
        match (self.version, self.hash) {
            #[cfg(feature = "sha3")]
            (HtVersion::Ht, TokenHash::Sha3_256) => bindings!(self, "HT-SHA-3-256"),
            #[cfg(feature = "sha3")]
            (HtVersion::Ht, TokenHash::Sha3_512) => bindings!(self, "HT-SHA-3-512"),
            #[cfg(feature = "sha3")]
            (HtVersion::Ht2, TokenHash::Sha3_256) => bindings!(self, "HT2-SHA-3-256"),
            #[cfg(feature = "sha3")]
            (HtVersion::Ht2, TokenHash::Sha3_512) => bindings!(self, "HT2-SHA-3-512"),
            _ => self.name(),
        }
    }

    /// The spelling of this mechanism that `name` is, for a client to send back as the server wrote it.
    pub fn spelling(self, name: &str) -> Option<&'static str> {
        [self.name(), self.other_name()].into_iter().find(|spelling| spelling.eq_ignore_ascii_case(name))
    }

    /// The family.
    pub const fn version(self) -> HtVersion {
        self.version
    }

    /// The hash function.
    pub const fn hash(self) -> TokenHash {
        self.hash
    }

    /// The channel binding.
    pub const fn binding(self) -> TokenBinding {
        self.binding
    }

    /// Whether one message could be used twice on its channel, so that XEP-0484's `count` is worth checking.
    pub const fn is_replayable(self) -> bool {
        matches!(self.binding, TokenBinding::EndPoint | TokenBinding::None)
    }

    /// Whether this mechanism can be used over this channel.
    ///
    /// The extended master secret is asked for whatever the binding is (draft-ietf-kitten-sasl-ht-02 section 6).
    ///
    /// # Errors
    /// [`Unsuitable`] when the binding is not known, or undefined for this version of TLS, or may be shared with somebody else.
    pub fn check_channel(self, facts: &ChannelFacts) -> Result<(), Unsuitable> {
        facts.handshake_is_private()?;
        match self.binding {
            TokenBinding::Exporter if facts.tls_exporter().is_none() => Err(Unsuitable::NoExporter),
            // RFC 8446 appendix C.5: TLS 1.3 has no tls-unique.
            TokenBinding::Unique if facts.version() != TlsVersion::Tls12 => Err(Unsuitable::NoUnique),
            TokenBinding::Unique if facts.tls_unique().is_none() => Err(Unsuitable::NoUnique),
            TokenBinding::EndPoint if facts.tls_server_end_point().is_none() => Err(Unsuitable::NoEndPoint),
            _ => Ok(()),
        }
    }

    /// Whether a server can list it before the handshake is finished, when its exporter is still to come.
    pub(crate) fn may_be_listed(self, facts: &ChannelFacts) -> bool {
        match self.check_channel(facts) {
            Ok(()) => true,
            Err(Unsuitable::NoExporter) => facts.exporter_is_to_come(),
            Err(_) => false,
        }
    }

    /// The channel binding data, once [`check_channel`](Self::check_channel) allowed it; empty for `-NONE`.
    pub(crate) fn binding_data(self, facts: &ChannelFacts) -> Option<&[u8]> {
        match self.binding {
            TokenBinding::Exporter => facts.tls_exporter(),
            TokenBinding::Unique => facts.tls_unique(),
            TokenBinding::EndPoint => facts.tls_server_end_point(),
            TokenBinding::None => Some(b""),
        }
    }
}

impl fmt::Display for HtMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for HtMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HtMechanism({})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::HtMechanism;

    #[test]
    fn a_number_is_one_mechanisms_and_others_are_none() {
        for mechanism in HtMechanism::all() {
            assert_eq!(HtMechanism::from_number(mechanism.number()), Some(mechanism));
        }
        assert_eq!((0..=u8::MAX).filter_map(HtMechanism::from_number).count(), HtMechanism::all().count());
    }
}
