//! The server's half of a full login: SCRAM-SHA-256-PLUS (RFC 5802, 7677) by `rsasl`, bound to tls-exporter (RFC 9266).

use std::num::NonZeroU32;

use fast_reauth::assertion::BindingType;
use fast_reauth::channel::ChannelFacts;
use ring::{digest, hmac};
use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::mechanisms::scram::properties::ScramStoredPassword;
use rsasl::prelude::{Mechname, Registry, SASLConfig, SASLServer, Session, SessionError, Validation};
use rsasl::property::{AuthId, AuthzId};
use rsasl::validate::{Validate, ValidationError};

use crate::scram::{Binding, MECHANISM, MECHANISMS, salted};
use crate::{Fault, USER};

/// What the login is bound to.
pub(crate) const BINDING: BindingType = BindingType::Exporter;

const ROUNDS: NonZeroU32 = NonZeroU32::new(4096).unwrap();

/// The server's half of an exchange.
pub(crate) struct Server(Session<LoggedIn, Binding>);

impl Server {
    pub(crate) fn start(password: &StoredPassword, facts: &ChannelFacts) -> Result<Self, Fault> {
        let binding = Binding(BINDING, facts.tls_exporter().ok_or("there is no tls-exporter")?.to_vec());
        let registry = Registry::with_mechanisms(&MECHANISMS);
        let config = SASLConfig::builder().with_registry(registry).with_callback(password.clone())?;
        let server = SASLServer::<LoggedIn, _>::with_cb(config, binding);
        Ok(Self(server.start_suggested(Mechname::parse(MECHANISM.as_bytes())?)?))
    }

    /// Answers a message of the client.
    pub(crate) fn step(&mut self, message: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut challenge = Vec::new();
        self.0.step(Some(message), &mut challenge)?;
        Ok(challenge)
    }

    /// Who logged in, once the last message was a good proof.
    pub(crate) fn who(&mut self) -> Option<String> {
        self.0.validation()
    }
}

/// What the server keeps of the account's password (RFC 5803).
#[derive(Clone)]
pub(crate) struct StoredPassword {
    salt: [u8; 16],
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl StoredPassword {
    pub(crate) fn new(salt: [u8; 16]) -> Self {
        let salted = hmac::Key::new(hmac::HMAC_SHA256, &salted(&salt, ROUNDS));
        let stored_key = digest::digest(&digest::SHA256, hmac::sign(&salted, b"Client Key").as_ref()).as_ref().to_vec();
        let server_key = hmac::sign(&salted, b"Server Key").as_ref().to_vec();
        Self { salt, stored_key, server_key }
    }
}

impl SessionCallback for StoredPassword {
    fn callback(&self, _: &SessionData, context: &Context<'_>, request: &mut Request<'_>) -> Result<(), SessionError> {
        if context.get_ref::<AuthId>() == Some(USER) {
            let Self { salt, stored_key, server_key } = self;
            let stored = ScramStoredPassword::new(ROUNDS.get(), salt, stored_key, server_key);
            request.satisfy::<ScramStoredPassword<'_>>(&stored)?;
        }
        Ok(())
    }

    fn validate(&self, _: &SessionData, who: &Context<'_>, validate: &mut Validate<'_>) -> Result<(), ValidationError> {
        let name = who.get_ref::<AuthId>().ok_or(ValidationError::MissingRequiredProperty)?;
        // Nobody acts as somebody else here.
        if who.get_ref::<AuthzId>().is_none_or(|authzid| authzid == name) {
            validate.finalize::<LoggedIn>(name.to_owned());
        }
        Ok(())
    }
}

/// What rsasl hands over at the end: the name.
pub(crate) struct LoggedIn;

impl Validation for LoggedIn {
    type Value = String;
}
