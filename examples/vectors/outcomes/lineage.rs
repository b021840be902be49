//! The session that TLS resumed, and what a client may claim of it.

use super::*;

pub(super) fn cases(f: &mut File) {
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
