"""Whose calls wait for a tunnel, how many, and whether the caller is still there. Keeps one caller from filling us.

A bus lets a client have some hundred calls waiting, and a user some hundred clients; who leaves and comes back has
none any more in the bus's eyes. So what waits here is counted for each client, and goes with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gi.repository import Gio

from pptpd_manager.callback import guarded
from pptpd_manager.errors import LIMITS_EXCEEDED, DBusError
from pptpd_manager.objects import Call

MOST = 32  # calls of one client that wait


@dataclass
class _Caller:
    """A client that waits. watch: the subscription that tells of its end."""

    watch: int
    calls: list[Call] = field(default_factory=list)


class Callers:
    """left(call): called for each call that waits when its caller leaves the bus; nobody will hear the answer."""

    def __init__(self, con: Gio.DBusConnection, left: Callable[[Call], None]) -> None:
        self._con, self._left = con, left
        self._callers: dict[str, _Caller] = {}

    def check(self, call: Call) -> None:
        """Raises DBusError when so many calls of that client wait that this one may not."""
        caller = self._callers.get(call.sender)
        if caller and len(caller.calls) >= MOST:
            raise DBusError(LIMITS_EXCEEDED, f"{MOST} calls of yours wait already; call again when they are answered")

    def wait(self, call: Call) -> None:
        """Note that the call waits."""
        caller = self._callers.get(call.sender)
        if caller is None:
            caller = self._callers[call.sender] = _Caller(self._watch(call.sender))
        caller.calls.append(call)

    def done(self, call: Call) -> None:
        """The call has been answered."""
        caller = self._callers.get(call.sender)
        if caller and call in caller.calls:
            caller.calls.remove(call)
            if not caller.calls:
                self._forget(call.sender)

    def _forget(self, sender: str) -> None:
        self._con.signal_unsubscribe(self._callers.pop(sender).watch)

    def _watch(self, sender: str) -> int:
        def owner_changed(*_arguments: Any) -> None:
            if caller := self._callers.get(sender):
                self._forget(sender)
                for call in caller.calls:
                    self._left(call)

        bus = "org.freedesktop.DBus"
        changed = (bus, bus, "NameOwnerChanged", "/org/freedesktop/DBus", sender)
        return int(self._con.signal_subscribe(*changed, Gio.DBusSignalFlags.NONE, guarded(owner_changed)))
