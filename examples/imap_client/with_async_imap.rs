//! The client on async-imap, through its `Authenticator`.
//!
//! async-imap 0.12 sends AUTHENTICATE without an initial response, waits for `+`, and sends nothing ahead of an answer. So a login
//! that need not be waited for is waited for: three round trips with IKY, two with EXTERNAL. That is still one less than SCRAM
//! takes here, and no password is asked for; but imap-next waits for none (`with_imap_next.rs`).

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_imap::Authenticator;
use async_imap::error::Error;
use fast_reauth::mechanism::{NextStep, Outcome};
use fast_reauth::profile::{Answer, imap};
use fast_reauth::store::client::{Plan, Settled};

use crate::common::client::{Client, Report, Visit, not_recognised, refused};
use crate::common::tls::{self, Connected};
use crate::common::wire::{ClientStream, Counted};
use crate::common::{Fault, now, scram};

type Imap = async_imap::Client<Counted<ClientStream>>;

/// Connects, logs in as the library plans, and selects the inbox.
pub(crate) async fn visit(client: &Client) -> Result<Visit, Fault> {
    let Connected { mut wire, facts, predecessor, watch } = tls::connect(client).await?;
    let offer = imap::offer(&wire.line().await?);
    let (resumed, waits) = (facts.is_resumed(), wire.stream.waits.clone());
    let mut connection = client.accounts.connect(&client.account, facts).resumes(predecessor);
    connection.saw_offer(offer.mechanisms().iter().map(|name| name.as_str()));
    let mut imap = Imap::new(wire.stream);
    let (mut session, mechanism) = loop {
        match connection.plan(now()) {
            Plan::Known(attempt) => {
                client.before(&attempt)?;
                let mechanism = attempt.mechanism();
                let known = Known::new(attempt.message());
                let done = imap.authenticate(mechanism, &known).await;
                let outcome = match &done {
                    Ok(_) => Outcome::Accepted,
                    Err((error, _)) => outcome(error)?,
                };
                // The server proves itself as well: only settled as logged in it is the server.
                match (connection.settle(attempt, outcome, known.responder().as_deref(), now()), done) {
                    (Settled::LoggedIn, Ok(session)) => break (session, mechanism),
                    (Settled::Failed(NextStep::FullLogin | NextStep::TryPredecessor), Err((_, back))) => {
                        not_recognised(mechanism);
                        imap = back;
                    }
                    (Settled::Failed(NextStep::FullHandshake), _) => return Ok(Visit::FullHandshake),
                    (Settled::Failed(next), _) => return Err(refused(next)),
                    (Settled::LoggedIn, Err((error, _))) => return Err(error.into()),
                }
            }
            Plan::FullLogin => {
                let (scram, first) = scram::Client::start(client.name(), &client.password, connection.facts())?;
                let full = Full::new(scram, first);
                let done = imap.authenticate(scram::MECHANISM, &full).await;
                let session = done.map_err(|(error, _)| format!("{error}: check name and password"))?;
                full.end()?;
                client.logged_in(&mut connection, &session.get_ref().stream)?;
                break (session, scram::MECHANISM);
            }
            Plan::FullHandshake => return Ok(Visit::FullHandshake),
            Plan::Abandon => return Err(refused(NextStep::Abandon)),
        }
    };
    watch.authenticated(connection.facts(), connection.family());
    let inbox = session.select("INBOX").await?;
    client.save()?;
    // SELECT itself takes one, with a login or without.
    let answer = format!("INBOX has {} messages", inbox.exists);
    Ok(Visit::Done(Report {
        mechanism: mechanism.to_owned(),
        resumed,
        waited: waits.count().saturating_sub(1),
        answer,
    }))
}

/// What a refusal says. async-imap keeps the response code only in a text.
fn outcome(error: &Error) -> Result<Outcome, Fault> {
    match error {
        Error::No(_) => Ok(Answer::from_imap(b"NO", b"").into()),
        Error::Bad(_) => Ok(Answer::from_imap(b"BAD", b"").into()),
        error => Err(error.to_string().into()),
    }
}

/// An attempt to be recognised: the message, then an empty answer to the one challenge, which is the server's proof.
struct Known(Mutex<Messages>);

struct Messages {
    initiator: Option<Vec<u8>>,
    responder: Option<Vec<u8>>,
}

impl Known {
    fn new(message: &[u8]) -> Self {
        Self(Mutex::new(Messages { initiator: Some(message.to_vec()), responder: None }))
    }

    /// The server's message, where it sent one.
    fn responder(&self) -> Option<Vec<u8>> {
        lock(&self.0).responder.take()
    }
}

impl Authenticator for &Known {
    type Response = Vec<u8>;

    fn process(&mut self, challenge: &[u8]) -> Vec<u8> {
        let mut messages = lock(&self.0);
        messages.initiator.take().unwrap_or_else(|| {
            messages.responder = Some(challenge.to_vec());
            Vec::new()
        })
    }
}

/// The full login, by rsasl. An `Authenticator` can't fail, so what fails is kept for behind it.
struct Full(Mutex<Steps>);

struct Steps {
    first: Option<Vec<u8>>,
    scram: scram::Client,
    failed: Option<Fault>,
}

impl Full {
    fn new(scram: scram::Client, first: Vec<u8>) -> Self {
        Self(Mutex::new(Steps { first: Some(first), scram, failed: None }))
    }

    /// Whether the server knew the password too.
    fn end(self) -> Result<(), Fault> {
        let steps = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        steps.failed.map_or_else(|| steps.scram.end(), Err)
    }
}

impl Authenticator for &Full {
    type Response = Vec<u8>;

    fn process(&mut self, challenge: &[u8]) -> Vec<u8> {
        let mut steps = lock(&self.0);
        if let Some(first) = steps.first.take() {
            return first;
        }
        steps.scram.step(challenge).unwrap_or_else(|fault| {
            steps.failed = Some(fault);
            Vec::new()
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
