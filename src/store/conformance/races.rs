//! Many threads at once, on two nodes where there are two.

use core::slice::from_ref;
use std::sync::Barrier;
use std::thread;

use super::on::{Checked, On, ensure};
use super::scene::{Client, EXPR, NONE, at, client, counted, first_use_of, renewing, successor, token_use};
use crate::assertion::HtMechanism;
use crate::store::{Commit, Committed, Link, MAX_PENDING_SUCCESSORS, Remember, Revoke, TokenUse, Use};

const HT: HtMechanism = HtMechanism::HT_SHA_256_EXPR;
const ROUNDS: usize = 200;

/// Lets so many threads do it at the same time; the even ones on one node, the odd ones on the other.
fn together<T: Send>(
    nodes: [On<'_>; 2],
    threads: usize,
    work: impl Fn(usize, On<'_>) -> Result<T, String> + Sync,
) -> Result<Vec<T>, String> {
    let barrier = Barrier::new(threads);
    thread::scope(|scope| {
        let run = |n: usize| {
            let (barrier, work) = (&barrier, &work);
            scope.spawn(move || {
                barrier.wait();
                work(n, nodes[n % 2])
            })
        };
        let all: Vec<_> = (0..threads).map(run).collect();
        let ended =
            all.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("the store panicked".to_owned())));
        // All of them have to end, also where one failed.
        ended.collect::<Vec<_>>().into_iter().collect()
    })
}

fn count(all: &[Committed], meant: Committed) -> usize {
    all.iter().filter(|&&committed| committed == meant).count()
}

pub(super) fn one_counter(one: On<'_>, two: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    let record = alice.record(NONE);
    one.remember(&alice.with_records(from_ref(&record)), at(0), Committed::Done, "a full login")?;
    for counter in [1, 2, 50, 49, 1000] {
        let change = Commit::Use(counted(&record, counter, at(1)));
        let all = together([one, two], 64, |_, on| on.commit(&change, at(1)))?;
        let (done, replayed) = (count(&all, Committed::Done), count(&all, Committed::Replayed));
        ensure!((done, replayed) == (1, 63), "one counter, 64 times at once, is accepted {done} times: {all:?}");
    }
    Ok(())
}

pub(super) fn a_full_window(one: On<'_>, two: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    let record = alice.record(NONE);
    one.remember(&alice.with_records(from_ref(&record)), at(0), Committed::Done, "a full login")?;
    let all = together([one, two], 64, |n, on| {
        let change = Commit::Use(counted(&record, n as u64 + 1, at(1)));
        Ok([on.commit(&change, at(1))?, on.commit(&change, at(2))?])
    })?;
    for (n, both) in all.into_iter().enumerate() {
        let right = both == [Committed::Done, Committed::Replayed];
        ensure!(right, "counter {} beside 63 others, twice: {both:?}", n + 1);
    }
    let all = together([two, one], 64, |n, on| on.commit(&Commit::Use(counted(&record, n as u64 + 1, at(3))), at(3)))?;
    ensure!(count(&all, Committed::Replayed) == 64, "64 counters that were used at once, once more: {all:?}");
    Ok(())
}

pub(super) fn one_count_of_a_token(one: On<'_>, two: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    one.log_in(&alice)?;
    for used in [1, 2, 9] {
        let change = TokenUse { count: Some(used), ..token_use(&alice.tokens(), &alice.slot(0, HT)) };
        let all = together([one, two], 32, |_, on| on.commit(&Commit::Token(change.clone()), at(1)))?;
        let (done, replayed) = (count(&all, Committed::Done), count(&all, Committed::Replayed));
        ensure!((done, replayed) == (1, 31), "one count, 32 times at once, is accepted {done} times: {all:?}");
    }
    Ok(())
}

pub(super) fn successors(one: On<'_>, two: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    let record = alice.record(EXPR);
    one.log_in(&alice)?;
    one.apply(&first_use_of(&record, at(1)), at(1), Committed::Done, "the first use")?;
    let next = |n| successor(&record, n, at(10));
    let all = together([one, two], 32, |n, on| on.commit(&Commit::Use(renewing(&record, &next(n), at(10))), at(10)))?;
    let (done, without) = (count(&all, Committed::Done), count(&all, Committed::WithoutSuccessor));
    let right = (done, without) == (MAX_PENDING_SUCCESSORS, 32 - MAX_PENDING_SUCCESSORS);
    ensure!(right, "of 32 renewals at once, {done} have a successor: {all:?}");
    for (n, committed) in all.iter().enumerate() {
        let found = two.live(&next(n), at(11))?.is_some();
        ensure!(found == (*committed == Committed::Done), "renewal {n} of 32 at once: {committed:?}, found: {found}");
    }
    Ok(())
}

pub(super) fn new_tokens(one: On<'_>, two: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    let (tokens, first) = (alice.tokens(), alice.slot(0, HT));
    one.log_in(&alice)?;
    one.token(&token_use(&tokens, &first), at(1), Committed::Done, "the first use of a token")?;
    let all = together([one, two], 32, |n, on| {
        let issue = Some(Box::new(alice.slot(n + 1, HT)));
        on.commit(&Commit::Token(TokenUse { issue, ..token_use(&tokens, &first) }), at(2))
    })?;
    let (done, without) = (count(&all, Committed::Done), count(&all, Committed::WithoutSuccessor));
    ensure!((done, without) == (1, 31), "32 rotations at once make {done} tokens: {all:?}");
    let winner = all.iter().position(|&committed| committed == Committed::Done).map(|n| alice.slot(n + 1, HT));
    let waiting = two.tokens(&tokens, at(3))?.and_then(|found| found.new.clone());
    ensure!(waiting == winner, "another token waits than the one that was made: {waiting:?}");
    Ok(())
}

pub(super) fn first_uses_of_two_mechanisms(one: On<'_>, two: On<'_>) -> Checked {
    for round in 0..ROUNDS {
        let who = client(&format!("user {round}"), 1, at(0));
        let records = [who.record(EXPR), who.record(NONE)];
        one.remember(&who.with_records(&records), at(0), Committed::Done, "a full login")?;
        let all = together([one, two], 2, |n, on| on.commit(&Commit::Use(first_use_of(&records[n], at(1))), at(1)))?;
        let (done, gone) = (count(&all, Committed::Done), count(&all, Committed::Gone));
        ensure!((done, gone) == (1, 1), "the first use of two records, of which one ends the other: {all:?}");
    }
    Ok(())
}

pub(super) fn secrets(one: On<'_>, two: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    one.log_in(&alice)?;
    let all = together([one, two], 32, |n, on| {
        let new = alice.secret(n as u8, 1000);
        let change = Use { secret: Some(new.clone()), ..first_use_of(&alice.record(EXPR), at(1)) };
        on.commit(&if n < 16 { Commit::Secret(new) } else { Commit::Use(change) }, at(1))
    })?;
    let (done, without) = (count(&all, Committed::Done), count(&all, Committed::WithoutSuccessor));
    ensure!((done, without) == (1, 31), "of 32 secrets at once, {done} are the account's: {all:?}");
    let winner = all.iter().position(|&committed| committed == Committed::Done).unwrap_or_default();
    let state = two.state(alice.login_id(), at(2))?.ok_or("the account has no secret")?;
    ensure!(state.secret == alice.secret(winner as u8, 0).secret, "the account has another secret than it was told");
    Ok(())
}

/// Nothing of the client is good after its revocation returned, whatever was committed meanwhile.
fn must_be_gone(on: On<'_>, who: &Client, what: &str) -> Checked {
    on.must_not_know(who, at(50)).map_err(|why| format!("{what}: {why}"))
}

/// One thread commits, another revokes, some hundred times.
fn against_a_revocation(
    nodes: [On<'_>; 2],
    prepare: impl Fn(&Client) -> Checked,
    commit: impl Fn(&Client, On<'_>) -> Checked + Sync,
    after: impl Fn(&Client) -> Checked,
) -> Checked {
    for round in 0..ROUNDS {
        let who = client(&format!("user {round}"), 1, at(0));
        prepare(&who)?;
        let which = match round % 3 {
            0 => Revoke::All,
            1 => Revoke::AllBut(client("nobody", 1, at(0)).device()),
            _ => Revoke::Device(who.device()),
        };
        together(nodes, 2, |n, on| match n {
            0 => commit(&who, on),
            _ => on.revoke(&who.identity, which, at(5)).map(|_| ()),
        })?;
        after(&who)?;
    }
    Ok(())
}

pub(super) fn a_login_and_a_revocation(one: On<'_>, two: On<'_>) -> Checked {
    let commit = |who: &Client, on: On<'_>| {
        let remember = Remember { secret: Some(who.secret(1, 1000)), ..who.remember() };
        on.commit(&Commit::Remember(remember), at(5)).map(|_| ())
    };
    // The account is known by another client, so that one of its devices can be revoked that is yet to come.
    let prepare = |who: &Client| one.log_in(&client(&who.identity, 2, at(0)));
    let after = |who: &Client| {
        must_be_gone(two, who, "a login while its client is revoked")?;
        let state = one.state(who.login_id(), at(50))?;
        let sealed = state.is_some_and(|state| !state.revoked.revokes(who.device(), who.login));
        ensure!(!sealed, "a login while its client is revoked: what the account's secret opens is still good");
        Ok(())
    };
    against_a_revocation([one, two], prepare, commit, after)
}

pub(super) fn a_first_login_and_a_revocation_of_everyone(one: On<'_>, two: On<'_>) -> Checked {
    for round in 0..ROUNDS {
        let now = at(round as u64 * 10);
        let who = client(&format!("user {round}"), 1, now);
        together([one, two], 2, |n, on| match n {
            0 => on.commit(&Commit::Remember(who.remember()), now).map(|_| ()),
            _ => on.revoke_everyone(now),
        })?;
        two.must_not_know(&who, at(round as u64 * 10 + 1))?;
    }
    Ok(())
}

pub(super) fn a_use_and_a_revocation(one: On<'_>, two: On<'_>) -> Checked {
    let next = |who: &Client| successor(&who.record(EXPR), 1, at(5));
    let commit = |who: &Client, on: On<'_>| {
        let renewal = renewing(&who.record(EXPR), &next(who), at(5));
        let change = Use { confirm: true, counter: Some(1), secret: Some(who.secret(1, 1000)), ..renewal };
        on.commit(&Commit::Use(change), at(5)).map(|_| ())
    };
    let after = |who: &Client| {
        must_be_gone(two, who, "a use while its client is revoked")?;
        ensure!(one.live(&next(who), at(50))?.is_none(), "a use while its client is revoked: its successor is good");
        let state = one.state(who.login_id(), at(50))?;
        let sealed = state.is_some_and(|state| !state.revoked.revokes(who.device(), who.login));
        ensure!(!sealed, "a use while its client is revoked: what the account's secret opens is still good");
        Ok(())
    };
    against_a_revocation([one, two], |who| one.log_in(who), commit, after)
}

pub(super) fn a_session_and_a_revocation(one: On<'_>, two: On<'_>) -> Checked {
    let commit = |who: &Client, on: On<'_>| {
        for k in [1, 2] {
            on.commit(&Commit::Link(who.link(k, Some(who.handle(k - 1)))), at(5))?;
        }
        Ok(())
    };
    let after = |who: &Client| {
        must_be_gone(two, who, "a connection while its client is revoked")?;
        for k in [1, 2] {
            let lineage = one.lineage(who.handle(k), at(50))?;
            ensure!(lineage.is_none_or(|found| found.revoked), "a connection while its client is revoked is good");
        }
        Ok(())
    };
    against_a_revocation([one, two], |who| one.log_in(who), commit, after)
}

pub(super) fn a_token_and_a_revocation(one: On<'_>, two: On<'_>) -> Checked {
    let commit = |who: &Client, on: On<'_>| {
        let issue = Some(Box::new(who.slot(1, HT)));
        let change = TokenUse { count: Some(1), issue, ..token_use(&who.tokens(), &who.slot(0, HT)) };
        on.commit(&Commit::Token(change), at(5)).map(|_| ())
    };
    let after = |who: &Client| {
        must_be_gone(two, who, "a token while its client is revoked")?;
        let change = token_use(&who.tokens(), &who.slot(1, HT));
        one.token(&change, at(50), Committed::Gone, "a token that was issued while its client was revoked")
    };
    against_a_revocation([one, two], |who| one.log_in(who), commit, after)
}

pub(super) fn two_identities_under_one_handle(one: On<'_>, two: On<'_>) -> Checked {
    for round in 0..ROUNDS {
        let both = ["alice", "bob"].map(|who| client(&format!("{who} {round}"), 1, at(0)));
        both.iter().try_for_each(|who| one.log_in(who))?;
        let handle = both[0].handle(5);
        together([one, two], 2, |n, on| {
            let link = Link { handle, ..both[n].link(5, None) };
            on.link(&link, at(1), Committed::Done, "a connection under a handle")
        })?;
        let shared = two.lineage(handle, at(2))?.is_some_and(|lineage| lineage.shared);
        ensure!(shared, "two identities at once under one handle: the session stands for one of them");
    }
    Ok(())
}

pub(super) fn two_identities_of_one_session(one: On<'_>, two: On<'_>) -> Checked {
    for round in 0..ROUNDS {
        let [alice, bob] = ["alice", "bob"].map(|who| client(&format!("{who} {round}"), 1, at(0)));
        [&alice, &bob].into_iter().try_for_each(|who| one.log_in(who))?;
        together([one, two], 2, |n, on| {
            let who = [&alice, &bob][n];
            on.link(&who.link(5, Some(alice.handle(0))), at(1), Committed::Done, "a connection that resumes alice's")
        })?;
        for handle in [alice.handle(0), bob.handle(5), alice.handle(5)] {
            let shared = two.lineage(handle, at(2))?.map(|lineage| lineage.shared);
            // Where alice's own came last, nothing was wrong with it but what it resumes.
            ensure!(shared == Some(true), "two identities at once resume one session: shared is {shared:?}");
        }
    }
    Ok(())
}
