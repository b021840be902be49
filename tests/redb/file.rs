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
