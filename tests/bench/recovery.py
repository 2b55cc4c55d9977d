"""How long a tunnel is away after a fault, for this project and its peers: same machine, boot and kind of server.

Figures compare only within one boot. In a round tunnels of all ways are up at the same time, each to a server of its
own, and the fault happens to one after another: so a fault that lasts costs a round once, and yet no way comes back
in the moment in which another one does.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import commands as lab
import result
import several
from result import BEST, Aim, Figure, Result
from several import Tunnel
from watching import came_back, logging, replied, went_down
from ways import OURS, WAYS

PING_SECONDS = 0.2
LASTED_SECONDS = 13.0  # so that the link counts as one that lasted, and its end not as a failed attempt
LIMIT_SECONDS = 60.0  # a tunnel that is away for longer is counted as one that does not come back
APART_SECONDS = 5.0  # from the fault of one tunnel to that of the next
KEPT = "Who has not noticed still has the session, and goes on with it as soon as packets pass again."


@dataclass(frozen=True)
class Shape:
    """How many rounds, and how many tunnels of ours and of each other way in each."""

    rounds: int = 4
    ours: int = 5
    peers: int = 2


@dataclass(frozen=True)
class Fault:
    """What goes wrong: happening is entered when it begins and left, seconds later, when it ends."""

    name: str
    words: str
    happening: Callable[[Tunnel], AbstractContextManager[None]]
    seconds: float = 0.0
    shape: Shape = field(default_factory=Shape)


# --- the faults ---


@contextlib.contextmanager
def session_ended(tunnel: Tunnel) -> Iterator[None]:
    """The server ends the session, and would accept another at once."""
    for pid in several.sessions(tunnel):
        os.kill(pid, signal.SIGTERM)
    yield


@contextlib.contextmanager
def server_away(tunnel: Tunnel) -> Iterator[None]:
    """No PPTP server; its sessions end with it. It is there again when it listens, not when its start returns."""
    lab.out("systemctl", "stop", tunnel.unit)  # and all of the unit's processes, among them the sessions
    try:
        yield
    finally:
        lab.out("systemctl", "start", tunnel.unit)
        lab.wait_for(lambda: tunnel.server in several.listening(), f"{tunnel.unit} listens")


@contextlib.contextmanager
def dropped(tunnel: Tunnel) -> Iterator[None]:
    """No packet of IPv4 gets through between this machine and that server, and nobody is told.

    Each side drops what arrives. Of what is dropped where it is sent the sender's TCP is told: it tries again every
    half second, and so gives up after seconds where it would go on for a quarter of an hour.
    """
    pref = ("pref", str(tunnel.number))
    ends = {"uplink": "src", "client": "dst"}
    try:
        for tc, device in several.SIDES:
            match = ("protocol", "ip", "u32", "match", "ip", ends[device], f"{tunnel.server}/32", "action", "drop")
            lab.out(*tc, "filter", "add", "dev", device, "ingress", *pref, *match)
        yield
    finally:
        for tc, device in several.SIDES:
            lab.run(*tc, "filter", "del", "dev", device, "ingress", *pref)


def drop(name: str, seconds: float) -> Fault:
    """Packets are dropped for so long."""
    return Fault(name, f"packets silently dropped for {seconds:.0f} s", dropped, seconds)


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("ended", "the server ends the session", session_ended),
        Fault("away", "the server is away for 20 s", server_away, 20),
        Fault("absent", "the server is away for 10 min", server_away, 600, Shape(2, 10, 4)),
        drop("drop", 60),
        drop("long-drop", 150),
    )
}


# --- a trial ---


@dataclass(frozen=True)
class Outcome:
    """Seconds; None for never. outage: from the fault's end to the first ping; noticed: since the fault began."""

    tunnel: Tunnel
    outage: float | None
    noticed: float | None


def trial(chosen: Sequence[Tunnel], fault: Fault, limit: float) -> list[Outcome]:
    """Connect, let the fault happen to each in turn, see what comes of it, disconnect. They are configured.

    One that does not connect has no outcome.
    """
    try:
        return faulted(connected(chosen), fault, limit)
    finally:
        several.hang_up(chosen)


def connected(chosen: Sequence[Tunnel]) -> list[Tunnel]:
    """Connect all; those that could be."""
    up = []
    for tunnel in chosen:
        # Not by a pipe: pppd keeps what it is started with.
        quiet = subprocess.DEVNULL
        if subprocess.run(tunnel.connect, check=False, timeout=90, stdout=quiet, stderr=quiet).returncode == 0:
            up.append(tunnel)
        else:
            print(f"NOT COUNTED: {shlex.join(tunnel.connect)} failed")
    return up


def faulted(up: Sequence[Tunnel], fault: Fault, limit: float) -> list[Outcome]:
    """As trial, but it begins with tunnels that are up and leaves them as they are in the end."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        kernel = Path(folder, "kernel")
        stack.enter_context(logging(kernel, "ip", "-ts", "monitor", "link", "address", "route"))
        pings = {tunnel: Path(folder, tunnel.name) for tunnel in up}
        for tunnel, path in pings.items():
            stack.enter_context(logging(path, "ping", "-n", "-D", "-i", str(PING_SECONDS), tunnel.inside))
        time.sleep(LASTED_SECONDS)
        up = [tunnel for tunnel, path in pings.items() if replied(path.read_text())]
        for tunnel in (tunnel for tunnel in pings if tunnel not in up):
            print(f"NOT COUNTED: no ping through {tunnel.name}, {tunnel.way.name}")
        links = {tunnel: several.link(tunnel) for tunnel in up}
        times = happened(up, fault)
        waited = {tunnel: ended + limit for tunnel, (_, ended) in times.items()}
        while waited:
            time.sleep(min(2.0, limit))  # reading all of this is work
            for tunnel in [*waited]:
                if came_back(pings[tunnel].read_text(), *times[tunnel]) or time.time() > waited[tunnel]:
                    del waited[tunnel]
        events, outcomes = kernel.read_text(), []
        for tunnel, (begun, ended) in times.items():
            back = came_back(pings[tunnel].read_text(), begun, ended)
            noticed = went_down(events, links[tunnel], tunnel.inside, begun)
            outcomes.append(Outcome(tunnel, back - ended if back else None, noticed - begun if noticed else None))
    return outcomes


def happened(up: Sequence[Tunnel], fault: Fault) -> dict[Tunnel, tuple[float, float]]:
    """Have the fault happen to one tunnel after another; when it began and ended for each, as by time.time()."""
    plan = sorted(
        (number * APART_SECONDS + late, number) for number in range(len(up)) for late in (0.0, fault.seconds)
    )
    begun, ended, start = {}, {}, time.monotonic()
    with ExitStack() as all_over:
        running: dict[Tunnel, ExitStack] = {}
        for due, number in plan:
            tunnel = up[number]
            time.sleep(max(0.0, start + due - time.monotonic()))
            if tunnel not in running:
                running[tunnel] = all_over.enter_context(ExitStack())
                begun[tunnel] = time.time()
                running[tunnel].enter_context(fault.happening(tunnel))
            else:
                running[tunnel].close()
                ended[tunnel] = time.time()
    return {tunnel: (begun[tunnel], ended[tunnel]) for tunnel in up}


# --- all of them ---


def compare(fault: Fault, shape: Shape, keys: Sequence[str], limit: float) -> list[Outcome]:
    """The outcomes of all rounds, each told at once."""
    outcomes = []
    counts = {key: shape.ours if WAYS[key] is OURS else shape.peers for key in keys}
    chosen = several.tunnels(counts)
    with several.configured(chosen):
        for number in range(shape.rounds):
            first = number * len(chosen) // shape.rounds
            begun = time.monotonic()
            for outcome in trial([*chosen[first:], *chosen[:first]], fault, limit):
                outcomes.append(outcome)
                print(f"{number + 1}/{shape.rounds} {fault.name}, {outcome.tunnel.way.name}: {described(outcome)}")
            print(f"{number + 1}/{shape.rounds} took {time.monotonic() - begun:.0f} s", flush=True)
    return outcomes


def described(outcome: Outcome) -> str:
    """An outcome in words."""
    noticed = "link never down" if outcome.noticed is None else f"link down after {outcome.noticed:.2f} s"
    back = "no ping within the limit" if outcome.outage is None else f"first ping {outcome.outage:.2f} s after the end"
    return f"{noticed}, {back}"


def figures(fault: Fault, outcomes: Sequence[Outcome]) -> list[Figure]:
    """When the fault was noticed, if nobody was told of it; how long the tunnel was away; how often it came back."""
    runs: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        runs.setdefault(outcome.tunnel.way.name, []).append(outcome)
    aims = [Aim(OURS.name, 1.0, BEST)] if OURS.name in runs and len(runs) > 1 else []
    told = []
    if fault.happening is dropped:
        noticed = {name: [one.noticed for one in some] for name, some in runs.items()}
        told.append(Figure(f"{fault.words}: noticed after", "s", noticed, aims, none="not at all", note=KEPT))
    since = "ping again after its end" if fault.seconds else "ping again after"
    outage = {name: [one.outage for one in some] for name, some in runs.items()}
    told.append(Figure(f"{fault.words}: {since}", "s", outage, aims))
    back = {name: [100 * statistics.mean(one is not None for one in some)] for name, some in outage.items()}
    counts = ", ".join(f"{name} {len(some)}" for name, some in runs.items())
    always = [Aim(OURS.name, 100, least=True)] if aims else []
    told.append(Figure(f"{fault.words}: back by itself", "%", back, always, note=f"Runs: {counts}."))
    return told


def method(fault: Fault, shape: Shape, limit: float) -> str:
    """How it was measured."""
    return f"""\
{shape.rounds} rounds, each with {shape.ours} tunnels of ours and {shape.peers} of each other way, all up at the same
time, each to a server of its own (pptpd) and with an address of its own behind it. The links last for
{LASTED_SECONDS:.0f} s or more; then the fault happens to one tunnel after another, {APART_SECONDS:.0f} s apart, each
for itself, so that they do not compete for the one CPU when they come back. A ping every {PING_SECONDS} s runs through
each (`ping -n -D -i {PING_SECONDS} ADDRESS`). The figure is the time from the fault's end to the next reply; a tunnel
that does not answer within {limit:.0f} s is counted as one that does not come back. The fault's end is when the server
accepts connections again, or packets pass again. "Noticed" is when the interface goes down (`ip -ts monitor`).
NetworkManager runs all the time and leaves the interfaces of the others alone."""


def parser() -> argparse.ArgumentParser:
    """The grammar of the command line."""
    ways = ",".join(name for name in WAYS if name != "ours-systemd")
    grammar = result.arguments(__doc__, 0)
    grammar.add_argument("--fault", choices=list(FAULTS), required=True)
    grammar.add_argument("--ways", default=ways, metavar="A,B", help=f"of {', '.join(WAYS)}")
    grammar.add_argument("--ours", type=int, metavar="N", help="tunnels of ours in a round")
    grammar.add_argument("--peers", type=int, metavar="N", help="tunnels of each other way in a round")
    grammar.add_argument("--limit", type=float, default=LIMIT_SECONDS, metavar="SECONDS", help='longer is "never"')
    return grammar


def main() -> int:
    """Run what sys.argv says; 0 when every tunnel of ours connected each time."""
    arguments = parser().parse_args()
    fault, keys = FAULTS[arguments.fault], arguments.ways.split(",")
    usual = fault.shape
    shape = Shape(arguments.count or usual.rounds, arguments.ours or usual.ours, arguments.peers or usual.peers)
    outcomes = compare(fault, shape, keys, arguments.limit)
    commands = {WAYS[key].name: shlex.join(Tunnel(key, 1).connect) for key in keys}
    told = figures(fault, outcomes)
    title = f"Coming back by itself: {fault.words}"
    result.finish(
        Result(f"recovery-{fault.name}", title, method(fault, shape, arguments.limit), told, commands), arguments.out
    )
    ours = [outcome for outcome in outcomes if outcome.tunnel.way is OURS]
    return 0 if len(ours) == shape.rounds * shape.ours * ("ours" in keys) else 1


if __name__ == "__main__":
    sys.exit(main())
