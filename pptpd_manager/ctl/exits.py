"""What pptpctl ends with; in pptpctl(1), too."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType


class Exit(IntEnum):
    """The exit statuses."""

    OK = 0
    PROBLEM = 1
    USAGE = 2
    UNKNOWN_TUNNEL = 3
    REFUSED = 4
    DOWN = 5
    TIMED_OUT = 6
    NO_MANAGER = 7
    INTERRUPTED = 130


MEANINGS: Mapping[Exit, str] = MappingProxyType(
    {
        Exit.OK: "It is done.",
        Exit.PROBLEM: "Anything without a number of its own; `check` and `doctor` have found something.",
        Exit.USAGE: "The command line is wrong.",
        Exit.UNKNOWN_TUNNEL: "There is no tunnel of that name in the configuration.",
        Exit.REFUSED: "Not authorized.",
        Exit.DOWN: "The tunnel could not be connected; the reason is told.",
        Exit.TIMED_OUT: "It is not known yet how it ends.",
        Exit.NO_MANAGER: "pptp-manager does not run, or does not answer.",
        Exit.INTERRUPTED: "Ended by Ctrl-C; the tunnel is left alone.",
    }
)


class Terminated(BaseException):
    """SIGTERM has come: main() has the process end by it, behind what leaves the terminal as it was."""


class CtlError(Exception):
    """A command that cannot be done: main() writes the message to stderr and ends with the status."""

    def __init__(self, status: Exit, message: str) -> None:
        super().__init__(message)
        self.status = status
