"""When what outlives a tunnel's main process is killed."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, cast

from pptpd_manager.stragglers import FAREWELL_SECONDS, Stragglers
from pptpd_manager.units import UnitState


class Edges:
    """The timers, and systemd, as far as they are used."""

    def __init__(self) -> None:
        self.timers: dict[Hashable, tuple[float, Callable[[], None]]] = {}
        self.killed: list[tuple[str, str, bool]] = []

    def start(self, key: Hashable, seconds: float, fired: Callable[[], None]) -> None:
        assert key not in self.timers, "the time does not begin anew"
        self.timers[key] = seconds, fired

    def cancel(self, key: Hashable) -> None:
        del self.timers[key]

    def kill(self, tunnel: str, run: str, *, hard: bool) -> None:
        self.killed.append((tunnel, run, hard))


def test_what_ends_in_time_is_not_killed() -> None:
    edges = Edges()
    stragglers = Stragglers(cast(Any, edges), cast(Any, edges))
    for sub in ("running", "stop-sigterm", "stop-sigterm", "stop-post", "final-sigterm", "auto-restart", "start"):
        stragglers.seen("work", UnitState("deactivating", sub))
        assert len(edges.timers) == (sub in ("stop-sigterm", "final-sigterm"))
    assert edges.killed == []


def test_each_unit_has_its_own_time() -> None:
    edges = Edges()
    stragglers = Stragglers(cast(Any, edges), cast(Any, edges))
    for tunnel in ("work", "home"):
        stragglers.seen(tunnel, UnitState("deactivating", "stop-sigterm", "r1"))
    stragglers.seen("home", UnitState("inactive", "dead"))
    [(seconds, fired)] = edges.timers.values()
    fired()
    assert seconds == FAREWELL_SECONDS and edges.killed == [("work", "r1", True)]
