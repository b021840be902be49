//! The store in memory and the one in Valkey, asked the same: whatever clients and users do, they answer alike.

use fast_reauth::Timestamp;
use fast_reauth::assertion::{Binding, DeviceId, Hash, Pin, Policy, Scope, Service};
use fast_reauth::channel::ServerName;
use fast_reauth::mechanism::{Connection, Login, Server as Site, Sibling};
use fast_reauth::store::client::{Accounts, Plan, Predecessor};
use fast_reauth::store::redis::RedisStore;
use fast_reauth::store::{Capacity, Commit, Committed, Device, Found, Lookup, MemoryStore, Revoke, Store, Unavailable};

use super::common::{DAY, NAME, START, Tls, account, bound, fresh, server_with};
use super::server::{FORGETFUL, Server};

#[derive(Debug)]
struct Both {
    memory: MemoryStore,
    valkey: RedisStore,
}

/// Without what is over, which a store may keep or not.
fn good(found: Found, now: Timestamp) -> Found {
    Found {
        record: found.record.into_option().filter(|record| now < record.expires()).into(),
        lineage: found.lineage.filter(|lineage| now < lineage.expires()),
        token: found.token.into_option().filter(|token| now < token.expires()).into(),
        account: found.account,
    }
}

impl Store for Both {
    fn lookup(&self, lookup: &Lookup, now: Timestamp) -> Result<Found, Unavailable> {
        let found = [self.memory.lookup(lookup, now)?, self.valkey.lookup(lookup, now)?].map(|found| good(found, now));
        assert_eq!(found[0], found[1], "{lookup:?}");
        Ok(found[1].clone())
    }

    fn commit(&self, commit: &Commit, now: Timestamp) -> Result<Committed, Unavailable> {
        let committed = [self.memory.commit(commit, now)?, self.valkey.commit(commit, now)?];
        assert_eq!(committed[0], committed[1], "{commit:?}");
        Ok(committed[1])
    }

    fn devices(&self, identity: &str, scope: Option<&Scope>, now: Timestamp) -> Result<Vec<Device>, Unavailable> {
        let devices = [self.memory.devices(identity, scope, now)?, self.valkey.devices(identity, scope, now)?];
        assert_eq!(devices[0], devices[1], "{identity}");
        Ok(devices[1].clone())
    }

    fn revoke(&self, identity: &str, which: Revoke, now: Timestamp) -> Result<usize, Unavailable> {
        let counts = [self.memory.revoke(identity, which, now)?, self.valkey.revoke(identity, which, now)?];
        assert_eq!(counts[0], counts[1], "{identity} {which:?}");
        Ok(counts[1])
    }

    fn revoke_everyone(&self, now: Timestamp) -> Result<(), Unavailable> {
        self.memory.revoke_everyone(now)?;
        self.valkey.revoke_everyone(now)
    }
}

/// A user's installation, with its own memory of assertions and sessions.
struct Installation {
    user: &'static str,
    accounts: Accounts,
    /// Its last connection, and when that was.
    last: Option<(Tls, Timestamp)>,
    device: Option<DeviceId>,
    offered: Vec<String>,
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }
}

fn connection<'s>(site: &'s Site, both: &Both, tls: &Tls, now: Timestamp) -> Connection<'s> {
    let connection = Connection::new(site, tls.server());
    let lineage = connection.lookup().and_then(|lookup| both.lookup(&lookup, now).unwrap().lineage);
    connection.resumes(lineage)
}

fn step(random: &mut Random, site: &Site, both: &Both, of: &mut Installation, now: Timestamp) {
    // No ticket lives for longer. What a store knows of a session that is over is its own affair.
    of.last.take_if(|(_, at)| at.seconds_until(now) > 6 * DAY);
    let tls = match &of.last {
        Some((before, _)) if random.below(2) == 0 => Tls::resuming(before),
        _ => Tls::full(),
    };
    let mut server = connection(site, both, &tls, now);
    let mut client = of.accounts.connect(&account(of.user), tls.client());
    let before = of.last.as_ref().map(|(before, _)| before).filter(|before| tls.resumed == Some(before.handle));
    let family = of.accounts.assertions(&account(of.user)).first().map(|held| *held.family());
    client = client.resumes(before.map(|before| Predecessor { lineage: before.lineage(), family }));
    if random.below(4) == 0 && !of.offered.is_empty() {
        // Another pin than the one that the client used before.
        of.offered.rotate_left(1);
    }
    client = client.offered(of.offered.iter().map(String::as_str));
    if let (Plan::Known(attempt), true) = (client.plan(now), random.below(6) > 0) {
        let verdict = server.receive(attempt.mechanism(), attempt.message()).unwrap().run(both, now);
        if random.below(5) == 0 {
            // Twice.
            let _ = server.receive(attempt.mechanism(), attempt.message()).unwrap().run(both, now);
        }
        if let Some(link) = verdict.recognised.as_ref().and_then(|client| server.recognised(client, now)) {
            both.commit(&link, now).unwrap();
            of.last = Some((tls, now));
        }
        // Some replies are lost.
        if random.below(5) > 0 {
            let _ = client.settle(attempt, verdict.outcome, verdict.message.as_deref(), now);
        }
        return;
    }
    let device = DeviceId::new(fresh());
    let login = Login { full: &bound(of.user), identity: of.user, device, now };
    let made = server.logged_in(login, &tls.exporter());
    if both.commit(&made.commit, now) == Ok(Committed::Done) {
        of.device = Some(device);
        let offered = server.mechanisms(now);
        of.offered = offered.iter().map(|&name| name.to_owned()).collect();
        let mut client = of.accounts.connect(&account(of.user), tls.client()).offered(offered);
        let _ = client.logged_in(&bound(of.user), &tls.exporter(), &[], now);
        of.last = Some((tls, now));
        if random.below(4) == 0 {
            assert_eq!(both.commit(&made.commit, now), Ok(Committed::Done));
        }
    }
}

#[test]
fn both_stores_answer_alike() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    for seed in 0..12 {
        let mut random = Random(seed);
        let (devices_per_account, lineages_per_device) = if seed % 2 == 0 { (64, 32) } else { (3, 2) };
        let capacity = Capacity { devices_per_account, lineages_per_device, ..Capacity::default() };
        let settings = server.settings(&format!("seed{seed}"));
        let settings = settings.devices_per_account(devices_per_account).lineages_per_device(lineages_per_device);
        let both = Both { memory: MemoryStore::new(capacity), valkey: RedisStore::new(settings).unwrap() };
        let mut policy = Policy::default();
        policy.lineage = fast_reauth::assertion::LineageRule::Never;
        let smtp = Scope::new(Service::SMTP, ServerName::parse(NAME).unwrap());
        let pins = [Pin::SHA_256_EXPR, Pin::SHA_256_NONE, Pin::mac(Hash::Sha512, Binding::Exporter)];
        let site = server_with(&pins).policy(policy).sibling(Sibling { scope: smtp.clone(), pin: Pin::SHA_256_NONE });
        let users = ["alice", "alice", "alice", "alice", "bob", "carol"];
        let new = |user| Installation {
            user,
            accounts: Accounts::new(Policy::default()),
            last: None,
            device: None,
            offered: Vec::new(),
        };
        let mut all: Vec<_> = users.into_iter().map(new).collect();
        let mut now = START;
        for _ in 0..250 {
            now = Timestamp::from_secs(
                now.as_secs() + 1 + [10, 4000, 300_000][random.below(3) as usize] * random.below(3),
            );
            let of = random.below(6) as usize;
            match random.below(30) {
                0 => drop(both.revoke(users[of], Revoke::All, now)),
                1 => {
                    let device = all[of].device.unwrap_or(DeviceId::new([9; 8]));
                    let which = [Revoke::Device(device), Revoke::AllBut(device)][random.below(2) as usize];
                    both.revoke(users[of], which, now).unwrap();
                }
                2 if random.below(4) == 0 => both.revoke_everyone(now).unwrap(),
                3 => {
                    // Two users of one session.
                    let other = random.below(6) as usize;
                    all[of].last = all[other].last.clone();
                }
                _ => step(&mut random, &site, &both, &mut all[of], now),
            }
            for user in ["alice", "bob", "carol"] {
                both.devices(user, [None, Some(&smtp)][random.below(2) as usize], now).unwrap();
            }
        }
    }
}
