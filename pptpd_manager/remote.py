"""Methods of other services on the bus, called without waiting."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
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
    *,
    fds: Sequence[int] = (),
) -> None:
    """Call a method: then(the reply's values), or failed(error). Calls arrive in their order. Starts no service.

    fds: that go with the arguments, where a handle is the index; they stay the caller's.
    """

    def answered(con: Gio.DBusConnection, result: Gio.AsyncResult) -> None:
        try:
            reply = con.call_finish(result)
        except GLib.Error as error:
            failed(error)
            return
        then(reply.unpack())

    words = (*target, method, arguments, None, Gio.DBusCallFlags.NO_AUTO_START, CALL_MS)
    if not fds:
        con.call(*words, None, guarded(answered))
        return
    handed = Gio.UnixFDList()
    for fd in fds:
        handed.append(fd)  # a duplicate
    con.call_with_unix_fd_list(*words, handed, None, guarded(answered))


def message(error: GLib.Error) -> str:
    """What the service said, without the name of the error."""
    return _REMOTE.sub("", error.message)
