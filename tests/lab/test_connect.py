"""Each connect, ours and pon's, gets a ping through and has its route. The figures are shown, not judged."""

from __future__ import annotations

from datetime import datetime

import commands as lab
import connect
import pytest
import result
import ways
from watching import gone, link_to_route
from ways import OURS, PON

MONITOR = """\
[2026-11-22T12:43:51.955393] 3: ppp0    inet 10.9.0.100/32 scope global pptp-work
       valid_lft forever preferred_lft forever
[2026-11-22T12:43:51.957282] 3: ppp0    inet 10.9.0.100 peer 10.9.0.1/32 scope global pptp-work
       valid_lft forever preferred_lft forever
[2026-11-22T12:43:52.080241] 3: pptp-work: <POINTOPOINT,MULTICAST,NOARP,UP,LOWER_UP> mtu 1396 qdisc pfifo_fast
    link/ppp
[2026-11-22T12:43:52.081564] 10.9.0.1 dev ppp0 proto kernel scope link src 10.9.0.100
[2026-11-22T12:43:52.082022] 192.168.10.0/24 dev ppp0 proto pptp scope link
"""
END = """\
[2026-11-22T12:43:55.100000] Deleted 10.9.0.1 dev ppp0 proto kernel scope link src 10.9.0.100
[2026-11-22T12:43:55.200000] Deleted 192.168.10.0/24 dev ppp0 proto pptp scope link
[2026-11-22T12:43:55.300000] Deleted 3: pptp-work: <POINTOPOINT,MULTICAST,NOARP> mtu 1396 qdisc noop
    link/ppp
"""


def test_the_kernel_is_read_right() -> None:
    assert link_to_route(MONITOR, "pptp-work") == pytest.approx(0.001781, abs=1e-6)
    assert link_to_route(MONITOR.rpartition("[")[0], "pptp-work") == 0.0


def test_the_end_is_read_right() -> None:
    hung_up = datetime.fromisoformat("2026-11-22T12:43:55").timestamp()
    assert gone(MONITOR, "pptp-work", hung_up) == 0.0
    told = gone(MONITOR + END, "pptp-work", hung_up) - hung_up
    assert told == pytest.approx(0.3, abs=1e-6)


def test_each_connect_has_its_route_and_the_figures_are_these() -> None:
    untouched = lab.routes()
    times = connect.compare((OURS, PON), 3)
    print(result.plain(result.table(connect.figures(times))))
    assert {way.name: len(runs) for way, runs in times.items()} == {OURS.name: 3, PON.name: 3}
    assert all(all((run.first_ping, run.route, run.gone)) for runs in times.values() for run in runs)
    assert lab.routes() == untouched and not ways.SCRIPT.exists() and not list(ways.PEERS.glob("lab"))
