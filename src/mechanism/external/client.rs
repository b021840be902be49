//! EXTERNAL, the client's side.

use core::fmt;

use crate::channel::ChannelFacts;
use crate::crypto::Redacted;
use crate::mechanism::{NextStep, Outcome};

/// An attempt with EXTERNAL: the message, and the state that takes the answer.
pub struct Start {
    /// The initial response: the authzid. The profile encodes it.
    pub message: Vec<u8>,
    /// Takes the server's answer.
    pub state: Client,
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start").field("message", &Redacted(self.message.len())).field("state", &self.state).finish()
    }
}

/// A client that asserted who it is, and waits for the answer.
#[derive(Debug)]
#[must_use = "the server's answer has to be taken"]
pub struct Client(());

impl Client {
    /// Asserts the login name of the session's account. `None` unless TLS really resumed: nobody is known otherwise.
    ///
    /// The session must be one that this very account authenticated on, which keeping sessions per account makes sure of.
    pub fn start(login_name: &str, facts: &ChannelFacts) -> Option<Start> {
        if !facts.is_resumed() || facts.keys_are_private().is_err() || facts.is_early_data() {
            return None;
        }
        Some(Start { message: login_name.as_bytes().to_vec(), state: Self(()) })
    }

    /// Takes the server's answer.
    ///
    /// There is nothing to verify: the resumed session authenticated the server.
    ///
    /// # Errors
    /// What to do next when it was refused: a full handshake, as no password belongs on a session that was not recognised.
    pub fn finish(self, outcome: Outcome) -> Result<(), NextStep> {
        match outcome {
            Outcome::Accepted => Ok(()),
            Outcome::Unavailable => Err(NextStep::Later),
            _ => Err(NextStep::FullHandshake),
        }
    }
}
