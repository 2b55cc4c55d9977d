"""OpenWrt's /etc/config/network, interfaces of the protocol pptp -> drafts of tunnels."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

from .draft import NO_KEY, Draft, Files, Place, number, visible, word_set
from .pppoptions import split
from .reading import Reading

FILE = "/etc/config/network"
OPTIONS = "/etc/ppp/options.pptp"  # which its pptp.sh names to pppd; `mppe required` is in it
_WORD = re.compile(r"""(?:[^\s'"\\#]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+""", re.DOTALL)
_PART = re.compile(r"""\\(.)|'([^']*)'|"((?:[^"\\]|\\.)*)"|([^'"\\]+)""", re.DOTALL)
_TAKEN = word_set(
    "proto server username password keepalive defaultroute peerdns dns dns_search metric mtu ipv6 pppd_options "
    "disabled auto ip4table ifname device demand"
)
_WHY = {
    "interface": "the way to the server is the machine's own; there is no key for it",
    "connect": "a script: use the key 'hooks'",
    "disconnect": "a script: use the key 'hooks'",
    "keepalive_adaptive": "the manager relies on regular echo requests",
    "delegate": NO_KEY,
    "force_link": NO_KEY,
    "host_uniq": NO_KEY,
    "ip6table": "IPv6 routes are in the table of the tunnel",
    "persist": "use the key 'persist'",
    "maxfail": "the manager dials again by itself; use the key 'persist'",
    "holdoff": "the manager dials again by itself; how soon depends on the reason",
    "defaultroutemetric": "the default route has the manager's metric",
    "dns_metric": NO_KEY,
    "peer_dns": "use the key 'dns'",
    "zone": "the firewall of this machine has no zones of OpenWrt's",
}


_ROUTE_OPTIONS = word_set("interface target netmask gateway metric table source type disabled")
_KEY = r"[a-z0-9_]{1,40}"


@dataclass
class Section:
    """`config KIND 'NAME'` with its options; of an option that is given twice the last value counts."""

    kind: str
    name: str
    line: int
    options: dict[str, str] = field(default_factory=dict, repr=False)
    lists: dict[str, list[str]] = field(default_factory=dict, repr=False)
    lines: dict[str, int] = field(default_factory=dict)

    def get(self, key: str, default: str = "") -> str:
        """The value of an option."""
        return self.options.get(key, default)

    def items(self, key: str) -> list[str]:
        """The values of a list, or the words of an option."""
        return self.lists.get(key) or self.get(key).split()

    def flag(self, key: str, default: bool) -> bool:
        """The value of a flag."""
        value = self.get(key)
        return value in ("1", "true", "on", "yes", "enabled") if value else default


def sections(text: str) -> tuple[list[Section], list[int]]:
    """The sections of a file, and the lines that are not understood."""
    found: list[Section] = []
    unread = []
    for count, line in enumerate(text.split("\n"), 1):
        match _words(line):
            case []:
                continue
            case ["config", kind]:
                found.append(Section(kind, "", count))
            case ["config", kind, name]:
                found.append(Section(kind, name, count))
            case ["option", key, value] if found:
                found[-1].options[key] = value
                found[-1].lines[key] = count
            case ["list", key, value] if found:
                found[-1].lists.setdefault(key, []).append(value)
                found[-1].lines[key] = count
            case ["package", _]:
                continue
            case _:
                unread.append(count)
    return found, unread


def _words(line: str) -> list[str]:
    """The words of a line, as the uci program reads them; behind # is comment."""
    found = []
    at = 0
    while at < len(line):
        if match := _WORD.match(line, at):
            found.append(_unquoted(match[0]))
        elif line[at] == "#":
            break
        elif not line[at].isspace():
            return ["an open quote", *found]
        at = match.end() if match else at + 1
    return found


def _unquoted(word: str) -> str:
    return "".join(
        match[1] or match[2] or re.sub(r"\\(.)", r"\1", match[3] or "") or match[4] or ""
        for match in _PART.finditer(word)
    )


def all_of(files: Files) -> list[str]:
    """The path of the file."""
    return [FILE]


def drafts(files: Files, paths: Sequence[str]) -> tuple[list[Draft], list[str]]:
    """The tunnels in the files at these paths, and notes."""
    found, notes = [], []
    for path in paths:
        content = files.read(path)
        parsed, unread = sections((content or b"").decode(errors="surrogateescape"))
        here = [_draft(section, parsed, files, path) for section in parsed if _is_tunnel(section)]
        notes += [f"{Place(path, line)}: not understood" for line in unread] if here else []
        found += here
    return found, notes


def _is_tunnel(section: Section) -> bool:
    return section.kind == "interface" and section.get("proto") == "pptp"


def _draft(section: Section, others: Sequence[Section], files: Files, path: str) -> Draft:
    name = section.name or "pptp"
    word = shlex.quote(visible(name))
    draft = Draft(name, f"{Place(path, section.line)}, the interface {name}")
    draft.ends = [f"# on the router: ifdown {word}; uci set network.{word}.disabled=1; uci commit network"]
    _options(section, draft, files, path)
    if server := section.items("server"):
        draft.values["server"] = tuple(dict.fromkeys(server))
    if section.get("username"):
        draft.login(section.get("username"))
    if section.get("password"):
        draft.password(section.get("password"), Place(path, section.lines["password"]))
    elif "password" not in draft.values:
        draft.values["ask-password"] = True
        draft.note("there is no password in it")
    _link(section, draft, path)
    if not section.flag("auto", True) or section.flag("disabled", False):
        draft.note("it was not connected at boot; no tunnel is before pptpctl enable")
    for key in (*section.options, *section.lists):
        if key not in _TAKEN:
            why = _WHY.get(key, NO_KEY)
            named = f"{key}: {why}" if re.fullmatch(_KEY, key) else "not understood"
            draft.note(named, Place(path, section.lines[key]))
    _routes(section, others, draft, path)
    return draft


def _options(section: Section, draft: Draft, files: Files, path: str) -> None:
    """What pppd was told: the file of all PPTP interfaces, and the interface's own options."""
    reading = Reading(draft, files)
    # Another system's file of that name says nothing of it: Debian's pptp-linux has one, without MPPE.
    there = any(option.name == "mppe" for option in split(files.read(OPTIONS) or b"", OPTIONS))
    if there:
        reading.file(OPTIONS)
    if section.get("pppd_options"):
        text = section.get("pppd_options").encode(errors="surrogateescape")
        reading.all(split(text, path, line=section.lines["pppd_options"]))
    if there or reading.mppe:
        reading.finish()
    else:
        draft.encryption(required=True, strict=True, refused=reading.refused)
        draft.note(f"the encryption is that of OpenWrt's {OPTIONS}, which is not here: 128 bits required")
    if reading.password:
        draft.password(*reading.password)


def _link(section: Section, draft: Draft, path: str) -> None:
    if keepalive := re.split(r"[,\s]+", section.get("keepalive").strip()):
        failure = number(keepalive[0])
        interval = number(keepalive[-1]) if len(keepalive) > 1 else 5 if failure else None
        if failure and interval:
            draft.values |= {"lcp-echo-failure": failure, "lcp-echo-interval": interval}
        elif section.get("keepalive"):
            draft.note(
                "keepalive: echo requests cannot be turned off; the default holds", _at(section, "keepalive", path)
            )
    if mtu := number(section.get("mtu")):
        draft.values["mtu"] = mtu
        draft.values["mru"] = mtu
    if section.get("ipv6") in ("1", "auto"):
        draft.values["ipv6"] = True
    if (number(section.get("demand")) or 0) > 0:
        draft.note(
            "demand: a tunnel is dialled when it is told to, not by the first packet", _at(section, "demand", path)
        )
    if section.flag("defaultroute", True):
        draft.values["default-route"] = True
        if section.get("metric") not in ("", "0"):
            draft.note("metric: the default route has the manager's metric", _at(section, "metric", path))
    else:
        draft.values.pop("default-route", None)
    if table := number(section.get("ip4table")):
        draft.values["table"] = table
    elif section.get("ip4table"):
        draft.note("ip4table: a table is given by its number here", _at(section, "ip4table", path))
    _dns(section, draft)


def _at(section: Section, key: str, path: str) -> Place:
    return Place(path, section.lines[key])


def _dns(section: Section, draft: Draft) -> None:
    servers = [*(["peer"] if section.flag("peerdns", True) else []), *section.items("dns")]
    if not servers:
        draft.values.pop("dns", None)
        return
    full: dict[str, object] = {"servers": tuple(dict.fromkeys(servers))} if servers != ["peer"] else {}
    if search := section.items("dns_search"):
        full["search"] = tuple(dict.fromkeys(search))
    draft.values["dns"] = full or True  # type: ignore[assignment]


def _routes(section: Section, others: Sequence[Section], draft: Draft, path: str) -> None:
    """The sections `config route` of that interface, and the rules that lead into its table."""
    for other in others:
        place = Place(path, other.line)
        if other.kind in ("route", "route6") and other.get("interface") == section.name and section.name:
            if other.flag("disabled", False):
                continue
            _route(other, draft, place)
        elif other.kind == "rule" and "table" in draft.values and other.get("lookup") == str(draft.values["table"]):
            draft.note("a rule leads into its table; write it as an item of 'rules'", place)


def _route(section: Section, draft: Draft, place: Place) -> None:
    target, mask = section.get("target"), section.get("netmask")
    if section.get("type", "unicast") != "unicast":
        draft.note("a route of this type leads nowhere; a tunnel has none such", place)
        return
    try:
        prefix = ip_network(f"{target}/{mask}" if mask and "/" not in target else target, strict=False)
    except ValueError:
        draft.note("this route is not understood", place)
        return
    draft.route(
        prefix,
        place,
        metric=number(section.get("metric")),
        table=number(section.get("table")),
        source=section.get("source") or None,
        left=[key for key in section.options if key not in _ROUTE_OPTIONS and re.fullmatch(_KEY, key)],
    )
