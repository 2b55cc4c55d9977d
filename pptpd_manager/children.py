"""Programs that run beside the loop, and what they wrote.

Not by Gio.Subprocess: before 3.46, which Debian 12 does not have, PyGObject loses some memory with each of them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from pptpd_manager.sources import Readable

# Called with what os.waitstatus_to_exitcode() makes of its end, negative for a signal, and what it wrote.
Ended = Callable[[int, bytes], None]

STDIN, STDOUT, STDERR = 0, 1, 2
_LOST = "/dev/null"


class Children:
    """Starts programs."""

    def __init__(self) -> None:
        self._ends = Readable()

    def run(self, command: list[str], ended: Ended, *, text: bytes = b"", keep: int = STDOUT) -> Child:
        """Start a program, which is looked for in PATH; ended() comes once, from the loop. Raises OSError.

        text: its standard input. keep: STDOUT or STDERR, which of them ended() is given; the other one is lost.
        """
        given, kept = _memory(text), _memory()
        try:
            actions = [(os.POSIX_SPAWN_DUP2, given, STDIN), (os.POSIX_SPAWN_DUP2, kept, keep)]
            lost = STDERR if keep == STDOUT else STDOUT
            # Python ignores SIGPIPE, and a program would go on doing so.
            pid = os.posix_spawnp(
                command[0],
                command,
                os.environ,
                file_actions=[*actions, (os.POSIX_SPAWN_OPEN, lost, _LOST, os.O_WRONLY, 0)],
                setsigdef=[signal.SIGPIPE],
            )
        except OSError:
            os.close(kept)
            raise
        finally:
            os.close(given)
        try:
            return Child(pid, kept, ended, self._ends)
        except OSError:
            os.close(kept)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise


class Child:
    """A program that runs."""

    def __init__(self, pid: int, kept: int, ended: Ended, ends: Readable) -> None:
        """kept: the file that it writes to, which this closes at its end. Raises OSError."""
        self._pid, self._kept, self._then, self._ends = pid, kept, ended, ends
        self._handle = os.pidfd_open(pid)  # readable when it has ended: pidfd_open(2)
        ends.watch(self._handle, self._ended)

    def kill(self) -> None:
        """End it now; ended() comes nevertheless."""
        os.kill(self._pid, signal.SIGKILL)  # nobody else has the number before os.waitpid()

    def _ended(self) -> None:
        self._ends.forget(self._handle)
        os.close(self._handle)
        _, status = os.waitpid(self._pid, 0)
        os.lseek(self._kept, 0, os.SEEK_SET)
        with open(self._kept, "rb") as file:
            written = file.read()
        self._then(os.waitstatus_to_exitcode(status), written)


def _memory(text: bytes = b"") -> int:
    """A file in memory, at its beginning: there is no pipe to wait for, however much goes through."""
    file = os.memfd_create("pptp-manager")
    if text:
        os.write(file, text)
        os.lseek(file, 0, os.SEEK_SET)
    return file
