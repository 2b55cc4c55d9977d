"""What the configuration says of routes and of the rules that lead to them: its values, and how they are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from types import MappingProxyType

from . import addresses
from .values import As, BadText, Choice, Either, Fields, Number, Part, Text, matching

Address = IPv4Address | IPv6Address
Prefix = IPv4Network | IPv6Network

# linux/rtnetlink.h, enum rt_class_t; rtnetlink(7)
MAIN_TABLE, LOCAL_TABLE = 254, 255
GUARD_TABLE = 172  # "pptp" in rt_tables.d; the number of routes.PROTOCOL
GUARD_METRIC = 4294967294  # worse than all that may be configured
RULE_PRIORITY = 17200  # of the rules of a tunnel, in the order of the file; before the main table's 32766
_MAX = 4294967295


class Scope(Enum):
    """How far away a destination is (rtnetlink(7)): on the link, or anywhere."""

    LINK = "link"
    GLOBAL = "global"


@dataclass(frozen=True, slots=True)
class RouteEntry:
    """One item of 'routes'. metric, table: None: the tunnel's own choice. source: a preferred local address."""

    prefix: Prefix
    metric: int | None = None
    table: int | None = None
    source: Address | None = None
    scope: Scope = Scope.LINK

    def __str__(self) -> str:
        words = (("metric", self.metric), ("table", self.table), ("src", self.source))
        return " ".join([str(self.prefix), *(f"{word} {value}" for word, value in words if value is not None)])


@dataclass(frozen=True)
class RuleEntry:
    """One item of 'rules': which packets look into the tunnel's table. ip-rule(8).

    source: None: any. fwmark: (mark, mask). uids: (first, last). priority: None: by the order of the file.
    """

    source: Prefix | None = None
    fwmark: tuple[int, int] | None = None
    uids: tuple[int, int] | None = None
    priority: int | None = None

    def __str__(self) -> str:
        mark = f"{self.fwmark[0]:#x}/{self.fwmark[1]:#x}" if self.fwmark else None
        uids = f"{self.uids[0]}-{self.uids[1]}" if self.uids else None
        words = (("from", self.source), ("fwmark", mark), ("uid-range", uids), ("priority", self.priority))
        return " ".join(f"{word} {value}" for word, value in words if value is not None)


def _table(text: str) -> int:
    """A routing table that may hold routes of a tunnel."""
    number = _number(text)
    if number is None or not 1 <= number <= _MAX:
        raise BadText(f"{text} is not a routing table; a number, 1..{_MAX}")
    if number == LOCAL_TABLE:
        raise BadText("255 is the kernel's table of local addresses; take another number")
    if number == GUARD_TABLE:
        raise BadText(f"{GUARD_TABLE} is the table of guarded tunnels; take another number")
    return number


def _fwmark(text: str) -> tuple[int, int]:
    mark_text, slash, mask_text = text.partition("/")
    mark, mask = _number(mark_text), _number(mask_text) if slash else _MAX
    if mark is None or mask is None or not 0 <= mark <= _MAX or not 0 < mask <= _MAX:
        raise BadText(f"{text} is not a mark such as 0x10 or 0x10/0xff")
    if mark & ~mask:
        raise BadText(f"{text}: the mark has bits that the mask does not, so no packet would ever have it")
    return mark, mask


def _uids(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{1,10})(?:-([0-9]{1,10}))?", text)
    if not found:
        raise BadText(f"{text} is not a user id or a range such as 1000-1999")
    first, last = int(found[1]), int(found[2] or found[1])
    if first > last or last >= _MAX:
        raise BadText(f"{text}: a range goes from the lower to the higher user id, 0..{_MAX - 1}")
    return first, last


def _number(text: str) -> int | None:
    """A number in decimal or in hexadecimal with 0x, as ip(8) reads it, but without octal."""
    if re.fullmatch(r"0|[1-9][0-9]{0,17}", text):
        return int(text)
    return int(text, 16) if re.fullmatch(r"0[xX][0-9a-fA-F]{1,16}", text) else None


def _entry(
    prefix: Prefix,
    metric: int | None = None,
    table: int | None = None,
    source: Address | None = None,
    scope: Scope = Scope.LINK,
) -> RouteEntry:
    if source is not None and source.version != prefix.version:
        raise BadText(f"the source {source} is not of the same family as {prefix}")
    return RouteEntry(prefix, metric, table, source, scope)


def _rule(
    source: Prefix | None = None,
    fwmark: tuple[int, int] | None = None,
    uid_range: tuple[int, int] | None = None,
    priority: int | None = None,
) -> RuleEntry:
    if source is None and fwmark is None and uid_range is None:
        raise BadText("would lead every packet; name 'from', 'fwmark' or 'uid-range', or use default-route: true")
    return RuleEntry(source, fwmark, uid_range, priority)


_HEX = "0[xX][0-9a-fA-F]{1,16}"
_NUMBER = f"(?:0|[1-9][0-9]{{0,9}}|{_HEX})"
TABLE: Text[int] = Text(
    f"a routing table, 1..{_MAX}",
    _table,
    numbers=True,
    schema={
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": _MAX, "not": {"enum": [GUARD_TABLE, LOCAL_TABLE]}},
            matching(f"(?!(?:{GUARD_TABLE}|{LOCAL_TABLE})$)[1-9][0-9]{{0,9}}|{_HEX}"),
        ]
    },
)
_PREFIX_SAYS = "a prefix such as 192.168.10.0/24"
_PREFIX: Text[Prefix] = Text(_PREFIX_SAYS, addresses.prefix, numbers=True, schema=matching(addresses.PREFIX))
_SOURCE: Text[Address] = Text("an address", addresses.address, numbers=True, schema=matching(addresses.ADDRESS))
_NO_GATEWAY = "makes no sense: a tunnel has one other end, so its routes need no gateway and no interface"
_REFUSED: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("gateway", "via", "nexthop", "dev", "device", "interface"), _NO_GATEWAY)
)
_ROUTE_IN_FULL = Fields(
    "a mapping with prefix, metric, table, source and scope",
    {
        "prefix": Part(_PREFIX, "what to reach; required", "10.20.0.0/16"),
        "metric": Part(
            Number(0, GUARD_METRIC - 1, ""),
            "of two routes to one prefix the one with the lower metric is used; without it the first tunnel in the "
            "file has the lower one",
            "20",
        ),
        "table": Part(TABLE, "the routing table of this route, if it is not the tunnel's", "100"),
        "source": Part(
            _SOURCE,
            "the local address that packets are to have by this route; the route waits until an interface has it",
            "10.9.0.2",
        ),
        "scope": Part(Choice(Scope), "how far away the destination is, see ip-route(8)", "link", "link"),
    },
    _entry,
    required=("prefix",),
    refused=_REFUSED,
)
_ROUTE_IN_SHORT: As[Prefix, RouteEntry] = As(_PREFIX, RouteEntry)
ROUTE: Either[RouteEntry] = Either(_ROUTE_IN_SHORT, _ROUTE_IN_FULL)
RULE: Fields[RuleEntry] = Fields(
    "a mapping with from, fwmark, uid-range and priority",
    {
        "from": Part(
            Text(_PREFIX_SAYS, addresses.selector, numbers=True, schema=matching(addresses.SELECTOR)),
            "packets with a source address in this prefix",
            "192.168.5.0/24",
        ),
        "fwmark": Part(
            Text(
                "a mark such as 0x10 or 0x10/0xff",
                _fwmark,
                numbers=True,
                schema={
                    "anyOf": [
                        {"type": "integer", "minimum": 0, "maximum": _MAX},
                        matching(f"{_NUMBER}(?:/{_NUMBER})?"),
                    ]
                },
            ),
            "packets with this mark of the firewall, of which the mask's bits count",
            "0x10/0xff",
        ),
        "uid-range": Part(
            Text(
                "a user id, or a range such as 1000-1999",
                _uids,
                numbers=True,
                schema={
                    "anyOf": [
                        {"type": "integer", "minimum": 0, "maximum": _MAX - 1},
                        matching("[0-9]{1,10}(?:-[0-9]{1,10})?"),
                    ]
                },
            ),
            "packets that these users' programs send",
            "1000-1999",
        ),
        "priority": Part(
            Number(1, 32765, ""),
            f"the place among the machine's rules, the lowest first; without it {RULE_PRIORITY} and up, in the order "
            "of the file",
            "100",
        ),
    },
    lambda **given: _rule(given.pop("from", None), **given),
    schema={"anyOf": [{"required": [name]} for name in ("from", "fwmark", "uid-range")]},
)
