//! A store that does not answer, and one that lost the record meanwhile.

use super::*;

pub(super) fn cases(f: &mut File) {
    let u = "unavailable";
    add(
        f,
        u,
        full(|s| s.store = Some("lookup-unavailable")),
        "a store that does not answer is no reason to let anybody in",
    );
    add(
        f,
        u,
        Scene::new(NONE, false).with(|s| s.store = Some("commit-unavailable")),
        "a counter that is not durable could be used again after a crash",
    );
    add(
        f,
        u,
        full(|s| (s.store, s.rec().unused_until) = (Some("commit-unavailable"), Some(LOGIN + 7 * DAY))),
        "a first use that is not durable: the other records would not go",
    );
    add(
        f,
        "stale",
        Scene::new(NONE, false).with(|s| s.store = Some("gone")),
        "revoked between lookup and commit: revocation would have a gap",
    );
}
