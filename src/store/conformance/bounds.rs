//! What may be forgotten, and when.

use core::slice::from_ref;

use super::on::{Checked, On, ensure};
use super::scene::{EXPR, LIFETIME, NONE, UNUSED, at, client, counted, first_use_of};
use crate::store::{Commit, Committed, NewSecret, Revoke, Use};

pub(super) fn nothing_is_lost_before_its_time(on: On<'_>) -> Checked {
    let [idle, used, other] = [("alice", 1), ("alice", 2), ("bob", 1)].map(|(who, n)| client(who, n, at(0)));
    for client in [&idle, &used, &other] {
        on.log_in(client)?;
    }
    on.secret(&idle.secret(1, LIFETIME), at(0), Committed::Done, "an account's secret")?;
    on.apply(&first_use_of(&used.record(EXPR), at(1)), at(1), Committed::Done, "the first use")?;
    for client in [&idle, &used, &other] {
        on.must_know(client, at(UNUSED - 1))?;
    }
    // Others come and go, so that a store that cleans up does.
    for (k, now) in [UNUSED, UNUSED + 1, UNUSED * 2, LIFETIME - 1].into_iter().enumerate() {
        on.log_in(&client("alice", 10 + k, at(now)))?;
        on.log_in(&client("carol", 10 + k, at(now)))?;
        on.must_live(&used.record(EXPR), at(now), "an assertion in use")?;
        let tokens = on.tokens(&used.tokens(), at(now))?;
        ensure!(tokens.is_some_and(|found| found.new == used.tokens().new), "a token is gone before its time");
        ensure!(on.state(idle.login_id(), at(now))?.is_some(), "a secret is gone before its time");
        on.apply(&first_use_of(&used.record(EXPR), at(now)), at(now), Committed::Done, "an assertion in use")?;
    }
    ensure!(on.live(&idle.record(EXPR), at(LIFETIME))?.is_none(), "an assertion that nobody used lasts");
    Ok(())
}

pub(super) fn what_expired_is_no_device(on: On<'_>) -> Checked {
    let [unused, used] = [1, 2].map(|n| client("alice", n, at(0)));
    let records = |client: &super::scene::Client| client.with_records(&[client.record(EXPR)]);
    for client in [&unused, &used] {
        on.remember(&records(client), at(0), Committed::Done, "a full login")?;
    }
    on.apply(&first_use_of(&used.record(EXPR), at(1)), at(1), Committed::Done, "the first use")?;
    for (now, wanted) in [(UNUSED - 1, 2), (UNUSED, 1), (LIFETIME - 1, 1), (LIFETIME, 0)] {
        let devices = on.devices("alice", at(now))?;
        ensure!(
            devices.len() == wanted,
            "after {now} s, {wanted} of two clients are known, and listed are {devices:?}"
        );
    }
    on.revoke_some("alice", Revoke::Assertion(used.record(EXPR).id), at(LIFETIME), 0)?;
    on.revoke_some("alice", Revoke::All, at(LIFETIME), 0)
}

pub(super) fn secrets_take_room(on: On<'_>) -> Checked {
    const ROOM: usize = 16;
    let mut kept = Vec::new();
    for n in 0..ROOM * 2 {
        let alice = client(&format!("user {n}"), 1, at(0));
        match on.commit(&Commit::Secret(alice.secret(1, LIFETIME)), at(1))? {
            Committed::Done => kept.push(alice),
            Committed::WithoutSuccessor => {
                ensure!(on.state(alice.login_id(), at(2))?.is_none(), "a secret for which there was no room is there");
            }
            other => return Err(format!("a secret where there may be no room: {other:?}")),
        }
    }
    ensure!(kept.len() <= ROOM, "a store with room for {ROOM} records holds {} secrets", kept.len());
    for alice in &kept {
        let found = NewSecret { found: true, ..alice.secret(1, LIFETIME + 1) };
        on.secret(&found, at(3), Committed::Done, "a secret that there is, in a full store")?;
    }
    Ok(())
}

pub(super) fn secrets_that_are_over_take_none(on: On<'_>) -> Checked {
    let [alice, bob] = ["alice", "bob"].map(|who| client(who, 1, at(0)));
    for client in [&alice, &bob] {
        on.secret(&client.secret(1, LIFETIME), at(1), Committed::Done, "an account's secret")?;
    }
    on.revoke_everyone(at(10))?;
    for again in [client("alice", 2, at(11)), client("carol", 1, at(11))] {
        let remember = again.with_records(&[again.record(EXPR)]);
        on.remember(
            &remember,
            at(11),
            Committed::Done,
            "a login after everyone was revoked, in a store that was full",
        )?;
    }
    Ok(())
}

pub(super) fn one_account_costs_another_nothing(on: On<'_>) -> Checked {
    const ROOM: usize = 16;
    let alice = client("alice", 1, at(0));
    let record = alice.record(NONE);
    on.remember(&alice.with_records(from_ref(&record)), at(0), Committed::Done, "a full login")?;
    let first = Use { confirm: true, ..counted(&record, 1, at(1)) };
    on.apply(&first, at(1), Committed::Done, "the first use")?;
    let mut used = vec![record.clone()];
    for n in 0..ROOM * 4 {
        let other = client(&format!("user {n}"), 1, at(2));
        let record = other.record(EXPR);
        match on.commit(&Commit::Remember(other.with_records(from_ref(&record))), at(2))? {
            Committed::Full => {
                ensure!(on.record(&record, at(3))?.is_none(), "a login for which there was no room is remembered");
            }
            Committed::Done if on.commit(&Commit::Use(first_use_of(&record, at(3))), at(3))? == Committed::Done => {
                used.push(record);
            }
            // Another one that was never used may have to go.
            Committed::Done => {}
            other => return Err(format!("a login where there may be no room: {other:?}")),
        }
        for record in &used {
            on.must_live(record, at(4), "in use, in a store that others fill")?;
        }
    }
    ensure!(used.len() <= ROOM, "a store with room for {ROOM} records holds {}", used.len());
    on.apply(&counted(&record, 1, at(5)), at(5), Committed::Replayed, "a counter used before others filled the store")?;
    // An account that has no room for more goes on with what it has.
    on.apply(&counted(&record, 2, at(6)), at(6), Committed::Done, "an assertion in use in a full store")
}

pub(super) fn one_that_came_back_at_once_stays(on: On<'_>) -> Checked {
    let [first, again] = [1, 2].map(|n| client("alice", n, at(0)));
    let record = first.record(EXPR);
    on.remember(&first.with_records(from_ref(&record)), at(0), Committed::Done, "a full login")?;
    on.apply(&first_use_of(&record, at(0)), at(0), Committed::Done, "the first use, in the second of the login")?;
    // Also where the account's own next login would have its place.
    match on.commit(&Commit::Remember(again.with_records(&[again.record(EXPR)])), at(0))? {
        Committed::Done | Committed::Full => {}
        other => return Err(format!("a login where there may be no room: {other:?}")),
    }
    on.must_live(&record, at(1), "in use since the second of its login, in a full store")?;
    Ok(())
}
