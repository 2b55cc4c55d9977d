"""systemd-logind: tells when the machine goes to sleep, and waits for us: org.freedesktop.login1(5). Asynchronous.

The wait is a delay lock, systemd-inhibit(1): a file descriptor, given back by closing it. logind tells of a sleep and
has it begin when all locks are given back, or after InhibitDelayMaxSec= (5 s; logind.conf(5)). A machine may have no
logind, or one that comes and goes; we never start it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

from gi.repository import Gio, GLib

from pptpd_manager.callback import guarded
from pptpd_manager.remote import CALL_MS, Target, call

log = logging.getLogger(__name__)

_LOGIND, _ROOT = "org.freedesktop.login1", "/org/freedesktop/login1"
_MANAGER, _PROPERTIES = _LOGIND + ".Manager", "org.freedesktop.DBus.Properties"
_LOCK = ("sleep", "pptp-manager", "Hang up PPTP tunnels", "delay")  # what, who, why, mode
# A sleep has begun, and after it we ask again; or logind has gone, and when it is back we ask again.
_FOR_NOW = {
    _LOGIND + ".OperationInProgress",
    *("org.freedesktop.DBus.Error." + name for name in ("NameHasNoOwner", "ServiceUnknown", "NoReply")),
}


class Logind:
    """on_sleep(True): the machine is about to sleep, and waits for release(). on_sleep(False): it is awake again.

    The calls alternate. One whose logind goes away in the middle counts as awake, since nobody would tell of the end.
    """

    def __init__(self, con: Gio.DBusConnection, on_sleep: Callable[[bool], None]) -> None:
        self._con, self._on_sleep = con, on_sleep
        self._owner = ""  # logind's unique name, "" when it is not there
        self._sleeps = False
        self._lock: int | None = None
        self._signal = con.signal_subscribe(
            _LOGIND, _MANAGER, "PrepareForSleep", _ROOT, None, Gio.DBusSignalFlags.NONE, guarded(self._prepare)
        )
        self._watch = Gio.bus_watch_name_on_connection(
            con, _LOGIND, Gio.BusNameWatcherFlags.NONE, guarded(self._appeared), guarded(self._vanished)
        )

    def release(self) -> None:
        """Let the machine sleep, if it is about to; again and again if you like."""
        if self._sleeps:
            self._give_back()

    def close(self) -> None:
        """Stop listening, and delay no sleep."""
        self._con.signal_unsubscribe(self._signal)
        Gio.bus_unwatch_name(self._watch)
        self._owner = ""
        self._give_back()

    def _appeared(self, _con: Any, _name: str, owner: str) -> None:
        """Take the lock, and ask whether a sleep has begun already, which the lock is refused for."""
        self._owner = owner
        self._take()
        arguments = GLib.Variant("(ss)", (_MANAGER, "PreparingForSleep"))

        def told(reply: Any) -> None:
            if self._owner == owner:
                self._become(reply[0])

        call(
            *(self._con, Target(owner, _ROOT, _PROPERTIES), "Get", arguments, told),
            lambda error: _complain("does not tell whether the machine is about to sleep", error),
        )

    def _vanished(self, _con: Any, _name: str) -> None:
        self._owner = ""
        self._give_back()  # a lock is of no use to another logind
        if not self._con.is_closed():
            self._become(False)

    def _prepare(
        self, _con: Any, _sender: str, _path: str, _interface: str, _signal: str, parameters: GLib.Variant
    ) -> None:
        (sleeps,) = parameters.unpack()
        if not sleeps:
            self._take()
        self._become(sleeps)

    def _become(self, sleeps: bool) -> None:
        if sleeps != self._sleeps:
            self._sleeps = sleeps
            self._on_sleep(sleeps)

    def _take(self) -> None:
        """Take the lock, unless it is still here: nobody released it, and logind did not wait any longer."""
        owner = self._owner
        if self._lock is not None or not owner:  # a signal may come before the owner of its name does
            return

        def answered(con: Gio.DBusConnection, result: Gio.AsyncResult) -> None:
            try:
                _, fds = con.call_with_unix_fd_list_finish(result)
            except GLib.Error as error:
                _complain("does not wait for the tunnels before a sleep", error)
                return
            (lock,) = fds.steal_fds()  # and no copies of it, which would have to be closed as well
            if self._owner == owner and self._lock is None:
                self._lock = lock
            else:
                os.close(lock)

        self._con.call_with_unix_fd_list(
            *(owner, _ROOT, _MANAGER, "Inhibit", GLib.Variant("(ssss)", _LOCK), GLib.VariantType("(h)")),
            *(Gio.DBusCallFlags.NO_AUTO_START, CALL_MS, None, None, guarded(answered)),
        )

    def _give_back(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _complain(what: str, error: GLib.Error) -> None:
    if Gio.DBusError.get_remote_error(error) not in _FOR_NOW:
        log.warning("logind %s: %s", what, error.message)
