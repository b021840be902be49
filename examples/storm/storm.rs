//! The order of events: everybody becomes known, then all come back at once, for each way and each round.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::net::TcpListener as Listener;
use std::ops::Range;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;

use crate::common::certificates;
use crate::meter::{Cpu, resident};
use crate::passwords::Passwords;
use crate::progress::Progress;
use crate::server::Server;
use crate::sessions::TlsSessions;
use crate::way::{HOST, Way};
use crate::{Fault, THREADS};

/// What makes this program the clients.
pub(crate) const CROWD: &str = "--be-the-clients";

/// How many of the clients come where each login takes the server a hash: one in so many.
const HASHED: usize = 20;

/// All that was measured.
pub(crate) struct Measured {
    pub(crate) clients: usize,
    pub(crate) rounds: usize,
    /// Octets of the server for each client that it knows and that is not connected.
    pub(crate) known: f64,
    /// And for each connection.
    pub(crate) connection: f64,
    /// In the order of [`Way::ALL`].
    pub(crate) storms: Vec<Storm>,
}

/// The storms of one way.
pub(crate) struct Storm {
    pub(crate) way: Way,
    pub(crate) clients: usize,
    pub(crate) logins: usize,
    pub(crate) seconds: f64,
    /// For each login, at the server and at the client.
    pub(crate) server: Cpu,
    pub(crate) client: Cpu,
    /// From the storm's start to a client's login, in microseconds, in order.
    latencies: Vec<u64>,
}

impl Storm {
    /// In milliseconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let at = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).map_or(0.0, |micros| *micros as f64 / 1e3)
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.logins as f64 / self.seconds
    }

    /// What of the server's whole CPU time for a login is authentication.
    pub(crate) fn share_of_login(&self) -> f64 {
        self.server.authentication / self.server.whole()
    }

    /// How much of it there is for what TLS takes.
    pub(crate) fn to_tls(&self) -> f64 {
        self.server.authentication / self.server.tls
    }
}

/// One round, as it was seen.
struct Round {
    seconds: f64,
    latencies: Vec<u64>,
    server: Cpu,
    client: Cpu,
    /// Octets of the server while all were connected.
    resident: f64,
}

pub(crate) fn run(clients: usize, rounds: usize) -> Result<Measured, Fault> {
    // Each end has a socket for each client.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let hashed = (clients / HASHED).max(2);
    let passwords = {
        let _progress = Progress::start(format!("{clients} accounts"), clients);
        Passwords::new(clients)?
    };
    let identity = certificates::self_signed(HOST)?;
    let mut tls = ServerConfig::clone(&*certificates::server(&identity)?);
    tls.session_storage = Arc::new(TlsSessions::default());
    let server = Arc::new(Server::new(Arc::new(tls), passwords)?);
    let mut crowd = Crowd::start(json!({ "certificate": identity.certificate, "clients": clients }))?;

    // The first ones bring in what is there only once.
    let some = clients.div_ceil(10);
    crowd.round(&server, None, 0..some, format!("{some} clients log in for the first time"))?;
    let before = resident()?;
    let others = clients - some;
    crowd.round(&server, None, some..clients, format!("{others} clients log in for the first time"))?;
    let known = (resident()? - before) / others as f64;

    // The first use of a record is a write to the store, once, and so is a token's. It is not measured; what all these connections
    // take is, as later ones get the memory that these gave back.
    let before = resident()?;
    let first = crowd.round(&server, Some(Way::Iky), 0..clients, format!("{clients} clients are recognised first"))?;
    let connection = (first.resident - before) / clients as f64;
    crowd.round(&server, Some(Way::Ht), 0..clients, format!("{clients} clients use their token first"))?;

    let mut storms = Vec::new();
    for way in Way::MEASURED {
        let clients = match way {
            Way::Argon2 => hashed,
            _ => clients,
        };
        if way == Way::Argon2 {
            // Not before the memory was measured, of which this takes more than everything else.
            server.passwords.hash(hashed)?;
        }
        let mut all = Vec::new();
        for round in 1..=rounds {
            let what = format!("{clients} clients reconnect, {}, {round} of {rounds}", way.title());
            all.push(crowd.round(&server, Some(way), 0..clients, what)?);
        }
        storms.push(Storm::of(way, clients, all));
    }
    crowd.end()?;
    storms.sort_by_key(|storm| Way::ALL.iter().position(|way| *way == storm.way));
    Ok(Measured { clients, rounds, known, connection, storms })
}

impl Storm {
    fn of(way: Way, clients: usize, rounds: Vec<Round>) -> Self {
        let logins = clients * rounds.len();
        let (mut server, mut client, mut seconds) = (Cpu::default(), Cpu::default(), 0.0);
        let mut latencies = Vec::new();
        for round in rounds {
            server.add(&round.server);
            client.add(&round.client);
            seconds += round.seconds;
            latencies.extend(round.latencies);
        }
        latencies.sort_unstable();
        let (server, client) = (server.per(logins), client.per(logins));
        Self { way, clients, logins, seconds, server, client, latencies }
    }
}

/// The process that is all clients.
struct Crowd {
    process: Child,
    tell: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

impl Crowd {
    fn start(settings: Value) -> Result<Self, Fault> {
        let mut process =
            Command::new(std::env::current_exe()?).arg(CROWD).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let tell = process.stdin.take().ok_or("a process without input")?;
        let said = BufReader::new(process.stdout.take().ok_or("a process without output")?).lines();
        let mut crowd = Self { process, tell, said };
        crowd.tell(&settings)?;
        Ok(crowd)
    }

    fn tell(&mut self, what: &Value) -> Result<(), Fault> {
        Ok(writeln!(self.tell, "{what}")?)
    }

    fn hear(&mut self) -> Result<Value, Fault> {
        Ok(serde_json::from_str(&self.said.next().ok_or("the clients gave up")??)?)
    }

    /// So many clients come to the server at once, stay until all are there, and go.
    fn round(
        &mut self,
        server: &Arc<Server>,
        way: Option<Way>,
        clients: Range<usize>,
        what: String,
    ) -> Result<Round, Fault> {
        let progress = Progress::start(what, clients.len());
        let listener = listen(clients.len())?;
        let address = listener.local_addr()?.to_string();
        let (close, closed) = watch::channel(false);
        let logins = server.logins();
        std::thread::scope(|scope| {
            let serve = |_| scope.spawn(|| server.run(&listener, closed.clone()));
            let threads: Vec<_> = (0..THREADS).map(serve).collect();
            let (over, is_over) = std::sync::mpsc::channel::<()>();
            scope.spawn(move || {
                while is_over
                    .recv_timeout(Duration::from_millis(100))
                    .is_err_and(|error| error == std::sync::mpsc::RecvTimeoutError::Timeout)
                {
                    progress.show(server.logins() - logins);
                }
            });
            let seen = self.tell_and_hear(&address, way, clients);
            drop(over);
            // Also when the clients gave up, or the threads would serve for ever.
            close.send_replace(true);
            let mut cpu = Cpu::default();
            for thread in threads {
                cpu.add(&thread.join().map_err(|_| "a thread panicked")??);
            }
            Ok(Round { server: cpu, ..seen? })
        })
    }

    fn tell_and_hear(&mut self, server: &str, way: Option<Way>, clients: Range<usize>) -> Result<Round, Fault> {
        self.tell(&json!({ "server": server, "way": way.map(Way::name), "from": clients.start, "to": clients.end }))?;
        let there = self.hear()?;
        let resident = resident()?;
        self.tell(&json!("close"))?;
        let seen = self.hear()?;
        let latencies = seen["latencies"].as_array().ok_or("no latencies")?;
        Ok(Round {
            seconds: there["seconds"].as_f64().ok_or("no time")?,
            latencies: latencies.iter().filter_map(Value::as_u64).collect(),
            server: Cpu::default(),
            client: Cpu::parse(&seen["cpu"])?,
            resident,
        })
    }

    /// The clients end with their input.
    fn end(self) -> Result<(), Fault> {
        let Self { mut process, tell, said } = self;
        drop((tell, said));
        if process.wait()?.success() { Ok(()) } else { Err("the clients did not end well".into()) }
    }
}

/// A listener that has room for all who come at once.
fn listen(clients: usize) -> Result<Listener, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        Ok(socket.listen(u32::try_from(clients)?)?.into_std()?)
    })
}
