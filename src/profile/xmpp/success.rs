//! What the server answers.

use core::fmt;

use bytes::Bytes;
use minidom::Element;
use zeroize::{Zeroize, Zeroizing};

use super::element::{self, BIND2, IKY, SASL1, SASL2, SM};
use super::{Resume, Version};
use crate::crypto::constant_time_eq;
use crate::mechanism::Outcome;
use crate::profile::flight::Length;
use crate::profile::{Answer, MechanismName, ProfileError};

/// `<success/>`: the server's message, and what was done in the same go.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Success {
    /// The server's message. An accepted login whose mechanism authenticates the server counts only once it has checked
    /// this.
    pub data: Option<Bytes>,
    /// The bare JID, or with Bind 2 the full one. SASL2 always has it; SASL of RFC 6120 never.
    pub authorization_identifier: Option<String>,
    /// The resource that was bound.
    pub bound: Option<Bound>,
    /// The stream that was resumed.
    pub resumed: Option<Resume>,
    /// The stream could not be resumed.
    pub resume_failed: bool,
    /// An assertion, granted because the client asked for one.
    pub assertion: Option<GrantedAssertion>,
}

/// `<bound/>` of Bind 2, with whatever the features that were enabled put into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound(Bytes);

/// 32 secret octets from the server, as the seed of an assertion for one mechanism.
#[derive(Clone)]
pub struct GrantedAssertion {
    mechanism: MechanismName,
    octets: [u8; Self::LEN],
}

/// `<failure/>`: a condition and, in SASL2, what an IKY mechanism has to say.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the condition says.
    pub verdict: Answer,
    /// The server's message, from `<iky xmlns='urn:ietf:params:xml:ns:iky'/>`.
    pub message: Option<Bytes>,
}

impl Success {
    /// Server: the element.
    ///
    /// SASL of RFC 6120 has room for the message only.
    ///
    /// # Errors
    /// [`ProfileError::IllegalText`] for a character that XML doesn't have.
    pub fn to_octets(&self, version: Version) -> Result<Vec<u8>, ProfileError> {
        if version == Version::Sasl1 {
            let success = match &self.data {
                Some(data) => element::with_data("success", SASL1, data),
                None => Element::bare("success", SASL1),
            };
            return element::write(&success);
        }
        let mut success = Element::builder("success", SASL2);
        if let Some(data) = &self.data {
            success = success.append(element::with_data("additional-data", SASL2, data));
        }
        if let Some(identifier) = &self.authorization_identifier {
            success = success.append(element::with_text("authorization-identifier", SASL2, identifier)?);
        }
        if let Some(resumed) = &self.resumed {
            success = success.append(resumed.to_element("resumed")?);
        }
        if self.resume_failed {
            success = success.append(Element::bare("failed", SM));
        }
        if let Some(bound) = &self.bound {
            success = success.append(element::plain(&element::parse(&bound.0)?)?);
        }
        if let Some(assertion) = &self.assertion {
            success = success.append(assertion.to_element()?);
        }
        element::write(&success.build())
    }

    pub(super) fn from_element(element: &Element, version: Version) -> Result<Self, ProfileError> {
        if version == Version::Sasl1 {
            let data = if element.text().is_empty() { None } else { Some(element::data(element)?.into()) };
            return Ok(Self { data, ..Self::default() });
        }
        let data = element.get_child("additional-data", SASL2).map(element::data).transpose()?;
        let bound =
            element.get_child("bound", BIND2).map(|bound| element::write(&element::plain(bound)?)).transpose()?;
        Ok(Self {
            data: data.map(Bytes::from),
            authorization_identifier: element.get_child("authorization-identifier", SASL2).map(Element::text),
            bound: bound.map(|octets| Bound(octets.into())),
            resumed: element.get_child("resumed", SM).map(Resume::from_element).transpose()?,
            resume_failed: element.has_child("failed", SM),
            assertion: element.get_child("assertion", IKY).map(GrantedAssertion::from_element).transpose()?,
        })
    }
}

impl Bound {
    /// `<bound/>` with nothing in it.
    pub fn empty() -> Self {
        Self(Bytes::from_static(b"<bound xmlns='urn:xmpp:bind:0'/>"))
    }

    /// A `<bound/>` that the stack made.
    ///
    /// # Errors
    /// [`ProfileError`] when the octets are not that one element.
    pub fn parse(octets: &[u8]) -> Result<Self, ProfileError> {
        if !element::parse(octets)?.is("bound", BIND2) {
            return Err(ProfileError::Malformed("<bound/> was due"));
        }
        Ok(Self(Bytes::copy_from_slice(octets)))
    }

    /// The element.
    pub fn as_octets(&self) -> &[u8] {
        &self.0
    }
}

impl GrantedAssertion {
    /// How many octets are granted.
    pub const LEN: usize = 32;

    /// A grant for `mechanism`; the octets come from a cryptographically secure random number generator.
    pub const fn new(mechanism: MechanismName, octets: [u8; Self::LEN]) -> Self {
        Self { mechanism, octets }
    }

    /// The mechanism that it is for.
    pub const fn mechanism(&self) -> MechanismName {
        self.mechanism
    }

    /// The secret octets.
    pub const fn expose(&self) -> &[u8; Self::LEN] {
        &self.octets
    }

    fn to_element(&self) -> Result<Element, ProfileError> {
        let element = Element::builder("assertion", IKY).append(crate::profile::wire::encode(&self.octets));
        Ok(element::with_attr(element, "mechanism", self.mechanism.as_str())?.build())
    }

    fn from_element(element: &Element) -> Result<Self, ProfileError> {
        let octets = Zeroizing::new(element::data(element)?);
        let octets = octets.as_slice().try_into();
        let octets = octets.map_err(|_| ProfileError::Malformed("a granted assertion has 32 octets"))?;
        Ok(Self { mechanism: element::mechanism(element)?, octets })
    }
}

impl PartialEq for GrantedAssertion {
    fn eq(&self, other: &Self) -> bool {
        self.mechanism == other.mechanism && constant_time_eq(&self.octets, &other.octets)
    }
}

impl Eq for GrantedAssertion {}

impl Drop for GrantedAssertion {
    fn drop(&mut self) {
        self.octets.zeroize();
    }
}

impl Failure {
    /// Server: the failure for an outcome, with the mechanism's message if it has one.
    pub fn new(outcome: Outcome, message: Option<&[u8]>) -> Self {
        Self { verdict: outcome.into(), message: message.map(Bytes::copy_from_slice) }
    }

    /// Server: the element. SASL of RFC 6120 has no room for the message.
    ///
    /// # Errors
    /// [`ProfileError::OutOfTurn`] for the failure of an accepted outcome.
    pub fn to_octets(&self, version: Version) -> Result<Vec<u8>, ProfileError> {
        let condition = self.verdict.xmpp().ok_or(ProfileError::OutOfTurn("an accepted outcome is a Success"))?;
        let failure = Element::builder("failure", version.namespace()).append(Element::bare(condition, SASL1));
        match &self.message {
            Some(message) if version == Version::Sasl2 => {
                element::write(&failure.append(element::with_data("iky", IKY, message)).build())
            }
            _ => element::write(&failure.build()),
        }
    }

    pub(super) fn from_element(element: &Element) -> Result<Self, ProfileError> {
        let condition = element.children().find(|child| child.has_ns(SASL1) && child.name() != "text");
        let message = element.get_child("iky", IKY).map(element::data).transpose()?;
        let verdict = Answer::from_xmpp(condition.map(Element::name).unwrap_or_default());
        Ok(Self { verdict, message: message.map(Bytes::from) })
    }
}

impl fmt::Debug for Success {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Success")
            .field("data", &self.data.as_deref().map(Length))
            .field("authorization_identifier", &self.authorization_identifier)
            .field("bound", &self.bound.is_some())
            .field("resumed", &self.resumed.is_some())
            .field("resume_failed", &self.resume_failed)
            .field("assertion", &self.assertion)
            .finish()
    }
}

impl fmt::Debug for GrantedAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrantedAssertion({}, redacted)", self.mechanism)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.message.as_deref().map(Length);
        f.debug_struct("Failure").field("verdict", &self.verdict).field("message", &message).finish()
    }
}
