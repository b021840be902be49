//! Clients that log in without a pause, while something happens to the nodes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::Fault;
use crate::client::{Client, UNAVAILABLE, Visit};
use crate::fleet::Fleet;

/// Logins of each client before and after what happens, at least.
pub(crate) const SOME: usize = 10;

/// For all that a crowd does.
const PATIENCE: Duration = Duration::from_secs(15);

/// A client that logs in at one node, again and again.
pub(crate) struct Member<'c> {
    pub(crate) client: &'c Client,
    pub(crate) node: usize,
    /// What happens does not concern it. Another one tries each time what it had before, whatever it was told of it.
    pub(crate) stays: bool,
}

/// Logins of one client.
#[derive(Clone, Copy, Default)]
pub(crate) struct Count {
    /// Accepted before what happened had happened.
    pub(crate) before: usize,
    /// Sent after that, and accepted.
    pub(crate) accepted: usize,
    /// Sent after that, and refused.
    pub(crate) refused: usize,
    /// Put off, as the store did not answer in time.
    pub(crate) unanswered: usize,
}

/// Each member logs in some times, until `happens` returned and some times more.
pub(crate) fn revoking(
    fleet: &Fleet,
    members: &[Member<'_>],
    happens: impl FnOnce() -> Result<(), Fault>,
) -> Result<Vec<Count>, Fault> {
    let (done, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let logins: Vec<AtomicUsize> = members.iter().map(|_| AtomicUsize::new(0)).collect();
    let visits = |member: &Member<'_>, count: &AtomicUsize| {
        let port = fleet.port(member.node);
        let mut visits = Vec::new();
        while !over.load(Ordering::SeqCst) {
            let visit = match member.stays {
                true => member.client.come_back(port, false)?,
                false => member.client.copy()?.come_back(port, false)?,
            };
            visits.push(visit.ok_or("a client that knows no way to come back")?);
            count.fetch_add(1, Ordering::SeqCst);
        }
        Ok::<_, Fault>(visits)
    };
    let wait = |enough: &dyn Fn(usize, usize) -> bool| {
        let began = Instant::now();
        let seen = || logins.iter().map(|count| count.load(Ordering::SeqCst));
        while began.elapsed() < PATIENCE && !seen().enumerate().all(|(at, count)| enough(at, count)) {
            if done.load(Ordering::SeqCst) > 0 {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        seen().collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let started = members.iter().zip(&logins).map(|(member, count)| {
            let (visits, done) = (&visits, &done);
            scope.spawn(move || {
                let visits = visits(member, count);
                done.fetch_add(1, Ordering::SeqCst);
                visits
            })
        });
        let started: Vec<_> = started.collect();
        wait(&|_, count| count >= SOME);
        let happened = happens();
        let returned = Instant::now();
        let then = logins.iter().map(|count| count.load(Ordering::SeqCst)).collect::<Vec<_>>();
        // One more may have been under way.
        wait(&|at, count| count > then[at] + SOME);
        over.store(true, Ordering::SeqCst);
        let joined = started.into_iter().map(|thread| thread.join().map_err(|_| "a client panicked")?);
        let visits = joined.collect::<Result<Vec<_>, Fault>>()?;
        happened?;
        Ok(visits.iter().map(|visits| count(visits, returned)).collect())
    })
}

fn count(visits: &[Visit], returned: Instant) -> Count {
    let mut count = Count::default();
    for visit in visits {
        match (visit.sent >= returned, &visit.refused) {
            (_, Some((why, _))) if why == UNAVAILABLE => count.unanswered += 1,
            (false, None) => count.before += 1,
            (false, Some(_)) => {}
            (true, None) => count.accepted += 1,
            (true, Some(_)) => count.refused += 1,
        }
    }
    count
}

/// What came of logins while nodes came and went.
#[derive(Default)]
pub(crate) struct Roamed {
    /// Accepted, at each node.
    pub(crate) accepted: Vec<usize>,
    /// Connections that a node did not take, or broke off. The client went to another one.
    pub(crate) lost: usize,
    /// Refused: there should be none.
    pub(crate) refused: usize,
}

/// Each client logs in at one node after the other, until `happens` returned, which is told how often that was.
pub(crate) fn roaming(
    fleet: &Fleet,
    clients: &[&Client],
    happens: impl FnOnce(&dyn Fn(usize) -> usize) -> Result<(), Fault>,
) -> Result<Roamed, Fault> {
    let over = AtomicBool::new(false);
    let accepted: Vec<AtomicUsize> = (0..fleet.len()).map(|_| AtomicUsize::new(0)).collect();
    let (lost, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for (first, client) in clients.iter().enumerate() {
            let (over, accepted, lost, refused) = (&over, &accepted, &lost, &refused);
            scope.spawn(move || {
                for node in (first..).map(|node| node % fleet.len()) {
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                    match client.come_back(fleet.port(node), false) {
                        Ok(Some(Visit { refused: None, .. })) => accepted[node].fetch_add(1, Ordering::SeqCst),
                        Ok(_) => refused.fetch_add(1, Ordering::SeqCst),
                        Err(_) => {
                            thread::sleep(Duration::from_millis(2));
                            lost.fetch_add(1, Ordering::SeqCst)
                        }
                    };
                }
            });
        }
        let happened = happens(&|node| accepted[node % accepted.len()].load(Ordering::SeqCst));
        over.store(true, Ordering::SeqCst);
        happened
    })?;
    let accepted = accepted.into_iter().map(AtomicUsize::into_inner).collect();
    Ok(Roamed { accepted, lost: lost.into_inner(), refused: refused.into_inner() })
}

/// Waits until something is so.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) -> Result<(), Fault> {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() > PATIENCE {
            return Err(format!("waited too long until {what}").into());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
