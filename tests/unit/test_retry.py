from __future__ import annotations

from pptpd_manager import retry


def test_the_pause_doubles_up_to_its_cap() -> None:
    assert [retry.pause(failures, 1.0) for failures in range(8)] == [0, 1, 2, 4, 8, 10, 10, 10]


def test_chance_spreads_the_pause_over_its_upper_half() -> None:
    assert retry.pause(3, 0.0) == 2
    assert retry.pause(3, 0.5) == 3


def test_many_failures_do_not_overflow() -> None:
    assert retry.pause(10**9, 1.0) == retry.LONGEST_SECONDS
