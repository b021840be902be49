//! Whose file it is.

use super::*;

#[test]
fn it_is_open_once_and_its_owners() {
    let dir = Dir::new();
    let store = RedbStore::open(dir.file(), Capacity::default()).unwrap();
    let id = log_in(&store, "alice", START);
    assert!(matches!(RedbStore::open(dir.file(), Capacity::default()), Err(OpenError::InUse)));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(dir.file()).unwrap().permissions().mode() & 0o777, 0o600);
    }
    drop(store);
    let store = RedbStore::open(dir.file(), Capacity::default()).unwrap();
    assert!(store.lookup(&of(id), START).unwrap().record.is_there());
    assert_eq!(store.len(), Ok((1, 1)));
}

#[test]
fn what_a_crash_left_of_a_file_in_the_making_is_in_nobodys_way() {
    let dir = Dir::new();
    let left = |n: u32| dir.0.join(format!("store.new-{}-{n}", std::process::id()));
    for n in 0..3 {
        std::fs::write(left(n), "half of it").unwrap();
    }
    let store = RedbStore::open(dir.file(), Capacity::default()).unwrap();
    log_in(&store, "alice", START);
    assert!((0..3).all(|n| std::fs::read(left(n)).unwrap() == b"half of it"));
    assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 4, "of its own nothing is left");
}

#[test]
fn of_several_that_make_it_at_once_one_has_it() {
    for _ in 0..8 {
        let dir = Dir::new();
        let all = std::sync::Barrier::new(4);
        let open = || {
            all.wait();
            let opened = RedbStore::open(dir.file(), Capacity::default());
            all.wait();
            match opened {
                Ok(_) => true,
                Err(OpenError::InUse) => false,
                Err(other) => panic!("{other:?}"),
            }
        };
        let opened = std::thread::scope(|scope| [(); 4].map(|()| scope.spawn(open)).map(|it| it.join().unwrap()));
        assert_eq!(opened.iter().filter(|opened| **opened).count(), 1, "{opened:?}");
    }
}

#[test]
fn no_file_is_an_error_of_the_system() {
    let dir = Dir::new();
    for path in [dir.0.clone(), dir.0.join("not there/store")] {
        assert!(matches!(RedbStore::open(path, Capacity::default()), Err(OpenError::Io(_))));
    }
}

#[test]
fn debug_shows_nothing_of_the_content() {
    let store = disk::Disk::default().open(Capacity::default()).unwrap();
    log_in(&store, "alice", START);
    let shown = format!("{store:?}");
    assert!(shown.starts_with("RedbStore { capacity: ") && !shown.contains("alice"), "{shown}");
}
