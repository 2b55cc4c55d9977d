"""pptpctl as a process in a world of tests: in a pipe or at a terminal, while the test goes on acting."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
from typing import Any

from .clients import ROOT, until
from .world import World

CODE = "import sys; from pptpd_manager.ctl.command import main; sys.exit(main())"


class Pptpctl:
    """A pptpctl that has begun. out, err: what it has written so far; at a terminal that is one, out."""

    def __init__(
        self,
        world: World,
        *arguments: str,
        terminal: bool = False,
        columns: int = 80,
        uid: int = 0,
        **environment: str,
    ) -> None:
        self._out = self._err = b""
        self._master = -1
        user = [] if uid == 0 else ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        # SIGINT is ignored by what a shell has begun with an &, and by all that this begins: the tests, too.
        command = world.inside(*user, "env", "--default-signal=INT", "/usr/bin/python3", "-c", CODE, *arguments)
        options: dict[str, Any] = {
            "cwd": ROOT,
            "env": {
                "PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
                "PYTHONPATH": str(ROOT),
                "DBUS_SYSTEM_BUS_ADDRESS": world.address,
                "TERM": "xterm",
                **environment,
            },
        }
        if terminal:
            self._master, slave = pty.openpty()
            world.stack.callback(os.close, self._master)
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            # A session of its own, whose terminal that is, as a login has it.
            options |= {"stdin": slave, "stdout": slave, "stderr": slave, "start_new_session": True}
            options["preexec_fn"] = lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            self.process = world.process(*command, **options)
            os.close(slave)
            os.set_blocking(self._master, False)
        else:
            pipe = subprocess.PIPE
            self.process = world.process(*command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, **options)
            for stream in (self.process.stdout, self.process.stderr):
                assert stream
                os.set_blocking(stream.fileno(), False)

    @property
    def out(self) -> str:
        if self._master >= 0:
            self._out += _read(self._master)
        elif self.process.stdout:
            self._out += _read(self.process.stdout.fileno())
        return self._out.decode(errors="replace")

    @property
    def err(self) -> str:
        if self.process.stderr:
            self._err += _read(self.process.stderr.fileno())
        return self._err.decode(errors="replace")

    def says(self, text: str) -> None:
        """Wait until it has written that."""
        until(lambda: text in self.out + self.err or self.process.poll() is not None, f"{text!r} of pptpctl")
        assert text in self.out + self.err, self.out + self.err

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def echoes(self) -> bool:
        """Whether its terminal shows what is typed."""
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    def status(self) -> int:
        """Wait for its end; its exit status."""
        until(lambda: self.process.poll() is not None, f"pptpctl to end, which wrote {self.out!r} {self.err!r}", 20)
        return self.process.wait()

    def outcome(self) -> tuple[int, str, str]:
        """Wait for its end; its exit status, and all that it wrote."""
        return self.status(), self.out, self.err


def _read(fd: int) -> bytes:
    """What there is to read at the moment."""
    data = b""
    try:
        while more := os.read(fd, 65536):
            data += more
    except (BlockingIOError, OSError):  # EIO: nobody has the terminal open any more
        pass
    return data
