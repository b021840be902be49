//! The store's inside: that counts and index agree with the accounts whatever happens, and that packing changes
//! nothing.

mod rules;

use core::time::Duration;
use std::sync::Arc;

use super::*;
use crate::assertion::{
    AccountSecret, BindingType, DeviceId, FullLogin, HtMechanism, LineageRecord, LoginId, Origin, Owner, Pin, Policy,
    Record, Salt, Service, ServiceKeys, TokenId, TokenRecord, TokenSlot,
};
use crate::channel::{Handle, Lineage, ServerName};
use crate::store::memory::account::Account;
use crate::store::memory::pack::Packed;

const DAY: u64 = 24 * 60 * 60;
const START: Timestamp = Timestamp::from_secs(1_790_000_000);

fn later(seconds: u64) -> Timestamp {
    Timestamp::from_secs(START.as_secs() + seconds)
}

fn scope(name: &str) -> Scope {
    Scope::new(Service::IMAP, ServerName::parse(name).unwrap())
}

fn device(number: u64) -> DeviceId {
    DeviceId::new(number.to_be_bytes())
}

fn record(identity: &str, number: u64, pin: Pin, seed: u8, now: Timestamp) -> Record {
    let policy = Policy::default();
    let full = FullLogin::new("SCRAM-SHA-256-PLUS", "login").unwrap().bound_by(BindingType::Exporter);
    let owner = Owner { identity, device: device(number), policy: &policy, now };
    Record::grant(pin, &scope("a.example"), &full, &[seed; 32], &owner).unwrap()
}

fn lineage(identity: &str, number: u64, now: Timestamp) -> LineageRecord {
    LineageRecord {
        identity: identity.into(),
        login_name: "login".into(),
        scope: scope("a.example"),
        device: device(number),
        origin: Origin::Bound,
        full_login: now,
        strength: Origin::Disclosed,
        lineage: Some(Lineage::new([5; 32])),
        expires: now.after(Duration::from_secs(7 * DAY)),
        shared: false,
        revoked: false,
    }
}

fn token(identity: &str, number: u64, id: u8, now: Timestamp) -> TokenRecord {
    let slot = TokenSlot {
        salt: Salt::new([number as u8; 32]),
        key: ServiceKeys::new(1, &[1; 32]).current_id(),
        mechanism: HtMechanism::HT_SHA_256_EXPR,
        origin: Origin::Bound,
        full_login: now,
        expires: now.after(Duration::from_secs(30 * DAY)),
    };
    let id = TokenId::from_octets([id; 16]);
    let (identity, authcid) = (Arc::from(identity), Arc::from("login"));
    TokenRecord {
        id,
        identity,
        authcid,
        scope: scope("b.example"),
        device: device(number),
        current: None,
        new: Some(slot),
        revoked: false,
    }
}

fn link(identity: &str, number: u64, handle: u8, predecessor: Option<u8>, now: Timestamp) -> Link {
    let handle_of = |octet| Handle::new([octet; 16]);
    let lineage = lineage(identity, number, now);
    Link { handle: handle_of(handle), lineage, predecessor: predecessor.map(handle_of), sealed: handle % 2 == 0 }
}

fn secret(identity: &str, octet: u8, login: u8, until: Timestamp) -> NewSecret {
    let (login, secret) = (LoginId::from_octets([login; 16]), AccountSecret::new([octet; 16]));
    let (device, full_login) = (DeviceId::new([7; 8]), Timestamp::from_secs(1));
    NewSecret { login, identity: identity.into(), secret, found: false, device, full_login, until }
}

fn small() -> Capacity {
    Capacity { records: 12, lineages: 10, devices_per_account: 3, lineages_per_device: 3 }
}

impl MemoryStore {
    fn must_agree(&self) {
        let (mut records, mut secrets, mut lineages, mut bare, mut names) = (0, 0, 0, 0, 0);
        self.read_all(|account| {
            let room = account.room();
            (records, lineages) = (records + room.0, lineages + room.1);
            secrets += usize::from(account.secret.is_some());
            bare += usize::from(account.is_bare());
            names += account.names().len();
            let (mut packed, mut once_more) = (Packed::default(), Packed::default());
            packed.fill(account, &self.scopes);
            let again = unpack::account(&packed, &self.scopes).expect("it was packed");
            let digest = |account: &Account| hash(Hash::Sha256, |context| account.feed(context));
            assert!(digest(account) == digest(&again) && *account.identity == *again.identity);
            once_more.fill(&again, &self.scopes);
            assert!(once_more.head() == packed.head() && once_more.tail() == packed.tail());
        });
        assert_eq!((self.counts.records.get(), self.counts.lineages.get()), (records, lineages));
        assert_eq!((self.counts.secrets.get(), self.counts.bare.get()), (secrets, bare));
        assert_eq!(self.index.len(), names);
        assert!(
            records <= self.capacity.records && lineages <= self.capacity.lineages && bare <= self.capacity.records
        );
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let mut due = false;
        self.read_all(|account| due |= account.ends().is_none_or(|end| end <= now));
        due
    }

    fn is_empty_inside(&self) -> bool {
        let mut accounts = 0;
        self.read_all(|_| accounts += 1);
        accounts == 0 && self.is_empty() && self.index.len() == 0 && self.counts.bare.get() == 0
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % end
    }
}

const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "eve"];

fn anything(random: &mut Random, now: Timestamp) -> Commit {
    let identity = NAMES[random.below(5) as usize];
    let number = random.below(5);
    let octet = random.below(24) as u8;
    let pins = [Pin::SHA_256_EXPR, Pin::ED25519_EXPR, Pin::ALL[1]];
    // A record's id comes from its seed, so the same ones come again, at any account.
    let mut some = || record(identity, number, pins[random.below(3) as usize], random.below(24) as u8, now);
    let (one, two) = (some(), some());
    let sealed = random.below(4) == 0;
    let new_secret =
        secret(identity, random.below(2) as u8, random.below(6) as u8, now.after(Duration::from_secs(DAY)));
    let link = link(identity, number, octet, (octet % 3 == 0).then_some(octet / 2), now);
    match random.below(6) {
        0 | 1 => Commit::Remember(Remember {
            records: [one, two].into_iter().take(random.below(3) as usize).collect(),
            token: (random.below(2) == 0).then(|| Box::new(token(identity, number, octet % 8, now))),
            link: (random.below(2) == 0).then_some(link),
            secret: sealed.then_some(new_secret),
        }),
        2 => {
            let mut successor = two;
            (successor.renews, successor.device) = (Some(one.id), device(number));
            Commit::Use(Use {
                assertion: one.id,
                counter: (random.below(2) == 0).then(|| 1 + random.below(100)),
                confirm: true,
                predecessor_until: now.after(Duration::from_secs(300)),
                successor: (random.below(2) == 0).then(|| Box::new(successor)),
                ends: (random.below(5) == 0).then(|| now.after(Duration::from_secs(60))),
                secret: sealed.then_some(new_secret),
            })
        }
        3 => Commit::Token(TokenUse {
            token: TokenId::from_octets([octet % 8; 16]),
            salt: Salt::new([number as u8; 32]),
            count: Some(random.below(100)),
            invalidate: random.below(8) == 0,
            issue: None,
        }),
        4 => Commit::Secret(new_secret),
        _ => Commit::Link(link),
    }
}

/// Everything at random, in a store that is mostly full: the counts and the index agree with the accounts after each
/// step, and when all has expired there is nothing left.
#[test]
fn counts_and_index_agree_with_the_accounts() {
    for seed in 0..4 {
        let (store, mut random, mut time) = (MemoryStore::new(small()), Random(seed), 0);
        for step in 0..600 {
            time += random.below(4) * random.below(DAY / 8);
            let (now, identity) = (later(time), NAMES[random.below(5) as usize]);
            match random.below(40) {
                0 => _ = store.revoke(identity, Revoke::Device(device(random.below(5))), now),
                1 => _ = store.revoke(identity, Revoke::All, now),
                2 => _ = store.revoke(&format!("{identity}{step}"), Revoke::AllBut(device(random.below(5))), now),
                3 if random.below(10) == 0 => store.revoke_everyone(now).unwrap(),
                4 => store.sweep(now),
                5 => store.sweep_step(now),
                _ => {
                    let commit = anything(&mut random, now);
                    // A full store forgets what expired, whatever comes of the commit.
                    if random.below(2) == 0 {
                        store.sweep(now);
                    }
                    let (before, swept) = (store.fingerprint(), !store.is_due(now));
                    let committed = store.commit(&commit, now).unwrap();
                    // What was refused changed nothing, but sessions that turn out to be shared.
                    let links = matches!(&commit, Commit::Link(_) | Commit::Remember(_));
                    assert!(committed.is_durable() || links || !swept || store.fingerprint() == before, "{commit:?}");
                }
            }
            store.must_agree();
        }
        store.sweep(later(time + 400 * DAY));
        assert!(store.is_empty_inside());
    }
}

/// The same with many threads: nothing is lost in between.
#[test]
fn counts_and_index_agree_after_many_threads() {
    let store = MemoryStore::new(small());
    std::thread::scope(|threads| {
        for seed in 0..4 {
            let store = &store;
            threads.spawn(move || {
                let mut random = Random(100 + seed);
                for step in 0..1_000 {
                    let now = later(step * 60);
                    store.commit(&anything(&mut random, now), now).unwrap();
                    if random.below(50) == 0 {
                        store.revoke(NAMES[random.below(5) as usize], Revoke::All, now).unwrap();
                        store.sweep_step(now);
                    }
                }
            });
        }
    });
    store.must_agree();
    store.sweep(later(400 * DAY));
    assert!(store.is_empty_inside());
}
