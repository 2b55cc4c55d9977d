"""How long a tunnel is away after a fault, for this project and its peers: same machine, boot and server.

    lab/lab run bookworm --timeout 7200 -- python3 /lab/src/tests/lab/recovery.py [--count N] [--faults A,B] ...

Figures compare only within one boot, so the ways take turns. Each trial connects, lets the link last, has the fault
happen, waits for a ping to come through the route again, and disconnects.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import commands as lab
import measure
from measure import NETWORK, OURS, PON, Way

PING_SECONDS = 0.2
LASTED_SECONDS = 13.0  # so that the link counts as one that lasted, and its end not as a failed attempt
LIMIT_SECONDS = 60.0  # a tunnel that is away for longer is counted as one that does not come back
DROP_SECONDS = 60.0
EXPERT_PEER = Path("/etc/ppp/peers/expert")
NM_UNIT = Path("/etc/systemd/system/NetworkManager.service")
NM_DROP_IN = Path("/run/systemd/system/NetworkManager.service.d/lab.conf")
NM_CONFIGURATION = Path("/run/NetworkManager/conf.d/lab.conf")
NM_PROFILES = Path("/etc/NetworkManager/system-connections")
NM_DATA = (
    f"gateway={lab.SERVER},user=alice,password-flags=0,require-mppe-128=yes,"
    "refuse-eap=yes,refuse-pap=yes,refuse-chap=yes,refuse-mschap=yes"
)


def by_nm(name: str, profile: str) -> Way:
    """A way by a profile of NetworkManager."""
    up, down = (("nmcli", "--wait", "60", "connection", verb, profile) for verb in ("up", "down"))
    return Way(name, up, down, "ppp0")


WAYS = {
    "ours": OURS,
    "pon": PON,
    "expert": Way("pon, expert", ("pon", "expert", "updetach", "persist"), ("poff", "expert"), "ppp0"),
    "nm": by_nm("NetworkManager", "vpn"),
    "nm-persistent": by_nm("NM, persistent", "vpn-persistent"),
}
NM_WAYS = (WAYS["nm"], WAYS["nm-persistent"])


# --- the faults ---


@dataclass(frozen=True)
class Fault:
    """What goes wrong: happening is entered when it begins and left, seconds later, when it ends."""

    name: str
    happening: Callable[[], AbstractContextManager[None]]
    seconds: float = 0.0


@contextlib.contextmanager
def session_ended() -> Iterator[None]:
    """The server ends the session, and would accept another at once."""
    for pid in lab.server_sessions():
        os.kill(pid, signal.SIGTERM)
    yield


@contextlib.contextmanager
def server_away() -> Iterator[None]:
    """No PPTP server; its sessions end with it. It is there again when it listens, not when its start returns."""
    lab.out("systemctl", "stop", "lab-pptpd@main")  # and all of the unit's processes, among them the sessions
    try:
        yield
    finally:
        lab.out("systemctl", "start", "lab-pptpd@main")
        lab.wait_for(server_listens, "pptpd listens")


def server_listens() -> bool:
    """Whether pptpd accepts connections."""
    port, listens = ":06BB", "0A"  # 1723, TCP_LISTEN
    for pid in lab.pids("pptpd"):
        with contextlib.suppress(OSError):
            sockets = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
            return any(fields[1].endswith(port) and fields[3] == listens for fields in sockets)
    return False


@contextlib.contextmanager
def silent_drop() -> Iterator[None]:
    """No packet of IPv4 gets through between this machine and the router, and nobody is told.

    Each side drops what arrives. Of what is dropped where it is sent the sender's TCP is told: it tries again every
    half second, and so gives up after seconds where it would go on for a quarter of an hour.
    """
    sides = ((("tc",), "uplink"), (("ip", "netns", "exec", "router", "tc"), "client"))
    everything = ("protocol", "ip", "u32", "match", "u32", "0", "0", "action", "drop")
    for tc, device in sides:
        lab.out(*tc, "qdisc", "add", "dev", device, "clsact")
    try:
        for tc, device in sides:
            lab.out(*tc, "filter", "add", "dev", device, "ingress", *everything)
        yield
    finally:
        for tc, device in sides:
            lab.out(*tc, "qdisc", "del", "dev", device, "clsact")


def faults(drop_seconds: float = DROP_SECONDS) -> dict[str, Fault]:
    """All faults by name. drop_seconds: for how long the silent drop lasts."""
    return {
        fault.name: fault
        for fault in (
            Fault("session-ended", session_ended),
            Fault("server-away-20", server_away, 20),
            Fault("server-away-600", server_away, 600),
            Fault("silent-drop", silent_drop, drop_seconds),
        )
    }


# --- the peers ---


@contextlib.contextmanager
def configured(ways: list[Way]) -> Iterator[None]:
    """Have everything that these ways need, and remove it."""
    with measure.pon_configured(), expert_configured(), contextlib.ExitStack() as stack:
        if set(ways) & set(NM_WAYS):
            stack.enter_context(nm_configured())
        lab.configure({"work": lab.ALICE})
        stack.callback(lab.configure, {})
        yield


@contextlib.contextmanager
def expert_configured() -> Iterator[None]:
    """pon as by somebody who knows pppd: it asks early whether the server lives, and never gives up."""
    options = "lcp-echo-interval 10\nlcp-echo-failure 3\nholdoff 5\nmaxfail 0\npersist\n"
    EXPERT_PEER.write_text(f"file {measure.PEER}\n{options}")
    try:
        yield
    finally:
        EXPERT_PEER.unlink()


@contextlib.contextmanager
def nm_unmasked(text: str) -> Iterator[None]:
    """NetworkManager runs with that configuration; it is masked, since nobody else in the lab wants it."""
    NM_DROP_IN.parent.mkdir(parents=True)
    # Where /sys cannot be written NetworkManager takes itself to be in a container and does not wait for udev,
    # which the lab has not.
    NM_DROP_IN.write_text("[Service]\nReadOnlyPaths=/sys\n")
    NM_CONFIGURATION.parent.mkdir(parents=True, exist_ok=True)
    NM_CONFIGURATION.write_text(text)
    NM_UNIT.unlink()
    lab.out("systemctl", "daemon-reload")
    try:
        lab.out("systemctl", "start", "NetworkManager")
        yield
    finally:
        lab.out("systemctl", "stop", "NetworkManager")
        NM_UNIT.symlink_to("/dev/null")
        NM_DROP_IN.unlink()
        NM_DROP_IN.parent.rmdir()
        NM_CONFIGURATION.unlink()
        lab.out("systemctl", "daemon-reload")


@contextlib.contextmanager
def nm_configured() -> Iterator[None]:
    """NetworkManager with profiles for the uplink and the two ways; not running."""
    try:
        with nm_unmasked("[main]\nplugins=keyfile\ndns=none\nno-auto-default=*\n"):
            add = ("nmcli", "connection", "add", "autoconnect", "no")
            # It dials a persistent VPN again only where it has the default route made.
            uplink = ("ipv4.method", "manual", "ipv4.addresses", "192.0.2.2/24", "ipv4.gateway", "192.0.2.1")
            lab.out(
                *add, "type", "ethernet", "con-name", "uplink", "ifname", "uplink", "ipv6.method", "ignore", *uplink
            )
            for way in NM_WAYS:
                vpn = ("type", "vpn", "vpn-type", "pptp", "con-name", way.connect[-1], "ifname", "*")
                split = ("ipv4.routes", NETWORK, "ipv4.never-default", "yes")
                persistent = ("vpn.persistent", "yes" if way is WAYS["nm-persistent"] else "no")
                lab.out(*add, *vpn, *split, *persistent, "vpn.data", NM_DATA, "vpn.secrets", "password=secret")
            lab.out("systemctl", "stop", "NetworkManager")
            yield
    finally:
        for profile in ("uplink", *(way.connect[-1] for way in NM_WAYS)):
            (NM_PROFILES / f"{profile}.nmconnection").unlink(missing_ok=True)


@contextlib.contextmanager
def nm_running() -> Iterator[None]:
    """NetworkManager runs and has the uplink, for its own trials only: it takes part in whatever there is."""
    lab.out("systemctl", "start", "NetworkManager")
    try:
        lab.out("nm-online", "--wait-for-startup", "--quiet")
        lab.out("nmcli", "connection", "up", "uplink")
        yield
    finally:
        lab.out("systemctl", "stop", "NetworkManager")
        # As lab-network made it. With it goes pptp's route to the server, which pptp leaves behind.
        lab.out("ip", "-4", "address", "flush", "dev", "uplink")
        lab.out("ip", "address", "add", "192.0.2.2/24", "dev", "uplink")
        lab.out("ip", "route", "add", "default", "via", "192.0.2.1", "dev", "uplink")


# --- a trial ---


@dataclass(frozen=True)
class Outcome:
    """Seconds; None for never. outage: from the fault's end to the first ping; noticed: since the fault began."""

    outage: float | None
    noticed: float | None
    route: bool


def trial(way: Way, fault: Fault, limit: float = LIMIT_SECONDS) -> Outcome:
    """Connect, let the fault happen, see what comes of it, disconnect; nothing is left. The way is configured."""
    untouched = lab.routes()
    with nm_running() if way in NM_WAYS else contextlib.nullcontext():
        try:
            outcome = faulted(way, fault, limit)
        finally:
            measure.hang_up(way)
    lab.wait_for(lambda: way.interface not in os.listdir("/sys/class/net"), f"no {way.interface} is left")
    assert (left := lab.routes()) == untouched, f"{way.name} left\n{left}\nwhere before there was\n{untouched}"
    return outcome


def faulted(way: Way, fault: Fault, limit: float) -> Outcome:
    """As trial, but it leaves the way as it is in the end."""
    with measure.watching(PING_SECONDS) as (kernel, pings):
        # Not by a pipe: pppd keeps what it is started with.
        subprocess.run(way.connect, check=True, timeout=90, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lab.wait_for(lambda: measure.replied(pings.read_text()), f"a ping through {way.name}")
        time.sleep(LASTED_SECONDS)
        sessions = lab.server_sessions()
        begun = time.time()
        with fault.happening():
            time.sleep(fault.seconds)
        ended = time.time()
        while not (back := came_back(pings.read_text(), begun, ended)) and time.time() < ended + limit:
            time.sleep(0.1)
        noticed = went_down(kernel.read_text(), way.interface, begun)
        route = bool(lab.route_of(NETWORK))
    for pid in set(sessions) & set(lab.server_sessions()):
        os.kill(pid, signal.SIGTERM)  # the server was not told that the client dropped this one
    return Outcome(back - ended if back else None, noticed - begun if noticed else None, route)


def came_back(pings: str, begun: float, ended: float) -> float:
    """When the first reply came after the fault's end; 0.0 for not yet. pings: output of ping -D.

    Only behind lost pings: a session that is being ended still carries some.
    """
    last, lost = None, False
    for stamp, number in re.findall(r"^\[([\d.]+)\] \d+ bytes from .* icmp_seq=(\d+) ", pings, re.MULTILINE):
        lost = lost or (float(stamp) > begun and last is not None and int(number) > last + 1)
        last = int(number)
        if lost and float(stamp) > ended:
            return float(stamp)
    return 0.0


def went_down(kernel: str, interface: str, begun: float) -> float:
    """When the interface, its address or its route first went after begun; 0.0: not. kernel: of `ip -ts monitor`.

    This is when a way acts on what it noticed. For all ways it is pppd that does, so it is the same event for all.
    """
    name = rf"(?:{re.escape(interface)}|ppp\d+)"  # ip goes on to show the name that an interface had at first
    down = rf"Deleted (?:\d+: {name}\b|{re.escape(NETWORK)} dev {name}\b)|\d+: {name}: <(?![^>]*\bUP\b)"
    for stamp, line in re.findall(r"^\[(\S+)\] ?(.*)$", kernel, re.MULTILINE):
        now = datetime.fromisoformat(stamp).timestamp()
        if now > begun and re.match(down, line):
            return now
    return 0.0


# --- all of them ---

Trials = dict[tuple[Fault, Way], list[Outcome]]


def compare(
    chosen: list[Fault], ways: list[Way], count: int, limit: float, told: Callable[[str], None] = print
) -> Trials:
    """Every fault count times for every way, which take turns. told: of each trial at once.

    A trial that went wrong itself (the way did not connect) is told and not counted.
    """
    trials: Trials = {(fault, way): [] for fault in chosen for way in ways}
    with configured(ways):
        for number in range(count):
            first = number % len(ways)
            for fault in chosen:
                for way in ways[first:] + ways[:first]:
                    what = f"{number + 1}/{count} {fault.name}, {way.name}"
                    try:
                        outcome = trial(way, fault, limit)
                    except (AssertionError, subprocess.SubprocessError) as error:
                        told(f"{what}: NOT COUNTED: {error}")
                    else:
                        trials[fault, way].append(outcome)
                        told(f"{what}: {described(outcome)}")
    return trials


def described(outcome: Outcome) -> str:
    """An outcome in words."""
    noticed = "link never down" if outcome.noticed is None else f"link down after {outcome.noticed:.2f} s"
    back = "no ping within the limit" if outcome.outage is None else f"first ping {outcome.outage:.2f} s after the end"
    return f"{noticed}, {back}, {'with' if outcome.route else 'without'} the route"


def figures(seconds: list[float | None], none: str) -> str:
    """Median and range; how many there are when not all are; none when there is none."""
    known = [second for second in seconds if second is not None]
    if not known:
        return none if seconds else "-"
    return measure.summary(known) + ("" if len(known) == len(seconds) else f", {len(known)} of {len(seconds)}")


def rows(trials: Trials) -> list[list[str]]:
    """The table: its head and lines, each with a title and a figure for each way."""
    ways = list(dict.fromkeys(way for _, way in trials))
    table = [["seconds: median (range)", *(way.name for way in ways)]]
    for fault in dict.fromkeys(fault for fault, _ in trials):
        columns = [trials[fault, way] for way in ways]
        name = f"{fault.name}, {fault.seconds:.0f} s" if fault.happening is silent_drop else fault.name
        if fault.happening is silent_drop:
            noticed = (figures([one.noticed for one in runs], "not at all") for runs in columns)
            table.append([f"{name}: noticed after", *noticed])
        since = "ping again after its end" if fault.seconds else "ping again after"
        table.append([f"{name}: {since}", *(figures([one.outage for one in runs], "never") for runs in columns)])
        back = [f"{sum(one.outage is not None and one.route for one in runs)} of {len(runs)}" for runs in columns]
        table.append([f"{name}: back with its route", *back])
    return table


def plain(table: list[list[str]]) -> str:
    """The table as text."""
    widths = [max(len(row[column]) for row in table) + 2 for column in range(len(table[0]))]
    return "\n".join("".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in table)


def markdown(table: list[list[str]]) -> str:
    """The table as Markdown."""
    lines = ["| " + " | ".join(row) + " |" for row in table]
    return "\n".join([lines[0], "|" + " --- |" * len(table[0]), *lines[1:]])


def parser() -> argparse.ArgumentParser:
    """The grammar of the command line."""
    names = list(faults())
    usual = ",".join(name for name in names if name != "server-away-600")
    grammar = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    grammar.add_argument("--count", type=int, default=3, metavar="N", help="trials of each fault and way")
    grammar.add_argument("--faults", default=usual, metavar="A,B", help=f"of {', '.join(names)}")
    grammar.add_argument("--ways", default=",".join(WAYS), metavar="A,B", help=f"of {', '.join(WAYS)}")
    grammar.add_argument("--drop", type=float, default=DROP_SECONDS, metavar="SECONDS", help="how long silent-drop is")
    grammar.add_argument("--limit", type=float, default=LIMIT_SECONDS, metavar="SECONDS", help='longer is "never"')
    grammar.add_argument("--connect", type=int, default=0, metavar="N", help="first time N connects by ours and pon")
    return grammar


def main() -> int:
    """Run what sys.argv says; 0 when every trial was one."""
    grammar = parser()
    arguments = grammar.parse_args()
    known = faults(arguments.drop)
    try:
        chosen = [known[name] for name in arguments.faults.split(",")]
        ways = [WAYS[name] for name in arguments.ways.split(",")]
    except KeyError as error:
        grammar.error(f"no such fault or way: {error}")
    if arguments.connect:
        lab.configure({"work": lab.ALICE})
        print(f"{measure.table(measure.compare(arguments.connect))}\n")
    begun = time.monotonic()
    trials = compare(chosen, ways, arguments.count, arguments.limit)
    table = rows(trials)
    print(f"\n{plain(table)}\n\n{markdown(table)}\n\n{time.monotonic() - begun:.0f} s")
    return 0 if all(len(outcomes) == arguments.count for outcomes in trials.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
