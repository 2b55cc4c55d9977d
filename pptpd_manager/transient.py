"""Runs programs outside of the manager's sandbox: each as a service of systemd's, made for it and gone with it.

Asynchronous, over D-Bus: StartTransientUnit of org.freedesktop.systemd1(5). None of them holds the manager up, and
none inherits what the manager may and may not do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from gi.repository import Gio, GLib

from pptpd_manager.guard import guarded

_SYSTEMD, _ROOT = "org.freedesktop.systemd1", "/org/freedesktop/systemd1"
_MANAGER = _SYSTEMD + ".Manager"
_REMOTE = re.compile(r"^GDBus\.Error:[\w.]+: ")  # what Gio puts before the message of a remote error
CALL_MS = 10_000
NOTHING: Mapping[str, str] = MappingProxyType({})

Done = Callable[[str], None]


class Transient:
    """Starts such services, and hears of their ends."""

    def __init__(self, con: Gio.DBusConnection) -> None:
        self._con = con
        self._running: dict[str, Done] = {}
        self._watch = con.signal_subscribe(
            _SYSTEMD, _MANAGER, "JobRemoved", _ROOT, None, Gio.DBusSignalFlags.NONE, guarded(self._removed)
        )

    def close(self) -> None:
        """Stop listening; what runs goes on."""
        self._con.signal_unsubscribe(self._watch)

    def run(
        self,
        unit_name: str,
        description: str,
        commands: Sequence[Sequence[str]],
        *,
        environment: Mapping[str, str] = NOTHING,
        stdin: bytes = b"",
        seconds: float,
        fields: Mapping[str, str] = NOTHING,
        done: Done,
    ) -> None:
        """Run the commands one after the other, each whatever the one before did; done(""), or done(why it failed).

        unit_name: not in use; stdin: what each of them reads; seconds: until they are killed; fields: of what they
        write to the journal.
        """
        self._running[unit_name] = done
        properties = _properties(description, commands, environment, stdin, seconds, fields)
        parameters = GLib.Variant("(ssa(sv)a(sa(sv)))", (unit_name, "fail", properties, []))

        def answered(con: Gio.DBusConnection, result: Gio.AsyncResult) -> None:
            try:
                con.call_finish(result)
            except GLib.Error as error:
                self._end(unit_name, _REMOTE.sub("", error.message))

        self._con.call(
            *(_SYSTEMD, _ROOT, _MANAGER, "StartTransientUnit", parameters, None),
            *(Gio.DBusCallFlags.NONE, CALL_MS, None, guarded(answered)),
        )

    def _removed(
        self, _con: Any, _sender: str, _path: str, _interface: str, _signal: str, parameters: GLib.Variant
    ) -> None:
        """A job has ended: of a oneshot service, that is the end of its commands."""
        _number, _job, unit, result = parameters.unpack()
        self._end(unit, "" if result == "done" else f"{result}, see: journalctl -u {unit}")

    def _end(self, unit_name: str, text: str) -> None:
        if done := self._running.pop(unit_name, None):
            done(text)


def _properties(
    description: str,
    commands: Sequence[Sequence[str]],
    environment: Mapping[str, str],
    stdin: bytes,
    seconds: float,
    fields: Mapping[str, str],
) -> list[tuple[str, GLib.Variant]]:
    """The service's properties. Only the last command's failure is the service's. Source: systemd.service(5)."""
    last = len(commands) - 1
    start = [(command[0], list(command), number != last) for number, command in enumerate(commands)]
    found = [
        ("Description", GLib.Variant("s", description)),
        ("Type", GLib.Variant("s", "oneshot")),
        ("CollectMode", GLib.Variant("s", "inactive-or-failed")),
        ("DefaultDependencies", GLib.Variant("b", False)),  # also while the machine goes down
        ("TimeoutStartUSec", GLib.Variant("t", round(seconds * 1e6))),
        ("ExecStart", GLib.Variant("a(sasb)", start)),
    ]
    if environment:
        found.append(("Environment", GLib.Variant("as", [f"{name}={value}" for name, value in environment.items()])))
    if stdin:
        found += [("StandardInput", GLib.Variant("s", "data")), ("StandardInputData", GLib.Variant("ay", stdin))]
    if fields:
        lines = [f"{name}={value}".encode() for name, value in fields.items()]
        found.append(("LogExtraFields", GLib.Variant("aay", lines)))
    return found
