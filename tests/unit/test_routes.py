from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from pptpd_manager import routes
from pptpd_manager.routes import EVERYTHING, SCOPE_LINK, SCOPE_UNIVERSE, Kind, Path, Route, Rule

SERVER = IPv4Address("203.0.113.1")
GATEWAY = IPv4Address("192.0.2.1")
TABLE = [
    Route(EVERYTHING, 2, GATEWAY, 100, protocol=16),
    Route(IPv4Network("192.0.2.0/24"), 2, protocol=2),
]


def test_lookup_takes_the_longest_prefix_then_the_lowest_metric_and_nothing_of_ours() -> None:
    table = [
        *TABLE,
        Route(EVERYTHING, 3, IPv4Address("198.51.100.1"), 50, protocol=16),
        Route(IPv4Network("203.0.113.1/32"), 2, GATEWAY),
        Route(EVERYTHING, 7, metric=0),
        Route(IPv6Network("::/0"), 4, protocol=9),
    ]
    found = routes.lookup(SERVER, table)
    assert found == Path(3, IPv4Address("198.51.100.1")) and found.length == 0
    near = routes.lookup(IPv4Address("192.0.2.9"), table)
    assert near == Path(2) and near.length == 24
    kernels = Route(IPv4Network("10.9.0.1/32"), 7, protocol=2)
    assert routes.lookup(IPv4Address("10.9.0.1"), [kernels], frozenset({7})) is None


def test_a_route_has_the_scope_that_ip_gives_it() -> None:
    assert Route(EVERYTHING, 2).scope == SCOPE_LINK
    assert Route(EVERYTHING, 2, GATEWAY).scope == SCOPE_UNIVERSE
    assert Route(EVERYTHING, kind=Kind.UNREACHABLE).scope == SCOPE_UNIVERSE
    assert Route(IPv6Network("fd00::/8"), 2, scope=SCOPE_LINK).scope == SCOPE_UNIVERSE, "the kernel knows none there"


def test_routes_and_rules_read_as_ip_shows_them() -> None:
    assert str(Route(IPv4Network("10.0.0.0/8"), 7)) == "10.0.0.0/8"
    assert (
        str(Route(IPv4Network("10.0.0.0/8"), 2, GATEWAY, 5, table=100))
        == "10.0.0.0/8 via 192.0.2.1 metric 5 table 100"
    )
    far = IPv6Address("fe80::1")
    assert str(Route(EVERYTHING, 2, far)) == "0.0.0.0/0 via inet6 fe80::1"
    assert str(Route(IPv6Network("fd00::/8"), 2, far, 1)) == "fd00::/8 via fe80::1 metric 1"
    assert str(Path(2, far)) == "via inet6 fe80::1"
    assert str(Route(EVERYTHING, kind=Kind.UNREACHABLE, table=7)) == "unreachable 0.0.0.0/0 table 7"
    assert str(Rule(4, 5, None)) == "5: from all unreachable"
    full = Rule(4, 9, 100, IPv4Network("10.0.0.0/8"), IPv4Network("10.1.0.0/16"), (1, 255), (7, 8), 16)
    words = "from 10.0.0.0/8 to 10.1.0.0/16 fwmark 0x1/0xff uidrange 7-8 lookup 100 suppress_prefixlength 16"
    assert str(full) == f"9: {words}"
