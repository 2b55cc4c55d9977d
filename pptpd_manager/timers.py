"""Timers of the GLib loop, one for each key; starting one replaces it.

One source of GLib for all of them, at the earliest: there is a timer for every call that waits for something.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections.abc import Callable, Hashable

from pptpd_manager.callback import guarded
from pptpd_manager.sources import Alarm

_SPARE = 64  # so many ended timers are kept among the others


class Timers:
    """fired(key): called once when a timer has run out."""

    def __init__(self) -> None:
        self._live: dict[Hashable, tuple[int, Callable[[], None]]] = {}
        self._heap: list[
            tuple[float, int, Hashable]
        ] = []  # when, which, of what; also those that are not live any more
        self._serial = itertools.count()
        self._alarm = Alarm(self._run)
        self._at = math.inf  # when it wakes us

    def start(self, key: Hashable, seconds: float, fired: Callable[[], None]) -> None:
        """Call fired in that many seconds, unless cancelled or replaced."""
        serial = next(self._serial)
        self._live[key] = serial, fired
        heapq.heappush(self._heap, (time.monotonic() + max(0.0, seconds), serial, key))
        if len(self._heap) > 2 * len(self._live) + _SPARE:
            self._heap = [entry for entry in self._heap if self._is_live(entry)]
            heapq.heapify(self._heap)
        self._wake()

    def cancel(self, key: Hashable) -> None:
        """Forget the timer, if there is one."""
        self._live.pop(key, None)

    def _is_live(self, entry: tuple[float, int, Hashable]) -> bool:
        _when, serial, key = entry
        return key in self._live and self._live[key][0] == serial

    def _wake(self) -> None:
        """Have the source wake us for the earliest."""
        while self._heap and not self._is_live(self._heap[0]):
            heapq.heappop(self._heap)
        if not self._heap or self._heap[0][0] >= self._at:
            return
        self._at = self._heap[0][0]
        self._alarm.set_ready_time(math.ceil(self._at * 1e6))

    def _run(self) -> None:
        self._at = math.inf
        now = time.monotonic()
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)
            if self._is_live(entry):
                _serial, fired = self._live.pop(entry[2])
                guarded(fired)()
        self._wake()
