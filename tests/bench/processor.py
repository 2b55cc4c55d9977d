"""What the manager uses of the CPU while its tunnels are up and idle, and while one of them or another link flaps."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import commands as lab
import fleet
import result
from result import Aim, Figure, Result
from usage import Pings, pinged, switches, ticks
from watching import logging

MANAGER, HELPERS = "pptp-manager", "the tunnels' units"
UNITS = Path("/sys/fs/cgroup/system.slice/system-pptp.slice/cpu.stat")
COUNTS = (1, 10, 100)
IDLE_SECONDS, FLAPPING_SECONDS = 20.0, 10.0  # of one run
SETTLED_SECONDS = 10.0  # from the last tunnel's being up, or the end of a flapping, to the next run
FLAPPING = 10  # tunnels, of which the first flaps
PING_SECONDS = 0.1
OTHER = "flapping0"
TICK = os.sysconf("SC_CLK_TCK")
METHOD = """\
The CPU time is that of the manager's process, with its threads, as in `/proc/PID/stat` before and after a run, as a
part of the run's time on one processor; beside it that of all tunnels' units, with pppd, pptp and what starts them,
from the `cpu.stat` of system-pptp.slice. Wake-ups are its `voluntary_ctxt_switches` in `/proc/PID/task/*/status`.
Idle: 1, 10 or 100 tunnels to one server are up, with a route each, and nothing happens. Flapping: 10 are up; a second
after the last time, for as long as the run lasts, (a) the server ends the first one's session, if it has one: the
manager dials again, with its pauses between failures; (b) `ip link set pptp-t001 down`, then `up`; (c) the same with
a tun link that has nothing to do with tunnels, of which it merely hears. Meanwhile a ping goes through another tunnel
every 100 ms. A run lasts 20 s when idle, 10 s when flapping. A system call costs a guest of the lab ten times what it
costs a machine; the same on the host, with the manager on a private bus: `python3 -m tests.bus.processor`."""


@dataclass(frozen=True)
class Used:
    """In one run: percent of a processor, wake-ups a minute of the manager; percent of the tunnels' units."""

    manager: float
    wakeups: float
    units: float


def _now() -> tuple[float, float, float, float]:
    """The time, the manager's seconds of CPU and its wake-ups, the seconds of the tunnels' units."""
    process = Path(f"/proc/{lab.manager_pid()}")
    waits = sum(switches((task / "status").read_text()) for task in (process / "task").iterdir())
    units = int(UNITS.read_text().split()[1]) / 1e6
    return time.monotonic(), ticks((process / "stat").read_text()) / TICK, float(waits), units


def used(during: Callable[[], object]) -> Used:
    """What is used while during() runs."""
    before = _now()
    during()
    seconds, manager, waits, units = (after - then for after, then in zip(_now(), before, strict=True))
    return Used(100 * manager / seconds, 60 * waits / seconds, 100 * units / seconds)


@contextlib.contextmanager
def up(count: int) -> Iterator[None]:
    """That many tunnels are up, all started at once, and settled."""
    lab.configure(fleet.tunnels(count, apart=False))
    names = [fleet.name(number) for number in range(1, count + 1)]
    lab.out("systemctl", "start", *map(lab.unit, names), timeout=900)
    time.sleep(SETTLED_SECONDS)
    try:
        yield
    finally:
        lab.out("systemctl", "stop", "pptp@*.service", timeout=300)
        lab.configure({})


# --- flapping ---


def end_session(tunnel: str) -> bool:
    """Have the server end the session; whether there was one."""
    pid = fleet.session_of(tunnel)
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    return pid is not None


def toggle(link: str) -> bool:
    """Down and up again; whether there is that link."""
    command, lines = ("ip", "-batch", "-"), f"link set {link} down\nlink set {link} up\n"
    return not subprocess.run(command, input=lines, text=True, stderr=subprocess.DEVNULL, check=False).returncode


def flapping(flap: Callable[[], bool], seconds: float = FLAPPING_SECONDS) -> int:
    """Flap every second; how many times there was something to flap."""
    flaps, ended = 0, time.monotonic() + seconds
    while (begun := time.monotonic()) < ended:
        flaps += flap()
        time.sleep(max(0.0, min(begun + 1.0, ended) - time.monotonic()))
    return flaps


@dataclass(frozen=True)
class Flapped:
    """Of the runs of one way to flap. flaps: how many times in each."""

    used: list[Used]
    pings: list[Pings]
    flaps: list[int]


def flapped(count: int, flap: Callable[[], bool], told: Callable[[str], object] = print) -> Flapped:
    """That many runs, with a ping through the second tunnel."""
    found = Flapped([], [], [])
    for _ in range(count):
        path = Path("/run/bench-pings")
        with logging(path, "ping", "-n", "-D", "-i", str(PING_SECONDS), fleet.inside(2)):
            found.used.append(used(lambda: found.flaps.append(flapping(flap))))
            time.sleep(1.0)  # for the last reply
        found.pings.append(pinged(path.read_text()))
        told(f"{found.flaps[-1]} flaps: {found.used[-1]}, {found.pings[-1].lost} pings lost")
    time.sleep(SETTLED_SECONDS)
    return found


@contextlib.contextmanager
def other_link() -> Iterator[None]:
    """There is a link that is no tunnel of ours, with an address and a route."""
    lab.out("ip", "tuntap", "add", "dev", OTHER, "mode", "tun")
    lab.out("ip", "address", "add", "10.96.0.1/24", "dev", OTHER)
    try:
        yield
    finally:
        lab.out("ip", "link", "delete", OTHER)


# --- all of it ---


def idle_figures(idle: dict[int, list[Used]]) -> list[Figure]:
    """What is told of tunnels that are up and idle."""
    told = []
    for count, runs in idle.items():
        tunnels = f"{count} tunnel{'s' if count > 1 else ''} up and idle"
        told.append(Figure(f"CPU, {tunnels}", "%", {MANAGER: [one.manager for one in runs]}, [Aim(MANAGER, 0.1)]))
        told.append(Figure(f"wake-ups a minute, {tunnels}", "", {MANAGER: [one.wakeups for one in runs]}))
    return told


def flapping_figures(found: dict[str, Flapped]) -> list[Figure]:
    """What is told of flapping. found: by what flaps; "nothing" is what the others compare with."""
    told = []
    for what, one in found.items():
        runs = {MANAGER: [each.manager for each in one.used], HELPERS: [each.units for each in one.used]}
        flaps = f"{sum(one.flaps)} times in {len(one.flaps)} runs"
        note = "" if what == "nothing" else f"{what}: {flaps}."
        told.append(Figure(f"CPU, flapping: {what}", "%", runs, [Aim(MANAGER, 2.0)], note=note))
        lost = [float(each.lost) for each in one.pings]
        told.append(
            Figure(f"pings lost in another tunnel, flapping: {what}", "", {MANAGER: lost}, [Aim(MANAGER, 0.0)])
        )
        slowest = [max(each.times, default=0.0) for each in one.pings]
        told.append(Figure(f"slowest ping in another tunnel, flapping: {what}", "ms", {MANAGER: slowest}))
    return told


def main() -> None:
    """Measure, show, write."""
    grammar = result.arguments(__doc__)
    grammar.add_argument("--most", type=int, default=max(COUNTS), metavar="N", help="tunnels at most")
    arguments = grammar.parse_args()
    idle: dict[int, list[Used]] = {}
    found: dict[str, Flapped] = {}
    first = fleet.name(1)
    with fleet.serving(arguments.most):
        for count in (count for count in COUNTS if count <= arguments.most):
            with up(count):
                idle[count] = [used(lambda: time.sleep(IDLE_SECONDS)) for _ in range(arguments.count)]
                print(count, idle[count], flush=True)
                if count == FLAPPING:
                    with other_link():
                        found["nothing"] = flapped(arguments.count, lambda: False)
                        found["another link"] = flapped(arguments.count, lambda: toggle(OTHER))
                        found["the session"] = flapped(arguments.count, lambda: end_session(first))
                        found["the tunnel's link"] = flapped(arguments.count, lambda: toggle(f"pptp-{first}"))
    told = [*idle_figures(idle), *flapping_figures(found)]
    result.finish(Result("processor", "CPU", METHOD, told), arguments.out)


if __name__ == "__main__":
    main()
