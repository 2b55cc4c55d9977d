"""pptpctl monitor: what happens to the tunnels, as it happens."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from gi.repository import Gio, GLib

from pptpd_manager.ctl import happenings, quantities, record
from pptpd_manager.ctl.bus import Bus, told
from pptpd_manager.ctl.calls import MANAGER, NAME, OBJECTS, PATH, PROPERTIES, TUNNEL, NotRunning, unknown
from pptpd_manager.ctl.exits import CtlError, Exit
from pptpd_manager.ctl.happenings import Properties
from pptpd_manager.ctl.loop import Loop
from pptpd_manager.ctl.record import Json
from pptpd_manager.ctl.terminal import Style

DRIVER, DRIVER_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"

PATIENCE_SECONDS = 30.0  # for a manager that has much to do


def run(arguments: argparse.Namespace) -> Exit:
    """The command: until Ctrl-C, or nobody reads any more."""
    return _Monitor(Bus(), arguments.names, json=arguments.json).run()


class _Monitor:
    """The tunnels as they were last seen, by their objects."""

    def __init__(self, bus: Bus, names: list[str], *, json: bool) -> None:
        self._bus, self._names, self._json = bus, names, json
        self._style, self._loop = Style(sys.stdout), Loop()
        self._seen: dict[str, Properties] = {}
        self._problems: list[str] = []
        self._begun = False  # something has been told of the manager

    def run(self) -> Exit:
        """Look, and tell, until it is over."""
        self._loop.leave_with(sys.stdout)
        self._bus.con.connect("closed", self._loop.guarded(self._bus_lost))
        self._subscribe(DRIVER, DRIVER, "NameOwnerChanged", DRIVER_PATH, self._owner_changed, NAME)
        self._subscribe(NAME, PROPERTIES, "PropertiesChanged", None, self._changed, None)
        self._subscribe(NAME, OBJECTS, None, PATH, self._objects_changed, None)
        self._look()
        return self._loop.run()

    def _subscribe(
        self, sender: str, interface: str, member: str | None, path: str | None, heard: Callable[..., None],
        first: str | None,
    ) -> None:  # fmt: skip
        """heard(path, member, the values) for each such signal. first: its first value."""

        def signalled(_con: Any, _sender: str, path: str, _interface: str, name: str, values: GLib.Variant) -> None:
            heard(path, name, *values.unpack())

        none, callback = Gio.DBusSignalFlags.NONE, self._loop.guarded(signalled)
        self._bus.con.signal_subscribe(sender, interface, member, path, first, none, callback)

    # --- the whole, at first and when there is another manager ---

    def _look(self) -> None:
        """Ask for everything. The answers come behind the signals of what was before them."""
        self._ask(OBJECTS + ".GetManagedObjects", self._found)

    def _ask(self, method: str, then: Callable[[Any], None], signature: str = "()", *values: Any) -> None:
        guarded, flags = self._loop.guarded, Gio.DBusCallFlags.NO_AUTO_START
        answered, failed = guarded(then), guarded(self._failed)
        self._bus.begin(PATH, method, answered, failed, signature, *values, flags=flags, seconds=PATIENCE_SECONDS)

    def _failed(self, error: GLib.Error) -> None:
        """Without a manager, wait for one."""
        failure = told(error)
        if not isinstance(failure, NotRunning):
            raise failure
        if not self._begun:
            self._running(False)

    def _found(self, objects: dict[str, dict[str, Any]]) -> None:
        now = {path: interfaces[TUNNEL] for path, interfaces in objects.items() if TUNNEL in interfaces}
        names = [properties["Name"] for properties in now.values()]
        if not self._begun and (missing := [name for name in self._names if name not in names]):
            raise unknown(missing[0], names)
        known = self._begun
        self._begun = True
        for path in [path for path in self._seen if path not in now]:
            self._remove(path)
        for path, properties in now.items():
            if known and path not in self._seen:
                self._tell_of(properties, {"event": "added", "tunnel": properties["Name"]})
            self._see(path, properties)
        self._ask(PROPERTIES + ".GetAll", self._managed, "(s)", MANAGER)

    def _managed(self, properties: dict[str, Any]) -> None:
        self._configured(properties["ConfigurationProblems"])

    # --- what is heard ---

    def _owner_changed(self, _path: str, _member: str, _name: str, _old: str, new: str) -> None:
        self._running(bool(new))
        if new:
            self._look()

    def _changed(self, path: str, _member: str, interface: str, changed: dict[str, Any], _gone: list[str]) -> None:
        if interface == TUNNEL and path in self._seen:
            self._see(path, {**self._seen[path], **changed})
        elif interface == MANAGER and "ConfigurationProblems" in changed:
            self._configured(changed["ConfigurationProblems"])

    def _objects_changed(self, _path: str, member: str, path: str, interfaces: Any) -> None:
        if TUNNEL not in interfaces or not self._begun:
            return
        if member == "InterfacesRemoved":
            self._remove(path)
        elif path not in self._seen:
            properties = interfaces[TUNNEL]
            self._tell_of(properties, {"event": "added", "tunnel": properties["Name"]})
            self._see(path, properties)

    def _bus_lost(self, *_arguments: Any) -> None:
        raise CtlError(Exit.NO_MANAGER, "the system bus is gone")

    # --- what is told ---

    def _running(self, running: bool) -> None:
        self._begun = True
        self._tell({"event": "manager", "running": running}, None)

    def _configured(self, problems: list[str]) -> None:
        if problems != self._problems:
            self._problems = problems
            self._tell({"event": "configuration", "problems": problems}, None)

    def _see(self, path: str, properties: Properties) -> None:
        before, self._seen[path] = self._seen.get(path), properties
        for found in happenings.changes(before, properties):
            self._tell_of(properties, found)

    def _remove(self, path: str) -> None:
        if properties := self._seen.pop(path, None):
            self._tell_of(properties, {"event": "removed", "tunnel": properties["Name"]})

    def _tell_of(self, properties: Properties, found: Json) -> None:
        if not self._names or properties["Name"] in self._names:
            self._tell(found, properties)

    def _tell(self, found: Json, properties: Properties | None) -> None:
        now = quantities.now()
        if self._json:
            print(record.line({"time": quantities.rfc3339(now), **found}), flush=True)
        else:
            print(happenings.line(found, properties, now, self._style), flush=True)
