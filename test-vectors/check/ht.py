"""HT and HT2, and the tokens of this project's server.

Written from draft-schmaus-kitten-sasl-ht-09, draft-ietf-kitten-sasl-ht-02 and the formulas in this project's draft, and not
from the Rust code beside it.  Python's standard library is all it needs.
"""

import base64
import hashlib
import hmac as hmac_module
import re

from iky import lp, not_private

# ------------------------------------------------------------------ names

HASHES = {
    "SHA-256": "sha256",
    "SHA-384": "sha384",
    "SHA-512": "sha512",
    "SHA3-256": "sha3_256",
    "SHA3-512": "sha3_512",
}
SPELLINGS = {"SHA-3-256": "SHA3-256", "SHA-3-512": "SHA3-512"}
# what carries it in a vector, and what is missing without it
BINDINGS = {
    "NONE": (None, None),
    "ENDP": ("tls_server_end_point", "no-end-point"),
    "UNIQ": ("tls_unique", "no-unique"),
    "EXPR": ("tls_exporter", "no-exporter"),
}


class UnknownName(Exception):
    pass


class Mechanism:
    """`parts` of a name that is none are there as well: see `split`."""

    def __init__(self, name):
        self.family, hash_name, self.binding = split(name)
        if self.family not in ("HT", "HT2"):
            raise UnknownName("family")
        self.hash_name = SPELLINGS.get(hash_name, hash_name)
        if self.hash_name not in HASHES:
            raise UnknownName("hash")
        if self.binding not in BINDINGS:
            raise UnknownName("binding")
        self.name = "-".join((self.family, self.hash_name, self.binding))
        self.has_pairs = self.family == "HT2"
        self.octets = hashlib.new(HASHES[self.hash_name]).digest_size

    def hmac(self, key, data):
        return hmac_module.new(key, data, HASHES[self.hash_name]).digest()


def split(name):
    """What is ahead of the first hyphen, what is behind the last one, and what is between."""
    family, _, rest = name.partition("-")
    hash_name, hyphen, binding = rest.rpartition("-")
    return [family, hash_name, binding] if hyphen else [family, rest, ""]


# ------------------------------------------------------------------ tokens


def token_id_input(service, server_name, authcid, client_id):
    return b"".join(lp(part) for part in ("FAST client v1", service, server_name, authcid, client_id))


def token_id(service, server_name, authcid, client_id):
    return hashlib.sha256(token_id_input(service, server_name, authcid, client_id)).digest()[:16]


class Token:
    """The token that this project's server makes from its key and a salt."""

    def __init__(self, t):
        for name in ("service_key", "salt"):
            if len(t.hex(name)) != 32:
                raise ValueError(name + " has 32 octets")
        self.mechanism = Mechanism(t["mechanism"])
        who = t["service"], t["server_name"], t["authcid"], t["client_id"]
        self.id_input = token_id_input(*who)
        self.id = token_id(*who)
        self.text_input = lp("FAST token v1") + lp(self.id) + lp(self.mechanism.name) + lp(t.hex("salt"))
        octets = hmac_module.new(t.hex("service_key"), self.text_input, "sha256").digest()
        self.text = base64.urlsafe_b64encode(octets).decode("ascii").rstrip("=")


# ------------------------------------------------------------------ channels


def value_of(mechanism, channel):
    """What the TLS stack gives for this binding, whether or not that may be used: None if it gives nothing."""
    name = BINDINGS[mechanism.binding][0]
    if name is None:
        return b""
    return channel.hex(name) if name in channel else None


def against(mechanism, channel):
    """Why a connection can't carry this mechanism; nothing if it can."""
    if channel["tls"] not in ("1.2", "1.3"):
        raise ValueError("a version of TLS that is not considered")
    asked = dict(channel, tickets="stateful")  # tickets are no matter of HT
    reasons = not_private(asked)
    for name in ("forward_secret", "extended_master_secret"):
        if not isinstance(channel.get(name, True), bool):
            raise ValueError(name)
    if mechanism.binding == "UNIQ" and channel["tls"] != "1.2":
        reasons.append("not-tls-1.2")
    if value_of(mechanism, channel) is None:
        reasons.append(BINDINGS[mechanism.binding][1])
    return reasons


# ------------------------------------------------------------------ messages


class Malformed(Exception):
    pass


_PAIRS = re.compile(rb"(?:[A-Za-z0-9/+_-]+=[A-Za-z0-9/+_-]+(?:,[A-Za-z0-9/+_-]+=[A-Za-z0-9/+_-]+)*)?")


def check_pairs(octets):
    if len(octets) > 1024 or not _PAIRS.fullmatch(octets):
        raise Malformed("pairs")
    keys = [pair.partition(b"=")[0] for pair in octets.split(b",")]
    if len(set(keys)) != len(keys):
        raise Malformed("pairs")


def hash_input(label, binding, pairs):
    """`pairs` is None in HT."""
    return label.encode("ascii") + binding + (pairs or "").encode("utf-8")


def initiator(authcid, pairs, hashed):
    middle = b"" if pairs is None else pairs.encode("utf-8") + b"\0"
    return authcid.encode("utf-8") + b"\0" + middle + hashed


def success(pairs, hashed):
    return hashed if pairs is None else b"\0" + pairs.encode("utf-8") + b"\0" + hashed


def failure(reason):
    return b"\x01" + reason.encode("utf-8")


def tail(mechanism, octets):
    """What both messages end with: pairs (HT2) and hashed token."""
    pairs, hashed = b"", octets
    if mechanism.has_pairs:
        pairs, nul, hashed = octets.partition(b"\0")
        if not nul:
            raise Malformed("no-nul")
        check_pairs(pairs)
    if len(hashed) != mechanism.octets:
        raise Malformed("hashed-token-length")
    return pairs, hashed


def read_initiator(mechanism, octets):
    """Authcid, pairs (octets) and hashed token."""
    authcid, nul, rest = octets.partition(b"\0")
    if not nul:
        raise Malformed("no-nul")
    if not authcid:
        raise Malformed("no-authcid")
    if len(authcid) > 255:
        raise Malformed("authcid-length")
    try:
        authcid = authcid.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("authcid-not-utf-8") from None
    return (authcid, *tail(mechanism, rest))


# ------------------------------------------------------------------ the server

OUTCOMES = {
    "malformed": "malformed",
    "channel": "binding-mismatch",
    "unknown": "stale",
    "pin": "bad-proof",
    "hashed-token": "bad-proof",
}


def refusals(mechanism, octets, channel, token, look_up):
    """Everything that speaks against a message; `look_up` gives the id that is asked for, for an authcid."""
    try:
        authcid, pairs, hashed = read_initiator(mechanism, octets)
    except Malformed as e:
        return [["malformed", str(e)]]
    found = [["channel", reason] for reason in against(mechanism, channel)]
    if look_up(authcid) != token.id:
        found.append(["unknown"])
    if mechanism.name != token.mechanism.name:
        found.append(["pin", mechanism.name, token.mechanism.name])
    binding = value_of(mechanism, channel)
    right = None
    if binding is not None:
        right = mechanism.hmac(token.text.encode("ascii"), b"Initiator" + binding + pairs)
    if right is None or not hmac_module.compare_digest(right, hashed):
        found.append(["hashed-token"])
    return found


# ------------------------------------------------------------------ the client


def reason_of(octets):
    """The reason of a failure; None where it is not 1*SAFE."""
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if text and "\0" not in text else None


def judge(mechanism, key, binding, received, protocol_accepts):
    """What a client makes of an answer (None or empty if there is none), and the pairs or the reason in it."""
    received = received or b""
    failed = mechanism.has_pairs and received[:1] == b"\x01"
    if failed or not protocol_accepts:
        return "failed", reason_of(received[1:]) if failed else None
    if not received:
        return "missing", None
    try:
        if mechanism.has_pairs and received[:1] != b"\0":
            raise Malformed("status")
        pairs, hashed = tail(mechanism, received[1:] if mechanism.has_pairs else received)
    except Malformed:
        return "malformed", None
    right = mechanism.hmac(key, b"Responder" + binding + pairs)
    if not hmac_module.compare_digest(right, hashed):
        return "wrong", None
    return "logged-in", pairs.decode("ascii")
