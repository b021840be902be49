//! A client and a server, a clock, and a TLS that is computed: same secret at both ends, fresh for every connection.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

use std::sync::atomic::{AtomicU64, Ordering};

use fast_reauth::Timestamp;
use fast_reauth::assertion::{BindingType, DeviceId, FullLogin, Pin, Policy, Scope, Service};
use fast_reauth::channel::{ChannelFacts, ExporterUnavailable, Handle, Lineage, ServerName, Tickets};
use fast_reauth::mechanism::{Connection, Login, Outcome, Received, Server, Step, Verdict};
use fast_reauth::store::client::{Account, Accounts, Attempt, Plan, Predecessor, Settled};
use fast_reauth::store::{Committed, Found, MemoryStore, Sought, Store};
use ring::digest;

pub const NAME: &str = "imap.example.com";
pub const DAY: u64 = 24 * 60 * 60;

/// A moment in 2026.
pub const START: Timestamp = Timestamp::from_secs(1_790_000_000);

pub fn later(seconds: u64) -> Timestamp {
    Timestamp::from_secs(START.as_secs() + seconds)
}

static NEXT: AtomicU64 = AtomicU64::new(1);

/// From here on [`fresh`] gives what it gave at first: for a fuzzer, whose inputs have to come out the same each time.
pub fn start_over() {
    NEXT.store(1, Ordering::Relaxed);
}

/// Octets that no other call gets.
pub fn fresh<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    for (piece, at) in out.chunks_mut(digest::SHA256_OUTPUT_LEN).zip(0u64..) {
        let octets = digest::digest(&digest::SHA256, &(u128::from(n) << 64 | u128::from(at)).to_be_bytes());
        piece.copy_from_slice(&octets.as_ref()[..piece.len()]);
    }
    out
}

/// One TLS connection, as both its ends see it.
#[derive(Clone)]
pub struct Tls {
    pub secret: [u8; 32],
    pub handle: Handle,
    pub resumed: Option<Handle>,
    pub name: &'static str,
    pub tickets: Tickets,
    pub version12: Option<bool>,
    pub end_point: Option<[u8; 32]>,
    pub unique: Option<[u8; 12]>,
    pub has_exporter: bool,
    /// Whether an application hands over its tls-exporter binding alone, and no exporter.
    pub binding_alone: bool,
    pub early_data: bool,
    /// Whether the TLS stack has the exporter of early data.
    pub early_exporter: bool,
    pub dhe: bool,
    /// Whether the server's TLS sessions carry handles.
    pub sees_sessions: bool,
}

impl Tls {
    pub fn full() -> Self {
        Self {
            secret: fresh(),
            handle: Handle::new(fresh()),
            resumed: None,
            name: NAME,
            tickets: Tickets::Stateful,
            version12: None,
            end_point: Some([7; 32]),
            unique: None,
            has_exporter: true,
            binding_alone: false,
            early_data: false,
            early_exporter: false,
            dhe: true,
            sees_sessions: true,
        }
    }

    pub fn resuming(before: &Tls) -> Self {
        Self { secret: fresh(), handle: Handle::new(fresh()), resumed: Some(before.handle), ..before.clone() }
    }

    pub fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), ExporterUnavailable> {
        if !self.has_exporter {
            return Err(ExporterUnavailable);
        }
        let mut ctx = digest::Context::new(&digest::SHA256);
        for part in [&self.secret, label, b"\0", context] {
            ctx.update(part);
        }
        out.copy_from_slice(&ctx.finish().as_ref()[..out.len()]);
        Ok(())
    }

    /// The exporter of early data, which has other values.
    pub fn early_export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), ExporterUnavailable> {
        let early = Self { has_exporter: self.early_exporter, ..self.clone() };
        early.export(&[b"early ", label].concat(), context, out)
    }

    pub fn exporter(&self) -> impl Fn(&[u8], &[u8], &mut [u8]) -> Result<(), ExporterUnavailable> + '_ {
        |label, context, out| self.export(label, context, out)
    }

    fn common(&self) -> ChannelFacts {
        let mut facts = match self.version12 {
            None => ChannelFacts::tls13(),
            Some(ems) => ChannelFacts::tls12(ems),
        };
        if !self.dhe {
            facts = facts.without_forward_secrecy();
        }
        if self.resumed.is_some() {
            facts = facts.resumed();
        }
        if self.early_data {
            facts = facts.in_early_data();
        }
        if self.early_data && !self.has_exporter {
            facts = facts.exporter_to_come();
        }
        if self.early_exporter {
            let exporter = |label: &[u8], context: &[u8], out: &mut [u8]| self.early_export(label, context, out);
            facts = facts.early_exporter(&exporter).unwrap();
        }
        if let Some(octets) = self.end_point {
            facts = facts.end_point(fast_reauth::channel::EndPoint::from_octets(&octets).unwrap());
        }
        if let Some(finished) = self.unique {
            facts = facts.unique(&finished);
        }
        facts = facts.tickets(self.tickets).server_name(ServerName::parse(self.name).unwrap());
        if self.binding_alone {
            let mut binding = [0; 32];
            self.export(b"EXPORTER-Channel-Binding", b"", &mut binding).unwrap();
            return facts.tls_exporter_alone(&binding).unwrap();
        }
        if self.has_exporter { facts.exporter(&self.exporter()).unwrap() } else { facts }
    }

    pub fn client(&self) -> ChannelFacts {
        self.common()
    }

    pub fn server(&self) -> ChannelFacts {
        let facts = self.common();
        if !self.sees_sessions {
            return facts;
        }
        let facts = facts.handle(self.handle);
        match self.resumed {
            Some(handle) => facts.predecessor(handle),
            None => facts,
        }
    }

    pub fn lineage(&self) -> Lineage {
        self.client().lineage().unwrap().clone()
    }
}

pub const FULL: [&str; 2] = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"];

pub fn server() -> Server {
    Server::new(Service::IMAP, [ServerName::parse(NAME).unwrap()], FULL).unwrap()
}

pub fn server_with(pins: &[Pin]) -> Server {
    server().pins(pins.iter().copied())
}

pub fn account(name: &str) -> Account {
    Account::new(Scope::new(Service::IMAP, ServerName::parse(NAME).unwrap()), name)
}

pub fn bound(name: &str) -> FullLogin {
    FullLogin::new("SCRAM-SHA-256-PLUS", name).unwrap().bound_by(BindingType::Exporter)
}

/// A service, its store, and a client with its accounts.
pub struct Pair {
    pub server: Server,
    pub store: MemoryStore,
    pub client: Accounts,
    pub now: Timestamp,
}

impl Pair {
    pub fn new(server: Server) -> Self {
        Self { server, store: MemoryStore::default(), client: Accounts::new(Policy::default()), now: START }
    }

    pub fn connection<'s>(&'s self, tls: &Tls) -> Connection<'s> {
        let connection = Connection::new(&self.server, tls.server());
        let lineage = connection.lookup().and_then(|lookup| self.store.lookup(&lookup, self.now).unwrap().lineage);
        connection.resumes(lineage)
    }

    /// A full login of `name` on `tls`, at both ends.
    pub fn full_login(&self, name: &str, tls: &Tls) -> DeviceId {
        self.full_login_with(&bound(name), name, tls)
    }

    pub fn full_login_with(&self, full: &FullLogin, name: &str, tls: &Tls) -> DeviceId {
        let mut connection = self.connection(tls);
        let device = DeviceId::new(fresh());
        let offered = connection.mechanisms(self.now);
        let login = Login { full, identity: name, device, now: self.now };
        let commit = connection.logged_in(login, &tls.exporter()).commit;
        assert_eq!(self.store.commit(&commit, self.now), Ok(Committed::Done));
        let mut client = self.client.connect(&account(name), tls.client()).offered(offered);
        client.logged_in(full, &tls.exporter(), &[], self.now).unwrap();
        device
    }

    pub fn family(&self, name: &str) -> Option<fast_reauth::assertion::AssertionId> {
        self.client.assertions(&account(name)).first().map(|assertion| *assertion.family())
    }

    /// What the client of `name` knows of the connection before.
    pub fn predecessor(&self, name: &str, before: &Tls) -> Predecessor {
        Predecessor { lineage: before.lineage(), family: self.family(name) }
    }

    /// The message of an attempt by `name` on `tls` with one of these mechanisms.
    pub fn attempt<'a>(
        &'a self,
        name: &str,
        tls: &Tls,
        before: Option<&Tls>,
        offered: &[&str],
    ) -> (fast_reauth::store::client::Connection<'a>, Option<Attempt>) {
        let mut client = self.client.connect(&account(name), tls.client());
        client = client.resumes(before.map(|before| self.predecessor(name, before))).offered(offered.iter().copied());
        let plan = client.plan(self.now);
        match plan {
            Plan::Known(attempt) => (client, Some(attempt)),
            _ => (client, None),
        }
    }

    /// The server's verdict on a message.
    pub fn judge(&self, tls: &Tls, mechanism: &str, message: &[u8]) -> Verdict {
        let mut connection = self.connection(tls);
        let verdict = self.judge_on(&connection, mechanism, message);
        if let Some(client) = &verdict.recognised {
            if let Some(link) = connection.recognised(client, self.now) {
                assert_eq!(self.store.commit(&link, self.now), Ok(Committed::Done));
            }
        }
        verdict
    }

    pub fn judge_on(&self, connection: &Connection<'_>, mechanism: &str, message: &[u8]) -> Verdict {
        match Pin::from_name(mechanism) {
            Some(pin) => connection.iky(pin, message).run(&self.store, self.now),
            None => connection.external(message).run(&self.store, self.now),
        }
    }

    /// A whole reconnect of `name`; what both ends make of it.
    pub fn reconnect(&self, name: &str, tls: &Tls, before: Option<&Tls>, offered: &[&str]) -> (Verdict, Settled) {
        let (mut client, attempt) = self.attempt(name, tls, before, offered);
        let attempt = attempt.expect("the client has a way to be recognised");
        let verdict = self.judge(tls, attempt.mechanism(), attempt.message());
        let settled = client.settle(attempt, verdict.outcome, verdict.message.as_deref(), self.now);
        (verdict, settled)
    }
}

pub fn accepted(result: &(Verdict, Settled)) -> bool {
    result.0.outcome == Outcome::Accepted && result.1 == Settled::LoggedIn
}

/// What comes of an attempt if all that the store has of it is not there, and only stands in for something else.
pub fn with_stand_ins(attempt: Received<'_>, store: &MemoryStore, now: Timestamp) -> Outcome {
    let Received::Lookup(pending) = attempt else { panic!("it looks something up") };
    let Found { record, lineage, token, account } = store.lookup(pending.lookup(), now).unwrap();
    let there = [record.is_there(), token.is_there(), account.is_there()];
    assert_eq!(
        there,
        [pending.lookup().assertion.is_some(), pending.lookup().token.is_some(), pending.lookup().account]
    );
    let record = Sought::new(record.into_option(), false);
    let token = Sought::new(token.into_option(), false);
    let account = Sought::new(account.into_option(), false);
    let Step::Done(verdict) = pending.found(Ok(Found { record, lineage, token, account }), now) else {
        panic!("something is to be written")
    };
    assert!(verdict.recognised.is_none() && verdict.token.is_none(), "nothing is said of anyone");
    verdict.outcome
}
