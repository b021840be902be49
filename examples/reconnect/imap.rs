//! IMAP on port 993, both ends: `imap-codec` reads and writes the commands, the library's profile the login.
//!
//! The server speaks first, in its first TLS flight. That greeting already lists EXTERNAL for a client whose session it knows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes};
use fast_reauth::profile::imap;
use fast_reauth::profile::{MechanismName, NextCommand, Offer, Request, Tag};
use imap_codec::decode::{CommandDecodeError, Decoder};
use imap_codec::encode::Encoder;
use imap_codec::imap_types::IntoStatic;
use imap_codec::imap_types::auth::AuthMechanism;
use imap_codec::imap_types::command::{Command, CommandBody};
use imap_codec::imap_types::core::{Atom, Vec1};
use imap_codec::imap_types::response::{Capability, Code, Data, Greeting, GreetingKind, Response, Status, StatusKind};
use imap_codec::{CommandCodec, GreetingCodec, ResponseCodec};
use tokio::net::TcpStream;

use crate::link::{Count, Link};
use crate::service::Service;
use crate::tls::{self, ServerWire};
use crate::visitor::{Visit, unexpected};
use crate::{Fault, Way, digest_md5};

/// Serves one connection, until the client closes it.
pub(crate) async fn serve(service: &Service, tcp: TcpStream, link: &Link) -> Result<(), Fault> {
    let mut offer = Offer::default();
    let (mut wire, mut connection) = tls::accept(service, tcp, link, |connection| {
        offer = service.offer(connection)?;
        Ok(Some(("greeting".to_owned(), greeting(&offer, service.asks_for_login)?)))
    })
    .await?;
    let mut logged_in = !service.asks_for_login;
    while let Some(command) = next_command(&mut wire).await? {
        let tag = command.tag.clone();
        match command.body {
            CommandBody::Authenticate { mechanism, initial_response } if !logged_in => {
                let message = initial_response.map(|message| Bytes::copy_from_slice(message.declassify()));
                logged_in = if mechanism == AuthMechanism::ScramSha256Plus {
                    let message = message.ok_or("a client that doesn't use SASL-IR")?;
                    let challenge = |octets: &[u8]| format!("+ {}\r\n", STANDARD.encode(octets)).into_bytes();
                    let good = service.full_login(&mut wire, &mut connection, &message, challenge).await?;
                    let (what, done) = match good {
                        true => ("logged in", Status::ok(Some(tag), None, "Logged in")?),
                        false => ("refusal", Status::no(Some(tag), None, "Wrong name or password")?),
                    };
                    wire.send(what, &encoded(&[Response::Status(done)])).await?;
                    good
                } else if mechanism.as_ref() == digest_md5::MECHANISM {
                    let challenge = |octets: &[u8]| format!("+ {}\r\n", STANDARD.encode(octets)).into_bytes();
                    if !service.digest_login(&mut wire, message.as_deref(), challenge).await? {
                        return Err("a wrong response".into());
                    }
                    let done = Status::ok(Some(tag), None, "Logged in")?;
                    wire.send("logged in", &encoded(&[Response::Status(done)])).await?;
                    true
                } else {
                    // All others are the library's, also to be refused when they are not listed.
                    let mechanism = MechanismName::parse(mechanism.as_ref())?;
                    let request = Request { mechanism, initial_response: message };
                    let (event, mut exchange) = imap::server_after(&offer, Tag::parse(tag.as_ref())?, request);
                    service.follow(&mut wire, &mut connection, &mut exchange, event).await?
                };
            }
            CommandBody::Select { .. } if logged_in => {
                let exists = Response::Data(Data::Exists(172));
                let done = Status::ok(Some(tag), Some(Code::ReadWrite), "SELECT completed")?;
                wire.send("INBOX selected", &encoded(&[exists, Response::Status(done)])).await?;
            }
            _ => {
                let bad = Status::bad(Some(tag), None, "Not here, or not now")?;
                wire.send("refusal", &encoded(&[Response::Status(bad)])).await?;
            }
        }
    }
    Ok(())
}

/// What this server says before it is asked: what it lists, or that no login is needed.
fn greeting(offer: &Offer, asks_for_login: bool) -> Result<Vec<u8>, Fault> {
    let listed = format!("IMAP4rev1 {}", if asks_for_login { imap::capabilities(offer) } else { String::new() });
    let capabilities: Result<Vec<Capability<'_>>, _> =
        listed.split_ascii_whitespace().map(|name| Atom::try_from(name).map(Capability::from)).collect();
    let code = Some(Code::Capability(Vec1::try_from(capabilities?)?));
    let kind = if asks_for_login { GreetingKind::Ok } else { GreetingKind::PreAuth };
    Ok(GreetingCodec::default().encode(&Greeting::new(kind, code, "ready")?).dump())
}

async fn next_command(wire: &mut ServerWire) -> Result<Option<Command<'static>>, Fault> {
    loop {
        match CommandCodec::default().decode(&wire.input) {
            Ok((rest, command)) => {
                let (used, command) = (wire.input.len() - rest.len(), command.into_static());
                wire.input.advance(used);
                return Ok(Some(command));
            }
            Err(CommandDecodeError::Incomplete) if wire.input.len() < 8192 => {
                if !wire.read().await? {
                    return Ok(None);
                }
            }
            Err(error) => return Err(format!("the client sent what is no command: {error:?}").into()),
        }
    }
}

fn encoded(responses: &[Response<'_>]) -> Vec<u8> {
    responses.iter().flat_map(|response| ResponseCodec::default().encode(response).dump()).collect()
}

/// Logs in, selects the inbox, and counts when the tagged OK of the latter is here.
pub(crate) async fn visit(mut visit: Visit<'_>) -> Result<Count, Fault> {
    let line = visit.wire.line().await?;
    let kind = GreetingCodec::default().decode(&line).map_err(|_| unexpected(&line))?.1.kind;
    let select = CommandCodec::default().encode(&Command::new("a2", CommandBody::select("INBOX")?)?).dump();
    match (visit.way, kind) {
        (None, GreetingKind::PreAuth) => visit.wire.send("SELECT", &select).await?,
        (Some(_), GreetingKind::Ok) => {
            let offer = imap::offer(&line);
            visit = visit.offered(&offer);
            log_in(&mut visit, &offer, &select).await?;
        }
        _ => return Err(unexpected(&line)),
    }
    loop {
        let line = visit.wire.line().await?;
        match ResponseCodec::default().decode(&line).map_err(|_| unexpected(&line))?.1 {
            Response::Status(Status::Tagged(status)) if status.tag.as_ref() == "a2" => {
                return if status.body.kind == StatusKind::Ok { Ok(visit.count()) } else { Err(unexpected(&line)) };
            }
            Response::Data(_) | Response::Status(Status::Untagged(_)) => {}
            _ => return Err(unexpected(&line)),
        }
    }
}

/// Logs in and sends `select`: along with the login where the profile permits it, else behind it.
async fn log_in(visit: &mut Visit<'_>, offer: &Offer, select: &[u8]) -> Result<(), Fault> {
    if visit.way == Some(Way::DigestMd5) {
        let command = |response: Option<&[u8]>| {
            let response = response.map(|response| format!(" {}", STANDARD.encode(response))).unwrap_or_default();
            format!("a1 AUTHENTICATE {}{response}\r\n", digest_md5::MECHANISM).into_bytes()
        };
        visit.digest_login(command, b"+ ").await?;
        let line = visit.wire.line().await?;
        return if line.starts_with(b"a1 OK ") {
            visit.wire.send("SELECT", select).await
        } else {
            Err(unexpected(&line))
        };
    }
    let Some(attempt) = visit.plan()? else {
        let command = |message: &[u8]| {
            let body = CommandBody::authenticate_with_ir(AuthMechanism::ScramSha256Plus, message.to_vec());
            Command::new("a1", body).map(|command| CommandCodec::default().encode(&command).dump()).unwrap_or_default()
        };
        visit.full_login(command, b"+ ").await?;
        let line = visit.wire.line().await?;
        if !line.starts_with(b"a1 OK ") {
            return Err(unexpected(&line));
        }
        visit.logged_in()?;
        // RFC 9051 lets nothing follow an AUTHENTICATE that is not completed, so this waits.
        return visit.wire.send("SELECT", select).await;
    };
    let mechanism = MechanismName::parse(attempt.mechanism())?;
    let (flight, mut exchange) = imap::authenticate(Tag::parse("a1")?, offer, mechanism, attempt.message());
    let together = flight.rides_along.permits(NextCommand::Asks);
    let ahead = if mechanism.is_iky() { " + empty answer" } else { "" };
    let (what, octets) = match together {
        true => (format!("{mechanism}{ahead} + SELECT"), [&flight.bytes, select].concat()),
        false => (format!("{mechanism}{ahead}"), flight.bytes.to_vec()),
    };
    visit.wire.send(what, &octets).await?;
    let completion = visit.follow(&mut exchange).await?;
    visit.settle(attempt, completion.verdict, completion.data.as_deref())?;
    if !together {
        visit.wire.send("SELECT", select).await?;
    }
    Ok(())
}
