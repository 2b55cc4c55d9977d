"""Connecting and disconnecting again and again leaves the machine as it was, to the byte."""

from __future__ import annotations

import os

import commands as lab

# PPTP_LAB_CONNECTS=100 has been run; five tell as much unless something adds up slowly.
COUNT = int(os.environ.get("PPTP_LAB_CONNECTS", "5"))
TUNNELS = {
    "work": {**lab.ALICE, "default-route": True, "guard": True, "ipv6": True},
    "own": {**lab.ALICE, "table": 100, "rules": [{"uid-range": "65534"}], "default-route": True, "guard": True},
}


def test_nothing_adds_up() -> None:
    before = lab.routes()
    lab.configure(TUNNELS)
    units = [lab.unit(name) for name in TUNNELS]
    for turn in range(COUNT):
        assert lab.systemctl("start", *units) == 0
        assert "172" in lab.out("ip", "rule") and lab.passes()
        if turn % 5 == 3:  # now and then the hard way
            lab.out("systemctl", "kill", "--signal=KILL", *units)
            lab.out("kill", "-KILL", str(lab.manager_pid()))
        assert lab.systemctl("stop", *units) == 0
        lab.wait_for(lambda: {lab.state(name) for name in TUNNELS} == {"idle"}, "idle")
        assert lab.routes() == before, f"after {turn + 1} times"
    print(f"{COUNT} times two tunnels, nothing left")
