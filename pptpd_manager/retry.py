"""How long to wait before the next attempt."""

from __future__ import annotations

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 10.0  # so that a server which comes back after hours is used within seconds
LASTED_SECONDS = 30.0  # a link that was up for so long has proved itself: what ends it begins a new count


def pause(failures: int, chance: float) -> float:
    """Seconds to wait after that many failures in a row: 0 after none, then doubling up to LONGEST_SECONDS.

    chance: 0..1, spreads the pause over its upper half, so that many tunnels whose server dies do not return as one.
    """
    if failures <= 0:
        return 0.0
    whole = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(failures - 1, 30))
    return whole * (0.5 + chance / 2)
