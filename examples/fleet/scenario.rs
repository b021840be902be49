//! What happens: logins on three nodes, by all ways to come back, and a node that dies.

use std::path::PathBuf;
use std::sync::Barrier;

use fast_reauth::assertion::{HtMechanism, Pin};

use crate::client::{Client, Kind, Visit};
use crate::config::{Config, Sealed};
use crate::crowd::{self, Roamed};
use crate::fleet::Fleet;
use crate::processes::KeyValueServer;
use crate::report::{Report, check, names, say};
use crate::tls::Certificate;
use crate::{ACCOUNTS, Fault, random, scram};

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;

const IKY: &str = "IKY-SHA-256-EXPR";
const HT: &str = "HT-SHA-256-EXPR";

/// Why there are not three nodes.
const MISSING: &str = match cfg!(feature = "redis") {
    true => "There is no valkey-server or redis-server here (apt-get install valkey-server)",
    false => "This was built without the feature redis (cargo run --features redis --example fleet)",
};

/// What all steps have at hand.
pub(crate) struct Scenario<'f> {
    pub(crate) fleet: &'f Fleet,
    pub(crate) report: Report,
    pub(crate) phone: Client,
    pub(crate) laptop: Client,
    pub(crate) tablet: Client,
    pub(crate) bobs: Client,
}

/// Runs it on a server that is started for it, or on one node with this store.
pub(crate) fn main(store: Option<&str>) -> Result<(), Fault> {
    // Declared first, so that they go last.
    let (mut server, mut file) = (None, None);
    let (store, nodes, kept) = match store {
        None | Some("valkey") => match KeyValueServer::start()? {
            Some(started) => {
                let started = server.insert(started);
                (started.url.clone(), 3, format!("a {}, which they share", started.name))
            }
            None if store.is_some() => return Err(MISSING.into()),
            None => {
                println!("{MISSING}: one node.");
                ("memory".to_owned(), 1, "its memory".to_owned())
            }
        },
        Some("memory") => ("memory".to_owned(), 1, "its memory".to_owned()),
        Some("redb") => {
            let path = &file.insert(TemporaryFile::new()).0;
            (format!("redb:{}", path.display()), 1, "a file".to_owned())
        }
        Some(_) => return Err("usage: fleet [valkey | redb | memory]".into()),
    };
    let certificate = Certificate::new()?;
    let base = certificate.trusted()?;
    let keys = vec![(1, random()?), (2, random()?)];
    let config = Config { name: String::new(), store, keys, sealed: Sealed::Device("laptop".to_owned()), certificate };
    let fleet = Fleet::start(&config, nodes)?;
    println!("{} on {}; what is known of clients is in {kept}.", crate::DOMAIN, names(&fleet));
    if nodes == 1 {
        println!("It stands for B and C as well. What it can't show: clients that roam, and revocations that other");
        println!("nodes see.");
    }
    println!("Waited: round trips that the login made the client wait for. Store: lookups + commits; the last commit");
    println!("behind a mechanism other than SCRAM follows the reply, and is for TLS sessions that resume.");

    let [alice, bob] = ACCOUNTS;
    let client = |device, account, pins, tokens| Client::new(Kind { device, account, pins, tokens }, base.clone());
    let mut scenario = Scenario {
        fleet: &fleet,
        report: Report::default(),
        phone: client("phone", alice, &[Pin::SHA_256_EXPR], &[])?,
        laptop: client("laptop", alice, &[Pin::SHA_256_EXPR], &[])?,
        tablet: client("tablet", alice, &[], &[HtMechanism::HT_SHA_256_EXPR])?,
        bobs: client("phone", bob, &[], &[HtMechanism::HT_SHA_256_NONE])?,
    };
    scenario.full_logins()?;
    scenario.roam()?;
    scenario.replay()?;
    scenario.resume()?;
    scenario.change_key()?;
    if config.store == "memory" {
        scenario.report.step("No node is killed: it would forget everybody, and each client log in fully once more");
    } else {
        scenario.lose_a_node()?;
    }
    scenario.log_out_everywhere_else()?;
    scenario.change_password()?;
    scenario.summary()
}

impl Scenario<'_> {
    fn clients(&self) -> [&Client; 4] {
        [&self.phone, &self.laptop, &self.tablet, &self.bobs]
    }

    fn full_logins(&mut self) -> Result<(), Fault> {
        self.report.step("Each client logs in once, in full, on node A");
        for which in 0..4 {
            self.log_in(which, A)?;
        }
        let devices = self.fleet.command(C, "devices alice")?;
        say(&format!("node {}: alice's clients are {devices}", self.fleet.name(C)));
        let all = [&self.phone, &self.laptop, &self.tablet].iter().all(|client| devices.contains(&client.id()));
        check(all, || "a client is missing in the list".to_owned())
    }

    pub(crate) fn log_in(&mut self, which: usize, node: usize) -> Result<(), Fault> {
        let before = self.fleet.asked(node)?;
        let visit = self.clients()[which].full_login(self.fleet.port(node))?;
        let asked = since(before, self.fleet.asked(node)?);
        let client = [&self.phone, &self.laptop, &self.tablet, &self.bobs][which];
        self.report.visit(client, self.fleet.name(node), &visit, asked);
        self.report.full += 1;
        check(visit.mechanism == scram::MECHANISM, || "another mechanism".to_owned())
    }

    /// A client comes back, in this way.
    pub(crate) fn come_back(
        &mut self,
        which: usize,
        node: usize,
        resume: bool,
        mechanism: &str,
    ) -> Result<Visit, Fault> {
        let visit = self.visit(which, node, resume)?;
        check(visit.refused.is_none(), || "the login was refused".to_owned())?;
        check(visit.waited == 0, || format!("it waited for {} round trips", visit.waited))?;
        check(visit.mechanism == mechanism, || format!("it was {}, not {mechanism}", visit.mechanism))?;
        Ok(visit)
    }

    /// A client tries to come back.
    pub(crate) fn visit(&mut self, which: usize, node: usize, resume: bool) -> Result<Visit, Fault> {
        let before = self.fleet.asked(node)?;
        let client = [&self.phone, &self.laptop, &self.tablet, &self.bobs][which];
        let visit = client.come_back(self.fleet.port(node), resume)?;
        let visit = visit.ok_or("the client knows no way but a full login")?;
        let asked = since(before, self.fleet.asked(node)?);
        self.report.visit(client, self.fleet.name(node), &visit, asked);
        Ok(visit)
    }

    fn roam(&mut self) -> Result<(), Fault> {
        self.report.step("Each comes back on B, then C, then A, by what it has; TLS is new on each node");
        for node in [B, C, A] {
            self.come_back(0, node, false, IKY)?;
        }
        let moves = self.come_back(1, B, false, IKY)?;
        check(moves.renewed && moves.sealed.is_none(), || "the record did not move to the client".to_owned())?;
        for node in [C, A] {
            let sealed = self.come_back(1, node, false, IKY)?.sealed;
            check(sealed.is_some(), || "the client did not use its sealed record".to_owned())?;
        }
        for node in [B, C, A] {
            self.come_back(2, node, false, HT)?;
        }
        for node in [B, C] {
            self.come_back(3, node, false, "HT-SHA-256-NONE")?;
        }
        let (tablet, fleet, barrier) = (&self.tablet, self.fleet, Barrier::new(2));
        let both = std::thread::scope(|scope| {
            let come = |node| {
                barrier.wait();
                tablet.come_back(fleet.port(node), false)
            };
            let other = scope.spawn(move || come(C));
            let one = come(B);
            Ok::<_, Fault>([one?, other.join().map_err(|_| "a client panicked")??])
        })?;
        let accepted = both.iter().flatten().filter(|visit| visit.refused.is_none()).count();
        self.report.logins += accepted;
        say(&format!(
            "alice's tablet -> {} and {} at the same time: {accepted} of 2 logged in",
            fleet.name(B),
            fleet.name(C)
        ));
        check(accepted == 2, || "a parallel login was refused".to_owned())
    }

    fn replay(&mut self) -> Result<(), Fault> {
        self.report.step("Somebody sends bob's last login to another node: it is bound to no connection, but counted");
        let flight = self.come_back(3, A, false, "HT-SHA-256-NONE")?.flight;
        let taken = self.bobs.replay(self.fleet.port(B), &flight)?;
        say(&format!("the same octets -> {}: {}", self.fleet.name(B), if taken { "logged in" } else { "refused" }));
        check(!taken, || "a login was replayed".to_owned())
    }

    fn resume(&mut self) -> Result<(), Fault> {
        self.report.step("On the same node TLS resumes, and from the second time on EXTERNAL is enough");
        self.come_back(1, A, false, IKY)?;
        for mechanism in [IKY, "EXTERNAL"] {
            let visit = self.come_back(1, A, true, mechanism)?;
            check(visit.resumed, || "TLS did not resume".to_owned())?;
        }
        if self.fleet.len() > 1 {
            say("another node can't resume that session, and knows the client all the same:");
            let visit = self.come_back(1, B, true, IKY)?;
            check(!visit.resumed, || "TLS resumed the session of another node".to_owned())?;
        }
        Ok(())
    }

    fn change_key(&mut self) -> Result<(), Fault> {
        self.report.step("The service's second key becomes the current one, node by node");
        for node in 0..self.fleet.len() {
            self.fleet.use_key(node, 2)?;
        }
        say("what was made with the first key is still good, and replaced when it is used:");
        for (which, mechanism) in [(1, IKY), (2, HT)] {
            let renews = self.come_back(which, C, false, mechanism)?;
            check(renews.renewed, || "nothing new came of the new key".to_owned())?;
            let goes_on = self.come_back(which, A, false, mechanism)?;
            check(!goes_on.renewed, || "it was replaced twice".to_owned())?;
        }
        Ok(())
    }

    fn lose_a_node(&mut self) -> Result<(), Fault> {
        self.report.step("Node C is killed while all clients log in without a pause, and started again");
        let fleet = self.fleet;
        let dying = fleet.len() - 1;
        let roamed = crowd::roaming(fleet, &self.clients(), |accepted| {
            crowd::until("the node has work", || accepted(dying) >= 20)?;
            fleet.kill(dying)?;
            say(&format!("{} is dead", fleet.name(dying)));
            let (before, others) = (accepted(A), fleet.len() > 1);
            crowd::until("the others go on", || !others || accepted(A) >= before + 20)?;
            let before = accepted(dying);
            fleet.restart(dying)?;
            say(&format!("{} is back", fleet.name(dying)));
            crowd::until("the node has work again", || accepted(dying) >= before + 20)
        })?;
        let Roamed { accepted, lost, refused } = roamed;
        let logins: usize = accepted.iter().sum();
        self.report.logins += logins;
        say(&format!(
            "{logins} logins ({accepted:?} on {}), all without a password; {lost} connections lost, each tried again",
            names(fleet)
        ));
        // The new process has its counts from 0.
        for which in 0..4 {
            let mechanism = [IKY, IKY, HT, "HT-SHA-256-NONE"][which];
            self.come_back(which, dying, false, mechanism)?;
        }
        // It has the key that the others have now, so nothing has to be replaced.
        check(refused == 0, || format!("{refused} logins were refused"))
    }
}

/// What was asked of the store in between.
fn since(before: (usize, usize), after: (usize, usize)) -> (usize, usize) {
    (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1))
}

/// A name for a file that goes in the end.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("fast-reauth-fleet-{}.redb", std::process::id())))
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
