"""What /proc tells of a process's use of the CPU, and ping -D of what it was like for others. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Pings:
    """Of one run: how many got lost, and the milliseconds that the others took."""

    lost: int
    times: tuple[float, ...]


def ticks(stat: str) -> int:
    """User and system time in a /proc/PID/stat. proc(5)."""
    fields = stat.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def switches(status: str) -> int:
    """The voluntary context switches in a /proc/PID/task/TID/status."""
    found = re.search(r"^voluntary_ctxt_switches:\s*(\d+)$", status, re.MULTILINE)
    return int(found[1]) if found else 0


def pinged(text: str) -> Pings:
    """What ping -D told; the last one may have been on its way."""
    replies = [(int(n), float(ms)) for n, ms in re.findall(r"icmp_seq=(\d+) .*time=([\d.]+) ms", text)]
    lost = max((number for number, _ in replies), default=0) - len({number for number, _ in replies})
    return Pings(lost, tuple(ms for _, ms in replies))
