//! XMPP over WebSocket (RFC 7395): one message is one element, which stands alone.
//!
//! ```text
//! C: <open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.com' version='1.0'/>
//! C: <authenticate xmlns='urn:xmpp:sasl:2' mechanism='IKY-SHA-256-EXPR'>…</authenticate>
//! S: <open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='example.com' id='1' version='1.0'/>
//! S: <stream:features xmlns:stream='http://etherx.jabber.org/streams'>…</stream:features>
//! S: <success xmlns='urn:xmpp:sasl:2'>…</success>
//! ```
//!
//! The messages are text messages of the WebSocket, complete ones; putting frames together, pings and the subprotocol
//! `xmpp` are its library's. Which TLS facts are the stream's says [`Path`](super::Path).

use bytes::Bytes;
use minidom::Element;

use super::element::{self, FRAMING};
use super::{Authenticate, ClientExchange, Frame, StreamHeader, Version};
use crate::profile::ProfileError;

/// The name that client and server agree on in the WebSocket's handshake (Sec-WebSocket-Protocol).
pub const SUBPROTOCOL: &str = "xmpp";

/// Reads the messages of a stream, as [`Framer`](super::Framer) does what comes over TCP.
///
/// One for each stream: after the success of a login with SASL of RFC 6120 the stream restarts, without `<close/>` and with
/// a new `<open/>` (RFC 7395 section 3), and a new one of these reads it.
#[derive(Debug, Default)]
pub struct Reader(State);

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Closed,
    Open,
    Ended,
    Failed(ProfileError),
}

impl Reader {
    /// Before `<open/>`.
    pub const fn new() -> Self {
        Self(State::Closed)
    }

    /// Takes one message. What it gives is never [`Frame::NeedMore`]; its elements declare their namespaces, and are for
    /// the parsers of this module or the stack's own.
    ///
    /// # Errors
    /// [`ProfileError`] for what is not one complete element that stands alone (RFC 7395 section 3), in 16 KiB and 16
    /// levels at most, and with namespaces of at most 256 octets; for one before `<open/>`, and for a second `<open/>`; the same again on every later call.
    pub fn receive(&mut self, message: &[u8]) -> Result<Frame, ProfileError> {
        match self.0 {
            State::Failed(error) => Err(error),
            state => {
                let step = Self::step(state, message);
                self.0 = match &step {
                    Ok(Frame::End) => State::Ended,
                    Ok(_) => State::Open,
                    Err(error) => State::Failed(*error),
                };
                step
            }
        }
    }

    fn step(state: State, message: &[u8]) -> Result<Frame, ProfileError> {
        let element = element::parse_alone(message, element::LIMIT, element::DEPTH)?;
        match (state, is_framing(&element)?) {
            (State::Ended, _) => Err(ProfileError::Malformed("a message after the stream was closed")),
            (State::Closed, Some(Framing::Open)) => Ok(Frame::Header(StreamHeader::read_attributes(&element))),
            (State::Open, Some(Framing::Open)) => Err(ProfileError::Malformed("the stream is open already")),
            // Also an answer to <open/>, of a server that would rather have the client elsewhere.
            (_, Some(Framing::Close)) => Ok(Frame::End),
            (State::Open, None) => Ok(Frame::Element(Bytes::copy_from_slice(message))),
            (State::Closed | State::Failed(_), _) => Err(ProfileError::Malformed("<open/> was due")),
        }
    }
}

enum Framing {
    Open,
    Close,
}

fn is_framing(element: &Element) -> Result<Option<Framing>, ProfileError> {
    if !element.has_ns(FRAMING) {
        return Ok(None);
    }
    match element.name() {
        _ if element.nodes().next().is_some() => Err(ProfileError::Malformed("<open/> and <close/> are empty")),
        "open" => Ok(Some(Framing::Open)),
        "close" => Ok(Some(Framing::Close)),
        _ => Err(ProfileError::Malformed("neither <open/> nor <close/>")),
    }
}

/// The message `<open/>`, in place of a stream header.
///
/// # Errors
/// [`ProfileError::IllegalText`] for a character that XML doesn't have.
pub fn open(header: &StreamHeader) -> Result<Bytes, ProfileError> {
    let mut message = format!("<open xmlns='{FRAMING}' version='1.0'").into_bytes();
    header.write_attributes(&mut message)?;
    message.extend_from_slice(b"/>");
    Ok(message.into())
}

/// The message `<close/>`, in place of a stream's end tag.
pub fn close() -> Bytes {
    format!("<close xmlns='{FRAMING}'/>").into()
}

/// The message for an element as it stands in a stream over TCP: in it the element declares its namespaces itself.
///
/// # Errors
/// [`ProfileError`] for octets that are not one complete element, and for one of more than 16 KiB, as it stands there or in the
/// message.
pub fn message(element: &[u8]) -> Result<Bytes, ProfileError> {
    element::alone(element).map(Bytes::from)
}

/// Client: the messages of a login, to be sent at once, before anything is heard. The first one is `<open/>`, on a stream
/// that is not open yet. As on TCP, nothing rides along behind them.
///
/// # Errors
/// As for [`Authenticate::to_octets`].
pub fn start(
    login: &Authenticate,
    header: Option<&StreamHeader>,
) -> Result<(Vec<Bytes>, ClientExchange), ProfileError> {
    let mut messages: Vec<_> = header.map(open).transpose()?.into_iter().collect();
    messages.push(login.to_octets()?.into());
    Ok((messages, ClientExchange::new(Version::Sasl2)))
}
