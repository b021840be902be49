//! A client's tokens on one connection: which to ask for, which to use, and what comes of that.

use super::accounts::Known;
use super::connection::{Attempt, Connection, Settled, State, Tried};
use crate::assertion::{CannotKeep, ClientToken, FullLogin, HtMechanism};
use crate::mechanism::ht::{self, Pairs};
use crate::mechanism::{NextStep, Outcome};
use crate::time::Timestamp;

impl Connection<'_> {
    /// The mechanisms for tokens that the server lists here, in XMPP's `<fast/>`. Where the client has not seen them yet, what it saw
    /// last time stands.
    #[must_use]
    pub fn fast<'o>(mut self, mechanisms: impl IntoIterator<Item = &'o str>) -> Self {
        self.saw_fast(mechanisms);
        self
    }

    /// The same, once the client got to see them.
    pub fn saw_fast<'o>(&mut self, mechanisms: impl IntoIterator<Item = &'o str>) {
        let listed: Vec<Box<str>> = mechanisms.into_iter().map(Into::into).collect();
        self.accounts.known().entry(self.account.clone()).or_default().fast.clone_from(&listed);
        self.fast = Some(listed);
    }

    /// The mechanism to ask for a token for, with a full login; `None` where the server lists none that this client wants, or the
    /// channel can't carry it. The name is spelled as the server spelled it.
    pub fn wanted_token(&self) -> Option<(HtMechanism, &'static str)> {
        let all = self.accounts.known();
        let listed = self.fast.as_ref().or_else(|| all.get(&self.account).map(|known| &known.fast))?;
        let taken = |wanted: &&HtMechanism| self.accounts.policy.takes_token(wanted.binding());
        let carried = self.accounts.preferred_tokens.iter().filter(taken);
        let carried = carried.filter(|wanted| wanted.check_channel(&self.facts).is_ok());
        carried.copied().find_map(|wanted| Some((wanted, listed.iter().find_map(|name| wanted.spelling(name))?)))
    }

    /// After a full login with which the server sent the token that was asked for: see [`wanted_token`](Self::wanted_token). The
    /// account's earlier token is kept until this one worked.
    ///
    /// # Errors
    /// [`CannotKeep`]; the login itself stands.
    pub fn token_issued(
        &mut self,
        login: &FullLogin,
        mechanism: HtMechanism,
        text: &str,
        expires: Timestamp,
        now: Timestamp,
    ) -> Result<(), CannotKeep> {
        let (scope, authcid, policy) = (&self.account.scope, &self.account.login_name, &self.accounts.policy);
        if !policy.takes_token(mechanism.binding()) {
            return Err(CannotKeep::WeakBinding);
        }
        let token = ClientToken::issued(text, mechanism, scope, authcid, login.origin(), expires, policy, now)?;
        self.keep_token(token);
        Ok(())
    }

    /// After a login with a token whose success brought another one, which takes its place once it worked.
    ///
    /// # Errors
    /// [`CannotKeep`]; the login itself stands.
    pub fn token_rotated(&mut self, text: &str, expires: Timestamp, now: Timestamp) -> Result<(), CannotKeep> {
        let used = self.token.as_ref().ok_or(CannotKeep::NoLogin)?;
        let token = used.rotated(text, expires, &self.accounts.policy, now)?;
        self.keep_token(token);
        Ok(())
    }

    /// After a login with a token that asked the server to end it: forgets the account's tokens.
    pub fn token_invalidated(&mut self) {
        self.accounts.known().entry(self.account.clone()).or_default().tokens.clear();
    }

    pub(super) fn ht(&mut self, now: Timestamp) -> Option<Attempt> {
        let mut all = self.accounts.known();
        let (token, mechanism) = self.usable_token(all.get_mut(&self.account)?, now)?;
        let count = token.mechanism().is_replayable().then(|| token.next_count());
        let ht::Start { message, state } = ht::Client::start(token, &self.facts, &Pairs::none()).ok()?;
        let fallback = NextStep::after_refusal(self.facts.is_resumed());
        self.tried.push(Tried::Ht(token.token().clone()));
        Some(Attempt { mechanism, message, fallback, state: State::Ht { client: Box::new(state), count } })
    }

    /// The newest token that can be used here and now, and how the server spells its mechanism.
    pub(super) fn usable_token<'k>(
        &self,
        known: &'k mut Known,
        now: Timestamp,
    ) -> Option<(&'k mut ClientToken, &'static str)> {
        let Known { tokens, fast, .. } = known;
        let listed = self.fast.as_ref().unwrap_or(fast);
        let spelling = |mechanism: HtMechanism| listed.iter().find_map(|name| mechanism.spelling(name));
        let usable = |held: &&mut ClientToken| {
            !held.doubted
                && *held.scope() == self.account.scope
                && now < held.expires()
                && self.accounts.policy.takes_token(held.mechanism().binding())
                && held.mechanism().check_channel(&self.facts).is_ok()
                && !self.tried_token(held)
        };
        let all = tokens.iter_mut().rev().filter(usable);
        all.filter_map(|held| spelling(held.mechanism()).map(|name| (held, name))).next()
    }

    pub(super) fn settle_ht(&mut self, client: ht::Client, outcome: Outcome, responder: Option<&[u8]>) -> Settled {
        let used = client.token().clone();
        let result = client.finish(responder, outcome == Outcome::Accepted);
        let mut all = self.accounts.known();
        let tokens = &mut all.entry(self.account.clone()).or_default().tokens;
        let at = tokens.iter().position(|held| held.token() == used.token());
        match result {
            Ok(ht::Known { .. }) => {
                self.successes += 1;
                // What it takes the place of has ended at the server.
                tokens.drain(..at.unwrap_or(0));
                self.token = Some(used);
                Settled::LoggedIn
            }
            Err(refused) => {
                if let Some(at) = at.filter(|_| !refused.keeps_token(outcome, &self.facts)) {
                    tokens.remove(at);
                }
                let next = refused.next_step(outcome, &self.facts);
                self.abandoned |= next == NextStep::Abandon;
                // This connection is over. The next one doesn't depend on what this server can't do, although it has the certificate.
                if let Some(token) =
                    at.filter(|_| self.abandoned && !self.facts.is_resumed()).and_then(|at| tokens.get_mut(at))
                {
                    token.doubted = true;
                }
                let older = tokens.iter().any(|held| !self.tried_token(held));
                match next {
                    NextStep::FullLogin | NextStep::FullHandshake if older => Settled::Failed(NextStep::TryPredecessor),
                    next => Settled::Failed(next),
                }
            }
        }
    }

    fn keep_token(&mut self, token: ClientToken) {
        let mut all = self.accounts.known();
        let tokens = &mut all.entry(self.account.clone()).or_default().tokens;
        tokens.retain(|held| held.token() != token.token());
        tokens.truncate(1);
        tokens.push(token);
    }

    fn tried_token(&self, held: &ClientToken) -> bool {
        self.tried.iter().any(|tried| matches!(tried, Tried::Ht(token) if token == held.token()))
    }
}
