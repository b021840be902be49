//! BOSH (XEP-0124), and XMPP in it (XEP-0206): a stream in the bodies of HTTP requests and their responses.
//!
//! ```text
//! C: <body rid='1' to='example.com' … xmlns='http://jabber.org/protocol/httpbind'/>
//! S: <body sid='some-id' …><stream:features>…</stream:features></body>
//! C: <body rid='2' sid='some-id' …>
//!      <authenticate xmlns='urn:xmpp:sasl:2' mechanism='IKY-SHA-256-NONE'>…<bind xmlns='urn:xmpp:bind:0'/></authenticate>
//!    </body>
//! S: <body …><success xmlns='urn:xmpp:sasl:2'>…<bound xmlns='urn:xmpp:bind:0'/></success></body>
//! ```
//!
//! The request for a session carries nothing, so the login is in the second one: as late as anything else that a client
//! could send over BOSH. It stands alone there, like in every stream with SASL2, and what is done with it is inside.
//!
//! Held requests, acknowledgements, inactivity and HTTP itself are the stack's. Which TLS facts are the stream's says
//! [`Path::bosh`](super::Path::bosh): those of no single connection.

use core::fmt;
use std::collections::BTreeMap;

use bytes::Bytes;
use minidom::rxml::NcName;
use minidom::{Element, Node};

use super::element::{self, CLIENT, HTTPBIND, STREAMS, XBOSH};
use super::{Authenticate, ClientExchange, StreamHeader, Version};
use crate::profile::flight::Length;
use crate::profile::{Flight, ProfileError};

/// Longest body, in octets; and the most that its elements together have as they stand in a stream.
const LIMIT: usize = 64 * 1024;
/// Most elements in a body.
const MAX_ELEMENTS: usize = 64;
/// Most attributes that are the stack's.
const MAX_ATTRIBUTES: usize = 32;
/// Highest request id (XEP-0124 section 14.1).
const MAX_RID: u64 = (1 << 53) - 1;

/// Attributes of a body that are the stack's, such as `wait` and `hold`: without a namespace, at most 32.
pub type Attributes = BTreeMap<String, String>;

/// What a client sends in one HTTP request.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Its number, one more than that of the request before it; at most 2^53 - 1. The first one is random.
    pub rid: u64,
    /// What it asks for.
    pub act: Act,
    /// The rest.
    pub attributes: Attributes,
}

/// What a request asks for.
#[derive(Clone, PartialEq, Eq)]
pub enum Act {
    /// A session, with its first stream; the id in the header is for servers.
    Create(StreamHeader),
    /// To go on with a new stream, after a login with SASL of RFC 6120.
    Restart {
        /// The session.
        sid: String,
        /// The new stream.
        header: StreamHeader,
    },
    /// To take these elements, none at all included.
    Send {
        /// The session.
        sid: String,
        /// As they stand in a stream, at most 64.
        elements: Vec<Bytes>,
    },
    /// To end the session, after these elements.
    Terminate {
        /// The session.
        sid: String,
        /// As they stand in a stream, at most 64.
        elements: Vec<Bytes>,
    },
}

/// What a server or connection manager answers in one HTTP response.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// The new session. Whoever has it can go on with the session, on any connection.
    pub sid: Option<String>,
    /// Which server it is.
    pub from: Option<String>,
    /// As they stand in a stream, at most 64.
    pub elements: Vec<Bytes>,
    /// The session is over.
    pub terminated: Option<Terminated>,
    /// The rest.
    pub attributes: Attributes,
}

/// The end of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terminated {
    /// Why (XEP-0124 section 17.2); with `remote-stream-error` the elements are those of the stream error.
    pub condition: Option<String>,
}

impl Request {
    /// Client: a login on a session, with no other element in the body. The responses are read by the exchange, element
    /// by element.
    ///
    /// # Errors
    /// As for [`Authenticate::to_octets`] and [`to_octets`](Self::to_octets).
    pub fn login(rid: u64, sid: &str, login: &Authenticate) -> Result<(Flight, ClientExchange), ProfileError> {
        let act = Act::Send { sid: sid.to_owned(), elements: vec![login.to_octets()?.into()] };
        let request = Self { rid, act, attributes: Attributes::new() };
        Ok((Flight::new(request.to_octets()?, false), ClientExchange::new(Version::Sasl2)))
    }

    /// The body.
    ///
    /// # Errors
    /// [`ProfileError::IllegalText`] for a character that XML doesn't have, [`ProfileError::OutOfTurn`] for what is beyond
    /// its bounds, and the errors of an element that is none.
    pub fn to_octets(&self) -> Result<Vec<u8>, ProfileError> {
        if self.rid == 0 || self.rid > MAX_RID {
            return Err(ProfileError::OutOfTurn("a rid is between 1 and 2^53 - 1"));
        }
        let mut tag = Tag::new();
        tag.attribute("rid", &self.rid.to_string())?;
        let none = Vec::new();
        let elements = match &self.act {
            Act::Create(header) => {
                tag.attribute("xmpp:version", "1.0")?;
                tag.header(header)?;
                &none
            }
            Act::Restart { sid, header } => {
                tag.attribute("sid", sid)?;
                tag.attribute("xmpp:restart", "true")?;
                tag.header(header)?;
                &none
            }
            Act::Send { sid, elements } => {
                tag.attribute("sid", sid)?;
                elements
            }
            Act::Terminate { sid, elements } => {
                tag.attribute("sid", sid)?;
                tag.attribute("type", "terminate")?;
                elements
            }
        };
        tag.finish(&self.attributes, elements)
    }

    /// Parses a body.
    ///
    /// # Errors
    /// [`ProfileError`] for what is no `<body/>` of a client, for one of more than 64 KiB, or whose elements have more as they
    /// stand in a stream, and for elements in a request for a session or a restart: there is no stream yet that they could be
    /// in.
    pub fn parse(octets: &[u8]) -> Result<Self, ProfileError> {
        let body = parse(octets)?;
        let rid = element::number(&body, "rid")?.filter(|rid| (1..=MAX_RID).contains(rid));
        let rid = rid.ok_or(ProfileError::Malformed("a request has a rid"))?;
        let elements = elements(&body)?;
        let header = StreamHeader { id: None, ..StreamHeader::read_attributes(&body) };
        let restart = body.attr_ns(XBOSH, "restart").is_some_and(|restart| matches!(restart, "true" | "1"));
        let is_over = body.attr("type") == Some("terminate");
        let act = match body.attr("sid").map(str::to_owned) {
            None if is_over || restart => return Err(ProfileError::Malformed("a request in no session")),
            Some(_) if is_over && restart => {
                return Err(ProfileError::Malformed("a request for a new stream and the end"));
            }
            Some(sid) if is_over => Act::Terminate { sid, elements },
            Some(sid) if !restart => Act::Send { sid, elements },
            _ if !elements.is_empty() => {
                return Err(ProfileError::Malformed("elements in a request for a session or a stream"));
            }
            None => Act::Create(header),
            Some(sid) => Act::Restart { sid, header },
        };
        Ok(Self { rid, act, attributes: attributes(&body, &["rid", "sid", "to", "from", "id", "type"])? })
    }
}

impl Response {
    /// The body.
    ///
    /// # Errors
    /// As for [`Request::to_octets`].
    pub fn to_octets(&self) -> Result<Vec<u8>, ProfileError> {
        let mut tag = Tag::new();
        for (name, value) in [("sid", &self.sid), ("from", &self.from)] {
            if let Some(value) = value {
                tag.attribute(name, value)?;
            }
        }
        if let Some(terminated) = &self.terminated {
            tag.attribute("type", "terminate")?;
            if let Some(condition) = &terminated.condition {
                tag.attribute("condition", condition)?;
            }
        }
        tag.finish(&self.attributes, &self.elements)
    }

    /// Parses a body.
    ///
    /// # Errors
    /// [`ProfileError`] for what is no `<body/>`, for one of more than 64 KiB, or whose elements have more as they stand in a
    /// stream.
    pub fn parse(octets: &[u8]) -> Result<Self, ProfileError> {
        let body = parse(octets)?;
        let attr = |name: &str| body.attr(name).map(str::to_owned);
        let terminated = || Terminated { condition: attr("condition") };
        Ok(Self {
            sid: attr("sid"),
            from: attr("from"),
            elements: elements(&body)?,
            terminated: (body.attr("type") == Some("terminate")).then(terminated),
            attributes: attributes(&body, &["sid", "from", "type", "condition"])?,
        })
    }
}

/// A body that is being written.
struct Tag(Vec<u8>);

impl Tag {
    fn new() -> Self {
        // Nobody has to look whether an element in it needs them.
        Self(format!("<body xmlns='{HTTPBIND}' xmlns:xmpp='{XBOSH}' xmlns:stream='{STREAMS}'").into_bytes())
    }

    fn attribute(&mut self, name: &str, value: &str) -> Result<(), ProfileError> {
        element::write_attribute(&mut self.0, name, value)
    }

    fn header(&mut self, header: &StreamHeader) -> Result<(), ProfileError> {
        StreamHeader { id: None, ..header.clone() }.write_attributes(&mut self.0)
    }

    fn finish(mut self, attributes: &Attributes, elements: &[Bytes]) -> Result<Vec<u8>, ProfileError> {
        const OURS: [&str; 10] = ["rid", "sid", "to", "from", "id", "type", "condition", "xmlns", "version", "restart"];
        const TOO_LONG: ProfileError = ProfileError::OutOfTurn("a body has at most 64 KiB");
        if attributes.len() > MAX_ATTRIBUTES || elements.len() > MAX_ELEMENTS {
            return Err(ProfileError::OutOfTurn("a body has at most 32 attributes of the stack's, and 64 elements"));
        }
        for (name, value) in attributes {
            if OURS.contains(&name.as_str()) || NcName::try_from(name.as_str()).is_err() {
                return Err(ProfileError::OutOfTurn("an attribute that is not the stack's, or no name of one"));
            }
            self.attribute(name, value)?;
        }
        self.0.push(b'>');
        for element in elements {
            match element::alone_behind(&mut self.0, element, LIMIT) {
                Err(ProfileError::TooLong { limit: LIMIT }) => return Err(TOO_LONG),
                written => written?,
            }
        }
        self.0.extend_from_slice(b"</body>");
        if self.0.len() > LIMIT { Err(TOO_LONG) } else { Ok(self.0) }
    }
}

fn parse(octets: &[u8]) -> Result<Element, ProfileError> {
    let body = element::parse_alone(octets, LIMIT, element::DEPTH + 1)?;
    if body.is("body", HTTPBIND) { Ok(body) } else { Err(ProfileError::Malformed("a <body/> of BOSH was due")) }
}

/// The elements in a body, each in a form in which it can stand in a stream.
fn elements(body: &Element) -> Result<Vec<Bytes>, ProfileError> {
    // XEP-0206 section 2: many clients leave the namespace of their stanzas out.
    let rename = |namespace: String| if namespace == HTTPBIND { CLIENT.to_owned() } else { namespace };
    let (mut found, mut written) = (Vec::new(), Vec::new());
    for node in body.nodes() {
        match node {
            Node::Element(_) if found.len() == MAX_ELEMENTS => {
                return Err(ProfileError::Malformed("more than 64 elements in one body"));
            }
            Node::Element(child) => {
                let start = written.len();
                element::write_behind(&mut written, &element::plain_in(child, &rename)?, LIMIT)?;
                found.push(start..written.len());
            }
            Node::Text(text) if text.trim_ascii().is_empty() => {}
            Node::Text(_) => return Err(ProfileError::Malformed("text between the elements of a body")),
        }
    }
    let written = Bytes::from(written);
    Ok(found.into_iter().map(|range| written.slice(range)).collect())
}

/// The attributes that are none of `ours`.
fn attributes(body: &Element, ours: &[&str]) -> Result<Attributes, ProfileError> {
    let mut found = Attributes::new();
    for ((namespace, name), value) in body.attrs() {
        if !namespace.as_str().is_empty() || ours.contains(&name.as_str()) {
            continue;
        }
        if found.len() == MAX_ATTRIBUTES {
            return Err(ProfileError::Malformed("more than 32 attributes in one body"));
        }
        found.insert(name.to_string(), value.clone());
    }
    Ok(found)
}

/// Who has the id of a session has the session, and elements hold passwords.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("rid", &self.rid).field("act", &self.act).finish_non_exhaustive()
    }
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, elements) = match self {
            Self::Create(header) => return f.debug_tuple("Create").field(header).finish(),
            Self::Restart { header, .. } => {
                return f.debug_struct("Restart").field("header", header).finish_non_exhaustive();
            }
            Self::Send { elements, .. } => ("Send", elements),
            Self::Terminate { elements, .. } => ("Terminate", elements),
        };
        f.debug_struct(name).field("elements", &Lengths(elements)).finish_non_exhaustive()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("sid", &self.sid.as_ref().map(|sid| Length(sid.as_bytes())))
            .field("from", &self.from)
            .field("elements", &Lengths(&self.elements))
            .field("terminated", &self.terminated)
            .finish_non_exhaustive()
    }
}

struct Lengths<'a>(&'a [Bytes]);

impl fmt::Debug for Lengths<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|element| Length(element))).finish()
    }
}
