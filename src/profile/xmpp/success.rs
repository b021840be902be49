//! What the server answers to a login that it accepts.

use core::fmt;

use bytes::Bytes;
use minidom::Element;
use zeroize::{Zeroize, Zeroizing};

use super::element::{self, BIND2, FAST, IKY, SASL1, SASL2, SM};
use super::{Bound, IssuedToken, Resume, Version};
use crate::crypto::constant_time_eq;
use crate::profile::flight::Length;
use crate::profile::{MechanismName, ProfileError};

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
    /// With that, how many stanzas of it the server has handled, if it still knows.
    pub resume_failed_h: Option<u32>,
    /// An assertion, granted because the client asked for one.
    pub assertion: Option<GrantedAssertion>,
    /// A token: the client asked for one, or the one it has is due to be replaced (XEP-0484 section 3.5).
    pub token: Option<IssuedToken>,
}

/// 32 secret octets from the server, as the seed of an assertion for one mechanism.
#[derive(Clone)]
pub struct GrantedAssertion {
    mechanism: MechanismName,
    octets: [u8; Self::LEN],
    sealed: Option<String>,
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
            let failed = element::with_number(Element::builder("failed", SM), "h", self.resume_failed_h)?;
            success = success.append(failed.build());
        }
        if let Some(bound) = &self.bound {
            success = success.append(bound.to_element()?);
        }
        if let Some(assertion) = &self.assertion {
            success = success.append(assertion.to_element()?);
        }
        if let Some(token) = &self.token {
            success = success.append(token.to_element()?);
        }
        element::write(&success.build())
    }

    pub(super) fn from_element(element: &Element, version: Version) -> Result<Self, ProfileError> {
        if version == Version::Sasl1 {
            let data = if element.text().is_empty() { None } else { Some(element::data(element)?.into()) };
            return Ok(Self { data, ..Self::default() });
        }
        let child = |name: &str, namespace: &str| element::child(element, name, namespace);
        let data = child("additional-data", SASL2)?.map(element::data).transpose()?;
        let failed = child("failed", SM)?;
        // XEP-0386 and XEP-0484 call it `authorization-identity`, and so does who learned it there
        let identifier = match child("authorization-identifier", SASL2)? {
            Some(identifier) => Some(identifier),
            None => child("authorization-identity", SASL2)?,
        };
        Ok(Self {
            data: data.map(Bytes::from),
            authorization_identifier: identifier.map(Element::text),
            bound: child("bound", BIND2)?.map(Bound::read).transpose()?,
            resumed: child("resumed", SM)?.map(Resume::from_element).transpose()?,
            resume_failed: failed.is_some(),
            resume_failed_h: failed.map(|failed| element::number(failed, "h")).transpose()?.flatten(),
            assertion: child("assertion", IKY)?.map(GrantedAssertion::from_element).transpose()?,
            // One that can't be read is none: the login stands.
            token: child("token", FAST)?.and_then(|token| IssuedToken::from_element(token).ok()),
        })
    }
}

impl GrantedAssertion {
    /// How many octets are granted.
    pub const LEN: usize = 32;
    const MAX_SEALED: usize = 512;

    /// A grant for `mechanism`; the octets come from a cryptographically secure random number generator.
    pub const fn new(mechanism: MechanismName, octets: [u8; Self::LEN]) -> Self {
        Self { mechanism, octets, sealed: None }
    }

    /// The server's record of it, sealed, for the client to keep (at most 512 octets of base64).
    #[must_use]
    pub fn with_sealed(mut self, sealed: Option<String>) -> Self {
        self.sealed = sealed;
        self
    }

    /// The server's record of it, sealed, as the client sends it with each proof.
    pub fn sealed(&self) -> Option<&str> {
        self.sealed.as_deref()
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
        let element = element::with_attr(element, "mechanism", self.mechanism.as_str())?;
        match &self.sealed {
            Some(sealed) => Ok(element::with_attr(element, "sealed", sealed)?.build()),
            None => Ok(element.build()),
        }
    }

    fn from_element(element: &Element) -> Result<Self, ProfileError> {
        let octets = Zeroizing::new(element::data(element)?);
        let octets = octets.as_slice().try_into();
        let octets = octets.map_err(|_| ProfileError::Malformed("a granted assertion has 32 octets"))?;
        let sealed = element.attr("sealed").map(str::to_owned);
        if sealed.as_ref().is_some_and(|sealed| sealed.is_empty() || sealed.len() > Self::MAX_SEALED) {
            return Err(ProfileError::Malformed("a sealed assertion has 1 to 512 octets of base64"));
        }
        Ok(Self { mechanism: element::mechanism(element)?, octets, sealed })
    }
}

impl PartialEq for GrantedAssertion {
    fn eq(&self, other: &Self) -> bool {
        self.mechanism == other.mechanism
            && self.sealed == other.sealed
            && constant_time_eq(&self.octets, &other.octets)
    }
}

impl Eq for GrantedAssertion {}

impl Drop for GrantedAssertion {
    fn drop(&mut self) {
        self.octets.zeroize();
    }
}

impl fmt::Debug for Success {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Success")
            .field("data", &self.data.as_deref().map(Length))
            .field("authorization_identifier", &self.authorization_identifier)
            .field("bound", &self.bound)
            .field("resumed", &self.resumed)
            .field("resume_failed", &self.resume_failed)
            .field("resume_failed_h", &self.resume_failed_h)
            .field("assertion", &self.assertion)
            .field("token", &self.token)
            .finish()
    }
}

impl fmt::Debug for GrantedAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrantedAssertion({}, redacted)", self.mechanism)
    }
}
