"""Sealed assertions (section 6.4 of the Internet-Draft): AES-256-GCM, the box, and what a server that seals does.

Written from draft/draft-fastreauth-kitten-sasl-iknowyou-00.txt, FIPS 197 and NIST SP 800-38D alone, and not from the Rust
code beside it.  Python's standard library is all it needs.  It is slow, and its time depends on its inputs: it verifies
vectors, and is not for use.
"""

import base64
import functools

import iky

# ------------------------------------------------------------------ AES-256 (FIPS 197)


def _times(a, b):
    """In GF(2^8) with x^8 + x^4 + x^3 + x + 1."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = a << 1 ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def _substitute(a):
    inverse = next((b for b in range(256) if _times(a, b) == 1), 0)
    rotated = inverse
    for n in range(1, 5):
        rotated ^= (inverse << n | inverse >> 8 - n) & 0xFF
    return rotated ^ 0x63


_S = bytes(_substitute(a) for a in range(256))
_DOUBLE = bytes(_times(2, a) for a in range(256))
_SHIFTED = [(4 * ((column + row) % 4) + row) for column in range(4) for row in range(4)]
ROUNDS = 14


@functools.lru_cache(maxsize=4096)
def _round_keys(key):
    """15 keys of 16 octets."""
    if len(key) != 32:
        raise ValueError("a key of AES-256 has 32 octets")
    words, constant = [key[at : at + 4] for at in range(0, 32, 4)], 1
    while len(words) < 4 * (ROUNDS + 1):
        word = words[-1]
        if len(words) % 8 == 0:
            word = bytes(_S[o] for o in word[1:] + word[:1])
            word = bytes([word[0] ^ constant]) + word[1:]
            constant = _DOUBLE[constant]
        elif len(words) % 8 == 4:
            word = bytes(_S[o] for o in word)
        words.append(iky.xor(word, words[-8]))
    return [b"".join(words[at : at + 4]) for at in range(0, len(words), 4)]


def aes256(key, block):
    keys = _round_keys(key)
    state = iky.xor(block, keys[0])
    for n in range(1, ROUNDS + 1):
        state = bytes(_S[state[at]] for at in _SHIFTED)
        if n < ROUNDS:
            mixed = bytearray()
            for at in range(0, 16, 4):
                column = state[at : at + 4]
                for row in range(4):
                    a, b, c, d = (column[(row + i) % 4] for i in range(4))
                    mixed.append(_DOUBLE[a] ^ _DOUBLE[b] ^ b ^ c ^ d)
            state = bytes(mixed)
        state = iky.xor(state, keys[n])
    return state


# ------------------------------------------------------------------ GCM (NIST SP 800-38D), 96-bit nonces, 128-bit tags


def _ghash(h, data):
    y, h = 0, int.from_bytes(h, "big")
    for at in range(0, len(data), 16):
        x, z, v = y ^ int.from_bytes(data[at : at + 16], "big"), 0, h
        for bit in range(127, -1, -1):
            if x >> bit & 1:
                z ^= v
            v = v >> 1 ^ (0xE1 << 120 if v & 1 else 0)
        y = z
    return y.to_bytes(16, "big")


def _filled(data):
    return data + bytes(-len(data) % 16)


def _counted(key, nonce, data):
    out = b""
    for n, at in enumerate(range(0, len(data), 16)):
        part = data[at : at + 16]
        out += iky.xor(part, aes256(key, nonce + iky.uint32(n + 2))[: len(part)])
    return out


def _tag(key, nonce, ad, ciphertext):
    lengths = (8 * len(ad)).to_bytes(8, "big") + (8 * len(ciphertext)).to_bytes(8, "big")
    hashed = _ghash(aes256(key, bytes(16)), _filled(ad) + _filled(ciphertext) + lengths)
    return iky.xor(hashed, aes256(key, nonce + iky.uint32(1)))


@functools.lru_cache(maxsize=65536)
def gcm_seal(key, nonce, ad, plain):
    """The ciphertext, and the tag behind it."""
    if len(nonce) != 12:
        raise ValueError("a nonce has 12 octets here")
    ciphertext = _counted(key, nonce, plain)
    return ciphertext + _tag(key, nonce, ad, ciphertext)


@functools.lru_cache(maxsize=65536)
def gcm_open(key, nonce, ad, octets):
    """None, unless the tag is right."""
    if len(octets) < 16:
        return None
    ciphertext, tag = octets[:-16], octets[-16:]
    if not iky.equal(_tag(key, nonce, ad, ciphertext), tag):
        return None
    return _counted(key, nonce, ciphertext)


# FIPS 197, appendix C.3; and test case 16 of McGrew and Viega's GCM, on which NIST SP 800-38D is built
_KEY = bytes(range(32))
if aes256(_KEY, bytes(0x11 * n for n in range(16))).hex() != "8ea2b7ca516745bfeafc49904b496089":
    raise AssertionError("AES-256 is not that of FIPS 197")
_KEY = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
_PLAIN = bytes.fromhex(
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
)
_SEALED = gcm_seal(_KEY, bytes.fromhex("cafebabefacedbaddecaf888"), bytes.fromhex("feedfacedeadbeef" * 2 + "abaddad2"), _PLAIN)
if _SEALED.hex() != (
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"
):
    raise AssertionError("GCM is not that of NIST SP 800-38D")

# ------------------------------------------------------------------ 6.4: the box

VERSION = 1
LABEL = "IKY sealed v1"
HEADER_OCTETS, MOST_ACCOUNT_OCTETS = 21, 44
NONCE = bytes(12)
STRENGTHS = {"bound": b"b", "keyed": b"k", "disclosed": b"d", "unbound": b"u"}


class Box:
    """What leads from service key and account secret to the octets, and back."""

    def __init__(self, service_key, account_secret, header, mechanism_name, service, server_name, login_name):
        if len(service_key) != 32 or len(account_secret) != 16 or len(header) != HEADER_OCTETS:
            raise ValueError("a service key has 32 octets, an account secret 16, a header 21")
        self.header = header
        self.prk = iky.hkdf_extract("SHA-256", header[5:], iky.lp(service_key) + iky.lp(account_secret))
        self.key = iky.hkdf_expand("SHA-256", self.prk, LABEL.encode(), 32)
        parts = (LABEL, header, mechanism_name, service, server_name, login_name)
        self.ad = b"".join(iky.lp(part) for part in parts)
        self.plain = None

    def seal(self, plain):
        self.plain = plain
        return self.header + gcm_seal(self.key, NONCE, self.ad, plain)

    def open(self, octets):
        self.plain = gcm_open(self.key, NONCE, self.ad, octets[HEADER_OCTETS:])
        return self.plain

    def values(self):
        return {
            "ad": self.ad.hex(),
            "key": self.key.hex(),
            "plain": None if self.plain is None else self.plain.hex(),
            "prk": self.prk.hex(),
        }


def make_header(key_id, salt):
    if len(salt) != 16:
        raise ValueError("a salt has 16 octets")
    return bytes([VERSION]) + iky.uint32(key_id) + salt


def make_plain(keys, device, strength, full_login, expires, account, login_name):
    device = bytes.fromhex(device)
    if len(device) != 8:
        raise ValueError("a device has 8 octets")
    times = full_login.to_bytes(5, "big") + expires.to_bytes(5, "big")
    account = b"" if account == login_name else account.encode()
    return keys.stored_key + keys.server_key + keys.id + device + STRENGTHS[strength] + times + account


def fits(account, login_name):
    return account == login_name or len(account.encode()) <= MOST_ACCOUNT_OCTETS


class _Opened:
    """The keys in a box, in the shape of iky.Keys as far as a record takes them."""

    def __init__(self, plain, mechanism):
        lengths = (32 if mechanism.ed25519 else mechanism.hash_octets, mechanism.hash_octets, 16, 8, 1, 5, 5)
        parts, at = [], 0
        if len(plain) < sum(lengths):
            raise ValueError("less than a record")
        for length in lengths:
            parts.append(plain[at : at + length])
            at += length
        self.stored_key, self.server_key, self.id, device, strength, full_login, expires = parts
        self.device = device.hex()
        self.strength = {octet: name for name, octet in STRENGTHS.items()}[strength]
        self.full_login = int.from_bytes(full_login, "big")
        self.expires = int.from_bytes(expires, "big")
        self.account = plain[at:].decode()


class Account:
    """The row: whose it is, the secret, and what was revoked."""

    def __init__(self, identity=None, secret=None, until=None, spared=None, devices=()):
        self.identity = identity
        self.secret = secret
        self.until = until
        self.spared = spared  # a device, and the revocation before which it logged in at the latest, or None
        self.devices = devices

    def revoked(self, device, full_login):
        if device in self.devices:
            return True
        if self.until is None or full_login > self.until:
            return False
        if self.spared is None:
            return True
        spared, after = self.spared
        return spared != device or (after is not None and full_login <= after)


class Sealing:
    """A server that seals.  `keys`: id and octets of each, the current one first; `random`: salt and a new secret."""

    def __init__(self, keys, account, random):
        self.keys = keys
        self.account = account
        self.random = random
        self.opened = None
        self.revocation = None
        self.successor_box = None

    def open(self, mechanism, service, message):
        """7.8 step 3: the record in a message, or None and why there is none."""
        octets = base64.b64decode(message.sealed)
        key_id = int.from_bytes(octets[1:5], "big") if len(octets) >= 5 else None
        ids = [i for i, _ in self.keys]
        why = []
        if mechanism.binding != "tls-exporter":
            why.append(["seal-mechanism", mechanism.name])
        if octets[0] != VERSION:
            why.append(["seal-version", octets[0]])
        if key_id not in ids:
            why.append(["seal-key", key_id] + ids)
        if self.account is None:
            why.append(["seal-account"])
        if octets[0] != VERSION or key_id not in ids or self.account is None or len(octets) < HEADER_OCTETS:
            return None, why
        self.opened = Box(
            dict(self.keys)[key_id],
            self.account.secret,
            octets[:HEADER_OCTETS],
            mechanism.name,
            service,
            message.server_name,
            message.authzid,
        )
        if self.opened.open(octets) is None:
            why.append(["seal-open"])
        if why:
            return None, why
        inside = _Opened(self.opened.plain, mechanism)
        account = inside.account or message.authzid
        if self.account.identity != account:
            return None, [["seal-other-account", self.account.identity, account]]
        record = iky.Record(
            mechanism,
            service,
            message.server_name,
            message.authzid,
            inside,
            inside.strength,
            account,
            inside.device,
            inside.full_login,
            inside.expires,
        )
        row = self.account
        record.revoked = row.revoked(record.device, record.full_login)
        after = None
        if row.spared is not None:
            after = [row.spared[0], None if row.spared[1] is None else record.full_login - row.spared[1]]
        self.revocation = {
            "devices": list(row.devices),
            "spared": after,
            "until": None if row.until is None else record.full_login - row.until,
        }
        return record, []

    def can_seal(self, record):
        return (
            bool(self.keys)
            and self.random is not None
            and record.mechanism.binding == "tls-exporter"
            and record.login_name != ""
            and fits(record.identity, record.login_name)
        )

    def moves(self, record, message):
        """7.11: a stored record, or one under an older key."""
        if not self.can_seal(record):
            return False
        asked, current = self.key_ids(message)
        return asked is None or asked < current

    def key_ids(self, message):
        """The id in the message, None where the record is stored; and the current one."""
        asked = None
        if message.sealed is not None:
            asked = int.from_bytes(base64.b64decode(message.sealed)[1:5], "big")
        return [asked, self.keys[0][0] if self.keys else None]

    def found(self, record):
        return self.account is not None and self.account.identity == record.identity

    def secret(self, record):
        return self.account.secret if self.found(record) else self.random["secret"]

    def seal(self, record, keys, expires):
        key_id, key = self.keys[0]
        self.successor_box = Box(
            key,
            self.secret(record),
            make_header(key_id, self.random["salt"]),
            record.mechanism.name,
            record.service,
            record.server_name,
            record.login_name,
        )
        plain = make_plain(
            keys, record.device, record.origin, record.full_login, expires, record.identity, record.login_name
        )
        return iky.b64(self.successor_box.seal(plain))
