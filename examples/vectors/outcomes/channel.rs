//! What the channel has to be, and the binding of the message to it.

use super::*;

pub(super) fn cases(f: &mut File) {
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
