"""Which routes and rules the tunnels want, and what to change in the kernel's tables for that. Pure.

Theory of operation. A tunnel's routes lie in the main table, or in a table of its own that rules lead to. Of two
tunnels with the same prefix the first in the file has the lower metric; both routes are in the table, so when the one
goes down with its link the kernel takes the other, at once.

A guarded tunnel's prefixes must never be reached by another way than a tunnel. In a table of its own an unreachable
route of the worst metric lies under each of its routes. Those of the main table are moved into GUARD_TABLE, and for
each prefix three rules stand before the main table's:
    to PREFIX lookup main suppress_prefixlength LENGTH   what is closer: the local network, the server
    to PREFIX lookup GUARD_TABLE                         the tunnel, while it is up
    to PREFIX unreachable
They are there as long as the tunnel is wanted, whatever becomes of it, of the manager, and of other routes: there is
no moment in which the one way is gone and the other is not yet barred. An unguarded tunnel with the same prefix may
take over: it has its route in GUARD_TABLE, too.

No default route or guard of one tunnel hides the server of another one, which would break a tunnel that is up and make
one depend on the other. A closer route into a tunnel does: a server may be reached through another tunnel.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network

from pptpd_manager.config import TunnelConfig
from pptpd_manager.routes import (
    EVERYTHING,
    EVERYTHING_6,
    PROTOCOL,
    SCOPE_LINK,
    SCOPE_UNIVERSE,
    Kind,
    Link,
    Path,
    Route,
    Rule,
)
from pptpd_manager.routing import GUARD_METRIC, GUARD_TABLE, MAIN_TABLE, RULE_PRIORITY, Prefix, RouteEntry, Scope

DEFAULT_METRIC = 50  # NetworkManager's metric of a VPN's default route
GUARD_PRIORITY = 30000  # after the rules of tunnels with a table of their own, and before the main table's 32766
_STEP = 4  # of priorities from one prefix length to the next

Place = tuple[
    int, int, int, int, int
]  # table, prefix (its version, address, length), metric: one route of ours at most


@dataclass(frozen=True)
class Want:
    """One tunnel as the planner sees it.

    link: usable, None: it wants no routes into it. servers: the addresses that it is dialled to, or about to be, each
    with the way there. guarded: it is wanted, and nothing may leak meanwhile.
    """

    config: TunnelConfig
    link: Link | None = None
    servers: tuple[tuple[IPv4Address, Path], ...] = ()
    guarded: bool = False


@dataclass(frozen=True)
class Plan:
    """The routes and the rules that are wanted."""

    routes: frozenset[Route] = frozenset()
    rules: frozenset[Rule] = frozenset()

    @functools.cached_property
    def all(self) -> frozenset[Route | Rule]:
        """All of it."""
        return self.routes | self.rules


def plan(wants: Sequence[Want], table: Iterable[Route]) -> dict[str, Plan]:
    """What each tunnel wants, by its name. wants: in the order of the file, all that are configured.

    table: the main table's routes, for the metric that wins over other default routes.
    """
    return Planner().plan(wants, table)


@dataclass(frozen=True)
class _Part:
    """What is planned for a tunnel. places: of inside, which another tunnel may have taken; near: see Planner."""

    want: Want
    order: int
    near: tuple[bool, ...]
    inside: tuple[Route, ...]
    places: tuple[Place, ...]
    beside: tuple[Route, ...]
    rules: frozenset[Rule]


class Planner:
    """Plans as plan() does. What has not changed since the last time is not planned anew: it is the same object.

    A tunnel's plan depends on its own want, on what is shared by all, and on which of its servers have the address of
    a link's other end (near).
    """

    def __init__(self) -> None:
        self._shared: _Shared | None = None
        self._parts: dict[str, _Part] = {}
        self._guarded: dict[str, tuple[Want, frozenset[Prefix]]] = {}
        self._plans: dict[str, tuple[_Part, tuple[bool, ...], Plan]] = {}

    def plan(self, wants: Sequence[Want], table: Iterable[Route]) -> dict[str, Plan]:
        """What each tunnel wants, by its name."""
        others = tuple(route for route in table if not route.prefix.prefixlen and route.protocol != PROTOCOL)
        configs = tuple(want.config for want in wants)
        hiders = frozenset(want.config.name for want in wants if _hides(want))
        key = (configs, others, self._all_guarded(wants), hiders)
        if self._shared is None or self._shared.key != key:
            self._shared, self._parts = _Shared(wants, *key), {}
        peers = {want.link.peer for want in wants if want.link}
        before, self._parts = self._parts, {}
        for order, want in enumerate(wants):
            name, near = want.config.name, tuple(address in peers for address, _ in want.servers)
            known = before.get(name)
            same = known and (known.want, known.order, known.near) == (want, order, near)
            self._parts[name] = known if known and same else self._shared.part(want, order, near)
        return self._together()

    def _all_guarded(self, wants: Sequence[Want]) -> frozenset[Prefix]:
        """The prefixes in GUARD_TABLE."""
        before, self._guarded = self._guarded, {}
        for want in wants:
            if want.guarded:
                known = before.get(want.config.name)
                if known is None or known[0] != want:
                    places = _guarded_places(want)
                    known = want, frozenset(prefix for table, prefix in places if table == GUARD_TABLE)
                self._guarded[want.config.name] = known
        return frozenset[Prefix]().union(*(prefixes for _, prefixes in self._guarded.values()))

    def _together(self) -> dict[str, Plan]:
        """The parts without routes in a place that a tunnel before has one in."""
        taken: set[Place] = set()
        before, self._plans = self._plans, {}
        for name, part in self._parts.items():
            free = tuple(_first(place, taken) for place in part.places)
            known = before.get(name)
            if known is None or known[0] is not part or known[1] != free:
                inside = (route for route, first in zip(part.inside, free, strict=True) if first)
                known = part, free, Plan(frozenset((*inside, *part.beside)), part.rules)
            self._plans[name] = known
        return {name: made for name, (_, _, made) in self._plans.items()}


class _Shared:
    """What all tunnels' plans depend on. key: what it was made of."""

    def __init__(
        self,
        wants: Sequence[Want],
        configs: tuple[TunnelConfig, ...],
        others: tuple[Route, ...],
        guarded: frozenset[Prefix],
        hiders: frozenset[str],
    ) -> None:
        """others: the main table's default routes that are not ours; hiders: tunnels that hide others' servers."""
        self.key = (configs, others, guarded, hiders)
        self._metrics, self._guarded, self._hiders = _Metrics(wants, others), guarded, hiders
        self._closer = [(config.name, prefix) for config in configs for prefix in _some(config)] if hiders else []

    def part(self, want: Want, order: int, near: tuple[bool, ...]) -> _Part:
        """What is planned for the tunnel. order: its place in the file."""
        name = want.config.name
        inside = _inside(want, self._metrics, self._guarded)
        hidden = len(self._hiders) > (name in self._hiders)
        through = [prefix for other, prefix in self._closer if other != name] if hidden else []
        beside = _barred(want) + _to_servers(want, hidden, through, near)
        rules = frozenset(_rules(want, order) + _guards(want))
        return _Part(want, order, near, tuple(inside), tuple(map(_place_of, inside)), tuple(beside), rules)


def needs_table(config: TunnelConfig, server: IPv4Address | None) -> bool:
    """Whether what the tunnel wants depends on the routes of others: reading them takes time."""
    covered = server is not None and any(server in entry.prefix for entry in config.routes)
    return config.default_route or config.guard or covered


def _place_of(route: Route) -> Place:
    prefix = route.prefix
    return route.table, prefix.version, int(prefix.network_address), prefix.prefixlen, route.metric


def _first(place: Place, taken: set[Place]) -> bool:
    """Whether no other tunnel before has a route in that place; takes it."""
    if place in taken:
        return False
    taken.add(place)
    return True


# --- into the tunnel ---


def entries(config: TunnelConfig) -> list[RouteEntry]:
    """All that leads into the tunnel, the default routes as entries like the others."""
    everything = [RouteEntry(EVERYTHING)] if config.default_route else []
    everything += [RouteEntry(EVERYTHING_6)] if config.default_route and config.ipv6 else []
    return [*config.routes, *everything]


def _place(config: TunnelConfig, entry: RouteEntry) -> tuple[int, Prefix]:
    """The table that it is configured for, and the prefix."""
    return entry.table or config.table, entry.prefix


def _table(config: TunnelConfig, entry: RouteEntry) -> int:
    table, _ = _place(config, entry)
    return GUARD_TABLE if table == MAIN_TABLE and config.guard else table


class _Metrics:
    """The metric of each entry that does not give one: the earlier in the file, the better."""

    def __init__(self, wants: Sequence[Want], others: Iterable[Route]) -> None:
        """others: default routes of others in the main table."""
        self._others = others
        self._rivals: dict[tuple[int, Prefix], list[str]] = {}
        for want in wants:
            for entry in entries(want.config):
                if entry.metric is None:
                    self._rivals.setdefault(_place(want.config, entry), []).append(want.config.name)

    def of(self, config: TunnelConfig, entry: RouteEntry, table: int) -> int:
        """The metric of an entry, in a table."""
        if entry.metric is not None:
            return entry.metric
        rivals = self._rivals[_place(config, entry)]
        rank, least = rivals.index(config.name), 1 if entry.prefix.version == 6 else 0  # 0 means 1024 there
        if table != MAIN_TABLE or entry.prefix not in (EVERYTHING, EVERYTHING_6):
            return least + rank
        others = [route.metric for route in self._others if route.prefix == entry.prefix]
        room = min([DEFAULT_METRIC + len(rivals), *others]) - len(rivals)
        return max(least, room + rank)  # at equal metrics the route that is added last comes first


def _inside(want: Want, metrics: _Metrics, guarded: Collection[Prefix]) -> list[Route]:
    """The routes into the tunnel. One to the server alone would be its own undoing. guarded: in GUARD_TABLE."""
    if not want.link:
        return []
    servers = {IPv4Network(address) for address, _ in want.servers}
    found = []
    for entry in entries(want.config):
        if entry.prefix not in servers and (entry.prefix.version == 4 or want.link.six):
            table = _table(want.config, entry)
            tables = [table, *([GUARD_TABLE] if table == MAIN_TABLE and entry.prefix in guarded else [])]
            found += [_into(want.link, entry, table, metrics.of(want.config, entry, table)) for table in tables]
    return found


def _into(link: Link, entry: RouteEntry, table: int, metric: int) -> Route:
    scope = SCOPE_LINK if entry.scope is Scope.LINK else SCOPE_UNIVERSE
    return Route(entry.prefix, link.index, metric=metric, source=entry.source, table=table, scope=scope)


def _rules(want: Want, order: int) -> list[Rule]:
    """What leads into the tunnel's own table, while it is up or guarded."""
    config = want.config
    if not want.link and not want.guarded:
        return []
    versions = (4, 6) if config.ipv6 or (want.guarded and config.default_route) else (4,)
    return [
        Rule(
            version,
            RULE_PRIORITY + order if rule.priority is None else rule.priority,
            config.table,
            source=rule.source,
            fwmark=rule.fwmark,
            uids=rule.uids,
        )
        for rule in config.rules
        for version in versions
        if rule.source is None or rule.source.version == version
    ]


# --- beside the tunnel ---


def _hides(want: Want) -> bool:
    """Whether it has a default route or a guard now that hides other tunnels' servers."""
    return (want.link is not None or want.guarded) and any(
        _place(want.config, entry) == (MAIN_TABLE, EVERYTHING) for entry in entries(want.config)
    )


def _some(config: TunnelConfig) -> list[Prefix]:
    """What leads into the tunnel from the main table, but for default routes; whether it is up or not."""
    places = (_place(config, entry) for entry in config.routes)
    return [prefix for table, prefix in places if table == MAIN_TABLE and prefix.prefixlen]


def _to_servers(want: Want, hidden: bool, through: Collection[Prefix], near: Sequence[bool]) -> list[Route]:
    """The ways to the servers that the tunnel, its guard or the address of a link's other end would hide.

    hidden: or another tunnel's default route would; through: closer prefixes of other tunnels, which may lead there.
    near: of each server, whether a link's other end has its address; the kernel makes a route to each of these, and a
    server chooses its own.
    """
    hiding = [_place(want.config, entry) for entry in entries(want.config)]
    found = set()
    for (address, path), is_near in zip(want.servers, near, strict=True):
        tables = {table for table, prefix in hiding if address in prefix and prefix.prefixlen >= path.length}
        inside = any(address in prefix and prefix.prefixlen > path.length for prefix in through)
        if hidden and not inside and not path.length:
            tables.add(MAIN_TABLE)
        if is_near:
            tables.add(MAIN_TABLE)
        way = Route(IPv4Network(address), path.interface, path.gateway, source=path.source, onlink=path.onlink)
        found |= {replace(way, table=table) for table in tables}
    return sorted(found, key=str)


# --- the guard ---


def _guarded_places(want: Want) -> list[tuple[int, Prefix]]:
    """What may go no other way now, by table: IPv6 with everything, whether the tunnel carries it or not."""
    if not want.guarded:
        return []
    config = want.config
    six = [RouteEntry(EVERYTHING_6)] if config.default_route and not config.ipv6 else []
    servers = {IPv4Network(address) for address, _ in want.servers}
    places = {(_table(config, entry), entry.prefix) for entry in [*entries(config), *six]}
    return sorted((place for place in places if place[1] not in servers), key=str)


def _barred(want: Want) -> list[Route]:
    """Under the routes in a table of the tunnel's own."""
    return [
        Route(prefix, metric=GUARD_METRIC, table=table, kind=Kind.UNREACHABLE)
        for table, prefix in _guarded_places(want)
        if table != GUARD_TABLE
    ]


def _guards(want: Want) -> list[Rule]:
    """Before the main table. Longer prefixes come first."""
    found = []
    for table, prefix in _guarded_places(want):
        if table == GUARD_TABLE:
            first = GUARD_PRIORITY + _STEP * (prefix.max_prefixlen - prefix.prefixlen)
            to = prefix if prefix.prefixlen else None
            found += [
                Rule(prefix.version, first, MAIN_TABLE, destination=to, suppress=prefix.prefixlen),
                Rule(prefix.version, first + 1, GUARD_TABLE, destination=to),
                Rule(prefix.version, first + 2, None, destination=to),
            ]
    return found


def bars(item: Route | Rule) -> bool:
    """Whether it is a part of a guard, without which packets would go another way."""
    if isinstance(item, Rule):
        return item.table in (None, GUARD_TABLE) or item.suppress is not None
    return item.kind is Kind.UNREACHABLE


# --- what to change ---


def changes(
    wanted: Collection[Route | Rule], present: Iterable[Route | Rule]
) -> tuple[list[Route | Rule], list[Route | Rule]]:
    """(to add, to remove): what makes our part of the tables the wanted one, each in the order in which to do it.

    To be done in that order, adding first. A route to a host comes before the one that would swallow it, routes come
    before the rules that lead to them, and what is closer is let through before the rest is barred; to remove, the
    other way about.
    """
    ours = {item for item in present if item.protocol == PROTOCOL}
    wanted = frozenset(wanted)
    return sorted(wanted - ours, key=_order), sorted(ours - wanted, key=_order, reverse=True)


def _order(item: Route | Rule) -> tuple[int, int, str]:
    if isinstance(item, Rule):
        return (1, item.priority, str(item))
    return (0, -item.prefix.prefixlen, f"{item} {item.interface}")


def summary(plans: Mapping[str, Plan]) -> frozenset[Route | Rule]:
    """What all of the tunnels want."""
    return frozenset[Route | Rule]().union(*(one.all for one in plans.values()))
