"""What the configuration has run when a tunnel goes up, goes down, or is given up: its values; how they are read."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from .values import BadText, Fields, Items, Part, Text

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


# The first word, in quotes or not, is a whole path.
_COMMAND = Text(
    "a program's whole path, with its arguments", command, schema={"type": "string", "pattern": "^[ \\t\"'\\\\]*/"}
)
_COMMANDS = Items(_COMMAND, unique=False)
HOOKS: Fields[Hooks] = Fields(
    "a mapping with up, down and failed",
    {
        "up": Part(
            _COMMANDS,
            "when the tunnel has come up and its routes are there, after each dial",
            '["/usr/local/sbin/notify up"]',
            "[]",
        ),
        "down": Part(
            _COMMANDS,
            "when one that was up has ended, for whatever reason; its link may be gone by then",
            '["/usr/local/sbin/notify down"]',
            "[]",
        ),
        "failed": Part(
            _COMMANDS,
            "when the tunnel has been given up; not for each attempt that fails",
            "[\"/usr/bin/wall 'work is down for good'\"]",
            "[]",
        ),
    },
    Hooks,
)
