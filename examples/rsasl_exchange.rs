//! Logins driven by rsasl at both ends: SCRAM-SHA-256-PLUS is rsasl's own; EXTERNAL, IKY-SHA-256-EXPR and HT-SHA-256-EXPR are
//! this library's.
//!
//! `cargo run --example rsasl_exchange`. What goes around rsasl is in `exchange/`.

#[path = "exchange/mod.rs"]
mod exchange;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use exchange::{Fault, Framework, Guest, PASSWORD, Visit, encoded, message_of};
use fast_reauth::assertion::BindingType;
use fast_reauth::rsasl::{Bindings, COUNT, ClientCallback, ServerCallback, with};
use fast_reauth::store::client::Settled;
use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::mechanisms::scram::SCRAM_SHA256_PLUS;
use rsasl::mechanisms::scram::properties::ScramStoredPassword;
use rsasl::prelude::*;
use rsasl::property::{AuthId, AuthzId, Password};
use rsasl::validate::{Validate, ValidationError};

/// This library's mechanisms beside rsasl's.
static MECHANISMS: [Mechanism; 1 + COUNT] = with([SCRAM_SHA256_PLUS]);

fn main() -> Result<(), Fault> {
    exchange::run(&Framework { name: "rsasl", log_in, serve })
}

fn config(callback: impl SessionCallback + 'static) -> Result<Arc<SASLConfig>, SASLError> {
    SASLConfig::builder().with_registry(Registry::with_mechanisms(&MECHANISMS)).with_callback(callback)
}

/// One login at the client. rsasl selects: what the plan says, or SCRAM.
fn log_in(visit: &mut Visit) -> Result<(String, Settled), Fault> {
    let offered: Vec<&Mechname> = visit.offered.iter().flat_map(|name| Mechname::parse(name.as_bytes())).collect();
    let config = config(ClientCallback::new(visit.client.clone(), Login(visit.user)))?;
    let mut session = SASLClient::with_cb(config, Bindings(visit.facts.clone())).start_suggested(&offered)?;

    let mut message = Vec::new();
    let mut state = Ok(session.step(None, &mut message)?);
    let mechanism = session.get_mechname().to_string();
    visit.authenticate(&mechanism, &message)?;
    let completion = loop {
        let words = visit.wire.receive()?;
        if words[0] != "+" {
            break words;
        }
        let mut answer = Vec::new();
        // Behind an error the empty answer lets the server complete. A server that is none is told nothing more.
        state = session.step(Some(&message_of(&words)?), &mut answer);
        match &state {
            Err(SessionError::MutualAuthenticationFailed) => return Err("this is not the server".into()),
            Err(error) => println!("       ({error})"),
            Ok(_) => {}
        }
        visit.wire.send(&[&encoded(&answer)])?;
    };
    if completion[0] == "OK" && state?.is_running() {
        // As rsasl asks: the server says no more, and the mechanism may have expected it to.
        session.step(None, &mut Vec::new())?;
    }
    let settled = visit.completed(&completion, Some(BindingType::Exporter))?;
    Ok((mechanism, settled))
}

/// All logins of a connection, until one succeeds.
fn serve(guest: &mut Guest) -> Result<(), Fault> {
    while let Some((mechanism, mut message)) = guest.attempt()? {
        let config = config(ServerCallback::new(guest.server.clone(), Users))?;
        let facts = guest.server.with(|connection| connection.facts().clone());
        let server = SASLServer::<Who, _>::with_cb(config, Bindings(facts));
        let mut session = server.start_suggested(Mechname::parse(mechanism.as_bytes())?)?;
        loop {
            let mut challenge = Vec::new();
            match session.step(Some(&message), &mut challenge) {
                Ok(State::Running) => message = guest.wire.challenge(&challenge)?,
                Ok(State::Finished(MessageSent::Yes)) => {
                    guest.wire.challenge(&challenge)?;
                    break;
                }
                Ok(State::Finished(MessageSent::No)) | Err(_) => break,
            }
        }
        match session.validation() {
            Some(user) => return guest.accepted(&user, Some(BindingType::Exporter), b""),
            None => guest.refused()?,
        }
    }
    Ok(())
}

/// A client's own callback, for full logins.
struct Login(&'static str);

impl SessionCallback for Login {
    fn callback(&self, _: &SessionData, _: &Context<'_>, request: &mut Request<'_>) -> Result<(), SessionError> {
        request.satisfy::<AuthId>(self.0)?.satisfy::<Password>(PASSWORD.as_bytes())?;
        Ok(())
    }

    fn enable_channel_binding(&self) -> bool {
        true
    }
}

/// A server's own callback: what it keeps of the password, as RFC 5803 writes it, and who may log in.
struct Users;

const ROUNDS: u32 = 4096;
const SALT: &str = "YSBwaW5jaCBvZiBzYWx0IQ==";
const STORED_KEY: &str = "OdEZijrOQyj0yO6AB8417DuHO+MDbFtYY6FQJNedQSA=";
const SERVER_KEY: &str = "22wn2+09nMo9Vs1f6l6IhvnFHUoDmCVCmNHB6Uq5eu8=";

impl SessionCallback for Users {
    fn callback(&self, _: &SessionData, _: &Context<'_>, request: &mut Request<'_>) -> Result<(), SessionError> {
        let octets = |text: &str| STANDARD.decode(text).map_err(|error| SessionError::Boxed(error.into()));
        let (salt, stored_key, server_key) = (octets(SALT)?, octets(STORED_KEY)?, octets(SERVER_KEY)?);
        let stored = ScramStoredPassword::new(ROUNDS, &salt, &stored_key, &server_key);
        request.satisfy::<ScramStoredPassword<'_>>(&stored)?;
        Ok(())
    }

    /// Asked about full logins and about recognised clients alike.
    fn validate(&self, _: &SessionData, who: &Context<'_>, validate: &mut Validate<'_>) -> Result<(), ValidationError> {
        let name = who.get_ref::<AuthId>().ok_or(ValidationError::MissingRequiredProperty)?;
        // Nobody acts as somebody else here.
        if who.get_ref::<AuthzId>().is_none_or(|authzid| authzid == name) {
            validate.finalize::<Who>(name.to_owned());
        }
        Ok(())
    }
}

/// What rsasl hands over at the end: the name.
struct Who;

impl Validation for Who {
    type Value = String;
}
