"""What the configuration has run when a tunnel goes up, goes down, or is given up: its values; how they are read."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from .values import BadText, Fields, Items, Text

Command = tuple[str, ...]


@dataclass(frozen=True)
class Hooks:
    """The key 'hooks': commands for each event, run one after the other."""

    up: tuple[Command, ...] = ()
    down: tuple[Command, ...] = ()
    failed: tuple[Command, ...] = ()


def command(text: str) -> Command:
    """The words of a command line. Quotes and backslashes as in a shell, but nothing is expanded."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise BadText(f"not a command: {str(error).lower()}") from None
    if not words:
        raise BadText("must not be empty")
    if not words[0].startswith("/"):
        raise BadText(f"{words[0]} is not a whole path such as /usr/local/sbin/{words[0]}")
    if any(not word.isprintable() for word in words):
        raise BadText("must be one line without control characters")
    return words


_COMMANDS = Items(Text("a program's whole path, with its arguments", command), unique=False)
HOOKS: Fields[Hooks] = Fields(
    "a mapping with up, down and failed", dict.fromkeys(("up", "down", "failed"), _COMMANDS), Hooks
)
