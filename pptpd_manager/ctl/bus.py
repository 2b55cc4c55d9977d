"""The manager as its clients see it.

The connection is GDBus' own: to import pydbus takes as long as all the rest of a look, see tests/bus/startup.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gi.repository import Gio, GLib

from pptpd_manager import errors
from pptpd_manager.ctl.exits import CtlError, Exit
from pptpd_manager.labels import SYSTEMD

NAME, PATH = "org.pptpmanager1", "/org/pptpmanager1"
MANAGER, TUNNEL = NAME + ".Manager", NAME + ".Tunnel"
PROPERTIES, OBJECTS = "org.freedesktop.DBus.Properties", "org.freedesktop.DBus.ObjectManager"
LOOK_SECONDS = 5.0  # what a look waits for its answer
NOT_RUNNING = "pptp-manager does not run; start it by: systemctl start pptp-manager"
_ABSENT = ("ServiceUnknown", "NameHasNoOwner")
_SILENT = ("NoReply", "Disconnected", "TimedOut", "Timeout", "Spawn.")


class Bus:
    """A connection. Raises CtlError when there is no bus."""

    def __init__(self) -> None:
        try:
            self.con: Gio.DBusConnection = Gio.bus_get_sync(Gio.BusType.SYSTEM, None)
        except GLib.Error as error:
            raise CtlError(Exit.NO_MANAGER, f"there is no system bus: {error.message}") from None
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
            then(_values(answer))

        body = GLib.Variant(signature, values)
        self.con.call(service, path, interface, member, body, None, flags, limit, None, answered)

    def call(
        self, path: str, method: str, signature: str = "()", *values: Any, seconds: float = LOOK_SECONDS,
        start: bool = False,
    ) -> Any:  # fmt: skip
        """The answer of "INTERFACE.METHOD", unpacked: None, the value, or a tuple. start: the manager if it does not
        run. Raises CtlError."""
        interface, _, member = method.rpartition(".")
        flags = Gio.DBusCallFlags.NONE if start else Gio.DBusCallFlags.NO_AUTO_START
        body = GLib.Variant(signature, values)
        try:
            answer = self.con.call_sync(
                NAME, path, interface, member, body, None, flags, round(seconds * 1000), None
            ).unpack()
        except GLib.Error as error:
            raise told(error) from None
        return _values(answer)

    def tunnels(self) -> dict[str, dict[str, Any]]:
        """The properties of each tunnel by its name, in the order of the file."""
        objects = self.call(PATH, OBJECTS + ".GetManagedObjects")
        found = {path: interfaces[TUNNEL] for path, interfaces in objects.items() if TUNNEL in interfaces}
        ordered = [path for _, path, _ in self.call(PATH, MANAGER + ".ListTunnels")]
        return {found[path]["Name"]: found[path] for path in ordered if path in found}

    def named(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The properties of these tunnels, or of all for no names. Raises CtlError, UNKNOWN_TUNNEL among them."""
        there = self.tunnels()
        if missing := [name for name in names if name not in there]:
            raise unknown(missing[0], list(there))
        return {name: there[name] for name in dict.fromkeys(names)} if names else there

    def tunnel(self, name: str) -> dict[str, Any]:
        """The properties of one tunnel. Raises CtlError, UNKNOWN_TUNNEL among them."""
        path = self.call(PATH, MANAGER + ".GetTunnel", "(s)", name)
        properties: dict[str, Any] = self.call(path, PROPERTIES + ".GetAll", "(s)", TUNNEL)
        return properties

    def manager(self) -> dict[str, Any]:
        """The manager's own properties."""
        properties: dict[str, Any] = self.call(PATH, PROPERTIES + ".GetAll", "(s)", MANAGER)
        return properties


def _values(answer: tuple[Any, ...]) -> Any:
    """None, the value, or all of them."""
    return answer[0] if len(answer) == 1 else answer or None


def unknown(name: str, there: Sequence[str]) -> CtlError:
    """The error for a tunnel that there is not; there: the names of those there are."""
    from pptpd_manager.values import nearest, show  # here: they read YAML, too

    meant = nearest(name, there)
    hint = f"; did you mean '{meant}'?" if meant else ""
    return CtlError(
        Exit.UNKNOWN_TUNNEL, f"there is no tunnel {show(name)}; there are: {', '.join(there) or 'none'}{hint}"
    )


def lost(error: GLib.Error) -> bool:
    """Whether the call had no answer: the manager does not run, has ended, does not answer, or the bus has gone."""
    name = Gio.DBusError.get_remote_error(error) or ""
    if name.startswith(errors.PREFIX):
        return False
    silent = (Gio.IOErrorEnum.TIMED_OUT, Gio.IOErrorEnum.CLOSED)
    return any(word in name for word in (*_ABSENT, *_SILENT)) or (
        not name and any(error.matches(Gio.io_error_quark(), code) for code in silent)
    )


def words(error: GLib.Error) -> str:
    """The message without D-Bus' prefix."""
    return str(error.message).removeprefix(f"GDBus.Error:{Gio.DBusError.get_remote_error(error)}: ")


class NotRunning(CtlError):
    """There is no manager, and nobody was to start one or could."""

    def __init__(self) -> None:
        super().__init__(Exit.NO_MANAGER, NOT_RUNNING)


def told(error: GLib.Error) -> CtlError:
    """What a D-Bus error of a call of the manager's means for who called: its exit status, and its message."""
    name, text = Gio.DBusError.get_remote_error(error) or "", words(error)
    if name in (errors.UNKNOWN_TUNNEL, errors.of_reason("not-configured")):
        return CtlError(Exit.UNKNOWN_TUNNEL, text)
    if name in (errors.ACCESS_DENIED, errors.INTERACTIVE_AUTHORIZATION_REQUIRED, errors.LIMITS_EXCEEDED):
        return CtlError(Exit.REFUSED, text)
    if name == errors.TIMED_OUT:
        return CtlError(Exit.TIMED_OUT, text)
    if any(word in name for word in _ABSENT):
        return NotRunning()
    if name.startswith(SYSTEMD) or lost(error):  # systemd was to start it
        what = "cannot be started" if name.startswith(SYSTEMD) else "does not answer"
        return CtlError(Exit.NO_MANAGER, f"pptp-manager {what} ({text}); see: systemctl status pptp-manager")
    reasons = name.startswith(errors.PREFIX) and name not in (
        errors.BAD_CONFIGURATION,
        errors.SYSTEMD_REFUSED,
        errors.SUPERSEDED,
    )
    return CtlError(Exit.DOWN if reasons else Exit.PROBLEM, text)
