//! IKY, the client's side.

use core::fmt;
use core::time::Duration;

use super::message::{InitiatorFields, Malformed, Named, ResponderMessage, with_proof};
use super::server::outcome_of;
use super::transcript::{Transcript, signature};
use crate::assertion::ClientAssertion;
use crate::channel::{ChannelFacts, Lineage, Unsuitable};
use crate::crypto::{Redacted, Secret, constant_time_eq};
use crate::mechanism::{NextStep, Outcome};
use crate::time::Timestamp;

/// Why an assertion can't be used on this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotStart {
    /// The channel lacks the mechanism's binding, or may be shared with somebody else.
    #[error("the channel is not fit for it: {0}")]
    Channel(#[from] Unsuitable),
    /// What is sent now may travel as early data, which can be replayed: it needs a counter, the lineage of the session, and a server that
    /// has the record.
    #[error("IKY is sent as early data only with a counter and a lineage, and not with a sealed assertion")]
    EarlyData,
    /// The assertion is for another server name.
    #[error("the assertion is for another server name")]
    OtherServer,
    /// The mechanism needs a counter: `ClientAssertion::next_counter`, stored before the message is sent.
    #[error("this mechanism needs a counter; take it from next_counter and store the assertion first")]
    CounterNeeded,
    /// The key does not fit the mechanism; no assertion that this library made is like that.
    #[error("the assertion's key does not fit its mechanism")]
    Key,
}

/// An attempt with IKY: the message, and the state that takes the answer.
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
    assertion: Box<ClientAssertion>,
    facts: Box<ChannelFacts>,
    transcript: Secret,
    proof: Secret,
}

/// The server knows the client, and showed that it is the server.
#[derive(Debug)]
pub struct Known {
    /// When the assertion ends, or its successor if there is one; where the server said it.
    pub expires: Option<Timestamp>,
    /// The assertion to use from now on. Keep the present one until this one worked.
    pub successor: Option<ClientAssertion>,
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
    /// The responder message's signature is wrong.
    #[error("the server did not show that it is the server: wrong signature")]
    WrongSignature,
    /// Protocol and responder message contradict each other.
    #[error("the server's completion contradicts its responder message")]
    Contradiction,
    /// The server refuses, and its signature shows that it is the server.
    #[error("the server refuses: {0:?}")]
    Signed(Outcome),
    /// Somebody refuses, who may be anybody. Nothing is deleted for that.
    #[error("refused, without a signature: {0:?}")]
    Unsigned(Outcome),
}

impl Refused {
    /// Whether the client keeps the assertion.
    pub const fn keeps_assertion(self) -> bool {
        match self {
            Self::Signed(outcome) => outcome.keeps_assertion(),
            _ => true,
        }
    }

    /// What to do next, after an attempt on this channel.
    pub fn next_step(self, facts: &ChannelFacts) -> NextStep {
        match self {
            Self::Missing | Self::Malformed(_) | Self::WrongSignature | Self::Contradiction => NextStep::Abandon,
            Self::Signed(Outcome::Unavailable) | Self::Unsigned(Outcome::Unavailable) => NextStep::Later,
            Self::Signed(_) | Self::Unsigned(_) => NextStep::after_refusal(facts.is_resumed()),
        }
    }
}

impl Client {
    /// Proves possession of `assertion` on this channel.
    ///
    /// `lineage` is that of the connection directly resumed, where this assertion or one of its family authenticated there; it
    /// is used only if TLS really resumed. `counter` comes from [`ClientAssertion::next_counter`], for a pin that needs one, and for
    /// early data. What was sent as early data, and was not taken, is sent again with the same one, so that one of the two counts.
    ///
    /// # Errors
    /// [`CannotStart`]; the fallback is a full login.
    pub fn start(
        assertion: &ClientAssertion,
        facts: &ChannelFacts,
        lineage: Option<&Lineage>,
        counter: Option<u64>,
    ) -> Result<Start, CannotStart> {
        let pin = assertion.pin;
        pin.check_channel(facts)?;
        let lineage = lineage.filter(|_| facts.is_resumed());
        if facts.is_early_data() && (lineage.is_none() || counter.is_none() || assertion.sealed.is_some()) {
            return Err(CannotStart::EarlyData);
        }
        if assertion.scope.server_name != *facts.name() {
            return Err(CannotStart::OtherServer);
        }
        if counter.map_or(pin.needs_counter(), |counter| counter == 0) {
            return Err(CannotStart::CounterNeeded);
        }
        let covered = InitiatorFields {
            pin,
            authzid: &assertion.login_name,
            server_name: assertion.scope.server_name.as_str(),
            assertion: assertion.sealed.as_deref().map_or(Named::Id(assertion.id), Named::Sealed),
            counter,
            lineage: lineage.is_some(),
            offer: assertion.offer.as_ref(),
        }
        .covered();
        let transcript = Transcript::new(pin, &assertion.scope.service, facts, lineage, covered.as_bytes())
            .ok_or(Unsuitable::NoExporter)?;
        let proof = transcript.prove(assertion.client_key.secret()).ok_or(CannotStart::Key)?;
        let digest = transcript.digest();
        let message = with_proof(covered, proof.as_ref()).into_bytes();
        let state =
            Self { assertion: Box::new(assertion.clone()), facts: Box::new(facts.clone()), transcript: digest, proof };
        Ok(Start { message, state })
    }

    /// Takes the responder message, and what the protocol said of the login: accepted or not.
    ///
    /// # Errors
    /// [`Refused`], with what it means for the assertion and what to do next. Whatever it is, the connection is not logged in,
    /// also where the protocol says it is.
    pub fn finish(self, responder: Option<&[u8]>, accepted: bool, now: Timestamp) -> Result<Known, Refused> {
        let responder = responder.filter(|message| !message.is_empty());
        let Some(responder) = responder else {
            return Err(if accepted { Refused::Missing } else { Refused::Unsigned(Outcome::Stale) });
        };
        let pin = self.assertion.pin;
        let is_signed = |covered: &[u8], claimed: &Secret| {
            let expected = signature(pin, self.assertion.server_key.secret(), &self.transcript, &self.proof, covered);
            constant_time_eq(expected.as_ref(), claimed.as_ref())
        };
        match ResponderMessage::parse(pin, responder)? {
            ResponderMessage::Success { seconds, renewal, sealed, covered, signature } => {
                if !is_signed(covered, &signature) {
                    return Err(Refused::WrongSignature);
                }
                if !accepted {
                    return Err(Refused::Contradiction);
                }
                let expires = seconds.map(|seconds| now.after(Duration::from_secs(seconds)));
                let is_renewed = renewal.is_some();
                let successor = renewal
                    .and_then(|renewal| self.assertion.renewed(&renewal, &self.transcript, &self.facts, expires, now))
                    .map(|successor| ClientAssertion { sealed: sealed.map(Into::into), ..successor });
                // The end that was told is the successor's. Without that one, the present one ends as it would have.
                let expires = expires.filter(|_| successor.is_some() || !is_renewed);
                Ok(Known { expires, successor })
            }
            ResponderMessage::Failure { reason, covered, signature } => {
                let outcome = outcome_of(reason);
                match signature {
                    Some(signature) if !is_signed(covered, &signature) => Err(Refused::WrongSignature),
                    _ if accepted => Err(Refused::Contradiction),
                    Some(_) => Err(Refused::Signed(outcome)),
                    None => Err(Refused::Unsigned(outcome)),
                }
            }
        }
    }

    /// What the responder message says by itself, before the protocol said how the login ended. Nothing of it is verified here:
    /// that is for [`finish`](Self::finish), with this for what the protocol said.
    pub fn says(&self, responder: &[u8]) -> Outcome {
        match ResponderMessage::parse(self.assertion.pin, responder) {
            Ok(ResponderMessage::Failure { reason, .. }) => outcome_of(reason),
            _ => Outcome::Accepted,
        }
    }

    /// The assertion in use.
    pub fn assertion(&self) -> &ClientAssertion {
        &self.assertion
    }

    /// What is known of the channel that it is used on.
    pub fn facts(&self) -> &ChannelFacts {
        &self.facts
    }
}
