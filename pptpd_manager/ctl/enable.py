"""pptpctl enable and disable: whether tunnels are connected at boot, as systemctl's commands of these names do it."""

from __future__ import annotations

import argparse
from typing import Any

from gi.repository import GLib

from pptpd_manager.ctl import authorized
from pptpd_manager.ctl.agents import Agents, agents
from pptpd_manager.ctl.bus import Bus, told, words
from pptpd_manager.ctl.calls import MANAGER, PATH
from pptpd_manager.ctl.exits import CtlError, Exit
from pptpd_manager.ctl.up import act
from pptpd_manager.labels import SYSTEMD, SYSTEMD_PATH, unit_name

Change = tuple[str, str, str]  # "symlink" or "unlink", the link, where it leads


def run(arguments: argparse.Namespace) -> Exit:
    """Do it; with --now, the status is that of up or down."""
    names, enable = list(dict.fromkeys(arguments.names)), arguments.command == "enable"
    bus = Bus()
    if enable:
        for name in names:
            _find(bus, name)
    with agents() as started:
        systemd = _Systemd(bus, started)
        try:
            for name in names:
                changes = systemd.enable(unit_name(name)) if enable else systemd.disable(unit_name(name))
                if not (changes or enable):
                    _find(bus, name)
                for line in _lines(name, changes, enable=enable):
                    print(line)
        finally:  # also of what was changed before the one that cannot be
            systemd.reload()
    if not arguments.now:
        return Exit.OK
    return act("up" if enable else "down", names)


def _find(bus: Bus, name: str) -> None:
    """Raises CtlError if there is no such tunnel."""
    bus.call(PATH, MANAGER + ".GetTunnel", name, start=True)


def _lines(name: str, changes: list[Change], *, enable: bool) -> list[str]:
    """What has been changed, in words."""
    if not changes:
        return [f"{name}: connected at every boot, already" if enable else f"{name}: not connected at boot, already"]
    return [
        f"Created symlink {path} -> {target}" if kind == "symlink" else f"Removed {path}"
        for kind, path, target in changes
    ]


class _Systemd:
    """Calls of systemd's, which asks polkit who may."""

    def __init__(self, bus: Bus, started: Agents) -> None:
        self._bus, self._agents = bus, started
        self._changed = False

    def enable(self, unit: str) -> list[Change]:
        """What that has changed. Raises CtlError."""
        _installable, changes = self._call("EnableUnitFiles", "(asbb)", [unit], False, False)
        return self._noted(changes)

    def disable(self, unit: str) -> list[Change]:
        """The same."""
        return self._noted(self._call("DisableUnitFiles", "(asb)", [unit], False))

    def _noted(self, changes: list[Change]) -> list[Change]:
        self._changed |= bool(changes)
        return changes

    def reload(self) -> None:
        """Have systemd read the units again if anything has changed, as systemctl does. Raises CtlError."""
        if self._changed:
            self._call("Reload", "()")

    def _call(self, method: str, signature: str, *values: Any) -> Any:
        """The answer. Raises CtlError."""
        words = (SYSTEMD_PATH, f"{SYSTEMD}.Manager.{method}", signature, *values)
        try:
            return authorized.call(self._bus, self._agents, *words, service=SYSTEMD)
        except GLib.Error as error:
            raise _refused(error) from None


def _refused(error: GLib.Error) -> CtlError:
    """The error, with what it is that would be needed."""
    failure = told(error)
    if failure.status is Exit.REFUSED:
        needed = "Root may, and whom polkit authorizes for org.freedesktop.systemd1.manage-unit-files"
        return CtlError(Exit.REFUSED, f"systemd refuses: {str(failure).rstrip('.')}. {needed}")
    return CtlError(Exit.PROBLEM, f"systemd: {words(error)}")
