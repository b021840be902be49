//! Which mechanisms a server lists, and what it says of pipelining.

use core::fmt;

/// A SASL mechanism name in upper case (RFC 4422 section 3.1): 1 to 20 letters, digits, `-` and `_`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MechanismName {
    octets: [u8; Self::MAX],
    len: u8,
}

/// Not a mechanism name: 1 to 20 letters, digits, `-` and `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SASL mechanism name: it takes 1 to 20 letters, digits, '-' and '_'")]
pub struct InvalidMechanismName;

impl MechanismName {
    /// Longest name, in octets.
    pub const MAX: usize = 20;

    /// The name, folded to upper case: IMAP and SMTP compare without regard to case.
    ///
    /// # Errors
    /// [`InvalidMechanismName`] for another alphabet or length.
    pub fn parse(name: &str) -> Result<Self, InvalidMechanismName> {
        Self::from_octets(name.as_bytes()).ok_or(InvalidMechanismName)
    }

    pub(super) fn from_octets(name: &[u8]) -> Option<Self> {
        let valid = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
        if name.is_empty() || !name.iter().all(valid) {
            return None;
        }
        let mut octets = [0; Self::MAX];
        octets.get_mut(..name.len())?.copy_from_slice(name);
        octets.make_ascii_uppercase();
        Some(Self { octets, len: name.len() as u8 })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        self.octets.get(..usize::from(self.len)).and_then(|name| core::str::from_utf8(name).ok()).unwrap_or_default()
    }

    /// Whether it is of the IKY family, so that the server's message always comes.
    pub fn is_iky(&self) -> bool {
        self.as_str().starts_with("IKY-")
    }

    /// Whether it is EXTERNAL (RFC 4422 appendix A), which has no challenge.
    pub fn is_external(&self) -> bool {
        self.as_str() == "EXTERNAL"
    }
}

impl fmt::Display for MechanismName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for MechanismName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MechanismName({self})")
    }
}

/// What a server lists: at most 64 mechanisms, each once, in its order; and what it says of sending ahead.
///
/// A server makes one with [`Offer::of`] and advertises it; a client gets one from the advertisement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    mechanisms: Vec<MechanismName>,
    initial_response: bool,
    pipelining: bool,
    iky_pipelining: bool,
}

impl Offer {
    /// Most mechanisms that are kept of an advertisement.
    pub const MAX: usize = 64;

    /// The offer of these mechanisms, with initial responses, and without pipelining until said otherwise.
    ///
    /// # Errors
    /// [`InvalidMechanismName`] for the first name that is none.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidMechanismName> {
        let mut offer = Self { initial_response: true, ..Self::default() };
        for name in names {
            offer.add(MechanismName::parse(name)?);
        }
        Ok(offer)
    }

    /// The server says that it takes several commands at once: PIPELINING of SMTP (RFC 2920) and POP3 (RFC 2449 section
    /// 6.6).
    #[must_use]
    pub fn with_pipelining(mut self) -> Self {
        self.pipelining = true;
        self
    }

    /// The server says that IKY's empty answer and the next commands may follow AUTH: IKNOWYOU of SMTP.
    #[must_use]
    pub fn with_iky_pipelining(mut self) -> Self {
        self.iky_pipelining = true;
        self
    }

    /// The mechanisms, in the server's order.
    pub fn mechanisms(&self) -> &[MechanismName] {
        &self.mechanisms
    }

    /// Whether the server lists this mechanism.
    pub fn lists(&self, mechanism: MechanismName) -> bool {
        self.mechanisms.contains(&mechanism)
    }

    /// Whether the command can carry an initial response (IMAP: SASL-IR; all others: always).
    pub fn initial_response(&self) -> bool {
        self.initial_response
    }

    /// Whether the server takes several commands at once.
    pub fn pipelining(&self) -> bool {
        self.pipelining
    }

    /// Whether the server lets IKY's empty answer and the next commands follow SMTP's AUTH.
    pub fn iky_pipelining(&self) -> bool {
        self.iky_pipelining
    }

    /// The names, separated so.
    pub(super) fn join(&self, before_each: &str, between: &str) -> String {
        let names: Vec<String> = self.mechanisms.iter().map(|name| format!("{before_each}{name}")).collect();
        names.join(between)
    }

    /// What a client heard; names that are none, and those past [`MAX`](Self::MAX), are ignored.
    pub(super) fn heard<'a>(names: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut offer = Self { initial_response: true, ..Self::default() };
        names.into_iter().for_each(|name| offer.hear(name));
        offer
    }

    pub(super) fn hear(&mut self, name: &[u8]) {
        if let Some(name) = MechanismName::from_octets(name) {
            self.add(name);
        }
    }

    pub(super) fn with_initial_response(mut self, initial_response: bool) -> Self {
        self.initial_response = initial_response;
        self
    }

    fn add(&mut self, name: MechanismName) {
        if self.mechanisms.len() < Self::MAX && !self.lists(name) {
            self.mechanisms.push(name);
        }
    }
}
