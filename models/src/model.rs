//! The life of a record, as a model: states are what the library's own objects hold, and every step is theirs.
//!
//! A state is the actions that led to it. It is made by doing them again, and is the same as another one if the store, the
//! clients, their connections and what is true of them are, octet by octet.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use stateright::{Model, Property};

use crate::action::{Action, At, Time, Whom};
use crate::flaw::Flaw;
use crate::rules::Broken;
use crate::setup::Setup;
use crate::tally::Tally;
use crate::world::{ATTACKER, Phase, Said, World};

/// How far the model goes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Actions, after those that lead to an initial state.
    pub depth: usize,
    pub clients: usize,
    /// Connections of one client that are open at once.
    pub parallel: usize,
    pub replays: usize,
    /// Revocations, restarts, forged refusals, and answers of the store that are lost.
    pub blows: usize,
    pub waits: usize,
}

pub struct RecordLife {
    pub setup: &'static Setup,
    pub flaw: Option<Flaw>,
    pub bounds: Bounds,
    pub tally: Arc<Tally>,
}

/// A state.
#[derive(Clone, Debug)]
pub struct Life {
    history: Vec<Action>,
    /// How many of those led to the initial state.
    given: usize,
    next: Vec<Action>,
    digest: [u8; 32],
    broken: Option<Broken>,
}

impl Life {
    /// What led to the initial state.
    pub fn given_actions(&self) -> &[Action] {
        &self.history[..self.given]
    }

    fn broke(&self, rule: Broken) -> bool {
        self.broken == Some(rule)
    }
}

impl PartialEq for Life {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Hash for Life {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.digest);
    }
}

impl RecordLife {
    fn life(&self, history: Vec<Action>, given: usize) -> Option<Life> {
        let silent = Tally::silent();
        let mut world = World::new(self.setup, self.flaw, self.bounds.clients);
        for (at, action) in history.iter().enumerate() {
            let is_last = at + 1 == history.len();
            world.step(*action, if is_last { &self.tally } else { &silent })?;
        }
        let spent = &history[given..];
        let next = if spent.len() < self.bounds.depth { self.next(&world, spent) } else { Vec::new() };
        let digest = world.digest(&spent_of(spent));
        let broken = world.truth.what_broke().or_else(|| world.recover());
        Some(Life { history, given, next, digest, broken })
    }

    /// What may happen next.
    fn next(&self, world: &World, spent: &[Action]) -> Vec<Action> {
        let Bounds { clients, parallel, replays, blows, waits, .. } = self.bounds;
        let [used_replays, used_blows, used_waits] = spent_of(spent);
        let mut next = Vec::new();
        for (&at, open) in &world.open {
            match &open.phase {
                Phase::Sent(_) => next.push(Action::Look(at)),
                Phase::Looked { .. } | Phase::Prepared { .. } => next.push(Action::Decide(at)),
                Phase::Answered { .. } | Phase::Welcomed { .. } => next.push(Action::Answer(at)),
            }
            match &open.phase {
                Phase::Looked { .. } if used_blows < blows => next.push(Action::DecideUnanswered(at)),
                Phase::Answered { said: Said::Client(_), .. } if used_blows < blows => next.push(Action::Refuse(at)),
                _ => {}
            }
            // A message that nobody acted on leaves nothing behind, whether its connection breaks or goes on waiting.
            if at.of != ATTACKER && matches!(&open.phase, Phase::Answered { .. } | Phase::Welcomed { .. }) {
                next.push(Action::Break(at));
            }
        }
        let open = |of| world.open.keys().filter(|at: &&At| at.of == of).count();
        for client in (0..clients).filter(|client| open(*client) < parallel) {
            for node in 0..2 {
                next.push(Action::Come { client, node, resume: false });
                if world.clients[client].session.is_some() {
                    next.push(Action::Come { client, node, resume: true });
                }
            }
        }
        if used_replays < replays {
            let seen = (0..).take_while(|which| world.truth.seen(*which).is_some());
            next.extend(seen.flat_map(|seen| [0, 1].map(|node| Action::Replay { seen, node })));
        }
        if used_blows < blows {
            next.extend((0..clients).flat_map(|client| {
                [Action::Revoke(Whom::Client(client)), Action::Revoke(Whom::Assertion(client)), Action::Restart(client)]
            }));
            next.extend([Action::Revoke(Whom::Account), Action::Revoke(Whom::Everyone)]);
        }
        if used_waits < waits {
            next.extend([Time::Second, Time::Grace].map(Action::Wait));
            // No connection lasts for weeks.
            next.extend(Some(Action::Wait(Time::Weeks)).filter(|_| world.open.is_empty()));
        }
        next
    }
}

/// What is bounded by itself: replays, blows and waits.
fn spent_of(history: &[Action]) -> [usize; 3] {
    let count = |kind: fn(&Action) -> bool| history.iter().filter(|action| kind(action)).count();
    [
        count(|action| matches!(action, Action::Replay { .. })),
        count(|action| {
            use Action::{DecideUnanswered, Refuse, Restart, Revoke};
            matches!(action, Revoke(_) | Restart(_) | Refuse(_) | DecideUnanswered(_))
        }),
        count(|action| matches!(action, Action::Wait(_))),
    ]
}

impl Flaw {
    /// In which service and how far from the start it is found, and by which rule.
    pub fn is_found(self) -> (&'static Setup, Broken, Bounds) {
        let all = Setup::all();
        let (expr, none) = (all[0], all[1]);
        let bounds = Bounds { depth: 4, clients: 1, parallel: 2, replays: 0, blows: 1, waits: 0 };
        match self {
            Self::NothingDurable => (none, Broken::AcceptedTwice, Bounds { replays: 1, blows: 0, ..bounds }),
            Self::RefusalIgnored => (expr, Broken::AcceptedRevoked, bounds),
            Self::CachedLookup => (expr, Broken::AcceptedRevoked, Bounds { depth: 6, ..bounds }),
            Self::NoGrace => (expr, Broken::FullLoginForNothing, bounds),
            Self::ConfirmedAtLookup => (expr, Broken::FailedAttemptChanged, bounds),
            Self::Credulous => (expr, Broken::UnsignedRefusal, bounds),
        }
    }
}

/// A whole connection of the first client, at the first node.
fn visit(number: usize) -> [Action; 4] {
    let at = At { of: 0, number };
    let come = Action::Come { client: 0, node: 0, resume: false };
    [come, Action::Look(at), Action::Decide(at), Action::Answer(at)]
}

impl Model for RecordLife {
    type State = Life;
    type Action = Action;

    /// A service that knows nobody; one that knows a client; that client when it came back once; and when its assertion is due for renewal.
    fn init_states(&self) -> Vec<Life> {
        let known = visit(0).to_vec();
        let used = [visit(0), visit(1)].concat();
        let due = [&used[..], &[Action::Wait(Time::Weeks)]].concat();
        let histories = [Vec::new(), known, used, due];
        histories.into_iter().filter_map(|history| self.life(history.clone(), history.len())).collect()
    }

    fn actions(&self, state: &Life, actions: &mut Vec<Action>) {
        actions.extend_from_slice(&state.next);
    }

    fn next_state(&self, last: &Life, action: Action) -> Option<Life> {
        let history = last.history.iter().copied().chain([action]).collect();
        self.life(history, last.given)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let rule = |broken: Broken, holds: fn(&Self, &Life) -> bool| Property::always(broken.rule(), holds);
        vec![
            rule(Broken::AcceptedRevoked, |_, life| !life.broke(Broken::AcceptedRevoked)),
            rule(Broken::AcceptedStranger, |_, life| !life.broke(Broken::AcceptedStranger)),
            rule(Broken::AcceptedElsewhere, |_, life| !life.broke(Broken::AcceptedElsewhere)),
            rule(Broken::AcceptedTwice, |_, life| !life.broke(Broken::AcceptedTwice)),
            rule(Broken::FailedAttemptChanged, |_, life| !life.broke(Broken::FailedAttemptChanged)),
            rule(Broken::EndsDisagree, |_, life| !life.broke(Broken::EndsDisagree)),
            rule(Broken::UnsignedRefusal, |_, life| !life.broke(Broken::UnsignedRefusal)),
            rule(Broken::Stuck, |_, life| !life.broke(Broken::Stuck)),
            rule(Broken::FullLoginForNothing, |_, life| !life.broke(Broken::FullLoginForNothing)),
        ]
    }
}
