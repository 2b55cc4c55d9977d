"""How text gets its colour and its columns: on terminals, in pipes, and with NO_COLOR (no-color.org)."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Sequence
from typing import TextIO

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
USUAL = 80  # columns of a terminal that does not tell
WIDE = 1 << 16  # columns of what is no terminal: nothing is cut there


class Style:
    """Colours for one stream, if it wants them."""

    def __init__(self, stream: TextIO) -> None:
        terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        self.colour = terminal and not os.environ.get("NO_COLOR")
        # As systemd judges it: what the locale of the environment is in.
        locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "")
        self.signs = locale.lower().replace("-", "").endswith("utf8")
        self.width = width() if stream.isatty() else WIDE

    def paint(self, text: str, *kinds: str) -> str:
        """text in these kinds: bold, dim, red, green, yellow, cyan."""
        if not (self.colour and text and kinds):
            return text
        return f"\033[{';'.join(_CODES[kind] for kind in kinds)}m{text}\033[0m"


def width() -> int:
    """The terminal's columns, as shutil.get_terminal_size(): without what else shutil brings, compressors."""
    wanted = os.environ.get("COLUMNS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ else 1).columns or USUAL
    except (OSError, ValueError):
        return USUAL


def columns(text: str) -> int:
    """How many columns of a terminal the text takes; it holds no escape codes."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) != 0 for character in text)


def printable(text: str) -> str:
    """text without what a terminal would obey: a log line may hold what a server has sent."""
    return "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in text)


def cut(text: str, width: int) -> str:
    """text in that many columns, with … at the end when something had to go."""
    if columns(text) <= width:
        return text
    kept = ""
    for character in text:
        if columns(kept + character) > width - 1:
            break
        kept += character
    return f"{kept}…" if width > 0 else ""


def pad(text: str, width: int) -> str:
    """text with as many spaces behind as make it that wide."""
    return text + " " * max(0, width - columns(text))


def widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """The columns that each column of a table needs."""
    return [max(map(columns, column)) for column in zip(*rows, strict=True)]
