"""NetworkManager's keyfiles with a VPN of the type pptp -> drafts of tunnels. Source: nm-settings-keyfile(5)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from types import MappingProxyType

from .draft import METHODS, NO_KEY, Draft, Files, Place, number, visible, word_set

DIRECTORY = "/etc/NetworkManager/system-connections"
SERVICE = "org.freedesktop.NetworkManager.pptp"
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MEANT = {"s": " ", "n": "\n", "t": "\t", "r": "\r"}
# What our manager always does, or what says nothing of a tunnel.
_SILENT: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "connection": word_set("id uuid type autoconnect timestamp permissions autoconnect-priority"),
        "vpn": word_set(
            "service-type gateway user domain password-flags nobsdcomp nodeflate no-vj-comp mppe-stateful "
            "require-mppe require-mppe-40 require-mppe-128 refuse-eap refuse-pap refuse-chap refuse-mschap "
            "refuse-mschapv2 lcp-echo-interval lcp-echo-failure persistent user-name timeout"
        ),
        "ipv4": word_set(
            "method never-default dns dns-search ignore-auto-dns ignore-auto-routes route-metric route-table may-fail "
            "required-timeout"
        ),
        "ipv6": word_set("method addr-gen-mode ip6-privacy never-default may-fail dns-search ignore-auto-dns"),
        "vpn-secrets": frozenset(("password",)),
        "proxy": frozenset(),
    }
)
_FAMILIES = ("ipv4", "ipv6")
_ROUTE = re.compile(r"routes?\d*(?P<options>_options)?")
_ROUTE_OPTIONS = ("type", "table", "src", "")  # "": there are none
_KEY = r"[a-z0-9-]{1,40}"
_METHODS = {method.replace("-v", "v"): method for method in METHODS}


@dataclass(frozen=True)
class Line:
    """The value of a key, as it is behind its =."""

    value: str
    line: int


@dataclass
class Keyfile:
    """The groups of a keyfile; a key that is given twice has the last value. unread: lines that are none of these."""

    groups: dict[str, dict[str, Line]]
    unread: list[int]

    def get(self, group: str, key: str, default: str = "") -> str:
        """The value of a text."""
        line = self.groups.get(group, {}).get(key)
        return _ESCAPE.sub(lambda match: _MEANT.get(match[1], match[1]), line.value) if line else default

    def items(self, group: str, key: str) -> list[str]:
        """The items of a list."""
        return [item for item in self.get(group, key).split(";") if item]

    def flag(self, group: str, key: str) -> bool:
        """Whether it is set; VPN plugins write yes, NetworkManager true."""
        return self.get(group, key).lower() in ("true", "yes", "1")


def keyfile(text: str) -> Keyfile:
    """The text of a keyfile."""
    groups: dict[str, dict[str, Line]] = {}
    unread = []
    group: dict[str, Line] | None = None
    for count, line in enumerate(text.split("\n"), 1):
        plain = line.strip()
        name, equals, value = plain.partition("=")
        if not plain or plain.startswith("#"):
            continue
        if plain.startswith("[") and plain.endswith("]"):
            group = groups.setdefault(plain[1:-1], {})
        elif equals and group is not None:
            group[name.rstrip()] = Line(value.lstrip(), count)
        else:
            unread.append(count)
    return Keyfile(groups, unread)


def all_of(files: Files) -> list[str]:
    """The paths of all connections."""
    return [f"{DIRECTORY}/{name}" for name in files.names(DIRECTORY)]


def drafts(files: Files, paths: Sequence[str]) -> tuple[list[Draft], list[str]]:
    """The tunnels in the keyfiles at these paths, and notes."""
    found = []
    for path in paths:
        file = keyfile((files.read(path) or b"").decode(errors="surrogateescape"))
        if file.get("vpn", "service-type") == SERVICE:
            found.append(_draft(file, path))
    return found, []


def _draft(file: Keyfile, path: str) -> Draft:
    name = file.get("connection", "id") or path.rpartition("/")[2].removesuffix(".nmconnection")
    word = shlex.quote(visible(name))
    draft = Draft(name, path)
    draft.ends = [f"nmcli connection down {word}", f"nmcli connection modify {word} connection.autoconnect no"]
    _login(file, draft, path)
    _link(file, draft, path)
    _addresses(file, draft, path)
    for group, keys in file.groups.items():
        known = _SILENT.get(group)
        for key, line in keys.items():
            if known is not None and key not in known and not (group in _FAMILIES and _ROUTE.fullmatch(key)):
                # Behind what is no key there may be anything.
                said = f"[{group}] {key}: {NO_KEY}" if re.fullmatch(_KEY, key) else "not understood"
                draft.note(said, Place(path, line.line))
    for count in file.unread:
        draft.note("not understood", Place(path, count))
    return draft


def _login(file: Keyfile, draft: Draft, path: str) -> None:
    if gateway := [part for part in re.split(r"[\s,;]+", file.get("vpn", "gateway")) if part]:
        draft.values["server"] = tuple(dict.fromkeys(gateway))
    if user := file.get("vpn", "user") or file.get("vpn", "user-name"):
        draft.login(user)
    if domain := file.get("vpn", "domain"):
        draft.values["domain"] = domain
    password = file.groups.get("vpn-secrets", {}).get("password")
    flags = number(file.get("vpn", "password-flags", "0")) or 0
    if password and not flags & 2:
        draft.password(file.get("vpn-secrets", "password"), Place(path, password.line))
        return
    draft.values["ask-password"] = True
    if flags & 2:
        draft.note("NetworkManager asked for the password each time; so does this")
    else:
        draft.note(
            "the password is not in the file but in a user's keyring; it is asked for, unless you write it here"
        )


def _link(file: Keyfile, draft: Draft, path: str) -> None:
    """What was told to pppd."""
    vpn = file.groups.get("vpn", {})
    wanted = [name for name in ("require-mppe", "require-mppe-40", "require-mppe-128") if file.flag("vpn", name)]
    if file.flag("vpn", "mppe-stateful"):
        draft.add("pppd-options", "mppe-stateful")
    refused = [ours for theirs, ours in _METHODS.items() if file.flag("vpn", f"refuse-{theirs}")]
    draft.encryption(required=bool(wanted), strict="require-mppe-128" in wanted, refused=refused)
    for key in ("lcp-echo-interval", "lcp-echo-failure"):
        if (value := number(file.get("vpn", key))) is not None:
            draft.values[key] = value
        elif key in vpn:
            draft.note(f"{key} is not a number; the default holds", Place(path, vpn[key].line))
    if timeout := number(file.get("vpn", "timeout")):
        draft.values["connect-timeout"] = timeout
    permissions = file.items("connection", "permissions")
    if users := [name for item in permissions if (name := item.removeprefix("user:").strip(":"))]:
        draft.values["users"] = tuple(dict.fromkeys(users))


def _addresses(file: Keyfile, draft: Draft, path: str) -> None:
    """What was told to the kernel and to the resolver."""
    if not file.flag("ipv4", "never-default"):
        draft.values["default-route"] = True
    for family in _FAMILIES:
        for key, line in file.groups.get(family, {}).items():
            if (match := _ROUTE.fullmatch(key)) and not match["options"]:
                _route(file, family, key, draft, Place(path, line.line))
    table = number(file.get("ipv4", "route-table"))
    if table:
        draft.values["table"] = table
    _dns(file, draft)


def _route(file: Keyfile, family: str, key: str, draft: Draft, place: Place) -> None:
    """Take `route1=PREFIX[,GATEWAY[,METRIC]]` with its route1_options."""
    parts = [part.strip() for part in file.get(family, key).rstrip(";").split(",")]
    options = dict(item.partition("=")[::2] for item in file.get(family, f"{key}_options").split(","))
    try:
        prefix = ip_network(parts[0], strict=False)
    except ValueError:
        draft.note("this route is not understood", place)
        return
    if options.get("type", "unicast") != "unicast":
        draft.note("a route of this type leads nowhere; a tunnel has none such", place)
        return
    metric = number(parts[2]) if len(parts) > 2 else number(file.get(family, "route-metric"))
    table = number(options.get("table", "")) or None
    left = [name for name in options if name not in _ROUTE_OPTIONS and re.fullmatch(_KEY, name)]
    draft.route(prefix, place, metric=metric or None, table=table, source=options.get("src"), left=left)


def _dns(file: Keyfile, draft: Draft) -> None:
    """The name servers: the peer's, unless that is turned off, and those in the file."""
    servers = [*(["peer"] if not file.flag("ipv4", "ignore-auto-dns") else []), *file.items("ipv4", "dns")]
    search = [item for item in file.items("ipv4", "dns-search") if not item.startswith("~")]
    domains = [item[1:] for item in file.items("ipv4", "dns-search") if item.startswith("~") and item != "~"]
    domains = [domain for domain in domains if domain != "."]
    if not servers:
        return
    full: dict[str, object] = {}
    if servers != ["peer"]:
        full["servers"] = tuple(dict.fromkeys(servers))
    if search:
        full["search"] = tuple(dict.fromkeys(search))
    if domains:
        full["domains"] = tuple(dict.fromkeys(domains))
    draft.values["dns"] = full or True  # type: ignore[assignment]
