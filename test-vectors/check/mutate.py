#!/usr/bin/env python3
"""Alters every value of every case, one at a time: verify.py must then find that case wrong.

    python3 test-vectors/check/mutate.py [FILE...]

What finds it is recomputation (verify.case_errors): neither schemas nor sums of files are looked at here.  Prints how
many alterations were tried, and each that was not noticed; fails if there is one that is not in ALLOWED.

Alterations: of octets (hexadecimal) one bit, of a text one character, both at up to four places that the
path decides; of a number one more and one less; of a truth value and a result the opposite; of null 0, and of what is empty
something.  Of octets and texts also the loss of the end.
"""

import copy
import hashlib
import multiprocessing
import re
import sys
import time

import verify

PLACES = 4



def unsigned_refusal(case, _):
    return case["inputs"]["answer"].startswith("e=") and ",v=" not in case["inputs"]["answer"]


def left_out(name):
    return name.upper().startswith(("HT-", "HT2-"))


def goes_on(received):
    return re.sub(r"(?m)^(\d\d\d-[\d.]+) .*\r\n", r"\1\r\n", received)


def condition(received):
    return re.sub(r"<not-[a-z]+ xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "<refused/>", received)


# file, type of group, path without indices; when (of the case and the altered value); and why nothing can notice it
ALLOWED = (
    (
        "iky-outcomes.json",
        "decision",
        "inputs.channel.handshake_complete",
        lambda case, _: case["inputs"]["channel"]["early_data"] and case["inputs"]["channel"].get("exporter", False),
        "early data is that, whenever it is read",
    ),
    (
        "iky-outcomes.json",
        "decision",
        "inputs.lineage.value",
        lambda case, _: "transcript_hash" not in case["intermediates"],
        "there is no channel binding, so the server has no transcript",
    ),
    (
        "iky.json",
        "responder",
        "inputs.answer",
        unsigned_refusal,
        "a reason that is not known reads as not-recognised, if nobody signed it (Section 7.10)",
    ),
    (
        "offer-hash.json",
        "offer-hash",
        "inputs.now",
        lambda case, other: left_out(other) and any(left_out(name) for name in case["inputs"]["now"]),
        "names that begin with HT- or HT2- are left out (Section 7.7)",
    ),
    (
        "primitives.json",
        "hkdf",
        "inputs.salt",
        lambda case, other: not case["inputs"]["salt"].strip("0") and not other.strip("0"),
        "HMAC fills up a key with zeros: no salt and a salt of zeros are one",
    ),
    (
        "profile.json",
        "command",
        "inputs.initial_response",
        lambda case, _: case["intermediates"]["line_octets"] > 512,
        "the message is held back for its length anyway",
    ),
    (
        "profile.json",
        "answer",
        "inputs.received",
        lambda case, _: case["outputs"].get("error") == "unexpected-challenge",
        "the client stops at a challenge that has no answer: the data of the one before, and texts for humans behind it, come to nothing",
    ),
    (
        "profile.json",
        "answer",
        "inputs.received",
        lambda case, _: case["outputs"].get("error") == "missing-challenge",
        "the client stops at the completion, whatever its code and text are, and what stands behind it",
    ),
    (
        "profile.json",
        "ldap-response",
        "inputs.received",
        lambda case, _: case["outputs"].get("error") == "unexpected-challenge",
        "the client stops at a challenge, whatever is in it",
    ),
    (
        "profile.json",
        "answer",
        "inputs.received",
        lambda case, other: goes_on(case["inputs"]["received"]) == goes_on(other),
        "text for humans in a line of a reply that goes on",
    ),
    (
        "profile.json",
        "xmpp-answer",
        "inputs.received",
        lambda case, other: condition(case["inputs"]["received"]) == condition(other),
        "a condition that is not known is a refusal, as not-authorized is (Section 8)",
    ),
)


def leaves(value, path=()):
    """The paths of all leaves; an empty object or array is one."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from leaves(item, path + (name,))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, path + (index,))
    else:
        yield path, value


def places(seed, length):
    """A few places, the same each time."""
    return sorted({(seed >> 15 * n) % length for n in range(PLACES)})


def other_character(c):
    """Another of the same kind, so that as much as possible still follows the grammar."""
    for first, last in ("az", "AZ", "09"):
        if first <= c <= last:
            return chr(ord(first) + (ord(c) - ord(first) + 1) % (ord(last) - ord(first) + 1))
    return chr(ord(c) ^ 1)


def alterations(value, path, seed):
    """What is put in place of a value, each with its name."""
    if path == ("result",):
        yield "opposite", {"valid": "invalid", "invalid": "valid"}[value]
    elif isinstance(value, bool):
        yield "negated", not value
    elif isinstance(value, int):
        yield "+1", value + 1
        yield "-1", value - 1
    elif value is None:
        yield "0 for null", 0
    elif value in ({}, []):
        yield "not empty", ["x"] if value == [] else {"x": 1}
    elif value == "":
        yield "not empty", "00"
    elif re.fullmatch(r"(?:[0-9a-f]{2})+", value):
        for bit in places(seed, 4 * len(value)):
            octets = bytearray.fromhex(value)
            octets[bit // 8] ^= 1 << bit % 8
            yield "one bit", octets.hex()
        yield "cut", value[:-2]
    else:
        for at in places(seed, len(value)):
            yield "one character", value[:at] + other_character(value[at]) + value[at + 1 :]
        yield "cut", value[:-1]


def put(case, path, value):
    for step in path[:-1]:
        case = case[step]
    case[path[-1]] = value


def try_group(job):
    name, group_index, share, shares = job
    document = verify.load(verify.VECTORS / name)
    bases, group = verify.bases_of(document), document["groups"][group_index]
    tried, paths, survivors, wrong = 0, set(), [], []
    for case in group["cases"][share::shares]:
        where = "%s %s %d" % (name, group["type"], case["id"])
        unaltered = verify.case_errors(name, group["type"], copy.deepcopy(case), bases)
        if unaltered:
            # A case that is wrong as it is cannot become so.
            wrong.append("%s: wrong before it is altered: %s" % (where, "; ".join(unaltered)[:200]))
            continue
        parts = {part: case[part] for part in ("result", "inputs", "intermediates", "outputs") if part in case}
        for path, value in list(leaves(parts)):
            plain = ".".join(str(p) for p in path if not isinstance(p, int))
            paths.add((name, group["type"], plain))
            seed = int.from_bytes(hashlib.sha256((where + repr(path)).encode()).digest()[:8], "big")
            for how, other in alterations(value, path, seed):
                altered = copy.deepcopy(case)
                put(altered, path, other)
                tried += 1
                if not verify.case_errors(name, group["type"], altered, bases):
                    why = [a[4] for a in ALLOWED if a[:3] == (name, group["type"], plain) and a[3](case, other)]
                    survivors.append((why[0] if why else "", "%s %s: %s: %r, not %r" % (
                        where, ".".join(map(str, path)), how, other, value)))  # fmt: skip
    return tried, paths, survivors, wrong, len(group["cases"][share::shares])


def main(arguments):
    begin = time.monotonic()
    jobs = []
    for name in arguments or verify.FILES:
        for index, group in enumerate(verify.load(verify.VECTORS / name)["groups"]):
            shares = max(1, min(8, len(group["cases"]) // 10))
            jobs += [(name, index, share, shares) for share in range(shares)]
    tried = cases = 0
    paths, survivors, wrong = set(), [], []
    with multiprocessing.Pool(2) as pool:
        for result in pool.imap_unordered(try_group, jobs):
            tried += result[0]
            paths |= result[1]
            survivors += result[2]
            wrong += result[3]
            cases += result[4]
    bad = 0
    for why, text in sorted(survivors):
        bad += not why
        print("allowed: %s (%s)" % (text, why) if why else "SURVIVED: " + text)
    for text in sorted(wrong):
        print("NOT TRIED: " + text)
    print(
        "%d cases, %d paths, %d alterations tried, %d survived (%d of them allowed), %d cases not tried, %.0f s"
        % (cases, len(paths), tried, len(survivors), len(survivors) - bad, len(wrong), time.monotonic() - begin)
    )
    return 1 if bad or wrong or not tried else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
