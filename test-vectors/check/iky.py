"""IKY and EXTERNAL on resumed TLS sessions, from the text of the Internet-Draft.

Written from draft/draft-fastreauth-kitten-sasl-iknowyou-00.txt alone, and not from the Rust code
beside it.  Section numbers are the draft's.  Python's standard library is all it needs.
"""

import base64
import functools
import hashlib
import hmac as hmac_module
import re

# ------------------------------------------------------------------ 7.1: the family


class Mechanism:
    def __init__(self, name, hash_name, proof_octets, binding):
        self.name = name
        self.hash_name = hash_name
        self.proof_octets = proof_octets
        self.binding = binding  # the registered name of the channel binding, or None
        self.ed25519 = name == "IKY-ED25519-EXPR"

    @property
    def suffix(self):
        return self.name[-4:]

    @property
    def needs_counter(self):
        return self.suffix in ("ENDP", "NONE")

    @property
    def hash_octets(self):
        return digest_size(self.hash_name)

    @property
    def signature_octets(self):
        """IKY-ED25519-EXPR uses responder-256; elsewhere signature and proof are as long as H."""
        return self.hash_octets

    def hash(self, data):
        return digest(self.hash_name, data)

    def hmac(self, key, data):
        return hmac(self.hash_name, key, data)


HASHES = {"SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
BINDINGS = {"EXPR": "tls-exporter", "ENDP": "tls-server-end-point", "NONE": None}
MECHANISMS = {}
for _hash, _octets in (("SHA-256", 32), ("SHA-384", 48), ("SHA-512", 64)):
    for _suffix, _binding in BINDINGS.items():
        _name = "IKY-%s-%s" % (_hash, _suffix)
        MECHANISMS[_name] = Mechanism(_name, _hash, _octets, _binding)
MECHANISMS["IKY-ED25519-EXPR"] = Mechanism("IKY-ED25519-EXPR", "SHA-256", 64, "tls-exporter")


# ------------------------------------------------------------------ primitives


def digest_size(hash_name):
    return hashlib.new(HASHES[hash_name]).digest_size


def digest(hash_name, data):
    return hashlib.new(HASHES[hash_name], data).digest()


def hmac(hash_name, key, data):
    return hmac_module.new(key, data, HASHES[hash_name]).digest()


def hkdf_extract(hash_name, salt, ikm):
    return hmac(hash_name, salt if salt else bytes(digest_size(hash_name)), ikm)


def hkdf_expand(hash_name, prk, info, length):
    if length > 255 * digest_size(hash_name):
        raise ValueError("HKDF-Expand: too long")
    out, block, counter = b"", b"", 0
    while len(out) < length:
        counter += 1
        block = hmac(hash_name, prk, block + info + bytes([counter]))
        out += block
    return out[:length]


def xor(a, b):
    if len(a) != len(b):
        raise ValueError("xor of %d and %d octets" % (len(a), len(b)))
    return bytes(x ^ y for x, y in zip(a, b))


def uint32(n):
    return n.to_bytes(4, "big")


def lp(data):
    """6.2: the length as a four-octet unsigned integer in network byte order, and the octets."""
    if isinstance(data, str):
        data = data.encode("utf-8")
    return uint32(len(data)) + data


def equal(a, b):
    """In a time that does not depend on the contents."""
    return hmac_module.compare_digest(a, b)


# ------------------------------------------------------------------ Ed25519 (RFC 8032 section 5.1)

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_SQRT_M1 = pow(2, (_P - 1) // 4, _P)


def _add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % _P
    b = (p[1] + p[0]) * (q[1] + q[0]) % _P
    c = 2 * p[3] * q[3] * _D % _P
    d = 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _mul(s, p):
    q = (0, 1, 1, 0)
    while s > 0:
        if s & 1:
            q = _add(q, p)
        p = _add(p, p)
        s >>= 1
    return q


def _same(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % _P == 0 and (p[1] * q[2] - q[1] * p[2]) % _P == 0


def _recover_x(y, sign):
    if y >= _P:
        return None
    x2 = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    if x2 == 0:
        return None if sign else 0
    x = pow(x2, (_P + 3) // 8, _P)
    if (x * x - x2) % _P:
        x = x * _SQRT_M1 % _P
    if (x * x - x2) % _P:
        return None
    return _P - x if x & 1 != sign else x


_GY = 4 * pow(5, _P - 2, _P) % _P
_GX = _recover_x(_GY, 0)
_G = (_GX, _GY, 1, _GX * _GY % _P)


def _compress(p):
    z = pow(p[2], _P - 2, _P)
    x, y = p[0] * z % _P, p[1] * z % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decompress(octets):
    y = int.from_bytes(octets, "little")
    sign = y >> 255
    y &= (1 << 255) - 1
    x = _recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % _P)


def _sha512_int(data):
    return int.from_bytes(hashlib.sha512(data).digest(), "little")


def _expand_secret(secret):
    if len(secret) != 32:
        raise ValueError("an Ed25519 private key has 32 octets")
    h = hashlib.sha512(secret).digest()
    a = int.from_bytes(h[:32], "little")
    a &= (1 << 254) - 8
    a |= 1 << 254
    return a, h[32:]


@functools.lru_cache(maxsize=65536)
def ed25519_public(secret):
    return _compress(_mul(_expand_secret(secret)[0], _G))


@functools.lru_cache(maxsize=65536)
def ed25519_sign(secret, message):
    a, prefix = _expand_secret(secret)
    public = ed25519_public(secret)
    r = _sha512_int(prefix + message) % _L
    big_r = _compress(_mul(r, _G))
    k = _sha512_int(big_r + public + message) % _L
    return big_r + ((r + k * a) % _L).to_bytes(32, "little")


@functools.lru_cache(maxsize=65536)
def ed25519_verify(public, message, signature):
    if len(public) != 32 or len(signature) != 64:
        return False
    a, r = _decompress(public), _decompress(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= _L:
        return False
    k = _sha512_int(signature[:32] + public + message) % _L
    return _same(_mul(s, _G), _add(r, _mul(k, a)))


# ------------------------------------------------------------------ 4.1: TLS

EXPORTER_BINDING = "EXPORTER-Channel-Binding"
EXPORTER_SEED = "EXPORTER-SASL-IKY"
EXPORTER_LINEAGE = "EXPORTER-SASL-IKY-Lineage"
EXPORTER_RENEW = "EXPORTER-SASL-IKY-Renew"


def tls13_expand_label(hash_name, secret, label, context, length):
    full = b"tls13 " + label.encode("ascii")
    info = length.to_bytes(2, "big") + bytes([len(full)]) + full + bytes([len(context)]) + context
    return hkdf_expand(hash_name, secret, info, length)


def tls13_exporter_master_secret(hash_name, master_secret, transcript_hash):
    return tls13_expand_label(hash_name, master_secret, "exp master", transcript_hash, digest_size(hash_name))


def tls13_exporter(hash_name, exporter_master_secret, label, context, length):
    """RFC 8446 section 7.5: the secret derived for the label, and the value."""
    derived = tls13_expand_label(
        hash_name, exporter_master_secret, label, digest(hash_name, b""), digest_size(hash_name)
    )
    return derived, tls13_expand_label(hash_name, derived, "exporter", digest(hash_name, context), length)


class NotACertificate(Exception):
    pass


class NoEndPoint(Exception):
    """`reason`: "undefined" by RFC 5929, or a hash function that is not here ("unsupported-hash")."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


def der_read(octets, at, end):
    """One element of DER: its tag, where its contents begin and end."""
    if at + 2 > end:
        raise NotACertificate("truncated")
    tag, length, at = octets[at], octets[at + 1], at + 2
    if tag & 0x1F == 0x1F:
        raise NotACertificate("a tag of several octets")
    if length == 0x80:
        raise NotACertificate("indefinite length")
    if length & 0x80:
        n = length & 0x7F
        if n > 4 or at + n > end or octets[at] == 0:
            raise NotACertificate("length")
        length, at = int.from_bytes(octets[at : at + n], "big"), at + n
        if length < 0x80:
            raise NotACertificate("a longer length than needed")
    if at + length > end:
        raise NotACertificate("truncated")
    return tag, at, at + length


def der_items(octets, at, end):
    items = []
    while at < end:
        tag, begin, stop = der_read(octets, at, end)
        items.append((tag, begin, stop, at))
        at = stop
    return items


def der_oid(octets):
    if not octets or octets[-1] & 0x80:
        raise NotACertificate("object identifier")
    arcs, n, fresh = [], 0, True
    for o in octets:
        if fresh and o == 0x80:
            raise NotACertificate("object identifier")
        n, fresh = n << 7 | o & 0x7F, not o & 0x80
        if fresh:
            arcs.append(n)
            n = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(a) for a in [first, arcs[0] - 40 * first] + arcs[1:])


RSA = "1.2.840.113549.1.1."
SIGNATURE_HASHES = {
    RSA + "4": "MD5",
    RSA + "5": "SHA-1",
    RSA + "11": "SHA-256",
    RSA + "12": "SHA-384",
    RSA + "13": "SHA-512",
    RSA + "14": "SHA-224",
    "1.2.840.10045.4.1": "SHA-1",
    "1.2.840.10045.4.3.1": "SHA-224",
    "1.2.840.10045.4.3.2": "SHA-256",
    "1.2.840.10045.4.3.3": "SHA-384",
    "1.2.840.10045.4.3.4": "SHA-512",
    "2.16.840.1.101.3.4.3.9": "SHA3-224",
    "2.16.840.1.101.3.4.3.10": "SHA3-256",
    "2.16.840.1.101.3.4.3.11": "SHA3-384",
    "2.16.840.1.101.3.4.3.12": "SHA3-512",
}
DIGESTS = {
    "1.3.14.3.2.26": "SHA-1",
    "2.16.840.1.101.3.4.2.1": "SHA-256",
    "2.16.840.1.101.3.4.2.2": "SHA-384",
    "2.16.840.1.101.3.4.2.3": "SHA-512",
    "2.16.840.1.101.3.4.2.4": "SHA-224",
}
RSASSA_PSS = RSA + "10"
MGF1 = RSA + "8"


class Certificate:
    """As much of a certificate (RFC 5280) as its tls-server-end-point takes."""

    def __init__(self, octets):
        self.octets = octets
        tag, begin, end = der_read(octets, 0, len(octets))
        if tag != 0x30 or end != len(octets):
            raise NotACertificate("not one SEQUENCE")
        parts = der_items(octets, begin, end)
        if [p[0] for p in parts] != [0x30, 0x30, 0x03]:
            raise NotACertificate("not a certificate's parts")
        self.tbs = octets[parts[0][1] : parts[0][2]]
        self.signature = octets[parts[2][1] : parts[2][2]]
        algorithm = der_items(octets, parts[1][1], parts[1][2])
        if not 1 <= len(algorithm) <= 2 or algorithm[0][0] != 0x06:
            raise NotACertificate("AlgorithmIdentifier")
        self.signature_algorithm = der_oid(octets[algorithm[0][1] : algorithm[0][2]])
        self.parameters = octets[algorithm[0][2] : parts[1][2]]

    def signature_hash(self):
        """The hash function of the certificate's signature, by its name."""
        if self.signature_algorithm == RSASSA_PSS:
            return self._pss_hash()
        if self.signature_algorithm not in SIGNATURE_HASHES:
            raise NoEndPoint("undefined")
        return SIGNATURE_HASHES[self.signature_algorithm]

    def _digest_of(self, begin, end):
        o = self.parameters
        items = der_items(o, begin, end)
        if not items or items[0][0] != 0x06:
            raise NoEndPoint("undefined")
        return der_oid(o[items[0][1] : items[0][2]]), items[1:]

    def _pss_hash(self):
        o = self.parameters
        tag, begin, end = der_read(o, 0, len(o))
        if tag != 0x30 or end != len(o):
            raise NoEndPoint("undefined")
        hash_oid = mask_oid = "1.3.14.3.2.26"  # RFC 8017: SHA-1 by default, for both
        for tag, begin, stop, _ in der_items(o, begin, end):
            if tag not in (0xA0, 0xA1):
                continue
            inner = der_items(o, begin, stop)
            if len(inner) != 1 or inner[0][0] != 0x30:
                raise NoEndPoint("undefined")
            oid, rest = self._digest_of(inner[0][1], inner[0][2])
            if tag == 0xA0:
                hash_oid = oid
            else:
                if oid != MGF1 or len(rest) != 1 or rest[0][0] != 0x30:
                    raise NoEndPoint("undefined")
                mask_oid = self._digest_of(rest[0][1], rest[0][2])[0]
        if hash_oid != mask_oid or hash_oid not in DIGESTS:
            raise NoEndPoint("undefined")  # more than one hash function, or an unknown one
        return DIGESTS[hash_oid]

    def binding_hash(self):
        name = self.signature_hash()
        if name in ("MD5", "SHA-1"):
            return "SHA-256"
        if name not in HASHES:
            raise NoEndPoint("unsupported-hash")
        return name

    def end_point(self):
        return digest(self.binding_hash(), self.octets)


TLS_VERSIONS = ("1.2", "1.3")
TICKETS = ("stateful", "stateless")


def known(value, values):
    if value not in values:
        raise ValueError("%r is none of %r" % (value, values))
    return value


def not_private(channel):
    """4.2: why the keys of a connection do not belong to its two ends alone; nothing if they do.

    What is not known is taken as unfavourable (4.1).
    """
    reasons = []
    version = known(channel["tls"], TLS_VERSIONS)
    tickets = known(channel.get("tickets", "stateless"), TICKETS)
    if version == "1.2" and not channel.get("extended_master_secret", False):
        reasons.append("no-extended-master-secret")
    if not channel.get("forward_secret", False):
        reasons.append("no-forward-secrecy")
    if version == "1.2" and tickets != "stateful":
        reasons.append("tls12-stateless-tickets")
    return reasons


def has_exporter(channel):
    return "tls_exporter" in channel or bool(channel.get("exporter", False))


def cannot_carry(mechanism, channel, exporter):
    """7.2: private, and the channel binding is available."""
    reasons = not_private(channel)
    if mechanism.suffix == "EXPR" and not exporter:
        reasons.append("no-exporter")
    if mechanism.suffix == "ENDP" and "tls_server_end_point" not in channel:
        reasons.append("no-end-point")
    return reasons


def cb_data(mechanism, channel):
    """7.4: None where the binding is not available."""
    if mechanism.suffix == "EXPR":
        return channel.get("early_exporter" if channel.get("early_data", False) else "tls_exporter")
    if mechanism.suffix == "ENDP":
        return channel.get("tls_server_end_point")
    return b""


def flags(mechanism, channel):
    """7.4: one octet."""
    if mechanism.suffix != "EXPR":
        return 0
    return (1 if channel.get("resumed", False) else 0) | (2 if channel.get("early_data", False) else 0)


# ------------------------------------------------------------------ 6.1: origins

STRENGTHS = ("unbound", "disclosed", "keyed", "bound")
DISCLOSING = ("PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2")
BINDING_TYPES = ("", "tls-exporter", "tls-server-end-point", "tls-unique")


def rank(strength):
    return STRENGTHS.index(strength)


def origin_of(full_mechanism, full_binding, keyed):
    if full_mechanism in DISCLOSING:
        return "disclosed"
    if full_mechanism == "EXTERNAL" and full_binding == "":
        return "bound"
    if full_mechanism.endswith("-PLUS") and full_binding:
        return "bound"
    return "keyed" if keyed else "unbound"


def session_strength(mechanism, origin, with_lineage, predecessor, early=False):
    """Table 1, for IKY."""
    if mechanism.suffix == "EXPR" and not early:
        return origin
    if not with_lineage or predecessor is None:
        return "unbound"
    return STRENGTHS[min(rank(origin), rank(predecessor))]


def full_login_strength(origin):
    """Table 1, for a full authentication."""
    return "unbound" if origin == "keyed" else known(origin, STRENGTHS)


# ------------------------------------------------------------------ 6.2: derived assertions


def derivation_context(mechanism, service, server_name, full_mechanism, full_binding, login_name, ordinal):
    if len(login_name.encode("utf-8")) > 255 or "\0" in login_name:
        raise ValueError("no assertion for this login name")
    known(full_binding, BINDING_TYPES)
    return mechanism.hash(
        lp("IKY derive v1")
        + lp(mechanism.name)
        + lp(service)
        + lp(server_name)
        + lp(full_mechanism)
        + lp(full_binding)
        + lp(login_name)
        + lp("c")
        + lp(uint32(ordinal))
    )


class Keys:
    """id, ClientKey (or signing key), StoredKey and ServerKey of a PRK."""

    def __init__(self, mechanism, prk):
        h = mechanism.hash_name
        self.mechanism = mechanism
        self.prk = prk
        self.id = hkdf_expand(h, prk, b"id", 16)
        if mechanism.ed25519:
            self.client_key = hkdf_expand(h, prk, b"client signing key", 32)
            self.stored_key = ed25519_public(self.client_key)
        else:
            self.client_key = hkdf_expand(h, prk, b"client key", mechanism.hash_octets)
            self.stored_key = mechanism.hash(self.client_key)
        self.server_key = hkdf_expand(h, prk, b"server key", mechanism.hash_octets)


def derive(mechanism, context, seed, k_auth):
    if len(seed) != 32:
        raise ValueError("a seed has 32 octets")
    ikm = lp(seed) + lp(k_auth) + lp(context)
    return Keys(mechanism, hkdf_extract(mechanism.hash_name, b"IKY assertion v1", ikm))


class Renewal:
    """7.11: the successor's keys; `x` is the exporter's value or the granted octets."""

    def __init__(self, mechanism, server_key, transcript_hash, x):
        if len(x) != 32:
            raise ValueError("32 octets renew")
        self.salt = mechanism.hmac(server_key, lp("IKY renew") + lp(transcript_hash))
        self.seed = hkdf_extract(mechanism.hash_name, self.salt, x)
        ikm = lp(self.seed) + lp(b"") + lp(b"")
        self.keys = Keys(mechanism, hkdf_extract(mechanism.hash_name, b"IKY assertion v1", ikm))


# ------------------------------------------------------------------ 7.3: messages


class Malformed(Exception):
    pass


MAX_MESSAGE = 2048
_B64 = r"[A-Za-z0-9+/]"
_LAST_2 = r"[AQgw]"
_LAST_4 = r"[AEIMQUYcgkosw048]"
_OCTETS = {
    16: _B64 + "{21}" + _LAST_2 + "==",
    32: _B64 + "{42}" + _LAST_4 + "=",
    48: _B64 + "{64}",
    64: _B64 + "{85}" + _LAST_2 + "==",
}
_SEALED = "(?:%s{4}){0,127}(?:%s{4}|%s{2}%s=|%s%s==)" % (_B64, _B64, _B64, _LAST_4, _B64, _LAST_2)
_VALUE = r"[^\x00,]+"
_SASLNAME = r"(?:[^\x00,=]|=2C|=3D)+"
_COUNTER = r"[1-9][0-9]{0,19}"
_EXTENSION = r"[A-Zb-dgjkoqsuwyz]=%s" % _VALUE
_INITIATOR = re.compile(
    r"(?P<covered>(?P<flag>n|y|p=(?P<binding>[A-Za-z0-9.-]+)),"
    r"(?:a=(?P<authzid>%s))?,h=(?P<server_name>[a-z0-9\-_.:]{0,255}),(?:i=(?P<id>%s)|t=(?P<sealed>%s))"
    r"(?:,n=(?P<counter>%s))?(?P<lineage>,l=1)?(?:,f=(?P<offer>%s))?(?P<extensions>(?:,%s)*))"
    r",p=(?P<proof>[A-Za-z0-9+/=]+)" % (_SASLNAME, _OCTETS[16], _SEALED, _COUNTER, _OCTETS[16], _EXTENSION)
)
_SUCCESS = re.compile(
    r"(?P<covered>(?:x=(?P<seconds>0|%s),)?(?:r=(?P<renewal>1|%s),(?:t=(?P<sealed>%s),)?)?(?P<extensions>(?:%s,)*))"
    r"v=(?P<signature>[A-Za-z0-9+/=]+)" % (_COUNTER, _OCTETS[32], _SEALED, _EXTENSION)
)
_FAILURE = re.compile(r"e=(?P<reason>[A-Za-z0-9-]+)(?:,v=(?P<signature>[A-Za-z0-9+/=]+))?")


def b64(octets):
    return base64.b64encode(octets).decode("ascii")


def unb64(text):
    """Section 4 of RFC 4648: padded, canonical."""
    if isinstance(text, bytes):
        text = text.decode("ascii", "replace")
    if not re.fullmatch("(?:%s{4})*(?:|%s{2}%s=|%s%s==)" % (_B64, _B64, _LAST_4, _B64, _LAST_2), text):
        raise Malformed("base64")
    return base64.b64decode(text)


def _octets(text, length):
    if not re.fullmatch(_OCTETS[length], text):
        raise Malformed("base64 of %d octets" % length)
    return base64.b64decode(text)


def _text(message):
    if len(message) > MAX_MESSAGE:
        raise Malformed("longer than %d octets" % MAX_MESSAGE)
    try:
        text = message.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("not UTF-8") from None
    if "\0" in text:
        raise Malformed("NUL")
    return text


def _number(text):
    n = int(text)
    if n >= 2**64:
        raise Malformed("more than 2^64 - 1")
    return n


def _extensions(text, from_the_front):
    parts = text.split(",")
    parts = parts[1:] if from_the_front else parts[:-1]
    found = [(p[0], p[2:]) for p in parts]
    if len({letter for letter, _ in found}) != len(found):
        raise Malformed("an extension twice")
    return found


def escape(name):
    return name.replace("=", "=3D").replace(",", "=2C")


def unescape(name):
    return name.replace("=2C", ",").replace("=3D", "=")


class Initiator:
    """A client's message; a message that does not follow the grammar raises Malformed."""

    def __init__(self, mechanism, message):
        m = _INITIATOR.fullmatch(_text(message))
        if not m:
            raise Malformed("grammar")
        self.covered = m["covered"].encode("utf-8")
        self.flag_text = m["flag"]
        self.flag = m["flag"][0]
        self.binding = m["binding"]
        self.authzid = None if m["authzid"] is None else unescape(m["authzid"])
        self.server_name = m["server_name"]
        self.id = None if m["id"] is None else _octets(m["id"], 16)
        self.sealed = m["sealed"]
        if self.sealed is not None and self.authzid is None:
            raise Malformed("a sealed assertion needs an authzid")
        self.counter = None if m["counter"] is None else _number(m["counter"])
        self.lineage = m["lineage"] is not None
        self.offer = None if m["offer"] is None else _octets(m["offer"], 16)
        self.extensions = _extensions(m["extensions"], True)
        self.proof = _octets(m["proof"], mechanism.proof_octets)

    def check_counter(self, mechanism):
        if mechanism.needs_counter and self.counter is None:
            raise Malformed("no counter")


class Responder:
    """A server's message.  `covered` is what stands before the last "v="; None if there is none."""

    def __init__(self, mechanism, message):
        text = _text(message)
        self.seconds = self.renewal = self.sealed = self.reason = self.signature = self.covered = None
        self.extensions = []
        m = _FAILURE.fullmatch(text)
        self.success = m is None
        if m is None:
            m = _SUCCESS.fullmatch(text)
            if m is None:
                raise Malformed("grammar")
            self.seconds = None if m["seconds"] is None else _number(m["seconds"])
            if m["renewal"] is not None:
                self.renewal = 1 if m["renewal"] == "1" else _octets(m["renewal"], 32)
            self.sealed = m["sealed"]
            self.extensions = _extensions(m["extensions"], False)
        else:
            self.reason = m["reason"]
        if m["signature"] is not None:
            self.signature = _octets(m["signature"], mechanism.signature_octets)
            self.covered = text[: m.start("signature") - 2].encode("utf-8")


# ------------------------------------------------------------------ 7.4: proof and signature


def transcript(mechanism, service, flag_octet, binding, lineage, covered):
    """T."""
    return (
        lp("IKY initiator")
        + lp(mechanism.name)
        + lp(service)
        + lp(bytes([flag_octet]))
        + lp(binding)
        + lp(lineage)
        + lp(covered)
    )


def make_proof(mechanism, keys, t):
    if mechanism.ed25519:
        return ed25519_sign(keys.client_key, t)
    return xor(keys.client_key, mechanism.hmac(keys.stored_key, t))


def proof_is_right(mechanism, stored_key, t, proof):
    if mechanism.ed25519:
        return ed25519_verify(stored_key, t, proof)
    if len(stored_key) != mechanism.hash_octets:
        return False
    return equal(mechanism.hash(xor(mechanism.hmac(stored_key, t), proof)), stored_key)


def make_signature(mechanism, server_key, transcript_hash, proof, covered):
    return mechanism.hmac(server_key, lp("IKY responder") + lp(transcript_hash) + lp(proof) + lp(covered))


def sign_message(mechanism, server_key, transcript_hash, proof, covered):
    """`covered` ends with the comma, if there is one."""
    v = make_signature(mechanism, server_key, transcript_hash, proof, covered.encode("utf-8"))
    return covered + "v=" + b64(v)


def build_covered(
    mechanism, login_name, server_name, assertion_id, counter=None, lineage=False, offer=None, sealed=None
):
    gs2 = "n" if mechanism.binding is None else "p=" + mechanism.binding
    text = gs2 + "," + ("a=" + escape(login_name) if login_name else "")
    text += ",h=" + server_name + (",i=" + b64(assertion_id) if sealed is None else ",t=" + sealed)
    if mechanism.needs_counter:
        text += ",n=%d" % counter
    if lineage:
        text += ",l=1"
    if offer is not None:
        text += ",f=" + b64(offer)
    return text


# ------------------------------------------------------------------ 7.6: counters


class Window:
    """The highest counter accepted (bit 0) and which of the 63 below it were used."""

    WIDTH = 64

    def __init__(self, highest=0, used=0):
        self.highest = highest
        self.used = used

    def fresh(self, counter):
        if counter < 1:
            return False
        behind = self.highest - counter
        return behind < 0 or (behind < self.WIDTH and not self.used >> behind & 1)

    def accept(self, counter):
        if not self.fresh(counter):
            return False
        if counter > self.highest:
            step = counter - self.highest
            self.used = (self.used << step) & (2**self.WIDTH - 1) if step < self.WIDTH else 0
            self.highest = counter
        self.used |= 1 << (self.highest - counter)
        return True


# ------------------------------------------------------------------ 7.7: the offer hash


def offer_names(names):
    listed = {n.upper() for n in names} - {"EXTERNAL"}
    return sorted((n for n in listed if not n.startswith(("HT-", "HT2-"))), key=lambda n: n.encode("utf-8"))


def offer_hash(hash_name, names):
    return digest(hash_name, b"".join(lp(n) for n in offer_names(names)))[:16]


MOST_LISTED = 2  # Table 2


def listed_iky(iky_mechanisms, channel):
    """7.2: the first of the configured mechanisms that this connection can carry.

    Before the handshake is complete: those that it will be able to carry, whatever came as early data.
    """
    complete = channel.get("handshake_complete", False)
    exporter = has_exporter(channel) or not complete
    return [n for n in iky_mechanisms if not cannot_carry(MECHANISMS[n], channel, exporter)][:MOST_LISTED]


# ------------------------------------------------------------------ 7.8 and 8: the server

OUTCOMES = (
    "accepted",
    "stale",
    "revoked",
    "full-authentication-due",
    "configuration-changed",
    "binding-mismatch",
    "replayed",
    "bad-proof",
    "malformed",
    "unavailable",
)

# 7.8 step 4: a record that is not meant reads like one that is not there, but is counted as "wrong proof".
NOT_MEANT = "bad-proof"

# What is wrong, and the outcome of Table 6 that it comes to.
REFUSALS = {
    "no-counter": "malformed",
    "gs2-header": "binding-mismatch",
    "mechanism-not-configured": "binding-mismatch",
    "bound-through-manager": "binding-mismatch",
    "channel": "binding-mismatch",
    "handshaking": "binding-mismatch",
    "early-data": "binding-mismatch",
    "unknown": "stale",
    "seal-mechanism": "stale",
    "seal-version": "stale",
    "seal-key": "stale",
    "seal-account": "stale",
    "seal-open": "stale",
    "seal-other-account": "stale",
    "pin": NOT_MEANT,
    "service": NOT_MEANT,
    "server-name-of-the-record": NOT_MEANT,
    "server-name-of-the-server": NOT_MEANT,
    "server-name-in-tls": NOT_MEANT,
    "login-name": NOT_MEANT,
    "lineage-unknown": "stale",
    "lineage-without-resumption": NOT_MEANT,
    "lineage-identity": NOT_MEANT,
    "lineage-device": NOT_MEANT,
    "lineage-service": NOT_MEANT,
    "lineage-server-name": NOT_MEANT,
    "lineage-shared": NOT_MEANT,
    "lineage-revoked": NOT_MEANT,
    "lineage-expired": NOT_MEANT,
    "lineage-through-manager": NOT_MEANT,
    "lineage-without-value": NOT_MEANT,
    "proof": "bad-proof",
    "revoked": "revoked",
    "expired": "stale",
    "full-login-due": "full-authentication-due",
    "origin": "full-authentication-due",
    "lineage-required": "full-authentication-due",
    "offer": "configuration-changed",
    "replayed": "replayed",
}
STORE = {"lookup-unavailable": "unavailable", "commit-unavailable": "unavailable", "gone": "stale"}

# Refusals that are signed, and their reason (Table 5).  All others go unsigned.
SIGNED = {
    "revoked": "revoked",
    "expired": "expired",
    "full-login-due": "full-login-due",
    "origin": "full-login-due",
    "lineage-required": "full-login-due",
    "offer": "configuration-changed",
    "replayed": "replayed",
}
UNSIGNED = {"malformed": "malformed", "unavailable": "unavailable"}


class Record:
    """6.2.3: what the server keeps of an assertion."""

    def __init__(self, mechanism, service, server_name, login_name, keys, origin, identity, device, full_login, expires):
        self.mechanism = mechanism
        self.service = service
        self.server_name = server_name
        self.login_name = login_name
        self.id = keys.id
        self.stored_key = keys.stored_key
        self.server_key = keys.server_key
        self.origin = origin
        self.identity = identity
        self.device = device
        self.full_login = full_login
        self.expires = expires
        self.unused_until = None
        self.revoked = False
        self.window = Window()
        self.successors = []
        self.successor_used = False
        self.predecessor = None


class Decision:
    """What came of a message: `refusals` (the first decides), outcome, answer, what is made durable."""

    def __init__(self):
        self.refusals = []
        self.outcome = None
        self.answer = None
        self.commit = None
        self.successor = None
        self.renewal = None
        self.transcript = None
        self.offer = None
        self.times = {}
        self.record = None
        self.strength = None
        self.lineage = None
        self.sealed = None

    def refuse(self, *reason):
        self.refusals.append(list(reason))


def lineage_refusals(channel, lineage, record):
    """7.5, last paragraphs."""
    if not channel.get("resumed", False):
        yield ["lineage-without-resumption"]
    elif lineage is None:
        yield ["lineage-unknown"]
    if lineage is None:
        return
    if record is not None:
        for what, there, here in (
            ("identity", lineage["identity"], record.identity),
            ("device", lineage["device"], record.device),
            ("service", lineage["service"], record.service),
            ("server-name", lineage["server_name"], record.server_name),
        ):
            if there != here:
                yield ["lineage-" + what, there, here]
    if lineage["value"] is None:
        yield ["lineage-without-value"]
    if lineage["through_manager"]:
        yield ["lineage-through-manager"]
    if lineage["shared"]:
        yield ["lineage-shared"]
    if lineage["revoked"]:
        yield ["lineage-revoked"]
    if lineage["expires_in"] <= 0:
        yield ["lineage-expired"]


def decide(mechanism, message, channel, server, lookup, lineage, now, store=None, sealing=None):
    """7.8.  `lookup` gives the record of an id, or None; `store` is how the store fails, if it does; `sealing` is what a
    server that issues sealed assertions does (sealed.Sealing).

    `channel`, `server` and `lineage` are dictionaries with the names of the test vectors.
    """
    d = Decision()
    try:
        m = Initiator(mechanism, message)
    except Malformed:
        d.outcome, d.answer = "malformed", "e=malformed"
        return d

    # 1
    if mechanism.needs_counter and m.counter is None:
        d.refuse("no-counter")
    # 2
    listed = listed_iky(server["iky_mechanisms"], channel)
    bound = [n for n in listed if MECHANISMS[n].binding is not None]
    if mechanism.binding is not None:
        if m.flag != "p" or m.binding != mechanism.binding:
            d.refuse("gs2-header", m.flag_text, None)
    elif m.flag == "p":
        d.refuse("gs2-header", m.flag_text, None)
    elif m.flag == "y" and bound:
        d.refuse("gs2-header", m.flag_text, bound[0])
    if mechanism.name not in server["iky_mechanisms"]:
        d.refuse("mechanism-not-configured", mechanism.name)
    if lineage is not None and lineage["through_manager"] and mechanism.binding is not None:
        d.refuse("bound-through-manager", mechanism.name)
    early = channel.get("early_data", False)
    exporter = "early_exporter" in channel if early else has_exporter(channel)
    for reason in cannot_carry(mechanism, channel, exporter):
        d.refuse("channel", reason)
    if early:
        for reason, applies in (
            ("not-configured", not server.get("early_data", False)),
            ("stateless-tickets", known(channel.get("tickets", "stateless"), TICKETS) != "stateful"),
            ("no-lineage", not m.lineage),
            ("no-counter", m.counter is None),
            ("sealed", m.sealed is not None),
        ):
            if applies:
                d.refuse("early-data", reason)
    elif not channel.get("handshake_complete", False):
        d.refuse("handshaking")

    # the transcript as the server sees it
    binding = cb_data(mechanism, channel)
    value = b""
    if m.lineage and channel.get("resumed", False) and lineage is not None and lineage["value"] is not None:
        value = lineage["value"]
    if binding is not None:
        d.transcript = transcript(mechanism, server["service"], flags(mechanism, channel), binding, value, m.covered)
        transcript_hash = mechanism.hash(d.transcript)
    d.offer = offer_hash(mechanism.hash_name, listed + list(server["full_mechanisms"]))

    # 3
    unknown = [["unknown"]]
    if m.sealed is None:
        record = lookup(m.id)
    elif sealing is None:
        record = None
    else:
        record, unknown = sealing.open(mechanism, server["service"], m)
    d.record = record
    if lineage is not None:
        d.times["lineage_expires_in"] = lineage["expires"] - now
        lineage = dict(lineage, expires_in=lineage["expires"] - now)
    lifetime = None
    if record is not None:
        lifetime = server["lifetime"]
        expires_in = record.expires - now
        due = record.full_login + server["full_login_every"]
        d.times.update(
            expires_in=expires_in,
            full_login_due_in=due - now,
            renewal_due_in=expires_in - server["renew_within"],
            last_third_in=None if lifetime is None else expires_in - lifetime // 3,
            would_last_until=None if lifetime is None else now + lifetime,
            unused_until_in=None if record.unused_until is None else record.unused_until - now,
        )
        required = server["lineage_required"]
        d.lineage = {
            (False, False): "neither required nor given",
            (True, False): "required",
            (False, True): "given",
            (True, True): "required and given",
        }[(required, m.lineage)]
        predecessor = lineage and lineage.get("strength")
        d.strength = session_strength(mechanism, record.origin, m.lineage, predecessor, early)
    if store == "lookup-unavailable":
        d.refuse("store", store)
    # 4
    if record is None:
        if not d.refusals or d.refusals[-1][0] != "store":
            d.refusals += unknown
    else:  # which is asked even if something was wrong before, so that `refusals` is complete
        if record.mechanism is not mechanism:
            d.refuse("pin", mechanism.name, record.mechanism.name)
        if record.service != server["service"]:
            d.refuse("service", server["service"], record.service)
        if record.server_name != m.server_name:
            d.refuse("server-name-of-the-record", m.server_name, record.server_name)
        if m.server_name != server["name"]:
            d.refuse("server-name-of-the-server", m.server_name, server["name"])
        if channel["sni"] is not None and m.server_name != channel["sni"]:
            d.refuse("server-name-in-tls", m.server_name, channel["sni"])
        if (m.authzid or "") != record.login_name:
            d.refuse("login-name", m.authzid or "", record.login_name)
        if m.lineage:
            for reason in lineage_refusals(channel, lineage, record):
                d.refuse(*reason)
        # 5
        if d.transcript is not None and not proof_is_right(record.mechanism, record.stored_key, d.transcript, m.proof):
            d.refuse("proof")
        # 6
        if record.revoked:
            d.refuse("revoked")
        if expires_in <= 0 or (record.unused_until is not None and record.unused_until <= now):
            d.refuse("expired")
        if due <= now:
            d.refuse("full-login-due")
        if lifetime is None:
            d.refuse("origin")
        if server["lineage_required"] and not m.lineage:
            d.refuse("lineage-required")
        if m.offer is not None and m.offer != d.offer:
            d.refuse("offer", m.offer.hex(), d.offer.hex())
    # 7
    renewal_word = None
    if not d.refusals:
        successor = None
        held = m.sealed is not None  # the store has nothing of it
        until = min(now + lifetime, due)
        seals = sealing is not None and sealing.can_seal(record)
        moves = sealing is not None and sealing.moves(record, m)
        ends = d.times["renewal_due_in"] < 0 and expires_in * 3 < lifetime and until > record.expires
        if not early and (moves or (ends and (seals or not held))):
            if not record.successor_used:
                if has_exporter(channel):
                    x, renewal_word = channel["renew"], "1"
                else:
                    x, renewal_word = server["grant"], b64(server["grant"])
                d.renewal = Renewal(mechanism, record.server_key, transcript_hash, x)
                if seals:
                    d.sealed = sealing.seal(record, d.renewal.keys, until)
                    successor = {"expires": until}
                else:
                    successor = {
                        "id": d.renewal.keys.id,
                        "expires": until,
                        "unused_until": now + server["tentative_lifetime"],
                    }
        counter = None if held else m.counter
        confirm = record.unused_until is not None
        if counter is not None or confirm or successor is not None:
            d.commit = {}
            if not held:
                d.commit = {
                    "counter": counter,
                    "confirm": confirm,
                    "predecessor_until": now + server["successor_grace"],
                }
            if d.sealed is not None:
                d.commit["secret"] = sealing.secret(record).hex()
                d.commit["secret_found"] = sealing.found(record)
                d.commit["secret_until"] = until
                if not held:
                    d.commit["ends"] = now + server["tentative_lifetime"]
            elif successor is not None:
                d.commit["successor"] = successor
            if store is not None and store != "no-room":
                d.refuse("store", store)
            elif counter is not None and not record.window.fresh(counter):
                d.refuse("replayed", counter)
            if successor is not None and store != "no-room":
                d.successor = d.renewal.keys
    if d.refusals:
        first = d.refusals[0]
        label = first[0]
        d.successor = None
        d.outcome = STORE[first[1]] if label == "store" else REFUSALS[label]
        d.sealed = None
        if label in SIGNED:
            covered = "e=" + SIGNED[label] + ","
            d.answer = sign_message(mechanism, record.server_key, transcript_hash, m.proof, covered)
        else:
            d.answer = "e=" + UNSIGNED.get(d.outcome, "not-recognised")
        return d
    # 8
    d.outcome = "accepted"
    seconds = expires_in
    covered = ""
    if d.successor is not None:
        seconds = until - now
        covered = "r=" + renewal_word + ","
        if d.sealed is not None:
            covered += "t=" + d.sealed + ","
    else:
        d.sealed = None
    covered = "x=%d,%s" % (seconds, covered)
    d.answer = sign_message(mechanism, record.server_key, transcript_hash, m.proof, covered)
    return d


# ------------------------------------------------------------------ 7.9: the client

ENDING = ("expired", "revoked", "configuration-changed")
REASONS = ENDING + ("full-login-due", "replayed", "not-recognised", "malformed", "unavailable")


class Verdict:
    def __init__(self, what, keeps_assertion=True, message=None):
        self.what = what
        self.keeps_assertion = keeps_assertion
        self.message = message

    @property
    def logged_in(self):
        return self.what == "logged-in"


def judge(mechanism, server_key, transcript_hash, proof, answer, protocol_accepts):
    """Table 4.  `answer` is None or empty where there was no responder message."""
    if not answer:
        return Verdict("missing" if protocol_accepts else "unsigned-refusal not-recognised")
    try:
        m = Responder(mechanism, answer)
    except Malformed:
        return Verdict("malformed")
    if m.signature is not None:
        right = make_signature(mechanism, server_key, transcript_hash, proof, m.covered)
        if not equal(right, m.signature):
            return Verdict("wrong-signature")
    if m.success:
        return Verdict("logged-in", True, m) if protocol_accepts else Verdict("contradiction")
    if protocol_accepts:
        return Verdict("contradiction")
    if m.signature is None:
        return Verdict("unsigned-refusal " + (m.reason if m.reason in REASONS else "not-recognised"))
    reason = m.reason if m.reason in REASONS else "expired"
    return Verdict("signed-refusal " + reason, reason not in ENDING)


# ------------------------------------------------------------------ 5.1: EXTERNAL

EXTERNAL_REFUSALS = {
    "not-configured": "stale",
    "not-resumed": "stale",
    "connection-manager": "stale",
    "channel": "binding-mismatch",
    "early-data": "binding-mismatch",
    "handshaking": "binding-mismatch",
    "stateless-ticket": "stale",
    "unknown": "stale",
    "store-unavailable": "unavailable",
    "expired": "stale",
    "service": "stale",
    "server-name": "stale",
    "shared": "stale",
    "revoked": "revoked",
    "weak-origin": "full-authentication-due",
    "full-login-due": "full-authentication-due",
    "other-identity": "bad-proof",
}


def decide_external(channel, server, session, authzid, now, store=None):
    """Refusals when the client authenticates, and whether EXTERNAL is listed before."""
    early, refusals = [], []  # `early`: what is only asked when the client authenticates
    if not channel["handshake_complete"]:
        early.append(["handshaking"])
    if store is not None:
        early.append(["store-" + known(store, ("unavailable",))])
    if not server.get("external_configured", False):
        refusals.append(["not-configured"])
    if not channel["resumed"]:
        refusals.append(["not-resumed"])
    if channel["through_manager"]:
        refusals.append(["connection-manager"])
    for reason in not_private(channel):
        refusals.append(["channel", reason])
    if channel["early_data"]:
        refusals.append(["early-data"])
    if known(channel.get("tickets", "stateless"), TICKETS) != "stateful":
        if not server.get("external_on_stateless_tickets", False):
            refusals.append(["stateless-ticket"])
    if session is None:
        refusals.append(["unknown"])
    else:
        if session["service"] != server["service"]:
            refusals.append(["service", server["service"], session["service"]])
        if session["server_name"] != channel["sni"]:
            refusals.append(["server-name", channel["sni"], session["server_name"]])
        if session["shared"]:
            refusals.append(["shared"])
        if session["revoked"]:
            refusals.append(["revoked"])
        if rank(session["strength"]) < rank(server["external_origin"]):
            refusals.append(["weak-origin"])
        if session["full_login"] + server["full_login_every"] <= now:
            refusals.append(["full-login-due"])
        if session["expires"] <= now:
            refusals.append(["expired"])
    listed = not refusals
    refusals = early + refusals
    if session is not None and authzid not in ("", session["login_name"]):
        refusals.append(["other-identity", authzid, session["login_name"]])
    if len(authzid.encode("utf-8")) > 255 or "\0" in authzid:
        return listed, [["malformed"]], "malformed"
    outcome = EXTERNAL_REFUSALS[refusals[0][0]] if refusals else "accepted"
    return listed, refusals, outcome
