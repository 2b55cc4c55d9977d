"""Methods of other services on the bus, called without waiting."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from gi.repository import Gio, GLib

from pptpd_manager.callback import guarded

CALL_MS = 10_000
_REMOTE = re.compile(r"^GDBus\.Error:[\w.]+: ")  # what Gio puts before the message of a remote error


class Target(NamedTuple):
    """Whose methods. service: its name on the bus, or the owner of that name."""

    service: str
    path: str
    interface: str


def call(
    con: Gio.DBusConnection,
    target: Target,
    method: str,
    arguments: GLib.Variant | None,
    then: Callable[[Any], None],
    failed: Callable[[GLib.Error], None],
) -> None:
    """Call a method: then(the reply's values), or failed(error). Calls arrive in their order.

    Give an owner as the service to start none. systemd's own name the bus keeps calls for while systemd is away for a
    moment (daemon-reexec).
    """

    def answered(con: Gio.DBusConnection, result: Gio.AsyncResult) -> None:
        try:
            reply = con.call_finish(result)
        except GLib.Error as error:
            failed(error)
            return
        then(reply.unpack())

    con.call(*target, method, arguments, None, Gio.DBusCallFlags.NONE, CALL_MS, None, guarded(answered))


def message(error: GLib.Error) -> str:
    """What the service said, without the name of the error."""
    return _REMOTE.sub("", error.message)
