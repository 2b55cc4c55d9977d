"""Who else has a hand in the network: other managers, other calls, the resolver; and the size of packets. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pptpd_manager import reasons
from pptpd_manager.dns import NO_SPLIT, NOBODY, NONE_NAMED
from pptpd_manager.doctor.finding import Finding, ok, problem, warning
from pptpd_manager.mtu import ETHERNET, GRE, IP, MPPE, PPP
from pptpd_manager.reasons import printable

OVERHEAD = IP + GRE + PPP + MPPE  # the most that a tunnel puts around a packet
SPARED = 7  # of these bytes may be absent; see mtu.py
SMALL = 1280  # of a way: with less, something on it is unusual


@dataclass(frozen=True)
class Route:
    """The way to an address. device: "" when there is none; mtu: of a packet that leaves in one piece, 0 unknown."""

    device: str
    mtu: int


def judge_route(tunnel: str, address: str, route: Route, asked: int) -> Finding:
    """The way to the server. asked: the tunnel's MTU when that is fixed, or is what its link has; else 0."""
    if not route.device:
        advice = f"See: ip route get {address}"
        return problem("mtu", reasons.NO_ROUTE.sentence, advice, f"ip route get {address}").of(tunnel)
    if route.device == f"pptp-{tunnel}":
        return problem(
            "mtu",
            f"The way to the server {address} leads into the tunnel itself.",
            "What the tunnel sends comes back to it; take the route that leads there out of 'routes:'.",
            f"ip route get {address}",
        ).of(tunnel)
    outside = min(route.mtu or ETHERNET, ETHERNET)
    fits = outside - OVERHEAD
    way = f"packets of {outside} bytes to {address} by {route.device}, {fits} inside of the tunnel"
    if asked > fits + SPARED:
        return warning(
            "mtu",
            f"The tunnel's MTU is {asked}, and on the way there is room for {fits}.",
            f"There is room for {way}: larger ones are cut in pieces or lost; set 'mtu: auto'.",
            f"ip route get {address}",
        ).of(tunnel)
    if outside < SMALL:
        return warning(
            "mtu",
            f"On the way to the server there is room for {outside} bytes only.",
            f"There is room for {way}; is {route.device} what it should be?",
            f"ip route get {address}",
        ).of(tunnel)
    return ok("mtu", f"There is room for {way}.").of(tunnel)


@dataclass(frozen=True)
class Other:
    """Another manager of networks. managed: our interfaces that it has taken; file: ours that says not to, if there.

    replaced: a file that stands in place of it.
    """

    name: str
    running: bool
    file: str
    there: bool
    replaced: str = ""
    managed: tuple[str, ...] = ()


RELOADS = {"NetworkManager": "systemctl reload NetworkManager", "systemd-networkd": "networkctl reload"}
RESTART = "systemctl restart systemd-networkd"  # it reads its own configuration at no other time
CHECKS = {"NetworkManager": "network-manager", "systemd-networkd": "networkd"}


def judge_other(other: Other) -> Finding:
    """NetworkManager or systemd-networkd."""
    check = CHECKS[other.name]
    mend = RESTART if "/networkd.conf.d/" in other.file else RELOADS[other.name]
    if not other.running:
        return ok(check, f"{other.name} does not run.")
    why = "It takes away the addresses and routes of what it manages when it is started or restarted."
    if other.managed:
        names = ", ".join(other.managed)
        meaning = f"{why} {_source(other)}"
        return problem(check, f"{other.name} manages {names}, a tunnel's interface.", meaning, mend)
    if other.replaced or not other.there:
        return warning(check, f"{other.name} is not told to leave the tunnels alone.", f"{why} {_source(other)}", mend)
    return ok(check, f"{other.name} leaves the tunnels alone.")


def _source(other: Other) -> str:
    if other.replaced:
        return f"{other.replaced} stands in place of {other.file}; take it away, then have it read."
    if not other.there:
        return f"{other.file} is missing; install pptp-manager again, then have it read."
    return f"{other.file} says not to; have it read, and look for another file that says otherwise."


@dataclass(frozen=True)
class Call:
    """A process that holds a PPTP call and is none of ours. unit: what systemd runs it in."""

    pid: int
    name: str
    unit: str
    words: str


def judge_calls(calls: Sequence[Call], servers: Collection[str]) -> list[Finding]:
    """Other PPTP clients. servers: the names and addresses of ours; the others' first words may name the same one."""
    found = []
    for call in calls:
        words = set(re.split(r"[\s:=]+", call.words))
        same = sorted(words & set(servers))
        who = printable(f"{call.name} ({call.pid}, {call.unit or 'no unit'})")
        if same:
            finding = f"Another program has a call to {same[0]}: {who}."
            meaning = "Two calls from one address to one server get in each other's way, the more so behind NAT."
            found.append(warning("clashes", finding, f"{meaning} End the other one.", f"kill {call.pid}"))
    return found or [ok("clashes", "No other program calls the same servers by PPTP.")]


@dataclass(frozen=True)
class Resolver:
    """How names are resolved. servers: of /etc/resolv.conf, None when it cannot be read; resolved: it runs."""

    servers: tuple[str, ...] | None
    resolved: bool
    linked: bool  # /etc/resolv.conf is a link to a file of systemd-resolved's


def nameservers(text: str) -> tuple[str, ...]:
    """The servers in a resolv.conf(5)."""
    return tuple(re.findall(r"^nameserver[ \t]+(\S+)", text, re.MULTILINE))


STUB = "127.0.0.53"


def judge_resolver(resolver: Resolver, names: Sequence[str], dns: Sequence[tuple[str, str]]) -> list[Finding]:
    """How names are resolved here. names: of servers that have to be; dns: tunnels with their own, and its Problem."""
    found = [_not_asked(tunnel, trouble).of(tunnel) for tunnel, trouble in dns if trouble]
    if resolver.servers is not None and STUB in resolver.servers and not resolver.resolved:
        found.append(
            problem(
                "resolver",
                "/etc/resolv.conf names systemd-resolved, which does not run.",
                "No name can be looked up.",
                "systemctl start systemd-resolved",
            )
        )
    elif resolver.servers is not None and resolver.resolved and dns and not _asked(resolver):
        found.append(
            warning(
                "resolver",
                "systemd-resolved runs, but /etc/resolv.conf names other servers.",
                "Programs that read that file do not ask the tunnels' name servers.",
                "ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf",
            )
        )
    elif not resolver.servers and names:
        found.append(
            warning(
                "resolver",
                "/etc/resolv.conf names no name server.",
                f"{names[0]} is looked up in /etc/hosts, and by a name server on this machine if there is one.",
                f"getent ahostsv4 {names[0]}",
            )
        )
    return found or [ok("resolver", f"Names are looked up by {_by(resolver)}.")]


def _not_asked(tunnel: str, trouble: str) -> Finding:
    """Why nobody asks a tunnel's name servers, as the manager tells it."""
    if trouble == NONE_NAMED:
        meaning = "Write their addresses under 'dns:', 'servers:', or leave 'dns:' out."
        return warning("resolver", "The server names no name servers.", meaning, "man pptp-manager.yaml")
    meaning, command = "Its log has more.", f"pptpctl logs {tunnel}"
    if trouble in (NOBODY, NO_SPLIT):
        meaning = "systemd-resolved can do that; it then looks up all names of this machine."
        command = "apt install systemd-resolved && systemctl enable --now systemd-resolved"
    return problem("resolver", f"Nobody asks the tunnel's name servers: {trouble}.", meaning, command)


def _asked(resolver: Resolver) -> bool:
    return resolver.linked or STUB in (resolver.servers or ())


def _by(resolver: Resolver) -> str:
    if resolver.resolved and _asked(resolver):
        return "systemd-resolved"
    return ", ".join(map(printable, resolver.servers or ())) or "/etc/hosts alone"
