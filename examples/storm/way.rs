//! The ways to log in.

use fast_reauth::assertion::HtMechanism;

/// How the clients of a storm log in. All of it in XMPP's SASL2, the one protocol that carries them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Scram,
    Argon2,
    Ht,
    Iky,
    External,
}

impl Way {
    /// As they are shown.
    pub(crate) const ALL: [Self; 5] = [Self::Argon2, Self::Scram, Self::Ht, Self::Iky, Self::External];

    /// As they are measured: who logs in with a password and is not remembered is not known on the session that comes of it.
    pub(crate) const MEASURED: [Self; 5] = [Self::Iky, Self::External, Self::Ht, Self::Scram, Self::Argon2];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Scram => "scram",
            Self::Argon2 => "argon2-plain",
            Self::Ht => "ht",
            Self::Iky => "iky",
            Self::External => "external",
        }
    }

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Scram => "SCRAM-SHA-256-PLUS",
            Self::Argon2 => "PLAIN, Argon2id",
            Self::Ht => "HT-SHA-256-EXPR",
            Self::Iky => "IKY-SHA-256-EXPR",
            Self::External => "EXTERNAL",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == name)
    }

    /// Whether the login is with the password.
    pub(crate) const fn is_full(self) -> bool {
        matches!(self, Self::Scram | Self::Argon2)
    }
}

/// The one mechanism for tokens here.
pub(crate) const TOKENS: HtMechanism = HtMechanism::HT_SHA_256_EXPR;

/// The host that all clients come to.
pub(crate) const HOST: &str = "example.org";

/// The user of this number, and the password that all of them have; nothing here depends on it.
pub(crate) fn user(number: usize) -> String {
    format!("user{number:06}")
}
pub(crate) const PASSWORD: &str = "wherefore art thou";
