//! The use of an assertion.

use super::on::{Checked, On, ensure};
use super::scene::{EXPR, LIFETIME, NONE, UNUSED, at, client, first_use_of, renewing, smtp, successor, use_of};
use crate::assertion::Pin;
use crate::store::{Committed, Use};

pub(super) fn the_first_use(on: On<'_>) -> Checked {
    let [alice, other] = [1, 2].map(|n| client("alice", n, at(0)));
    let there = alice.record_in(NONE, smtp());
    let records = [alice.record(EXPR), alice.record(NONE), alice.record(Pin::SHA_256_ENDP), there.clone()];
    on.remember(&alice.with_records(&records), at(0), Committed::Done, "a full login")?;
    let others = [other.record(EXPR), other.record(NONE)];
    on.remember(&other.with_records(&others), at(0), Committed::Done, "another full login")?;
    on.apply(&first_use_of(&records[1], at(5)), at(5), Committed::Done, "the first use")?;
    let used = on.must_live(&records[1], at(5), "used")?;
    ensure!(!used.is_tentative(), "its first use leaves a record tentative");
    ensure!(used.expires() == records[1].expires, "its first use changes when a record ends, to {:?}", used.expires());
    for beside in [&records[0], &records[2]] {
        on.must_be_over(beside, at(5), "one for another mechanism that was made beside the one used")?;
    }
    let sibling = on.must_live(&there, at(5), "one for another service")?;
    ensure!(sibling.is_tentative(), "the first use of a record is taken for that of its sibling in another service");
    for record in &others {
        on.must_live(record, at(5), "one of another device")?;
    }
    on.must_live(&records[1], at(UNUSED + 5), "one that was used, longer than one that was not would last")?;
    Ok(())
}

pub(super) fn a_use_made_again(on: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    let record = alice.record(EXPR);
    on.log_in(&alice)?;
    let next = successor(&record, 1, at(5));
    let change = Use { confirm: true, ..renewing(&record, &next, at(5)) };
    on.apply(&change, at(5), Committed::Done, "the first use")?;
    let both = |now| Ok::<_, String>((on.record(&record, now)?, on.record(&next, now)?));
    let before = both(at(6))?;
    for _ in 0..3 {
        on.apply(&change, at(5), Committed::Done, "the same use once more")?;
        ensure!(both(at(6))? == before, "the same use once more changes something");
    }
    // A parallel connection looked the record up while it was tentative.
    on.apply(&first_use_of(&record, at(7)), at(7), Committed::Done, "a first use after the first")?;
    on.must_live(&next, at(7), "a successor that waits")?;
    Ok(())
}

pub(super) fn when_it_ends(on: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    let record = alice.record(EXPR);
    on.log_in(&alice)?;
    on.apply(&first_use_of(&record, at(1)), at(1), Committed::Done, "the first use")?;
    let ends = |end| Use { ends: Some(at(end)), ..use_of(&record, at(2)) };
    let expires = |what| Ok::<_, String>(on.must_live(&record, at(3), what)?.expires());
    on.apply(&ends(LIFETIME * 2), at(2), Committed::Done, "a use that ends it later")?;
    ensure!(expires("ending later")? == record.expires, "a use makes an assertion last longer");
    on.apply(&ends(100), at(2), Committed::Done, "a use that ends it")?;
    ensure!(expires("ending")? == at(100), "an assertion that was to end does not");
    on.apply(&ends(200), at(2), Committed::Done, "a use that ends it later again")?;
    ensure!(expires("ending later again")? == at(100), "an assertion that was to end is made to last");
    on.must_be_over(&record, at(100), "one that was to end")
}

pub(super) fn the_last_use(on: On<'_>) -> Checked {
    // Used in the last second of its wait, it was used in time.
    let alice = client("alice", 1, at(0));
    on.log_in(&alice)?;
    let (record, last) = (alice.record(EXPR), at(UNUSED - 1));
    on.must_live(&record, last, "one that waits")?;
    on.apply(&first_use_of(&record, last), last, Committed::Done, "the first use, just in time")?;
    on.must_live(&record, at(LIFETIME - 1), "one that was used")?;
    Ok(())
}

pub(super) fn of_nothing(on: On<'_>) -> Checked {
    let [alice, other] = [1, 2].map(|n| client("alice", n, at(0)));
    on.log_in(&alice)?;
    let (record, now) = (other.record(EXPR), at(1));
    let next = successor(&record, 1, now);
    let change = Use { confirm: true, counter: Some(1), ..renewing(&record, &next, now) };
    on.apply(&change, now, Committed::Gone, "the use of an unknown assertion")?;
    ensure!(on.record(&next, now)?.is_none(), "the use of an unknown assertion adds a successor");
    ensure!(on.record(&record, now)?.is_none(), "the use of an unknown assertion makes it known");
    Ok(())
}
