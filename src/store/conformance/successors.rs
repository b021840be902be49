//! What takes the place of an assertion.

use core::slice::from_ref;
use core::time::Duration;

use super::on::{Checked, On, ensure};
use super::scene::{
    Client, EXPR, GRACE, NONE, UNUSED, at, client, counted, first_use_of, renewing, smtp, successor, use_of,
};
use crate::assertion::Record;
use crate::store::{Committed, MAX_PENDING_SUCCESSORS, Use};

/// A client whose assertion was used already.
fn known(on: On<'_>) -> Result<(Client, Record), String> {
    let alice = client("alice", 1, at(0));
    let record = alice.record(EXPR);
    on.log_in(&alice)?;
    on.apply(&first_use_of(&record, at(1)), at(1), Committed::Done, "the first use")?;
    Ok((alice, record))
}

pub(super) fn the_predecessor_ends(on: On<'_>) -> Checked {
    let (_, record) = known(on)?;
    let next = successor(&record, 1, at(10));
    on.apply(&renewing(&record, &next, at(10)), at(10), Committed::Done, "a renewal")?;
    let found = on.record(&next, at(11))?;
    ensure!(found.as_deref() == Some(&next), "the successor is found otherwise: {found:?}");
    let before = on.must_live(&record, at(11), "renewed")?;
    ensure!(
        !before.is_superseded() && before.expires() == record.expires,
        "a successor that waits ends the one before"
    );
    on.apply(&first_use_of(&next, at(20)), at(20), Committed::Done, "the first use of the successor")?;
    ensure!(
        !on.must_live(&next, at(21), "the successor")?.is_tentative(),
        "its first use leaves a successor tentative"
    );
    let before = on.must_live(&record, at(20 + GRACE - 1), "the predecessor, within its grace")?;
    ensure!(before.is_superseded(), "a predecessor is not marked as superseded");
    ensure!(before.expires() == at(20 + GRACE), "a predecessor ends at {:?}, not after the grace", before.expires());
    on.apply(&use_of(&record, at(25)), at(25), Committed::Done, "a use of the predecessor within its grace")?;
    // A second first use, from a connection that looked it up before, gives no longer grace.
    on.apply(&first_use_of(&next, at(60)), at(60), Committed::Done, "a first use after the first")?;
    ensure!(
        on.must_live(&record, at(61), "the predecessor")?.expires() == at(20 + GRACE),
        "a second first use of the successor changes when its predecessor ends"
    );
    on.must_be_over(&record, at(20 + GRACE), "the predecessor, after its grace")
}

pub(super) fn only_so_many_wait(on: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    let record = alice.record(NONE);
    on.remember(&alice.with_records(from_ref(&record)), at(0), Committed::Done, "a full login")?;
    on.apply(&first_use_of(&record, at(1)), at(1), Committed::Done, "the first use")?;
    let all: Vec<_> = (0..=MAX_PENDING_SUCCESSORS).map(|k| successor(&record, k, at(10))).collect();
    let (last, waiting) = (&all[MAX_PENDING_SUCCESSORS], &all[..MAX_PENDING_SUCCESSORS]);
    for next in waiting {
        on.apply(&renewing(&record, next, at(10)), at(10), Committed::Done, "a renewal")?;
    }
    let further = Use { counter: Some(7), ends: Some(at(5000)), ..renewing(&record, last, at(10)) };
    on.apply(&further, at(10), Committed::WithoutSuccessor, "a renewal too many")?;
    ensure!(on.live(last, at(11))?.is_none(), "a successor that found no room is found");
    for next in waiting {
        on.must_live(next, at(11), "a successor that waits")?;
    }
    on.apply(&counted(&record, 7, at(11)), at(11), Committed::Replayed, "the counter of a use without successor")?;
    let expires = on.must_live(&record, at(11), "used")?.expires();
    ensure!(expires == at(5000), "a use without successor does not end the assertion");
    Ok(())
}

pub(super) fn one_that_waited_too_long(on: On<'_>) -> Checked {
    let (_, record) = known(on)?;
    let [lost, late] = [(1, 10), (2, 11)].map(|(k, issued)| successor(&record, k, at(issued)));
    on.apply(&renewing(&record, &lost, at(10)), at(10), Committed::Done, "a renewal")?;
    on.apply(&renewing(&record, &late, at(11)), at(11), Committed::Done, "another renewal")?;
    let soon = at(10 + GRACE - 1);
    let refused = renewing(&record, &successor(&record, 3, soon), soon);
    on.apply(&refused, soon, Committed::WithoutSuccessor, "a renewal within the grace of both that wait")?;
    let now = at(10 + GRACE);
    let next = successor(&record, 4, now);
    on.apply(&renewing(&record, &next, now), now, Committed::Done, "a renewal after the grace of one that waits")?;
    on.must_live(&next, now, "the new successor")?;
    on.must_live(&late, now, "the successor that waits not longer than the grace")?;
    on.must_be_over(&lost, now, "the successor that waited too long, of three")
}

pub(super) fn one_that_expired(on: On<'_>) -> Checked {
    let (_, record) = known(on)?;
    for k in 1..=MAX_PENDING_SUCCESSORS {
        let change = renewing(&record, &successor(&record, k, at(10)), at(10));
        on.apply(&change, at(10), Committed::Done, "a renewal")?;
    }
    let now = at(10 + UNUSED);
    for k in 11..=10 + MAX_PENDING_SUCCESSORS {
        let next = successor(&record, k, now);
        on.apply(&renewing(&record, &next, now), now, Committed::Done, "a renewal after those before have expired")?;
        on.must_live(&next, now, "the new successor")?;
    }
    Ok(())
}

pub(super) fn added_twice(on: On<'_>) -> Checked {
    let (_, record) = known(on)?;
    let [one, two, three] = [1, 2, 3].map(|k| successor(&record, k, at(10)));
    for _ in 0..3 {
        on.apply(&renewing(&record, &one, at(10)), at(10), Committed::Done, "the same successor")?;
    }
    on.apply(&renewing(&record, &two, at(10)), at(10), Committed::Done, "another successor")?;
    for next in [&one, &two] {
        on.apply(&renewing(&record, next, at(11)), at(11), Committed::Done, "one of those that wait, once more")?;
    }
    on.apply(&renewing(&record, &three, at(11)), at(11), Committed::WithoutSuccessor, "one too many")?;
    on.apply(&first_use_of(&one, at(12)), at(12), Committed::Done, "the first use of a successor")?;
    on.apply(&renewing(&record, &one, at(13)), at(13), Committed::Done, "the one in use, once more")?;
    ensure!(!on.must_live(&one, at(14), "in use")?.is_tentative(), "a successor made again takes back its first use");
    Ok(())
}

pub(super) fn of_somebody_else(on: On<'_>) -> Checked {
    let (_, record) = known(on)?;
    let tablet = client("alice", 2, at(0));
    let bob = client("bob", 1, at(0));
    for other in [&tablet, &bob] {
        on.log_in(other)?;
    }
    let next = |k| successor(&record, k, at(10));
    let of = |other: &Client, k| Record { device: other.device(), identity: other.identity.clone(), ..next(k) };
    let elsewhere = Record { login_name: "bob".into(), ..of(&bob, 3) };
    for other in [&of(&tablet, 1), &of(&bob, 2), &elsewhere] {
        on.apply(
            &renewing(&record, other, at(10)),
            at(10),
            Committed::WithoutSuccessor,
            "a renewal for somebody else",
        )?;
        ensure!(on.live(other, at(11))?.is_none(), "a successor of somebody else is found");
    }
    on.apply(&renewing(&record, &next(4), at(12)), at(12), Committed::Done, "a renewal")?;
    on.must_live(&next(4), at(13), "the client's own successor")?;
    Ok(())
}

pub(super) fn their_first_use(on: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    let (record, there) = (alice.record(EXPR), alice.record_in(NONE, smtp()));
    on.remember(&alice.with_records(&[record.clone(), there.clone()]), at(0), Committed::Done, "a full login")?;
    for record in [&record, &there] {
        on.apply(&first_use_of(record, at(1)), at(1), Committed::Done, "the first use")?;
    }
    let [one, two] = [1, 2].map(|k| successor(&record, k, at(10)));
    let beyond = successor(&there, 1, at(10));
    for (of, next) in [(&record, &one), (&record, &two), (&there, &beyond)] {
        on.apply(&renewing(of, next, at(10)), at(10), Committed::Done, "a renewal")?;
    }
    // The predecessor is to end before the grace would be over: it stays so.
    let ends = Use { ends: Some(at(30)), ..use_of(&record, at(15)) };
    on.apply(&ends, at(15), Committed::Done, "a use that ends it")?;
    on.apply(&first_use_of(&two, at(20)), at(20), Committed::Done, "the first use of a successor")?;
    on.must_be_over(&one, at(21), "the other successor of the same assertion")?;
    ensure!(
        on.must_live(&record, at(21), "the predecessor")?.expires() == at(30),
        "a grace makes an assertion last longer"
    );
    on.must_live(&beyond, at(21), "a successor in another service")?;
    ensure!(
        !on.must_live(&there, at(21), "in another service")?.is_superseded(),
        "an assertion elsewhere is superseded"
    );
    // The chain goes on, each with its own window.
    let third = successor(&two, 1, at(40));
    on.apply(&renewing(&two, &third, at(40)), at(40), Committed::Done, "the renewal of a successor")?;
    let first = Use { counter: Some(1), ..first_use_of(&third, at(41)) };
    on.apply(&first, at(41), Committed::Done, "the first use of the next one")?;
    let until = at(41).after(Duration::from_secs(GRACE));
    ensure!(
        on.must_live(&two, at(42), "superseded")?.expires() == until,
        "the one before does not end after the grace"
    );
    on.apply(&counted(&two, 1, at(42)), at(42), Committed::Done, "the same counter of the one before")
}
