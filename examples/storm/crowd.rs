//! All clients, in a process of their own, so that what the server takes is the server's. It does what it is told on its standard
//! input, and says on its standard output what came of it, a line of JSON each.

use std::io::{BufRead as _, Write as _};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::rc::Rc;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};

use crate::client::Clients;
use crate::common::certificates;
use crate::meter::{Cpu, Meter};
use crate::way::Way;
use crate::{Fault, THREADS};

/// Who makes itself known does so in small groups.
const AT_ONCE: usize = 32;

/// Nobody waits longer for a login.
const PATIENCE: Duration = Duration::from_secs(60);

/// A round: who comes, and how.
struct Round {
    server: String,
    way: Option<Way>,
    clients: Range<usize>,
}

/// One thread's part in a round.
#[derive(Default)]
struct Part {
    /// Until each login, in microseconds.
    latencies: Vec<u64>,
    cpu: Cpu,
}

pub(crate) fn run() -> Result<(), Fault> {
    let mut told = std::io::stdin().lock().lines();
    let mut next = || match told.next() {
        Some(line) => Ok(Some(serde_json::from_str::<Value>(&line?)?)),
        None => Ok::<_, Fault>(None),
    };
    let settings = next()?.ok_or("nobody says what to do")?;
    let base = certificates::client(settings["certificate"].as_str().ok_or("no certificate")?)?;
    let count = NonZeroUsize::new(number(&settings, "clients")?).ok_or("no clients")?;
    let clients = |_| Ok::<_, Fault>(Arc::new(Clients::new(Arc::clone(&base), count)?));
    let threads = (0..THREADS).map(clients).collect::<Result<Vec<_>, _>>()?;
    while let Some(told) = next()? {
        let round = Round {
            server: told["server"].as_str().ok_or("no server")?.to_owned(),
            way: told["way"].as_str().and_then(Way::parse),
            clients: number(&told, "from")?..number(&told, "to")?,
        };
        round.run(&threads, || next().map(|_| ()))?;
    }
    Ok(())
}

fn number(value: &Value, name: &str) -> Result<usize, Fault> {
    Ok(usize::try_from(value[name].as_u64().ok_or("a number is missing")?)?)
}

fn say(what: &Value) -> Result<(), Fault> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{what}")?;
    Ok(stdout.flush()?)
}

impl Round {
    /// Has all clients log in, says so, and closes their connections when `close` has returned.
    fn run(&self, threads: &[Arc<Clients>], close: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
        let (logged_in, closed) = (&Barrier::new(THREADS + 1), &Barrier::new(THREADS + 1));
        let start = Instant::now();
        std::thread::scope(|scope| {
            let part = |(first, clients)| {
                scope.spawn(move || match self.part(clients, first, start) {
                    Ok((part, wires)) => {
                        logged_in.wait();
                        closed.wait();
                        drop(wires);
                        part
                    }
                    Err(fault) => {
                        // The others would wait for it, and the server for them.
                        eprintln!("a client: {fault}");
                        std::process::exit(1);
                    }
                })
            };
            let parts: Vec<_> = threads.iter().enumerate().map(part).collect();
            logged_in.wait();
            say(&json!({ "seconds": start.elapsed().as_secs_f64() }))?;
            let done = close();
            closed.wait();
            let mut all = Part::default();
            for part in parts {
                let part = part.join().map_err(|_| "a thread panicked")?;
                all.latencies.extend(part.latencies);
                all.cpu.add(&part.cpu);
            }
            say(&json!({ "latencies": all.latencies, "cpu": all.cpu.json() }))?;
            done
        })
    }

    /// The logins of every second client, all at once; and the connections, with the runtime that they belong to.
    fn part(&self, clients: &Arc<Clients>, first: usize, start: Instant) -> Result<(Part, impl Sized + use<>), Fault> {
        let meter = Rc::new(Meter::start());
        let at_once = Rc::new(Semaphore::new(if self.way.is_some() { self.clients.len() } else { AT_ONCE }));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (latencies, wires) = LocalSet::new().block_on(&runtime, async {
            let mut visits = JoinSet::new();
            for number in self.clients.clone().filter(|number| number % THREADS == first) {
                let (clients, at_once, meter) = (Arc::clone(clients), Rc::clone(&at_once), Rc::clone(&meter));
                let (server, way) = (self.server.clone(), self.way);
                visits.spawn_local(async move {
                    let _permit = at_once.acquire().await?;
                    let login = tokio::time::timeout(PATIENCE, clients.log_in(&server, number, way, meter));
                    let wire = login.await.map_err(|_| "a login took too long")??;
                    let latency = u64::try_from(start.elapsed().as_micros())?;
                    // Who only made itself known goes.
                    Ok::<_, Fault>((latency, way.is_some().then_some(wire)))
                });
            }
            let mut all = (Vec::new(), Vec::new());
            while let Some(visit) = visits.join_next().await {
                let (latency, wire) = visit??;
                all.0.push(latency);
                all.1.push(wire);
            }
            Ok::<_, Fault>(all)
        })?;
        Ok((Part { latencies, cpu: meter.stop() }, (wires, runtime)))
    }
}
