"""Ten hours' worth of events for one manager: link changes, D-Bus calls and reconnects, and what is left of them.

One manager takes it all, one kind of event after the other. After each step its memory, descriptors, files and all
that it has others keep are looked at.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import commands as lab
import fleet
import flood
import result
from gi.repository import Gio, GLib
from result import Aim, Figure, Plot, Result

STEPS = 20
LINK_CHANGES, CALLS, RECONNECTS = 5000, 1000, 50  # in a step
WARM = 2  # steps before the measured ones
TUNNELS = 5
SPARE = "spare"  # a tunnel that is never up
NOBODY = 65534
AT_ONCE = 10  # calls of one caller that wait
BATCH = 100  # link changes before the manager is asked something, so that it hears of each
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


# --- what happens ---


def change_links() -> None:
    """A step of link changes."""
    made = ["link add brief type dummy", "link set brief up", "link set brief down", "link delete brief"]
    made[2:2] = ["address add 10.66.0.1/24 dev brief", "route add 10.67.0.0/16 dev brief"]
    lines = [*made, "link set lasting up", "link set lasting down"]
    changes = [line.startswith("link") for line in lines]
    lasting = ["ip", "-batch", "-"]
    for _ in range(LINK_CHANGES // BATCH):
        batch = lines * (BATCH // sum(changes)) + lines[-2:] * (BATCH % sum(changes) // 2)
        subprocess.run(lasting, input="\n".join(batch), text=True, check=True)
        lab.ask(lab.BUS[0], lab.BUS[1], lab.BUS[2] + ".ListTunnels")


@contextlib.contextmanager
def lasting_link() -> Iterator[None]:
    """A tun link is there while the block runs."""
    lab.out("ip", "tuntap", "add", "lasting", "mode", "tun")
    try:
        yield
    finally:
        lab.out("ip", "link", "delete", "lasting")


class Callers:
    """Root and a user who may not, each with a connection that lasts."""

    def __init__(self) -> None:
        address = Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM)
        root = flood.Flood(address, 1, SPARE)
        os.seteuid(NOBODY)
        try:
            nobody = flood.Flood(address, 1, SPARE)
        finally:
            os.seteuid(0)
        self._callers = root, nobody
        names = {"Connect": fleet.name(1), "Disconnect": SPARE}
        more = [(lab.BUS[1], lab.BUS[2], method, GLib.Variant("(s)", (name,))) for method, name in names.items()]
        nobody.kinds += more
        # Root's Dial would be taken for that of a unit, and wait for its turn; to connect is a matter of reconnects.
        root.kinds = [kind for kind in nobody.kinds if kind[2] not in ("Dial", "Connect")] + more

    def step(self) -> None:
        """A step of calls."""
        context = GLib.MainContext.default()
        for number in range(CALLS):
            caller = self._callers[number % len(self._callers)]
            if number % 100 == 0:
                lab.ask(lab.BUS[0], lab.BUS[1], lab.BUS[2] + ".Reload")
            caller.send()
            while caller.sent - caller.answered > AT_ONCE:
                context.iteration(True)
        while any(caller.answered < caller.sent for caller in self._callers):
            context.iteration(True)

    def told(self) -> str:
        """How many calls were answered with what."""
        errors = sum((caller.errors for caller in self._callers), Counter[str]())
        replies = sum(caller.replies for caller in self._callers)
        return f"Answered were {replies} with a reply; {', '.join(f'{n} with {name}' for name, n in errors.items())}."


def asked(name: str) -> None:
    """Reconnect as a user does."""
    lab.ask(lab.BUS[0], lab.BUS[1], lab.BUS[2] + ".Reconnect", name)


def off_and_on(name: str) -> None:
    """Disconnect, connect."""
    for method in ("Disconnect", "Connect"):
        lab.ask(lab.BUS[0], lab.BUS[1], f"{lab.BUS[2]}.{method}", name)


def restarted(name: str) -> None:
    """Restart the unit."""
    lab.out("systemctl", "restart", lab.unit(name))


def killed(name: str) -> None:
    """Have pppd end without a word."""
    lost(name, lambda: os.kill(lab.of_unit(lab.unit(name), "MainPID"), signal.SIGKILL))


def cut_off(name: str) -> None:
    """Have the server end the session."""
    address = lab.get(name, "LocalAddress").encode()
    sessions = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in lab.server_sessions()}

    def end() -> None:
        for pid in (pid for pid, line in sessions.items() if address in line):
            os.kill(pid, signal.SIGTERM)

    lost(name, end)


def lost(name: str, lose: Callable[[], object]) -> None:
    """Wait until a tunnel that something happens to is up again, in another run."""
    before = lab.show(name, "InvocationID")
    lose()

    def again() -> bool:
        return lab.show(name, "InvocationID") != before and lab.state(name) == "up"

    lab.wait_for(again, f"{name} to be up again", 120)


WAYS = (asked, off_and_on, restarted, asked, killed, off_and_on, asked, cut_off, restarted, asked)


class Reconnects:
    """All tunnels at once; no two of them have the same at the same time."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    def step(self) -> None:
        """A step of reconnects."""
        with ThreadPoolExecutor(TUNNELS) as pool:
            list(pool.map(self._repeat, range(TUNNELS)))

    def _repeat(self, number: int) -> None:
        name = fleet.name(number + 1)
        for turn in range(RECONNECTS // TUNNELS):
            way = WAYS[(turn + 2 * number) % len(WAYS)]
            try:
                way(name)
            except (GLib.Error, AssertionError) as error:
                self.failures.append(f"{name}, {way.__name__}: {error}")
                print(f"NOT RECONNECTED: {self.failures[-1]}", flush=True)


# --- all of it ---


def configured() -> dict[str, dict[str, object]]:
    """The tunnels: each with something that costs the manager more."""
    tunnels = fleet.tunnels(TUNNELS, apart=True)
    more: list[dict[str, object]] = [
        {"hooks": {"up": ["/bin/true"], "down": ["/bin/true"]}},
        {"guard": True},
        {"table": 100, "rules": [{"uid-range": "1000-1999"}]},
    ]
    for name, keys in zip(tunnels, more, strict=False):
        tunnels[name] |= keys
    return {**tunnels, SPARE: {**lab.ALICE, "server": fleet.server(TUNNELS, apart=True), "routes": []}}


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
    callers, reconnects = Callers(), Reconnects()
    kinds = {
        "links": ("link changes", LINK_CHANGES, change_links),
        "calls": ("D-Bus calls", CALLS, callers.step),
        "reconnects": ("reconnects", RECONNECTS, reconnects.step),
    }
    found: dict[str, list[Sample]] = {}
    with fleet.serving(TUNNELS), lasting_link():
        lab.configure(configured())
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
