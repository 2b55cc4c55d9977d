"""What systemd says of a tunnel's unit; whoever wants may ask."""

from __future__ import annotations

from typing import NamedTuple

from pptpd_manager.ctl.calls import PROPERTIES, Calls, Refused
from pptpd_manager.labels import SYSTEMD, SYSTEMD_PATH, unit_path

SECONDS = 2.0  # for an answer that one can do without


class Unit(NamedTuple):
    """file_state: systemd's UnitFileState. text: its status, the manager's words on the run. "" is not known."""

    file_state: str = ""
    text: str = ""


class Systemd:
    """Asks systemd about units; not any more once it has not answered, or a look would take that long for each."""

    def __init__(self, bus: Calls) -> None:
        self._bus, self._silent = bus, False

    def look(self, unit: str) -> Unit:
        """What there is to know of the unit of that name."""
        state = self._ask(SYSTEMD_PATH, f"{SYSTEMD}.Manager.GetUnitFileState", unit)
        return Unit(state, self.text(unit))

    def text(self, unit: str) -> str:
        """The unit's status: what it waits for, or what there is to know of its link; of the last run if it has ended.

        Without the last failure, which the manager tells itself.
        """
        told = self._ask(unit_path(unit), PROPERTIES + ".Get", f"{SYSTEMD}.Service", "StatusText")
        return told.partition(" Last: ")[0]

    def _ask(self, path: str, method: str, *words: str) -> str:
        if self._silent:
            return ""
        try:
            return str(self._bus.answer(SYSTEMD, path, method, *words, seconds=SECONDS, start=True)[0])
        except Refused as error:
            self._silent = error.lost
            return ""
