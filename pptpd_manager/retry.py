"""How long to wait before the next attempt, by the class of the last failure."""

from __future__ import annotations

from pptpd_manager.reasons import Retry

# (first, longest) in seconds. A pause is from the beginning of one attempt to the beginning of the next: an attempt
# that took long has waited already.
PAUSES: dict[Retry, tuple[float, float]] = {
    Retry.SOON: (1.0, 10.0),
    Retry.LATER: (30.0, 300.0),
    Retry.NETWORK: (15.0, 60.0),  # the change itself ends it; not every change can be seen from here
    Retry.FEW: (2.0, 10.0),
    Retry.NEVER: (10.0, 10.0),
}
ATTEMPTS = 2  # of FEW: attempts that fail so before the tunnel is given up
SHORTEST_SECONDS = 1.0  # between the beginnings of two attempts, whatever event cuts the pause short
LASTED_SECONDS = PAUSES[Retry.SOON][1]  # a link that was up for the longest pause: what ends it begins a new count
# A knock is one TCP connection and no call, so it may come more often: this is how soon a server that returns is used.
KNOCK_SECONDS = 2.5


def pause(retry: Retry, failures: int, chance: float) -> float:
    """Seconds from the beginning of an attempt to that of the next, after that many failures in a row.

    0 after none, then doubling up to the longest of the class. chance: 0..1, spreads the pause over its upper half,
    so that many tunnels whose server dies do not return as one.
    """
    if failures <= 0:
        return 0.0
    first, longest = PAUSES[retry]
    return _spread(min(longest, first * 2.0 ** min(failures - 1, 30)), chance)


def knock_pause(chance: float) -> float:
    """Seconds from the beginning of a knock to that of the next."""
    return _spread(KNOCK_SECONDS, chance)


def _spread(whole: float, chance: float) -> float:
    return whole * (0.5 + chance / 2)
