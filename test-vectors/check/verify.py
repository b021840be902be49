#!/usr/bin/env python3
"""Verifies every test vector by computing it anew, from the draft (iky.py, sealed.py, profiles.py, ht.py).

    python3 test-vectors/check/verify.py [-v] [FILE...]

One line for each file, `N passed, N failed` at the end; the exit code says whether all is well.
"""

import json
import pathlib
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import ht  # noqa: E402
import iky  # noqa: E402
import profiles  # noqa: E402
import sealed  # noqa: E402

VECTORS = pathlib.Path(__file__).resolve().parent.parent
FILES = (
    "external.json",
    "ht-prosody-13.0.1.json",
    "ht-published.json",
    "ht.json",
    "iky-messages.json",
    "iky-outcomes.json",
    "iky.json",
    "offer-hash.json",
    "origins.json",
    "primitives.json",
    "profile.json",
    "sealed.json",
    "tls-exporter-rfc8448.json",
    "tls-server-end-point.json",
    "window.json",
)

# ------------------------------------------------------------------ JSON Schema, as far as it is used

KEYWORDS = {
    "$schema", "$defs", "$ref", "title", "description", "type", "const", "enum", "pattern", "minimum",
    "maximum", "minLength", "maxLength", "minItems", "maxItems", "items", "required", "properties",
    "additionalProperties", "allOf", "anyOf", "oneOf", "if", "then", "else",
}  # fmt: skip
TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
}


def same(a, b):
    """Equal as JSON, which tells true from 1."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


def schema_errors(schema, value, root, path=""):
    if schema is True:
        return
    if schema is False:
        yield path + ": not allowed"
        return
    unknown = set(schema) - KEYWORDS
    if unknown:
        yield "%s: this checker does not know the keyword %s" % (path, sorted(unknown))
    if "$ref" in schema:
        target = root
        for part in schema["$ref"].lstrip("#/").split("/"):
            target = target[part]
        yield from schema_errors(target, value, root, path)
    if "type" in schema:
        types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        if not any(TYPES[t](value) for t in types):
            yield "%s: not of type %s" % (path, types)
            return
    if "const" in schema and not same(schema["const"], value):
        yield "%s: not %r" % (path, schema["const"])
    if "enum" in schema and not any(same(e, value) for e in schema["enum"]):
        yield "%s: %r is not in the enumeration" % (path, value)
    if isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield "%s: %r does not match %s" % (path, value, schema["pattern"])
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            yield path + ": length"
    if TYPES["number"](value):
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            yield path + ": out of range"
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield path + ": number of items"
        for i, item in enumerate(value):
            yield from schema_errors(schema.get("items", True), item, root, "%s/%d" % (path, i))
    if isinstance(value, dict):
        for name in schema.get("required", ()):
            if name not in value:
                yield "%s: lacks %s" % (path, name)
        properties = schema.get("properties", {})
        for name, item in value.items():
            inner = properties[name] if name in properties else schema.get("additionalProperties", True)
            yield from schema_errors(inner, item, root, path + "/" + name)
    for inner in schema.get("allOf", ()):
        yield from schema_errors(inner, value, root, path)
    for word, right in (("anyOf", lambda n: n >= 1), ("oneOf", lambda n: n == 1)):
        if word in schema and not right(sum(not list(schema_errors(s, value, root)) for s in schema[word])):
            yield "%s: %s" % (path, word)
    if "if" in schema:
        branch = "else" if list(schema_errors(schema["if"], value, root)) else "then"
        yield from schema_errors(schema.get(branch, True), value, root, path)


# ------------------------------------------------------------------ values


def unhex(text):
    if not re.fullmatch(r"(?:[0-9a-f]{2})*", text):
        raise ValueError("not hexadecimal: %r" % text)
    return bytes.fromhex(text)


def truth(value):
    if not isinstance(value, bool):
        raise ValueError("not a boolean: %r" % (value,))
    return value


class Inputs(dict):
    """Notices what was not used, so that no input is there for nothing."""

    def __init__(self, values, path="inputs"):
        super().__init__(values)
        self.path = path
        self.used = set()
        for name, value in values.items():
            if isinstance(value, dict):
                super().__setitem__(name, Inputs(value, path + "." + name))

    def __getitem__(self, name):
        self.used.add(name)
        return super().__getitem__(name)

    def get(self, name, default=None):
        self.used.add(name)
        return super().get(name, default)

    def __contains__(self, name):
        self.used.add(name)
        return super().__contains__(name)

    def hex(self, name):
        return unhex(self[name])

    def unused(self):
        for name, value in self.items():
            if name not in self.used:
                yield self.path + "." + name
            elif isinstance(value, Inputs):
                yield from value.unused()


def edited(octets, edit):
    at, remove = edit["at"], edit["remove"]
    if min(at, remove) < 0 or at + remove > len(octets):
        raise ValueError("an edit outside of the octets")
    return octets[:at] + edit.hex("insert") + octets[at + remove :]


def mechanism(name):
    return iky.MECHANISMS[name]


# ------------------------------------------------------------------ each type of group:
# inputs in; result, intermediates and outputs out


def context_of(a):
    return iky.derivation_context(
        mechanism(a["mechanism"]),
        a["service"],
        a["server_name"],
        a["full_mechanism"],
        a["full_binding"],
        a["login_name"],
        a["ordinal"],
    )


def derived(a):
    context = context_of(a)
    return context, iky.derive(mechanism(a["mechanism"]), context, a.hex("seed"), a.hex("session_key"))


def key_values(keys):
    return {
        "id": keys.id.hex(),
        "client_key": keys.client_key.hex(),
        "server_key": keys.server_key.hex(),
        "stored_key": keys.stored_key.hex(),
    }


def check_derive(i):
    context, keys = derived(i)
    return "valid", {"context": context.hex(), "prk": keys.prk.hex()}, key_values(keys)


def check_agree(i):
    middle, ids, keys = {}, {}, {}
    for end in ("client", "server"):
        context, keys[end] = derived(i[end])
        middle[end] = {"context": context.hex(), "prk": keys[end].prk.hex()}
        ids[end + "_id"] = keys[end].id.hex()
    agreed = key_values(keys["client"]) == key_values(keys["server"])
    if agreed != (ids["client_id"] == ids["server_id"]):
        raise ValueError("the same id with other keys")
    return "valid" if agreed else "invalid", middle, ids


def client_side(i):
    """What client and responder cases have in common: keys, message, the client's T."""
    context, keys = derived(i["assertion"])
    c = i["client"]
    in_use = mechanism(c["mechanism"])
    t = iky.transcript(
        in_use, c["service"], c["flags"], c.hex("binding"), c.hex("lineage"), c["covered"].encode()
    )
    proof = iky.make_proof(keys.mechanism, keys, t)
    if "proof_xor" in c:
        proof = iky.xor(proof, c.hex("proof_xor"))
    message = c["covered"] + ",p=" + iky.b64(proof)
    middle = dict(key_values(keys), context=context.hex(), prk=keys.prk.hex(), message=message)
    return keys, in_use, t, proof, message, middle


CHANNEL_OCTETS = ("early_exporter", "tls_exporter", "tls_server_end_point", "renew")


def channel_of(c):
    iky.known(c["tls"], iky.TLS_VERSIONS)
    for name in CHANNEL_OCTETS:
        if name in c:
            dict.__setitem__(c, name, unhex(c[name]))
    return c


def renewal_values(renewal):
    return {"prk": renewal.keys.prk.hex(), "salt": renewal.salt.hex(), "seed": renewal.seed.hex()}


def check_decision(i):
    keys, in_use, client_t, proof, message, middle = client_side(i)
    a = i["assertion"]
    record = None
    if "record" in i:
        r = i["record"]
        record = iky.Record(
            keys.mechanism,
            a["service"],
            a["server_name"],
            a["login_name"],
            keys,
            iky.origin_of(a["full_mechanism"], a["full_binding"], bool(a["session_key"])),
            r["identity"],
            r["device"],
            r["full_login"],
            r["expires"],
        )
        record.revoked = truth(r["revoked"])
        record.unused_until = r["unused_until"]
        if "used_counters" in r:
            for counter in r["used_counters"]:
                if not record.window.accept(counter):
                    raise ValueError("a used counter that was not fresh")
            middle["window"] = {"highest": record.window.highest, "used": "%016x" % record.window.used}
        elif in_use.needs_counter:
            raise ValueError("no window for a mechanism that needs one")
        middle["who"] = [record.identity, record.login_name, record.device, record.origin]
    lineage = None
    if "lineage" in i:
        lineage = dict(i["lineage"])
        for name in lineage:
            i["lineage"][name]
        if lineage["value"] is not None:
            lineage["value"] = unhex(lineage["value"])
        for name in ("revoked", "shared", "through_manager"):
            truth(lineage[name])
    server = i["server"]
    if server.get("grant") is not None:
        dict.__setitem__(server, "grant", unhex(server["grant"]))
    for name in server["iky_mechanisms"]:
        mechanism(name)
    store = i.get("store")
    if store is not None:
        iky.known(store, ("no-room",) + tuple(iky.STORE))

    now = i["now"] if record is not None else 0
    channel = channel_of(i["channel"])
    d = iky.decide(
        in_use,
        message.encode(),
        channel,
        server,
        lambda which: record if record is not None and which == record.id else None,
        lineage,
        now,
        store,
    )
    if d.outcome == "malformed" and not d.refusals:
        raise ValueError("the message does not follow the grammar")
    if d.record is None and record is not None:
        raise ValueError("the message does not name the assertion")
    middle.update(
        client_transcript=client_t.hex(),
        offer=d.offer.hex(),
        refusals=d.refusals,
        server_names=[record and record.server_name, server["name"], channel["sni"]],
    )
    if d.transcript is not None:
        right = iky.make_proof(keys.mechanism, keys, d.transcript)
        middle["transcript_hash"] = in_use.hash(d.transcript).hex()
        middle["proof_difference"] = iky.xor(right, proof).hex()
    if record is not None:
        middle.update(times=d.times, lineage=d.lineage, session_strength=d.strength)
    if d.renewal is not None:
        middle["renewal"] = renewal_values(d.renewal)

    out = {"outcome": d.outcome, "responder": d.answer}
    if d.commit is not None:
        out["commit"] = dict(d.commit)
        if "successor" in d.commit:
            out["commit"]["successor"] = dict(d.commit["successor"], id=d.commit["successor"]["id"].hex())
    if d.successor is not None:
        out["successor"] = key_values(d.successor)
    if d.outcome == "accepted":
        out["recognised"] = {
            "identity": record.identity,
            "login_name": record.login_name,
            "device": record.device,
            "origin": record.origin,
            "strength": d.strength,
            "full_login": record.full_login,
        }
        # what the server answers is what the client has to take for success, and renew by
        v = iky.judge(in_use, keys.server_key, in_use.hash(client_t), proof, d.answer.encode(), True)
        if not v.logged_in or (v.message.renewal is None) != (d.successor is None):
            raise ValueError("the client does not take the server's answer")
    return "valid" if d.outcome == "accepted" else "invalid", middle, out


def check_responder(i):
    keys, in_use, t, proof, message, middle = client_side(i)
    transcript_hash = in_use.hash(t)
    original = i["answer"].encode()
    genuine = iky.Responder(in_use, original)
    accepts = truth(i["protocol_accepts"])
    middle.update(
        transcript_hash=transcript_hash.hex(),
        right_signature=None,
        contradicts=genuine.success != accepts,
    )
    if genuine.signature is not None:
        right = iky.make_signature(in_use, keys.server_key, transcript_hash, proof, genuine.covered)
        middle["right_signature"] = right.hex()
        if genuine.signature != right:
            raise ValueError("the answer is not signed rightly before it is edited")
    received = original
    if "edit" in i:
        received = edited(original, i["edit"])
        middle["received"] = received.decode()
    v = iky.judge(in_use, keys.server_key, transcript_hash, proof, received, accepts)
    out = {"client": v.what, "keeps_assertion": v.keeps_assertion}
    if v.logged_in:
        out["expires"] = None if v.message.seconds is None else i["now"] + v.message.seconds
        if v.message.renewal is not None:
            x = i.hex("renew") if v.message.renewal == 1 else v.message.renewal
            renewal = iky.Renewal(in_use, keys.server_key, transcript_hash, x)
            middle["renewal"] = renewal_values(renewal)
            out["successor"] = key_values(renewal.keys)
    return "valid" if v.logged_in else "invalid", middle, out


def check_initiator(i):
    in_use = mechanism(i["mechanism"])
    m = iky.Initiator(in_use, i["message"].encode())
    m.check_counter(in_use)
    return (
        "valid",
        {},
        {
            "assertion_id": None if m.id is None else m.id.hex(),
            "authzid": m.authzid,
            "binding": m.binding,
            "counter": m.counter,
            "extensions": [list(e) for e in m.extensions],
            "flag": m.flag,
            "lineage": m.lineage,
            "offer": None if m.offer is None else m.offer.hex(),
            "proof": m.proof.hex(),
            "sealed": m.sealed,
            "server_name": m.server_name,
        },
    )


def check_malformed_initiator(i):
    in_use = mechanism(i["mechanism"])
    message = i["message"].encode()
    iky.Initiator(in_use, message).check_counter(in_use)  # it was a good message
    received = edited(message, i["edit"])
    middle = {"received": received.hex()}
    try:
        iky.Initiator(in_use, received).check_counter(in_use)
    except iky.Malformed:
        return "invalid", middle, {"outcome": "malformed", "responder": "e=malformed"}
    return "valid", middle, {}


def check_aes_gcm(i):
    key, nonce, ad = i.hex("key"), i.hex("nonce"), i.hex("ad")
    right = sealed.gcm_seal(key, nonce, ad, i.hex("plain"))
    octets = iky.xor(right, i.hex("sealed_xor")) if "sealed_xor" in i else right
    opened = sealed.gcm_open(key, nonce, ad, octets)
    if opened not in (None, i.hex("plain")):
        raise ValueError("another plaintext")
    return "invalid" if opened is None else "valid", {"right": right.hex()}, {"sealed": octets.hex()}


def sealed_box(a, keys, b):
    """What was sealed, for whom, and with what: the steps, and the octets."""
    names = (b.get("mechanism", a["mechanism"]), a["service"], a["server_name"], a["login_name"])
    mechanism(names[0])
    k = b["service_key"]
    box = sealed.Box(k.hex("key"), b.hex("account_secret"), sealed.make_header(k["id"], b.hex("salt")), *names)
    strength = iky.origin_of(a["full_mechanism"], a["full_binding"], bool(a["session_key"]))
    plain = sealed.make_plain(
        keys, b["device"], strength, b["full_login"], b["expires"], b["identity"], a["login_name"]
    )
    return box, box.seal(plain)


def check_seal(i):
    a = i["assertion"]
    context, keys = derived(a)
    box, octets = sealed_box(a, keys, i["box"])
    refusals = []
    if keys.mechanism.binding != "tls-exporter":
        refusals.append(["seal-mechanism", keys.mechanism.name])
    if a["login_name"] == "":
        refusals.append(["seal-no-login-name"])
    account = i["box"]["identity"]
    if not sealed.fits(account, a["login_name"]):
        refusals.append(["seal-too-long", len(account.encode())])
    middle = dict(key_values(keys), context=context.hex(), prk=keys.prk.hex())
    middle.update(box=box.values(), octets=octets.hex(), refusals=refusals)
    return "invalid" if refusals else "valid", middle, {"sealed": None if refusals else iky.b64(octets)}


def sealing_server(i, server, account):
    keys = [(k["id"], unhex(k["key"]) if "key" in k else None) for k in server["service_keys"]]
    if any(set(k) - {"id", "key"} for k in server["service_keys"]):
        raise ValueError("what is that of a key?")
    random = {}
    if "random" in i and i["random"] is None:
        random = None
    elif "random" in i:
        random = {name: i["random"].hex(name) for name in i["random"]}
        if len(random["salt"]) != 16 or len(random.get("secret", bytes(16))) != 16:
            raise ValueError("16 octets each")
    return sealed.Sealing(keys, account, random)


def account_row(i):
    if "account" not in i:
        return None
    a = i["account"]
    row = sealed.Account(a["identity"] if "identity" in a else None, a.hex("secret") if "secret" in a else None)
    if "until" in a:
        row.until, row.devices = a["until"], a["devices"]
        if a["spared"] is not None:
            row.spared = (a["spared"]["device"], a["spared"]["after"])
    return row


def sealed_exchange(keys, in_use, t, proof, message, i, server, sealing, record, middle):
    """One attempt: what the server makes of it, and what the client makes of the answer."""
    lineage = None
    if "lineage" in i:
        lineage = dict(i["lineage"])
        for name in lineage:
            i["lineage"][name]
        if lineage["value"] is not None:
            lineage["value"] = unhex(lineage["value"])
        for name in ("revoked", "shared", "through_manager"):
            truth(lineage[name])
    store = i.get("store")
    if store is not None:
        iky.known(store, ("no-room",) + tuple(iky.STORE))
    channel = channel_of(i["channel"])
    d = iky.decide(
        in_use,
        message.encode(),
        channel,
        server,
        lambda which: record if record is not None and which == record.id else None,
        lineage,
        i.get("now", 0),  # without a record it does not matter, and is not there
        store,
        sealing,
    )
    if d.outcome == "malformed":
        raise ValueError("the message does not follow the grammar")
    if record is not None and d.record is None:
        raise ValueError("the message does not name the assertion")
    if record is None and d.record is not None and d.record.id != keys.id:
        raise ValueError("another record was opened")
    record = d.record
    if sealing.account is not None and sealing.account.identity is not None:
        middle["owner"] = sealing.account.identity
    if sealing.opened is not None:
        middle["opened"] = sealing.opened.values()
    if record is not None and sealing.revocation is not None:
        middle["revocation"] = sealing.revocation
    middle.update(
        client_transcript=t.hex(),
        message=message,
        offer=d.offer.hex(),
        refusals=d.refusals,
        server_names=[record and record.server_name, server["name"], channel["sni"]],
    )
    if d.transcript is not None:
        right = iky.make_proof(keys.mechanism, keys, d.transcript)
        middle["transcript_hash"] = in_use.hash(d.transcript).hex()
        middle["proof_difference"] = iky.xor(right, proof).hex()
    if record is not None:
        middle.update(times=d.times, lineage=d.lineage, session_strength=d.strength)
        middle["who"] = [record.identity, record.login_name, record.device, record.origin]
        middle["key_ids"] = sealing.key_ids(iky.Initiator(in_use, message.encode()))
    if d.renewal is not None:
        middle["renewal"] = renewal_values(d.renewal)
    if sealing.successor_box is not None:
        middle["successor_box"] = sealing.successor_box.values()
    out = {"outcome": d.outcome, "responder": d.answer}
    if d.commit:
        out["commit"] = dict(d.commit)
        if "successor" in d.commit:
            out["commit"]["successor"] = dict(d.commit["successor"], id=d.commit["successor"]["id"].hex())
    if d.successor is not None:
        out["successor"] = key_values(d.successor)
        if d.sealed is not None:
            out["successor"]["sealed"] = d.sealed
    if d.outcome == "accepted":
        out["recognised"] = {
            "identity": record.identity,
            "login_name": record.login_name,
            "device": record.device,
            "origin": record.origin,
            "strength": d.strength,
            "full_login": record.full_login,
        }
        v = iky.judge(in_use, keys.server_key, in_use.hash(t), proof, d.answer.encode(), True)
        if not v.logged_in or (v.message.renewal is None) != (d.successor is None) or v.message.sealed != d.sealed:
            raise ValueError("the client does not take the server's answer")
    return d, out


def check_sealed(i):
    keys, in_use, t, proof, message, middle = client_side(i)
    a, server = i["assertion"], i["server"]
    for name in server["iky_mechanisms"]:
        mechanism(name)
    record = None
    if "box" in i:
        box, octets = sealed_box(a, keys, i["box"])
        middle.update(box=box.values(), octets=octets.hex())
        if "edit" in i:
            octets = edited(octets, i["edit"])
            middle["received"] = octets.hex()
        if iky.Initiator(in_use, message.encode()).sealed != iky.b64(octets):
            raise ValueError("the message carries something else")
    else:
        r = i["record"]
        origin = iky.origin_of(a["full_mechanism"], a["full_binding"], bool(a["session_key"]))
        names = (a["service"], a["server_name"], a["login_name"])
        record = iky.Record(
            keys.mechanism, *names, keys, origin, r["identity"], r["device"], r["full_login"], r["expires"]
        )
        record.revoked = truth(r["revoked"])
        record.unused_until = r["unused_until"]
        if "used_counters" in r:
            for counter in r["used_counters"]:
                record.window.accept(counter)
            middle["window"] = {"highest": record.window.highest, "used": "%016x" % record.window.used}
    account = account_row(i)
    sealing = sealing_server(i, server, account)
    d, out = sealed_exchange(keys, in_use, t, proof, message, i, server, sealing, record, middle)
    if "then" in i:
        if d.sealed is None:
            raise ValueError("there is nothing to go on with")
        next_middle = {}
        next_out = check_then(i["then"], in_use, d, server, sealing, next_middle)
        middle["then"], out["then"] = next_middle, next_out
    return "valid" if d.outcome == "accepted" else "invalid", middle, out


def check_then(i, in_use, before, server, sealing, middle):
    """The next login, with the successor."""
    keys, c = before.renewal.keys, i["client"]
    covered = iky.build_covered(
        in_use, before.record.login_name, before.record.server_name, keys.id, sealed=before.sealed
    )
    if (mechanism(c["mechanism"]), c["covered"], c["service"]) != (in_use, covered, before.record.service):
        raise ValueError("another message follows from the answer")
    t = iky.transcript(in_use, c["service"], c["flags"], c.hex("binding"), c.hex("lineage"), covered.encode())
    proof = iky.make_proof(in_use, keys, t)
    account = sealed.Account(before.record.identity, sealing.secret(before.record))
    sealing = sealed.Sealing(sealing.keys, account, {})
    message = covered + ",p=" + iky.b64(proof)
    return sealed_exchange(keys, in_use, t, proof, message, i, server, sealing, None, middle)[1]


def check_responder_message(i):
    m = iky.Responder(mechanism(i["mechanism"]), i["message"].encode())
    renewal = m.renewal
    return (
        "valid",
        {},
        {
            "extensions": [list(e) for e in m.extensions],
            "reason": m.reason,
            "renewal": "1" if renewal == 1 else None if renewal is None else renewal.hex(),
            "sealed": m.sealed,
            "seconds": m.seconds,
            "signature": None if m.signature is None else m.signature.hex(),
        },
    )


def check_malformed_responder(i):
    in_use = mechanism(i["mechanism"])
    message = i["message"].encode()
    iky.Responder(in_use, message)  # it was a good message
    received = edited(message, i["edit"])
    middle = {"received": received.hex()}
    try:
        iky.Responder(in_use, received)
    except iky.Malformed:
        return "invalid", middle, {"client": "malformed"}
    return "valid", middle, {}


def check_external(i):
    channel, server = channel_of(i["channel"]), i["server"]
    for name in ("resumed", "early_data", "handshake_complete", "through_manager"):
        truth(channel[name])
    session = i.get("session")
    now = i["now"] if session is not None else 0
    listed, refusals, outcome = iky.decide_external(
        channel, server, session, i["authzid"], now, i.get("store")
    )
    middle, out = {"refusals": refusals}, {"listed": listed, "outcome": outcome}
    if session is None:
        middle["asks_for"] = i["authzid"]
    else:
        middle["expires_in"] = session["expires"] - now
        middle["full_login_due_in"] = session["full_login"] + server["full_login_every"] - now
        middle["strength_above_policy"] = iky.rank(session["strength"]) - iky.rank(server["external_origin"])
        middle["who"] = [session[n] for n in ("identity", "login_name", "origin", "strength")]
        iky.known(session["origin"], iky.STRENGTHS)
        if outcome == "accepted":
            names = ("identity", "login_name", "origin", "strength", "full_login")
            out["recognised"] = {n: session[n] for n in names}
    return "valid" if outcome == "accepted" else "invalid", middle, out


def check_origin(i):
    keyed = truth(i.get("keyed", False))
    origin = iky.origin_of(i["full_mechanism"], i["full_binding"], keyed)
    context = iky.derivation_context(
        mechanism("IKY-SHA-256-EXPR"),
        i["service"],
        i["server_name"],
        i["full_mechanism"],
        i["full_binding"],
        i["login_name"],
        1,
    )
    now, lifetime = i["now"], i["lifetime"]
    due = now + i["full_login_every"]
    ends = None if lifetime is None else now + lifetime
    refusals = [["channel", reason] for reason in iky.not_private(i["channel"])]
    if lifetime is None:
        refusals.append(["origin", origin])
    middle = {"context": context.hex(), "full_login_due": due, "lifetime_ends": ends, "refusals": refusals}
    out = {"origin": origin, "expires": None if refusals else min(ends, due)}
    return "invalid" if refusals else "valid", middle, out


def check_offer_hash(i):
    out = {end: iky.offer_hash(i["hash"], i[end]).hex() for end in ("then", "now")}
    middle = {end: iky.offer_names(i[end]) for end in ("then", "now")}
    return "valid" if out["then"] == out["now"] else "invalid", middle, out


def check_window(i):
    window, behind, accepted = iky.Window(), [], []
    for counter in i["counters"]:
        if not 0 <= counter < 2**64:
            raise ValueError("not a counter")
        behind.append(str(window.highest - counter))
        accepted.append(window.accept(counter))
    out = {"highest": window.highest, "used": "%016x" % window.used}
    return "valid" if accepted[-1] else "invalid", {"accepted": accepted, "behind": behind}, out


def check_hkdf(i):
    prk = iky.hkdf_extract(i["hash"], i.hex("salt"), i.hex("ikm"))
    okm = iky.hkdf_expand(i["hash"], prk, i.hex("info"), i["length"])
    return "valid", {"prk": prk.hex()}, {"okm": okm.hex()}


def check_hmac(i):
    right = iky.hmac(i["hash"], i.hex("key"), i.hex("data"))
    tag = iky.xor(right, i.hex("tag_xor")) if "tag_xor" in i else right
    if "tag_length" in i:
        if not 0 <= i["tag_length"] <= len(tag):
            raise ValueError("a tag cut to more than it has")
        if "tag_xor" in i and any(i.hex("tag_xor")[i["tag_length"] :]):
            raise ValueError("an alteration of what is cut off")
        tag = tag[: i["tag_length"]]
    return "valid" if iky.equal(tag, right) else "invalid", {"right": right.hex()}, {"tag": tag.hex()}


def check_ed25519(i):
    seed, message = i.hex("seed"), i.hex("message")
    public, right = iky.ed25519_public(seed), iky.ed25519_sign(seed, message)
    signature = iky.xor(right, i.hex("signature_xor")) if "signature_xor" in i else right
    result = "valid" if iky.ed25519_verify(public, message, signature) else "invalid"
    return result, {"public_key": public.hex(), "right": right.hex()}, {"signature": signature.hex()}


def check_tls_exporter(i):
    ems = iky.tls13_exporter_master_secret("SHA-256", i.hex("master_secret"), i.hex("transcript_hash"))
    derived, value = iky.tls13_exporter("SHA-256", ems, i["label"], i.hex("context"), 32)
    middle = {"derived_secret": derived.hex(), "exporter_master_secret": ems.hex()}
    return "valid", middle, {"value": value.hex()}


def check_not_tls_exporter(i):
    p = i["presented"]
    presented = iky.tls13_exporter("SHA-256", p.hex("exporter_master_secret"), p["label"], p.hex("context"), 32)[1]
    right = iky.tls13_exporter("SHA-256", i.hex("exporter_master_secret"), iky.EXPORTER_BINDING, b"", 32)[1]
    out = {"presented": presented.hex(), "tls_exporter": right.hex()}
    return "valid" if presented == right else "invalid", {}, out


def check_end_point(i):
    c = iky.Certificate(i.hex("certificate"))
    middle = {"hash": c.binding_hash(), "signature_algorithm": c.signature_algorithm}
    return "valid", middle, {"binding": c.end_point().hex()}


def check_no_end_point(i):
    c = iky.Certificate(i.hex("certificate"))
    middle = {
        "parameters": c.parameters.hex(),
        "signature": c.signature.hex(),
        "signature_algorithm": c.signature_algorithm,
        "tbs": c.tbs.hex(),
    }
    try:
        c.end_point()
    except iky.NoEndPoint as e:
        return "invalid", middle, {"error": e.reason}
    return "valid", middle, {}


def check_not_a_certificate(i):
    certificate = i.hex("certificate")
    iky.Certificate(certificate)
    received = edited(certificate, i["edit"])
    middle = {"received": received.hex()}
    try:
        iky.Certificate(received)
    except iky.NotACertificate:
        return "invalid", middle, {"error": "not-a-certificate"}
    return "valid", middle, {}


def check_other_certificate(i):
    certificate = i.hex("certificate")
    received = edited(certificate, i["edit"])
    out = {
        "binding": iky.Certificate(certificate).end_point().hex(),
        "other": iky.Certificate(received).end_point().hex(),
    }
    return "valid" if out["binding"] == out["other"] else "invalid", {"received": received.hex()}, out


def check_codes(i):
    outcome = i["outcome"]
    return "valid" if outcome == "accepted" else "invalid", {}, profiles.codes(outcome)


def optional(i, *names):
    return {n: i[n] for n in names if n in i}


def check_advertise(i):
    more = optional(i, "pipelining", "iky_pipelining")
    return "valid", {}, {"text": profiles.advertise(i["protocol"], i["mechanisms"], **more)}


def check_offer(i):
    octets = i["received"].encode()
    if "edit" in i:
        octets = edited(octets, i["edit"])
    text = octets.decode()
    for line in (i["received"], text):
        if not line.endswith("\r\n") or re.search(r"\r(?!\n)|(?<!\r)\n|  ", line):
            raise ValueError("not lines of words")
    out = profiles.offer(i["protocol"], text)
    result = "valid" if "IKY-SHA-256-EXPR" in out["mechanisms"] else "invalid"
    return result, {"words": text.split()}, out


def check_command(i):
    more = optional(i, "tag", "initial_response", "pipelining", "iky_pipelining")
    for name in ("listed", "initial_response", "pipelining", "iky_pipelining"):
        truth(i.get(name, False))
    octets, against, out = profiles.command(i["protocol"], i["mechanism"], i["message"], i["listed"], **more)
    result = "valid" if out["rides_along"] else "invalid"
    return result, {"line_octets": octets, "against": against}, out


def received_of(i, middle, read, binary=False):
    """The octets of a case and, where they are edited, what comes of them unedited."""
    octets = unhex(i["received"]) if binary else i["received"].encode()
    if "edit" in i:
        if read is not profiles.xmpp_request:
            middle["unedited"] = read(octets)
        octets = edited(octets, i["edit"])
        middle["received"] = octets.hex()
    return octets


def is_success(mechanism_name, out):
    return out["verdict"] == "accepted" and (out["data"] is not None or mechanism_name == "EXTERNAL")


def check_read(read, i, mechanism_name, binary=False):
    middle = {}
    octets = received_of(i, middle, read, binary)
    try:
        out = read(octets)
    except profiles.Error as e:
        return "invalid", middle, dict({"error": e.what}, **e.more)
    good = mechanism_name is None or is_success(mechanism_name, out)
    return "valid" if good else "invalid", middle, out


def check_answer(i):
    iky.known(i["mechanism"], ("EXTERNAL",) + tuple(iky.MECHANISMS))

    def read(octets):
        return profiles.answer(i["protocol"], i["mechanism"], i.get("tag"), octets)

    result, middle, out = check_read(read, i, i["mechanism"])
    if out.get("error") == "unexpected-challenge":
        # what is wrong is the challenge alone: without challenges it is a completion
        rest = re.sub(r"(?m)^(?:\+|334) .*\r\n", "", i["received"])
        if read(rest.encode())["verdict"] != "accepted":
            raise ValueError("no completion behind the challenge")
    if out.get("error") == "missing-challenge":
        # with a challenge it is a refusal
        challenge = "334 eD0x\r\n" if i["protocol"] == "smtp" else "+ eD0x\r\n"
        if read((challenge + i["received"]).encode())["verdict"] != "unavailable":
            raise ValueError("no completion behind the challenge")
    return result, middle, out


def check_serve(i):
    def judge(message):
        iky.known(i["verdict"], tuple(profiles.CODES["imap"]))
        return i["verdict"], i["answer"].encode() if "answer" in i else None

    seen = {}

    def read(octets):
        seen.clear()
        return profiles.serve(i["protocol"], [i["listed"]], octets, judge, seen)

    middle = {}
    out = read(received_of(i, middle, read))
    middle.update(seen)
    return "valid" if out["accepted"] else "invalid", middle, out


def check_ldap_request(i):
    return "valid", {}, {"pdu": profiles.ldap_request(i["message_id"], i["mechanism"], i["message"]).hex()}


def check_ldap_response(i):
    seen = {}

    def read(octets):
        seen.clear()
        out = profiles.ldap_response(i["message_id"], octets, seen)
        return out

    result, middle, out = check_read(read, i, "IKY-SHA-256-EXPR", binary=True)
    return result, dict(middle, **seen), out


def check_xmpp_request(i):
    return check_read(profiles.xmpp_request, i, None)


def check_xmpp_answer(i):
    return check_read(lambda octets: profiles.xmpp_answer(i["version"], octets), i, "IKY-SHA-256-EXPR")


def check_ht_name(i):
    name = i["name"]
    middle = {"parts": ht.split(name)}
    try:
        m = ht.Mechanism(name)
    except ht.UnknownName as e:
        return "invalid", middle, {"error": str(e)}
    return "valid", middle, {"mechanism": m.name, "hashed_token_octets": m.octets}


def check_ht_channel(i):
    m, channel = ht.Mechanism(i["mechanism"]), i["channel"]
    reasons = ht.against(m, channel)
    given = [channel[name] for name, _ in ht.BINDINGS.values() if name is not None and name in channel]
    middle = {"against": reasons, "value": given[0] if given else None}
    if reasons:
        return "invalid", middle, {"error": reasons[0]}
    return "valid", middle, {"binding": ht.value_of(m, channel).hex()}


def check_ht_token(i):
    token = ht.Token(i)
    middle = {"id_input": token.id_input.hex(), "text_input": token.text_input.hex()}
    return "valid", middle, {"id": token.id.hex(), "text": token.text}


def check_ht_token_id(i):
    parts = ("service", "server_name", "authcid", "client_id")
    out = {who: ht.token_id(*(i[who][part] for part in parts)).hex() for who in ("one", "other")}
    return "valid" if out["one"] == out["other"] else "invalid", {}, out


def ht_pairs(m, values, name):
    """Pairs are there in HT2, and nowhere else."""
    if (name in values) != m.has_pairs:
        raise ValueError("pairs are for HT2: " + name)
    return values[name] if m.has_pairs else None


def check_ht_foreign(i):
    m, key, binding = ht.Mechanism(i["mechanism"]), i["token"].encode(), i.hex("binding")
    own, theirs = ht_pairs(m, i, "pairs"), ht_pairs(m, i, "answer_pairs")
    first, second = ht.hash_input("Initiator", binding, own), ht.hash_input("Responder", binding, theirs)
    message = ht.initiator(i["authcid"], own, m.hmac(key, first))
    ht.read_initiator(m, message)
    answer = ht.success(theirs, m.hmac(key, second))
    if ht.judge(m, key, binding, answer, True)[0] != "logged-in":
        raise ValueError("the client does not take the server's answer")
    middle = {"initiator_data": first.hex(), "responder_data": second.hex()}
    return "valid", middle, {"initiator": message.hex(), "responder": answer.hex()}


def check_ht_elsewhere(i):
    m, key, binding = ht.Mechanism(i["mechanism"]), i["token"].encode(), i.hex("binding")
    answer = m.hmac(key, ht.hash_input("Responder", i.hex("other_binding"), None))
    right = m.hmac(key, ht.hash_input("Responder", binding, None))
    what, _ = ht.judge(m, key, binding, answer, True)
    out = {"client": what, "other": answer.hex()}
    return "valid" if what == "logged-in" else "invalid", {"right": right.hex()}, out


def check_ht_attempt(i):
    token, c, s = ht.Token(i["token"]), i["client"], i["server"]
    spoken, named = ht.Mechanism(c["mechanism"]), ht.Mechanism(s["mechanism"])
    channel, pairs = s["channel"], ht_pairs(spoken, c, "pairs")
    data = ht.hash_input("Initiator", c.hex("binding"), pairs)
    message = ht.initiator(c["authcid"], pairs, spoken.hmac(c.get("token", token.text).encode(), data))

    def look_up(authcid):
        return ht.token_id(s["service"], s["server_name"], authcid, s["client_id"])

    def refusals(octets):
        return ht.refusals(named, octets, channel, token, look_up)

    binding = ht.value_of(named, channel)
    right = None
    if binding is not None:
        right = named.hmac(token.text.encode(), ht.hash_input("Initiator", binding, pairs)).hex()
    middle = {
        "against": ht.against(named, channel),
        "asked_id": look_up(c["authcid"]).hex(),
        "initiator_data": data.hex(),
        "message": message.hex(),
        "right": right,
        "token": token.text,
        "token_id": token.id.hex(),
    }
    received = message
    if "edit" in i:
        if refusals(message):
            raise ValueError("refused before it is edited")
        received = edited(message, i["edit"])
        middle["received"] = received.hex()
    middle["refusals"] = refusals(received)
    if not middle["refusals"]:
        theirs = ht_pairs(named, s, "pairs")
        data = ht.hash_input("Responder", binding, theirs)
        middle["responder_data"] = data.hex()
        answer = ht.success(theirs, named.hmac(token.text.encode(), data))
        if ht.judge(named, token.text.encode(), binding, answer, True) != ("logged-in", theirs or ""):
            raise ValueError("the client does not take the server's answer")
        return "valid", middle, {"outcome": "accepted", "responder": answer.hex(), "server": "accepted"}
    outcome = ht.OUTCOMES[middle["refusals"][0][0]]
    out = {"outcome": outcome, "server": "malformed" if outcome == "malformed" else "refused"}
    if named.has_pairs:
        out["responder"] = ht.failure("other-error" if outcome == "malformed" else "invalid-token").hex()
    return "invalid", middle, out


def check_ht_answer(i):
    m, key, binding = ht.Mechanism(i["mechanism"]), i["token"].encode(), i.hex("binding")
    pairs, kind = ht_pairs(m, i, "pairs"), iky.known(i["answer"], ("nothing", "success", "failure"))
    message = ht.initiator(i["authcid"], pairs, m.hmac(key, ht.hash_input("Initiator", binding, pairs)))
    answer = None
    if kind == "success":
        theirs = ht_pairs(m, i, "answer_pairs")
        answer = ht.success(theirs, m.hmac(key, ht.hash_input("Responder", binding, theirs)))
    elif kind == "failure":
        answer = ht.failure(i["reason"])
    middle = {"answer": answer and answer.hex(), "message": message.hex()}
    received = answer
    if "edit" in i:
        received = edited(answer, i["edit"])
        middle["received"] = received.hex()
    accepts = truth(i["protocol_accepts"])
    what, detail = ht.judge(m, key, binding, received, accepts)
    middle["contradicts"] = bool(received) and (m.has_pairs and received[0] == 1) == accepts
    out = {"client": what}
    if what == "logged-in" and m.has_pairs:
        out["pairs"] = detail
    if what == "failed":
        out["reason"] = detail
    return "valid" if what == "logged-in" else "invalid", middle, out


CHECKS = {
    ("external.json", "external"): check_external,
    ("ht-prosody-13.0.1.json", "ht-elsewhere"): check_ht_elsewhere,
    ("ht-prosody-13.0.1.json", "ht-foreign"): check_ht_foreign,
    ("ht-published.json", "ht-foreign"): check_ht_foreign,
    ("ht.json", "ht-answer"): check_ht_answer,
    ("ht.json", "ht-channel"): check_ht_channel,
    ("ht.json", "ht-exchange"): check_ht_attempt,
    ("ht.json", "ht-foreign"): check_ht_foreign,
    ("ht.json", "ht-malformed"): check_ht_attempt,
    ("ht.json", "ht-name"): check_ht_name,
    ("ht.json", "ht-refused"): check_ht_attempt,
    ("ht.json", "ht-token"): check_ht_token,
    ("ht.json", "ht-token-id"): check_ht_token_id,
    ("iky-messages.json", "initiator"): check_initiator,
    ("iky-messages.json", "malformed-initiator"): check_malformed_initiator,
    ("iky-messages.json", "responder-message"): check_responder_message,
    ("iky-messages.json", "malformed-responder"): check_malformed_responder,
    ("iky-outcomes.json", "decision"): check_decision,
    ("iky.json", "derive"): check_derive,
    ("iky.json", "grant"): check_derive,
    ("iky.json", "agree"): check_agree,
    ("iky.json", "exchange"): check_decision,
    ("iky.json", "responder"): check_responder,
    ("offer-hash.json", "offer-hash"): check_offer_hash,
    ("origins.json", "origin"): check_origin,
    ("primitives.json", "hkdf"): check_hkdf,
    ("primitives.json", "hmac"): check_hmac,
    ("primitives.json", "ed25519"): check_ed25519,
    ("profile.json", "codes"): check_codes,
    ("profile.json", "advertise"): check_advertise,
    ("profile.json", "offer"): check_offer,
    ("profile.json", "command"): check_command,
    ("profile.json", "answer"): check_answer,
    ("profile.json", "serve"): check_serve,
    ("profile.json", "ldap-request"): check_ldap_request,
    ("profile.json", "ldap-response"): check_ldap_response,
    ("profile.json", "xmpp-request"): check_xmpp_request,
    ("profile.json", "xmpp-answer"): check_xmpp_answer,
    ("sealed.json", "aes-gcm"): check_aes_gcm,
    ("sealed.json", "seal"): check_seal,
    ("sealed.json", "sealed-exchange"): check_sealed,
    ("sealed.json", "sealed-refused"): check_sealed,
    ("sealed.json", "sealed-renewal"): check_sealed,
    ("tls-exporter-rfc8448.json", "tls-exporter"): check_tls_exporter,
    ("tls-exporter-rfc8448.json", "not-tls-exporter"): check_not_tls_exporter,
    ("tls-server-end-point.json", "end-point"): check_end_point,
    ("tls-server-end-point.json", "no-end-point"): check_no_end_point,
    ("tls-server-end-point.json", "not-a-certificate"): check_not_a_certificate,
    ("tls-server-end-point.json", "other-certificate"): check_other_certificate,
    ("window.json", "window"): check_window,
}


def differences(path, computed, given):
    if isinstance(computed, dict) and isinstance(given, dict):
        for name in sorted(set(computed) | set(given)):
            if name not in given:
                yield "%s.%s: computed %s, and not in the vector" % (path, name, json.dumps(computed[name]))
            elif name not in computed:
                yield "%s.%s: in the vector, and not computed" % (path, name)
            else:
                yield from differences(path + "." + name, computed[name], given[name])
    elif not same(computed, given):
        yield "%s: computed %s, the vector has %s" % (path, json.dumps(computed), json.dumps(given))


BASES = ("message", "certificate", "received")


def bases_of(document):
    """What the valid cases of a file have for input: an edit alters one of these."""
    found = set()
    for group in document["groups"]:
        for case in group["cases"]:
            if case["result"] == "valid" and "edit" not in case["inputs"]:
                found |= {case["inputs"][name] for name in BASES if name in case["inputs"]}
    return found


def case_errors(file_name, group_type, case, bases):
    """What is wrong with a case, computing it anew.  Nothing, if nothing is wrong."""
    if "edit" in case["inputs"]:
        for name in BASES:
            if name in case["inputs"] and case["inputs"][name] not in bases:
                return ["inputs.%s: an edit of what no valid case has" % name]
    inputs = Inputs(case["inputs"])
    try:
        result, middle, out = CHECKS[file_name, group_type](inputs)
    except Exception as e:  # whatever the inputs make of the code: it is a failure
        return ["%s: %s" % (type(e).__name__, e)]
    errors = list(differences("result", result, case["result"]))
    errors += differences("intermediates", middle, case.get("intermediates", {}))
    errors += differences("outputs", out, case["outputs"])
    if not errors:
        errors += ["%s: nothing depends on it" % name for name in inputs.unused()]
    return errors


def load(path):
    def no_duplicates(pairs):
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            raise ValueError("a name twice in an object")
        return dict(pairs)

    return json.loads(path.read_text("utf-8"), object_pairs_hook=no_duplicates)


def verify_file(path):
    """How many cases are verified, and what is wrong."""
    document, errors, verified = load(path), [], 0
    schema_path = VECTORS / "schemas" / (path.stem + ".schema.json")
    schema = load(schema_path)
    if document.get("schema") != "schemas/" + schema_path.name:
        errors.append("another schema is named")
    errors += list(schema_errors(schema, document, schema))
    ids = [case["id"] for group in document["groups"] for case in group["cases"]]
    if len(set(ids)) != len(ids):
        errors.append("an id twice")
    bases = bases_of(document)
    for group in document["groups"]:
        kind = (path.name, group["type"])
        for case in group["cases"]:
            where = "%s %s" % (group["type"], case["id"])
            if kind not in CHECKS:
                errors.append(where + ": unknown type of group")
                continue
            wrong = case_errors(path.name, group["type"], case, bases)
            if wrong:
                errors.append("%s (%s): %s" % (where, case["note"], "; ".join(wrong)))
            else:
                verified += 1
    return verified, errors


def main(arguments):
    verbose = "-v" in arguments
    chosen = [a for a in arguments if a != "-v"]
    present = sorted(p.name for p in VECTORS.glob("*.json"))
    names = chosen or sorted(set(present) | set(FILES))
    passed = failed = 0
    for name in names:
        path = VECTORS / pathlib.Path(name).name
        try:
            if path.name not in FILES:
                raise ValueError("unknown file")
            verified, errors = verify_file(path)
        except Exception as e:
            verified, errors = 0, ["%s: %s" % (type(e).__name__, e)]
        passed += verified
        failed += len(errors)
        print("%s: %d verified%s" % (path.name, verified, ", %d failed" % len(errors) if errors else ""))
        for error in errors:
            print("  " + (error if verbose else error[:400]))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
