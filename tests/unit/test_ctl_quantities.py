"""Durations, amounts and times as pptpctl shows them."""

from __future__ import annotations

import pytest

from pptpd_manager.ctl import quantities


@pytest.mark.parametrize(
    ("seconds", "parts", "text"),
    [
        (-5, 1, "0 s"),
        (0.9, 1, "0 s"),
        (59.9, 1, "59 s"),
        (60, 1, "1 min"),
        (3 * 3600 + 720, 1, "3 h"),
        (3 * 3600 + 720, 2, "3 h 12 min"),
        (3600 + 5, 2, "1 h"),
        (86400 * 400, 2, "400 d"),
        (86400 + 7200, 2, "1 d 2 h"),
        (61, 2, "1 min 1 s"),
    ],
)
def test_duration(seconds: float, parts: int, text: str) -> None:
    assert quantities.duration(seconds, parts) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (10 * 1024, "10 KiB"),
        (1023 * 1024, "1.0 MiB"),
        (12 << 20, "12 MiB"),
        ((1 << 64) - 1, "16 EiB"),
    ],
)
def test_size(count: int, text: str) -> None:
    assert quantities.size(count) == text


def test_times_in_json_are_exact_and_in_utc() -> None:
    assert quantities.rfc3339(1_700_000_000_000_001) == "2023-11-14T22:13:20.000001Z"
    assert quantities.rfc3339(0) is None
