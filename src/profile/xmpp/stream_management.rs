//! Streams that outlive their connections (XEP-0198).

use core::fmt;

use minidom::Element;

use super::element::{self, SM};
use crate::profile::ProfileError;
use crate::profile::flight::Length;

/// A resumption of a stream (XEP-0198 section 5), asked for or granted.
#[derive(Clone, PartialEq, Eq)]
pub struct Resume {
    /// The id of the earlier stream.
    pub previd: String,
    /// How many stanzas of it the sender has handled, counted from 0, modulo 2³² (XEP-0198 section 4).
    pub h: u32,
}

/// `<enable/>` (XEP-0198 section 3), inside the request to bind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EnableStreamManagement {
    /// The stream shall be one that can be resumed.
    pub resume: bool,
    /// For how many seconds, if the client has a say.
    pub max: Option<u32>,
}

/// `<enabled/>` (XEP-0198 section 3), inside [`Bound`](super::Bound): what a client needs to resume this stream later.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct EnabledStreamManagement {
    /// What to call the stream then. On some servers it is as good as a password.
    pub id: Option<String>,
    /// Whether the stream can be resumed.
    pub resume: bool,
    /// For how many seconds after the connection was lost; `None` where the server does not say.
    pub max: Option<u32>,
    /// Where the server would like the client to come back to: an address or domain, with a port if it has one.
    pub location: Option<String>,
}

impl Resume {
    pub(super) fn to_element(&self, name: &str) -> Result<Element, ProfileError> {
        let element = element::with_attr(Element::builder(name, SM), "previd", &self.previd)?;
        Ok(element::with_attr(element, "h", &self.h.to_string())?.build())
    }

    pub(super) fn from_element(element: &Element) -> Result<Self, ProfileError> {
        let (previd, h) = (element.attr("previd").map(str::to_owned), element::number(element, "h")?);
        let malformed = ProfileError::Malformed("a resumption without previd and h");
        Ok(Self { previd: previd.ok_or(malformed)?, h: h.ok_or(malformed)? })
    }
}

impl EnableStreamManagement {
    pub(super) fn to_element(self) -> Result<Element, ProfileError> {
        let element = element::with_flag(Element::builder("enable", SM), "resume", self.resume)?;
        Ok(element::with_number(element, "max", self.max)?.build())
    }

    pub(super) fn from_element(element: &Element) -> Result<Self, ProfileError> {
        Ok(Self { resume: element::flag(element, "resume")?, max: element::number(element, "max")? })
    }
}

impl EnabledStreamManagement {
    pub(super) fn to_element(&self) -> Result<Element, ProfileError> {
        let mut element = Element::builder("enabled", SM);
        for (name, value) in [("id", &self.id), ("location", &self.location)] {
            if let Some(value) = value {
                element = element::with_attr(element, name, value)?;
            }
        }
        element = element::with_flag(element, "resume", self.resume)?;
        Ok(element::with_number(element, "max", self.max)?.build())
    }

    pub(super) fn from_element(element: &Element) -> Result<Self, ProfileError> {
        let text = |name: &str| element.attr(name).map(str::to_owned);
        let (id, resume) = (text("id"), element::flag(element, "resume")?);
        if resume && id.as_ref().is_none_or(String::is_empty) {
            return Err(ProfileError::Malformed("a stream that can be resumed has an id"));
        }
        Ok(Self { id, resume, max: element::number(element, "max")?, location: text("location") })
    }
}

/// The id of a stream is as good as a password on some servers.
impl fmt::Debug for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resume").field("previd", &Length(self.previd.as_bytes())).field("h", &self.h).finish()
    }
}

impl fmt::Debug for EnabledStreamManagement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnabledStreamManagement")
            .field("id", &self.id.as_ref().map(|id| Length(id.as_bytes())))
            .field("resume", &self.resume)
            .field("max", &self.max)
            .field("location", &self.location)
            .finish()
    }
}
