//! The wire transcripts of the draft, from runs of both ends over connections whose secrets are fixed.
//!
//! `UPDATE_TRANSCRIPTS=1 cargo test --test transcripts` writes `draft/transcripts/`; without it a file that is not what a run
//! gives is a failure.
#![cfg(all(feature = "xmpp", feature = "ldap"))]

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

// ---------------------------------------------------------------------------------------------------------------- TLS

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

// -------------------------------------------------------------------------------------------------------------- World

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

// ----------------------------------------------------------------------------------------------------------- Dialogue

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

// ------------------------------------------------------------------------------------------------------ Worked example

fn h(data: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, data).as_ref().to_vec()
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref().to_vec()
}

fn lp(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().flat_map(|part| [&(part.len() as u32).to_be_bytes()[..], part].concat()).collect()
}

fn expand(prk: &[u8], info: &str, len: usize) -> Vec<u8> {
    mac(prk, &[info.as_bytes(), &[1]].concat())[..len].to_vec()
}

/// Every value of one derivation, one proof and one renewal: computed here from the draft's formulas, and compared with what the
/// library sends.
#[test]
fn worked_example() {
    let name = "imap.example.com";
    let mut policy = Policy::default();
    // 25 days later the assertion has 5 days left and is renewed, though never used before, on a session as old.
    policy.tentative_lifetime = policy.lifetime;
    policy.lineage_lifetime = policy.lifetime;
    let mut world = World::new(Service::IMAP, name, "alice", &[Pin::SHA_256_EXPR], policy);
    let (first, second) = (Tls::full(1, name), Tls::full(1, name).resuming(2));
    world.full_login(&first, &[]);
    world.now = Timestamp::from_secs(START.as_secs() + 25 * 24 * 60 * 60);

    let mut out = Dialogue::default();
    let context = h(&lp(&[
        b"IKY derive v1",
        b"IKY-SHA-256-EXPR",
        b"imap",
        name.as_bytes(),
        b"SCRAM-SHA-256-PLUS",
        b"tls-exporter",
        b"alice",
        b"c",
        &1u32.to_be_bytes(),
    ]));
    let seed = first.value("EXPORTER-SASL-IKY", &context);
    let prk = mac(b"IKY assertion v1", &lp(&[&seed, b"", &context]));
    let id = expand(&prk, "id", 16);
    let client_key = expand(&prk, "client key", 32);
    let server_key = expand(&prk, "server key", 32);
    let stored_key = h(&client_key);
    let lineage = first.value("EXPORTER-SASL-IKY-Lineage", b"");
    out.0.push_str("Connection 1, after the full authentication:\n\n");
    for (name, value) in [
        ("context", &context[..]),
        ("seed", &seed),
        ("PRK", &prk),
        ("id", &id),
        ("ClientKey", &client_key),
        ("StoredKey", &stored_key),
        ("ServerKey", &server_key),
        ("lineage of connection 1", &lineage),
    ] {
        out.value(name, value);
    }

    let mut names = FULL.to_vec();
    names.push("IKY-SHA-256-EXPR");
    names.sort_unstable();
    let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
    let offer = &h(&lp(&names))[..16];
    let binding = second.value("EXPORTER-Channel-Binding", b"");
    let covered =
        format!("p=tls-exporter,a=alice,h={name},i={},l=1,f={}", STANDARD.encode(&id), STANDARD.encode(offer));
    let t = lp(&[b"IKY initiator", b"IKY-SHA-256-EXPR", b"imap", &[1], &binding, &lineage, covered.as_bytes()]);
    let mask = mac(&stored_key, &t);
    let proof: Vec<u8> = client_key.iter().zip(mask).map(|(a, b)| a ^ b).collect();
    let message = format!("{covered},p={}", STANDARD.encode(&proof));
    out.0.push_str("\nConnection 2, which resumes connection 1:\n\n");
    for (name, value) in
        [("cb-data", &binding[..]), ("offer hash, 16 octets", offer), ("T", &t), ("H(T)", &h(&t)), ("proof", &proof)]
    {
        out.value(name, value);
    }
    out.decoded("Initiator message", message.as_bytes());

    let mut attempt = world.attempt(&second, Some(&first), "EXTERNAL");
    assert_eq!(attempt.message(), message.as_bytes());
    let verdict = attempt.judge("IKY-SHA-256-EXPR", message.as_bytes());
    let answered = "x=2592000,r=1,";
    let signature = mac(&server_key, &lp(&[b"IKY responder", &h(&t), &proof, answered.as_bytes()]));
    let answer = format!("{answered}v={}", STANDARD.encode(&signature));
    assert_eq!(verdict.message.as_deref(), Some(answer.as_bytes()));
    out.decoded("Responder message, with a renewal", answer.as_bytes());

    assert_eq!(attempt.settle(Outcome::Accepted, verdict.message.as_deref()), Settled::LoggedIn);
    let fresh = second.value("EXPORTER-SASL-IKY-Renew", b"");
    let salt = mac(&server_key, &lp(&[b"IKY renew", &h(&t)]));
    let seed = mac(&salt, &fresh);
    let prk = mac(b"IKY assertion v1", &lp(&[&seed, b"", b""]));
    let id = expand(&prk, "id", 16);
    out.0.push_str("\nThe successor, at both ends:\n\n");
    for (name, value) in [
        ("x", &fresh[..]),
        ("seed'", &seed),
        ("PRK'", &prk),
        ("id'", &id),
        ("ClientKey'", &expand(&prk, "client key", 32)),
        ("ServerKey'", &expand(&prk, "server key", 32)),
    ] {
        out.value(name, value);
    }
    assert_eq!(world.assertion().id().as_octets()[..], id);
    check("example.txt", out);
}

// ------------------------------------------------------------------------------------------------------ Line protocols

fn tag() -> Tag {
    Tag::parse("a1").unwrap()
}

const IMAP: Application = Application {
    commands: "a2 SELECT INBOX\r\n",
    answers: "* 172 EXISTS\r\n* OK [UIDVALIDITY 3857529045] UIDs valid\r\n* FLAGS (\\Answered \\Seen)\r\n\
              a2 OK [READ-WRITE] SELECT completed\r\n",
    refusals: "a2 BAD Log in first\r\n",
};

fn imap_run(out: &mut Dialogue, attempt: &mut Attempt<'_>, application: Application) -> (Completion, Settled) {
    let offer = attempt.offer();
    let greeting = format!("* OK [CAPABILITY IMAP4rev2 {}] ready\r\n", imap::capabilities(&offer));
    out.lines("S:", greeting.as_bytes());
    let heard = imap::offer(greeting.as_bytes());
    let start = imap::authenticate(tag(), &heard, attempt.mechanism(), &attempt.message());
    run(out, attempt, start, imap::server(&offer), application)
}

fn imap_world() -> World {
    World::new(Service::IMAP, "imap.example.com", "alice", &[Pin::SHA_256_EXPR], Policy::default())
}

#[test]
fn imap_recognised() {
    let world = imap_world();
    let first = Tls::full(1, "imap.example.com");
    world.full_login(&first, &[]);
    let tls = first.resuming(2);

    let mut out = Dialogue::default();
    let mut attempt = world.attempt(&tls, Some(&first), "EXTERNAL");
    let message = attempt.message();
    let (completion, settled) = imap_run(&mut out, &mut attempt, IMAP);
    assert_eq!(settled, Settled::LoggedIn);
    out.decoded("Initiator message", &message);
    out.decoded("Responder message", &completion.data.unwrap());
    check("imap-iky.txt", out);

    let mut out = Dialogue::default();
    let mut attempt = world.attempt(&first.resuming(3), Some(&first), "");
    let (_, settled) = imap_run(&mut out, &mut attempt, IMAP);
    assert_eq!(settled, Settled::LoggedIn);
    check("imap-external.txt", out);
}

#[test]
fn imap_refused() {
    let world = imap_world();
    let first = Tls::full(1, "imap.example.com");
    world.full_login(&first, &[]);

    // Unknown: another server of the same name, which has no record.
    let other = imap_world();
    other.accounts.restore(&world.account, world.assertion(), ["IKY-SHA-256-EXPR"]);
    let mut out = Dialogue::default();
    let mut attempt = other.attempt(&Tls::full(4, "imap.example.com"), None, "");
    let (completion, settled) = imap_run(&mut out, &mut attempt, IMAP);
    assert!(matches!(settled, Settled::Failed(_)));
    out.decoded("Responder message", &completion.data.unwrap());
    check("imap-unknown.txt", out);
    assert_eq!(other.accounts.assertions(&other.account).len(), 1, "kept");

    // Revoked: told, signed, to the client itself.
    world.store.revoke("alice", Revoke::All, world.now).unwrap();
    let mut out = Dialogue::default();
    let mut attempt = world.attempt(&Tls::full(5, "imap.example.com"), None, "");
    let (completion, settled) = imap_run(&mut out, &mut attempt, IMAP);
    assert!(matches!(settled, Settled::Failed(_)));
    out.decoded("Responder message", &completion.data.unwrap());
    check("imap-revoked.txt", out);
    assert!(world.accounts.assertions(&world.account).is_empty(), "gone");
}

/// A sibling of an IMAP service that sees nothing of TLS: no byte was ever sent for this assertion.
#[test]
fn smtp_by_a_sibling() {
    let imap_name = "imap.example.com";
    let name = "submission.example.com";
    let scope = Scope::new(Service::SMTP, ServerName::parse(name).unwrap());
    let mut world = World::new(Service::IMAP, imap_name, "alice", &[Pin::SHA_256_EXPR], no_lineage());
    world.server = world.server.sibling(Sibling { scope: scope.clone(), pin: Pin::SHA_256_NONE });
    world.full_login(&Tls::full(1, imap_name), &[Sibling { scope: scope.clone(), pin: Pin::SHA_256_NONE }]);

    let submission = World::new(Service::SMTP, name, "alice", &[Pin::SHA_256_NONE], no_lineage());
    let account = Account::new(scope, "alice");
    let world = World { server: submission.server, account, service: Service::SMTP, ..world };
    let mut tls = Tls::full(2, name);
    tls.server_sees = false;

    for (file, keyword) in [("smtp-iknowyou.txt", true), ("smtp-plain.txt", false)] {
        let mut out = Dialogue::default();
        let mut attempt = world.attempt(&tls, None, "");
        let mut offer = attempt.offer().with_pipelining();
        if keyword {
            offer = offer.with_iky_pipelining();
        }
        out.lines("C:", b"EHLO client.example.net\r\n");
        let reply = format!("250-{name}\r\n{}250 ENHANCEDSTATUSCODES\r\n", smtp::ehlo_lines(&offer));
        out.lines("S:", reply.as_bytes());
        let start = smtp::authenticate(&smtp::offer(reply.as_bytes()), attempt.mechanism(), &attempt.message());
        let application = Application {
            commands: "MAIL FROM:<alice@example.com>\r\nRCPT TO:<bob@example.org>\r\n",
            answers: "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n",
            refusals: "530 5.7.0 Authentication required\r\n",
        };
        let message = attempt.message();
        let (completion, settled) = run(&mut out, &mut attempt, start, smtp::server(&offer), application);
        assert_eq!(settled, Settled::LoggedIn);
        if keyword {
            out.decoded("Initiator message", &message);
            out.decoded("Responder message", &completion.data.unwrap());
        }
        check(file, out);
    }
}

/// Too long for POP3's line, so the message follows an empty challenge.
#[test]
fn pop3_too_long_for_the_line() {
    let name = "pop.example.com";
    let world = World::new(Service::POP, name, "alice@example.com", &[Pin::ED25519_EXPR], Policy::default());
    world.full_login(&Tls::full(1, name), &[]);
    let mut out = Dialogue::default();
    let mut attempt = world.attempt(&Tls::full(2, name), None, "");
    let offer = attempt.offer().with_pipelining();
    out.lines("C:", b"CAPA\r\n");
    let answer = format!("+OK\r\n{}.\r\n", pop3::capa_lines(&offer));
    out.lines("S:", answer.as_bytes());
    let start = pop3::authenticate(&pop3::offer(answer.as_bytes()), attempt.mechanism(), &attempt.message());
    let application = Application { commands: "STAT\r\n", answers: "+OK 2 320\r\n", refusals: "-ERR Log in first\r\n" };
    let message = attempt.message();
    let (completion, settled) = run(&mut out, &mut attempt, start, pop3::server(&offer), application);
    assert_eq!(settled, Settled::LoggedIn);
    out.decoded("Initiator message", &message);
    out.decoded("Responder message", &completion.data.unwrap());
    check("pop3.txt", out);
}

#[test]
fn sieve_and_acap() {
    let name = "sieve.example.com";
    let world = World::new(Service::SIEVE, name, "alice", &[Pin::SHA_256_EXPR], Policy::default());
    world.full_login(&Tls::full(1, name), &[]);
    let mut out = Dialogue::default();
    let mut attempt = world.attempt(&Tls::full(2, name), None, "");
    let offer = attempt.offer();
    let greeting = format!("\"IMPLEMENTATION\" \"example\"\r\n{}OK\r\n", sieve::capability_line(&offer));
    out.lines("S:", greeting.as_bytes());
    let start = sieve::authenticate(&sieve::offer(greeting.as_bytes()), attempt.mechanism(), &attempt.message());
    let application =
        Application { commands: "LISTSCRIPTS\r\n", answers: "\"vacation\" ACTIVE\r\nOK\r\n", refusals: "NO\r\n" };
    let (_, settled) = run(&mut out, &mut attempt, start, sieve::server(&offer), application);
    assert_eq!(settled, Settled::LoggedIn);
    check("sieve.txt", out);

    let name = "acap.example.com";
    let world = World::new(Service::ACAP, name, "alice", &[Pin::SHA_256_EXPR], Policy::default());
    world.full_login(&Tls::full(1, name), &[]);
    let mut out = Dialogue::default();
    let mut attempt = world.attempt(&Tls::full(2, name), None, "");
    let offer = attempt.offer();
    let greeting = format!("* ACAP (IMPLEMENTATION \"example\") {}\r\n", acap::greeting_item(&offer));
    out.lines("S:", greeting.as_bytes());
    let offered = acap::offer(greeting.as_bytes());
    let start = acap::authenticate(tag(), &offered, attempt.mechanism(), &attempt.message());
    let application = Application { commands: "a2 NOOP\r\n", answers: "a2 OK \"NOOP completed\"\r\n", refusals: "" };
    let (_, settled) = run(&mut out, &mut attempt, start, acap::server(&offer), application);
    assert_eq!(settled, Settled::LoggedIn);
    check("acap.txt", out);
}

// --------------------------------------------------------------------------------------------------------------- LDAP

#[test]
fn ldap_bind() {
    let name = "ldap.example.com";
    let world = World::new(Service::LDAP, name, "u:alice", &[Pin::SHA_256_EXPR], Policy::default());
    world.full_login(&Tls::full(1, name), &[]);
    let mut out = Dialogue::default();
    let mut attempt = world.attempt(&Tls::full(2, name), None, "");
    let offer = attempt.offer();
    let message = attempt.message();
    let (flight, mut client) = ldap::bind(1, attempt.mechanism(), &message).unwrap();
    out.0.push_str("BindRequest, in hexadecimal:\n\n");
    out.hex("C:", &flight.bytes);
    let mut server = ldap::ServerExchange::new(&offer);
    let Ok(ServerEvent::Verify(request)) = server.receive(&mut BytesMut::from(&flight.bytes[..])) else { panic!() };
    let verdict = attempt.judge(request.mechanism.as_str(), &request.initial_response.unwrap());
    let answer = server.finish(verdict.outcome, verdict.message.as_deref()).unwrap();
    let ServerEvent::Done { bytes, accepted: true } = answer else { panic!("{answer:?}") };
    out.0.push_str("\nBindResponse:\n\n");
    out.hex("S:", &bytes);
    let Ok(Event::Done(completion)) = client.receive(&mut BytesMut::from(&bytes[..])) else { panic!() };
    assert_eq!(attempt.settle(Outcome::Accepted, completion.data.as_deref()), Settled::LoggedIn);
    out.decoded("credentials", &message);
    out.decoded("serverSaslCreds", &completion.data.unwrap());
    check("ldap.txt", out);
}

// --------------------------------------------------------------------------------------------------------------- XMPP

/// The server's half of a stream: its header and features, and the answer to `<authenticate/>`.
fn xmpp_run(
    out: &mut Dialogue,
    attempt: &mut Attempt<'_>,
    authenticate: xmpp::Authenticate,
    success: impl FnOnce(&xmpp::Authenticate, Vec<u8>) -> xmpp::Success,
) -> (xmpp::Event, Settled) {
    let header =
        xmpp::StreamHeader { to: Some("example.com".into()), from: Some("alice@example.com".into()), id: None };
    let (flight, mut client) = authenticate.start(Some(&header)).unwrap();
    out.lines("C:", &flight.bytes);
    let (mut framer, mut input) = (xmpp::Framer::new(), BytesMut::from(&flight.bytes[..]));
    assert!(matches!(framer.receive(&mut input), Ok(xmpp::Frame::Header(_))));
    let Ok(xmpp::Frame::Element(element)) = framer.receive(&mut input) else { panic!() };
    let Ok(xmpp::ClientElement::Authenticate(authenticate)) = xmpp::ClientElement::parse(&element) else { panic!() };
    let answer = xmpp::StreamHeader { from: Some("example.com".into()), id: Some("s1".into()), to: None };
    out.lines("S:", &answer.to_octets().unwrap());
    let features = xmpp::Features {
        sasl2: attempt.offer(),
        bind: true,
        resume: true,
        grants: true,
        channel_bindings: vec!["tls-exporter".into()],
        ..xmpp::Features::default()
    };
    out.lines("S:", &features.to_octets().unwrap());
    let request = &authenticate.request;
    let verdict = attempt.judge(request.mechanism.as_str(), request.initial_response.as_ref().unwrap());
    let answer = match verdict.outcome {
        Outcome::Accepted => success(&authenticate, verdict.message.unwrap().into()).to_octets(xmpp::Version::Sasl2),
        outcome => xmpp::Failure::new(outcome, verdict.message.as_deref()).to_octets(xmpp::Version::Sasl2),
    };
    let answer = answer.unwrap();
    out.lines("S:", &answer);
    let event = client.receive(&answer).unwrap();
    let settled = match &event {
        xmpp::Event::Success(success) => attempt.settle(Outcome::Accepted, success.data.as_deref()),
        xmpp::Event::Failure(failure) => attempt.settle(Outcome::Revoked, failure.message.as_deref()),
        other => panic!("{other:?}"),
    };
    (event, settled)
}

#[test]
fn xmpp_resumed_granted_and_revoked() {
    let world = World::new(Service::XMPP, "example.com", "alice", &[Pin::SHA_256_EXPR], Policy::default());
    let first = Tls::full(1, "example.com");
    world.full_login(&first, &[]);

    let mut out = Dialogue::default();
    let mut attempt = world.attempt(&first.resuming(2), Some(&first), "EXTERNAL");
    let mut authenticate = xmpp::Authenticate::new(attempt.mechanism(), &attempt.message());
    authenticate.resume = Some(xmpp::Resume { previd: "stream-7".into(), h: 12 });
    let (_, settled) = xmpp_run(&mut out, &mut attempt, authenticate, |asked, data| xmpp::Success {
        data: Some(data.into()),
        authorization_identifier: Some("alice@example.com/balcony".into()),
        resumed: asked.resume.as_ref().map(|resume| xmpp::Resume { h: 7, ..resume.clone() }),
        ..xmpp::Success::default()
    });
    assert_eq!(settled, Settled::LoggedIn);
    check("xmpp.txt", out);

    // The elements of a grant, asked for in a full login.
    let mut out = Dialogue::default();
    let mechanism = MechanismName::parse("IKY-SHA-256-NONE").unwrap();
    let mut authenticate = xmpp::Authenticate::new(MechanismName::parse("PLAIN").unwrap(), b"\0alice\0secret");
    authenticate.assertion_request = Some(mechanism);
    out.lines("C:", &authenticate.to_octets().unwrap());
    let success = xmpp::Success {
        authorization_identifier: Some("alice@example.com".into()),
        assertion: Some(xmpp::GrantedAssertion::new(mechanism, [0x42; 32])),
        ..xmpp::Success::default()
    };
    out.lines("S:", &success.to_octets(xmpp::Version::Sasl2).unwrap());
    check("xmpp-grant.txt", out);

    world.store.revoke("alice", Revoke::All, world.now).unwrap();
    let mut out = Dialogue::default();
    let mut attempt = world.attempt(&Tls::full(5, "example.com"), None, "");
    let authenticate = xmpp::Authenticate::new(attempt.mechanism(), &attempt.message());
    let (_, settled) = xmpp_run(&mut out, &mut attempt, authenticate, |_, _| panic!("it was revoked"));
    assert!(matches!(settled, Settled::Failed(_)));
    let Dialogue(text) = out;
    let from = text.find("S: <failure").unwrap();
    check("xmpp-failure.txt", Dialogue(text[from..].to_owned()));
    assert_eq!(world.service, Service::XMPP);
}
