//! A submission server to come back to: as much SMTP as a mail takes, with AUTH by this library's profile.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fast_reauth::mechanism::Connection;
use fast_reauth::profile::{ServerEvent, ServerExchange, smtp};
use fast_reauth::rustls::Recognition;
use tokio::net::TcpStream;

use crate::common::service::Service;
use crate::common::wire::ServerWire;
use crate::common::{Fault, scram, tls};

/// Serves one connection, until the client closes it.
pub(crate) async fn serve(service: &Service, recognition: &Recognition, tcp: TcpStream) -> Result<(), Fault> {
    let (mut wire, mut connection) = tls::accept(service, recognition, tcp).await?;
    // IKNOWYOU lets the client send the empty answer, and MAIL, behind AUTH.
    let offer = Service::offer(&connection)?.with_pipelining().with_iky_pipelining();
    wire.send(b"220 smtp.example.com ESMTP\r\n").await?;
    let mut logged_in = false;
    loop {
        let mut exchange = smtp::server(&offer);
        match exchange.receive(&mut wire.input)? {
            ServerEvent::NeedMore if wire.read().await? => {}
            ServerEvent::NeedMore => return Ok(()),
            ServerEvent::OtherCommand => {
                let line = String::from_utf8_lossy(&wire.line().await?).to_ascii_uppercase();
                let reply = match line.split([' ', '\r']).next().unwrap_or_default() {
                    "EHLO" => {
                        format!("250-smtp.example.com\r\n{}250 ENHANCEDSTATUSCODES\r\n", smtp::ehlo_lines(&offer))
                    }
                    "QUIT" => "221 2.0.0 Bye\r\n".to_owned(),
                    "NOOP" | "RSET" => "250 2.0.0 Ok\r\n".to_owned(),
                    "MAIL" | "RCPT" if logged_in => "250 2.1.0 Ok\r\n".to_owned(),
                    "DATA" if logged_in => {
                        wire.send(b"354 Go on\r\n").await?;
                        while wire.line().await? != b".\r\n"[..] {}
                        "250 2.0.0 Ok: queued as 1\r\n".to_owned()
                    }
                    "MAIL" | "RCPT" | "DATA" => "530 5.7.0 Authentication required\r\n".to_owned(),
                    _ => "502 5.5.1 Not here\r\n".to_owned(),
                };
                wire.send(reply.as_bytes()).await?;
            }
            _ if logged_in => return Err("a second AUTH".into()),
            event => logged_in = log_in(service, &mut wire, &mut connection, &mut exchange, event).await?,
        }
    }
}

/// A login from its first event to its completion.
async fn log_in(
    service: &Service,
    wire: &mut ServerWire,
    connection: &mut Connection<'_>,
    exchange: &mut ServerExchange,
    mut event: ServerEvent,
) -> Result<bool, Fault> {
    let mut recognised = None;
    let mut output = Vec::new();
    loop {
        event = match event {
            ServerEvent::Verify(request) if request.mechanism.as_str() == scram::MECHANISM => {
                return full_login(service, wire, connection, &request.initial_response.unwrap_or_default()).await;
            }
            ServerEvent::Verify(request) => {
                let message = request.initial_response.unwrap_or_default();
                let verdict = service.judge(connection, request.mechanism, &message);
                let verdict = verdict.ok_or_else(|| format!("{} recognises nobody", request.mechanism))?;
                recognised = verdict.recognised;
                exchange.finish(verdict.outcome, verdict.message.as_deref())?
            }
            ServerEvent::Send(octets) => {
                output.extend_from_slice(&octets);
                exchange.receive(&mut wire.input)?
            }
            ServerEvent::NeedMore => {
                wire.send(&std::mem::take(&mut output)).await?;
                wire.need().await?;
                exchange.receive(&mut wire.input)?
            }
            ServerEvent::Done { bytes, accepted } => {
                // Challenge and completion are one write, where the empty answer came ahead.
                output.extend_from_slice(&bytes);
                wire.send(&output).await?;
                if let (true, Some(client)) = (accepted, recognised) {
                    service.recognised(connection, &client)?;
                }
                return Ok(accepted);
            }
            ServerEvent::OtherCommand => return Err("a command in the middle of a login".into()),
        };
    }
}

async fn full_login(
    service: &Service,
    wire: &mut ServerWire,
    connection: &mut Connection<'_>,
    first: &[u8],
) -> Result<bool, Fault> {
    let mut scram = service.full_login(connection)?;
    let mut message = first.to_vec();
    for _ in 0..2 {
        let Ok(answer) = scram.step(&message) else { break };
        wire.send(format!("334 {}\r\n", STANDARD.encode(answer)).as_bytes()).await?;
        message = STANDARD.decode(wire.line().await?.trim_ascii_end())?;
    }
    let who = scram.who().filter(|_| message.is_empty());
    if let Some(name) = &who {
        service.logged_in(connection, wire, name)?;
    }
    let reply: &[u8] = if who.is_some() { b"235 2.7.0 Logged in\r\n" } else { b"535 5.7.8 Wrong name or password\r\n" };
    wire.send(reply).await?;
    Ok(who.is_some())
}
