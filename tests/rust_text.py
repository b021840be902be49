"""What tests/coverage has to know of Rust's text: brackets, statements, patterns."""
import re

# A call, which is what gets a counter.
MADE = "core::convert::identity("


def masked(text):
    """The text with its comments and literals blanked, in place."""
    token = re.compile(r"""//[^\n]*|/\*.*?\*/|b?r(#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?'(?:\\[^']*'|[^'\\]')""", re.DOTALL)
    return token.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def without_tests(text):
    """The text with each item that is for tests only blanked."""
    for found in re.finditer(r"#\[cfg\(test\)\]", text):
        end = re.compile(r"[;{]").search(text, found.end())
        end = closing(text, end.start()) + 1 if end[0] == "{" else end.end()
        text = text[:found.start()] + re.sub(r"[^\n]", " ", text[found.start():end]) + text[end:]
    return text


def closing(text, at):
    """Where the bracket that opens at this place closes."""
    depth = 0
    for place in range(at, len(text)):
        depth += (text[place] in "([{") - (text[place] in ")]}")
        if depth == 0:
            return place
    raise ValueError(f"unbalanced: {text[at:at + 40]!r}")


def opening(text, at):
    """The bracket that encloses this place, or -1."""
    depth = 0
    for place in range(at - 1, -1, -1):
        depth += (text[place] in ")]}") - (text[place] in "([{")
        if depth < 0:
            return place
    return -1


def statement(text, at):
    """The mark behind which the statement, or the arm of a `match`, of this place begins, or -1."""
    depth = 0
    for place in range(at - 1, -1, -1):
        mark = text[place]
        if mark in ")]":
            depth += 1
        elif mark in "([":
            depth = max(0, depth - 1)
        elif depth == 0 and (mark in ";{}" or mark == "," and text[opening(text, place)] == "{"):
            return place
    return -1


def is_made(text, at, end):
    """Whether what stands here is a value that is made, and no pattern, and nothing that is only compared with."""
    if re.search(r"[!=]=\s*$", text[:at]):
        return False
    while True:
        bracket = opening(text, at)
        if bracket < 0 or text[bracket] == "{":
            break
        if re.search(r"\bmatches!$", text[:bracket]):
            # Behind its first comma stand patterns.
            return False
        at, end = bracket, closing(text, bracket) + 1
    if re.search(r"\blet\s+(\w+\s*)?$", text[:at]):
        return False
    return not re.match(r"\s*(=>|\|(?!\|)|if\b|=(?!=))", text[end:])


def with_counters(text):
    """The text with a call, which is what gets a counter, where an `Option` or another error becomes an error."""
    while found := re.search(r"\.ok_or\(|\.map_err\(\|_\| (?!" + re.escape(MADE) + ")", blank := masked(text)):
        bracket = found.start() + found[0].index("(")
        end = closing(blank, bracket)
        head = found[0].replace("ok_or(", "ok_or_else(|| ")
        text = f"{text[:found.start()]}{head}{MADE}{text[found.end():end]}){text[end:]}"
    return text
