"""Kills what outlives a tunnel's main process: until it has ended there is no redial.

A call manager that cannot reach the server does not end by SIGTERM before a minute is over: it waits for the
server's answer to its farewell (pptp_callmgr.c). systemd waits for it as long as TimeoutStopSec= of the unit says,
which is made for a busy machine.
"""

from __future__ import annotations

from pptpd_manager.timers import Timers
from pptpd_manager.units import Units, UnitState

FAREWELL_SECONDS = 2.0  # for pppd's and pptp's last words to the server
_ENDING = ("stop-sigterm", "final-sigterm")  # systemd has sent SIGTERM, and waits


class Stragglers:
    """seen(): to be told of each state of a unit."""

    def __init__(self, units: Units, timers: Timers) -> None:
        self._units, self._timers = units, timers
        self._waiting: set[str] = set()

    def seen(self, tunnel: str, unit: UnitState) -> None:
        """Begin to wait for the end of the unit's processes, or stop waiting."""
        ending = unit.sub in _ENDING
        if ending == (tunnel in self._waiting):
            return
        if not ending:
            self._waiting.discard(tunnel)
            self._timers.cancel((tunnel, self))
            return
        self._waiting.add(tunnel)
        self._timers.start((tunnel, self), FAREWELL_SECONDS, lambda: self._units.kill(tunnel, unit.run, hard=True))
