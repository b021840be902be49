//! One IMAP connection, from the greeting to the end: imap-next has the protocol, this library the login.
//!
//! imap-next is sans-IO and reports AUTHENTICATE as events. The library's profile says what goes on the wire in a login: the one
//! challenge, the empty answer that may have come ahead of it, and the code at the end.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use fast_reauth::mechanism::Connection;
use fast_reauth::profile::{MechanismName, Offer, Request, ServerEvent, Tag, imap};
use fast_reauth::rustls::Recognition;
use imap_codec::ResponseCodec;
use imap_codec::decode::Decoder as _;
use imap_codec::imap_types::ToStatic as _;
use imap_codec::imap_types::auth::AuthenticateData;
use imap_codec::imap_types::command::{Command, CommandBody};
use imap_codec::imap_types::core::{Atom, Vec1};
use imap_codec::imap_types::response::{
    Capability, Code, CommandContinuationRequest as Challenge, Data, Greeting, GreetingKind, Response, Status,
};
use imap_next::server::{Event, Options, Server};
use imap_next::{Interrupt, Io, State as _};
use tokio::net::TcpStream;

use crate::common::service::Service;
use crate::common::wire::ServerWire;
use crate::common::{Fault, scram, tls};
use crate::limits::Limits;

/// Serves one connection, until the client closes it. Returns how it logged in, if it did.
pub(crate) async fn serve(
    service: &Service,
    recognition: &Recognition,
    limits: &Limits,
    tcp: TcpStream,
) -> Result<String, Fault> {
    let accepted = tls::accept(service, recognition, tcp);
    let (wire, connection) = Limits::within(limits.handshake, "TLS handshake", accepted).await?;
    let offer = Service::offer(&connection)?;
    let mut options = Options::default();
    // Nobody sends mail here, and a stranger could have it kept for as long as a login may take.
    (options.max_literal_size, options.max_command_size) = (4096, 16 * 1024);
    let imap = Server::new(options, greeting(&offer)?);
    let resumed = if connection.facts().is_resumed() { "resumed TLS" } else { "full TLS" };
    let mut session =
        Session { service, limits, wire, connection, offer, imap, login: None, failures: 0, output: Vec::new() };
    session.run().await?;
    Ok(format!("{resumed}, {}", session.login.as_deref().unwrap_or("no login")))
}

struct Session<'s> {
    service: &'s Service,
    limits: &'s Limits,
    wire: ServerWire,
    connection: Connection<'s>,
    offer: Offer,
    imap: Server,
    login: Option<String>,
    failures: u32,
    /// What is to be sent in one flight: challenge, completion and the answer to SELECT, where they came in one.
    output: Vec<u8>,
}

impl Session<'_> {
    async fn run(&mut self) -> Result<(), Fault> {
        let limits = self.limits;
        Limits::within(limits.login, "login", async {
            while self.login.is_none() && self.step().await? {}
            Ok(())
        })
        .await?;
        while self.login.is_some() && Limits::within(limits.idle, "command", self.step()).await? {}
        Ok(())
    }

    /// Whatever comes next; false at the end.
    async fn step(&mut self) -> Result<bool, Fault> {
        match self.next().await? {
            None => return Ok(false),
            Some(Event::CommandAuthenticateReceived { command_authenticate: command }) if self.login.is_none() => {
                let initial_response = command.initial_response.map(|message| message.declassify().to_vec().into());
                let request =
                    Request { mechanism: MechanismName::parse(command.mechanism.as_ref())?, initial_response };
                self.authenticate(command.tag.as_ref(), request).await?;
                if self.login.is_none() {
                    self.failed().await?;
                }
            }
            Some(Event::CommandReceived { command }) => self.command(command)?,
            Some(Event::GreetingSent { .. } | Event::ResponseSent { .. }) => {}
            Some(_) => return Err("the client did what this example has no answer to".into()),
        }
        Ok(true)
    }

    /// A login failed. The last one that may is still answered.
    async fn failed(&mut self) -> Result<(), Fault> {
        self.failures += 1;
        if self.failures < self.limits.failures {
            return Ok(());
        }
        self.imap.enqueue_status(Status::bye(None, "Too many failed logins")?);
        loop {
            match self.imap.next() {
                Ok(Event::ResponseSent { .. }) => {}
                Err(Interrupt::Io(Io::Output(octets))) => self.output.extend_from_slice(&octets),
                // Whatever else it has to say is no business of whoever failed so often.
                _ => break,
            }
        }
        self.wire.send(&std::mem::take(&mut self.output)).await?;
        Err(format!("{} failed logins", self.failures).into())
    }

    /// What imap-next has next; nothing at the end. What is to be sent is kept until there is nothing to do but read.
    async fn next(&mut self) -> Result<Option<Event>, Fault> {
        loop {
            match self.imap.next() {
                Ok(event) => return Ok(Some(event)),
                Err(Interrupt::Io(Io::Output(octets))) => self.output.extend_from_slice(&octets),
                Err(Interrupt::Io(Io::NeedMoreInput)) => {
                    if !self.output.is_empty() {
                        self.wire.send(&std::mem::take(&mut self.output)).await?;
                    }
                    if !self.wire.read().await? {
                        return Ok(None);
                    }
                    self.imap.enqueue_input(&self.wire.input.split());
                }
                Err(Interrupt::Error(error)) => return Err(error.into()),
            }
        }
    }

    fn command(&mut self, command: Command<'static>) -> Result<(), Fault> {
        let tag = Some(command.tag);
        let status = match command.body {
            CommandBody::Select { .. } if self.login.is_some() => {
                self.imap.enqueue_data(Data::Exists(172));
                Status::ok(tag, Some(Code::ReadWrite), "SELECT completed")?
            }
            CommandBody::Logout => Status::ok(tag, None, "Goodbye")?,
            CommandBody::Noop => Status::ok(tag, None, "NOOP completed")?,
            _ => Status::bad(tag, None, "Not here, or not before a login")?,
        };
        self.imap.enqueue_status(status);
        Ok(())
    }

    /// A login. EXTERNAL and IKY are the library's, SCRAM is rsasl's; the commands behind it are still with imap-next.
    async fn authenticate(&mut self, tag: &str, request: Request) -> Result<(), Fault> {
        if request.mechanism.as_str() == scram::MECHANISM {
            return self.full_login(tag, request.initial_response).await;
        }
        let (mut event, mut exchange) = imap::server_after(&self.offer, Tag::parse(tag)?, request);
        let mut input = BytesMut::new();
        let mut recognised = None;
        loop {
            event = match event {
                ServerEvent::Verify(request) => {
                    let (name, message) = (request.mechanism, request.initial_response.unwrap_or_default());
                    let verdict = self.service.judge(&self.connection, name, &message);
                    let verdict = verdict.ok_or_else(|| format!("{name} recognises nobody"))?;
                    recognised = verdict.recognised.map(|client| (name, client));
                    exchange.finish(verdict.outcome, verdict.message.as_deref())?
                }
                ServerEvent::Send(octets) => {
                    self.say(&octets)?;
                    exchange.receive(&mut input)?
                }
                ServerEvent::NeedMore => {
                    input.extend_from_slice(&self.answer().await?);
                    exchange.receive(&mut input)?
                }
                ServerEvent::Done { bytes, accepted } => {
                    self.say(&bytes)?;
                    // Not before this: a client may cancel behind an accepted proof.
                    if let (true, Some((name, client))) = (accepted, recognised) {
                        self.service.recognised(&mut self.connection, &client)?;
                        self.login = Some(format!("{} is known by {name}", client.identity()));
                    }
                    return Ok(());
                }
                ServerEvent::OtherCommand => return Err("a command in the middle of a login".into()),
            };
        }
    }

    /// The full login, of three messages of the client's; its last one is empty.
    async fn full_login(&mut self, tag: &str, first: Option<Bytes>) -> Result<(), Fault> {
        let mut scram = self.service.full_login(&self.connection)?;
        let mut message = match first {
            Some(message) => Some(message.to_vec()),
            None => self.challenge(Vec::new()).await?,
        };
        for _ in 0..2 {
            // What is wrong with it is the server's own business: the client hears that it is not logged in.
            let Some(Ok(answer)) = message.as_deref().map(|message| scram.step(message)) else { break };
            message = self.challenge(answer).await?;
        }
        let code = match scram.who().filter(|_| message.as_deref() == Some(&[])) {
            // RFC 9051 section 6.2.2. Who hears that the password is wrong cancels, too.
            _ if message.is_none() => "BAD The login was cancelled",
            Some(name) => {
                self.service.logged_in(&mut self.connection, &self.wire, &name)?;
                self.login = Some(format!("{name} logs in with {}", scram::MECHANISM));
                "OK Logged in"
            }
            None => "NO [AUTHENTICATIONFAILED] Wrong name or password",
        };
        self.say(format!("{tag} {code}\r\n").as_bytes())
    }

    /// The client's answer to this; `None` where it cancels.
    async fn challenge(&mut self, octets: Vec<u8>) -> Result<Option<Vec<u8>>, Fault> {
        self.imap.authenticate_continue(Challenge::base64(octets)).map_err(|_| "no login is under way")?;
        let line = self.answer().await?;
        Ok(if line == b"*\r\n" { None } else { Some(STANDARD.decode(line.trim_ascii_end())?) })
    }

    /// The client's next line in a login, as it is on the wire: for the profile, which has its grammar.
    async fn answer(&mut self) -> Result<Vec<u8>, Fault> {
        loop {
            match self.next().await?.ok_or("the client closed the connection in the middle of a login")? {
                Event::ResponseSent { .. } => {}
                Event::AuthenticateDataReceived { authenticate_data: AuthenticateData::Continue(octets) } => {
                    return Ok(format!("{}\r\n", STANDARD.encode(octets.declassify())).into_bytes());
                }
                Event::AuthenticateDataReceived { authenticate_data: AuthenticateData::Cancel } => {
                    return Ok(b"*\r\n".to_vec());
                }
                event => return Err(format!("an answer was due, not {event:?}").into()),
            }
        }
    }

    /// A challenge or completion of the profile's, handed to imap-next, which has to know that the login goes on or is over.
    fn say(&mut self, octets: &[u8]) -> Result<(), Fault> {
        let response = ResponseCodec::default().decode(octets).map_err(|error| format!("no response: {error:?}"))?.1;
        match response.to_static() {
            Response::Status(status) => self.imap.authenticate_finish(status).map(drop).map_err(|_| ()),
            Response::CommandContinuationRequest(challenge) => {
                self.imap.authenticate_continue(challenge).map(drop).map_err(|_| ())
            }
            Response::Data(_) => Err(()),
        }
        .map_err(|()| "no login is under way".into())
    }
}

/// What this server lists: for whom it knows by the TLS session, EXTERNAL is there already.
fn greeting(offer: &Offer) -> Result<Greeting<'static>, Fault> {
    let listed = format!("IMAP4rev1 {}", imap::capabilities(offer));
    let capabilities: Result<Vec<Capability<'static>>, _> =
        listed.split_ascii_whitespace().map(|name| Atom::try_from(name.to_owned()).map(Capability::from)).collect();
    let code = Some(Code::Capability(Vec1::try_from(capabilities?)?));
    Ok(Greeting::new(GreetingKind::Ok, code, "ready")?)
}
