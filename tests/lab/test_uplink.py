"""The way to the server changes, is bad, or is one of several."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import commands as lab
import pytest

SECOND = """\
ip link add uplink2 type veth peer name client2 netns router
ip address add 198.51.100.2/24 dev uplink2
ip link set uplink2 up
ip -n router address add 198.51.100.1/24 dev client2
ip -n router link set client2 up
"""


@pytest.fixture
def second() -> Iterator[None]:
    """A second uplink, which no route uses yet."""
    lab.out("sh", "-euc", SECOND)
    yield
    lab.out("ip", "link", "delete", "uplink2")
    lab.out("ip", "route", "replace", "default", "via", "192.0.2.1", "dev", "uplink")


@pytest.fixture(autouse=True)
def forgetful_server() -> Iterator[None]:
    """The server does not hear of the end of a call whose way is gone, and would keep it for minutes."""
    yield
    lab.systemctl("stop", "pptp@work")
    lab.systemctl("stop", "lab-pptpd@main")


def up(**keys: Any) -> tuple[int, str]:
    """Have the tunnel up; its pppd and its run."""
    lab.configure({"work": {**lab.ALICE, **keys}})
    assert lab.systemctl("start", "pptp@work") == 0
    return int(lab.show("work", "MainPID")), lab.show("work", "InvocationID")


def redialled(run: str) -> bool:
    """Whether the tunnel is up by another run."""
    return lab.active("work") == "active" and lab.show("work", "InvocationID") != run and lab.passes()


def calls_from(address: str) -> bool:
    """Whether pptpd has a control connection from that address."""
    return f"{address}:" in lab.out(
        "ip", "netns", "exec", "server", "ss", "-tnH", "state", "established", "sport", "1723"
    )


@pytest.mark.parametrize("keys", [{}, {"default-route": True, "routes": []}])
def test_another_default_gateway(second: None, keys: dict[str, Any]) -> None:
    _, run = up(**keys)
    begun = time.monotonic()
    # Not "replace", which would replace the tunnel's own.
    lab.out("ip", "route", "append", "default", "via", "198.51.100.1", "dev", "uplink2")
    lab.out("ip", "route", "delete", "default", "via", "192.0.2.1", "dev", "uplink")
    lab.wait_for(lambda: redialled(run), "dialled over the other uplink")
    print(f"up over the other uplink {time.monotonic() - begun:.1f} s after the change")
    assert calls_from("198.51.100.2") and not calls_from("192.0.2.2")
    assert lab.last_error("work")[0] == "uplink-changed"
    if keys:
        assert "via 198.51.100.1 dev uplink2" in lab.route_of(lab.SERVER)


def test_the_uplinks_address_goes_and_there_is_another_uplink(second: None) -> None:
    lab.out("ip", "route", "add", "default", "via", "198.51.100.1", "dev", "uplink2", "metric", "200")
    _, run = up()
    with lab.offline():
        lab.wait_for(lambda: redialled(run), "dialled over the other uplink")
        assert calls_from("198.51.100.2")
        assert lab.last_error("work")[0] == "uplink-changed"


def test_the_uplinks_address_goes_for_a_moment() -> None:
    """pptp ends when it cannot send; the network that is back is used at once."""
    _, run = up()
    with lab.offline():
        time.sleep(2)
    begun = time.monotonic()
    lab.wait_for(lambda: redialled(run), "up again")
    print(f"up {time.monotonic() - begun:.1f} s after the address was back")
    assert lab.last_error("work")[0] == "not-sent"


def test_a_cable_that_is_cut_and_plugged_in() -> None:
    _, run = up(**{"lcp-echo-interval": 1, "lcp-echo-failure": 3})
    lab.out("ip", "-n", "router", "link", "set", "client", "down")
    lab.wait_for(lambda: lab.last_error("work")[0] == "peer-dead", "the dead peer is noticed")
    lab.wait_for(lambda: "Waiting for the network" in lab.shown("work"), "it waits for the network")
    begun = time.monotonic()
    lab.out("ip", "-n", "router", "link", "set", "client", "up")
    lab.wait_for(lambda: redialled(run), "up again")
    print(f"up {time.monotonic() - begun:.1f} s after the cable was plugged in")


def test_a_minute_of_loss_is_no_dead_peer() -> None:
    """A tenth of the packets is lost, in each direction."""
    pppd, _ = up()
    netem = ("qdisc", "add", "dev", "{}", "root", "netem", "loss", "10%")
    with qdisc(("tc",), "uplink", netem), qdisc(("tc", "-n", "router"), "client", netem):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert lab.state("work") == "up"
            time.sleep(2)
    assert int(lab.show("work", "MainPID")) == pppd and lab.passes()


@contextlib.contextmanager
def qdisc(tc: tuple[str, ...], device: str, words: tuple[str, ...]) -> Iterator[None]:
    """Have a queueing discipline on the device."""
    lab.out(*tc, *(word.format(device) for word in words))
    try:
        yield
    finally:
        lab.out(*tc, "qdisc", "delete", "dev", device, "root")


def test_several_servers_are_tried_in_turn() -> None:
    up(server=["203.0.113.9", lab.SERVER])
    assert lab.get("work", "ServerAddress") == lab.SERVER and lab.passes()


def test_a_name_with_several_addresses() -> None:
    hosts = lab.HOSTS.read_text()
    lab.HOSTS.write_text(hosts + "203.0.113.9 both.example\n203.0.113.1 both.example\n")
    try:
        up(server="both.example")
        assert lab.get("work", "ServerAddress") == lab.SERVER and lab.passes()
        lab.systemctl("stop", "lab-pptpd@main")
        lab.wait_for(lambda: "both.example to accept connections" in lab.shown("work"), "it waits for one of them")
        lab.systemctl("start", "lab-pptpd@main")
        lab.wait_for(lambda: lab.active("work") == "active", "up again")
    finally:
        lab.HOSTS.write_text(hosts)
