//! The secret from which every TLS 1.3 exporter value follows (RFC 8446 section 7.5).

use core::fmt;

use ring::{digest, hkdf};

use super::{Exporter, ExporterUnavailable};
use crate::crypto::Secret;

/// The exporter_secret of a TLS 1.3 connection, `EXPORTER_SECRET` in a key log.
///
/// Whoever terminates TLS gives it to a server that is to compute exporter values itself. With it nobody can read or
/// alter the connection, but prove to be an end of it: it is as secret as a password. Zeroized when dropped, never
/// printed.
#[derive(Clone)]
pub struct ExporterSecret(Secret);

/// Not a length that a TLS 1.3 cipher suite's hash function gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a TLS 1.3 exporter secret has 32 octets (SHA-256) or 48 (SHA-384)")]
pub struct InvalidExporterSecret;

impl ExporterSecret {
    /// The secret of these octets: 32 where the cipher suite's hash function is SHA-256, 48 where it is SHA-384. There
    /// is no third.
    ///
    /// # Errors
    /// [`InvalidExporterSecret`] for any other length.
    pub fn new(octets: &[u8]) -> Result<Self, InvalidExporterSecret> {
        match octets.len() {
            32 | 48 => Secret::new(octets).map(Self).ok_or(InvalidExporterSecret),
            _ => Err(InvalidExporterSecret),
        }
    }

    /// The secret octets.
    #[cfg(feature = "proxy")]
    pub(crate) fn expose(&self) -> &[u8] {
        self.0.as_ref()
    }

    fn algorithms(&self) -> (hkdf::Algorithm, &'static digest::Algorithm) {
        match self.0.as_ref().len() {
            32 => (hkdf::HKDF_SHA256, &digest::SHA256),
            _ => (hkdf::HKDF_SHA384, &digest::SHA384),
        }
    }
}

impl Exporter for ExporterSecret {
    /// `HKDF-Expand-Label(Derive-Secret(exporter_secret, label, ""), "exporter", Hash(context), out.len())`
    fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), ExporterUnavailable> {
        let (hkdf, digest) = self.algorithms();
        let mut derived = Secret::zeroed(self.0.as_ref().len());
        let empty = digest::digest(digest, b"");
        expand_label(hkdf, self.0.as_ref(), label, empty.as_ref(), derived.as_mut())?;
        expand_label(hkdf, derived.as_ref(), b"exporter", digest::digest(digest, context).as_ref(), out)
    }
}

/// `HKDF-Expand-Label(secret, label, context, out.len())` of RFC 8446 section 7.1.
fn expand_label(
    algorithm: hkdf::Algorithm,
    secret: &[u8],
    label: &[u8],
    context: &[u8],
    out: &mut [u8],
) -> Result<(), ExporterUnavailable> {
    const PREFIX: &[u8] = b"tls13 ";
    struct Len(usize);
    impl hkdf::KeyType for Len {
        fn len(&self) -> usize {
            self.0
        }
    }
    let length = u16::try_from(out.len()).map_err(|_| ExporterUnavailable)?.to_be_bytes();
    let label_len = [u8::try_from(PREFIX.len() + label.len()).map_err(|_| ExporterUnavailable)?];
    let context_len = [u8::try_from(context.len()).map_err(|_| ExporterUnavailable)?];
    let info = [&length[..], &label_len, PREFIX, label, &context_len, context];
    let key = hkdf::Prk::new_less_safe(algorithm, secret);
    // It refuses more than 255 blocks.
    key.expand(&info, Len(out.len())).and_then(|okm| okm.fill(out)).map_err(|_| ExporterUnavailable)
}

impl fmt::Debug for ExporterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExporterSecret(redacted)")
    }
}
