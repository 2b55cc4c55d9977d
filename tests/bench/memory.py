"""How much memory it takes: the manager, NetworkManager, and the processes of a tunnel, with 0, 1, 10 and 100 of them.

This makes the files, the server and the profiles, and becomes memory.sh, which reads; that becomes this again, which
tells. What stays behind stays in the guest.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import commands as lab
import fleet
import result
import ways
from result import Aim, Figure, Result, Runs

FOUND = Path("/run/bench-memory")
SCRIPT = Path(__file__).with_suffix(".sh")
COUNTS = (0, 1, 10, 100)
OURS, PON, NM, FLOOR = "pptp-manager", "pon", "NetworkManager", "python3 with GDBus"
MANAGERS = ("python3", "pptp-manager", "NetworkManager", "nm-pptp-service", "nm-dispatcher")
METHOD = """\
PSS of `/proc/PID/smaps_rollup`: what a process has for itself, and its share of the pages that it has in common with
others. Read by `sh`, with no other Python on the machine, whose pages the manager would share; five seconds after the
tunnels are up, in turns, the managers started anew before each reading. With 100 tunnels there is one reading of each,
else medians. To 100 addresses of one pptpd, a route each. The manager's process is one; NetworkManager has
NetworkManager and nm-pptp-service. A tunnel's own processes are pppd, pptp and its call manager, and pon's shell; of
NetworkManager's they are those in its unit. "all" is both."""
BELOW = f"""\
"{FLOOR}" is a Python that has imported Gio and does nothing; below that no manager in Python that speaks D-Bus can
be. NetworkManager's memory for each tunnel, a process of nm-pptp-service and its own, is what makes the difference."""
DETACHED = """\
pon's pppd forks when the link is up, and the new process has not touched again what the libraries needed to start: so
those pages, which are the files' own and are there once for all processes, are not counted to it. What a process has
for itself alone is told as "private and dirty"."""
PROFILE = """\
[connection]
id={name}
type=vpn
autoconnect=false

[vpn]
{data}
service-type=org.freedesktop.NetworkManager.pptp

[vpn-secrets]
password=secret

[ipv4]
method=auto
never-default=true
route1={inside}/32

[ipv6]
method=ignore
"""


@dataclass(frozen=True)
class Process:
    """pss, dirty: kB; dirty: what it has for itself and has written to."""

    program: str
    pss: int
    dirty: int


def processes(text: str) -> list[Process]:
    """Those of a reading of memory.sh. A program's name may have spaces."""
    found = []
    for line in text.splitlines():
        _pid, *program, pss, dirty = line.split(" ")
        found.append(Process(" ".join(program), int(pss), int(dirty)))
    return found


def split(found: Sequence[Process]) -> tuple[int, int, int]:
    """PSS of the managers, and of all the others; and what of the latter is dirty."""
    managers = sum(one.pss for one in found if one.program.startswith(MANAGERS))
    dirty = sum(one.dirty for one in found if not one.program.startswith(MANAGERS))
    return managers, sum(one.pss for one in found) - managers, dirty


def prepare() -> None:
    """What the ways need: configurations, peers, profiles, and a server for all of them."""
    FOUND.mkdir()
    names = [fleet.name(number) for number in range(1, fleet.MOST + 1)]
    for count in COUNTS:
        (FOUND / f"ours.yaml.{count}").write_text(json.dumps({"tunnels": fleet.tunnels(count, apart=True)}))
        (FOUND / f"ours.yaml.{count}").chmod(0o600)
    ways.NM_PROFILES.mkdir(parents=True, exist_ok=True)
    ways.write_pon(
        {name: (fleet.server(number, apart=True), "") for number, name in enumerate(names, 1)},
        {name: ways.each_added([f"{fleet.inside(number)}/32"]) for number, name in enumerate(names, 1)},
    )
    for number, name in enumerate(names, 1):
        server = fleet.server(number, apart=True)
        data = f"gateway={server},{ways.NM_DATA}".replace(",", "\n")
        profile = ways.NM_PROFILES / f"{name}.nmconnection"
        profile.write_text(PROFILE.format(name=name, data=data, inside=fleet.inside(number)))
        profile.chmod(0o600)


def figures(found: Path = FOUND) -> list[Figure]:
    """What memory.sh has read."""
    told = []
    for count in COUNTS:
        managers: dict[str, list[float | None]] = {}
        others: dict[str, list[float | None]] = {}
        written: dict[str, list[float | None]] = {}
        whole: dict[str, list[float | None]] = {}
        for name, way in (("ours", OURS), ("pon", PON), ("nm", NM), ("floor", FLOOR)):
            for file in sorted(found.glob(f"{name}.{count}.*")):
                manager, own, dirty = split(processes(file.read_text()))
                if name != "pon":
                    managers.setdefault(way, []).append(manager)
                if count:
                    others.setdefault(way, []).append(own / count)
                    written.setdefault(way, []).append(dirty / count)
                whole.setdefault(way, []).append(manager + own)
        at = f"with {count} tunnel{'s' if count != 1 else ''}"
        aims = [Aim(OURS, 1.0, NM)] if count and NM in managers else []
        told.append(Figure(f"the manager {at}", "kB", managers, aims, note="" if count else BELOW))
        if count:
            beside = [Aim(OURS, 1.0, PON)] if PON in others else []
            what = f"a tunnel's own processes, each, {at}"
            told.append(Figure(what, "kB", others, beside, note=DETACHED if count == 1 else ""))
            told.append(Figure(f"{what}: private and dirty", "kB", written, beside))
            told.append(Figure(f"all, {at}", "kB", whole, aims))
    return [*told, grown(told)]


def grown(told: Sequence[Figure]) -> Figure:
    """What a tunnel takes in the manager itself, from those with 10 to those with 100."""
    by_count: dict[str, Runs] = {one.what: one.runs for one in told}
    runs: dict[str, list[float | None]] = {}
    for way in (OURS, NM):
        few, many = (by_count[f"the manager with {count} tunnels"].get(way, ()) for count in (10, 100))
        if few and many:
            known = [[run for run in one if run is not None] for one in (few, many)]
            runs[way] = [(statistics.median(known[1]) - statistics.median(known[0])) / 90]
    return Figure("a tunnel more in the manager", "kB", runs, [Aim(OURS, 20.0)])


def tell(out: Path) -> None:
    """Show and write what was found."""
    told = figures()
    came = {path.name: path.read_text().strip() for path in FOUND.glob("nm.came.100.*")}
    note = f"NetworkManager had {', '.join(came.values())} of the 100 up." if came else ""
    told[-1] = Figure(told[-1].what, told[-1].unit, told[-1].runs, told[-1].aims, note=note)
    commands = {
        OURS: "systemctl start pptp@t001 pptp@t002 ...",
        PON: "pon t001 updetach persist; ...",
        NM: "nmcli connection up t001; ...",
        "reading": "grep -E '^(Pss|Private)' /proc/PID/smaps_rollup",
    }
    result.finish(Result("memory", "Memory", METHOD, told, commands), out)


def main() -> None:
    """Measure, show, write."""
    if sys.argv[1:2] == ["--tell"]:
        return tell(Path(sys.argv[2]))
    arguments = result.arguments(__doc__, count=3).parse_args()
    prepare()
    again = (sys.executable, __file__, "--tell", str(arguments.out))
    with fleet.serving(), ways.nm_configured():
        lab.out("systemctl", "stop", "pptp-manager")
        # What is not left by this is left with the guest.
        os.execv("/bin/sh", ["sh", str(SCRIPT), str(FOUND), str(arguments.count), *again])


if __name__ == "__main__":
    main()
