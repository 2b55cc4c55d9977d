"""Timers of the GLib loop, one for each key; starting one replaces it."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from gi.repository import GLib

from pptpd_manager.callback import guarded


class Timers:
    """fired(key): called once when a timer has run out."""

    def __init__(self) -> None:
        self._sources: dict[Hashable, int] = {}

    def start(self, key: Hashable, seconds: float, fired: Callable[[], None]) -> None:
        """Call fired in that many seconds, unless cancelled or replaced."""
        self.cancel(key)

        def run() -> bool:
            del self._sources[key]
            fired()
            return bool(GLib.SOURCE_REMOVE)

        self._sources[key] = GLib.timeout_add(max(0, round(seconds * 1000)), guarded(run))

    def cancel(self, key: Hashable) -> None:
        """Forget the timer, if there is one."""
        if (source := self._sources.pop(key, None)) is not None:
            GLib.source_remove(source)
