"""A plain user floods the manager with calls: it answers, and so does it to root; tunnels do not notice.

The lab's one processor, on which a system call costs many times that of a real machine, makes the calls, passes them
on and answers them, so they are fewer here; tests/bus/test_hostile_callers.py has a thousand a second.
PPTP_MANAGER_FLOOD is how many seconds the flood takes; 10 without it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import commands as lab
import pytest
from gi.repository import Gio

FLOOD = Path(__file__).with_name("flood.py")
SECONDS = int(os.environ.get("PPTP_MANAGER_FLOOD", "10"))
RATE, TOO_MANY, CONNECTIONS = 200, 1000, 10


def resident() -> int:
    """The manager's memory in KiB."""
    fields = Path(f"/proc/{lab.manager_pid()}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGESIZE") >> 10


def processor() -> float:
    """Seconds that the manager has computed."""
    fields = Path(f"/proc/{lab.manager_pid()}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask(bus: Gio.DBusConnection) -> float:
    """A call of root's; the seconds to its answer."""
    begun = time.monotonic()
    bus.call_sync(*lab.BUS, "ListTunnels", None, None, Gio.DBusCallFlags.NONE, 120_000, None)
    return time.monotonic() - begun


def show(what: str, seconds: list[float]) -> None:
    """Print the figures of root's calls."""
    ordered = sorted(seconds)
    last = ordered[min(len(ordered) - 1, round(len(ordered) * 0.99))]
    figures = f"median {statistics.median(ordered) * 1000:.1f} ms, 99th percentile {last * 1000:.1f} ms"
    print(f"root's {len(ordered)} calls {what}: {figures}, maximum {ordered[-1] * 1000:.1f} ms")


def flooded(bus: Gio.DBusConnection, seconds: int, rate: int) -> dict[str, Any]:
    """Flood the manager while root calls it and a tunnel carries pings, none of which may be lost; what came of it."""
    computed, answers = processor(), []
    command = [sys.executable, str(FLOOD), str(seconds), str(rate), str(CONNECTIONS)]
    with lab.pinging(), subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        begun = time.monotonic()
        while process.poll() is None:
            answers.append(ask(bus))
            time.sleep(0.05)
        found = dict(json.loads(process.stdout.read() if process.stdout else ""))
        print(f"{time.monotonic() - begun:.0f} s, {processor() - computed:.1f} s of the manager's: {found}")
    show(f"with {rate} calls a second of a plain user's", answers)
    return found


@pytest.fixture
def bus() -> Gio.DBusConnection:
    """The tunnel is up; root's connection."""
    lab.configure({"work": lab.ALICE})
    assert lab.systemctl("start", "pptp@work") == 0, lab.evidence()
    return Gio.bus_get_sync(Gio.BusType.SYSTEM, None)


def test_a_flood(bus: Gio.DBusConnection) -> None:
    """All are answered, by the manager, polkitd and the bus, and nothing of them stays."""
    show("without a flood", [ask(bus) for _ in range(100)])
    flooded(bus, 3, RATE)  # what is made once
    fds, before = len(os.listdir(f"/proc/{lab.manager_pid()}/fd")), resident()
    found = flooded(bus, SECONDS, RATE)
    print(f"memory {before} -> {resident()} KiB")
    assert (found["lost"], found["closed"]) == (0, 0)
    assert found["sent"] >= 0.9 * SECONDS * RATE
    assert resident() - before <= 1024
    assert len(os.listdir(f"/proc/{lab.manager_pid()}/fd")) == fds


def test_more_than_the_machine_can_do(bus: Gio.DBusConnection) -> None:
    """Then everybody waits, but for the tunnels; and when it is over, nobody."""
    manager = lab.manager_pid()
    flooded(bus, 5, TOO_MANY)
    lab.wait_for(lambda: ask(bus) < 0.5, "an answer without a wait", 60)
    assert lab.manager_pid() == manager
