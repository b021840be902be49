//! Bind 2 (XEP-0386): the resource, bound with the login.

use core::fmt;

use bytes::Bytes;
use minidom::Element;

use super::element::{self, BIND2, SM};
use super::{EnableStreamManagement, EnabledStreamManagement};
use crate::profile::ProfileError;
use crate::profile::flight::Length;

/// A request to bind a resource with the login (XEP-0386 section 3.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bind {
    /// A short text that names the client's software, for the server to make the resource of (XEP-0386 section 3.2).
    pub tag: Option<String>,
    /// Namespaces of features to enable at once: one `<enable xmlns='…'/>` each, at most 16.
    pub enable: Vec<String>,
    /// Stream management (XEP-0198), which has more to say than a namespace.
    pub stream_management: Option<EnableStreamManagement>,
}

/// `<bound/>` of Bind 2, with whatever the features that were enabled put into it.
#[derive(Clone, PartialEq, Eq)]
pub struct Bound {
    octets: Bytes,
    enabled: Option<EnabledStreamManagement>,
}

impl Bind {
    pub(super) fn to_element(&self) -> Result<Element, ProfileError> {
        let mut bind = Element::builder("bind", BIND2);
        if let Some(tag) = &self.tag {
            bind = bind.append(element::with_text("tag", BIND2, tag)?);
        }
        for namespace in &self.enable {
            if namespace == SM {
                return Err(ProfileError::OutOfTurn(
                    "Bind.stream_management enables XEP-0198, and Bind.enable the rest",
                ));
            }
            bind = bind.append(Element::bare("enable", element::legal(namespace)?));
        }
        if let Some(stream_management) = self.stream_management {
            bind = bind.append(stream_management.to_element()?);
        }
        Ok(bind.build())
    }

    pub(super) fn from_element(bind: &Element) -> Result<Self, ProfileError> {
        let enable = bind.children().filter(|child| child.name() == "enable" && !child.has_ns(SM)).take(16);
        let stream_management = element::child(bind, "enable", SM)?.map(EnableStreamManagement::from_element);
        Ok(Self {
            tag: element::child_text(bind, "tag", BIND2)?,
            enable: enable.map(Element::ns).collect(),
            stream_management: stream_management.transpose()?,
        })
    }
}

impl Bound {
    /// `<bound/>` with nothing in it.
    pub fn empty() -> Self {
        Self { octets: Bytes::from_static(b"<bound xmlns='urn:xmpp:bind:0'/>"), enabled: None }
    }

    /// `<bound/>` of a stream with stream management (XEP-0386 section 3.2).
    ///
    /// # Errors
    /// [`ProfileError::IllegalText`] for a character that XML doesn't have, and [`ProfileError::Malformed`] for a
    /// stream that can be resumed and has no id.
    pub fn with_stream_management(enabled: &EnabledStreamManagement) -> Result<Self, ProfileError> {
        let bound = Element::builder("bound", BIND2).append(enabled.to_element()?).build();
        Self::from_element(&bound, element::write(&bound)?.into())
    }

    /// A `<bound/>` that the stack made.
    ///
    /// # Errors
    /// [`ProfileError`] when the octets are not that one element, or what they say of stream management is no XEP-0198.
    pub fn parse(octets: &[u8]) -> Result<Self, ProfileError> {
        let bound = element::parse(octets)?;
        if !bound.is("bound", BIND2) {
            return Err(ProfileError::Malformed("<bound/> was due"));
        }
        Self::from_element(&bound, Bytes::copy_from_slice(octets))
    }

    /// The element.
    pub fn as_octets(&self) -> &[u8] {
        &self.octets
    }

    /// Stream management, if it was enabled. `None` when nobody asked, and when the server failed to.
    pub fn stream_management(&self) -> Option<&EnabledStreamManagement> {
        self.enabled.as_ref()
    }

    /// What to resume this stream with, if the server lets one: the id of a later
    /// [`Resume`](super::Resume). On some servers it is as good as a password.
    pub fn resumable_as(&self) -> Option<&str> {
        self.enabled.as_ref().filter(|enabled| enabled.resume)?.id.as_deref()
    }

    pub(super) fn to_element(&self) -> Result<Element, ProfileError> {
        element::plain(&element::parse(&self.octets)?)
    }

    pub(super) fn read(bound: &Element) -> Result<Self, ProfileError> {
        let bound = element::plain(bound)?;
        let mut octets = Vec::new();
        element::write_behind(&mut octets, &bound, element::LIMIT)?;
        Self::from_element(&bound, octets.into())
    }

    fn from_element(bound: &Element, octets: Bytes) -> Result<Self, ProfileError> {
        let enabled = element::child(bound, "enabled", SM)?.map(EnabledStreamManagement::from_element).transpose()?;
        if enabled.is_some() && element::child(bound, "failed", SM)?.is_some() {
            return Err(ProfileError::Malformed("stream management was enabled and was not"));
        }
        Ok(Self { octets, enabled })
    }
}

/// The octets may hold the id of a stream, which is as good as a password on some servers.
impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound").field("octets", &Length(&self.octets)).field("enabled", &self.enabled).finish()
    }
}
