//! A client's view of one connection: which way to log in there, and what came of it.

use core::fmt;

use super::accounts::{Account, Accounts, Known, Predecessor};
use crate::assertion::{AssertionId, CannotDerive, ClientAssertion, ClientToken, FullLogin, Pin, Policy, Token};
use crate::channel::{ChannelFacts, Exporter};
use crate::crypto::Redacted;
use crate::held::Held;
use crate::mechanism::{NextStep, Outcome, Sibling, external, ht, iky};
use crate::store::MAX_PENDING_SUCCESSORS;
use crate::time::Timestamp;

/// One connection to the server of an [`Account`].
///
/// In this order: [`resumes`](Self::resumes), [`offered`](Self::offered), then [`plan`](Self::plan) until something worked. An attempt
/// goes to [`settle`](Self::settle), a full login to [`logged_in`](Self::logged_in).
#[derive(Debug)]
pub struct Connection<'a> {
    pub(super) accounts: Held<'a, Accounts>,
    pub(super) account: Account,
    pub(super) facts: ChannelFacts,
    pub(super) predecessor: Option<Predecessor>,
    offered: Option<Vec<Box<str>>>,
    pub(super) fast: Option<Vec<Box<str>>>,
    pub(super) token: Option<ClientToken>,
    pub(super) tried: Vec<Tried>,
    pub(super) abandoned: bool,
    set_aside: bool,
    family: Option<AssertionId>,
    pub(super) successes: u32,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tried {
    External,
    Iky(AssertionId),
    Ht(Token),
}

/// Which way to log in.
#[derive(Debug)]
#[must_use = "a plan has to be followed, and its outcome settled"]
pub enum Plan {
    /// The server knows this client: send this, and what may ride along behind it, without waiting for anything.
    Known(Attempt),
    /// Log in fully, here. By which mechanism is the application's to say: whatever the server lists, it ought to take none that is weaker than the
    /// strongest that this account was logged in to by before, and remember that one.
    FullLogin,
    /// Close, and connect again without resuming a TLS session: a session that was not recognised gets no password. Where the connection's
    /// facts are those of early data, nothing of this is to be sent as such: wait for the handshake, and plan anew.
    FullHandshake,
    /// Close: whoever answers here could not show that it is the server.
    Abandon,
}

/// An attempt to be recognised. The fallback, should it fail, is what [`Connection::settle`] says.
#[must_use = "its outcome has to be settled"]
pub struct Attempt {
    pub(super) mechanism: &'static str,
    pub(super) message: Vec<u8>,
    pub(super) fallback: NextStep,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    External(external::Client),
    Iky(Box<iky::Client>),
    Ht { client: Box<ht::Client>, count: Option<u64> },
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("mechanism", &self.mechanism)
            .field("message", &Redacted(self.message.len()))
            .field("fallback", &self.fallback)
            .finish_non_exhaustive()
    }
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "after a failure something else has to be done"]
pub enum Settled {
    /// Logged in. The account's assertions may have changed: store them.
    LoggedIn,
    /// Not logged in, whatever the protocol said; do this next.
    Failed(NextStep),
}

impl Attempt {
    /// The SASL mechanism name.
    pub fn mechanism(&self) -> &'static str {
        self.mechanism
    }

    /// The initial response, not yet encoded for the protocol.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// What to do should the server refuse; [`Connection::settle`] says it again, for the reason that it gives.
    pub fn fallback(&self) -> NextStep {
        self.fallback
    }

    /// Whether the account's assertions or tokens must be stored before the message is sent: it has a counter, and a counter that is
    /// used again after a crash is taken for a replay.
    pub fn store_first(&self) -> bool {
        match &self.state {
            State::External(_) => false,
            State::Iky(client) => client.assertion().pin().needs_counter() || client.facts().is_early_data(),
            State::Ht { count, .. } => count.is_some(),
        }
    }

    /// Whether it is one with a token, so that XMPP's `<fast/>` has to say so.
    pub fn uses_token(&self) -> bool {
        matches!(self.state, State::Ht { .. })
    }

    /// What the server's message says by itself: for a SASL framework, which hands it over before the protocol said how the login
    /// ended. It is verified when it is settled with this as the outcome.
    pub fn says(&self, responder: &[u8]) -> Outcome {
        match &self.state {
            State::External(_) => Outcome::Accepted,
            State::Iky(client) => client.says(responder),
            State::Ht { client, .. } => client.says(responder),
        }
    }

    /// `count` for XMPP's `<fast/>`: how often the token was used, where one message could be used twice.
    pub fn count(&self) -> Option<u64> {
        match self.state {
            State::Ht { count, .. } => count,
            State::External(_) | State::Iky(_) => None,
        }
    }
}

impl<'a> Connection<'a> {
    pub(super) fn new(accounts: Held<'a, Accounts>, account: Account, facts: ChannelFacts) -> Self {
        Self {
            accounts,
            account,
            facts,
            predecessor: None,
            offered: None,
            fast: None,
            token: None,
            tried: Vec::new(),
            abandoned: false,
            set_aside: false,
            family: None,
            successes: 0,
        }
    }

    /// What is known of the connection that this one resumes. It counts only if TLS really resumed.
    #[must_use]
    pub fn resumes(mut self, predecessor: Option<Predecessor>) -> Self {
        self.predecessor = predecessor.filter(|_| self.facts.is_resumed());
        self
    }

    /// The mechanisms that the server lists here. Where the client speaks first it has not seen them yet: then what the server
    /// listed last time stands.
    #[must_use]
    pub fn offered<'o>(mut self, mechanisms: impl IntoIterator<Item = &'o str>) -> Self {
        self.saw_offer(mechanisms);
        self
    }

    /// The same, once the client got to see them: behind a login that it sent ahead, or after a login. It is remembered for the
    /// next connection, and is how a client that speaks first learns that EXTERNAL is listed.
    pub fn saw_offer<'o>(&mut self, mechanisms: impl IntoIterator<Item = &'o str>) {
        let offered: Vec<Box<str>> = mechanisms.into_iter().map(|name| name.to_ascii_uppercase().into()).collect();
        self.accounts.known().entry(self.account.clone()).or_default().offered.clone_from(&offered);
        self.offered = Some(offered);
    }

    /// What is known of the channel.
    pub fn facts(&self) -> &ChannelFacts {
        &self.facts
    }

    /// The family of the assertion that was used or made here, for the TLS sessions of this connection.
    pub fn family(&self) -> Option<AssertionId> {
        self.family
    }

    /// Which way to log in here and now.
    ///
    /// EXTERNAL where the server already said "I know you" to this very session; else IKY with the newest assertion that the
    /// server lists its mechanism for; else HT with the newest token, likewise; else a full login. What waits for its first use, or is to be
    /// renewed, comes before EXTERNAL, which does neither. Nothing is tried twice on one connection.
    pub fn plan(&mut self, now: Timestamp) -> Plan {
        if self.abandoned {
            return Plan::Abandon;
        }
        // In early data nothing is planned but what `plan_early` plans, and no password at all.
        if self.facts.is_early_data() {
            return Plan::FullHandshake;
        }
        let due = self.due(now);
        let attempt = due.or_else(|| self.external()).or_else(|| self.iky(now)).or_else(|| self.ht(now));
        match attempt {
            Some(attempt) => Plan::Known(attempt),
            // Nor does a session get one on which the server does not list what it knows the client by, or knew it by when the session
            // was made: without its certificate nothing shows that it is the server.
            None if self.facts.is_resumed() && (!self.tried.is_empty() || self.is_known(now) || self.was_known()) => {
                Plan::FullHandshake
            }
            None => Plan::FullLogin,
        }
    }

    fn external(&mut self) -> Option<Attempt> {
        if self.predecessor.is_none() || self.tried.contains(&Tried::External) || !self.lists(external::NAME) {
            return None;
        }
        let external::Start { message, state } = external::Client::start(&self.account.login_name, &self.facts)?;
        self.tried.push(Tried::External);
        let state = State::External(state);
        Some(Attempt { mechanism: external::NAME, message, fallback: NextStep::FullHandshake, state })
    }

    pub(super) fn iky(&mut self, now: Timestamp) -> Option<Attempt> {
        let mut all = self.accounts.known();
        let assertion = self.usable(all.get_mut(&self.account)?, now)?;
        let counts = assertion.pin().needs_counter() || self.facts.is_early_data();
        let counter = counts.then(|| assertion.next_counter());
        let attempt = prove(assertion, &self.facts, self.predecessor.as_ref(), counter)?;
        self.tried.push(Tried::Iky(*assertion.id()));
        Some(attempt)
    }

    /// What ends sooner unless it is used: it waits for its first use, or is to be renewed.
    fn due(&mut self, now: Timestamp) -> Option<Attempt> {
        let mut all = self.accounts.known();
        let known = all.get_mut(&self.account)?;
        let renews = |origin, expires| self.accounts.policy.renews(origin, expires, now);
        let is_due = match self.usable(known, now) {
            Some(held) => held.renews.is_some() || renews(held.origin, held.expires()),
            None => self.usable_token(known, now).is_some_and(|(held, _)| renews(held.origin, held.expires())),
        };
        drop(all);
        if is_due { self.iky(now).or_else(|| self.ht(now)) } else { None }
    }

    /// The newest assertion that can be used here and now.
    fn usable<'k>(&self, known: &'k mut Known, now: Timestamp) -> Option<&'k mut ClientAssertion> {
        let offered = self.offered.as_ref().unwrap_or(&known.offered);
        let usable = |assertion: &&mut ClientAssertion| {
            offered.iter().any(|name| **name == *assertion.pin().name())
                && *assertion.scope() == self.account.scope
                && assertion.login_name == self.account.login_name
                && now < assertion.expires()
                && self.accounts.policy.takes(assertion.pin().binding())
                && assertion.pin().check_channel(&self.facts).is_ok()
                && !self.tried.contains(&Tried::Iky(*assertion.id()))
        };
        known.assertions.iter_mut().rev().find(usable)
    }

    /// Whether the client holds an assertion or a token of the account that hasn't ended.
    fn is_known(&self, now: Timestamp) -> bool {
        let all = self.accounts.known();
        all.get(&self.account).is_some_and(|known| {
            known.assertions.iter().any(|held| now < held.expires())
                || known.tokens.iter().any(|held| !held.doubted && now < held.expires())
        })
    }

    /// Whether an assertion was made or used on the connection that this one resumes.
    fn was_known(&self) -> bool {
        self.predecessor.as_ref().is_some_and(|before| before.family.is_some())
    }

    fn lists(&self, mechanism: &str) -> bool {
        let lists = |offered: &[Box<str>]| offered.iter().any(|name| **name == *mechanism);
        match &self.offered {
            Some(offered) => lists(offered),
            None => self.accounts.known().get(&self.account).is_some_and(|known| lists(&known.offered)),
        }
    }

    /// Takes what the protocol said of an attempt: whether it completed the login, the responder message if one came, and for
    /// a refusal the outcome that its codes mean.
    ///
    /// A login whose responder message is missing or wrong failed, also where the protocol says that it succeeded. A refusal
    /// that nobody signed deletes nothing.
    pub fn settle(&mut self, attempt: Attempt, outcome: Outcome, responder: Option<&[u8]>, now: Timestamp) -> Settled {
        match attempt.state {
            State::External(client) => match client.finish(outcome) {
                Err(next) => Settled::Failed(next),
                Ok(()) => {
                    self.successes += 1;
                    self.family = self.predecessor.as_ref().and_then(|before| before.family);
                    Settled::LoggedIn
                }
            },
            State::Iky(client) => self.settle_iky(*client, outcome, responder, now),
            State::Ht { client, .. } => self.settle_ht(*client, outcome, responder),
        }
    }

    /// The server set an attempt aside without judging it, because what it offers has changed (XEP-0509's
    /// `<config-version-mismatch/>`): the next plan goes by the new offer, and may make the same attempt again. Once, that is: a
    /// server that goes on like that is asked in another way.
    pub fn set_aside(&mut self, attempt: Attempt) {
        if core::mem::replace(&mut self.set_aside, true) {
            return;
        }
        let made = match attempt.state {
            State::External(_) => Tried::External,
            State::Iky(client) => Tried::Iky(*client.assertion().id()),
            State::Ht { client, .. } => Tried::Ht(client.token().token().clone()),
        };
        self.tried.retain(|tried| *tried != made);
    }

    /// Whoever answers here contradicts itself: nothing more is planned.
    #[cfg(any(feature = "rsasl", feature = "sasl"))]
    pub(crate) fn abandon(&mut self) {
        self.abandoned = true;
    }

    fn settle_iky(
        &mut self,
        client: iky::Client,
        outcome: Outcome,
        responder: Option<&[u8]>,
        now: Timestamp,
    ) -> Settled {
        let (id, family) = (*client.assertion().id(), *client.assertion().family());
        let result = client.finish(responder, outcome == Outcome::Accepted, now);
        let mut all = self.accounts.known();
        let known = all.entry(self.account.clone()).or_default();
        match result {
            Ok(answer) => {
                self.successes += 1;
                self.family = Some(family);
                known.worked(&id, answer, &self.accounts.policy, now);
                Settled::LoggedIn
            }
            Err(refused) => {
                if !refused.keeps_assertion() {
                    known.assertions.retain(|held| *held.id() != id);
                }
                // A protocol's own word that the server can't say now is as good as a message that says so.
                let refused = match refused {
                    iky::Refused::Unsigned(_) if outcome == Outcome::Unavailable => iky::Refused::Unsigned(outcome),
                    refused => refused,
                };
                let next = refused.next_step(&self.facts);
                self.abandoned |= next == NextStep::Abandon;
                let untried = |held: &ClientAssertion| !self.tried.contains(&Tried::Iky(*held.id()));
                let older = known.assertions.iter().any(untried);
                match next {
                    NextStep::FullLogin | NextStep::FullHandshake if older => Settled::Failed(NextStep::TryPredecessor),
                    next => Settled::Failed(next),
                }
            }
        }
    }

    /// After a full login: derives the assertion that the next connection will use, and those for the sibling services that
    /// the account's settings name. Returns whether there is one for this service.
    ///
    /// It takes the place of the account's earlier ones.
    ///
    /// # Errors
    /// [`CannotDerive`] when the exporter fails, or the login is of another name than the account's. The login itself stands.
    pub fn logged_in(
        &mut self,
        login: &FullLogin,
        exporter: &dyn Exporter,
        siblings: &[Sibling],
        now: Timestamp,
    ) -> Result<bool, CannotDerive> {
        let login = self.count(login)?;
        let policy = &self.accounts.policy;
        let refused = policy.lifetime_of(login.origin()).is_none() || self.facts.keys_are_private().is_err();
        if refused {
            return Ok(false);
        }
        for Sibling { scope, pin } in siblings.iter().filter(|sibling| policy.takes(sibling.pin.binding())) {
            let assertion = ClientAssertion::derive_for(*pin, scope, &login, &self.facts, exporter, policy, now)?;
            let account = Account { scope: scope.clone(), login_name: self.account.login_name.clone() };
            let mut all = self.accounts.known();
            let known = all.entry(account).or_default();
            known.offered.retain(|name| **name != *pin.name());
            known.offered.push(pin.name().into());
            // Beside one that works there: whether that server makes the client known too is its configuration.
            let first = known.assertions.first().map(|held| held.family);
            known.assertions.retain(|held| Some(held.family) == first);
            known.assertions.push(assertion);
        }
        let taken = |pin: &&Pin| policy.takes(pin.binding());
        let listed = |pin: &&Pin| taken(pin) && self.lists(pin.name()) && pin.check_channel(&self.facts).is_ok();
        let Some(&pin) = self.accounts.preferred.iter().find(listed) else { return Ok(false) };
        let service = &self.account.scope.service;
        let assertion = ClientAssertion::derive(pin, service, &login, &self.facts, exporter, policy, now)?;
        self.keep(assertion);
        Ok(true)
    }

    /// After a full login in which the server sent a *granted* assertion of these 32 octets.
    ///
    /// # Errors
    /// [`CannotDerive`] when the channel can't carry `pin`, or the policy refuses the origin. The login itself stands.
    pub fn logged_in_granted(
        &mut self,
        login: &FullLogin,
        pin: Pin,
        seed: &[u8; 32],
        now: Timestamp,
    ) -> Result<(), CannotDerive> {
        self.logged_in_granted_sealed(login, pin, seed, None, now)
    }

    /// The same, where the server sent its record of the assertion, sealed, beside it.
    ///
    /// # Errors
    /// As for [`logged_in_granted`](Self::logged_in_granted).
    pub fn logged_in_granted_sealed(
        &mut self,
        login: &FullLogin,
        pin: Pin,
        seed: &[u8; 32],
        sealed: Option<&str>,
        now: Timestamp,
    ) -> Result<(), CannotDerive> {
        let login = self.count(login)?;
        let (service, policy) = (&self.account.scope.service, &self.accounts.policy);
        let assertion = ClientAssertion::granted(pin, service, &login, &self.facts, seed, policy, now)?;
        // One that can't be read costs a full login, as the server did not store it.
        let sealed = sealed.and_then(|text| assertion.clone().sealed(text));
        self.keep(sealed.unwrap_or(assertion));
        Ok(())
    }

    /// Which login on this connection it is. What is kept for an account is of its name.
    fn count(&mut self, login: &FullLogin) -> Result<FullLogin, CannotDerive> {
        self.successes = self.successes.saturating_add(1);
        if *login.login_name() != *self.account.login_name {
            return Err(CannotDerive::OtherAccount);
        }
        Ok(login.clone().with_ordinal(self.successes))
    }

    fn keep(&mut self, assertion: ClientAssertion) {
        let assertion = match &self.offered {
            Some(offered) => assertion.offered(offered.iter().map(|name| &**name)),
            None => assertion,
        };
        self.family = Some(*assertion.family());
        self.accounts.known().entry(self.account.clone()).or_default().assertions = vec![assertion];
    }
}

/// An attempt with this assertion, which proves the lineage of the connection before if one of its family authenticated there.
pub(super) fn prove(
    assertion: &ClientAssertion,
    facts: &ChannelFacts,
    before: Option<&Predecessor>,
    counter: Option<u64>,
) -> Option<Attempt> {
    let lineage = before.filter(|before| before.family == Some(*assertion.family())).map(|before| &before.lineage);
    let iky::Start { message, state } = iky::Client::start(assertion, facts, lineage, counter).ok()?;
    let fallback = NextStep::after_refusal(facts.is_resumed());
    Some(Attempt { mechanism: assertion.pin().name(), message, fallback, state: State::Iky(Box::new(state)) })
}

impl Known {
    /// An assertion worked: what it succeeded is not needed any more, nor is another successor of the same one. A new successor
    /// is kept beside it until that has worked in its turn.
    fn worked(&mut self, id: &AssertionId, answer: iky::Known, policy: &Policy, now: Timestamp) {
        let Some(used) = self.assertions.iter_mut().find(|held| held.id() == id) else { return };
        // The server's word, and this end's own rules: the stricter one decides.
        let own = policy.expiry(used.origin, used.full_login, now).unwrap_or(now);
        let end = answer.expires.map_or(own, |expires| expires.min(own));
        if answer.successor.is_none() {
            used.expires = end;
        }
        let family = used.family;
        if let Some(parent) = used.renews.take() {
            self.assertions.retain(|held| *held.id() != parent && held.renews != Some(parent));
        }
        self.assertions.retain(|held| held.family == family);
        let Some(mut successor) = answer.successor else { return };
        successor.expires = end;
        let waiting = |held: &ClientAssertion| held.renews == Some(*id);
        if self.assertions.iter().filter(|held| waiting(held)).count() >= MAX_PENDING_SUCCESSORS {
            if let Some(oldest) = self.assertions.iter().position(waiting) {
                self.assertions.remove(oldest);
            }
        }
        self.assertions.push(successor);
    }
}
