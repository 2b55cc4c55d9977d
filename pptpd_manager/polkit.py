"""polkit(8): whether a caller is authorized for an action, asked without waiting."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

from gi.repository import Gio, GLib

from pptpd_manager import remote
from pptpd_manager.authorization import Answer, Said
from pptpd_manager.reasons import printable

NAME = "org.freedesktop.PolicyKit1"
AUTHORITY = remote.Target(NAME, "/org/freedesktop/PolicyKit1/Authority", NAME + ".Authority")
ALLOW_USER_INTERACTION = 1  # polkit's D-Bus API, CheckAuthorizationFlags

_serial = itertools.count(1)


def check(
    con: Gio.DBusConnection,
    sender: str,
    action: str,
    details: Mapping[str, str],
    prompt: bool,
    then: Callable[[Answer], None],
) -> Callable[[], None]:
    """then(answer), for as long as it takes, but once in any case. sender: whose authorization, by its unique name.

    details: what the action's message may speak of. What comes back has polkit give it up: a prompt goes away.
    Starts polkit if it does not run. Source: the D-Bus API in polkit's reference manual, CheckAuthorization.
    """
    cancellation = f"pptp-manager-{next(_serial)}"

    def answered(values: tuple[tuple[bool, bool, dict[str, str]]]) -> None:
        authorized, challenge, said = values[0]
        if authorized:
            then(Answer(Said.YES, prompt))
        elif "polkit.dismissed" in said:
            then(Answer(Said.DISMISSED, prompt))
        else:
            then(Answer(Said.CHALLENGE if challenge else Said.NO, prompt))

    def failed(error: GLib.Error) -> None:
        then(Answer(Said.UNREACHABLE, prompt, printable(remote.message(error))))

    subject = ("system-bus-name", {"name": GLib.Variant("s", sender)})
    flags = ALLOW_USER_INTERACTION if prompt else 0
    arguments = GLib.Variant("((sa{sv})sa{ss}us)", (subject, action, dict(details), flags, cancellation))
    remote.call(con, AUTHORITY, "CheckAuthorization", arguments, answered, failed, patient=True)
    return lambda: remote.tell(con, AUTHORITY, "CancelCheckAuthorization", GLib.Variant("(s)", (cancellation,)))
