//! The client's half of a token.

use core::fmt;

use zeroize::Zeroizing;

use super::{HtMechanism, InvalidToken, Token};
use crate::assertion::serial::{self, InvalidAssertion};
use crate::assertion::{Origin, Policy, Scope, Service, valid_login_name};
use crate::channel::ServerName;
use crate::crypto::Absorb;
use crate::time::Timestamp;

/// What the client keeps: the token, what it is pinned to, and how often it was used.
///
/// [`to_bytes`](Self::to_bytes) gives what an application puts into the platform's keyring, to be read back after a restart.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientToken {
    pub(crate) token: Token,
    pub(crate) mechanism: HtMechanism,
    pub(crate) scope: Scope,
    pub(crate) authcid: Box<str>,
    pub(crate) origin: Origin,
    pub(crate) full_login: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) count: u64,
    /// A server that showed its certificate did not show that it knows the token.
    pub(crate) doubted: bool,
}

/// Why a token is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotKeep {
    /// The token's text.
    #[error(transparent)]
    Token(#[from] InvalidToken),
    /// Not a name that a message can carry.
    #[error("an authcid has 1 to 255 octets and no NUL")]
    Authcid,
    /// The client's own policy refuses a token from such a login: whoever relayed it has the token too.
    #[error("the policy refuses a token from a login of this origin")]
    Origin,
    /// The client's own policy takes no mechanism of so weak a binding.
    #[error("the policy takes no mechanism of so weak a channel binding")]
    WeakBinding,
    /// No login with a token came before it on this connection.
    #[error("no login with a token came before it on this connection")]
    NoLogin,
}

impl ClientToken {
    /// The token that the server sent with the success of a full login, for the mechanism that was asked for.
    ///
    /// It is kept for no longer than `policy` keeps an assertion of the same origin, whatever the server says.
    ///
    /// # Errors
    /// [`CannotKeep`]; the login itself stands.
    #[expect(clippy::too_many_arguments, reason = "each is one fact of the login")]
    pub fn issued(
        text: &str,
        mechanism: HtMechanism,
        scope: &Scope,
        authcid: &str,
        origin: Origin,
        expires: Timestamp,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Self, CannotKeep> {
        if authcid.is_empty() || !valid_login_name(authcid) {
            return Err(CannotKeep::Authcid);
        }
        // Whoever is on the channel has read it.
        let origin = origin.of_the_channel();
        let own = policy.expiry(origin, now, now).ok_or(CannotKeep::Origin)?;
        Ok(Self {
            token: Token::new(text)?,
            mechanism,
            scope: scope.clone(),
            authcid: authcid.into(),
            origin,
            full_login: now,
            expires: expires.min(own),
            count: 0,
            doubted: false,
        })
    }

    /// The token that the server sent with the success of a login with this one. It is for the same mechanism, and comes from the
    /// same full login.
    ///
    /// # Errors
    /// As for [`issued`](Self::issued).
    pub fn rotated(&self, text: &str, expires: Timestamp, policy: &Policy, now: Timestamp) -> Result<Self, CannotKeep> {
        let own = policy.expiry(self.origin, self.full_login, now).ok_or(CannotKeep::Origin)?;
        Ok(Self { token: Token::new(text)?, expires: expires.min(own), count: 0, ..self.clone() })
    }

    /// The next `count` for XEP-0484's `<fast/>`, from 1. Store the token before the message is sent: a count that is used twice
    /// is refused as a replay.
    pub fn next_count(&mut self) -> u64 {
        self.count = self.count.saturating_add(1);
        self.count
    }

    /// The token.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// The mechanism it is for.
    pub fn mechanism(&self) -> HtMechanism {
        self.mechanism
    }

    /// The service and server name it is for.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The name that the client authenticates under.
    pub fn authcid(&self) -> &str {
        &self.authcid
    }

    /// How strong the full login behind it was.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// When it ends, by the server's word or the client's own policy, whichever is earlier.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// The token as octets, secret ones: version 1, then every field with its length. About 150 octets, 1,200 at most.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // Never grown: what a vector leaves behind when it grows is not wiped.
        let mut out = Zeroizing::new(Vec::with_capacity(1280));
        out.absorb(MAGIC);
        out.absorb(&[VERSION]);
        out.lp(self.mechanism.name().as_bytes());
        out.lp(self.scope.service.as_str().as_bytes());
        out.lp(self.scope.server_name.as_str().as_bytes());
        out.lp(self.authcid.as_bytes());
        out.lp(self.token.expose().as_bytes());
        out.absorb(&[serial::origin_octet(self.origin), u8::from(self.doubted)]);
        for number in [self.full_login.as_secs(), self.expires.as_secs(), self.count] {
            out.absorb(&number.to_be_bytes());
        }
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`InvalidAssertion`]: other octets, another version, or damage.
    pub fn from_bytes(octets: &[u8]) -> Result<Self, InvalidAssertion> {
        let rest = serial::body(octets, MAGIC, VERSION)?;
        Self::read(rest).ok_or(InvalidAssertion::Damaged)
    }

    fn read(mut rest: &[u8]) -> Option<Self> {
        let input = &mut rest;
        let name = serial::read_str(input)?;
        let mechanism = HtMechanism::from_name(name).filter(|mechanism| mechanism.name() == name)?;
        let service = Service::parse(serial::read_str(input)?).ok()?;
        let name = serial::read_str(input)?;
        let server_name = ServerName::parse(name).ok().filter(|parsed| parsed.as_str() == name)?;
        let authcid = serial::read_str(input)?;
        if authcid.is_empty() || !valid_login_name(authcid) {
            return None;
        }
        let token = Token::new(serial::read_str(input)?).ok()?;
        let origin = serial::read_origin(input)?;
        let (&doubted, after) = input.split_first()?;
        let doubted = [false, true].into_iter().find(|&flag| u8::from(flag) == doubted)?;
        *input = after;
        let full_login = Timestamp::from_secs(serial::read_u64(input)?);
        let expires = Timestamp::from_secs(serial::read_u64(input)?);
        let count = serial::read_u64(input)?;
        let scope = Scope { service, server_name };
        let authcid = authcid.into();
        rest.is_empty().then_some(Self {
            token,
            mechanism,
            scope,
            authcid,
            origin,
            full_login,
            expires,
            count,
            doubted,
        })
    }
}

const MAGIC: &[u8] = b"IKYtoken";
const VERSION: u8 = 1;

impl fmt::Debug for ClientToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientToken")
            .field("mechanism", &self.mechanism)
            .field("scope", &self.scope)
            .field("authcid", &self.authcid)
            .field("origin", &self.origin)
            .field("expires", &self.expires)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}
