"""Links, addresses, routes and rules as rtnetlink(7) messages and back. The only module that imports pyroute2.

Of pyroute2 it takes the message class of rules, which is the same from 0.7 to 0.9, and not IPRoute: in 0.7 that loses
events which arrive beside a request, and in 0.9 it is dead after an overrun. All else is packed and unpacked here:
what packets wait for in a tenth of the time, and a manager without a rule does without pyroute2's 2 MB.
"""

from __future__ import annotations

import functools
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network, ip_network
from typing import Any, NamedTuple

from pptpd_manager.routes import PROTOCOL, Kind, Route, Rule
from pptpd_manager.routing import MAIN_TABLE, Address, Prefix
from pptpd_manager.thrift import without_init


@functools.cache
def _fibmsg() -> Any:
    """The class of a rule's message. pyroute2's __init__.py would import all the rest: 0.1 s and 20 MB."""

    def load() -> Any:
        from pyroute2.netlink.rtnl.fibmsg import fibmsg

        return fibmsg

    return without_init("pyroute2", load)


# linux/rtnetlink.h, linux/netlink.h
NEWLINK, DELLINK, GETLINK, NEWADDR, DELADDR, GETADDR = 16, 17, 18, 20, 21, 22
NEWROUTE, DELROUTE, GETROUTE, NEWRULE, DELRULE, GETRULE = 24, 25, 26, 32, 33, 34
ERROR, DONE = 2, 3
REQUEST, ACK, DUMP, EXCLUSIVE, CREATE = 0x1, 0x4, 0x300, 0x200, 0x400
_COMPAT_TABLE, _FIB_MATCH, _ONLINK = 252, 0x2000, 0x4
_TO_TABLE, _UNREACHABLE = 1, 7  # linux/fib_rules.h
_NONE = 0xFFFFFFFF
_ATTRIBUTE_KIND = 0x3FFF  # NLA_TYPE_MASK
# struct nlmsghdr, rtattr, rtmsg, rtnexthop, ifinfomsg, ifaddrmsg; of rta_cacheinfo up to rta_expires. fib_rule_hdr is
# like rtmsg.
_HEADER, _ATTRIBUTE, _RTMSG, _NEXT_HOP, _IFINFOMSG, _IFADDRMSG, _CACHE_INFO = map(
    struct.Struct, ("=IHHII", "=HH", "=BBBBBBBBI", "=HBBi", "=BxHiII", "=BBBBI", "=IIi")
)
_U16, _U32, _ERRNO = map(struct.Struct, ("=H", "=I", "=i"))
_INDEX = struct.Struct("=4xI")  # in an ifinfomsg and in an ifaddrmsg
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_METRICS, _RTA_MULTIPATH = 1, 4, 5, 6, 7, 8, 9
_RTA_CACHEINFO, _RTA_TABLE, _RTA_VIA, _RTAX_MTU = 12, 15, 18, 2
_IFLA_IFNAME, _IFLA_MTU, _IFA_ADDRESS, _IFA_LOCAL = 3, 4, 1, 2  # linux/if_link.h, linux/if_addr.h
_FRA_PROTOCOL = 21  # linux/fib_rules.h
_UNSURE = 0x40 | 0x08  # IFA_F_TENTATIVE, IFA_F_DADFAILED
_KINDS = {kind.value: kind for kind in Kind}
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_VERSIONS = {int(family): version for version, family in FAMILIES.items()}


class Message(NamedTuple):
    """A message as it came; data: all of it, the header too. port: of the socket whose request it follows from."""

    kind: int
    sequence: int
    data: bytes
    port: int = 0

    @property
    def body(self) -> bytes:
        """What comes after the header."""
        return self.data[_HEADER.size :]


class LinkNews(NamedTuple):
    """What an RTM_NEWLINK or RTM_DELLINK tells. interface: its index."""

    interface: int
    name: str
    flags: int
    mtu: int


class AddressNews(NamedTuple):
    """What an RTM_NEWADDR or RTM_DELADDR tells. peer: the other end's, or the local one; with its prefix.

    usable: not one of IPv6 that another machine may have, too (RFC 4862, duplicate address detection).
    """

    interface: int
    local: Address
    peer: IPv4Interface | IPv6Interface
    usable: bool = True


def messages(data: bytes) -> Iterator[Message]:
    """The messages in received bytes. netlink(7)."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, sequence, port = _HEADER.unpack_from(data, at)
        length = max(length, _HEADER.size)
        yield Message(kind, sequence, data[at : at + length], port)
        at += length + 3 & ~3


def request(body: bytes, kind: int, flags: int, sequence: int) -> bytes:
    """A request's bytes."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags | REQUEST, sequence, 0) + body


def code(message: Message) -> int:
    """The errno in an NLMSG_ERROR or NLMSG_DONE, 0 for an acknowledgement or a dump that is whole."""
    return -int(_ERRNO.unpack_from(message.data, _HEADER.size)[0]) if len(message.data) > _HEADER.size else 0


def _attributes(data: bytes, at: int, enough: int = 0) -> dict[int, bytes]:
    """The values of the attributes from there to the end, by type. rtnetlink(3). enough: no more after this one."""
    found: dict[int, bytes] = {}
    while at + _ATTRIBUTE.size <= len(data) and enough not in found:
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        found[kind & _ATTRIBUTE_KIND] = data[at + _ATTRIBUTE.size : at + length]
        at += max(length + 3 & ~3, _ATTRIBUTE.size)
    return found


# --- bodies of requests ---


def all_links() -> bytes:
    """For a dump of the interfaces."""
    return _IFINFOMSG.pack(socket.AF_UNSPEC, 0, 0, 0, 0)


def all_addresses(version: int) -> bytes:
    """For a dump of the addresses."""
    return _IFADDRMSG.pack(FAMILIES[version], 0, 0, 0, 0)


def main_table(version: int) -> bytes:
    """For a dump of the main table's unicast routes."""
    return _RTMSG.pack(FAMILIES[version], 0, 0, 0, MAIN_TABLE, 0, 0, Kind.UNICAST.value, 0)


def our_routes(version: int) -> bytes:
    """For a dump of the routes of ours in all tables."""
    return _RTMSG.pack(FAMILIES[version], 0, 0, 0, 0, PROTOCOL, 0, 0, 0)


def all_rules(version: int) -> bytes:
    """For a dump of the rules; the kernel has no filter for ours."""
    return _RTMSG.pack(FAMILIES[version], 0, 0, 0, 0, 0, 0, 0, 0)


def way_to(address: IPv4Address, *, exact: bool = True) -> bytes:
    """For the route that the kernel takes. exact: as it is in the table, not with what was learnt since."""
    header = _RTMSG.pack(socket.AF_INET, 32, 0, 0, 0, 0, 0, 0, _FIB_MATCH if exact else 0)
    return header + _attribute(_RTA_DST, address.packed)


def link_with_mtu(index: int, mtu: int) -> bytes:
    """For an interface's MTU to be set."""
    return _IFINFOMSG.pack(socket.AF_UNSPEC, 0, index, 0, 0) + _attribute(_IFLA_MTU, _U32.pack(mtu))


def change(item: Route | Rule) -> bytes:
    """For a route or rule to be added or deleted."""
    return _body(_rule_request(item)) if isinstance(item, Rule) else _route(item)


def _body(message: Any) -> bytes:
    message.encode()
    return bytes(message.data)[_HEADER.size :]


def _route(route: Route) -> bytes:
    """struct rtmsg and its attributes. linux/rtnetlink.h."""
    prefix, gateway = route.prefix, route.gateway
    table = route.table if route.table < 256 else _COMPAT_TABLE
    kinds = (table, route.protocol, route.scope, route.kind.value)
    attributes = [(_RTA_DST, prefix.network_address.packed)] if prefix.prefixlen else []
    attributes += [(_RTA_TABLE, _U32.pack(route.table)), (_RTA_PRIORITY, _U32.pack(route.metric))]
    attributes += [(_RTA_OIF, _U32.pack(route.interface))] if route.interface else []
    if gateway and gateway.version == prefix.version:
        attributes.append((_RTA_GATEWAY, gateway.packed))
    elif gateway:  # struct rtvia
        attributes.append((_RTA_VIA, _U16.pack(FAMILIES[gateway.version]) + gateway.packed))
    attributes += [(_RTA_PREFSRC, route.source.packed)] if route.source else []
    flags = _ONLINK if route.onlink else 0
    message = _RTMSG.pack(FAMILIES[prefix.version], prefix.prefixlen, 0, 0, *kinds, flags)
    return message + b"".join(_attribute(kind, value) for kind, value in attributes)


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def _rule_request(rule: Rule) -> Any:
    message = _fibmsg()()
    message["family"] = FAMILIES[rule.version]
    message["action"] = _UNREACHABLE if rule.table is None else _TO_TABLE
    message["table"] = (rule.table or 0) if (rule.table or 0) < 256 else _COMPAT_TABLE
    attributes: list[list[object]] = [["FRA_PRIORITY", rule.priority], ["FRA_PROTOCOL", rule.protocol]]
    attributes += [["FRA_TABLE", rule.table]] if rule.table is not None else []
    for name, length, prefix in (("FRA_SRC", "src_len", rule.source), ("FRA_DST", "dst_len", rule.destination)):
        if prefix is not None:
            message[length] = prefix.prefixlen
            attributes += [[name, str(prefix.network_address)]] if prefix.prefixlen else []
    if rule.fwmark:
        attributes += [["FRA_FWMARK", rule.fwmark[0]], ["FRA_FWMASK", rule.fwmark[1]]]
    attributes += [["FRA_UID_RANGE", f"{rule.uids[0]}:{rule.uids[1]}"]] if rule.uids else []
    attributes += [["FRA_SUPPRESS_PREFIXLEN", rule.suppress]] if rule.suppress is not None else []
    message["attrs"] = attributes
    return message


# --- answers and events ---


def link(message: Message) -> LinkNews | None:
    """What it tells of an interface; None if it is of a bridge's port, or the like."""
    family, _, index, flags, _ = _IFINFOMSG.unpack_from(message.data, _HEADER.size)
    if family != socket.AF_UNSPEC:
        return None
    # Some fifty, of which the kernel puts the name first and the MTU soon after it (rtnl_fill_ifinfo).
    found = _attributes(message.data, _HEADER.size + _IFINFOMSG.size, _IFLA_MTU)
    name = found.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace")
    return LinkNews(index, name, flags, _number(found.get(_IFLA_MTU)))


def interface(message: Message) -> int:
    """The index of the interface that a message of links or addresses is about."""
    return int(_INDEX.unpack_from(message.data, _HEADER.size)[0])


def address(message: Message) -> AddressNews | None:
    """What it tells of an address; None if that is neither IPv4 nor IPv6."""
    family, length, flags, _, index = _IFADDRMSG.unpack_from(message.data, _HEADER.size)
    found = _attributes(message.data, _HEADER.size + _IFADDRMSG.size)
    peer = found.get(_IFA_ADDRESS)
    if family not in _VERSIONS or not peer:
        return None
    local = _address(found.get(_IFA_LOCAL, peer))
    interface = IPv4Interface if family == socket.AF_INET else IPv6Interface
    return AddressNews(index, local, interface((peer, length)), not flags & _UNSURE)


def route(message: Message) -> Route | None:
    """The route in a message; None for a kind that is of no concern."""
    family, length, _, _, table, protocol, scope, kind, flags = _RTMSG.unpack_from(message.data, _HEADER.size)
    if family not in _VERSIONS or kind not in _KINDS:
        return None
    found = _attributes(message.data, _HEADER.size + _RTMSG.size)
    interface, gateway, flags = _hop(found, flags)
    source = found.get(_RTA_PREFSRC)
    return Route(
        _prefix(_VERSIONS[family], found.get(_RTA_DST), length),
        interface if _KINDS[kind] is Kind.UNICAST else 0,  # IPv6 has such routes on lo
        gateway,
        _number(found.get(_RTA_PRIORITY)),
        _address(source) if source else None,
        protocol,
        _number(found.get(_RTA_TABLE)) or table,
        scope,
        _KINDS[kind],
        _number(_attributes(found.get(_RTA_METRICS, b""), 0).get(_RTAX_MTU)),
        bool(flags & _ONLINK),
    )


def origin(message: Message) -> tuple[int, int]:
    """The protocol of a route of any kind, and its interface; 0: it has none, or several."""
    found = _attributes(message.data, _HEADER.size + _RTMSG.size, _RTA_OIF)
    return int(_RTMSG.unpack_from(message.data, _HEADER.size)[5]), _number(found.get(_RTA_OIF))


def expires(message: Message) -> bool:
    """Whether that way is one that was learnt, for a while."""
    info = _attributes(message.data, _HEADER.size + _RTMSG.size).get(_RTA_CACHEINFO)
    return bool(info and _CACHE_INFO.unpack_from(info)[2])


def _hop(found: dict[int, bytes], flags: int) -> tuple[int, Address | None, int]:
    """Interface (0: none), gateway and flags of a route; of several next hops always the first: a path that stays."""
    if _RTA_OIF not in found and (hops := found.get(_RTA_MULTIPATH)):
        length, flags, _, interface = _NEXT_HOP.unpack_from(hops)
        return interface, _gateway(_attributes(hops[:length], _NEXT_HOP.size)), flags
    return _number(found.get(_RTA_OIF)), _gateway(found), flags


def _gateway(found: dict[int, bytes]) -> Address | None:
    """Of the route's family, or of another in a struct rtvia."""
    via = found.get(_RTA_VIA)
    value = via[_U16.size :] if via and _U16.unpack_from(via)[0] in _VERSIONS else found.get(_RTA_GATEWAY)
    return _address(value) if value else None


def _number(value: bytes | None) -> int:
    return int(_U32.unpack(value)[0]) if value else 0


def _address(value: bytes) -> Address:
    return IPv4Address(value) if len(value) == 4 else IPv6Address(value)


def _prefix(version: int, value: bytes | None, length: int) -> Prefix:
    return IPv4Network((value or 0, length)) if version == 4 else IPv6Network((value or 0, length))


def rule(message: Message) -> Rule | None:
    """The rule in a message if it is of ours."""
    family, *_ = _RTMSG.unpack_from(message.data, _HEADER.size)
    protocol = _attributes(message.data, _HEADER.size + _RTMSG.size, _FRA_PROTOCOL).get(_FRA_PROTOCOL)
    if family not in _VERSIONS or protocol != bytes([PROTOCOL]):
        return None
    found = _fibmsg()(message.data)
    found.decode()
    mask, uids, suppress = map(found.get_attr, ("FRA_FWMASK", "FRA_UID_RANGE", "FRA_SUPPRESS_PREFIXLEN"))
    first, _, last = (uids or "").partition(":")
    ends = (("FRA_SRC", "src_len"), ("FRA_DST", "dst_len"))
    source, destination = (_end(found.get_attr(name), found[length]) for name, length in ends)
    return Rule(
        _VERSIONS[found["family"]],
        found.get_attr("FRA_PRIORITY") or 0,
        None if found["action"] == _UNREACHABLE else found.get_attr("FRA_TABLE"),
        source,
        destination,
        # Of a mark of 0 the kernel tells the mask alone.
        (found.get_attr("FRA_FWMARK") or 0, mask) if mask else None,
        (int(first), int(last)) if uids else None,
        suppress if suppress not in (None, _NONE, -1) else None,
    )


def _end(value: str | None, length: int) -> Prefix | None:
    """None: any. A rule of ours to everything says so, which the kernel does not keep."""
    return ip_network((value, length)) if value and length else None
