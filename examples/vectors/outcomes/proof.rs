//! The proof: of another connection, altered, or made of what is not secret.

use super::*;

pub(super) fn cases(f: &mut File) {
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
