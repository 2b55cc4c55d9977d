"""python3 -m tests.bus.latency [COUNT]: how long it takes from a link that is up to its ten routes in the table.

As root, on any machine: the manager on a private bus, in a network namespace of its own, with a veth pair for a link.
A second process takes the time at which the kernel tells of the link that is up, and of the tenth route. Prints
median, 99th percentile and maximum. See test_latency.py.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from .world import CONFIG, World

ROUTES = 10
LINK = "pptp-office"
LISTENER = Path(__file__).with_name("listener.py")


def measured(world: World, count: int) -> list[float]:
    """Seconds from the kernel's word on the link to the one on the last route, count times."""
    prefixes = ", ".join(f"10.{n}.0.0/16" for n in range(ROUTES))
    world.configure(CONFIG.replace("[192.168.10.0/24]", f"[{prefixes}]"))
    world.start()
    run, _ = world.connecting("office")
    world.finish("office", run)
    with listening(world) as listener:
        for _ in range(count):
            for way, state in (("down", "stopping"), ("up", "up")):
                world.forget()
                world.ip(f"link set {LINK} {way}")
                world.wait_for_state("office", state)
        assert listener.stdin and listener.stdout
        listener.stdin.close()
        return [float(line) for line in listener.stdout.read().split()]


@contextlib.contextmanager
def listening(world: World) -> Iterator[subprocess.Popen[str]]:
    """A process that hears what the kernel says in the namespace; it prints when its input ends."""
    command = world.inside(sys.executable, str(LISTENER), LINK, str(ROUTES))
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as listener:
        assert listener.stdout and listener.stdout.readline() == "listening\n"
        yield listener


def described(seconds: list[float]) -> str:
    """The figures in a line."""
    ordered = sorted(seconds)
    last = ordered[min(len(ordered) - 1, round(len(ordered) * 0.99))]
    figures = (("median", statistics.median(ordered)), ("99th percentile", last), ("maximum", ordered[-1]))
    return f"link up to {ROUTES} routes, {len(ordered)} times: " + ", ".join(
        f"{name} {value * 1000:.2f} ms" for name, value in figures
    )


def main() -> None:
    count = int(sys.argv[1]) if sys.argv[1:] else 200
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        world = World(Path(directory), stack)
        print(described(measured(world, count)))
        world.stop()


if __name__ == "__main__":
    main()
