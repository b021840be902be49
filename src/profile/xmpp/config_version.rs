//! What a client logs in on the basis of: the server's configuration, as it was advertised last time (XEP-0509).

use minidom::Element;

use super::element::{self, IAP};
use crate::profile::ProfileError;

const LIMIT: usize = 1024;

/// `<config-version/>` of XEP-0509: in the server's features what they are now, in `<authenticate/>` what the client
/// has seen of them.
///
/// A client keeps the server's last one, and sends it with a login that goes ahead of the features. When the features
/// are others by now, the server refuses that login without prejudice, with
/// [`Failure::config_version_mismatch`](super::Failure::config_version_mismatch).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigVersion {
    /// How the value is made: `opaque`, or unsaid. At most 1024 octets.
    pub scheme: Option<String>,
    /// A value to compare, and nothing else: 1 to 1024 octets.
    pub value: String,
}

impl ConfigVersion {
    /// Server: whether the client has seen this version. Octet by octet (XEP-0509, "opaque"), whatever the schemes are
    /// called: the client may leave them out.
    pub fn matches(&self, sent: &Self) -> bool {
        self.value == sent.value
    }

    pub(super) fn to_element(&self) -> Result<Element, ProfileError> {
        if !self.is_bounded() {
            return Err(ProfileError::OutOfTurn("a config-version has a value, and at most 1024 octets of it"));
        }
        let mut element = Element::builder("config-version", IAP);
        if let Some(scheme) = &self.scheme {
            element = element::with_attr(element, "scheme", scheme)?;
        }
        Ok(element::with_attr(element, "value", &self.value)?.build())
    }

    /// XEP-0509's examples also say `schema`.
    pub(super) fn from_element(element: &Element) -> Result<Self, ProfileError> {
        let scheme = element.attr("scheme").or(element.attr("schema")).map(str::to_owned);
        let read = Self { scheme, value: element.attr("value").unwrap_or_default().to_owned() };
        if read.is_bounded() { Ok(read) } else { Err(ProfileError::Malformed("a config-version without a fit value")) }
    }

    fn is_bounded(&self) -> bool {
        (1..=LIMIT).contains(&self.value.len()) && self.scheme.as_ref().is_none_or(|scheme| scheme.len() <= LIMIT)
    }
}
