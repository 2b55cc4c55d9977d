"""The words and operators of a shell script, without comments, redirections and here-documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_OPERATORS = ("&&", "||", ";;", ";", "&", "|", "(", ")", "\n")
_REDIRECTION = re.compile(r"(?:\d*|&)(?:>>|>\||<>|>&|<&|>|<(?!<))")
_HERE = re.compile(r"\d*<<(-?)[ \t]*(['\"\\]?)(\w+)['\"]?")


@dataclass(frozen=True)
class Token:
    text: str
    line: int
    operator: bool = False


def tokens(text: str) -> Iterator[Token]:
    """Words and operators; comments, redirections and here-documents are left out."""
    at, line = 0, 1
    heres: list[str] = []
    while at < len(text):
        c = text[at]
        if c == "\\" and text[at + 1 : at + 2] == "\n":
            at, line = at + 2, line + 1
        elif c in " \t\r":
            at += 1
        elif c == "#":
            at = _find(text, "\n", at)
        elif match := _HERE.match(text, at):
            heres.append(match[3])
            at = match.end()
        elif match := _REDIRECTION.match(text, at):
            at = match.end()
            while text[at : at + 1] in (" ", "\t", "&"):
                at += 1
            at = _word(text, at)
        elif operator := next((each for each in _OPERATORS if text.startswith(each, at)), ""):
            yield Token(operator, line, True)
            at, line = at + len(operator), line + operator.count("\n")
            while operator == "\n" and heres:
                end = re.compile(rf"^\t*{heres.pop(0)}$", re.MULTILINE).search(text, at)
                after = end.end() if end else len(text)
                at, line = after, line + text.count("\n", at, after)
        else:
            end_of_word = max(_word(text, at), at + 1)
            yield Token(_unquoted(text[at:end_of_word]), line)
            line += text.count("\n", at, end_of_word)
            at = end_of_word


def _find(text: str, what: str, at: int) -> int:
    """Where that is from there on; the end when it is not."""
    found = text.find(what, at)
    return len(text) if found < 0 else found


def _word(text: str, at: int) -> int:
    """The end of the word that begins there."""
    while at < len(text) and text[at] not in " \t\r\n;&|()<>":
        c = text[at]
        if c == "\\":
            at += 2
        elif c in "'\"`":
            at = _closing(text, at + 1, c) + 1
        elif text.startswith(("$(", "${"), at):
            at = _find(text, ")" if text[at + 1] == "(" else "}", at) + 1
        else:
            at += 1
    return min(at, len(text))


def _closing(text: str, at: int, quote: str) -> int:
    """Where the quote is closed."""
    while at < len(text) and text[at] != quote:
        at += 2 if text[at] == "\\" and quote != "'" else 1
    return at


def _unquoted(word: str) -> str:
    """The word without its quotes; what a command would have written is "$?"."""
    if "`" in word or "$(" in word:
        return "$?"
    return re.sub(r"""\\(.)|'([^']*)'|["']""", lambda match: match[1] or match[2] or "", word, flags=re.DOTALL)
