//! From any state: nothing goes wrong any more, and every client gets in.

use fast_reauth::Timestamp;
use fast_reauth::assertion::{ClientAssertion, Policy};
use fast_reauth::mechanism::NextStep;
use fast_reauth::store::Store;
use fast_reauth::store::client::{Plan, Settled};

use crate::action::At;
use crate::common::account;
use crate::flaw::View;
use crate::rules::{Broken, Message};
use crate::tally::Tally;
use crate::world::{USER, World, received};

/// How a client got in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum In {
    Known,
    Fully,
}

impl World {
    /// Lets every client come back, each at both nodes in turn. Whom nothing ended must not have to log in fully; who has to can, and is known then.
    pub fn recover(&mut self) -> Option<Broken> {
        self.open.clear();
        // A login in the second of a revocation counts as one before it.
        self.now = Timestamp::from_secs(self.now.as_secs() + 1);
        for client in 0..self.clients.len() {
            let goes_on = self.goes_on(client);
            match self.get_in(client, client % 2) {
                None => return Some(Broken::Stuck),
                Some(In::Fully) if goes_on => return Some(Broken::FullLoginForNothing),
                Some(_) => {}
            }
            if self.get_in(client, (client + 1) % 2) != Some(In::Known) {
                return Some(Broken::FullLoginForNothing);
            }
        }
        self.truth.what_broke()
    }

    /// Whether it holds something that nobody ended, and that has not ended by itself.
    fn goes_on(&self, client: usize) -> bool {
        let this = &self.clients[client];
        let unused = Policy::default().tentative_lifetime;
        // What is behind the first has not worked yet, and the service does not wait for that as long as it lasts.
        let lasts = |(at, held): (usize, &ClientAssertion)| {
            self.now < held.expires() && (at == 0 || self.now < held.issued().after(unused))
        };
        let holds = this.accounts.assertions(&account(USER)).iter().enumerate().any(lasts)
            || this.accounts.tokens(&account(USER)).iter().any(|held| self.now < held.expires());
        holds && this.login.is_some_and(|device| !self.truth.is_revoked(&device))
    }

    fn get_in(&mut self, client: usize, node: usize) -> Option<In> {
        (0..4).find_map(|_| {
            let before = self.clients[client].session.clone();
            let at = self.connect(client, node, before.as_ref());
            let how = self.on_this_connection(at);
            if how.is_none() {
                self.clients[client].session = None;
            }
            how
        })
    }

    fn on_this_connection(&mut self, at: At) -> Option<In> {
        for _ in 0..8 {
            let now = self.now;
            let open = self.open.get_mut(&at)?;
            let attempt = match open.client.as_mut()?.plan(now) {
                Plan::Known(attempt) => attempt,
                Plan::FullLogin => {
                    self.look(at, &Tally::silent())?;
                    self.decide(at, true, &Tally::silent())?;
                    self.answer(at, &Tally::silent())?;
                    return Some(In::Fully);
                }
                Plan::FullHandshake | Plan::Abandon => return None,
            };
            let octets = attempt.message().to_vec();
            let message = Message { mechanism: attempt.mechanism(), octets, count: attempt.count() };
            let view = View { shared: &self.shared, node: open.node, flaw: self.flaw };
            self.truth.sent(&message, at.of, open.tls.secret);
            let verdict = received(&open.server, self.setup, &message, at).run(&view, now);
            if let Some(client) = &verdict.recognised {
                self.truth.accepted(client, &message, &open.tls, &self.truth.revoked().clone(), at.of);
                if let Some(link) = open.server.recognised(client, now) {
                    view.commit(&link, now).ok()?;
                }
            }
            let connection = open.client.as_mut()?;
            match connection.settle(attempt, verdict.outcome, verdict.message.as_deref(), now) {
                Settled::LoggedIn => {
                    if let Some(token) = &verdict.token {
                        let _ = connection.token_rotated(token.token.expose(), token.expires, now);
                    }
                    self.keep_session(at)?;
                    return Some(In::Known);
                }
                Settled::Failed(NextStep::TryPredecessor | NextStep::FullLogin) => {}
                Settled::Failed(_) => return None,
            }
        }
        None
    }
}
