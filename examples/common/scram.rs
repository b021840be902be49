//! The full login: SCRAM-SHA-256-PLUS (RFC 5802, 7677) by `rsasl`, at both ends, bound to tls-exporter (RFC 9266), or in
//! TLS 1.2 to tls-unique (RFC 5929).

use std::num::NonZeroU32;
use std::sync::Arc;

use fast_reauth::assertion::{BindingType, FullLogin};
use fast_reauth::channel::ChannelFacts;
use ring::{digest, hmac, pbkdf2};
use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::mechanisms::scram::SCRAM_SHA256_PLUS;
use rsasl::mechanisms::scram::properties::{Iterations, Salt, SaltedPassword, ScramStoredPassword};
use rsasl::prelude::{
    ChannelBindingCallback, Mechanism, Mechname, Registry, SASLClient, SASLConfig, SASLServer, Session, SessionError,
    Validation,
};
use rsasl::property::{AuthId, AuthzId};
use rsasl::validate::{Validate, ValidationError};

use super::Fault;

/// The one mechanism for full logins here.
pub(crate) const MECHANISM: &str = "SCRAM-SHA-256-PLUS";

static MECHANISMS: [Mechanism; 1] = [SCRAM_SHA256_PLUS];

/// A login with [`MECHANISM`] under this name on this connection, for either end to derive the assertion from.
pub(crate) fn full_login(login_name: &str, facts: &ChannelFacts) -> Result<FullLogin, Fault> {
    Ok(FullLogin::new(MECHANISM, login_name)?.bound_by(Binding::of(facts)?.0))
}

/// The client's half of an exchange.
pub(crate) struct Client {
    session: Session<rsasl::validate::NoValidation, Binding>,
    done: bool,
}

impl Client {
    /// Starts an exchange on this connection; the first message is its initial response.
    pub(crate) fn start(name: &str, password: &str, facts: &ChannelFacts) -> Result<(Self, Vec<u8>), Fault> {
        let account = Account { name: name.to_owned(), password: password.to_owned() };
        let offered = [Mechname::parse(MECHANISM.as_bytes())?];
        let client = SASLClient::with_cb(config(account)?, Binding::of(facts)?);
        let mut session = client.start_suggested(&offered)?;
        let mut message = Vec::new();
        session.step(None, &mut message)?;
        Ok((Self { session, done: false }, message))
    }

    /// Answers a message of the server. The last one has no answer; it shows that the server knows the password too, so an error
    /// there means that it does not.
    pub(crate) fn step(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut message = Vec::new();
        let state = self.session.step(Some(challenge), &mut message);
        self.done = state.map_err(|error| format!("{error}: check name and password"))?.is_finished();
        Ok(message)
    }

    /// Whether the server has shown that it knows the password. A success before that is nobody's.
    pub(crate) fn end(self) -> Result<(), Fault> {
        if self.done { Ok(()) } else { Err("whoever answered does not know the password: check the address".into()) }
    }
}

/// The server's half of an exchange.
pub(crate) struct Server(Session<LoggedIn, Binding>);

impl Server {
    pub(crate) fn start(password: &StoredPassword, facts: &ChannelFacts) -> Result<Self, Fault> {
        let server = SASLServer::<LoggedIn, _>::with_cb(config(password.clone())?, Binding::of(facts)?);
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

fn config(callback: impl SessionCallback + 'static) -> Result<Arc<SASLConfig>, Fault> {
    let registry = Registry::with_mechanisms(&MECHANISMS);
    Ok(SASLConfig::builder().with_registry(registry).with_callback(callback)?)
}

/// The channel binding of one connection.
pub(crate) struct Binding(BindingType, Vec<u8>);

impl Binding {
    fn of(facts: &ChannelFacts) -> Result<Self, Fault> {
        let unique = facts.tls_unique().map(|unique| Self(BindingType::Unique, unique.to_vec()));
        let exporter = || facts.tls_exporter().map(|exporter| Self(BindingType::Exporter, exporter.to_vec()));
        unique.or_else(exporter).ok_or_else(|| "the handshake is not finished, so there is no channel binding".into())
    }
}

impl ChannelBindingCallback for Binding {
    fn get_cb_data(&self, name: &str) -> Option<&[u8]> {
        (name == self.0.name()).then_some(&self.1)
    }
}

struct Account {
    name: String,
    password: String,
}

impl SessionCallback for Account {
    fn callback(&self, _: &SessionData, context: &Context<'_>, request: &mut Request<'_>) -> Result<(), SessionError> {
        request.satisfy::<AuthId>(&self.name)?;
        // Salted here, with ring, as rsasl's own code is slow when it is not optimised, and `cargo run` measures.
        let rounds = context.get_ref::<Iterations>().copied().and_then(NonZeroU32::new);
        if let (true, Some(salt), Some(rounds)) = (request.is::<SaltedPassword>(), context.get_ref::<Salt>(), rounds) {
            request.satisfy::<SaltedPassword>(&salted(&self.password, salt, rounds))?;
        }
        Ok(())
    }

    fn enable_channel_binding(&self) -> bool {
        true
    }
}

/// What the server keeps of an account's password (RFC 5803).
#[derive(Clone)]
pub(crate) struct StoredPassword {
    name: String,
    salt: [u8; 16],
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl StoredPassword {
    pub(crate) fn new(name: &str, password: &str, salt: [u8; 16]) -> Self {
        let salted = hmac::Key::new(hmac::HMAC_SHA256, &salted(password, &salt, ROUNDS));
        let stored_key = digest::digest(&digest::SHA256, hmac::sign(&salted, b"Client Key").as_ref()).as_ref().to_vec();
        let server_key = hmac::sign(&salted, b"Server Key").as_ref().to_vec();
        Self { name: name.to_owned(), salt, stored_key, server_key }
    }
}

const ROUNDS: NonZeroU32 = NonZeroU32::new(4096).unwrap();

fn salted(password: &str, salt: &[u8], rounds: NonZeroU32) -> [u8; 32] {
    let mut salted = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, password.as_bytes(), &mut salted);
    salted
}

impl SessionCallback for StoredPassword {
    fn callback(&self, _: &SessionData, context: &Context<'_>, request: &mut Request<'_>) -> Result<(), SessionError> {
        if context.get_ref::<AuthId>() == Some(&self.name) {
            let Self { salt, stored_key, server_key, .. } = self;
            request.satisfy::<ScramStoredPassword<'_>>(&ScramStoredPassword::new(
                ROUNDS.get(),
                salt,
                stored_key,
                server_key,
            ))?;
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
