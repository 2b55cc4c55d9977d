"""What every stand-in for a service of the system has in common: it takes the name on the bus, and serves."""

from __future__ import annotations

from collections.abc import Callable

from gi.repository import Gio, GLib


def serve(address: str, name: str, make: Callable[[Gio.DBusConnection], object]) -> None:
    """Make what is on the bus, then take the name, and serve until the bus goes."""
    flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
    con = Gio.DBusConnection.new_for_address_sync(address, flags, None, None)
    loop = GLib.MainLoop()
    con.connect("closed", lambda *_: loop.quit())
    make(con)
    bus, request = "org.freedesktop.DBus", GLib.Variant("(su)", (name, 4))
    con.call_sync(bus, "/org/freedesktop/DBus", bus, "RequestName", request, None, Gio.DBusCallFlags.NONE, -1, None)
    loop.run()
