"""systemd-resolved: which name servers to ask over which link: org.freedesktop.resolve1(5). Asynchronous.

It forgets a link that vanishes, and remembers the others when it is started anew. We never start it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import Gio, GLib

from pptpd_manager.callback import guarded
from pptpd_manager.dns import LinkDns
from pptpd_manager.remote import Target, call, message

_RESOLVED, _ROOT = "org.freedesktop.resolve1", "/org/freedesktop/resolve1"
_MANAGER = _RESOLVED + ".Manager"
_FAMILIES = {4: 2, 6: 10}  # AF_INET and AF_INET6 of Linux, by the version of IP
# The link has vanished, and with it what was to be said of it; or resolved has, and is told again when it is back.
_MOOT = {
    _RESOLVED + ".NoSuchLink",
    *("org.freedesktop.DBus.Error." + name for name in ("NameHasNoOwner", "ServiceUnknown")),
}

Done = Callable[[str], None]


class Resolved:
    """on_change(): it runs now, or not any more. running: None as long as nobody knows."""

    def __init__(self, con: Gio.DBusConnection, on_change: Callable[[], None]) -> None:
        self._con, self._on_change = con, on_change
        self._owner = ""
        self.running: bool | None = None
        self._watch = Gio.bus_watch_name_on_connection(
            con, _RESOLVED, Gio.BusNameWatcherFlags.NONE, guarded(self._appeared), guarded(self._vanished)
        )

    def close(self) -> None:
        """Stop listening."""
        Gio.bus_unwatch_name(self._watch)

    def tell(self, link: int, dns: LinkDns | None, done: Done) -> None:
        """Have the link, by its index, be that; None: as if nothing had been said of it. done(""), or why not."""
        if dns is None:
            return self._tell([("RevertLink", GLib.Variant("(i)", (link,)))], done)
        servers = [(_FAMILIES[server.version], server.packed) for server in dns.servers]
        domains = [(domain, False) for domain in dns.search] + [(domain, True) for domain in dns.domains]
        if dns.alone:
            domains.append((".", True))
        self._tell(
            [
                ("SetLinkDNS", GLib.Variant("(ia(iay))", (link, servers))),
                ("SetLinkDomains", GLib.Variant("(ia(sb))", (link, domains))),
                ("SetLinkDefaultRoute", GLib.Variant("(ib)", (link, dns.default_route))),
            ],
            done,
        )

    def _tell(self, calls: list[tuple[str, GLib.Variant]], done: Done) -> None:
        """Make the calls, which arrive in that order; done() once, after all answers, with the first complaint."""
        complaints: list[str] = []

        def answered(complaint: str) -> None:
            complaints.append(complaint)
            if len(complaints) == len(calls):
                done(next(filter(None, complaints), ""))

        def refused(error: GLib.Error) -> None:
            answered("" if Gio.DBusError.get_remote_error(error) in _MOOT else message(error))

        target = Target(self._owner, _ROOT, _MANAGER)
        for method, arguments in calls:
            call(self._con, target, method, arguments, lambda _: answered(""), refused)

    def _appeared(self, _con: Any, _name: str, owner: str) -> None:
        self._owner, self.running = owner, True
        self._on_change()

    def _vanished(self, con: Any, _name: str) -> None:
        if not self._con.is_closed():
            self._owner, self.running = "", False
            self._on_change()
