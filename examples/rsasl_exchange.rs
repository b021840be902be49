//! Logins driven by rsasl at both ends: SCRAM-SHA-256-PLUS is rsasl's own; EXTERNAL, IKY-SHA-256-EXPR and HT-SHA-256-EXPR are
//! this library's.
//!
//! `cargo run --example rsasl_exchange`. What goes around rsasl is in `exchange/`.

#[path = "exchange/mod.rs"]
mod exchange;

use std::num::NonZeroU32;
use std::sync::Arc;

use exchange::{Fault, Framework, Guest, PASSWORD, Visit, decoded};
use fast_reauth::assertion::BindingType;
use fast_reauth::rsasl::{Bindings, COUNT, ClientCallback, ServerCallback, with};
use fast_reauth::store::client::Settled;
use ring::{digest, hmac, pbkdf2};
use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::mechanisms::scram::SCRAM_SHA256_PLUS;
use rsasl::mechanisms::scram::properties::{Iterations, Salt, SaltedPassword, ScramStoredPassword};
use rsasl::prelude::*;
use rsasl::property::{AuthId, AuthzId};
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
    let mut state = session.step(None, &mut message);
    let mechanism = session.get_mechname().to_string();
    visit.authenticate(&mechanism, &message)?;
    let completion = loop {
        let words = visit.wire.receive()?;
        if words[0] != "+" {
            break words;
        }
        let mut answer = Vec::new();
        // Behind an error the empty answer lets the server complete. A server that is none is told nothing more.
        state = session.step(Some(&decoded(words.get(1))?), &mut answer);
        match &state {
            Err(SessionError::MutualAuthenticationFailed) => return Err("this is not the server".into()),
            Err(error) => println!("       ({error})"),
            Ok(_) => {}
        }
        visit.wire.send(&[&exchange::encoded(&answer)])?;
    };
    if matches!(state, Ok(State::Running)) && completion[0] == "OK" {
        // As rsasl asks: the server says no more, and the mechanism may have expected it to.
        session.step(None, &mut Vec::new())?;
    }
    let settled = visit.completed(&completion, Some(BindingType::Exporter))?;
    Ok((mechanism, settled))
}

/// All logins of a connection, until one succeeds.
fn serve(guest: &mut Guest) -> Result<(), Fault> {
    let stored = StoredPassword::new();
    while let Some((mechanism, mut message)) = guest.attempt()? {
        let config = config(ServerCallback::new(guest.server.clone(), stored.clone()))?;
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
    fn callback(&self, _: &SessionData, context: &Context<'_>, request: &mut Request<'_>) -> Result<(), SessionError> {
        request.satisfy::<AuthId>(self.0)?;
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

/// A server's own callback: what it keeps of the password (RFC 5803), and who may log in.
#[derive(Clone)]
struct StoredPassword {
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

const ROUNDS: NonZeroU32 = NonZeroU32::new(4096).unwrap();
const SALT: &[u8] = b"an example's";

impl StoredPassword {
    fn new() -> Self {
        let salted = hmac::Key::new(hmac::HMAC_SHA256, &salted(SALT, ROUNDS));
        let stored_key = digest::digest(&digest::SHA256, hmac::sign(&salted, b"Client Key").as_ref()).as_ref().to_vec();
        Self { stored_key, server_key: hmac::sign(&salted, b"Server Key").as_ref().to_vec() }
    }
}

fn salted(salt: &[u8], rounds: NonZeroU32) -> [u8; 32] {
    let mut salted = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, PASSWORD.as_bytes(), &mut salted);
    salted
}

impl SessionCallback for StoredPassword {
    fn callback(&self, _: &SessionData, _: &Context<'_>, request: &mut Request<'_>) -> Result<(), SessionError> {
        let stored = ScramStoredPassword::new(ROUNDS.get(), SALT, &self.stored_key, &self.server_key);
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
