//! The client on imap-next, which is sans-IO: the login and imap-next's first command leave in one flight.
//!
//! imap-next does not start a command behind an AUTHENTICATE that is not completed. So the login goes beside it, by this library's
//! profile, and imap-next begins behind the greeting (`discard_greeting`) with SELECT, whose octets ride along.

use fast_reauth::mechanism::NextStep;
use fast_reauth::profile::{Completion, Event as LoginEvent, Flight, MechanismName, NextCommand, Offer, Tag, imap};
use fast_reauth::store::client::{Attempt, Connection, Plan, Settled};
use imap_codec::imap_types::auth::{AuthMechanism, AuthenticateData};
use imap_codec::imap_types::command::{Command, CommandBody};
use imap_codec::imap_types::response::{CommandContinuationRequest as Challenge, Data, Status, StatusBody, StatusKind};
use imap_next::client::{Client as Imap, Event, Options};
use imap_next::{Interrupt, Io, State as _};

use crate::common::client::{Client, Report, Visit, not_recognised, refused};
use crate::common::tls::{self, Connected};
use crate::common::wire::ClientWire;
use crate::common::{Fault, now, scram};

/// Connects, logs in as the library plans, and selects the inbox.
pub(crate) async fn visit(client: &Client) -> Result<Visit, Fault> {
    let Connected { mut wire, facts, predecessor, watch } = tls::connect(client).await?;
    let offer = imap::offer(&wire.line().await?);
    let mut connection = client.accounts.connect(&client.account, facts).resumes(predecessor);
    connection.saw_offer(offer.mechanisms().iter().map(|name| name.as_str()));
    loop {
        let mut session = Session::new(&mut wire);
        let mechanism = match connection.plan(now()) {
            Plan::Known(attempt) => {
                let mechanism = attempt.mechanism();
                match session.known(client, &mut connection, &offer, attempt).await? {
                    Settled::LoggedIn => mechanism,
                    // On this connection, and in another way: the next plan says which.
                    Settled::Failed(next) if is_for_here(next) => {
                        not_recognised(mechanism);
                        continue;
                    }
                    Settled::Failed(NextStep::FullHandshake) => return Ok(Visit::FullHandshake),
                    Settled::Failed(next) => return Err(refused(next)),
                }
            }
            Plan::FullLogin => {
                session.full_login(client, &connection).await?;
                client.logged_in(&mut connection, &session.wire.stream.stream)?;
                session.enqueue_select()?;
                scram::MECHANISM
            }
            Plan::FullHandshake => return Ok(Visit::FullHandshake),
            Plan::Abandon => return Err(refused(NextStep::Abandon)),
        };
        // Later connections may resume this one's TLS session.
        watch.authenticated(connection.facts(), connection.family());
        let answer = session.selected().await?;
        client.save()?;
        // SELECT itself takes one, with a login or without.
        let waited = wire.stream.waits.count().saturating_sub(1);
        let resumed = connection.facts().is_resumed();
        return Ok(Visit::Done(Report { mechanism: mechanism.to_owned(), resumed, waited, answer }));
    }
}

fn is_for_here(next: NextStep) -> bool {
    matches!(next, NextStep::FullLogin | NextStep::TryPredecessor)
}

/// imap-next on this connection, behind the greeting.
struct Session<'w> {
    wire: &'w mut ClientWire,
    imap: Imap,
}

impl<'w> Session<'w> {
    fn new(wire: &'w mut ClientWire) -> Self {
        let mut options = Options::default();
        options.discard_greeting = true;
        Self { wire, imap: Imap::new(options) }
    }

    fn enqueue_select(&mut self) -> Result<(), Fault> {
        self.imap.enqueue_command(Command::new("b1", CommandBody::select("INBOX")?)?);
        Ok(())
    }

    /// An attempt to be recognised, with SELECT in the same flight.
    async fn known(
        &mut self,
        client: &Client,
        connection: &mut Connection<'_>,
        offer: &Offer,
        attempt: Attempt,
    ) -> Result<Settled, Fault> {
        client.before(&attempt)?;
        let mechanism = MechanismName::parse(attempt.mechanism())?;
        let (flight, mut exchange) = imap::authenticate(Tag::parse("a1")?, offer, mechanism, attempt.message());
        let Flight { bytes, rides_along } = flight;
        let together = rides_along.permits(NextCommand::Asks);
        let mut octets = bytes.to_vec();
        if together {
            self.enqueue_select()?;
            octets.extend(self.output()?);
        }
        self.wire.send(&octets).await?;
        let completion: Completion = loop {
            match exchange.receive(&mut self.wire.input)? {
                LoginEvent::NeedMore => self.wire.need().await?,
                LoginEvent::Pass(line) => self.imap.enqueue_input(&line),
                LoginEvent::Send(flight) => self.wire.send(&flight.bytes).await?,
                LoginEvent::Done(completion) => break completion,
            }
        };
        let settled = connection.settle(attempt, completion.verdict.into(), completion.data.as_deref(), now());
        match (settled, together) {
            (Settled::LoggedIn, false) => self.enqueue_select()?,
            // The SELECT behind it is refused as well, which did no harm. Its answer has to go.
            (Settled::Failed(next), true) if is_for_here(next) => _ = self.selected().await,
            _ => {}
        }
        Ok(settled)
    }

    /// The first login, by imap-next's own events; rsasl has the mechanism.
    async fn full_login(&mut self, client: &Client, connection: &Connection<'_>) -> Result<(), Fault> {
        let (mut scram, message) = scram::Client::start(client.name(), &client.password, connection.facts())?;
        let login = CommandBody::authenticate_with_ir(AuthMechanism::ScramSha256Plus, message);
        self.imap.enqueue_command(Command::new("a2", login)?);
        loop {
            match self.next().await? {
                Event::AuthenticateContinuationRequestReceived {
                    continuation_request: Challenge::Base64(octets),
                    ..
                } => {
                    // The last challenge shows that the server knows the password too.
                    let answer = AuthenticateData::r#continue(scram.step(&octets)?);
                    self.imap.set_authenticate_data(answer).map_err(|_| "no login is under way")?;
                }
                Event::AuthenticateStatusReceived { status: Status::Tagged(status), .. } => {
                    return match status.body.kind {
                        StatusKind::Ok => scram.end(),
                        _ => {
                            Err(format!("the password is refused ({}): check name and password", status.body.text)
                                .into())
                        }
                    };
                }
                _ => {}
            }
        }
    }

    /// The answer to SELECT.
    async fn selected(&mut self) -> Result<String, Fault> {
        let mut messages = 0;
        loop {
            match self.next().await? {
                Event::DataReceived { data: Data::Exists(count) } => messages = count,
                Event::StatusReceived { status: Status::Tagged(status) } if status.tag.as_ref() == "b1" => {
                    let StatusBody { kind, text, .. } = status.body;
                    return match kind {
                        StatusKind::Ok => Ok(format!("INBOX has {messages} messages")),
                        _ => Err(format!("SELECT is refused: {text}").into()),
                    };
                }
                _ => {}
            }
        }
    }

    async fn next(&mut self) -> Result<Event, Fault> {
        loop {
            if !self.wire.input.is_empty() {
                self.imap.enqueue_input(&self.wire.input.split());
            }
            match self.imap.next() {
                Ok(event) => return Ok(event),
                Err(Interrupt::Io(Io::Output(octets))) => self.wire.send(&octets).await?,
                Err(Interrupt::Io(Io::NeedMoreInput)) => self.wire.need().await?,
                Err(Interrupt::Error(error)) => return Err(error.into()),
            }
        }
    }

    /// The octets of what was enqueued, not yet sent.
    fn output(&mut self) -> Result<Vec<u8>, Fault> {
        match self.imap.next() {
            Err(Interrupt::Io(Io::Output(octets))) => Ok(octets),
            other => Err(format!("imap-next has something else to do first: {other:?}").into()),
        }
    }
}
