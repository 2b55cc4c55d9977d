"""The guard (kill switch): a sniffer on the uplink and a steady stream of packets, whatever becomes of the tunnel."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_address

import commands as lab
import pytest

FAR, FAR_6 = "198.51.100.7", "2001:db8:1::7"
INSIDE_FAR = "192.168.10.77"
EVERYTHING = {**lab.ALICE, "routes": [], "default-route": True, "guard": True}
PREFIX = {**lab.ALICE, "guard": True}
ALL_FRAMES = 3  # ETH_P_ALL, linux/if_ether.h


class Stream:
    """Packets to some addresses, one each millisecond, and a sniffer that looks for them on the uplink."""

    def __init__(self, *targets: str) -> None:
        self._targets = targets
        self._wanted = [ip_address(target).packed for target in targets]
        self._sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL_FRAMES))
        self._sniffer.setsockopt(socket.SOL_SOCKET, 33, 1 << 22)  # SO_RCVBUFFORCE
        self._sniffer.bind(("uplink", ALL_FRAMES))
        self._sniffer.settimeout(0.2)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._send, self._sniff)]
        self.sent = self.refused = self.seen = 0
        self.leaked: list[float] = []

    def __enter__(self) -> Stream:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        _, dropped = struct.unpack("II", self._sniffer.getsockopt(263, 6, 8))  # PACKET_STATISTICS, packet(7)
        self._sniffer.close()
        print(
            f"{self.sent} packets sent, {self.refused} refused by the kernel; on the uplink {self.seen} frames,"
            f" {len(self.leaked)} of them leaked"
        )
        assert not dropped, "the sniffer missed some"

    def _send(self) -> None:
        four, six = (socket.socket(family, socket.SOCK_DGRAM) for family in (socket.AF_INET, socket.AF_INET6))
        with four, six:
            while not self._over.is_set():
                for target in self._targets:
                    try:
                        (six if ":" in target else four).sendto(b"secret", socket.MSG_DONTWAIT, (target, 9))
                        self.sent += 1
                    except OSError:  # unreachable: that is what the guard is for
                        self.refused += 1
                time.sleep(0.001)

    def _sniff(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                packet = self._sniffer.recv(2048)
                self.seen += 1
                destination = packet[24:40] if packet[0] >> 4 == 6 else packet[16:20]
                if destination in self._wanted:
                    self.leaked.append(time.time())


@pytest.fixture
def six() -> Iterator[None]:
    """The uplink has IPv6, and a default route."""
    lab.out("ip", "-6", "address", "add", "2001:db8::2/64", "dev", "uplink", "nodad")
    lab.out("ip", "-6", "neigh", "add", "2001:db8::1", "lladdr", "02:00:00:00:00:01", "dev", "uplink")
    lab.out("ip", "-6", "route", "add", "default", "via", "2001:db8::1", "dev", "uplink")
    yield
    lab.out("ip", "-6", "route", "del", "default", "via", "2001:db8::1", "dev", "uplink")
    lab.out("ip", "-6", "neigh", "del", "2001:db8::1", "dev", "uplink")
    lab.out("ip", "-6", "address", "del", "2001:db8::2/64", "dev", "uplink")


def wait_up() -> None:
    lab.wait_for(lambda: lab.active("work") == "active" and lab.state("work") == "up", "up again", 60)


def lose(do: list[str]) -> None:
    """Have the link lost by that command, and wait until it is up again."""
    lab.out(*do)
    lab.wait_for(lambda: lab.state("work") != "up", "down")
    wait_up()


@contextlib.contextmanager
def wanted_but_not_up(tunnel: dict[str, object]) -> Iterator[None]:
    """The tunnel is started, and there is no server; later there is, and then it is stopped."""
    lab.configure({"work": tunnel})
    lab.systemctl("stop", "lab-pptpd@main")
    try:
        assert lab.systemctl("start", "--no-block", "pptp@work") == 0
        lab.wait_for(lambda: "unreachable" in lab.out("ip", "rule"), "the guard")
        yield
    finally:
        lab.systemctl("start", "lab-pptpd@main")


def live_through(tunnel: dict[str, object]) -> None:
    """What happens to a tunnel that is wanted: up, lost, killed, reloaded, and all of it without a manager."""
    time.sleep(0.5)
    lab.systemctl("start", "lab-pptpd@main")
    wait_up()
    lose(["kill", *map(str, lab.server_sessions())])  # the server ends the session
    lose(["kill", "-KILL", *map(str, lab.clients()["pppd"])])
    lab.out("kill", "-KILL", str(lab.manager_pid()))
    lab.wait_for(lambda: lab.state("work") == "up", "a manager again")
    lab.configure({"work": {**tunnel, "routes": ["192.168.10.0/24", "10.77.0.0/16"]}})
    lab.out("systemctl", "stop", "pptp-manager")
    lab.out("kill", "-KILL", *map(str, lab.clients()["pppd"]))
    time.sleep(0.5)
    lab.out("systemctl", "start", "pptp-manager")
    wait_up()


@pytest.mark.parametrize(
    ("tunnel", "targets"), [(EVERYTHING, (FAR, FAR_6)), (PREFIX, (INSIDE_FAR,))], ids=["everything", "a prefix"]
)
def test_nothing_leaks_while_it_is_wanted(six: None, tunnel: dict[str, object], targets: tuple[str, ...]) -> None:
    with wanted_but_not_up(tunnel):
        with Stream(*targets) as stream:
            live_through(tunnel)
            assert lab.passes("10.9.0.1" if tunnel is EVERYTHING else lab.INSIDE)
            assert lab.passes("192.0.2.1"), "the local network is let through"
        assert stream.sent + stream.refused > 1000 and stream.seen > 20, "the call itself was on the uplink"
        assert not stream.leaked
        assert lab.systemctl("stop", "pptp@work") == 0
        lab.wait_for(lambda: "unreachable" not in lab.out("ip", "rule"), "the guard is gone")
    with Stream(*targets) as control:
        lab.wait_for(lambda: len(control.leaked) > 2 * len(targets), "without a guard the sniffer sees them")
        assert not control.refused


def test_a_guard_holds_while_a_tunnel_has_given_up() -> None:
    lab.configure({"work": {**EVERYTHING, "password": "wrong"}})
    assert lab.systemctl("start", "pptp@work") != 0
    lab.wait_for(lambda: lab.active("work") == "failed", "given up")
    assert not lab.passes(lab.INSIDE) and lab.passes(lab.SERVER) and lab.passes("192.0.2.1")
    assert "unreachable" in lab.out("ip", "rule") and "unreachable" in lab.out("ip", "-6", "rule")
    assert "cannot be reached until it is up, or: systemctl reset-failed pptp@work" in lab.status("work")
    assert lab.systemctl("reset-failed", "pptp@work") == 0
    lab.wait_for(lambda: "unreachable" not in lab.out("ip", "rule"), "the guard is gone")
    assert lab.systemctl("start", "pptp@work") != 0 and "unreachable" in lab.out("ip", "rule")
    lab.wait_for(lambda: lab.active("work") == "failed", "given up")
    assert lab.call("Disconnect", "work").returncode == 0
    assert "unreachable" not in lab.out("ip", "rule")


def test_policy_routing_by_user() -> None:
    """Only what one user sends goes through the tunnel."""
    table = {"default-route": True, "routes": [], "table": 100, "rules": [{"uid-range": "65534"}]}
    lab.configure({"work": {**lab.ALICE, **table}})
    assert lab.systemctl("start", "pptp@work") == 0
    assert "dev uplink" in lab.out("ip", "route", "get", FAR)
    assert "dev pptp-work" in lab.out("ip", "route", "get", FAR, "uid", "65534")
    ping = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "ping", "-c1", "-W2", lab.INSIDE]
    lab.out("sysctl", "-qw", "net.ipv4.ping_group_range=0 65535")
    assert lab.run(*ping).returncode == 0 and not lab.passes()
