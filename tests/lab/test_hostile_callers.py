"""A plain user calls the manager a thousand times a second: it answers, and so does it to root; tunnels do not notice.

PPTP_MANAGER_FLOOD is how many seconds that takes; 30 without it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import commands as lab
from gi.repository import Gio

FLOOD = Path(__file__).with_name("flood.py")
SECONDS = int(os.environ.get("PPTP_MANAGER_FLOOD", "30"))
RATE, CONNECTIONS = 1000, 10


def resident() -> int:
    """The manager's memory in KiB."""
    fields = Path(f"/proc/{lab.manager_pid()}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGESIZE") >> 10


def processor() -> float:
    """Seconds that the manager has computed."""
    fields = Path(f"/proc/{lab.manager_pid()}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_flood() -> None:
    """The figures are shown. The lab has one processor, which the flood itself uses, too: see the rate."""
    lab.configure({"work": lab.ALICE})
    assert lab.systemctl("start", "pptp@work") == 0, lab.evidence()
    bus = Gio.bus_get_sync(Gio.BusType.SYSTEM, None)
    none = Gio.DBusCallFlags.NONE

    def ask() -> float:
        begun = time.monotonic()
        bus.call_sync(*lab.BUS, "ListTunnels", None, None, none, 60_000, None)
        return time.monotonic() - begun

    quiet = [ask() for _ in range(100)]
    fds = len(os.listdir(f"/proc/{lab.manager_pid()}/fd"))
    before, computed = resident(), processor()
    command = [sys.executable, str(FLOOD), str(SECONDS), str(RATE), str(CONNECTIONS)]
    seconds = []
    with lab.pinging(), subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        begun = time.monotonic()
        while process.poll() is None:
            seconds.append(ask())
            time.sleep(0.05)
        found = json.loads(process.stdout.read() if process.stdout else "")
        print(f"{time.monotonic() - begun:.0f} s, {processor() - computed:.1f} s of the manager's: {found}")
    for what, some in (("without", quiet), ("with", seconds)):
        ordered = sorted(some)
        last = ordered[min(len(ordered) - 1, round(len(ordered) * 0.99))]
        figures = f"median {statistics.median(ordered) * 1000:.1f} ms, 99th percentile {last * 1000:.1f} ms"
        print(f"root's {len(ordered)} calls {what} the flood: {figures}, maximum {ordered[-1] * 1000:.1f} ms")
    print(f"memory {before} -> {resident()} KiB")
    assert (found["lost"], found["closed"]) == (0, 0)
    assert found["sent"] > 1000
    assert resident() - before <= 1024
    assert len(os.listdir(f"/proc/{lab.manager_pid()}/fd")) == fds
