//! The authenticated key/value pairs of HT2.

use core::fmt;

/// Key/value pairs, as they stand in a message: `key=value,key=value`, or nothing (draft-ietf-kitten-sasl-ht-02 section 3.1).
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Pairs(Box<str>);

/// What pairs can't be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPairs {
    /// More than 1,024 octets.
    #[error("key/value pairs have at most {} octets", Pairs::MAX_LEN)]
    TooLong,
    /// Not `key=value,key=value` of letters, digits, `/`, `+`, `-` and `_`.
    #[error("not key=value pairs of letters, digits, '/', '+', '-' and '_'")]
    Syntax,
    /// A key that stands twice: two ends could read it in two ways.
    #[error("a key stands twice")]
    Duplicate,
}

impl Pairs {
    /// Longest text, in octets.
    pub const MAX_LEN: usize = 1024;

    /// No pairs.
    pub fn none() -> Self {
        Self::default()
    }

    /// These pairs, in this order.
    ///
    /// # Errors
    /// [`InvalidPairs`] for a key or value outside the alphabet, an empty one, a key that stands twice, or too many.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, InvalidPairs> {
        let mut text = String::new();
        for (key, value) in pairs {
            if !(valid(key) && valid(value)) {
                return Err(InvalidPairs::Syntax);
            }
            if !text.is_empty() {
                text.push(',');
            }
            text.extend([key, "=", value]);
        }
        Self::parse(text.as_bytes())
    }

    /// The pairs of a message, as they stand between its NULs; none for no octets.
    ///
    /// # Errors
    /// [`InvalidPairs`] for more than [`MAX_LEN`](Self::MAX_LEN) octets, another syntax, or a key that stands twice.
    pub fn parse(octets: &[u8]) -> Result<Self, InvalidPairs> {
        if octets.len() > Self::MAX_LEN {
            return Err(InvalidPairs::TooLong);
        }
        let text = core::str::from_utf8(octets).map_err(|_| InvalidPairs::Syntax)?;
        let pairs = Self(text.into());
        if text.is_empty() {
            return Ok(pairs);
        }
        let mut keys = Vec::new();
        for pair in text.split(',') {
            let (key, value) = pair.split_once('=').ok_or(InvalidPairs::Syntax)?;
            if !(valid(key) && valid(value)) {
                return Err(InvalidPairs::Syntax);
            }
            keys.push(key);
        }
        keys.sort_unstable();
        if keys.windows(2).any(|two| two[0] == two[1]) {
            return Err(InvalidPairs::Duplicate);
        }
        Ok(pairs)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text as it stands in a message, which is what is authenticated.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The pairs, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.split(',').filter_map(|pair| pair.split_once('='))
    }

    /// The value of this key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }
}

fn valid(text: &str) -> bool {
    let character = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'/' | b'+' | b'-' | b'_');
    !text.is_empty() && text.bytes().all(character)
}

impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What an application puts into them is its own affair.
        write!(f, "Pairs({} octets)", self.0.len())
    }
}
