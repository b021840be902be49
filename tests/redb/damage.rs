//! A file that is not what was written. It opens without what was forgotten, or not at all, but a counter that was used stays used.

use std::panic;

use super::disk::Disk;
use super::*;

/// Where the one bit is that says which of two commits is the last: when that is turned, the one before is as good.
const PRIMARY: usize = 9;

/// Where the sizes of pages and regions are, which no checksum covers: other ones take the database long to find absurd.
const LAYOUT: core::ops::Range<usize> = 12..24;

struct Scene {
    ids: Vec<AssertionId>,
    before: Vec<u8>,
    after: Vec<u8>,
    closed: Vec<u8>,
}

/// The file before the last commit and after it, and when it was closed.
fn scene() -> Scene {
    let disk = Disk::default();
    let store = disk.open(Capacity::default()).unwrap();
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(log_in(&store, &format!("user{n}"), START));
        assert_eq!(store.commit(&count(ids[n], 1), START), Ok(Committed::Done));
    }
    let before = disk.octets();
    for id in &ids[..3] {
        assert_eq!(store.commit(&count(*id, 2), START), Ok(Committed::Done));
    }
    let after = disk.octets();
    drop(store);
    Scene { ids, before, after, closed: disk.octets() }
}

/// Whether it opens.
fn holds(octets: Vec<u8>, ids: &[AssertionId], what: &str) -> bool {
    let store = match Disk::holding(octets).open(Capacity::default()) {
        Ok(store) => store,
        Err(OpenError::Damaged | OpenError::Io(_) | OpenError::Version) => return false,
        Err(error) => panic!("{error:?}: {what}"),
    };
    for (n, id) in ids.iter().enumerate() {
        let _ = store.lookup(&of(*id), START);
        let used = if n < 3 { 2 } else { 1 };
        let committed = store.commit(&count(*id, used), START);
        assert!(
            matches!(committed, Err(Unavailable) | Ok(Committed::Replayed | Committed::Gone)),
            "{committed:?}: {what}"
        );
    }
    let _ = store.commit(&Commit::Remember(login("carol", START)), START);
    true
}

/// The database panics on some damage; here that is no news.
fn quietly<T>(run: impl FnOnce() -> T) -> T {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !info.location().is_some_and(|at| at.file().contains("redb-")) {
            before(info);
        }
    }));
    run()
}

#[test]
fn a_file_cut_short() {
    let Scene { ids, after, closed, .. } = scene();
    quietly(|| {
        for octets in [&after, &closed] {
            assert!(holds(octets.clone(), &ids, "whole"));
            for end in (0..octets.len()).step_by(octets.len() / 20).flat_map(|end| [end, end / 4096 * 4096]) {
                if end > 0 {
                    holds(octets[..end].to_vec(), &ids, &format!("cut to {end}"));
                }
            }
        }
        assert!(holds([&after[..], &[0; 4096]].concat(), &ids, "a file that was just growing"));
    });
}

#[test]
fn a_page_that_was_written_in_part() {
    let Scene { ids, before, after, closed } = scene();
    let (mut tried, mut opened) = (0, 0);
    quietly(|| {
        for octets in [&after, &closed] {
            let pages = octets.len().min(before.len()) / 4096;
            let changed =
                (0..pages).map(|page| page * 4096).filter(|&at| octets[at..at + 4096] != before[at..at + 4096]);
            for at in changed {
                let end = at + 4096;
                // What is before the middle is new, or what is behind it; the rest is old, zero or something else.
                for (from, to) in [(at, at + 2048), (at + 2048, end), (at, end)] {
                    if (from..to).contains(&PRIMARY) {
                        continue;
                    }
                    for fill in [None, Some(0), Some(0xa5)] {
                        let mut torn = octets.clone();
                        match fill {
                            None => torn[from..to].copy_from_slice(&before[from..to]),
                            Some(octet) => torn[from..to].fill(octet),
                        }
                        tried += 1;
                        opened += usize::from(holds(torn, &ids, &format!("{from} to {to} with {fill:?}")));
                    }
                }
            }
        }
    });
    // What opens is torn where nothing is any more.
    assert!(tried > 60 && opened < tried, "{opened} of {tried} opened");
}

#[test]
fn any_octet() {
    let Scene { ids, after, closed, .. } = scene();
    quietly(|| {
        for octets in [&after, &closed] {
            for at in (0..320).step_by(2).chain((321..octets.len()).step_by(octets.len() / 60)).chain([11, 25, 27]) {
                let mut altered = octets.clone();
                altered[at] ^= 1 << (at / 2 % 8);
                if !LAYOUT.contains(&at) {
                    holds(altered, &ids, &format!("octet {at}"));
                }
            }
        }
    });
}

/// What says that everyone was revoked is one number for all, in no account's own checksum.
#[test]
fn no_octet_undoes_everyones_revocation() {
    let disk = Disk::default();
    let store = disk.open(Capacity::default()).unwrap();
    let ids = ["alice", "bob"].map(|name| log_in(&store, name, START));
    store.revoke_everyone(later(1)).unwrap();
    let after = disk.octets();
    drop(store);
    let closed = disk.octets();
    quietly(|| {
        for octets in [&after, &closed] {
            let names: [&[u8]; 2] = [b"revocations of everyone", b"everyone revoked"];
            let places = (0..octets.len()).filter(|&at| names.iter().any(|name| octets[at..].starts_with(name)));
            let near: std::collections::BTreeSet<_> =
                places.flat_map(|at| at.saturating_sub(48)..at + 72).filter(|&at| at < octets.len()).collect();
            assert!(near.len() > 100);
            for at in near {
                let mut altered = octets.clone();
                altered[at] ^= 1;
                let Ok(store) = Disk::holding(altered).open(Capacity::default()) else { continue };
                for id in &ids {
                    let record = store.lookup(&of(*id), later(2)).map(|found| found.record.into_option());
                    let is_over = |record: &std::sync::Arc<fast_reauth::assertion::Record>| record.is_revoked();
                    assert!(record.ok().flatten().as_ref().is_none_or(is_over), "octet {at}");
                    assert_ne!(store.commit(&count(*id, 1), later(2)), Ok(Committed::Done), "octet {at}");
                }
            }
        }
    });
}

#[test]
fn no_store() {
    quietly(|| {
        for octets in [b"something else".repeat(1000), vec![0; 100_000], b"x".to_vec()] {
            assert!(matches!(Disk::holding(octets).open(Capacity::default()), Err(OpenError::Damaged)));
        }
    });
}

#[test]
fn one_account_that_can_not_be_read_is_nothing_to_the_others() {
    const ACCOUNTS: redb::TableDefinition<'_, &[u8; 16], &[u8]> = redb::TableDefinition::new("accounts");
    let disk = Disk::default();
    let store = disk.open(Capacity::default()).unwrap();
    let ids: Vec<_> = (0..4).map(|n| log_in(&store, &format!("user{n}"), START)).collect();
    drop(store);
    // Its pages are as they were written: what is in one of them isn't.
    let database = redb::Database::builder().create_with_backend(disk.clone()).unwrap();
    let change = database.begin_write().unwrap();
    {
        let mut accounts = change.open_table(ACCOUNTS).unwrap();
        let (key, mut octets) = {
            let (key, octets) = redb::ReadableTable::first(&accounts).unwrap().unwrap();
            (*key.value(), octets.value().to_vec())
        };
        octets[20] ^= 1;
        accounts.insert(&key, &*octets).unwrap();
    }
    change.commit().unwrap();
    drop(database);
    let store = disk.open(Capacity::default()).unwrap();
    let damaged = |now| ids.iter().filter(|id| store.lookup(&of(**id), now).is_err()).count();
    assert_eq!(damaged(START), 1);
    // All of them are due by now, and each commit sweeps some.
    let late = Timestamp::from_secs(START.as_secs() + 100 * 24 * 60 * 60);
    for n in 10..20 {
        let id = log_in(&store, &format!("user{n}"), late);
        assert_eq!(store.commit(&count(id, 1), late), Ok(Committed::Done));
    }
    assert_eq!(damaged(late), 1);
}
