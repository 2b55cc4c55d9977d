"""Routes through the tunnel, and the way to the server beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import commands as lab
import pytest

FULL = {**lab.ALICE, "routes": [], "default-route": True}


@contextlib.contextmanager
def default_metric(metric: int) -> Iterator[None]:
    """Have the machine's default route with that metric."""
    via = ("default", "via", "192.0.2.1", "dev", "uplink")
    lab.out("ip", "route", "del", *via)
    lab.out("ip", "route", "add", *via, *(("metric", str(metric)) if metric else ()))
    try:
        yield
    finally:
        lab.out("ip", "route", "del", *via)
        lab.out("ip", "route", "add", *via)


@pytest.mark.parametrize("metric", [0, 1, 100])
def test_default_route_leads_everything_but_the_server_through_the_tunnel(metric: int) -> None:
    with default_metric(metric):
        before = lab.routes()
        lab.configure({"work": FULL})
        assert lab.systemctl("start", "pptp@work") == 0
        assert "dev pptp-work" in lab.out("ip", "route", "get", "198.51.100.7")
        assert "via 192.0.2.1 dev uplink" in lab.out("ip", "route", "get", lab.SERVER)
        assert f"default via 192.0.2.1 dev uplink{f' metric {metric}' if metric else ''} \n" in lab.route_of("default")
        with lab.pinging("10.99.0.1"):
            assert lab.passes(lab.SERVER), "the server is reachable outside of the tunnel"
        assert lab.call("Disconnect", "work").returncode == 0
        assert lab.routes() == before


def test_a_prefix_that_holds_the_server_does_not_swallow_it(untouched: str) -> None:
    lab.configure({"work": {**lab.ALICE, "routes": ["203.0.113.0/24", "192.168.10.0/24"]}})
    assert lab.systemctl("start", "pptp@work") == 0
    assert "via 192.0.2.1 dev uplink" in lab.out("ip", "route", "get", lab.SERVER)
    assert "dev pptp-work" in lab.out("ip", "route", "get", "203.0.113.9")
    assert lab.passes()
    assert lab.systemctl("stop", "pptp@work") == 0
    assert lab.routes() == untouched


def test_a_peer_whose_address_is_the_servers() -> None:
    conf = Path("/etc/lab/pptpd/main/pptpd.conf")
    text = conf.read_text()
    conf.write_text(text.replace("localip 10.9.0.1\n", f"localip {lab.SERVER}\n"))
    lab.systemctl("restart", "lab-pptpd@main")
    try:
        lab.configure({"work": lab.ALICE})
        assert lab.systemctl("start", "pptp@work") == 0, lab.evidence()
        assert "via 192.0.2.1 dev uplink" in lab.out("ip", "route", "get", lab.SERVER)
        with lab.pinging():
            assert lab.passes(lab.SERVER)
    finally:
        conf.write_text(text)
        lab.systemctl("stop", "pptp@work")
        lab.systemctl("restart", "lab-pptpd@main")


def test_a_route_of_ours_that_somebody_deletes_is_back() -> None:
    lab.configure({"work": lab.ALICE})
    assert lab.systemctl("start", "pptp@work") == 0
    lab.out("ip", "route", "del", "192.168.10.0/24")
    lab.wait_for(lambda: lab.route_of("192.168.10.0/24"), "the route is back")


def test_a_route_of_somebody_else_to_the_same_prefix_is_spared() -> None:
    lab.out("ip", "route", "add", "192.168.10.0/24", "via", "192.0.2.1")
    try:
        before = lab.routes()
        lab.configure({"work": lab.ALICE})
        assert lab.systemctl("start", "pptp@work") == 0
        assert lab.passes()
        assert lab.systemctl("stop", "pptp@work") == 0
        assert lab.routes() == before
    finally:
        lab.out("ip", "route", "del", "192.168.10.0/24")


SIX = {**lab.ALICE, "ipv6": True, "routes": ["192.168.10.0/24", "fd00:10::/64"]}


def test_ipv6_through_the_tunnel() -> None:
    lab.out("ip", "-n", "server", "address", "add", "fd00:10::1/64", "dev", "inside", "nodad")
    try:
        lab.configure({"work": SIX})
        assert lab.systemctl("start", "pptp@work") == 0
        lab.wait_for(lambda: "dev pptp-work" in lab.out("ip", "-6", "route", "show", "fd00:10::/64"), "the route")
        assert lab.passes("fd00:10::1") and lab.passes()
    finally:
        lab.out("ip", "-n", "server", "address", "del", "fd00:10::1/64", "dev", "inside")


def test_a_server_that_does_not_carry_ipv6_is_no_failure() -> None:
    options = Path("/etc/lab/pptpd/main/pptpd-options")
    before = options.read_text()
    options.write_text(before + "noipv6\n")
    lab.out("systemctl", "restart", "lab-pptpd@main")
    try:
        lab.configure({"work": SIX})
        assert lab.systemctl("start", "pptp@work") == 0
        assert lab.passes() and not lab.out("ip", "-6", "route", "show", "fd00:10::/64")
    finally:
        options.write_text(before)
        lab.out("systemctl", "restart", "lab-pptpd@main")


def test_of_two_tunnels_with_one_prefix_the_other_takes_over_at_once() -> None:
    """The kernel has both routes, so there is no moment without one."""
    lab.configure({"work": lab.ALICE, "spare": lab.ALICE})
    assert lab.systemctl("start", "pptp@work", "pptp@spare") == 0
    assert "dev pptp-work" in lab.out("ip", "route", "get", lab.INSIDE)
    lab.out("kill", "-KILL", lab.show("work", "MainPID"))
    lab.wait_for(lambda: "dev pptp-spare" in lab.out("ip", "route", "get", lab.INSIDE), "the other one")
    assert lab.passes()
    lab.wait_for(lambda: "dev pptp-work" in lab.out("ip", "route", "get", lab.INSIDE), "the first one again", 60)


def test_scripts_of_the_user_run_with_their_six_arguments() -> None:
    said = Path("/run/lab-said")  # /tmp is their own
    scripts = [Path(f"/etc/ppp/{when}.d/zz-lab") for when in ("ip-up", "ip-down")]
    for script in scripts:
        script.write_text(f'#!/bin/sh\necho "$0 $# [$1] [$2] [$3] [$4] [$5] [$6]" >>{said}\n')
        script.chmod(0o755)
    try:
        lab.configure({"work": lab.ALICE})
        assert lab.systemctl("start", "pptp@work") == 0
        # The speed is that of pppd's pseudo-terminal, whatever that is.
        arguments = "6 [pptp-work] [] [38400] [10.9.0.100] [10.9.0.1] [work]"
        lab.wait_for(said.exists, "ip-up.d")
        assert lab.systemctl("stop", "pptp@work") == 0
        assert said.read_text().splitlines() == [
            f"/etc/ppp/{when}.d/zz-lab {arguments}" for when in ("ip-up", "ip-down")
        ]
    finally:
        for script in scripts:
            script.unlink()
        said.unlink(missing_ok=True)


def test_a_script_of_the_user_has_the_time_that_pppd_gives_it(untouched: str) -> None:
    """Five seconds, which are no farewell of a call manager's: systemctl waits for it."""
    said, script = Path("/run/lab-said"), Path("/etc/ppp/ip-down.d/zz-lab")
    script.write_text(f"#!/bin/sh\nsleep 3\necho done >{said}\n")
    script.chmod(0o755)
    try:
        lab.configure({"work": lab.ALICE})
        for stopped in (("systemctl", "stop", "pptp@work"), ("busctl", "call", *lab.BUS, "Disconnect", "s", "work")):
            said.unlink(missing_ok=True)
            assert lab.systemctl("start", "pptp@work") == 0
            lab.out(*stopped)
            assert said.read_text() == "done\n", lab.evidence()
        assert lab.routes() == untouched
    finally:
        script.unlink()
        said.unlink(missing_ok=True)
