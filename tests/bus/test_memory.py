"""What a tunnel costs in the manager's memory. It is no time: it is the same on any machine of this architecture."""

from __future__ import annotations

from pathlib import Path

from .clients import until
from .world import World

FEW, MORE = 20, 200
MOST_KB = 14  # an idle one; with its link and routes it takes as much again


def private(pid: int) -> int:
    """What the process has for itself alone, in kB. Source: proc(5), smaps_rollup."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))


def tunnels(count: int) -> str:
    """A configuration with so many."""
    keys = "{{server: 198.51.100.{0}, username: alice, password: 'secret', routes: [10.9.{0}.0/24]}}"
    return "tunnels:\n" + "".join(f"  t{n}: {keys.format(n)}\n" for n in range(count))


def test_a_tunnel_more_costs_little(bare: World) -> None:
    bare.configure(tunnels(FEW))
    bare.start(program=True)
    assert bare.daemon
    bare.call("ListTunnels")
    before = private(bare.daemon.pid)
    bare.configure(tunnels(FEW + MORE))
    bare.call("Reload")
    until(lambda: len(bare.call("ListTunnels")) == FEW + MORE, "all to be known")
    assert (private(bare.daemon.pid) - before) / MORE <= MOST_KB
