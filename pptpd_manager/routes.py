"""Which routes a tunnel wants, and what to change in the kernel's table for that. Pure.

Every route of ours carries the routing protocol number PROTOCOL, so ours are known from others', also after a
crash. A route with another number is never named in a change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from pptpd_manager.config import TunnelConfig

PROTOCOL = 172  # rtnetlink(7) rtm_protocol; "pptp" in rt_protos.d; free in linux/rtnetlink.h and iproute2
DEFAULT_METRIC = 50  # NetworkManager's metric of a VPN's default route
EVERYTHING = IPv4Network("0.0.0.0/0")


@dataclass(frozen=True)
class Link:
    """A tunnel's interface as the kernel shows it. up: IFF_UP; local, peer: its IPv4 addresses, None before IPCP."""

    index: int
    name: str
    up: bool = False
    mtu: int = 0
    local: IPv4Address | None = None
    peer: IPv4Address | None = None

    @property
    def usable(self) -> bool:
        """Whether routes can lead into it."""
        return self.up and self.local is not None


@dataclass(frozen=True)
class Route:
    """A unicast IPv4 route of the main table. interface: its index; gateway: None when on the link."""

    prefix: IPv4Network
    interface: int
    gateway: IPv4Address | None = None
    metric: int = 0
    source: IPv4Address | None = None
    protocol: int = PROTOCOL
    mtu: int = field(default=0, compare=False)  # its metric of that name, 0 = none


@dataclass(frozen=True)
class Path:
    """How packets get to a server outside of the tunnel.

    source: the address that the route asks for; local: the one that packets leave with, for that reason or another.
    mtu: the largest packet that goes this way in one piece, 0 when not known. Another mtu does not make another path.
    """

    interface: int
    gateway: IPv4Address | None = None
    source: IPv4Address | None = None
    local: IPv4Address | None = None
    mtu: int = field(default=0, compare=False)

    def __str__(self) -> str:
        via = f"via {self.gateway}" if self.gateway else "on the link"
        return f"{via} from {self.local}" if self.local else via


def wanted(
    config: TunnelConfig, link: Link, server: IPv4Address, path: Path | None, table: Iterable[Route]
) -> frozenset[Route]:
    """The routes that the tunnel wants while its link is usable.

    path: to the server, outside; table: the main table, for the metric that wins over other default routes.
    The route to the server is wanted only when the tunnel would swallow its own packets otherwise.
    """
    inside = [Route(entry.prefix, link.index) for entry in config.routes if entry.prefix.version == 4]
    if config.default_route:
        inside.append(Route(EVERYTHING, link.index, metric=_winning_metric(table)))
    swallowed = link.peer == server or any(server in route.prefix for route in inside)
    return frozenset(inside + ([_to_server(server, path)] if swallowed and path else []))


def wanted_before(config: TunnelConfig, server: IPv4Address, path: Path | None) -> frozenset[Route]:
    """The routes that the tunnel wants before its link is usable: to the server, if the link will swallow it.

    So no packet of the control connection can take the tunnel in the moment in which that comes up.
    """
    swallowed = config.default_route or any(server in entry.prefix for entry in config.routes)
    return frozenset([_to_server(server, path)] if swallowed and path else [])


def changes(wanted: frozenset[Route], present: Iterable[Route]) -> tuple[list[Route], list[Route]]:
    """(to add, to remove): what makes our part of the table the wanted one. present: the main table.

    Adds come with routes to hosts first: the server's before the one that would swallow it.
    """
    ours = {route for route in present if route.protocol == PROTOCOL}

    def order(route: Route) -> tuple[int, IPv4Network, int]:
        return (-route.prefix.prefixlen, route.prefix, route.interface)

    return sorted(wanted - ours, key=order), sorted(ours - wanted, key=order, reverse=True)


def lookup(server: IPv4Address, table: Iterable[Route], ours: frozenset[int] = frozenset()) -> Path | None:
    """The path to server by the routes of table that are not ours: longest prefix, then lowest metric.

    ours: the indexes of tunnels' interfaces, whose kernel routes do not count either. None: there is no way.
    """
    fitting = [
        route
        for route in table
        if server in route.prefix and route.protocol != PROTOCOL and route.interface not in ours
    ]
    if not fitting:
        return None
    best = min(fitting, key=lambda route: (-route.prefix.prefixlen, route.metric))
    return Path(best.interface, best.gateway, best.source, mtu=best.mtu)


def _to_server(server: IPv4Address, path: Path) -> Route:
    return Route(IPv4Network(server), path.interface, path.gateway, source=path.source)


def _winning_metric(table: Iterable[Route]) -> int:
    """A metric lower than every other default route's, or 0: at equal metrics the route added last comes first."""
    others = [route.metric for route in table if route.prefix == EVERYTHING and route.protocol != PROTOCOL]
    return min([DEFAULT_METRIC] + [max(0, metric - 1) for metric in others])
