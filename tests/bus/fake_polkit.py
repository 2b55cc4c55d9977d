"""A stand-in for polkitd on the bus: the part of its D-Bus API that polkit.py uses.

Run as a process: fake_polkit.py ADDRESS. It answers as org.test.Polkit says, also what the real one cannot be made to
do at a wish: not at all, late, in the middle of its end.
"""

from __future__ import annotations

import os
from typing import Any

from gi.repository import Gio

from pptpd_manager.errors import DBusError
from pptpd_manager.objects import Call, Exported, Method, interfaces

from .standin import serve

NAME, ROOT = "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority"
AUTHORITY = NAME + ".Authority"
CONTROL, CONTROL_PATH = "org.test.Polkit", "/test"

XML = f"""
<node>
  <interface name="{AUTHORITY}">
    <method name="CheckAuthorization">
      <arg type="(sa{{sv}})" direction="in"/><arg type="s" direction="in"/><arg type="a{{ss}}" direction="in"/>
      <arg type="u" direction="in"/><arg type="s" direction="in"/><arg type="(bba{{ss}})" direction="out"/>
    </method>
    <method name="CancelCheckAuthorization"><arg type="s" direction="in"/></method>
  </interface>
  <interface name="{CONTROL}">
    <!-- Behave: how a check is answered, one without a prompt and one with. "yes", "no", "challenge", "dismissed",
         "hold" (at Release), "fail" (with an error) or "crash". -->
    <method name="Behave"><arg type="s" direction="in"/><arg type="s" direction="in"/></method>
    <!-- Release: answer what is held, so. -->
    <method name="Release"><arg type="s" direction="in"/></method>
    <!-- Asked: a check. subject: a unique name. -->
    <signal name="Asked">
      <arg name="subject" type="s"/><arg name="action" type="s"/><arg name="details" type="a{{ss}}"/>
      <arg name="flags" type="u"/>
    </signal>
    <!-- Cancelled: a check that is held was cancelled. -->
    <signal name="Cancelled"><arg name="action" type="s"/></signal>
  </interface>
</node>
"""


class Polkit:
    """The checks that are held, by their cancellation ids."""

    def __init__(self, con: Gio.DBusConnection) -> None:
        self.con = con
        self.behaviour = ["yes", "yes"]
        self.held: dict[str, tuple[Call, str]] = {}
        authority, control = interfaces(XML).values()
        checks: dict[str, Method] = {"CheckAuthorization": self.check, "CancelCheckAuthorization": self.cancel}
        Exported(con, ROOT, authority, checks, dict)
        methods: dict[str, Method] = {"Behave": self.behave, "Release": self.release}
        self.control = Exported(con, CONTROL_PATH, control, methods, dict)

    def behave(self, call: Call, plain: str, prompted: str) -> None:
        self.behaviour = [plain, prompted]
        call.reply()

    def release(self, call: Call, how: str) -> None:
        held, self.held = self.held, {}
        for late, _action in held.values():
            self.answer(late, how)
        call.reply()

    def check(
        self,
        call: Call,
        subject: tuple[str, dict[str, Any]],
        action: str,
        details: dict[str, str],
        flags: int,
        cancellation: str,
    ) -> None:
        kind, named = subject
        assert (kind, list(named)) == ("system-bus-name", ["name"]) and cancellation not in self.held
        self.control.emit("Asked", "(ssa{ss}u)", named["name"], action, details, flags)
        how = self.behaviour[flags & 1]
        if how == "hold":
            self.held[cancellation] = call, action
        else:
            self.answer(call, how)

    def cancel(self, call: Call, cancellation: str) -> None:
        held, action = self.held.pop(cancellation)
        self.control.emit("Cancelled", "(s)", action)
        held.fail(DBusError(NAME + ".Error.Cancelled", "the check was cancelled"))
        call.reply()

    def answer(self, call: Call, how: str) -> None:
        match how:
            case "crash":
                self.con.flush_sync(None)  # what was told of the check
                os._exit(1)
            case "fail":
                call.fail(DBusError(NAME + ".Error.Failed", 'Action "x" is not registered'))
            case "dismissed":
                call.reply((False, False, {"polkit.dismissed": "true"}))
            case _:
                call.reply((how == "yes", how == "challenge", {}))


def main(address: str) -> None:
    """Serve until the bus goes."""
    serve(address, NAME, Polkit)
