"""What a D-Bus call can end with, by whose fault it is.

DBusError       the caller's, or the tunnel's: answered with its name and message
(any other)     a bug: logged with its traceback, answered with Failed
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

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

# For org.pptpmanager1(5); those of the reasons are in reasons.py.
MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        UNKNOWN_TUNNEL: "There is no tunnel of that name in the configuration.",
        BAD_CONFIGURATION: "The configuration has errors; the message is one line for each.",
        SYSTEMD_REFUSED: "systemd does not start or stop the unit.",
        SUPERSEDED: "The tunnel was started again before it was down.",
        TIMED_OUT: "There was no end of the attempt within the time for an answer. It goes on.",
        UNKNOWN_RUN: "To pptp@.service: it has asked the same again.",
        ACCESS_DENIED: "The caller is not authorized.",
        INTERACTIVE_AUTHORIZATION_REQUIRED: "An administrator may authenticate, but the call does not let that "
        "happen, or there is no agent to ask.",
        LIMITS_EXCEEDED: "The caller has too many calls that wait, or too many in a second.",
        INVALID_ARGS: "An argument is not what it has to be.",
        FAILED: "A bug of pptp-manager's; the journal has more.",
    }
)


class DBusError(Exception):
    """A call that cannot be done. name: the error's D-Bus name; str(): one sentence for the caller."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def of_reason(name: str) -> str:
    """The error name of a reason's name: "wrong-password" is org.pptpmanager1.Error.WrongPassword."""
    return PREFIX + "".join(word.capitalize() for word in name.split("-"))
