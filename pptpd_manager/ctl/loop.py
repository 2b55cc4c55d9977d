"""The loop of a command that waits for events: it ends with a status, or with the exception of a callback."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable
from typing import Any, TextIO

from gi.repository import GLib

from pptpd_manager.ctl.exits import Exit, Terminated


class Loop:
    """One GLib main loop. Whatever GLib is to call goes through guarded(), or comes from after() and leave_with()."""

    def __init__(self) -> None:
        self._loop = GLib.MainLoop()
        self._status: Exit | None = None
        self._failure: BaseException | None = None
        self._sources: set[int] = set()

    def run(self) -> Exit:
        """Wait until end() has been called, also before; its status.

        Raises what a guarded callback raised, KeyboardInterrupt at Ctrl-C (PyGObject's MainLoop.run does that), and
        Terminated at SIGTERM.
        """
        before = signal.signal(signal.SIGTERM, lambda *_: GLib.idle_add(self._terminated))
        try:
            if self._status is None and self._failure is None:
                self._loop.run()
        finally:
            signal.signal(signal.SIGTERM, before)
            for source in self._sources:
                GLib.source_remove(source)
            self._sources.clear()
        if self._failure:
            raise self._failure
        return Exit.OK if self._status is None else self._status

    def end(self, status: Exit = Exit.OK) -> None:
        """Have run() return that; the first call counts."""
        if self._status is None:
            self._status = status
        self._loop.quit()

    def _terminated(self) -> bool:
        self._failure = self._failure or Terminated()
        self._loop.quit()
        return bool(GLib.SOURCE_REMOVE)

    def guarded(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        """callback for GLib, which would print an exception of it and go on: here it ends run()."""

        @functools.wraps(callback)
        def call(*arguments: Any) -> Any:
            try:
                return callback(*arguments)
            except BaseException as error:
                self._failure = self._failure or error
                self._loop.quit()
                return GLib.SOURCE_REMOVE

        return call

    def after(self, seconds: float, callback: Callable[[], Any]) -> Callable[[], None]:
        """Call callback once, then; unless what is returned is called before."""

        def fire() -> bool:
            self._sources.discard(source)
            self.guarded(callback)()
            return bool(GLib.SOURCE_REMOVE)

        def cancel() -> None:
            if source in self._sources:
                self._sources.discard(source)
                GLib.source_remove(source)

        source: int = GLib.timeout_add(round(seconds * 1000), fire)
        self._sources.add(source)
        return cancel

    def leave_with(self, stream: TextIO) -> None:
        """Have run() raise BrokenPipeError as soon as nobody reads the stream any more, if it is a pipe or a terminal.

        Otherwise a monitor without events would stay for ever.
        """

        def gone(_fd: int, _condition: GLib.IOCondition) -> bool:
            self._sources.discard(source)
            self._failure = self._failure or BrokenPipeError()
            self._loop.quit()
            return bool(GLib.SOURCE_REMOVE)

        conditions = GLib.IOCondition.ERR | GLib.IOCondition.HUP
        source: int = GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, stream.fileno(), conditions, gone)
        self._sources.add(source)
