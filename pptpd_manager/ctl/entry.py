"""The log of a tunnel: which entries of the journal are its, and how they look.

They are pppd's, pptp's and those of the other processes of its unit, what the manager, its hooks and its questions for
a password logged of it, and where systemd complains of the unit. Root's alone.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import NamedTuple

from pptpd_manager.ctl.quantities import rfc3339
from pptpd_manager.ctl.record import Json
from pptpd_manager.ctl.terminal import WIDE, Style, columns, cut, printable
from pptpd_manager.entries import ROOTS, text

WARNING, ERROR, DEBUG = 4, 3, 7  # syslog(3)
FIELDS = (
    *("MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "_COMM", "_PID", "_UID", "_SYSTEMD_UNIT", "UNIT"),
    *("PPTP_TUNNEL", "PPTP_STATE", "PPTP_PREVIOUS", "PPTP_REASON"),
)


class Entry(NamedTuple):
    """One. time: microseconds since 1970; unit: whose process wrote it; about: the unit that systemd's is about."""

    time: int
    program: str
    pid: str
    uid: str
    priority: int
    message: str
    unit: str = ""
    about: str = ""
    tunnel: str = ""
    state: str = ""
    previous: str = ""
    reason: str = ""
    cursor: str = ""


def parse(line: bytes) -> Entry | None:
    """From a line of journalctl's JSON; None when it is none."""
    try:
        found = json.loads(line)
        f = {name: text(found.get(name)) for name in (*FIELDS, "__REALTIME_TIMESTAMP", "__CURSOR")}
        moment, priority = int(f["__REALTIME_TIMESTAMP"] or 0), int(f["PRIORITY"] or 6)
    except (ValueError, AttributeError):
        return None
    return Entry(
        *(moment, f["SYSLOG_IDENTIFIER"] or f["_COMM"], f["_PID"], f["_UID"], priority, f["MESSAGE"]),
        *(f["_SYSTEMD_UNIT"], f["UNIT"], f["PPTP_TUNNEL"]),
        *(f["PPTP_STATE"], f["PPTP_PREVIOUS"], f["PPTP_REASON"], f["__CURSOR"]),
    )


def matches(tunnel: str, unit: str) -> list[str]:
    """What journalctl is to look for: a bit more than the tunnel's, see Ours."""
    complaints = [f"PRIORITY={level}" for level in range(WARNING + 1)]
    either = [
        [f"_SYSTEMD_UNIT={unit}"],
        [f"PPTP_TUNNEL={tunnel}"],
        [f"UNIT={unit}", "_PID=1", *complaints],
        ["SYSLOG_IDENTIFIER=pppd", "SYSLOG_IDENTIFIER=pptp"],
    ]
    words = [word for group in either for word in (*group, ROOTS, "+")]
    return words[:-1]


class Ours:
    """Tells the tunnel's entries among those that matches() finds, taken in their order.

    journald looks up the unit of a line when it gets to read it; the last lines of a process that is gone by then have
    none. Then pppd is known by its number, and pptp by what it begins its lines with (pppd.log_name).
    """

    def __init__(self, tunnel: str, unit: str) -> None:
        self._tunnel, self._unit = tunnel, unit
        self._begin = re.compile(re.escape(tunnel) + r"-[0-9a-f]{8} ")
        self._pids: set[str] = set()

    def __call__(self, entry: Entry) -> bool:
        """Whether it is one."""
        if entry.uid != "0":
            return False
        if entry.unit == self._unit:
            self._pids.add(entry.pid)
            return True
        if entry.tunnel:
            return entry.tunnel == self._tunnel
        if entry.about:
            return entry.about == self._unit and entry.pid == "1"
        if entry.unit:
            return False
        by_name = {"pptp": self._begin.match(entry.message) is not None, "pppd": entry.pid in self._pids}
        return by_name.get(entry.program, False)


def lines(entry: Entry, style: Style, width: int = WIDE) -> list[str]:
    """As journalctl shows it, without the host: a message of several lines goes on below, indented.

    width: columns, what is longer is cut.
    """
    moment = datetime.fromtimestamp(entry.time / 1e6).strftime("%b %d %H:%M:%S")
    head = f"{moment} {printable(entry.program)}[{entry.pid}]: "
    kinds = ["red"] if entry.priority <= ERROR else ["yellow"] if entry.priority == WARNING else []
    kinds = ["dim"] if entry.priority == DEBUG else kinds
    texts = [cut(printable(text), width - columns(head)) for text in entry.message.rstrip("\n").split("\n")]
    heads = [style.paint(cut(head, width), "dim"), *[" " * columns(head)] * (len(texts) - 1)]
    return [begin + style.paint(text, *kinds) for begin, text in zip(heads, texts, strict=True)]


def record(entry: Entry) -> Json:
    """As JSON, see docs/json.md."""
    return {
        "time": rfc3339(entry.time),
        "program": entry.program,
        "pid": int(entry.pid) if entry.pid.isdecimal() else None,
        "priority": entry.priority,
        "message": entry.message,
        "state": entry.state or None,
        "previous": entry.previous or None,
        "reason": entry.reason or None,
    }
