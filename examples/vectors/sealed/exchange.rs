//! Attempts that succeed, and renewals.

use super::*;

pub(super) fn exchanges(f: &mut File) {
    f.group("sealed-exchange", "A whole exchange with a sealed assertion that succeeds, at both ends; or one that brings the client its first.");
    let ok = "accepted";
    for mechanism in PINS {
        for resumed in [false, true] {
            let how = if resumed { "resumed, with lineage" } else { "a full handshake" };
            Attempt::new(mechanism, resumed).settled().add(f, ok, &format!("{mechanism}: {how}"));
        }
        let other = Attempt::new(mechanism, false).with(|a| a.held().record.identity = "alice@example.com".into());
        other.add(f, ok, "the server's name for the account is another");
    }
    let mut name = Assertion::new(EXPR);
    name.login_name = "élise=a,b".into();
    let mut escaped = Attempt::new(EXPR, false);
    escaped.scene = Scene::of(name, false);
    escaped.settled().add(f, ok, "a login name that the message escapes and the box does not");
    let offer = Attempt::new(EXPR, false).with(|a| a.scene.client.offer = Some(a.scene.offer()));
    offer.add(f, ok, "with the hash of the offer");
    let hidden = Attempt::new(EXPR, false).with(|a| a.scene.channel.sni = None);
    hidden.add(f, ok, "a server that can't see the SNI assumes its own name");
    let last = Attempt::new(EXPR, false).with(|a| a.scene.now = LOGIN + 20 * DAY);
    last.add(f, ok, "ten days before its end: not renewed yet");
    let late = Attempt::new(EXPR, false).with(|a| {
        a.scene.now = LOGIN + 179 * DAY;
        a.held().record.expires = LOGIN + 180 * DAY;
    });
    late.add(f, ok, "no renewal can outlast the next full login, so there is none");
    let silent = Attempt::new(EXPR, false).with(|a| (a.scene.now, a.no_random) = (LOGIN + 29 * DAY, true));
    silent.add(f, ok, "near its end at a server that can't seal just now: not renewed, as nothing is stored for it");
    for mechanism in PINS {
        let first = Attempt::stored(mechanism).with(|a| {
            renew(&mut a.scene);
            a.scene.rec().unused_until = Some(LOGIN + 7 * DAY);
            a.account = None;
        });
        first.add(
            f,
            ok,
            "the first use of a stored record: the record goes to its client, and the account gets its secret",
        );
    }
    let second = Attempt::stored(EXPR).with(|a| renew(&mut a.scene));
    second.add(
        f,
        ok,
        "a stored record that was used, of an account that has its secret: its reply was lost, it is sealed once more",
    );
    let race = Attempt::stored(EXPR).with(|a| {
        renew(&mut a.scene);
        (a.account, a.scene.store) = (None, Some("no-room"));
    });
    race.add(f, ok, "the account got another secret in between: accepted, and nothing goes to the client");
    let namesake = Attempt::stored(EXPR).with(|a| {
        renew(&mut a.scene);
        a.row().identity = Some("bob".into());
    });
    namesake.add(f, ok, "the login name is another account's too, whose row is found: a new secret, which that one's owner does not share");
    let ahead = Attempt::new(EXPR, false).with(|a| {
        a.held().key = service_key(2);
        a.keys = vec![service_key(1), service_key(2)];
    });
    ahead.add(f, ok, "sealed under a newer key, by a node that has switched already: it stays, else each login would seal it once more");
    let plain = Attempt::stored(EXPR).with(|a| {
        a.scene.rec().unused_until = Some(LOGIN + 7 * DAY);
        a.no_random = true;
    });
    plain.add(f, ok, "a stored record at a server that can't seal just now: used as ever");
    for mechanism in ["IKY-SHA-256-NONE", "IKY-SHA-256-ENDP"] {
        Attempt::stored(mechanism).settled().add(
            f,
            ok,
            "a mechanism whose proofs can be replayed: its record stays in the store",
        );
    }
    let long = |a: &mut Attempt| {
        a.scene.rec().identity = "a".repeat(45);
        a.scene.rec().unused_until = Some(LOGIN + 30 * DAY);
    };
    let first = Attempt::stored(EXPR).with(|a| long(a));
    first.add(f, ok, "a record that would be too long for a client: it stays in the store");
    let near = Attempt::stored(EXPR).with(|a| {
        long(a);
        renew(&mut a.scene);
        a.scene.now = LOGIN + 29 * DAY;
    });
    near.add(f, ok, "the same near its end: renewed in the store");
    let after = Attempt::new(EXPR, false).with(|a| a.row().until = Some(LOGIN - 1));
    after.add(f, ok, "all clients that logged in fully until a second before were revoked");
    let spared = Attempt::new(EXPR, false).with(|a| {
        let device = a.held().record.device.clone();
        (a.row().until, a.row().spared) = (Some(LOGIN + 10), Some((device, None)));
    });
    spared.add(f, ok, "everyone else was logged out");
    let twice = Attempt::new(EXPR, false).with(|a| {
        let device = a.held().record.device.clone();
        (a.row().until, a.row().spared) = (Some(LOGIN + 10), Some((device, Some(LOGIN - 1))));
    });
    twice.add(f, ok, "the same, and it logged in after the revocation before, which did not spare it");
    let other = Attempt::new(EXPR, false).with(|a| a.row().devices = vec!["1112131415161718".into()]);
    other.add(f, ok, "another client was revoked");
}

/// A renewal that delivers a sealed successor, and the next login with that.
pub(super) fn renewals(f: &mut File) {
    f.group(
        "sealed-renewal",
        "An exchange that brings the client a sealed successor, and the next exchange, with that one.",
    );
    let near = |a: &mut Attempt| {
        a.scene.now = LOGIN + 29 * DAY;
        renew(&mut a.scene);
    };
    for mechanism in PINS {
        let other = |a: &mut Attempt| a.held().record.identity = "alice@example.com".into();
        twice(f, &Attempt::new(mechanism, false).with(|a| near(a)), "near its end");
        twice(
            f,
            &Attempt::new(mechanism, true).with(|a| {
                near(a);
                other(a);
                a.scene.lin().identity = "alice@example.com".into();
                a.scene.lin().expires = LOGIN + 30 * DAY;
            }),
            "the same on a resumed session, and the server's name for the account is another",
        );
        let rekeyed = Attempt::new(mechanism, false).with(|a| {
            renew(&mut a.scene);
            a.keys = vec![service_key(2), service_key(1)];
        });
        twice(f, &rekeyed, "sealed under an older key: a new one under the current key");
        let moved = Attempt::stored(mechanism).with(|a| {
            renew(&mut a.scene);
            a.scene.rec().unused_until = Some(LOGIN + 7 * DAY);
            a.account = None;
        });
        twice(f, &moved, "the first use of a stored record: the record goes to its client, and is used from there");
    }
    let end = Attempt::new(EXPR, false).with(|a| {
        renew(&mut a.scene);
        a.scene.now = LOGIN + 179 * DAY;
        a.held().record.expires = LOGIN + 180 * DAY;
        a.keys = vec![service_key(2), service_key(1)];
    });
    twice(f, &end, "sealed under an older key, and it can't last longer: the successor ends when it would have");
}

pub(super) fn twice(f: &mut File, first: &Attempt, note: &str) {
    assert!(first.accepted(), "{note}: {:?}", first.refusals());
    let successor = first.successor().expect("a successor");
    let record = first.scene.record.as_ref().expect("a record");
    let record = Record { expires: successor.expires, unused_until: None, ..record.clone() };
    let mut scene = Scene::of(first.scene.assertion.clone(), false);
    scene.client.binding = seeded("tls-exporter of the next connection");
    scene.channel.binding = Some(scene.client.binding.clone());
    scene.successor = Some(successor.renewed.keys.clone());
    scene.now = first.scene.now + 60;
    scene.server = first.scene.server.clone();
    let account = Some(Account { secret: first.new_secret().0, ..Account::default() });
    let sealed = Sealed {
        key: first.keys[0].clone(),
        secret: first.new_secret().0,
        salt: first.salt(),
        record,
        mechanism: None,
        edit: None,
    };
    let next = Attempt { scene, sealed: Some(sealed), keys: first.keys.clone(), account, no_random: false }.settled();
    assert!(next.accepted(), "{note}: {:?}", next.refusals());
    assert!(next.successor().is_none(), "{note}");
    let (mut inputs, mut between, mut outputs) = (first.inputs(), first.between(), first.outputs());
    assert_eq!(outputs["successor"]["sealed"], json!(next.scene.client.sealed));
    let of_next = next.inputs();
    inputs["then"] = json!({ "client": of_next["client"], "channel": of_next["channel"], "now": of_next["now"] });
    let mut then = next.between();
    for known in ["context", "prk", "id", "client_key", "stored_key", "server_key", "box", "octets"] {
        then.as_object_mut().expect("an object").remove(known);
    }
    (between["then"], outputs["then"]) = (then, next.outputs());
    f.case(true, note, inputs, between, outputs);
}
