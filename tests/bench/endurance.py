"""Ten hours' worth of events for one manager: link changes, D-Bus calls and reconnects, and what is left of them.

One manager takes it all, one kind of event after the other. After each step its memory, descriptors, files and all
that it has others keep are looked at.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import commands as lab
import fleet
import result
import strain
from result import Aim, Figure, Plot, Result
from strain import CALLS, LINK_CHANGES, RECONNECTS, TUNNELS

STEPS = 20
WARM = 2  # steps before the measured ones
MOST_KB = 64.0  # that the memory may grow in the second half, by the line through its samples
METHOD = f"""\
One manager, which is not restarted, has {TUNNELS} tunnels up (one with hooks, one with a guard, one with a table and
rules of its own), and takes {LINK_CHANGES * STEPS:,} link changes (`ip -batch`: a dummy link is made, goes up, gets an
address and a route, goes down and is deleted; a tun link goes up and down), then {CALLS * STEPS:,} D-Bus calls (all
methods, right and wrong, of root and of a user who may not; each hundredth reloads the configuration), then
{RECONNECTS * STEPS:,} real reconnects of the {TUNNELS} tunnels beside each other (`Reconnect`; `Disconnect` and
`Connect`; `systemctl restart`; SIGKILL for pppd; the server's end of the session). After each step, when all is quiet,
memory is read from /proc/PID/smaps_rollup, and all else is counted. The first {WARM} steps of each kind warm up. The
growth in the second half is that of the straight line through its samples (least squares)."""


@dataclass(frozen=True)
class Sample:
    """What there is after a step. kB: the manager's memory, and that of PID 1 and the bus; all else is counted."""

    pss: float
    rss: float
    anonymous: float
    pid1: float
    bus: float
    descriptors: int
    threads: int
    files: int
    transient: int
    processes: int
    routes: int
    objects: int
    units: int
    dropped: int


COUNTED = {
    "descriptors": "the manager's descriptors",
    "threads": "the manager's threads",
    "files": "files below /run/pptp-manager",
    "transient": "files below /run/systemd/transient",
    "processes": "processes of the machine",
    "routes": "routes and rules in all tables",
    "objects": "the manager's objects on the bus",
    "units": "units that systemd has loaded",
    "dropped": "messages of the kernel that the manager missed",
}


# --- what there is ---


def memory(pid: int | str) -> dict[str, int]:
    """Each line of the process's smaps_rollup, in kB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {name: int(kb) for name, kb in re.findall(r"^(\w+): +(\d+) kB$", text, re.MULTILINE)}


def sample(manager: int) -> Sample:
    """What there is now, when nothing goes on."""
    lab.ask(lab.BUS[0], lab.BUS[1], lab.BUS[2] + ".ListTunnels")
    ours = memory(manager)
    routes = lab.out("ip", "route", "show", "table", "all") + lab.out("ip", "rule")
    tree = lab.ask(lab.BUS[0], lab.BUS[1], "org.freedesktop.DBus.ObjectManager.GetManagedObjects")[0]
    units = lab.ask(lab.SYSTEMD, "/org/freedesktop/systemd1", lab.SYSTEMD + ".Manager.ListUnits")[0]
    return Sample(
        ours["Pss"],
        ours["Rss"],
        ours["Anonymous"],
        memory(1)["Pss"],
        memory(lab.of_unit("dbus.service", "MainPID"))["Pss"],
        len(os.listdir(f"/proc/{manager}/fd")),
        len(os.listdir(f"/proc/{manager}/task")),
        files(lab.OPTIONS),
        files(Path("/run/systemd/transient")),
        sum(entry.isdecimal() for entry in os.listdir("/proc")),
        routes.count("\n"),
        len(tree),
        len(units),
        dropped(manager),
    )


def files(folder: Path) -> int:
    """How many there are below the folder, which may not be there."""
    return sum(len(names) for _, _, names in os.walk(folder))


def dropped(manager: int) -> int:
    """How many messages of the kernel found no room in the manager's sockets."""
    lines = Path(f"/proc/{manager}/net/netlink").read_text().splitlines()[1:]
    return sum(int(fields[8]) for fields in map(str.split, lines) if fields[2] == str(manager))


# --- all of it ---


def steps(what: str, count: int, step: Callable[[], None], manager: int) -> list[Sample]:
    """The samples after each step, the first one before any."""
    for _ in range(WARM):
        step()
    found = [sample(manager)]
    for number in range(count):
        begun = time.monotonic()
        step()
        found.append(now := sample(manager))
        print(f"{what} {number + 1}/{count}, {time.monotonic() - begun:.1f} s: {now}", flush=True)
    return found


def figures(found: dict[str, list[Sample]]) -> list[Figure]:
    """The table: each kind of events is a way."""

    def of(name: str) -> dict[str, list[float]]:
        return {kind: [float(getattr(one, name)) for one in samples] for kind, samples in found.items()}

    def last(name: str) -> dict[str, list[float]]:
        return {kind: runs[len(runs) // 2 :] for kind, runs in of(name).items()}

    def grown(name: str) -> dict[str, list[float]]:
        return {kind: [result.growth(runs)] for kind, runs in of(name).items()}

    flat = [Aim(kind, MOST_KB) for kind in found]
    told = [
        Figure("the manager's memory (PSS)", "kB", last("pss")),
        Figure("its growth in the second half", "kB", grown("pss"), flat),
        Figure("growth of its anonymous memory in the second half", "kB", grown("anonymous"), flat),
        Figure("growth of PID 1 in the second half", "kB", grown("pid1")),
        Figure("growth of the bus in the second half", "kB", grown("bus")),
    ]
    return told + [Figure(title, "in the second half", last(name)) for name, title in COUNTED.items()]


def plots(found: dict[str, list[Sample]], each: dict[str, int]) -> list[Plot]:
    """Of each kind of events: the memory, and what is counted."""
    told = []
    for kind, samples in found.items():

        def line(name: str, samples: list[Sample] = samples, events: int = each[kind]) -> list[tuple[float, float]]:
            return [(number * events, float(getattr(one, name))) for number, one in enumerate(samples)]

        memories = {"pptp-manager": "pss", "PID 1": "pid1", "dbus-daemon": "bus"}
        lines = {title: line(name) for title, name in memories.items()}
        told.append(Plot(f"Memory over {kind}", kind, "kB", lines))
        counted = {title: line(name) for name, title in COUNTED.items()}
        told.append(Plot(f"What else there is over {kind}", kind, "number", counted))
    return told


def main() -> None:
    """Measure, show, write."""
    grammar = result.arguments(__doc__, STEPS)
    grammar.add_argument("--only", choices=("links", "calls", "reconnects"), action="append", help="this kind")
    arguments = grammar.parse_args()
    callers, reconnects = strain.Callers(), strain.Reconnects()
    kinds = {
        "links": ("link changes", LINK_CHANGES, strain.change_links),
        "calls": ("D-Bus calls", CALLS, callers.step),
        "reconnects": ("reconnects", RECONNECTS, reconnects.step),
    }
    found: dict[str, list[Sample]] = {}
    with fleet.serving(TUNNELS), strain.lasting_link():
        lab.configure(strain.configured())
        for number in range(1, TUNNELS + 1):
            lab.ask(lab.BUS[0], lab.BUS[1], lab.BUS[2] + ".Connect", fleet.name(number))
        manager = lab.manager_pid()
        for kind in arguments.only or kinds:
            title, _, step = kinds[kind]
            found[title] = steps(title, arguments.count, step, manager)
        assert lab.manager_pid() == manager, "one manager took it all"
    each = {title: events for title, events, _ in kinds.values()}
    commands = {"memory": "cat /proc/$(systemctl show -P MainPID pptp-manager)/smaps_rollup"}
    told = figures(found)
    if "reconnects" in found:
        told.append(Figure("reconnects that failed", "of all", {"reconnects": [float(len(reconnects.failures))]}))
    about = f"{METHOD}\n{callers.told()}" if "D-Bus calls" in found else METHOD
    whole = Result("endurance", "Ten hours' worth of events", about, told, commands, plots(found, each))
    result.finish(whole, arguments.out)


if __name__ == "__main__":
    main()
