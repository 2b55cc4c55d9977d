"""python3 -m tests.bus.latency [COUNT]: how long the kernel waits for ten routes of a link that came up.

As root, on any machine: the manager on a private bus, in a network namespace of its own, with a veth pair for a link.
A second process takes the times at which the kernel tells of the link and of the routes. Also of a route that somebody
removes, and that comes back. Prints median, 99th percentile and maximum. See test_latency.py.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from .clients import until
from .world import CONFIG, World
from .zygote import zygote

ROUTES = 10
QUIET = 0.05  # seconds between two turns: a link does not come up while the manager still sees to its end
LINK = "pptp-office"
LISTENER = Path(__file__).with_name("listener.py")


def measured(world: World, count: int) -> dict[str, list[float]]:
    """Seconds by what was waited for: "up", count times, and "back", a few times."""
    prefixes = ", ".join(f"10.{n}.0.0/16" for n in range(ROUTES))
    world.configure(CONFIG.replace("[192.168.10.0/24]", f"[{prefixes}]"))
    world.start()
    world.connecting("office")
    # Like a PPP link, and unlike one of a veth pair, it has no other end of which the kernel tells, too.
    world.ip(f"tuntap add dev {LINK} mode tun", f"address add 10.200.0.2 peer 10.200.0.1/32 dev {LINK}")
    world.ip(f"link set {LINK} up")
    world.wait_for_state("office", "up")
    with listening(world) as listener:
        for _ in range(count):
            for way, state in (("down", "stopping"), ("up", "up")):
                world.forget()
                world.ip(f"link set {LINK} {way}")
                world.wait_for_state("office", state)
                time.sleep(QUIET)
        for prefix in prefixes.split(", "):
            world.ip(f"route delete {prefix}")
            until(lambda prefix=prefix: prefix in world.ip("route"), "it to be back")  # type: ignore[misc]
        assert listener.stdin and listener.stdout
        listener.stdin.close()
        found: dict[str, list[float]] = {"up": [], "back": []}
        for line in listener.stdout:
            name, seconds = line.split()
            found[name].append(float(seconds))
        return found


@contextlib.contextmanager
def listening(world: World) -> Iterator[subprocess.Popen[str]]:
    """A process that hears what the kernel says in the namespace; it prints when its input ends."""
    command = world.inside(sys.executable, str(LISTENER), LINK, str(ROUTES))
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as listener:
        assert listener.stdout and listener.stdout.readline() == "listening\n"
        yield listener


def described(what: str, seconds: list[float]) -> str:
    """The figures in a line."""
    ordered = sorted(seconds)
    last = ordered[min(len(ordered) - 1, round(len(ordered) * 0.99))]
    figures = (("median", statistics.median(ordered)), ("99th percentile", last), ("maximum", ordered[-1]))
    return f"{what}, {len(ordered)} times: " + ", ".join(f"{name} {value * 1000:.2f} ms" for name, value in figures)


def show(found: dict[str, list[float]]) -> None:
    """Print the figures."""
    print(described(f"link up to {ROUTES} routes", found["up"]))
    print(described("a route that is removed to its return", found["back"]))


def main() -> None:
    count = int(sys.argv[1]) if sys.argv[1:] else 200
    with tempfile.TemporaryDirectory() as directory, zygote() as forks, ExitStack() as stack:
        show(measured(World(Path(directory), stack, forks), count))


if __name__ == "__main__":
    main()
