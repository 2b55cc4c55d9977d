"""Times, durations and amounts, for people and for JSON. Times are microseconds since 1970, as on the bus."""

from __future__ import annotations

import time
from datetime import UTC, datetime

_STEPS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def now() -> int:
    """The time."""
    return time.time_ns() // 1000


def duration(seconds: float, parts: int = 1) -> str:
    """Seconds in their largest units, as many as parts: "3 h", "3 h 12 min"; "0 s" for none or fewer."""
    left = max(0, int(seconds))
    found: list[str] = []
    for size, unit in _STEPS:
        count, left = divmod(left, size)
        if count or (unit == "s" and not found):
            found.append(f"{count} {unit}")
        elif found:
            break  # not "1 d 5 s"
        if len(found) == parts:
            break
    return " ".join(found)


def size(count: int) -> str:
    """Bytes in three digits or so: "999 B", "1.5 KiB", "12 MiB"."""
    amount, unit = float(count), 0
    while amount >= 999.5 and unit < len(_SIZES) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.1f} {_SIZES[unit]}" if unit and amount < 9.95 else f"{amount:.0f} {_SIZES[unit]}"


def rfc3339(moment: int) -> str | None:
    """The time in UTC, for JSON; None for 0, which stands for no time on the bus."""
    if not moment:
        return None
    return datetime.fromtimestamp(moment // 1_000_000, UTC).strftime(f"%Y-%m-%dT%H:%M:%S.{moment % 1_000_000:06d}Z")


def date(moment: int) -> str:
    """The time here: "Mon 2026-11-23 13:02:51"."""
    return datetime.fromtimestamp(moment / 1e6).strftime("%a %Y-%m-%d %H:%M:%S")


def clock(moment: int) -> str:
    """The time of day here: "13:02:51"."""
    return datetime.fromtimestamp(moment / 1e6).strftime("%H:%M:%S")
