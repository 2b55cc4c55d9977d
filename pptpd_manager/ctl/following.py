"""What pppd and pptp log of tunnels, as they log it, for who may read the journal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from gi.repository import Gio, GLib

from pptpd_manager.ctl.agents import DIES_WITH_US
from pptpd_manager.ctl.loop import Loop
from pptpd_manager.entries import ROOTS

Heard = Callable[[str, str, str], None]  # the unit, the program, the text


class Follower:
    """A journalctl that runs until close(). Where the journal cannot be read it is silent."""

    def __init__(self, loop: Loop, units: Iterable[str], heard: Heard) -> None:
        """heard: for each line that root's processes log in those units from now on."""
        self._loop, self._heard = loop, heard
        words = [*DIES_WITH_US, "journalctl", "--follow", "--no-tail", "--quiet", "--all"]
        words += ["--output=json", "--output-fields=_SYSTEMD_UNIT,SYSLOG_IDENTIFIER,MESSAGE"]
        words += [f"--since=@{time.time():.6f}", ROOTS, *(f"_SYSTEMD_UNIT={unit}" for unit in units)]
        flags = Gio.SubprocessFlags.STDOUT_PIPE | Gio.SubprocessFlags.STDERR_SILENCE
        self._child: Gio.Subprocess | None = None
        with suppress(GLib.Error):
            self._child = Gio.Subprocess.new(words, flags)
            self._stream = Gio.DataInputStream.new(self._child.get_stdout_pipe())
            self._next()

    def _next(self) -> None:
        self._stream.read_line_async(GLib.PRIORITY_DEFAULT, None, self._loop.guarded(self._read))

    def _read(self, stream: Gio.DataInputStream, result: Gio.AsyncResult) -> None:
        import json  # not before there is something to read: it takes its time

        try:
            line, _length = stream.read_line_finish(result)
        except GLib.Error:
            return
        if not line or self._child is None:  # the end; no line is empty
            return
        with suppress(ValueError, KeyError):
            entry = json.loads(bytes(line))
            texts = [entry[key] for key in ("_SYSTEMD_UNIT", "SYSLOG_IDENTIFIER", "MESSAGE")]
            if all(isinstance(text, str) for text in texts):
                self._heard(*texts)
        self._next()

    def close(self) -> None:
        """End it."""
        if self._child:
            self._child.send_signal(15)
            self._child.wait(None)
            self._child = None
