"""Has nft(8) keep our table as it is wanted, without waiting for it; what it says when it cannot.

nft as a program and not libnftables (python3-nftables): that waits for the kernel within the call, which on a busy
machine is long, and the loop waits with it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

from pptpd_manager import clamp, privatefile
from pptpd_manager.children import STDERR, Child, Children
from pptpd_manager.optionfile import PROGRAMS_PATH
from pptpd_manager.programs import which
from pptpd_manager.reasons import printable
from pptpd_manager.timers import Timers

LONGEST_SECONDS = 10.0


class Nft:
    """One table, that of clamp.py. on_fault(why): called when it cannot be as it should, and with "" when it can."""

    def __init__(self, directory: str, timers: Timers, on_fault: Callable[[str], None]) -> None:
        """directory: exists until the next boot. A file there says that the table may be: whoever finds it removes it.

        So where nobody clamps, nobody asks the kernel for nftables, which would load it.
        """
        self._trace, self._timers, self._on_fault = Path(directory) / "nftables", timers, on_fault
        self._wanted: dict[str, int] = {}
        self._done: dict[str, int] | None = None  # what was tried last; None: it is not known what there is
        self._needed = False
        self._children = Children()
        self._child: Child | None = None
        self._late = False

    def want(self, mtus: Mapping[str, int], *, needed: bool) -> None:
        """Have rules for these interfaces. needed: some tunnel will want some, so whether it can be is to be known."""
        self._wanted, self._needed = dict(mtus), needed
        self._next()

    def again(self) -> None:
        """Somebody may have emptied nftables, or installed it."""
        self._done = None
        self._next()

    def _next(self) -> None:
        """Make the table as wanted, unless that is being done or was tried."""
        if self._child or self._done == self._wanted:
            return
        if self._done is None and not (self._wanted or self._needed or self._trace.exists()):
            return
        self._done = self._wanted
        program = which("nft", PROGRAMS_PATH)
        if not program:
            return self._on_fault("nft is not installed; install the package nftables")
        text, ended = clamp.ruleset(self._wanted).encode(), functools.partial(self._ended, self._wanted)
        try:
            self._trace.touch()
            self._child = self._children.run([program, "-f", "-"], ended, text=text, keep=STDERR)
        except OSError as error:
            return self._on_fault(printable(f"nft: {error}"))
        self._timers.start(self, LONGEST_SECONDS, self._too_late)

    def _ended(self, done: Mapping[str, int], status: int, words: bytes) -> None:
        self._timers.cancel(self)
        self._child, late, self._late = None, self._late, False
        why = "nft does not end" if late else _fault(status, words)
        if not why and not done:
            privatefile.remove(self._trace)
        self._on_fault(why)
        self._next()

    def _too_late(self) -> None:
        self._late = True
        if self._child:
            self._child.kill()


def _fault(status: int, words: bytes) -> str:
    """Why nft did not do it; "" when it did."""
    return printable(clamp.fault(words.decode(errors="replace").splitlines())) if status else ""
