"""When the kernel's tables are read and changed, and when not."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from pptpd_manager.planner import Plan
from pptpd_manager.routes import Route
from pptpd_manager.tables import Item, Tables

ROUTE = Route(IPv4Network("192.168.10.0/24"), 3)
PLANS = {"work": Plan(frozenset({ROUTE}))}


class Kernel:
    """Has what was added to it; refuses with an errno."""

    def __init__(self) -> None:
        self.there: list[Item] = []
        self.reads = self.refuses = 0

    def ours(self) -> list[Item]:
        self.reads += 1
        return list(self.there)

    def apply(self, add: list[Item], remove: list[Item]) -> list[tuple[Item, int]]:
        if self.refuses:
            return [(item, self.refuses) for item in add]
        self.there = [item for item in [*self.there, *add] if item not in remove]
        return []


class NoTimers:
    """Nothing is held back here."""

    def start(self, *_: object) -> None: ...


def made() -> tuple[Tables, Kernel]:
    kernel: Any = Kernel()
    timers: Any = NoTimers()
    return Tables(kernel, timers, lambda: 100.0, lambda: None), kernel


def test_the_same_cause_is_looked_at_once() -> None:
    tables, kernel = made()
    for _ in range(3):
        outcome = tables.sync(PLANS, lambda _: False, "first")
        assert (outcome.refused, kernel.there, kernel.reads) == ({}, [ROUTE], 1)
    kernel.there.clear()
    tables.sync(PLANS, lambda _: False, "second")
    assert (kernel.there, kernel.reads) == ([ROUTE], 2) and tables.installed == {ROUTE}


def test_what_is_not_as_it_should_be_is_tried_again() -> None:
    tables, kernel = made()
    kernel.refuses = 22
    for reads in (1, 2):
        assert tables.sync(PLANS, lambda _: False, "first").refused and kernel.reads == reads
    kernel.refuses = 0
    tables.sync(PLANS, lambda _: False, "first")
    assert kernel.there == [ROUTE]
