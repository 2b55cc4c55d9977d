"""Timers on a real loop: what fires, when, and that little is left of those that do not."""

from __future__ import annotations

import time

import pytest

from pptpd_manager.timers import Timers

from .clients import never, own_memory, until


def test_each_fires_once_in_the_order_of_its_time() -> None:
    timers, fired = Timers(), list[str]()
    began = time.monotonic()
    timers.start("late", 0.15, lambda: fired.append("late"))
    timers.start("early", 0.05, lambda: fired.append("early"))
    timers.start("now", 0.0, lambda: fired.append("now"))
    timers.start("past", -1.0, lambda: fired.append("past"))
    assert fired == []
    until(lambda: "late" in fired, "the last")
    assert fired == ["now", "past", "early", "late"]
    assert 0.15 <= time.monotonic() - began < 2


def test_starting_one_again_replaces_it() -> None:
    timers, fired = Timers(), list[str]()
    timers.start("a", 0.02, never)
    timers.start("a", 0.06, lambda: fired.append("again"))
    until(lambda: fired, "it")
    assert fired == ["again"]


def test_one_that_is_cancelled_does_not_fire() -> None:
    timers, fired = Timers(), list[str]()
    timers.start("a", 0.01, never)
    timers.start("b", 0.05, lambda: fired.append("b"))
    timers.cancel("a")
    timers.cancel("unknown")
    until(lambda: fired, "the other")


def test_what_fires_may_start_and_cancel() -> None:
    timers, fired = Timers(), list[str]()

    def first() -> None:
        fired.append("first")
        timers.cancel("second")
        timers.start("first", 0.0, lambda: fired.append("again"))

    timers.start("first", 0.01, first)
    timers.start("second", 0.01, never)
    until(lambda: "again" in fired, "the next")
    assert fired == ["first", "again"]


def test_one_that_breaks_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    timers, fired = Timers(), list[str]()

    def broken() -> None:
        raise ValueError("a bug")

    timers.start("a", 0.01, broken)
    timers.start("b", 0.01, lambda: fired.append("b"))
    timers.start("c", 0.03, lambda: fired.append("c"))
    until(lambda: "c" in fired, "the last")
    assert fired == ["b", "c"]
    (record,) = caplog.records
    assert record.exc_info and "internal error" in record.getMessage()


def test_nothing_is_left_of_timers_that_are_cancelled() -> None:
    """PyGObject's own leave 112 bytes each with Debian 12's."""
    timers, fired = Timers(), list[str]()

    def turn() -> None:
        for n in range(20_000):
            timers.start(n, 60.0, never)
            timers.cancel(n)

    turn()
    before = own_memory()
    turn()
    assert own_memory() - before < 500_000
    timers.start("a", 0.01, lambda: fired.append("a"))
    until(lambda: fired, "one that is earlier")
