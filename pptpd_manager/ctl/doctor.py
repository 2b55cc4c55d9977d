"""pptpctl doctor: what stands in the way of the tunnels; see pptpd_manager/doctor."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gi.repository import Gio

from pptpd_manager.ctl import record
from pptpd_manager.ctl.arguments import CONFIGURATION
from pptpd_manager.ctl.bus import Bus
from pptpd_manager.ctl.exits import CtlError, Exit
from pptpd_manager.ctl.terminal import Style, cut, printable
from pptpd_manager.doctor.examination import Asked, Examination
from pptpd_manager.doctor.finding import Finding, Result, wrong
from pptpd_manager.doctor.manager import Tunnel
from pptpd_manager.doctor.services import Services

WORDS = {
    Result.OK: ("ok", "green"),
    Result.PROBLEM: ("problem", "red"),
    Result.WARNING: ("warning", "yellow"),
    Result.UNKNOWN: ("unknown", "dim"),
}
INDENT = " " * 9
READABLE = 119  # columns; longer lines are hard to read
CLEAR = "\r\033[K"


def run(arguments: argparse.Namespace) -> Exit:
    """OK: nothing is wrong; PROBLEM: something is. Raises CtlError."""
    con, asked = _asked()
    progress = Progress(not arguments.json)
    services = Services(con) if con else None
    try:
        examination = Examination(arguments.names, asked, services, CONFIGURATION, progress.show)
    except KeyError as error:
        file = asked.file if asked else CONFIGURATION
        raise CtlError(Exit.UNKNOWN_TUNNEL, f"there is no tunnel {error.args[0]!r} in {file}") from None
    found: list[Finding] = []
    style = Style(sys.stdout)
    try:
        for title, findings in examination.sections():
            found += findings
            if not arguments.json and findings:
                with progress.away():
                    print("\n".join(lines(title, findings, style)), flush=True)
    finally:
        progress.end()
    if arguments.json:
        print(record.document({"good": not wrong(found), "findings": [finding.record() for finding in found]}))
    else:
        print(summary(found, root=not os.geteuid()))
    return Exit.PROBLEM if wrong(found) else Exit.OK


def _asked() -> tuple[Gio.DBusConnection | None, Asked | None]:
    """The bus, and what the manager says of itself and of the tunnels; None for what does not answer."""
    try:
        bus = Bus()
    except CtlError:
        return None, None
    try:
        own, tunnels = bus.manager(), bus.tunnels()
    except CtlError:
        return bus.con, None
    problems = tuple(map(printable, own["ConfigurationProblems"]))
    asked = Asked(
        *(own["Version"], own["ConfigurationFile"], problems, tuple(map(_tunnel, tunnels.values()))),
        bool(own.get("NeedReload")),  # not with a manager that is older than this program
    )
    return bus.con, asked


def _tunnel(properties: dict[str, Any]) -> Tunnel:
    name, sentence, advice, _when = properties["LastError"]
    return Tunnel(
        properties["Name"],
        properties["Server"],
        properties["State"],
        properties["ServerAddress"],
        (name, sentence, advice),
        properties["Mtu"],
        properties["Dns"].get("Problem"),
    )


def lines(title: str, findings: list[Finding], style: Style) -> list[str]:
    """A section for people: its title, each finding, what it means, and the command."""
    width = min(style.width, READABLE)
    told = [style.paint(title, "bold")]
    for finding in findings:
        word, colour = WORDS[finding.result]
        text = " ".join(filter(None, (printable(finding.finding), printable(finding.meaning))))
        first, *others = textwrap.wrap(
            text, max(width - len(INDENT), 20), break_long_words=False, break_on_hyphens=False
        ) or [""]
        told.append(style.paint(word.ljust(len(INDENT)), colour) + first)
        told += [INDENT + line for line in others]
        if finding.command:
            told.append(f"{INDENT}  {style.paint(printable(finding.command), 'bold')}")  # whole, to be copied
    return told


def summary(found: list[Finding], *, root: bool) -> str:
    """The last line."""
    counts = {kind: sum(finding.result is kind for finding in found) for kind in Result}
    words = [
        f"{counts[kind]} {kind.value}{'s' if counts[kind] > 1 else ''}"
        for kind in (Result.PROBLEM, Result.WARNING)
        if counts[kind]
    ]
    text = f"{' and '.join(words)}." if words else "Nothing is wrong."
    if counts[Result.UNKNOWN]:
        text += f" Not looked at: {counts[Result.UNKNOWN]}"
        text += "." if root else "; root sees more: sudo pptpctl doctor"
    return text


class Progress:
    """One line that says what is waited for, on a terminal; others write below it when it is away()."""

    def __init__(self, wanted: bool) -> None:
        self._on = wanted and sys.stderr.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._style = Style(sys.stderr)
        self._lock = threading.Lock()

    def show(self, what: str) -> None:
        """What is waited for now. Called from threads."""
        with self._lock:
            if self._on:
                print(CLEAR + cut(f"looking at {printable(what)} ...", self._style.width - 1), end="", file=sys.stderr)
                sys.stderr.flush()

    @contextmanager
    def away(self) -> Iterator[None]:
        """The line is away, and stays so meanwhile."""
        with self._lock:
            if self._on:
                print(CLEAR, end="", file=sys.stderr, flush=True)
            yield

    def end(self) -> None:
        """No more of it."""
        with self.away():
            self._on = False
