//! The client: one account, and a connection for every login. It is the same for every TLS stack.
//!
//! `full` is the first login, with the password; it asks for a token. `with_token` is every later one: stream header, login and bind
//! in one flight. What is out of the ordinary there is a [`Manner`], for the interop suite.

use std::cell::Cell;
use std::io::{Read, Write};
use std::rc::Rc;

use fast_reauth::assertion::{ClientToken, HtMechanism, Policy, Scope, Service};
use fast_reauth::channel::{ChannelFacts, ServerName};
use fast_reauth::mechanism::{NextStep, Outcome};
use fast_reauth::profile::xmpp::{
    Authenticate, Bind, Bound, EnableStreamManagement, Event, Failure, Fast, Features, Resume, ServerElement,
    StreamHeader, Success, UserAgent,
};
use fast_reauth::profile::{MechanismName, Offer};
use fast_reauth::store::client::{Account, Accounts, Attempt, Connection, Plan, Settled};

use crate::scram;
use crate::state::StateFile;
use crate::steps::{Manner, Which};
use crate::wire::Wire;
use crate::{Fault, PASSWORD, USER, now};

/// A command whose answer shows that the stream has a resource, and that stanzas flow.
const PING: &[u8] = b"<iq type='get' id='ping'><ping xmlns='urn:xmpp:ping'/></iq>";

/// The installation that this client is.
const INSTALLATION: &str = "d4565fa7-4d72-4749-b3d3-740edbf87770";

/// A TLS stack, and the server to connect to.
pub(crate) trait Tls {
    /// TLS over TCP.
    type Stream: Read + Write;

    /// A new connection to the server of this name, after the handshake, and what is known of it.
    fn connect(&self, name: &str) -> Result<(Self::Stream, ChannelFacts), Fault>;
}

/// What the client keeps from one step to the next.
pub(crate) struct Client<T> {
    tls: T,
    host: String,
    pub(crate) account: Account,
    pub(crate) accounts: Rc<Accounts>,
    state: Option<StateFile>,
    /// All tokens since the last full login.
    pub(crate) history: Vec<ClientToken>,
    resume: Option<Resume>,
    /// Round trips until the last login's success.
    waited: Cell<u32>,
}

impl<T: Tls> Client<T> {
    /// A client that starts, and wants tokens for this mechanism. What it keeps is in a file, if it has one.
    pub(crate) fn new(tls: T, host: &str, mechanism: HtMechanism, state: Option<StateFile>) -> Result<Self, Fault> {
        let account = Account::new(Scope::new(Service::XMPP, ServerName::parse(host)?), USER);
        let accounts = Rc::new(Accounts::new(Policy::default()).preferring_tokens([mechanism]));
        if let Some(state) = &state {
            state.load(&accounts, &account)?;
        }
        let (history, waited) = (Vec::new(), Cell::new(0));
        Ok(Self { tls, host: host.to_owned(), account, accounts, state, history, resume: None, waited })
    }

    /// By the token if there is one, else or should that be refused with the password.
    pub(crate) fn log_in(&mut self) -> Result<String, Fault> {
        match self.accounts.tokens(&self.account).is_empty() {
            true => self.full(),
            false => self.with_token(&Manner { or_full: true, ..Manner::default() }),
        }
    }

    /// Round trips that the last login added. Without one, the stream header and bind would have taken one.
    pub(crate) fn waited(&self) -> u32 {
        self.waited.get().saturating_sub(1)
    }

    /// Before a token is used that has a count, and after each change.
    pub(crate) fn save(&self) -> Result<(), Fault> {
        self.state.as_ref().map_or(Ok(()), |state| state.save(&self.accounts, &self.account))
    }

    /// The first login: what the server lists is not known, so the client waits for it.
    pub(crate) fn full(&mut self) -> Result<String, Fault> {
        let (stream, facts) = self.tls.connect(&self.host)?;
        let mut wire = Wire::new(stream);
        wire.send(&self.header().to_octets()?)?;
        wire.header()?;
        let features = Features::parse(&wire.element()?)?;
        let tokens = features.fast.ok_or("the server does not list FAST")?.offer;
        let accounts = self.accounts.clone();
        let connection = accounts.connect(&self.account, facts).offered(names(&features.sasl2));
        self.history.clear();
        self.password(&mut wire, &mut connection.fast(names(&tokens)))
    }

    /// A full login that is bound to the TLS connection; with it comes the token.
    fn password(&self, wire: &mut Wire<T::Stream>, connection: &mut Connection<'_>) -> Result<String, Fault> {
        let (mechanism, spelling) = connection.wanted_token().ok_or("the server lists no token that is wanted")?;
        let full = scram::full_login(USER, connection.facts())?;
        let (mut scram, message) = scram::Client::start(USER, PASSWORD, connection.facts())?;
        let mut login = self.login(scram::MECHANISM, &message)?;
        login.token_request = Some(MechanismName::parse(spelling)?);
        wire.send(&login.to_octets()?)?;
        let ServerElement::Challenge(mut exchanged) = ServerElement::parse(&wire.element()?)? else {
            return Err("a challenge was due".into());
        };
        exchanged.message = scram.step(&exchanged.message)?.into();
        wire.send(&exchanged.to_octets()?)?;
        let success = match ServerElement::parse(&wire.element()?)? {
            ServerElement::Success(success) => success,
            element => return Err(format!("the password gets {element:?}").into()),
        };
        // The server knows the password too.
        scram.step(success.data.as_deref().ok_or("a success without the server's signature")?)?;
        scram.end()?;
        self.waited.set(wire.waited);
        let token = success.token.as_ref().ok_or("a success without token")?;
        connection.token_issued(&full, mechanism, token.expose(), token.expiry(), now())?;
        Ok(format!("logged-in {}{} ping={}", scram::MECHANISM, got(&success), ping(wire, true)?))
    }

    /// A login with a token: stream header, login and what the login is for in one flight.
    pub(crate) fn with_token(&mut self, manner: &Manner) -> Result<String, Fault> {
        let (stream, facts) = self.tls.connect(&self.host)?;
        let mut wire = Wire::new(stream);
        let accounts = self.accounts_with(manner.which)?;
        if manner.which == Which::First {
            self.accounts = accounts.clone();
        }
        let mut connection = accounts.connect(&self.account, facts);
        let attempt = match connection.plan(now()) {
            Plan::Known(attempt) if attempt.uses_token() => attempt,
            // The token has ended. This connection told the server nothing yet.
            Plan::FullLogin if manner.or_full => return self.full(),
            plan => return Ok(format!("plans {plan:?}")),
        };
        if attempt.store_first() {
            self.save()?;
        }
        let mut message = attempt.message().to_vec();
        if let (true, Some(last)) = (manner.altered, message.last_mut()) {
            *last ^= 1;
        }
        let mut login = self.login(attempt.mechanism(), &message)?;
        login.fast = Some(Fast { count: attempt.count(), invalidate: manner.invalidate });
        if manner.manage {
            let stream_management = Some(EnableStreamManagement { resume: true, max: None });
            login.bind = Some(Bind { stream_management, ..Bind::default() });
        }
        if manner.resume {
            login.resume = Some(self.resume.take().ok_or("no stream can be resumed")?);
        }
        if manner.lost {
            login.resume = Some(Resume { previd: "unheard-of".to_owned(), h: 0 });
        }
        let (flight, mut exchange) = login.start(Some(&self.header()))?;
        let ahead: &[u8] = if manner.ahead { PING } else { b"" };
        wire.send(&[&flight.bytes, ahead].concat())?;
        wire.header()?;
        loop {
            match exchange.receive(&wire.element()?)? {
                Event::Pass => {}
                Event::Send(octets) => wire.send(&octets)?,
                Event::Success(success) => {
                    return self.accepted(wire, &mut connection, attempt, manner, &success);
                }
                Event::Failure(failure) => return self.refused(wire, &mut connection, attempt, manner, &failure),
            }
        }
    }

    /// The server knows the client; now the client sees whether it knows the server.
    fn accepted(
        &mut self,
        mut wire: Wire<T::Stream>,
        connection: &mut Connection<'_>,
        attempt: Attempt,
        manner: &Manner,
        success: &Success,
    ) -> Result<String, Fault> {
        self.waited.set(wire.waited);
        let name = attempt.mechanism();
        let data = success.data.as_deref();
        if let Settled::Failed(next) = connection.settle(attempt, Outcome::Accepted, data, now()) {
            return Err(format!("the server is not who it says; next would be {next:?}").into());
        }
        if let Some(token) = &success.token {
            connection.token_rotated(token.expose(), token.expiry(), now())?;
        }
        if manner.invalidate {
            connection.token_invalidated();
        }
        let what = if manner.ahead { "ahead" } else { "ping" };
        let mut said = format!("logged-in {name}{} {what}={}", got(success), ping(&mut wire, !manner.ahead)?);
        if manner.manage {
            let id = success.bound.as_ref().and_then(Bound::resumable_as).ok_or("the stream can't be resumed")?;
            // One stanza came from the server, the answer to the ping.
            self.resume = Some(Resume { previd: id.to_owned(), h: 1 });
            said += " resumable";
        }
        Ok(said)
    }

    /// The server doesn't know the client, or the token.
    fn refused(
        &self,
        mut wire: Wire<T::Stream>,
        connection: &mut Connection<'_>,
        attempt: Attempt,
        manner: &Manner,
        failure: &Failure,
    ) -> Result<String, Fault> {
        let name = attempt.mechanism();
        let Settled::Failed(next) = connection.settle(attempt, failure.outcome(), None, now()) else {
            return Err("a failure that settled as a login".into());
        };
        let mut said = format!("failed {name} code={:?} next={next:?}", failure.verdict);
        if manner.ahead {
            said += &format!(" ahead={}", ping(&mut wire, false)?);
        }
        if manner.or_full {
            // Only where the library says so: not on a resumed session, nor to who could not show that it is the server.
            if !matches!(next, NextStep::FullLogin | NextStep::TryPredecessor) {
                return Err(format!("{said}: not here and now with the password").into());
            }
            said += &format!(" then {}", self.password(&mut wire, connection)?);
        }
        Ok(said)
    }

    fn header(&self) -> StreamHeader {
        StreamHeader { from: Some(format!("{USER}@{}", self.host)), to: Some(self.host.clone()), id: None }
    }

    /// A login that binds a resource, from this installation.
    fn login(&self, mechanism: &str, message: &[u8]) -> Result<Authenticate, Fault> {
        let agent = UserAgent { id: Some(INSTALLATION.to_owned()), software: None, device: None };
        let new = Authenticate::new(MechanismName::parse(mechanism)?, message);
        Ok(Authenticate { user_agent: Some(agent), bind: Some(Bind::default()), ..new })
    }
}

fn names(offer: &Offer) -> impl Iterator<Item = &str> {
    offer.mechanisms().iter().map(|name| name.as_str())
}

/// What came with a success.
fn got(success: &Success) -> String {
    let came = [
        (success.bound.is_some(), " bound"),
        (success.resumed.is_some(), " resumed"),
        (success.resume_failed, " resume-failed"),
        (success.token.is_some(), " token"),
    ];
    came.into_iter().filter(|(came, _)| *came).map(|(_, word)| word).collect()
}

/// Sends a ping, if it isn't under way, and says of which type the answer is; `closed` where the stream ends instead.
fn ping<S: Read + Write>(wire: &mut Wire<S>, send: bool) -> Result<String, Fault> {
    if send {
        wire.send(PING)?;
    }
    while let Some(element) = wire.next()? {
        let text = String::from_utf8_lossy(&element);
        if let Some(rest) = text.strip_prefix("<iq ") {
            let kind = rest.split(['\'', '"']).skip_while(|part| !part.ends_with("type=")).nth(1);
            return Ok(kind.unwrap_or("untyped").to_owned());
        }
    }
    Ok("closed".to_owned())
}
