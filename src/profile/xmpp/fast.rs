//! Tokens that a server issues, for logins in one round trip (XEP-0484).

use core::fmt;

use minidom::Element;
use zeroize::Zeroizing;

use super::element::{self, FAST};
use super::{Authenticate, StreamHeader, date_time};
use crate::Timestamp;
use crate::assertion::{HtMechanism, Issued, Salt, TokenRequest};
use crate::crypto::constant_time_eq;
use crate::mechanism::ht;
use crate::profile::{MechanismName, Offer, ProfileError};
use crate::store::client::Attempt;

/// What a server says of FAST in its features (XEP-0484 section 3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FastFeature {
    /// The mechanisms that tokens are for.
    pub offer: Offer,
    /// The server takes a login in TLS early data, with a [count](Fast::count).
    pub tls_0rtt: bool,
}

/// `<fast/>` (XEP-0484 section 3.4): this login is with a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fast {
    /// Which attempt with this token it is, from 1 on. In TLS early data it must be there; few clients send it
    /// otherwise.
    pub count: Option<u64>,
    /// The token ends with this login (XEP-0484 section 3.6).
    pub invalidate: bool,
}

/// Who a login with a token says that it comes from (XEP-0484 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FastLogin<'a> {
    /// Who the stream *says* that it is from, a bare JID, which nobody has verified. Who logged in is
    /// [`Verdict::recognised`](crate::mechanism::Verdict::recognised) alone.
    pub from: &'a str,
    /// The installation: the id of its user agent.
    pub user_agent: &'a str,
    /// What it says of the token.
    pub fast: Fast,
}

/// `<token/>` (XEP-0484 section 3.3): a secret from the server, for later logins with the mechanism that was asked for.
#[derive(Clone)]
pub struct IssuedToken {
    text: Zeroizing<String>,
    expiry: Timestamp,
}

impl FastFeature {
    pub(super) fn to_element(&self) -> Result<Element, ProfileError> {
        let fast = element::with_flag(Element::builder("fast", FAST), "tls-0rtt", self.tls_0rtt)?;
        Ok(fast.append_all(element::names(&self.offer, FAST)).build())
    }

    pub(super) fn from_element(element: &Element) -> Self {
        let mut offer = Offer::heard([]);
        element::hear(&mut offer, element, FAST);
        Self { offer, tls_0rtt: element::flag(element, "tls-0rtt").unwrap_or_default() }
    }
}

impl Fast {
    /// 19 digits, which is what the parser takes.
    const MAX_COUNT: u64 = 9_999_999_999_999_999_999;

    pub(super) fn to_element(self) -> Result<Element, ProfileError> {
        if self.count.is_some_and(|count| count == 0 || count > Self::MAX_COUNT) {
            return Err(ProfileError::OutOfTurn("a count begins with 1, and has at most 19 digits"));
        }
        let element = element::with_number(Element::builder("fast", FAST), "count", self.count)?;
        Ok(element::with_flag(element, "invalidate", self.invalidate)?.build())
    }

    pub(super) fn from_element(element: &Element) -> Result<Self, ProfileError> {
        let count = element::number(element, "count")?;
        if count == Some(0) {
            return Err(ProfileError::Malformed("a count is a positive number"));
        }
        Ok(Self { count, invalidate: element::flag(element, "invalidate")? })
    }
}

impl Authenticate {
    /// Server: who a login with a token comes from, on a stream with this header.
    ///
    /// # Errors
    /// [`ProfileError::Malformed`] without `<fast/>`, without an id of the user agent, and where the stream doesn't say
    /// who it is from.
    pub fn fast_login<'a>(&'a self, header: &'a StreamHeader) -> Result<FastLogin<'a>, ProfileError> {
        let fast = self.fast.ok_or(ProfileError::Malformed("a login with a token has <fast/>"))?;
        let from = header.from.as_deref().filter(|from| !from.is_empty());
        let from = from.ok_or(ProfileError::Malformed("a login with a token is on a stream from somebody"))?;
        let user_agent = self.installation();
        let user_agent = user_agent.ok_or(ProfileError::Malformed("a login with a token has a user agent's id"))?;
        Ok(FastLogin { from, user_agent, fast })
    }

    /// Server: the attempt with a token that this is, on a stream with this header. `random` is for a token that may be due.
    ///
    /// # Errors
    /// As for [`fast_login`](Self::fast_login), and [`ProfileError::Malformed`] for a mechanism that takes no token, or
    /// without an initial response. The answer is a [`Failure`](super::Failure) with
    /// [`Outcome::Malformed`](crate::mechanism::Outcome::Malformed).
    pub fn ht_request<'a>(
        &'a self,
        header: &'a StreamHeader,
        random: impl Into<ht::Fresh<'a>>,
    ) -> Result<ht::Request<'a>, ProfileError> {
        let FastLogin { user_agent, fast, .. } = self.fast_login(header)?;
        let mechanism = ht_mechanism(&self.request.mechanism)?;
        let message = self.request.initial_response.as_deref();
        let message = message.ok_or(ProfileError::Malformed("a login with a token has an initial response"))?;
        let wants = self.token_request.as_ref().map(ht_mechanism).transpose()?;
        let request = ht::Request::new(mechanism, message, user_agent, random);
        Ok(request.count(fast.count).invalidate(fast.invalidate).wants(wants))
    }

    /// Server: the token that a full login asks for, under this authcid; `None` if it asks for none. `random` is 32 fresh octets
    /// from a cryptographically secure random number generator.
    ///
    /// # Errors
    /// [`ProfileError::Malformed`] for a mechanism that takes no token, or without an id of the user agent.
    pub fn token_request<'a>(
        &'a self,
        authcid: &'a str,
        random: [u8; Salt::LEN],
    ) -> Result<Option<TokenRequest<'a>>, ProfileError> {
        let Some(name) = &self.token_request else { return Ok(None) };
        let mechanism = ht_mechanism(name)?;
        let client = self.installation();
        let client = client.ok_or(ProfileError::Malformed("a request for a token has a user agent's id"))?;
        Ok(Some(TokenRequest { mechanism, authcid, client, random }))
    }

    /// The id of the user agent.
    fn installation(&self) -> Option<&str> {
        self.user_agent.as_ref().and_then(|agent| agent.id.as_deref()).filter(|id| !id.is_empty())
    }
}

fn ht_mechanism(name: &MechanismName) -> Result<HtMechanism, ProfileError> {
    HtMechanism::from_name(name.as_str()).ok_or(ProfileError::Malformed("a mechanism that takes no token"))
}

impl Fast {
    /// Client: what `<fast/>` says of this attempt, which is not the token's last; `None` for one without a token.
    pub fn of(attempt: &Attempt) -> Option<Self> {
        attempt.uses_token().then(|| Self { count: attempt.count(), invalidate: false })
    }
}

/// The token that a [`Verdict`](crate::mechanism::Verdict) or a full login came with.
impl TryFrom<&Issued> for IssuedToken {
    type Error = ProfileError;

    fn try_from(issued: &Issued) -> Result<Self, ProfileError> {
        Self::new(issued.token.expose(), issued.expires)
    }
}

impl IssuedToken {
    /// Longest token, in octets.
    pub const MAX: usize = 512;

    /// A token, good until `expiry`; the text comes from a cryptographically secure random number generator.
    ///
    /// # Errors
    /// [`ProfileError::OutOfTurn`] for no text, for more than [`MAX`](Self::MAX) octets, and for an expiry after the
    /// year 9999; [`ProfileError::IllegalText`] for a character that XML doesn't have.
    pub fn new(text: &str, expiry: Timestamp) -> Result<Self, ProfileError> {
        if text.is_empty() || text.len() > Self::MAX {
            return Err(ProfileError::OutOfTurn("a token has 1 to 512 octets"));
        }
        if date_time::write(expiry).is_none() {
            return Err(ProfileError::OutOfTurn("a token expires before the year 10000"));
        }
        Ok(Self { text: Zeroizing::new(element::legal(text)?.to_owned()), expiry })
    }

    /// The secret text.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// When it ends.
    pub const fn expiry(&self) -> Timestamp {
        self.expiry
    }

    pub(super) fn to_element(&self) -> Result<Element, ProfileError> {
        let expiry = date_time::write(self.expiry).ok_or(ProfileError::IllegalText)?;
        let element = element::with_attr(Element::builder("token", FAST), "expiry", &expiry)?;
        Ok(element::with_attr(element, "token", &self.text)?.build())
    }

    pub(super) fn from_element(element: &Element) -> Result<Self, ProfileError> {
        let expiry = element.attr("expiry").and_then(date_time::parse);
        let expiry = expiry.ok_or(ProfileError::Malformed("a token has an expiry (XEP-0082)"))?;
        let token = Self::new(element.attr("token").unwrap_or_default(), expiry);
        token.map_err(|_| ProfileError::Malformed("a token has 1 to 512 octets"))
    }
}

impl PartialEq for IssuedToken {
    fn eq(&self, other: &Self) -> bool {
        self.expiry == other.expiry && constant_time_eq(self.text.as_bytes(), other.text.as_bytes())
    }
}

impl Eq for IssuedToken {}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuedToken(redacted, until {})", self.expiry.as_secs())
    }
}
