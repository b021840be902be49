//! The contract's own suite, against both stores, on one server and on a node of a cluster.

use fast_reauth::store::conformance::{Blocking, Subject, Verdict, cases};
use fast_reauth::store::redis::{AsyncRedisStore, Durability, RedisStore};
use tokio::runtime::Handle;

use super::server::{FORGETFUL, KEEPING, Server};

fn check(mut subject: impl Subject, skipped: usize) {
    let mut failed = Vec::new();
    let mut counts = [0; 2];
    for case in cases() {
        match case.run(&mut subject) {
            Verdict::Passed => counts[0] += 1,
            Verdict::Skipped => counts[1] += 1,
            Verdict::Failed(why) => failed.push(format!("{}: {why}", case.name())),
        }
    }
    println!("{} passed, {} skipped, {} failed", counts[0], counts[1], failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(counts[1], skipped);
}

struct Threads {
    server: Server,
    made: usize,
    keeps: bool,
}

impl Threads {
    fn store(&self) -> RedisStore {
        let settings = self.server.settings(&format!("case{}", self.made));
        let durability = if self.keeps { Durability::Always } else { Durability::Forget };
        RedisStore::new(settings.durability(durability)).unwrap()
    }
}

impl Subject for Threads {
    type Store = RedisStore;

    fn fresh(&mut self) -> RedisStore {
        self.made += 1;
        self.store()
    }

    fn reopen(&mut self, store: RedisStore) -> Option<RedisStore> {
        drop(store);
        if !self.keeps {
            return None;
        }
        self.server.restart();
        Some(self.store())
    }

    fn another(&mut self, _: &RedisStore) -> Option<RedisStore> {
        Some(self.store())
    }
}

struct Tasks<'r> {
    server: Server,
    made: usize,
    runtime: &'r Handle,
}

impl<'r> Tasks<'r> {
    fn store(&self) -> Blocking<'r, AsyncRedisStore> {
        let runtime = self.runtime;
        Blocking::new(self.server.async_store(&format!("case{}", self.made)), move |call| runtime.block_on(call))
    }
}

impl<'r> Subject for Tasks<'r> {
    type Store = Blocking<'r, AsyncRedisStore>;

    fn fresh(&mut self) -> Self::Store {
        self.made += 1;
        self.store()
    }

    fn another(&mut self, _: &Self::Store) -> Option<Self::Store> {
        Some(self.store())
    }
}

const REOPENED: usize = 5;
const LIMITED: usize = 4;

#[test]
fn the_contract_of_the_synchronous_store() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    check(Threads { server, made: 0, keeps: false }, REOPENED + LIMITED);
}

#[test]
fn the_contract_of_a_store_whose_server_keeps_everything() {
    let Some(server) = Server::start(KEEPING) else { return };
    check(Threads { server, made: 0, keeps: true }, LIMITED);
}

#[test]
fn the_contract_of_the_asynchronous_store() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (handle, (stop, stopped)) = (runtime.handle().clone(), tokio::sync::oneshot::channel::<()>());
    let driver = std::thread::spawn(move || runtime.block_on(stopped));
    check(Tasks { server, made: 0, runtime: &handle }, REOPENED + LIMITED);
    drop(stop);
    driver.join().unwrap().unwrap_err();
}

/// A node that has all slots of a cluster refuses scripts with keys of several slots, and any key that is not declared.
#[test]
fn the_contract_on_a_node_of_a_cluster() {
    let options = [FORGETFUL, &["--cluster-enabled", "yes"]].concat();
    let Some(server) = Server::start(&options) else { return };
    assert_eq!(server.says(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).as_deref(), Some("+OK"));
    while server.says(&["GET", "x"]).as_deref() != Some("$-1") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    check(Threads { server, made: 0, keeps: false }, REOPENED + LIMITED);
}
