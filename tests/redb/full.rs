//! A disk without room.

use super::disk::Disk;
use super::*;

#[test]
fn a_full_disk_loses_nothing_and_is_over_when_there_is_room() {
    for blocks in [0, 1, 3, 10, 40, 100, 333] {
        let disk = Disk::default();
        let store = disk.open(Capacity::default()).unwrap();
        let mut known = Vec::new();
        let mut now = START;
        let use_it = |known: &mut Vec<_>, now, n: usize| -> Result<(), Unavailable> {
            let remember = login(&format!("user{n}"), now);
            let id = *remember.records[0].id();
            assert_eq!(store.commit(&Commit::Remember(remember), now)?, Committed::Done);
            assert_eq!(store.commit(&count(id, 7), now)?, Committed::Done);
            known.push(id);
            Ok(())
        };
        for n in 0..20 {
            use_it(&mut known, now, n).unwrap();
        }
        disk.fills_up_after(blocks);
        let filled = (20..2000).find(|&n| use_it(&mut known, now, n).is_err()).expect("it fills up");
        for round in 0..3 {
            for id in &known {
                assert!(store.lookup(&of(*id), now).unwrap().record.is_some(), "lookups go on on a full disk");
            }
            assert!(use_it(&mut known, now, 5000 + round).is_err());
            // Pages that no commit needs any more may be room for a small one.
            now = Timestamp::from_secs(now.as_secs() + 60);
            let mut more = 6000..;
            while use_it(&mut known, now, more.next().unwrap()).is_ok() {}
        }
        disk.fills_up_after(usize::MAX);
        assert!(use_it(&mut known, now, 7000).is_err(), "it waits a moment");
        now = Timestamp::from_secs(now.as_secs() + 2);
        use_it(&mut known, now, filled).unwrap();
        for id in &known {
            assert_eq!(store.commit(&count(*id, 7), now), Ok(Committed::Replayed));
            assert_eq!(store.commit(&count(*id, 8), now), Ok(Committed::Done));
        }
        drop(store);
        let store = disk.open(Capacity::default()).unwrap();
        for id in &known {
            assert_eq!(store.commit(&count(*id, 8), now), Ok(Committed::Replayed));
        }
    }
}

#[test]
fn a_store_is_not_made_on_a_full_disk() {
    for blocks in 0..30 {
        let disk = Disk::default();
        disk.fills_up_after(blocks);
        if let Err(error) = disk.open(Capacity::default()) {
            assert!(matches!(error, OpenError::Io(_)), "{error:?} with {blocks}");
        }
    }
}
