//! Where an assertion holds: one service under one server name, as configured at the origin.

use core::fmt;
use std::borrow::Cow;

use crate::channel::ServerName;
use crate::crypto::{Absorb, Hash, hash};

/// The GSSAPI service name of a protocol (RFC 4422 section 4, item 1): `imap`, `smtp`, `xmpp`, and so on.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Service(Cow<'static, str>);

/// A service name takes 1 to 63 lower-case letters, digits and `-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a service name takes 1 to 63 lower-case letters, digits and '-'")]
pub struct InvalidService;

impl Service {
    /// IMAP (RFC 9051).
    pub const IMAP: Self = Self(Cow::Borrowed("imap"));
    /// SMTP and submission (RFC 4954).
    pub const SMTP: Self = Self(Cow::Borrowed("smtp"));
    /// XMPP (RFC 6120).
    pub const XMPP: Self = Self(Cow::Borrowed("xmpp"));
    /// POP3 (RFC 5034).
    pub const POP: Self = Self(Cow::Borrowed("pop"));
    /// ManageSieve (RFC 5804).
    pub const SIEVE: Self = Self(Cow::Borrowed("sieve"));
    /// ACAP (RFC 2244).
    pub const ACAP: Self = Self(Cow::Borrowed("acap"));
    /// LDAP (RFC 4513).
    pub const LDAP: Self = Self(Cow::Borrowed("ldap"));

    /// The service of this name.
    ///
    /// # Errors
    /// [`InvalidService`] for an octet outside the alphabet, an empty name or more than 63 octets.
    pub fn parse(name: &str) -> Result<Self, InvalidService> {
        let valid = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
        if name.is_empty() || name.len() > 63 || !name.bytes().all(valid) {
            return Err(InvalidService);
        }
        Ok(Self(Cow::Owned(name.to_owned())))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({})", self.0)
    }
}

/// A service and a server name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// The protocol's service name.
    pub service: Service,
    /// The server name, in lower case, or empty.
    pub server_name: ServerName,
}

impl Scope {
    /// A service under a server name.
    pub fn new(service: Service, server_name: ServerName) -> Self {
        Self { service, server_name }
    }
}

/// The first 16 octets of the hash over the mechanisms that a server offers: `f=` in the draft.
///
/// Specified by the draft in "The Offer Hash".
///
/// A client that says what it was offered at its last full login makes a stripped or changed offer visible (the aim of
/// XEP-0474 and XEP-0509).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OfferHash(pub(crate) [u8; OfferHash::LEN]);

impl OfferHash {
    /// Length, in octets.
    pub const LEN: usize = 16;

    /// `H(lp(name 1) lp(name 2) …)` cut to 16 octets: names in upper case, sorted by octets, each once, without EXTERNAL, HT
    /// and HT2.
    ///
    /// Those come and go with the TLS session and with the server's tokens, and in XMPP tokens have a list of their own; none of them is a
    /// full login that somebody could take out of the list.
    pub fn of<'a>(algorithm: Hash, mechanisms: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names: Vec<String> = mechanisms.into_iter().map(str::to_ascii_uppercase).collect();
        names.retain(|name| name != "EXTERNAL" && !name.starts_with("HT-") && !name.starts_with("HT2-"));
        names.sort_unstable();
        names.dedup();
        let digest = hash(algorithm, |context| names.iter().for_each(|name| context.lp(name.as_bytes())));
        let mut first = [0; Self::LEN];
        first.copy_from_slice(&digest.as_ref()[..Self::LEN]);
        Self(first)
    }

    /// The 16 octets.
    pub const fn as_octets(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}
