from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from pptpd_manager import routes
from pptpd_manager.config import TunnelConfig
from pptpd_manager.routes import EVERYTHING, Link, Path, Route
from pptpd_manager.routing import RouteEntry

SERVER = IPv4Address("203.0.113.1")
CONFIG = TunnelConfig(
    name="work",
    servers=("vpn.example.com",),
    username="alice",
    password="secret",
    routes=(RouteEntry(IPv4Network("192.168.10.0/24")),),
)
LINK = Link(7, "pptp-work", True, 1400, IPv4Address("10.9.0.100"), IPv4Address("10.9.0.1"))
PATH = Path(2, IPv4Address("192.0.2.1"), None)
TABLE = [
    Route(EVERYTHING, 2, IPv4Address("192.0.2.1"), 100, protocol=16),
    Route(IPv4Network("192.0.2.0/24"), 2, protocol=2),
]
TO_SERVER = Route(IPv4Network("203.0.113.1/32"), 2, IPv4Address("192.0.2.1"))
INSIDE = Route(IPv4Network("192.168.10.0/24"), 7)


def test_a_split_tunnel_wants_its_prefixes_and_no_way_to_the_server() -> None:
    assert routes.wanted(CONFIG, LINK, SERVER, PATH, TABLE) == {INSIDE}
    assert routes.wanted_before(CONFIG, SERVER, PATH) == frozenset()


def test_a_default_route_wins_and_spares_the_server() -> None:
    config = replace(CONFIG, routes=(), default_route=True)
    assert routes.wanted(config, LINK, SERVER, PATH, TABLE) == {Route(EVERYTHING, 7, metric=50), TO_SERVER}
    assert routes.wanted_before(config, SERVER, PATH) == {TO_SERVER}


def test_the_default_route_is_better_than_the_best_other_one() -> None:
    config = replace(CONFIG, routes=(), default_route=True)
    for other, ours in ((20, 19), (1, 0), (0, 0), (1024, 50)):
        table = [Route(EVERYTHING, 2, IPv4Address("192.0.2.1"), other, protocol=16)]
        assert Route(EVERYTHING, 7, metric=ours) in routes.wanted(config, LINK, SERVER, PATH, table)


def test_our_own_default_route_does_not_count_as_another() -> None:
    config = replace(CONFIG, routes=(), default_route=True)
    mine = Route(EVERYTHING, 7, metric=50)
    assert mine in routes.wanted(config, LINK, SERVER, PATH, [*TABLE, mine])


def test_a_prefix_that_holds_the_server_spares_it() -> None:
    config = replace(CONFIG, routes=(RouteEntry(IPv4Network("203.0.113.0/24")),))
    assert TO_SERVER in routes.wanted(config, LINK, SERVER, PATH, TABLE)
    assert routes.wanted_before(config, SERVER, PATH) == {TO_SERVER}


def test_a_peer_with_the_servers_address_is_spared() -> None:
    assert TO_SERVER in routes.wanted(CONFIG, replace(LINK, peer=SERVER), SERVER, PATH, TABLE)


def test_without_a_known_path_there_is_no_way_to_keep() -> None:
    config = replace(CONFIG, default_route=True)
    assert TO_SERVER not in routes.wanted(config, LINK, SERVER, None, TABLE)
    assert routes.wanted_before(config, SERVER, None) == frozenset()


def test_lookup_takes_the_longest_prefix_then_the_lowest_metric_and_nothing_of_ours() -> None:
    table = [
        *TABLE,
        Route(EVERYTHING, 3, IPv4Address("198.51.100.1"), 50, protocol=16),
        TO_SERVER,
        Route(EVERYTHING, 7, metric=0),
    ]
    assert routes.lookup(SERVER, table) == Path(3, IPv4Address("198.51.100.1"))
    assert routes.lookup(IPv4Address("192.0.2.9"), table) == Path(2)
    kernels = Route(IPv4Network("10.9.0.1/32"), 7, protocol=2)
    assert routes.lookup(IPv4Address("10.9.0.1"), [kernels], frozenset({7})) is None


prefixes = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(lambda pair: IPv4Network(pair, strict=False))
any_route = st.builds(
    Route,
    prefixes,
    st.integers(1, 5),
    st.none() | st.just(IPv4Address("192.0.2.1")),
    st.integers(0, 3),
    protocol=st.sampled_from([2, 3, 4, 16, routes.PROTOCOL]),
)


@given(st.frozensets(st.builds(Route, prefixes, st.integers(1, 5))), st.lists(any_route))
def test_changes_make_our_part_the_wanted_one_and_touch_no_other(wanted: frozenset[Route], table: list[Route]) -> None:
    add, remove = routes.changes(wanted, table)
    assert all(route.protocol == routes.PROTOCOL for route in add + remove)
    after = (set(table) - set(remove)) | set(add)
    assert {route for route in after if route.protocol == routes.PROTOCOL} == wanted
    assert {route for route in after if route.protocol != routes.PROTOCOL} == {
        route for route in table if route.protocol != routes.PROTOCOL
    }
    assert routes.changes(wanted, after) == ([], [])


def test_the_way_to_the_server_is_added_before_what_would_swallow_it_and_removed_after() -> None:
    everything = Route(EVERYTHING, 7)
    assert routes.changes(frozenset({everything, TO_SERVER}), []) == ([TO_SERVER, everything], [])
    assert routes.changes(frozenset(), [TO_SERVER, everything]) == ([], [everything, TO_SERVER])
