"""Methods of other services on the bus, called without waiting."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from gi.repository import Gio, GLib

from pptpd_manager.callback import guarded

CALL_MS = 10_000
BUS = "org.freedesktop.DBus"
_REMOTE = re.compile(r"^GDBus\.Error:[\w.]+: ")  # what Gio puts before the message of a remote error


class Target(NamedTuple):
    """Whose methods. service: its name on the bus, or the owner of that name."""

    service: str
    path: str
    interface: str


DRIVER = Target(BUS, "/org/freedesktop/DBus", BUS)


def call(
    con: Gio.DBusConnection,
    target: Target,
    method: str,
    arguments: GLib.Variant | None,
    then: Callable[[Any], None],
    failed: Callable[[GLib.Error], None],
    *,
    patient: bool = False,
    fds: Sequence[int] = (),
) -> None:
    """Call a method: then(the reply's values), or failed(error). Calls arrive in their order.

    Give an owner as the service to start none. systemd's own name the bus keeps calls for while systemd is away for a
    moment (daemon-reexec). patient: waits for as long as it takes. fds: that go with the arguments, where a handle is
    the index; they stay the caller's.
    """

    def answered(con: Gio.DBusConnection, result: Gio.AsyncResult) -> None:
        try:
            reply = con.call_finish(result)
        except GLib.Error as error:
            failed(error)
            return
        then(reply.unpack())

    words = (*target, method, arguments, None, Gio.DBusCallFlags.NONE, GLib.MAXINT if patient else CALL_MS)
    if not fds:
        con.call(*words, None, guarded(answered))
        return
    handed = Gio.UnixFDList()
    for fd in fds:
        handed.append(fd)  # a duplicate
    con.call_with_unix_fd_list(*words, handed, None, guarded(answered))


def tell(con: Gio.DBusConnection, target: Target, method: str, arguments: GLib.Variant) -> None:
    """Call a method whose answer does not matter, and which is not to send one. Starts no service."""
    con.call(*target, method, arguments, None, Gio.DBusCallFlags.NO_AUTO_START, CALL_MS, None, None)


def message(error: GLib.Error) -> str:
    """What the service said, without the name of the error."""
    return _REMOTE.sub("", error.message)
