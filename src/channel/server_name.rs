//! The name that the client asked for.

use core::fmt;

/// Longest server name, in octets (RFC 1035 section 2.3.4).
const MAX: usize = 255;

/// The TLS server name (SNI, RFC 6066 section 3) in lower case, or empty where the client sent none.
///
/// Case is folded on the way in, so two names are equal when DNS would call them equal.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerName(Box<str>);

/// Not a host name: letters, digits, `-`, `_`, `.` and `:`, 255 octets at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a server name: it takes letters, digits, '-', '_', '.' and ':', 255 octets at most")]
pub struct InvalidServerName;

impl ServerName {
    /// The absence of a name: the client sent no SNI, as when it connects to an address.
    pub fn none() -> Self {
        Self(Box::from(""))
    }

    /// Parses a host name and folds it to lower case; internationalised names come as A-labels.
    ///
    /// # Errors
    /// [`InvalidServerName`] for an octet outside the host name alphabet or more than 255 octets.
    pub fn parse(name: &str) -> Result<Self, InvalidServerName> {
        if name.len() > MAX || !name.bytes().all(is_of_a_name) {
            return Err(InvalidServerName);
        }
        Ok(Self(name.to_ascii_lowercase().into_boxed_str()))
    }

    /// Whether this is a server name as it must be written, already in lower case; empty for none.
    pub(crate) fn is_written(name: &str) -> bool {
        name.len() <= MAX && name.bytes().all(|octet| is_of_a_name(octet) && !octet.is_ascii_uppercase())
    }

    /// The name, in lower case; empty when there is none.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_of_a_name(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.' | b':')
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerName({:?})", &*self.0)
    }
}
