//! The store's bounds.

use super::*;

#[test]
fn no_account_is_logged_out_by_another() {
    let capacity = Capacity { records: 8, lineages: 8, devices_per_account: 4, lineages_per_device: 4 };
    let mut pair = Pair::new(server());
    pair.store = MemoryStore::new(capacity);
    pair.full_login("alice", &Tls::full());
    let mallory = |n: usize| {
        let tls = Tls::full();
        let mut connection = pair.connection(&tls);
        let name = format!("mallory{}", n % 50);
        let login = Login { full: &bound(&name), identity: &name, device: DeviceId::new(fresh()), now: pair.now };
        let commit = connection.logged_in(login, &tls.exporter()).commit;
        pair.store.commit(&commit, pair.now).unwrap()
    };
    let refused = (0..1000).filter(|&n| mallory(n) == Committed::Full).count();
    assert!(refused > 0, "a full store says so");
    assert!(pair.store.len().0 <= capacity.records && pair.store.len().1 <= capacity.lineages);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)), "alice is still known");
}

#[test]
fn one_account_has_so_many_devices_and_sessions_and_no_more() {
    let capacity = Capacity { records: 1000, lineages: 1000, devices_per_account: 4, lineages_per_device: 3 };
    let mut pair = Pair::new(server());
    pair.store = MemoryStore::new(capacity);
    let used = Tls::full();
    pair.full_login("alice", &used);
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    pair.now = later(1);
    for _ in 0..100 {
        pair.full_login("alice", &Tls::full());
    }
    assert_eq!(pair.store.len(), (4, pair.store.len().1));
    assert_eq!(pair.store.devices("alice", None, pair.now).unwrap().len(), 4);
    let mut before = Tls::full();
    pair.full_login("alice", &before);
    for _ in 0..20 {
        let tls = Tls::resuming(&before);
        assert!(accepted(&pair.reconnect("alice", &tls, Some(&before), EXPR)));
        before = tls;
    }
    assert!(pair.store.len().1 <= 4 * 3);
}
