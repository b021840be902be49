//! What the client sends: header and login in one flight.

use core::fmt;

use bytes::Bytes;
use minidom::Element;
use minidom::element::escape;

use super::element::{self, BIND2, CLIENT, IKY, SASL1, SASL2, SM, STREAMS};
use super::{ClientExchange, Version};
use crate::profile::flight::Length;
use crate::profile::{Flight, MechanismName, ProfileError, Request};

/// A stream header (RFC 6120 section 4.7), as either side sends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamHeader {
    /// Who the stream is for.
    pub to: Option<String>,
    /// Who opens it. A client gives its bare JID only inside TLS.
    pub from: Option<String>,
    /// The stream id that a server gives.
    pub id: Option<String>,
}

impl StreamHeader {
    /// XML declaration and opening tag.
    ///
    /// # Errors
    /// [`ProfileError::IllegalText`] for a character that XML doesn't have.
    pub fn to_octets(&self) -> Result<Vec<u8>, ProfileError> {
        let mut header =
            format!("<?xml version='1.0'?><stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAMS}' version='1.0'")
                .into_bytes();
        for (name, value) in [("from", &self.from), ("to", &self.to), ("id", &self.id)] {
            if let Some(value) = value {
                let value = escape(element::legal(value)?.as_bytes());
                header.extend([b" ", name.as_bytes(), b"='", &*value, b"'"].concat());
            }
        }
        header.push(b'>');
        Ok(header)
    }

    /// Parses a header, with or without the XML declaration.
    ///
    /// # Errors
    /// [`ProfileError`] for anything else, and for another prefix than `stream` (RFC 6120 section 4.8.5 lets one refuse
    /// it).
    pub fn parse(octets: &[u8]) -> Result<Self, ProfileError> {
        let header = element::parse(&[octets, b"</stream:stream>"].concat())?;
        if !header.is("stream", STREAMS) || header.nodes().next().is_some() {
            return Err(ProfileError::Malformed("a stream header was due"));
        }
        let attr = |name: &str| header.attr(name).map(str::to_owned);
        Ok(Self { to: attr("to"), from: attr("from"), id: attr("id") })
    }
}

/// Which installation of the client this is (XEP-0388 section 2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAgent {
    /// A UUID v4 that stays with the installation.
    pub id: Option<String>,
    /// The program's name.
    pub software: Option<String>,
    /// The device's name.
    pub device: Option<String>,
}

/// A request to bind a resource with the login (XEP-0386).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bind {
    /// A short text for the resource.
    pub tag: Option<String>,
    /// Namespaces of features to enable at once: one `<enable xmlns='…'/>` each, at most 16.
    pub enable: Vec<String>,
}

/// A resumption of a stream (XEP-0198 section 5), asked for or granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The id of the earlier stream.
    pub previd: String,
    /// How many stanzas of it the sender has handled.
    pub h: u32,
}

/// `<authenticate/>` of SASL2 (XEP-0388), with what the server does in the same go.
///
/// Only what is inside the element rides along: other stanzas in front of `<success/>` make a server close the stream,
/// so [`Flight::rides_along`] is never more than nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Authenticate {
    /// Mechanism and message.
    pub request: Request,
    /// Which installation.
    pub user_agent: Option<UserAgent>,
    /// Bind a resource; behind a resumption that fails, too.
    pub bind: Option<Bind>,
    /// Resume a stream.
    pub resume: Option<Resume>,
    /// Ask for a granted assertion for this mechanism.
    pub assertion_request: Option<MechanismName>,
}

impl Authenticate {
    /// A login with a mechanism and its message, and nothing else.
    pub fn new(mechanism: MechanismName, message: &[u8]) -> Self {
        let request = Request { mechanism, initial_response: Some(Bytes::copy_from_slice(message)) };
        Self { request, user_agent: None, bind: None, resume: None, assertion_request: None }
    }

    /// The flight: with a header, all that a client sends on a connection before it hears anything.
    ///
    /// # Errors
    /// [`ProfileError::IllegalText`] for a character that XML doesn't have.
    pub fn start(&self, header: Option<&StreamHeader>) -> Result<(Flight, ClientExchange), ProfileError> {
        let mut octets = header.map(StreamHeader::to_octets).transpose()?.unwrap_or_default();
        octets.extend(self.to_octets()?);
        Ok((Flight::new(octets, false), ClientExchange::new(Version::Sasl2)))
    }

    /// The element alone.
    ///
    /// # Errors
    /// [`ProfileError::IllegalText`] for a character that XML doesn't have.
    pub fn to_octets(&self) -> Result<Vec<u8>, ProfileError> {
        let mechanism = self.request.mechanism.as_str();
        let mut element = element::with_attr(Element::builder("authenticate", SASL2), "mechanism", mechanism)?;
        if let Some(message) = &self.request.initial_response {
            element = element.append(element::with_data("initial-response", SASL2, message));
        }
        if let Some(agent) = &self.user_agent {
            let mut child = Element::builder("user-agent", SASL2);
            if let Some(id) = &agent.id {
                child = element::with_attr(child, "id", id)?;
            }
            for (name, text) in [("software", &agent.software), ("device", &agent.device)] {
                if let Some(text) = text {
                    child = child.append(element::with_text(name, SASL2, text)?);
                }
            }
            element = element.append(child.build());
        }
        if let Some(resume) = &self.resume {
            element = element.append(resume.to_element("resume")?);
        }
        if let Some(bind) = &self.bind {
            let mut child = Element::builder("bind", BIND2);
            if let Some(tag) = &bind.tag {
                child = child.append(element::with_text("tag", BIND2, tag)?);
            }
            for namespace in &bind.enable {
                child = child.append(Element::bare("enable", element::legal(namespace)?));
            }
            element = element.append(child.build());
        }
        if let Some(mechanism) = &self.assertion_request {
            let child = Element::builder("assertion-request", IKY);
            element = element.append(element::with_attr(child, "mechanism", mechanism.as_str())?.build());
        }
        element::write(&element.build())
    }

    pub(super) fn from_element(element: &Element) -> Result<Self, ProfileError> {
        let response = element.get_child("initial-response", SASL2).map(element::data).transpose()?;
        let request = Request { mechanism: element::mechanism(element)?, initial_response: response.map(Bytes::from) };
        let text = |parent: &Element, name: &str, namespace: &str| parent.get_child(name, namespace).map(Element::text);
        let user_agent = element.get_child("user-agent", SASL2).map(|agent| UserAgent {
            id: agent.attr("id").map(str::to_owned),
            software: text(agent, "software", SASL2),
            device: text(agent, "device", SASL2),
        });
        let bind = element.get_child("bind", BIND2).map(|bind| {
            let enable = bind.children().filter(|child| child.name() == "enable").take(16);
            Bind { tag: text(bind, "tag", BIND2), enable: enable.map(Element::ns).collect() }
        });
        let resume = element.get_child("resume", SM).map(Resume::from_element).transpose()?;
        let assertion_request = element.get_child("assertion-request", IKY).map(element::mechanism).transpose()?;
        Ok(Self { request, user_agent, bind, resume, assertion_request })
    }
}

impl Resume {
    pub(super) fn to_element(&self, name: &str) -> Result<Element, ProfileError> {
        let element = element::with_attr(Element::builder(name, SM), "previd", &self.previd)?;
        Ok(element::with_attr(element, "h", &self.h.to_string())?.build())
    }

    pub(super) fn from_element(element: &Element) -> Result<Self, ProfileError> {
        let previd = element.attr("previd").map(str::to_owned);
        let h = element.attr("h").and_then(|h| h.parse().ok());
        let malformed = ProfileError::Malformed("a resumption without previd and h");
        Ok(Self { previd: previd.ok_or(malformed)?, h: h.ok_or(malformed)? })
    }
}

/// Client: `<auth/>` of RFC 6120 section 6.4.2, for a server without SASL2. It comes behind the server's features, and
/// the stream restarts after it.
///
/// # Errors
/// [`ProfileError::IllegalText`] never happens with these arguments; the signature is that of the other builders.
pub fn auth(mechanism: MechanismName, message: &[u8]) -> Result<(Flight, ClientExchange), ProfileError> {
    let element = Element::builder("auth", SASL1).append(crate::profile::wire::encode_initial(message));
    let element = element::with_attr(element, "mechanism", mechanism.as_str())?;
    Ok((Flight::new(element::write(&element.build())?, false), ClientExchange::new(Version::Sasl1)))
}

pub(super) fn auth_request(element: &Element) -> Result<Request, ProfileError> {
    // RFC 6120 section 6.4.2: no text is no message, `=` is the empty one
    let initial_response = match element.text().as_str() {
        "" => None,
        _ => Some(Bytes::from(element::data(element)?)),
    };
    Ok(Request { mechanism: element::mechanism(element)?, initial_response })
}

impl fmt::Debug for Authenticate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the previd of a resumption is as good as a password on some servers
        f.debug_struct("Authenticate")
            .field("request", &self.request)
            .field("user_agent", &self.user_agent)
            .field("bind", &self.bind)
            .field("resume", &self.resume.as_ref().map(|resume| Length(resume.previd.as_bytes())))
            .field("assertion_request", &self.assertion_request)
            .finish()
    }
}
