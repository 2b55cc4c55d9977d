"""What systemd says of a tunnel's unit; whoever wants may ask."""

from __future__ import annotations

from typing import NamedTuple

from pptpd_manager.ctl.bus import PROPERTIES, Bus
from pptpd_manager.ctl.exits import CtlError
from pptpd_manager.labels import SYSTEMD, SYSTEMD_PATH, unit_path

SECONDS = 2.0  # for an answer that one can do without


class Unit(NamedTuple):
    """file_state: systemd's UnitFileState. text: its status, the manager's words on the run. "" is not known."""

    file_state: str = ""
    text: str = ""


def look(bus: Bus, unit: str) -> Unit:
    """What there is to know of the unit of that name."""
    return Unit(_ask(bus, SYSTEMD_PATH, f"{SYSTEMD}.Manager.GetUnitFileState", unit), text(bus, unit))


def text(bus: Bus, unit: str) -> str:
    """The unit's status: what it waits for, or what there is to know of its link; of the last run if it has ended.

    Without the last failure, which the manager tells itself.
    """
    told = _ask(bus, unit_path(unit), PROPERTIES + ".Get", f"{SYSTEMD}.Service", "StatusText")
    return told.partition(" Last: ")[0]


def _ask(bus: Bus, path: str, method: str, *words: str) -> str:
    try:
        return str(bus.call(path, method, f"({'s' * len(words)})", *words, service=SYSTEMD, seconds=SECONDS))
    except CtlError:
        return ""
