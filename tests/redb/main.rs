//! The store in a file: its contract, crashes, damage, and a disk that is full.

#[path = "../common/mod.rs"]
mod common;

mod bounds;
mod contract;
mod crash;
mod damage;
mod disk;
mod file;
mod full;
mod recovery;
mod room;

use std::path::PathBuf;

use common::*;
use fast_reauth::Timestamp;
use fast_reauth::assertion::{AssertionId, DeviceId, HtMechanism, Pin, ServiceKeys, TokenRequest};
use fast_reauth::mechanism::Login;
use fast_reauth::store::{
    Capacity, Commit, Committed, Lookup, OpenError, RedbStore, Remember, Revoke, Store, Unavailable, Use,
};

/// A full login of `name`: one record with a counter, one session.
fn login(name: &str, now: Timestamp) -> Remember {
    login_of(name, DeviceId::new(fresh()), now)
}

fn login_of(name: &str, device: DeviceId, now: Timestamp) -> Remember {
    let server = server_with(&[Pin::SHA_256_NONE]);
    let tls = Tls::full();
    let mut connection = fast_reauth::mechanism::Connection::new(&server, tls.server());
    let login = Login { full: &bound(name), identity: name, device, now };
    match connection.logged_in(login, &tls.exporter()).commit {
        Commit::Remember(remember) => remember,
        other => panic!("{other:?}"),
    }
}

/// The same with a token.
fn with_token(name: &str, device: DeviceId, now: Timestamp) -> Remember {
    let server = server_with(&[Pin::SHA_256_NONE]).fast(HtMechanism::all(), ServiceKeys::new(1, &[0x11; 32]));
    let tls = Tls::full();
    let mut connection = fast_reauth::mechanism::Connection::new(&server, tls.server());
    let login = Login { full: &bound(name), identity: name, device, now };
    let client = format!("{device:?}");
    let (mechanism, random) = (HtMechanism::HT_SHA_256_EXPR, fresh());
    let request = TokenRequest { mechanism, authcid: name, client: &client, random };
    let (logged_in, issued) = connection.logged_in_with_token(login, &tls.exporter(), &request);
    assert!(issued.is_ok());
    match logged_in.commit {
        Commit::Remember(remember) => remember,
        other => panic!("{other:?}"),
    }
}

fn count(assertion: AssertionId, counter: u64) -> Commit {
    let predecessor_until = later(0);
    let (confirm, successor, ends, secret) = (true, None, None, None);
    Commit::Use(Use { assertion, counter: Some(counter), confirm, predecessor_until, successor, ends, secret })
}

fn of(assertion: AssertionId) -> Lookup<'static> {
    Lookup { assertion: Some(assertion), ..Lookup::default() }
}

/// Logs `name` in and gives the assertion.
fn log_in(store: &impl Store, name: &str, now: Timestamp) -> AssertionId {
    let remember = login(name, now);
    let id = *remember.records[0].id();
    assert_eq!(store.commit(&Commit::Remember(remember), now), Ok(Committed::Done));
    id
}

/// A directory of this test alone, gone when it ends.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        let random: [u8; 8] = fresh();
        let name = format!("redb-{}-{:x}", std::process::id(), u64::from_be_bytes(random));
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("store")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
