"""How many calls of one client may wait for their answers; who leaves the bus is let go of.

A bus lets a client have some hundred calls waiting, and a user some hundred clients; who leaves and comes back has
none any more in the bus's eyes. So what waits here, for an authorization or for a tunnel, is counted for each client,
and goes with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gi.repository import Gio

from pptpd_manager import remote
from pptpd_manager.errors import FAILED, LIMITS_EXCEEDED, DBusError
from pptpd_manager.objects import Call

MOST = 32  # calls of one client that wait


@dataclass
class _Client:
    """A client that waits. forget: ends the watch for its leaving."""

    forget: Callable[[], None]
    calls: list[Call] = field(default_factory=list)


class Quota:
    """The calls that wait, by client."""

    def __init__(self, con: Gio.DBusConnection) -> None:
        self._con = con
        self._clients: dict[str, _Client] = {}

    def check(self, call: Call) -> None:
        """Raises DBusError when so many calls of that client wait that this one may not."""
        client = self._clients.get(call.sender)
        if client and len(client.calls) >= MOST:
            raise DBusError(LIMITS_EXCEEDED, f"{MOST} calls of yours wait already; call again when they are answered")

    def wait(self, call: Call) -> None:
        """If the call has no answer yet, it counts until it ends, and it ends when its client leaves.

        For when it is known to wait: the watch of a client costs some memory for good, a leak of PyGObject's.
        """
        if call.done:
            return
        sender = call.sender
        if sender not in self._clients:
            self._clients[sender] = _Client(remote.when_left(self._con, sender, lambda: self._left(sender)))
        self._clients[sender].calls.append(call)
        call.when_ended(lambda: self._ended(call, sender))

    def _ended(self, call: Call, sender: str) -> None:
        client = self._clients[sender]
        client.calls.remove(call)
        if not client.calls:
            client.forget()
            del self._clients[sender]

    def _left(self, sender: str) -> None:
        for call in list(self._clients[sender].calls):
            call.fail(DBusError(FAILED, "the caller has left"))
