"""The MTU: no full packet leaves in fragments, and it follows the uplink. What that is worth is shown, not judged."""

from __future__ import annotations

import contextlib
import socket
import statistics
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import commands as lab
import iperf
import pytest

ETHERNET = 1500
SECOND_INSIDE = "10.99.0.1"
ETH_P_ALL, GRE = 3, 47
AMOUNT, ROUNDS = ("--bytes", "500K"), 6


class Tap:
    """What passes the uplink while the block runs. sizes: of whole packets with GRE; fragments: of pieces.

    both: also what comes in.
    """

    def __init__(self, *, both: bool) -> None:
        self._both = both
        self.sizes: list[int] = []
        self.fragments: list[int] = []

    def __enter__(self) -> Tap:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(("uplink", ETH_P_ALL))
        self._socket.setblocking(False)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, (_, _, kind, *_) = self._socket.recvfrom(1 << 16)
                if packet[0] >> 4 == 4 and packet[9] == GRE and (self._both or kind == socket.PACKET_OUTGOING):
                    size, _identification, offset = struct.unpack_from(">HHH", packet, 2)
                    (self.fragments if offset & 0x3FFF else self.sizes).append(size)
        self._socket.close()


@contextlib.contextmanager
def exact_server(variant: str, address: str) -> Iterator[dict[str, Any]]:
    """A server that does not ask for shorter headers of PPP; the tunnel to it."""
    conf = Path(f"/etc/lab/pptpd/exact-{address}")
    lab.out("cp", "-r", f"/etc/lab/pptpd/{variant}", str(conf))
    text = (conf / "pptpd.conf").read_text().splitlines()[1:]
    (conf / "pptpd.conf").write_text("\n".join([f"listen {address}", *text, ""]))
    with (conf / "pptpd-options").open("a") as options:
        options.write("noaccomp\nnopcomp\n")
    lab.out("systemctl", "start", f"lab-pptpd@{conf.name}")
    try:
        yield {**lab.ALICE, "server": address, "mppe": "off" if variant == "nomppe" else "require-128"}
    finally:
        lab.systemctl("stop", "pptp@work")
        lab.out("systemctl", "stop", f"lab-pptpd@{conf.name}")
        lab.out("rm", "-r", str(conf))


def up(tunnel: dict[str, Any]) -> str:
    """Have the tunnel up; its run."""
    lab.configure({"work": tunnel})
    assert lab.systemctl("start", "pptp@work") == 0, lab.evidence()
    return lab.show("work", "InvocationID")


def mtu() -> int:
    """Of the tunnel's interface; D-Bus says the same."""

    def told() -> int:
        found = Path("/sys/class/net/pptp-work/mtu").read_text().strip()
        return int(found) if lab.get("work", "Mtu") == int(found) else 0

    return lab.wait_for(told, "D-Bus has the interface's MTU")


def exchanged(*sizes: int) -> Tap:
    """Have packets of these sizes go through the tunnel and come back; what passed the uplink."""
    with Tap(both=True) as tap:
        for size in sizes:
            text = lab.run("ping", "-n", "-c", "8", "-i", "0.02", "-W", "2", "-s", str(size - 28), lab.INSIDE).stdout
            assert " 0% packet loss" in text, text
    return tap


def sent(size: int) -> Tap:
    """Send packets of that size through the tunnel; what left by the uplink.

    Each follows an answer that pptp has not acknowledged yet, so it carries the acknowledgment, and is as large as
    they get.
    """
    with Tap(both=False) as tap, socket.socket(type=socket.SOCK_DGRAM) as sender:
        for _ in range(3):
            assert lab.passes()
            sender.sendto(bytes(size - 28), (lab.INSIDE, 9))
        assert lab.passes(), "and with that they have gone"
    assert len([one for one in tap.sizes + tap.fragments if one > 1000]) >= 3
    return tap


@contextlib.contextmanager
def uplink_mtu(size: int) -> Iterator[None]:
    """Have the uplink take packets of that size."""
    lab.out("ip", "link", "set", "uplink", "mtu", str(size))
    try:
        yield
    finally:
        lab.out("ip", "link", "set", "uplink", "mtu", str(ETHERNET))


@pytest.mark.parametrize(
    ("variant", "address", "fits"), [("main", "203.0.113.4", 1456), ("nomppe", "203.0.113.5", 1460)]
)
def test_the_arithmetic_is_exact(variant: str, address: str, fits: int) -> None:
    """A server that does not have the headers of PPP shortened: one byte more, and there are fragments."""
    with exact_server(variant, address) as tunnel:
        up(tunnel)
        assert mtu() == fits
        tap = sent(fits)
        assert tap.fragments == [] and max(tap.sizes) == ETHERNET
        lab.out("ip", "link", "set", "pptp-work", "mtu", str(fits + 1))
        assert sent(fits + 1).fragments != []


def test_no_fragment_leaves_and_with_pppds_own_mtu_they_do() -> None:
    run = up(lab.ALICE)
    tap = exchanged(mtu(), 5000)
    assert tap.fragments == [] and max(tap.sizes) <= ETHERNET and len(tap.sizes) > 60
    lab.configure({"work": {**lab.ALICE, "mtu": ETHERNET}})  # the MRU is automatic and must not get in its way
    lab.wait_for(lambda: lab.active("work") == "active" and lab.show("work", "InvocationID") != run, "dialled anew")
    lab.wait_for(lab.passes, "the routes are there")
    assert mtu() == 1496, "less what MPPE takes, as with pppd"
    assert sent(1496).fragments != []


def test_it_follows_the_uplink_without_a_redial_also_after_a_crash_of_the_manager() -> None:
    run = up(lab.ALICE)
    full = mtu()
    with lab.pinging():
        with uplink_mtu(1300):
            lab.wait_for(lambda: mtu() == full - 200, "the tunnel follows down")
            tap = sent(full - 200)
            assert tap.fragments == [] and max(tap.sizes) <= 1300
            lab.run("systemctl", "kill", "-s", "KILL", "pptp-manager")
            lab.wait_for(lambda: lab.state("work") == "up", "the next manager has it")
            assert mtu() == full - 200
        lab.wait_for(lambda: mtu() == full, "it follows up as far as pppd had set it")
    assert lab.show("work", "InvocationID") == run


def test_a_fixed_number_stays() -> None:
    run = up({**lab.ALICE, "mtu": 1400})
    with uplink_mtu(1300):
        assert lab.call("Reload").returncode == 0  # after which the manager has heard of it
        assert mtu() == 1396
        assert sent(1396).fragments != []
    assert lab.show("work", "InvocationID") == run


def test_what_a_router_says_counts_for_the_next_dial() -> None:
    """And with a default route, whose way to the server is ours, and forgotten by the kernel with the tunnel."""
    with exact_server("main", "203.0.113.6") as tunnel:
        up({**tunnel, "routes": [], "default-route": True})
        lab.out("ip", "-n", "router", "link", "set", "server", "mtu", "1400")
        try:
            lab.run("ping", "-c", "2", "-s", "1400", "-i", "0.3", "-W", "1", lab.INSIDE)
            lab.wait_for(lambda: lab.last_error("work")[0] == "gre-too-large", "pptp has ended")
            lab.wait_for(lambda: lab.active("work") == "active", "up again")
            assert mtu() == 1356
            assert max(sent(1356).sizes) == 1400
        finally:
            lab.out("ip", "-n", "router", "link", "set", "server", "mtu", str(ETHERNET))


def test_where_nftables_does_not_work_the_tunnel_does_and_says_so() -> None:
    since = time.time()
    up({**lab.ALICE, "clamp-mss": True})
    assert lab.passes()
    why = "forwarded TCP is not clamped: "
    lab.wait_for(lambda: f"tunnel work: {why}" in lab.journal("work", since), "the journal says so")
    lab.wait_for(lambda: f"; {why}" in lab.status("work"), "systemctl status says so")
    print(next(line for line in lab.journal("work", since).splitlines() if why in line))


def test_the_throughput_is_this() -> None:
    """The tunnels take turns in small steps, since what else the machine does changes from one second to the next."""
    lab.configure({"work": lab.ALICE, "full": {**lab.ALICE, "mtu": 1500, "mru": 1500, "routes": ["10.99.0.0/24"]}})
    assert lab.systemctl("start", "pptp@work", "pptp@full") == 0, lab.evidence()
    ways = {"sent": False, "received": True}
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, down in ways.items():
            ours, default = (iperf.rate(address, AMOUNT, down=down) for address in (lab.INSIDE, SECOND_INSIDE))
            rates[name].append((ours, default))
    for name, both in rates.items():
        ours, default = (statistics.median(one) for one in zip(*both, strict=True))
        print(
            f"{name}: {ours:.1f} Mbit/s with mtu: auto, {default:.1f} with pppd's default: {ours / default:.2f} times"
        )
        assert default > 0
