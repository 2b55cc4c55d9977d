"""What the benchmarks read in /proc and in the output of ping."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))

from usage import Pings, pinged, switches, ticks

STAT = "42 (pptp) mgr) S 1 42 42 0 -1 4194560 6051 0 12 0 150 31 7 8 20 0 3 0 100 1000 2000"
PINGS = """PING 10.98.0.2 (10.98.0.2) 56(84) bytes of data.
[1700000000.000000] 64 bytes from 10.98.0.2: icmp_seq=1 ttl=64 time=10.5 ms
[1700000000.200000] 64 bytes from 10.98.0.2: icmp_seq=3 ttl=64 time=9 ms
[1700000000.300000] 64 bytes from 10.98.0.2: icmp_seq=3 ttl=64 time=9 ms (DUP!)
"""


def test_user_and_system_time_of_a_process_whatever_its_name() -> None:
    assert ticks(STAT) == 181


def test_voluntary_switches() -> None:
    assert switches("Name:\tx\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t34\n") == 12
    assert switches("") == 0


def test_pings() -> None:
    assert pinged(PINGS) == Pings(1, (10.5, 9.0, 9.0))
    assert pinged("") == Pings(0, ())
