"""How long a tunnel is away after a fault, for this project and its peers: same machine, boot and server.

Figures compare only within one boot, so the ways take turns. Each trial connects, lets the link last, has the fault
happen, waits for a ping to come through the route again, and disconnects.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import commands as lab
import result
from result import BEST, Aim, Figure, Result
from watching import came_back, replied, watching, went_down
from ways import NETWORK, OURS, OURS_SYSTEMD, WAYS, Way, configured, dial, hang_up, running

PING_SECONDS = 0.2
LASTED_SECONDS = 13.0  # so that the link counts as one that lasted, and its end not as a failed attempt
LIMIT_SECONDS = 60.0  # a tunnel that is away for longer is counted as one that does not come back
DROP_SECONDS = 60.0
METHOD = f"""\
The ways take turns. Each trial connects, lets the link last for {LASTED_SECONDS:.0f} s, has the fault happen, waits
for up to {LIMIT_SECONDS:.0f} s after its end for a reply to a ping every {PING_SECONDS} s, and disconnects. The
fault's end is when the server accepts connections again, or packets pass again."""


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
    with running(way):
        try:
            outcome = faulted(way, fault, limit)
        finally:
            hang_up(way)
    lab.wait_for(lambda: way.interface not in os.listdir("/sys/class/net"), f"no {way.interface} is left")
    assert (left := lab.routes()) == untouched, f"{way.name} left\n{left}\nwhere before there was\n{untouched}"
    return outcome


def faulted(way: Way, fault: Fault, limit: float) -> Outcome:
    """As trial, but it leaves the way as it is in the end."""
    with watching(PING_SECONDS) as (kernel, pings):
        dial(way)
        lab.wait_for(lambda: replied(pings.read_text()), f"a ping through {way.name}")
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


def figures(trials: Trials) -> list[Figure]:
    """The figures: of each fault when it was noticed, how long the tunnel was away, and whether its route is back."""
    told = []
    for fault in dict.fromkeys(fault for fault, _ in trials):
        runs = {way.name: outcomes for (of, way), outcomes in trials.items() if of is fault}
        if fault.happening is silent_drop:
            noticed = {name: [one.noticed for one in outcomes] for name, outcomes in runs.items()}
            told.append(Figure(f"{fault.name}, {fault.seconds:.0f} s: noticed after", "s", noticed, none="not at all"))
        since = "ping again after its end" if fault.seconds else "ping again after"
        outage = {name: [one.outage for one in outcomes] for name, outcomes in runs.items()}
        aims = [Aim(OURS.name, 1.0, BEST)] if OURS.name in runs and len(runs) > 1 else []
        told.append(Figure(f"{fault.name}: {since}", "s", outage, aims))
        back = {
            name: [float(sum(one.outage is not None and one.route for one in outcomes))]
            for name, outcomes in runs.items()
        }
        told.append(Figure(f"{fault.name}: back with its route", f"of {len(next(iter(runs.values())))}", back))
    return told


def parser() -> argparse.ArgumentParser:
    """The grammar of the command line."""
    names = list(faults())
    usual = ",".join(name for name in names if name != "server-away-600")
    ways = ",".join(name for name, way in WAYS.items() if way is not OURS_SYSTEMD)
    grammar = result.arguments(__doc__)
    grammar.add_argument("--faults", default=usual, metavar="A,B", help=f"of {', '.join(names)}")
    grammar.add_argument("--ways", default=ways, metavar="A,B", help=f"of {', '.join(WAYS)}")
    grammar.add_argument("--drop", type=float, default=DROP_SECONDS, metavar="SECONDS", help="how long silent-drop is")
    grammar.add_argument("--limit", type=float, default=LIMIT_SECONDS, metavar="SECONDS", help='longer is "never"')
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
    trials = compare(chosen, ways, arguments.count, arguments.limit)
    commands = {way.name: shlex.join(way.connect) for way in ways}
    told = Result("recovery", "Coming back by itself", METHOD, figures(trials), commands)
    result.finish(told, arguments.out)
    return 0 if all(len(outcomes) == arguments.count for outcomes in trials.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
