//! Clients, connections and a service, all of them the library's own, and what each action does to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use fast_reauth::Timestamp;
use fast_reauth::assertion::{DeviceId, Policy, TokenRequest};
use fast_reauth::channel::Handle;
use fast_reauth::mechanism::ht::Request;
use fast_reauth::mechanism::{Connection, Login, NextStep, Outcome, Received, Step, Verdict};
use fast_reauth::store::client::{self, Accounts, Attempt, Plan, Predecessor, Settled};
use fast_reauth::store::{Committed, Found, Revoke, Store};

use crate::action::{Action, At, Whom};
use crate::client::{Client, Session};
use crate::common::{START, Tls, account, bound};
use crate::flaw::{Flaw, Shared, View};
use crate::octets::named;
use crate::rules::{Broken, Message, Revoked, Truth};
use crate::setup::Setup;
use crate::tally::{Event, Tally};

/// All clients are installations of one user; the attacker has connections, and no account.
pub const USER: &str = "alice";
pub const ATTACKER: usize = 9;

/// Both ends of a connection.
pub struct Open {
    pub node: usize,
    pub tls: Tls,
    /// None is the attacker's.
    pub client: Option<client::Connection<'static>>,
    pub server: Connection<'static>,
    /// What its server knows of the connection before.
    pub before: String,
    pub tried: Vec<Vec<u8>>,
    pub phase: Phase,
}

pub enum Phase {
    /// A message is on its way.
    Sent(Said),
    /// The node has looked up what it needs; everybody who was revoked before that is named.
    Looked { said: Said, found: Box<Found>, revoked: Revoked, at: Timestamp },
    /// A full login is over, and is to be remembered.
    Prepared { login: Box<Prepared>, at: Timestamp },
    /// The answer is on its way.
    Answered { said: Said, verdict: Box<Verdict> },
    /// The same after a full login: what it comes with, and whether the service remembers it.
    Welcomed { token: Option<fast_reauth::assertion::Issued>, device: [u8; 8], known: bool },
}

pub struct Prepared {
    commit: fast_reauth::store::Commit,
    token: Option<fast_reauth::assertion::Issued>,
    device: [u8; 8],
}

/// What was sent.
pub enum Said {
    Client(Attempt),
    Attacker(Message),
    Full,
}

impl Said {
    /// The message, for all but a full login.
    pub fn message(&self) -> Option<Message> {
        match self {
            Self::Client(attempt) => {
                let (mechanism, octets) = (attempt.mechanism(), attempt.message().to_vec());
                Some(Message { mechanism, octets, count: attempt.count() })
            }
            Self::Attacker(message) => Some(message.clone()),
            Self::Full => None,
        }
    }
}

pub struct World {
    pub setup: &'static Setup,
    pub flaw: Option<Flaw>,
    pub shared: Shared,
    pub clients: Vec<Client>,
    pub open: BTreeMap<At, Open>,
    pub truth: Truth,
    pub now: Timestamp,
    /// How many connections each client made, and the attacker.
    pub made: BTreeMap<usize, usize>,
}

impl World {
    pub fn new(setup: &'static Setup, flaw: Option<Flaw>, clients: usize) -> Self {
        let accounts = || {
            let accounts = Accounts::new(Policy::default()).preferring(setup.pins.iter().copied());
            Arc::new(accounts.preferring_tokens(setup.token))
        };
        let clients = (0..clients).map(|_| Client::new(accounts())).collect();
        let (open, made, truth) = (BTreeMap::new(), BTreeMap::new(), Truth::default());
        Self { setup, flaw, shared: Shared::new(), clients, open, truth, now: START, made }
    }

    /// What happens. Nothing follows where that can't be: `None`.
    pub fn step(&mut self, action: Action, tally: &Tally) -> Option<()> {
        match action {
            Action::Come { client, node, resume } => self.come(client, node, resume, tally),
            Action::Replay { seen, node } => self.replay(seen, node),
            Action::Look(at) => self.look(at, tally),
            Action::Decide(at) => self.decide(at, true, tally),
            Action::DecideUnanswered(at) => self.decide(at, false, tally),
            Action::Answer(at) => self.answer(at, tally),
            Action::Refuse(at) => self.refuse(at, tally),
            Action::Break(at) => {
                let open = self.open.remove(&at)?;
                tally.count_if(matches!(open.phase, Phase::Answered { .. } | Phase::Welcomed { .. }), Event::ReplyLost);
                Some(())
            }
            Action::Restart(client) => {
                self.open.retain(|at, _| at.of != client);
                self.clients[client].restart(self.setup);
                Some(())
            }
            Action::Revoke(whom) => self.revoke(whom),
            Action::Wait(time) => {
                self.now = Timestamp::from_secs(self.now.as_secs() + time.seconds());
                Some(())
            }
        }
    }

    fn view(&self, node: usize) -> View<'_> {
        View { shared: &self.shared, node, flaw: self.flaw }
    }

    /// A new TLS connection: its secrets follow from whose it is and which, so that the order of unrelated things makes no difference.
    pub fn connect(&mut self, of: usize, node: usize, before: Option<&Session>) -> At {
        let number = self.made.entry(of).or_default();
        let at = At { of, number: *number };
        *number += 1;
        let mut tls = before.map_or_else(Tls::full, |before| Tls::resuming(&before.tls));
        (tls.secret, tls.handle) = (named("secret", at), Handle::new(named("handle", at)));
        let setup = self.setup;
        let server = Connection::new(&setup.nodes[node], tls.server()).seal_with(named("seal", at));
        let mut server = server.grant_with(named("grant", at));
        let mut before_it = String::new();
        if let Some(lookup) = server.lookup() {
            let found = self.view(node).lookup(&lookup, self.now).ok().and_then(|found| found.lineage);
            before_it = format!("{found:?}");
            server = server.resumes(found);
        }
        let client = self.clients.get(of).map(|this| {
            let client = this.accounts.connect_shared(&account(USER), tls.client());
            let mut client = client.resumes(before.and_then(|before| before.predecessor.clone()));
            client.saw_offer(server.mechanisms(self.now));
            client.saw_fast(server.fast_mechanisms().into_iter().map(|mechanism| mechanism.name()));
            client
        });
        let (tried, phase) = (Vec::new(), Phase::Sent(Said::Full));
        self.open.insert(at, Open { node, tls, client, server, before: before_it, tried, phase });
        at
    }

    fn come(&mut self, client: usize, node: usize, resume: bool, tally: &Tally) -> Option<()> {
        let before = self.clients[client].session.clone().filter(|_| resume);
        tally.count_if(before.is_some(), Event::Resumed);
        let at = self.connect(client, node, before.as_ref());
        self.plan(at)
    }

    /// The client sends what it plans, or leaves.
    fn plan(&mut self, at: At) -> Option<()> {
        let open = self.open.get_mut(&at)?;
        match open.client.as_mut()?.plan(self.now) {
            Plan::Known(attempt) => {
                open.tried.push(attempt.message().to_vec());
                let said = Said::Client(attempt);
                self.truth.sent(&said.message()?, at.of, open.tls.secret);
                open.phase = Phase::Sent(said);
            }
            Plan::FullLogin => open.phase = Phase::Sent(Said::Full),
            Plan::FullHandshake => self.leave(at, true),
            Plan::Abandon => self.leave(at, false),
        }
        Some(())
    }

    fn leave(&mut self, at: At, forget_session: bool) {
        self.open.remove(&at);
        if forget_session {
            self.clients[at.of].session = None;
        }
    }

    fn replay(&mut self, seen: usize, node: usize) -> Option<()> {
        let message = self.truth.seen(seen)?;
        let at = self.connect(ATTACKER, node, None);
        self.open.get_mut(&at)?.phase = Phase::Sent(Said::Attacker(message));
        Some(())
    }

    pub fn look(&mut self, at: At, tally: &Tally) -> Option<()> {
        let now = self.now;
        let before = tally.is_heard().then(|| self.shared.fingerprint());
        let open = self.open.get_mut(&at)?;
        let Phase::Sent(said) = core::mem::replace(&mut open.phase, Phase::Sent(Said::Full)) else { return None };
        let Some(message) = said.message() else { return self.prepare(at) };
        let view = View { shared: &self.shared, node: open.node, flaw: self.flaw };
        open.phase = match received(&open.server, self.setup, &message, at) {
            Received::Done(verdict) => Phase::Answered { said, verdict: Box::new(verdict) },
            Received::Lookup(pending) => {
                let found = Box::new(view.lookup(pending.lookup(), now).ok()?);
                if before.is_some_and(|before| self.shared.fingerprint() != before) {
                    self.truth.broken(Broken::FailedAttemptChanged);
                }
                Phase::Looked { said, found, revoked: self.truth.revoked().clone(), at: now }
            }
        };
        Some(())
    }

    /// A full login has succeeded; nobody was told yet.
    fn prepare(&mut self, at: At) -> Option<()> {
        let now = self.now;
        let open = self.open.get_mut(&at)?;
        let device = named("device", at);
        self.truth.logged_in(device, at.of, now);
        let login = Login { full: &bound(USER), identity: USER, device: DeviceId::new(device), now };
        let installation = format!("installation {}", at.of);
        let (logged_in, token) = match open.client.as_ref()?.wanted_token() {
            Some((mechanism, _)) => {
                let random = named("token", at);
                let request = TokenRequest { mechanism, authcid: USER, client: &installation, random };
                let (logged_in, issued) = open.server.logged_in_with_token(login, &open.tls.exporter(), &request);
                (logged_in, issued.ok())
            }
            None => (open.server.logged_in(login, &open.tls.exporter()), None),
        };
        let login = Box::new(Prepared { commit: logged_in.commit, token, device });
        open.phase = Phase::Prepared { login, at: now };
        Some(())
    }

    pub fn decide(&mut self, at: At, answered: bool, tally: &Tally) -> Option<()> {
        let mut open = self.open.remove(&at)?;
        let view = View { shared: &self.shared, node: open.node, flaw: self.flaw };
        let phase = core::mem::replace(&mut open.phase, Phase::Sent(Said::Full));
        open.phase = match phase {
            Phase::Prepared { login, .. } if answered => {
                let committed = view.commit(&login.commit, self.now).ok()?;
                let known = committed == Committed::Done;
                tally.count_if(committed == Committed::Gone, Event::LoginRevoked);
                let Prepared { token, device, .. } = *login;
                Phase::Welcomed { token: token.filter(|_| committed.is_durable()), device, known }
            }
            Phase::Looked { said, found, revoked, .. } => {
                let before = tally.is_heard().then(|| self.shared.fingerprint());
                let message = said.message()?;
                let Received::Lookup(pending) = received(&open.server, self.setup, &message, at) else { return None };
                let (verdict, committed) = match pending.found(Ok(*found), self.now) {
                    Step::Done(verdict) => (verdict, false),
                    Step::Commit(pending) => {
                        let committed = view.commit(pending.commit(), self.now);
                        tally.count_if(committed == Ok(Committed::Replayed), Event::ReplayRefused);
                        tally.count_if(committed == Ok(Committed::Gone), Event::RevokedBeforeCommit);
                        let told = if answered { committed } else { Err(fast_reauth::store::Unavailable) };
                        (pending.committed(told), true)
                    }
                };
                // Without a commit there is no answer of the store that could be lost.
                if !answered && !committed {
                    return None;
                }
                if verdict.outcome != Outcome::Accepted
                    && answered
                    && before.is_some_and(|before| self.shared.fingerprint() != before)
                {
                    self.truth.broken(Broken::FailedAttemptChanged);
                }
                tally.outcome(verdict.outcome);
                if let Some(client) = &verdict.recognised {
                    // Where there was nothing to make durable, the lookup was the last time that the store was asked.
                    let revoked = if committed { self.truth.revoked().clone() } else { revoked };
                    self.truth.accepted(client, &message, &open.tls, &revoked, at.of);
                    if let Some(link) = open.server.recognised(client, self.now) {
                        view.commit(&link, self.now).ok()?;
                    }
                }
                Phase::Answered { said, verdict: Box::new(verdict) }
            }
            _ => return None,
        };
        self.open.insert(at, open);
        Some(())
    }

    pub fn answer(&mut self, at: At, tally: &Tally) -> Option<()> {
        let open = self.open.get_mut(&at)?;
        let phase = core::mem::replace(&mut open.phase, Phase::Sent(Said::Full));
        match phase {
            Phase::Answered { said: Said::Attacker(_), .. } => {
                self.open.remove(&at);
                Some(())
            }
            Phase::Answered { said: Said::Client(attempt), verdict } => {
                let connection = open.client.as_mut()?;
                let settled = connection.settle(attempt, verdict.outcome, verdict.message.as_deref(), self.now);
                if (settled == Settled::LoggedIn) != (verdict.outcome == Outcome::Accepted) {
                    self.truth.broken(Broken::EndsDisagree);
                }
                if settled == Settled::LoggedIn {
                    if let Some(token) = &verdict.token {
                        let _ = connection.token_rotated(token.token.expose(), token.expires, self.now);
                    }
                    tally.count_if(self.clients[at.of].waits(), Event::Renewed);
                    return self.keep_session(at);
                }
                self.follow(at, settled)
            }
            Phase::Welcomed { token, device, known } => {
                let connection = open.client.as_mut()?;
                let derived = connection.logged_in(&bound(USER), &open.tls.exporter(), &[], self.now);
                if derived.is_err() {
                    self.truth.broken(Broken::EndsDisagree);
                }
                if let (Some(token), Some(mechanism)) = (token, self.setup.token) {
                    let _ =
                        connection.token_issued(&bound(USER), mechanism, token.token.expose(), token.expires, self.now);
                }
                self.clients[at.of].login = Some(device).filter(|_| known);
                self.keep_session(at)
            }
            _ => None,
        }
    }

    fn refuse(&mut self, at: At, tally: &Tally) -> Option<()> {
        let open = self.open.get_mut(&at)?;
        let phase = core::mem::replace(&mut open.phase, Phase::Sent(Said::Full));
        let Phase::Answered { said: Said::Client(attempt), .. } = phase else { return None };
        let before = self.clients[at.of].held();
        let settled = open.client.as_mut()?.settle(attempt, Outcome::BadProof, None, self.now);
        if self.flaw == Some(Flaw::Credulous) {
            self.clients[at.of].accounts.forget(&account(USER));
        }
        let after = self.clients[at.of].held();
        if settled == Settled::LoggedIn || after.0 != before.0 {
            self.truth.broken(Broken::UnsignedRefusal);
        }
        if after.1 != before.1 {
            // Nothing is ever signed about a token: its client goes by the server's certificate.
            self.clients[at.of].login = None;
        }
        tally.count_if(true, Event::Forged);
        self.follow(at, settled)
    }

    /// The client does as it is told.
    fn follow(&mut self, at: At, settled: Settled) -> Option<()> {
        match settled {
            Settled::Failed(NextStep::TryPredecessor | NextStep::FullLogin) => self.plan(at)?,
            Settled::Failed(next) => self.leave(at, next == NextStep::FullHandshake),
            Settled::LoggedIn => {}
        }
        Some(())
    }

    pub fn keep_session(&mut self, at: At) -> Option<()> {
        let open = self.open.remove(&at)?;
        let predecessor = Predecessor { lineage: open.tls.lineage(), family: open.client?.family() };
        self.clients[at.of].session = Some(Session { tls: open.tls, predecessor: Some(predecessor) });
        Some(())
    }

    fn revoke(&mut self, whom: Whom) -> Option<()> {
        let (view, now) = (self.view(0), self.now);
        match whom {
            Whom::Client(client) => {
                let device = self.clients[client].login?;
                view.revoke(USER, Revoke::Device(DeviceId::new(device)), now).ok()?;
                self.truth.revoke_device(device);
            }
            Whom::Assertion(client) => {
                let assertion = *self.clients[client].accounts.assertions(&account(USER)).first()?.id();
                view.revoke(USER, Revoke::Assertion(assertion), now).ok()?;
                // What else of this client goes on is the service's to say.
                self.clients[client].login = None;
                self.truth.ended(&assertion);
            }
            Whom::Account => {
                view.revoke(USER, Revoke::All, now).ok()?;
                self.truth.revoke_all(now);
            }
            Whom::Everyone => {
                view.revoke_everyone(now).ok()?;
                self.truth.revoke_all(now);
            }
        }
        Some(())
    }
}

/// What a node makes of a message.
pub fn received<'m>(server: &'m Connection<'static>, setup: &Setup, message: &'m Message, at: At) -> Received<'m> {
    match setup.token.filter(|token| token.name() == message.mechanism) {
        Some(token) => {
            // A token is one installation's; the attacker says that she is the first.
            const INSTALLATIONS: [&str; 2] = ["installation 0", "installation 1"];
            let installation = INSTALLATIONS.get(at.of).unwrap_or(&INSTALLATIONS[0]);
            let request = Request::new(token, &message.octets, installation, named("rotated", at));
            server.ht(request.count(message.count))
        }
        None => match fast_reauth::assertion::Pin::from_name(message.mechanism) {
            Some(pin) => server.iky(pin, &message.octets),
            None => server.external(&message.octets),
        },
    }
}
