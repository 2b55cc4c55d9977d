"""How many calls of one client may wait for their answers; who leaves the bus is let go of.

A bus lets a client have some hundred calls waiting, and a user some hundred clients; who leaves and comes back has
none any more in the bus's eyes. So what waits here, for an authorization or for a tunnel, is counted for each client,
and goes with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import Gio, GLib

from pptpd_manager.callback import guarded
from pptpd_manager.errors import FAILED, LIMITS_EXCEEDED, DBusError
from pptpd_manager.objects import Call
from pptpd_manager.remote import DRIVER

MOST = 32  # calls of one client that wait, besides one for each tunnel


class Quota:
    """The calls that wait, by client."""

    def __init__(self, con: Gio.DBusConnection, left: Callable[[str], None] = lambda _: None) -> None:
        """left: called with each name that nobody on the bus has any more."""
        self._left = left
        self._clients: dict[str, dict[Call, Callable[[], None]]] = {}
        service, path, interface = DRIVER
        # One watch for all clients: each watch costs some memory for good, a leak of PyGObject's.
        con.signal_subscribe(
            *(service, interface, "NameOwnerChanged", path, None, Gio.DBusSignalFlags.NONE),
            guarded(self._owner_changed),
        )

    def check(self, call: Call, tunnels: int) -> None:
        """Raises DBusError when so many calls of that client wait that this one may not. tunnels: their number."""
        if (waiting := len(self._clients.get(call.sender, ()))) >= MOST + tunnels:
            raise DBusError(
                LIMITS_EXCEEDED, f"{waiting} calls of yours wait already; call again when they are answered"
            )

    def wait(self, call: Call, left: Callable[[], None] = lambda: None) -> None:
        """If the call has no answer yet, it counts until it ends; when its client leaves, it ends, and left()."""
        if not call.done:
            self._clients.setdefault(call.sender, {})[call] = left
            call.when_ended(lambda: self._ended(call))

    def _ended(self, call: Call) -> None:
        calls = self._clients[call.sender]
        del calls[call]
        if not calls:
            del self._clients[call.sender]

    def _owner_changed(
        self, _con: Any, _sender: str, _path: str, _interface: str, _signal: str, parameters: GLib.Variant
    ) -> None:
        name, _, owner = parameters.unpack()
        if not owner:
            self._left(name)
            for call, left in list(self._clients.get(name, {}).items()):
                call.fail(DBusError(FAILED, "the caller has left"))
                left()
