//! XMPP: SASL2 (XEP-0388) with Bind 2 (XEP-0386), stream management (XEP-0198), FAST (XEP-0484) and the pipelining of
//! XEP-0509 inside, and SASL of RFC 6120.
//!
//! The client speaks first, so header and login are one flight, and what it waits for is in the first reply:
//!
//! ```text
//! C: <?xml version='1.0'?><stream:stream … to='example.com' from='juliet@example.com'>
//!    <authenticate xmlns='urn:xmpp:sasl:2' mechanism='IKY-SHA-256-EXPR'>
//!      <initial-response>cD10bHMt…</initial-response>
//!      <resume xmlns='urn:xmpp:sm:3' previd='some-id' h='12'/>
//!    </authenticate>
//! S: <stream:stream …><stream:features>…</stream:features>
//!    <success xmlns='urn:xmpp:sasl:2'>
//!      <additional-data>dj0…</additional-data>
//!      <authorization-identifier>juliet@example.com/balcony</authorization-identifier>
//!      <resumed xmlns='urn:xmpp:sm:3' previd='some-id' h='7'/>
//!    </success>
//! ```
//!
//! With a token of FAST (XEP-0484) it is the same flight, and the same reply. The client says which of the server's
//! configurations it has in mind (XEP-0509), as the features are still to come:
//!
//! ```text
//! C: <?xml version='1.0'?><stream:stream … to='example.com' from='juliet@example.com'>
//!    <authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-EXPR'>
//!      <initial-response>anVsaWV0…</initial-response>
//!      <user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'>
//!        <software>AwesomeXMPP</software>
//!      </user-agent>
//!      <bind xmlns='urn:xmpp:bind:0'>
//!        <tag>AwesomeXMPP</tag>
//!        <enable xmlns='urn:xmpp:sm:3' resume='true'/>
//!      </bind>
//!      <fast xmlns='urn:xmpp:fast:0' count='123'/>
//!      <config-version xmlns='urn:xmpp:iap:0' scheme='opaque' value='VGhpcyBpcyBvcGFxdWUh'/>
//!    </authenticate>
//! S: <stream:stream …><stream:features>…
//!      <config-version xmlns='urn:xmpp:iap:0' scheme='opaque' value='VGhpcyBpcyBvcGFxdWUh'/>
//!    </stream:features>
//!    <success xmlns='urn:xmpp:sasl:2'>
//!      <additional-data>dj0…</additional-data>
//!      <authorization-identifier>juliet@example.com/AwesomeXMPP/4232f4d4</authorization-identifier>
//!      <bound xmlns='urn:xmpp:bind:0'>
//!        <enabled xmlns='urn:xmpp:sm:3' id='some-id' resume='true'/>
//!      </bound>
//!      <token xmlns='urn:xmpp:fast:0' expiry='2020-03-31T14:36:15Z' token='R3Vy…'/>
//!    </success>
//! ```
//!
//! or, where its configuration is another by now, without a look at the token:
//!
//! ```text
//! S: <stream:stream …><stream:features>…
//!      <config-version xmlns='urn:xmpp:iap:0' scheme='opaque' value='SSBjaGFuZ2VkIHRoaXMh'/>
//!    </stream:features>
//!    <failure xmlns='urn:xmpp:sasl:2'>
//!      <aborted xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>
//!      <config-version-mismatch xmlns='urn:xmpp:iap:0'/>
//!    </failure>
//! C: <authenticate …                            the same stream, and what these features have
//! ```
//!
//! Over WebSocket it is the same in messages ([`websocket`]), over BOSH in the bodies of HTTP ([`bosh`]). Whose TLS facts a stream
//! has then, and what is left of them behind a connection manager, say [`Path`] and [`Manager`].
//!
//! The parsers take one complete top-level element, at most 16 KiB and 16 levels deep, which the stack has cut out of
//! the stream; [`Framer`] does it for a stack that has nothing for it. An element that they read stands once where it
//! stands: with two, two readers may take one each. The draft adds three elements in the namespace
//! `urn:ietf:params:xml:ns:iky`: `<iky/>`, the server's message inside SASL2's `<failure/>`; `<assertion-request/>`,
//! listed in `<inline/>` and sent in `<authenticate/>`; and `<assertion/>`, granted in `<success/>`.

mod authenticate;
mod bind;
pub mod bosh;
mod config_version;
mod date_time;
mod element;
mod failure;
mod fast;
mod features;
mod framer;
mod path;
mod server_element;
mod stream_management;
mod success;
pub mod websocket;

use bytes::Bytes;
use minidom::Element;

pub use authenticate::{Authenticate, StreamHeader, UserAgent, auth};
pub use bind::{Bind, Bound};
pub use config_version::ConfigVersion;
pub use failure::Failure;
pub use fast::{Fast, FastFeature, FastLogin, IssuedToken};
pub use features::Features;
pub use framer::{Frame, Framer};
pub use path::{Manager, Path};
pub use server_element::ServerElement;
pub use stream_management::{EnableStreamManagement, EnabledStreamManagement, Resume};
pub use success::{GrantedAssertion, Success};

use super::{ProfileError, Request};

/// Which SASL profile of XMPP an exchange follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// RFC 6120 section 6.
    Sasl1,
    /// XEP-0388.
    Sasl2,
}

impl Version {
    const fn namespace(self) -> &'static str {
        match self {
            Self::Sasl1 => element::SASL1,
            Self::Sasl2 => element::SASL2,
        }
    }

    fn of(element: &Element) -> Option<Self> {
        [Self::Sasl1, Self::Sasl2].into_iter().find(|version| element.has_ns(version.namespace()))
    }
}

/// Server: what a client's element asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientElement {
    /// `<authenticate/>` of SASL2.
    Authenticate(Box<Authenticate>),
    /// `<auth/>` of RFC 6120.
    Auth(Request),
    /// `<response/>` to a challenge: the client's message, where it did not come at once.
    Response(Response),
    /// `<abort/>`: the answer is a failure with [`Answer::Malformed`](super::Answer::Malformed).
    Abort(Version),
    /// Nothing of SASL: the stack's.
    Other,
}

/// One message of a mechanism, from either side: a challenge, or the answer to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// Which SASL.
    pub version: Version,
    /// The message, decoded.
    pub message: Bytes,
}

impl core::fmt::Debug for Response {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let message = super::flight::Length(&self.message);
        f.debug_struct("Response").field("version", &self.version).field("message", &message).finish()
    }
}

impl ClientElement {
    /// Parses one complete element.
    ///
    /// # Errors
    /// [`ProfileError`] for what is no element, or one of SASL with something wrong in it; the answer to that is
    /// [`Failure`] with [`Answer::Malformed`](super::Answer::Malformed).
    pub fn parse(octets: &[u8]) -> Result<Self, ProfileError> {
        let element = element::parse(octets)?;
        let Some(version) = Version::of(&element) else { return Ok(Self::Other) };
        match (element.name(), version) {
            ("authenticate", Version::Sasl2) => {
                Authenticate::from_element(&element).map(Box::new).map(Self::Authenticate)
            }
            ("auth", Version::Sasl1) => authenticate::auth_request(&element).map(Self::Auth),
            ("response", _) => {
                let message = element::data(&element)?.into();
                Ok(Self::Response(Response { version, message }))
            }
            ("abort", _) => Ok(Self::Abort(version)),
            _ => Ok(Self::Other),
        }
    }
}

/// Server: `<challenge/>`; with nothing in it, it asks for the client's message that did not come at once.
///
/// # Errors
/// [`ProfileError::IllegalText`] never happens with these arguments; the signature is that of the other builders.
pub fn challenge(version: Version, octets: &[u8]) -> Result<Vec<u8>, ProfileError> {
    element::write(&element::with_data("challenge", version.namespace(), octets))
}

/// Client: what an element from the server means.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "Send must be sent, and Success and Failure are the server's answer"]
pub enum Event {
    /// Not the login's: stream features, say. The element is the stack's.
    Pass,
    /// Send these octets now, and read on.
    Send(Bytes),
    /// The server says that the client is logged in.
    Success(Box<Success>),
    /// The server says that it is not.
    Failure(Failure),
}

/// A login on its way, seen from the client; made by [`Authenticate::start`] or [`auth`].
#[derive(Debug)]
pub struct ClientExchange {
    version: Version,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Running,
    /// `<abort/>` was sent; the failure is still to come.
    Aborted,
    Failed(ProfileError),
    Over,
}

impl ClientExchange {
    fn new(version: Version) -> Self {
        Self { version, state: State::Running }
    }

    /// Takes one complete element.
    ///
    /// A challenge, or a `<continue/>` with tasks, is more than EXTERNAL, IKY or HT has an answer to: it is aborted, and
    /// [`ProfileError::UnexpectedChallenge`] follows the server's failure.
    ///
    /// # Errors
    /// [`ProfileError`] when the server follows no protocol; the same again on every later call.
    pub fn receive(&mut self, octets: &[u8]) -> Result<Event, ProfileError> {
        match self.state {
            State::Failed(error) => return Err(error),
            State::Over => return Err(ProfileError::OutOfTurn("the login is over; what follows is the application's")),
            State::Running | State::Aborted => {}
        }
        self.step(octets).inspect_err(|&error| self.state = State::Failed(error))
    }

    fn step(&mut self, octets: &[u8]) -> Result<Event, ProfileError> {
        let element = element::parse(octets)?;
        if Version::of(&element) != Some(self.version) {
            return Ok(Event::Pass);
        }
        match ServerElement::from_element(&element, self.version)? {
            ServerElement::Other => Ok(Event::Pass),
            _ if matches!(self.state, State::Aborted) => Err(ProfileError::UnexpectedChallenge),
            ServerElement::Success(success) => {
                self.state = State::Over;
                Ok(Event::Success(success))
            }
            ServerElement::Failure(failure) => {
                self.state = State::Over;
                Ok(Event::Failure(failure))
            }
            ServerElement::Challenge(_) | ServerElement::Continue => {
                self.state = State::Aborted;
                let abort = element::write(&Element::bare("abort", self.version.namespace()))?;
                Ok(Event::Send(abort.into()))
            }
        }
    }
}
