//! What happens, part two: a revocation on one node is there on all of them when it returns.

use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::crowd::{self, Count, Member};
use crate::report::{check, say};
use crate::scenario::Scenario;
use crate::{Fault, now};

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;

impl Scenario<'_> {
    pub(crate) fn log_out_everywhere_else(&mut self) -> Result<(), Fault> {
        self.report.step(
            "\"Log out everywhere else\", from alice's phone on node B, while all log in on A and C without a pause",
        );
        // So that the laptop has a session on A on which EXTERNAL would do.
        for (resume, mechanism) in [(false, "IKY-SHA-256-EXPR"), (true, "IKY-SHA-256-EXPR"), (true, "EXTERNAL")] {
            self.come_back(1, A, resume, mechanism)?;
        }
        let command = format!("revoke-all-but alice {}", self.phone.id());
        let (phone, laptop, tablet, bobs) = (&self.phone, &self.laptop, &self.tablet, &self.bobs);
        let revoked = [(laptop, A), (laptop, C), (tablet, A), (tablet, C)];
        let counts = self.revoke_under_load(B, &command, &revoked, &[(phone, A), (bobs, C)])?;
        self.tally(&counts);
        say("the laptop's TLS session on A, its sealed record on C, and the tablet's token:");
        self.is_refused(1, A, true)?;
        self.is_refused(1, C, false)?;
        self.is_refused(2, A, false)?;
        self.come_back(0, C, false, "IKY-SHA-256-EXPR")?;
        Ok(())
    }

    pub(crate) fn change_password(&mut self) -> Result<(), Fault> {
        self.report.step("Alice changes her password, on node C: everything of hers ends, on all nodes");
        let (phone, bobs) = (&self.phone, &self.bobs);
        let counts =
            self.revoke_under_load(C, "revoke-all alice", &[(phone, A), (phone, B)], &[(bobs, A), (bobs, B)])?;
        self.tally(&counts);
        say("she logs in on her phone, in full, and comes back as ever:");
        // Times are in whole seconds: a login in the second of a revocation counts as one before it.
        let then = now();
        while now() <= then {
            thread::sleep(Duration::from_millis(20));
        }
        self.log_in(0, A)?;
        for node in [B, C] {
            self.come_back(0, node, false, "IKY-SHA-256-EXPR")?;
        }
        say("and bob logs out the one client that he has:");
        let answer = self.fleet.command(A, &format!("revoke bob {}", self.bobs.id()))?;
        say(&format!("node {}: revoke bob {}: {answer}", self.fleet.name(A), self.bobs.id()));
        self.is_refused(3, B, false)
    }

    /// Revokes on one node, while clients log in on others without a pause.
    fn revoke_under_load(
        &self,
        node: usize,
        command: &str,
        revoked: &[(&Client, usize)],
        spared: &[(&Client, usize)],
    ) -> Result<Vec<(bool, Count)>, Fault> {
        let fleet = self.fleet;
        let member = |&(client, node), stays| Member { client, node, stays };
        let revoked = revoked.iter().map(|revoked| member(revoked, false));
        let members: Vec<_> = revoked.chain(spared.iter().map(|spared| member(spared, true))).collect();
        let counts = crowd::revoking(fleet, &members, || {
            let began = Instant::now();
            let answer = fleet.command(node, command)?;
            let took = began.elapsed().as_secs_f64() * 1e3;
            say(&format!("node {}: {command}: {answer}, in {took:.1} ms", fleet.name(node)));
            Ok(())
        })?;
        for (Member { client, node, stays }, count) in members.iter().zip(&counts) {
            let Count { before, accepted, refused, unanswered } = *count;
            let (who, node) = (client.name(), fleet.name(*node));
            let after = format!("{accepted:>3} logged in, {refused:>3} refused");
            say(&format!("{who:<14} -> {node}  before: {before:>3} logged in   sent after it returned: {after}"));
            if unanswered > 0 {
                say(&format!("{unanswered} logins of it were put off, as the store did not answer in time"));
            }
            let enough = before >= crowd::SOME && accepted + refused >= crowd::SOME;
            check(enough, || format!("{who} logged in too rarely to show anything"))?;
            let right = if *stays { refused == 0 } else { accepted == 0 };
            check(right, || format!("{who} on {node}, after the revocation: {after}"))?;
        }
        Ok(members.iter().map(|member| member.stays).zip(counts).collect())
    }

    fn tally(&mut self, counts: &[(bool, Count)]) {
        for (stays, count) in counts {
            self.report.logins += count.before + count.accepted;
            self.report.refused += count.refused;
            self.report.accepted_after_revocation += if *stays { 0 } else { count.accepted };
        }
    }

    /// A client that was logged out.
    fn is_refused(&mut self, which: usize, node: usize, resume: bool) -> Result<(), Fault> {
        let visit = self.visit(which, node, resume)?;
        check(visit.resumed == resume, || "TLS resumed otherwise than expected".to_owned())?;
        self.report.refused += 1;
        self.report.accepted_after_revocation += usize::from(visit.refused.is_none());
        check(visit.refused.is_some(), || "a revoked client was let in".to_owned())
    }

    pub(crate) fn summary(&mut self) -> Result<(), Fault> {
        let report = &self.report;
        self.fleet.is_well()?;
        println!(
            "\n{} logins, of which {} with a password: each client's first, and alice's first with her new one.",
            report.logins, report.full
        );
        println!(
            "{} logins of revoked clients refused; accepted after a revocation returned: {}.",
            report.refused, report.accepted_after_revocation
        );
        check(report.full == 5, || format!("{} full logins", report.full))?;
        check(report.accepted_after_revocation == 0, || "a revoked client was let in".to_owned())
    }
}
