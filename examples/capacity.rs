//! What a store holds, and what that costs: octets per record, lookups and verifications per second, at a thousand records, at a tenth of
//! the records and at all of them.
//!
//! `cargo run --release --example capacity [RECORDS] [STORE] [sessions]`; 1,000,000 records in the `memory` store by
//! default, each the only one of an account of its own. In memory a store of a thousand is measured beside the full one, in turns. With `sessions`, every login leaves a TLS session that can be
//! resumed, too. Other stores are `redb:FILE`, a new file, and `redis://HOST:PORT`, an empty Valkey that is nobody else's.
//! Octets are those of this process's resident memory, of the file, or of the server's `used_memory`.

use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fast_reauth::Timestamp;
use fast_reauth::assertion::{AssertionId, BindingType, ClientAssertion, DeviceId, FullLogin, Pin, Policy, Service};
use fast_reauth::channel::{ChannelFacts, ExporterUnavailable, Handle, ServerName};
use fast_reauth::mechanism::iky::Client;
use fast_reauth::mechanism::{Connection, Login, Outcome, Server};
use fast_reauth::store::redis::{RedisSettings, RedisStore};
use fast_reauth::store::{Capacity, Commit, Committed, Lookup, MemoryStore, RedbStore, Store};
use ring::hmac;

/// Whatever goes wrong ends the program, with a message.
type Fault = Box<dyn std::error::Error + Send + Sync>;

/// A store to measure.
trait Subject: Sync {
    /// The store itself; what the measurement knows of it.
    fn store(&self) -> &dyn Store;

    /// How many records and lineages it says that it holds, where it says so.
    fn len(&self) -> Option<(usize, usize)>;

    /// How many octets it takes, where that is.
    fn octets(&self) -> Result<usize, Fault>;

    /// How many logins it does well at once.
    fn threads(&self) -> usize {
        1
    }
}

impl Subject for MemoryStore {
    fn store(&self) -> &dyn Store {
        self
    }

    fn len(&self) -> Option<(usize, usize)> {
        Some(MemoryStore::len(self))
    }

    fn octets(&self) -> Result<usize, Fault> {
        resident()
    }
}

/// A store in a file.
struct InFile(RedbStore, PathBuf);

impl Subject for InFile {
    fn store(&self) -> &dyn Store {
        &self.0
    }

    fn len(&self) -> Option<(usize, usize)> {
        None
    }

    fn octets(&self) -> Result<usize, Fault> {
        use std::os::unix::fs::MetadataExt as _;
        // A file can have holes.
        Ok(usize::try_from(std::fs::metadata(&self.1)?.blocks() * 512)?)
    }

    fn threads(&self) -> usize {
        // One write to the disk takes the commits along that wait for it.
        512
    }
}

/// A store in a server.
struct InServer(RedisStore, String);

impl Subject for InServer {
    fn store(&self) -> &dyn Store {
        &self.0
    }

    fn len(&self) -> Option<(usize, usize)> {
        None
    }

    fn octets(&self) -> Result<usize, Fault> {
        let address = self.1.trim_start_matches("redis://").trim_end_matches('/');
        let mut server = TcpStream::connect(address)?;
        server.write_all(b"INFO memory\r\nQUIT\r\n")?;
        let mut told = String::new();
        server.read_to_string(&mut told)?;
        let used = told.lines().find_map(|line| line.strip_prefix("used_memory:")).ok_or("the server does not say")?;
        Ok(used.trim().parse()?)
    }

    fn threads(&self) -> usize {
        8
    }
}

/// The store of this name, with room for `records` records and as many lineages.
fn open(name: &str, records: usize) -> Result<Box<dyn Subject>, Fault> {
    match name {
        "memory" => Ok(Box::new(MemoryStore::new(Capacity { records, lineages: records, ..Capacity::default() }))),
        url if url.starts_with("redis://") => {
            let settings = RedisSettings::new(url)?.deadline(Duration::from_secs(5));
            Ok(Box::new(InServer(RedisStore::new(settings)?, url.to_owned())))
        }
        other => {
            let file = other.strip_prefix("redb:").ok_or("there are: memory, redb:FILE, redis://HOST:PORT")?;
            let capacity = Capacity { records, lineages: records, ..Capacity::default() };
            Ok(Box::new(InFile(RedbStore::open(file, capacity)?, file.into())))
        }
    }
}

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
const NAME: &str = "imap.example.com";

/// How many clients come back, how many ids are looked up, and how many in a round.
const RETURNING: usize = 20_000;
const LOOKUPS: usize = 1_000_000;
const ROUND: usize = 1_000;

/// A connection of which nothing is real: what its exporter gives comes from its number.
struct Channel(hmac::Key);

impl Channel {
    fn new(number: usize) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &number.to_be_bytes()))
    }

    fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), ExporterUnavailable> {
        let mut all = hmac::Context::with_key(&self.0);
        [label, b"\0", context].into_iter().for_each(|part| all.update(part));
        let tag = all.sign();
        out.copy_from_slice(tag.as_ref().get(..out.len()).ok_or(ExporterUnavailable)?);
        Ok(())
    }

    fn octets<const N: usize>(&self, what: &[u8]) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(&hmac::sign(&self.0, what).as_ref()[..N]);
        out
    }

    fn facts(&self) -> Result<ChannelFacts, Fault> {
        let facts = ChannelFacts::tls13().server_name(ServerName::parse(NAME)?);
        Ok(facts.exporter(&|label: &[u8], context: &[u8], out: &mut [u8]| self.export(label, context, out))?)
    }
}

/// A client that comes back: its message, for the connection that it comes back on.
struct Returning {
    channel: ChannelFacts,
    message: Vec<u8>,
}

/// The service, its store, and what the measurement has to know of the clients.
struct Load {
    subject: Box<dyn Subject>,
    server: Server,
    sessions: bool,
    ids: Vec<AssertionId>,
}

impl Load {
    /// An identity of 32 octets.
    fn identity(number: usize) -> String {
        format!("user{number:012}@mail.example.com")[..32].to_owned()
    }

    /// The full login of one client more.
    fn log_in(&self, number: usize) -> Result<AssertionId, Fault> {
        let (channel, identity) = (Channel::new(number), Self::identity(number));
        let mut facts = channel.facts()?;
        if self.sessions {
            facts = facts.handle(Handle::new(channel.octets(b"handle")));
        }
        let full = FullLogin::new("SCRAM-SHA-256-PLUS", &identity)?.bound_by(BindingType::Exporter);
        let login =
            Login { full: &full, identity: &identity, device: DeviceId::new(channel.octets(b"device")), now: NOW };
        let exporter = |label: &[u8], context: &[u8], out: &mut [u8]| channel.export(label, context, out);
        let made = Connection::new(&self.server, facts).logged_in(login, &exporter);
        let Commit::Remember(remember) = &made.commit else { return Err("a full login is remembered".into()) };
        let id = remember.records.first().map(|record| *record.id()).ok_or("a full login makes a record")?;
        match self.subject.store().commit(&made.commit, NOW)? {
            Committed::Done => Ok(id),
            other => Err(format!("client {number}: {other:?}").into()),
        }
    }

    fn fill(&mut self, to: usize) -> Result<Duration, Fault> {
        let start = Instant::now();
        let numbers: Vec<usize> = (self.ids.len()..to).collect();
        let this = &*self;
        let made = std::thread::scope(|scope| {
            let part =
                |numbers: &[usize]| numbers.iter().map(|&number| this.log_in(number)).collect::<Result<Vec<_>, _>>();
            let parts = numbers.chunks(numbers.len().div_ceil(this.subject.threads()).max(1));
            let parts: Vec<_> = parts.map(|numbers| scope.spawn(move || part(numbers))).collect();
            parts
                .into_iter()
                .map(|part| part.join().map_err(|_| "a thread panicked")?)
                .collect::<Result<Vec<_>, Fault>>()
        })?;
        let took = start.elapsed();
        self.ids.extend(made.into_iter().flatten());
        Ok(took)
    }

    /// The client of this number on a new connection, after its first use, which the store has to write down.
    fn comes_back(&self, number: usize) -> Result<Returning, Fault> {
        let (before, identity) = (Channel::new(number), Self::identity(number));
        let full = FullLogin::new("SCRAM-SHA-256-PLUS", &identity)?.bound_by(BindingType::Exporter);
        let exporter = |label: &[u8], context: &[u8], out: &mut [u8]| before.export(label, context, out);
        let (policy, service) = (Policy::default(), Service::IMAP);
        let assertion =
            ClientAssertion::derive(Pin::SHA_256_EXPR, &service, &full, &before.facts()?, &exporter, &policy, NOW)?;
        let channel = Channel::new(usize::MAX - number).facts()?;
        let client = Client::start(&assertion, &channel, None, None)?;
        let returning = Returning { channel, message: client.message };
        self.verify(&returning)?;
        Ok(returning)
    }

    fn verify(&self, client: &Returning) -> Result<(), Fault> {
        let connection = Connection::new(&self.server, client.channel.clone());
        let verdict = connection.iky(Pin::SHA_256_EXPR, &client.message).run(self.subject.store(), NOW);
        if verdict.outcome == Outcome::Accepted { Ok(()) } else { Err(format!("{:?}", verdict.outcome).into()) }
    }

    /// What is asked of the store to see how long that takes.
    fn questions(&self) -> Result<Questions, Fault> {
        let mut random = Random(self.ids.len() as u64);
        let known = (0..LOOKUPS).map(|_| self.ids[random.below(self.ids.len())]).collect();
        let unknown = (0..LOOKUPS).map(|_| random.id()).collect();
        let clients = (0..RETURNING).map(|_| self.comes_back(random.below(self.ids.len())));
        Ok(Questions { known, unknown, clients: clients.collect::<Result<_, _>>()? })
    }

    fn look_up(&self, id: AssertionId, is_known: bool) -> Result<(), Fault> {
        let found = self.subject.store().lookup(&Lookup { assertion: Some(id), ..Lookup::default() }, NOW)?;
        if black_box(found).record.is_there() == is_known { Ok(()) } else { Err("a record is missing".into()) }
    }
}

struct Questions {
    known: Vec<AssertionId>,
    /// Ids that the store never saw, as anybody can send them.
    unknown: Vec<AssertionId>,
    clients: Vec<Returning>,
}

/// What takes how long with these records. Of several stores they are asked in turns: processors change their pace within a second, which then
/// is the same for all.
fn measure<const N: usize>(loads: [&Load; N]) -> Result<[Costs; N], Fault> {
    let asked = loads.iter().map(|load| load.questions()).collect::<Result<Vec<_>, _>>()?;
    let look_up =
        |which: usize, ids: &[AssertionId], is_known| ids.iter().try_for_each(|id| loads[which].look_up(*id, is_known));
    let known = medians(asked.iter().map(|asked| &asked.known[..]), ROUND, |which, ids| look_up(which, ids, true))?;
    let unknown =
        medians(asked.iter().map(|asked| &asked.unknown[..]), ROUND, |which, ids| look_up(which, ids, false))?;
    let clients = asked.iter().map(|asked| &asked.clients[..]);
    let verification = medians(clients, ROUND / 10, |which, clients: &[Returning]| {
        clients.iter().try_for_each(|client| loads[which].verify(client))
    })?;
    Ok(std::array::from_fn(|which| Costs {
        known: known[which],
        unknown: unknown[which],
        verification: verification[which],
    }))
}

/// Nanoseconds.
struct Costs {
    known: f64,
    unknown: f64,
    verification: f64,
}

impl Costs {
    fn print(&self, records: usize) {
        println!(
            "{records:>9} records: a lookup {:.0} ns ({:.0}/s), of an unknown id {:.0} ns; \
             a verification {:.2} µs ({:.0}/s)",
            self.known,
            1e9 / self.known,
            self.unknown,
            self.verification / 1e3,
            1e9 / self.verification,
        );
    }
}

/// Nanoseconds for one item of each list: the medians over the rounds, as whatever else the machine does disturbs only some of them.
fn medians<'a, T: 'a>(
    lists: impl Iterator<Item = &'a [T]>,
    round: usize,
    mut run: impl FnMut(usize, &[T]) -> Result<(), Fault>,
) -> Result<Vec<f64>, Fault> {
    let mut lists: Vec<_> = lists.map(|list| (list, Vec::new())).collect();
    let rounds = lists.iter().map(|(list, _)| list.len() / round).min().unwrap_or(0);
    let nth = |list: &'a [T], number: usize| list.get(number * round..(number + 1) * round).unwrap_or_default();
    for number in 1..rounds {
        // Whose turn it is first changes.
        for turn in 0..lists.len() {
            let which = (turn + number) % lists.len();
            let (list, took) = &mut lists[which];
            // What the other store's round pushed out of the caches comes back in one that is not measured.
            run(which, nth(list, number - 1))?;
            let start = Instant::now();
            run(which, nth(list, number))?;
            took.push(start.elapsed().as_nanos() as f64 / round as f64);
        }
    }
    let median = |mut took: Vec<f64>| {
        took.sort_by(f64::total_cmp);
        took.get(took.len() / 2).copied().ok_or_else(|| "nothing to measure".into())
    };
    lists.into_iter().map(|(_, took)| median(took)).collect()
}

/// A splitmix64: which client is next needs no more than that.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % end as u64) as usize
    }

    fn id(&mut self) -> AssertionId {
        let mut octets = [0; AssertionId::LEN];
        octets.iter_mut().for_each(|octet| *octet = self.below(256) as u8);
        AssertionId::from_octets(octets)
    }
}

/// Octets of this process that are in memory.
fn resident() -> Result<usize, Fault> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS in /proc/self/status")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<usize>()? * 1024)
}

fn run() -> Result<(), Fault> {
    let mut args = std::env::args().skip(1);
    let records = args.next().map_or(Ok(1_000_000), |number| number.parse::<usize>())?.max(10);
    let name = args.next().unwrap_or_else(|| "memory".to_owned());
    let sessions = args.next().is_some_and(|word| word == "sessions");
    let server = Server::new(Service::IMAP, [ServerName::parse(NAME)?], ["SCRAM-SHA-256-PLUS"])?;
    let new = |records| -> Result<Load, Fault> {
        Ok(Load { subject: open(&name, records)?, server: server.clone(), sessions, ids: Vec::new() })
    };
    let fewest = 1_000.min(records / 100).max(1);
    let mut load = new(records)?;
    let mut few = if name == "memory" { Some(new(records)?) } else { None };
    if let Some(few) = &mut few {
        few.fill(fewest)?;
    }
    // What the measurement keeps is in memory before it counts; the first client brings in what is there only once.
    let first = load.log_in(0)?;
    load.ids.resize(records, first);
    load.ids.truncate(1);
    let before = load.subject.octets()?;

    let mut grown = Vec::new();
    for size in [fewest, records / 10, records] {
        let took = load.fill(size)?;
        let octets = load.subject.octets()?.saturating_sub(before) as f64 / size as f64;
        println!("{size:>9} records: {octets:.1} octets each; {:.1} s to fill", took.as_secs_f64());
        let [costs] = measure([&load])?;
        costs.print(size);
        grown.push(costs);
    }
    if let Some(few) = &few {
        grown = measure([few, &load])?.into();
        println!("in turns, on two stores at once:");
        grown.iter().zip([fewest, records]).for_each(|(costs, size)| costs.print(size));
    }
    if let [less, .., more] = &grown[..] {
        println!(
            "ratio of the last to the first: {:.2} for a lookup, {:.2} for one of an unknown id, {:.2} for a verification",
            more.known / less.known,
            more.unknown / less.unknown,
            more.verification / less.verification,
        );
    }
    if let Some((records, lineages)) = load.subject.len() {
        println!("the store says that it holds {records} records and {lineages} lineages");
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}
