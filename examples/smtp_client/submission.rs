//! A mail by lettre, on a connection that this library logs in.
//!
//! lettre's mechanisms are a closed list, but its raw commands are public: `command` sends what it is given and reads one reply,
//! `read_response` reads another. So the profile's octets go through them, and MAIL in the same flight, where the server takes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use fast_reauth::mechanism::NextStep;
use fast_reauth::profile::{Event, MechanismName, Offer, smtp};
use fast_reauth::store::client::{Attempt, Connection, Plan, Settled};
use lettre::Message;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::AsyncSmtpConnection as Smtp;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;

use crate::common::client::{Client, Report, Visit, not_recognised, refused};
use crate::common::tls::{self, Connected};
use crate::common::{Fault, now, scram};
use crate::stream::Shared;

/// Connects, logs in as the library plans, and sends a mail.
pub(crate) async fn submit(client: &Client, mail: &Message) -> Result<Visit, Fault> {
    let Connected { wire, facts, predecessor, watch } = tls::connect(client).await?;
    let waits = wire.stream.waits.clone();
    let stream = Shared::new(wire.stream);
    let hello = ClientId::Domain("client.example.com".to_owned());
    let mut smtp = Smtp::connect_with_transport(Box::new(stream.clone()), &hello).await?;
    let offer = smtp::offer(&stream.heard());
    // Who needs no login waits for the reply to EHLO as well, and for that to MAIL.
    let without_login = waits.count() + 1;
    let mut connection = client.accounts.connect(&client.account, facts).resumes(predecessor);
    connection.saw_offer(offer.mechanisms().iter().map(|name| name.as_str()));
    let from = Mail::new(mail.envelope().from().cloned(), Vec::new());
    let mechanism = loop {
        match connection.plan(now()) {
            Plan::Known(attempt) => {
                let mechanism = attempt.mechanism();
                match known(client, &mut smtp, &mut connection, &offer, attempt, &from).await? {
                    Settled::LoggedIn => break mechanism,
                    // On this connection, and in another way: the next plan says which.
                    Settled::Failed(NextStep::FullLogin | NextStep::TryPredecessor) => not_recognised(mechanism),
                    Settled::Failed(NextStep::FullHandshake) => return Ok(Visit::FullHandshake),
                    Settled::Failed(next) => return Err(refused(next)),
                }
            }
            Plan::FullLogin => {
                full_login(client, &mut smtp, &connection, &offer).await?;
                stream.with_tls(|tls| client.logged_in(&mut connection, tls))?;
                smtp.command(&from).await?;
                break scram::MECHANISM;
            }
            Plan::FullHandshake => return Ok(Visit::FullHandshake),
            Plan::Abandon => return Err(refused(NextStep::Abandon)),
        }
    };
    watch.authenticated(connection.facts(), connection.family());
    let waited = waits.count().saturating_sub(without_login);
    client.save()?;
    for recipient in mail.envelope().to() {
        smtp.command(Rcpt::new(recipient.clone(), Vec::new())).await?;
    }
    smtp.command(Data).await?;
    let reply = smtp.message(&mail.formatted()).await?;
    smtp.quit().await?;
    let answer = reply.first_line().unwrap_or_default().to_owned();
    Ok(Visit::Done(Report {
        mechanism: mechanism.to_owned(),
        resumed: connection.facts().is_resumed(),
        waited,
        answer,
    }))
}

/// An attempt to be recognised, and MAIL: in one flight where the server says `IKNOWYOU`, or where EXTERNAL is pipelined. Else,
/// as with Postfix, MAIL follows the reply.
async fn known(
    client: &Client,
    smtp: &mut Smtp,
    connection: &mut Connection<'_>,
    offer: &Offer,
    attempt: Attempt,
    from: &Mail,
) -> Result<Settled, Fault> {
    client.before(&attempt)?;
    let mechanism = MechanismName::parse(attempt.mechanism())?;
    let (flight, mut exchange) = smtp::authenticate(offer, mechanism, attempt.message());
    let together = flight.rides_along.permits(smtp::kind_of("MAIL"));
    let login = std::str::from_utf8(&flight.bytes)?;
    let mut reply = if together { smtp.command(format!("{login}{from}")).await } else { smtp.command(login).await };
    let mut input = BytesMut::new();
    let completion = loop {
        input.extend_from_slice(&line(reply)?);
        reply = match exchange.receive(&mut input)? {
            Event::Done(completion) => break completion,
            Event::Send(flight) => smtp.command(std::str::from_utf8(&flight.bytes)?).await,
            Event::NeedMore | Event::Pass(_) => smtp.read_response().await,
        };
    };
    let settled = connection.settle(attempt, completion.verdict.into(), completion.data.as_deref(), now());
    match (settled, together) {
        (Settled::LoggedIn, true) => _ = smtp.read_response().await?,
        (Settled::LoggedIn, false) => _ = smtp.command(from).await?,
        // MAIL is refused as well, which did no harm. Its reply has to go.
        (Settled::Failed(_), true) => _ = smtp.read_response().await,
        (Settled::Failed(_), false) => {}
    }
    Ok(settled)
}

/// The first login: rsasl has the mechanism.
async fn full_login(client: &Client, smtp: &mut Smtp, connection: &Connection<'_>, offer: &Offer) -> Result<(), Fault> {
    if !offer.lists(MechanismName::parse(scram::MECHANISM)?) {
        return Err(
            "this server knows nobody yet and takes no password: log in at the provider's IMAP server first".into()
        );
    }
    let (mut scram, message) = scram::Client::start(client.name(), &client.password, connection.facts())?;
    let mut command = format!("AUTH {} {}\r\n", scram::MECHANISM, STANDARD.encode(message));
    loop {
        let reply = smtp.command(command).await.map_err(|error| format!("{error}: check name and password"))?;
        if !reply.has_code(334) {
            return scram.end();
        }
        let challenge = STANDARD.decode(reply.first_line().unwrap_or_default())?;
        command = format!("{}\r\n", STANDARD.encode(scram.step(&challenge)?));
    }
}

/// A reply as it was on the wire, for the profile. A refusal is an error to lettre, with the code that counts.
fn line(reply: Result<Response, Error>) -> Result<Vec<u8>, Fault> {
    let (code, text) = match reply {
        Ok(reply) => (reply.code(), reply.first_line().unwrap_or_default().to_owned()),
        Err(error) => (error.status().ok_or(error)?, String::new()),
    };
    Ok(format!("{code} {text}\r\n").into_bytes())
}
