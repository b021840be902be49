//! XMPP over direct TLS (XEP-0368), both ends: SASL2 (XEP-0388) with Bind 2 (XEP-0386). `xmpp-parsers` has the elements of the
//! full login, the library's profile those of fast reauthentication, and the framing.
//!
//! The client speaks first. What the server lists it knows from last time, so header, login and bind are one flight.

use fast_reauth::assertion::{HtMechanism, Issued};
use fast_reauth::mechanism::{Connection, Verdict};
use fast_reauth::profile::xmpp::{
    Authenticate, Bind, Bound, ClientElement, Event, Failure, Fast, FastFeature, Features, Frame, Framer, IssuedToken,
    ServerElement, StreamHeader, Success, UserAgent, Version, challenge,
};
use fast_reauth::profile::{Answer, MechanismName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use xmpp_parsers::bind2::{BindQuery, Bound as BoundElement};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::sasl2;

use crate::link::{Count, Link};
use crate::service::{Service, random};
use crate::tls::{self, ServerWire, Wire};
use crate::visitor::{Visit, unexpected};
use crate::{Fault, Way, digest_md5, scram};

/// Serves one connection, until the client closes it.
pub(crate) async fn serve(service: &Service, tcp: TcpStream, link: &Link) -> Result<(), Fault> {
    let (mut wire, mut connection) = tls::accept(service, tcp, link, |_| Ok(None)).await?;
    let mut framer = Framer::new();
    let Frame::Header(theirs) = frame(&mut wire, &mut framer).await? else {
        return Err("a stream without header".into());
    };
    let header = StreamHeader { from: Some(service.protocol.host().to_owned()), id: Some("1".to_owned()), to: None };
    let features = Features {
        sasl2: service.offer(&connection)?,
        bind: service.asks_for_login,
        fast: service.tokens(&connection)?.map(|offer| FastFeature { offer, tls_0rtt: false }),
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
                let mechanism = login.request.mechanism;
                let message = login.request.initial_response.clone().unwrap_or_default();
                if mechanism.as_str() == scram::MECHANISM {
                    let (scram, _) = full_login.insert((service.scram(&connection)?, login));
                    let message = scram.step(&message)?;
                    wire.send("challenge (server first)", &challenge(Version::Sasl2, &message)?).await?;
                } else if mechanism.as_str() == digest_md5::MECHANISM {
                    logged_in = digest(service, &mut wire, &mut framer, &message).await?;
                } else {
                    let verdict = match login.fast {
                        Some(_) => service.judge_token(&connection, login.ht_request(&theirs, random()?)?),
                        None => service.judge(&connection, mechanism, &message)?,
                    };
                    logged_in = recognise(service, &mut wire, &mut connection, verdict).await?;
                }
            }
            ClientElement::Response(response) => {
                let (mut scram, login) = full_login.take().ok_or("a response to no challenge")?;
                let message = scram.step(&response.message)?;
                let name = scram.who().ok_or("a wrong name or password")?;
                let request = login.token_request(&name, random()?)?;
                let issued = service.logged_in(&mut connection, &wire, &name, request.as_ref())?;
                logged_in = true;
                wire.send("success, bound", &success(&name, Some(message), issued.as_ref())?).await?;
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

/// DIGEST-MD5, whose proof of the server travels with its success: a nonce for who was not here before, and then the response.
async fn digest(service: &Service, wire: &mut ServerWire, framer: &mut Framer, message: &[u8]) -> Result<bool, Fault> {
    let mut response = message.to_vec();
    if response.is_empty() {
        wire.send("challenge (nonce)", &challenge(Version::Sasl2, &service.digest_challenge())?).await?;
        let Frame::Element(element) = frame(wire, framer).await? else { return Err("a response was due".into()) };
        let ClientElement::Response(answer) = ClientElement::parse(&element)? else { return Err(unexpected(&element)) };
        response = answer.message.to_vec();
    }
    let rspauth = service.digest(&response).ok_or("a wrong response")?;
    wire.send("success, bound", &success(crate::CREDENTIALS.0, Some(rspauth), None)?).await?;
    Ok(true)
}

/// An attempt with EXTERNAL, IKY or a token, on which this is the verdict. The server's message travels with its answer, whatever that is.
async fn recognise(
    service: &Service,
    wire: &mut ServerWire,
    connection: &mut Connection<'_>,
    verdict: Verdict,
) -> Result<bool, Fault> {
    match &verdict.recognised {
        Some(client) => {
            wire.send(
                "success, bound",
                &success(client.identity(), verdict.message.map(Vec::from), verdict.token.as_ref())?,
            )
            .await?;
            service.recognised(connection, client)?;
        }
        None => {
            let failure = Failure::new(verdict.outcome, verdict.message.as_deref());
            wire.send("failure", &failure.to_octets(Version::Sasl2)?).await?;
        }
    }
    Ok(verdict.recognised.is_some())
}

fn success(name: &str, message: Option<Vec<u8>>, token: Option<&Issued>) -> Result<Vec<u8>, Fault> {
    let success = Success {
        data: message.map(Into::into),
        authorization_identifier: Some(format!("{name}@example.org/reconnect")),
        bound: Some(Bound::empty()),
        token: token.map(IssuedToken::try_from).transpose()?,
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
    if visit.way == Some(Way::DigestMd5) {
        return digest_login(visit, &header).await;
    }
    visit = visit.offered_last_time();
    let Some(attempt) = visit.plan()? else { return full_login(visit, &header).await };
    let mechanism = MechanismName::parse(attempt.mechanism())?;
    let login = Authenticate { fast: Fast::of(&attempt), ..login(mechanism, attempt.message()) };
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
    let wanted = features.fast.as_ref().and_then(|fast| visit.wants_token(&fast.offer));
    let (mut scram, message) = visit.scram()?;
    let mechanism = MechanismName::parse(scram::MECHANISM)?;
    let token_request = wanted.map(|_| MechanismName::parse(HtMechanism::HT_SHA_256_EXPR.name())).transpose()?;
    let login = Authenticate { token_request, ..login(mechanism, &message) };
    visit.wire.send(format!("{mechanism} with bind"), &login.to_octets()?).await?;

    let challenge = element(&mut visit, &mut framer).await?;
    let challenge = sasl2::Challenge::try_from(element_of(&challenge)?)?;
    let response = sasl2::Response { sasl_data: scram.step(&challenge.sasl_data)? };
    visit.wire.send("response (client final)", String::from(&Element::from(response)).as_bytes()).await?;

    let success = element(&mut visit, &mut framer).await?;
    let token = match ServerElement::parse(&success)? {
        ServerElement::Success(success) => success.token,
        _ => return Err(unexpected(&success)),
    };
    let success = sasl2::Success::try_from(element_of(&success)?).map_err(|_| unexpected(&success))?;
    scram.step(&success.additional_data.ok_or("the server did not show that it knows the password")?)?;
    let bound = success.payloads.into_iter().next().ok_or("success without <bound/>")?;
    BoundElement::try_from(bound)?;
    visit.logged_in()?;
    if let (Some(mechanism), Some(token)) = (wanted, token) {
        visit.token_issued(mechanism, token.expose(), token.expiry())?;
    }
    Ok(visit.count())
}

/// DIGEST-MD5, as if it had lived to see SASL2: the response rides along with the header, where there is a nonce from last time.
async fn digest_login(mut visit: Visit<'_>, header: &StreamHeader) -> Result<Count, Fault> {
    let mechanism = MechanismName::parse(digest_md5::MECHANISM)?;
    let response = visit.digest_response();
    let first = login(mechanism, response.as_deref().unwrap_or_default());
    visit
        .wire
        .send(format!("header + {mechanism} with bind"), &[header.to_octets()?, first.to_octets()?].concat())
        .await?;
    let mut framer = Framer::new();
    features(&mut visit, &mut framer).await?;
    if response.is_none() {
        let challenge = element(&mut visit, &mut framer).await?;
        let challenge = sasl2::Challenge::try_from(element_of(&challenge)?)?;
        let response = sasl2::Response { sasl_data: visit.digest_answer(&challenge.sasl_data)? };
        visit.wire.send("response", String::from(&Element::from(response)).as_bytes()).await?;
    }
    let success = element(&mut visit, &mut framer).await?;
    let success = sasl2::Success::try_from(element_of(&success)?).map_err(|_| unexpected(&success))?;
    visit.is_digest_server(&success.additional_data.ok_or("the server did not show that it knows the password")?)?;
    BoundElement::try_from(success.payloads.into_iter().next().ok_or("success without <bound/>")?)?;
    Ok(visit.count())
}

/// A login that binds a resource, by this installation.
fn login(mechanism: MechanismName, message: &[u8]) -> Authenticate {
    let agent = UserAgent { id: Some("d4565fa7-4d72-4749-b3d3-740edbf87770".to_owned()), software: None, device: None };
    let new = Authenticate::new(mechanism, message);
    Authenticate { user_agent: Some(agent), bind: Some(Bind::default()), ..new }
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
