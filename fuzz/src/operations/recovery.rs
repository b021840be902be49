//! After the faults: every client gets in, at worst by a full login; and behind that one it comes back without.

use fast_reauth::Timestamp;
use fast_reauth::assertion::LineageRule;
use fast_reauth::mechanism::{NextStep, Outcome};
use fast_reauth::store::client::{Plan, Settled};

use super::client::Kept;
use super::service::Fault;
use super::world::{CLIENTS, Way, World};
use crate::common::bound;

/// How a client got in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum In {
    Recognised,
    Fully,
}

impl World {
    /// `last` is the client that then logs in fully: one each time, as that takes as long as many operations. What went wrong is
    /// not undone: what was sent may still come again behind it.
    pub(super) fn recover(&mut self, last: usize) {
        (self.recovering, self.healed) = (true, self.healed + 1);
        // A login in the second of a revocation counts as one before it.
        self.now = Timestamp::from_secs(self.now.as_secs() + 1);
        for client in 0..CLIENTS {
            for sibling in [false, true] {
                if Kept::of(&self.clients[client]).has_something(sibling) || client == last {
                    let _ = self.get_in(client, true, sibling);
                }
            }
        }
        let client = last;
        let at = self.connect(client, Way::plain(false));
        assert!(self.log_in_fully(at, &bound(self.user(client)), false, false), "a full login is not remembered");
        assert_eq!(self.get_in(client, true, false), In::Recognised, "behind a full login, on its session");
        let needs_session = match self.setup.lineage {
            LineageRule::Never => false,
            LineageRule::ForReusableProofs => self.setup.pins.iter().any(|pin| pin.needs_counter()),
            LineageRule::Always => !self.setup.pins.is_empty(),
        };
        if !needs_session {
            assert_eq!(self.get_in(client, false, false), In::Recognised, "behind a full login, on another session");
            if !self.setup.pins.is_empty() {
                assert_eq!(
                    self.get_in(client, false, true),
                    In::Recognised,
                    "at the sibling, where it never logged in"
                );
            }
        }
        self.recovering = false;
    }

    /// The client does as it is told until it is in.
    fn get_in(&mut self, client: usize, mut resume: bool, sibling: bool) -> In {
        for _ in 0..4 {
            let at = self.connect(client, Way { sibling, ..Way::plain(resume) });
            match self.on_this_connection(at) {
                Some(how) => return how,
                None => resume = false,
            }
        }
        panic!("{} is stuck", self.user(client));
    }

    /// `None` where it has to connect again, with a full handshake.
    fn on_this_connection(&mut self, at: usize) -> Option<In> {
        for _ in 0..16 {
            let (open, now) = (&mut self.open[at], self.now);
            let attempt = match open.client.plan(now) {
                Plan::Known(attempt) => attempt,
                Plan::FullLogin => {
                    let _ = self.log_in_fully(at, &bound(self.user(self.open[at].owner)), false, false);
                    return Some(In::Fully);
                }
                Plan::FullHandshake => return None,
                Plan::Abandon => panic!("the server is the right one"),
            };
            let (mechanism, octets, owner) = (attempt.mechanism(), attempt.message().to_vec(), open.owner);
            let _ = self.sends(at, &attempt);
            let verdict = self.judge(at, mechanism, &octets, attempt.count(), owner, Fault::None);
            let open = &mut self.open[at];
            match open.client.settle(attempt, verdict.outcome, verdict.message.as_deref(), now) {
                Settled::LoggedIn => {
                    assert_eq!(verdict.outcome, Outcome::Accepted);
                    if let Some(token) = &verdict.token {
                        let _ = open.client.token_rotated(token.token.expose(), token.expires, now);
                    }
                    self.keep_session(at);
                    return Some(In::Recognised);
                }
                Settled::Failed(NextStep::TryPredecessor | NextStep::FullLogin) => {}
                Settled::Failed(NextStep::FullHandshake) => return None,
                Settled::Failed(next) => panic!("{next:?} after {:?}", verdict.outcome),
            }
        }
        panic!("a connection without end");
    }
}
