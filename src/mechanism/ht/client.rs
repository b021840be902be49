//! HT and HT2, the client's side.

use core::fmt;

use super::Pairs;
use super::message::{InitiatorMessage, Malformed, ResponderMessage, failure, initiator_hash, responder_hash};
use crate::assertion::{ClientToken, HtVersion};
use crate::channel::{ChannelFacts, Unsuitable};
use crate::crypto::{Redacted, Secret, constant_time_eq};
use crate::mechanism::{NextStep, Outcome};

/// Why a token can't be used on this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotStart {
    /// The channel lacks the mechanism's binding, or may be shared with somebody else.
    #[error("the channel is not fit for it: {0}")]
    Channel(#[from] Unsuitable),
    /// What is sent now may travel as early data, which can be replayed.
    #[error("HT is not sent as early data")]
    EarlyData,
    /// The token is for another server name.
    #[error("the token is for another server name")]
    OtherServer,
    /// Only HT2 carries key/value pairs.
    #[error("HT carries no key/value pairs")]
    NoPairs,
}

/// An attempt with HT or HT2: the message, and the state that takes the answer.
pub struct Start {
    /// The initial response. The profile encodes it.
    pub message: Vec<u8>,
    /// Takes the responder message.
    pub state: Client,
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start").field("message", &Redacted(self.message.len())).field("state", &self.state).finish()
    }
}

/// A client that proved who it is, and waits for the server to do so.
#[derive(Debug)]
#[must_use = "without the responder message the server is not authenticated"]
pub struct Client {
    token: Box<ClientToken>,
    binding: Secret,
}

/// The server knows the client, and showed that it knows the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What the server said in HT2's key/value pairs.
    pub pairs: Pairs,
}

/// The client was not recognised, or the server not authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The server claims success without a responder message.
    #[error("the server did not show that it is the server: no responder message")]
    Missing,
    /// The responder message does not follow the grammar.
    #[error("the responder message is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// The responder message is not made with the token.
    #[error("the server did not show that it is the server: wrong responder message")]
    WrongResponder,
    /// The server claims success, and its message says failure.
    #[error("the server's completion contradicts its responder message")]
    Contradiction,
    /// The server refuses. Nothing shows that it is the server but TLS.
    #[error("refused")]
    Refused,
}

impl Refused {
    /// What to do next, after an attempt on this channel that the protocol said this of.
    pub fn next_step(self, outcome: Outcome, facts: &ChannelFacts) -> NextStep {
        match self {
            Self::Refused if outcome == Outcome::Unavailable => NextStep::Later,
            Self::Refused => NextStep::after_refusal(facts.is_resumed()),
            _ => NextStep::Abandon,
        }
    }

    /// Whether the client keeps the token, after an attempt on this channel that the protocol said this of.
    ///
    /// XEP-0484 section 4.1 has it discarded when a server refuses. It is, where the server's certificate was shown, and unless the
    /// server just can't say, or wants to be asked in another way. HT's failures are not signed.
    pub fn keeps_token(self, outcome: Outcome, facts: &ChannelFacts) -> bool {
        let asks_otherwise =
            matches!(outcome, Outcome::Unavailable | Outcome::Malformed | Outcome::ConfigurationChanged);
        self != Self::Refused || facts.is_resumed() || asks_otherwise
    }
}

impl Client {
    /// Proves possession of `token` on this channel. `pairs` are for HT2. Whether the token has ended is not asked here.
    ///
    /// # Errors
    /// [`CannotStart`]; the fallback is a full login.
    pub fn start(token: &ClientToken, facts: &ChannelFacts, pairs: &Pairs) -> Result<Start, CannotStart> {
        let mechanism = token.mechanism;
        mechanism.check_channel(facts)?;
        if facts.is_early_data() {
            return Err(CannotStart::EarlyData);
        }
        if token.scope.server_name != *facts.name() {
            return Err(CannotStart::OtherServer);
        }
        if mechanism.version() == HtVersion::Ht && !pairs.is_empty() {
            return Err(CannotStart::NoPairs);
        }
        let binding = mechanism.binding_data(facts).and_then(Secret::new).ok_or(Unsuitable::NoExporter)?;
        let key = token.token.key(mechanism);
        let hashed_token = initiator_hash(&key, binding.as_ref(), pairs);
        let message = InitiatorMessage::write(mechanism, &token.authcid, pairs, &hashed_token);
        Ok(Start { message, state: Self { token: Box::new(token.clone()), binding } })
    }

    /// Takes the responder message, and what the protocol said of the login: accepted or not.
    ///
    /// # Errors
    /// [`Refused`]. Whatever it is, the connection is not logged in, also where the protocol says it is.
    pub fn finish(self, responder: Option<&[u8]>, accepted: bool) -> Result<Known, Refused> {
        if !accepted {
            return Err(Refused::Refused);
        }
        let responder = responder.filter(|message| !message.is_empty()).ok_or(Refused::Missing)?;
        let mechanism = self.token.mechanism;
        match ResponderMessage::parse(mechanism, responder)? {
            ResponderMessage::Failure => Err(Refused::Contradiction),
            ResponderMessage::Success { pairs, hashed_token } => {
                let expected = responder_hash(&self.token.token.key(mechanism), self.binding.as_ref(), &pairs);
                if !constant_time_eq(expected.as_ref(), hashed_token.as_ref()) {
                    return Err(Refused::WrongResponder);
                }
                Ok(Known { pairs })
            }
        }
    }

    /// What the responder message says by itself, before the protocol said how the login ended. Nothing of it is verified here, and
    /// a failure of HT2 is anybody's word.
    pub fn says(&self, responder: &[u8]) -> Outcome {
        match ResponderMessage::parse(self.token.mechanism, responder) {
            Ok(ResponderMessage::Failure) if responder == failure(Outcome::Malformed) => Outcome::Malformed,
            Ok(ResponderMessage::Failure) => Outcome::Stale,
            _ => Outcome::Accepted,
        }
    }

    /// The token in use.
    pub fn token(&self) -> &ClientToken {
        &self.token
    }
}
