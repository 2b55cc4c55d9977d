#!/usr/bin/python3
"""report.py FOUND DOCS: DOCS/benchmarks.md of what the parts of the benchmarks found, with its plots beside it.

FOUND has PART.json of each part, as run leaves it. They are kept in DOCS/benchmarks/, since anybody may want to see
each run; a part that was not run this time stays as it was there. DOCS/benchmarks/missed.md is written by hand.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import result
from parts import PARTS
from result import Figure, Result

HEAD = """\
# Measured

This project beside what people use: `pon` with the Arch wiki's script in /etc/ppp/ip-up.d, `pon` with an expert's
options, the rc.d way (`pon` and then `ip route add`), and NetworkManager with its PPTP plugin. All connect to the same
server in the same boot and take turns; each figure is the median, with the range, of so many runs as it says. What was
aimed at stands beside it, with what came of it, also where it was missed.

Made by `make bench`, in [the lab](../lab/README.md): real systemd, pppd, pptp, pptpd and NetworkManager in User Mode
Linux. There a system call takes many times as long as on a machine, and a fork and exec 3-5 ms, so what is shown
here are ratios rather than the seconds of your machine. `make bench PART=connect` runs one part; `SUITE=trixie` has it
on Debian 13. Every run is in [benchmarks/](benchmarks/), one file a part.
"""


def main(found: str, docs: str) -> None:
    """Write it."""
    import plots  # by matplotlib, which the tests of the text go without

    kept = Path(docs, "benchmarks")
    kept.mkdir(exist_ok=True)
    for path in Path(found).glob("*.json"):
        shutil.copyfile(path, kept / path.name)
    results = [result.read(path) for part in PARTS if (path := kept / f"{part.name}.json").exists()]
    for one in results:
        plots.draw(one, kept / f"{one.part}.svg")
    Path(docs, "benchmarks.md").write_text(text(results, Path(docs, "benchmarks/missed.md").read_text()))


def text(results: Sequence[Result], missed: str = "") -> str:
    """The page. missed: written by hand, why what was aimed at was not reached; as Markdown."""
    missing = [part.name for part in PARTS if part.name not in {one.part for one in results}]
    known = [f"Not measured yet: {', '.join(missing)}.\n"] if missing else []
    parts = [
        HEAD,
        *known,
        *summary(results),
        missed,
        *made_on(results),
        *(line for one in results for line in section(one)),
    ]
    return "\n".join(parts).rstrip() + "\n"


def summary(results: Sequence[Result]) -> list[str]:
    """The aims of all parts, one a line, with what came of them."""
    lines = [
        [f"[{one.title}](#{anchor(one.title)})", *told, f"**{word}**" if word == "missed" else word]
        for one in results
        for *told, word in result.verdicts(one.figures)
    ]
    return ["## What was aimed at\n", markdown([["part", "what", "aim", "came to", ""], *lines]), ""]


def made_on(results: Sequence[Result]) -> list[str]:
    """What the machines were made of, and for how long each part ran; parts on the same are told as one."""
    machines: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for one in results:
        versions = tuple((name, value) for name, value in one.machine.items() if name != "minutes")
        machines.setdefault(versions, []).append(f"{one.part} ({one.machine.get('minutes', '?')} minutes)")
    lines = ["## Measured on\n"]
    for versions, names in machines.items():
        told = dict(versions)
        host, system, kernel = (told.pop(name, "?") for name in ("host", "system", "kernel"))
        lines += [
            f"- {', '.join(names)}: {system}, kernel {kernel}, one CPU, in User Mode Linux on {host};",
            f"  {', '.join(f'{name} {version}' for name, version in told.items())}.",
        ]
    return [*lines, ""]


def section(one: Result) -> list[str]:
    """A part of the page."""
    lines = [f"## {one.title}\n", one.method.strip(), ""]
    if one.commands:
        lines += ["| way | commands |\n| --- | --- |"]
        lines += [f"| {way} | `{command.replace('|', chr(92) + '|')}` |" for way, command in one.commands.items()]
        lines += [""]
    for figures in alike(one.figures):
        lines += [markdown(result.table(figures)), ""]
    lines += [f"- {figure.what}: {figure.note}" for figure in one.figures if figure.note]
    return [*lines, f"\n![{one.title}](benchmarks/{one.part}.svg)\n"]


def alike(figures: Sequence[Figure]) -> list[list[Figure]]:
    """The figures in tables: those of the same ways together, in their order."""
    tables: dict[tuple[str, ...], list[Figure]] = {}
    for figure in figures:
        tables.setdefault(tuple(figure.runs), []).append(figure)
    return list(tables.values())


def anchor(title: str) -> str:
    """A heading's name in a link."""
    kept = "".join(letter for letter in title.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """A table, whose first line is its head."""
    rows = ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]
    return "\n".join([rows[0], "|" + " --- |" * len(lines[0]), *rows[1:]])


if __name__ == "__main__":
    main(*sys.argv[1:])
