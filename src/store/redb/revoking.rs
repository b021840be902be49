//! Revocation within an account.

use super::super::{Revoke, StoredTokens};
use super::account::Account;
use crate::assertion::AssertionId;
use crate::time::Timestamp;

impl Account {
    /// Marks clients as revoked. What is kept of them is kept to tell them so, and to keep their sessions from starting anew.
    pub(super) fn revoke(&mut self, which: Revoke, now: Timestamp) -> usize {
        let latest = self.secret.as_ref().map(|secret| secret.latest);
        let clients = which.write_to(&mut self.revoked, latest, now);
        match which {
            Revoke::Assertion(id) => return self.revoke_assertion(id, now),
            Revoke::All => self.secret = None,
            // Also where one too many takes all others with it the secret stays, as it has what was revoked.
            Revoke::Device(_) | Revoke::AllBut(_) => {}
        }
        let mut count = 0;
        for client in self.clients.iter_mut().filter(|client| clients.include(client.device.id)) {
            count += usize::from(client.is_live(now));
            client.revoked = true;
            client.tokens.iter_mut().for_each(StoredTokens::revoke);
            client.records.iter_mut().for_each(|stored| stored.record_mut().revoked = true);
            client.lineages.iter_mut().for_each(|(_, lineage)| lineage.revoked = true);
        }
        count
    }

    /// Marks one assertion as revoked, and the successors of it that wait.
    fn revoke_assertion(&mut self, id: AssertionId, now: Timestamp) -> usize {
        let mut count = 0;
        for stored in self.clients.iter_mut().flat_map(|client| &mut client.records) {
            let record = &stored.record;
            if record.id == id {
                count = usize::from(!record.revoked && now < record.expires());
            } else if record.renews != Some(id) || !record.is_tentative() {
                continue;
            }
            stored.record_mut().revoked = true;
        }
        count
    }
}
