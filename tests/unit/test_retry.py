from __future__ import annotations

from pptpd_manager import retry
from pptpd_manager.reasons import Retry


def test_the_pause_doubles_up_to_its_cap() -> None:
    assert [retry.pause(Retry.SOON, failures, 1.0) for failures in range(8)] == [0, 1, 2, 4, 8, 10, 10, 10]
    assert [retry.pause(Retry.LATER, failures, 1.0) for failures in range(1, 7)] == [30, 60, 120, 240, 300, 300]


def test_chance_spreads_the_pause_over_its_upper_half() -> None:
    assert retry.pause(Retry.SOON, 3, 0.0) == 2
    assert retry.pause(Retry.SOON, 3, 0.5) == 3
    assert retry.knock_pause(0.0) == retry.KNOCK_SECONDS / 2


def test_many_failures_do_not_overflow() -> None:
    assert retry.pause(Retry.SOON, 10**9, 1.0) == 10


def test_no_class_is_a_hot_loop() -> None:
    for kind in Retry:
        assert all(retry.pause(kind, failures, 0.0) >= 0.5 for failures in range(1, 50))
