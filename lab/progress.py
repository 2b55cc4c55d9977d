"""Progress lines on stderr; stdout belongs to the guest's command."""

from __future__ import annotations

import sys
import time

START = time.monotonic()


class LabError(Exception):
    """The lab itself cannot go on. The message is for a person; the program ends with status 125."""


def say(message: str) -> None:
    """One line with the seconds since the start of the program."""
    print(f"lab {time.monotonic() - START:6.1f}s  {message}", file=sys.stderr, flush=True)
