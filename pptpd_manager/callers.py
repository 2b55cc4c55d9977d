"""Who calls: the user and the groups of a connection, from the bus, which has them from the kernel."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from gi.repository import Gio, GLib

from pptpd_manager import remote
from pptpd_manager.authorization import Caller

KEPT = 256

Then = Callable[[Caller | None], None]


class Callers:
    """A unique name is never used again and a connection's credentials never change, so what is known stays true."""

    def __init__(self, con: Gio.DBusConnection) -> None:
        self._con = con
        self._known: OrderedDict[str, Caller] = OrderedDict()
        self._waiting: dict[str, list[Then]] = {}

    def of(self, sender: str, then: Then) -> None:
        """then(caller), at once if it is known; None: it has left the bus. Source: D-Bus, GetConnectionCredentials."""
        if sender in self._known:
            self._known.move_to_end(sender)
            return then(self._known[sender])
        if sender in self._waiting:
            return self._waiting[sender].append(then)
        self._waiting[sender] = [then]

        def answered(values: tuple[dict[str, Any]]) -> None:
            self._answer(sender, _caller(values[0]))

        def failed(_error: GLib.Error) -> None:
            self._answer(sender, None)

        arguments = GLib.Variant("(s)", (sender,))
        remote.call(self._con, remote.DRIVER, "GetConnectionCredentials", arguments, answered, failed)

    def forget(self, sender: str) -> None:
        """It has left the bus."""
        self._known.pop(sender, None)

    def _answer(self, sender: str, caller: Caller | None) -> None:
        if caller:
            self._known[sender] = caller
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        for then in self._waiting.pop(sender):
            then(caller)


def _caller(credentials: dict[str, Any]) -> Caller | None:
    """A bus that does not tell of groups has nobody in any."""
    if "UnixUserID" not in credentials:
        return None
    return Caller(credentials["UnixUserID"], frozenset(credentials.get("UnixGroupIDs", ())))
