//! The messages of HT and HT2, and what is authenticated in them.

use super::Pairs;
use crate::assertion::{HtMechanism, HtVersion, TokenKey, valid_login_name};
use crate::crypto::Secret;
use crate::mechanism::{Outcome, ServerMessage};

/// What a message can't be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// An octet NUL is missing.
    #[error("a field is missing")]
    Fields,
    /// Not 1 to 255 octets of UTF-8.
    #[error("an authcid has 1 to 255 octets of UTF-8")]
    Authcid,
    /// Not as long as the mechanism's hash.
    #[error("the hashed token is not as long as the mechanism's hash")]
    HashedToken,
    /// HT2's key/value pairs.
    #[error(transparent)]
    Pairs(#[from] super::InvalidPairs),
    /// A responder message of HT2 starts with 0 or 1.
    #[error("the status octet is neither 0 nor 1")]
    Status,
}

/// Who speaks, in the hashed token.
const INITIATOR: &[u8] = b"Initiator";
const RESPONDER: &[u8] = b"Responder";

/// `HMAC(token, "Initiator" || cb-data || pairs)`.
pub(super) fn initiator_hash(token: &TokenKey, binding: &[u8], pairs: &Pairs) -> Secret {
    token.mac(&[INITIATOR, binding, pairs.as_str().as_bytes()])
}

/// `HMAC(token, "Responder" || cb-data || pairs)`.
pub(super) fn responder_hash(token: &TokenKey, binding: &[u8], pairs: &Pairs) -> Secret {
    token.mac(&[RESPONDER, binding, pairs.as_str().as_bytes()])
}

/// The client's message, parsed.
#[derive(Debug)]
pub(super) struct InitiatorMessage<'m> {
    pub(super) authcid: &'m str,
    pub(super) pairs: Pairs,
    pub(super) hashed_token: Secret,
}

impl<'m> InitiatorMessage<'m> {
    pub(super) fn parse(mechanism: HtMechanism, message: &'m [u8]) -> Result<Self, Malformed> {
        let (authcid, rest) = split_at_nul(message).ok_or(Malformed::Fields)?;
        let authcid = core::str::from_utf8(authcid).map_err(|_| Malformed::Authcid)?;
        if authcid.is_empty() || !valid_login_name(authcid) {
            return Err(Malformed::Authcid);
        }
        let (pairs, hashed_token) = body(mechanism, rest)?;
        Ok(Self { authcid, pairs, hashed_token })
    }

    pub(super) fn write(mechanism: HtMechanism, authcid: &str, pairs: &Pairs, hashed_token: &Secret) -> Vec<u8> {
        let mut message = [authcid.as_bytes(), b"\0"].concat();
        if mechanism.version() == HtVersion::Ht2 {
            message.extend_from_slice(pairs.as_str().as_bytes());
            message.push(0);
        }
        message.extend_from_slice(hashed_token.as_ref());
        message
    }
}

/// The server's message, parsed.
#[derive(Debug)]
pub(super) enum ResponderMessage {
    Success { pairs: Pairs, hashed_token: Secret },
    Failure,
}

impl ResponderMessage {
    pub(super) fn parse(mechanism: HtMechanism, message: &[u8]) -> Result<Self, Malformed> {
        let rest = match (mechanism.version(), message.split_first()) {
            (HtVersion::Ht, _) => message,
            (HtVersion::Ht2, Some((0, rest))) => rest,
            // The reason is anybody's word: nothing in it is authenticated.
            (HtVersion::Ht2, Some((1, _))) => return Ok(Self::Failure),
            (HtVersion::Ht2, _) => return Err(Malformed::Status),
        };
        let (pairs, hashed_token) = body(mechanism, rest)?;
        Ok(Self::Success { pairs, hashed_token })
    }

    pub(super) fn success(mechanism: HtMechanism, pairs: &Pairs, hashed_token: &Secret) -> ServerMessage {
        let mut message = ServerMessage::new();
        if mechanism.version() == HtVersion::Ht2 {
            [b"\0", pairs.as_str().as_bytes(), b"\0"].into_iter().for_each(|part| message.push(part));
        }
        message.push(hashed_token.as_ref());
        message
    }
}

/// HT2's failure message, for a protocol that carries data with a failure; SASL2 does not, and HT has none.
///
/// An unknown user and a wrong token read alike.
pub fn failure(outcome: Outcome) -> Vec<u8> {
    let reason = match outcome {
        Outcome::Malformed | Outcome::Unavailable => "other-error",
        _ => "invalid-token",
    };
    [b"\x01", reason.as_bytes()].concat()
}

/// What both messages end with: the pairs, in HT2, and the hashed token.
fn body(mechanism: HtMechanism, rest: &[u8]) -> Result<(Pairs, Secret), Malformed> {
    let (pairs, hashed_token) = match mechanism.version() {
        HtVersion::Ht => (Pairs::none(), rest),
        HtVersion::Ht2 => {
            let (pairs, rest) = split_at_nul(rest).ok_or(Malformed::Fields)?;
            (Pairs::parse(pairs)?, rest)
        }
    };
    if hashed_token.len() != mechanism.hash().output_len() {
        return Err(Malformed::HashedToken);
    }
    Ok((pairs, Secret::new(hashed_token).ok_or(Malformed::HashedToken)?))
}

fn split_at_nul(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = octets.iter().position(|&octet| octet == 0)?;
    Some((&octets[..at], &octets[at + 1..]))
}
