"""pptpctl doctor, against the real manager, and the lab's server in the world's network."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from .clients import ROOT
from .pptpctl import Pptpctl
from .world import CONFIG, SERVER, World

HOME = "198.51.100.8"


@pytest.fixture
def served(up: World) -> World:
    """Both servers' addresses are here; at office's there is a server."""
    up.ip(f"address add {SERVER}/32 dev lo", f"address add {HOME}/32 dev lo")
    program = str(ROOT / "tests/lab/pptp_server.py")
    command = up.inside("/usr/bin/python3", "-S", "-I", program, "--listen", SERVER)
    process = up.process(*command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout and process.stdout.readline() == b"listening\n"
    return up


def doctor(world: World, *names: str) -> tuple[int, list[dict[str, Any]]]:
    status, out, err = Pptpctl(world, "doctor", "--json", *names).outcome()
    assert err == "", err
    told = json.loads(out)
    assert told["good"] == (status == 0)
    return status, told["findings"]


def of(found: list[dict[str, Any]], tunnel: str | None) -> dict[str, tuple[str, str]]:
    """Result and finding of each check; of several the last one."""
    return {told["check"]: (told["result"], told["finding"]) for told in found if told["tunnel"] == tunnel}


def test_a_server_that_is_there_and_one_that_is_not(served: World) -> None:
    status, found = doctor(served)
    assert status == 1
    machine, office, home = of(found, None), of(found, "office"), of(found, "home")
    assert machine["manager"] == ("ok", "pptp-manager 0.1.0 runs.")
    assert machine["configuration"] == ("ok", f"{served.config} is without mistakes; tunnels: 2.")
    assert office["last-error"] == ("ok", "The tunnel is idle; no attempt has failed.")
    assert office["tcp"][0] == "ok" and office["gre"] == ("ok", f"GRE goes to {SERVER} and comes back.")
    assert office["control"] == (
        "ok",
        f"{SERVER} speaks PPTP: vendor 'scripted', host name 'scripted', firmware 1.",
    )
    assert office["mtu"][1].startswith(f"There is room for packets of 1500 bytes to {SERVER} by lo,")
    assert home["tcp"] == ("problem", "The server refuses connections to TCP port 1723.") and "gre" not in home
    status, out, err = Pptpctl(served, "doctor", "nowhere").outcome()
    assert (status, out, err) == (3, "", f"pptpctl: there is no tunnel 'nowhere' in {served.config}\n")


def test_a_tunnel_that_is_up_is_left_alone(up: World) -> None:
    up.bring_up("office")
    _, found = doctor(up, "office")
    assert {told["tunnel"] for told in found} == {None, "office"}
    assert of(found, "office")["last-error"] == ("ok", "The tunnel is up.")
    assert of(found, "office")["gre"] == ("ok", f"The tunnel is up through {SERVER}.")
    assert not {"name", "tcp", "control"} & of(found, "office").keys(), "nobody calls its server"


def test_a_file_that_is_not_in_force(served: World) -> None:
    served.configure(CONFIG.replace("alice", "carol"))
    _, found = doctor(served, "office")
    expected = ("warning", f"{served.config} has been changed since it was read.")
    assert of(found, None)["configuration"] == expected
    served.configure(CONFIG.replace("username: alice", "user: alice"))
    status, found = doctor(served, "office")
    told = of(found, None)["configuration"]
    assert status == 1 and told[0] == "problem" and told[1].startswith(f"{served.config}:4:5: tunnels.office.user: ")


def test_at_a_terminal(served: World) -> None:
    ctl = Pptpctl(served, "doctor", "office", terminal=True, columns=60)
    ctl.says("\r\033[Klooking at ")
    ctl.says("Tunnel office")
    ctl.status()
    assert "\033[32mok       \033[0m" in ctl.out and max(map(len, ctl.out.splitlines())) < 120
