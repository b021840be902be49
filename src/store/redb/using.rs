//! The use of an assertion: its counter, its first use, and its successor.

use super::super::{Committed, MAX_PENDING_SUCCESSORS, Use};
use super::account::{Account, Stored};
use crate::assertion::Record;
use crate::time::Timestamp;

impl Account {
    /// The use of an assertion, as a whole or not at all: an account that answers with an error is not written.
    /// `room` says whether a successor may be added.
    pub(super) fn apply(&mut self, change: &Use, room: bool, now: Timestamp) -> Committed {
        let holds = |stored: &Stored| stored.record.id == change.assertion;
        // What comes to nothing is not written, so this may be first.
        let set = |new| (room || !self.lacks_secret(new, now)) && self.set_secret(new, now);
        let has_secret = change.secret.as_ref().is_none_or(set);
        let Some(client) = self.clients.iter_mut().find(|client| client.records.iter().any(holds)) else {
            return Committed::Gone;
        };
        let records = &mut client.records;
        let Some(used) = records.iter_mut().find(|stored| holds(stored)) else { return Committed::Gone };
        if used.record.revoked {
            return Committed::Gone;
        }
        // What is sealed has no mark of its own: all that is said of it is what was revoked of the account.
        if change.secret.is_some() && self.revoked.revokes(used.record.device, used.record.full_login) {
            return Committed::Gone;
        }
        if change.counter.is_some_and(|counter| !used.window.accept(counter)) {
            return Committed::Replayed;
        }
        // Without its secret no sealed assertion takes the place of this one.
        if let Some(end) = change.ends.filter(|_| has_secret) {
            let used = used.record_mut();
            used.expires = used.expires.min(end);
        }
        if change.confirm && used.record.is_tentative() {
            used.record_mut().unused_until = None;
            let used = used.record.clone();
            confirm(records, &used, change.predecessor_until);
        }
        records.retain(|stored| holds(stored) || now < stored.record.expires());
        let mut committed = if has_secret { Committed::Done } else { Committed::WithoutSuccessor };
        if let Some(successor) = &change.successor {
            // The same message once more on the same connection: the same successor.
            if records.iter().all(|stored| stored.record.id != successor.id) {
                // It is this very client's, or it is none.
                let is_ours = successor.identity == self.identity && successor.device == client.device.id;
                if is_ours && room && has_room_for(records, successor, change, now) {
                    records.push(Stored::new(successor.as_ref().clone()));
                } else {
                    committed = Committed::WithoutSuccessor;
                }
            }
        }
        client.used(now);
        committed
    }
}

/// The first use of `used`: what was made beside it for other mechanisms goes, and what it succeeds ends after the grace.
fn confirm(records: &mut Vec<Stored>, used: &Record, predecessor_until: Timestamp) {
    for stored in records.iter_mut().filter(|stored| used.renews == Some(stored.record.id)) {
        let predecessor = stored.record_mut();
        predecessor.expires = predecessor.expires.min(predecessor_until);
        predecessor.superseded = true;
    }
    records.retain(|stored| {
        let other = &stored.record;
        let beside = other.is_tentative() && other.renews == used.renews && other.scope == used.scope;
        other.id == used.id || !beside
    });
}

/// Whether one more successor may wait; one that waited longer than the grace gives way, as its reply was lost.
fn has_room_for(records: &mut Vec<Stored>, successor: &Record, change: &Use, now: Timestamp) -> bool {
    let grace = now.seconds_until(change.predecessor_until);
    let waits = |stored: &&Stored| stored.record.renews == successor.renews && stored.record.is_tentative();
    if records.iter().filter(waits).count() < MAX_PENDING_SUCCESSORS {
        return true;
    }
    let lost = records.iter().filter(waits).map(|stored| (stored.record.issued, stored.record.id)).min();
    match lost {
        Some((issued, id)) if issued.seconds_until(now) >= grace => {
            records.retain(|stored| stored.record.id != id);
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::assertion::{
        AccountSecret, BindingType, DeviceId, FullLogin, LoginId, Owner, Pin, Policy, Scope, Service,
    };
    use crate::channel::ServerName;
    use crate::store::{Capacity, NewSecret, Remember};

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

    /// What is sealed would outlast a client of which the account says that it was revoked, whatever its record says.
    #[test]
    fn nothing_is_sealed_for_a_client_that_its_account_says_was_revoked() {
        let (identity, device) = (Arc::<str>::from("alice"), DeviceId::new([1; 8]));
        let scope = Scope::new(Service::IMAP, ServerName::parse("mail.example").unwrap());
        let full = FullLogin::new("SCRAM-SHA-256-PLUS", "alice").unwrap().bound_by(BindingType::Exporter);
        let owner = Owner { identity: &identity, device, policy: &Policy::default(), now: NOW };
        let record = Record::grant(Pin::SHA_256_EXPR, &scope, &full, &[1; 32], &owner).unwrap();
        let assertion = record.id;
        let mut account = Account::new(identity.clone(), None);
        let remember = Remember { records: vec![record], token: None, link: None, secret: None };
        account.add_client(&remember, None, NOW, &Capacity::default()).unwrap();
        account.revoked.revoke_all(NOW, None, None);
        let (login, secret) = (LoginId::of(&scope, "alice"), AccountSecret::new([1; 16]));
        let new = NewSecret { login, identity, secret, found: false, device, full_login: NOW, until: NOW };
        let mut use_with = |secret| {
            let (predecessor_until, successor, ends) = (NOW, None, None);
            let change = Use { assertion, counter: None, confirm: true, predecessor_until, successor, ends, secret };
            account.apply(&change, true, NOW)
        };
        assert_eq!(use_with(Some(new)), Committed::Gone);
        assert_eq!(use_with(None), Committed::Done);
    }
}
