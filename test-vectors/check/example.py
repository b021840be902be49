#!/usr/bin/env python3
"""Computes the draft's worked example (Appendix A), and every IKY message in its figures, anew.

    python3 test-vectors/check/example.py [DRAFT.txt]

The draft says how its examples are made: with HMAC-SHA-256 under a secret of one repeated octet in place of
a TLS exporter, and a login with SCRAM-SHA-256-PLUS on connection 1.  The figures do not say on which connection
a message was sent, so the numbers up to 16 are tried: one has to fit.
"""

import pathlib
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import iky  # noqa: E402

DRAFT = pathlib.Path(__file__).resolve().parents[2] / "draft" / "draft-fastreauth-kitten-sasl-iknowyou-00.txt"
CONNECTIONS = range(1, 17)
SERVICES = {
    "imap.example.com": "imap",
    "submission.example.com": "smtp",
    "example.com": "xmpp",
    "pop.example.com": "pop",
    "sieve.example.com": "sieve",
    "acap.example.com": "acap",
    "ldap.example.com": "ldap",
}


def exporter(connection, label, context=b""):
    return iky.hmac("SHA-256", bytes([connection]) * 32, label.encode() + b"\0" + context)


def text_of(path):
    """Without page breaks."""
    lines, out = path.read_text("utf-8").replace("\f", "").split("\n"), []
    for line in lines:
        if re.match(r"Internet-Draft  .*  November 2026$", line) or re.search(r"\[Page \d+\]$", line):
            continue
        out.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out))


def keys_for(mechanism, server_name, login_name):
    context = iky.derivation_context(
        mechanism, SERVICES[server_name], server_name, "SCRAM-SHA-256-PLUS", "tls-exporter", login_name, 1
    )
    seed = exporter(1, iky.EXPORTER_SEED, context)
    return context, seed, iky.derive(mechanism, context, seed, b"")


def appendix(text):
    """Name and value of everything in Appendix A."""
    part = text[text.index("\nAppendix A.") : text.index("\nAppendix B.")]
    values = {}
    for name, value in re.findall(r"^   ([\w'()-]+|cb-data|lineage of connection 1|offer hash, 16 octets) =\n((?:      [0-9a-f]+\n)+)", part, re.M):
        values[name] = "".join(value.split())
    messages = re.findall(r"message[^\n]*:\n((?:      \S+\n|\n)+)", part)
    return values, ["".join(m.split()) for m in messages]


def check_appendix(text):
    given, messages = appendix(text)
    m = iky.MECHANISMS["IKY-SHA-256-EXPR"]
    context, seed, keys = keys_for(m, "imap.example.com", "alice")
    lineage, binding = exporter(1, iky.EXPORTER_LINEAGE), exporter(2, iky.EXPORTER_BINDING)
    offer = iky.offer_hash(m.hash_name, ["IKY-SHA-256-EXPR", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
    covered = iky.build_covered(m, "alice", "imap.example.com", keys.id, None, True, offer)
    t = iky.transcript(m, "imap", 1, binding, lineage, covered.encode())
    proof = iky.make_proof(m, keys, t)
    x = exporter(2, iky.EXPORTER_RENEW)
    renewal = iky.Renewal(m, keys.server_key, m.hash(t), x)
    computed = {
        "context": context,
        "seed": seed,
        "PRK": keys.prk,
        "id": keys.id,
        "ClientKey": keys.client_key,
        "StoredKey": keys.stored_key,
        "ServerKey": keys.server_key,
        "lineage of connection 1": lineage,
        "cb-data": binding,
        "offer hash, 16 octets": offer,
        "T": t,
        "H(T)": m.hash(t),
        "proof": proof,
        "x": x,
        "seed'": renewal.seed,
        "PRK'": renewal.keys.prk,
        "id'": renewal.keys.id,
        "ClientKey'": renewal.keys.client_key,
        "ServerKey'": renewal.keys.server_key,
    }
    for name in sorted(set(computed) | set(given)):
        yield "Appendix A: " + name, name in computed and given.get(name) == computed[name].hex()
    answer = iky.sign_message(m, keys.server_key, m.hash(t), proof, "x=2592000,r=1,")
    yield "Appendix A: messages", messages == [covered + ",p=" + iky.b64(proof), answer]


def messages_of(text):
    """Every message of IKY between Sections 9 and 10, in the order of the draft."""
    begin, end = text.index("\n9.2.  IMAP\n"), text.index("\n10.  Legitimate")
    # Lines that are too long go on in the next, which begins with three spaces more.
    joined = re.sub(r"\n {6}(?=\S)", "", text[begin:end])
    hexes = [bytes.fromhex("".join(h.split())) for h in re.findall(r"[CS]: ((?:[0-9a-f]{2} ?)+(?:\s+[0-9a-f]{2}\b)*)", joined)]
    found = []
    for word in re.findall(r"[A-Za-z0-9+/]{12,}={0,2}", joined):
        try:
            found.append(iky.unb64(word))
        except iky.Malformed:
            pass
    found += re.findall(rb'"((?:p=tls|n,|x=\d)[^"]+)"', joined.encode())
    for pdu in hexes:
        found += re.findall(rb"(p=tls-exporter,.*|x=\d+,v=.*)", pdu, re.S)
    return [f for f in found if re.match(rb"(?:[ny]|p=tls[a-z-]+),(?:a=|,)|(?:x=\d+,|e=)", f)]


def check_figures(text):
    last = None
    for message in messages_of(text):
        if re.match(rb"[ny]|p=tls", message):
            last = None
            for m in iky.MECHANISMS.values():
                try:
                    parsed = iky.Initiator(m, message)
                except iky.Malformed:
                    continue
                if parsed.server_name not in SERVICES or (m.binding or None) != parsed.binding:
                    continue
                keys = keys_for(m, parsed.server_name, parsed.authzid or "")[2]
                if keys.id == parsed.id:
                    last = find(m, parsed, keys, SERVICES[parsed.server_name])
            yield "figure: %s" % message[:64].decode(), last is not None
        elif b"v=" in message:
            ok = last is not None
            if ok:
                m, keys, transcript_hash, proof = last
                answer = iky.Responder(m, message)
                ok = answer.signature == iky.make_signature(m, keys.server_key, transcript_hash, proof, answer.covered)
                ok = ok or answers_another(m, keys, answer)
            yield "figure:   answer %s" % message.decode(), ok
        else:
            yield "figure:   answer %s" % message.decode(), message == b"e=not-recognised"


def find(m, parsed, keys, service):
    for connection in CONNECTIONS:
        for resumed in (0, 1):
            for before in CONNECTIONS if parsed.lineage else (0,):
                lineage = exporter(before, iky.EXPORTER_LINEAGE) if parsed.lineage else b""
                binding = exporter(connection, iky.EXPORTER_BINDING) if m.binding else b""
                t = iky.transcript(m, service, resumed, binding, lineage, parsed.covered)
                if iky.proof_is_right(m, keys.stored_key, t, parsed.proof):
                    return m, keys, m.hash(t), parsed.proof
    return None


def answers_another(m, keys, answer):
    """Figure 12 shows an answer alone: it has to fit an attempt like the one before it, on some connection."""
    offer = iky.offer_hash(m.hash_name, [m.name, "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
    for connection in CONNECTIONS:
        for before in (0, *CONNECTIONS):
            covered = iky.build_covered(m, "alice", "example.com", keys.id, None, before > 0, offer).encode()
            lineage = exporter(before, iky.EXPORTER_LINEAGE) if before else b""
            for resumed in (0, 1):
                t = iky.transcript(m, "xmpp", resumed, exporter(connection, iky.EXPORTER_BINDING), lineage, covered)
                proof = iky.make_proof(m, keys, t)
                if answer.signature == iky.make_signature(m, keys.server_key, m.hash(t), proof, answer.covered):
                    return True
    return False


def main(arguments):
    text = text_of(pathlib.Path(arguments[0]) if arguments else DRAFT)
    passed = failed = 0
    for check in (check_appendix, check_figures):
        for name, ok in check(text):
            passed += ok
            failed += not ok
            if not ok or "-v" in arguments:
                print("%s: %s" % (name, "ok" if ok else "FAIL"))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or passed < 20 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
