"""python3 -m tests.bus.processor [COUNT]: what the manager uses of the CPU for links that come and go, as a table.

As root, on any machine: a real manager on a private bus with 1, 10 and 100 tunnels of five routes each. Idle; with one
of them being redialled COUNT times; with another link going down and up, of which it merely hears; and with a
tunnel's link that does, as if pppd did not notice. Prints the milliseconds of CPU of the manager, without those of
pppd and systemd, for each time: of once a second, ten of them are one percent. See test_processor.py.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from gi.repository import GLib

from .world import UNIT, World
from .zygote import zygote

TUNNELS = (1, 10, 100)
ROUTES = 5
QUIET = 0.05  # seconds from one change to the next one
SETTLED = 1.0  # seconds after the last one
OTHER = "other0"


def configuration(tunnels: int, *, guard: bool = False) -> str:
    """So many tunnels, each to a server of its own."""
    found = "tunnels:\n"
    for n in range(tunnels):
        routes = ", ".join(f"10.{n}.{m}.0/24" for m in range(ROUTES))
        found += f"  {name(n)}:\n    server: 198.51.100.{n + 1}\n    username: a\n    password: b\n"
        found += f"    routes: [{routes}]\n    guard: {str(guard).lower()}\n"
    return found


def name(number: int) -> str:
    """Of a tunnel; without digits, for the stand-in of systemd."""
    return f"t{chr(ord('a') + number // 26)}{chr(ord('a') + number % 26)}"


def cpu(world: World) -> float:
    """The manager's milliseconds of CPU, in all of its threads. Source: the kernel's scheduler/sched-stats.rst."""
    assert world.daemon
    tasks = Path(f"/proc/{world.daemon.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6


def rest(seconds: float) -> None:
    """Take in what the bus and the manager tell meanwhile."""
    over: list[bool] = []
    GLib.timeout_add(round(seconds * 1000), lambda: over.append(True))
    while not over:
        GLib.MainContext.default().iteration(True)


def connected(world: World, number: int, run: str) -> None:
    """From pppd's dial in that run to the tunnel that is up."""
    tunnel, link = name(number), f"pptp-{name(number)}"
    ready = world.begin("Ready", tunnel, run, interface=UNIT)
    # Like a PPP link, and unlike one of a veth pair, it has no other end of which the kernel tells, too.
    world.ip(
        f"tuntap add dev {link} mode tun",
        f"address add 10.200.{number}.2 peer 10.200.{number}.1/32 dev {link}",
        f"link set {link} up",
    )
    world.answered(ready, "Ready")
    world.set_unit(tunnel, "active", "running")
    world.forget()


def redialled(world: World, number: int, run: str) -> str:
    """What the manager sees of a session that the server ends, and of the next one; the next one's run."""
    tunnel = name(number)
    world.ip(f"link delete pptp-{tunnel}")
    world.ended(tunnel, run, status="16")
    run = world.set_unit(tunnel, "activating", "start", new_run=True)
    world.begin("Connect", tunnel)  # a person need not wait for the end of a pause
    world.dial_again(tunnel, run)
    connected(world, number, run)
    return run


def measured(world: World, tunnels: int, count: int, *, guard: bool = False) -> dict[str, float]:
    """Milliseconds of CPU by what happened once: nothing for a second, a redial, a tunnel's link, another link."""
    world.configure(configuration(tunnels, guard=guard))
    world.start()
    runs = [world.connecting(name(n))[0] for n in range(tunnels)]
    for n, run in enumerate(runs):
        connected(world, n, run)
    world.ip(f"tuntap add dev {OTHER} mode tun", f"address add 10.250.0.1/24 dev {OTHER}")
    rest(SETTLED)
    before = cpu(world)
    rest(SETTLED)
    found = {"idle": (cpu(world) - before) / SETTLED}
    before, run = cpu(world), runs[0]
    for _ in range(count):
        run = redialled(world, 0, run)
        rest(QUIET)
    rest(SETTLED)
    found["redial"] = (cpu(world) - before) / count
    for what, link in (("another", OTHER), ("link", f"pptp-{name(0)}")):
        before = cpu(world)
        for _ in range(count):
            world.forget()
            for way in ("down", "up"):
                world.ip(f"link set {link} {way}")
                rest(QUIET)
        rest(SETTLED)
        found[what] = (cpu(world) - before) / count
    return found


def main() -> None:
    count = int(sys.argv[1]) if sys.argv[1:] else 50
    print("| tunnels | idle for a second | one redialled | another link, down and up | a tunnel's link, down and up |")
    print("| --- | --- | --- | --- | --- |")
    for tunnels in TUNNELS:
        for guard in (False, True):
            with tempfile.TemporaryDirectory() as directory, zygote() as forks, ExitStack() as stack:
                found = measured(World(Path(directory), stack, forks), tunnels, count, guard=guard)
            figures = " | ".join(f"{milliseconds:.2f} ms" for milliseconds in found.values())
            print(f"| {tunnels}{', guarded' if guard else ''} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
