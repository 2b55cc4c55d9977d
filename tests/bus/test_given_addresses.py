"""Both addresses of a link are the server's to choose: whatever they are, other ways stay as they are."""

from __future__ import annotations

import pytest

from .clients import until
from .world import CONFIG, SERVER, World

OTHER = "198.51.100.8"  # home's server
OURS, GATEWAY = "192.0.2.2", "192.0.2.1"
NORMAL = ("10.9.0.2", "10.9.0.1")


def way(world: World, address: str) -> str:
    """The interface by which the kernel sends to address."""
    words = world.ip(f"route get {address}").split()
    return words[words.index("dev") + 1]


def tables(world: World) -> list[str]:
    """The routes of all tables, but those of IPv6, which come and go by themselves after a link comes up."""
    return [line for line in world.ip("route show table all").splitlines() if ":" not in line]


@pytest.mark.parametrize("everything", [False, True], ids=["routes", "default-route"])
def test_any_addresses_may_be_given(bare: World, everything: bool) -> None:
    if everything:
        bare.configure(CONFIG.replace("    routes: [192.168.10.0/24]", "    default-route: true"))
    bare.start()
    home = bare.bring_up("home", "10.9.1.2", "10.9.1.1")
    before = tables(bare)
    given = [("10.9.0.2", bad) for bad in (SERVER, OTHER, "127.0.0.1", OURS, GATEWAY, "255.255.255.254", "8.8.8.8")]
    given += [(bad, "10.9.0.1") for bad in (SERVER, OTHER, OURS, GATEWAY, "10.9.1.2", "240.0.0.1")]
    for local, peer in given:
        run = bare.bring_up("office", local, peer)
        assert bare.properties("office")["PeerAddress"] == peer
        if local not in (SERVER, OTHER):  # its own address a machine sends to itself, whatever the routes are
            until(lambda: (way(bare, SERVER), way(bare, OTHER)) == ("wan0", "wan0"), f"{local} {peer}: the servers")
        assert way(bare, "192.0.2.77") == "wan0"
        disconnect = bare.begin("Disconnect", "office")
        bare.wait_for_order("StopUnit", "pptp@office.service", "replace")
        bare.go_down("office", run)
        bare.answered(disconnect)
        bare.forget()
        assert tables(bare) == before, f"{local} {peer}"
    assert bare.state("home") == "up" and home
