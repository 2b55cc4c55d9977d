"""The kernel's links, addresses and IPv4 routes over rtnetlink(7). The only module that imports pyroute2.

Of pyroute2 it takes the message classes, which are the same from 0.7 to 0.9, and not IPRoute: in 0.7 that loses
events which arrive beside a request, and in 0.9 it is dead after an overrun. A request is answered within the sendmsg
call that carries it, so asking never blocks.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from gi.repository import GLib
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.marshal import MarshalRtnl
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from pptpd_manager.config import INTERFACE_PREFIX
from pptpd_manager.guard import guarded
from pptpd_manager.routes import PROTOCOL, Link, Path, Route

RECEIVE_BUFFER = 1 << 20
_SO_RCVBUFFORCE = 33
_SOL_NETLINK, _NETLINK_GET_STRICT_CHK = 270, 12
# linux/rtnetlink.h, linux/netlink.h, linux/if.h
_RTMGRP_LINK, _RTMGRP_IPV4_IFADDR, _RTMGRP_IPV4_ROUTE = 0x1, 0x10, 0x40
_NEWLINK, _DELLINK, _GETLINK, _NEWADDR, _DELADDR, _GETADDR = 16, 17, 18, 20, 21, 22
_NEWROUTE, _DELROUTE, _GETROUTE = 24, 25, 26
_ERROR, _DONE = 2, 3
_REQUEST, _ACK, _DUMP, _CREATE = 0x1, 0x4, 0x300, 0x400
_IFF_UP, _IFF_LOOPBACK, _IFF_RUNNING = 0x1, 0x8, 0x40
_MAIN_TABLE, _UNICAST, _SCOPE_LINK, _SCOPE_UNIVERSE, _FIB_MATCH = 254, 1, 253, 0, 0x2000


@dataclass
class _Interface:
    name: str
    flags: int
    mtu: int
    addresses: dict[IPv4Address, IPv4Interface] = field(default_factory=dict)  # local -> peer, with its prefix


class Netlink:
    """What the kernel says, and what it is told. on_links, on_routes: called once after each burst of changes."""

    def __init__(self, on_links: Callable[[], None], on_routes: Callable[[], None]) -> None:
        """Subscribe first, then read everything, so that nothing falls between. Raises OSError."""
        self._on_links, self._on_routes = on_links, on_routes
        self._interfaces: dict[int, _Interface] = {}
        self._decode = MarshalRtnl().parse
        self._sequence = 0
        self._requests = _socket(0)
        self._requests.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
        self._events = _socket(_RTMGRP_LINK | _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV4_ROUTE)
        self._watch = GLib.io_add_watch(
            self._events.fileno(),
            GLib.PRIORITY_DEFAULT,
            GLib.IOCondition.IN | GLib.IOCondition.ERR,
            guarded(self._readable),
        )
        self._read_all()

    def close(self) -> None:
        """Stop listening."""
        GLib.source_remove(self._watch)
        self._events.close()
        self._requests.close()

    # --- what there is ---

    def links(self) -> dict[str, Link]:
        """The tunnels' interfaces, by name."""
        found = {}
        for index, interface in self._interfaces.items():
            if interface.name.startswith(INTERFACE_PREFIX):
                local, peer = next(iter(interface.addresses.items()), (None, None))
                up = bool(interface.flags & _IFF_UP)
                found[interface.name] = Link(
                    index, interface.name, up, interface.mtu, local, peer.ip if peer else None
                )
        return found

    @property
    def online(self) -> bool:
        """Whether some interface but lo and the tunnels is up with an IPv4 address: pptp needs one to dial.

        Source: getaddrinfo(3), AI_ADDRCONFIG.
        """
        return any(
            interface.addresses
            and interface.flags & _IFF_UP
            and not interface.flags & _IFF_LOOPBACK
            and not interface.name.startswith(INTERFACE_PREFIX)
            for interface in self._interfaces.values()
        )

    def tunnel_indexes(self) -> frozenset[int]:
        """The indexes of the tunnels' interfaces."""
        return frozenset(
            index for index, interface in self._interfaces.items() if interface.name.startswith(INTERFACE_PREFIX)
        )

    def table(self) -> list[Route]:
        """The unicast routes of the main table. Raises OSError."""
        request = rtmsg()
        request["family"], request["table"], request["type"] = socket.AF_INET, _MAIN_TABLE, _UNICAST
        return [route for message in self._ask(request, _GETROUTE, _DUMP) if (route := _route(message))]

    def path(self, address: IPv4Address) -> tuple[Path | None, bool]:
        """How the kernel sends packets to address, by all of its rules; and whether a route of ours decides that.

        (None, False): it has no way, or sends them to itself.
        """
        request = rtmsg()
        request["family"], request["dst_len"], request["flags"] = socket.AF_INET, 32, _FIB_MATCH
        request["attrs"] = [["RTA_DST", str(address)]]
        try:
            (message,) = self._ask(request, _GETROUTE, 0)
        except OSError:  # ENETUNREACH, EHOSTUNREACH (unreachable), EACCES (prohibit), EINVAL (blackhole)
            return None, False
        interface, gateway = message.get_attr("RTA_OIF"), _address(message, "RTA_GATEWAY")
        if interface is None and (hops := message.get_attr("RTA_MULTIPATH")):  # always the first: a path that stays
            interface, gateway = hops[0]["oif"], _address(hops[0], "RTA_GATEWAY")
        if message["type"] != _UNICAST or interface is None:
            return None, False
        ours = message["proto"] == PROTOCOL or interface in self.tunnel_indexes()
        return self.located(Path(interface, gateway, _address(message, "RTA_PREFSRC"), mtu=_mtu(message))), ours

    def located(self, path: Path) -> Path:
        """The path with the address that packets leave with.

        The kernel takes the first address of the interface in whose network the gateway is, else the first one
        (fib_info_update_nhc_saddr and inet_select_addr in the kernel's net/ipv4).
        """
        known = self._interfaces.get(path.interface)
        addresses = known.addresses if known else {}
        near = [local for local, peer in addresses.items() if path.gateway and path.gateway in peer.network]
        return replace(path, local=path.source or next(iter([*near, *addresses]), None))

    def measured(self, path: Path, address: IPv4Address) -> Path:
        """The path with the largest packet that goes to address in one piece: by the interface, its route and ICMP."""
        known = self._interfaces.get(path.interface)
        limits = (known.mtu if known else 0, path.mtu, self.learnt(path, address))
        return replace(path, mtu=min((limit for limit in limits if limit), default=0))

    def learnt(self, path: Path, address: IPv4Address) -> int:
        """What a router further on said that it takes (ICMP, fragmentation needed); 0: none did in ten minutes.

        Source: ip_rt_update_pmtu in the kernel's net/ipv4/route.c; such an entry is one that expires (rt_fill_info).
        """
        request = rtmsg()
        request["family"], request["dst_len"] = socket.AF_INET, 32
        request["attrs"] = [["RTA_DST", str(address)]]
        try:
            (message,) = self._ask(request, _GETROUTE, 0)
        except OSError:
            return 0
        cached = message.get_attr("RTA_CACHEINFO") or {}
        return _mtu(message) if message.get_attr("RTA_OIF") == path.interface and cached.get("rta_expires") else 0

    def running(self, index: int) -> bool:
        """Whether the interface is up and has its carrier; a driver that cannot tell has it. Source: netdevice(7)."""
        known = self._interfaces.get(index)
        return bool(known and known.flags & _IFF_UP and known.flags & _IFF_RUNNING)

    # --- what it is told ---

    def apply(self, add: list[Route], remove: list[Route]) -> list[tuple[Route, str]]:
        """Add and remove routes in one batch, in that order. Returns the ones refused, with the kernel's word.

        A route is put before one of somebody else's with the same prefix and metric, which stays and counts again
        when ours goes (`ip route prepend`). What is there already, or gone already, is well.
        """
        orders = [(route, _NEWROUTE, _CREATE, errno.EEXIST) for route in add]
        orders += [(route, _DELROUTE, 0, errno.ESRCH) for route in remove]
        first = self._sequence + 1
        batch = b"".join(self._encode(_request(route, kind), kind, flags | _ACK) for route, kind, flags, _ in orders)
        if not batch:
            return []
        self._requests.send(batch)
        refused = []
        for message in self._replies(len(orders)):
            route, _kind, _flags, harmless = orders[message["header"]["sequence_number"] - first]
            code = _code(message)
            if code not in (0, harmless):
                refused.append((route, os.strerror(code)))
        return refused

    def set_mtu(self, index: int, mtu: int) -> None:
        """Give the interface that MTU. Raises OSError."""
        request = ifinfmsg()
        request["index"], request["attrs"] = index, [["IFLA_MTU", mtu]]
        self._ask(request, _NEWLINK, _ACK)

    # --- netlink itself ---

    def _encode(self, message: Any, kind: int, flags: int) -> bytes:
        self._sequence += 1
        message["header"]["type"], message["header"]["flags"] = kind, flags | _REQUEST
        message["header"]["sequence_number"] = self._sequence
        message.encode()
        return bytes(message.data)

    def _ask(self, message: Any, kind: int, flags: int) -> list[Any]:
        """The answers to one request. Raises OSError with the kernel's errno."""
        self._requests.send(self._encode(message, kind, flags))
        answers = []
        for answer in self._replies(0 if flags & _DUMP else 1):
            if answer["header"]["type"] == _ERROR and (code := _code(answer)):
                raise OSError(code, os.strerror(code))
            answers.append(answer)
        return answers

    def _replies(self, count: int) -> Iterator[Any]:
        """That many messages of the request socket; with 0, those of a dump until its end."""
        seen = 0
        while seen < count or not count:
            for message in self._decode(self._requests.recv(1 << 20)):
                if message["header"]["sequence_number"] > self._sequence:
                    continue
                if message["header"]["type"] == _DONE:
                    return
                seen += 1
                yield message
                if not count and message["header"]["type"] == _ERROR:
                    return

    def _read_all(self) -> None:
        self._interfaces.clear()
        for message in self._ask(ifinfmsg(), _GETLINK, _DUMP):
            self._take(message)
        addresses = ifaddrmsg()
        addresses["family"] = socket.AF_INET
        for message in self._ask(addresses, _GETADDR, _DUMP):
            self._take(message)

    def _readable(self, _fd: int, _condition: GLib.IOCondition) -> bool:
        links = routes = False
        while True:
            try:
                data = self._events.recv(1 << 16)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                # The kernel dropped messages; the socket itself stays good. What is still in it is older than what a
                # dump will say: it must not be taken for news after that.
                while self._dropped():
                    pass
                self._read_all()
                links = routes = True
                continue
            for message in self._decode(data):
                if message["header"]["type"] in (_NEWROUTE, _DELROUTE):
                    routes = True
                else:
                    links = self._take(message) or links
        if links:
            self._on_links()
        if routes or links:
            self._on_routes()
        return bool(GLib.SOURCE_CONTINUE)

    def _dropped(self) -> bool:
        """Read a message of the events' socket and forget it; whether there was one."""
        try:
            return bool(self._events.recv(1 << 16))
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            return True  # again

    def _take(self, message: Any) -> bool:
        """Note a link or an address; whether that was one."""
        kind, index = message["header"]["type"], dict(message).get("index", 0)
        if kind in (_NEWLINK, _DELLINK):
            if message["family"] != socket.AF_UNSPEC:
                return False
            if kind == _DELLINK:
                self._interfaces.pop(index, None)
                return True
            known = self._interfaces.get(index)
            self._interfaces[index] = _Interface(
                message.get_attr("IFLA_IFNAME"),
                message["flags"],
                message.get_attr("IFLA_MTU") or 0,
                known.addresses if known else {},
            )
            return True
        if kind not in (_NEWADDR, _DELADDR) or index not in self._interfaces or message["family"] != socket.AF_INET:
            return False
        peer = _address(message, "IFA_ADDRESS")
        local = _address(message, "IFA_LOCAL") or peer
        if local and peer and kind == _NEWADDR:
            self._interfaces[index].addresses[local] = IPv4Interface((peer, message["prefixlen"]))
        elif local:
            self._interfaces[index].addresses.pop(local, None)
        return True


def _socket(groups: int) -> socket.socket:
    made = socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
    )
    try:
        made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:  # without CAP_NET_ADMIN the kernel's default has to do
        pass
    made.bind((0, groups))
    return made


def _code(message: Any) -> int:
    """The errno in an NLMSG_ERROR, 0 for an acknowledgement."""
    error = message["header"]["error"]
    return int(error.code) if error is not None else 0


def _address(message: Any, name: str) -> IPv4Address | None:
    value = message.get_attr(name)
    return IPv4Address(value) if value else None


def _mtu(message: Any) -> int:
    """The metric "mtu" of a route, 0 without one."""
    metrics = message.get_attr("RTA_METRICS")
    return int(metrics.get_attr("RTAX_MTU") or 0) if metrics else 0


def _route(message: Any) -> Route | None:
    if message["table"] != _MAIN_TABLE or message["type"] != _UNICAST:
        return None
    prefix = IPv4Network((message.get_attr("RTA_DST") or "0.0.0.0", message["dst_len"]))
    interface = message.get_attr("RTA_OIF")
    if interface is None:  # several next hops: nothing that we make, and the first one is as good as any to lead out
        hops = message.get_attr("RTA_MULTIPATH") or [{}]
        interface = hops[0].get("oif", 0)
    return Route(
        prefix,
        interface,
        _address(message, "RTA_GATEWAY"),
        message.get_attr("RTA_PRIORITY") or 0,
        _address(message, "RTA_PREFSRC"),
        message["proto"],
        _mtu(message),
    )


def _request(route: Route, kind: int) -> Any:
    """route as RTM_NEWROUTE and RTM_DELROUTE want it."""
    message = rtmsg()
    message["family"], message["dst_len"] = socket.AF_INET, route.prefix.prefixlen
    message["table"], message["proto"], message["type"] = _MAIN_TABLE, route.protocol, _UNICAST
    message["scope"] = _SCOPE_UNIVERSE if route.gateway else _SCOPE_LINK
    attributes: list[list[object]] = [["RTA_DST", str(route.prefix.network_address)]] if route.prefix.prefixlen else []
    attributes += [["RTA_OIF", route.interface], ["RTA_PRIORITY", route.metric]]
    attributes += [["RTA_GATEWAY", str(route.gateway)]] if route.gateway else []
    attributes += [["RTA_PREFSRC", str(route.source)]] if route.source else []
    message["attrs"] = attributes
    return message
