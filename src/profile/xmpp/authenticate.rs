//! What the client sends: header and login in one flight.

use core::fmt;

use bytes::Bytes;
use minidom::Element;

use super::element::{self, BIND2, CLIENT, FAST, IAP, IKY, SASL1, SASL2, SM, STREAMS};
use super::{Bind, ClientExchange, ConfigVersion, Fast, Resume, Version};
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
        self.write_attributes(&mut header)?;
        header.push(b'>');
        Ok(header)
    }

    /// What it says, as attributes of a tag that is being written.
    pub(super) fn write_attributes(&self, tag: &mut Vec<u8>) -> Result<(), ProfileError> {
        for (name, value) in [("from", &self.from), ("to", &self.to), ("id", &self.id)] {
            if let Some(value) = value {
                element::write_attribute(tag, name, value)?;
            }
        }
        Ok(())
    }

    /// What the attributes of a tag say.
    pub(super) fn read_attributes(tag: &Element) -> Self {
        let attr = |name: &str| tag.attr(name).map(str::to_owned);
        Self { to: attr("to"), from: attr("from"), id: attr("id") }
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
        Ok(Self::read_attributes(&header))
    }
}

/// Which installation of the client this is (XEP-0388 section 2.2): three texts of at most 255 octets each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAgent {
    /// A UUID v4 that stays with the installation.
    pub id: Option<String>,
    /// The program's name.
    pub software: Option<String>,
    /// The device's name.
    pub device: Option<String>,
}

/// `<authenticate/>` of SASL2 (XEP-0388), with what the server does in the same go.
///
/// Only what is inside the element rides along: a server may close the stream for a stanza in front of `<success/>`, so
/// [`Flight::rides_along`] is never more than nothing. Prosody 13 takes one (`interop/run prosody` shows it); a client
/// that knows its server may send what does no harm should the login fail, and nothing behind a resumption.
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
    /// Ask for a token for this mechanism (XEP-0484 section 3.2).
    pub token_request: Option<MechanismName>,
    /// This login is with a token: it also needs a [`StreamHeader`] that is from the account, and an id of the user
    /// agent.
    pub fast: Option<Fast>,
    /// What the server offered last time, for a login ahead of what it offers now (XEP-0509).
    pub config_version: Option<ConfigVersion>,
}

impl Authenticate {
    /// A login with a mechanism and its message, and nothing else.
    pub fn new(mechanism: MechanismName, message: &[u8]) -> Self {
        let request = Request { mechanism, initial_response: Some(Bytes::copy_from_slice(message)) };
        Self {
            request,
            user_agent: None,
            bind: None,
            resume: None,
            assertion_request: None,
            token_request: None,
            fast: None,
            config_version: None,
        }
    }

    /// The flight: with a header, all that a client sends on a connection before it hears anything.
    ///
    /// # Errors
    /// As for [`to_octets`](Self::to_octets).
    pub fn start(&self, header: Option<&StreamHeader>) -> Result<(Flight, ClientExchange), ProfileError> {
        let mut octets = header.map(StreamHeader::to_octets).transpose()?.unwrap_or_default();
        octets.extend(self.to_octets()?);
        Ok((Flight::new(octets, false), ClientExchange::new(Version::Sasl2)))
    }

    /// The element alone.
    ///
    /// # Errors
    /// [`ProfileError::IllegalText`] for a character that XML doesn't have, and [`ProfileError::OutOfTurn`] for a value
    /// beyond its bounds; the text says which.
    pub fn to_octets(&self) -> Result<Vec<u8>, ProfileError> {
        let mechanism = self.request.mechanism.as_str();
        let mut element = element::with_attr(Element::builder("authenticate", SASL2), "mechanism", mechanism)?;
        if let Some(message) = &self.request.initial_response {
            element = element.append(element::with_data("initial-response", SASL2, message));
        }
        if let Some(agent) = &self.user_agent {
            element = element.append(agent.to_element()?);
        }
        if let Some(resume) = &self.resume {
            element = element.append(resume.to_element("resume")?);
        }
        if let Some(bind) = &self.bind {
            element = element.append(bind.to_element()?);
        }
        let requests =
            [("assertion-request", IKY, self.assertion_request), ("request-token", FAST, self.token_request)];
        for (name, namespace, mechanism) in requests {
            if let Some(mechanism) = mechanism {
                let request = Element::builder(name, namespace);
                element = element.append(element::with_attr(request, "mechanism", mechanism.as_str())?.build());
            }
        }
        if let Some(fast) = self.fast {
            element = element.append(fast.to_element()?);
        }
        if let Some(version) = &self.config_version {
            element = element.append(version.to_element()?);
        }
        element::write(&element.build())
    }

    pub(super) fn from_element(element: &Element) -> Result<Self, ProfileError> {
        let child = |name: &str, namespace: &str| element::child(element, name, namespace);
        let response = child("initial-response", SASL2)?.map(element::data).transpose()?;
        let request = Request { mechanism: element::mechanism(element)?, initial_response: response.map(Bytes::from) };
        Ok(Self {
            request,
            user_agent: child("user-agent", SASL2)?.map(UserAgent::from_element).transpose()?,
            bind: child("bind", BIND2)?.map(Bind::from_element).transpose()?,
            resume: child("resume", SM)?.map(Resume::from_element).transpose()?,
            assertion_request: child("assertion-request", IKY)?.map(element::mechanism).transpose()?,
            token_request: child("request-token", FAST)?.map(element::mechanism).transpose()?,
            fast: child("fast", FAST)?.map(Fast::from_element).transpose()?,
            config_version: child("config-version", IAP)?.map(ConfigVersion::from_element).transpose()?,
        })
    }
}

impl UserAgent {
    /// What a server stores of each, at most.
    const LIMIT: usize = 255;

    fn to_element(&self) -> Result<Element, ProfileError> {
        if !self.is_bounded() {
            return Err(ProfileError::OutOfTurn("a user agent's texts have at most 255 octets each"));
        }
        let mut element = Element::builder("user-agent", SASL2);
        if let Some(id) = &self.id {
            element = element::with_attr(element, "id", id)?;
        }
        for (name, text) in [("software", &self.software), ("device", &self.device)] {
            if let Some(text) = text {
                element = element.append(element::with_text(name, SASL2, text)?);
            }
        }
        Ok(element.build())
    }

    fn from_element(element: &Element) -> Result<Self, ProfileError> {
        let agent = Self {
            id: element.attr("id").map(str::to_owned),
            software: element::child_text(element, "software", SASL2)?,
            device: element::child_text(element, "device", SASL2)?,
        };
        if agent.is_bounded() { Ok(agent) } else { Err(ProfileError::Malformed("a user agent is too long to keep")) }
    }

    fn is_bounded(&self) -> bool {
        [&self.id, &self.software, &self.device].into_iter().flatten().all(|text| text.len() <= Self::LIMIT)
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
        f.debug_struct("Authenticate")
            .field("request", &self.request)
            .field("user_agent", &self.user_agent)
            .field("bind", &self.bind)
            .field("resume", &self.resume)
            .field("assertion_request", &self.assertion_request)
            .field("token_request", &self.token_request)
            .field("fast", &self.fast)
            .field("config_version", &self.config_version)
            .finish()
    }
}
