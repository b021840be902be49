//! The client: one account, and a connection for every step. It is the same for every TLS stack.

use std::io::{Read, Write};
use std::rc::Rc;
use std::time::Duration;

use fast_reauth::assertion::{BindingType, ClientToken, FullLogin, HtMechanism, Policy, Scope, Service};
use fast_reauth::channel::{ChannelFacts, ServerName};
use fast_reauth::mechanism::Outcome;
use fast_reauth::profile::xmpp::{
    Authenticate, Bind, Bound, EnableStreamManagement, Event, Failure, Fast, Features, Resume, ServerElement,
    StreamHeader, Success, UserAgent,
};
use fast_reauth::profile::{MechanismName, Offer};
use fast_reauth::store::client::{Account, Accounts, Attempt, Connection, Plan, Settled};

use crate::scram::{self, Binding};
use crate::wire::Wire;
use crate::{Fault, USER, now};

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
    account: Account,
    accounts: Rc<Accounts>,
    /// All tokens since the last full login.
    history: Vec<ClientToken>,
    resume: Option<Resume>,
}

/// How a login with a token goes, where it is not as usual.
#[derive(Default)]
struct Manner {
    which: Which,
    /// A bit of the message is another.
    altered: bool,
    /// A full login on the same stream, should this one fail.
    or_full: bool,
    /// A ping is in the same flight.
    ahead: bool,
    /// It shall be the token's last use.
    invalidate: bool,
    /// The stream shall be one that can be resumed; then the connection is cut.
    manage: bool,
    /// The stream that was cut is resumed.
    resume: bool,
    /// A stream that never was is resumed.
    lost: bool,
}

/// The token that is used.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Which {
    /// The one that the library plans to use.
    #[default]
    Planned,
    /// The first since the last full login, by a client that lost all later ones.
    First,
    /// The last, planned or not.
    Last,
    /// The last, with another mechanism than it is for.
    Unpinned,
}

impl Manner {
    fn of(step: &str) -> Option<Self> {
        let usual = Self::default();
        let last = Self { which: Which::Last, ..Self::default() };
        Some(match step {
            "fast" => usual,
            "first" => Self { which: Which::First, ..usual },
            "last" => last,
            "unpinned" => Self { which: Which::Unpinned, ..usual },
            "altered" => Self { altered: true, ..last },
            "altered-ahead" => Self { altered: true, ahead: true, ..last },
            "altered-full" => Self { altered: true, or_full: true, ..usual },
            "ahead" => Self { ahead: true, ..usual },
            "invalidate" => Self { invalidate: true, ..usual },
            "manage" => Self { manage: true, ..usual },
            "resume" => Self { resume: true, ..usual },
            "lost" => Self { lost: true, ..usual },
            _ => return None,
        })
    }
}

impl<T: Tls> Client<T> {
    /// A client that was never here before, and wants tokens for this mechanism.
    pub(crate) fn new(tls: T, host: &str, mechanism: HtMechanism) -> Result<Self, Fault> {
        let account = Account::new(Scope::new(Service::XMPP, ServerName::parse(host)?), USER);
        let accounts = Rc::new(Accounts::new(Policy::default()).preferring_tokens([mechanism]));
        Ok(Self { tls, host: host.to_owned(), account, accounts, history: Vec::new(), resume: None })
    }

    /// Takes the steps, and prints what came of each.
    pub(crate) fn run(mut self, steps: &[String]) -> Result<(), Fault> {
        for step in steps {
            let said = match Manner::of(step) {
                Some(manner) => self.with_token(&manner),
                None if step == "full" => self.full(),
                None if step == "wait" => {
                    std::thread::sleep(Duration::from_millis(2100));
                    Ok("waited".to_owned())
                }
                None => Err("there is no such step".into()),
            };
            println!("step {step} {}", said.map_err(|fault| format!("in step {step}: {fault}"))?);
            for token in self.accounts.tokens(&self.account) {
                if !self.history.contains(&token) {
                    self.history.push(token);
                }
            }
        }
        Ok(())
    }

    /// The first login: what the server lists is not known, so the client waits for it.
    fn full(&mut self) -> Result<String, Fault> {
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
        let binding = binding(connection.facts())?;
        let full = FullLogin::new(scram::MECHANISM, USER)?.bound_by(binding.0);
        let (mut scram, message) = scram::Client::start(binding)?;
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
        let token = success.token.as_ref().ok_or("a success without token")?;
        connection.token_issued(&full, mechanism, token.expose(), token.expiry(), now())?;
        Ok(format!("logged-in {}{} ping={}", scram::MECHANISM, got(&success), ping(wire, true)?))
    }

    /// A login with a token: stream header, login and what the login is for in one flight.
    fn with_token(&mut self, manner: &Manner) -> Result<String, Fault> {
        let (stream, facts) = self.tls.connect(&self.host)?;
        let mut wire = Wire::new(stream);
        let accounts = self.accounts_with(manner.which)?;
        if manner.which == Which::First {
            self.accounts = accounts.clone();
        }
        let mut connection = accounts.connect(&self.account, facts);
        let attempt = match connection.plan(now()) {
            Plan::Known(attempt) if attempt.uses_token() => attempt,
            plan => return Ok(format!("plans {plan:?}")),
        };
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
            said += &format!(" then {}", self.password(&mut wire, connection)?);
        }
        Ok(said)
    }

    /// The client's accounts, or others in which this token is the only one. They hold it to last an hour longer than
    /// it does, so that it is for the server to refuse.
    fn accounts_with(&self, which: Which) -> Result<Rc<Accounts>, Fault> {
        let token = match which {
            Which::Planned => return Ok(self.accounts.clone()),
            Which::First => self.history.first(),
            Which::Last | Which::Unpinned => self.history.last(),
        };
        let token = token.ok_or("there is no token")?;
        let mechanism = if which == Which::Unpinned { HtMechanism::HT_SHA_256_NONE } else { token.mechanism() };
        let (text, scope, origin, policy) = (token.token().expose(), token.scope(), token.origin(), Policy::default());
        let expires = token.expires().after(Duration::from_secs(3600));
        let token = ClientToken::issued(text, mechanism, scope, USER, origin, expires, &policy, now())?;
        let accounts = Accounts::new(policy);
        accounts.restore_token(&self.account, token);
        Ok(Rc::new(accounts))
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

/// The channel binding of the full login: tls-exporter, or in TLS 1.2 tls-unique.
fn binding(facts: &ChannelFacts) -> Result<Binding, Fault> {
    let unique = facts.tls_unique().map(|unique| Binding(BindingType::Unique, unique.to_vec()));
    let exporter = || facts.tls_exporter().map(|exporter| Binding(BindingType::Exporter, exporter.to_vec()));
    Ok(unique.or_else(exporter).ok_or("there is no channel binding")?)
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
