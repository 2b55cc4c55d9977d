"""What a part of the benchmarks found: figures with every run, in a file that report.py makes tables and plots of."""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Runs = Mapping[str, Sequence[float | None]]
OURS = "pptp-manager"  # so begin the names of our ways
BEST = "the best peer"
PACKAGES = (
    *("systemd", "ppp", "pptp-linux", "pptpd", "network-manager", "network-manager-pptp", "iproute2"),
    *("python3", "python3-gi", "libglib2.0-0", "libglib2.0-0t64"),
)


@dataclass(frozen=True)
class Aim:
    """What a way's median is to be: at most (or at least) that many times the one of another way.

    of: another way's name, BEST, or "" for a bound that is a number in the figure's unit.
    """

    way: str
    factor: float
    of: str = ""
    least: bool = False

    def ratio(self, runs: Runs) -> float:
        """The way's median to that of the other; infinite when the way has runs without a figure. Nan: unknown."""
        ours = median(runs[self.way])
        if not self.of or not math.isfinite(ours):
            return ours
        others = [name for name in runs if not name.startswith(OURS)] if self.of == BEST else [self.of]
        pick = max if self.least else min
        theirs = pick((median(runs[name]) for name in others if runs[name]), default=math.nan)
        return ours / theirs if theirs else math.nan

    def reached(self, runs: Runs) -> bool:
        """Whether it is so."""
        ratio = self.ratio(runs)
        return ratio >= self.factor if self.least else ratio <= self.factor

    def told(self, unit: str) -> str:
        """The aim in words, for a figure in that unit."""
        bound = "at least" if self.least else "at most"
        return f"{bound} {self.factor:g} times {self.of}" if self.of else f"{bound} {self.factor:g} {unit}"


def median(runs: Sequence[float | None]) -> float:
    """The median; infinite when any run has none, since what never came is later than all."""
    if not runs:
        return math.nan
    return math.inf if None in runs else statistics.median(run for run in runs if run is not None)


@dataclass(frozen=True)
class Figure:
    """One thing that was measured, by each way: all runs, in the unit; None for one that never came.

    what: the title of its line in the table; unit: "s", "ms", "kB", "%", "Mbit/s" or what is counted.
    none: what is shown when it never came. note: the reason where an aim is missed, or what else is to be known.
    """

    what: str
    unit: str
    runs: Runs
    aims: Sequence[Aim] = ()
    none: str = "never"
    note: str = ""


@dataclass(frozen=True)
class Plot:
    """Something over time, or over a number of tunnels or calls: points (x, y) of each line, drawn as report.py does.

    x, y: the titles of the axes, with their units. Each line has the same meaning; another unit is another plot.
    """

    title: str
    x: str
    y: str
    lines: Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class Result:
    """A part: a table, and plots. method: how it was measured, as Markdown; commands: what was typed, by way."""

    part: str
    title: str
    method: str
    figures: Sequence[Figure]
    commands: Mapping[str, str] = field(default_factory=dict)
    plots: Sequence[Plot] = ()
    machine: Mapping[str, str] = field(default_factory=dict)


def write(result: Result, path: Path) -> None:
    """Write the result, with what it was measured on; it runs in the guest."""
    path.write_text(json.dumps({**asdict(result), "machine": machine()}, indent=1, ensure_ascii=False) + "\n")


def read(path: Path) -> Result:
    """What write() wrote."""
    told: dict[str, Any] = json.loads(path.read_text())
    figures = [Figure(**{**figure, "aims": [Aim(**aim) for aim in figure["aims"]]}) for figure in told.pop("figures")]
    plots = [Plot(**plot) for plot in told.pop("plots")]
    return Result(**told, figures=figures, plots=plots)


def machine() -> dict[str, str]:
    """What this machine is made of: the versions of its packages and its kernel."""
    shown = ("dpkg-query", "--show", "--showformat=${Package} ${Version}\n", *PACKAGES)
    # It complains of those that this suite has not.
    lines = subprocess.run(shown, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
    versions = dict(line.split(" ", 1) for line in lines.splitlines() if not line.endswith(" "))
    return {"system": platform.freedesktop_os_release()["PRETTY_NAME"], "kernel": platform.release(), **versions}


def growth(samples: Sequence[float]) -> float:
    """By how much the samples grow in the second half, by the straight line through it (least squares)."""
    half = samples[len(samples) // 2 :]
    if len(half) < 2:
        return 0.0
    slope, _ = statistics.linear_regression(range(len(half)), half)
    return slope * (len(half) - 1)


def summary(runs: Sequence[float | None], none: str = "never") -> str:
    """Median and range of the runs; how many there are when not all are."""
    known = [run for run in runs if run is not None]
    if not known:
        return none if runs else "-"
    middle = statistics.median(known)
    spread = f"{number(middle)} ({number(min(known))}-{number(max(known))})" if len(known) > 1 else number(middle)
    return spread if len(known) == len(runs) else f"{spread}, {len(known)} of {len(runs)}"


def number(value: float) -> str:
    """Three digits that count, and no more than three behind the point."""
    if value >= 100 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.{2 if value >= 1 else 3}f}" if value < 10 else f"{value:.1f}"


def table(figures: Sequence[Figure]) -> list[list[str]]:
    """Head and lines: what was measured, and each way's figure, ours first."""
    found = dict.fromkeys(name for figure in figures for name in figure.runs)
    names = sorted(found, key=lambda name: not name.startswith(OURS))
    lines = [["", *names]]
    for figure in figures:
        cells = [summary(figure.runs[name], figure.none) if name in figure.runs else "" for name in names]
        lines.append([f"{figure.what}, {figure.unit}", *cells])
    return lines


def verdicts(figures: Sequence[Figure]) -> list[list[str]]:
    """A line for each aim: what, the way and its aim, what it came to, and a word for that."""
    lines = []
    for figure, aim in [(one, aim) for one in figures for aim in one.aims]:
        ratio = aim.ratio(figure.runs)
        word = "reached" if aim.reached(figure.runs) else "missed"
        came = number(ratio) if math.isfinite(ratio) else figure.none
        lines.append([figure.what, f"{aim.way} {aim.told(figure.unit)}", came, word])
    return lines


def plain(lines: Sequence[Sequence[str]]) -> str:
    """The table as text."""
    widths = [max(len(line[column]) for line in lines) + 2 for column in range(len(lines[0]))]
    return "\n".join("".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)) for line in lines)


def arguments(description: str | None, count: int = 7) -> argparse.ArgumentParser:
    """The grammar that every part has: --count N and the file for its result."""
    grammar = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    grammar.add_argument("--count", type=int, default=count, metavar="N", help="runs of each way")
    grammar.add_argument("out", type=Path, metavar="OUT.json")
    return grammar


def finish(result: Result, path: Path, say: Callable[[str], object] = print) -> None:
    """Show the table and write the result."""
    say(f"\n{result.title}\n{plain(table(result.figures))}")
    for what, aim, came, word in verdicts(result.figures):
        say(f"  {word}: {what}, {aim}: {came}")
    for note in (figure.note for figure in result.figures if figure.note):
        say(f"  {note}")
    write(result, path)
    sys.stdout.flush()
