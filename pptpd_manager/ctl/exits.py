"""What pptpctl ends with; in pptpctl(1), too."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit statuses."""

    OK = 0
    PROBLEM = 1  # anything without a number of its own; `check` and `doctor` found something
    USAGE = 2  # the command line is wrong
    UNKNOWN_TUNNEL = 3  # no tunnel of that name is configured
    REFUSED = 4  # not authorized
    DOWN = 5  # the tunnel could not be connected; the reason is told
    TIMED_OUT = 6  # it is not known yet how it ends
    NO_MANAGER = 7  # pptp-manager does not run, or does not answer
    INTERRUPTED = 130  # by Ctrl-C; the tunnel is left alone


class CtlError(Exception):
    """A command that cannot be done: main() writes the message to stderr and ends with the status."""

    def __init__(self, status: Exit, message: str) -> None:
        super().__init__(message)
        self.status = status
