//! XMPP over direct TLS (XEP-0368), both ends: SASL2 (XEP-0388) with Bind 2 (XEP-0386). `xmpp-parsers` has the elements of the
//! full login, the library's profile those of fast reauthentication, and the framing.
//!
//! The client speaks first. What the server lists it knows from last time, so header, login and bind are one flight.

use fast_reauth::mechanism::Connection;
use fast_reauth::profile::xmpp::{
    Authenticate, Bind, Bound, ClientElement, Event, Failure, Features, Frame, Framer, StreamHeader, Success, Version,
    challenge,
};
use fast_reauth::profile::{Answer, MechanismName, Request};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use xmpp_parsers::bind2::{BindQuery, Bound as BoundElement};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::sasl2;

use crate::link::{Count, Link};
use crate::service::Service;
use crate::tls::{self, ServerWire, Wire};
use crate::visitor::{Visit, unexpected};
use crate::{Fault, scram};

/// Serves one connection, until the client closes it.
pub(crate) async fn serve(service: &Service, tcp: TcpStream, link: &Link) -> Result<(), Fault> {
    let (mut wire, mut connection) = tls::accept(service, tcp, link, |_| Ok(None)).await?;
    let mut framer = Framer::new();
    let Frame::Header(_) = frame(&mut wire, &mut framer).await? else { return Err("a stream without header".into()) };
    let header = StreamHeader { from: Some(service.protocol.host().to_owned()), id: Some("1".to_owned()), to: None };
    let features = Features {
        sasl2: service.offer(&connection)?,
        bind: service.asks_for_login,
        channel_bindings: vec!["tls-exporter".to_owned()],
        ..Features::default()
    };
    wire.send("header and features", &[header.to_octets()?, features.to_octets()?].concat()).await?;
    let mut full_login = None;
    let mut logged_in = false;
    loop {
        let Frame::Element(element) = frame(&mut wire, &mut framer).await? else { return Ok(()) };
        match ClientElement::parse(&element)? {
            // Once, and not in the midst of another: who has logged in stays who it is.
            ClientElement::Authenticate(login) if service.asks_for_login && !logged_in && full_login.is_none() => {
                let Request { mechanism, initial_response } = login.request;
                let message = initial_response.unwrap_or_default();
                if mechanism.as_str() == scram::MECHANISM {
                    let message = full_login.insert(service.scram(&connection)?).step(&message)?;
                    wire.send("challenge (server first)", &challenge(Version::Sasl2, &message)?).await?;
                } else {
                    logged_in = recognise(service, &mut wire, &mut connection, mechanism, &message).await?;
                }
            }
            ClientElement::Response(response) => {
                let mut scram = full_login.take().ok_or("a response to no challenge")?;
                let message = scram.step(&response.message)?;
                let name = scram.who().ok_or("a wrong name or password")?;
                service.logged_in(&mut connection, &wire, &name)?;
                logged_in = true;
                wire.send("success, bound", &success(&name, Some(message))?).await?;
            }
            // No server does this. It is the same command, bind, without a login, to compare with.
            ClientElement::Other if !service.asks_for_login => {
                BindQuery::try_from(element_of(&element)?)?;
                wire.send("bound", Bound::empty().as_octets()).await?;
            }
            _ => return Err(unexpected(&element)),
        }
    }
}

/// An attempt with EXTERNAL or IKY. The server's message travels with its answer, whatever that is.
async fn recognise(
    service: &Service,
    wire: &mut ServerWire,
    connection: &mut Connection<'_>,
    mechanism: MechanismName,
    message: &[u8],
) -> Result<bool, Fault> {
    let verdict = service.judge(connection, mechanism, message)?;
    match &verdict.recognised {
        Some(client) => {
            wire.send("success, bound", &success(client.identity(), verdict.message.map(Into::into))?).await?;
            service.recognised(connection, client)?;
        }
        None => {
            let failure = Failure::new(verdict.outcome, verdict.message.as_deref());
            wire.send("failure", &failure.to_octets(Version::Sasl2)?).await?;
        }
    }
    Ok(verdict.recognised.is_some())
}

fn success(name: &str, message: Option<Vec<u8>>) -> Result<Vec<u8>, Fault> {
    let success = Success {
        data: message.map(Into::into),
        authorization_identifier: Some(format!("{name}@example.org/reconnect")),
        bound: Some(Bound::empty()),
        ..Success::default()
    };
    Ok(success.to_octets(Version::Sasl2)?)
}

/// Opens a stream, logs in and binds, and counts when `<bound/>` is here.
pub(crate) async fn visit(mut visit: Visit<'_>) -> Result<Count, Fault> {
    let from = Some(format!("{}@example.org", visit.name()));
    let header = StreamHeader { from, to: Some("example.org".to_owned()), id: None };
    let mut framer = Framer::new();
    if visit.way.is_none() {
        let bind = String::from(&Element::from(BindQuery { tag: None, payloads: Vec::new() }));
        visit.wire.send("header + bind", &[header.to_octets()?, bind.into_bytes()].concat()).await?;
        features(&mut visit, &mut framer).await?;
        let bound = element(&mut visit, &mut framer).await?;
        BoundElement::try_from(element_of(&bound)?)?;
        return Ok(visit.count());
    }
    visit = visit.offered_last_time();
    let Some(attempt) = visit.plan()? else { return full_login(visit, &header).await };
    let mechanism = MechanismName::parse(attempt.mechanism())?;
    let login = Authenticate { bind: Some(Bind::default()), ..Authenticate::new(mechanism, attempt.message()) };
    let (flight, mut exchange) = login.start(Some(&header))?;
    visit.wire.send(format!("header + {mechanism} with bind"), &flight.bytes).await?;
    let offered = features(&mut visit, &mut framer).await?;
    loop {
        let element = element(&mut visit, &mut framer).await?;
        match exchange.receive(&element)? {
            Event::Pass => {}
            Event::Send(octets) => visit.wire.send("abort", &octets).await?,
            Event::Success(success) => {
                visit.settle(attempt, Answer::Accepted, success.data.as_deref())?;
                success.bound.ok_or("success without <bound/>")?;
                let count = visit.count();
                // For next time: EXTERNAL, if the server has listed it on this session.
                visit.remember(&offered.sasl2);
                return Ok(count);
            }
            Event::Failure(failure) => {
                visit.settle(attempt, failure.verdict, failure.message.as_deref())?;
                return Err("a failure that settled as a login".into());
            }
        }
    }
}

/// The first login: what the server lists is not known, so the client waits for it.
async fn full_login(mut visit: Visit<'_>, header: &StreamHeader) -> Result<Count, Fault> {
    visit.wire.send("header", &header.to_octets()?).await?;
    let mut framer = Framer::new();
    let features = features(&mut visit, &mut framer).await?;
    visit = visit.offered(&features.sasl2);
    let (mut scram, message) = visit.scram()?;
    let mechanism = MechanismName::parse(scram::MECHANISM)?;
    let login = Authenticate { bind: Some(Bind::default()), ..Authenticate::new(mechanism, &message) };
    visit.wire.send(format!("{mechanism} with bind"), &login.to_octets()?).await?;

    let challenge = element(&mut visit, &mut framer).await?;
    let challenge = sasl2::Challenge::try_from(element_of(&challenge)?)?;
    let response = sasl2::Response { sasl_data: scram.step(&challenge.sasl_data)? };
    visit.wire.send("response (client final)", String::from(&Element::from(response)).as_bytes()).await?;

    let success = element(&mut visit, &mut framer).await?;
    let success = sasl2::Success::try_from(element_of(&success)?).map_err(|_| unexpected(&success))?;
    scram.step(&success.additional_data.ok_or("the server did not show that it knows the password")?)?;
    let bound = success.payloads.into_iter().next().ok_or("success without <bound/>")?;
    BoundElement::try_from(bound)?;
    visit.logged_in()?;
    Ok(visit.count())
}

/// The server's header and features.
async fn features(visit: &mut Visit<'_>, framer: &mut Framer) -> Result<Features, Fault> {
    let Frame::Header(_) = frame(&mut visit.wire, framer).await? else { return Err("a stream without header".into()) };
    Ok(Features::parse(&element(visit, framer).await?)?)
}

async fn element(visit: &mut Visit<'_>, framer: &mut Framer) -> Result<bytes::Bytes, Fault> {
    match frame(&mut visit.wire, framer).await? {
        Frame::Element(element) => Ok(element),
        _ => Err("the server ended the stream too early".into()),
    }
}

async fn frame<S>(wire: &mut Wire<S>, framer: &mut Framer) -> Result<Frame, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match framer.receive(&mut wire.input)? {
            Frame::NeedMore if wire.read().await? => {}
            Frame::NeedMore => return Ok(Frame::End),
            frame => return Ok(frame),
        }
    }
}

fn element_of(octets: &[u8]) -> Result<Element, Fault> {
    Ok(std::str::from_utf8(octets)?.parse()?)
}
