"""What a tunnel's unit is called, and names as parts of D-Bus' object paths. Pure."""

from __future__ import annotations

import re

SYSTEMD, SYSTEMD_PATH = "org.freedesktop.systemd1", "/org/freedesktop/systemd1"


def unit_name(tunnel: str) -> str:
    """The name of the tunnel's unit."""
    return f"pptp@{tunnel}.service"


def unit_path(unit: str) -> str:
    """The object of a unit, by the unit's whole name."""
    return f"{SYSTEMD_PATH}/unit/{escape(unit)}"


def escape(label: str) -> str:
    """label as an element of an object path: _xx for all but ASCII letters and digits.

    Source: sd_bus_path_encode(3).
    """
    return "".join(
        c if c.isascii() and c.isalnum() and not (c.isdigit() and not i) else f"_{ord(c):02x}"
        for i, c in enumerate(label)
    )


def unescape(element: str) -> str:
    """What escape() made element of."""
    return re.sub(r"_([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), element)
