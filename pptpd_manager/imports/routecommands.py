"""`ip route` and `route` commands -> routes into a tunnel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from types import MappingProxyType

from .draft import NO_KEY, Draft, Place, Route, no_default, number, shown, word_set
from .shell import Command

REMOVES = "it removes a route"
_BEFORE = ("sudo", "exec", "command", "nohup")
_ADDING = ("add", "replace", "append", "prepend", "change", "chg", "a", "r")
# What a route into the tunnel goes by: its interface, or an address of one of its ends.
_OURS = ("$interface", "$local", "$remote")
# The words of `ip route add` that a value stands behind, and which of them change what the route does and have no key.
_VALUED = word_set("via dev metric preference pref table src scope proto protocol mtu advmss")
_LEFT = ("mtu", "advmss")
_TABLES: Mapping[str, int | None] = MappingProxyType({"main": None, "254": None})


@dataclass(frozen=True)
class Added:
    """What a command adds: a route; None: the default route. left: its words that no key is for."""

    route: Route | None
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Other:
    """A command about routes that does not add one into the tunnel, and what it is."""

    what: str


def read(command: Command) -> Added | Other | None:
    """What the command does to routes; None when it is about something else."""
    words = list(command.words)
    while words and (words[0] in _BEFORE or ("=" in words[0] and not words[0].startswith("-"))):
        words.pop(0)
    program = words[0].rpartition("/")[2] if words else ""
    if program == "ip":
        return _ip(words[1:])
    return _route(words[1:]) if program == "route" else None


def _ip(words: Sequence[str]) -> Added | Other | None:
    """ip(8)."""
    given, six = list(words), False
    while given and given[0].startswith("-"):
        option = given.pop(0)
        value = given.pop(0) if option in ("-f", "-family", "-n", "-netns") and given else ""
        six = six or option == "-6" or value == "inet6"
    if not given or not "route".startswith(given[0]):
        return None
    verb = given[1] if len(given) > 1 else "show"
    if verb not in _ADDING:
        return Other(REMOVES) if verb.startswith("d") else None
    return _of_ip(given[2:], six=six)


def _of_ip(words: Sequence[str], *, six: bool) -> Added | Other:
    """What stands behind `ip route add`."""
    target, values = "", dict[str, str]()
    following = iter(words)
    for word in following:
        if word in ("unicast", "to", "onlink"):
            continue
        if word in _VALUED:
            values[word] = next(following, "")
            if word == "via" and values[word] in ("inet", "inet6"):
                values[word] = next(following, "")
        elif not target:
            target = word
        else:
            return Other("its words are not understood")
    if not _through(values.get("dev", ""), values.get("via", "")):
        return Other("it does not lead into the tunnel")
    metric = values.get("metric", values.get("preference", values.get("pref")))
    table = values.get("table", "main")
    if table not in _TABLES and number(table) is None:
        return Other("its table has a name; routes here take its number")
    return _made(
        target,
        metric=number(metric) if metric else None,
        table=_TABLES.get(table, number(table)),
        source=None if values.get("src", "$local") == "$local" else values["src"],
        six=six,
        left=tuple(word for word in _LEFT if word in values),
    )


def _route(words: Sequence[str]) -> Added | Other | None:
    """route(8)."""
    six = "-6" in words or "inet6" in words
    given = [word for word in words if word not in ("-4", "-6", "-n", "-v")]
    if given[:2] and given[0] == "-A":
        given = given[2:]
    if not given or given[0] not in ("add", "del", "delete"):
        return None
    if given[0] != "add":
        return Other(REMOVES)
    target, mask, single, values = "", "", False, dict[str, str]()
    following = iter(given[1:])
    for word in following:
        if word in ("-net", "-host"):
            single = word == "-host"
        elif word in ("gw", "dev", "metric", "mss", "window", "irtt"):
            values[word] = next(following, "")
        elif word in ("netmask", "mask"):
            mask = next(following, "")
        elif not target:
            target = word
        elif word not in ("reject", "mod", "dyn", "reinstate"):
            values["dev"] = word
    if not _through(values.get("dev", ""), values.get("gw", "")):
        return Other("it does not lead into the tunnel")
    if mask and "/" not in target:
        target = f"{target}/{mask}"
    elif not single and "/" not in target and target != "default":
        target = _by_class(target)
    # The metric of route(8) is one less than the kernel's.
    metric = number(values["metric"]) if "metric" in values else None
    return _made(
        target, metric=metric, six=six, left=tuple(word for word in ("mss", "window", "irtt") if word in values)
    )


def _by_class(target: str) -> str:
    """A network without a mask, as route(8) guesses it: by its class, if nothing is set behind that."""
    if target == "0.0.0.0":
        return "default"
    try:
        octets = ip_address(target).packed
    except ValueError:
        return target
    length = 8 if octets[0] < 128 else 16 if octets[0] < 192 else 24
    return target if any(octets[length // 8 :]) else f"{target}/{length}"


def _through(device: str, gateway: str) -> bool:
    """Whether it goes into the tunnel: by its interface, or by an address of its ends."""
    if device:
        return device == "$interface" or device.rstrip("0123456789*") == "ppp"
    return gateway in _OURS


def _made(
    target: str, *, metric: int | None = None, table: int | None = None, source: str | None = None, six: bool = False,
    left: tuple[str, ...] = (),
) -> Added | Other:  # fmt: skip
    """The route to target. six: the command is about IPv6."""
    if target in ("default", "0/0", "0.0.0.0/0", "0.0.0.0/0.0.0.0", "::/0"):
        why = no_default(six=six or target == "::/0", table=table)
        return Other(why) if why else Added(None, left)
    try:
        prefix = ip_network(target, strict=False)
        if source is not None:
            source = str(ip_address(source))
    except ValueError:
        return Other("the prefix is not known")
    return Added(Route(shown(prefix), metric, table, source), left)


def give(draft: Draft, added: Added, place: Place) -> None:
    """Have the tunnel route that."""
    if added.left:
        draft.note(f"{', '.join(added.left)} of this route: {NO_KEY}", place)
    if added.route is None:
        draft.values["default-route"] = True
    else:
        draft.add("routes", added.route)
        if added.route.prefix.count(":"):
            draft.values.setdefault("ipv6", True)
            draft.note("IPv6 is carried for this route", place)
