"""YAML text -> Config, or ConfigError with all that is wrong. configfile.py reads the file itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar, cast

from . import document, keys
from .dns import DnsConfig
from .document import ConfigError, Mark, Node, Problem, ScalarNode
from .hooks import Hooks
from .keys import Key, Mppe
from .routing import MAIN_TABLE, RouteEntry, RuleEntry
from .values import Pairs, Wrong, key_fault, pairs

__all__ = [
    "INTERFACE_PREFIX",
    "Config",
    "ConfigError",
    "Mppe",
    "Problem",
    "TunnelConfig",
    "interface_name",
    "parse",
]

T = TypeVar("T")

INTERFACE_PREFIX = "pptp-"
MAX_NAME = 15 - len(INTERFACE_PREFIX)  # IFNAMSIZ is 16 with the final NUL

_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_-]")
_MAPPINGS = ("defaults", "tunnels")


@dataclass(frozen=True, slots=True)
class TunnelConfig:
    """One tunnel with all its values. Their meanings and ranges are in keys.KEYS."""

    name: str
    servers: tuple[str, ...]  # host names or dotted IPv4 addresses, tried in turn; at least one
    username: str
    password: str = field(default="", repr=False)
    password_file: str = ""  # of these four one is given
    credential: str = ""
    ask_password: bool = False
    domain: str = ""  # "" = none
    mppe: Mppe = Mppe.REQUIRE_128
    refuse_eap: bool = True
    refuse_pap: bool = True
    refuse_chap: bool = True
    refuse_mschap: bool = True
    refuse_mschap_v2: bool = False
    routes: tuple[RouteEntry, ...] = ()
    default_route: bool = False
    table: int = MAIN_TABLE
    rules: tuple[RuleEntry, ...] = ()
    guard: bool = False
    ipv6: bool = False
    dns: DnsConfig = DnsConfig()
    mtu: int = 0  # auto
    mru: int = 0  # auto
    clamp_mss: bool = False
    lcp_echo_interval: int = 2  # seconds
    lcp_echo_failure: int = 8
    persist: bool = True
    connect_timeout: int = 20  # seconds
    hooks: Hooks = Hooks()
    # Who may act on it says nothing of how it is dialled: a change of these touches no tunnel.
    users: tuple[str, ...] = field(default=(), compare=False)
    groups: tuple[str, ...] = field(default=(), compare=False)
    pppd_options: tuple[str, ...] = ()

    @property
    def server(self) -> str:
        """The servers in one word, for people."""
        return ",".join(self.servers)

    @property
    def login(self) -> str:
        """The CHAP name: DOMAIN\\username, or username where there is no domain."""
        return _login(self.domain, self.username)


@dataclass(frozen=True)
class Config:
    """tunnels: by name, in the file's order; it cannot be changed."""

    tunnels: Mapping[str, TunnelConfig]

    def __post_init__(self) -> None:
        object.__setattr__(self, "tunnels", MappingProxyType(dict(self.tunnels)))


def interface_name(tunnel: str) -> str:
    """The name of a tunnel's network interface; at most 15 bytes."""
    return INTERFACE_PREFIX + tunnel


def parse(text: str, file: str) -> Config:
    """The configuration in text. file: its name in messages. Raises ConfigError with all problems at once.

    A key under "defaults" holds for each tunnel that does not give it; lists are replaced, not joined.
    """
    reader = _Reader(file)
    config = reader.config(document.read(text, file))
    if reader.problems:
        raise ConfigError(reader.problems)
    return config


def _login(domain: str, username: str) -> str:
    return f"{domain}\\{username}" if domain else username


@dataclass(frozen=True)
class _Given:
    """A key's value and the mark of the key. good: False if the value was wrong and has been reported."""

    mark: Mark
    value: object
    good: bool


@dataclass(frozen=True)
class _Table:
    """What a mapping of tunnel keys gives. meant: keys that an unknown one was probably meant to be."""

    given: Mapping[str, _Given]
    meant: frozenset[str]

    def of(self, key: Key[T]) -> T:
        """The value of key, good or absent with a default; its type is that of the key's kind."""
        return cast("T", self.given[key.name].value if key.name in self.given else key.default)

    def good(self, *some: Key[object]) -> bool:
        """Whether each of some keys has a value: a good one or a default."""
        return all(self.given[k.name].good if k.name in self.given else k.default is not None for k in some)

    def over(self, defaults: _Table) -> _Table:
        """This table with what else the defaults give; of the sources of a password none, where this has its own."""
        names = {key.name for key in keys.SOURCES}
        own = names & self.given.keys()
        others = {name: given for name, given in defaults.given.items() if not (own and name in names)}
        return _Table({**others, **self.given}, defaults.meant | self.meant)

    @property
    def sources(self) -> list[str]:
        """The keys that say where the password comes from, in the file's order."""
        given = {key.name: self.given[key.name] for key in keys.SOURCES if key.name in self.given}
        found = [name for name, one in given.items() if one.value is not False]
        return sorted(found, key=lambda name: (given[name].mark.line, given[name].mark.column))


class _Reader:
    """Collects the problems of one document."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.problems: list[Problem] = []

    def _problem(self, mark: Mark, path: str, message: str) -> None:
        self.problems.append(Problem(self._file, mark.line, mark.column, path, message))

    def config(self, root: Node | None) -> Config:
        mark = root.mark if root else Mark(1, 1)
        pairs = self._pairs(root, "") if root else {}
        found: dict[str, Node] = {}
        meant = set()
        for name, (at, node) in (pairs or {}).items():
            if name in _MAPPINGS:
                found[name] = node
            elif name in keys.BY_NAME:
                self._problem(at, name, "belongs under 'tunnels', in a tunnel, or under 'defaults'")
            else:
                meant.add(self._unknown(at, name, name, _MAPPINGS))
        if pairs is not None and "tunnels" not in found and "tunnels" not in meant:
            self._problem(mark, "", "'tunnels' is missing")
        defaults = _Table({}, frozenset())
        if "defaults" in found:
            defaults = self._table(found["defaults"], "defaults") or defaults
        return Config(self._tunnels(found["tunnels"], defaults) if "tunnels" in found else {})

    def _tunnels(self, node: Node, defaults: _Table) -> dict[str, TunnelConfig]:
        tunnels: dict[str, TunnelConfig] = {}
        for name, (mark, body) in (self._pairs(node, "tunnels") or {}).items():
            path = f"tunnels.{name}"
            if message := name_fault(name):
                self._problem(mark, path, message)
            own = self._table(body, path)
            if own is not None and (tunnel := self._tunnel(name, mark, own, defaults)):
                tunnels[name] = tunnel
        return tunnels

    def _table(self, node: Node, path: str) -> _Table | None:
        """The tunnel keys in node, which is a tunnel or the defaults; None if it is no mapping at all."""
        pairs = self._pairs(node, path)
        if pairs is None:
            return None
        given: dict[str, _Given] = {}
        meant = set()
        for name, (mark, value) in pairs.items():
            if name in keys.BY_NAME:
                given[name] = self._given(keys.BY_NAME[name], mark, value, f"{path}.{name}")
            else:
                meant.add(self._unknown(mark, name, f"{path}.{name}", tuple(keys.BY_NAME)))
        return _Table(given, frozenset(meant))

    def _given(self, key: Key[object], mark: Mark, node: Node, path: str) -> _Given:
        try:
            return _Given(mark, key.kind.decode(node), True)
        except Wrong as error:
            for fault in error.faults:
                self._problem(fault.mark, path + fault.suffix, fault.message)
            return _Given(mark, None, False)

    def _unknown(self, mark: Mark, name: str, path: str, names: tuple[str, ...]) -> str:
        """Report an unknown key; returns the one that it was meant to be, or ""."""
        nearest = keys.nearest(name, names)
        self._problem(mark, path, "unknown key" + (f"; did you mean '{nearest}'?" if nearest else ""))
        return nearest.partition(":")[0]

    def _pairs(self, node: Node, path: str) -> Pairs | None:
        """The pairs of a mapping; None if node is none. Reports what is wrong with its keys."""
        found, faults = pairs(node, _tunnel_fault if path == "tunnels" else key_fault)
        for fault in faults:
            below = f"{path}{fault.suffix}" if path else fault.suffix.removeprefix(".")
            self._problem(fault.mark, below, fault.message)
        return found

    def _tunnel(self, name: str, mark: Mark, own: _Table, defaults: _Table) -> TunnelConfig | None:
        """The tunnel, None if it has a problem. Reports what is missing or does not go together."""
        path = f"tunnels.{name}"
        table = own.over(defaults)
        for key in keys.KEYS:
            if key.default is None and key.name not in table.given and key.name not in table.meant:
                self._problem(mark, path, f"'{key.name}' is missing")
        if not table.sources and not table.meant & {key.name for key in keys.SOURCES}:
            self._problem(mark, path, "'password' is missing (or password-file, credential, ask-password: true)")
        for key_name, message in _clashes(table):
            at = own.given[key_name].mark if key_name in own.given else mark
            self._problem(at, f"{path}.{key_name}" if key_name else path, message)
        return _tunnel_config(name, table) if table.sources and table.good(*keys.KEYS) else None


def _tunnel_fault(key: ScalarNode) -> str:
    """What is wrong with a tunnel's name where it is a key."""
    fault = key_fault(key)
    return name_fault(key.text) if fault and not (key.text == "<<" and key.plain) else fault


def name_fault(name: str) -> str:
    """What is wrong with a tunnel's name, "" if nothing."""
    if not name:
        return "a tunnel's name must not be empty"
    if found := _NOT_IN_NAME.search(name):
        return f"character {found.start() + 1} of this name is not one of A-Z a-z 0-9 _ -"
    if name[0] in "_-":
        return f"a tunnel's name begins with a letter or digit, not with '{name[0]}'"
    if len(name) > MAX_NAME:
        return f"the name is {len(name) - MAX_NAME} too long; at most {MAX_NAME} characters"
    return ""


def _clashes(table: _Table) -> list[tuple[str, str]]:
    """The values that do not go together: (key, message); the key is "" where several are at fault."""
    found = []
    if table.good(keys.USERNAME, keys.DOMAIN):
        domain, username = table.of(keys.DOMAIN), table.of(keys.USERNAME)
        size = len(_login(domain, username).encode())
        if domain and "\\" in username:
            found.append(("domain", "the username names a domain already, before its backslash"))
        elif size > keys.MAX_LOGIN_BYTES:
            message = f"the login has {size} bytes in UTF-8; at most {keys.MAX_LOGIN_BYTES}"
            found.append(("username", f"{message} (DOMAIN\\username)" if domain else message))
    for key_name in table.sources[1:]:
        found.append((key_name, f"'{table.sources[0]}' is given as well; the password comes from one place"))
    required = (Mppe.REQUIRE_128, Mppe.REQUIRE)
    ms_chap = (keys.REFUSE_MSCHAP, keys.REFUSE_MSCHAP_V2)
    others = (keys.REFUSE_EAP, keys.REFUSE_PAP, keys.REFUSE_CHAP)
    if table.good(*ms_chap, *others) and all(table.of(key) for key in (*ms_chap, *others)):
        found.append(("", "every way to log in is refused; set refuse-mschap-v2: false"))
    elif table.good(*ms_chap, keys.MPPE) and table.of(keys.MPPE) in required and all(map(table.of, ms_chap)):
        word = table.of(keys.MPPE).value
        found.append(("mppe", f"{word} needs MS-CHAP; set refuse-mschap-v2: false or mppe: off"))
    return found + _clashing_routes(table)


def _clashing_routes(table: _Table) -> list[tuple[str, str]]:
    """The same of what leads into the tunnel."""
    found = []
    leads = (keys.ROUTES, keys.DEFAULT_ROUTE)
    if table.good(*leads, keys.GUARD) and table.of(keys.GUARD) and not any(table.of(key) for key in leads):
        found.append(("guard", "there is nothing to guard; give routes, or default-route: true"))
    six = (
        [entry.prefix for entry in table.of(keys.ROUTES) if entry.prefix.version == 6] if table.good(leads[0]) else []
    )
    if six and table.good(keys.IPV6) and not table.of(keys.IPV6):
        found.append(("routes", f"{six[0]} is IPv6, which this tunnel does not carry; set ipv6: true"))
    if table.good(keys.RULES, keys.TABLE) and table.of(keys.RULES) and table.of(keys.TABLE) == MAIN_TABLE:
        found.append(("rules", "every packet looks into the main table anyway; give this tunnel a 'table' of its own"))
    return found


def _tunnel_config(name: str, table: _Table) -> TunnelConfig:
    return TunnelConfig(
        name=name,
        servers=table.of(keys.SERVER),
        username=table.of(keys.USERNAME),
        password=table.of(keys.PASSWORD),
        password_file=table.of(keys.PASSWORD_FILE),
        credential=table.of(keys.CREDENTIAL),
        ask_password=table.of(keys.ASK_PASSWORD),
        domain=table.of(keys.DOMAIN),
        mppe=table.of(keys.MPPE),
        refuse_eap=table.of(keys.REFUSE_EAP),
        refuse_pap=table.of(keys.REFUSE_PAP),
        refuse_chap=table.of(keys.REFUSE_CHAP),
        refuse_mschap=table.of(keys.REFUSE_MSCHAP),
        refuse_mschap_v2=table.of(keys.REFUSE_MSCHAP_V2),
        routes=table.of(keys.ROUTES),
        default_route=table.of(keys.DEFAULT_ROUTE),
        table=table.of(keys.TABLE),
        rules=table.of(keys.RULES),
        guard=table.of(keys.GUARD),
        ipv6=table.of(keys.IPV6),
        dns=table.of(keys.DNS),
        mtu=table.of(keys.MTU),
        mru=table.of(keys.MRU),
        clamp_mss=table.of(keys.CLAMP_MSS),
        lcp_echo_interval=table.of(keys.LCP_ECHO_INTERVAL),
        lcp_echo_failure=table.of(keys.LCP_ECHO_FAILURE),
        persist=table.of(keys.PERSIST),
        connect_timeout=table.of(keys.CONNECT_TIMEOUT),
        hooks=table.of(keys.HOOKS),
        users=table.of(keys.USERS),
        groups=table.of(keys.GROUPS),
        pppd_options=table.of(keys.PPPD_OPTIONS),
    )
