"""What the configuration says of a tunnel's name servers and domains: its values, how they are read, what follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from . import addresses
from .values import As, BadText, Either, Fields, Flag, Items, Part, Text, matching

Address = IPv4Address | IPv6Address

# Why a tunnel's name servers are not asked: what the manager tells, and the doctor advises on.
NOBODY = "systemd-resolved does not run and resolvconf is not installed"
NO_SPLIT = "resolvconf cannot have servers for some domains only; systemd-resolved can, and openresolv"
NONE_NAMED = "the server names none"


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


@dataclass(frozen=True)
class LinkDns:
    """What a link is to be to the machine's resolver. servers: never empty; search, domains: as in DnsConfig.

    default_route: names in no domain of any link are asked for here; alone: and nowhere else.
    """

    servers: tuple[Address, ...]
    search: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    default_route: bool = False
    alone: bool = False

    def __str__(self) -> str:
        """As in "10.9.0.1, for corp.example and every name that no other link is for"."""
        names = [*self.search, *self.domains]
        if self.default_route:
            rest = "every" if self.alone else "any"
            names.append(f"{rest} {'other ' if names else ''}name")
        return f"{', '.join(map(str, self.servers))} for {', '.join(names) or 'nothing'}"


def wanted(config: DnsConfig, peer: Sequence[Address], default_route: bool) -> LinkDns | None:
    """What the configuration makes of the servers that the peer named; None when there is no server to ask.

    default_route: whether the tunnel has the machine's default route. Then names that no other link is for are asked
    for here alone: else the question would go out beside the tunnel.
    """
    servers = tuple(dict.fromkeys((*(peer if config.peer else ()), *config.servers)))
    if not servers:
        return None
    rest = everything(config, default_route)
    return LinkDns(servers, config.search, config.domains, rest, rest and default_route)


def everything(config: DnsConfig, default_route: bool) -> bool:
    """Whether names in no domain of any link are asked for over that link, too."""
    if config.default_route is not None:
        return config.default_route
    return default_route or not (config.search or config.domains)


def of_peer(texts: Iterable[str]) -> tuple[Address, ...]:
    """The servers in what a peer named; it may name anything, and this machine itself is not for it to name."""
    found = []
    for text in texts:
        try:
            address = ip_address(text)
        except ValueError:
            continue
        if isinstance(address, IPv4Address):
            may_serve = addresses.may_serve(address)
        else:
            may_serve = not (address.is_unspecified or address.is_loopback or address.is_multicast)
        if may_serve and not address.is_link_local:
            found.append(address)
    return tuple(dict.fromkeys(found))


def _server(text: str) -> Address | None:
    """An address, None for "peer"."""
    if text == "peer":
        return None
    try:
        return addresses.zoned(text)
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


_DOMAIN: Text[str] = Text("a domain", addresses.domain, schema=matching(addresses.HOST_NAME))
_SERVER: Text[Address | None] = Text(
    "an address, or peer", _server, numbers=True, schema=matching(f"peer|{addresses.ZONED}")
)
DNS: Either[DnsConfig] = Either(
    As(Flag(), lambda peer: DnsConfig(peer=peer)),
    Fields(
        "a mapping with servers, search, domains and default-route",
        {
            "servers": Part(
                Items(_SERVER, unique=True),
                "the name servers to ask; peer stands for those that the other side names",
                "[peer, 192.168.10.53]",
                "[peer]",
            ),
            "search": Part(
                Items(_DOMAIN, unique=True),
                "domains whose names are asked for there, and that are put behind single names",
                "[corp.example]",
                "[]",
            ),
            "domains": Part(
                Items(_DOMAIN, unique=True),
                "domains whose names are asked for there, and no more than that (split DNS)",
                "[lab.example]",
                "[]",
            ),
            "default-route": Part(
                Flag(),
                "whether names in no domain of any link are asked for there, too; without it they are if the tunnel "
                "has the machine's default route, or if there are no domains at all",
                "false",
            ),
        },
        _make,
        schema={"properties": {"servers": {"minItems": 1}}},
    ),
)
