"""The manager as its clients see it that do more than to look: by GDBus' own connection.

Who looks alone does without (look.py): to import GDBus takes long, and pydbus as long again; see tests/bus/startup.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import Gio, GLib

from pptpd_manager.ctl.calls import LOOK_SECONDS, NAME, Calls, Refused, no_bus
from pptpd_manager.ctl.exits import CtlError


class Bus(Calls):
    """A connection. Raises CtlError when there is no bus."""

    def __init__(self) -> None:
        try:
            self.con: Gio.DBusConnection = Gio.bus_get_sync(Gio.BusType.SYSTEM, None)
        except GLib.Error as error:
            raise no_bus(error.message) from None
        self.con.set_exit_on_close(False)  # a bus that goes is told as an error

    def begin(
        self, path: str, method: str, then: Callable[[Any], None], failed: Callable[[GLib.Error], None],
        signature: str = "()", *values: Any, flags: Gio.DBusCallFlags = Gio.DBusCallFlags.NONE,
        seconds: float | None = None, service: str = NAME,
    ) -> None:  # fmt: skip
        """Call "INTERFACE.METHOD" and go on: then(the answer, as of call()) or failed(). It starts the manager.

        seconds: None for as long as it takes; service: another one than the manager.
        """
        interface, _, member = method.rpartition(".")
        limit = GLib.MAXINT if seconds is None else round(seconds * 1000)

        def answered(con: Gio.DBusConnection, result: Gio.AsyncResult) -> None:
            try:
                answer = con.call_finish(result).unpack()
            except GLib.Error as error:
                return failed(error)
            then(answer[0] if len(answer) == 1 else answer or None)

        body = GLib.Variant(signature, values)
        self.con.call(service, path, interface, member, body, None, flags, limit, None, answered)

    def answer(
        self, service: str, path: str, method: str, *texts: str, seconds: float = LOOK_SECONDS, start: bool = False
    ) -> tuple[Any, ...]:
        """As of Calls."""
        interface, _, member = method.rpartition(".")
        flags = Gio.DBusCallFlags.NONE if start else Gio.DBusCallFlags.NO_AUTO_START
        body, limit = GLib.Variant(f"({'s' * len(texts)})", texts), round(seconds * 1000)
        try:
            answer = self.con.call_sync(service, path, interface, member, body, None, flags, limit, None)
        except GLib.Error as error:
            raise _refused(error) from None
        values: tuple[Any, ...] = answer.unpack()
        return values


def words(error: GLib.Error) -> str:
    """The message without D-Bus' prefix."""
    return str(error.message).removeprefix(f"GDBus.Error:{Gio.DBusError.get_remote_error(error)}: ")


def _refused(error: GLib.Error) -> Refused:
    broken = any(
        error.matches(Gio.io_error_quark(), code) for code in (Gio.IOErrorEnum.TIMED_OUT, Gio.IOErrorEnum.CLOSED)
    )
    return Refused(Gio.DBusError.get_remote_error(error) or "", words(error), broken=broken)


def lost(error: GLib.Error) -> bool:
    """Whether the call had no answer: see Refused."""
    return _refused(error).lost


def told(error: GLib.Error) -> CtlError:
    """What an error of a call of the manager's means for who called: see Refused."""
    return _refused(error).told()
