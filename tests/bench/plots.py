"""The figures of a part as pictures: every run a point, and the median of each way a line; what went on over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from result import OURS, Figure, Plot, Result, median

OWN, OTHERS = "#0b6e4f", ("#c1440e", "#d98e04", "#7a5195", "#2f6690", "#8a8a8a", "#a23b72")
WIDE, LINE = 9.0, 0.28  # inches: the picture, and each way in it


def draw(one: Result, path: Path) -> None:
    """Write the picture of a part: its figures one below the other, then its plots."""
    # The same input gives the same file, and text stays text: it can be searched, and copied.
    matplotlib.rcParams.update({"svg.hashsalt": "benchmarks", "svg.fonttype": "none", "font.size": 9})
    shown = [figure for figure in one.figures if any(run is not None for runs in figure.runs.values() for run in runs)]
    heights = [LINE * len(figure.runs) + 0.75 for figure in shown] + [3.0 for _ in one.plots]
    canvas = Canvas(figsize=(WIDE, sum(heights)), layout="constrained")
    rows = canvas.subplots(len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    picked = colours([name for some in (*(f.runs for f in shown), *(p.lines for p in one.plots)) for name in some])
    for figure, axes in zip(shown, rows, strict=False):
        strip(figure, axes, picked)
    for plot, axes in zip(one.plots, rows[len(shown) :], strict=True):
        course(plot, axes, picked)
    canvas.savefig(path, metadata={"Date": None})


def colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each way; this project's are the same everywhere."""
    others = [name for name in dict.fromkeys(names) if not name.startswith(OURS)]
    picked = {name: OTHERS[number % len(OTHERS)] for number, name in enumerate(others)}
    return {name: picked.get(name, OWN) for name in names}


def strip(figure: Figure, axes: Axes, picked: dict[str, str]) -> None:
    """Each way in a line: its runs as points, their median as a stroke, and a word where one never came."""
    names = list(figure.runs)
    known = [run for runs in figure.runs.values() for run in runs if run is not None]
    for row, name in enumerate(names):
        colour = picked[name]
        runs = [run for run in figure.runs[name] if run is not None]
        axes.plot(runs, [row] * len(runs), "o", color=colour, alpha=0.45, markersize=5, markeredgewidth=0)
        if runs:
            middle = median(runs)
            axes.plot([middle, middle], [row - 0.35, row + 0.35], color=colour, linewidth=2.5)
        if never := len(figure.runs[name]) - len(runs):
            told = figure.none if not runs else f"{figure.none}: {never} of {len(figure.runs[name])}"
            axes.annotate(told, (1, row), xycoords=("axes fraction", "data"), ha="right", va="center", color=colour)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(min(0.0, min(known) * 1.08), max(0.0, max(known) * 1.08) or 1)  # what shrinks is below 0
    axes.set_title(f"{figure.what}, {figure.unit}", loc="left", fontsize=9, fontweight="bold")
    plainly(axes)


def course(plot: Plot, axes: Axes, picked: dict[str, str]) -> None:
    """Lines over time, or over a number."""
    for name, points in plot.lines.items():
        axes.plot([x for x, _ in points], [y for _, y in points], "-", color=picked[name], label=name, linewidth=1.4)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(plot.x)
    axes.set_ylabel(plot.y)
    axes.set_title(plot.title, loc="left", fontsize=9, fontweight="bold")
    if len(plot.lines) > 1:
        axes.legend(frameon=False)
    plainly(axes)


def plainly(axes: Axes) -> None:
    """Without a frame, and with thin lines to read by."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", linewidth=0.4, alpha=0.5)
    axes.set_axisbelow(True)
