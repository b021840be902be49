//! The service: its configurations, and its store, which fails, is lost, and comes back from a backup.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use fast_reauth::Timestamp;
use fast_reauth::assertion::{
    Binding, Hash, HtMechanism, LineageRule, Pin, Policy, Scope, Service as Name, ServiceKeys,
};
use fast_reauth::channel::ServerName;
use fast_reauth::internal::{fingerprint, small_store};
use fast_reauth::mechanism::{Server, Sibling};
use fast_reauth::store::{Commit, Committed, Device, Found, Lookup, MemoryStore, Revoke, Store, Unavailable};

use crate::common::{FULL, NAME};

/// What a service offers.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) pins: Vec<Pin>,
    pub(super) tokens: Option<HtMechanism>,
    pub(super) sealed: bool,
    external: bool,
    pub(super) early: bool,
    pub(super) lineage: LineageRule,
    /// Each generation of keys, with each of two offers: IMAP's, then those of SMTP, its sibling.
    servers: [Vec<Server>; 2],
}

/// Each is made once: a configuration costs more than a run.
static SETUPS: LazyLock<Vec<Setup>> = LazyLock::new(|| {
    let lineages = [LineageRule::Never, LineageRule::ForReusableProofs, LineageRule::Always];
    let more = lineages.into_iter().flat_map(|lineage| [false, true].map(|external| (lineage, external)));
    let more = more.flat_map(|(lineage, external)| [false, true].map(|early| (lineage, external, early)));
    let all = (0..KINDS).flat_map(|kind| more.clone().map(move |more| (kind, more)));
    all.map(|(kind, (lineage, external, early))| Setup::new(kind, lineage, external, early)).collect()
});

const KINDS: u8 = 10;

impl Setup {
    pub(super) fn of(kind: u8, more: u8) -> &'static Self {
        let at = (usize::from(kind % KINDS) * 3 + usize::from(more) % 3) * 2 + usize::from(more & 16 == 0);
        &SETUPS[at * 2 + usize::from(more & 8 != 0)]
    }

    /// Whether its mechanisms are those of TLS 1.2.
    pub(super) fn needs_tls12(&self) -> bool {
        self.tokens == Some(HtMechanism::HT_SHA_256_UNIQ)
    }

    /// Its configurations at the service itself, or at its sibling.
    pub(super) fn servers(&self, sibling: bool) -> &[Server] {
        &self.servers[usize::from(sibling)]
    }

    /// What a full login at the service makes known at the sibling.
    pub(super) fn siblings(&self) -> Vec<Sibling> {
        let name = ServerName::parse(NAME).expect("a name");
        let there = |pin| Sibling { scope: Scope::new(Name::SMTP, name.clone()), pin };
        self.pins.first().copied().map(there).into_iter().collect()
    }

    fn new(kind: u8, lineage: LineageRule, external: bool, early: bool) -> Self {
        let endp = Pin::mac(Hash::Sha256, Binding::EndPoint);
        let (pins, tokens, sealed) = match kind {
            0 => (vec![Pin::SHA_256_EXPR], None, false),
            1 => (vec![Pin::SHA_256_EXPR], None, true),
            2 => (vec![Pin::SHA_256_NONE], None, false),
            3 => (vec![endp], None, false),
            4 => (vec![Pin::ED25519_EXPR], None, false),
            5 => (vec![Pin::SHA_256_EXPR, Pin::SHA_256_NONE], None, false),
            6 => (vec![], Some(HtMechanism::HT_SHA_256_EXPR), false),
            7 => (vec![], Some(HtMechanism::HT_SHA_256_NONE), false),
            8 => (vec![], Some(HtMechanism::HT_SHA_256_UNIQ), false),
            _ => (vec![Pin::ED25519_EXPR], HtMechanism::from_name("HT2-SHA-256-EXPR"), true),
        };
        let mut setup = Self { pins, tokens, sealed, external, early, lineage, servers: [Vec::new(), Vec::new()] };
        setup.servers = [false, true].map(|sibling| setup.all_servers(sibling));
        setup
    }

    fn all_servers(&self, sibling: bool) -> Vec<Server> {
        let both = ServiceKeys::new(1, &[0x11; 32]).and(2, &[0x22; 32]).expect("two ids");
        let second = both.clone().current(2).expect("it is there");
        let keys = [ServiceKeys::new(1, &[0x11; 32]), second.clone(), second.without(1)];
        keys.iter().flat_map(|keys| [false, true].map(|other| self.server(sibling, keys, other))).collect()
    }

    fn server(&self, sibling: bool, keys: &ServiceKeys, other_offer: bool) -> Server {
        let mut policy = Policy::default();
        policy.lineage = self.lineage;
        let name = ServerName::parse(NAME).expect("a name");
        // One mechanism less is another offer, which a client has to log in to fully.
        let full = if other_offer { &FULL[..1] } else { &FULL[..] };
        let service = if sibling { Name::SMTP } else { Name::IMAP };
        let server = Server::new(service, [name], full.iter().copied()).expect("it has a name");
        let mut server = server.pins(self.pins.iter().copied()).policy(policy);
        if !sibling {
            server = self.siblings().into_iter().fold(server, Server::sibling);
        }
        if self.early {
            server = server.early_data();
        }
        if self.sealed {
            server = server.sealed(keys.clone());
        }
        if !self.external {
            server = server.without_external();
        }
        if let Some(mechanism) = self.tokens {
            server = server.fast([mechanism], keys.clone());
        }
        server
    }
}

/// What goes wrong in the store during one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// It does not answer a lookup.
    Lookup,
    /// It does not answer a commit, and did not apply it.
    Commit,
    /// It applied the commit, and the answer is lost.
    Answer,
    /// Between the two, everything of this account is revoked.
    Revoked(&'static str),
}

#[derive(Clone, Debug)]
enum Change {
    Commit(Box<Commit>),
    Revoke(String, Revoke),
    Everyone,
}

/// The service's store, and all that was ever done to it.
#[derive(Debug)]
pub(super) struct Service {
    store: MemoryStore,
    log: Mutex<Vec<(Change, Timestamp)>>,
    fault: Mutex<Fault>,
    /// Whether the fault of the last attempt came to pass.
    struck: Mutex<bool>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service {
    pub(super) fn new() -> Self {
        let (log, fault) = (Mutex::new(Vec::new()), Mutex::new(Fault::None));
        Self { store: small_store(), log, fault, struck: Mutex::new(false) }
    }

    pub(super) fn set_fault(&self, fault: Fault) {
        *lock(&self.fault) = fault;
        *lock(&self.struck) = false;
    }

    pub(super) fn struck(&self) -> bool {
        *lock(&self.struck)
    }

    pub(super) fn fingerprint(&self) -> [u8; 32] {
        fingerprint(&self.store)
    }

    pub(super) fn sweep(&self, now: Timestamp) {
        self.store.sweep(now);
    }

    pub(super) fn age(&self) -> usize {
        lock(&self.log).len()
    }

    /// Comes back as it was at that age, by the draft's rules for a server from a backup: it forgets the records whose counters
    /// it may have forgotten, which is all of them where it takes early data, and the operator repeats the revocations.
    pub(super) fn restored(&self, age: usize, early: bool, now: Timestamp) -> Self {
        let restored = Self::new();
        let log = lock(&self.log);
        let (kept, lost) = log.split_at(age.min(log.len()));
        for (change, then) in kept {
            restored.again(change, early, *then);
        }
        for (change, _) in lost.iter().filter(|(change, _)| !matches!(change, Change::Commit(_))) {
            restored.again(change, early, now);
        }
        restored
    }

    fn again(&self, change: &Change, early: bool, then: Timestamp) {
        let done = match change.clone() {
            Change::Commit(mut commit) => {
                if let Commit::Remember(remember) = &mut *commit {
                    remember.records.retain(|record| !(early || record.pin().needs_counter()));
                    let replayable = |mechanism: HtMechanism| mechanism == HtMechanism::HT_SHA_256_NONE;
                    let token = remember.token.take();
                    remember.token =
                        token.filter(|token| token.new_token().is_none_or(|slot| !replayable(slot.mechanism())));
                }
                self.commit(&commit, then).is_ok()
            }
            Change::Revoke(identity, which) => self.revoke(&identity, which, then).is_ok(),
            Change::Everyone => self.revoke_everyone(then).is_ok(),
        };
        assert!(done, "a store in memory always answers");
    }

    fn note(&self, change: Change, now: Timestamp) {
        lock(&self.log).push((change, now));
    }

    fn strikes(&self, fault: Fault) -> bool {
        let strikes = *lock(&self.fault) == fault;
        *lock(&self.struck) |= strikes;
        strikes
    }
}

impl Store for Service {
    fn lookup(&self, lookup: &Lookup, now: Timestamp) -> Result<Found, Unavailable> {
        if self.strikes(Fault::Lookup) {
            return Err(Unavailable);
        }
        self.store.lookup(lookup, now)
    }

    fn commit(&self, commit: &Commit, now: Timestamp) -> Result<Committed, Unavailable> {
        if self.strikes(Fault::Commit) {
            return Err(Unavailable);
        }
        let fault = *lock(&self.fault);
        if let Fault::Revoked(identity) = fault {
            self.strikes(fault);
            self.revoke(identity, Revoke::All, now)?;
        }
        self.note(Change::Commit(Box::new(commit.clone())), now);
        let committed = self.store.commit(commit, now);
        if self.strikes(Fault::Answer) { Err(Unavailable) } else { committed }
    }

    fn devices(&self, identity: &str, scope: Option<&Scope>, now: Timestamp) -> Result<Vec<Device>, Unavailable> {
        self.store.devices(identity, scope, now)
    }

    fn revoke(&self, identity: &str, which: Revoke, now: Timestamp) -> Result<usize, Unavailable> {
        self.note(Change::Revoke(identity.to_owned(), which), now);
        self.store.revoke(identity, which, now)
    }

    fn revoke_everyone(&self, now: Timestamp) -> Result<(), Unavailable> {
        self.note(Change::Everyone, now);
        self.store.revoke_everyone(now)
    }
}
