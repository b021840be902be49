//! Early data: when it is taken, and what is refused of it.

use super::*;

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

pub(super) fn cases(f: &mut File) {
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
