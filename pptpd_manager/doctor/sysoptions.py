"""/etc/ppp/options, which pppd reads for every tunnel before our options: the lines that no tunnel gets past. Pure.

Each option was tried in that file in the lab, in Debian 12 and 13: most of what is not in the tables here comes to
nothing, since the same is set by ours again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pptpd_manager.doctor.finding import Finding, ok, problem, unseen, warning
from pptpd_manager.options import ADVICE, TAKEN, words
from pptpd_manager.values import BadText

PATH = "/etc/ppp/options"
_PRINTS = "pppd prints something and ends, and never dials"
_OTHER_WAY = "pppd uses it instead of pptp"
BREAKS = {
    **dict.fromkeys(("--help", "-h", "--version", "-v", "show-options", "dryrun"), _PRINTS),
    **dict.fromkeys(("notty", "socket"), _OTHER_WAY),
    "sync": "pptp sends asynchronous frames, so no packet gets through",
    "record": "pppd puts a process between itself and pptp, and no packet gets through",
    "demand": "pppd then waits for traffic, and the tunnel is never up",
    **dict.fromkeys(("noip", "-ip"), "a tunnel without IPv4 is never up"),
    **dict.fromkeys(("noccp", "-ccp"), "there is no encryption (MPPE) without CCP"),
    "-all": "it switches off all that is negotiated, encryption (MPPE) among it",
    **dict.fromkeys(
        ("refuse-mschap-v2", "-mschap-v2"), "pppd then refuses the one way to log in that PPTP servers have"
    ),
    "need-peer-eap": "the server would have to log in by EAP",
    "allow-number": "pppd then takes calls of certain numbers only, and a tunnel has none",
    "pass-filter": "pppd drops every packet that it does not describe",
    "+ua": "pppd takes user name and password from that file",
}
MAY_BREAK = {
    "connect": "pppd runs that program before each call, and gives up when it fails",
    "init": "pppd runs that program before each call, and gives up when it fails",
    "file": "pppd reads that file for every tunnel, and gives up when it cannot",
    "call": "pppd reads that file of /etc/ppp/peers for every tunnel, and gives up when it cannot",
    "plugin": "pppd loads that for every tunnel, and gives up when it cannot; it may ask the server to log in",
    "idle": "pppd ends every tunnel that is idle for so long",
    "maxconnect": "pppd ends every tunnel after that time",
    "maxoctets": "pppd ends every tunnel after so much traffic",
    "active-filter": "it decides which traffic counts as use of a tunnel",
}
# The options of ADVICE that take an argument; of the others TAKEN says it.
_ONE_ARGUMENT = frozenset(
    (
        *("user", "name", "+ua", "password", "remotename", "ifname", "unit", "linkname", "ipparam", "bundle"),
        *("pty", "connect", "disconnect", "welcome", "init", "socket", "file", "call", "logfd", "logfile", "record"),
        *("mtu", "mru", "maxfail", "holdoff", "connect-delay", "chap-timeout", "callback", "ipv6"),
        *("lcp-echo-interval", "lcp-echo-failure", "lcp-restart", "lcp-max-configure", "lcp-max-terminate"),
        *("ip-up-script", "ip-down-script", "defaultroute-metric"),
    )
)
_NUMBERS = {
    **dict.fromkeys(("mtu", "mru"), (128, 16384)),
    **dict.fromkeys(
        ("lcp-echo-interval", "lcp-echo-failure", "lcp-restart", "lcp-max-configure", "lcp-max-terminate", "maxfail"),
        (0, 2**31 - 1),
    ),
}
_SPEED = re.compile(r"[0-9]+")
_ADDRESSES = re.compile(r"[0-9.]*:[0-9.]*")
_BLANKS = str.maketrans("\t\r\f\v", "    ")


@dataclass(frozen=True)
class Option:
    """An option on its line, with its arguments."""

    line: int
    name: str
    arguments: tuple[str, ...]


def arguments(option: str) -> int:
    """How many arguments an option takes."""
    return 1 if option in _ONE_ARGUMENT else TAKEN.get(option, 0)


def options(text: str) -> Iterator[Option]:
    """The options in a file. Raises BadText at one that is not closed; its message names the line."""
    found: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            found += [(number, word) for word in words(line.translate(_BLANKS))]
        except BadText as error:
            raise BadText(f"line {number}: {error}") from None
    at = 0
    while at < len(found):
        number, name = found[at]
        count = arguments(name)
        yield Option(number, name, tuple(word for _, word in found[at + 1 : at + 1 + count]))
        at += 1 + count


def judge(text: str | None, *, there: bool, knows: Callable[[str], bool | None]) -> list[Finding]:
    """The file. text: None when it cannot be read; knows: whether pppd has an option, None when that is not known."""
    if not there:
        return [ok("ppp-options", f"There is no {PATH}.")]
    if text is None:
        return [unseen("ppp-options", PATH)]
    found = []
    plugins = False
    try:
        for option in options(text):
            plugins = plugins or option.name == "plugin"
            if finding := _option(option, knows, plugins=plugins):
                found.append(finding)
    except BadText as error:
        meaning = "pppd takes what follows as part of the same word; mend the line."
        found.append(warning("ppp-options", f"{PATH}, {error}", meaning, f"editor {PATH}"))
    return found or [ok("ppp-options", f"No line of {PATH} stands in the way.")]


def _option(option: Option, knows: Callable[[str], bool | None], *, plugins: bool) -> Finding | None:
    """What is wrong with one option; None if nothing. plugins: one was loaded before, with options of its own."""
    name = option.name
    if why := BREAKS.get(name):
        return _breaks(option, why)
    if len(option.arguments) < arguments(name):
        return _breaks(option, "its argument is missing, so pppd ends at once")
    if name in _NUMBERS and not _fits(option.arguments[0], *_NUMBERS[name]):
        return _breaks(option, "pppd does not take this number, and ends at once")
    if why := MAY_BREAK.get(name):
        return warning("ppp-options", _told(option), f"For every tunnel: {why}.", _comment_out(option))
    if name.startswith("/dev/") or re.fullmatch(r"tty[A-Za-z]*[0-9]+", name):
        return _breaks(option, _OTHER_WAY)
    if _ADDRESSES.fullmatch(name) and name != ":":
        return _breaks(option, "the server gives the addresses, and does not agree to others")
    known = knows(name)
    if known is None:
        known = name in TAKEN or name in ADVICE
    if known or _SPEED.fullmatch(name):
        return None
    where = f"{PATH}, line {option.line}: a word that is no option of this pppd"  # it may be a password
    if plugins:
        meaning = "It may be one of the plugin above; if it is not, pppd ends at once."
        return warning("ppp-options", where, meaning, _comment_out(option))
    return problem("ppp-options", where, "It breaks every tunnel: pppd ends at once.", _comment_out(option))


def _fits(text: str, least: int, most: int) -> bool:
    """As pppd reads it, by strtol(3) with base 0."""
    number = re.fullmatch(r"\s*([+-]?)(0[xX][0-9A-Fa-f]+|0[0-7]*|[1-9][0-9]*)", text)
    if not number:
        return False
    digits = number[2]
    base = 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10
    return least <= int(number[1] + digits, base) <= most


def _told(option: Option) -> str:
    """Without its arguments: one may be a password."""
    return f"{PATH}, line {option.line}: {option.name!r}"


def _comment_out(option: Option) -> str:
    return f"sed -i '{option.line}s/^/#/' {PATH}"


def _breaks(option: Option, why: str) -> Finding:
    return problem("ppp-options", _told(option), f"It breaks every tunnel: {why}.", _comment_out(option))
