"""rtnetlink.py without a kernel: what is packed is read back, and what it is made of."""

from __future__ import annotations

import struct
import subprocess
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pytest

from pptpd_manager import rtnetlink
from pptpd_manager.routes import Kind, Route, Rule
from pptpd_manager.rtnetlink import Message

ROOT = Path(__file__).resolve().parents[2]
SERVER, FAR = IPv4Network("198.51.100.7/32"), IPv4Network("203.0.113.0/24")
GATEWAY, GATEWAY_6 = IPv4Address("192.0.2.1"), IPv6Address("fe80::1")
ROUTES = [
    Route(SERVER, 3, GATEWAY, 7, IPv4Address("192.0.2.2"), table=1000, onlink=True),
    Route(SERVER, 3, GATEWAY_6),
    Route(SERVER, 3, GATEWAY_6, source=IPv4Address("192.0.2.2"), onlink=True),
    Route(IPv4Network("0.0.0.0/0"), 3),
    Route(IPv6Network("::/0"), 3, GATEWAY_6, source=IPv6Address("2001:db8::1")),
    Route(FAR, metric=4294967294, table=172, kind=Kind.UNREACHABLE),
]


def attribute(kind: int, value: bytes) -> bytes:
    """struct rtattr with its value."""
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def message(kind: int, body: bytes, sequence: int = 1) -> bytes:
    """struct nlmsghdr with its body."""
    return struct.pack("=IHHII", 16 + len(body), kind, 0, sequence, 0) + body


def received(data: bytes) -> Message:
    """The only message there."""
    (found,) = rtnetlink.messages(data)
    return found


def a_route(*attributes: bytes, flags: int = 0) -> Route | None:
    """What an IPv4 route of 203.0.113.0/24 with these attributes is read as."""
    header = struct.pack("=BBBBBBBBI", 2, 24, 0, 0, 254, 172, 0, 1, flags)
    found = (attribute(1, FAR.network_address.packed), *attributes)
    return rtnetlink.route(received(message(rtnetlink.NEWROUTE, header + b"".join(found))))


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_a_route_is_read_as_it_was_written(route: Route) -> None:
    sent = rtnetlink.request(rtnetlink.change(route), rtnetlink.NEWROUTE, rtnetlink.ACK, 5)
    found = received(sent)
    assert (found.kind, found.sequence, len(sent) % 4) == (rtnetlink.NEWROUTE, 5, 0)
    read = rtnetlink.route(found)
    assert read == route and read.onlink == route.onlink


def test_a_dump_that_breaks_off_says_so() -> None:
    done = [received(message(rtnetlink.DONE, body)) for body in (struct.pack("=i", -12), struct.pack("=i", 0), b"")]
    assert [rtnetlink.code(one) for one in done] == [12, 0, 0]


def test_a_gateway_of_ipv6_for_ipv4_is_a_struct_rtvia() -> None:
    via = attribute(18, struct.pack("=H", 10) + GATEWAY_6.packed)
    assert len(via) == 24
    assert via in rtnetlink.change(Route(SERVER, 3, GATEWAY_6, metric=1))
    assert a_route(attribute(4, b"\3\0\0\0"), via) == Route(FAR, 3, GATEWAY_6)
    assert attribute(5, GATEWAY_6.packed) in rtnetlink.change(Route(IPv6Network("::/0"), 3, GATEWAY_6))


def test_of_several_next_hops_the_first_counts_with_its_gateway_and_flags() -> None:
    def hop(index: int, flags: int, gateway: bytes) -> bytes:
        return struct.pack("=HBBi", 8 + len(gateway), flags, 0, index) + gateway

    plain, via = attribute(5, GATEWAY.packed), attribute(18, struct.pack("=H", 10) + GATEWAY_6.packed)
    for hops, expected in (
        (hop(3, 4, via) + hop(5, 0, plain), Route(FAR, 3, GATEWAY_6, onlink=True)),
        (hop(5, 0, plain) + hop(3, 4, via), Route(FAR, 5, GATEWAY)),
        (hop(7, 0, b"") + hop(3, 4, via), Route(FAR, 7, scope=0)),
    ):
        found = a_route(attribute(9, hops))
        assert found == expected and found.onlink == expected.onlink


def test_the_mtu_of_a_route_is_among_its_metrics() -> None:
    # With NLA_F_NESTED, as newer kernels have it.
    metrics = attribute(1, b"\1\0\0\0") + attribute(2, struct.pack("=I", 1400))
    found = a_route(attribute(4, b"\3\0\0\0"), attribute(8 | 0x8000, metrics))
    assert found and found.mtu == 1400


def test_a_gateway_of_a_family_that_is_not_known_is_none() -> None:
    found = a_route(attribute(4, b"\3\0\0\0"), attribute(18, struct.pack("=HI", 28, 5)))  # AF_MPLS
    assert found and found.gateway is None


def test_several_messages_in_what_is_received() -> None:
    acks = message(rtnetlink.ERROR, struct.pack("=i", 0), 8) + message(rtnetlink.ERROR, struct.pack("=i", -17), 9)
    found = list(rtnetlink.messages(acks))
    assert [(one.sequence, rtnetlink.code(one)) for one in found] == [(8, 0), (9, 17)]
    assert list(rtnetlink.messages(b"")) == list(rtnetlink.messages(acks[:12])) == []


def test_a_name_with_bytes_that_are_no_text_is_a_name() -> None:
    body = struct.pack("=BxHiII", 0, 1, 7, 0x41, 0) + attribute(3, b"\xff\xfe\0") + attribute(13, b"\1\0\0\0")
    body += attribute(4, b"\0\5\0\0") + attribute(7, b"fq\0")
    found = rtnetlink.link(received(message(rtnetlink.NEWLINK, body)))
    assert found and (found.interface, len(found.name), found.flags, found.mtu) == (7, 2, 0x41, 1280)
    assert rtnetlink.link(received(message(rtnetlink.NEWLINK, b"\7" + body[1:]))) is None, "AF_BRIDGE: of a port"


# Each in a process of its own: what has been imported here stays.
ALONE = """
import sys
from pptpd_manager import rtnetlink
from pptpd_manager.routes import Rule
rtnetlink.all_rules(4)
print([name for name in sys.modules if name.startswith("pyroute2")])
rtnetlink.change(Rule(4, 100))
print('pyroute2.netlink' in sys.modules, 'pyroute2.iproute' in sys.modules)
"""
NEEDED = """
import sys
class Finder:  # a version whose messages need what its __init__.py does
    def find_spec(self, name, path=None, target=None):
        if name == "pyroute2.netlink.rtnl.fibmsg" and not hasattr(sys.modules["pyroute2"], "__file__"):
            raise ImportError(name)
sys.meta_path.insert(0, Finder())
from pptpd_manager import rtnetlink
from pptpd_manager.routes import Rule
print(rtnetlink.change(Rule(4, 100)) == expected, 'pyroute2.iproute' in sys.modules)
"""


@pytest.mark.parametrize(
    ("program", "printed"),
    [
        (ALONE, "[]\nTrue False\n"),
        (NEEDED.replace("expected", repr(rtnetlink.change(Rule(4, 100)))), "True True\n"),
    ],
    ids=["alone", "needed"],
)
def test_no_more_of_pyroute2_is_imported_than_rules_need(program: str, printed: str) -> None:
    done = subprocess.run(["/usr/bin/python3", "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (printed, "")
