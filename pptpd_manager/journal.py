"""The journal: our own records with fields to filter by, and the lines of a run of pppd."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from gi.repository import Gio, GLib

from pptpd_manager.guard import guarded
from pptpd_manager.reasons import Line
from systemd import journal

log = logging.getLogger(__name__)

ENOUGH = "Exit."  # what pppd logs last (main.c); without it the journal may not have all of its lines yet
AGAIN_MS = 60
TRIES = 8
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


def read_run(run: str, then: Callable[[tuple[Line, ...]], None]) -> None:
    """then(lines): what pppd and pptp logged in the run with that invocation id, in order; () if it cannot be read.

    By journalctl, which does not block us and whose trouble with a broken file is not ours. Asks again for half a
    second while pppd's last line is missing: journald takes its time.
    """
    _Reading(run, then).ask()


class _Reading:
    def __init__(self, run: str, then: Callable[[tuple[Line, ...]], None]) -> None:
        self.run, self.then, self.tries = run, then, 0

    def ask(self) -> None:
        self.tries += 1
        command = [
            "journalctl",
            "--output=json",
            "--output-fields=SYSLOG_IDENTIFIER,MESSAGE",
            "--all",
            "--quiet",
            f"--lines={LINES}",
            f"_SYSTEMD_INVOCATION_ID={self.run}",
            "SYSLOG_IDENTIFIER=pppd",
            "SYSLOG_IDENTIFIER=pptp",
        ]
        try:
            child = Gio.Subprocess.new(command, Gio.SubprocessFlags.STDOUT_PIPE | Gio.SubprocessFlags.STDERR_SILENCE)
        except GLib.Error as error:
            log.warning("the journal cannot be read, so reasons are guesses: %s", error.message)
            self.then(())
            return
        child.communicate_async(None, None, guarded(self.read))

    def read(self, child: Gio.Subprocess, result: Gio.AsyncResult) -> None:
        try:
            _, output, _ = child.communicate_finish(result)
            lines = parse(output.get_data() or b"")
        except (GLib.Error, ValueError) as error:
            log.warning("the journal cannot be read, so reasons are guesses: %s", error)
            lines = ()
        if self.tries >= TRIES or any(line.text == ENOUGH for line in lines):
            self.then(lines)
        else:
            GLib.timeout_add(AGAIN_MS, guarded(self.again))

    def again(self) -> bool:
        self.ask()
        return bool(GLib.SOURCE_REMOVE)


def parse(output: bytes) -> tuple[Line, ...]:
    """The lines in journalctl's JSON, one object a line. Raises ValueError. Source: journalctl(1)."""
    entries: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines() if line.strip()]
    return tuple(Line(_text(entry.get("SYSLOG_IDENTIFIER")), _text(entry.get("MESSAGE"))) for entry in entries)


def _text(value: Any) -> str:
    """A field's value: a text, or a list of byte values when it is not printable."""
    return bytes(value).decode(errors="replace") if isinstance(value, list) else str(value or "")
