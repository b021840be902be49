//! What outlasts the process.

use core::slice::from_ref;

use super::on::{Checked, On, ensure};
use super::scene::{Client, EXPR, NONE, at, client, counted, first_use_of, renewing, successor, token_use};
use crate::assertion::{HtMechanism, Record};
use crate::store::{Committed, Revoke, TokenUse};

const HT: HtMechanism = HtMechanism::HT_SHA_256_EXPR;

pub(super) mod clients {
    use super::*;

    fn both() -> [Client; 2] {
        [1, 2].map(|n| client("alice", n, at(n as u64)))
    }

    pub(in super::super) fn before(on: On<'_>) -> Checked {
        let [used, new] = both();
        on.log_in(&used)?;
        on.log_in(&new)?;
        let record = used.record(EXPR);
        on.apply(&first_use_of(&record, at(10)), at(10), Committed::Done, "the first use")?;
        let renewal = renewing(&record, &successor(&record, 1, at(11)), at(11));
        on.apply(&renewal, at(11), Committed::Done, "a renewal")?;
        on.link(&used.link(1, Some(used.handle(0))), at(12), Committed::Done, "a recognised connection")?;
        on.link(&client("bob", 1, at(0)).link(0, Some(used.handle(0))), at(13), Committed::Gone, "another identity")?;
        on.token(&token_use(&used.tokens(), &used.slot(0, HT)), at(14), Committed::Done, "the use of a token")
    }

    pub(in super::super) fn after(on: On<'_>) -> Checked {
        let [used, new] = both();
        on.must_know(&used, at(20))?;
        on.must_know(&new, at(20))?;
        let record = used.record(EXPR);
        ensure!(!on.must_live(&record, at(20), "used")?.is_tentative(), "a first use is forgotten");
        ensure!(on.must_live(&new.record(EXPR), at(20), "new")?.is_tentative(), "a first use that nobody made");
        let next = successor(&record, 1, at(11));
        let found = on.record(&next, at(20))?;
        ensure!(found.as_deref() == Some(&next), "a successor is found otherwise: {found:?}");
        let lineage = on.lineage(used.handle(1), at(20))?;
        ensure!(lineage.is_some_and(|lineage| lineage.shared || lineage == used.lineage().into()), "a session is gone");
        ensure!(on.lineage(used.handle(0), at(20))?.is_some_and(|found| found.shared), "a session is shared no more");
        let found = on.tokens(&used.tokens(), at(20))?;
        let in_use = found.as_ref().and_then(|found| found.current.as_ref());
        ensure!(in_use == Some(&used.slot(0, HT)), "the use of a token is forgotten: {found:?}");
        let devices = on.devices("alice", at(20))?;
        let listed: Vec<_> = devices.iter().map(|device| (device.id, device.last_used)).collect();
        ensure!(listed == [(used.device(), at(14)), (new.device(), at(2))], "the devices are others: {devices:?}");
        Ok(())
    }
}

/// A store that can't promise its windows has to forget the record with its window.
pub(super) mod windows {
    use super::*;

    const USED: [u64; 4] = [1, 5, 64, 63];

    fn ours() -> (Client, Record) {
        let alice = client("alice", 1, at(0));
        let record = alice.record(NONE);
        (alice, record)
    }

    pub(in super::super) fn before(on: On<'_>) -> Checked {
        let (alice, record) = ours();
        let mut remember = alice.with_records(from_ref(&record));
        remember.token = Some(Box::new(alice.tokens()));
        on.remember(&remember, at(0), Committed::Done, "a full login")?;
        for counter in USED {
            on.apply(&counted(&record, counter, at(1)), at(1), Committed::Done, "a fresh counter")?;
            let change = TokenUse { count: Some(counter), ..token_use(&alice.tokens(), &alice.slot(0, HT)) };
            on.token(&change, at(1), Committed::Done, "a fresh count")?;
        }
        Ok(())
    }

    pub(in super::super) fn after(on: On<'_>) -> Checked {
        let (alice, record) = ours();
        let kept = on.record(&record, at(2))?.is_some();
        let wanted = if kept { Committed::Replayed } else { Committed::Gone };
        for counter in USED {
            on.apply(&counted(&record, counter, at(2)), at(2), wanted, &format!("counter {counter} once more"))?;
        }
        let fresh = if kept { Committed::Done } else { Committed::Gone };
        on.apply(&counted(&record, 2, at(2)), at(2), fresh, "a fresh counter")?;
        let tokens = alice.tokens();
        let kept = on.tokens(&tokens, at(2))?.is_some_and(|found| found.current.is_some());
        let wanted = if kept { Committed::Replayed } else { Committed::Gone };
        for count in USED {
            let change = TokenUse { count: Some(count), ..token_use(&tokens, &alice.slot(0, HT)) };
            on.token(&change, at(2), wanted, &format!("count {count} once more"))?;
        }
        Ok(())
    }
}

pub(super) mod revocations {
    use super::*;

    fn clients() -> [Client; 4] {
        [("alice", 1), ("bob", 1), ("bob", 2), ("carol", 1)].map(|(who, n)| client(who, n, at(n as u64)))
    }

    pub(in super::super) fn before(on: On<'_>) -> Checked {
        let [alice, bob, other, carol] = clients();
        for client in [&alice, &bob, &other, &carol] {
            on.log_in(client)?;
        }
        on.revoke_some("alice", Revoke::All, at(10), 1)?;
        on.revoke_some("bob", Revoke::AllBut(other.device()), at(10), 1)?;
        on.revoke_some("carol", Revoke::Assertion(carol.record(EXPR).id), at(10), 1)?;
        on.revoke_some("dave", Revoke::All, at(10), 0)
    }

    pub(in super::super) fn after(on: On<'_>) -> Checked {
        let [alice, bob, other, carol] = clients();
        on.must_not_know(&alice, at(20))?;
        on.must_not_know(&bob, at(20))?;
        on.must_know(&other, at(20))?;
        on.must_be_over(&carol.record(EXPR), at(20), "an assertion that was revoked")?;
        for late in [("alice", 5), ("bob", 5), ("dave", 1)].map(|(who, n)| client(who, n, at(9))) {
            let what = "a login from before a revocation, after a restart";
            on.remember(&late.remember(), at(21), Committed::Gone, what)?;
        }
        let after = client("dave", 2, at(22));
        on.log_in(&after)?;
        on.must_know(&after, at(23))
    }
}

pub(super) mod secrets {
    use super::*;

    pub(in super::super) fn before(on: On<'_>) -> Checked {
        let alice = client("alice", 1, at(0));
        on.secret(&alice.secret(1, 10_000), at(1), Committed::Done, "an account's secret")?;
        on.revoke("alice", Revoke::Device(alice.device()), at(2)).map(|_| ())
    }

    pub(in super::super) fn after(on: On<'_>) -> Checked {
        let alice = client("alice", 1, at(0));
        let state = on.state(alice.login_id(), at(3))?.ok_or("an account's secret is gone")?;
        ensure!(state.secret == alice.secret(1, 0).secret, "an account has another secret");
        ensure!(state.revoked.revokes(alice.device(), alice.login), "a revocation is forgotten, and the secret is not");
        ensure!(!state.revoked.revokes(client("alice", 2, at(1)).device(), at(1)), "more is revoked than was");
        let again = client("alice", 2, at(4));
        on.secret(&again.secret(2, 10_000), at(4), Committed::WithoutSuccessor, "another secret")?;
        on.secret(&again.secret(1, 10_000), at(4), Committed::Done, "the same secret")?;
        on.secret(&alice.secret(1, 10_000), at(4), Committed::Gone, "the same secret, for a revoked client")
    }
}

pub(super) mod everyone {
    use super::*;

    pub(in super::super) fn before(on: On<'_>) -> Checked {
        on.log_in(&client("alice", 1, at(1)))?;
        on.revoke_everyone(at(10))
    }

    pub(in super::super) fn after(on: On<'_>) -> Checked {
        on.must_not_know(&client("alice", 1, at(1)), at(20))?;
        for late in ["alice", "bob"].map(|who| client(who, 5, at(9))) {
            let what = "a login from before everyone was revoked, after a restart";
            on.remember(&late.remember(), at(21), Committed::Gone, what)?;
        }
        let after = client("bob", 2, at(22));
        on.log_in(&after)?;
        on.must_know(&after, at(23))
    }
}
