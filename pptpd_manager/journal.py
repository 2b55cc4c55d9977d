"""The journal: our own records with fields to filter by, and the lines of a run of pppd."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from gi.repository import Gio, GLib

from pptpd_manager.diagnosis import Line
from pptpd_manager.guard import guarded
from systemd import journal

log = logging.getLogger(__name__)

ENOUGH = "Exit."  # what pppd logs last (main.c); without it the journal may not have all of its lines yet
AGAIN_MS = 60
PATIENCE_MS = (300, 1500)  # for lines that come late, without and with a last one to wait for
LONGEST_MS = 5000
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}

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


def read_run(run: str, pid: int, log_name: str, whole: bool, then: Callable[[tuple[Line, ...]], None]) -> None:
    """then(lines): what pppd and pptp logged in that run, in order; () if it cannot be read.

    run: the unit's invocation id; pid: of pppd; log_name: how pptp begins its lines; whole: pppd's last line is among
    them. By journalctl, which does not block us and whose trouble with a broken file is not ours. Asks again for a
    while as long as that line is missing: journald takes its time.
    """
    _Reading(run, pid, log_name, whole, then).ask()


class _Reading:
    def __init__(
        self, run: str, pid: int, log_name: str, whole: bool, then: Callable[[tuple[Line, ...]], None]
    ) -> None:
        self.run, self.pid, self.log_name = run, pid, log_name
        self.until = time.monotonic() + PATIENCE_MS[whole] / 1000
        self.then: Callable[[tuple[Line, ...]], None] | None = then
        self.child: Gio.Subprocess | None = None
        GLib.timeout_add(LONGEST_MS, guarded(self.too_late))

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
            self.end(())
            return
        self.child = child
        child.communicate_async(None, None, guarded(self.read))

    def read(self, child: Gio.Subprocess, result: Gio.AsyncResult) -> None:
        try:
            _, output, _ = child.communicate_finish(result)
            lines = parse(output.get_data() or b"", self.run, self.log_name)
        except (GLib.Error, ValueError, TypeError) as error:
            log.warning("the journal cannot be read, so reasons are guesses: %s", error)
            lines = ()
        if time.monotonic() > self.until or any(line.text == ENOUGH for line in lines):
            self.end(lines)
        elif self.then:
            GLib.timeout_add(AGAIN_MS, guarded(self.again))

    def again(self) -> bool:
        if self.then:
            self.ask()
        return bool(GLib.SOURCE_REMOVE)

    def too_late(self) -> bool:
        """A journalctl that hangs shall not hold a tunnel up."""
        if self.then:
            log.warning("the journal cannot be read in time, so reasons are guesses")
            if self.child:
                self.child.force_exit()
            self.end(())
        return bool(GLib.SOURCE_REMOVE)

    def end(self, lines: tuple[Line, ...]) -> None:
        """Hand the lines on, once."""
        then, self.then = self.then, None
        if then:
            then(lines)


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
