"""netlink.py with the real kernel, each test in a network namespace of its own."""

from __future__ import annotations

import errno
import gc
import socket
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_network
from pathlib import Path as FilePath

import pytest
from gi.repository import GLib

from pptpd_manager import netlink, planner, routes
from pptpd_manager.netlink import Netlink
from pptpd_manager.routes import Kind, Link, Path, Route, Rule

from .kernel import ip, turn, veth


def net(text: str) -> IPv4Network:
    return IPv4Network(text)


def address(text: str) -> IPv4Address:
    return IPv4Address(text)


class Watched:
    """A Netlink that counts its calls."""

    def __init__(self) -> None:
        self.links_changed = self.routes_changed = self.beyond = 0
        self.netlink = Netlink(self._on_links, self._on_routes)

    def _on_links(self) -> None:
        self.links_changed += 1

    def _on_routes(self, beyond: bool) -> None:
        self.routes_changed += 1
        self.beyond += beyond

    def settle(self) -> None:
        """Take in every event that the kernel has sent."""
        context = GLib.MainContext.default()
        while context.iteration(False):
            pass


@pytest.fixture
def watched() -> Iterator[Watched]:
    """A Netlink in an empty namespace."""
    made = Watched()
    yield made
    made.netlink.close()


@pytest.fixture
def kernel(watched: Watched) -> Netlink:
    """A Netlink, to be asked and told."""
    return watched.netlink


# --- MTUs ---


def fragmentation_needed(source: str, server: str, mtu: int) -> bytes:
    """To 02:00:00:00:00:02: the router tells source that UDP to server may have mtu bytes. RFC 792, 1191."""
    raw = socket.inet_aton
    udp = struct.pack(">HHHH", 5000, 5001, 1400, 0)
    packet = (
        struct.pack(">BBHIBBH", 0x45, 0, 1420, 0x4000, 64, socket.IPPROTO_UDP, 0) + raw(source) + raw(server) + udp
    )
    icmp = struct.pack(">BBHHH", 3, 4, 0, 0, mtu) + packet
    total = sum(struct.unpack(f">{len(icmp) // 2}H", icmp))
    icmp = icmp[:2] + struct.pack(">H", ~(total + (total >> 16)) & 0xFFFF) + icmp[4:]
    header = struct.pack(">BBHIBB", 0x45, 0, 20 + len(icmp), 0, 64, socket.IPPROTO_ICMP)
    addresses = raw("192.0.2.1") + raw(source)
    total = sum(struct.unpack(">9H", header + addresses))
    checksum = struct.pack(">H", ~(total + (total >> 16)) & 0xFFFF)
    return b"\2\0\0\0\0\2" + b"\2\0\0\0\0\1" + b"\x08\x00" + header + checksum + addresses + icmp


def test_the_mtu_of_a_path_is_the_least_of_interface_and_route(kernel: Netlink, watched: Watched) -> None:
    index = veth("wan0", "192.0.2.2/24")
    ip("route add default via 192.0.2.1", "route add 203.0.113.0/24 via 192.0.2.1 mtu 1400")
    watched.settle()
    for text, mtu in (("198.51.100.1", 1500), ("203.0.113.1", 1400)):
        path, _ = kernel.path(address(text))
        assert path and kernel.measured(path, address(text)).mtu == mtu
        found = routes.lookup(address(text), kernel.table())
        assert found and kernel.measured(found, address(text)).mtu == mtu
    ip("link set wan0 mtu 1300")
    watched.settle()
    path = Path(index, address("192.0.2.1"), mtu=1400)
    assert kernel.measured(path, address("203.0.113.1")).mtu == 1300
    assert kernel.measured(Path(99), address("203.0.113.1")).mtu == 0, "there is no such interface"


def test_what_a_router_says_counts_for_its_path_alone(kernel: Netlink, watched: Watched) -> None:
    index = veth("wan0", "192.0.2.2/24")
    ip("link set wan0 address 02:00:00:00:00:02", "route add default via 192.0.2.1")
    ip("neighbor add 192.0.2.1 lladdr 02:00:00:00:00:01 dev wan0")
    watched.settle()
    server = address("203.0.113.1")
    path, _ = kernel.path(server)
    assert path and kernel.learnt(path, server) == 0
    with socket.socket(type=socket.SOCK_DGRAM) as sender, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as router:
        sender.bind(("192.0.2.2", 5000))
        sender.connect((str(server), 5001))
        router.bind(("far-wan0", 0))
        router.send(fragmentation_needed("192.0.2.2", str(server), 1400))
        turn(lambda: GLib.timeout_add(5, lambda: False) and kernel.learnt(path, server), "the kernel to hear of it")
    assert kernel.learnt(path, server) == kernel.measured(path, server).mtu == 1400
    assert kernel.path(server) == (path, False), "it is no other path"
    assert kernel.learnt(Path(index + 1), server) == 0
    assert kernel.learnt(path, address("203.0.113.2")) == 0


def test_a_route_with_an_mtu_of_its_own_is_not_the_word_of_a_router(kernel: Netlink) -> None:
    veth("wan0", "192.0.2.2/24")
    ip("route add default via 192.0.2.1 mtu 1400")
    path, _ = kernel.path(address("203.0.113.1"))
    assert path and path.mtu == 1400 and kernel.learnt(path, address("203.0.113.1")) == 0


def test_a_link_is_given_another_mtu(kernel: Netlink, watched: Watched) -> None:
    index = veth("pptp-a", "10.9.0.2/32")
    watched.settle()
    kernel.set_mtu(index, 1256)
    watched.settle()
    assert kernel.links()["pptp-a"].mtu == 1256
    with pytest.raises(OSError, match="Invalid argument"):
        kernel.set_mtu(index, 20)
    with pytest.raises(OSError, match="No such device"):
        kernel.set_mtu(index + 100, 1256)


# --- links ---


def test_links_that_were_there_before() -> None:
    index = veth("pptp-a")
    ip("address add 10.9.0.2 peer 10.9.0.1/32 dev pptp-a", "link set pptp-a mtu 1400")
    veth("other", "192.0.2.2/24")
    found = Netlink(pytest.fail, lambda _beyond: pytest.fail())
    link = Link(index, "pptp-a", True, 1400, address("10.9.0.2"), address("10.9.0.1"))
    assert found.links() == {"pptp-a": link}
    assert link.usable
    assert found.tunnel_indexes() == {index}
    found.close()


def test_a_link_from_its_beginning_to_its_end(watched: Watched) -> None:
    ip("link add pptp-a type veth peer name far")
    watched.settle()
    index = socket.if_nametoindex("pptp-a")
    assert watched.netlink.links() == {"pptp-a": Link(index, "pptp-a", False, 1500)}
    ip("link set pptp-a up", "link set far up")
    watched.settle()
    assert watched.netlink.links()["pptp-a"].up
    assert not watched.netlink.links()["pptp-a"].usable
    ip("address add 10.9.0.2 peer 10.9.0.1/32 dev pptp-a")
    watched.settle()
    assert watched.netlink.links()["pptp-a"].usable
    ip("address delete 10.9.0.2 peer 10.9.0.1/32 dev pptp-a")
    watched.settle()
    assert watched.netlink.links() == {"pptp-a": Link(index, "pptp-a", True, 1500)}
    ip("link delete pptp-a")
    watched.settle()
    assert watched.netlink.links() == {}


def test_a_link_that_is_renamed(watched: Watched) -> None:
    """As pppd does with ppp0."""
    ip("link add ppp0 type veth peer name far")
    watched.settle()
    assert watched.netlink.links() == {}
    ip("link set ppp0 name pptp-a")
    watched.settle()
    assert list(watched.netlink.links()) == ["pptp-a"]
    ip("link set pptp-a name pptp-b")
    watched.settle()
    assert list(watched.netlink.links()) == ["pptp-b"]
    ip("link set pptp-b name ppp0")
    watched.settle()
    assert watched.netlink.links() == {}


def test_a_burst_is_seen_whole_and_told_once(watched: Watched) -> None:
    lines = [f"link add pptp-{n} type veth peer name far-{n}" for n in range(20)]
    ip(*lines, *(f"address add 10.9.{n}.2 peer 10.9.{n}.1/32 dev pptp-{n}" for n in range(20)))
    watched.settle()
    links = watched.netlink.links()
    assert {name: str(link.peer) for name, link in links.items()} == {f"pptp-{n}": f"10.9.{n}.1" for n in range(20)}
    assert (watched.links_changed, watched.routes_changed) == (1, 1)


def test_events_beside_a_request_are_not_lost(watched: Watched) -> None:
    ip("link add pptp-a type veth peer name far", "link set pptp-a up")
    assert watched.netlink.table() == []
    ip("address add 10.9.0.2 peer 10.9.0.1/32 dev pptp-a")
    watched.netlink.path(address("198.51.100.7"))
    watched.settle()
    assert watched.netlink.links()["pptp-a"].local == address("10.9.0.2")


def test_an_overrun_is_made_good_by_reading_all_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netlink, "RECEIVE_BUFFER", 1)  # the kernel makes it its minimum of 2304 bytes
    reads: list[Netlink] = []
    read_all = Netlink._read_all

    def counted(self: Netlink) -> None:
        reads.append(self)
        read_all(self)

    monkeypatch.setattr(Netlink, "_read_all", counted)
    watched = Watched()
    assert len(reads) == 1
    ip(
        "link add gone type veth peer name far-gone",
        *(f"link add pptp-{n} type veth peer name far-{n}" for n in range(20)),
        *(f"address add 10.9.{n}.2 peer 10.9.{n}.1/32 dev pptp-{n}" for n in range(20)),
        "link delete gone",
    )
    watched.settle()
    assert len(reads) == 2
    expected = {f"pptp-{n}": f"10.9.{n}.1" for n in range(20)}
    assert {name: str(link.peer) for name, link in watched.netlink.links().items()} == expected
    assert (watched.links_changed, watched.routes_changed) == (1, 1)
    ip("link delete pptp-0")
    watched.settle()
    assert "pptp-0" not in watched.netlink.links()
    watched.netlink.close()


def carried(watched: Watched, link: str) -> None:
    """Settle when the link has its carrier, which comes a moment after it, as an event of its own."""
    show = ["ip", "-o", "link", "show", link]
    turn(lambda: b"state UP" in subprocess.run(show, capture_output=True, check=True).stdout, "the carrier")
    watched.settle()


def test_route_changes_are_told(watched: Watched) -> None:
    veth("wan", "192.0.2.2/24")
    carried(watched, "wan")
    links, told = watched.links_changed, watched.routes_changed
    ip("route add 203.0.113.0/24 via 192.0.2.1")
    turn(lambda: watched.routes_changed == told + 1, "a route that came")
    ip("route delete 203.0.113.0/24")
    turn(lambda: watched.routes_changed == told + 2, "a route that went")
    assert watched.links_changed == links


def test_what_we_do_ourselves_is_no_news(watched: Watched) -> None:
    index = veth("pptp-a", "10.9.0.2/32")
    carried(watched, "pptp-a")
    told = watched.routes_changed
    items: list[Route | Rule] = [Route(net("192.168.10.0/24"), index), Rule(4, 17200, 1000, source=net("10.1.0.0/16"))]
    assert watched.netlink.apply(items, []) == [] and watched.netlink.ours() == items
    watched.settle()
    assert watched.routes_changed == told
    ip("route delete 192.168.10.0/24", "rule delete priority 17200")
    turn(lambda: watched.routes_changed > told, "somebody else's change")
    assert watched.netlink.ours() == []


def test_what_happens_to_tunnels_is_not_beyond_them(watched: Watched) -> None:
    ip("tuntap add dev pptp-a mode tun", "tuntap add dev ppp0 mode tun")
    ip("address add 10.9.0.2 peer 10.9.0.1/32 dev pptp-a", "link set pptp-a up", "route add 10.0.0.0/8 dev pptp-a")
    watched.settle()
    told = watched.links_changed, watched.routes_changed
    assert min(told) > 0 and watched.beyond == 0
    ip("link set pptp-a alias office")
    watched.settle()
    assert (watched.links_changed, watched.routes_changed) == told, "nothing of it is of interest"
    ip("link set pptp-a down", "link delete pptp-a")
    watched.settle()
    assert watched.links_changed > told[0] and watched.beyond == 0
    for line in ("link set ppp0 up", "address add 10.8.0.2/24 dev ppp0", "rule add from 10.8.0.0/24 lookup 100"):
        before = watched.beyond
        ip(line)
        watched.settle()
        assert watched.beyond > before, line


def test_online(watched: Watched) -> None:
    """With an IPv4 address on an interface that is up, and is neither lo nor a tunnel."""

    def online() -> bool:
        watched.settle()
        return watched.netlink.online

    assert not online()
    veth("pptp-a", "10.9.0.2/32")
    assert not online()
    veth("wan")
    assert not online()
    ip("address add 2001:db8::2/64 dev wan")
    assert not online()
    ip("address add 192.0.2.2/24 dev wan")
    assert online()
    ip("link set wan down")
    assert not online()
    ip("link set wan up")
    assert online()
    ip("address delete 192.0.2.2/24 dev wan")
    assert not online()
    ip("address add 192.0.2.2/24 dev wan")
    assert online()
    ip("link delete wan")
    assert not online()


def test_a_secondary_address_that_goes(watched: Watched) -> None:
    veth("wan", "192.0.2.2/24", "192.0.2.3/24")
    ip("address delete 192.0.2.3/24 dev wan")
    watched.settle()
    assert watched.netlink.online


def test_an_address_that_another_machine_may_have_is_not_there_yet(watched: Watched) -> None:
    """The kernel takes no route with it as a source before it is sure (duplicate address detection)."""
    veth("wan", "192.0.2.2/24")
    six = IPv6Address("2001:db8::2")
    ip("address add 2001:db8::2/64 dev wan")
    watched.settle()
    assert six not in watched.netlink.addresses()
    turn(lambda: six in watched.netlink.addresses(), "the kernel to be sure")
    ip("address delete 2001:db8::2/64 dev wan")
    watched.settle()
    assert six not in watched.netlink.addresses()


# --- asking for routes ---


def test_table(kernel: Netlink) -> None:
    """Unicast routes of the main table; of several next hops the first counts."""
    wan = veth("wan", "192.0.2.2/24")
    lan = veth("lan", "198.51.100.2/24")
    ip(
        "route add default via 192.0.2.1 proto static metric 100",
        "route add 203.0.113.0/24 dev lan proto 172 src 198.51.100.2",
        "route add 10.0.0.0/8 nexthop via 192.0.2.1 dev wan nexthop via 198.51.100.1 dev lan",
        "route add unreachable 10.1.0.0/16",
        "route add blackhole 10.2.0.0/16",
        "route add prohibit 10.3.0.0/16",
        "route add 10.4.0.0/16 via 192.0.2.1 table 100",
        "route add 10.5.0.0/16 via 192.0.2.1 table 1000",
        "route add 2001:db8::/32 dev wan",
    )
    assert set(kernel.table()) == {
        Route(net("0.0.0.0/0"), wan, address("192.0.2.1"), 100, protocol=4),
        Route(net("192.0.2.0/24"), wan, source=address("192.0.2.2"), protocol=2),
        Route(net("198.51.100.0/24"), lan, source=address("198.51.100.2"), protocol=2),
        Route(net("203.0.113.0/24"), lan, source=address("198.51.100.2"), protocol=172),
        Route(net("10.0.0.0/8"), wan, address("192.0.2.1"), protocol=3),
    }


def test_a_table_of_a_thousand_routes(kernel: Netlink) -> None:
    """More than fits in one answer of a dump."""
    wan = veth("wan", "192.0.2.2/24")
    wanted = [Route(net(f"10.{n // 250}.{n % 250}.0/24"), wan, address("192.0.2.1")) for n in range(5000)]
    assert kernel.apply(wanted, []) == []
    assert {route for route in kernel.table() if route.protocol == routes.PROTOCOL} == set(wanted)
    assert kernel.apply([], wanted) == []
    assert [route for route in kernel.table() if route.protocol == routes.PROTOCOL] == []


def test_path(watched: Watched) -> None:
    kernel = watched.netlink
    server = address("198.51.100.7")
    assert kernel.path(server) == (None, False)
    wan = veth("wan", "192.0.2.2/24")
    watched.settle()
    assert kernel.path(server) == (None, False)
    ip("route add default via 192.0.2.1")
    assert kernel.path(server) == (Path(wan, address("192.0.2.1"), None, address("192.0.2.2")), False)
    assert kernel.path(address("192.0.2.9")) == (Path(wan, None, address("192.0.2.2"), address("192.0.2.2")), False)
    ip(f"route add {server} via 192.0.2.1 src 192.0.2.2 proto 172")
    assert kernel.path(server) == (
        Path(wan, address("192.0.2.1"), address("192.0.2.2"), address("192.0.2.2")),
        True,
    )


def test_packets_leave_with_the_address_that_the_kernel_takes(watched: Watched) -> None:
    wan = veth("wan", "192.0.2.2/24")
    ip("address add 198.51.100.5/24 dev wan", "address add 192.0.2.8/24 dev wan", "route add default via 198.51.100.1")
    watched.settle()
    (path, _) = watched.netlink.path(address("203.0.113.1"))
    assert path == Path(wan, address("198.51.100.1"), None, address("198.51.100.5"))
    assert "src 198.51.100.5 " in ip("route get 203.0.113.1")[0]
    ip("address del 198.51.100.5/24 dev wan", "route replace default via 192.0.2.1")
    watched.settle()
    (path, _) = watched.netlink.path(address("203.0.113.1"))
    assert path and path.local == address("192.0.2.2")


def test_of_several_next_hops_the_first_is_the_path(watched: Watched) -> None:
    wan, lan = veth("wan", "192.0.2.2/24"), veth("lan", "198.51.100.5/24")
    ip("route add default nexthop via 192.0.2.1 dev wan nexthop via 198.51.100.1 dev lan")
    watched.settle()
    path = Path(wan, address("192.0.2.1"), None, address("192.0.2.2"))
    assert all(watched.netlink.path(address(f"203.0.113.{last}")) == (path, False) for last in range(1, 20)) and lan


def test_a_gateway_of_ipv6_on_the_path(watched: Watched) -> None:
    wan, far = veth("wan", "192.0.2.2/24"), IPv6Address("fe80::1")
    ip(
        "route add 0.0.0.0/0 via inet6 fe80::1 dev wan metric 9",
        "route add 203.0.113.0/24 nexthop via inet6 fe80::1 dev wan nexthop via 192.0.2.1 dev wan",
        "route add 2001:db8::/32 via fe80::1 dev wan",
    )
    watched.settle()
    path = Path(wan, far, None, address("192.0.2.2"))
    for text in ("198.51.100.7", "203.0.113.1"):
        assert watched.netlink.path(address(text)) == (path, False)
        found = routes.lookup(address(text), watched.netlink.table())
        assert found and watched.netlink.located(found) == path
    assert Route(net("0.0.0.0/0"), wan, far, 9, protocol=3) in watched.netlink.table()
    assert Route(ip_network("2001:db8::/32"), wan, far, protocol=3) in watched.netlink.table(6)


def test_a_carrier_that_is_lost_and_back(watched: Watched) -> None:
    """The kernel tells of it a moment later (linkwatch)."""
    wan = veth("wan", "192.0.2.2/24")
    turn(lambda: watched.netlink.running(wan), "a carrier")
    ip("link set far-wan down")
    turn(lambda: not watched.netlink.running(wan), "no carrier")
    ip("link set far-wan up")
    turn(lambda: watched.netlink.running(wan), "a carrier again")
    assert not watched.netlink.running(9999)


ITEMS: list[Route | Rule] = [
    Route(net("198.51.100.7/32"), 2, address("192.0.2.1"), table=1000),
    Route(net("10.8.0.0/16"), 3, metric=7, source=address("10.9.0.2"), table=100, scope=routes.SCOPE_UNIVERSE),
    Route(net("0.0.0.0/0"), metric=4294967294, table=100, kind=Kind.UNREACHABLE),
    Route(ip_network("::/0"), metric=4294967294, table=100, kind=Kind.UNREACHABLE),
    Route(ip_network("fd00::/8"), 3, metric=1),
    Route(ip_network("fd01::/16"), 3),
    Route(net("198.51.100.9/32"), 2, address("203.0.113.77"), onlink=True),
    Route(net("198.51.100.10/32"), 2, IPv6Address("fe80::1"), metric=3),
    Route(net("198.51.100.11/32"), 2, IPv6Address("2001:db8::77"), onlink=True),
    Rule(4, 9, 1000, source=ip_network("10.1.0.0/16"), destination=net("10.2.0.0/16")),
    Rule(4, 10, 100, fwmark=(5, 255), uids=(1000, 1999)),
    Rule(4, 10, 100, fwmark=(0, 255)),
    Rule(4, 11, 254, suppress=0),
    Rule(4, 11, 254, suppress=24, destination=net("192.168.10.0/24")),
    Rule(4, 12, None, destination=net("192.168.10.0/24")),
    Rule(6, 13, None),
    Rule(6, 14, 172, source=ip_network("fd00::/8"), fwmark=(1, 4294967295)),
]


def test_routes_and_rules_are_read_as_they_were_written(kernel: Netlink) -> None:
    """Whatever they look like: else they would be taken for lost, or be left."""
    assert (veth("wan", "192.0.2.2/24"), veth("pptp-a", "10.9.0.2/32")) == (3, 5)
    items = [
        replace(item, interface={0: 0, 2: 3, 3: 5}[item.interface]) if isinstance(item, Route) else item
        for item in ITEMS
    ]
    foreign = ["rule add priority 11 fwmark 1 lookup 100 protocol 4", "route add 10.7.0.0/16 dev pptp-a table 100"]
    ip(*foreign)
    for _ in range(2):
        assert kernel.apply(items, []) == []
        assert sorted(map(str, kernel.ours())) == sorted(map(str, items))
        assert set(kernel.ours()) == set(items)
        assert planner.changes(items, kernel.ours()) == ([], [])
    assert kernel.apply([], items) == kernel.apply([], items) == []
    assert kernel.ours() == []
    assert any("10.7.0.0/16" in line for line in ip("route show table 100"))
    assert any("fwmark 0x1 lookup 100" in line for line in ip("rule"))


@pytest.mark.parametrize("kind", ["unreachable", "prohibit", "blackhole", "throw"])
def test_no_path(kernel: Netlink, kind: str) -> None:
    veth("wan", "192.0.2.2/24")
    ip(f"route add {kind} 198.51.100.0/24")
    assert kernel.path(address("198.51.100.7")) == (None, False)


def test_no_path_to_oneself(kernel: Netlink) -> None:
    veth("wan", "192.0.2.2/24")
    assert kernel.path(address("192.0.2.2")) == (None, False)
    assert kernel.path(address("127.0.0.1")) == (None, False)


def test_a_path_through_a_tunnel_is_ours(watched: Watched) -> None:
    tunnel = veth("pptp-a", "10.9.0.2/32")
    ip("route add default dev pptp-a proto static")
    watched.settle()
    path, ours = watched.netlink.path(address("198.51.100.7"))
    assert (path and path.interface, ours) == (tunnel, True)


def test_a_path_by_policy(kernel: Netlink) -> None:
    """Rules and other tables count: the kernel is asked, not its main table."""
    veth("wan", "192.0.2.2/24")
    lan = veth("lan", "203.0.113.2/24")
    ip(
        "route add default via 192.0.2.1",
        "route add default via 203.0.113.1 table 100",
        "rule add to 198.51.100.0/24 table 100",
    )
    assert kernel.path(address("198.51.100.7")) == (Path(lan, address("203.0.113.1")), False)


# --- changing routes ---


def test_apply(kernel: Netlink) -> None:
    wan = veth("wan", "192.0.2.2/24")
    tunnel = veth("pptp-a", "10.9.0.2/32")
    add = [
        Route(net("198.51.100.7/32"), wan, address("192.0.2.1"), source=address("192.0.2.2")),
        Route(net("192.168.10.0/24"), tunnel),
        Route(net("0.0.0.0/0"), tunnel, metric=50),
    ]
    assert kernel.apply(add, []) == []
    assert [line for line in ip("route") if "kernel" not in line] == [
        "default dev pptp-a proto 172 scope link metric 50",
        "192.168.10.0/24 dev pptp-a proto 172 scope link",
        "198.51.100.7 via 192.0.2.1 dev wan proto 172 src 192.0.2.2",
    ]
    assert [route for route in kernel.table() if route.protocol == routes.PROTOCOL] == [add[2], add[1], add[0]]
    assert planner.changes(frozenset(add), kernel.ours()) == ([], [])
    assert kernel.apply([], add) == []
    assert [line for line in ip("route") if "kernel" not in line] == []


def test_a_hundred_routes_are_one_message_to_the_kernel(kernel: Netlink, monkeypatch: pytest.MonkeyPatch) -> None:
    tunnel = veth("pptp-a", "10.9.0.2/32")
    sent: list[bytes] = []
    real = kernel._requests

    class Counted:
        """The socket, which tells what is sent by it."""

        def send(self, data: bytes) -> int:
            sent.append(data)
            return real.send(data)

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

    monkeypatch.setattr(kernel, "_requests", Counted())
    assert kernel.apply([Route(net(f"10.77.{n}.0/24"), tunnel) for n in range(100)], []) == []
    assert len(sent) == 1
    assert len([line for line in ip("route") if line.startswith("10.77.")]) == 100


def test_apply_nothing(kernel: Netlink) -> None:
    assert kernel.apply([], []) == []


def test_what_is_there_already_or_gone_already_is_well(kernel: Netlink) -> None:
    tunnel = veth("pptp-a", "10.9.0.2/32")
    route = Route(net("192.168.10.0/24"), tunnel)
    assert kernel.apply([route], []) == []
    assert kernel.apply([route], []) == []
    assert kernel.table().count(route) == 1
    assert kernel.apply([], [route]) == []
    assert kernel.apply([], [route]) == []


@pytest.mark.parametrize("metric", [0, 50])
def test_a_foreign_route_of_the_same_prefix_and_metric_comes_back(kernel: Netlink, metric: int) -> None:
    wan = veth("wan", "192.0.2.2/24")
    tunnel = veth("pptp-a", "10.9.0.2/32")
    foreign = Route(net("0.0.0.0/0"), wan, address("192.0.2.1"), metric, protocol=3)
    ours = Route(net("0.0.0.0/0"), tunnel, metric=metric)
    ip(f"route add default via 192.0.2.1 metric {metric}")
    server = address("198.51.100.7")
    assert kernel.path(server)[0] == Path(wan, address("192.0.2.1"))
    assert kernel.apply([ours], []) == []
    assert [route for route in kernel.table() if route.prefix == routes.EVERYTHING] == [ours, foreign]
    path, _ = kernel.path(server)
    assert path and path.interface == tunnel
    assert kernel.apply([], [ours]) == []
    assert [route for route in kernel.table() if route.prefix == routes.EVERYTHING] == [foreign]
    assert kernel.path(server)[0] == Path(wan, address("192.0.2.1"))


def test_what_is_removed_is_ours_alone(kernel: Netlink) -> None:
    """The same route with another protocol is somebody else's."""
    tunnel = veth("pptp-a", "10.9.0.2/32")
    ip("route add 192.168.10.0/24 dev pptp-a proto static")
    assert kernel.apply([], [Route(net("192.168.10.0/24"), tunnel)]) == []
    assert ip("route") == ["192.168.10.0/24 dev pptp-a proto static scope link"]


def test_refused_routes_are_told_and_the_others_applied(watched: Watched) -> None:
    wan = veth("wan", "192.0.2.2/24")
    ip("link add pptp-a type veth peer name far")
    down = socket.if_nametoindex("pptp-a")
    good = Route(net("192.168.10.0/24"), wan)
    no_gateway = Route(net("192.168.20.0/24"), wan, address("203.0.113.1"))
    no_link = Route(net("192.168.30.0/24"), 4711)
    link_down = Route(net("192.168.40.0/24"), down)
    no_source = Route(net("192.168.50.0/24"), wan, source=address("203.0.113.2"))
    refused = watched.netlink.apply([no_gateway, no_link, link_down, no_source, good], [])
    assert refused == [
        (no_gateway, errno.ENETUNREACH),
        (no_link, errno.ENODEV),
        (link_down, errno.ENETDOWN),
        (no_source, errno.EINVAL),
    ]
    assert [route for route in watched.netlink.table() if route.protocol == routes.PROTOCOL] == [good]


def test_adds_come_before_removals(watched: Watched, tmp_path: FilePath) -> None:
    """A route that moves to another interface is never missing in between."""
    one, two = veth("pptp-a", "10.9.0.2/32"), veth("pptp-b", "10.9.1.2/32")
    before, after = Route(net("192.168.10.0/24"), one), Route(net("192.168.10.0/24"), two)
    assert watched.netlink.apply([before], []) == []
    seen = tmp_path / "monitor"

    def marked(mark: str) -> bool:
        ip(f"route replace {mark} dev pptp-a", f"route delete {mark} dev pptp-a")
        return f"Deleted {mark} " in seen.read_text()

    with seen.open("wb") as file, subprocess.Popen(["ip", "monitor", "route"], stdout=file) as monitor:
        tick = GLib.timeout_add(5, lambda: True)
        turn(lambda: marked("203.0.113.1"), "ip monitor to listen")
        assert watched.netlink.apply([after], [before]) == []
        turn(lambda: marked("203.0.113.2"), "ip monitor to see the changes")
        GLib.source_remove(tick)
        monitor.kill()
    assert [line.strip() for line in seen.read_text().splitlines() if "192.168.10.0/24" in line] == [
        "192.168.10.0/24 dev pptp-b proto 172 scope link",
        "Deleted 192.168.10.0/24 dev pptp-a proto 172 scope link",
    ]


def test_garbage_is_not_looked_for_while_packets_wait(caplog: pytest.LogCaptureFixture) -> None:
    """But again afterwards, also when what was called has a bug."""
    found: list[bool] = []

    def fail(_beyond: bool) -> None:
        found.append(gc.isenabled())
        raise ValueError

    made = Netlink(lambda: found.append(gc.isenabled()), fail)
    ip("link add pptp-a type veth peer name far")
    turn(lambda: len(found) == 2, "the news")
    made.close()
    assert found == [False, False] and gc.isenabled()
    assert "internal error in" in caplog.text
