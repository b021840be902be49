//! What speaks against a client that proved who it is.

use super::*;

pub(super) fn cases(f: &mut File) {
    add(f, "revoked", full(|s| s.rec().revoked = true), "a stolen telephone would stay logged in");
    add(
        f,
        "revoked",
        Scene::new("IKY-ED25519-EXPR", false).with(|s| s.rec().revoked = true),
        "a revoked key would go on working",
    );
    add(
        f,
        "revoked",
        full(|s| (s.rec().revoked, s.now) = (true, LOGIN + 31 * DAY)),
        "revoked and expired: the client learns that it was revoked",
    );
    add(
        f,
        "stale",
        full(|s| s.now = LOGIN + 30 * DAY),
        "the very second in which it ends: an assertion would outlive its lifetime",
    );
    add(
        f,
        "stale",
        full(|s| (s.rec().unused_until, s.now) = (Some(LOGIN + 7 * DAY), LOGIN + 7 * DAY)),
        "never used and too old: half of a login that nobody finished",
    );
    add(
        f,
        "stale",
        Scene::new(NONE, false).with(|s| s.now = LOGIN + 40 * DAY),
        "long expired: the client may know that it was once good",
    );
    add(
        f,
        "full-authentication-due",
        full(|s| s.server.full_login_every = DAY),
        "the very second in which a full login is due: nobody would ever be asked again",
    );
    add(
        f,
        "full-authentication-due",
        full(|s| {
            (s.assertion.full_mechanism, s.assertion.full_binding) = ("SCRAM-SHA-256".into(), String::new());
            s.server.lifetime = None;
        }),
        "the policy refuses the origin now: tightening it would have no effect",
    );
    add(
        f,
        "configuration-changed",
        full(|s| {
            s.client.offer = Some(s.offer());
            s.server.full_mechanisms.push("PLAIN".into());
        }),
        "PLAIN was added to what the client saw, or somebody strips what it sees: a downgrade goes unnoticed (XEP-0474)",
    );
    add(
        f,
        "configuration-changed",
        full(|s| {
            s.client.offer = Some(s.offer());
            s.server.full_mechanisms.truncate(1);
        }),
        "a mechanism went: what the client saw is not what is offered",
    );
    add(
        f,
        "configuration-changed",
        Scene::new("IKY-SHA-512-EXPR", false).with(|s| {
            s.client.offer = Some(s.offer());
            s.server.pins.push("IKY-SHA-256-EXPR".into());
        }),
        "an IKY mechanism was added, which the client never saw",
    );
    add(
        f,
        "replayed",
        Scene::new(NONE, false).with(|s| s.rec().used = vec![1]),
        "the plainest replay: a proof is used twice",
    );
    add(
        f,
        "replayed",
        Scene::new(ENDP, true).with(|s| (s.rec().used, s.client.counter) = (vec![9, 3, 4], Some(3))),
        "a replay out of order",
    );
    add(
        f,
        "replayed",
        Scene::new("IKY-SHA-384-NONE", false).with(|s| (s.rec().used, s.client.counter) = (vec![100], Some(36))),
        "64 behind: it may have been used, and nobody remembers",
    );
    add(
        f,
        "malformed",
        Scene::new(NONE, false).with(|s| s.client.counter = None),
        "without a counter a proof with NONE could be used for ever",
    );
    add(
        f,
        "malformed",
        Scene::new(ENDP, true).with(|s| s.client.counter = None),
        "without a counter a proof with ENDP could be used for ever",
    );
}
