//! The full authentication that an assertion comes from, and how strong it was.

use core::fmt;

use crate::channel::ChannelFacts;
use crate::crypto::Secret;

/// How strongly a full authentication tied the client to its TLS connection. An assertion is never stronger than this.
///
/// Specified by the draft in "The Origin and its Strength".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// A challenge-response without channel binding: a man in the middle could have relayed it, and would share what came of it.
    Unbound,
    /// The secret itself was given to the server (password, bearer token): a man in the middle would have had it anyway.
    Disclosed,
    /// The full mechanism's session key is mixed in, so a relay has no use of it.
    Keyed,
    /// Channel binding: both ends are proved to be those of this TLS connection.
    Bound,
}

impl Origin {
    /// What it is worth for what crosses the channel or stands for it, a token or the session: the session key isn't mixed into that.
    pub(crate) const fn of_the_channel(self) -> Self {
        match self {
            Self::Keyed => Self::Unbound,
            origin => origin,
        }
    }
}

/// The channel binding that the full mechanism used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingType {
    /// tls-exporter (RFC 9266).
    Exporter,
    /// tls-server-end-point (RFC 5929).
    EndPoint,
    /// tls-unique (RFC 5929).
    Unique,
}

impl BindingType {
    /// Every type, the one to prefer first.
    pub const ALL: [Self; 3] = [Self::Exporter, Self::EndPoint, Self::Unique];

    /// The type of this registered name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|binding| binding.name() == name)
    }

    /// Its octets on this channel, where it is known there.
    pub fn octets(self, facts: &ChannelFacts) -> Option<&[u8]> {
        match self {
            Self::Exporter => facts.tls_exporter(),
            Self::EndPoint => facts.tls_server_end_point(),
            Self::Unique => facts.tls_unique(),
        }
    }

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exporter => "tls-exporter",
            Self::EndPoint => "tls-server-end-point",
            Self::Unique => "tls-unique",
        }
    }
}

/// A full authentication that succeeded, as both ends saw it on the wire.
///
/// Everything in it goes into the derivation context, so the two ends must say the same. Names are taken as they were sent:
/// there is nothing to canonicalise.
#[derive(Clone)]
pub struct FullLogin {
    pub(super) mechanism: Box<str>,
    pub(super) binding: Option<BindingType>,
    pub(super) login_name: Box<str>,
    pub(super) ordinal: u32,
    pub(super) session_key: Option<Secret>,
}

/// What a full login can't be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLogin {
    /// Not a SASL mechanism name: 1 to 20 of upper-case letters, digits, `-` and `_` (RFC 4422 section 3.1).
    #[error("not a SASL mechanism name")]
    Mechanism,
    /// More than 255 octets, or a NUL.
    #[error("a login name has at most 255 octets and no NUL")]
    LoginName,
    /// Successful authentications are counted from 1.
    #[error("the ordinal counts from 1")]
    Ordinal,
    /// EXTERNAL, IKY and HT recognise a client that logged in before; they are no full login.
    #[error(
        "a mechanism that recognises a client is no full login; for a TLS client certificate use client_certificate"
    )]
    NotFull,
    /// Not 1 to 64 octets.
    #[error("a session key has 1 to 64 octets")]
    SessionKey,
}

impl FullLogin {
    /// A login with this full mechanism, under this login name, as the first success since the TLS handshake.
    ///
    /// The login name is the authzid as the client sent it; if it sent none, the authcid as sent; else empty.
    ///
    /// # Errors
    /// [`InvalidLogin`] for a mechanism name outside RFC 4422's syntax, a mechanism of fast reauthentication, or a login name of
    /// more than 255 octets or with a NUL.
    pub fn new(mechanism: &str, login_name: &str) -> Result<Self, InvalidLogin> {
        let mechanism = mechanism.to_ascii_uppercase();
        if mechanism == "EXTERNAL" || ["IKY-", "HT-", "HT2-"].iter().any(|family| mechanism.starts_with(family)) {
            return Err(InvalidLogin::NotFull);
        }
        Self::any(&mechanism, login_name)
    }

    /// A login with EXTERNAL that stands for a TLS client certificate (RFC 4422 appendix A), which signs the handshake.
    ///
    /// # Errors
    /// [`InvalidLogin::LoginName`] for a login name of more than 255 octets or with a NUL.
    pub fn client_certificate(login_name: &str) -> Result<Self, InvalidLogin> {
        Self::any("EXTERNAL", login_name)
    }

    fn any(mechanism: &str, login_name: &str) -> Result<Self, InvalidLogin> {
        let valid = |octet: u8| octet.is_ascii_uppercase() || octet.is_ascii_digit() || matches!(octet, b'-' | b'_');
        if mechanism.is_empty() || mechanism.len() > 20 || !mechanism.bytes().all(valid) {
            return Err(InvalidLogin::Mechanism);
        }
        if !valid_login_name(login_name) {
            return Err(InvalidLogin::LoginName);
        }
        Ok(Self {
            mechanism: mechanism.into(),
            binding: None,
            login_name: login_name.into(),
            ordinal: 1,
            session_key: None,
        })
    }

    /// The full mechanism bound itself to the channel in this way (a `-PLUS` mechanism).
    #[must_use]
    pub fn bound_by(mut self, binding: BindingType) -> Self {
        self.binding = Some(binding);
        self
    }

    /// Which successful authentication since the TLS handshake this is, counted from 1.
    ///
    /// # Errors
    /// [`InvalidLogin::Ordinal`] for 0.
    pub fn ordinal(mut self, ordinal: u32) -> Result<Self, InvalidLogin> {
        if ordinal == 0 {
            return Err(InvalidLogin::Ordinal);
        }
        self.ordinal = ordinal;
        Ok(self)
    }

    pub(crate) fn with_ordinal(mut self, ordinal: u32) -> Self {
        self.ordinal = ordinal;
        self
    }

    /// A *keyed* origin: the full mechanism's session key, where both ends are configured to supply it.
    ///
    /// For SCRAM it is the GSS-API session key of RFC 5802 section 8. It is configuration, not discovery: where only one end
    /// supplies it, the two silently have different assertions.
    ///
    /// # Errors
    /// [`InvalidLogin::SessionKey`] unless it has 1 to 64 octets.
    pub fn keyed(mut self, session_key: &[u8]) -> Result<Self, InvalidLogin> {
        if session_key.is_empty() {
            return Err(InvalidLogin::SessionKey);
        }
        self.session_key = Some(Secret::new(session_key).ok_or(InvalidLogin::SessionKey)?);
        Ok(self)
    }

    /// The login name.
    pub fn login_name(&self) -> &str {
        &self.login_name
    }

    /// How strong this login was.
    ///
    /// A mechanism that binds itself to the channel has a name that ends in `-PLUS` (RFC 5801 section 4); a binding that is
    /// claimed for any other counts for nothing.
    pub fn origin(&self) -> Origin {
        match &*self.mechanism {
            "PLAIN" | "LOGIN" | "OAUTHBEARER" | "XOAUTH2" => Origin::Disclosed,
            "EXTERNAL" => Origin::Bound,
            plus if plus.ends_with("-PLUS") && self.binding.is_some() => Origin::Bound,
            _ if self.session_key.is_some() => Origin::Keyed,
            _ => Origin::Unbound,
        }
    }
}

/// At most 255 octets, none of them NUL (which RFC 4422 forbids in an authorization identity).
pub(crate) fn valid_login_name(name: &str) -> bool {
    name.len() <= 255 && !name.contains('\0')
}

impl fmt::Debug for FullLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FullLogin")
            .field("mechanism", &self.mechanism)
            .field("binding", &self.binding)
            .field("login_name", &self.login_name)
            .field("ordinal", &self.ordinal)
            .field("keyed", &self.session_key.is_some())
            .finish()
    }
}
