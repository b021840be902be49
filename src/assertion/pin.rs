//! The mechanism that an assertion may be used with, and no other.

use core::fmt;

use crate::channel::{ChannelFacts, Unsuitable};
use crate::crypto::Hash;

/// The channel binding of an IKY mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Binding {
    /// `-EXPR`: tls-exporter (RFC 9266), unique to the connection.
    Exporter,
    /// `-ENDP`: tls-server-end-point (RFC 5929), shared by whoever holds the certificate.
    EndPoint,
    /// `-NONE`: no binding; whoever ends TLS in the client's sight can use a proof once.
    None,
}

impl Binding {
    const ALL: [Self; 3] = [Self::Exporter, Self::EndPoint, Self::None];

    /// What names of mechanisms end with.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Exporter => "EXPR",
            Self::EndPoint => "ENDP",
            Self::None => "NONE",
        }
    }

    /// The registered name of the binding type, for the gs2-header; `None` where there is no binding.
    pub const fn type_name(self) -> Option<&'static str> {
        match self {
            Self::Exporter => Some("tls-exporter"),
            Self::EndPoint => Some("tls-server-end-point"),
            Self::None => None,
        }
    }
}

/// An IKY mechanism: the one that an assertion is pinned to.
///
/// Specified by the draft in "Names and Properties".
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pin {
    hash: Hash,
    binding: Binding,
    signs: bool,
}

impl Pin {
    /// `IKY-SHA-256-EXPR`, the one to start with.
    pub const SHA_256_EXPR: Self = Self::mac(Hash::Sha256, Binding::Exporter);
    /// `IKY-SHA-256-ENDP`, for a server that knows its front end's certificate.
    pub const SHA_256_ENDP: Self = Self::mac(Hash::Sha256, Binding::EndPoint);
    /// `IKY-SHA-256-NONE`, for a server that sees nothing of TLS.
    pub const SHA_256_NONE: Self = Self::mac(Hash::Sha256, Binding::None);
    /// `IKY-ED25519-EXPR`: the server keeps a public key, so stolen records impersonate nobody, whatever else was seen.
    pub const ED25519_EXPR: Self = Self { hash: Hash::Sha256, binding: Binding::Exporter, signs: true };

    /// Every mechanism of the family, strongest binding first.
    pub const ALL: [Self; 10] = [
        Self::ED25519_EXPR,
        Self::mac(Hash::Sha512, Binding::Exporter),
        Self::mac(Hash::Sha384, Binding::Exporter),
        Self::SHA_256_EXPR,
        Self::mac(Hash::Sha512, Binding::EndPoint),
        Self::mac(Hash::Sha384, Binding::EndPoint),
        Self::SHA_256_ENDP,
        Self::mac(Hash::Sha512, Binding::None),
        Self::mac(Hash::Sha384, Binding::None),
        Self::SHA_256_NONE,
    ];

    /// `IKY-<hash>-<binding>`, whose proof is an HMAC.
    pub const fn mac(hash: Hash, binding: Binding) -> Self {
        Self { hash, binding, signs: false }
    }

    /// The mechanism of this name, in any case of letters (RFC 4422 section 3.1 has upper case; IMAP compares without).
    pub fn from_name(name: &str) -> Option<Self> {
        // By its parts, as it is asked at every attempt.
        let (family, rest) = name.split_once('-')?;
        let (proof, suffix) = rest.rsplit_once('-').filter(|_| family.eq_ignore_ascii_case("IKY"))?;
        let binding = Binding::ALL.into_iter().find(|binding| binding.suffix().eq_ignore_ascii_case(suffix))?;
        match Hash::from_name(proof) {
            Some(hash) => Some(Self::mac(hash, binding)),
            None => Some(Self::ED25519_EXPR).filter(|pin| pin.name().eq_ignore_ascii_case(name)),
        }
    }

    /// A bit of its own for each of [`ALL`](Self::ALL).
    pub(crate) const fn bit(self) -> u16 {
        if self.signs { 1 << 9 } else { 1 << (self.binding as u16 * 3 + self.hash as u16) }
    }

    /// The SASL mechanism name, 20 octets at most.
    pub const fn name(self) -> &'static str {
        match (self.signs, self.hash, self.binding) {
            (true, ..) => "IKY-ED25519-EXPR",
            (_, Hash::Sha256, Binding::Exporter) => "IKY-SHA-256-EXPR",
            (_, Hash::Sha384, Binding::Exporter) => "IKY-SHA-384-EXPR",
            (_, Hash::Sha512, Binding::Exporter) => "IKY-SHA-512-EXPR",
            (_, Hash::Sha256, Binding::EndPoint) => "IKY-SHA-256-ENDP",
            (_, Hash::Sha384, Binding::EndPoint) => "IKY-SHA-384-ENDP",
            (_, Hash::Sha512, Binding::EndPoint) => "IKY-SHA-512-ENDP",
            (_, Hash::Sha256, Binding::None) => "IKY-SHA-256-NONE",
            (_, Hash::Sha384, Binding::None) => "IKY-SHA-384-NONE",
            (_, Hash::Sha512, Binding::None) => "IKY-SHA-512-NONE",
        }
    }

    /// The hash function of its key schedule, transcript and responder signature.
    pub const fn hash(self) -> Hash {
        self.hash
    }

    /// Its channel binding.
    pub const fn binding(self) -> Binding {
        self.binding
    }

    /// Whether the proof is an Ed25519 signature (RFC 8032) rather than an HMAC.
    pub const fn signs(self) -> bool {
        self.signs
    }

    /// Length of a proof, in octets.
    pub const fn proof_len(self) -> usize {
        if self.signs { 64 } else { self.hash.output_len() }
    }

    /// Whether one proof could be used twice on its channel, so that a counter is needed.
    pub const fn needs_counter(self) -> bool {
        !matches!(self.binding, Binding::Exporter)
    }

    /// Whether this mechanism can be used over this channel.
    ///
    /// # Errors
    /// [`Unsuitable`] when the binding is not known, or the channel's keys may be shared with somebody else.
    pub fn check_channel(self, facts: &ChannelFacts) -> Result<(), Unsuitable> {
        match self.binding {
            Binding::Exporter if facts.is_early_data() => match facts.tls_early_exporter() {
                Some(_) => facts.keys_are_private(),
                None => Err(Unsuitable::NoExporter),
            },
            Binding::Exporter => facts.exporter_is_private(),
            Binding::EndPoint if facts.tls_server_end_point().is_none() => Err(Unsuitable::NoEndPoint),
            Binding::EndPoint | Binding::None => facts.keys_are_private(),
        }
    }

    /// Whether a server can list it before the handshake is finished (a half-RTT greeting), when its exporter is still to come.
    pub(crate) fn may_be_listed(self, facts: &ChannelFacts) -> bool {
        match self.check_channel(facts) {
            Ok(()) => true,
            // What is listed is good for what comes behind the early data, too.
            Err(Unsuitable::NoExporter) => {
                facts.keys_are_private().is_ok() && (facts.exporter_is_to_come() || facts.tls_exporter().is_some())
            }
            Err(_) => false,
        }
    }

    /// The channel binding data, once [`check_channel`](Self::check_channel) allowed it; empty for `-NONE`.
    pub(crate) fn binding_data(self, facts: &ChannelFacts) -> Option<&[u8]> {
        match self.binding {
            Binding::Exporter if facts.is_early_data() => facts.tls_early_exporter(),
            Binding::Exporter => facts.tls_exporter(),
            Binding::EndPoint => facts.tls_server_end_point(),
            Binding::None => Some(b""),
        }
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Pin;

    #[test]
    fn every_mechanism_has_a_bit_of_its_own() {
        let all = Pin::ALL.into_iter().fold(0, |all, pin| all | pin.bit());
        assert_eq!((all.count_ones() as usize, Pin::ALL.map(|pin| pin.bit().count_ones())), (Pin::ALL.len(), [1; 10]));
    }
}
