"""What a D-Bus call can end with, by whose fault it is.

DBusError       the caller's, or the tunnel's: answered with its name and message
(any other)     a bug: logged with its traceback, answered with Failed
"""

from __future__ import annotations

PREFIX = "org.pptpmanager1.Error."
UNKNOWN_TUNNEL = PREFIX + "UnknownTunnel"
UNKNOWN_RUN = PREFIX + "UnknownRun"
BAD_CONFIGURATION = PREFIX + "BadConfiguration"
SUPERSEDED = PREFIX + "Superseded"
TIMED_OUT = PREFIX + "TimedOut"
SYSTEMD_REFUSED = PREFIX + "SystemdRefused"
INVALID_ARGS = "org.freedesktop.DBus.Error.InvalidArgs"
LIMITS_EXCEEDED = "org.freedesktop.DBus.Error.LimitsExceeded"
FAILED = "org.freedesktop.DBus.Error.Failed"
ACCESS_DENIED = "org.freedesktop.DBus.Error.AccessDenied"
INTERACTIVE_AUTHORIZATION_REQUIRED = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"


class DBusError(Exception):
    """A call that cannot be done. name: the error's D-Bus name; str(): one sentence for the caller."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def of_reason(name: str) -> str:
    """The error name of a reason's name: "wrong-password" is org.pptpmanager1.Error.WrongPassword."""
    return PREFIX + "".join(word.capitalize() for word in name.split("-"))
