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
        self._serials: dict[Hashable, int] = {}
        self._timers: dict[int, tuple[Hashable, Callable[[], None]]] = {}  # by serial; those that are to fire
        self._heap: list[tuple[float, int]] = []  # when, and which; some are not to fire any more
        self._serial = itertools.count()
        self._alarm = Alarm(self._run)
        self._at = math.inf  # when it wakes us

    def start(self, key: Hashable, seconds: float, fired: Callable[[], None]) -> None:
        """Call fired in that many seconds, unless cancelled or replaced."""
        self.cancel(key)
        self._serials[key] = serial = next(self._serial)
        self._timers[serial] = key, fired
        heapq.heappush(self._heap, (time.monotonic() + max(0.0, seconds), serial))
        if len(self._heap) > 2 * len(self._timers) + _SPARE:
            self._heap = [entry for entry in self._heap if entry[1] in self._timers]
            heapq.heapify(self._heap)
        self._wake()

    def cancel(self, key: Hashable) -> None:
        """Forget the timer, if there is one; nothing of it is kept."""
        if key in self._serials:
            del self._timers[self._serials.pop(key)]

    def _wake(self) -> None:
        """Have the source wake us for the earliest."""
        while self._heap and self._heap[0][1] not in self._timers:
            heapq.heappop(self._heap)
        if not self._heap or self._heap[0][0] >= self._at:
            return
        self._at = self._heap[0][0]
        self._alarm.set_ready_time(math.ceil(self._at * 1e6))

    def _run(self) -> None:
        self._at = math.inf
        now = time.monotonic()
        while self._heap and self._heap[0][0] <= now:
            _, serial = heapq.heappop(self._heap)
            if serial in self._timers:
                key, fired = self._timers.pop(serial)
                del self._serials[key]
                guarded(fired)()
        self._wake()
