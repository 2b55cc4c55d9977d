"""Programs that ask at our terminal while we wait: polkit's agent and systemd's, as systemctl has them.

They end with us, also when we are killed: setpriv has the kernel see to that.
"""

from __future__ import annotations

import os
import select
import signal
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from gi.repository import Gio, GLib

REGISTER_SECONDS = 10.0
QUESTIONS = "/run/systemd/ask-password"
DIES_WITH_US = ("setpriv", "--pdeathsig", "TERM")


def at_a_terminal() -> bool:
    """Whether somebody sits at a terminal that is ours to ask at: we are in its foreground."""
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def in_a_session() -> bool:
    """Whether logind has a session of ours, or of our user's, which a desktop's agent may be for.

    Where there is none, polkit passes over an agent that is a fallback, and asks nobody (seen with 122).
    """
    with suppress(OSError), open("/proc/self/cgroup") as file:
        return "/session-" in file.read() or os.path.exists(f"/run/systemd/users/{os.getuid()}")
    return False


class Agents:
    """Those that we have started."""

    def __init__(self) -> None:
        self._children: list[Gio.Subprocess] = []
        self._authenticates = self._answers = False
        self._terminal = termios.tcgetattr(0) if at_a_terminal() else None

    def authenticate(self) -> None:
        """Have polkit's agent ask for passwords at our terminal, if nobody else does. Waits until it can."""
        if self._authenticates or os.geteuid() == 0 or not at_a_terminal():
            return
        self._authenticates = True
        told, tell = os.pipe()
        try:
            options = ("--fallback",) if in_a_session() else ()
            command = ("pkttyagent", *options, "--process", str(os.getpid()), "--notify-fd", str(tell))
            self._start(command, lambda launcher: launcher.take_fd(os.dup(tell), tell))
            os.close(tell)
            select.select([told], [], [], REGISTER_SECONDS)
        finally:
            os.close(told)

    def answer(self) -> None:
        """Have systemd's agent ask for tunnels' passwords at our terminal; only root's can answer."""
        if os.geteuid() == 0 and at_a_terminal():
            self._answers = True
            self._start(("systemd-tty-ask-password-agent", "--watch"))

    def asking(self) -> bool:
        """Whether systemd's agent may be asking at our terminal."""
        with suppress(OSError):
            return self._answers and any(name.startswith("ask.") for name in os.listdir(QUESTIONS))
        return False

    def _start(
        self, command: tuple[str, ...], prepare: Callable[[Gio.SubprocessLauncher], None] | None = None
    ) -> None:
        """Without one we get along: then nobody is asked, and the error says so."""
        launcher = Gio.SubprocessLauncher.new(Gio.SubprocessFlags.STDIN_INHERIT)
        if prepare:
            prepare(launcher)
        with suppress(GLib.Error):
            self._children.append(launcher.spawnv([*DIES_WITH_US, *command]))

    def close(self) -> None:
        """End them; the terminal is as it was: who is ended while somebody types leaves it without an echo."""
        for child in self._children:
            child.send_signal(signal.SIGTERM)
            child.send_signal(signal.SIGCONT)
        for child in self._children:
            child.wait(None)
        if self._children and self._terminal and at_a_terminal():
            termios.tcsetattr(0, termios.TCSADRAIN, self._terminal)
        self._children.clear()


@contextmanager
def agents() -> Iterator[Agents]:
    """Agents, and no more of them behind it."""
    made = Agents()
    try:
        yield made
    finally:
        made.close()
