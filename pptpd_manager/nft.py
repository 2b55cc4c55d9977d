"""Has nft(8) keep our table as it is wanted, without waiting for it; what it says when it cannot.

nft as a program and not libnftables (python3-nftables): that waits for the kernel within the call, which on a busy
machine is long, and the loop waits with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from gi.repository import Gio, GLib

from pptpd_manager import clamp, privatefile
from pptpd_manager.callback import guarded
from pptpd_manager.optionfile import PROGRAMS_PATH
from pptpd_manager.programs import which
from pptpd_manager.reasons import printable

LONGEST_MS = 10_000


class Nft:
    """One table, that of clamp.py. on_fault(why): called when it cannot be as it should, and with "" when it can."""

    def __init__(self, directory: str, on_fault: Callable[[str], None]) -> None:
        """directory: exists until the next boot. A file there says that the table may be: whoever finds it removes it.

        So where nobody clamps, nobody asks the kernel for nftables, which would load it.
        """
        self._trace, self._on_fault = Path(directory) / "nftables", on_fault
        self._wanted: dict[str, int] = {}
        self._done: dict[str, int] | None = None  # what was tried last; None: it is not known what there is
        self._needed = False
        self._child: Gio.Subprocess | None = None
        self._limit = 0

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
        flags = Gio.SubprocessFlags.STDIN_PIPE | Gio.SubprocessFlags.STDOUT_SILENCE | Gio.SubprocessFlags.STDERR_PIPE
        try:
            self._trace.touch()
            self._child = Gio.Subprocess.new([program, "-f", "-"], flags)
        except (GLib.Error, OSError) as error:
            return self._on_fault(printable(f"nft: {error}"))
        self._limit = GLib.timeout_add(LONGEST_MS, guarded(self._too_late))
        text = GLib.Bytes.new(clamp.ruleset(self._wanted).encode())
        doing = self._wanted
        self._child.communicate_async(text, None, guarded(lambda child, result: self._ended(child, result, doing)))

    def _ended(self, child: Gio.Subprocess, result: Gio.AsyncResult, done: Mapping[str, int]) -> None:
        self._child = None
        late = not self._limit
        if self._limit:
            GLib.source_remove(self._limit)
            self._limit = 0
        why = "nft does not end" if late else _fault(child, result)
        if not why and not done:
            privatefile.remove(self._trace)
        self._on_fault(why)
        self._next()

    def _too_late(self) -> bool:
        self._limit = 0  # it is running out just now
        if self._child:
            self._child.force_exit()
        return bool(GLib.SOURCE_REMOVE)


def _fault(child: Gio.Subprocess, result: Gio.AsyncResult) -> str:
    """Why nft did not do it; "" when it did."""
    try:
        _, _, said = child.communicate_finish(result)
    except GLib.Error as error:  # it ended before it had read all
        return printable(f"nft: {error.message}")
    words = (said.get_data() or b"").decode(errors="replace").splitlines() if said else []
    return "" if child.get_successful() else printable(clamp.fault(words))
