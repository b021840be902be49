//! Logins driven by xmpp-rs' crate sasl at both ends: SCRAM-SHA-256-PLUS is that crate's own; EXTERNAL, IKY-SHA-256-EXPR and
//! HT-SHA-256-EXPR are this library's.
//!
//! `cargo run --example sasl_exchange`. What goes around the crate is in `exchange/`.

#[path = "exchange/mod.rs"]
mod exchange;

use exchange::{Fault, Framework, Guest, PASSWORD, Visit, encoded, message_of};
use fast_reauth::framework::Way;
use fast_reauth::sasl::{ClientMechanism, Known, ServerMechanism, client_binding, server_binding};
use fast_reauth::store::client::Settled;
use sasl::client::Mechanism;
use sasl::client::mechanisms::Scram;
use sasl::common::scram::Sha256;
use sasl::common::{Credentials, Identity};
use sasl::secret::Pbkdf2Sha256;
use sasl::server::mechanisms::Scram as ServerScram;
use sasl::server::{self, Provider, ProviderError, Response, Validator, ValidatorError};

fn main() -> Result<(), Fault> {
    exchange::run(&Framework { name: "xmpp-rs' sasl", log_in, serve })
}

/// One login at the client: what the plan says, or SCRAM.
fn log_in(visit: &mut Visit) -> Result<(String, Settled), Fault> {
    let (channel_binding, binding) = client_binding(&visit.facts);
    let mut mechanism: Box<dyn Mechanism> = match ClientMechanism::planned(visit.client.clone()) {
        Ok(known) => Box::new(known),
        Err(Way::FullLogin) => {
            let credentials = Credentials::default().with_username(visit.user).with_password(PASSWORD);
            Box::new(Scram::<Sha256>::from_credentials(credentials.with_channel_binding(channel_binding))?)
        }
        Err(way) => return Err(format!("no login on this connection: {way:?}").into()),
    };
    let name = mechanism.name().to_owned();
    if !visit.offered.contains(&name) {
        return Err(format!("the server does not list {name}").into());
    }
    let message = mechanism.initial();
    visit.authenticate(&name, &message)?;
    let completion = loop {
        let words = visit.wire.receive()?;
        match words[0].as_str() {
            "+" => {
                // Behind an error the empty answer lets the server complete.
                let answer = mechanism.response(&message_of(&words)?);
                let answer = answer.inspect_err(|error| println!("       ({error})")).unwrap_or_default();
                visit.wire.send(&[&encoded(&answer)])?;
            }
            "OK" => {
                mechanism.success(&message_of(&words)?)?;
                break words;
            }
            _ => break words,
        }
    };
    Ok((name, visit.completed(&completion, binding)?))
}

/// All logins of a connection, until one succeeds.
fn serve(guest: &mut Guest) -> Result<(), Fault> {
    while let Some((name, mut message)) = guest.attempt()? {
        let facts = guest.server.with(|connection| connection.facts().clone());
        let (channel_binding, binding) = server_binding(&facts, &message);
        let mut mechanism: Box<dyn server::Mechanism> = match ServerMechanism::new(guest.server.clone(), &name, Users) {
            Some(known) => Box::new(known),
            None => Box::new(ServerScram::<Sha256, _>::new(Users, channel_binding)),
        };
        let who = loop {
            match mechanism.respond(&message) {
                Ok(Response::Proceed(challenge)) => message = guest.wire.challenge(&challenge)?,
                Ok(Response::Success(Identity::Username(user), data)) => break Some((user, data)),
                Ok(Response::Success(Identity::None, _)) | Err(_) => break None,
            }
        };
        match who {
            Some((user, data)) => return guest.accepted(&user, binding, &data),
            None => guest.refused()?,
        }
    }
    Ok(())
}

/// The server's accounts. All have the one password.
struct Users;

impl Validator<Known> for Users {
    /// Any account that was known before still exists.
    fn validate(&self, _: &Identity, _: &Known) -> Result<(), ValidatorError> {
        Ok(())
    }
}

impl Provider<Pbkdf2Sha256> for Users {
    fn provide(&self, _: &Identity) -> Result<Pbkdf2Sha256, ProviderError> {
        Ok(Pbkdf2Sha256::derive(PASSWORD, b"an example's", 4096)?)
    }
}

sasl::impl_validator_using_provider!(Users, Pbkdf2Sha256);
