"""The journal: our own records with fields to filter by, and the lines of a run of pppd."""

from __future__ import annotations

import functools
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from pptpd_manager.children import Child, Children
from pptpd_manager.diagnosis import LAST_LINE, Line
from pptpd_manager.entries import ROOTS, text
from pptpd_manager.journald import Journald
from pptpd_manager.timers import Timers

log = logging.getLogger(__name__)

Then = Callable[[tuple[Line, ...]], None]

AGAIN_MS = 60
PATIENCE_MS = (300, 4000)  # for lines that come late, without and with a last one to wait for
LONGEST_MS = 12_000
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}

LINES = 400  # the last of them; a run that was up for a week has said much that does not matter


class _Handler(logging.Handler):
    """To journald, with a record's own fields."""

    def __init__(self) -> None:
        super().__init__()
        self._journald = Journald()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            fields = {
                "MESSAGE": self.format(record),
                "PRIORITY": str(_PRIORITIES.get(record.levelno, 6)),
                "SYSLOG_IDENTIFIER": "pptp-manager",
                "CODE_FILE": record.pathname,
                "CODE_LINE": str(record.lineno),
                "CODE_FUNC": record.funcName or "",
            }
            self._journald.send({**fields, **getattr(record, "fields", {})})
        except Exception:
            self.handleError(record)


def set_up(level: int) -> None:
    """Log to the journal when systemd started us, else to stderr."""
    in_unit = "JOURNAL_STREAM" in os.environ
    handler: logging.Handler = _Handler() if in_unit else logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s" if in_unit else "%(levelname)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])


def of_tunnel(tunnel: str, unit: str, **fields: str) -> dict[str, dict[str, str]]:
    """extra= for a record about a tunnel: `systemctl status` and `journalctl -u` of its unit show it too.

    fields: become PPTP_FIELD. Source: systemd.journal-fields(7), OBJECT_SYSTEMD_UNIT=.
    """
    own = {f"PPTP_{name.upper()}": value for name, value in fields.items() if value}
    return {"fields": {"OBJECT_SYSTEMD_UNIT": unit, "PPTP_TUNNEL": tunnel, **own}}


class Readings:
    """Reads what runs logged, by journalctl, which does not block us and whose trouble with a broken file is not ours.

    One journalctl at a time, for all that wait: when many tunnels end at once, it is the same work as for one.
    """

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._waiting: list[_Reading] = []
        self._children = Children()
        self._child: Child | None = None

    def read(self, run: str, pid: int, log_name: str, whole: bool, then: Then) -> None:
        """then(lines): what pppd and pptp logged in that run, in order; () if it cannot be read.

        run: the unit's invocation id; pid: of pppd; log_name: how pptp begins its lines; whole: pppd's last line is
        among them. Asks again for a while as long as that line is missing: journald takes its time.
        """
        reading = _Reading(run, pid, log_name, PATIENCE_MS[whole], then)
        self._timers.start(reading, LONGEST_MS / 1000, lambda: self._too_late(reading))
        self._ask(reading)

    def _ask(self, reading: _Reading) -> None:
        if not reading.over:
            self._waiting.append(reading)
            self._next()

    def _next(self) -> None:
        """Read for all that wait, unless that is being done for others."""
        if self._child or not self._waiting:
            return
        readings, self._waiting = self._waiting, []
        try:
            self._child = self._children.run(command(readings), functools.partial(self._ended, readings))
        except OSError as error:
            log.warning("the journal cannot be read, so reasons are guesses: journalctl: %s", error.strerror)
            for reading in readings:
                self._end(reading)

    def _ended(self, readings: list[_Reading], _status: int, output: bytes) -> None:
        self._child = None
        self._read(readings, output)
        self._next()

    def _read(self, readings: list[_Reading], output: bytes) -> None:
        readings = [reading for reading in readings if not reading.over]  # the others have run out of time
        try:
            printed = Printed(output, {reading.run for reading in readings})
            for reading in readings:
                reading.lines = printed.lines(reading.run, reading.pid, reading.log_name)
        except (ValueError, TypeError) as error:
            if readings:
                log.warning("the journal cannot be read, so reasons are guesses: %s", error)
        for reading in readings:
            if reading.patience_ms <= 0 or any(line.text == LAST_LINE for line in reading.lines):
                self._end(reading)
                continue
            self._timers.start((reading, "again"), reading.again_ms / 1000, functools.partial(self._ask, reading))
            reading.patience_ms -= reading.again_ms
            reading.again_ms *= 2

    def _too_late(self, reading: _Reading) -> None:
        """A journalctl that hangs shall not hold a tunnel up."""
        log.warning("the journal cannot be read in time, so reasons are guesses")
        self._end(reading)
        if self._child:
            self._child.kill()

    def _end(self, reading: _Reading) -> None:
        """Hand on what was read."""
        reading.over = True
        self._timers.cancel(reading)
        reading.then(reading.lines)


@dataclass(eq=False)
class _Reading:
    """A run to read. over: nobody waits any more; lines: the most that was read so far."""

    run: str
    pid: int
    log_name: str
    patience_ms: int
    then: Then
    over: bool = False
    again_ms: int = AGAIN_MS
    lines: tuple[Line, ...] = ()


def command(readings: Sequence[_Reading]) -> list[str]:
    """journalctl for the runs.

    journald looks up the unit of a line when it gets to read it; the last lines of a process that is gone by then
    have none. So pppd is also looked for by its number, and pptp by its name. Root's lines alone: for a process of a
    user's own unit journald believes a link of that user's which id the unit has (client_context_read_invocation_id in
    journald-context.c), and ours is no secret.
    """
    fields = "SYSLOG_IDENTIFIER,MESSAGE,_SYSTEMD_INVOCATION_ID,_PID,_UID"
    words = ["journalctl", "--output=json", f"--output-fields={fields}", "--all", "--quiet", "--boot"]
    words.append(f"--lines={LINES * len(readings)}")
    for reading in readings:
        words += [f"_SYSTEMD_INVOCATION_ID={reading.run}", *(f"SYSLOG_IDENTIFIER={name}" for name in ("pppd", "pptp"))]
        words += [ROOTS, "+", *((f"_PID={reading.pid}", "SYSLOG_IDENTIFIER=pppd", ROOTS, "+") if reading.pid else ())]
    return [*words, "SYSLOG_IDENTIFIER=pptp", ROOTS]


class Printed:
    """What journalctl printed, as JSON, one object a line. Read once, however many runs are looked for in it.

    Much of it may be of other runs, since pptp's lines are not looked for by theirs: one line is held at a time, of
    those runs none. What CPython once got from the system for all of them it would keep.
    """

    def __init__(self, output: bytes, runs: Set[str]) -> None:
        """runs: those whose lines are wanted. Raises ValueError. Source: journalctl(1)."""
        self._lines: dict[str | None, list[tuple[int, str, Line]]] = {}  # by run; None: journald knows of none
        wanted = {None, *runs}
        for number, entry in enumerate(map(json.loads, filter(bytes.strip, io.BytesIO(output)))):
            if not isinstance(entry, dict):
                raise ValueError(f"an object was expected, got {type(entry).__name__}")
            run = entry.get("_SYSTEMD_INVOCATION_ID")
            if entry.get("_UID") == "0" and (run is None or isinstance(run, str)) and run in wanted:
                line = Line(text(entry.get("SYSLOG_IDENTIFIER")), text(entry.get("MESSAGE")))
                self._lines.setdefault(run, []).append((number, text(entry.get("_PID")), line))

    def lines(self, run: str, pid: int, log_name: str) -> tuple[Line, ...]:
        """Those of that run, in order: as journald knows it, else by pppd's number and how pptp begins its lines."""
        found = list(self._lines.get(run, ()))
        for number, process, line in self._lines.get(None, ()):
            if process == str(pid) if line.program == "pppd" else line.text.startswith(log_name + " "):
                found.append((number, process, line))
        return tuple(line for _, _, line in sorted(found, key=lambda one: one[0]))
