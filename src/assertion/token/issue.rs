//! How a server makes tokens: from its key and a salt, so that its store holds no secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::{HtMechanism, Salt, ServiceKeys, Token, TokenId, TokenKey, TokenSlot};
use crate::channel::Unsuitable;
use crate::crypto::{Absorb, MacKey};
use crate::time::Timestamp;

/// A client's request for a token (XEP-0484 section 3.2), as it logs in fully.
#[derive(Clone, Copy)]
pub struct TokenRequest<'a> {
    /// The mechanism that it is to be used with.
    pub mechanism: HtMechanism,
    /// The name that the client will authenticate under: the authcid of its full login, 1 to 255 octets.
    ///
    /// HT carries no authzid: ask for no token where the client acts as somebody else. A service has each authcid once under a server
    /// name; a host with several domains under one name takes the bare JID here and in messages.
    pub authcid: &'a str,
    /// Which installation of the client it is: the `id` of SASL2's `<user-agent/>`, 1 to 255 octets.
    pub client: &'a str,
    /// 32 fresh octets from a cryptographically secure random number generator.
    pub random: [u8; Salt::LEN],
}

/// A token to send to the client, with the success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The token.
    pub token: Token,
    /// The mechanism that it is for.
    pub mechanism: HtMechanism,
    /// When it ends.
    pub expires: Timestamp,
}

/// Why a login makes no token. The login itself stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotIssue {
    /// The server issues none for this mechanism, or not on this channel: only what it lists can be asked for.
    #[error("the mechanism is not among those listed here")]
    NotListed,
    /// The policy refuses tokens from such a login: whoever relayed it would have the token too.
    #[error("the policy refuses a token from a login of this origin")]
    Origin,
    /// The token would cross a channel that may be shared with somebody else.
    #[error("the channel is not fit to carry a token: {0}")]
    Channel(#[from] Unsuitable),
    /// Not a name that a message can carry, or no account.
    #[error("authcid, client id and identity have 1 to 255 octets and no NUL")]
    Name,
}

/// A token that this service made, ready for the HMACs of its mechanism.
pub(crate) struct OwnToken {
    text: Zeroizing<[u8; OwnToken::LEN]>,
    key: TokenKey,
}

impl OwnToken {
    /// Length of the text, in octets.
    const LEN: usize = 43;

    /// `base64url(HMAC-SHA-256(service key, lp("FAST token v1") lp(token id) lp(mechanism name) lp(salt)))`, without padding:
    /// 43 octets that stand for 256 bits. `None` when the key was dropped.
    pub(crate) fn of(keys: &ServiceKeys, id: &TokenId, slot: &TokenSlot) -> Option<Self> {
        Some(Self::made(keys.mac(slot.key)?, id, slot.mechanism, &slot.salt))
    }

    /// The token of this slot for its mechanism, and whether there is one; if not, it stands in for it, so that its absence costs what a wrong
    /// one costs. Whoever is checked against that is refused whatever it comes to.
    pub(crate) fn of_or_stand_in(
        keys: &ServiceKeys,
        id: &TokenId,
        mechanism: HtMechanism,
        slot: Option<&TokenSlot>,
    ) -> (Self, bool) {
        const NO_SALT: &Salt = &Salt::new([0; Salt::LEN]);
        let key = keys.mac(slot.map_or(keys.current_id(), |slot| slot.key));
        let is_there = slot.is_some() && key.is_some();
        let salt = slot.filter(|_| is_there).map_or(NO_SALT, |slot| &slot.salt);
        (Self::made(key.unwrap_or(keys.current_mac()), id, mechanism, salt), is_there)
    }

    fn made(key: &MacKey, id: &TokenId, mechanism: HtMechanism, salt: &Salt) -> Self {
        let octets = key.mac(|context| {
            for part in [b"FAST token v1", &id.as_octets()[..], mechanism.name().as_bytes(), salt.as_octets()] {
                context.lp(part);
            }
        });
        let mut text = Zeroizing::new([0; Self::LEN]);
        let written = URL_SAFE_NO_PAD.encode_slice(octets.as_ref(), &mut *text);
        debug_assert_eq!(written, Ok(Self::LEN));
        Self { key: TokenKey::new(mechanism.hash(), &*text), text }
    }

    /// As the client is told it.
    pub(crate) fn token(&self) -> Token {
        match core::str::from_utf8(&*self.text).map(Token::new) {
            Ok(Ok(token)) => token,
            _ => unreachable!("base64 is text, of 43 octets for 32"),
        }
    }

    /// What its HMACs are made with.
    pub(crate) fn key(&self) -> &TokenKey {
        &self.key
    }
}

impl core::fmt::Debug for TokenRequest<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TokenRequest")
            .field("mechanism", &self.mechanism)
            .field("authcid", &self.authcid)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}
