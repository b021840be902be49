//! Clients that are logged out. Everything of them may be kept, marked as revoked, or forgotten at once.

use core::slice::from_ref;

use super::on::{Checked, On, ensure};
use super::scene::{Client, EXPR, NONE, at, client, first_use_of, renewing, smtp, successor};
use crate::assertion::{DeviceId, Revocations};
use crate::store::{Committed, Remember, Revoke, Use};
use crate::time::Timestamp;

/// Three clients of alice, and one of bob.
fn logged_in(on: On<'_>) -> Result<([Client; 3], Client), String> {
    let alices = [1, 2, 3].map(|n| client("alice", n, at(n as u64)));
    let bob = client("bob", 1, at(1));
    for client in alices.iter().chain([&bob]) {
        on.log_in(client)?;
    }
    Ok((alices, bob))
}

fn comes_back(on: On<'_>, n: usize, login: u64) -> Checked {
    let again = client("alice", n, at(login));
    on.log_in(&again)?;
    on.must_know(&again, at(login))
}

pub(super) fn of_a_device(on: On<'_>) -> Checked {
    let ([first, second, third], bob) = logged_in(on)?;
    on.revoke_some("alice", Revoke::Device(second.device()), at(10), 1)?;
    on.must_not_know(&second, at(11))?;
    for client in [&first, &third, &bob] {
        on.must_know(client, at(11))?;
    }
    on.revoke_some("alice", Revoke::Device(second.device()), at(12), 0)?;
    on.revoke_some("alice", Revoke::Device(DeviceId::new([0xee; 8])), at(12), 0)?;
    on.revoke_some("alice", Revoke::Device(bob.device()), at(12), 0)?;
    on.must_know(&bob, at(13))?;
    comes_back(on, 4, 20)?;
    on.must_not_know(&second, at(21))?;
    on.revoke_some("alice", Revoke::All, at(30), 3)
}

pub(super) fn of_all_but_one(on: On<'_>) -> Checked {
    let ([first, second, third], bob) = logged_in(on)?;
    on.revoke_some("alice", Revoke::AllBut(second.device()), at(10), 2)?;
    for gone in [&first, &third] {
        on.must_not_know(gone, at(11))?;
    }
    for client in [&second, &bob] {
        on.must_know(client, at(11))?;
    }
    on.revoke_some("alice", Revoke::AllBut(second.device()), at(12), 0)?;
    on.must_know(&second, at(13))?;
    comes_back(on, 4, 20)
}

pub(super) fn of_all(on: On<'_>) -> Checked {
    let ([first, second, third], bob) = logged_in(on)?;
    on.revoke_some("alice", Revoke::All, at(10), 3)?;
    for gone in [&first, &second, &third] {
        on.must_not_know(gone, at(11))?;
    }
    on.must_know(&bob, at(11))?;
    on.revoke_some("alice", Revoke::All, at(12), 0)?;
    comes_back(on, 4, 20)?;
    on.must_not_know(&first, at(21))?;
    on.revoke_some("alice", Revoke::All, at(22), 1)
}

pub(super) fn of_an_assertion(on: On<'_>) -> Checked {
    let (alice, bob) = (client("alice", 1, at(0)), client("bob", 1, at(0)));
    let (here, there) = (alice.record(EXPR), alice.record_in(NONE, smtp()));
    let remember = Remember { records: vec![here.clone(), there.clone()], ..alice.remember() };
    on.remember(&remember, at(0), Committed::Done, "a full login")?;
    on.log_in(&bob)?;
    on.revoke_some("bob", Revoke::Assertion(there.id), at(10), 0)?;
    on.must_live(&there, at(11), "revoked under another account's name")?;
    on.revoke_some("alice", Revoke::Assertion(there.id), at(12), 1)?;
    on.must_be_over(&there, at(13), "the one assertion that is revoked")?;
    on.apply(&first_use_of(&there, at(13)), at(13), Committed::Gone, "the use of an assertion that is revoked")?;
    on.must_know(&alice, at(13))?;
    on.must_know(&bob, at(13))?;
    on.revoke_some("alice", Revoke::Assertion(there.id), at(14), 0)?;
    on.commit(&crate::store::Commit::Remember(remember), at(15))?;
    ensure!(on.live(&there, at(16))?.is_none(), "the login made again brings a revoked assertion back");
    Ok(())
}

pub(super) fn of_an_assertion_with_successors(on: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    let record = alice.record(EXPR);
    on.log_in(&alice)?;
    on.apply(&first_use_of(&record, at(1)), at(1), Committed::Done, "the first use")?;
    let [one, two] = [1, 2].map(|k| successor(&record, k, at(k as u64 + 1)));
    for next in [&one, &two] {
        on.apply(&renewing(&record, next, at(3)), at(3), Committed::Done, "a renewal")?;
    }
    on.revoke_some("alice", Revoke::Assertion(record.id), at(4), 1)?;
    for gone in [&record, &one, &two] {
        on.must_be_over(gone, at(5), "revoked, or the successor of what is")?;
        on.apply(&first_use_of(gone, at(5)), at(5), Committed::Gone, "the use of what was revoked")?;
    }
    let late = successor(&record, 3, at(6));
    on.apply(&renewing(&record, &late, at(6)), at(6), Committed::Gone, "the renewal of a revoked assertion")?;
    ensure!(on.live(&late, at(7))?.is_none(), "a revoked assertion has a successor");
    Ok(())
}

pub(super) fn of_everyone(on: On<'_>) -> Checked {
    let (alices, bob) = logged_in(on)?;
    let unknown = [("carol", 9), ("dave", 10)].map(|(who, login)| client(who, 1, at(login)));
    on.revoke_everyone(at(10))?;
    for gone in alices.iter().chain([&bob]) {
        on.must_not_know(gone, at(11))?;
        on.revoke_some(&gone.identity, Revoke::Assertion(gone.record(EXPR).id), at(11), 0)?;
        on.revoke_some(&gone.identity, Revoke::Device(gone.device()), at(11), 0)?;
    }
    for late in unknown.iter().chain([&client("alice", 4, at(10))]) {
        let what = "a login that came before everyone was revoked";
        on.remember(&late.remember(), at(12), Committed::Gone, what)?;
        on.must_not_know(late, at(13))?;
    }
    comes_back(on, 5, 11)?;
    let carol = client("carol", 2, at(11));
    on.log_in(&carol)?;
    on.must_know(&carol, at(12))?;
    on.revoke_everyone(at(20))?;
    on.must_not_know(&carol, at(21))?;
    // A node whose clock is behind says it once more.
    let erin = client("erin", 1, at(18));
    on.revoke_everyone(at(15))?;
    on.remember(
        &erin.remember(),
        at(22),
        Committed::Gone,
        "a login from before the later of two revocations of everyone",
    )
}

pub(super) fn a_login_from_before(on: On<'_>) -> Checked {
    for (who, which) in [("alice", Revoke::All), ("bob", Revoke::AllBut(client("bob", 1, at(1)).device()))] {
        on.log_in(&client(who, 1, at(1)))?;
        on.revoke(who, which, at(10))?;
        for (n, login) in [(2, 9), (3, 10)] {
            // Its password was checked before, and only now it is remembered.
            let late = client(who, n, at(login));
            let what = format!("a login of {} s before {which:?}", 10 - login);
            on.remember(&late.remember(), at(12), Committed::Gone, &what)?;
            on.must_not_know(&late, at(13))?;
        }
        let after = client(who, 4, at(11));
        on.remember(&after.remember(), at(12), Committed::Done, "a login after a revocation")?;
        on.must_know(&after, at(13))?;
    }
    Ok(())
}

pub(super) fn a_login_of_an_unknown_account(on: On<'_>) -> Checked {
    for (who, which) in [("alice", Revoke::All), ("bob", Revoke::AllBut(DeviceId::new([0xee; 8])))] {
        on.revoke_some(who, which, at(10), 0)?;
        let late = client(who, 1, at(9));
        on.remember(&late.remember(), at(12), Committed::Gone, "an account's first login, from before a revocation")?;
        on.must_not_know(&late, at(13))?;
        let after = client(who, 2, at(11));
        on.log_in(&after)?;
        on.must_know(&after, at(14))?;
    }
    Ok(())
}

pub(super) fn nobody_is_spared_who_was_revoked(on: On<'_>) -> Checked {
    let ([first, second, third], bob) = logged_in(on)?;
    on.revoke_some("alice", Revoke::AllBut(first.device()), at(10), 2)?;
    on.revoke_some("alice", Revoke::AllBut(second.device()), at(20), 1)?;
    for gone in [&first, &second, &third] {
        on.must_not_know(gone, at(21))?;
        on.remember(&gone.remember(), at(22), Committed::Gone, "the login of a revoked client, made again")?;
        on.must_not_know(gone, at(23))?;
    }
    on.must_know(&bob, at(23))?;
    let fourth = client("alice", 4, at(30));
    on.log_in(&fourth)?;
    on.revoke_some("alice", Revoke::Device(fourth.device()), at(31), 1)?;
    on.revoke_some("alice", Revoke::AllBut(fourth.device()), at(32), 0)?;
    on.must_not_know(&fourth, at(33))
}

pub(super) fn by_a_clock_that_is_behind(on: On<'_>) -> Checked {
    on.log_in(&client("alice", 1, at(1)))?;
    on.revoke_some("alice", Revoke::All, at(20), 1)?;
    on.revoke_some("alice", Revoke::All, at(10), 0)?;
    on.revoke("alice", Revoke::AllBut(DeviceId::new([0xee; 8])), at(12))?;
    let late = client("alice", 2, at(15));
    on.remember(&late.remember(), at(21), Committed::Gone, "a login from before the later of two revocations")?;
    on.must_not_know(&late, at(22))?;
    comes_back(on, 3, 30)
}

pub(super) fn a_commit_made_again(on: On<'_>) -> Checked {
    let ([first, second, _], _) = logged_in(on)?;
    on.revoke_some("alice", Revoke::Device(first.device()), at(10), 1)?;
    on.remember(&first.remember(), at(11), Committed::Gone, "the login of a revoked client, made again")?;
    on.must_not_know(&first, at(12))?;
    also_without_a_session(on, &first, at(13))?;
    on.revoke_some("alice", Revoke::All, at(20), 2)?;
    on.remember(&second.remember(), at(21), Committed::Gone, "the login of a revoked client, made again")?;
    on.must_not_know(&second, at(22))?;
    also_without_a_session(on, &second, at(23))
}

/// A client that was revoked is not remembered for something else of the same login either.
fn also_without_a_session(on: On<'_>, client: &Client, now: Timestamp) -> Checked {
    let more = client.record_in(NONE, smtp());
    on.remember(&client.with_records(from_ref(&more)), now, Committed::Gone, "more of the login of a revoked client")?;
    ensure!(on.live(&more, now)?.is_none(), "more of the login of a revoked client is found");
    Ok(())
}

pub(super) fn of_a_device_that_is_yet_to_come(on: On<'_>) -> Checked {
    let [known, late] = [1, 2].map(|n| client("alice", n, at(n as u64)));
    on.log_in(&known)?;
    on.revoke_some("alice", Revoke::Device(late.device()), at(10), 0)?;
    on.remember(
        &late.remember(),
        at(11),
        Committed::Gone,
        "the login of a client that was revoked before it was known",
    )?;
    on.must_not_know(&late, at(12))?;
    on.must_know(&known, at(12))
}

pub(super) fn of_more_devices_than_are_remembered(on: On<'_>) -> Checked {
    let ([first, second, third], bob) = logged_in(on)?;
    on.secret(&first.secret(1, 100_000), at(3), Committed::Done, "an account's secret")?;
    let other = |n: usize| DeviceId::new((n as u64).to_be_bytes());
    for n in 0..Revocations::MAX_DEVICES {
        on.revoke_some("alice", Revoke::Device(other(n)), at(10), 0)?;
    }
    for client in [&first, &second, &third] {
        on.must_know(client, at(11))?;
    }
    on.revoke_some("alice", Revoke::Device(other(Revocations::MAX_DEVICES)), at(12), 3)?;
    let change = Use { secret: Some(first.secret(1, 200_000)), ..first_use_of(&first.record(EXPR), at(13)) };
    on.apply(&change, at(13), Committed::Gone, "the use of a client that was revoked with many, with a secret")?;
    for gone in [&first, &second, &third] {
        on.must_not_know(gone, at(13))?;
        let state = on.state(gone.login_id(), at(13))?;
        let is_over = state.is_none_or(|state| state.revoked.revokes(gone.device(), gone.login));
        ensure!(is_over, "of clients that were revoked with many, what the account's secret opens is not");
        on.remember(&gone.remember(), at(14), Committed::Gone, "the login of a revoked client, made again")?;
    }
    on.must_know(&bob, at(14))?;
    comes_back(on, 4, 20)
}
