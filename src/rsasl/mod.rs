//! EXTERNAL, IKY, HT and HT2 as mechanisms of rsasl 2.3, beside its own, at both ends.
//!
//! Both ends register [`with`] the mechanisms of this crate beside rsasl's, and wrap the callback that they have: [`ClientCallback`]
//! has rsasl select what the client [planned](Client::plan), and nothing else; [`ServerCallback`] has the mechanisms judge against the
//! store. rsasl makes its configuration for a callback, so there is one for each connection. `docs/recipes/rsasl.md` has both.
//!
//! ```text
//! facts, offer ─► Accounts::connect_shared ─► framework::Client ─┬─► ClientCallback ─► SASLConfig ─► SASLClient ─► Session
//!                                                                └─► finish: logged in, or what to do next
//! ```
//!
//! The server lists what [`Server::mechanisms`] says, not rsasl's `get_available`: what can be offered depends on the connection.
//! A recognised client reaches the application's `validate` as any other does, with the login name as rsasl's `AuthId`; [`Known`]
//! has the rest. An IKY mechanism that refuses finishes with a message and without validation, as rsasl's SCRAM does; EXTERNAL and HT
//! have no message then, so they fail with an error. Why is in [`Server::verdict`].
//!
//! A mechanism that is stepped too often answers with an error and never panics.

mod mechanism;

use core::cmp::Ordering;
use core::fmt;

use ::rsasl::callback::{Context, Request, SessionCallback, SessionData};
use ::rsasl::prelude::{ChannelBindingCallback, Mechanism, SessionError};
use ::rsasl::property::SizedProperty;
use ::rsasl::validate::{Validate, ValidationError};

use self::mechanism::is_ours;
pub use self::mechanism::{COUNT, MECHANISMS, with};
use crate::assertion::BindingType;
use crate::channel::ChannelFacts;
use crate::framework::{Client, Server, Way};
use crate::mechanism::{NextStep, Outcome, Recognised};

/// The client's end of this connection, as its mechanisms ask for it.
#[derive(Debug)]
#[non_exhaustive]
pub struct ClientEnd;

impl SizedProperty<'_> for ClientEnd {
    type Value = Client;
}

/// The server's end of this connection, as its mechanisms ask for it.
#[derive(Debug)]
#[non_exhaustive]
pub struct ServerEnd;

impl SizedProperty<'_> for ServerEnd {
    type Value = Server;
}

/// Who a recognised client is, for the application's `validate`. rsasl's `AuthId` is the name that it logged in under.
#[derive(Debug)]
#[non_exhaustive]
pub struct Known;

impl SizedProperty<'_> for Known {
    type Value = Recognised;
}

/// A client's callback: the application's own, for full logins, with one connection's plan in front of it.
pub struct ClientCallback<C> {
    client: Client,
    full: C,
}

impl<C> ClientCallback<C> {
    /// For this connection, with the callback for full logins.
    pub fn new(client: Client, full: C) -> Self {
        Self { client, full }
    }
}

impl<C: SessionCallback> SessionCallback for ClientCallback<C> {
    fn callback(
        &self,
        data: &SessionData,
        context: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        request.satisfy::<ClientEnd>(&self.client)?;
        self.full.callback(data, context, request)
    }

    fn enable_channel_binding(&self) -> bool {
        self.full.enable_channel_binding()
    }

    /// What was planned, and nothing else: a mechanism that has no assertion to use, or a password for a session that was not
    /// recognised, is worse than none.
    fn prefer<'a>(&self, held: Option<&'a Mechanism>, next: &'a Mechanism) -> Ordering {
        let accepted = match self.client.plan() {
            Way::Known(name) => *next.mechanism == *name,
            Way::FullLogin => !is_ours(next),
            Way::FullHandshake | Way::Abandon => false,
        };
        match (accepted, held) {
            // rsasl's word for leaving things as they are, also where nothing is held yet.
            (false, _) => Ordering::Greater,
            (true, None) => Ordering::Less,
            (true, Some(_)) => self.full.prefer(held, next),
        }
    }

    fn validate(
        &self,
        data: &SessionData,
        who: &Context<'_>,
        validate: &mut Validate<'_>,
    ) -> Result<(), ValidationError> {
        self.full.validate(data, who, validate)
    }
}

/// A server's callback: the application's own, with one connection behind the mechanisms of this crate.
pub struct ServerCallback<C> {
    server: Server,
    full: C,
}

impl<C> ServerCallback<C> {
    /// For this connection, with the callback for full logins. Its `validate` is asked about recognised clients, too.
    pub fn new(server: Server, full: C) -> Self {
        Self { server, full }
    }

    fn look_at(&self, data: &SessionData) {
        if !is_ours(data.mechanism()) {
            self.server.full_login_begins();
        }
    }
}

impl<C: SessionCallback> SessionCallback for ServerCallback<C> {
    fn callback(
        &self,
        data: &SessionData,
        context: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        self.look_at(data);
        request.satisfy::<ServerEnd>(&self.server)?;
        self.full.callback(data, context, request)
    }

    fn enable_channel_binding(&self) -> bool {
        self.full.enable_channel_binding()
    }

    fn validate(
        &self,
        data: &SessionData,
        who: &Context<'_>,
        validate: &mut Validate<'_>,
    ) -> Result<(), ValidationError> {
        self.look_at(data);
        self.full.validate(data, who, validate)
    }
}

/// The channel bindings of one connection, for rsasl's own mechanisms.
///
/// Those of this crate know the connection by its facts, and refuse a session of rsasl's that has another tls-exporter.
#[derive(Clone, Debug)]
pub struct Bindings(pub ChannelFacts);

impl ChannelBindingCallback for Bindings {
    fn get_cb_data(&self, name: &str) -> Option<&[u8]> {
        let is = |binding: BindingType| name == binding.name();
        match name {
            _ if is(BindingType::Exporter) => self.0.tls_exporter(),
            _ if is(BindingType::EndPoint) => self.0.tls_server_end_point(),
            _ if is(BindingType::Unique) => self.0.tls_unique(),
            _ => None,
        }
    }
}

/// Why a mechanism of this crate ended in an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Client: the server refused. A server that could not show that it is the server is rsasl's `MutualAuthenticationFailed`.
    #[error("the server does not know this client; next: {0:?}")]
    NotKnown(NextStep),
    /// Server: the client is not recognised.
    #[error("the client is not recognised: {0:?}")]
    NotRecognised(Outcome),
    /// The session's tls-exporter is another connection's.
    #[error("the session's channel binding is another connection's")]
    OtherConnection,
    /// Client: nothing was planned for this mechanism.
    #[error("nothing was planned for this mechanism")]
    NotPlanned,
}

impl<C> fmt::Debug for ClientCallback<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCallback").field("client", &self.client).finish_non_exhaustive()
    }
}

impl<C> fmt::Debug for ServerCallback<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCallback").field("server", &self.server).finish_non_exhaustive()
    }
}
