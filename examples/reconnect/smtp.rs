//! SMTP submission on port 465, both ends: `smtp-codec` reads and writes what it knows, the library's profile AUTH.
//!
//! smtp-codec 0.2 parses AUTH for PLAIN and LOGIN only, so the profile looks at each line first and takes the AUTH out. The
//! client sends EHLO when it has the greeting and AUTH when it has the reply to EHLO, since that is where this server lists
//! what it takes: four round trips are the best that the rules allow, with a login or without one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes};
use fast_reauth::profile::smtp;
use fast_reauth::profile::{MechanismName, Offer, ServerEvent};
use smtp_codec::parse::command::command;
use smtp_codec::parse::response::{Greeting, Reply_line, ehlo_ok_rsp};
use smtp_codec::types::{Command, DomainOrAddress, Response};
use tokio::net::TcpStream;

use crate::link::{Count, Link};
use crate::service::Service;
use crate::tls::{self, ClientWire};
use crate::visitor::{Visit, unexpected};
use crate::{Fault, Way, digest_md5, scram};

/// Serves one connection, until the client closes it.
pub(crate) async fn serve(service: &Service, tcp: TcpStream, link: &Link) -> Result<(), Fault> {
    let host = service.protocol.host();
    let greeting = written(|out| Response::greeting(host, "ESMTP").serialize(out))?;
    let greeting = ("greeting".to_owned(), greeting);
    let (mut wire, mut connection) = tls::accept(service, tcp, link, |_| Ok(Some(greeting))).await?;
    let mut logged_in = !service.asks_for_login;
    let offer = service.offer(&connection)?;
    loop {
        let mut exchange = smtp::server(&offer);
        let event = match exchange.receive(&mut wire.input)? {
            ServerEvent::NeedMore if wire.read().await? => continue,
            ServerEvent::NeedMore => return Ok(()),
            ServerEvent::OtherCommand => {
                let (what, reply) = answer(&mut wire.input, host, &offer, logged_in)?;
                wire.send(what, reply.as_bytes()).await?;
                continue;
            }
            event => event,
        };
        match event {
            _ if logged_in => return Err("a second AUTH".into()),
            ServerEvent::Verify(request) if request.mechanism.as_str() == scram::MECHANISM => {
                // The library's exchange has parsed the command; a mechanism of several steps is the SASL library's.
                let message = request.initial_response.unwrap_or_default();
                let challenge = |octets: &[u8]| format!("334 {}\r\n", STANDARD.encode(octets)).into_bytes();
                logged_in = service.full_login(&mut wire, &mut connection, &message, challenge).await?;
                let (what, reply) = match logged_in {
                    true => ("logged in", "235 2.7.0 Logged in\r\n"),
                    false => ("refusal", "535 5.7.8 Wrong name or password\r\n"),
                };
                wire.send(what, reply.as_bytes()).await?;
            }
            ServerEvent::Verify(request) if request.mechanism.as_str() == digest_md5::MECHANISM => {
                let challenge = |octets: &[u8]| format!("334 {}\r\n", STANDARD.encode(octets)).into_bytes();
                let message = request.initial_response.filter(|message| !message.is_empty());
                if !service.digest_login(&mut wire, message.as_deref(), challenge).await? {
                    return Err("a wrong response".into());
                }
                wire.send("logged in", b"235 2.7.0 Logged in\r\n").await?;
                logged_in = true;
            }
            event => logged_in = service.follow(&mut wire, &mut connection, &mut exchange, event).await?,
        }
    }
}

/// Takes a command that is not AUTH, and replies to it.
fn answer(
    input: &mut bytes::BytesMut,
    host: &str,
    offer: &Offer,
    logged_in: bool,
) -> Result<(&'static str, String), Fault> {
    let (used, what, reply) = match command(input) {
        Ok((rest, command)) => {
            let used = input.len() - rest.len();
            match command {
                Command::Ehlo { .. } => (
                    used,
                    "reply to EHLO",
                    format!("250-{host}\r\n{}250 ENHANCEDSTATUSCODES\r\n", smtp::ehlo_lines(offer)),
                ),
                Command::Mail { .. } if logged_in => (used, "MAIL is fine", "250 2.1.0 Ok\r\n".to_owned()),
                Command::Mail { .. } => (used, "refusal", "530 5.7.0 Authentication required\r\n".to_owned()),
                _ => (used, "refusal", "502 5.5.1 Not here\r\n".to_owned()),
            }
        }
        Err(_) => return Err("the client sent what is no command".into()),
    };
    input.advance(used);
    Ok((what, reply))
}

/// Greets, logs in, begins a message, and counts when the reply to MAIL is here.
pub(crate) async fn visit(mut visit: Visit<'_>) -> Result<Count, Fault> {
    let greeting = |octets: &[u8]| Greeting(octets).map(|(rest, _)| rest.len()).map_err(|error| error.is_incomplete());
    reply(&mut visit.wire, greeting).await?;
    let ehlo = Command::Ehlo { domain_or_address: DomainOrAddress::Domain("client.example.org".to_owned()) };
    visit.wire.send("EHLO", &written(|out| ehlo.serialize(out))?).await?;
    let listed = |octets: &[u8]| ehlo_ok_rsp(octets).map(|(rest, _)| rest.len()).map_err(|error| error.is_incomplete());
    let offer = smtp::offer(&reply(&mut visit.wire, listed).await?);
    let mail = Command::Mail { reverse_path: format!("{}@example.org", visit.name()), parameters: Vec::new() };
    let mail = written(|out| mail.serialize(out))?;
    match visit.way {
        None => visit.wire.send("MAIL", &mail).await?,
        Some(_) => {
            visit = visit.offered(&offer);
            log_in(&mut visit, &offer, &mail).await?;
        }
    }
    let line = any_reply(&mut visit.wire).await?;
    if line.starts_with(b"250") { Ok(visit.count()) } else { Err(unexpected(&line)) }
}

/// Logs in and sends `mail`: along with the login where the profile permits it, else behind it.
async fn log_in(visit: &mut Visit<'_>, offer: &Offer, mail: &[u8]) -> Result<(), Fault> {
    if visit.way == Some(Way::DigestMd5) {
        let command = |response: Option<&[u8]>| {
            // An empty response is a "=" (RFC 4954 section 4); it asks for the nonce.
            let response = response.map_or("=".to_owned(), |response| STANDARD.encode(response));
            format!("AUTH {} {response}\r\n", digest_md5::MECHANISM).into_bytes()
        };
        visit.digest_login(command, b"334 ").await?;
        let line = any_reply(&mut visit.wire).await?;
        return if line.starts_with(b"235") { visit.wire.send("MAIL", mail).await } else { Err(unexpected(&line)) };
    }
    let Some(attempt) = visit.plan()? else {
        let command =
            |message: &[u8]| format!("AUTH {} {}\r\n", scram::MECHANISM, STANDARD.encode(message)).into_bytes();
        visit.full_login(command, b"334 ").await?;
        let line = any_reply(&mut visit.wire).await?;
        if !line.starts_with(b"235") {
            return Err(unexpected(&line));
        }
        visit.logged_in()?;
        return visit.wire.send("MAIL", mail).await;
    };
    let mechanism = MechanismName::parse(attempt.mechanism())?;
    let (flight, mut exchange) = smtp::authenticate(offer, mechanism, attempt.message());
    let together = flight.rides_along.permits(smtp::kind_of("MAIL"));
    let ahead = if mechanism.is_iky() { " + empty answer" } else { "" };
    let (what, octets) = match together {
        true => (format!("{mechanism}{ahead} + MAIL"), [&flight.bytes, mail].concat()),
        false => (mechanism.to_string(), flight.bytes.to_vec()),
    };
    visit.wire.send(what, &octets).await?;
    let completion = visit.follow(&mut exchange).await?;
    visit.settle(attempt, completion.verdict, completion.data.as_deref())?;
    if !together {
        visit.wire.send("MAIL", mail).await?;
    }
    Ok(())
}

async fn any_reply(wire: &mut ClientWire) -> Result<Bytes, Fault> {
    reply(wire, |octets| Reply_line(octets).map(|(rest, _)| rest.len()).map_err(|error| error.is_incomplete())).await
}

/// A reply of one or more lines. `parse` says how many octets follow it, or whether more of them would help.
async fn reply(wire: &mut ClientWire, parse: impl Fn(&[u8]) -> Result<usize, bool>) -> Result<Bytes, Fault> {
    loop {
        match parse(&wire.input) {
            Ok(rest) => {
                let len = wire.input.len() - rest;
                return Ok(wire.input.split_to(len).freeze());
            }
            Err(true) if wire.input.len() < 8192 => wire.need().await?,
            Err(_) => return Err(unexpected(&wire.input)),
        }
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> Result<Vec<u8>, Fault> {
    let mut octets = Vec::new();
    write(&mut octets)?;
    Ok(octets)
}
