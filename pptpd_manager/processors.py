"""How much of their time the machine's processors are idle."""

from __future__ import annotations

STAT = "/proc/stat"


class Processors:
    """Compares with the look before."""

    def __init__(self) -> None:
        self._idle = self._all = 0

    def spare(self) -> float:
        """The share of the processors' time since the last look, 0..1, in which there was nothing to do."""
        try:
            with open(STAT) as file:
                times = list(map(int, file.readline().split()[1:9]))  # proc(5): guests are in user and nice
            idle, everything = times[3] + times[4], sum(times)
        except (OSError, ValueError, IndexError):
            return 0.0
        spare, passed = idle - self._idle, everything - self._all
        self._idle, self._all = idle, everything
        return min(1.0, max(0.0, spare / passed)) if passed > 0 else 0.0
