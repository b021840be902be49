//! EXTERNAL, IKY, HT and HT2 as mechanisms of xmpp-rs' crate sasl 0.5, at both ends.
//!
//! That crate has traits and leaves the choice to its user. [`ClientMechanism::planned`] is what to try before its own mechanisms,
//! and [`ServerMechanism::new`] before those of a server. `docs/recipes/sasl.md` has both.
//!
//! What the crate lacks, and what is done about it:
//!
//! - [`ChannelBinding`] has neither tls-server-end-point nor any other name but two. The mechanisms of this crate don't use it: they know
//!   their connection by its channel facts, so `-ENDP` works as the others do. A full login with SCRAM is what it limits:
//!   [`client_binding`] is all that a client can have, and an `-ENDP` assertion then comes from a login that was bound otherwise, or
//!   from one that disclosed a password.
//! - The server's SCRAM takes a binding of the name tls-unique and no other, though it checks the octets alone;
//!   [`server_binding`] gives it the octets that the client's message names, under that name.
//! - Its errors are a closed list with no word for "refused". [`Client::finish`] and [`Server::verdict`] say what it was.
//! - A mechanism can't tell its user that the login is over without the server's message. So the client says
//!   [`Client::finish`] at the end, which a user of the crate that never calls `success` needs even more.

use core::fmt;

use ::sasl::client::{Mechanism, MechanismError};
use ::sasl::common::{ChannelBinding, Credentials, Identity};
use ::sasl::secret::Secret;
use ::sasl::server::{self, Response, Validator};

use crate::assertion::BindingType;
use crate::channel::ChannelFacts;
use crate::framework::{Client, Server, Way};
use crate::mechanism::{Connection, NextStep, Recognised, external};

/// The client's end of an exchange with EXTERNAL, IKY, HT or HT2.
#[derive(Debug)]
pub struct ClientMechanism {
    client: Client,
    mechanism: &'static str,
    state: Progress,
}

#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Start,
    Sent,
    /// The server showed that it is the server, in a challenge.
    Shown,
    Over,
}

impl ClientMechanism {
    /// The mechanism that the connection's [plan](Client::plan) names; it goes before all others. Otherwise what the plan says: a full
    /// login, by one of the crate's own mechanisms, or none at all on this connection.
    ///
    /// # Errors
    /// What the plan says instead.
    pub fn planned(client: Client) -> Result<Self, Way> {
        match client.plan() {
            Way::Known(mechanism) => Ok(Self { client, mechanism, state: Progress::Start }),
            way => Err(way),
        }
    }

    fn take(&mut self, message: &[u8], then: Progress) -> Result<(), MechanismError> {
        if self.state != Progress::Sent {
            return Err(MechanismError::InvalidState);
        }
        let message = Some(message).filter(|message| !message.is_empty());
        self.state = Progress::Over;
        self.client.responder(message).map_err(|next| match (next, message) {
            (NextStep::Abandon, None) => MechanismError::NoSignatureInSuccessResponse,
            (NextStep::Abandon, Some(_)) => MechanismError::InvalidSignatureInSuccessResponse,
            _ => MechanismError::CannotDecodeSuccessResponse,
        })?;
        self.state = then;
        Ok(())
    }
}

impl Mechanism for ClientMechanism {
    fn name(&self) -> &str {
        self.mechanism
    }

    /// Credentials are for full logins: this is an error always. See [`ClientMechanism::planned`].
    fn from_credentials(_: Credentials) -> Result<Self, MechanismError> {
        Err(MechanismError::InvalidState)
    }

    /// The message; empty when it was asked for before.
    fn initial(&mut self) -> Vec<u8> {
        match self.client.message(self.mechanism) {
            Some(message) if self.state == Progress::Start => {
                self.state = Progress::Sent;
                message
            }
            _ => Vec::new(),
        }
    }

    /// Takes the server's message where the protocol has it in a challenge; the response is empty.
    fn response(&mut self, challenge: &[u8]) -> Result<Vec<u8>, MechanismError> {
        if self.mechanism == external::NAME {
            return Err(MechanismError::InvalidState);
        }
        self.take(challenge, Progress::Shown)?;
        Ok(Vec::new())
    }

    /// Takes what came with success. It is an error if the server did not show that it is the server, here or before.
    fn success(&mut self, data: &[u8]) -> Result<(), MechanismError> {
        match self.state {
            Progress::Shown if data.is_empty() => {
                self.state = Progress::Over;
                Ok(())
            }
            _ => self.take(data, Progress::Over),
        }
    }
}

/// A recognised client: what the application's [`Validator`] is asked about, beside the name that it logged in under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known(pub Recognised);

impl Secret for Known {}

/// The server's end of an exchange with EXTERNAL, IKY, HT or HT2.
///
/// A refusal that has a message is a challenge first, and an error behind the client's empty answer to it. Where the protocol carries
/// data with a failure, [`Server::verdict`] has the message at once.
pub struct ServerMechanism<V> {
    server: Server,
    mechanism: Box<str>,
    validator: V,
    state: Judged,
}

#[derive(Debug)]
enum Judged {
    NotYet,
    Refused,
    Over,
}

impl<V: Validator<Known>> ServerMechanism<V> {
    /// The mechanism of this name on this connection; `None` for one that is the application's own. The validator has the last word
    /// on a recognised client.
    pub fn new(server: Server, mechanism: &str, validator: V) -> Option<Self> {
        server.begins();
        Connection::recognises_by(mechanism).then(|| Self {
            server,
            mechanism: mechanism.into(),
            validator,
            state: Judged::NotYet,
        })
    }
}

impl<V: Validator<Known>> server::Mechanism for ServerMechanism<V> {
    fn name(&self) -> &str {
        &self.mechanism
    }

    fn respond(&mut self, payload: &[u8]) -> Result<Response, server::MechanismError> {
        match core::mem::replace(&mut self.state, Judged::Over) {
            Judged::NotYet => {
                let verdict = self.server.judge(&self.mechanism, payload);
                match (verdict.recognised, verdict.message) {
                    (Some(client), message) => {
                        let who = Identity::from(client.login_name());
                        self.validator.validate(&who, &Known(client))?;
                        Ok(Response::Success(who, message.map(Vec::from).unwrap_or_default()))
                    }
                    (None, Some(message)) => {
                        self.state = Judged::Refused;
                        Ok(Response::Proceed(message.into()))
                    }
                    (None, None) => Err(server::MechanismError::AuthenticationFailed),
                }
            }
            Judged::Refused => Err(server::MechanismError::AuthenticationFailed),
            Judged::Over => Err(server::MechanismError::SaslSessionAlreadyOver),
        }
    }
}

/// The strongest binding that the crate has for a client's full login on this channel, and the name that both ends derive with;
/// [`ChannelBinding::None`] where the channel has tls-server-end-point alone.
pub fn client_binding(facts: &ChannelFacts) -> (ChannelBinding, Option<BindingType>) {
    if let Some(octets) = facts.tls_exporter() {
        return (ChannelBinding::TlsExporter(octets.to_vec()), Some(BindingType::Exporter));
    }
    match facts.tls_unique() {
        Some(octets) => (ChannelBinding::TlsUnique(octets.to_vec()), Some(BindingType::Unique)),
        None => (ChannelBinding::None, None),
    }
}

/// The binding for the crate's SCRAM at a server, with which this first message of a client can be answered, and the name that both
/// ends derive with.
///
/// The crate compares the octets alone, so those of the type that the client names stand under the one name that it takes. A client that says
/// "y" meets a server that does bind, where the channel has a binding: that is refused as a downgrade.
pub fn server_binding(facts: &ChannelFacts, client_first: &[u8]) -> (ChannelBinding, Option<BindingType>) {
    let named = client_first.strip_prefix(b"p=").and_then(|rest| rest.split(|&octet| octet == b',').next());
    let (binding, octets) = match named.map(core::str::from_utf8) {
        Some(name) => {
            let binding = name.ok().and_then(BindingType::from_name);
            (binding, binding.and_then(|binding| binding.octets(facts)))
        }
        None => (None, BindingType::ALL.into_iter().find_map(|binding| binding.octets(facts))),
    };
    match octets {
        Some(octets) => (ChannelBinding::TlsUnique(octets.to_vec()), binding),
        None => (ChannelBinding::Unsupported, None),
    }
}

impl<V> fmt::Debug for ServerMechanism<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerMechanism")
            .field("mechanism", &self.mechanism)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
