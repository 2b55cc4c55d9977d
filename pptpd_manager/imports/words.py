r"""The words of pppd's files with their lines, as getword() of its options.c reads them: whole files, and bytes.

options.words() of the manager is for one line of its own configuration; here a word may go over lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_WORD = 1023  # MAXWORDLEN of pppd.h, without the final NUL
_SPACE = b" \t\n\v\f\r"  # isspace(3) in the C locale, in which pppd runs
_OCTAL, _HEX = b"01234567", b"0123456789abcdefABCDEF"
_MEANT = {b"a": 7, b"b": 8, b"f": 12, b"n": 10, b"r": 13, b"s": 32, b"t": 9}


@dataclass(frozen=True)
class Word:
    """text: bytes that are no UTF-8 are surrogates in it (PEP 383). raw: as it stands in the file.

    line counts from 1. first: nothing stands before it on its line.
    """

    text: str = field(repr=False)
    line: int
    first: bool
    raw: str = field(repr=False, compare=False, default="")


def words(content: bytes) -> Iterator[Word]:
    """The words of a file in their order."""
    at, line = 0, 1
    first = True
    while True:
        start, newline = _skip(content, at)
        text, end = _word(content, start)
        if text is None:
            return
        line += content.count(b"\n", at, start)
        raw = content[start:end].decode(errors="surrogateescape")
        yield Word(text[:MAX_WORD].partition(b"\0")[0].decode(errors="surrogateescape"), line, first or newline, raw)
        line += content.count(b"\n", start, end)
        at, first = end, False


def _skip(content: bytes, at: int) -> tuple[int, bool]:
    """Where the next word begins, behind white space and comments, and whether a line does before it."""
    newline = False
    while at < len(content):
        c = content[at : at + 1]
        if c == b"#":
            end = content.find(b"\n", at)
            at = len(content) if end < 0 else end
        elif c == b"\\" and content[at + 1 : at + 2] == b"\n":
            at += 2
        elif c in _SPACE:
            newline = newline or c == b"\n"
            at += 1
        else:
            break
    return at, newline


def _word(content: bytes, at: int) -> tuple[bytes | None, int]:
    """The word that begins there and where it ends; None when the file ends instead."""
    word, quote = bytearray(), b""
    while c := content[at : at + 1]:
        if c == b"\\":
            if content[at + 1 : at + 2] == b"\n":
                at += 2
            elif at + 1 == len(content):
                at += 1
            else:
                value, at = _escaped(content, at + 1)
                word.append(value)
            continue
        if quote and c == quote:
            quote = b""
        elif not quote and c in b"\"'":
            quote = c
        elif not quote and (c in _SPACE or c == b"#"):
            return bytes(word), at
        else:
            word += c
        at += 1
    return bytes(word) or None, at


def _escaped(content: bytes, at: int) -> tuple[int, int]:
    """What the escape means whose backslash stands before at, and where the next character is."""
    c = content[at : at + 1]
    if c in _MEANT:
        return _MEANT[c], at + 1
    if c in _OCTAL:
        end = _while(content, at, 3, _OCTAL)
        return int(content[at:end], 8) & 0xFF, end
    if c == b"x":
        end = _while(content, at + 1, 2, _HEX)
        return int(content[at + 1 : end] or b"0", 16), end
    return c[0], at + 1


def _while(content: bytes, at: int, most: int, digits: bytes) -> int:
    """The end of the digits from at on."""
    end = at
    while end < min(at + most, len(content)) and content[end : end + 1] in digits:
        end += 1
    return end
