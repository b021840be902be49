//! Servers that crash, hang, are slow or full, lose what they had, or are not fit.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fast_reauth::store::redis::{AsyncRedisStore, Durability, RedisProblem, RedisSettings, RedisStore};
use fast_reauth::store::{AsyncStore, Committed, Lookup, Revoke, Store};

use super::common::{START, later};
use super::scene::Client;
use super::server::{FORGETFUL, KEEPING, Server};

/// Logins of eight clients by eight threads on two nodes, and in the middle of it the server is killed; what was accepted, and of whom.
fn load_until_killed(server: &mut Server, nodes: [&RedisStore; 2]) -> (Vec<Client>, Vec<(usize, u64)>) {
    let clients: Vec<_> = (0..8).map(|n| Client::known(nodes[n % 2], &format!("user{n}"), START)).collect();
    let (accepted, over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for (n, client) in clients.iter().enumerate() {
            let (accepted, over, node) = (&accepted, &over, nodes[n % 2]);
            scope.spawn(move || {
                for counter in 1..u64::MAX {
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                    if client.is_accepted(node, counter, later(1)) == Ok(true) {
                        accepted.lock().unwrap().push((n, counter));
                    }
                }
            });
        }
        let began = Instant::now();
        while accepted.lock().unwrap().len() < 300 && began.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(10));
        }
        server.kill();
        std::thread::sleep(Duration::from_millis(100));
        over.store(true, Ordering::SeqCst);
    });
    let accepted = accepted.into_inner().unwrap();
    assert!(accepted.len() >= 300, "{} logins before the crash", accepted.len());
    (clients, accepted)
}

#[test]
fn a_crash_without_persistence_makes_every_client_log_in_fully() {
    let Some(mut server) = Server::start(FORGETFUL) else { return };
    let nodes = [server.store("a"), server.store("a")];
    let revoked = Client::known(&nodes[0], "mallory", START);
    nodes[0].revoke("mallory", Revoke::All, later(1)).unwrap();
    let (clients, accepted) = load_until_killed(&mut server, [&nodes[0], &nodes[1]]);
    assert!(clients[0].is_accepted(&nodes[0], 1, later(2)).is_err(), "nobody is there");
    server.restart();
    let all = [&nodes[0], &nodes[1], &server.store("a")];
    for node in all {
        let known = all_accepted(node, &clients, &accepted);
        assert_eq!(known, 0);
        assert_eq!(clients[0].is_accepted(node, 1 << 40, later(3)), Ok(false), "forgotten");
        assert_eq!(clients[0].is_on_its_session(node, later(3)), Ok(false));
        assert_eq!(revoked.is_accepted(node, 1 << 40, later(3)), Ok(false));
    }
    // A login that was under way when it went down: who knows what was revoked meanwhile.
    assert_eq!(nodes[0].commit(&Client::new("mallory", START).commit(), later(3)), Ok(Committed::Gone));
    let again = Client::known(&nodes[0], "user0", later(4));
    assert_eq!(again.is_accepted(&nodes[1], 1, later(5)), Ok(true));
    assert_eq!(again.is_accepted(&nodes[0], 1, later(5)), Ok(false));
}

fn all_accepted(node: &RedisStore, clients: &[Client], messages: &[(usize, u64)]) -> usize {
    messages.iter().filter(|(n, counter)| wait_for(|| clients[*n].is_accepted(node, *counter, later(3)).ok())).count()
}

/// The answer, as soon as there is one.
fn wait_for<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "no answer");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_crash_with_everything_on_disk_loses_nothing() {
    let Some(mut server) = Server::start(KEEPING) else { return };
    let store = |server: &Server| RedisStore::new(server.settings("a").durability(Durability::Always)).unwrap();
    let nodes = [store(&server), store(&server)];
    let revoked = Client::known(&nodes[0], "mallory", START);
    assert_eq!(nodes[0].revoke("mallory", Revoke::All, later(1)), Ok(1));
    let (clients, accepted) = load_until_killed(&mut server, [&nodes[0], &nodes[1]]);
    server.restart();
    for node in [&nodes[0], &nodes[1], &store(&server)] {
        assert_eq!(all_accepted(node, &clients, &accepted), 0, "each counter was used");
        assert!(node.lookup(&revoked.lookup(), later(3)).unwrap().record.into_option().unwrap().is_revoked());
        assert_eq!(revoked.is_on_its_session(node, later(3)), Ok(false));
    }
    for (n, client) in clients.iter().enumerate() {
        let highest = accepted.iter().filter(|(of, _)| *of == n).map(|(_, counter)| counter).max().unwrap();
        // The one after it may have been marked without an answer.
        assert_eq!(client.is_accepted(&nodes[0], highest + 2, later(4)), Ok(true), "still known");
        assert_eq!(client.is_on_its_session(&nodes[1], later(4)), Ok(true));
    }
}

/// The worst that a server can do: it comes back with what it had a while ago.
#[test]
fn a_server_that_comes_back_with_old_data_is_not_believed() {
    let Some(mut server) = Server::start(FORGETFUL) else { return };
    let nodes = [server.store("a"), server.store("a")];
    let [client, revoked] = ["alice", "mallory"].map(|name| Client::known(&nodes[0], name, START));
    assert_eq!(client.is_accepted(&nodes[0], 1, later(1)), Ok(true));
    assert_eq!(server.says(&["SAVE"]).as_deref(), Some("+OK"));
    assert_eq!(client.is_accepted(&nodes[0], 2, later(2)), Ok(true));
    nodes[1].revoke("mallory", Revoke::All, later(2)).unwrap();
    server.restart();
    assert_ne!(server.says(&["DBSIZE"]).as_deref(), Some(":0"), "it has the old data");
    for node in [&nodes[0], &nodes[1], &server.store("a")] {
        for counter in [1, 2, 3] {
            assert!(!wait_for(|| client.is_accepted(node, counter, later(3)).ok()));
        }
        assert_eq!(revoked.is_accepted(node, 1, later(3)), Ok(false));
        assert_eq!(revoked.is_on_its_session(node, later(3)), Ok(false));
    }
    let again = Client::known(&nodes[1], "alice", later(4));
    assert_eq!(again.is_accepted(&nodes[0], 1, later(5)), Ok(true));
}

#[test]
fn a_server_that_was_emptied_is_a_new_one() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    for durability in [Durability::Forget, Durability::AlwaysUnchecked] {
        let node = RedisStore::new(server.settings("a").durability(durability)).unwrap();
        let client = Client::known(&node, "alice", START);
        assert_eq!(client.is_accepted(&node, 1, later(1)), Ok(true));
        assert_eq!(server.says(&["FLUSHALL"]).as_deref(), Some("+OK"));
        assert_eq!(client.is_accepted(&node, 2, later(2)), Ok(false));
        assert_eq!(node.commit(&client.commit(), later(2)), Ok(Committed::Gone), "from before");
        let again = Client::known(&node, "alice", later(3));
        assert_eq!(again.is_accepted(&node, 1, later(4)), Ok(true));
    }
}

const DEADLINE: Duration = Duration::from_millis(300);
/// What a busy machine may add.
const LENIENT: Duration = Duration::from_millis(700);

fn unavailable(ask: impl FnOnce() -> bool) {
    let began = Instant::now();
    assert!(ask(), "there is an answer");
    assert!(began.elapsed() < DEADLINE + LENIENT, "it took {:?}", began.elapsed());
}

fn hangs(hang: impl Fn(&Server), end: impl Fn(&Server)) {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let node = RedisStore::new(server.settings("a").deadline(DEADLINE)).unwrap();
    let client = Client::known(&node, "alice", START);
    assert_eq!(client.is_accepted(&node, 1, later(1)), Ok(true));
    hang(&server);
    unavailable(|| node.lookup(&client.lookup(), later(2)).is_err());
    unavailable(|| node.commit(&client.used(2, later(2)), later(2)).is_err());
    unavailable(|| node.revoke("alice", Revoke::All, later(2)).is_err());
    std::thread::scope(|scope| {
        // More threads than connections.
        for _ in 0..16 {
            scope.spawn(|| unavailable(|| node.lookup(&client.lookup(), later(2)).is_err()));
        }
    });
    end(&server);
    assert!(wait_for(|| node.lookup(&client.lookup(), later(3)).ok()).record.is_there(), "it works again");
    assert!(wait_for(|| client.is_accepted(&node, 9, later(3)).ok()));
}

#[test]
fn a_server_that_stops_is_unavailable_until_it_goes_on() {
    hangs(|server| server.signal("STOP"), |server| server.signal("CONT"));
}

#[test]
fn a_slow_server_is_unavailable() {
    let pause = |server: &Server| assert_eq!(server.says(&["CLIENT", "PAUSE", "4000"]).as_deref(), Some("+OK"));
    hangs(pause, |server| assert_eq!(server.says(&["PING"]).as_deref(), Some("+PONG")));
}

#[test]
fn a_server_that_stops_is_unavailable_to_tasks_too() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let node = AsyncRedisStore::new(server.settings("a").deadline(DEADLINE)).unwrap();
        let client = Client::new("alice", START);
        assert_eq!(node.commit(&client.commit(), START).await, Ok(Committed::Done));
        server.signal("STOP");
        let began = Instant::now();
        let lookup = client.lookup();
        let asked: Vec<_> = (0..16).map(|_| node.lookup(&lookup, later(1))).collect();
        for asked in asked {
            let asked = tokio::time::timeout(DEADLINE + LENIENT, asked).await;
            assert!(asked.expect("it waits too long").is_err());
        }
        assert!(node.commit(&client.used(1, later(1)), later(1)).await.is_err());
        println!("18 calls of a stopped server took {:?}", began.elapsed());
        server.signal("CONT");
        let began = Instant::now();
        while node.lookup(&client.lookup(), later(2)).await.is_err() {
            assert!(began.elapsed() < Duration::from_secs(10));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(node.commit(&client.used(9, later(2)), later(2)).await, Ok(Committed::Done));
    });
}

#[test]
fn scripts_that_the_server_forgot_are_told_again() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let node = server.store("a");
    let client = Client::known(&node, "alice", START);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tasks = server.async_store("a");
    for counter in [1, 3, 5] {
        assert_eq!(server.says(&["SCRIPT", "FLUSH"]).as_deref(), Some("+OK"));
        assert_eq!(client.is_accepted(&node, counter, later(1)), Ok(true));
        assert_eq!(server.says(&["SCRIPT", "FLUSH"]).as_deref(), Some("+OK"));
        let used = client.used(counter + 1, later(1));
        assert_eq!(runtime.block_on(tasks.commit(&used, later(1))), Ok(Committed::Done));
    }
}

#[test]
fn a_full_server_remembers_nobody_else_and_forgets_nobody() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let node = server.store("a");
    let [client, other] = ["alice", "bob"].map(|name| Client::known(&node, name, START));
    assert_eq!(server.says(&["CONFIG", "SET", "maxmemory", "1"]).as_deref(), Some("+OK"));
    assert_eq!(node.commit(&Client::new("carol", START).commit(), START), Ok(Committed::Full));
    assert_eq!(client.is_accepted(&node, 1, later(1)), Ok(true));
    assert_eq!(client.is_accepted(&node, 1, later(1)), Ok(false));
    assert_eq!(node.revoke("bob", Revoke::All, later(1)), Ok(1));
    assert_eq!(other.is_accepted(&node, 1, later(2)), Ok(false));
    node.revoke_everyone(later(2)).unwrap();
    assert_eq!(client.is_accepted(&node, 2, later(3)), Ok(false));
}

#[test]
fn a_server_that_is_not_fit_is_refused() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let node = server.store("a");
    assert_eq!(node.check(START), Ok(()));
    let always = |durability| RedisStore::new(server.settings("a").durability(durability)).unwrap();
    assert_eq!(always(Durability::Always).check(START), Err(RedisProblem::NotDurable));
    assert!(always(Durability::Always).lookup(&Client::new("alice", START).lookup(), START).is_err());
    assert_eq!(always(Durability::AlwaysUnchecked).check(START), Ok(()));
    let set = |name: &str, value: &str| {
        assert_eq!(server.says(&["CONFIG", "SET", name, value]).as_deref(), Some("+OK"));
    };
    set("maxmemory-policy", "allkeys-lru");
    set("maxmemory", "100mb");
    assert_eq!(node.check(START), Err(RedisProblem::Evicts));
    set("maxmemory-policy", "noeviction");
    assert_eq!(node.check(START), Ok(()));
}

/// A primary that was demoted under a connection tells nobody what it knew.
#[test]
fn a_replica_is_not_asked() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let node = server.store("a");
    let client = Client::known(&node, "alice", START);
    assert_eq!(server.says(&["REPLICAOF", "127.0.0.1", "1"]).as_deref(), Some("+OK"));
    assert!(node.lookup(&client.lookup(), later(1)).is_err());
    assert_eq!(node.check(later(1)), Err(RedisProblem::Replica));
    assert_eq!(server.says(&["REPLICAOF", "NO", "ONE"]).as_deref(), Some("+OK"));
    assert!(
        wait_for(|| node.lookup(&client.lookup(), later(2)).ok()).record.get().is_none(),
        "it may have missed something"
    );
}

/// What it did not get from the primary, nobody knows.
#[test]
fn a_promoted_replica_is_another_server() {
    let (Some(mut primary), Some(replica)) = (Server::start(FORGETFUL), Server::start(FORGETFUL)) else { return };
    let node = primary.store("a");
    let client = Client::known(&node, "alice", START);
    assert_eq!(client.is_accepted(&node, 1, later(1)), Ok(true));
    assert_eq!(replica.says(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]).as_deref(), Some("+OK"));
    wait_for(|| replica.says(&["DBSIZE"]).filter(|keys| keys == &primary.says(&["DBSIZE"]).unwrap()));
    let elsewhere = replica.store("a");
    assert!(elsewhere.lookup(&client.lookup(), later(2)).is_err(), "a replica");
    primary.kill();
    assert_eq!(replica.says(&["REPLICAOF", "NO", "ONE"]).as_deref(), Some("+OK"));
    assert!(wait_for(|| elsewhere.lookup(&client.lookup(), later(3)).ok()).record.get().is_none());
    for counter in [1, 2] {
        assert_eq!(client.is_accepted(&elsewhere, counter, later(3)), Ok(false));
    }
    let again = Client::known(&elsewhere, "alice", later(4));
    assert_eq!(again.is_accepted(&elsewhere, 1, later(5)), Ok(true));
}

#[test]
fn nothing_is_told_of_where_or_what() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let settings = server.settings("a");
    let store = RedisStore::new(settings).unwrap();
    let printed = format!("{store:?} {:?}", server.async_store("a"));
    assert!(!printed.contains("127.0.0.1"), "{printed}");
    Client::known(&store, "alice", START);
    let keys = std::fs::read_to_string(server.directory().join("log")).unwrap_or_default();
    assert!(!keys.contains("alice"));
}

#[test]
fn a_server_that_drips_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("redis://{}/", listener.local_addr().unwrap());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Each octet is in time, and the answer never comes to an end.
            listener.set_nonblocking(true).unwrap();
            let mut streams = Vec::new();
            while !over.load(Ordering::SeqCst) {
                streams.extend(listener.accept().map(|(stream, _)| stream));
                streams.retain_mut(|stream| std::io::Write::write_all(stream, b"+").is_ok());
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let node = RedisStore::new(RedisSettings::new(address).unwrap().deadline(DEADLINE)).unwrap();
        let client = Client::new("alice", START);
        for _ in 0..3 {
            unavailable(|| node.lookup(&client.lookup(), START).is_err());
        }
        unavailable(|| node.check(START) == Err(RedisProblem::Silent));
        over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn what_is_damaged_costs_nobody_else_the_connection() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let node = server.store("a");
    let [alice, bob] = ["alice", "bob"].map(|name| Client::known(&node, name, START));
    let of_alice = alice.lookup().login.unwrap().id().as_octets().map(|octet| format!("{octet:02x}")).concat();
    let keys = server.lines(&["KEYS", "a:*:login:*"]);
    let key = keys.iter().find(|key| key.contains(&of_alice)).expect("alice's login");
    let connections = || {
        let clients = server.text(&["CLIENT", "LIST"]);
        let id = |line: &str| line.split(' ').next().map(str::to_owned);
        clients.lines().filter_map(id).collect::<Vec<_>>()
    };
    let before = connections();
    let damages: [&[&str]; 2] = [&["HSET", key, "k", "no secret"], &["SET", key, "no login"]];
    for (n, damage) in damages.iter().enumerate() {
        assert!(server.says(damage).is_some_and(|answer| !answer.starts_with('-')));
        let lookup = Lookup { account: true, ..alice.lookup() };
        assert!(node.lookup(&lookup, later(1)).is_err(), "{damage:?}");
        assert_eq!(bob.is_accepted(&node, n as u64 + 1, later(1)), Ok(true));
    }
    assert!(connections().iter().any(|id| before.contains(id)), "the connection is another one by now");
}
