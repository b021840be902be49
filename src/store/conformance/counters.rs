//! The counters of an assertion: each is accepted once.

use core::slice::from_ref;

use super::on::{Checked, On, ensure};
use super::scene::{EXPR, NONE, at, client, counted, use_of};
use crate::assertion::Record;
use crate::store::{Commit, Committed, Use, Window};

fn known(on: On<'_>) -> Result<Record, String> {
    let alice = client("alice", 1, at(0));
    let record = alice.record(NONE);
    on.remember(&alice.with_records(from_ref(&record)), at(0), Committed::Done, "a full login")?;
    Ok(record)
}

pub(super) fn out_of_order(on: On<'_>) -> Checked {
    let record = known(on)?;
    let far = 1000 + Window::WIDTH;
    for counter in [1, 3, 2, Window::WIDTH, 10, 1000, 1000 - (Window::WIDTH - 1), 999, far - 1, far, 1001] {
        let what = format!("counter {counter}, fresh and less than 64 behind the highest");
        on.apply(&counted(&record, counter, at(1)), at(1), Committed::Done, &what)?;
        let what = format!("counter {counter}, used just before");
        on.apply(&counted(&record, counter, at(1)), at(1), Committed::Replayed, &what)?;
    }
    for counter in [1, 2, 3, 10, 64, 937, 999, 1000, 1001, far - 1, far] {
        let what = format!("counter {counter}, used long ago");
        on.apply(&counted(&record, counter, at(2)), at(2), Committed::Replayed, &what)?;
    }
    Ok(())
}

pub(super) fn at_random(on: On<'_>) -> Checked {
    let record = known(on)?;
    let (mut window, mut state) = (Window::default(), 0x9e37_79b9_7f4a_7c15_u64);
    let mut used = std::collections::HashSet::new();
    // Across the middle of the window, and where the upper half of the number begins.
    let mut base = (1 << 32) - 400;
    for step in 0..400u64 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let counter = base + state % 80;
        base += state >> 32 & 1;
        let is_fresh = window.accept(counter);
        let committed = on.commit(&Commit::Use(counted(&record, counter, at(1))), at(1))?;
        let what = format!("counter {counter}, after {step} others");
        match committed {
            Committed::Done => ensure!(used.insert(counter), "{what}, is accepted twice"),
            Committed::Replayed => ensure!(!is_fresh, "{what}, fresh and within the window, is refused"),
            other => return Err(format!("{what}: {other:?}")),
        }
    }
    Ok(())
}

pub(super) fn used_twice(on: On<'_>) -> Checked {
    let record = known(on)?;
    let first = Use { confirm: true, ..counted(&record, 1, at(1)) };
    on.apply(&first, at(1), Committed::Done, "the first use")?;
    on.apply(&first, at(2), Committed::Replayed, "the same message once more")?;
    on.apply(&counted(&record, 2, at(3)), at(3), Committed::Done, "the next counter")?;
    on.apply(&counted(&record, 1, at(4)), at(4), Committed::Replayed, "the first counter once more")?;
    // Where there is nothing to be replayed, there is nothing to refuse.
    for _ in 0..2 {
        on.apply(&use_of(&record, at(5)), at(5), Committed::Done, "a use without counter")?;
    }
    Ok(())
}

pub(super) fn behind_the_window(on: On<'_>) -> Checked {
    let record = known(on)?;
    on.apply(&counted(&record, 200, at(1)), at(1), Committed::Done, "a fresh counter")?;
    // A store may have a wider window than it needs. It accepts nothing twice all the same.
    for counter in [136, 100, 1] {
        let change = Commit::Use(counted(&record, counter, at(2)));
        let first = on.commit(&change, at(2))?;
        ensure!(
            matches!(first, Committed::Done | Committed::Replayed),
            "counter {counter}, behind the window: {first:?}"
        );
        let second = on.commit(&change, at(3))?;
        ensure!(second == Committed::Replayed, "counter {counter}, behind the window, once more: {second:?}");
    }
    on.apply(&counted(&record, 137, at(4)), at(4), Committed::Done, "the last counter of the window")?;
    on.apply(&counted(&record, 200, at(4)), at(4), Committed::Replayed, "the highest counter once more")
}

pub(super) fn zero(on: On<'_>) -> Checked {
    let record = known(on)?;
    on.apply(&counted(&record, 0, at(1)), at(1), Committed::Replayed, "counter 0, which no client sends")?;
    on.apply(&counted(&record, 1, at(2)), at(2), Committed::Done, "counter 1")?;
    on.apply(&counted(&record, 0, at(3)), at(3), Committed::Replayed, "counter 0 within a window")
}

pub(super) fn of_each_assertion(on: On<'_>) -> Checked {
    let [alice, other, bob] = [("alice", 1), ("alice", 2), ("bob", 1)].map(|(who, n)| client(who, n, at(0)));
    let records = [alice.record(NONE), alice.record(EXPR), other.record(NONE), bob.record(NONE)];
    on.remember(&alice.with_records(&records[..2]), at(0), Committed::Done, "a full login")?;
    on.remember(&other.with_records(&records[2..3]), at(0), Committed::Done, "a full login")?;
    on.remember(&bob.with_records(&records[3..]), at(0), Committed::Done, "a full login")?;
    for record in &records {
        on.apply(&counted(record, 5, at(1)), at(1), Committed::Done, "a counter that another assertion may have used")?;
    }
    for record in &records {
        on.apply(&counted(record, 5, at(2)), at(2), Committed::Replayed, "a counter of each, once more")?;
    }
    Ok(())
}

pub(super) fn big(on: On<'_>) -> Checked {
    let record = known(on)?;
    const SAFE: u64 = 1 << 53;
    let counters = [
        (1 << 31) - 1,
        1 << 31,
        u32::MAX.into(),
        1 << 32,
        SAFE - 1,
        SAFE,
        SAFE + 1,
        i64::MAX as u64,
        1 << 63,
        u64::MAX - 1,
        u64::MAX,
    ];
    for counter in counters {
        let change = Commit::Use(counted(&record, counter, at(1)));
        let first = on.commit(&change, at(1))?;
        let allowed = first == Committed::Done || (counter > SAFE && first == Committed::Replayed);
        ensure!(allowed, "counter {counter}, higher than all before: {first:?}");
        let second = on.commit(&change, at(2))?;
        ensure!(second == Committed::Replayed, "counter {counter} once more: {second:?}");
    }
    for counter in [1].into_iter().chain(counters) {
        let again = on.commit(&Commit::Use(counted(&record, counter, at(3))), at(3))?;
        // The only one among them that was not used is 1; it is far behind.
        ensure!(again == Committed::Replayed || counter == 1, "counter {counter}, used before: {again:?}");
    }
    Ok(())
}
