"""The measurement itself; the figures are shown, not judged."""

from __future__ import annotations

from .latency import ROUTES, measured, show
from .world import World


def test_every_turn_is_measured(bare: World) -> None:
    found = measured(bare, 5)
    show(found)
    assert (len(found["up"]), len(found["back"])) == (5, ROUTES)
    assert all(seconds > 0 for seconds in [*found["up"], *found["back"]])
    bare.expected = [line for line in bare.log().splitlines() if "is back" in line]
    assert len(bare.expected) == ROUTES
