//! A disk without room.

use super::disk::{Disk, PAUSE};
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
                assert!(store.lookup(&of(*id), now).unwrap().record.is_there(), "lookups go on on a full disk");
            }
            let _ = use_it(&mut known, now, 5000 + round);
            // Pages that no commit needs any more may be room for a small one.
            now = Timestamp::from_secs(now.as_secs() + 60);
            std::thread::sleep(PAUSE);
            let mut more = 6000..;
            while use_it(&mut known, now, more.next().unwrap()).is_ok() {}
        }
        disk.fills_up_after(usize::MAX);
        std::thread::sleep(2 * PAUSE);
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

#[test]
fn nobody_waits_while_the_file_is_opened_again() {
    let disk = Disk::default();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let (gate, opened, storage) = (std::sync::Mutex::new(gate), std::sync::atomic::AtomicUsize::new(0), disk.clone());
    let slowly = move || -> Box<dyn redb::StorageBackend> {
        if opened.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 0 {
            let _ = gate.lock().unwrap().recv_timeout(std::time::Duration::from_secs(10));
        }
        Box::new(storage.clone())
    };
    let store = fast_reauth::internal::redb_on(slowly, Capacity::default(), PAUSE).unwrap();
    let id = log_in(&store, "alice", START);
    disk.fills_up_after(0);
    let now = Timestamp::from_secs(START.as_secs() + 60);
    std::thread::scope(|scope| {
        let failing = scope.spawn(|| {
            (0..2000).any(|n| store.commit(&Commit::Remember(login(&format!("user{n}"), now)), now).is_err())
        });
        // It comes to an end only because somebody opens the file, which is not done before this lets it.
        while store.lookup(&of(id), now).is_ok() {}
        assert_eq!(store.commit(&count(id, 1), now), Err(Unavailable));
        disk.fills_up_after(usize::MAX);
        open.send(()).unwrap();
        assert!(failing.join().unwrap(), "the disk is full");
    });
    drop(open);
    std::thread::sleep(2 * PAUSE);
    assert_eq!(store.commit(&count(id, 1), now), Ok(Committed::Done));
}
