//! A service and its clients over a long time, with everything that goes wrong: octets are operations, four each, after two that
//! configure the service. After each one the rules of [`oracle`] hold; where everything heals, and in the end, every client gets in again ([`recovery`]).

mod attack;
mod client;
mod early;
mod oracle;
mod recovery;
mod service;
mod world;

use crate::common::start_over;
use crate::input::split;
use early::Early;
use world::{CLIENTS, Reply, Way, World};

/// Operations of one run; what is behind them is not looked at.
const MOST: usize = 64;

/// Runs the operations that these octets say.
pub fn run(data: &[u8]) {
    let Some(([kind, more], operations)) = split(data) else { return };
    start_over();
    let mut world = World::new(service::Setup::of(kind, more), more & 32 != 0);
    for operation in operations.chunks_exact(4).take(MOST) {
        if let &[what, a, b, c] = operation {
            step(&mut world, what, [a, b, c].map(usize::from));
        }
    }
    world.recover(usize::from(more >> 6));
}

/// What is left of the octets when each operation has its 14: everything heals.
const HEALS: u8 = 18 * 14;

/// So often in a run, for it takes as long as the other operations together.
const HEALINGS: usize = 3;

fn step(world: &mut World, what: u8, [a, b, c]: [usize; 3]) {
    if what >= HEALS {
        if world.healed < HEALINGS {
            world.recover(a % CLIENTS);
        }
        return;
    }
    match what % 18 {
        0 => _ = world.connect(a % CLIENTS, Way::of(b)),
        1 => world.plan(a),
        2 => world.deliver(a, b),
        3 => world.reply(a, Reply::of(b), c),
        4 => world.full_login(a, b, c % 4 == 0),
        5 => world.attack(a, b, c),
        6 => world.attack_external(a, b),
        7 => world.wait(a),
        8 => world.revoke(a % CLIENTS, b),
        9 => world.backup_or_restore(a),
        10 => world.restart_client(a % CLIENTS, b),
        11 => world.reconfigure(a),
        12 => world.sweep(),
        13 => world.whole_reconnect(a % CLIENTS, b & 1 == 0, b & 2 != 0),
        14 => world.whole_login(a % CLIENTS, b),
        15 => world.deliver_again(a),
        16 => world.finish_handshake(a, Early::of(b), c),
        _ => world.replay_early(a, b),
    }
}
