//! What a server's element says, for a full login that is the stack's own.

use bytes::Bytes;
use minidom::Element;

use super::element;
use super::{Failure, Response, Success, Version};
use crate::profile::ProfileError;

/// Client: one element of a login, whatever the mechanism. EXTERNAL, IKY and HT have [`ClientExchange`](super::ClientExchange); this
/// is for the engine of the full mechanisms, whose success may bring a token or an assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerElement {
    /// `<challenge/>`: the answer is a [`Response`].
    Challenge(Response),
    /// `<continue/>` of SASL2: there are tasks to do, which the element says. It is the stack's.
    Continue,
    /// `<success/>`.
    Success(Box<Success>),
    /// `<failure/>`.
    Failure(Failure),
    /// Nothing of SASL: the stack's.
    Other,
}

impl ServerElement {
    /// Parses one complete element.
    ///
    /// # Errors
    /// [`ProfileError`] for what is no element, or one of SASL with something wrong in it.
    pub fn parse(octets: &[u8]) -> Result<Self, ProfileError> {
        let element = element::parse(octets)?;
        Version::of(&element).map_or(Ok(Self::Other), |version| Self::from_element(&element, version))
    }

    pub(super) fn from_element(element: &Element, version: Version) -> Result<Self, ProfileError> {
        Ok(match (element.name(), version) {
            ("challenge", _) => Self::Challenge(Response { version, message: element::data(element)?.into() }),
            ("continue", Version::Sasl2) => Self::Continue,
            ("success", _) => Self::Success(Box::new(Success::from_element(element, version)?)),
            ("failure", _) => Self::Failure(Failure::from_element(element)?),
            _ => Self::Other,
        })
    }
}

impl Response {
    /// Client: `<response/>` to a challenge.
    ///
    /// # Errors
    /// [`ProfileError::IllegalText`] never happens with these arguments; the signature is that of the other builders.
    pub fn to_octets(&self) -> Result<Vec<u8>, ProfileError> {
        let (namespace, message): (_, &Bytes) = (self.version.namespace(), &self.message);
        element::write(&element::with_data("response", namespace, message))
    }
}
