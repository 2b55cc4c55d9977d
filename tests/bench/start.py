"""How long the manager takes to start and pptpctl to answer, beside NetworkManager and nmcli: in one boot."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

import commands as lab
import result
import ways
from result import Aim, Figure, Result
from ways import OURS, WAYS

NM = WAYS["nm"].name
BARE = "python3 with GDBus"
UNITS = {OURS.name: "pptp-manager.service", NM: "NetworkManager.service"}
PYTHON = ("/usr/bin/python3", "-I", "-c", "from gi.repository import Gio")
LOOKS: dict[str, dict[str, tuple[str, ...]]] = {
    "everything of one tunnel": {
        OURS.name: ("pptpctl", "status", "work"),
        NM: ("nmcli", "connection", "show", "vpn"),
    },
    "the tunnels, a line each": {
        OURS.name: ("pptpctl", "list"),
        NM: ("nmcli", "connection", "show", "--active"),
        BARE: PYTHON,
    },
    "the interfaces, a line each": {
        OURS.name: ("pptpctl", "list"),
        NM: ("nmcli", "device"),
    },
}
METHOD = f"""\
The ways take turns; the first round is not counted. A start is the time that `systemctl start UNIT` takes for a unit
that was stopped: both are of Type=notify or dbus, so it returns when the program is ready. The CPU time is that of the
unit's processes up to then, `systemctl show -P CPUUsageNSec UNIT`. The looks are timed from start to end, with their
output thrown away, while the tunnel `work` and NetworkManager's profile `vpn` exist, the tunnel of the former up; both
daemons run and have been asked before. "{BARE}" is the time of `python3 -I -c "from gi.repository import Gio"`, which
does nothing: below it no program in Python on this D-Bus library can be."""

Runs = dict[str, dict[str, list[float]]]


def in_turns(count: int, names: Sequence[str], measured: Callable[[str], float]) -> dict[str, list[float]]:
    """What measured() gives for each name, count times, after a first round that is not counted."""
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(count + 1):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            value = measured(name)
            found[name] += [value] if number else []
    return found


def milliseconds(command: Sequence[str]) -> float:
    """What the command takes to its end."""
    begun = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=60)
    return (time.monotonic() - begun) * 1000


def starts(count: int) -> Runs:
    """Milliseconds of each unit's start, and of its processes' CPU time."""
    used: dict[str, list[float]] = {name: [] for name in UNITS}

    def start(name: str) -> float:
        lab.out("systemctl", "stop", UNITS[name])
        lab.run("systemctl", "reset-failed", UNITS[name])  # or so many starts in so short a time are refused
        took = milliseconds(("systemctl", "start", UNITS[name]))
        used[name].append(lab.of_unit(UNITS[name], "CPUUsageNSec") / 1e6)
        return took

    took = in_turns(count, list(UNITS), start)
    return {"start": took, "CPU time of the start": {name: runs[1:] for name, runs in used.items()}}


def looks(count: int) -> Runs:
    """Milliseconds of each command."""
    found = {}
    for what, each in LOOKS.items():
        found[what] = in_turns(count, list(each), lambda name, each=each: milliseconds(each[name]))  # type: ignore[misc]
    return found


def figures(started: Runs, looked: Runs) -> list[Figure]:
    """What is told of them."""
    aim, none = [Aim(OURS.name, 0.5, NM)], list[Aim]()
    told = [Figure(what, "ms", runs, aim if what == "start" else none) for what, runs in started.items()]
    return told + [Figure(what, "ms", runs, [Aim(OURS.name, 2.0, NM)]) for what, runs in looked.items()]


def commands() -> Mapping[str, str]:
    """What was typed, by way."""
    typed: dict[str, list[str]] = {name: [f"systemctl start {unit}"] for name, unit in UNITS.items()}
    for each in LOOKS.values():
        for name, words in each.items():
            typed.setdefault(name, []).append(" ".join(words))
    return {name: "; ".join(dict.fromkeys(lines)) for name, lines in typed.items()}


def main() -> None:
    """Measure, show, write."""
    arguments = result.arguments(__doc__).parse_args()
    with ways.configured([OURS, WAYS["nm"]]):
        started = starts(arguments.count)
        lab.out("systemctl", "stop", *UNITS.values())
        lab.out("systemctl", "start", UNITS[OURS.name])
        with ways.running(WAYS["nm"]):
            lab.out(*OURS.connect)
            looked = looks(arguments.count)
            ways.hang_up(OURS)
    result.finish(Result("start", "Start, and a look", METHOD, figures(started, looked), commands()), arguments.out)


if __name__ == "__main__":
    main()
