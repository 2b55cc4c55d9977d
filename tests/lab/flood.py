"""flood.py SECONDS RATE CONNECTIONS [--bus ADDRESS] [--uid UID]: calls of the manager as a user who is not root.

RATE calls a second over all connections, of each kind that the user may make, with right and with wrong arguments.
Prints one JSON object: sent; answered, with replies and errors by name; lost, which got no answer; closed connections.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from typing import Any

from gi.repository import Gio, GLib

NAME, PATH = "org.pptpmanager1", "/org/pptpmanager1"
MANAGER, TUNNEL, PROPERTIES = NAME + ".Manager", NAME + ".Tunnel", "org.freedesktop.DBus.Properties"
PATIENCE_MS = 30_000
TICK_MS = 10


def calls(tunnel: str) -> list[tuple[str, str, str, GLib.Variant | None]]:
    """Path, interface, method and arguments of each kind of call. tunnel: one that there is."""
    own = f"{PATH}/tunnel/{tunnel}"
    return [
        (PATH, MANAGER, "ListTunnels", None),
        (PATH, MANAGER, "GetTunnel", GLib.Variant("(s)", (tunnel,))),
        (PATH, MANAGER, "GetTunnel", GLib.Variant("(s)", ("\x1b[31m" * 50,))),
        (own, PROPERTIES, "GetAll", GLib.Variant("(s)", (TUNNEL,))),
        (own, PROPERTIES, "Get", GLib.Variant("(ss)", (TUNNEL, "State"))),
        (PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", None),
        (own, "org.freedesktop.DBus.Introspectable", "Introspect", None),
        (PATH, MANAGER, "ListTunnels", GLib.Variant("(u)", (7,))),
        (PATH, MANAGER, "Connect", GLib.Variant("(s)", (tunnel,))),
        (PATH, NAME + ".Unit", "Dial", GLib.Variant("(ssus)", (tunnel, "0" * 32, 1, ""))),
    ]


class Flood:
    """The calls of all connections, paced."""

    def __init__(self, address: str, connections: int, tunnel: str) -> None:
        flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
        self.connections = [
            Gio.DBusConnection.new_for_address_sync(address, flags, None, None) for _ in range(connections)
        ]
        for connection in self.connections:
            connection.set_exit_on_close(False)
        self.kinds = calls(tunnel)
        self.sent = self.replies = 0
        self.errors: Counter[str] = Counter()
        self.longest = 0.0

    @property
    def answered(self) -> int:
        return self.replies + sum(self.errors.values())

    def send(self) -> None:
        """One more call."""
        connection = self.connections[self.sent % len(self.connections)]
        path, interface, method, arguments = self.kinds[self.sent // len(self.connections) % len(self.kinds)]
        self.sent += 1
        begun = time.monotonic()

        def ended(con: Gio.DBusConnection, result: Gio.AsyncResult) -> None:
            self.longest = max(self.longest, time.monotonic() - begun)
            try:
                con.call_finish(result)
                self.replies += 1
            except GLib.Error as error:
                self.errors[Gio.DBusError.get_remote_error(error) or error.message] += 1

        none = Gio.DBusCallFlags.NONE
        connection.call(NAME, path, interface, method, arguments, None, none, PATIENCE_MS, None, ended)

    def run(self, seconds: float, rate: float) -> dict[str, Any]:
        """Send for that long, then wait for what is not answered yet; the figures."""
        context, begun = GLib.MainContext.default(), time.monotonic()
        tick = GLib.timeout_add(TICK_MS, lambda: True)
        while (passed := time.monotonic() - begun) < seconds:
            while self.sent < passed * rate:
                self.send()
            context.iteration(True)
        while self.answered < self.sent and time.monotonic() - begun < seconds + PATIENCE_MS / 1000:
            context.iteration(True)
        GLib.source_remove(tick)
        return {
            "sent": self.sent,
            "replies": self.replies,
            "errors": dict(self.errors),
            "lost": self.sent - self.answered,
            "closed": sum(connection.is_closed() for connection in self.connections),
            "longest": round(self.longest, 4),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float)
    parser.add_argument("rate", type=float)
    parser.add_argument("connections", type=int)
    parser.add_argument("--bus", default="unix:path=/run/dbus/system_bus_socket")
    parser.add_argument("--uid", type=int, default=65534)
    parser.add_argument("--tunnel", default="work")
    arguments = parser.parse_args()
    os.setgroups([])
    os.setgid(arguments.uid)
    os.setuid(arguments.uid)
    print(
        json.dumps(
            Flood(arguments.bus, arguments.connections, arguments.tunnel).run(arguments.seconds, arguments.rate)
        )
    )


if __name__ == "__main__":
    main()
