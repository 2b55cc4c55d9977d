"""Watches the processes of a tunnel that is up: what pppd alone would not notice, or cannot."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from pptpd_manager import reasons
from pptpd_manager.reasons import Failure
from pptpd_manager.sources import Readable
from pptpd_manager.timers import Timers

LOOK_SECONDS = 5
STOPPED = (b"T", b"t")  # /proc/PID/stat, proc(5): stopped by a signal or by a debugger
# The gateway holds pppd's pseudo-terminal, so pppd notices its end. A call manager that ends well ends it before.
CALL_MANAGER, GATEWAY, PPPD = "pptpcm", "pptpgw", "pppd"
GRACE_SECONDS = 0.3


class Processes:
    """Watches by pidfd, which needs no right over the processes, and by a look at pppd now and then."""

    def __init__(self, timers: Timers) -> None:
        self._timers, self._ends = timers, Readable()
        self._watched: dict[str, _Watch] = {}
        self._looking = False

    def watch(self, name: str, pppd: int, pids: Iterable[int], lost: Callable[[Failure], None]) -> None:
        """lost(failure): called once, when the call manager among pids has ended or pppd stays stopped.

        pppd: its number; 0: it is among pids. Replaces the watch of that name. One whose pppd has ended has ended
        itself.
        """
        self.forget(name)
        programs = {pid: _program(pid) for pid in pids}
        managers, gateways = (
            [pid for pid, program in programs.items() if program == wanted] for wanted in (CALL_MANAGER, GATEWAY)
        )
        # A child of pppd's has its name until it becomes the script that it is to run.
        mains = [pid for pid, program in programs.items() if program == PPPD and _parent(pid) not in programs]
        main, manager = pppd or next(iter(mains), 0), next(iter(managers), 0)
        self._watched[name] = _Watch(self._timers, self._ends, main, manager, gateways, lost)
        if not self._looking:
            self._looking = True
            self._timers.start(self, LOOK_SECONDS, self._look)

    def forget(self, name: str) -> None:
        """End the watch of that name, if there is one."""
        if watch := self._watched.pop(name, None):
            watch.close()

    def _look(self) -> None:
        """Look at all of them at once, so that this wakes the processor as often for one as for a hundred."""
        for watch in [*self._watched.values()]:
            watch.look()
        self._looking = bool(self._watched)
        if self._looking:
            self._timers.start(self, LOOK_SECONDS, self._look)


class _Watch:
    def __init__(
        self,
        timers: Timers,
        ends: Readable,
        pppd: int,
        manager: int,
        gateways: list[int],
        lost: Callable[[Failure], None],
    ) -> None:
        self._timers, self._ends = timers, ends
        self._pppd, self._gateways, self._lost = pppd, gateways, lost
        self._stat, self._was_stopped = _stat(pppd), False
        self._fds: list[int] = []
        self._on_end(manager, self._manager_ended)
        self._on_end(pppd, self.close)

    def close(self) -> None:
        """Watch nothing any more."""
        self._timers.cancel(self)
        if self._stat >= 0:
            os.close(self._stat)
        self._stat = -1
        fds, self._fds = self._fds, []
        for fd in fds:
            self._ends.forget(fd)
            os.close(fd)

    def _on_end(self, pid: int, ended: Callable[[], None]) -> None:
        """Call ended when the process ends, unless it has already. Source: pidfd_open(2)."""
        try:
            fd = os.pidfd_open(pid) if pid else -1
        except OSError:  # it is gone: then pppd's end tells the rest
            return
        if fd >= 0:
            self._fds.append(fd)
            self._ends.watch(fd, ended)

    def _manager_ended(self) -> None:
        """Look in a moment: one that ends well has ended its gateway, and then pppd notices."""
        pppd = self._pppd
        self.close()
        if pppd:
            self._on_end(pppd, self.close)
        self._timers.start(self, GRACE_SECONDS, self._look_for_gateway)

    def _look_for_gateway(self) -> None:
        if any(_program(pid) == GATEWAY for pid in self._gateways):
            self._tell(Failure(reasons.PPTP_KILLED))
        else:
            self.close()

    def look(self) -> None:
        """Two looks in a row, since a debugger or a shell may stop a process for a moment."""
        stopped = _read(self._stat)[:1] in STOPPED
        if stopped and self._was_stopped:
            self._tell(Failure(reasons.PPPD_HANGS))
        self._was_stopped = stopped

    def _tell(self, failure: Failure) -> None:
        self.close()
        self._lost(failure)


def _program(pid: int) -> str:
    """The process's name, "" if it is gone. Not by a Path: see privatefile.path_of()."""
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def _parent(pid: int) -> int:
    """The number of the process's parent, 0 if it is gone."""
    fd = _stat(pid)
    try:
        return int((_read(fd).split() or [b"", b"0"])[1])
    finally:
        if fd >= 0:
            os.close(fd)


def _stat(pid: int) -> int:
    """/proc/PID/stat, open: to be read again and again, since opening it takes as long as that; -1 if it is gone."""
    try:
        return os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC) if pid else -1
    except OSError:
        return -1


def _read(stat: int) -> bytes:
    """It from the state on, "" if the process is gone. Source: proc(5); the name before that may hold anything."""
    try:
        return os.pread(stat, 4096, 0).rpartition(b") ")[2] if stat >= 0 else b""
    except OSError:
        return b""
