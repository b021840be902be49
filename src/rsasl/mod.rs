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
//! A mechanism that is stepped too often answers with an error and never panics.

mod mechanism;

use core::cmp::Ordering;
use core::fmt;
use core::marker::PhantomData;

use ::rsasl::callback::{Context, Request, SessionCallback, SessionData};
use ::rsasl::prelude::{ChannelBindingCallback, Mechanism, SessionError};
use ::rsasl::property::SizedProperty;
use ::rsasl::validate::{Validate, ValidationError};

pub use self::mechanism::{COUNT, MECHANISMS, with};
use crate::assertion::BindingType;
use crate::channel::ChannelFacts;
use crate::framework::{Client, Server};
use crate::mechanism::{NextStep, Outcome, Recognised};

/// What the callbacks and the mechanisms of one connection ask each other for: a [`Client`], a [`Server`], a [`Recognised`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Property<T>(PhantomData<fn() -> T>);

impl<T: 'static> SizedProperty<'_> for Property<T> {
    type Value = T;
}

/// Who a recognised client is, for the application's `validate`. rsasl's `AuthId` is the name that it logged in under.
pub type Known = Property<Recognised>;

/// One connection's end, in front of the application's own callback, which is for full logins.
pub struct Callback<End, C> {
    end: End,
    full: C,
}

/// A client's callback, which has rsasl select what the connection [planned](Client::plan).
pub type ClientCallback<C> = Callback<Client, C>;

/// A server's callback. The application's `validate` is asked about recognised clients, too.
pub type ServerCallback<C> = Callback<Server, C>;

impl<End, C> Callback<End, C> {
    /// For this connection, with the callback for full logins.
    pub fn new(end: End, full: C) -> Self {
        Self { end, full }
    }
}

/// What the two ends do differently in a callback.
trait End: Clone + Send + Sync + 'static {
    /// Whether rsasl may select the mechanism of this name.
    fn takes(&self, _: &str) -> bool {
        true
    }

    /// This is the mechanism of the exchange that the callback is in.
    fn looks_at(&self, _: &str) {}
}

impl End for Client {
    fn takes(&self, mechanism: &str) -> bool {
        self.takes(mechanism)
    }
}

impl End for Server {
    fn looks_at(&self, mechanism: &str) {
        self.is_under_way(mechanism);
    }
}

impl<E: End, C: SessionCallback> SessionCallback for Callback<E, C> {
    fn callback(&self, data: &SessionData, who: &Context<'_>, request: &mut Request<'_>) -> Result<(), SessionError> {
        self.end.looks_at(data.mechanism().mechanism.as_str());
        request.satisfy::<Property<E>>(&self.end)?;
        self.full.callback(data, who, request)
    }

    fn enable_channel_binding(&self) -> bool {
        self.full.enable_channel_binding()
    }

    /// What was planned, and nothing else: a mechanism that has no assertion to use, or a password for a session that was not
    /// recognised, is worse than none.
    fn prefer<'a>(&self, held: Option<&'a Mechanism>, next: &'a Mechanism) -> Ordering {
        match (self.end.takes(next.mechanism.as_str()), held) {
            // rsasl's word for leaving things as they are, also where nothing is held yet.
            (false, _) => Ordering::Greater,
            (true, None) => Ordering::Less,
            (true, Some(_)) => self.full.prefer(held, next),
        }
    }

    fn validate(&self, data: &SessionData, who: &Context<'_>, asked: &mut Validate<'_>) -> Result<(), ValidationError> {
        self.end.looks_at(data.mechanism().mechanism.as_str());
        self.full.validate(data, who, asked)
    }
}

/// The channel bindings of one connection, for rsasl's own mechanisms.
///
/// Those of this crate know the connection by its facts, and refuse a session of rsasl's that has another tls-exporter.
#[derive(Clone, Debug)]
pub struct Bindings(pub ChannelFacts);

impl ChannelBindingCallback for Bindings {
    fn get_cb_data(&self, name: &str) -> Option<&[u8]> {
        BindingType::from_name(name)?.octets(&self.0)
    }
}

/// Why a mechanism of this crate ended in an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Client: the server refused. A server that could not show that it is the server is rsasl's `MutualAuthenticationFailed`.
    #[error("the server does not know this client; next: {0}")]
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

impl<End: fmt::Debug, C> fmt::Debug for Callback<End, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback").field("end", &self.end).finish_non_exhaustive()
    }
}
