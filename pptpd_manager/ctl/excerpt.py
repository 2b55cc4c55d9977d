"""The line of a configuration that a problem is in, with a caret under its column, and no secret.

A line may hold a password where nobody would look for one: the key is misspelt, a quote is missing, or it is the line
below the one that is wrong. So a line is shown up to its key, and what is behind only where it cannot be one.
"""

from __future__ import annotations

import re

from pptpd_manager import keys
from pptpd_manager.ctl.terminal import Style, columns, cut, printable
from pptpd_manager.document import Problem

HIDDEN = "…"
# Whose values are shown: neither those around the login nor what may name a program's secret.
SPOKEN = frozenset(key.name for key in keys.KEYS) - {
    *(key.name for key in (keys.SERVER, keys.USERNAME, keys.DOMAIN, *keys.SOURCES)),
    *(keys.HOOKS.name, keys.PPPD_OPTIONS.name),
}
_KEYS = {"tunnels", "defaults", *keys.BY_NAME}
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # YAML's
_LINE = re.compile(r"(?P<begin>\s*(?:- +)*)(?P<key>[A-Za-z0-9_-]{1,64}(?=\s*:(?:\s|$)))?(?P<rest>.*)", re.DOTALL)
_PLAIN = re.compile(
    r":?(?:[A-Za-z0-9_./, \t\[\]+-]|:(?!\s))*"
)  # no quotes, no comment, no mapping, nothing that YAML resolves


def excerpt(text: str, problem: Problem, style: Style) -> list[str]:
    """Two lines for people; none for a problem with the file as a whole. text: the file's."""
    found = _BREAK.split(text)
    if not 0 < problem.line <= len(found):
        return []
    shown, at = masked(found[problem.line - 1], problem.path, problem.column - 1)
    number = f"{problem.line:5} | "
    before = columns(_flat(shown[:at]))
    whole = cut(_flat(shown), max(1, style.width - len(number)))
    caret = min(before, max(0, columns(whole) - 1))
    return [
        style.paint(number, "dim") + whole,
        style.paint(" " * (len(number) - 2) + "| ", "dim") + " " * caret + style.paint("^", "red", "bold"),
    ]


def masked(line: str, path: str, at: int) -> tuple[str, int]:
    """What of a line may be shown, and where what was at `at` is in that. path: of the problem, as in Problem."""
    match = _LINE.match(line)
    assert match  # each part may be empty
    names = [part.partition("[")[0] for part in path.split(".")]
    begin, key, rest = match["begin"], match["key"] or "", match["rest"]
    shown = begin
    if key and (key in _KEYS or key in names):
        shown += key
        if rest.strip() == ":" or (rest.strip() and _shows(names, rest)):
            shown += rest
        else:
            shown += rest[: rest.index(":") + 1] + " " + HIDDEN
    elif not key and _shows(names, rest):
        shown += rest
    elif key or rest.strip():
        shown += HIDDEN
    kept = len(shown) - len(HIDDEN) if shown.endswith(HIDDEN) else len(shown)
    return shown.rstrip(), min(at, kept)


def _shows(names: list[str], rest: str) -> bool:
    """Whether the rest of the line is part of a value that may be shown."""
    known = names[2:3] if names[0] == "tunnels" else names[1:2]
    return bool(SPOKEN & set(known)) and _PLAIN.fullmatch(rest) is not None


def _flat(text: str) -> str:
    """text as it takes its place on a terminal."""
    return printable(text.expandtabs())
