"""Connecting and disconnecting again and again leaves the machine as it was, to the byte."""

from __future__ import annotations

import os
from collections.abc import Iterator

import commands as lab
import pytest

# PPTP_LAB_CONNECTS=100 has been run; five tell as much unless something adds up slowly.
COUNT = int(os.environ.get("PPTP_LAB_CONNECTS", "5"))
ALL = {**lab.ALICE, "default-route": True, "guard": True, "ipv6": True, "dns": True}
OWN = {**lab.ALICE, "table": 100, "rules": [{"uid-range": "65534"}], "default-route": True, "guard": True}
TUNNELS = {"work": ALL, "own": {**OWN, "dns": {"domains": ["corp.example"]}}}


@pytest.fixture
def resolved() -> Iterator[None]:
    """systemd-resolved runs, and has a server for the uplink."""
    lab.out("systemctl", "unmask", "systemd-resolved")
    lab.out("systemctl", "start", "systemd-resolved")
    lab.out("resolvectl", "dns", "uplink", "192.0.2.1")
    yield
    lab.out("resolvectl", "revert", "uplink")
    lab.out("systemctl", "stop", "systemd-resolved")
    lab.out("systemctl", "mask", "systemd-resolved")


def everything() -> str:
    """The tables and the resolver."""
    return lab.routes() + "".join(lab.out("resolvectl", what) for what in ("dns", "domain", "default-route"))


def test_nothing_adds_up(resolved: None) -> None:
    before = everything()
    lab.configure(TUNNELS)
    units = [lab.unit(name) for name in TUNNELS]
    for turn in range(COUNT):
        assert lab.systemctl("start", *units) == 0
        assert "unreachable" in lab.out("ip", "rule") and lab.passes()
        lab.wait_for(lambda: "pptp-work): " in lab.out("resolvectl", "dns"), "its name servers")
        if turn % 5 == 3:  # now and then the hard way
            lab.out("systemctl", "kill", "--signal=KILL", *units)
            lab.out("kill", "-KILL", str(lab.manager_pid()))
        assert lab.systemctl("stop", *units) == 0
        lab.wait_for(lambda: {lab.state(name) for name in TUNNELS} == {"idle"}, "idle")
        assert everything() == before, f"after {turn + 1} times"
    print(f"{COUNT} times two tunnels, nothing left")
