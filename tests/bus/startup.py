"""python3 -m tests.bus.startup [COUNT]: how long `pptpctl list` takes, beside other programs, as a table.

As root, on any machine: with a real manager on a private bus. The programs take turns, so that each sees the same
machine; the table has medians and how many times that of a bare Python they are. See test_startup.py.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from .clients import ROOT
from .world import MANAGER, NAME, PATH, World
from .zygote import zygote

PYTHON = ("/usr/bin/python3", "-I")
PPTPCTL = (
    f"import sys; sys.path.insert(0, {str(ROOT)!r}); from pptpd_manager.ctl.command import main; sys.exit(main())"
)
MODULES = "import sys, atexit; atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr))\n"


def environment(world: World) -> dict[str, str]:
    """What a client of the world's manager needs."""
    return {"PATH": os.environ["PATH"], "DBUS_SYSTEM_BUS_ADDRESS": world.address}


def commands() -> dict[str, tuple[str, ...]]:
    """What is measured; the first one is the measure."""
    found = {
        "python3 -c pass": (*PYTHON, "-c", "pass"),
        "pptpctl list": (*PYTHON, "-c", PPTPCTL, "list"),
        "pptpctl list --names": (*PYTHON, "-c", PPTPCTL, "list", "--names"),
        "pptpctl status": (*PYTHON, "-c", PPTPCTL, "status"),
        "busctl call ListTunnels": ("busctl", "call", NAME, PATH, MANAGER, "ListTunnels"),
        "nmcli --version": ("nmcli", "--version"),
    }
    return {name: command for name, command in found.items() if shutil.which(command[0])}


def measured(world: World, count: int) -> dict[str, list[float]]:
    """Seconds by command."""
    world.start()
    found: dict[str, list[float]] = {name: [] for name in commands()}
    for turn in range(count + 1):
        for name, command in commands().items():
            began = time.perf_counter()
            subprocess.run(command, env=environment(world), stdout=subprocess.DEVNULL, check=True)
            if turn:  # the first one writes byte code and warms the caches
                found[name].append(time.perf_counter() - began)
    return found


def main() -> None:
    count = int(sys.argv[1]) if sys.argv[1:] else 20
    with tempfile.TemporaryDirectory() as directory, zygote() as forks, ExitStack() as stack:
        found = measured(World(Path(directory), stack, forks), count)
    measure = statistics.median(next(iter(found.values())))
    print(f"| command, {count} times | median | least | times a bare Python |")
    print("| --- | --- | --- | --- |")
    for name, seconds in found.items():
        median = statistics.median(seconds)
        print(f"| {name} | {median * 1000:.0f} ms | {min(seconds) * 1000:.0f} ms | {median / measure:.1f} |")


if __name__ == "__main__":
    main()
