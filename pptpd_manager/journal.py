"""The journal: our own records with fields to filter by, and the lines of a run of pppd."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

from gi.repository import Gio, GLib

from pptpd_manager.diagnosis import Line
from pptpd_manager.guard import guarded
from systemd import journal

log = logging.getLogger(__name__)

Then = Callable[[tuple[Line, ...]], None]

ENOUGH = "Exit."  # what pppd logs last (main.c); without it the journal may not have all of its lines yet
AGAIN_MS = 60
PATIENCE_MS = (300, 1500)  # for lines that come late, without and with a last one to wait for
LONGEST_MS = 5000
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}

AT_ONCE = 3
LINES = 400  # the last of them; a run that was up for a week has said much that does not matter


class _Handler(logging.Handler):
    """To journald, with a record's own fields."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            journal.send(
                self.format(record),
                PRIORITY=str(_PRIORITIES.get(record.levelno, 6)),
                SYSLOG_IDENTIFIER="pptp-manager",
                CODE_FILE=record.pathname,
                CODE_LINE=record.lineno,
                CODE_FUNC=record.funcName,
                **getattr(record, "fields", {}),
            )
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

    A few at a time: when many tunnels end at once, each waits less so.
    """

    def __init__(self) -> None:
        self._queue: deque[_Reading] = deque()
        self._going = 0

    def read(self, run: str, pid: int, log_name: str, whole: bool, then: Then) -> None:
        """then(lines): what pppd and pptp logged in that run, in order; () if it cannot be read.

        run: the unit's invocation id; pid: of pppd; log_name: how pptp begins its lines; whole: pppd's last line is
        among them. Asks again for a while as long as that line is missing: journald takes its time.
        """

        def over(lines: tuple[Line, ...]) -> None:
            self._going -= 1
            self._next()
            then(lines)

        self._queue.append(_Reading(run, pid, log_name, whole, over))
        self._next()

    def _next(self) -> None:
        while self._queue and self._going < AT_ONCE:
            self._going += 1
            self._queue.popleft().begin()


class _Reading:
    def __init__(self, run: str, pid: int, log_name: str, whole: bool, then: Then) -> None:
        self.run, self.pid, self.log_name = run, pid, log_name
        self.patience_ms, self.again_ms = PATIENCE_MS[whole], AGAIN_MS
        self.then: Then | None = then
        self.lines: tuple[Line, ...] = ()
        self.child: Gio.Subprocess | None = None
        self.limit = 0

    def begin(self) -> None:
        self.limit = GLib.timeout_add(LONGEST_MS, guarded(self.too_late))
        self.ask()

    def command(self) -> list[str]:
        """journalctl for the run.

        journald looks up the unit of a line when it gets to read it; the last lines of a process that is gone by then
        have none. So pppd is also looked for by its number, and pptp by its name, among the lines that root wrote.
        """
        fields = "SYSLOG_IDENTIFIER,MESSAGE,_SYSTEMD_INVOCATION_ID"
        own = [f"_SYSTEMD_INVOCATION_ID={self.run}", "SYSLOG_IDENTIFIER=pppd", "SYSLOG_IDENTIFIER=pptp"]
        pppd = ["+", f"_PID={self.pid}", "SYSLOG_IDENTIFIER=pppd", "_UID=0"] if self.pid else []
        return ["journalctl", "--output=json", f"--output-fields={fields}", "--all", "--quiet", f"--lines={LINES}",
                *own, *pppd, "+", "SYSLOG_IDENTIFIER=pptp", "_UID=0"]  # fmt: skip

    def ask(self) -> None:
        try:
            flags = Gio.SubprocessFlags.STDOUT_PIPE | Gio.SubprocessFlags.STDERR_SILENCE
            child = Gio.Subprocess.new(self.command(), flags)
        except GLib.Error as error:
            log.warning("the journal cannot be read, so reasons are guesses: %s", error.message)
            self.end()
            return
        self.child = child
        child.communicate_async(None, None, guarded(self.read))

    def read(self, child: Gio.Subprocess, result: Gio.AsyncResult) -> None:
        try:
            _, output, _ = child.communicate_finish(result)
            self.lines = parse(output.get_data() or b"", self.run, self.log_name)
        except (GLib.Error, ValueError, TypeError) as error:
            if self.then:  # else it was killed
                log.warning("the journal cannot be read, so reasons are guesses: %s", error)
        if self.patience_ms <= 0 or any(line.text == ENOUGH for line in self.lines):
            self.end()
        elif self.then:
            GLib.timeout_add(self.again_ms, guarded(self.again))
            self.patience_ms -= self.again_ms
            self.again_ms *= 2

    def again(self) -> bool:
        if self.then:
            self.ask()
        return bool(GLib.SOURCE_REMOVE)

    def too_late(self) -> bool:
        """A journalctl that hangs shall not hold a tunnel up."""
        self.limit = 0
        log.warning("the journal cannot be read in time, so reasons are guesses")
        child = self.child
        self.end()
        if child:
            child.force_exit()
        return bool(GLib.SOURCE_REMOVE)

    def end(self) -> None:
        """Hand on what was read, once."""
        then, self.then = self.then, None
        if self.limit:
            GLib.source_remove(self.limit)
            self.limit = 0
        if then:
            then(self.lines)


def parse(output: bytes, run: str, log_name: str) -> tuple[Line, ...]:
    """The lines of that run in journalctl's JSON, one object a line. Raises ValueError. Source: journalctl(1)."""
    lines = []
    for entry in map(json.loads, filter(bytes.strip, output.splitlines())):
        line = Line(_text(entry.get("SYSLOG_IDENTIFIER")), _text(entry.get("MESSAGE")))
        known = entry.get("_SYSTEMD_INVOCATION_ID")
        if known == run or (known is None and (line.program == "pppd" or line.text.startswith(log_name + " "))):
            lines.append(line)
    return tuple(lines)


def _text(value: Any) -> str:
    """A field's value: a text, or a list of byte values when it is not printable."""
    return bytes(value).decode(errors="replace") if isinstance(value, list) else str(value or "")
