"""A text -> the server, address or prefix that it names, or BadText. A server is IPv4 only, as PPTP is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from .values import BadText, show

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9.-]")
_FOUR_NUMBERS = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}")
_NUMERIC_END = re.compile(r"(.*\.)?([0-9]+|0[xX][0-9A-Fa-f]*)")  # what inet_aton() may take for an address
_NOT_ROUTED: tuple[tuple[IPv4Network | IPv6Network, str], ...] = (
    (IPv4Network("0.0.0.0/8"), "is in 0.0.0.0/8, which cannot be routed"),
    (IPv4Network("127.0.0.0/8"), "is a loopback prefix"),
    (IPv4Network("224.0.0.0/4"), "is a multicast prefix"),
    (IPv4Network("255.255.255.255/32"), "is the broadcast address"),
    (IPv6Network("::/128"), "is no address"),
    (IPv6Network("::1/128"), "is the loopback address"),
    (IPv6Network("ff00::/8"), "is a multicast prefix"),
    (IPv6Network("fe80::/10"), "is link-local: every link has its own"),
)
_OF_A_NAME = "letters, digits, inner hyphens and dots"
# This machine itself (RFC 1122), groups, and what is nobody's (RFC 1112): no packet to them reaches a server.
_NO_SERVER = tuple(map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4")))

# The same as regular expressions, for editors: as near as those come, and never narrower than the functions below.
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"(?:{_OCTET}\.){{3}}{_OCTET}"
_IPV6 = "(?=[^:]*:[^:]*:)[0-9A-Fa-f:.]{2,45}"
_LENGTHS = "/(?:[1-9]|[12][0-9]|3[0-2])", "/(?:[1-9][0-9]?|1[01][0-9]|12[0-8])"
_UNROUTED = (
    r"(?!0\.[0-9.]*(?:/(?:[89]|[123][0-9]))?$)(?!127\.)(?!255\.255\.255\.255)"
    r"(?!2(?:2[4-9]|3[0-9])\.[0-9.]*(?:/(?:[4-9]|[123][0-9]))?$)"
)
HOST_NAME = rf"(?=.{{1,253}}\.?$){_LABEL.pattern}(?:\.{_LABEL.pattern})*\.?"
ADDRESS = f"(?:{_IPV4}|{_IPV6})"
ZONED = f"(?:{_IPV4}|{_IPV6}(?:%.+)?)"
SELECTOR = f"(?:{_IPV4}(?:{_LENGTHS[0]})?|{_IPV6}(?:{_LENGTHS[1]})?)"
PREFIX = _UNROUTED + SELECTOR
SERVER = rf"(?:(?!0\.|127\.|22[4-9]\.|2[3-5][0-9]\.){_IPV4}|(?!(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?$){HOST_NAME})"

MOST = 8  # addresses of one name: for how long they are tried is not the name server's to say


def may_serve(address: IPv4Address) -> bool:
    """Whether a server on another machine can have that address."""
    return not any(address in network for network in _NO_SERVER)


def worth_a_try(answer: Iterable[IPv4Address]) -> tuple[IPv4Address, ...]:
    """The first ones, at most MOST, of a name server's answer which a server can have, each once."""
    return tuple(dict.fromkeys(filter(may_serve, answer)))[:MOST]


def server(text: str) -> str:
    """text itself if it is a host name (RFC 1123 2.1, a trailing dot allowed) or a dotted IPv4 address.

    What is neither a name nor looks like an address is not shown: it may be a password.
    """
    if not text:
        raise BadText("must not be empty")
    if "://" in text or "@" in text:
        raise BadText("write the host alone, not a URL or user@host")
    if _is_ipv6(text):
        raise BadText(f"{show(text)} is an IPv6 address; PPTP runs over IPv4 only")
    if ":" in text:
        raise BadText("holds a colon; PPTP's port is always 1723, write the host alone")
    if _NUMERIC_END.fullmatch(text.removesuffix(".")):
        return _server_address(text)
    return _host_name(text)


def _is_ipv6(text: str) -> bool:
    bracketed = re.fullmatch(r"\[([^]]*)\](:[0-9]*)?", text)
    try:
        IPv6Address(bracketed[1] if bracketed else text)
    except ValueError:
        return False
    return True


def _server_address(text: str) -> str:
    try:
        address = IPv4Address(text)
    except ValueError:
        what = f"{show(text)} is" if _FOUR_NUMBERS.fullmatch(text) else "ends in a number and is"
        raise BadText(f"{what} not an IPv4 address (four numbers 0..255 with dots)") from None
    if not may_serve(address):
        raise BadText(f"{show(text)} cannot be a server's address")
    return text


def _host_name(text: str) -> str:
    name = text.removesuffix(".")
    if not name.isascii():
        raise BadText("is not ASCII; write an international name in its xn-- form")
    if len(name) > 253:
        raise BadText(f"a host name of {len(name)} characters; at most 253")
    if found := _NOT_IN_NAME.search(name):
        raise BadText(f"character {found.start() + 1} is none of a host name ({_OF_A_NAME})")
    for number, label in enumerate(name.split("."), 1):
        if len(label) > 63:
            raise BadText(f"label {number} has {len(label)} characters; at most 63")
        if not _LABEL.fullmatch(label):
            raise BadText(f"label {number} is not one of a host name ({_OF_A_NAME})")
    return text


def domain(text: str) -> str:
    """The domain of "corp.example", in lower case and without a dot at its end."""
    if text.startswith("~"):
        raise BadText(f"{show(text)}: leave the ~ out; 'domains' are routing-only, 'search' are not")
    return _host_name(text).removesuffix(".").lower()


def address(text: str) -> IPv4Address | IPv6Address:
    """The address of "10.9.0.100" or "2001:db8::1"."""
    if "%" in text:
        raise BadText(f"{show(text)}: leave out the % and what follows; the interface is the tunnel's")
    return zoned(text)


def zoned(text: str) -> IPv4Address | IPv6Address:
    """As address(), also of "fe80::1%eth0", which says by which interface (RFC 4007)."""
    try:
        return ip_address(text)
    except ValueError:
        raise BadText(f"{show(text)} is not an IP address") from None


def prefix(text: str) -> IPv4Network | IPv6Network:
    """The prefix of "192.168.10.0/24" or "2001:db8::/32" to route; a single address is its /32 or /128."""
    network = _network(text)
    if network.prefixlen == 0:
        raise BadText("write default-route: true")
    for refused, reason in _NOT_ROUTED:
        if network.version == refused.version and network.subnet_of(refused):  # type: ignore[arg-type]
            raise BadText(f"{network} {reason}")
    return network


def selector(text: str) -> IPv4Network | IPv6Network:
    """The prefix that the source of a packet is in."""
    network = _network(text)
    if network.prefixlen == 0:
        raise BadText(f"{text} is every address; leave 'from' out")
    return network


def _network(text: str) -> IPv4Network | IPv6Network:
    address_text, slash, length_text = text.partition("/")
    if text == "default":
        raise BadText("write default-route: true")
    try:
        first = address(address_text)
    except BadText:
        raise BadText(_not_a_prefix(text)) from None
    if slash and not (re.fullmatch(r"0|[1-9][0-9]{0,2}", length_text) and int(length_text) <= first.max_prefixlen):
        raise BadText(_not_a_prefix(text))
    network = ip_network((first, int(length_text) if slash else first.max_prefixlen), strict=False)
    if network.network_address != first:
        raise BadText(f"{text} has host bits set; did you mean {network} or {first}/{first.max_prefixlen}?")
    return network


def _not_a_prefix(text: str) -> str:
    return f"{show(text)} is not a prefix such as 192.168.10.0/24"
