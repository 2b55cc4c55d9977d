"""A text -> one option of pppd with its arguments, or BadText: what the manager sets is not set twice."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .values import BadText

MAX_BYTES = 1000  # pppd's MAXWORDLEN is 1024; longer words are cut there

_ADVICE = (
    ("user name +ua", "use the key 'username'"),
    ("password", "use the key 'password'"),
    ("show-password", "it would write the password to the log"),
    ("remotename", "the manager sets it"),
    ("ifname unit", "the interface is named after the tunnel"),
    ("linkname", "it is the tunnel's name"),
    ("ipparam", "ipparam is the tunnel's name"),
    (
        "pty connect disconnect init notty socket sync",
        "the manager starts pptp itself; use the key 'server'",
    ),
    ("file call", "pppd reads the options in this file only"),
    ("nodetach -detach detach updetach master_detach up_sdnotify dryrun", "the manager watches pppd itself"),
    ("persist nopersist maxfail holdoff demand", "the manager dials again by itself; use the key 'persist'"),
    ("logfd logfile nolog nologfd", "pppd logs to the journal"),
    ("mtu", "use the key 'mtu'"),
    ("mru default-mru -mru", "use the key 'mru'"),
    ("lcp-echo-interval", "use the key 'lcp-echo-interval'"),
    ("lcp-echo-failure", "use the key 'lcp-echo-failure'"),
    ("lcp-echo-adaptive", "the manager relies on regular echo requests"),
    ("usepeerdns", "use the key 'dns'"),
    ("noipv6 +ipv6 ipv6", "use the key 'ipv6'"),
    ("ip-up-script ip-down-script", "use the key 'hooks'; /etc/ppp/ip-up.d and ip-down.d are run as well"),
    (
        "defaultroute nodefaultroute -defaultroute defaultroute-metric replacedefaultroute noreplacedefaultroute",
        "use the key 'default-route'",
    ),
    (
        "require-mppe require-mppe-128 require-mppe-40 nomppe nomppe-128 nomppe-40 "
        "mppe +mppe +mppe-128 +mppe-40 -mppe -mppe-128 -mppe-40 noccp -ccp",
        "use the key 'mppe'",
    ),
    ("refuse-eap -eap", "use the key 'refuse-eap'"),
    ("refuse-pap -pap", "use the key 'refuse-pap'"),
    ("refuse-chap -chap", "use the key 'refuse-chap'"),
    ("refuse-mschap -mschap", "use the key 'refuse-mschap'"),
    ("refuse-mschap-v2 -mschap-v2", "use the key 'refuse-mschap-v2'"),
    (
        "auth noauth require-eap require-pap require-chap require-mschap require-mschap-v2 "
        "+eap +pap +chap +mschap +mschap-v2 login",
        "a PPTP server is not asked to authenticate itself",
    ),
)

ADVICE: Mapping[str, str] = MappingProxyType({word: advice for words, advice in _ADVICE for word in words.split()})
"""Each option of pppd that is refused -> why, or what to use. Old spellings too: pppd 2.4.9 takes them."""


def option(text: str) -> str:
    """text itself if it is one option with its arguments, as on a line of pppd's options file."""
    if not text.strip():
        raise BadText("must not be empty")
    if not text.isprintable():
        raise BadText("must be one line without control characters")
    if len(text.encode()) > MAX_BYTES:
        raise BadText(f"has {len(text.encode())} bytes; at most {MAX_BYTES}")
    (first, _), *arguments = words(text) or [("", False)]
    if not first:
        raise BadText("names no option")
    if first in ADVICE:
        raise BadText(f"'{first}' cannot be set here: {ADVICE[first]}")
    for word, bare in arguments:
        if bare and word in ADVICE:
            raise BadText(f"'{word}' looks like a second option; write one in each item")
    return text


def words(line: str) -> list[tuple[str, bool]]:
    """The words of a line and whether each was written bare, without quotes and escapes. Raises BadText.

    As getword() in pppd's options.c: quotes of both sorts anywhere in a word, a backslash also inside them,
    and # ends a word and begins a comment. An open quote or a last backslash would take in the next line.
    """
    found: list[tuple[str, bool]] = []
    pending, bare, quote, escaped = "", True, "", False
    for c in line + " ":
        if escaped:
            pending, escaped = pending + c, False
        elif c == "\\":
            bare, escaped = False, True
        elif c == quote:
            quote = ""
        elif not quote and c in "\"'":
            bare, quote = False, c
        elif not quote and (c.isspace() or c == "#"):
            if pending or not bare:
                found.append((pending, bare))
            pending, bare = "", True
            if c == "#":
                break
        else:
            pending += c
    if quote:
        raise BadText(f"the quote {quote} is not closed")
    if pending or not bare:  # the blank put behind the line was escaped
        raise BadText("ends with a backslash")
    return found
