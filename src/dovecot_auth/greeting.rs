//! What the server says first, and the one name that it says last.

use core::fmt;
use core::fmt::Write as _;

use bytes::Bytes;

use crate::mechanism::Connection;
use crate::profile::{InvalidMechanismName, MechanismName};

/// What a mechanism is, for the mail server's own policy (Postfix: `smtpd_sasl_security_options`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// Nobody in particular logs in.
    Anonymous,
    /// The password crosses the wire.
    Plaintext,
    /// Who listens can try passwords.
    Dictionary,
    /// Who is between can use what he sees.
    Active,
    /// What is stolen later opens nothing of before.
    ForwardSecrecy,
    /// The server proves itself too.
    MutualAuth,
    /// It is there, but not to be listed.
    Private,
}

impl Property {
    const fn word(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Plaintext => "plaintext",
            Self::Dictionary => "dictionary",
            Self::Active => "active",
            Self::ForwardSecrecy => "forward-secrecy",
            Self::MutualAuth => "mutual-auth",
            Self::Private => "private",
        }
    }
}

/// A mechanism to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mechanism {
    pub(super) name: MechanismName,
    properties: Vec<Property>,
}

impl Mechanism {
    /// The mechanism of this name, with the properties that are known of it: those of this crate, PLAIN, LOGIN and
    /// ANONYMOUS.
    ///
    /// # Errors
    /// [`InvalidMechanismName`] for what is no name.
    pub fn of(name: &str) -> Result<Self, InvalidMechanismName> {
        let name = MechanismName::parse(name)?;
        let properties = match name.as_str() {
            "PLAIN" | "LOGIN" => vec![Property::Plaintext],
            "ANONYMOUS" => vec![Property::Anonymous],
            // A proof that is bound to no connection is good for whoever ends TLS in the client's sight.
            own if is_own(name) && own.ends_with("-NONE") => vec![Property::Active, Property::MutualAuth],
            _ if is_own(name) && !name.is_external() => vec![Property::MutualAuth],
            _ => Vec::new(),
        };
        Ok(Self { name, properties })
    }

    /// It has this property too.
    #[must_use]
    pub fn with(mut self, property: Property) -> Self {
        if !self.properties.contains(&property) {
            self.properties.push(property);
        }
        self
    }

    /// Its name.
    pub fn name(&self) -> MechanismName {
        self.name
    }

    /// Its properties.
    pub fn properties(&self) -> &[Property] {
        &self.properties
    }
}

/// Whether a mechanism is one of this crate, and not one for a full login.
pub(super) fn is_own(name: MechanismName) -> bool {
    Connection::recognises_by(name.as_str())
}

/// What the server says of itself, on each connection anew.
#[derive(Clone, PartialEq, Eq)]
pub struct Greeting {
    /// What to list, in this order.
    pub mechanisms: Vec<Mechanism>,
    /// A number for this process (SPID).
    pub process: u32,
    /// A number that no other connection of this process has (CUID).
    pub connection: u32,
    /// 16 fresh random octets. They are for a protocol that is not spoken here, but a client may insist on them.
    pub cookie: [u8; 16],
}

impl Greeting {
    pub(super) fn to_octets(&self) -> Bytes {
        let mut text = String::from("VERSION\t1\t2\n");
        for mechanism in &self.mechanisms {
            text.push_str("MECH\t");
            text.push_str(mechanism.name.as_str());
            for property in &mechanism.properties {
                text.push('\t');
                text.push_str(property.word());
            }
            text.push('\n');
        }
        // Writing to a string does not fail.
        let _ = write!(text, "SPID\t{}\nCUID\t{}\nCOOKIE\t", self.process, self.connection);
        for octet in self.cookie {
            let _ = write!(text, "{octet:02x}");
        }
        text.push_str("\nDONE\n");
        text.into()
    }
}

impl fmt::Debug for Greeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Greeting")
            .field("mechanisms", &self.mechanisms)
            .field("process", &self.process)
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

/// How an account is called towards the mail server: 1 to 255 octets of UTF-8 without control characters.
///
/// The protocol could escape those. Postfix does not read the escapes, so nobody is to be called by them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserName(Box<str>);

/// Not a name that the protocol can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a user name: it takes 1 to 255 octets without control characters")]
pub struct InvalidUserName;

impl UserName {
    /// The name.
    ///
    /// # Errors
    /// [`InvalidUserName`] for an empty or long one, or one with a control character.
    pub fn parse(name: &str) -> Result<Self, InvalidUserName> {
        if !(1..=255).contains(&name.len()) || name.chars().any(char::is_control) {
            return Err(InvalidUserName);
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
