//! What becomes of an account's clients once they are known: their assertions and tokens are used, and they are
//! revoked.

use std::sync::Arc;

use super::super::{Committed, Revoke, TokenUse, Use};
use super::account::Account;
use super::client::{Client, Stored, confirm, room_for_successor};
use super::counts::Room;
use crate::assertion::AssertionId;
use crate::channel::Handle;
use crate::time::Timestamp;

impl Account {
    /// The use of an assertion, as a whole or not at all; `None` where there is no such assertion here.
    pub(super) fn apply(&mut self, change: &Use, room: &mut Room<'_>, now: Timestamp) -> Option<Committed> {
        let holds = |client: &Client| client.records.iter().any(|stored| stored.record.id == change.assertion);
        let at = self.clients.iter().position(holds)?;
        let meant = |stored: &&mut Stored| stored.record.id == change.assertion;
        let used = self.clients[at].records.iter_mut().find(meant)?;
        if used.record.revoked {
            return Some(Committed::Gone);
        }
        // What is sealed has no mark of its own: all that is said of it is what was revoked of the account.
        if change.secret.is_some() && self.revoked.revokes(used.record.device, used.record.full_login) {
            return Some(Committed::Gone);
        }
        if change.counter.is_some_and(|counter| !used.window.accept(counter)) {
            return Some(Committed::Replayed);
        }
        let secret = |new| (self.has_secret(now) || room.records(1)) && self.set_secret(new, now);
        let is_sealed = change.secret.as_ref().is_none_or(secret);
        let client = &mut self.clients[at];
        client.used(now);
        let records = &mut client.records;
        let used = records.iter_mut().find(meant)?;
        // What can't be sealed under the account's secret goes on here.
        if let Some(end) = change.ends.filter(|_| is_sealed) {
            let used = Arc::make_mut(&mut used.record);
            used.expires = used.expires.min(end);
        }
        if change.confirm && used.record.unused_until.is_some() {
            Arc::make_mut(&mut used.record).unused_until = None;
            let used = used.record.clone();
            confirm(records, &used, change.predecessor_until);
        }
        records.retain(|stored| stored.record.id == change.assertion || now < stored.record.expires());
        let Some(successor) = &change.successor else {
            return Some(if is_sealed { Committed::Done } else { Committed::WithoutSuccessor });
        };
        if records.iter().any(|stored| stored.record.id == successor.id) {
            // The same message once more on the same connection: the same successor.
            return Some(Committed::Done);
        }
        // It is this very client's, or it is none.
        let ours = successor.identity == self.identity && successor.device == client.device.id;
        if !ours || !room.records(1) || !room_for_successor(records, successor, change, now) {
            return Some(Committed::WithoutSuccessor);
        }
        records.push(Stored::new(successor));
        Some(Committed::Done)
    }

    /// The use of a token; `None` where there is no such token here.
    pub(super) fn apply_token(&mut self, change: &TokenUse, now: Timestamp) -> Option<Committed> {
        let holds = |client: &&mut Client| client.tokens.iter().any(|tokens| *tokens.record().id() == change.token);
        let client = self.clients.iter_mut().find(holds)?;
        let committed = client.tokens.as_mut()?.apply(change, now);
        if committed.is_durable() {
            client.used(now);
            client.tokens.take_if(|tokens| tokens.is_over(now));
        }
        Some(committed)
    }

    /// Marks every lineage of the account as shared: another identity authenticated on a session of it. Which of its
    /// other sessions come from that one isn't known any more, and a full handshake is all that it costs.
    pub(super) fn share(&mut self) {
        for (_, lineage) in self.clients.iter_mut().flat_map(|client| &mut client.lineages) {
            Arc::make_mut(lineage).shared = true;
        }
    }

    /// Marks this one alone, of which it was noticed only now.
    pub(super) fn share_one(&mut self, handle: &Handle) {
        let all = self.clients.iter_mut().flat_map(|client| &mut client.lineages);
        all.filter(|(known, _)| known == handle).for_each(|(_, lineage)| Arc::make_mut(lineage).shared |= true);
    }

    /// Marks clients as revoked; how many.
    pub(super) fn revoke(&mut self, which: Revoke, now: Timestamp) -> usize {
        let latest = self.secret.as_ref().map(|secret| secret.latest);
        let clients = which.write_to(&mut self.revoked, latest, now);
        match which {
            Revoke::Assertion(id) => return self.revoke_assertion(&id, now),
            Revoke::All => self.secret = None,
            // Also where one too many takes all others with it the secret stays, as it has what was revoked.
            Revoke::Device(_) | Revoke::AllBut(_) => {}
        }
        let mut count = 0;
        for client in self.clients.iter_mut().filter(|client| clients.include(client.device.id)) {
            count += usize::from(client.is_live(now));
            client.revoke();
        }
        count
    }

    /// Marks one assertion as revoked, and the successors of it that wait; how many, the successors not counted.
    fn revoke_assertion(&mut self, id: &AssertionId, now: Timestamp) -> usize {
        let mut count = 0;
        for stored in self.clients.iter_mut().flat_map(|client| &mut client.records) {
            let record = Arc::make_mut(&mut stored.record);
            if record.id == *id {
                count += usize::from(!record.revoked && now < record.expires());
                record.revoked = true;
            }
            record.revoked |= record.renews == Some(*id) && record.is_tentative();
        }
        count
    }
}
