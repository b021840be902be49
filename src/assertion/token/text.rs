//! A token's text, which is the whole secret.

use core::fmt;

use zeroize::Zeroizing;

use super::{HtMechanism, TokenKey};
use crate::crypto::constant_time_eq;

/// A token as it was issued: its UTF-8 octets are the key of every HMAC, whatever they look like. Zeroized when dropped, compared
/// in constant time, never printed.
#[derive(Clone)]
pub struct Token(Zeroizing<Box<str>>);

/// A token has 1 to 512 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token has 1 to {} octets", Token::MAX_LEN)]
pub struct InvalidToken;

impl Token {
    /// Longest token that is taken from a server, in octets. This library's own have 43.
    pub const MAX_LEN: usize = 512;

    /// The token of this text.
    ///
    /// # Errors
    /// [`InvalidToken`] for no octets, or more than 512.
    pub fn new(text: &str) -> Result<Self, InvalidToken> {
        if text.is_empty() || text.len() > Self::MAX_LEN {
            return Err(InvalidToken);
        }
        Ok(Self(Zeroizing::new(text.into())))
    }

    /// The secret text.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the HMACs of this mechanism are made with.
    pub(crate) fn key(&self, mechanism: HtMechanism) -> TokenKey {
        TokenKey::new(mechanism.hash(), self.0.as_bytes())
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}
