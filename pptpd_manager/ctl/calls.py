"""What pptpctl asks the manager and waits for, and what errors mean, whatever the connection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

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


class Refused(Exception):
    """A call that had no answer, or an error for one. name: of the error, "" for none."""

    def __init__(self, name: str, text: str, *, broken: bool = False) -> None:
        """broken: it was not answered in time, or the bus has gone."""
        super().__init__(text)
        self.name, self._broken = name, broken

    @property
    def lost(self) -> bool:
        """Whether nobody answered: the service does not run, has ended, does not answer, or the bus has gone."""
        if self.name.startswith(errors.PREFIX):
            return False
        return any(word in self.name for word in (*_ABSENT, *_SILENT)) or (not self.name and self._broken)

    def told(self) -> CtlError:
        """What it means for who called the manager: an exit status, and a message."""
        name, text = self.name, str(self)
        if name in (errors.UNKNOWN_TUNNEL, errors.of_reason("not-configured")):
            return CtlError(Exit.UNKNOWN_TUNNEL, text)
        if name in (errors.ACCESS_DENIED, errors.INTERACTIVE_AUTHORIZATION_REQUIRED, errors.LIMITS_EXCEEDED):
            return CtlError(Exit.REFUSED, text)
        if name == errors.TIMED_OUT:
            return CtlError(Exit.TIMED_OUT, text)
        if any(word in name for word in _ABSENT):
            return NotRunning()
        if name.startswith(SYSTEMD) or self.lost:  # systemd was to start it
            what = "cannot be started" if name.startswith(SYSTEMD) else "does not answer"
            return CtlError(Exit.NO_MANAGER, f"pptp-manager {what} ({text}); see: systemctl status pptp-manager")
        others = (errors.BAD_CONFIGURATION, errors.SYSTEMD_REFUSED, errors.SUPERSEDED)
        reasons = name.startswith(errors.PREFIX) and name not in others
        return CtlError(Exit.DOWN if reasons else Exit.PROBLEM, text)


class NotRunning(CtlError):
    """There is no manager, and nobody was to start one or could."""

    def __init__(self) -> None:
        super().__init__(Exit.NO_MANAGER, NOT_RUNNING)


def no_bus(text: str) -> CtlError:
    """The error for a bus that there is not."""
    return CtlError(Exit.NO_MANAGER, f"there is no system bus: {text}")


def unknown(name: str, there: Sequence[str]) -> CtlError:
    """The error for a tunnel that there is not; there: the names of those there are."""
    from pptpd_manager.values import nearest, show  # here: they read YAML, too

    meant = nearest(name, there)
    hint = f"; did you mean '{meant}'?" if meant else ""
    return CtlError(
        Exit.UNKNOWN_TUNNEL, f"there is no tunnel {show(name)}; there are: {', '.join(there) or 'none'}{hint}"
    )


class Calls(ABC):
    """A connection's calls that are waited for."""

    @abstractmethod
    def answer(
        self, service: str, path: str, method: str, *texts: str, seconds: float = LOOK_SECONDS, start: bool = False
    ) -> tuple[Any, ...]:
        """The values that "INTERFACE.METHOD" of a service answers. start: the service if it does not run.

        Raises Refused.
        """

    def call(self, path: str, method: str, *texts: str, start: bool = False) -> Any:
        """The manager's answer: None, the value, or a tuple. Raises CtlError."""
        try:
            values = self.answer(NAME, path, method, *texts, start=start)
        except Refused as error:
            raise error.told() from None
        return values[0] if len(values) == 1 else values or None

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
        path = self.call(PATH, MANAGER + ".GetTunnel", name)
        properties: dict[str, Any] = self.call(path, PROPERTIES + ".GetAll", TUNNEL)
        return properties

    def manager(self) -> dict[str, Any]:
        """The manager's own properties."""
        properties: dict[str, Any] = self.call(PATH, PROPERTIES + ".GetAll", MANAGER)
        return properties
