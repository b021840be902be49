//! What is accepted, renewed or not.

use super::*;

pub(super) fn cases(f: &mut File) {
    add(f, "accepted", full(|s| s.now = LOGIN + 20 * DAY), "ten days before its end: not renewed yet");
    add(
        f,
        "accepted",
        full(|s| (s.now, s.channel.renew) = (LOGIN + 20 * DAY + 1, Some(seeded("renew")))),
        "one second later: renewed",
    );
    add(
        f,
        "accepted",
        full(|s| {
            (s.server.lifetime, s.rec().expires, s.now) = (Some(9 * DAY), LOGIN + 9 * DAY, LOGIN + 6 * DAY);
        }),
        "a third of its lifetime is left, and ten days are more than that: not renewed yet",
    );
    add(
        f,
        "accepted",
        full(|s| {
            (s.now, s.server.lifetime, s.rec().full_login, s.rec().expires) =
                (LOGIN + 170 * DAY, Some(30 * DAY), LOGIN, LOGIN + 180 * DAY)
        }),
        "no renewal can outlast the next full login, so there is none",
    );
    add(
        f,
        "accepted",
        full(|s| {
            (s.now, s.channel.renew, s.store) = (LOGIN + 25 * DAY, Some(seeded("renew")), Some("no-room"));
        }),
        "two successors wait already: accepted, without a third",
    );
    add(
        f,
        "accepted",
        Scene::new(NONE, false).with(|s| (s.rec().used, s.client.counter) = (vec![1, 3], Some(2))),
        "a counter out of order",
    );
    add(
        f,
        "accepted",
        Scene::new(NONE, false).with(|s| s.client.flag = "y".into()),
        "y, where no bound mechanism is listed",
    );
    add(f, "accepted", Scene::new(ENDP, true).with(|s| s.client.counter = Some(7)), "lineage required and given");
    add(
        f,
        "accepted",
        Scene::new(ENDP, false).with(|s| {
            (s.now, s.channel.exporter, s.channel.renew) = (LOGIN + 25 * DAY, true, Some(seeded("renew")));
        }),
        "ENDP on a channel that has an exporter: renewed through it",
    );
    add(
        f,
        "accepted",
        Scene::new(NONE, true).with(|s| s.lin().strength = "disclosed"),
        "the session goes on with what it was worth",
    );
    add(
        f,
        "accepted",
        Scene::new(ENDP, true).with(|s| s.lin().strength = "unbound"),
        "a session that was worth nothing is not made better",
    );
    add(
        f,
        "accepted",
        resumed(|s| s.client.extensions = ",z=anything=at/all".into()),
        "an extension that nobody knows",
    );
}
