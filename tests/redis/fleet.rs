//! Several nodes on one server: round trips, replays, revocations, and what is kept for how long.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fast_reauth::assertion::Pin;
use fast_reauth::mechanism::Outcome;
use fast_reauth::store::redis::{RedisSettings, RedisStore};
use fast_reauth::store::{Committed, Lookup, Revoke, Store};

use super::common::{DAY, Pair, START, Tls, bound, later, server_with};
use super::scene::Client;
use super::server::{FORGETFUL, Server};

/// Passes on what comes, and counts the answers that were waited for.
fn counting(to: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (port, turns) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let count = turns.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, count) = (client.unwrap(), count.clone());
            let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).unwrap();
            let (mut back, mut forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            // Whether the last octets went to the server.
            let asked = Arc::new(AtomicUsize::new(0));
            let answered = asked.clone();
            std::thread::spawn(move || pass(&mut back, &mut forth, || answered.store(0, Ordering::SeqCst)));
            std::thread::spawn(move || {
                pass(&mut client, &mut server, || {
                    if asked.swap(1, Ordering::SeqCst) == 0 {
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                });
            });
        }
    });
    (port, turns)
}

fn pass(from: &mut TcpStream, to: &mut TcpStream, each: impl Fn()) {
    let mut buffer = [0; 65536];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        each();
        if to.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn a_returning_client_costs_one_round_trip() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let (port, turns) = counting(server.port());
    let settings = RedisSettings::new(format!("redis://127.0.0.1:{port}/")).unwrap();
    let store = RedisStore::new(settings.deadline(std::time::Duration::from_secs(20))).unwrap();
    let took = |what: &str, wanted: usize, run: &mut dyn FnMut()| {
        let before = turns.load(Ordering::SeqCst);
        run();
        let took = turns.load(Ordering::SeqCst) - before;
        println!("{what}: {took} round trips");
        assert_eq!(took, wanted, "{what}");
    };
    store.lookup(&Lookup::default(), START).unwrap();

    // The whole mechanism: IKY with EXPR, and nothing to write down.
    let mut pair = Pair::new(server_with(&[Pin::SHA_256_EXPR]));
    let tls = Tls::full();
    let mut connection = pair.connection(&tls);
    let offered = connection.mechanisms(pair.now);
    let device = fast_reauth::assertion::DeviceId::new([7; 8]);
    let login = fast_reauth::mechanism::Login { full: &bound("alice"), identity: "alice", device, now: pair.now };
    let made = connection.logged_in(login, &tls.exporter());
    took("a full login", 2, &mut || assert_eq!(store.commit(&made.commit, START), Ok(Committed::Done)));
    let mut client = pair.client.connect(&super::common::account("alice"), tls.client()).offered(offered);
    client.logged_in(&bound("alice"), &tls.exporter(), &[], pair.now).unwrap();
    drop(connection);
    drop(client);
    for (n, wanted) in [2, 1, 1].into_iter().enumerate() {
        pair.now = later(60);
        let tls = Tls::full();
        let (mut client, attempt) = pair.attempt("alice", &tls, None, &["IKY-SHA-256-EXPR"]);
        let attempt = attempt.unwrap();
        let connection = pair.connection(&tls);
        took(&format!("login {n} with EXPR"), wanted, &mut || {
            let verdict = connection.iky(Pin::SHA_256_EXPR, attempt.message()).run(&store, pair.now);
            assert_eq!(verdict.outcome, Outcome::Accepted);
        });
        drop(connection);
        let _ = client.settle(attempt, Outcome::Accepted, None, pair.now);
    }

    let client = Client::known(&store, "bob", START);
    took("a lookup by login and session", 1, &mut || drop(store.lookup(&client.lookup(), START).unwrap()));
    took("a lookup and a counter", 2, &mut || assert_eq!(client.is_accepted(&store, 1, START), Ok(true)));
    took("a revocation", 2, &mut || assert_eq!(store.revoke("bob", Revoke::All, START), Ok(1)));
    took("everyone's", 1, &mut || store.revoke_everyone(START).unwrap());
    took("the list of clients", 2, &mut || drop(store.devices("bob", None, START).unwrap()));
}

/// 64 times the same message, at four nodes.
#[test]
fn a_counter_is_good_once_on_all_nodes() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let nodes: Vec<_> = (0..4).map(|_| server.store("a")).collect();
    let client = Client::known(&nodes[0], "alice", START);
    for counter in 1..20 {
        let committed: Vec<_> = std::thread::scope(|scope| {
            let run = |n: usize| {
                let (node, client) = (&nodes[n % 4], &client);
                scope.spawn(move || node.commit(&client.used(counter, later(1)), later(1)).unwrap())
            };
            let threads: Vec<_> = (0..64).map(run).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(committed.iter().filter(|&&each| each == Committed::Done).count(), 1);
        assert_eq!(committed.iter().filter(|&&each| each == Committed::Replayed).count(), 63);
    }
}

#[test]
fn the_same_for_tasks() {
    use fast_reauth::store::AsyncStore;
    let Some(server) = Server::start(FORGETFUL) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = Arc::new(Client::known(&server.store("a"), "alice", START));
    runtime.block_on(async {
        let nodes: Vec<_> = (0..4).map(|_| server.async_store("a")).collect();
        for counter in 1..20 {
            let tasks = (0..64).map(|n| {
                let (node, client) = (nodes[n % 4].clone(), client.clone());
                tokio::spawn(async move { node.commit(&client.used(counter, later(1)), later(1)).await.unwrap() })
            });
            let mut done = 0;
            for task in tasks.collect::<Vec<_>>() {
                match task.await.unwrap() {
                    Committed::Done => done += 1,
                    committed => assert_eq!(committed, Committed::Replayed),
                }
            }
            assert_eq!(done, 1);
        }
    });
}

#[test]
fn a_revocation_is_seen_on_all_nodes_at_once() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let nodes: Vec<_> = (0..4).map(|_| server.store("a")).collect();
    for round in 0..100 {
        let now = later(10 * round);
        let client = Client::known(&nodes[0], "alice", now);
        assert_eq!(client.is_accepted(&nodes[1], 1, now), Ok(true));
        let which = if round % 2 == 0 { Revoke::All } else { Revoke::Device(client.record.device()) };
        match round % 5 {
            4 => nodes[2].revoke_everyone(now).unwrap(),
            _ => assert_eq!(nodes[2].revoke("alice", which, now), Ok(1)),
        }
        for node in &nodes {
            assert_eq!(client.is_accepted(node, 2, now), Ok(false), "{round}");
            assert_eq!(client.is_on_its_session(node, now), Ok(false), "{round}");
            assert_eq!(node.commit(&client.used(3, now), now), Ok(Committed::Gone), "{round}");
            assert_eq!(node.commit(&client.commit(), now), Ok(Committed::Gone), "{round}");
            assert!(node.devices("alice", None, now).unwrap().is_empty());
        }
    }
}

/// Every key but the one of the server itself, with how long it lasts.
fn lifetimes(server: &Server) -> Vec<(String, i64)> {
    let keys = server.lines(&["KEYS", "*"]);
    let keys = keys.into_iter().filter(|key| key.starts_with("a:") && !key.ends_with(":epoch"));
    keys.map(|key| (server.says(&["TTL", &key]).unwrap()[1..].parse().unwrap(), key))
        .map(|(ttl, key)| (key, ttl))
        .collect()
}

#[test]
fn every_key_expires_after_what_is_in_it() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let node = server.store("a");
    let client = Client::known(&node, "alice", START);
    assert_eq!(client.is_accepted(&node, 1, START), Ok(true));
    node.revoke("nobody", Revoke::All, START).unwrap();
    node.revoke("alice", Revoke::All, START).unwrap();
    assert_eq!(node.commit(&client.commit(), START), Ok(Committed::Gone));
    assert!(Client::new("bob", START).is_accepted(&node, 1, START).is_ok_and(|accepted| !accepted));
    let day = i64::try_from(DAY).unwrap();
    let keys = lifetimes(&server);
    assert_eq!(keys.len(), 5, "{keys:?}");
    for (key, ttl) in keys {
        let wanted = match key.split(':').nth(2).unwrap() {
            "login" | "place" => 31 * day,
            "session" => 8 * day,
            // Of alice and of nobody.
            "account" if ttl > 30 * day => 33 * day,
            "account" => 3 * day,
            _ => panic!("{key}"),
        };
        assert!((wanted - 60..=wanted).contains(&ttl), "{key} {ttl}");
    }
}

#[test]
fn an_account_has_so_many_clients_and_a_client_so_many_sessions() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let node = RedisStore::new(server.settings("a").devices_per_account(3).lineages_per_device(2)).unwrap();
    let used = Client::known(&node, "alice", START);
    assert_eq!(used.is_accepted(&node, 1, later(1)), Ok(true));
    let mut clients: Vec<_> = (2..12).map(|n| Client::known(&node, "alice", later(n))).collect();
    let known = |client: &Client| node.lookup(&client.lookup(), later(20)).unwrap();
    assert!(known(&used).record.is_there(), "it was used");
    let last = clients.split_off(8);
    assert!(last.iter().all(|client| known(client).record.is_there() && known(client).lineage.is_some()));
    assert!(clients.iter().all(|client| known(client).record.get().is_none() && known(client).lineage.is_none()));
    assert_eq!(node.devices("alice", None, later(20)).unwrap().len(), 3);
    let links: Vec<_> = (0..10)
        .map(|_| {
            let mut link = used.remember.link.clone().unwrap();
            link.handle = Tls::full().handle;
            assert_eq!(node.commit(&fast_reauth::store::Commit::Link(link.clone()), later(21)), Ok(Committed::Done));
            Lookup { handle: Some(link.handle), ..Lookup::default() }
        })
        .collect();
    let still = links.iter().filter(|handle| node.lookup(handle, later(22)).unwrap().lineage.is_some()).count();
    assert_eq!(still, 2);
    assert_eq!(node.revoke("alice", Revoke::All, later(23)), Ok(3));
}

/// Where another client gives way, it is one that did not come back, also of those that logged in in the same second.
#[test]
fn a_client_that_came_back_at_once_stays() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let node = RedisStore::new(server.settings("a").devices_per_account(2)).unwrap();
    let used = Client::known(&node, "alice", START);
    assert_eq!(used.is_accepted(&node, 1, START), Ok(true));
    for _ in 0..3 {
        Client::known(&node, "alice", START);
        assert_eq!(used.is_on_its_session(&node, START), Ok(true));
    }
    assert_eq!(used.is_accepted(&node, 2, later(1)), Ok(true));
    assert_eq!(node.devices("alice", None, later(1)).unwrap().len(), 2);
}

/// Whatever the order, and over all 64 bits, the server's window is this crate's.
#[test]
fn the_window_of_the_script_is_the_window() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let node = server.store("a");
    let mut state = 7u64;
    let mut below = |limit: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % limit
    };
    for start in [1, 1 << 31, (1 << 32) - 40, (1 << 53) - 40, (1 << 63) - 40, u64::MAX - 400] {
        let client = Client::known(&node, "alice", START);
        let (mut window, mut highest) = (fast_reauth::store::Window::default(), start);
        for _ in 0..400 {
            let ahead = [below(3), below(40), below(70)][below(3) as usize];
            let counter = highest.saturating_add(ahead).saturating_sub(below(90));
            let wanted = if window.accept(counter) { Committed::Done } else { Committed::Replayed };
            assert_eq!(node.commit(&client.used(counter, START), START), Ok(wanted), "{counter} after {highest}");
            highest = window.parts().0;
        }
    }
}
