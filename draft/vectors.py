#!/usr/bin/env python3
"""Writes vectors.md, the appendix of test vectors, from test-vectors/.

test-vectors/appendix.md is taken as it is if it is there. Otherwise the first valid case of every kind in test-vectors/iky*.json is
written out, whatever its members are: hexadecimal and text, folded to the width of the draft. Without either, a sentence says so.
"""
import json
import sys
import textwrap
from pathlib import Path

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parent / "test-vectors"
TARGET = HERE / "vectors.md"
COLUMNS = 69
INVALID = {"invalid", "reject", "rejected", "refused", "failure", "false"}


def cases(value, kind, note=""):
    """Every object that looks like a case, with the kind that is nearest to it, and what its group says of itself."""
    if isinstance(value, list):
        for item in value:
            yield from cases(item, kind, note)
    elif isinstance(value, dict):
        kind = next((str(value[key]) for key in ("kind", "type") if isinstance(value.get(key), str)), kind)
        inner = [value[key] for key in ("groups", "testGroups", "vectors", "tests", "cases") if key in value]
        if not inner:
            yield kind, note, value
        for item in inner:
            yield from cases(item, kind, str(value.get("note", "")))


def is_valid(case):
    for key in ("result", "valid", "verdict", "accepted"):
        if key in case:
            return str(case[key]).lower() not in INVALID
    return True


def write(lines, value, indent=0):
    margin = " " * indent
    for key, item in value.items():
        if isinstance(item, dict):
            lines.append(f"{margin}{key}:")
            write(lines, item, indent + 2)
        elif isinstance(item, list) and any(isinstance(one, (dict, list)) for one in item):
            for number, one in enumerate(item):
                lines.append(f"{margin}{key}[{number}]:")
                write(lines, one if isinstance(one, dict) else {"value": one}, indent + 2)
        else:
            text = item if isinstance(item, str) and item.isprintable() else json.dumps(item)
            line = f"{margin}{key} = {text}"
            if len(line) <= COLUMNS:
                lines.append(line)
                continue
            lines.append(f"{margin}{key} =")
            width = COLUMNS - indent - 3
            lines.extend(f"{margin}   {text[at:at + width]}" for at in range(0, len(text), width))


def plain(text):
    """Text that Markdown takes as it is."""
    return "".join("\\" + c if c in "\\`*_{}[]<>|#" else c for c in text)


def main():
    appendix = VECTORS / "appendix.md"
    if appendix.exists():
        TARGET.write_text(appendix.read_text())
        return
    out = []
    for path in sorted(VECTORS.glob("iky*.json")):
        try:
            document = json.loads(path.read_text())
        except ValueError as error:
            sys.exit(f"vectors: {path.name} is no JSON: {error}")
        seen = set()
        for kind, note, case in cases(document, path.stem):
            if kind in seen or not is_valid(case):
                continue
            seen.add(kind)
            lines = []
            write(lines, case)
            said = f"{plain(note)}\n\n" if note else ""
            out.append(f"## {plain(kind)} ({path.name})\n\n{said}~~~\n" + "\n".join(lines) + "\n~~~\n")
    if out:
        text = (
            "These are the first valid vectors of each kind. The full set, with those that have to be refused, is in machine-readable "
            "form in the directory test-vectors/ of the project's repository. Values that are too long for a line go on in the next ones, "
            "with nothing between."
        )
        TARGET.write_text(textwrap.fill(text, 120) + "\n\n" + "\n".join(out))
    else:
        TARGET.write_text("{{example}} has the values of one derivation, one exchange and one renewal, and {{profiles}} the messages of others.\n")


main()
