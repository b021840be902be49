//! The process dies in the middle of commits.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::*;

const CHILD: &str = "FAST_REAUTH_REDB_CHILD";

/// Not a test by itself: what the test below starts, and kills.
#[test]
fn child() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let dir = PathBuf::from(dir);
    // A name alone, as in a configuration: the directory is the process's own.
    let store = RedbStore::open("store", Capacity::default()).unwrap();
    let round = u64::from(std::process::id());
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let (store, dir) = (&store, &dir);
            scope.spawn(move || {
                let mut journal = OpenOptions::new().append(true).create(true).open(dir.join("journal")).unwrap();
                // One write, so that a line is there as a whole or not at all.
                let mut say = |kind: &str, id: AssertionId, n: u64| {
                    let id = id.as_octets().iter().fold(String::new(), |all, octet| all + &format!("{octet:02x}"));
                    journal.write_all(format!("{kind} {id} {n}\n").as_bytes()).unwrap();
                };
                for n in 0.. {
                    let name = format!("{round}-{thread}-{n}");
                    let remember = login(&name, START);
                    // The ids of different children must differ: theirs come from one counter each.
                    let id = *remember.records[0].id();
                    if store.lookup(&of(id), START).unwrap().record.is_there() {
                        continue;
                    }
                    assert_eq!(store.commit(&Commit::Remember(remember), START), Ok(Committed::Done));
                    say("login", id, 0);
                    for counter in [2, 1, 5, 3, 70] {
                        assert_eq!(store.commit(&count(id, counter), START), Ok(Committed::Done));
                        say("used", id, counter);
                    }
                    if n % 3 == 2 {
                        assert_eq!(store.revoke(&name, Revoke::All, START), Ok(1));
                        say("revoked", id, 0);
                    }
                }
            });
        }
    });
}

#[test]
fn what_was_committed_survives_a_kill() {
    let dir = Dir::new();
    let journal = dir.0.join("journal");
    let lines = || std::fs::read_to_string(&journal).unwrap_or_default().matches('\n').count();
    for round in 0..6u64 {
        let before = lines();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child"])
            .env(CHILD, &dir.0)
            .current_dir(&dir.0)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let random = u64::from_be_bytes(fresh());
        while lines() < before + 10 + random as usize % 50 && started.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(1 + random % 3));
        }
        std::thread::sleep(Duration::from_micros(random % 3000));
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "it was killed");
        assert!(lines() > before + 9, "round {round}: it did commit");

        let store = RedbStore::open(dir.file(), Capacity::default()).expect("it opens");
        let text = std::fs::read_to_string(&journal).unwrap();
        let mut revoked = std::collections::HashSet::new();
        let parsed = text.lines().map(|line| {
            let [kind, id, n] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
            let octet = |at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).unwrap();
            (kind, AssertionId::from_octets(core::array::from_fn(octet)), n.parse::<u64>().unwrap())
        });
        let parsed: Vec<_> = parsed.collect();
        revoked.extend(parsed.iter().filter(|(kind, ..)| *kind == "revoked").map(|(_, id, _)| *id));
        for (kind, id, n) in parsed.iter().copied() {
            let record =
                store.lookup(&of(id), START).unwrap().record.into_option().expect("a record that was committed");
            // Whether a revocation that was under way came through is open.
            match kind {
                "revoked" => assert!(record.is_revoked()),
                "used" if !revoked.contains(&id) && !record.is_revoked() => {
                    assert!(!record.is_tentative());
                    assert_eq!(store.commit(&count(id, n), START), Ok(Committed::Replayed), "{n}");
                }
                _ => {}
            }
        }
        log_in(&store, &format!("after{round}"), START);
    }
}
