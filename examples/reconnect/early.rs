//! IMAP whose login and first command are TLS 1.3 early data: all that the client has to say is in its first flight behind TCP's.
//!
//! rustls is driven here without tokio-rustls, which answers no early data before the handshake is over. What the login needs
//! for that, a counter and a lineage, is in docs/decisions/0010-early-data.md.

use std::ops::DerefMut;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use fast_reauth::channel::Handle;
use fast_reauth::mechanism::Connection;
use fast_reauth::profile::{Event, MechanismName, NextCommand, Offer, ServerEvent, ServerExchange, Tag, imap};
use fast_reauth::rustls::{Input, Watch};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::pki_types::ServerName as DnsName;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, ServerConfig, ServerConnection, SideData,
};

use crate::link::{Count, End, Link};
use crate::service::{Service, now, random};
use crate::visitor::{Visitor, settled};
use crate::{CREDENTIALS, Fault, Protocol, Run, Way, connection, tls};

const SELECT: &[u8] = b"a2 SELECT INBOX\r\n";

/// A full login, and then the connection that is measured.
pub(crate) async fn measure(rtt: Duration) -> Result<Run, Fault> {
    let (server_tls, client_tls) = tls::configurations()?;
    let (mut server_tls, mut client_tls) = (ServerConfig::clone(&server_tls), ClientConfig::clone(&client_tls));
    server_tls.max_early_data_size = 4096;
    client_tls.enable_early_data = true;
    let service = Service::new(Protocol::Imap, Arc::new(server_tls), CREDENTIALS, true)?.with_early_data()?;
    let visitor = Visitor::new(Protocol::Imap, Arc::new(client_tls), CREDENTIALS)?;
    connection(&service, &visitor, Some(Way::Full), rtt).await?;

    let link = Link::new(rtt);
    let far = TcpListener::bind("127.0.0.1:0").await?;
    let near = TcpListener::bind("127.0.0.1:0").await?;
    let (far_address, near_address) = (far.local_addr()?, near.local_addr()?);
    let server = async { serve(&service, far.accept().await?.0, &link).await };
    let client = async { visit(&visitor, TcpStream::connect(near_address).await?, &link).await };
    let count = tokio::select! {
        biased;
        Err(fault) = server => Err(format!("early data, the server: {fault}").into()),
        Err(fault) = link.carry(&near, far_address) => Err(Fault::from(fault)),
        count = client => count,
        () = tokio::time::sleep(Duration::from_secs(10) + 20 * rtt) => Err("early data: no reply".into()),
    };
    Ok(Run { count: count?, flights: link.flights() })
}

/// Reads what is there and has rustls process it; false at the end.
async fn read<C, D>(tcp: &mut TcpStream, tls: &mut C) -> Result<bool, Fault>
where
    C: DerefMut<Target = ConnectionCommon<D>>,
    D: SideData,
{
    let mut wire = [0; 4096];
    let octets = tcp.read(&mut wire).await?;
    let mut wire = wire.get(..octets).unwrap_or_default();
    while !wire.is_empty() {
        tls.read_tls(&mut wire)?;
        tls.process_new_packets()?;
    }
    Ok(octets > 0)
}

async fn flush<C, D>(tcp: &mut TcpStream, tls: &mut C) -> Result<(), Fault>
where
    C: DerefMut<Target = ConnectionCommon<D>>,
    D: SideData,
{
    let mut wire = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut wire)?;
    }
    Ok(tcp.write_all(&wire).await?)
}

/// The server's end of one connection, once it has the ClientHello.
struct Session<'s> {
    service: &'s Service,
    connection: Connection<'s>,
    exchange: ServerExchange,
    logged_in: bool,
}

async fn serve(service: &Service, mut tcp: TcpStream, link: &Link) -> Result<(), Fault> {
    tcp.set_nodelay(true)?;
    let (config, watch) = service.recognition.connection(Handle::new(random()?));
    let mut tls = ServerConnection::new(config)?;
    let (mut input, mut session) = (Input::default(), None);
    while read(&mut tcp, &mut tls).await? {
        if session.is_none() && tls.handshake_kind().is_some() {
            session = Some(Session::greet(service, &watch, &mut tls)?);
            link.announce(End::Server, "ServerHello to Finished (resumed), greeting");
        }
        input.read(&mut tls)?;
        if let Some(session) = &mut session {
            while session.step(&watch, &mut input, &mut tls)? {}
        }
        flush(&mut tcp, &mut tls).await?;
    }
    Ok(())
}

impl<'s> Session<'s> {
    fn greet(service: &'s Service, watch: &Watch, tls: &mut ServerConnection) -> Result<Self, Fault> {
        let connection = tls::meet(service, watch, tls)?;
        let offer = service.offer(&connection)?;
        say(tls, format!("* OK [CAPABILITY IMAP4rev1 {}] ready\r\n", imap::capabilities(&offer)).as_bytes())?;
        Ok(Self { service, connection, exchange: imap::server(&offer), logged_in: false })
    }

    /// One step of a login, or one command.
    fn step(&mut self, watch: &Watch, input: &mut Input, tls: &mut ServerConnection) -> Result<bool, Fault> {
        if input.octets().is_empty() {
            return Ok(false);
        }
        if self.logged_in {
            // One command is all there is, in the same flight as the login.
            if input.octets() != SELECT {
                return Err("the client sent another command".into());
            }
            input.consume(SELECT.len());
            say(tls, b"* 172 EXISTS\r\na2 OK [READ-WRITE] SELECT completed\r\n")?;
            return Ok(false);
        }
        self.connection.update_facts(watch.facts_for(input, tls)?);
        let mut octets = BytesMut::from(input.octets());
        let mut event = self.exchange.receive(&mut octets)?;
        input.consume(input.octets().len() - octets.len());
        if let ServerEvent::Verify(request) = event {
            let message = request.initial_response.unwrap_or_default();
            let verdict = self.service.judge(&self.connection, request.mechanism, &message)?;
            event = self.exchange.finish(verdict.outcome, verdict.message.as_deref())?;
        }
        match event {
            ServerEvent::NeedMore => return Ok(false),
            ServerEvent::Send(bytes) => say(tls, &bytes)?,
            ServerEvent::Done { bytes, accepted } => {
                say(tls, &bytes)?;
                self.logged_in = accepted;
            }
            _ => return Err("a login was due".into()),
        }
        Ok(true)
    }
}

fn say(tls: &mut ServerConnection, octets: &[u8]) -> Result<(), Fault> {
    Ok(std::io::Write::write_all(&mut tls.writer(), octets)?)
}

async fn visit(visitor: &Visitor, mut tcp: TcpStream, link: &Link) -> Result<Count, Fault> {
    tcp.set_nodelay(true)?;
    let Visitor { base, account, sessions, accounts, .. } = visitor;
    let (config, watch) = sessions.connection(base, account);
    let mut tls = ClientConnection::new(config, DnsName::try_from(account.scope.server_name.as_str().to_owned())?)?;
    let (facts, before) = watch.early(&mut tls).ok_or("there is no session that allows early data")?;
    let mut connection = accounts.connect(account, facts).resumes(Some(before));
    let early = connection.plan_early(now()).ok_or("nothing is fit for early data")?;
    let offer = Offer::of(accounts.last_offer(account).iter().map(|name| &**name))?;
    let mechanism = MechanismName::parse(early.mechanism())?;
    let (flight, mut exchange) = imap::authenticate(Tag::parse("a1")?, &offer, mechanism, early.message());
    if !flight.rides_along.permits_early(NextCommand::Asks) {
        return Err("no command may ride along".into());
    }
    if !watch.send_early(&mut tls, &[&flight.bytes, SELECT].concat()) {
        return Err("it does not fit".into());
    }
    link.announce(End::Client, format!("ClientHello, {mechanism} + empty answer + SELECT"));
    flush(&mut tcp, &mut tls).await?;

    let mut input = BytesMut::new();
    let mut early = Some(early);
    let mut attempt = None;
    while read(&mut tcp, &mut tls).await? {
        let mut octets = Vec::new();
        match std::io::Read::read_to_end(&mut tls.reader(), &mut octets) {
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return Err(error.into()),
            _ => input.extend_from_slice(&octets),
        }
        if let Some(early) = early.take_if(|_| !tls.is_handshaking()) {
            let taken = watch.early_taken(&tls);
            attempt = connection.handshake_finished(watch.facts(&tls)?, early, taken).filter(|_| taken);
            attempt.as_ref().ok_or("the server did not take it")?;
        }
        while let Some(tried) = attempt.take() {
            match exchange.receive(&mut input)? {
                Event::Done(done) => {
                    settled(connection.settle(tried, done.verdict.into(), done.data.as_deref(), now()), done.verdict)?;
                }
                Event::Pass(_) => attempt = Some(tried),
                event => {
                    attempt = Some(tried);
                    if matches!(event, Event::NeedMore) {
                        break;
                    }
                    return Err("the server wants another answer".into());
                }
            }
        }
        if input.windows(6).any(|part| part == b"a2 OK ") {
            return Ok(link.count());
        }
        flush(&mut tcp, &mut tls).await?;
    }
    Err("the server closed the connection too early".into())
}
