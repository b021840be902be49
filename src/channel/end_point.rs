//! tls-server-end-point (RFC 5929 section 4): a hash of the server's certificate.

use core::fmt;

use crate::crypto::{Absorb, Hash, Secret, hash};

/// The hash of the server's certificate that tls-server-end-point names, 32 to 64 octets.
#[derive(Clone, PartialEq, Eq)]
pub struct EndPoint(Secret);

/// RFC 5929 gives this certificate no tls-server-end-point, or this library can't compute it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndPointUnavailable {
    /// Not a DER certificate.
    #[error("not a DER-encoded certificate")]
    NotACertificate,
    /// The signature algorithm uses no hash function, or several (Ed25519, say): RFC 5929 leaves the binding undefined.
    #[error("the certificate's signature algorithm has no single hash function, so the binding is undefined")]
    Undefined,
    /// The hash function is one that this library lacks (SHA-224, SHA-3).
    #[error("the certificate is signed with a hash function that this library lacks")]
    UnsupportedHash,
    /// Not a length that a hash function gives.
    #[error("a tls-server-end-point binding has 28 to 64 octets")]
    BadLength,
}

impl EndPoint {
    /// The binding of the certificate that the server shows, in DER.
    ///
    /// # Errors
    /// [`EndPointUnavailable`] when the octets are no certificate or RFC 5929 section 4.1 defines nothing for it.
    pub fn from_certificate(der: &[u8]) -> Result<Self, EndPointUnavailable> {
        let algorithm = signature_hash(der)?;
        Ok(Self(hash(algorithm, |context| context.absorb(der))))
    }

    /// A binding computed elsewhere, 28 to 64 octets.
    ///
    /// # Errors
    /// [`EndPointUnavailable::BadLength`] for any other length.
    pub fn from_octets(octets: &[u8]) -> Result<Self, EndPointUnavailable> {
        if octets.len() < 28 {
            return Err(EndPointUnavailable::BadLength);
        }
        Secret::new(octets).map(Self).ok_or(EndPointUnavailable::BadLength)
    }

    /// The octets of the binding.
    pub fn as_octets(&self) -> &[u8] {
        self.0.as_ref()
    }
}

impl fmt::Debug for EndPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EndPoint(redacted)")
    }
}

const SEQUENCE: u8 = 0x30;
const OID: u8 = 0x06;

/// One DER value, a tag of one octet and a definite, minimal length; what follows it stays in `input`.
fn read<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (&found, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let len = octets.iter().fold(0usize, |len, &octet| len << 8 | usize::from(octet));
            if len < 0x80 || octets[0] == 0 {
                return None;
            }
            (len, rest)
        }
        _ => return None,
    };
    if found != tag {
        return None;
    }
    let (value, rest) = rest.split_at_checked(len)?;
    *input = rest;
    Some(value)
}

/// The hash function for a certificate: that of its signature, with SHA-256 in place of MD5 and SHA-1 (RFC 5929 section 4.1).
fn signature_hash(der: &[u8]) -> Result<Hash, EndPointUnavailable> {
    let algorithm = algorithm_identifier(der).ok_or(EndPointUnavailable::NotACertificate)?;
    let mut rest = algorithm;
    let oid = read(&mut rest, OID).ok_or(EndPointUnavailable::NotACertificate)?;
    match oid {
        // pkcs-1 (RFC 8017): md5, sha1, sha224 and sha2 with RSA; PSS says its hash in its parameters
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, which] => match which {
            4 | 5 | 11 => Ok(Hash::Sha256),
            12 => Ok(Hash::Sha384),
            13 => Ok(Hash::Sha512),
            10 => pss_hash(rest),
            14 => Err(EndPointUnavailable::UnsupportedHash),
            _ => Err(EndPointUnavailable::Undefined),
        },
        // ecdsa-with-SHA1, ecdsa-with-SHA2 (RFC 5758)
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 2] => Ok(Hash::Sha256),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 3] => Ok(Hash::Sha384),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 4] => Ok(Hash::Sha512),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 1] => Err(EndPointUnavailable::UnsupportedHash),
        // dsa-with-sha1 (RFC 3279), dsa-with-sha256 (RFC 5758)
        [0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x03] => Ok(Hash::Sha256),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 2] => Ok(Hash::Sha256),
        // NIST's signatures with SHA-224 and SHA-3
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 1 | 5..=16] => Err(EndPointUnavailable::UnsupportedHash),
        _ => Err(EndPointUnavailable::Undefined),
    }
}

/// `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }`, with nothing behind it (RFC 5280 section 4.1).
fn algorithm_identifier(der: &[u8]) -> Option<&[u8]> {
    let mut input = der;
    let mut certificate = read(&mut input, SEQUENCE)?;
    if !input.is_empty() {
        return None;
    }
    read(&mut certificate, SEQUENCE)?;
    let algorithm = read(&mut certificate, SEQUENCE)?;
    const BIT_STRING: u8 = 0x03;
    read(&mut certificate, BIT_STRING)?;
    certificate.is_empty().then_some(algorithm)
}

/// RSASSA-PSS-params (RFC 8017 appendix A.2.3): the hash function, when the mask generation uses the same one.
fn pss_hash(parameters: &[u8]) -> Result<Hash, EndPointUnavailable> {
    let parse = || {
        let mut parameters = parameters;
        let mut fields = read(&mut parameters, SEQUENCE)?;
        let hash = match fields.first() {
            Some(0xa0) => {
                let mut explicit = read(&mut fields, 0xa0)?;
                let mut identifier = read(&mut explicit, SEQUENCE)?;
                read(&mut identifier, OID)?
            }
            _ => SHA1,
        };
        let mask = match fields.first() {
            Some(0xa1) => {
                let mut explicit = read(&mut fields, 0xa1)?;
                let mut mgf1 = read(&mut explicit, SEQUENCE)?;
                read(&mut mgf1, OID)?;
                let mut identifier = read(&mut mgf1, SEQUENCE)?;
                read(&mut identifier, OID)?
            }
            _ => SHA1,
        };
        Some((hash, mask))
    };
    let (hash, mask) = parse().ok_or(EndPointUnavailable::NotACertificate)?;
    if hash != mask {
        return Err(EndPointUnavailable::Undefined);
    }
    match hash {
        SHA1 | [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 1] => Ok(Hash::Sha256),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 2] => Ok(Hash::Sha384),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 3] => Ok(Hash::Sha512),
        _ => Err(EndPointUnavailable::UnsupportedHash),
    }
}

const SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
