"""Which tunnels may begin to dial, and in which order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pptpd_manager.departures import AT_ONCE, BUSY_SECONDS, LITTLE, LONG_SECONDS, MORE, SPARE, Departures
from pptpd_manager.tunnel import State, Tunnel


class Machine:
    """Tunnels that want to dial, and begin when they may."""

    def __init__(self, count: int) -> None:
        self.departures = Departures()
        self.tunnels = {name: Tunnel(name, state=State.WAITING, asking=True) for name in map(str, range(count))}
        for name in self.tunnels:
            self.ask(name)

    def ask(self, name: str, now: float = 0.0) -> None:
        crowded = self.departures.crowded(name)
        self.make(name, now, queued=True) if crowded else self.make(name, now, state=State.RESOLVING, queued=False)

    def make(self, name: str, now: float, **changes: object) -> None:
        before = self.tunnels[name]
        self.tunnels[name] = after = replace(before, ended=False, **changes)  # type: ignore[arg-type]
        self.departures.stepped(before, after, now)
        while following := self.departures.next():
            self.ask(following, now)

    def dialling(self) -> list[int]:
        return [int(name) for name, t in self.tunnels.items() if t.state is State.RESOLVING]


def test_a_few_dial_at_once_and_the_others_in_turn() -> None:
    machine = Machine(AT_ONCE + 2)
    assert machine.dialling() == list(range(AT_ONCE))
    machine.make("3", 1.0, state=State.UP)
    assert machine.dialling() == [*{*range(AT_ONCE)} - {3}], "its start is not over yet"
    machine.make("3", 1.1, active=True)
    assert machine.dialling() == [*{*range(AT_ONCE + 1)} - {3}]
    machine.make("0", 1.0, state=State.STOPPING)
    assert machine.departures.waiting == 0


def test_who_comes_late_does_not_overtake() -> None:
    machine = Machine(AT_ONCE + 1)
    machine.departures.stepped(machine.tunnels["0"], replace(machine.tunnels["0"], state=State.UP, active=True), 1.0)
    assert machine.departures.crowded("late") and not machine.departures.crowded(str(AT_ONCE))


def test_who_does_not_wait_any_more_loses_its_place() -> None:
    machine = Machine(AT_ONCE + 2)
    machine.make(str(AT_ONCE), 1.0, queued=False, asking=False)
    machine.make("0", 1.0, state=State.FAILED)
    assert machine.dialling() == [*range(1, AT_ONCE), AT_ONCE + 1]


@pytest.mark.parametrize(("spare", "seconds"), [(LITTLE, LONG_SECONDS), (LITTLE - 0.01, BUSY_SECONDS)])
def test_what_takes_long_holds_nobody_up(spare: float, seconds: float) -> None:
    machine = Machine(AT_ONCE + 2)
    machine.departures.look(seconds - 0.1, spare)
    assert machine.departures.next() is None
    machine.departures.look(seconds, spare)
    assert machine.departures.next() == str(AT_ONCE)


def test_processors_with_time_to_spare_let_more_begin() -> None:
    machine = Machine(AT_ONCE + MORE + 1)
    machine.departures.look(0.1, SPARE - 0.01)
    assert machine.departures.next() is None
    machine.departures.look(0.2, SPARE)
    machine.make("0", 0.2)  # any step
    assert len(machine.dialling()) == AT_ONCE + MORE and machine.departures.waiting == 1


def test_what_is_forgotten_neither_dials_nor_waits() -> None:
    machine = Machine(AT_ONCE + 2)
    for name in ("0", str(AT_ONCE)):
        machine.departures.forget(name)
    assert machine.departures.next() == str(AT_ONCE + 1)
