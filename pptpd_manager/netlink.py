"""The kernel's links, addresses, routes and rules over rtnetlink(7).

A request is answered within the sendmsg call that carries it, so asking never blocks.
"""

from __future__ import annotations

import errno
import gc
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Address

from gi.repository import GLib

from pptpd_manager import rtnetlink
from pptpd_manager.callback import guarded
from pptpd_manager.config import INTERFACE_PREFIX
from pptpd_manager.routes import PROTOCOL, Kind, Link, Path, Route, Rule
from pptpd_manager.routing import Address
from pptpd_manager.rtnetlink import AddressNews, LinkNews, Message

RECEIVE_BUFFER = 1 << 20
_LARGEST = 1 << 16  # in bytes; the kernel puts at most 32 KiB into one answer of a dump (net/netlink/af_netlink.c)
BATCH = 200  # requests in one message: more may not fit into the socket's buffers, theirs or the answers'
_SO_RCVBUFFORCE = 33
_SOL_NETLINK, _NETLINK_GET_STRICT_CHK = 270, 12
# linux/rtnetlink.h, enum rtnetlink_groups: LINK, and IFADDR, ROUTE and RULE of IPv4 and of IPv6
_GROUPS = sum(1 << (group - 1) for group in (1, 5, 7, 8, 9, 11, 19))
_ROUTES, _RULES = (rtnetlink.NEWROUTE, rtnetlink.DELROUTE), (rtnetlink.NEWRULE, rtnetlink.DELRULE)
_NOT_THERE = (errno.EAFNOSUPPORT, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT)  # a kernel without IPv6 or without rules
# linux/if.h
_IFF_UP, _IFF_LOOPBACK, _IFF_RUNNING = 0x1, 0x8, 0x40


@dataclass(slots=True)
class _Interface:
    """What is known of an interface."""

    name: str
    flags: int
    mtu: int
    addresses: dict[IPv4Address, IPv4Interface] = field(default_factory=dict)  # local -> peer, with its prefix
    six: set[Address] = field(default_factory=set)  # IPv6 addresses


@dataclass
class _News:
    """What a burst of changes is of. beyond: links, addresses, routes or rules that may change a way to a server."""

    links: bool = False
    routes: bool = False
    beyond: bool = False


class Netlink:
    """What the kernel says, and what it is told. Both are called once after each burst of changes of others.

    on_links: links or addresses; on_routes: any of what there is. Its argument tells whether that is also of more than
    the tunnels' own links and routes, which are in no way to a server.
    """

    def __init__(self, on_links: Callable[[], None], on_routes: Callable[[bool], None]) -> None:
        """Subscribe first, then read everything, so that nothing falls between. Raises OSError."""
        self._on_links, self._on_routes = on_links, on_routes
        self._interfaces: dict[int, _Interface] = {}
        self._tunnels: frozenset[int] | None = None  # their interfaces; None: to be looked for
        self._decoded: dict[bytes, dict[bytes, Route | None]] = {}  # by dump, as last read: most are the same again
        self.heard = 0  # how many bursts have been told of
        self._rules: list[Rule] | None = None  # ours, as last read; None: to be read
        self._sequence = 0
        self._requests = _socket(0)
        self._requests.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
        self._port = self._requests.getsockname()[0]
        self._events = _socket(_GROUPS)
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
                    index, interface.name, up, interface.mtu, local, peer.ip if peer else None, bool(interface.six)
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
        if self._tunnels is None:
            known = self._interfaces.items()
            self._tunnels = frozenset(index for index, one in known if one.name.startswith(INTERFACE_PREFIX))
        return self._tunnels

    def addresses(self) -> frozenset[Address]:
        """All addresses of this machine's interfaces."""
        known = self._interfaces.values()
        return frozenset(address for one in known for address in (*one.addresses, *one.six))

    def table(self, version: int = 4) -> list[Route]:
        """The unicast routes of the main table. Raises OSError."""
        return [route for route in self._routes(rtnetlink.main_table(version)) if route.kind is Kind.UNICAST]

    def ours(self) -> list[Route | Rule]:
        """The routes and rules of ours, in all tables. Raises OSError."""
        found: list[Route | Rule] = []
        for version in rtnetlink.FAMILIES:
            found += [route for route in self._routes(rtnetlink.our_routes(version)) if route.protocol == PROTOCOL]
        if self._rules is None:  # unlike of routes, the kernel tells of each one that goes
            dumps = [self._dump(rtnetlink.all_rules(version), rtnetlink.GETRULE) for version in rtnetlink.FAMILIES]
            self._rules = [rule for dump in dumps for message in dump if (rule := rtnetlink.rule(message))]
        return found + self._rules

    def _routes(self, dump: bytes) -> Iterator[Route]:
        """The routes of a dump. Those that were in the last one, too, are the same objects."""
        before, now = self._decoded.get(dump, {}), dict[bytes, Route | None]()
        for message in self._dump(dump, rtnetlink.GETROUTE):
            body = message.body
            now[body] = before[body] if body in before else rtnetlink.route(message)
        self._decoded[dump] = now
        return (route for route in now.values() if route)

    def path(self, address: IPv4Address) -> tuple[Path | None, bool]:
        """How the kernel sends packets to address, by all of its rules; and whether a route of ours decides that.

        (None, False): it has no way, or sends them to itself.
        """
        try:
            (message,) = self._ask(rtnetlink.way_to(address), rtnetlink.GETROUTE, 0)
        except OSError:  # ENETUNREACH, EHOSTUNREACH (unreachable), EACCES (prohibit), EINVAL (blackhole)
            return None, False
        route = rtnetlink.route(message)
        if route is None or route.kind is not Kind.UNICAST or not route.interface:
            return None, False
        ours = route.protocol == PROTOCOL or route.interface in self.tunnel_indexes()
        return self.located(Path.along(route)), ours

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
        try:
            (message,) = self._ask(rtnetlink.way_to(address, exact=False), rtnetlink.GETROUTE, 0)
        except OSError:
            return 0
        route = rtnetlink.route(message)
        same = route is not None and route.interface == path.interface
        return route.mtu if route and same and rtnetlink.expires(message) else 0

    def running(self, index: int) -> bool:
        """Whether the interface is up and has its carrier; a driver that cannot tell has it. Source: netdevice(7)."""
        known = self._interfaces.get(index)
        return bool(known and known.flags & _IFF_UP and known.flags & _IFF_RUNNING)

    # --- what it is told ---

    def apply(self, add: Sequence[Route | Rule], remove: Sequence[Route | Rule]) -> list[tuple[Route | Rule, int]]:
        """Add and remove routes and rules in one batch, in that order. Returns the ones refused, with the errno.

        A route is put before one of somebody else's with the same prefix and metric, which stays and counts again
        when ours goes (`ip route prepend`). What is there already, or gone already, is well; so is a rule or a bar for
        IPv6 where the kernel has none.
        """
        orders = [(item, _add_kind(item), errno.EEXIST) for item in add]
        orders += [(item, _delete_kind(item), _GONE[type(item)]) for item in remove]
        parts = [orders[at : at + BATCH] for at in range(0, len(orders), BATCH)]
        return [refused for part in parts for refused in self._order(part)]

    def _order(self, orders: list[_Order]) -> list[tuple[Route | Rule, int]]:
        """Have the kernel do that; what it refuses, with the errno."""
        first = self._sequence + 1
        self._sequence += len(orders)
        requests = (
            rtnetlink.request(rtnetlink.change(item), *kind, first + n) for n, (item, kind, _) in enumerate(orders)
        )
        self._requests.send(b"".join(requests))
        if any(isinstance(item, Rule) for item, _, _ in orders):
            self._rules = None
        refused = []
        for message in self._replies(len(orders)):
            item, _kind, harmless = orders[message.sequence - first]
            code = rtnetlink.code(message)
            if code not in (0, harmless) and not (code in _NOT_THERE and _is_six(item)):
                refused.append((item, code))
        return refused

    def set_mtu(self, index: int, mtu: int) -> None:
        """Give the interface that MTU. Raises OSError."""
        self._ask(rtnetlink.link_with_mtu(index, mtu), rtnetlink.NEWLINK, rtnetlink.ACK)

    # --- netlink itself ---

    def _dump(self, body: bytes, kind: int) -> list[Message]:
        """All that the kernel has of a kind; nothing where it knows of none."""
        try:
            return self._ask(body, kind, rtnetlink.DUMP)
        except OSError as error:
            if error.errno not in (*_NOT_THERE, errno.ENOENT):  # ENOENT: of a table without a route
                raise
            return []

    def _ask(self, body: bytes, kind: int, flags: int) -> list[Message]:
        """The answers to one request. Raises OSError with the kernel's errno."""
        self._sequence += 1
        self._requests.send(rtnetlink.request(body, kind, flags, self._sequence))
        answers = []
        for answer in self._replies(0 if flags & rtnetlink.DUMP else 1):
            if answer.kind == rtnetlink.ERROR and (code := rtnetlink.code(answer)):
                raise OSError(code, os.strerror(code))
            answers.append(answer)
        return answers

    def _replies(self, count: int) -> Iterator[Message]:
        """That many messages of the request socket; with 0, those of a dump until its end. Raises OSError."""
        first = self._sequence - max(count, 1) + 1
        seen = 0
        while seen < count or not count:
            for message in rtnetlink.messages(self._requests.recv(_LARGEST)):
                if message.sequence < first:
                    continue  # of a request whose answers were given up
                if message.kind == rtnetlink.DONE:
                    if (code := rtnetlink.code(message)) > 0:  # what came before is not all
                        raise OSError(code, os.strerror(code))
                    return
                seen += 1
                yield message
                if not count and message.kind == rtnetlink.ERROR:
                    return

    def _read_all(self) -> None:
        self._interfaces.clear()
        self._rules = self._tunnels = None
        for message in self._dump(rtnetlink.all_links(), rtnetlink.GETLINK):
            self._take(message)
        for version in rtnetlink.FAMILIES:
            for message in self._dump(rtnetlink.all_addresses(version), rtnetlink.GETADDR):
                self._take(message)

    def _readable(self, _fd: int, _condition: GLib.IOCondition) -> bool:
        gc.disable()  # looking for garbage may take longer than all that packets wait for
        try:
            news = self._read_events()
            self.heard += news.links or news.routes
            if news.links:
                self._on_links()
            if news.links or news.routes:
                self._on_routes(news.beyond)
        finally:
            gc.enable()
        return bool(GLib.SOURCE_CONTINUE)

    def _read_events(self) -> _News:
        """Take in what the kernel has told."""
        news = _News()
        while True:
            try:
                data = self._events.recv(_LARGEST)
            except BlockingIOError:
                return news
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                # The kernel dropped messages; the socket itself stays good. What is still in it is older than what a
                # dump will say: it must not be taken for news after that.
                while self._dropped():
                    pass
                self._read_all()
                news = _News(links=True, routes=True, beyond=True)
                continue
            for message in rtnetlink.messages(data):
                if message.kind in _ROUTES + _RULES:
                    self._note(message, news)
                else:
                    self._look_at(message, news)

    def _note(self, message: Message, news: _News) -> None:
        """Take notice of a route or a rule that came or went, unless we have asked for that ourselves."""
        if message.port == self._port:
            return
        news.routes = True
        if message.kind in _RULES:
            self._rules, news.beyond = None, True
        elif not news.beyond:
            protocol, interface = rtnetlink.origin(message)
            news.beyond = protocol != PROTOCOL and interface not in self.tunnel_indexes()

    def _look_at(self, message: Message, news: _News) -> None:
        """Take in a link or an address. An interface that is made is in no way before it is up, and may be pppd's."""
        index = rtnetlink.interface(message)
        mine, known = index in self.tunnel_indexes(), self._interfaces.get(index)
        if self._take(message):
            news.links = True
            now = self._interfaces.get(index)
            idle = all(one is None or not (one.flags & _IFF_UP or one.addresses) for one in (known, now))
            news.beyond = news.beyond or not (mine or idle or index in self.tunnel_indexes())

    def _dropped(self) -> bool:
        """Read a message of the events' socket and forget it; whether there was one."""
        try:
            return bool(self._events.recv(_LARGEST))
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            return True  # again

    def _take(self, message: Message) -> bool:
        """Note a link or an address; whether that was one, and another than is known."""
        if message.kind in (rtnetlink.NEWLINK, rtnetlink.DELLINK):
            link = rtnetlink.link(message)
            return link is not None and self._take_link(link, gone=message.kind == rtnetlink.DELLINK)
        if message.kind in (rtnetlink.NEWADDR, rtnetlink.DELADDR):
            address = rtnetlink.address(message)
            gone = message.kind == rtnetlink.DELADDR
            return address is not None and self._take_address(address, gone=gone or not address.usable)
        return False

    def _take_link(self, link: LinkNews, *, gone: bool) -> bool:
        known = self._interfaces.get(link.interface)
        if gone:
            self._interfaces.pop(link.interface, None)
        elif known and (known.name, known.flags, known.mtu) == (link.name, link.flags, link.mtu):
            return False  # the kernel counts, or a part of it is told something
        else:
            addresses, six = (known.addresses, known.six) if known else ({}, set())
            self._interfaces[link.interface] = _Interface(link.name, link.flags, link.mtu, addresses, six)
        if known is None or gone or known.name != link.name:
            self._tunnels = None
        return True

    def _take_address(self, address: AddressNews, *, gone: bool) -> bool:
        known = self._interfaces.get(address.interface)
        if known is None:
            return False
        before = dict(known.addresses), set(known.six)
        if isinstance(address.local, IPv6Address):
            (known.six.discard if gone else known.six.add)(address.local)
        elif gone:
            known.addresses.pop(address.local, None)
        elif isinstance(address.peer, IPv4Interface):
            known.addresses[address.local] = address.peer
        return before != (known.addresses, known.six)


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


_Order = tuple[Route | Rule, tuple[int, int], int]  # what, type and flags of the message, the errno that does no harm
_GONE = {Route: errno.ESRCH, Rule: errno.ENOENT}  # what the kernel says of one that is not there


def _add_kind(item: Route | Rule) -> tuple[int, int]:
    """Type and flags of the message. A rule would be there twice without EXCLUSIVE; a route would not be put first."""
    if isinstance(item, Rule):
        return rtnetlink.NEWRULE, rtnetlink.CREATE | rtnetlink.EXCLUSIVE | rtnetlink.ACK
    return rtnetlink.NEWROUTE, rtnetlink.CREATE | rtnetlink.ACK


def _delete_kind(item: Route | Rule) -> tuple[int, int]:
    return (rtnetlink.DELRULE if isinstance(item, Rule) else rtnetlink.DELROUTE), rtnetlink.ACK


def _is_six(item: Route | Rule) -> bool:
    return (item.version if isinstance(item, Rule) else item.prefix.version) == 6
