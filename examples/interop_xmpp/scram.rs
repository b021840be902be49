//! The client's full login: SCRAM-SHA-256-PLUS (RFC 5802, 7677) by `rsasl`, with any channel binding.

use std::num::NonZeroU32;

use fast_reauth::assertion::BindingType;
use ring::pbkdf2;
use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::mechanisms::scram::SCRAM_SHA256_PLUS;
use rsasl::mechanisms::scram::properties::{Iterations, Salt, SaltedPassword};
use rsasl::prelude::{
    ChannelBindingCallback, Mechanism, Mechname, Registry, SASLClient, SASLConfig, Session, SessionError,
};
use rsasl::property::AuthId;
use rsasl::validate::NoValidation;

use crate::{Fault, PASSWORD, USER};

/// The one mechanism for full logins here.
pub(crate) const MECHANISM: &str = "SCRAM-SHA-256-PLUS";

pub(crate) static MECHANISMS: [Mechanism; 1] = [SCRAM_SHA256_PLUS];

/// The client's half of an exchange.
pub(crate) struct Client(Session<NoValidation, Binding>);

impl Client {
    /// The first message.
    pub(crate) fn start(binding: Binding) -> Result<(Self, Vec<u8>), Fault> {
        let config =
            SASLConfig::builder().with_registry(Registry::with_mechanisms(&MECHANISMS)).with_callback(Account)?;
        let offered = [Mechname::parse(MECHANISM.as_bytes())?];
        let mut session = SASLClient::with_cb(config, binding).start_suggested(&offered)?;
        let mut message = Vec::new();
        session.step(None, &mut message)?;
        Ok((Self(session), message))
    }

    /// Answers a message of the server. The last one has no answer; an error there means that the server doesn't know
    /// the password.
    pub(crate) fn step(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut message = Vec::new();
        self.0.step(Some(challenge), &mut message)?;
        Ok(message)
    }
}

/// The channel binding of one connection.
pub(crate) struct Binding(pub(crate) BindingType, pub(crate) Vec<u8>);

impl ChannelBindingCallback for Binding {
    fn get_cb_data(&self, name: &str) -> Option<&[u8]> {
        (name == self.0.name()).then_some(&self.1)
    }
}

struct Account;

impl SessionCallback for Account {
    fn callback(&self, _: &SessionData, context: &Context<'_>, request: &mut Request<'_>) -> Result<(), SessionError> {
        request.satisfy::<AuthId>(USER)?;
        // Salted here, with ring, as rsasl's own code is slow when it is not optimised.
        let rounds = context.get_ref::<Iterations>().copied().and_then(NonZeroU32::new);
        if let (true, Some(salt), Some(rounds)) = (request.is::<SaltedPassword>(), context.get_ref::<Salt>(), rounds) {
            request.satisfy::<SaltedPassword>(&salted(salt, rounds))?;
        }
        Ok(())
    }

    fn enable_channel_binding(&self) -> bool {
        true
    }
}

pub(crate) fn salted(salt: &[u8], rounds: NonZeroU32) -> [u8; 32] {
    let mut salted = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, PASSWORD.as_bytes(), &mut salted);
    salted
}
