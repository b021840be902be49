//! What the three servers share: one account, its password, the store, and how this library is asked.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fast_reauth::Timestamp;
use fast_reauth::assertion::{DeviceId, HtMechanism, Issued, Pin, ServiceKeys, TokenRequest};
use fast_reauth::channel::ServerName;
use fast_reauth::mechanism::{self, Connection, Login, Recognised, Verdict, ht};
use fast_reauth::profile::{MechanismName, Offer, ServerEvent, ServerExchange};
use fast_reauth::rustls::{Recognition, exporter};
use fast_reauth::store::{Commit, Found, Lookup, MemoryStore, Store, Unavailable};
use ring::rand::{SecureRandom, SystemRandom};
use tokio_rustls::rustls::ServerConfig;

use crate::scram::{self, StoredPassword};
use crate::tls::ServerWire;
use crate::{Fault, Protocol, digest_md5};

/// A service of one protocol, with one account.
pub(crate) struct Service {
    pub(crate) protocol: Protocol,
    pub(crate) server: mechanism::Server,
    pub(crate) recognition: Recognition,
    /// The listener to compare with asks for no login.
    pub(crate) asks_for_login: bool,
    password: StoredPassword,
    store: MemoryStore,
    digest: RefCell<digest_md5::Server>,
}

impl Service {
    pub(crate) fn new(
        protocol: Protocol,
        tls: Arc<ServerConfig>,
        (name, password): (&str, &str),
        asks_for_login: bool,
    ) -> Result<Self, Fault> {
        let names = [ServerName::parse(protocol.host())?];
        Ok(Self {
            protocol,
            server: mechanism::Server::new(protocol.service(), names, [scram::MECHANISM])?,
            recognition: Recognition::new(tls),
            asks_for_login,
            password: StoredPassword::new(name, password, random()?),
            store: MemoryStore::default(),
            digest: RefCell::new(digest_md5::Server::new(protocol.digest_account((name, password)), "OA6MG9tEQGm2hh")),
        })
    }

    /// The same, which takes tokens and DIGEST-MD5 as well.
    pub(crate) fn with_rivals(mut self) -> Result<Self, Fault> {
        let names = [ServerName::parse(self.protocol.host())?];
        let server = mechanism::Server::new(self.protocol.service(), names, [scram::MECHANISM, digest_md5::MECHANISM])?;
        self.server = server.fast([HtMechanism::HT_SHA_256_EXPR], ServiceKeys::new(1, &random()?));
        Ok(self)
    }

    /// The same, which takes logins in early data, and so lists the mechanism that is fit for it.
    pub(crate) fn with_early_data(mut self) -> Result<Self, Fault> {
        let names = [ServerName::parse(self.protocol.host())?];
        let server = mechanism::Server::new(self.protocol.service(), names, [scram::MECHANISM])?;
        self.server = server.pins([Pin::SHA_256_NONE]).early_data();
        Ok(self)
    }

    pub(crate) fn lookup(&self, lookup: &Lookup, now: Timestamp) -> Result<Found, Unavailable> {
        self.store.lookup(lookup, now)
    }

    /// What this service lists on this connection.
    pub(crate) fn offer(&self, connection: &Connection<'_>) -> Result<Offer, Fault> {
        let mechanisms = if self.asks_for_login { connection.mechanisms(now()) } else { Vec::new() };
        let offer = Offer::of(mechanisms)?;
        // Only SMTP has words for these two; the other profiles leave them out.
        Ok(if self.protocol == Protocol::Smtp { offer.with_pipelining().with_iky_pipelining() } else { offer })
    }

    /// What EXTERNAL or IKY makes of a message.
    pub(crate) fn judge(
        &self,
        connection: &Connection<'_>,
        mechanism: MechanismName,
        message: &[u8],
    ) -> Result<Verdict, Fault> {
        let attempt = connection.receive(mechanism.as_str(), message);
        Ok(attempt.ok_or_else(|| format!("{mechanism} recognises nobody"))?.run(&self.store, now()))
    }

    /// What a token is good for.
    pub(crate) fn judge_token(&self, connection: &Connection<'_>, request: ht::Request<'_>) -> Verdict {
        connection.ht(request).run(&self.store, now())
    }

    /// The mechanisms for tokens, where there are any.
    pub(crate) fn tokens(&self, connection: &Connection<'_>) -> Result<Option<Offer>, Fault> {
        let tokens = Offer::of(connection.fast_mechanisms().into_iter().map(HtMechanism::name))?;
        Ok(Some(tokens).filter(|tokens| self.asks_for_login && !tokens.mechanisms().is_empty()))
    }

    /// A client was recognised: its next connection may resume this one.
    pub(crate) fn recognised(&self, connection: &mut Connection<'_>, client: &Recognised) -> Result<(), Fault> {
        match connection.recognised(client, now()) {
            Some(link) => self.commit(&link),
            None => Ok(()),
        }
    }

    /// A client logged in with its password: from now on this service knows it. Before it is told so.
    pub(crate) fn logged_in(
        &self,
        connection: &mut Connection<'_>,
        wire: &ServerWire,
        name: &str,
        token: Option<&TokenRequest<'_>>,
    ) -> Result<Option<Issued>, Fault> {
        let full = scram::full_login(name, connection.facts())?;
        let login = Login { full: &full, identity: name, device: DeviceId::new(random()?), now: now() };
        let exporter = exporter(wire.tls.get_ref().1);
        let (logged_in, issued) = match token {
            Some(token) => {
                let (logged_in, issued) = connection.logged_in_with_token(login, &exporter, token);
                (logged_in, Some(issued?))
            }
            None => (connection.logged_in(login, &exporter), None),
        };
        if let Some(why) = logged_in.unknown {
            eprintln!("{name} stays unknown: {why}");
        }
        self.commit(&logged_in.commit)?;
        Ok(issued)
    }

    fn commit(&self, commit: &Commit) -> Result<(), Fault> {
        match self.store.commit(commit, now())? {
            committed if committed.is_durable() => Ok(()),
            // The login stands all the same; the client just has to do it in full again.
            other => {
                eprintln!("the store did not keep it: {other:?}");
                Ok(())
            }
        }
    }

    /// An attempt with EXTERNAL or IKY, as IMAP and SMTP carry it: from the first event to the completion.
    pub(crate) async fn follow(
        &self,
        wire: &mut ServerWire,
        connection: &mut Connection<'_>,
        exchange: &mut ServerExchange,
        mut event: ServerEvent,
    ) -> Result<bool, Fault> {
        let mut client = None;
        // Challenge and completion are one write, where the empty answer came ahead.
        let mut output = Vec::new();
        let mut said = Vec::new();
        loop {
            event = match event {
                ServerEvent::Verify(request) => {
                    let message = request.initial_response.unwrap_or_default();
                    let verdict = self.judge(connection, request.mechanism, &message)?;
                    client = verdict.recognised;
                    exchange.finish(verdict.outcome, verdict.message.as_deref())?
                }
                ServerEvent::Send(octets) => {
                    output.extend_from_slice(&octets);
                    said.push("challenge");
                    exchange.receive(&mut wire.input)?
                }
                ServerEvent::NeedMore => {
                    if !output.is_empty() {
                        wire.send(said.join(", "), &std::mem::take(&mut output)).await?;
                        said.clear();
                    }
                    wire.need().await?;
                    exchange.receive(&mut wire.input)?
                }
                ServerEvent::Done { bytes, accepted } => {
                    output.extend_from_slice(&bytes);
                    said.push(if accepted { "recognised" } else { "not recognised" });
                    wire.send(said.join(", "), &output).await?;
                    // Not before this: a client may cancel behind an accepted proof.
                    if let (true, Some(client)) = (accepted, client) {
                        self.recognised(connection, &client)?;
                    }
                    return Ok(accepted);
                }
                ServerEvent::OtherCommand => return Err("a command in the middle of a login".into()),
            };
        }
    }

    /// A full login, as IMAP and SMTP carry it, behind its first message: two challenges, each one line, and two answers.
    /// Who it is, if the proof is good; the completion is still to be sent.
    pub(crate) async fn full_login(
        &self,
        wire: &mut ServerWire,
        connection: &mut Connection<'_>,
        first: &[u8],
        challenge: impl Fn(&[u8]) -> Vec<u8>,
    ) -> Result<bool, Fault> {
        let mut scram = self.scram(connection)?;
        let message = scram.step(first)?;
        wire.send("challenge (SCRAM, server first)", &challenge(&message)).await?;
        let answer = decoded(&wire.line().await?)?;
        let message = scram.step(&answer)?;
        wire.send("challenge (SCRAM, server final)", &challenge(&message)).await?;
        let nothing = decoded(&wire.line().await?)?;
        match scram.who() {
            Some(name) if nothing.is_empty() => {
                self.logged_in(connection, wire, &name, None)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// DIGEST-MD5, as IMAP and SMTP carry it: with a response at once by who was here before, else behind a challenge. Whether it is
    /// good; the completion is still to be sent.
    pub(crate) async fn digest_login(
        &self,
        wire: &mut ServerWire,
        first: Option<&[u8]>,
        challenge: impl Fn(&[u8]) -> Vec<u8>,
    ) -> Result<bool, Fault> {
        let response = match first {
            Some(response) => response.to_vec(),
            None => {
                let nonce = self.digest_challenge();
                wire.send("challenge (nonce)", &challenge(&nonce)).await?;
                decoded(&wire.line().await?)?
            }
        };
        let Some(rspauth) = self.digest(&response) else { return Ok(false) };
        wire.send("challenge (rspauth)", &challenge(&rspauth)).await?;
        Ok(decoded(&wire.line().await?)?.is_empty())
    }

    /// The server's proof, if this response is good.
    pub(crate) fn digest(&self, response: &[u8]) -> Option<Vec<u8>> {
        self.digest.borrow_mut().verify(response)
    }

    /// The challenge of DIGEST-MD5.
    pub(crate) fn digest_challenge(&self) -> Vec<u8> {
        self.digest.borrow().challenge()
    }

    pub(crate) fn scram(&self, connection: &Connection<'_>) -> Result<scram::Server, Fault> {
        scram::Server::start(&self.password, connection.facts())
    }
}

/// The octets of a line of base64.
pub(crate) fn decoded(line: &[u8]) -> Result<Vec<u8>, Fault> {
    Ok(STANDARD.decode(line.strip_suffix(b"\r\n").unwrap_or(line))?)
}

/// Fresh random octets.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut octets = [0; N];
    SystemRandom::new().fill(&mut octets).map_err(|_| "the system has no random numbers")?;
    Ok(octets)
}

/// The library reads no clock: the application does.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_secs(since.as_secs())
}
