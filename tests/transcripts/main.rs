//! The wire transcripts of the draft, from runs of both ends over connections whose secrets are fixed.
//!
//! `UPDATE_TRANSCRIPTS=1 cargo test --test transcripts` writes `draft/transcripts/`; without it a file that is not what a run
//! gives is a failure.
#![cfg(all(feature = "xmpp", feature = "ldap"))]

mod binds;
mod line_protocols;
mod streams;
mod worked_example;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use fast_reauth::Timestamp;
use fast_reauth::assertion::{
    BindingType, ClientAssertion, DeviceId, FullLogin, LineageRule, Pin, Policy, Scope, Service,
};
use fast_reauth::channel::{ChannelFacts, ExporterUnavailable, Handle, ServerName, Tickets};
use fast_reauth::mechanism::{Connection, Login, Outcome, Server, Sibling, Verdict};
use fast_reauth::profile::{
    ClientExchange, Completion, Event, Flight, MechanismName, Offer, ServerEvent, ServerExchange, Tag, acap, imap,
    ldap, pop3, sieve, smtp, xmpp,
};
use fast_reauth::store::client::{Account, Accounts, Plan, Predecessor, Settled};
use fast_reauth::store::{MemoryStore, Revoke, Store};
use ring::{digest, hmac};

const START: Timestamp = Timestamp::from_secs(1_790_000_000);
const FULL: [&str; 2] = ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"];
/// Longest line of a figure, with what names its sender.
const COLUMNS: usize = 69;

/// One connection of the draft's examples: `TLS-Exporter(label, context, 32)` is `HMAC-SHA-256(secret, label | 0x00 | context)`, the
/// secret being 32 octets that are all the connection's number.
#[derive(Clone, Copy)]
struct Tls {
    number: u8,
    resumes: Option<u8>,
    name: &'static str,
    server_sees: bool,
}

impl Tls {
    fn full(number: u8, name: &'static str) -> Self {
        Self { number, resumes: None, name, server_sees: true }
    }

    fn resuming(self, number: u8) -> Self {
        Self { number, resumes: Some(self.number), ..self }
    }

    fn value(&self, label: &str, context: &[u8]) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[self.number; 32]);
        let tag = hmac::sign(&key, &[label.as_bytes(), b"\0", context].concat());
        tag.as_ref().try_into().unwrap()
    }

    fn exporter(self) -> impl Fn(&[u8], &[u8], &mut [u8]) -> Result<(), ExporterUnavailable> {
        move |label, context, out| {
            out.copy_from_slice(&self.value(std::str::from_utf8(label).unwrap(), context));
            Ok(())
        }
    }

    fn client(&self) -> ChannelFacts {
        let facts = ChannelFacts::tls13().tickets(Tickets::Stateful).server_name(ServerName::parse(self.name).unwrap());
        let facts = facts.exporter(&self.exporter()).unwrap();
        if self.resumes.is_some() { facts.resumed() } else { facts }
    }

    fn server(&self) -> ChannelFacts {
        if !self.server_sees {
            return ChannelFacts::tls13().assumed_server_name(ServerName::parse(self.name).unwrap());
        }
        let facts = self.client().handle(Handle::new([self.number; 16]));
        match self.resumes {
            Some(before) => facts.predecessor(Handle::new([before; 16])),
            None => facts,
        }
    }
}

struct World {
    server: Server,
    store: MemoryStore,
    accounts: Accounts,
    account: Account,
    service: Service,
    now: Timestamp,
}

/// What the client sends, and what the server made of it.
struct Attempt<'w> {
    client: RefCell<fast_reauth::store::client::Connection<'w>>,
    attempt: Option<fast_reauth::store::client::Attempt>,
    server: Connection<'w>,
    offered: Vec<String>,
    world: &'w World,
}

impl World {
    fn new(service: Service, name: &'static str, login: &str, pins: &[Pin], policy: Policy) -> Self {
        let server_name = ServerName::parse(name).unwrap();
        let server = Server::new(service.clone(), [server_name.clone()], FULL).unwrap();
        Self {
            server: server.pins(pins.iter().copied()).policy(policy.clone()),
            store: MemoryStore::default(),
            accounts: Accounts::new(policy).preferring(pins.iter().copied()),
            account: Account::new(Scope::new(service.clone(), server_name), login),
            service,
            now: START,
        }
    }

    fn connection(&self, tls: &Tls) -> Connection<'_> {
        let connection = Connection::new(&self.server, tls.server());
        let lineage = connection.lookup().and_then(|lookup| self.store.lookup(&lookup, self.now).unwrap().lineage);
        connection.resumes(lineage)
    }

    fn full_login(&self, tls: &Tls, siblings: &[Sibling]) {
        let name = &*self.account.login_name;
        let full = FullLogin::new("SCRAM-SHA-256-PLUS", name).unwrap().bound_by(BindingType::Exporter);
        let mut server = self.connection(tls);
        let offered: Vec<String> = server.mechanisms(self.now).into_iter().map(str::to_owned).collect();
        let login = Login { full: &full, identity: name, device: DeviceId::new([tls.number; 8]), now: self.now };
        let made = server.logged_in(login, &tls.exporter());
        assert_eq!(made.unknown, None);
        self.store.commit(&made.commit, self.now).unwrap();
        let client = self.accounts.connect(&self.account, tls.client());
        let mut client = client.offered(offered.iter().map(String::as_str));
        client.logged_in(&full, &tls.exporter(), siblings, self.now).unwrap();
    }

    fn assertion(&self) -> ClientAssertion {
        self.accounts.assertions(&self.account).last().unwrap().clone()
    }

    /// The client's attempt on `tls`; the server lists everything but `without`.
    fn attempt(&self, tls: &Tls, before: Option<&Tls>, without: &str) -> Attempt<'_> {
        let server = self.connection(tls);
        let listed = server.mechanisms(self.now).into_iter().filter(|name| *name != without);
        let offered: Vec<String> = listed.map(str::to_owned).collect();
        let family = self.accounts.assertions(&self.account).first().map(|assertion| *assertion.family());
        let lineage = before.map(|before| before.client().lineage().unwrap().clone());
        let client = self.accounts.connect(&self.account, tls.client());
        let client = client.resumes(lineage.map(|lineage| Predecessor { lineage, family }));
        let mut client = client.offered(offered.iter().map(String::as_str));
        let Plan::Known(attempt) = client.plan(self.now) else { panic!("the client has a way to be recognised") };
        Attempt { client: RefCell::new(client), attempt: Some(attempt), server, offered, world: self }
    }
}

impl Attempt<'_> {
    fn offer(&self) -> Offer {
        Offer::of(self.offered.iter().map(String::as_str)).unwrap()
    }

    fn mechanism(&self) -> MechanismName {
        MechanismName::parse(self.attempt.as_ref().unwrap().mechanism()).unwrap()
    }

    fn message(&self) -> Vec<u8> {
        self.attempt.as_ref().unwrap().message().to_vec()
    }

    fn judge(&self, mechanism: &str, message: &[u8]) -> Verdict {
        let received = match Pin::from_name(mechanism) {
            Some(pin) => self.server.iky(pin, message),
            None => self.server.external(message),
        };
        received.run(&self.world.store, self.world.now)
    }

    fn settle(&mut self, outcome: Outcome, data: Option<&[u8]>) -> Settled {
        let attempt = self.attempt.take().unwrap();
        self.client.get_mut().settle(attempt, outcome, data, self.world.now)
    }
}

/// Lines with their sender, folded to the width of the draft.
#[derive(Default)]
struct Dialogue(String);

impl Dialogue {
    fn lines(&mut self, who: &str, octets: &[u8]) {
        let text = std::str::from_utf8(octets).unwrap();
        for line in text.strip_suffix("\r\n").unwrap_or(text).split("\r\n") {
            self.line(who, line);
        }
    }

    /// One line. What doesn't fit goes on in lines of their own behind three spaces, cut at no space.
    fn line(&mut self, who: &str, mut line: &str) {
        if line.is_empty() {
            writeln!(self.0, "{who}").unwrap();
            return;
        }
        let (mut prefix, width) = (format!("{who} "), COLUMNS - 3);
        while line.len() > width {
            let head = &line[..width];
            let element = head.rmatch_indices("><").map(|(at, _)| at + 1).find(|&at| at > 20);
            let space = |at: usize| line.as_bytes()[at] == b' ' || line.as_bytes()[at - 1] == b' ';
            let at = element.unwrap_or_else(|| (1..=width).rev().find(|&at| !space(at)).unwrap());
            writeln!(self.0, "{prefix}{}", &line[..at]).unwrap();
            (prefix, line) = ("   ".to_owned(), &line[at..]);
        }
        writeln!(self.0, "{prefix}{line}").unwrap();
    }

    /// A message, as it reads before base64.
    fn decoded(&mut self, title: &str, message: &[u8]) {
        writeln!(self.0, "\n{title}:").unwrap();
        let text = std::str::from_utf8(message).unwrap();
        self.line("  ", text);
    }

    fn value(&mut self, name: &str, octets: &[u8]) {
        writeln!(self.0, "{name} =").unwrap();
        for line in octets.chunks(32) {
            writeln!(self.0, "   {}", hex(line, "")).unwrap();
        }
    }

    fn hex(&mut self, who: &str, octets: &[u8]) {
        for (at, line) in octets.chunks(20).enumerate() {
            writeln!(self.0, "{} {}", if at == 0 { who } else { "  " }, hex(line, " ")).unwrap();
        }
    }
}

fn hex(octets: &[u8], between: &str) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(between)
}

/// What the application sends behind a login, and what its server answers once the login was accepted or refused.
#[derive(Clone, Copy, Default)]
struct Application {
    commands: &'static str,
    answers: &'static str,
    refusals: &'static str,
}

/// Runs a line protocol to its end, and says what the client made of it.
fn run(
    out: &mut Dialogue,
    attempt: &mut Attempt<'_>,
    (flight, mut client): (Flight, ClientExchange),
    mut server: ServerExchange,
    application: Application,
) -> (Completion, Settled) {
    use fast_reauth::profile::NextCommand::Changes;
    let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
    let mut sent_commands = false;
    let mut send = |out: &mut Dialogue, flight: Flight, to_server: &mut BytesMut| {
        out.lines("C:", &flight.bytes);
        to_server.extend_from_slice(&flight.bytes);
        if flight.rides_along.permits(Changes) && !sent_commands {
            out.lines("C:", application.commands.as_bytes());
            to_server.extend_from_slice(application.commands.as_bytes());
            sent_commands = true;
        }
    };
    send(out, flight, &mut to_server);
    loop {
        let mut event = server.receive(&mut to_server).unwrap();
        if let ServerEvent::Verify(request) = &event {
            let message = request.initial_response.clone().unwrap();
            let verdict = attempt.judge(request.mechanism.as_str(), &message);
            event = server.finish(verdict.outcome, verdict.message.as_deref()).unwrap();
        }
        match event {
            ServerEvent::Send(octets) => {
                out.lines("S:", &octets);
                to_client.extend_from_slice(&octets);
            }
            ServerEvent::Done { bytes, accepted } => {
                out.lines("S:", &bytes);
                to_client.extend_from_slice(&bytes);
                let Event::Done(completion) = client.receive(&mut to_client).unwrap() else { panic!("it is over") };
                if !to_server.is_empty() {
                    assert_eq!(to_server, application.commands, "exactly what rode along is left");
                    let answers = if accepted { application.answers } else { application.refusals };
                    out.lines("S:", answers.as_bytes());
                }
                let outcome = if completion.accepted() { Outcome::Accepted } else { Outcome::Stale };
                let settled = attempt.settle(outcome, completion.data.as_deref());
                return (completion, settled);
            }
            ServerEvent::NeedMore => panic!("the server waits for what nobody sends"),
            other => panic!("{other:?}"),
        }
        if let Event::Send(flight) = client.receive(&mut to_client).unwrap() {
            send(out, flight, &mut to_server);
        }
    }
}

fn check(name: &str, Dialogue(text): Dialogue) {
    for line in text.lines() {
        assert!(line.len() <= COLUMNS, "{name}: {line}");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("draft/transcripts").join(name);
    if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "{name} is not what a run gives; write it with UPDATE_TRANSCRIPTS=1");
}

fn no_lineage() -> Policy {
    let mut policy = Policy::default();
    policy.lineage = LineageRule::Never;
    policy
}
