"""Routes and rules as rtnetlink(7) messages and back. The only module that imports pyroute2.

Of pyroute2 it takes the message classes, which are the same from 0.7 to 0.9, and not IPRoute: in 0.7 that loses
events which arrive beside a request, and in 0.9 it is dead after an overrun.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.marshal import MarshalRtnl
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from pptpd_manager.routes import PROTOCOL, Kind, Route, Rule
from pptpd_manager.routing import MAIN_TABLE, Address, Prefix

# linux/rtnetlink.h, linux/netlink.h
NEWLINK, DELLINK, GETLINK, NEWADDR, DELADDR, GETADDR = 16, 17, 18, 20, 21, 22
NEWROUTE, DELROUTE, GETROUTE, NEWRULE, DELRULE, GETRULE = 24, 25, 26, 32, 33, 34
ERROR, DONE = 2, 3
REQUEST, ACK, DUMP, EXCLUSIVE, CREATE = 0x1, 0x4, 0x300, 0x200, 0x400
_COMPAT_TABLE, _FIB_MATCH, _ONLINK = 252, 0x2000, 0x4
_TO_TABLE, _UNREACHABLE = 1, 7  # linux/fib_rules.h
_NONE = 0xFFFFFFFF
# struct nlmsghdr, rtmsg, rtattr
_HEADER, _RTMSG, _ATTRIBUTE, _U32 = map(struct.Struct, ("=IHHII", "=BBBBBBBBI", "=HH", "=I"))
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_TABLE = 1, 4, 5, 6, 7, 15
_KINDS = {kind.value: kind for kind in Kind}
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def decoder() -> Callable[[bytes], Any]:
    """What turns received bytes into messages."""
    parse: Callable[[bytes], Any] = MarshalRtnl().parse
    return parse


def encode(message: Any, kind: int, flags: int, sequence: int) -> bytes:
    """A request's bytes."""
    header = message["header"]
    header["type"], header["flags"], header["sequence_number"] = kind, flags | REQUEST, sequence
    message.encode()
    return bytes(message.data)


def kinds(data: bytes) -> set[int]:
    """The types of the messages in received bytes, without the time that it takes to decode them. netlink(7)."""
    found, at = set(), 0
    while at + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, at)
        found.add(kind)
        at += max(length + 3 & ~3, _HEADER.size)
    return found


def code(message: Any) -> int:
    """The errno in an NLMSG_ERROR, 0 for an acknowledgement."""
    error = message["header"]["error"]
    return int(error.code) if error is not None else 0


# --- requests ---


def all_links() -> Any:
    """For a dump of the interfaces."""
    return ifinfmsg()


def all_addresses(version: int) -> Any:
    """For a dump of the addresses."""
    message = ifaddrmsg()
    message["family"] = FAMILIES[version]
    return message


def main_table(version: int) -> Any:
    """For a dump of the main table's unicast routes."""
    message = rtmsg()
    message["family"], message["table"], message["type"] = FAMILIES[version], MAIN_TABLE, Kind.UNICAST.value
    return message


def our_routes(version: int) -> Any:
    """For a dump of the routes of ours in all tables."""
    message = rtmsg()
    message["family"], message["proto"] = FAMILIES[version], PROTOCOL
    return message


def all_rules(version: int) -> Any:
    """For a dump of the rules; the kernel has no filter for ours."""
    message = fibmsg()
    message["family"] = FAMILIES[version]
    return message


def way_to(address: IPv4Address, *, exact: bool = True) -> Any:
    """For the route that the kernel takes. exact: as it is in the table, not with what was learnt since."""
    message = rtmsg()
    message["family"], message["dst_len"], message["flags"] = socket.AF_INET, 32, _FIB_MATCH if exact else 0
    message["attrs"] = [["RTA_DST", str(address)]]
    return message


def link_with_mtu(index: int, mtu: int) -> Any:
    """For an interface's MTU to be set."""
    message = ifinfmsg()
    message["index"], message["attrs"] = index, [["IFLA_MTU", mtu]]
    return message


def change(item: Route | Rule, kind: int, flags: int, sequence: int) -> bytes:
    """The bytes of a request to add or delete a route or rule.

    Routes are put together here, since packets wait for them: that takes a tenth of the time of pyroute2's encoder.
    """
    if isinstance(item, Rule):
        return encode(_rule_request(item), kind, flags, sequence)
    body = _route(item)
    return _HEADER.pack(_HEADER.size + len(body), kind, flags | REQUEST, sequence, 0) + body


def _route(route: Route) -> bytes:
    """struct rtmsg and its attributes. linux/rtnetlink.h."""
    prefix = route.prefix
    table = route.table if route.table < 256 else _COMPAT_TABLE
    kinds = (table, route.protocol, route.scope, route.kind.value)
    attributes = [(_RTA_DST, prefix.network_address.packed)] if prefix.prefixlen else []
    attributes += [(_RTA_TABLE, _U32.pack(route.table)), (_RTA_PRIORITY, _U32.pack(route.metric))]
    attributes += [(_RTA_OIF, _U32.pack(route.interface))] if route.interface else []
    attributes += [(_RTA_GATEWAY, route.gateway.packed)] if route.gateway else []
    attributes += [(_RTA_PREFSRC, route.source.packed)] if route.source else []
    flags = _ONLINK if route.onlink else 0
    message = _RTMSG.pack(FAMILIES[prefix.version], prefix.prefixlen, 0, 0, *kinds, flags)
    # Each value has 4 or 16 bytes, so all is aligned.
    return message + b"".join(
        _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value for kind, value in attributes
    )


def _rule_request(rule: Rule) -> Any:
    message = fibmsg()
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


# --- answers ---


def address(message: Any, name: str) -> IPv4Address | None:
    """An IPv4 address among the attributes."""
    value = message.get_attr(name)
    return IPv4Address(value) if value else None


def mtu(message: Any) -> int:
    """The metric "mtu" of a route, 0 without one."""
    metrics = message.get_attr("RTA_METRICS")
    return int(metrics.get_attr("RTAX_MTU") or 0) if metrics else 0


def onlink(message: Any) -> bool:
    """Whether its gateway is taken to be on the link, whatever the addresses say. linux/rtnetlink.h, RTNH_F_ONLINK."""
    return bool(message["flags"] & _ONLINK)


def expires(message: Any) -> bool:
    """Whether that way is one that was learnt, for a while."""
    return bool((message.get_attr("RTA_CACHEINFO") or {}).get("rta_expires"))


def hop(message: Any) -> tuple[int, IPv4Address | None]:
    """Interface (0: none) and gateway of a route; of several next hops always the first: a path that stays."""
    interface = message.get_attr("RTA_OIF")
    if interface is None and (hops := message.get_attr("RTA_MULTIPATH")):
        return int(hops[0].get("oif", 0)), _gateway(hops[0])
    return int(interface or 0), _gateway(message)


def _gateway(message: Any) -> IPv4Address | None:
    if not hasattr(message, "get_attr"):
        return None
    value = message.get_attr("RTA_GATEWAY")
    return IPv4Address(value) if value and ":" not in value else None  # none of ours, and only IPv4 leads to servers


def route(message: Any) -> Route | None:
    """The route in a message; None for a kind that is of no concern."""
    if message["family"] not in FAMILIES.values() or message["type"] not in _KINDS:
        return None
    version = 4 if message["family"] == socket.AF_INET else 6
    kind = _KINDS[message["type"]]
    interface, gateway = hop(message)
    attributes = {slot[0]: slot[1] for slot in message["attrs"]}  # get_attr() looks through all of them each time
    return Route(
        _prefix(version, attributes.get("RTA_DST"), message["dst_len"]),
        interface if kind is Kind.UNICAST else 0,  # IPv6 has such routes on lo
        gateway,
        attributes.get("RTA_PRIORITY") or 0,
        _address(attributes.get("RTA_PREFSRC")),
        message["proto"],
        attributes.get("RTA_TABLE") or message["table"],
        message["scope"],
        kind,
        mtu(message),
        onlink(message),
    )


def rule(message: Any) -> Rule | None:
    """The rule in a message if it is of ours."""
    if message["family"] not in FAMILIES.values() or message.get_attr("FRA_PROTOCOL") != PROTOCOL:
        return None
    version = 4 if message["family"] == socket.AF_INET else 6
    mask, uids, suppress = map(message.get_attr, ("FRA_FWMASK", "FRA_UID_RANGE", "FRA_SUPPRESS_PREFIXLEN"))
    first, _, last = (uids or "").partition(":")
    ends = (("FRA_SRC", "src_len"), ("FRA_DST", "dst_len"))
    source, destination = (_end(version, message.get_attr(name), message[length]) for name, length in ends)
    return Rule(
        version,
        message.get_attr("FRA_PRIORITY") or 0,
        None if message["action"] == _UNREACHABLE else message.get_attr("FRA_TABLE"),
        source,
        destination,
        (message.get_attr("FRA_FWMARK") or 0, mask)
        if mask
        else None,  # of a mark of 0 the kernel tells the mask alone
        (int(first), int(last)) if uids else None,
        suppress if suppress not in (None, _NONE, -1) else None,
    )


def _address(value: str | None) -> Address | None:
    return ip_address(value) if value else None


def _prefix(version: int, value: str | None, length: int) -> Prefix:
    return ip_network((value or ("0.0.0.0" if version == 4 else "::"), length))


def _end(version: int, value: str | None, length: int) -> Prefix | None:
    """None: any. A rule of ours to everything says so, which the kernel does not keep."""
    return _prefix(version, value, length) if length else None
