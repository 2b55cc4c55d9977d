"""nft.py with the real nft(8) and kernel: SYNs that are forwarded, and what the other end sees of them."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from gi.repository import GLib

from pptpd_manager import clamp, nft
from pptpd_manager.nft import Nft
from pptpd_manager.timers import Timers

from .conftest import CLONE_NEWNET, libc
from .kernel import ip, turn

MTU = 1456
ALL_ETHERNET = 3  # linux/if_ether.h: ETH_P_ALL
TCP, MSS_OPTION, SYN = 6, 2, 0x02
HOSTS = {"lan": ("10.1.0.2", "fd01::2"), "far": ("10.9.0.1", "fd09::1")}  # behind lan0, and behind pptp-work
FORWARDING = ("ipv4/ip_forward", "ipv6/conf/all/forwarding")


class Router:
    """This namespace forwards between lan0 and pptp-work; behind each is a host, in a namespace of its own."""

    def __init__(self, stack: ExitStack) -> None:
        self._namespaces: dict[str, int] = {}
        for link, host, network in (("lan0", "lan", 1), ("pptp-work", "far", 9)):
            command = ["unshare", "--net", "sh", "-c", "echo there; exec sleep infinity"]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
            stack.callback(process.kill)
            assert process.stdout and process.stdout.readline() == b"there\n"
            self._namespaces[host] = os.open(f"/proc/{process.pid}/ns/net", os.O_RDONLY)
            stack.callback(os.close, self._namespaces[host])
            ip(
                f"link add {link} type veth peer name eth0 netns {process.pid}",
                f"address add 10.{network}.0.{3 - network // 9}/24 dev {link}",
                f"address add fd0{network}::{3 - network // 9}/64 dev {link} nodad",
                f"link set {link} up",
            )
        ip(f"link set pptp-work mtu {MTU}")
        for host, (address, address6) in HOSTS.items():
            gateway, gateway6 = ("10.1.0.3", "fd01::3") if host == "lan" else ("10.9.0.2", "fd09::2")
            with self.inside(host):
                ip(
                    "link set lo up",
                    f"address add {address}/24 dev eth0",
                    f"address add {address6}/64 dev eth0 nodad",
                    "link set eth0 up",
                    f"route add default via {gateway}",
                    f"route add ::/0 via {gateway6}",
                )
        for switch in FORWARDING:
            Path("/proc/sys/net", switch).write_text("1")

    @contextmanager
    def inside(self, host: str) -> Iterator[None]:
        """Have this thread be in the host's namespace."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            assert libc.setns(self._namespaces[host], CLONE_NEWNET) == 0
            yield
        finally:
            assert libc.setns(home, CLONE_NEWNET) == 0
            os.close(home)

    def segment_sizes(self, client: str, family: socket.AddressFamily) -> tuple[int, int]:
        """Of a connection that the client makes to the other host: the MSS in the SYN and in its answer as seen there.

        Each is of the packet that came in, so of one that was forwarded.
        """
        server = {"lan": "far", "far": "lan"}[client]
        number = 0 if family == socket.AF_INET else 1
        with ExitStack() as stack:
            taps = {}
            for host in HOSTS:
                with self.inside(host):
                    taps[host] = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM))
                    taps[host].bind(("eth0", ALL_ETHERNET))
                    taps[host].settimeout(5)
            with self.inside(server):
                listening = stack.enter_context(socket.create_server((HOSTS[server][number], 80), family=family))
            with self.inside(client):
                connection = stack.enter_context(socket.socket(family))
                connection.settimeout(5)
                connection.connect((HOSTS[server][number], 80))
            stack.enter_context(listening.accept()[0])
            return tuple(arrived(taps[host]) for host in (server, client))  # type: ignore[return-value]


def arrived(tap: socket.socket) -> int:
    """The MSS of the first SYN that comes in."""
    while True:
        packet, (_, _, kind, *_) = tap.recvfrom(4096)
        version = packet[0] >> 4
        header = (packet[0] & 15) * 4 if version == 4 else 40
        protocol = packet[9] if version == 4 else packet[6]
        if kind == socket.PACKET_OUTGOING or protocol != TCP or not packet[header + 13] & SYN:
            continue
        options = packet[header + 20 : header + (packet[header + 12] >> 4) * 4]
        while options[0] != MSS_OPTION:
            options = options[1:] if options[0] == 1 else options[options[1] :]
        return int(struct.unpack_from(">H", options, 2)[0])


@pytest.fixture
def router() -> Iterator[Router]:
    with ExitStack() as stack:
        yield Router(stack)


class Told:
    """An Nft and what it said, in order."""

    def __init__(self, directory: Path) -> None:
        self.faults: list[str] = []
        self.nft = Nft(str(directory), Timers(), self.faults.append)
        self.trace = directory / "nftables"

    def want(self, **mtus: int) -> str:
        """Have that wanted, and wait until it is done or not; what was said."""
        before = len(self.faults)
        self.nft.want({f"pptp-{name}": mtu for name, mtu in mtus.items()}, needed=True)
        turn(lambda: len(self.faults) > before, "an answer")
        return self.faults[-1]


def table() -> str:
    """Our table, as nft shows it; "" when there is none."""
    done = subprocess.run(["nft", "list", "table", *clamp.TABLE.split()], capture_output=True, text=True, check=False)
    return done.stdout


def test_both_ends_of_a_forwarded_connection_keep_to_the_tunnel(router: Router, tmp_path: Path) -> None:
    for family, headers in ((socket.AF_INET, 40), (socket.AF_INET6, 60)):
        for client in HOSTS:
            assert router.segment_sizes(client, family) == (1500 - headers,) * 2, "without rules they do not"
    assert Told(tmp_path).want(work=MTU) == ""
    for family, headers in ((socket.AF_INET, 40), (socket.AF_INET6, 60)):
        for client in HOSTS:
            assert router.segment_sizes(client, family) == (MTU - headers,) * 2


def test_a_route_into_the_tunnel_with_an_mtu_of_its_own(router: Router, tmp_path: Path) -> None:
    assert Told(tmp_path).want(work=MTU) == ""
    ip("route replace 10.9.0.1/32 dev pptp-work mtu 1300")
    assert router.segment_sizes("lan", socket.AF_INET)[0] == 1260


def test_what_is_small_already_stays_so(router: Router, tmp_path: Path) -> None:
    assert Told(tmp_path).want(work=MTU) == ""
    with router.inside("lan"):
        ip("link set eth0 mtu 1280")
    assert router.segment_sizes("lan", socket.AF_INET) == (1240, MTU - 40)


def test_there_while_wanted_and_gone_with_the_last_one(tmp_path: Path) -> None:
    told = Told(tmp_path)
    assert told.want(work=1456, home=1400) == "" and "pptp-home" in table() and "pptp-work" in table()
    assert told.want(work=1256) == "" and "pptp-home" not in table() and "size set 1216" in table()
    assert told.trace.exists()
    assert told.want() == "" and table() == "" and not told.trace.exists()


def test_what_a_manager_left_that_crashed_is_put_right_by_the_next_one(tmp_path: Path) -> None:
    assert Told(tmp_path).want(work=1456) == ""
    second = Told(tmp_path)
    assert second.want(home=1400) == "" and "pptp-home" in table() and "pptp-work" not in table()
    third = Told(tmp_path)
    third.nft.want({}, needed=False)
    turn(lambda: third.faults, "an answer")
    assert third.faults == [""] and table() == ""


def test_the_last_wish_counts_and_nothing_is_done_twice(tmp_path: Path) -> None:
    told = Told(tmp_path)
    for mtu in (1456, 1300, 1200):
        told.nft.want({"pptp-work": mtu}, needed=True)
    turn(lambda: len(told.faults) == 2, "the first one and the last one")
    assert "size set 1160" in table()
    told.nft.want({"pptp-work": 1200}, needed=True)
    settle()
    assert told.faults == ["", ""]


def test_where_nobody_clamps_the_kernel_is_not_asked(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.nft.want({}, needed=False)
    settle()
    assert told.faults == [] and not told.trace.exists()


def test_rules_that_somebody_flushed_are_back_when_asked_again(tmp_path: Path) -> None:
    told = Told(tmp_path)
    assert told.want(work=1456) == ""
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    told.nft.again()
    turn(lambda: len(told.faults) == 2, "an answer")
    assert "pptp-work" in table()


def test_the_tables_of_others_stay(tmp_path: Path) -> None:
    subprocess.run(["nft", "add", "table", "inet", "filter"], check=True)
    told = Told(tmp_path)
    assert told.want(work=1456) == "" and told.want() == ""
    assert subprocess.run(["nft", "list", "tables"], capture_output=True, check=True).stdout == b"table inet filter\n"


# --- where it cannot be ---


@pytest.mark.parametrize(
    ("program", "fault"),
    [
        ("", "nft is not installed; install the package nftables"),
        (
            "cat >/dev/null; echo 'x:0:0-0: Error: Could not process rule: Operation not supported' >&2; exit 1",
            "Could not process rule: Operation not supported",
        ),
        ("cat >/dev/null; printf '\\nsomething \\\"else\\n' >&2; exit 1", "something ??else"),
        ("exit 1", None),  # before it has read a word
        ("exec sleep 60", "nft does not end"),
    ],
)
def test_where_it_cannot_be_it_says_why(
    program: str, fault: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nft, "PROGRAMS_PATH", f"{tmp_path}/bin")
    monkeypatch.setattr(nft, "LONGEST_SECONDS", 0.3)
    if program:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/nft").write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{program}\n")
        (tmp_path / "bin/nft").chmod(0o755)
    told = Told(tmp_path)
    why = told.want(work=1456)
    assert why == fault if fault else why
    told.nft.want({"pptp-work": 1456}, needed=True)
    settle()
    assert told.faults == [why], "it is not tried over and over"


def settle() -> None:
    """Take in what there is to take in, for as long as nft takes."""
    over: list[bool] = []
    GLib.timeout_add(200, lambda: over.append(True))
    while not over:
        GLib.MainContext.default().iteration(True)
