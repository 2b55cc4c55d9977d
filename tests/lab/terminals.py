"""A program at a terminal of its own: what is on it, and what is typed there."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import commands as lab


@contextmanager
def started(*command: str, **environment: str) -> Iterator[Terminal]:
    """The command, on a terminal; killed at the end if it has not ended."""
    pid, master = pty.fork()
    if pid == 0:
        os.environ.update(environment)
        os.execvp(command[0], command)
    try:
        yield Terminal(pid, master)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.close(master)
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


class Terminal:
    """What is on it, and the exit status of its program."""

    def __init__(self, pid: int, master: int) -> None:
        self.pid, self._master, self.text = pid, master, ""

    def wait_for(self, pattern: str, seconds: float = 40) -> None:
        """Read until that is there."""
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            assert time.monotonic() < deadline, f"no {pattern} in:\n{self.text}\n{lab.evidence()}"
            self.read()

    def read(self) -> bool:
        """Read what there is; False at the end."""
        if not select.select([self._master], [], [], 0.2)[0]:
            return True
        try:
            data = os.read(self._master, 4096)
        except OSError:  # EIO: all programs have closed it
            return False
        self.text += data.decode(errors="replace")
        return bool(data)

    def type(self, line: str) -> None:
        """Type a line, when the agent has turned the echo off: that throws away what was typed before."""
        deadline = time.monotonic() + 20
        while self.echoes:
            assert time.monotonic() < deadline, self.text
            self.read()
        os.write(self._master, f"{line}\n".encode())

    def status(self) -> int:
        """The exit status, and all the text."""
        deadline = time.monotonic() + 90
        while (ended := os.waitpid(self.pid, os.WNOHANG)) == (0, 0):
            assert time.monotonic() < deadline, self.text
            self.read()
        while select.select([self._master], [], [], 0.2)[0] and self.read():
            pass
        return os.waitstatus_to_exitcode(ended[1])

    def press(self, keys: str) -> None:
        """Type that at once: a Ctrl-C, a tabulator."""
        os.write(self._master, keys.encode())

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)
