"""The keys of a tunnel, one table for parser, defaults and documentation; the nearest to an unknown key."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Generic, TypeVar

from . import addresses, authorization, dns, hooks, options, routing, secret, values
from .dns import DnsConfig
from .hooks import Hooks
from .routing import RouteEntry, RuleEntry
from .values import BadText, Choice, Flag, Items, Kind, Number, NumberOr, OneOrMore, Text, matching

T_co = TypeVar("T_co", covariant=True)

MAX_LOGIN_BYTES = 255  # pppd's MAXNAMELEN is 256 with the final NUL


class Mppe(Enum):
    """What is asked of the encryption (RFC 3078)."""

    REQUIRE_128 = "require-128"
    REQUIRE = "require"
    OPTIONAL = "optional"
    OFF = "off"


@dataclass(frozen=True)
class Key(Generic[T_co]):
    """One key of a tunnel in the file. default None: required. pppd: the option behind it, "" if none is.

    example: a value as it is written in the file; those of all keys go together, with one of the password's sources.
    """

    name: str
    kind: Kind[T_co]
    default: T_co | None
    meaning: str
    pppd: str = ""
    example: str = field(kw_only=True)


# What _characters refuses, for editors.
_CONTROL = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"


def _characters(text: str) -> None:
    """Refuse control characters, line and paragraph separators and lone surrogates."""
    for position, character in enumerate(text, 1):
        if unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs"):
            hint = 'in double quotes a backslash begins an escape, "\\\\" is a backslash'
            raise BadText(f"character {position} is a control character ({hint})")


def _username(text: str) -> str:
    _characters(text)
    if not text:
        raise BadText("must not be empty")
    return text


def _domain(text: str) -> str:
    _characters(text)
    if not text:
        raise BadText("must not be empty; leave the key out for no domain")
    if "\\" in text:
        raise BadText("must not hold a backslash")
    return text


def _password(text: str) -> str:
    if not text:
        raise BadText("must not be empty")
    if "\0" in text:
        raise BadText("must not hold a NUL character")
    if any(unicodedata.category(character) == "Cs" for character in text):
        raise BadText("must not hold half of a surrogate pair")
    if (size := len(text.encode())) > secret.MAX_BYTES:
        raise BadText(f"has {size} bytes in UTF-8; at most {secret.MAX_BYTES}")
    return text


_FLAG = Flag()
_OPTION: Text[str] = Text("one option of pppd with its arguments", options.option, schema=options.SCHEMA)
_NO_ROUTES: tuple[RouteEntry, ...] = ()
_NO_RULES: tuple[RuleEntry, ...] = ()
_NO_OPTIONS: tuple[str, ...] = ()
_NOBODY: tuple[str, ...] = ()

# Of the keys around the login no message shows the value: it may be a password that belongs a line further down.
SERVER: Key[tuple[str, ...]] = Key(
    "server",
    OneOrMore(
        Text(
            "a host name or an IPv4 address",
            addresses.server,
            secret=True,
            numbers=True,
            schema=matching(addresses.SERVER),
        )
    ),
    None,
    "the PPTP server; its TCP port is always 1723. Several, or a name with several addresses, are tried in turn",
    example="vpn.example.com",
)
USERNAME: Key[str] = Key(
    "username",
    Text("text", _username, secret=True, schema=matching(f"[^{_CONTROL}]+")),
    None,
    "the name to log in with",
    "user",
    example="alice",
)
PASSWORD: Key[str] = Key(
    "password",
    Text(
        "text, at most 255 bytes in UTF-8",
        _password,
        secret=True,
        schema=matching("[^\\0]+") | {"maxLength": secret.MAX_BYTES},
    ),
    "",
    "the password; in quotes, and never shown by any program here. This, or one of the next three, is required",
    "password",
    example="'secret'",
)
PASSWORD_FILE: Key[str] = Key(
    "password-file",
    Text("the whole path of a file", secret.file_path, secret=True, schema=secret.FILE_PATH),
    "",
    "the file that the password is in; root's, with mode 0600. It is read at each dial",
    "password",
    example="/etc/pptp-work.password",
)
CREDENTIAL: Key[str] = Key(
    "credential",
    Text("a name", secret.credential_name, secret=True, schema=matching(secret.CREDENTIAL)),
    "",
    "the encrypted credential of systemd that the password is in, see systemd-creds(1). It is decrypted at each dial",
    "password",
    example="work",
)
ASK_PASSWORD = Key(
    "ask-password",
    Flag(instead=secret.ITSELF),
    False,
    "ask for the password when the tunnel is started, see systemd-ask-password(1)",
    "password",
    example="true",
)
DOMAIN: Key[str] = Key(
    "domain",
    Text("text", _domain, secret=True, schema=matching(f"[^{_CONTROL}\\\\]+")),
    "",
    "the Windows domain; the login is DOMAIN\\username",
    "user",
    example="CORP",
)
MPPE: Key[Mppe] = Key(
    "mppe",
    Choice(Mppe),
    Mppe.REQUIRE_128,
    "the encryption: 128 bits required, any strength required, as the server likes, or none",
    "require-mppe-128, require-mppe-40, nomppe",
    example="require-128",
)
REFUSE_EAP = Key("refuse-eap", _FLAG, True, "do not log in by EAP", "refuse-eap", example="true")
REFUSE_PAP = Key(
    "refuse-pap", _FLAG, True, "do not log in by PAP (the password in clear)", "refuse-pap", example="true"
)
REFUSE_CHAP = Key("refuse-chap", _FLAG, True, "do not log in by CHAP with MD5", "refuse-chap", example="true")
REFUSE_MSCHAP = Key("refuse-mschap", _FLAG, True, "do not log in by MS-CHAP", "refuse-mschap", example="true")
REFUSE_MSCHAP_V2 = Key(
    "refuse-mschap-v2", _FLAG, False, "do not log in by MS-CHAPv2", "refuse-mschap-v2", example="false"
)
ROUTES: Key[tuple[RouteEntry, ...]] = Key(
    "routes",
    Items(routing.ROUTE, unique=True),
    _NO_ROUTES,
    "the prefixes to reach through the tunnel; of two tunnels with the same one, the first in the file has it",
    example="[192.168.10.0/24, {prefix: 10.20.0.0/16, metric: 20}]",
)
DEFAULT_ROUTE = Key(
    "default-route", _FLAG, False, "send everything without a closer route through the tunnel", example="false"
)
TABLE = Key(
    "table",
    routing.TABLE,
    routing.MAIN_TABLE,
    "the routing table of this tunnel's routes; with another one than the main table, 'rules' lead to it",
    example="100",
)
RULES: Key[tuple[RuleEntry, ...]] = Key(
    "rules",
    Items(routing.RULE, unique=True),
    _NO_RULES,
    "which packets look into the tunnel's own table: by their source, their mark, the user who sends them",
    example="[{from: 192.168.5.0/24}, {uid-range: 1000-1999}]",
)
GUARD = Key(
    "guard",
    _FLAG,
    False,
    "while the tunnel is wanted but not up, nothing goes another way to where its routes lead (kill switch)",
    example="true",
)
IPV6 = Key("ipv6", _FLAG, False, "carry IPv6 as well, if the server does", "+ipv6, noipv6", example="true")
DNS: Key[DnsConfig] = Key(
    "dns",
    dns.DNS,
    DnsConfig(),
    "the name servers to ask through the tunnel: true for the ones that the peer names",
    "usepeerdns",
    example="{servers: [peer, 192.168.10.53], search: [corp.example]}",
)
MTU = Key(
    "mtu",
    NumberOr(Number(576, 1500, "bytes"), "auto"),
    0,
    "the largest packet to send; auto: what fits into one packet on the way to the server, and follows that. With a "
    "number pppd takes 4 off it for MPPE",
    "mtu",
    example="1400",
)
MRU = Key(
    "mru",
    NumberOr(Number(576, 1500, "bytes"), "auto"),
    0,
    "the largest packet to ask the server to send; auto: as for mtu at the dial, but never less than that. With less "
    "than mtu, pppd sends less as well",
    "mru",
    example="1400",
)
CLAMP_MSS = Key(
    "clamp-mss", _FLAG, False, "have forwarded TCP connections keep to the tunnel's MTU (for routers)", example="true"
)
HOOKS: Key[Hooks] = Key(
    "hooks",
    hooks.HOOKS,
    Hooks(),
    "what to run when the tunnel goes up, goes down, or is given up",
    example='{up: ["/usr/local/sbin/notify up"]}',
)
LCP_ECHO_INTERVAL = Key(
    "lcp-echo-interval",
    Number(1, 3600, "seconds"),
    2,
    "the time between two echo requests",
    "lcp-echo-interval",
    example="10",
)
LCP_ECHO_FAILURE = Key(
    "lcp-echo-failure",
    Number(1, 100, "requests"),
    8,
    "the echo requests without a reply after which the server counts as gone",
    "lcp-echo-failure",
    example="6",
)
PERSIST = Key(
    "persist", _FLAG, True, "dial again when the tunnel is lost (the manager does, not pppd)", example="true"
)
CONNECT_TIMEOUT = Key(
    "connect-timeout",
    Number(5, 600, "seconds"),
    20,
    "the time from dialling until the tunnel has to be up",
    example="30",
)
USERS: Key[tuple[str, ...]] = Key(
    "users",
    Items(Text("a user's name", authorization.account, schema=authorization.ACCOUNT), unique=True),
    _NOBODY,
    "who may connect and disconnect this tunnel besides root, and is asked for no password",
    example="[alice]",
)
GROUPS: Key[tuple[str, ...]] = Key(
    "groups",
    Items(Text("a group's name", authorization.account, schema=authorization.ACCOUNT), unique=True),
    _NOBODY,
    "the same for the members of these groups",
    example="[netdev]",
)
PPPD_OPTIONS: Key[tuple[str, ...]] = Key(
    "pppd-options",
    Items(_OPTION, unique=False),
    _NO_OPTIONS,
    "further options of pppd, one in each item; what other keys set is refused",
    example='[debug, "idle 600"]',
)

KEYS: tuple[Key[object], ...] = (
    SERVER,
    USERNAME,
    PASSWORD,
    PASSWORD_FILE,
    CREDENTIAL,
    ASK_PASSWORD,
    DOMAIN,
    MPPE,
    REFUSE_EAP,
    REFUSE_PAP,
    REFUSE_CHAP,
    REFUSE_MSCHAP,
    REFUSE_MSCHAP_V2,
    ROUTES,
    DEFAULT_ROUTE,
    TABLE,
    RULES,
    GUARD,
    IPV6,
    DNS,
    MTU,
    MRU,
    CLAMP_MSS,
    LCP_ECHO_INTERVAL,
    LCP_ECHO_FAILURE,
    PERSIST,
    CONNECT_TIMEOUT,
    HOOKS,
    USERS,
    GROUPS,
    PPPD_OPTIONS,
)
SOURCES: tuple[Key[object], ...] = (PASSWORD, PASSWORD_FILE, CREDENTIAL, ASK_PASSWORD)  # of the password; one of them
BY_NAME: Mapping[str, Key[object]] = MappingProxyType({key.name: key for key in KEYS})

_OTHER_WORDS = (
    ("server", "servers remote gateway host hostname peer address pptp-server"),
    ("username", "user login name account"),
    ("password", "pass passwd secret"),
    ("password-file", "passwordfile passfile secret-file"),
    ("credential", "credentials load-credential load-credential-encrypted"),
    ("ask-password: true", "ask askpass prompt"),
    ("mppe: require-128", "require-mppe-128 mppe-128"),
    ("mppe: require", "require-mppe mppe-40 require-mppe-40 encryption"),
    ("mppe: off", "nomppe noccp"),
    ("refuse-mschap-v2", "refuse-mschapv2 refuse-mschap2"),
    ("routes", "route networks subnets"),
    ("default-route", "defaultroute nodefaultroute replacedefaultroute gateway-route"),
    ("persist", "nopersist maxfail holdoff reconnect"),
    ("connect-timeout", "timeout"),
    ("dns: true", "usepeerdns use-peer-dns peerdns"),
    ("dns", "nameserver nameservers dns-servers resolver"),
    ("guard", "kill-switch killswitch"),
    ("rules", "rule policy"),
    ("hooks", "hook script scripts postup postdown ip-up ip-down"),
    ("users", "allow-users allowed-users permissions"),
    ("groups", "allow-groups allowed-groups"),
    ("pppd-options", "options ppp-options pppd extra-options"),
)
_MEANT: Mapping[str, str] = MappingProxyType({word: key for key, words in _OTHER_WORDS for word in words.split()})


def nearest(word: str, names: Collection[str]) -> str:
    """What of names an unknown key was meant to be, perhaps with its value ("mppe: off"); "" if none."""
    plain = word.lower().replace("_", "-")
    if plain not in names and plain in _MEANT and _MEANT[plain].partition(":")[0] in names:
        return _MEANT[plain]
    return values.nearest(word, names)
