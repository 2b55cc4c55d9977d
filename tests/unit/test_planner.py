"""The planner against a model of the kernel's tables: what is wanted, how it changes, and that nothing leaks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pptpd_manager import planner
from pptpd_manager.config import TunnelConfig
from pptpd_manager.planner import GUARD_PRIORITY, Plan, Want
from pptpd_manager.routes import EVERYTHING, EVERYTHING_6, PROTOCOL, Kind, Link, Path, Route, Rule
from pptpd_manager.routing import GUARD_METRIC, GUARD_TABLE, MAIN_TABLE, RouteEntry, RuleEntry, Scope

SERVER = IPv4Address("203.0.113.1")
GATEWAY = IPv4Address("192.0.2.1")
UPLINK, TUNNEL = 2, 7
PREFIX = IPv4Network("192.168.10.0/24")
CONFIG = TunnelConfig(
    name="work",
    servers=("vpn.example.com",),
    username="alice",
    password="secret",
    routes=(RouteEntry(PREFIX),),
)
FULL = replace(CONFIG, routes=(), default_route=True)
LINK = Link(TUNNEL, "pptp-work", True, 1400, IPv4Address("10.9.0.100"), IPv4Address("10.9.0.1"))
PATH = Path(UPLINK, GATEWAY)
TABLE = [
    Route(EVERYTHING, UPLINK, GATEWAY, 100, protocol=16),
    Route(IPv4Network("192.0.2.0/24"), UPLINK, protocol=2),
]
TO_SERVER = Route(IPv4Network("203.0.113.1/32"), UPLINK, GATEWAY)
INSIDE = Route(PREFIX, TUNNEL)


def wanted(config: TunnelConfig, link: Link | None = LINK, path: Path | None = PATH, **more: bool) -> Plan:
    """What one tunnel wants that is dialled to SERVER."""
    servers = ((SERVER, path),) if path else ()
    return planner.plan([Want(config, link, servers, **more)], TABLE)[config.name]


def entry(prefix: str, **more: object) -> RouteEntry:
    return replace(RouteEntry(ip_network(prefix)), **more)  # type: ignore[arg-type]


# --- what is wanted ---


def test_a_split_tunnel_wants_its_prefixes_and_no_way_to_the_server() -> None:
    assert wanted(CONFIG) == Plan(frozenset({INSIDE}))
    assert wanted(CONFIG, None) == Plan()


def test_a_default_route_wins_and_spares_the_server() -> None:
    assert wanted(FULL) == Plan(frozenset({Route(EVERYTHING, TUNNEL, metric=50), TO_SERVER}))
    assert wanted(FULL, None) == Plan(frozenset({TO_SERVER})), "before the link is up"


def test_a_server_that_is_closer_than_the_routes_into_the_tunnel_needs_no_way() -> None:
    assert TO_SERVER not in wanted(FULL, path=replace(PATH, length=24)).routes
    held = replace(CONFIG, routes=(entry("203.0.113.0/25"),))
    assert wanted(held, path=replace(PATH, length=24)).routes >= {TO_SERVER}
    assert TO_SERVER not in wanted(held, path=replace(PATH, length=26)).routes


def test_the_default_route_is_better_than_the_best_other_one() -> None:
    for other, ours in ((20, 19), (1, 0), (0, 0), (1024, 50)):
        table = [Route(EVERYTHING, UPLINK, GATEWAY, other, protocol=16), Route(EVERYTHING, TUNNEL, metric=0)]
        plan = planner.plan([Want(FULL, LINK)], table)["work"]
        assert plan.routes == {Route(EVERYTHING, TUNNEL, metric=ours)}


def test_a_prefix_that_holds_the_server_spares_it() -> None:
    config = replace(CONFIG, routes=(entry("203.0.113.0/24"),))
    assert TO_SERVER in wanted(config).routes
    assert wanted(config, None).routes == {TO_SERVER}


def test_a_route_to_the_server_alone_is_not_led_into_the_tunnel() -> None:
    config = replace(CONFIG, routes=(entry("203.0.113.1"), entry("10.0.0.0/8")), guard=True)
    plan = wanted(config, guarded=True)
    assert {route.prefix for route in plan.routes if route.interface == TUNNEL} == {ip_network("10.0.0.0/8")}
    assert {rule.destination for rule in plan.rules} == {ip_network("10.0.0.0/8")}


def test_a_peer_with_the_servers_address_is_spared() -> None:
    assert TO_SERVER in wanted(CONFIG, replace(LINK, peer=SERVER)).routes


def test_without_a_known_path_there_is_no_way_to_keep() -> None:
    assert wanted(FULL, path=None).routes == {Route(EVERYTHING, TUNNEL, metric=50)}


def test_an_entry_in_full() -> None:
    source = ip_address("10.9.0.100")
    config = replace(CONFIG, routes=(entry("10.0.0.0/8", metric=5, table=100, source=source, scope=Scope.GLOBAL),))
    route = Route(IPv4Network("10.0.0.0/8"), TUNNEL, metric=5, table=100, source=source, scope=0)
    assert wanted(config).routes == {route}


def test_ipv6_where_the_tunnel_carries_it() -> None:
    config = replace(CONFIG, routes=(entry("fd00::/8"),), default_route=True, ipv6=True)
    assert {route.prefix.version for route in wanted(config).routes} == {4}, "the server did not agree to it"
    six = {route for route in wanted(config, replace(LINK, six=True)).routes if route.prefix.version == 6}
    assert six == {Route(ip_network("fd00::/8"), TUNNEL, metric=1), Route(EVERYTHING_6, TUNNEL, metric=50)}


def test_a_table_of_its_own_and_the_rules_that_lead_to_it() -> None:
    rules = (RuleEntry(fwmark=(1, 255)), RuleEntry(source=IPv4Network("10.1.0.0/16"), priority=9))
    config = replace(FULL, table=100, rules=rules)
    plan = wanted(config)
    assert plan.routes == {Route(EVERYTHING, TUNNEL, table=100), replace(TO_SERVER, table=100)}
    assert plan.rules == {
        Rule(4, 17200, 100, fwmark=(1, 255)),
        Rule(4, 9, 100, source=IPv4Network("10.1.0.0/16")),
    }
    assert wanted(config, None).rules == frozenset(), "nothing is led to a table that leads nowhere"
    both = wanted(replace(config, ipv6=True))
    assert {(rule.version, rule.source is None) for rule in both.rules} == {(4, True), (6, True), (4, False)}


def test_of_two_tunnels_with_the_same_prefix_the_first_in_the_file_has_it_and_the_other_is_there_as_well() -> None:
    other = replace(CONFIG, name="home", routes=(RouteEntry(PREFIX), entry("10.0.0.0/8")))
    both = planner.plan([Want(CONFIG, LINK), Want(other, replace(LINK, index=8))], TABLE)
    assert both["work"].routes == {INSIDE}
    assert both["home"].routes == {Route(PREFIX, 8, metric=1), Route(IPv4Network("10.0.0.0/8"), 8)}
    down = planner.plan([Want(CONFIG), Want(other, replace(LINK, index=8))], TABLE)
    assert down["home"] == both["home"], "its metric stays, so nothing changes when the first one goes down"


def test_two_default_routes_keep_below_that_of_the_machine() -> None:
    other = replace(FULL, name="home")
    for machine, metrics in ((100, (50, 51)), (20, (18, 19)), (0, (0, None))):
        table = [Route(EVERYTHING, UPLINK, GATEWAY, machine, protocol=16)]
        both = planner.plan([Want(FULL, LINK), Want(other, replace(LINK, index=8))], table)
        found = tuple(next((route.metric for route in both[name].routes), None) for name in ("work", "home"))
        assert found == metrics
    alone = planner.plan([Want(FULL), Want(other, replace(LINK, index=8))], table)
    assert alone["home"].routes == {Route(EVERYTHING, 8)}, "and takes over when the first one is down"


def test_of_two_entries_in_one_place_the_first_in_the_file_has_it() -> None:
    first = replace(CONFIG, routes=(entry("10.0.0.0/8", metric=5),))
    second = replace(first, name="home")
    both = planner.plan([Want(first, LINK), Want(second, replace(LINK, index=8))], TABLE)
    assert both["home"] == Plan() and both["work"].routes
    alone = planner.plan([Want(first), Want(second, replace(LINK, index=8))], TABLE)
    assert alone["home"].routes == {Route(IPv4Network("10.0.0.0/8"), 8, metric=5)}


def test_a_guarded_prefix_has_three_rules_and_a_table_of_its_own() -> None:
    first = GUARD_PRIORITY + 4 * (32 - 24)
    rules = {
        Rule(4, first, MAIN_TABLE, destination=PREFIX, suppress=24),
        Rule(4, first + 1, GUARD_TABLE, destination=PREFIX),
        Rule(4, first + 2, None, destination=PREFIX),
    }
    config = replace(CONFIG, guard=True)
    assert wanted(config, guarded=True) == Plan(frozenset({replace(INSIDE, table=GUARD_TABLE)}), frozenset(rules))
    assert wanted(config, None, guarded=True).rules == rules


def test_a_guard_of_everything_is_one_of_ipv6_too() -> None:
    plan = wanted(replace(FULL, guard=True), None, guarded=True)
    assert plan.routes == {TO_SERVER}
    assert {(rule.version, rule.destination, rule.table) for rule in plan.rules} == {
        (version, None, table) for version in (4, 6) for table in (MAIN_TABLE, GUARD_TABLE, None)
    }


def test_a_guard_in_a_table_of_its_own_lies_under_the_routes() -> None:
    config = replace(FULL, table=100, rules=(RuleEntry(uids=(7, 7)),), guard=True)
    plan = wanted(config, None, guarded=True)
    bars = {
        Route(prefix, metric=GUARD_METRIC, table=100, kind=Kind.UNREACHABLE) for prefix in (EVERYTHING, EVERYTHING_6)
    }
    assert plan.routes == {*bars, replace(TO_SERVER, table=100)}
    assert {rule.version for rule in plan.rules} == {4, 6}


OTHER = replace(CONFIG, name="home")
OTHER_LINK = replace(LINK, index=8)
OTHER_SERVER = IPv4Address("203.0.113.9")
TO_OTHER_SERVER = Route(IPv4Network("203.0.113.9/32"), UPLINK, GATEWAY)


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("link", [LINK, None])
def test_the_default_route_or_guard_of_one_tunnel_spares_the_server_of_another(
    guarded: bool, link: Link | None
) -> None:
    both = [Want(replace(FULL, guard=guarded), link, guarded=guarded), Want(OTHER, None, ((OTHER_SERVER, PATH),))]
    plans = planner.plan(both, TABLE)
    assert plans["home"].routes == ({TO_OTHER_SERVER} if guarded or link else set())
    near = planner.plan([both[0], replace(both[1], servers=((OTHER_SERVER, replace(PATH, length=24)),))], TABLE)
    assert near["home"].routes == set(), "which is closer, so nothing hides it"


def test_a_peer_with_the_address_of_another_tunnels_server_is_spared() -> None:
    """A server chooses its own address, and could have the other's packets come to it."""
    one = Want(CONFIG, LINK, ((SERVER, PATH),))
    for peer, routes in ((OTHER_SERVER, {TO_OTHER_SERVER}), (IPv4Address("10.9.0.1"), set[Route]())):
        two = Want(OTHER, None, ((OTHER_SERVER, PATH),))
        plans = planner.plan([replace(one, link=replace(LINK, peer=peer)), two], TABLE)
        assert plans["home"].routes == routes


def test_a_default_route_in_a_table_of_its_own_hides_no_server() -> None:
    own = replace(FULL, table=100, rules=(RuleEntry(fwmark=(1, 255)),))
    plans = planner.plan([Want(own, LINK), Want(OTHER, None, ((OTHER_SERVER, PATH),))], TABLE)
    assert plans["home"] == Plan()


def test_a_closer_route_into_another_tunnel_may_lead_to_a_server() -> None:
    inside = replace(CONFIG, routes=(entry("203.0.113.0/24"),))
    assert planner.plan([Want(inside, LINK), Want(OTHER, None, ((OTHER_SERVER, PATH),))], TABLE)["home"] == Plan()


@pytest.mark.parametrize("up", [True, False])
def test_a_closer_route_into_a_tunnel_leads_to_a_server_also_beside_a_default_route(up: bool) -> None:
    """A route around both would lead others' packets past the guard as well."""
    inside = replace(FULL, routes=(entry("203.0.113.0/24"),), guard=True)
    first = Want(inside, LINK if up else None, guarded=True)
    assert planner.plan([first, Want(OTHER, None, ((OTHER_SERVER, PATH),))], TABLE)["home"] == Plan()
    third = Want(replace(CONFIG, name="inside", routes=(entry("203.0.113.0/24"),)))
    wants = [Want(FULL, LINK), third, Want(OTHER, None, ((OTHER_SERVER, PATH),))]
    assert planner.plan(wants, TABLE)["home"] == Plan()


def test_an_unguarded_tunnel_takes_over_from_a_guarded_one() -> None:
    """And while the other one is not wanted, it has its prefix in the main table alone."""
    guarded = replace(CONFIG, guard=True)
    kernel = Kernel(set(TABLE))
    run(kernel, [Want(guarded, None, guarded=True), Want(OTHER)])
    assert kernel.leads("192.168.10.5") == 0
    run(kernel, [Want(guarded, None, guarded=True), Want(OTHER, OTHER_LINK)])
    assert kernel.leads("192.168.10.5") == OTHER_LINK.index
    run(kernel, [Want(guarded, LINK, guarded=True), Want(OTHER, OTHER_LINK)])
    assert kernel.leads("192.168.10.5") == LINK.index, "the first in the file"
    kernel.gone(LINK.index)
    assert kernel.leads("192.168.10.5") == OTHER_LINK.index
    kernel.gone(OTHER_LINK.index)
    assert kernel.leads("192.168.10.5") == 0
    run(kernel, [Want(guarded), Want(OTHER, OTHER_LINK)])
    assert kernel.leads("192.168.10.5") == OTHER_LINK.index
    assert {route.table for route in kernel.ours() if isinstance(route, Route)} == {MAIN_TABLE}


# --- a model of the kernel ---


@dataclass
class Kernel:
    """Its tables and rules; others' are among them."""

    items: set[Route | Rule] = field(default_factory=set)

    def take(self, add: Iterable[Route | Rule], remove: Iterable[Route | Rule]) -> Iterable[None]:
        """Do one after the other; yields after each."""
        for item in add:
            assert item not in self.items and item.protocol == PROTOCOL
            self.items.add(item)
            yield
        for item in remove:
            assert item in self.items and item.protocol == PROTOCOL
            self.items.remove(item)
            yield

    def ours(self) -> list[Route | Rule]:
        return [item for item in self.items if item.protocol == PROTOCOL]

    def gone(self, interface: int) -> None:
        """A link goes down, and the routes into it with it."""
        self.items = {item for item in self.items if isinstance(item, Rule) or item.interface != interface}

    def leads(self, address: str) -> int:
        """The interface that a packet to address leaves by; 0 for none. Only rules without selectors but the end."""
        to = ip_address(address)
        rules = [item for item in self.items if isinstance(item, Rule) and item.version == to.version]
        for rule in sorted([*rules, Rule(to.version, 32766, MAIN_TABLE)], key=lambda rule: rule.priority):
            if rule.destination is not None and to not in rule.destination:
                continue
            if rule.table is None:
                return 0
            best = self._best(to, rule.table)
            if best and (rule.suppress is None or best.prefix.prefixlen > rule.suppress):
                return best.interface
        return 0

    def _best(self, to: object, table: int) -> Route | None:
        fitting = [
            item for item in self.items if isinstance(item, Route) and item.table == table and to in item.prefix
        ]
        return min(fitting, key=lambda route: (-route.prefix.prefixlen, route.metric), default=None)


def synced(kernel: Kernel, wants: list[Want]) -> Iterable[None]:
    """Have the kernel's tables made what is wanted; yields after each change."""
    table = [item for item in kernel.items if isinstance(item, Route) and item.table == MAIN_TABLE]
    everything = planner.summary(planner.plan(wants, table))
    yield from kernel.take(*planner.changes(everything, kernel.ours()))


def run(kernel: Kernel, wants: list[Want]) -> None:
    for _ in synced(kernel, wants):
        pass


CONFIGS = [
    CONFIG,
    replace(FULL, name="full"),
    replace(
        CONFIG, name="two", routes=(entry("10.0.0.0/8"), entry("192.168.0.0/16", metric=3), entry("203.0.113.0/24"))
    ),
    replace(FULL, name="table", table=100, rules=(RuleEntry(fwmark=(1, 1)), RuleEntry(uids=(5, 9)))),
    replace(FULL, name="six", ipv6=True, routes=(entry("fd00::/8"),)),
]
configs = st.permutations(CONFIGS).flatmap(
    lambda some: st.tuples(
        *(st.booleans().map(lambda guard, config=config: replace(config, guard=guard)) for config in some)  # type: ignore[misc]
    )
)


def wants_of(configs: Iterable[TunnelConfig], up: frozenset[str], active: frozenset[str]) -> list[Want]:
    """up: the tunnels whose links are usable; active: those that are wanted."""
    found = []
    for index, config in enumerate(configs):
        link = replace(LINK, index=10 + index, six=config.ipv6) if config.name in up & active else None
        servers = ((SERVER, PATH),) if config.name in active else ()
        found.append(Want(config, link, servers, guarded=config.guard and config.name in active))
    return found


names = st.frozensets(st.sampled_from([config.name for config in CONFIGS]))
OTHERS = st.frozensets(
    st.sampled_from(
        [
            Route(PREFIX, UPLINK, GATEWAY, protocol=3),
            Route(IPv4Network("10.1.0.0/16"), 3, protocol=4),
            Route(IPv4Network("10.0.0.0/8"), UPLINK, GATEWAY, 7, protocol=4),
            Route(EVERYTHING, 4, IPv4Address("198.51.100.1"), 30, protocol=16),
            Route(EVERYTHING_6, UPLINK, None, 1024, protocol=9),
            Rule(4, 5000, 100, fwmark=(9, 9), protocol=4),
        ]
    )
)


@given(configs, OTHERS, st.lists(st.tuples(names, names), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_any_way_to_the_same_end_makes_the_same_tables_and_touches_nothing_of_others(
    some: tuple[TunnelConfig, ...],
    others: frozenset[Route | Rule],
    steps: list[tuple[frozenset[str], frozenset[str]]],
) -> None:
    machine = {*TABLE, *others}
    kernel, fresh = Kernel(set(machine)), Kernel(set(machine))
    for up, active in steps:
        run(kernel, wants_of(some, up, active))
        assert {item for item in kernel.items if item.protocol != PROTOCOL} == machine
    run(fresh, wants_of(some, *steps[-1]))
    assert kernel.items == fresh.items, "it does not matter what was before"
    before = set(kernel.items)
    run(kernel, wants_of(some, *steps[-1]))
    assert kernel.items == before, "the second time there is nothing to do"
    run(kernel, [])
    assert kernel.items == machine, "nothing is left"


GUARDED = replace(CONFIG, routes=(RouteEntry(PREFIX), entry("10.0.0.0/8")), guard=True)
FAR, LOCAL, FAR_6 = "198.51.100.7", "192.0.2.9", "2001:db8::7"


@given(OTHERS, st.lists(st.booleans(), min_size=1, max_size=5), st.booleans())
@settings(max_examples=60, deadline=None)
def test_while_it_is_wanted_nothing_leaks_not_even_between_two_changes(
    others: frozenset[Route | Rule], steps: list[bool], full: bool
) -> None:
    """Up and down by the kernel's own doing, with every single change looked at."""
    config = replace(FULL, guard=True) if full else GUARDED
    kernel = Kernel({*TABLE, *others})
    run(kernel, [Want(config, None, ((SERVER, PATH),), guarded=True)])

    def check() -> None:
        inside = [FAR] if full else ["192.168.10.5", "10.2.3.4"]
        for address in inside:
            assert kernel.leads(address) in (0, TUNNEL), address
        if full:
            assert kernel.leads(FAR_6) == 0
        assert kernel.leads(str(SERVER)) in ((UPLINK,) if full else (UPLINK, 4)), "never into the tunnel"
        assert kernel.leads(LOCAL) == UPLINK, "the local network is let through"
        if Route(IPv4Network("10.1.0.0/16"), 3, protocol=4) in others:
            assert kernel.leads("10.1.2.3") == 3, "and so is what is closer"

    check()
    for up in steps:
        if not up:
            kernel.gone(TUNNEL)
            check()
        for _change in synced(kernel, [Want(config, LINK if up else None, ((SERVER, PATH),), guarded=True)]):
            check()
        check()
        assert up is (kernel.leads(FAR if full else "10.2.3.4") == TUNNEL)


@pytest.mark.parametrize("link", [LINK, None])
def test_a_reload_that_keeps_the_guard_leaks_nothing(link: Link | None) -> None:
    """Other routes, and other metrics, while the guard of everything stays."""
    kernel = Kernel(set(TABLE))
    some = ((), (RouteEntry(PREFIX),), (entry("10.0.0.0/8", metric=9),))
    configs = [replace(FULL, guard=True, routes=routes) for routes in some]
    run(kernel, [Want(configs[0], link, ((SERVER, PATH),), guarded=True)])
    for config in [*configs, *reversed(configs)]:
        for _change in synced(kernel, [Want(config, link, ((SERVER, PATH),), guarded=True)]):
            assert kernel.leads(FAR) == (TUNNEL if link else 0)


def test_a_guard_that_begins_bars_nothing_that_is_closer_even_for_a_moment() -> None:
    kernel = Kernel(set(TABLE))
    for _change in synced(kernel, [Want(replace(FULL, guard=True), None, ((SERVER, PATH),), guarded=True)]):
        assert kernel.leads(LOCAL) == UPLINK and kernel.leads(str(SERVER)) == UPLINK
    assert kernel.leads(FAR) == 0
    for _change in synced(kernel, []):
        assert kernel.leads(LOCAL) == UPLINK
    assert kernel.leads(FAR) == UPLINK


def test_the_way_to_the_server_is_added_before_what_would_swallow_it_and_removed_after() -> None:
    everything = Route(EVERYTHING, TUNNEL)
    rule = Rule(4, 5, GUARD_TABLE)
    assert planner.changes({everything, TO_SERVER, rule}, []) == ([TO_SERVER, everything, rule], [])
    assert planner.changes(frozenset(), [TO_SERVER, everything, rule]) == ([], [rule, everything, TO_SERVER])


def test_what_has_not_changed_is_not_planned_anew() -> None:
    wants = [Want(CONFIG, LINK), Want(OTHER, replace(LINK, index=8), ((OTHER_SERVER, PATH),))]
    remembering = planner.Planner()
    first = remembering.plan(wants, TABLE)
    assert first == planner.plan(wants, TABLE)
    again = remembering.plan([replace(want) for want in wants], TABLE)
    assert all(again[name] is first[name] for name in first)
    down = [replace(wants[0], link=None), wants[1]]
    after = remembering.plan(down, TABLE)
    assert after == planner.plan(down, TABLE) and after["home"] is first["home"]
    for changed in (
        [replace(wants[0], guarded=True), wants[1]],
        [replace(wants[0], config=FULL), wants[1]],
        [replace(wants[0], link=replace(LINK, peer=OTHER_SERVER)), wants[1]],
        [wants[1], wants[0]],
        [wants[0], replace(wants[1], config=replace(OTHER, routes=CONFIG.routes))],
        [wants[1]],
        wants,
    ):
        assert remembering.plan(changed, TABLE) == planner.plan(changed, TABLE)
    for table in ([], TABLE):
        full = [replace(wants[0], config=FULL), wants[1]]
        assert remembering.plan(full, table) == planner.plan(full, table)
