//! What a revocation, a clock, a full server and two nodes at once do to secrets and renewals.

use fast_reauth::Timestamp;
use fast_reauth::assertion::{AccountSecret, DeviceId, LoginId, Record};
use fast_reauth::store::{Commit, Committed, Lookup, NewSecret, Remember, Revoke, Store, Use};
use std::time::Duration;

use super::common::{START, fresh, later};
use super::scene::Client;
use super::server::{FORGETFUL, Server};

fn secret(client: &Client, found: bool, until: Timestamp) -> NewSecret {
    let r = &client.record;
    NewSecret {
        login: LoginId::of(r.scope(), r.login_name()),
        identity: r.identity().into(),
        secret: AccountSecret::new([7; 16]),
        found,
        device: r.device(),
        full_login: r.full_login(),
        until,
    }
}
fn use_with(r: &Record, counter: u64, successor: Option<Record>, secret: Option<NewSecret>, now: Timestamp) -> Commit {
    Commit::Use(Use {
        assertion: *r.id(),
        counter: Some(counter),
        confirm: true,
        predecessor_until: now,
        successor: successor.map(Box::new),
        ends: secret.as_ref().map(|_| now.after(Duration::from_secs(600))),
        secret,
    })
}

#[test]
fn a_full_server_goes_on_with_who_is_known() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let node = server.store("a");
    let client = Client::known(&node, "alice", START);
    let other = Client::known(&node, "bob", START);
    assert_eq!(node.commit(&Commit::Secret(secret(&other, false, later(100000))), START), Ok(Committed::Done));
    assert_eq!(server.says(&["CONFIG", "SET", "maxmemory", "1"]).as_deref(), Some("+OK"));
    // no secret asked: accepted
    assert_eq!(node.commit(&use_with(&client.record, 1, None, None, later(1)), later(1)), Ok(Committed::Done));
    let a =
        node.commit(&use_with(&client.record, 2, None, Some(secret(&client, false, later(9000))), later(1)), later(1));
    let b = node.commit(&Commit::Secret(secret(&other, true, later(200000))), later(1));
    assert!(a.is_ok() && b.is_ok());
}

#[test]
fn nothing_is_sealed_for_a_login_before_everyone_was_revoked() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let (one, two) = (server.store("a"), server.store("a"));
    let client = Client::known(&one, "alice", START);
    assert_eq!(two.commit(&Commit::Secret(secret(&client, false, later(100000))), later(1)), Ok(Committed::Done));
    one.revoke_everyone(later(10)).unwrap();
    let stale = two.commit(&Commit::Secret(secret(&client, true, later(200000))), later(11));
    let same = one.commit(&Commit::Secret(secret(&client, true, later(200000))), later(11));
    let new = one.commit(&Commit::Secret(secret(&client, false, later(200000))), later(11));
    assert_eq!([stale, same, new], [Ok(Committed::Gone); 3]);
}

fn named(login_name: &str, identity: &str, now: Timestamp) -> Client {
    use fast_reauth::mechanism::{Connection, Login};
    let (server, tls) = (super::scene::service(), super::common::Tls::full());
    let mut connection = Connection::new(&server, tls.server());
    let login = Login { full: &super::common::bound(login_name), identity, device: DeviceId::new(fresh()), now };
    let Commit::Remember(remember) = connection.logged_in(login, &tls.exporter()).commit else { panic!() };
    Client { record: remember.records[0].clone(), handle: tls.handle, remember }
}

/// Two accounts with one login name: the login's key is kept alive by bob, alice's account key expires meanwhile.
#[test]
fn versions_go_on_when_an_accounts_key_is_gone() {
    const DAY: u64 = 86400;
    let Some(server) = Server::start(FORGETFUL) else { return };
    let node = server.store("a");
    let day = |n: u64| Timestamp::from_secs(START.as_secs() + n * DAY);
    let ttl = |key: &str| server.says(&["TTL", key]).unwrap()[1..].parse::<u64>().unwrap();
    let known = |client: Client, now| {
        assert_eq!(node.commit(&client.commit(), now), Ok(Committed::Done));
        client
    };
    known(named("shared", "alice", day(0)), day(0));
    let of_alice = server.lines(&["KEYS", "a:*:account:*"]).pop().unwrap();
    assert_eq!(node.revoke("alice", Revoke::All, day(1)), Ok(1));
    known(named("shared", "bob", day(20)), day(20));
    let of_login = server.lines(&["KEYS", "a:*:login:*"]).pop().unwrap();
    // Redis' clock stands still in this test, so what was 20 days ago is subtracted.
    assert!(ttl(&of_alice) - 20 * DAY < ttl(&of_login));
    // On the 34th day alice's account key is gone.
    assert_eq!(server.says(&["DEL", &of_alice]).as_deref(), Some(":1"));
    let again = known(named("shared", "alice", day(34)), day(34));
    assert_eq!(again.is_accepted(&node, 1, day(35)), Ok(true));
    assert_eq!(node.revoke("alice", Revoke::All, day(36)), Ok(1));
    assert_eq!(again.is_accepted(&node, 2, day(37)), Ok(false), "accepted a day after it was revoked");
}

#[test]
fn an_assertion_is_found_without_its_place() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let (one, two) = (server.store("a"), server.store("a"));
    let client = Client::known(&one, "alice", START);
    for key in server.lines(&["KEYS", "a:*:place:*"]) {
        assert_eq!(server.says(&["DEL", &key]).as_deref(), Some(":1"));
    }
    assert_eq!(two.revoke("alice", Revoke::Assertion(*client.record.id()), later(1)), Ok(1));
    assert_eq!(client.is_accepted(&one, 1, later(2)), Ok(false));
}

/// A node whose clock is two hours ahead, and a client in its last hour that is renewed.
#[test]
fn what_a_clock_far_ahead_forgot_is_not_renewed() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let (one, two) = (server.store("a"), server.store("a"));
    let client = Client::known(&one, "alice", START);
    assert_eq!(client.is_accepted(&one, 1, later(1)), Ok(true));
    let end = Timestamp::from_secs(client.record.expires().as_secs().max(START.as_secs() + 30 * 86400));
    let ahead = end.after(Duration::from_secs(3601));
    let real = Timestamp::from_secs(end.as_secs() - 1800);
    // A full login of another client of the account, under another name, at the node that is ahead.
    let other = Client::new("alice", ahead);
    // (under the same login name the record would be pruned there, too)
    let link_only = Remember { records: Vec::new(), token: None, secret: None, link: other.remember.link.clone() };
    assert_eq!(two.commit(&Commit::Remember(link_only), ahead), Ok(Committed::Done));
    let next = Client::new("alice", real).record;
    // The record that is there goes on to its end, an hour at most; nothing that lasts longer comes of it.
    assert_eq!(
        one.commit(&use_with(&client.record, 2, Some(next.clone()), None, real), real),
        Ok(Committed::WithoutSuccessor),
        "renewed"
    );
    one.revoke("alice", Revoke::All, real).unwrap();
    let week = real.after(Duration::from_secs(6 * 86400));
    let lookup = Lookup { assertion: Some(*next.id()), handle: None, ..client.lookup() };
    let found = one.lookup(&lookup, week).unwrap().record;
    assert!(found.get().is_none_or(|r| r.is_revoked()), "its successor, six days after the account was revoked");
}

/// One call by a clock that is wrong for a moment; then the server is restarted.
#[test]
fn a_clock_that_was_wrong_once() {
    let Some(mut server) = Server::start(FORGETFUL) else { return };
    let node = server.store("a");
    let client = Client::known(&node, "alice", START);
    let _ = node.lookup(&client.lookup(), Timestamp::from_secs(START.as_secs() + 3650 * 86400));
    server.restart();
    let mut last = None;
    for n in 0..50 {
        std::thread::sleep(Duration::from_millis(20));
        let now = later(100 + n * 86400);
        last = node.commit(&Client::new("alice", now).commit(), now).ok();
    }
    assert_eq!(last, Some(Committed::Done), "50 days later nobody becomes known at this node");
}

#[test]
fn a_deadline_may_be_far_away() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let node = fast_reauth::store::redis::RedisStore::new(server.settings("a").deadline(Duration::MAX)).unwrap();
    let client = Client::new("alice", START);
    assert!(node.lookup(&client.lookup(), START).is_ok());
}

/// Both are told Done; the one that lasts for longer has to.
#[test]
fn of_two_renewals_at_once_the_longer_one_counts() {
    let Some(server) = Server::start(FORGETFUL) else { return };
    let (one, two) = (server.store("a"), server.store("a"));
    let mut short = 0;
    for round in 0..150u64 {
        let client = Client::new(&format!("user{round}"), START);
        assert_eq!(one.commit(&Commit::Secret(secret(&client, false, later(1000))), START), Ok(Committed::Done));
        let go = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            for (node, until) in [(&one, 2000), (&two, 9000)] {
                let (go, client) = (&go, &client);
                scope.spawn(move || {
                    go.wait();
                    assert_eq!(
                        node.commit(&Commit::Secret(secret(client, true, later(until))), later(1)),
                        Ok(Committed::Done)
                    );
                });
            }
        });
        let lookup = Lookup {
            login: Some(LoginId::of(client.record.scope(), client.record.login_name()).into()),
            account: true,
            ..Lookup::default()
        };
        short += usize::from(one.lookup(&lookup, later(5000)).unwrap().account.get().is_none());
    }
    assert_eq!(short, 0, "of 150 accounts so many lost the secret that was to last until 9000 by 5000");
}
