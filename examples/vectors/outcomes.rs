//! `iky-outcomes.json`: everything a server can make of an attempt.

use crate::file::File;
use crate::formulas::*;
use crate::scene::{DAY, LOGIN, Scene};

const EXPR: &str = "IKY-SHA-256-EXPR";
const NONE: &str = "IKY-SHA-256-NONE";
const ENDP: &str = "IKY-SHA-256-ENDP";

pub(crate) fn file() -> File {
    let source = "the draft's rules for the server, decided by examples/vectors/scene.rs, not by the library; all secrets are SHA-256 of labels";
    let mut file = File::new("iky-outcomes.json", source);
    file.group(
        "decision",
        "Record, channel, lineage, configuration and message; outcome, answer and what is made durable.",
    );
    let f = &mut file;
    accepted(f);
    channel(f);
    early_data(f);
    record(f);
    lineage(f);
    proof(f);
    objections(f);
    store(f);
    file
}

fn add(file: &mut File, want: &str, scene: Scene, note: &str) {
    assert_eq!(scene.outcome().0, want, "{note}: {:?}", scene.refusals());
    file.case(want == "accepted", note, scene.inputs(), scene.intermediates(), scene.outputs());
}

fn full(edit: impl FnOnce(&mut Scene)) -> Scene {
    Scene::new(EXPR, false).with(edit)
}

fn resumed(edit: impl FnOnce(&mut Scene)) -> Scene {
    Scene::new(EXPR, true).with(edit)
}

/// A message that comes as early data, before the handshake is complete, to a server that takes it.
fn early(mechanism: &str, edit: impl FnOnce(&mut Scene)) -> Scene {
    Scene::new(mechanism, true).with(|s| {
        (s.channel.early_data, s.channel.complete, s.server.early_data) = (true, false, true);
        (s.client.counter, s.channel.exporter) = (Some(1), false);
        s.server.pins = vec![NONE.into(), EXPR.into()];
        if mechanism == EXPR {
            s.channel.binding = None;
            s.client.binding = seeded("early exporter");
            s.channel.early_binding = Some(s.client.binding.clone());
            s.client.flags = 3;
        }
        edit(s);
    })
}

fn early_data(f: &mut File) {
    let (b, p) = ("binding-mismatch", "bad-proof");
    add(
        f,
        "accepted",
        early(NONE, |_| ()),
        "early data: a counter, and the lineage of a session that the server keeps",
    );
    add(f, "accepted", early(EXPR, |_| ()), "early data, bound by the early exporter");
    add(
        f,
        "accepted",
        early(EXPR, |s| {
            (s.channel.complete, s.channel.exporter) = (true, true);
            s.lineage.as_mut().expect("a lineage").strength = "disclosed";
            s.client.offer = Some(s.offer());
        }),
        "read behind the handshake, it is still early data: what is listed is for the connection, the session is worth what it was",
    );
    add(
        f,
        "accepted",
        resumed(|s| s.client.counter = Some(1)),
        "sent again behind the handshake, as the early data was not taken: the counter is marked",
    );
    for (scene, note) in [
        (early(NONE, |s| s.rec().used = vec![1]), "early data again: somebody replays it (A10)"),
        (early(EXPR, |s| s.rec().used = vec![1]), "the same, bound: it is the same ClientHello again"),
        (
            resumed(|s| (s.client.counter, s.rec().used) = (Some(1), vec![1])),
            "the early data was carried out by another node: this is the second try",
        ),
    ] {
        add(f, "replayed", scene, note);
    }
    for (scene, note) in [
        (early(NONE, |s| s.server.early_data = false), "the operator did not choose early data"),
        (
            early(NONE, |s| s.channel.stateful = false),
            "whoever has the ticket key puts other commands behind the proof (A10)",
        ),
        (
            early(NONE, |s| {
                (s.client.claims_lineage, s.server.lineage_required, s.channel.resumed) = (false, false, false);
                (s.client.lineage, s.lineage) = (Vec::new(), None);
            }),
            "nothing ties the proof to the session",
        ),
        (early(EXPR, |s| s.client.counter = None), "early data is replayed by anybody who saw it (A10)"),
        (early(EXPR, |s| s.channel.early_binding = None), "there is nothing that the early data is bound to"),
        (
            early(EXPR, |s| (s.channel.complete, s.channel.exporter, s.channel.early_binding) = (true, true, None)),
            "read behind the handshake: its exporter does not bind what came before",
        ),
    ] {
        add(f, b, scene, note);
    }
    for (scene, note) in [
        (early(EXPR, |s| s.client.flags = 1), "the client did not send it as early data: somebody moved it there"),
        (
            resumed(|s| (s.client.flags, s.client.counter) = (3, Some(1))),
            "the client sent it as early data: somebody held it back",
        ),
        (early(EXPR, |s| s.client.binding = seeded("another ClientHello")), "it belongs to another ClientHello"),
    ] {
        add(f, p, scene, note);
    }
}

fn accepted(f: &mut File) {
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

fn channel(f: &mut File) {
    let b = "binding-mismatch";
    for (flag, note) in [
        ("n", "a client that binds nothing would be taken for one that binds: the binding is stripped"),
        ("y", "somebody told the client that there is no binding here, and there is"),
        ("p=tls-server-end-point", "whoever has the certificate's key, a front end say, could use the proof"),
        ("p=tls-unique", "tls-unique is broken without extended master secret, and none in TLS 1.3"),
    ] {
        add(f, b, full(|s| s.client.flag = flag.into()), note);
    }
    add(
        f,
        b,
        Scene::new(NONE, false).with(|s| s.client.flag = "p=tls-exporter".into()),
        "the client believes that it is bound, and it is not",
    );
    add(
        f,
        b,
        Scene::new(NONE, false).with(|s| {
            (s.client.flag, s.channel.exporter) = ("y".into(), true);
            s.server.pins = vec![NONE.into(), EXPR.into()];
        }),
        "y where a bound mechanism is listed: somebody stripped the list",
    );
    add(
        f,
        b,
        full(|s| s.server.pins = vec![NONE.into()]),
        "a mechanism that the operator switched off would go on working",
    );
    add(
        f,
        b,
        full(|s| s.channel.tls12 = Some((false, true))),
        "without extended master secret the exporter is shared with a man in the middle (A2)",
    );
    add(
        f,
        b,
        full(|s| s.channel.tls12 = Some((true, false))),
        "whoever has the ticket key recomputes the exporter (A5)",
    );
    add(
        f,
        b,
        full(|s| s.channel.forward_secret = false),
        "without (EC)DHE whoever has the PSK recomputes the exporter (A5)",
    );
    add(
        f,
        b,
        full(|s| (s.channel.complete, s.channel.binding) = (false, None)),
        "a proof ahead of the client's Finished: it may come from whoever has the ticket",
    );
    add(
        f,
        b,
        Scene::new(NONE, false).with(|s| s.channel.complete = false),
        "the same with NONE: the server would answer somebody who never finished the handshake",
    );
    add(f, b, full(|s| s.channel.binding = None), "without an exporter there is nothing to compare the binding with");
    add(
        f,
        b,
        Scene::new(ENDP, false).with(|s| s.channel.binding = None),
        "without a certificate there is nothing to compare the binding with",
    );
    add(
        f,
        b,
        Scene::new(NONE, false).with(|s| s.channel.tls12 = Some((false, true))),
        "NONE does not make a shared connection private",
    );
}

fn record(f: &mut File) {
    let p = "bad-proof";
    add(f, "stale", full(|s| s.record = None), "an assertion that nobody made would log in");
    add(
        f,
        "stale",
        Scene::new("IKY-ED25519-EXPR", false).with(|s| s.record = None),
        "a key that nobody registered would log in",
    );
    add(f, "stale", Scene::new(NONE, false).with(|s| s.record = None), "an evicted assertion would log in");
    add(
        f,
        p,
        full(|s| {
            (s.client.mechanism, s.client.flag, s.client.binding) = (NONE.into(), "n".into(), Vec::new());
            (s.client.counter, s.server.pins) = (Some(1), vec![NONE.into()]);
            (s.channel.binding, s.channel.exporter) = (None, false);
        }),
        "the pin: an assertion for the bound mechanism would work without a binding",
    );
    add(
        f,
        p,
        Scene::new(ENDP, false).with(|s| {
            (s.client.mechanism, s.client.flag, s.client.binding) = (NONE.into(), "n".into(), Vec::new());
            s.server.pins = vec![NONE.into()];
            s.channel.binding = None;
        }),
        "the pin: an assertion for ENDP would work for whoever has another certificate",
    );
    add(f, p, full(|s| s.server.service = "smtp".into()), "one service's assertion would log in at another");
    add(
        f,
        p,
        full(|s| (s.server.service, s.client.service) = ("smtp".into(), "smtp".into())),
        "the same with a proof for that other service: the record belongs to imap",
    );
    add(f, p, full(|s| s.client.service = "smtp".into()), "a proof that was made for another service");
    add(
        f,
        p,
        full(|s| s.server.name = "other.example.com".into()),
        "a name that this server is not configured with: a rogue server relays its clients here",
    );
    add(
        f,
        p,
        full(|s| s.channel.sni = Some("other.example.com".into())),
        "the message names another server than TLS did: cross-tenant confusion",
    );
    add(f, p, full(|s| s.channel.sni = Some(String::new())), "the message names a server, and TLS named none");
    add(
        f,
        p,
        full(|s| {
            let other = "other.example.com".to_owned();
            (s.client.name, s.server.name, s.channel.sni) = (other.clone(), other.clone(), Some(other));
        }),
        "another tenant's name, rightly everywhere but in the record",
    );
    for (authzid, note) in [
        ("bob", "alice's key would log in bob"),
        ("", "a client that says no name would be whoever its record says"),
        ("Alice", "names are compared as octets"),
        ("alice ", "a space is part of the name"),
    ] {
        add(f, p, full(|s| s.client.authzid = authzid.into()), note);
    }
}

fn lineage(f: &mut File) {
    let p = "bad-proof";
    add(
        f,
        p,
        full(|s| {
            s.client.claims_lineage = true;
            s.client.lineage = seeded("lineage IKY-SHA-256-EXPR");
        }),
        "a lineage on a connection that resumed nothing: the server could not know it",
    );
    add(
        f,
        "stale",
        resumed(|s| s.lineage = None),
        "the session that TLS resumed is unknown: anybody's session would do",
    );
    add(
        f,
        "stale",
        Scene::new(NONE, true).with(|s| s.lineage = None),
        "the same with NONE, where a lineage is required: a forgotten session would be no session at all",
    );
    let edits: [(fn(&mut Scene), &str); 9] = [
        (|s| s.lin().identity = "bob".into(), "bob's session would carry alice's proof"),
        (
            |s| s.lin().device = "1112131415161718".into(),
            "another client of the account: a stolen assertion is used over the thief's own session",
        ),
        (|s| s.lin().service = "smtp".into(), "the session of another service"),
        (|s| s.lin().server_name = "other.example.com".into(), "the session of another tenant"),
        (|s| s.lin().shared = true, "two identities authenticated on the session: it stands for neither"),
        (|s| s.lin().revoked = true, "the session of a client that was logged out"),
        (|s| s.lin().expires = s.now, "the second in which the session's lineage ends"),
        (
            |s| s.lin().value = Some(seeded("another lineage")),
            "the client resumed another connection than the server: two sessions were spliced",
        ),
        (|s| (s.lin().value, s.client.lineage) = (None, Vec::new()), "a lineage without a value proves nothing"),
    ];
    for (edit, note) in edits {
        add(f, p, resumed(edit), note);
    }
    let manager = |s: &mut Scene| s.lin().through_manager = true;
    add(f, p, Scene::new(NONE, true).with(manager), "a connection manager's session stands for nobody");
    add(
        f,
        "binding-mismatch",
        resumed(manager),
        "a proof that is bound to a connection manager's TLS: it is none of its users'",
    );
    add(
        f,
        p,
        resumed(|s| s.client.lineage = Vec::new()),
        "l=1 without the lineage in the proof: a claim that costs nothing",
    );
    add(
        f,
        p,
        resumed(|s| (s.client.claims_lineage, s.lineage) = (false, None)),
        "a lineage in the proof that the message does not mention",
    );
    for mechanism in [NONE, ENDP] {
        add(
            f,
            "full-authentication-due",
            Scene::new(mechanism, false).with(|s| s.server.lineage_required = true),
            "whoever ended TLS in the client's sight could use its proof, once, on his own connection (A3)",
        );
    }
    add(
        f,
        "full-authentication-due",
        full(|s| s.server.lineage_required = true),
        "the operator asked for a lineage with every proof",
    );
}

fn proof(f: &mut File) {
    let p = "bad-proof";
    add(
        f,
        p,
        full(|s| s.client.binding = seeded("another connection")),
        "the proof of another connection: a man in the middle relays it",
    );
    for mechanism in ["IKY-SHA-384-EXPR", "IKY-SHA-512-EXPR", "IKY-ED25519-EXPR"] {
        add(
            f,
            p,
            Scene::new(mechanism, false).with(|s| s.client.binding = seeded("another connection")),
            "the same with another mechanism",
        );
    }
    add(
        f,
        p,
        Scene::new(ENDP, false).with(|s| s.client.binding = seeded("another certificate")),
        "the client saw another certificate: a man in the middle with one of his own",
    );
    add(
        f,
        p,
        full(|s| s.client.flags = 1),
        "the client resumed and the server did not: there is somebody between them",
    );
    add(
        f,
        p,
        resumed(|s| s.client.flags = 0),
        "the server resumed and the client did not: there is somebody between them",
    );
    for mechanism in ["IKY-SHA-256-EXPR", "IKY-SHA-512-NONE", "IKY-ED25519-EXPR"] {
        for at in [0, proof_len(mechanism) - 1] {
            let change = |s: &mut Scene| {
                let mut change = vec![0; proof_len(mechanism)];
                change[at] = if at == 0 { 1 } else { 0x80 };
                s.client.proof_xor = Some(change);
            };
            add(
                f,
                p,
                Scene::new(mechanism, false).with(change),
                "one bit of the proof: it would not depend on the key",
            );
        }
    }
    add(f, p, full(|s| s.client.proof_xor = Some(s.proof())), "a proof of zeros");
    add(
        f,
        p,
        full(|s| s.client.proof_xor = Some(xor(&s.proof(), &s.assertion.keys().stored))),
        "the stored key sent as proof: whoever stole records would log in",
    );
    add(
        f,
        p,
        full(|s| s.client.proof_xor = Some(s.assertion.keys().client)),
        "the mask alone, which the server's records give: they would be enough to log in",
    );
    add(
        f,
        p,
        full(|s| s.client.proof_xor = Some(xor(&s.proof(), &s.assertion.keys().client))),
        "the client key in clear: it would prove nothing of this connection",
    );
}

fn objections(f: &mut File) {
    let day = DAY;
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
        full(|s| s.now = LOGIN + 30 * day),
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

fn store(f: &mut File) {
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
