//! Attempts that a server has to refuse.

use super::*;

pub(super) fn refused(f: &mut File) {
    f.group("sealed-refused", "An attempt with a sealed assertion that the server has to refuse.");
    altered(f);
    elsewhere(f);
    revoked(f);
}

pub(super) fn altered(f: &mut File) {
    let len = Attempt::new(EXPR, false).settled().received().expect("a box").len();
    let edits: Vec<(usize, usize, Vec<u8>, &str)> = vec![
        (0, 1, vec![2], "another version: its format is not this one"),
        (0, 1, vec![0], "version 0, which there is not"),
        (
            1,
            4,
            vec![0, 0, 0, 2],
            "the id of a key that the server does not have: were others tried, a stranger could make it work",
        ),
        (1, 4, vec![1, 0, 0, 0], "the key's id in the other order of octets: two spellings of one id"),
        (5, 1, vec![0], "the salt, at its beginning: the key would not depend on it"),
        (20, 1, vec![0], "the salt, at its end: the key would not depend on it"),
        (HEADER, 1, vec![0], "the stored key: somebody puts in one that fits a key of his own"),
        (HEADER + 32, 1, vec![0], "the server key: somebody signs answers with his own"),
        (HEADER + 64, 1, vec![0], "the assertion's id: one that was not revoked"),
        (HEADER + 80, 1, vec![0], "the device: one that was not revoked"),
        (HEADER + 88, 1, vec![0], "the strength: a disclosed login becomes a bound one"),
        (HEADER + 93, 1, vec![0], "the time of the full login: no other would ever be due"),
        (HEADER + 98, 1, vec![0], "the expiry: an assertion that never ends"),
        (len - TAG, 1, vec![0], "the tag, at its beginning: a shorter one is easier to guess"),
        (len - 1, 1, vec![0], "the tag, at its end: a shorter one is easier to guess"),
        (len - 1, 1, vec![], "the tag without its last octet: a shorter one is easier to guess"),
        (len - TAG, TAG, vec![], "no tag: whoever knows the plaintext could write another"),
        (len - TAG, 0, b"bob".to_vec(), "an account behind the record: alice becomes bob"),
        (len, 0, vec![0], "an octet behind the tag, which nobody made"),
        (HEADER, len - HEADER, vec![], "a header and nothing behind it"),
    ];
    for (at, remove, insert, note) in edits {
        let attempt = Attempt::new(EXPR, false).with(|a| {
            let octets = a.held().clone().steps(&a.scene).octets;
            let mut insert = insert.clone();
            // The bits of one octet that is replaced: what was there is not what comes.
            if remove == 1 && insert == [0] && at > 0 {
                insert[0] = octets[at] ^ if at % 2 == 0 { 1 } else { 0x80 };
            }
            a.held().edit = Some((at, remove, insert));
        });
        attempt.add(f, "stale", note);
    }
    for mechanism in &PINS[1..] {
        let attempt = Attempt::new(mechanism, false).with(|a| {
            let octets = a.held().clone().steps(&a.scene).octets;
            a.held().edit = Some((octets.len() - TAG - 1, 1, vec![octets[octets.len() - TAG - 1] ^ 1]));
        });
        attempt.add(f, "stale", "the last bit of the expiry, with another mechanism: an assertion that lasts longer");
    }
    let short = Attempt::new(EXPR, false).with(|a| {
        let len = a.held().clone().steps(&a.scene).octets.len();
        a.held().edit = Some((4, len - 4, vec![]));
    });
    short.add(f, "stale", "four octets: less than a header, and a key id that ends before it is there");
}

pub(super) fn elsewhere(f: &mut File) {
    let stale = |f: &mut File, edit: &dyn Fn(&mut Attempt), note: &str| {
        Attempt::new(EXPR, false).with(|a| edit(a)).add(f, "stale", note);
    };
    stale(
        f,
        &|a| a.scene.client.authzid = "bob".into(),
        "alice's assertion under bob's name, of an account with the same secret",
    );
    stale(f, &|a| a.scene.client.authzid = "Alice".into(), "names are compared as octets");
    stale(
        f,
        &|a| {
            let other = "other.example.com".to_owned();
            (a.scene.client.name, a.scene.server.name, a.scene.channel.sni) =
                (other.clone(), other.clone(), Some(other));
        },
        "another tenant's name, where both have the same keys",
    );
    stale(
        f,
        &|a| (a.scene.server.service, a.scene.client.service) = ("smtp".into(), "smtp".into()),
        "another service, where both have the same keys",
    );
    stale(f, &|a| a.scene.server.service = "smtp".into(), "the same with a proof that was made for the other service");
    stale(
        f,
        &|a| a.held().mechanism = Some(PINS[3]),
        "sealed for another mechanism, whose keys are of the same length: no pin",
    );
    stale(
        f,
        &|a| a.held().mechanism = Some("IKY-SHA-256-NONE"),
        "sealed for a mechanism that binds to nothing: no pin",
    );
    stale(
        f,
        &|a| a.row().secret = seeded("another account secret")[..16].to_vec(),
        "the account got another secret: it was revoked as a whole",
    );
    stale(
        f,
        &|a| a.keys = vec![(1, seeded("another service key"))],
        "another key under the same id: that of another service",
    );
    stale(f, &|a| a.keys = vec![service_key(2)], "the key was dropped, which ends what was sealed with it");
    stale(f, &|a| a.keys = Vec::new(), "a server that does not seal");
    stale(f, &|a| a.account = None, "no row of the account: a revocation may have been lost with it");
    stale(
        f,
        &|a| a.row().identity = Some("bob".into()),
        "another account's row, which opens it: what was revoked of the one says nothing of the other",
    );
    stale(f, &|a| (a.account, a.keys) = (None, Vec::new()), "neither row nor keys: nothing can be opened");
    stale(
        f,
        &|a| {
            a.account = None;
            a.scene.client.proof_xor = Some(vec![1; 32]);
        },
        "no row, and a wrong proof as well: it would read as if the row mattered",
    );
    stale(
        f,
        &|a| (a.scene.client.claims_lineage, a.scene.client.lineage, a.account) = (true, seeded("lineage"), None),
        "no row, and a lineage on a connection that resumed nothing: nothing of it matters",
    );
    for mechanism in ["IKY-SHA-256-NONE", "IKY-SHA-256-ENDP"] {
        let note = "a mechanism whose proofs can be replayed, though it opens: nobody keeps its counter";
        Attempt::new(mechanism, false).settled().add(f, "stale", note);
    }
    let p = "bad-proof";
    let bad = |f: &mut File, edit: &dyn Fn(&mut Attempt), note: &str| {
        Attempt::new(EXPR, false).with(|a| edit(a)).add(f, p, note);
    };
    bad(
        f,
        &|a| a.scene.client.proof_xor = Some(vec![1; 32]),
        "a sealed assertion that was overheard, without its key: it would be a password",
    );
    bad(
        f,
        &|a| a.scene.client.binding = seeded("another connection"),
        "the proof of another connection: a man in the middle relays it",
    );
    bad(
        f,
        &|a| a.scene.server.name = "other.example.com".into(),
        "a name that this server is not configured with, though it opens by what the message says",
    );
    bad(
        f,
        &|a| a.scene.channel.sni = Some("other.example.com".into()),
        "the message names another server than TLS did",
    );
    let lineage = Attempt::new(EXPR, true).with(|a| a.scene.lin().device = "1112131415161718".into());
    lineage.add(f, p, "another client of the account: a stolen assertion is used over the thief's own session");
    let stripped = Attempt::new(EXPR, false).with(|a| a.scene.client.flag = "n".into());
    stripped.add(f, "binding-mismatch", "the binding is stripped from the header: a proof that is bound to nothing");
    let forgotten = Attempt::new(EXPR, true).with(|a| a.scene.lineage = None);
    forgotten.add(f, "stale", "the session that TLS resumed is unknown: anybody's session would do");
}

pub(super) fn revoked(f: &mut File) {
    let device = |a: &mut Attempt| a.held().record.device.clone();
    let add = |f: &mut File, want: &str, edit: &dyn Fn(&mut Attempt), note: &str| {
        Attempt::new(EXPR, false).with(|a| edit(a)).add(f, want, note);
    };
    let gone = "revoked";
    add(
        f,
        gone,
        &|a| a.row().until = Some(LOGIN),
        "revoked in the second in which it logged in: a stolen telephone would stay logged in",
    );
    add(f, gone, &|a| a.row().until = Some(LOGIN + 10), "every client was revoked after it logged in");
    add(f, gone, &|a| a.row().devices = vec![device(a)], "this client was revoked by itself");
    add(
        f,
        gone,
        &|a| a.row().devices = vec!["1112131415161718".into(), device(a)],
        "this client was revoked by itself, as another was",
    );
    add(
        f,
        gone,
        &|a| (a.row().until, a.row().spared) = (Some(LOGIN + 10), Some(("1112131415161718".into(), None))),
        "another client was spared: log out everywhere else would leave this one in",
    );
    add(
        f,
        gone,
        &|a| (a.row().until, a.row().spared) = (Some(LOGIN + 10), Some((device(a), Some(LOGIN)))),
        "it was spared the second time, and not the first: it would come back to life",
    );
    add(
        f,
        gone,
        &|a| {
            (a.row().until, a.row().spared) = (Some(LOGIN + 10), Some((device(a), None)));
            a.row().devices = vec![device(a)];
        },
        "it was spared, and revoked by itself: the one does not undo the other",
    );
    add(
        f,
        gone,
        &|a| {
            a.row().until = Some(LOGIN + 10);
            a.scene.now = LOGIN + 31 * DAY;
        },
        "revoked and expired: the client learns that it was revoked",
    );
    for mechanism in &PINS[1..] {
        let attempt = Attempt::new(mechanism, false).with(|a| a.row().until = Some(LOGIN));
        attempt.add(f, gone, "revoked, with another mechanism: nothing but the row says so");
    }
    add(
        f,
        "stale",
        &|a| a.scene.now = LOGIN + 30 * DAY,
        "the very second in which it ends: nothing but the box says so",
    );
    add(f, "stale", &|a| a.scene.now = LOGIN + 40 * DAY, "long expired: the client may know that it was once good");
    let due = "full-authentication-due";
    add(
        f,
        due,
        &|a| a.scene.server.full_login_every = DAY,
        "the very second in which a full login is due: nothing but the box says when the last one was",
    );
    add(
        f,
        due,
        &|a| {
            let assertion = &mut a.scene.assertion;
            (assertion.full_mechanism, assertion.full_binding) = ("SCRAM-SHA-256".into(), String::new());
            a.scene.server.lifetime = None;
        },
        "the policy refuses the origin now: tightening it would have no effect on what is sealed",
    );
    add(f, due, &|a| a.scene.server.lineage_required = true, "the operator asked for a lineage with every proof");
    add(
        f,
        "configuration-changed",
        &|a| {
            a.scene.client.offer = Some(a.scene.offer());
            a.scene.server.full_mechanisms.push("PLAIN".into());
        },
        "PLAIN was added to what the client saw, or somebody strips what it sees",
    );
    add(
        f,
        "unavailable",
        &|a| a.scene.store = Some("lookup-unavailable"),
        "without the row nobody knows whether it was revoked",
    );
    let commit = Attempt::stored(EXPR).with(|a| {
        renew(&mut a.scene);
        (a.account, a.scene.store) = (None, Some("commit-unavailable"));
    });
    commit.add(f, "unavailable", "the account's secret is not durable: what is sealed with it could never be opened");
    let rekeyed = Attempt::new(EXPR, false).with(|a| {
        renew(&mut a.scene);
        a.keys = vec![service_key(2), service_key(1)];
        a.scene.store = Some("commit-unavailable");
    });
    rekeyed.add(f, "unavailable", "how long the account's secret is needed is not durable: it could be dropped before");
}
