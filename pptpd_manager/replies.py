"""Method calls whose replies come to one function of C's, made once, where PyGObject loses memory with each call.

Before 3.46, which Debian 12 does not have, PyGObject gives back to the wrong place what libffi makes of each Python
function that GLib is to call once: 160 bytes for good, and a dial takes some twenty calls. Newer ones do not.
"""

from __future__ import annotations

import ctypes
import itertools
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint, c_void_p, py_object
from typing import TYPE_CHECKING, Any

from gi.repository import Gio, GLib

from pptpd_manager.callback import guarded

if TYPE_CHECKING:
    from pptpd_manager.remote import Replied

_AsyncReady = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_void_p)


class _GError(ctypes.Structure):
    """Source: glib/gerror.h."""

    _fields_ = (("domain", c_uint), ("code", c_int), ("message", c_char_p))


class Replies:
    """Sends and hands on. Of libgio alone are used functions whose arguments will not change."""

    def __init__(self) -> None:
        gio, glib, gobject = (ctypes.CDLL(f"lib{name}-2.0.so.0") for name in ("gio", "glib", "gobject"))
        error = POINTER(POINTER(_GError))
        self._send = _typed(
            *(gio.g_dbus_connection_send_message_with_reply, None, c_void_p, c_void_p, c_uint, c_int),
            *(c_void_p, c_void_p, _AsyncReady, c_void_p),
        )
        self._finish = _typed(
            gio.g_dbus_connection_send_message_with_reply_finish, c_void_p, c_void_p, c_void_p, error
        )
        self._to_blob = _typed(
            gio.g_dbus_message_to_blob, c_void_p, c_void_p, POINTER(c_size_t), c_uint, POINTER(c_void_p)
        )
        self._free, self._free_error = _typed(glib.g_free, None, c_void_p), _typed(glib.g_error_free, None, c_void_p)
        self._unref = _typed(gobject.g_object_unref, None, c_void_p)
        self._waiting: dict[int, Replied] = {}
        self._serials = itertools.count(1)
        self._ready = _AsyncReady(guarded(self._answered))

    def send(self, con: Gio.DBusConnection, message: Gio.DBusMessage, timeout_ms: int, then: Replied) -> None:
        """Send the call; then() comes once, from the loop: with the reply (it may be an error) or what went wrong."""
        serial = next(self._serials)
        self._waiting[serial] = then
        self._send(_pointer(con), _pointer(message), 0, timeout_ms, None, None, self._ready, serial)

    def _answered(self, con: int, result: int, serial: int) -> None:
        then = self._waiting.pop(serial)
        problem = POINTER(_GError)()
        if not (reply := self._finish(con, result, byref(problem))):
            told = problem.contents
            text, domain, code = told.message or b"", GLib.quark_to_string(told.domain), told.code
            self._free_error(problem)
            then(GLib.Error(text.decode(errors="replace"), domain, code))
            return
        size = c_size_t()
        blob = self._to_blob(reply, byref(size), Gio.DBusCapabilityFlags.NONE, None)
        data = ctypes.string_at(blob, size.value) if blob else b""
        self._free(blob)
        self._unref(reply)
        try:
            message = Gio.DBusMessage.new_from_blob(data, Gio.DBusCapabilityFlags.NONE)
        except GLib.Error as error:
            then(error)
            return
        then(message)


def _typed(function: Any, result: Any, *arguments: Any) -> Any:
    function.restype, function.argtypes = result, arguments
    return function


_capsule = _typed(ctypes.pythonapi.PyCapsule_GetPointer, c_void_p, py_object, c_char_p)


def _pointer(thing: Gio.DBusConnection | Gio.DBusMessage) -> int:
    """The address of what PyGObject has wrapped."""
    return int(_capsule(thing.__gpointer__, None))
