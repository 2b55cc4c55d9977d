"""A text -> the server or prefix that it names, or BadText. IPv4 only, as PPTP is."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address

from .values import BadText, show

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_NUMERIC_END = re.compile(r"(.*\.)?([0-9]+|0[xX][0-9A-Fa-f]*)")  # what inet_aton() may take for an address
_NOT_ROUTED = (
    (IPv4Network("0.0.0.0/8"), "is in 0.0.0.0/8, which cannot be routed"),
    (IPv4Network("127.0.0.0/8"), "is a loopback prefix"),
    (IPv4Network("224.0.0.0/4"), "is a multicast prefix"),
    (IPv4Network("255.255.255.255/32"), "is the broadcast address"),
)


def server(text: str) -> str:
    """text itself if it is a host name (RFC 1123 2.1, a trailing dot allowed) or a dotted IPv4 address."""
    if not text:
        raise BadText("must not be empty")
    if "://" in text or "@" in text:  # may hold a password: not shown
        raise BadText("write the host alone, not a URL or user@host")
    if _is_ipv6(text):
        raise BadText(f"{show(text)} is an IPv6 address; PPTP runs over IPv4 only")
    if ":" in text:
        raise BadText(f"{show(text)} has a port; PPTP's port is always 1723, write the host alone")
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
        raise BadText(f"{show(text)} is not an IPv4 address (four numbers 0..255 with dots)") from None
    if address.is_unspecified or address.is_multicast or address == IPv4Address("255.255.255.255"):
        raise BadText(f"{show(text)} cannot be a server's address")
    return text


def _host_name(text: str) -> str:
    name = text.removesuffix(".")
    if not name.isascii():
        raise BadText(f"{show(text)} is not ASCII; write an international name in its xn-- form")
    if len(name) > 253:
        raise BadText(f"a host name of {len(name)} characters; at most 253")
    for label in name.split("."):
        if len(label) > 63:
            raise BadText(f"{show(text)} has a label of {len(label)} characters; at most 63")
        if not _LABEL.fullmatch(label):
            raise BadText(f"{show(text)} is not a host name (letters, digits, inner hyphens and dots)")
    return text


def prefix(text: str) -> IPv4Network:
    """The prefix of "192.168.10.0/24"; a single address is its /32, as for ip-route(8)."""
    address_text, slash, length_text = text.partition("/")
    if text == "default":
        raise BadText("write default-route: true")
    if ":" in text:
        raise BadText(f"{show(text)}: IPv6 routes are not supported")
    try:
        address = IPv4Address(address_text)
    except ValueError:
        raise BadText(_not_a_prefix(text)) from None
    if slash and not re.fullmatch(r"[0-9]|[12][0-9]|3[0-2]", length_text):
        raise BadText(_not_a_prefix(text))
    network = IPv4Network((address, int(length_text) if slash else 32), strict=False)
    if network.network_address != address:
        raise BadText(f"{text} has host bits set; did you mean {network} or {address}/32?")
    if network.prefixlen == 0:
        raise BadText("write default-route: true")
    for refused, reason in _NOT_ROUTED:
        if network.subnet_of(refused):
            raise BadText(f"{network} {reason}")
    return network


def _not_a_prefix(text: str) -> str:
    return f"{show(text)} is not an IPv4 prefix such as 192.168.10.0/24"
