"""A tunnel that is lost comes back by itself, with its route. The figures are shown, not judged."""

from __future__ import annotations

from datetime import datetime

import pytest
import recovery
import restart
import result
import several
import watching
from ways import NETWORK

PINGS = """\
PING 192.168.10.1 (192.168.10.1) 56(84) bytes of data.
[100.100000] 64 bytes from 192.168.10.1: icmp_seq=1 ttl=64 time=0.62 ms
[100.300000] 64 bytes from 192.168.10.1: icmp_seq=2 ttl=64 time=0.62 ms
[100.500000] From 192.0.2.1 icmp_seq=3 Destination Net Unreachable
[100.900000] 64 bytes from 192.168.10.1: icmp_seq=5 ttl=64 time=0.62 ms
[101.100000] 64 bytes from 192.168.10.1: icmp_seq=6 ttl=64 time=0.62 ms
"""
KERNEL = """\
[2026-11-22T15:10:33.522777] Deleted 7: ppp0    inet 10.9.0.100/32 scope global pptp-work
       valid_lft forever preferred_lft forever
[2026-11-22T15:10:33.713238] 7: pptp-work: <POINTOPOINT,MULTICAST,NOARP,UP,LOWER_UP> mtu 1396 qdisc pfifo_fast
    link/ppp
[2026-11-22T15:10:33.713524] 192.168.10.0/24 dev ppp0 proto pptp scope link
[2026-11-22T15:11:03.566296] 7: pptp-work: <POINTOPOINT,MULTICAST,NOARP> mtu 1396 qdisc pfifo_fast
    link/ppp
[2026-11-22T15:11:03.572903] Deleted 7: ppp0    inet 10.9.0.100 peer 10.9.0.1/32 scope global pptp-work
"""


def test_pings_are_read_right() -> None:
    assert watching.came_back(PINGS, begun=100.2, ended=100.2) == 100.9
    assert watching.came_back(PINGS, begun=100.2, ended=101.0) == 101.1
    assert watching.came_back(PINGS, begun=101.0, ended=101.0) == 0.0


def test_lost_pings_are_counted() -> None:
    """Of six two have no reply, and the last one may have been on its way; of ninety most have none."""
    noticed = restart.noticed(
        PINGS + "\n--- 192.168.10.1 ping statistics ---\n7 packets transmitted, 5 received\n", True
    )
    assert noticed.lost == 2 and noticed.gap == pytest.approx(600)
    assert restart.noticed(PINGS + "\n90 packets transmitted, 5 received\n", True).lost == 86


def test_the_kernel_is_read_right() -> None:
    begun = datetime.fromisoformat("2026-11-22T15:10:47").timestamp()
    assert watching.went_down(KERNEL, 7, NETWORK, begun) - begun == pytest.approx(16.566296, abs=1e-6)
    assert watching.went_down(KERNEL, 8, NETWORK, begun) == 0.0
    before = KERNEL.partition("[2026-11-22T15:11")[0]
    assert watching.went_down(before, 7, NETWORK, begun) == 0.0


@pytest.mark.parametrize("name", ["ended", "away", "drop"])
def test_it_comes_back_by_itself(name: str) -> None:
    fault = {**recovery.FAULTS, "drop": recovery.drop("drop", 22)}[name]
    tunnels = several.tunnels({"ours": 1})
    with several.configured(tunnels):
        (outcome,) = recovery.trial(tunnels, fault, recovery.LIMIT_SECONDS)
    print(result.plain(result.table(recovery.figures(fault, [outcome]))))
    assert outcome.outage is not None and outcome.noticed is not None
