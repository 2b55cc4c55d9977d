"""Links, routes and rules as values, and the way to a server by a table of routes. Pure. See planner.py.

Every route and every rule of ours carries the routing protocol number PROTOCOL, so ours are known from others', also
after a crash.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from pptpd_manager.routing import MAIN_TABLE, Address, Prefix

PROTOCOL = 172  # rtnetlink(7) rtm_protocol; "pptp" in rt_protos.d; free in linux/rtnetlink.h and iproute2
EVERYTHING = IPv4Network("0.0.0.0/0")
EVERYTHING_6 = IPv6Network("::/0")
# linux/rtnetlink.h, enum rt_scope_t
SCOPE_UNIVERSE, SCOPE_LINK = 0, 253
_OF_ITS_KIND = -1
METRIC_6 = 1024  # IP6_RT_PRIO_USER, linux/ipv6_route.h


class Kind(Enum):
    """What a route does with a packet. linux/rtnetlink.h."""

    UNICAST = 1
    UNREACHABLE = 7


@dataclass(frozen=True)
class Link:
    """A tunnel's interface as the kernel shows it. up: IFF_UP; local, peer: its IPv4 addresses, None before IPCP.

    six: it has an IPv6 address.
    """

    index: int
    name: str
    up: bool = False
    mtu: int = 0
    local: IPv4Address | None = None
    peer: IPv4Address | None = None
    six: bool = False

    @property
    def usable(self) -> bool:
        """Whether routes can lead into it."""
        return self.up and self.local is not None


@dataclass(frozen=True)
class Route:
    """A route. interface: its index, 0 for none; gateway: None when on the link.

    scope: linux/rtnetlink.h; left out, what ip-route(8) gives such a route.
    """

    prefix: Prefix
    interface: int = 0
    gateway: Address | None = None  # of IPv6 also for a route of IPv4 (RTA_VIA)
    metric: int = 0
    source: Address | None = None
    protocol: int = PROTOCOL
    table: int = MAIN_TABLE
    scope: int = _OF_ITS_KIND
    kind: Kind = Kind.UNICAST
    mtu: int = field(default=0, compare=False)  # its metric of that name, 0 = none
    onlink: bool = field(default=False, compare=False)  # no route to the gateway is needed (ip-route(8))

    def __post_init__(self) -> None:
        if self.prefix.version == 6:  # the kernel knows no scopes there, and takes no metric for 1024
            object.__setattr__(self, "scope", SCOPE_UNIVERSE)
            object.__setattr__(self, "metric", self.metric or METRIC_6)
        elif self.scope == _OF_ITS_KIND:
            on_link = self.gateway is None and self.kind is Kind.UNICAST
            object.__setattr__(self, "scope", SCOPE_LINK if on_link else SCOPE_UNIVERSE)

    def __hash__(self) -> int:
        """Of what tells most of them apart, and worked out once: there are many, often looked for in sets."""
        return _kept_hash(self, int(self.prefix.network_address), self.interface, self.metric, self.table)

    def __str__(self) -> str:
        """As ip-route(8) has it, without the interface."""
        words = [str(self.prefix)] if self.kind is Kind.UNICAST else ["unreachable", str(self.prefix)]
        words += [_via(self.gateway, self.prefix.version)] if self.gateway else []
        words += ["metric", str(self.metric)] if self.metric else []
        words += ["table", str(self.table)] if self.table != MAIN_TABLE else []
        return " ".join(words)


@dataclass(frozen=True)
class Rule:
    """A rule: which packets look into which table. ip-rule(8), linux/fib_rules.h.

    table: None: they are unreachable. suppress: routes there with a prefix this long or shorter do not count.
    """

    version: int  # 4 or 6
    priority: int
    table: int | None = None
    source: Prefix | None = None
    destination: Prefix | None = None
    fwmark: tuple[int, int] | None = None
    uids: tuple[int, int] | None = None
    suppress: int | None = None
    protocol: int = PROTOCOL

    def __hash__(self) -> int:
        """As of a route."""
        return _kept_hash(self, self.version, self.priority, self.destination)

    def __str__(self) -> str:
        """As ip-rule(8) has it."""
        words = [f"{self.priority}:", "from", str(self.source or "all")]
        words += ["to", str(self.destination)] if self.destination else []
        words += ["fwmark", f"{self.fwmark[0]:#x}/{self.fwmark[1]:#x}"] if self.fwmark else []
        words += ["uidrange", f"{self.uids[0]}-{self.uids[1]}"] if self.uids else []
        words += ["unreachable"] if self.table is None else ["lookup", str(self.table)]
        words += ["suppress_prefixlength", str(self.suppress)] if self.suppress is not None else []
        return " ".join(words)


@dataclass(frozen=True)
class Path:
    """How packets get to a server outside of the tunnel.

    source: the address that the route asks for; local: the one that packets leave with, for that reason or another.
    length: of the prefix of the route that leads there; mtu: the largest packet that goes this way in one piece, 0
    when not known; onlink: as of the route. None of these makes another path.
    """

    interface: int
    gateway: Address | None = None
    source: IPv4Address | None = None
    local: IPv4Address | None = None
    length: int = field(default=0, compare=False)
    mtu: int = field(default=0, compare=False)
    onlink: bool = field(default=False, compare=False)

    @classmethod
    def along(cls, route: Route) -> Path:
        """The path that this route, of IPv4, leads along."""
        source = route.source if isinstance(route.source, IPv4Address) else None
        return cls(route.interface, route.gateway, source, None, route.prefix.prefixlen, route.mtu, route.onlink)

    def __str__(self) -> str:
        via = _via(self.gateway, 4) if self.gateway else "on the link"
        return f"{via} from {self.local}" if self.local else via


def _kept_hash(item: object, *parts: object) -> int:
    """The hash of parts, which are of a value that does not change, kept with it."""
    kept: int | None = item.__dict__.get("_hash")
    if kept is None:
        kept = item.__dict__["_hash"] = hash(parts)
    return kept


def _via(gateway: Address, version: int) -> str:
    """The next hop of a route of that version as ip-route(8) has it."""
    return f"via {gateway}" if gateway.version == version else f"via inet{gateway.version} {gateway}"


def lookup(server: IPv4Address, table: Iterable[Route], ours: frozenset[int] = frozenset()) -> Path | None:
    """The path to server by the routes of the main table that are not ours: longest prefix, then lowest metric.

    ours: the indexes of tunnels' interfaces, whose kernel routes do not count either. None: there is no way.
    """
    fitting = [
        route
        for route in table
        if server in route.prefix and route.protocol != PROTOCOL and route.interface not in ours
    ]
    if not fitting:
        return None
    return Path.along(min(fitting, key=lambda route: (-route.prefix.prefixlen, route.metric)))
