"""What pppd reads in an option file: getword() and options_from_file() of its options.c, for the tests.

Written from the source of pppd 2.4.9, line by line and on bytes; that of 2.5.2 is the same. test_option_files.py shows
that the real pppd agrees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

TABLE = Path(__file__).with_name("pppd-options.txt")
MAXWORDLEN = 1024  # pppd.h; with the final NUL
_MEANT = {b"a": 7, b"b": 8, b"f": 12, b"n": 10, b"r": 13, b"s": 32, b"t": 9}
_SPACE = b" \t\n\v\f\r"  # isspace(3) in the C locale, in which pppd runs


def table(version: str = "") -> dict[str, int]:
    """The options of that version of pppd, or of both -> how many arguments each takes."""
    rows = [line.split() for line in TABLE.read_text().splitlines() if not line.startswith("#")]
    return {name: int(count) for name, count, *versions in rows if not version or version in versions}


def words(content: bytes) -> Iterator[bytes]:
    """The words of the file in their order."""
    at = 0
    while True:
        word, at = _word(content, at)
        if word is None:
            return
        yield word


def _word(content: bytes, at: int) -> tuple[bytes | None, int]:
    """The first word from at on, None if there is none, and where it ends."""
    escape = comment = False
    c = b""
    while True:  # skip white space and comments
        c, at = content[at : at + 1], at + 1
        if not c:
            break
        if c == b"\n":
            comment = escape = False
            continue
        if comment:
            continue
        if escape:
            break
        if c == b"\\":
            escape = True
        elif c == b"#":
            comment = True
        elif c not in _SPACE:
            break
    word, quoted = bytearray(), b""
    while c:
        if escape:
            escape = False
            if c == b"\n":
                c, at = content[at : at + 1], at + 1
                continue
            value = _MEANT.get(c)
            got = False
            if value is None and c in b"01234567":
                value, got = 0, True
                for _ in range(3):
                    if not c or c not in b"01234567":
                        break
                    value = value * 8 + int(c)
                    c, at = content[at : at + 1], at + 1
            elif c == b"x":
                value, got = 0, True
                c, at = content[at : at + 1], at + 1
                for _ in range(2):
                    if not c or c not in b"0123456789abcdefABCDEF":
                        break
                    value = value * 16 + int(c, 16)
                    c, at = content[at : at + 1], at + 1
            word.append((ord(c) if value is None else value) & 0xFF)
            if not got:
                c, at = content[at : at + 1], at + 1
            continue
        if c == b"\\":
            escape = True
        elif quoted and c == quoted:
            quoted = b""
        elif not quoted and c in b"\"'":
            quoted = c
        elif not quoted and (c in _SPACE or c == b"#"):
            at -= 1
            break
        else:
            word += c
        c, at = content[at : at + 1], at + 1
    if not c and not word:
        return None, at
    return bytes(word[: MAXWORDLEN - 1]).partition(b"\0")[0], at  # a C string


def parsed(content: bytes, arguments: Mapping[str, int]) -> list[tuple[str, ...]]:
    """The options in the file, each with its arguments. arguments: how many each takes; one not in it takes none."""
    found, reading = [], words(content)
    for name in reading:
        text = name.decode()
        given = [next(reading).decode() for _ in range(arguments.get(text, 0))]
        found.append((text, *given))
    return found
