//! The client: one account, and a connection for every login. It is the same for every TLS stack.
//!
//! `known` is a login by what the client keeps: stream header, login and bind in one flight, by the library's profile. `full` is the
//! one with the password, which any program on xmpp-rs has. What is out of the ordinary is a [`Manner`], for the interop suite.

use std::rc::Rc;

use bytes::Bytes;
use fast_reauth::assertion::{ClientToken, FullLogin, HtMechanism, Pin, Policy, Scope, Service};
use fast_reauth::channel::{ChannelFacts, ServerName};
use fast_reauth::mechanism::{NextStep, Outcome};
use fast_reauth::profile::MechanismName;
use fast_reauth::profile::xmpp::{
    Authenticate, Bind, Bound, EnableStreamManagement, Event, Failure, Fast, Resume, ServerElement, Success, UserAgent,
};
use fast_reauth::store::client::{Account, Accounts, Attempt, Connection, Plan, Predecessor, Settled};
use futures::SinkExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use xmpp_parsers::bind2::BindQuery;
use xmpp_parsers::fast::{FastQuery, RequestToken};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::sasl2;
use xmpp_parsers::stream_features::StreamFeatures;

use crate::common::client::{Report, not_recognised, refused};
use crate::common::state::StateFile;
use crate::common::wire::Counted;
use crate::common::{Fault, now, scram};
use crate::steps::{Manner, Which};
use crate::xmpp::{self, Xml, element, need, octets, ping};

/// The installation that this client is.
const INSTALLATION: &str = "d4565fa7-4d72-4749-b3d3-740edbf87770";

/// A TLS stack, and the server to connect to.
pub(crate) trait Tls {
    /// TLS over TCP.
    type Stream: AsyncRead + AsyncWrite + Unpin;
    /// What keeps an eye on a connection's TLS sessions.
    type Watch;

    /// A new connection to the account's server, after the handshake.
    async fn connect(&self, account: &Account) -> Result<Link<Self::Stream, Self::Watch>, Fault>;

    /// After a full login: whether this end can derive an assertion, and did.
    fn derive(&self, tls: &Self::Stream, connection: &mut Connection<'_>, full: &FullLogin) -> Result<bool, Fault>;

    /// After any login: later connections may resume this one's TLS session.
    fn authenticated(&self, watch: &Self::Watch, connection: &Connection<'_>);

    /// The next handshake is a full one.
    fn forget(&self, account: &Account);
}

/// A connection after the handshake, and what is known of it.
pub(crate) struct Link<S, W> {
    pub(crate) stream: Counted<S>,
    pub(crate) facts: ChannelFacts,
    pub(crate) predecessor: Option<Predecessor>,
    pub(crate) watch: W,
}

/// What the client keeps from one step to the next.
pub(crate) struct Client<T> {
    tls: T,
    password: String,
    pub(crate) account: Account,
    pub(crate) accounts: Rc<Accounts>,
    state: Option<StateFile>,
    /// All tokens since the last full login.
    pub(crate) history: Vec<ClientToken>,
    resume: Option<Resume>,
}

/// What comes of a connection.
enum Done {
    LoggedIn(Report),
    /// With the password, on the stream of a refusal.
    AfterRefusal(String, Report),
    /// The server does not know the client, on a session that it resumed: the password goes over a new handshake only.
    FullHandshake,
    /// A refusal that is to be seen, and no more.
    Refused(String),
}

impl<T: Tls> Client<T> {
    /// A client that starts. What it keeps is in a file, if it has one; of the tokens that a server has, it wants this one's.
    pub(crate) fn new(
        tls: T,
        host: &str,
        (user, password): (&str, &str),
        token: Option<HtMechanism>,
        state: Option<StateFile>,
    ) -> Result<Self, Fault> {
        let account = Account::new(Scope::new(Service::XMPP, ServerName::parse(host)?), user);
        let accounts = Accounts::new(Policy::default());
        let accounts = Rc::new(match token {
            Some(mechanism) => accounts.preferring_tokens([mechanism]),
            None => accounts,
        });
        if let Some(state) = &state {
            state.load(&accounts, &account)?;
        }
        let password = password.to_owned();
        Ok(Self { tls, password, account, accounts, state, history: Vec::new(), resume: None })
    }

    /// By what the client keeps; if that is nothing, or is refused, with the password.
    pub(crate) async fn log_in(&mut self) -> Result<Report, Fault> {
        let manner = Manner { or_full: true, ..Manner::default() };
        let mut done = self.connection(&manner).await?;
        if matches!(done, Done::FullHandshake) {
            eprintln!("not recognised on a resumed TLS session: connecting again, without resuming");
            self.tls.forget(&self.account);
            done = self.connection(&manner).await?;
        }
        match done {
            Done::LoggedIn(report) | Done::AfterRefusal(_, report) => Ok(report),
            Done::FullHandshake => Err(refused(NextStep::FullHandshake)),
            Done::Refused(why) => Err(why.into()),
        }
    }

    /// By what the client keeps, with something out of the ordinary: what came of it.
    pub(crate) async fn known(&mut self, manner: &Manner) -> Result<String, Fault> {
        let logged_in = |report: Report| format!("logged-in {} {}", report.mechanism, report.answer);
        match self.connection(manner).await? {
            Done::LoggedIn(report) => Ok(logged_in(report)),
            Done::AfterRefusal(said, report) => Ok(format!("{said} then {}", logged_in(report))),
            Done::FullHandshake => Ok("plans FullHandshake".to_owned()),
            Done::Refused(why) => Ok(why),
        }
    }

    /// Before a counter is used, and after each change.
    pub(crate) fn save(&self) -> Result<(), Fault> {
        self.state.as_ref().map_or(Ok(()), |state| state.save(&self.accounts, &self.account))
    }

    fn host(&self) -> &str {
        self.account.scope.server_name.as_str()
    }

    fn who(&self) -> (&str, &str) {
        (&self.account.login_name, self.host())
    }

    async fn connection(&mut self, manner: &Manner) -> Result<Done, Fault> {
        let Link { stream, facts, predecessor, watch } = self.tls.connect(&self.account).await?;
        let accounts = self.accounts_with(manner.which)?;
        if manner.which == Which::First {
            self.accounts = accounts.clone();
        }
        let mut connection = accounts.connect(&self.account, facts).resumes(predecessor);
        let plan = if manner.full { Plan::FullLogin } else { connection.plan(now()) };
        let (done, mut xml) = match plan {
            Plan::Known(attempt) => self.attempt(stream, &mut connection, attempt, manner).await?,
            Plan::FullLogin if manner.full || manner.or_full => self.first(stream, &mut connection).await?,
            Plan::FullHandshake => return Ok(Done::FullHandshake),
            Plan::Abandon => return Err(refused(NextStep::Abandon)),
            plan @ Plan::FullLogin => return Ok(Done::Refused(format!("plans {plan:?}"))),
        };
        if let Done::LoggedIn(_) | Done::AfterRefusal(..) = done {
            self.tls.authenticated(&watch, &connection);
            self.save()?;
            // A stream that is to be resumed is cut off instead; and whoever is gone already need not be told.
            if !manner.manage {
                let _ = xml.shutdown().await;
            }
        }
        Ok(done)
    }

    /// The first login: what the server lists is not known, so the client waits for it.
    async fn first(
        &mut self,
        stream: Counted<T::Stream>,
        connection: &mut Connection<'_>,
    ) -> Result<(Done, Stream<T>), Fault> {
        let (features, mut xml) = xmpp::open(stream, self.who(), Bytes::new()).await?;
        self.history.clear();
        let report = self.password(&mut xml, connection, &features).await?;
        Ok((Done::LoggedIn(report), xml))
    }

    /// A full login that is bound to the TLS connection. From then on the server knows the client: by IKY, if it lists that, and else by
    /// a token that comes with the success.
    async fn password(
        &self,
        xml: &mut Stream<T>,
        connection: &mut Connection<'_>,
        features: &StreamFeatures,
    ) -> Result<Report, Fault> {
        let offered =
            &features.sasl2.as_ref().ok_or("the server has no SASL2 (XEP-0388) on this connection")?.mechanisms;
        if !offered.iter().any(|name| name == scram::MECHANISM) {
            return Err(
                format!("the server lists {}, and this client has {}", offered.join(" "), scram::MECHANISM).into()
            );
        }
        saw(connection, features);
        let listed = offered.iter().any(|name| Pin::from_name(name).is_some());
        let token = if listed { None } else { connection.wanted_token() };

        let full = scram::full_login(&self.account.login_name, connection.facts())?;
        let (mut scram, message) = scram::Client::start(&self.account.login_name, &self.password, connection.facts())?;
        let mut payloads = vec![Element::from(BindQuery { tag: None, payloads: Vec::new() })];
        payloads.extend(token.map(|(_, name)| Element::from(RequestToken { mechanism: name.to_owned() })));
        let user_agent = sasl2::UserAgent { id: INSTALLATION.parse()?, software: None, device: None };
        let (mechanism, initial_response) = (scram::MECHANISM.to_owned(), Some(message));
        xml.send(&sasl2::Authenticate { mechanism, initial_response, user_agent, payloads }).await?;
        let success = loop {
            match ServerElement::parse(&octets(&need(xml).await?))? {
                ServerElement::Challenge(challenge) => {
                    let sasl_data = scram.step(&challenge.message)?;
                    xml.send(&sasl2::Response { sasl_data }).await?;
                }
                ServerElement::Success(success) => break success,
                ServerElement::Failure(_) => {
                    let user = &self.account.login_name;
                    return Err(format!("the server does not let {user} in: check name and password").into());
                }
                ServerElement::Continue => {
                    return Err("the server wants a second factor, which this client has not".into());
                }
                ServerElement::Other => {}
            }
        };
        // The server knows the password too.
        scram.step(success.data.as_deref().ok_or("a success without the server's signature")?)?;
        scram.end()?;
        let waited = waited::<T>(xml);
        self.tls.derive(&xml.get_stream().get_ref().stream, connection, &full)?;
        if let (Some((mechanism, _)), Some(token)) = (token, &success.token) {
            connection.token_issued(&full, mechanism, token.expose(), token.expiry(), now())?;
        }
        let answer = format!("{} ping={}", got(&success), ping(xml, true).await?);
        Ok(report(connection, scram::MECHANISM, waited, answer))
    }

    /// A login by what the client keeps: stream header, login and what the login is for in one flight.
    async fn attempt(
        &mut self,
        stream: Counted<T::Stream>,
        connection: &mut Connection<'_>,
        attempt: Attempt,
        manner: &Manner,
    ) -> Result<(Done, Stream<T>), Fault> {
        if attempt.store_first() {
            self.save()?;
        }
        let (mut flight, mut exchange) = self.login(&attempt, manner)?.start(None)?;
        if manner.ahead {
            flight.bytes = [&flight.bytes[..], &octets(&xmpp::ping_request().into())].concat().into();
        }
        let (features, mut xml) = xmpp::open(stream, self.who(), flight.bytes).await?;
        loop {
            let answer = need(&mut xml).await?;
            let done = match exchange.receive(&octets(&answer))? {
                Event::Pass => continue,
                Event::Send(octets) => {
                    xml.send(&element(&octets)?).await?;
                    continue;
                }
                Event::Success(success) => {
                    let done = self.accepted(&mut xml, connection, attempt, manner, &success).await?;
                    // For next time: EXTERNAL, if the server lists it on this session.
                    saw(connection, &features);
                    done
                }
                Event::Failure(failure) => {
                    self.refused(&mut xml, connection, attempt, manner, &failure, &features).await?
                }
            };
            return Ok((done, xml));
        }
    }

    /// `<authenticate/>`, with what is done in the same go.
    fn login(&mut self, attempt: &Attempt, manner: &Manner) -> Result<Authenticate, Fault> {
        let mut message = attempt.message().to_vec();
        if let (true, Some(last)) = (manner.altered, message.last_mut()) {
            *last ^= 1;
        }
        let user_agent = Some(UserAgent { id: Some(INSTALLATION.to_owned()), software: None, device: None });
        let stream_management = manner.manage.then_some(EnableStreamManagement { resume: true, max: None });
        let mut login = Authenticate {
            user_agent,
            bind: Some(Bind { stream_management, ..Bind::default() }),
            fast: Fast::of(attempt).map(|fast| Fast { invalidate: manner.invalidate, ..fast }),
            ..Authenticate::new(MechanismName::parse(attempt.mechanism())?, &message)
        };
        if manner.resume {
            login.resume = Some(self.resume.take().ok_or("no stream can be resumed")?);
        }
        if manner.lost {
            login.resume = Some(Resume { previd: "unheard-of".to_owned(), h: 0 });
        }
        Ok(login)
    }

    /// The server knows the client; now the client sees whether it knows the server.
    async fn accepted(
        &mut self,
        xml: &mut Stream<T>,
        connection: &mut Connection<'_>,
        attempt: Attempt,
        manner: &Manner,
        success: &Success,
    ) -> Result<Done, Fault> {
        let (mechanism, waited) = (attempt.mechanism(), waited::<T>(xml));
        if let Settled::Failed(next) = connection.settle(attempt, Outcome::Accepted, success.data.as_deref(), now()) {
            return Err(refused(next));
        }
        if let Some(token) = &success.token {
            connection.token_rotated(token.expose(), token.expiry(), now())?;
        }
        if manner.invalidate {
            connection.token_invalidated();
        }
        let what = if manner.ahead { "ahead" } else { "ping" };
        let mut answer = format!("{} {what}={}", got(success), ping(xml, !manner.ahead).await?);
        if manner.manage {
            let id = success.bound.as_ref().and_then(Bound::resumable_as).ok_or("the stream can't be resumed")?;
            // One stanza came from the server, the answer to the ping.
            self.resume = Some(Resume { previd: id.to_owned(), h: 1 });
            answer += " resumable";
        }
        Ok(Done::LoggedIn(report(connection, mechanism, waited, answer)))
    }

    /// The server doesn't know the client any more. Where the library says so, it is asked with the password on the same stream.
    async fn refused(
        &self,
        xml: &mut Stream<T>,
        connection: &mut Connection<'_>,
        attempt: Attempt,
        manner: &Manner,
        failure: &Failure,
        features: &StreamFeatures,
    ) -> Result<Done, Fault> {
        let mechanism = attempt.mechanism();
        let settled = connection.settle(attempt, failure.outcome(), failure.message.as_deref(), now());
        let Settled::Failed(next) = settled else {
            return Err("a failure that settled as a login".into());
        };
        let mut said = format!("failed {mechanism} code={:?} next={next:?}", failure.verdict);
        if manner.ahead {
            said += &format!(" ahead={}", ping(xml, false).await?);
        }
        match next {
            _ if !manner.or_full => Ok(Done::Refused(said)),
            NextStep::FullLogin | NextStep::TryPredecessor => {
                not_recognised(mechanism);
                Ok(Done::AfterRefusal(said, self.password(xml, connection, features).await?))
            }
            NextStep::FullHandshake => Ok(Done::FullHandshake),
            next => Err(refused(next)),
        }
    }
}

type Stream<T> = Xml<Counted<<T as Tls>::Stream>>;

/// Round trips that the login added. Without one, the stream header and bind would have taken one.
fn waited<T: Tls>(xml: &Stream<T>) -> u32 {
    xml.get_stream().get_ref().waits.count().saturating_sub(1)
}

fn report(connection: &Connection<'_>, mechanism: &str, waited: u32, answer: String) -> Report {
    let (mechanism, resumed) = (mechanism.to_owned(), connection.facts().is_resumed());
    Report { mechanism, resumed, waited, answer }
}

/// What the server lists: mechanisms, and those for its tokens.
fn saw(connection: &mut Connection<'_>, features: &StreamFeatures) {
    let Some(sasl2) = &features.sasl2 else { return };
    connection.saw_offer(sasl2.mechanisms.iter().map(String::as_str));
    let inline = sasl2.inline.iter().flat_map(|inline| &inline.payloads);
    if let Some(fast) = inline.cloned().find_map(|payload| FastQuery::try_from(payload).ok()) {
        connection.saw_fast(fast.mechanisms.iter().map(|name| name.0.as_str()));
    }
}

/// What came with a success.
fn got(success: &Success) -> String {
    let came = [
        (success.bound.is_some(), "bound"),
        (success.resumed.is_some(), "resumed"),
        (success.resume_failed, "resume-failed"),
        (success.token.is_some(), "token"),
    ];
    came.into_iter().filter(|(came, _)| *came).map(|(_, word)| word).collect::<Vec<_>>().join(" ")
}
