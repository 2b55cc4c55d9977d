"""A page in a small part of Markdown -> a manual page for man(1), in the macros of man(7).

Of Markdown: headings (##, ###), paragraphs (a backslash at the end of a line breaks it), lists with "- ", definitions
(a line for each term, then ":   "), tables, code by four blanks, and in a line `code`, *emphasis*, **strong** and
[text](link). A table becomes definitions, which fit any terminal.

Own, since what Debian has for this (docutils, go-md2man, pandoc) writes another text in each version, so the pages
could not be checked in and compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_INLINE = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<strong>[^*]+)\*\*|(?<!\w)\*(?P<emphasis>[^*\s][^*]*)\*|\[(?P<text>[^]]+)\]\([^)]*\)"
    r"|(?<![\w/])(?P<path>/(?:etc|run|usr)/[\w./@-]*\w)"
    r"|(?<![\w/-])(?P<page>[A-Za-z][\w@.+-]*)\((?P<section>[1-8])\)"
)
_SPECIAL = str.maketrans({"\\": r"\e", "^": r"\(ha", "~": r"\(ti", "`": r"\(ga"})
_INDENT = 4  # of code and of what a definition says


def page(source: str, version: str) -> str:
    """The manual page; source begins with "# NAME(SECTION)"."""
    title, _, body = source.partition("\n")
    found = re.fullmatch(r"# (\S+)\(([1-8])\)", title)
    if not found:
        raise ValueError(f"no title: {title}")
    head = [f'.\\" Made from man/{found[1]}.{found[2]}.md by `make docs`.']
    # No date: that of the build would make each one another, and that of a change would have to be kept by hand.
    head += [f'.TH "{found[1]}" "{found[2]}" "" "pptp-manager {version}" ""', ".ad l", ".nh"]
    return "\n".join([*head, *blocks(body.split("\n"))]) + "\n"


def blocks(lines: Sequence[str]) -> list[str]:
    """The macros for these lines of Markdown."""
    out: list[str] = []
    at = 0
    fresh = True  # nothing stands before that a paragraph would have to be kept apart from
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif line.startswith("##"):
            out.append(_heading(line))
            at, fresh = at + 1, True
        else:
            for begins, block in _BLOCKS:
                if begins(lines, at):
                    made, at = block(lines, at, fresh)
                    out += made
                    break
            fresh = False
    return out


def inline(text: str) -> str:
    """A line of text with its fonts."""
    out, last = [], 0
    for found in _INLINE.finditer(text):
        out.append(_escaped(text[last : found.start()]))
        match found.lastgroup:
            case "code" | "strong":
                out.append(rf"\fB{_literal(found[found.lastgroup])}\fP")
            case "emphasis" | "path":
                out.append(rf"\fI{_literal(found[found.lastgroup])}\fP")
            case "text":
                out.append(inline(found["text"]))
            case _:
                out.append(rf"\fB{_literal(found['page'])}\fP({found['section']})")
        last = found.end()
    whole = "".join([*out, _escaped(text[last:])])
    return rf"\&{whole}" if whole.startswith((".", "'")) else whole


def _escaped(text: str) -> str:
    return text.translate(_SPECIAL)


def _literal(text: str) -> str:
    """Text to be typed or copied: a hyphen and a quote stay what they are in ASCII."""
    return _escaped(text).replace("-", r"\-").replace("'", r"\(aq")


def _heading(line: str) -> str:
    marks, _, title = line.partition(" ")
    if marks == "##":
        return f'.SH "{_escaped(title)}"'
    return f'.SS "{inline(title)}"'.replace(r"\fP", r"\fR")


# --- the blocks: each takes the lines, where it begins, and whether it comes first; and gives where it ended ---

_Block = Callable[[Sequence[str], int, bool], tuple[list[str], int]]


def _code(lines: Sequence[str], at: int, fresh: bool) -> tuple[list[str], int]:
    end = at
    while end < len(lines) and (lines[end].startswith(" " * _INDENT) or not lines[end].strip()):
        end += 1
    text = [line[_INDENT:].rstrip() for line in lines[at:end]]
    while text and not text[-1]:
        text.pop()
    literal = [rf"\&{line}" if line.startswith((".", "'")) else line for line in map(_literal, text)]
    return [*([] if fresh else [".PP"]), ".RS 4", ".nf", *literal, ".fi", ".RE"], end


def _list(lines: Sequence[str], at: int, fresh: bool) -> tuple[list[str], int]:
    out = []
    while at < len(lines) and lines[at].startswith("- "):
        item, at = _body(lines, at, 2)
        out += [r".IP \[u2022] 2", *_rest(item)]
    return out, at


def _definitions(lines: Sequence[str], at: int, fresh: bool) -> tuple[list[str], int]:
    out: list[str] = []
    for count in range(1, 20):
        if at + count < len(lines) and lines[at + count].startswith(":   "):
            break
    for number in range(count):
        out += [".TP" if not number else ".TQ", inline(lines[at + number])]
    item, at = _body(lines, at + count, _INDENT)
    return out + _rest(item), at


def _table(lines: Sequence[str], at: int, fresh: bool) -> tuple[list[str], int]:
    head, rows = _cells(lines[at]), []
    at += 2
    while at < len(lines) and lines[at].startswith("|"):
        rows.append(_cells(lines[at]))
        at += 1
    out = []
    for term, *cells in rows:
        out += [".TP", inline(term)]
        if len(cells) == 1:
            out.append(inline(cells[0]))
            continue
        for number, (name, cell) in enumerate(zip(head[1:], cells, strict=True)):
            out += [*([".br"] if number else []), inline(f"{name}: {cell}")]
    return out, at


def _paragraph(lines: Sequence[str], at: int, fresh: bool) -> tuple[list[str], int]:
    out = [] if fresh else [".PP"]
    while at < len(lines) and lines[at].strip() and not (len(out) > 1 and lines[at].startswith(("- ", "|", "#"))):
        line = lines[at].strip()
        out += [inline(line[:-1].rstrip()), ".br"] if line.endswith("\\") else [inline(line)]
        at += 1
    return out, at


def _body(lines: Sequence[str], at: int, indent: int) -> tuple[list[str], int]:
    """What belongs to an item whose first line has a mark of that width: the lines without it, and the line after."""
    item = [lines[at][indent:]]
    at += 1
    while at < len(lines) and (lines[at].startswith(" " * indent) or not lines[at].strip()):
        item.append(lines[at][indent:])
        at += 1
    return item, at


def _rest(item: list[str]) -> list[str]:
    """The first paragraph of an item as it is, and what follows moved to the right, too."""
    made, end = _paragraph(item, 0, True)
    more = blocks(item[end:])
    return made + ([".RS", *_apart(more), ".RE"] if more else [])


def _apart(more: list[str]) -> list[str]:
    """These macros kept apart from the line before."""
    return more if more[0].startswith((".TP", ".IP")) else [".PP", *more]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def _defined(lines: Sequence[str], at: int) -> bool:
    """Whether a definition's terms begin here."""
    for line in lines[at + 1 :]:
        if line.startswith(":   "):
            return True
        if not line.strip() or line.startswith((" ", "-", "|", "#")):
            return False
    return False


_BLOCKS: tuple[tuple[Callable[[Sequence[str], int], bool], _Block], ...] = (
    (lambda lines, at: lines[at].startswith(" " * _INDENT), _code),
    (lambda lines, at: lines[at].startswith("- "), _list),
    (lambda lines, at: lines[at].startswith("|"), _table),
    (_defined, _definitions),
    (lambda lines, at: True, _paragraph),
)
