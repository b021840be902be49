//! Renewal: a successor whose keys are chained to the present ones.

use core::fmt;

use super::Pin;
use crate::channel::ChannelFacts;
use crate::crypto::{Absorb, Secret, mac};

/// Where the fresh input of a renewal comes from: `r=` in the responder message.
#[derive(Clone, PartialEq, Eq)]
pub enum Renewal {
    /// From this connection's exporter: `TLS-Exporter("EXPORTER-SASL-IKY-Renew", "", 32)`; nothing but the word crosses the wire.
    Exporter,
    /// 32 random octets from the server, for a channel whose server has no exporter.
    Granted([u8; 32]),
}

impl Renewal {
    /// `seed' = HKDF-Extract(HMAC(ServerKey, lp("IKY renew") lp(H(T))), x)`.
    ///
    /// Chained through ServerKey and the transcript, so that a relayed proof can't be turned into a lasting assertion.
    /// `None` where `x` is the exporter's and there is none.
    pub(crate) fn seed(
        &self,
        pin: Pin,
        server_key: &Secret,
        transcript: &Secret,
        facts: &ChannelFacts,
    ) -> Option<Secret> {
        let salt = mac(pin.hash(), server_key.as_ref(), |context| {
            context.lp(b"IKY renew");
            context.lp(transcript.as_ref());
        });
        let x: &[u8] = match self {
            Self::Exporter => facts.renewal()?.as_ref(),
            Self::Granted(octets) => octets,
        };
        // HKDF-Extract is HMAC with the salt as its key (RFC 5869 section 2.2).
        Some(mac(pin.hash(), salt.as_ref(), |context| context.absorb(x)))
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        if let Self::Granted(octets) = self {
            zeroize::Zeroize::zeroize(octets);
        }
    }
}

impl fmt::Debug for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exporter => "Exporter",
            Self::Granted(_) => "Granted(redacted)",
        })
    }
}
