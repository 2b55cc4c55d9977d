"""What the configuration says of a tunnel's name servers and domains: its values, and how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from . import addresses
from .values import BadText, Either, Fields, Flag, Items, Text

Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class DnsConfig:
    """The key 'dns'.

    peer: the servers that the peer names, first; servers: these as well. search: domains that are also put behind
    single names; domains: whose names are asked for here, and no more (routing-only, split DNS). default_route:
    whether names in no domain of any link are asked for here; None: as the domains and the routes suggest.
    """

    peer: bool = False
    servers: tuple[Address, ...] = ()
    search: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    default_route: bool | None = None

    @property
    def wanted(self) -> bool:
        """Whether anything is asked for."""
        return self.peer or bool(self.servers)


def _server(text: str) -> Address | None:
    """An address, None for "peer"."""
    if text == "peer":
        return None
    try:
        return addresses.address(text)
    except BadText as error:
        raise BadText(f"{error}, and not 'peer'") from None


def _make(
    servers: Sequence[Address | None] = (None,),
    search: tuple[str, ...] = (),
    domains: tuple[str, ...] = (),
    default_route: bool | None = None,
) -> DnsConfig:
    if not servers:
        raise BadText("no server is named; write servers: [peer], or dns: false")
    for name in search:
        if name in domains:
            raise BadText(f"{name} is a search domain and a routing-only one; which?")
    named = tuple(server for server in servers if server is not None)
    return DnsConfig(None in servers, named, search, domains, default_route)


@dataclass(frozen=True)
class _Short:
    """true: the peer's servers; false: none."""

    says: str = "true or false"

    def decode(self, node: object) -> DnsConfig:
        return DnsConfig(peer=Flag().decode(node))  # type: ignore[arg-type]


_DOMAIN: Text[str] = Text("a domain", addresses.domain)
_SERVER: Text[Address | None] = Text("an address, or peer", _server, numbers=True)
DNS: Either[DnsConfig] = Either(
    _Short(),
    Fields(
        "a mapping with servers, search, domains and default-route",
        {
            "servers": Items(_SERVER, unique=True),
            "search": Items(_DOMAIN, unique=True),
            "domains": Items(_DOMAIN, unique=True),
            "default-route": Flag(),
        },
        _make,
    ),
)
