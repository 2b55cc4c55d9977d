"""Methods of other services on the bus, called without waiting."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gi
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


# Called with the reply, which may be an error, or with what kept it from coming.
Replied = Callable[[Gio.DBusMessage | GLib.Error], None]

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

    sent = Gio.DBusMessage.new_method_call(*target, method)
    if arguments is not None:
        sent.set_body(arguments)
    if fds:
        handed = Gio.UnixFDList()
        for fd in fds:
            handed.append(fd)  # a duplicate
        sent.set_unix_fd_list(handed)

    def replied(reply: Gio.DBusMessage | GLib.Error) -> None:
        try:
            if isinstance(reply, GLib.Error):
                raise reply
            reply.to_gerror()
        except GLib.Error as error:
            failed(error)
            return
        body = reply.get_body()
        then(body.unpack() if body else ())

    _send(con, sent, GLib.MAXINT if patient else CALL_MS, replied)


def by_gio(con: Gio.DBusConnection, message: Gio.DBusMessage, timeout_ms: int, then: Replied) -> None:
    """As Replies.send(), where PyGObject keeps nothing of a call."""

    def answered(con: Gio.DBusConnection, result: Gio.AsyncResult) -> None:
        try:
            reply = con.send_message_with_reply_finish(result)
        except GLib.Error as error:
            then(error)
            return
        then(reply)

    con.send_message_with_reply(message, Gio.DBusSendMessageFlags.NONE, timeout_ms, None, guarded(answered))


if gi.version_info < (3, 46):
    from pptpd_manager.replies import Replies

    _send = Replies().send
else:
    _send = by_gio


def tell(con: Gio.DBusConnection, target: Target, method: str, arguments: GLib.Variant) -> None:
    """Call a method whose answer does not matter, and which is not to send one. Starts no service."""
    con.call(*target, method, arguments, None, Gio.DBusCallFlags.NO_AUTO_START, CALL_MS, None, None)


def message(error: GLib.Error) -> str:
    """What the service said, without the name of the error."""
    return _REMOTE.sub("", error.message)


def own(con: Gio.DBusConnection, name: str) -> bool:
    """Take the name on the bus; False when somebody else has it. Raises GLib.Error. Waits for the bus.

    Source: D-Bus Specification, org.freedesktop.DBus.RequestName. Not by pydbus, whose proxy for this one call imports
    an XML parser and inspect: 2 MB.
    """
    do_not_queue, owner = 4, 1
    arguments, reply = GLib.Variant("(su)", (name, do_not_queue)), GLib.VariantType("(u)")
    told = con.call_sync(*DRIVER, "RequestName", arguments, reply, Gio.DBusCallFlags.NONE, CALL_MS, None)
    return bool(told.unpack()[0] == owner)
