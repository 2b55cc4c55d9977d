"""Each connect, ours and pon's, gets a ping through and has its route. The figures are shown, not judged."""

from __future__ import annotations

import commands as lab
import measure
import pytest

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


def test_the_kernel_is_read_right() -> None:
    assert measure.link_to_route(MONITOR, "pptp-work") == pytest.approx(0.001781, abs=1e-6)
    assert measure.link_to_route(MONITOR.rpartition("[")[0], "pptp-work") == 0.0


def test_each_connect_has_its_route_and_the_figures_are_these() -> None:
    lab.configure({"work": lab.ALICE})
    untouched = lab.routes()
    times = measure.compare(3)
    print(measure.table(times))
    assert {way.name: len(runs) for way, runs in times.items()} == {measure.OURS.name: 3, measure.PON.name: 3}
    assert all(run.first_ping > 0 and run.route > 0 for runs in times.values() for run in runs)
    assert lab.routes() == untouched and not measure.PEER.exists() and not measure.SCRIPT.exists()
