"""The profiles of Section 9 of the draft: what is said on the wire, and what is made of it."""

import re
import xml.parsers.expat

import iky
from iky import b64, unb64

CHALLENGING = ("imap", "smtp", "pop")  # 9.1: one challenge carries the responder message
LINE = {"imap": 512, "smtp": 512, "pop": 255, "sieve": 512, "acap": 512}

# Table 6: reasons of IKY, code, whether it counts as a failed login
OUTCOMES = {
    "accepted": ((), "accepted", False),
    "stale": (("not-recognised", "expired"), "refused", False),
    "bad-proof": (("not-recognised",), "refused", True),
    "binding-mismatch": (("not-recognised",), "refused", True),
    "replayed": (("replayed",), "refused", True),
    "revoked": (("revoked",), "expired", False),
    "full-authentication-due": (("full-login-due",), "expired", False),
    "configuration-changed": (("configuration-changed",), "expired", False),
    "unavailable": (("unavailable",), "unavailable", False),
    "malformed": (("malformed",), "malformed", True),
}

# Tables 7 and 8
CODES = {
    "imap": {
        "accepted": "OK",
        "refused": "NO [AUTHENTICATIONFAILED]",
        "expired": "NO [EXPIRED]",
        "unavailable": "NO [UNAVAILABLE]",
        "malformed": "BAD",
    },
    "smtp": {
        "accepted": "235 2.7.0",
        "refused": "535 5.7.8",
        "expired": "535 5.7.8",
        "unavailable": "454 4.7.0",
        "malformed": "501 5.5.2",
    },
    "pop": {
        "accepted": "+OK",
        "refused": "-ERR [AUTH]",
        "expired": "-ERR [AUTH]",
        "unavailable": "-ERR [SYS/TEMP]",
        "malformed": "-ERR",
    },
    "sieve": {
        "accepted": "OK",
        "refused": "NO",
        "expired": "NO (AUTH-TOO-WEAK)",
        "unavailable": "NO (TRYLATER)",
        "malformed": "NO",
    },
    "acap": {
        "accepted": "OK",
        "refused": "NO",
        "expired": "NO (AUTH-TOO-WEAK)",
        "unavailable": "NO (TRYLATER)",
        "malformed": "BAD",
    },
    "ldap": {"accepted": 0, "refused": 49, "expired": 49, "unavailable": 52, "malformed": 2},
    "xmpp": {
        "accepted": None,
        "refused": "not-authorized",
        "expired": "credentials-expired",
        "unavailable": "temporary-auth-failure",
        "malformed": "malformed-request",
    },
}
NOT_LISTED = {"imap": "NO", "sieve": "NO", "acap": "NO", "smtp": "504 5.5.4", "pop": "-ERR", "ldap": 7}
PROTOCOLS = ("imap", "smtp", "pop", "sieve", "acap")


def codes(outcome):
    reasons, verdict, counts = OUTCOMES[outcome]
    out = {protocol: by[verdict] for protocol, by in CODES.items()}
    out["verdict"] = verdict
    out["counts_as_failure"] = counts
    # before a proof was verified ("stale" as "not-recognised"), or signed where only that exists
    out["reason"] = reasons[0] if reasons else None
    out["signed"] = outcome == "accepted" or reasons[0] in iky.SIGNED.values()
    # 7.9: what a signed refusal (of "stale": as "expired") ends
    out["keeps_assertion"] = not any(reason in iky.ENDING for reason in reasons)
    return out


class Error(Exception):
    def __init__(self, what, **more):
        super().__init__(what)
        self.what = what
        self.more = more


_NAME = re.compile(r"[A-Z0-9_-]{1,20}")  # RFC 4422 section 3.1


def mechanism_name(word):
    name = word.upper()
    return name if _NAME.fullmatch(name) else None


def names(words):
    return [n for n in map(mechanism_name, words) if n]


# ------------------------------------------------------------------ listing


def advertise(protocol, mechanisms, pipelining=None, iky_pipelining=None):
    mechanisms = [m for m in mechanisms if _NAME.fullmatch(m)]
    listed = " ".join(mechanisms)
    if protocol == "imap":
        return " ".join(["SASL-IR"] + ["AUTH=" + m for m in mechanisms])
    if protocol == "smtp":
        lines = ["PIPELINING"] * pipelining + ["AUTH " + listed] + ["IKNOWYOU"] * iky_pipelining
        return "".join("250-%s\r\n" % line for line in lines)
    if protocol == "pop":
        lines = ["RESP-CODES", "AUTH-RESP-CODE", "SASL " + listed] + ["PIPELINING"] * pipelining
        return "".join(line + "\r\n" for line in lines)
    if protocol == "sieve":
        return '"SASL" "%s"\r\n' % listed
    if protocol == "acap":
        return "(SASL %s)" % " ".join('"%s"' % m for m in mechanisms)
    raise ValueError(protocol)


def offer(protocol, text):
    """What a client hears of the mechanisms in what the server said inside TLS."""
    lines = text.split("\r\n")
    out = {"mechanisms": []}
    if protocol == "imap":
        out["initial_response"] = False
        for line in lines:
            m = re.match(r"\* (?:OK|PREAUTH) \[CAPABILITY ([^\]]*)\]", line, re.I) or re.fullmatch(
                r"\* CAPABILITY (.*)", line, re.I
            )
            for word in m[1].split() if m else ():
                if word.upper() == "SASL-IR":
                    out["initial_response"] = True
                if word.upper().startswith("AUTH="):
                    out["mechanisms"] += names([word[5:]])
    elif protocol == "smtp":
        out.update(pipelining=False, iky_pipelining=False)
        for line in lines:
            m = re.fullmatch(r"250[- ](\S+)((?: +\S+)*) *", line)
            if not m:
                continue
            keyword, rest = m[1].upper(), m[2].split()
            if keyword == "AUTH":
                out["mechanisms"] += names(rest)
            elif keyword == "PIPELINING":
                out["pipelining"] = True
            elif keyword == "IKNOWYOU" and not rest:
                out["iky_pipelining"] = True
    elif protocol == "pop":
        out["pipelining"] = False
        for line in lines:
            words = line.split()
            if words and words[0].upper() == "SASL":
                out["mechanisms"] += names(words[1:])
            elif [w.upper() for w in words] == ["PIPELINING"]:
                out["pipelining"] = True
    elif protocol == "sieve":
        for line in lines:
            m = re.fullmatch(r'"SASL" "([^"]*)"', line, re.I)
            if m:
                out["mechanisms"] += names(m[1].split())
    elif protocol == "acap":
        for line in lines:
            if not re.match(r"\* ACAP ", line, re.I):
                continue
            for item in re.findall(r'\(SASL((?: +"[^"]*")*)\)', line, re.I):
                out["mechanisms"] += names(re.findall(r'"([^"]*)"', item))
    else:
        raise ValueError(protocol)
    return out


# ------------------------------------------------------------------ the client's command


def quoted(text):
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


def command(protocol, mechanism, message, listed, tag=None, initial_response=True, pipelining=None, iky_pipelining=None):
    """9.1: the length of the line, what speaks against commands behind it, and what is sent.

    `pipelining` and `iky_pipelining` are None where it is not asked what the server says of them.
    """
    is_iky = mechanism in iky.MECHANISMS
    bare = "AUTH " + mechanism
    if protocol in ("imap", "acap", "sieve"):
        name = mechanism if protocol == "imap" else quoted(mechanism)
        bare = ("" if protocol == "sieve" else tag + " ") + "AUTHENTICATE " + name
    against = []
    if not listed:
        against.append("not-listed")
    if not is_iky and mechanism != "EXTERNAL":
        against.append("mechanism-has-more-challenges")
    elif not is_iky and protocol in ("sieve", "acap"):
        against.append("protocol-does-not-pipeline")
    elif protocol == "smtp" and is_iky:
        if iky_pipelining is False:
            against.append("no-iknowyou")
    elif protocol in ("smtp", "pop") and pipelining is False:
        against.append("no-pipelining")
    if protocol in CHALLENGING:
        text = b64(message.encode()) or "="
    elif protocol == "sieve":
        text = quoted(b64(message.encode()))
    else:
        text = quoted(message)
    line = bare + " " + text + "\r\n"
    ahead = "\r\n" if is_iky and not against and protocol in CHALLENGING else ""
    out = {}
    octets = len(line.encode())
    if octets > LINE[protocol] or not initial_response:
        against.append("message-held-back")
        out["behind_the_empty_challenge"] = ("" if text == "=" else text) + "\r\n" + ahead
        out["sent"] = bare + "\r\n"
    else:
        out["sent"] = line + ahead
    out["rides_along"] = not against
    return octets, against, out


# ------------------------------------------------------------------ the server's answer, at the client


def take_line(octets):
    end = octets.find(b"\r\n")
    bare = octets.find(b"\n")
    if bare >= 0 and (end < 0 or bare < end + 1):
        raise Error("bare-line-feed")
    if end < 0:
        raise Error("incomplete")
    return octets[: end + 2], octets[end + 2 :]


def decode(text):
    try:
        return unb64(text)
    except iky.Malformed:
        raise Error("not-base64") from None


UNAVAILABLE = {
    "imap": ("UNAVAILABLE", "INUSE", "SERVERBUG", "CONTACTADMIN"),
    "pop": ("SYS/TEMP", "IN-USE", "LOGIN-DELAY"),
    "sieve": ("TRYLATER", "TRYFREECON"),
    "acap": ("TRYLATER", "TRYFREECON"),
    "ldap": (52, 1, 51),
}
EXPIRED = {"smtp": ("432", "534"), "ldap": (8,)}
_TAG = r"[^\x00-\x20\x7f-\uffff(){%*\"\\+]+"
_STRING = r'"(?:[^"\\\r\n]|\\["\\])*"'


def unquote(text):
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def answer(protocol, mechanism, tag, octets):
    """Data, completion and verdict in what the server sent behind a login whose message it has."""
    out = {"data": None, "passed": []}
    data, is_iky = None, mechanism in iky.MECHANISMS
    rest = octets

    def challenge(text):
        if data is not None or not is_iky:
            raise Error("unexpected-challenge", sent="*\r\n")
        return decode(text)

    while True:
        line, rest = take_line(rest)
        text = line[:-2].decode("utf-8", "replace")
        verdict = None
        if protocol == "imap":
            m = re.fullmatch(r"(\*|\+|%s)(?: (.*))" % _TAG, text, re.S)
            if not m:
                raise Error("malformed")
            if m[1] == "+":
                data = challenge(m[2])
            elif m[1] != tag:
                out["passed"].append(line.decode())
            else:
                s = re.match(r"(OK|NO|BAD)(?: \[([^\] ]*)[^\]]*\])?(?: |$)", m[2], re.I)
                if not s:
                    raise Error("malformed")
                verdict = {"OK": "accepted", "NO": "refused", "BAD": "malformed"}[s[1].upper()]
                code = (s[2] or "").upper()
                if verdict == "refused" and code == "EXPIRED":
                    verdict = "expired"
                if verdict == "refused" and code in UNAVAILABLE["imap"]:
                    verdict = "unavailable"
        elif protocol == "smtp":
            m = re.fullmatch(r"([2-5][0-9]{2})(?:([ -])(.*))?", text, re.S)
            if not m:
                raise Error("malformed")
            if m[2] == "-":
                continue
            if m[1] == "334":
                data = challenge(m[3] or "")
            elif m[1] == "235":
                verdict = "accepted"
            elif m[1] in ("500", "501"):
                verdict = "malformed"
            elif m[1] in EXPIRED["smtp"]:
                verdict = "expired"
            elif m[1][0] == "4":
                verdict = "unavailable"
            else:
                verdict = "refused"
        elif protocol == "pop":
            m = re.fullmatch(r"(\+OK|-ERR|\+)(?: (?:\[([^\]]*)\])?.*)?", text, re.S)
            if not m:
                raise Error("malformed")
            if m[1] == "+":
                data = challenge(text[2:])
            elif m[1] == "+OK":
                verdict = "accepted"
            else:
                code = (m[2] or "").upper()
                verdict = "unavailable" if code in UNAVAILABLE["pop"] else "refused"
        elif protocol in ("sieve", "acap"):
            if protocol == "acap":
                m = re.fullmatch(r"(\*|%s) (.*)" % _TAG, text, re.S)
                if not m:
                    raise Error("malformed")
                if m[1] != tag:
                    out["passed"].append(line.decode())
                    continue
                text = m[2]
            status = r"OK|NO|BYE" + ("|BAD" if protocol == "acap" else "")
            m = re.fullmatch(
                r"(%s)(?: \(([A-Z/-]+)(?: (%s))?\))?(?: (%s))?" % (status, _STRING, _STRING), text, re.I
            )
            if not m:
                raise Error("malformed")
            verdict = {"OK": "accepted", "NO": "refused", "BYE": "unavailable", "BAD": "malformed"}[m[1].upper()]
            code = (m[2] or "").upper()
            if verdict == "accepted" and code == "SASL" and m[3]:
                data = unquote(m[3]).encode()
                if protocol == "sieve":
                    data = decode(data)
            if verdict == "refused" and code == "AUTH-TOO-WEAK":
                verdict = "expired"
            if verdict == "refused" and code in UNAVAILABLE[protocol]:
                verdict = "unavailable"
        else:
            raise ValueError(protocol)
        if verdict is not None:
            # The empty answer went ahead, and is read as a command; replies have no tags.
            if protocol in ("smtp", "pop") and is_iky and data is None:
                raise Error("missing-challenge")
            out.update(
                data=None if data is None else data.decode(),
                line=line.decode(),
                rest=rest.decode(),
                verdict=verdict,
            )
            return out


# ------------------------------------------------------------------ the client's command, at the server


def serve(protocol, listed, octets, judge, seen=None):
    """9.1.  `judge` gives verdict and responder message for a client's message.

    `seen` takes what was asked for, where that is not listed.
    """
    out = {"accepted": False, "challenges": "", "message": None}
    line, rest = take_line(octets)
    text = line[:-2].decode("utf-8", "replace")
    tag = ""
    if protocol in ("imap", "acap"):
        tag, _, text = text.partition(" ")
        tag += " "
    if protocol in CHALLENGING:
        m = re.fullmatch(r"AUTH(?:ENTICATE)? (\S+)(?: (.*))?", text, re.I | re.S)
        name, argument = m[1], m[2]
    else:
        m = re.fullmatch(r"AUTHENTICATE (%s)(?: (%s))?" % (_STRING, _STRING), text, re.I)
        name, argument = unquote(m[1]), None if m[2] is None else unquote(m[2])

    def complete(code, data=None):
        text = code
        if data is not None:
            text += " (SASL %s)" % quoted(b64(data) if protocol == "sieve" else data.decode())
        out.update(completion=tag + text, rest=rest.decode())
        return out

    def read(text):
        if text is None or protocol == "acap":
            return None if text is None else text.encode()
        if text == "=" and protocol != "sieve":
            return b""
        if text == "" and protocol in CHALLENGING:
            return None  # nothing behind the space
        try:
            return unb64(text)
        except iky.Malformed:
            return None

    if name.upper() not in [n.upper() for n in listed]:
        if seen is not None:
            message = read(argument)
            seen.update(asked_for=name.upper(), message=None if message is None else message.decode(), listed=listed[0])
        return complete(NOT_LISTED[protocol])
    prompt = "334 " if protocol == "smtp" else "+ "
    is_iky = name.upper() in iky.MECHANISMS
    answered, verdict = None, "malformed"
    if protocol in CHALLENGING and argument is None:
        out["challenges"] += prompt + "\r\n"
        line, rest = take_line(rest)
        argument = line[:-2].decode("utf-8", "replace") or "="
    message = read(argument)
    if message is not None:
        out["message"] = message.decode()
        verdict, answered = judge(message)
    if protocol in CHALLENGING and is_iky:
        out["challenges"] += prompt + b64(answered or b"") + "\r\n"
        line, rest = take_line(rest)
        if line != b"\r\n":
            verdict = "malformed"
    out["accepted"] = verdict == "accepted"
    data = answered if protocol not in CHALLENGING and verdict == "accepted" else None
    return complete(CODES[protocol][verdict], data)


# ------------------------------------------------------------------ LDAP (RFC 4511)


def ber(tag, contents):
    n = len(contents)
    if n < 0x80:
        return bytes([tag, n]) + contents
    size = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + contents


def ber_integer(n):
    return n.to_bytes(n.bit_length() // 8 + 1, "big")


def ldap_request(message_id, mechanism, message):
    sasl = ber(0xA3, ber(0x04, mechanism.encode()) + ber(0x04, message.encode()))
    bind = ber(0x60, ber(0x02, b"\x03") + ber(0x04, b"") + sasl)
    return ber(0x30, ber(0x02, ber_integer(message_id)) + bind)


def ldap_items(octets):
    items = []
    at = 0
    while at < len(octets):
        if at + 2 > len(octets):
            raise Error("malformed")
        tag, length, at = octets[at], octets[at + 1], at + 2
        if length & 0x80:
            n = length & 0x7F
            if not 1 <= n <= 4 or at + n > len(octets):
                raise Error("malformed")
            length, at = int.from_bytes(octets[at : at + n], "big"), at + n
        if at + length > len(octets):
            raise Error("malformed")
        items.append((tag, octets[at : at + length]))
        at += length
    return items


def ldap_response(message_id, octets, seen):
    """`seen` takes result code and diagnostic message."""
    top = ldap_items(octets)
    if len(top) != 1 or top[0][0] != 0x30:
        raise Error("malformed")
    envelope = ldap_items(top[0][1])
    if len(envelope) < 2 or envelope[0][0] != 0x02 or envelope[1][0] != 0x61:
        raise Error("malformed")
    if int.from_bytes(envelope[0][1], "big", signed=True) != message_id:
        raise Error("malformed")
    items = ldap_items(envelope[1][1])
    if [t for t, _ in items[:3]] != [0x0A, 0x04, 0x04]:
        raise Error("malformed")
    code = int.from_bytes(items[0][1], "big", signed=True)
    seen.update(result_code=code, diagnostic=items[2][1].decode())
    creds = [v for t, v in items[3:] if t == 0x87]
    if code == 14:
        raise Error("unexpected-challenge")
    if code == 0:
        verdict = "accepted"
    elif code == 2:
        verdict = "malformed"
    elif code in UNAVAILABLE["ldap"]:
        verdict = "unavailable"
    elif code in EXPIRED["ldap"]:
        verdict = "expired"
    else:
        verdict = "refused"
    return {"data": creds[0].decode() if creds else None, "verdict": verdict}


# ------------------------------------------------------------------ XMPP

SASL1 = "urn:ietf:params:xml:ns:xmpp-sasl"
SASL2 = "urn:xmpp:sasl:2"
IKY_NS = "urn:ietf:params:xml:ns:iky"


class Element:
    def __init__(self, name, attributes):
        self.namespace, _, self.name = name.rpartition(" ")
        self.attributes = attributes
        self.children = []
        self.text = ""

    def child(self, namespace, name):
        found = [c for c in self.children if (c.namespace, c.name) == (namespace, name)]
        return found[0] if found else None


def xml_element(octets):
    """One element, without what RFC 6120 section 11.1 forbids."""
    root, stack = [], []

    def start(name, attributes):
        e = Element(name, attributes)
        (stack[-1].children if stack else root).append(e)
        stack.append(e)

    def data(text):
        stack[-1].text += text

    def forbidden(*_):
        raise Error("malformed")

    parser = xml.parsers.expat.ParserCreate("utf-8", " ")
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: stack.pop()
    parser.CharacterDataHandler = data
    parser.StartDoctypeDeclHandler = forbidden
    parser.ProcessingInstructionHandler = forbidden
    parser.CommentHandler = forbidden
    try:
        parser.Parse(octets, True)
    except xml.parsers.expat.ExpatError:
        raise Error("malformed") from None
    return root[0]


def xmpp_message(element):
    """The base64 of an element: None without one, "=" for the empty message."""
    if element is None or element.text == "":
        return None
    return "" if element.text == "=" else decode(element.text).decode()


def xmpp_request(octets):
    e = xml_element(octets)
    if (e.namespace, e.name) == (SASL2, "authenticate"):
        version, holder = "sasl2", e.child(SASL2, "initial-response")
    elif (e.namespace, e.name) == (SASL1, "auth"):
        version, holder = "sasl1", e
    else:
        raise Error("malformed")
    name = mechanism_name(e.attributes.get("mechanism", ""))
    if name is None:
        raise Error("malformed")
    return {"mechanism": name, "message": xmpp_message(holder), "version": version}


XMPP_CONDITIONS = {v: k for k, v in CODES["xmpp"].items() if v}


def xmpp_answer(version, octets):
    ns = {"sasl1": SASL1, "sasl2": SASL2}[version]
    e = xml_element(octets)
    if e.namespace != ns:
        raise Error("malformed")
    if e.name == "challenge":
        raise Error("unexpected-challenge", challenge=xmpp_message(e))
    if e.name == "success":
        holder = e.child(SASL2, "additional-data") if version == "sasl2" else e
        return {"data": xmpp_message(holder), "verdict": "accepted"}
    if e.name != "failure":
        raise Error("malformed")
    conditions = [c.name for c in e.children if c.namespace == SASL1 and c.name != "text"]
    if len(conditions) != 1:
        raise Error("malformed")
    verdict = XMPP_CONDITIONS.get(conditions[0], "refused")
    return {"data": xmpp_message(e.child(IKY_NS, "iky")), "verdict": verdict}
