"""The measurement itself; the figures are shown, not judged."""

from __future__ import annotations

from .latency import described, measured
from .world import World


def test_every_turn_is_measured(bare: World) -> None:
    seconds = measured(bare, 5)
    print(described(seconds))
    assert len(seconds) == 5 and all(value > 0 for value in seconds)
