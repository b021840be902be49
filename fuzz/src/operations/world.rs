//! The clients, their connections, and what happens on them.

use fast_reauth::Timestamp;
use fast_reauth::assertion::{FullLogin, Pin};
use fast_reauth::mechanism::ht::Request;
use fast_reauth::mechanism::{Connection, Outcome, Verdict};
use fast_reauth::store::Store;
use fast_reauth::store::client::{self, Attempt, Plan, Predecessor, Settled};

use super::client::{Client, Kept, Session, account_at};
use super::oracle::{Channel, Oracle, Received, Sent};
use super::service::{Fault, Service, Setup};
use crate::common::{START, Tls, bound, fresh};
use crate::input::edited;

pub(super) const CLIENTS: usize = 4;
/// Two installations of one user, one of another; and the attacker, who has an account too.
const USERS: [&str; CLIENTS] = ["alice", "alice", "bob", "mallory"];
pub(super) const MALLORY: usize = 3;
/// Open at a time; the oldest goes.
const CONNECTIONS: usize = 8;

/// How the service's answer comes to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Honest,
    Lost,
    Altered,
    OfAnother,
    BareSuccess,
    BareFailure,
}

impl Reply {
    pub(super) fn of(which: usize) -> Self {
        match which % 10 {
            0..5 => Self::Honest,
            5 => Self::Lost,
            6 => Self::Altered,
            7 => Self::OfAnother,
            8 => Self::BareSuccess,
            _ => Self::BareFailure,
        }
    }
}

/// How a client connects.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) resume: bool,
    /// Else the client speaks first.
    pub(super) sees_offer: bool,
    pub(super) node: usize,
    /// TLS 1.2 without the extended master secret, where it is not resumed.
    pub(super) may_be_shared: bool,
    pub(super) sibling: bool,
    /// What the client sends first is early data, where the session allows it.
    pub(super) early: bool,
}

impl Way {
    pub(super) fn of(octet: usize) -> Self {
        let (node, sibling, early) = (octet >> 2 & 1, octet & 8 != 0, octet & 16 != 0);
        let may_be_shared = octet >> 4 == 15;
        Self { resume: octet & 1 == 0, sees_offer: octet & 2 == 0, node, may_be_shared, sibling, early }
    }

    /// To the first node, and nothing is wrong with it.
    pub(super) fn plain(resume: bool) -> Self {
        Self { resume, sees_offer: true, node: 0, may_be_shared: false, sibling: false, early: false }
    }
}

/// Under what handle the TLS session of a connection goes on: under TLS 1.2 it stays the first one's.
pub(super) fn session_handle(tls: &Tls) -> [u8; 16] {
    let first = tls.resumed.filter(|_| tls.version12.is_some());
    *first.unwrap_or(tls.handle).as_octets()
}

/// Both ends of a connection.
pub(super) struct Open {
    pub(super) owner: usize,
    pub(super) tls: Tls,
    /// Whether it is to the sibling service.
    pub(super) sibling: bool,
    pub(super) client: client::Connection<'static>,
    pub(super) server: Connection<'static>,
    pub(super) attempt: Option<(Attempt, usize)>,
    pub(super) answer: Option<Verdict>,
}

pub(super) struct World {
    pub(super) setup: &'static Setup,
    /// Whether TLS is 1.2.
    tls12: bool,
    /// What each of the two nodes is configured with just now.
    nodes: [usize; 2],
    pub(super) service: Service,
    pub(super) backup: usize,
    pub(super) clients: Vec<Client>,
    pub(super) open: Vec<Open>,
    pub(super) oracle: Oracle,
    pub(super) now: Timestamp,
    /// While nothing goes wrong on purpose, no look is taken at the whole store, which costs more than all else.
    pub(super) recovering: bool,
    /// How often everything healed.
    pub(super) healed: usize,
}

impl World {
    pub(super) fn new(setup: &'static Setup, tls12: bool) -> Self {
        let clients = USERS.map(|user| Client::new(user, setup)).into();
        let (service, open, oracle) = (Service::new(), Vec::new(), Oracle::default());
        let tls12 = tls12 || setup.needs_tls12();
        let (nodes, backup, now, recovering, healed) = ([0, 0], 0, START, false, 0);
        Self { setup, tls12, nodes, service, backup, clients, open, oracle, now, recovering, healed }
    }

    pub(super) fn user(&self, client: usize) -> &'static str {
        self.clients[client].user
    }

    /// A new connection of a client. Returns its place.
    pub(super) fn connect(&mut self, owner: usize, way: Way) -> usize {
        let (this, now) = (&self.clients[owner], self.now);
        let fits = |before: &&Session| way.resume && (before.sibling == way.sibling || owner == MALLORY);
        let before = this.session.as_ref().filter(fits);
        let version12 = Some(!way.may_be_shared).filter(|_| self.tls12 || way.may_be_shared);
        let full = || Tls { version12, ..Tls::full() };
        let mut tls = before.map_or_else(full, |before| Tls::resuming(&before.tls));
        tls.unique = tls.version12.map(|_| fresh());
        if way.early && tls.version12.is_none() && tls.resumed.is_some() {
            (tls.early_data, tls.has_exporter, tls.early_exporter) = (true, false, true);
        }
        let predecessor = before.and_then(|before| before.predecessor.clone());
        if self.open.len() == CONNECTIONS {
            self.open.remove(0);
        }
        let open = self.open_on(owner, way.sibling, way.node, tls, predecessor);
        if way.sees_offer && !open.tls.early_data {
            open.client.saw_offer(open.server.mechanisms(now));
            open.client.saw_fast(open.server.fast_mechanisms().into_iter().map(|mechanism| mechanism.name()));
        }
        self.open.len() - 1
    }

    /// Both ends on this TLS connection.
    pub(super) fn open_on(
        &mut self,
        owner: usize,
        sibling: bool,
        node: usize,
        tls: Tls,
        predecessor: Option<Predecessor>,
    ) -> &mut Open {
        let (this, server) = (&self.clients[owner], self.server_end(sibling, node, &tls));
        let client = this.accounts.connect_shared(&account_at(sibling, this.user), tls.client()).resumes(predecessor);
        self.open.push(Open { owner, tls, sibling, client, server, attempt: None, answer: None });
        self.open.last_mut().expect("it was pushed")
    }

    pub(super) fn server_end(&self, sibling: bool, node: usize, tls: &Tls) -> Connection<'static> {
        let node = &self.setup.servers(sibling)[self.nodes[node % 2]];
        let server = Connection::new(node, tls.server()).seal_with(fresh()).grant_with(fresh());
        let Some(lookup) = server.lookup() else { return server };
        let found = self.service.lookup(&lookup, self.now);
        server.resumes(found.ok().and_then(|found| found.lineage))
    }

    pub(super) fn at(&self, which: usize) -> Option<usize> {
        (!self.open.is_empty()).then(|| which % self.open.len())
    }

    /// The client decides how to log in there, and sends it if the service may know it.
    pub(super) fn plan(&mut self, which: usize) {
        let Some(at) = self.at(which) else { return };
        let (open, now) = (&mut self.open[at], self.now);
        if open.attempt.is_some() {
            return;
        }
        let attempt = if open.tls.early_data {
            open.client.plan_early(now)
        } else {
            match open.client.plan(now) {
                Plan::Known(attempt) => Some(attempt),
                _ => None,
            }
        };
        if let Some(attempt) = attempt {
            let sent = self.sends(at, &attempt);
            self.open[at].attempt = Some((attempt, sent));
        }
    }

    /// Notes what a client sends on this connection. Returns its place.
    pub(super) fn sends(&mut self, at: usize, attempt: &Attempt) -> usize {
        let (open, login) = (&self.open[at], self.oracle.sent.len());
        self.oracle.sent.push(Sent {
            client: open.owner,
            mechanism: attempt.mechanism(),
            octets: attempt.message().to_vec(),
            count: attempt.count(),
            tls: open.tls.clone(),
            sibling: open.sibling,
            login,
            accepted: false,
        });
        login
    }

    /// The service gets what the client sent, once; and its store may fail at it.
    pub(super) fn deliver(&mut self, which: usize, fault: usize) {
        let Some(at) = self.at(which) else { return };
        let Some((_, sent)) = self.open[at].attempt.as_ref().filter(|_| self.open[at].answer.is_none()) else { return };
        let sent = self.oracle.sent[*sent].clone();
        let fault = match fault % 16 {
            12 => Fault::Lookup,
            13 => Fault::Commit,
            14 => Fault::Answer,
            15 => Fault::Revoked(self.user(self.open[at].owner)),
            _ => Fault::None,
        };
        let verdict = self.judge(at, sent.mechanism, &sent.octets, sent.count, sent.client, fault);
        self.open[at].answer = Some(verdict);
    }

    /// The same message again, on the same connection.
    pub(super) fn deliver_again(&mut self, which: usize) {
        let Some(at) = self.at(which) else { return };
        let Some((_, sent)) = self.open[at].attempt.as_ref() else { return };
        let sent = self.oracle.sent[*sent].clone();
        let _ = self.judge(at, sent.mechanism, &sent.octets, sent.count, sent.client, Fault::None);
    }

    /// What the service makes of a message, with the rules checked.
    pub(super) fn judge(
        &mut self,
        at: usize,
        mechanism: &str,
        octets: &[u8],
        count: Option<u64>,
        sender: usize,
        fault: Fault,
    ) -> Verdict {
        let (open, now, service) = (&mut self.open[at], self.now, &self.service);
        let fingerprint = || (!self.recovering).then(|| service.fingerprint());
        let before = fingerprint();
        service.set_fault(fault);
        let verdict = match (Pin::from_name(mechanism), self.setup.tokens) {
            (Some(pin), _) => open.server.iky(pin, octets).run(service, now),
            (None, Some(token)) if mechanism == token.name() => {
                let installation = format!("installation {sender}");
                let request = Request::new(token, octets, &installation, fresh()).count(count);
                open.server.ht(request).run(service, now)
            }
            _ => open.server.external(octets).run(service, now),
        };
        let struck = service.struck();
        service.set_fault(Fault::None);
        Oracle::consistent(verdict.outcome, verdict.recognised.as_ref());
        let revoked = matches!(fault, Fault::Revoked(_));
        // A sealed assertion is not in the store, so between lookup and answer there may be nothing that notices.
        let noticed = revoked && struck && !self.setup.sealed;
        assert!(!noticed || verdict.outcome != Outcome::Accepted, "a revocation came before the commit, and lost");
        if verdict.outcome != Outcome::Accepted && !revoked && fault != Fault::Answer {
            assert!(fingerprint() == before, "a failed attempt changed the store: {:?}", verdict.outcome);
        }
        if verdict.outcome == Outcome::Unavailable {
            assert!(struck, "the store answered");
        }
        if let Some(client) = &verdict.recognised {
            let channel = Channel {
                secret: &open.tls.secret,
                early: open.tls.early_data,
                sibling: open.sibling,
                handle: session_handle(&open.tls),
                may_be_shared: open.tls.version12 == Some(false),
                resumed: open.tls.resumed.map(|handle| *handle.as_octets()),
                user: self.clients[open.owner].user,
            };
            self.oracle.accepted(client, &Received { mechanism, octets, count }, &channel, now);
            if let Some(link) = open.server.recognised(client, now) {
                let _ = service.commit(&link, now);
            }
        }
        if let Fault::Revoked(user) = fault {
            // Also where there was nothing to commit, so that what is true does not hang on it.
            let _ = self.service.revoke(user, fast_reauth::store::Revoke::All, now);
            self.oracle.revoked(Some(user), None, now);
        }
        verdict
    }

    /// The client gets an answer, or what somebody made of it.
    pub(super) fn reply(&mut self, which: usize, how: Reply, edit: usize) {
        // In early data there is no answer yet: it comes behind the server's Finished.
        let Some(at) = self.at(which).filter(|&at| !self.open[at].tls.early_data) else { return };
        let other = self.open.iter().filter_map(|open| open.answer.as_ref()?.message.clone()).nth(edit % CONNECTIONS);
        let (open, now) = (&mut self.open[at], self.now);
        let Some(answer) = open.answer.take() else { return };
        let Some((attempt, _)) = open.attempt.take() else { return };
        let external = attempt.mechanism() == "EXTERNAL";
        let account = account_at(open.sibling, self.clients[open.owner].user);
        let held = self.clients[open.owner].accounts.assertions(&account);
        let (outcome, message) = match how {
            Reply::Lost => {
                self.open.remove(at);
                return;
            }
            Reply::Honest => (answer.outcome, answer.message.clone()),
            Reply::Altered => {
                let good = answer.message.clone().map_or_else(Vec::new, Vec::from);
                (Outcome::Accepted, Some(edited(&good, &[edit as u8, (edit >> 2) as u8, b'A']).into()))
            }
            Reply::OfAnother => (Outcome::Accepted, other),
            Reply::BareSuccess => (Outcome::Accepted, None),
            Reply::BareFailure => (Outcome::BadProof, None),
        };
        let honest = outcome == answer.outcome && message == answer.message;
        let settled = open.client.settle(attempt, outcome, message.as_deref(), now);
        match settled {
            // With EXTERNAL the server is known by TLS alone.
            Settled::LoggedIn => assert!(external || (honest && answer.outcome == Outcome::Accepted), "{how:?}"),
            Settled::Failed(_) => assert!(!honest || answer.outcome != Outcome::Accepted, "{settled:?} after success"),
        }
        if matches!(how, Reply::BareFailure | Reply::BareSuccess) {
            let kept = self.clients[open.owner].accounts.assertions(&account);
            assert!(
                external || held.iter().all(|one| kept.iter().any(|left| left.id() == one.id())),
                "nobody signed that"
            );
        }
        if settled == Settled::LoggedIn && answer.outcome == Outcome::Accepted {
            if let Some(token) = &answer.token {
                let _ = open.client.token_rotated(token.token.expose(), token.expires, now);
            }
            self.keep_session(at);
        } else {
            self.open.remove(at);
        }
    }

    /// The client keeps the TLS session of a connection on which it logged in.
    pub(super) fn keep_session(&mut self, at: usize) {
        let open = &self.open[at];
        // A TLS 1.2 session stays that of its full handshake.
        if open.tls.version12.is_some() && open.tls.resumed.is_some() {
            return;
        }
        let predecessor = Predecessor { lineage: open.tls.lineage(), family: open.client.family() };
        self.clients[open.owner].session =
            Some(Session { tls: open.tls.clone(), sibling: open.sibling, predecessor: Some(predecessor) });
    }

    /// A login with a password or the like on this connection, whose answer may be lost.
    pub(super) fn full_login(&mut self, which: usize, kind: usize, lost: bool) {
        let Some(at) = self.at(which).filter(|&at| !self.open[at].tls.early_data) else { return };
        let user = self.user(self.open[at].owner);
        let full = match kind % 8 {
            6 => FullLogin::new("PLAIN", user).expect("names"),
            7 => FullLogin::new("SCRAM-SHA-256", user).expect("names"),
            _ => bound(user),
        };
        if self.open[at].attempt.is_none() {
            let _ = self.log_in_fully(at, &full, kind % 8 == 5, lost);
        }
    }

    /// A client comes back, and everything goes well.
    pub(super) fn whole_reconnect(&mut self, owner: usize, resume: bool, sibling: bool) {
        let at = self.connect(owner, Way { sibling, ..Way::plain(resume) });
        self.plan(at);
        self.deliver(at, 0);
        self.reply(at, Reply::Honest, 0);
    }

    pub(super) fn whole_login(&mut self, owner: usize, kind: usize) {
        let at = self.connect(owner, Way::plain(false));
        self.full_login(at, kind, false);
    }

    pub(super) fn wait(&mut self, how_long: usize) {
        const DAY: u64 = crate::common::DAY;
        let seconds = [1, 59, 299, 3600, DAY, 3 * DAY, 6 * DAY, 21 * DAY][how_long % 8];
        self.now = Timestamp::from_secs(self.now.as_secs() + seconds);
    }

    pub(super) fn sweep(&mut self) {
        self.service.sweep(self.now);
    }

    /// Other keys, or another offer, at one of the nodes.
    pub(super) fn reconfigure(&mut self, which: usize) {
        self.nodes[which / 32 % 2] = which % self.setup.servers(false).len();
    }

    pub(super) fn backup_or_restore(&mut self, which: usize) {
        match which % 4 {
            0 | 1 => self.backup = self.service.age(),
            2 => self.service = self.service.restored(self.backup, self.setup.early, self.now),
            _ => self.service = Service::new(),
        }
        self.backup = self.backup.min(self.service.age());
    }

    /// A client's process ends; what it has afterwards is what it had, or had once.
    pub(super) fn restart_client(&mut self, client: usize, how: usize) {
        let this = &mut self.clients[client];
        match how % 4 {
            0 => this.backup = Some(Kept::of(this)),
            1 => {
                let Some(kept) = this.backup.clone() else { return };
                this.restart(&kept, self.setup);
            }
            2 => {
                let kept = Kept::of(this);
                this.restart(&kept, self.setup);
            }
            _ => this.restart_with_all(self.setup),
        }
        if how % 4 != 0 {
            self.open.retain(|open| open.owner != client);
        }
    }
}
