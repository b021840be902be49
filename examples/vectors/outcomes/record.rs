//! Which record a message may speak of.

use super::*;

pub(super) fn cases(f: &mut File) {
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
