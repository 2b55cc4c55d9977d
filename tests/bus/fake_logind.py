"""A stand-in for systemd-logind on the bus: the part of org.freedesktop.login1(5) that logind.py uses.

Run as a process: fake_logind.py ADDRESS [preparing]. It sends no machine to sleep; the test does that over
org.test.Logind. preparing: it is about to sleep from the start.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from gi.repository import Gio, GLib

from pptpd_manager.errors import DBusError
from pptpd_manager.objects import Call, Exported, Method, interfaces

from .standin import serve

NAME, ROOT = "org.freedesktop.login1", "/org/freedesktop/login1"
MANAGER = NAME + ".Manager"
CONTROL, CONTROL_PATH = "org.test.Logind", "/test"

XML = f"""
<node>
  <interface name="{MANAGER}">
    <method name="Inhibit">
      <arg type="s" direction="in"/><arg type="s" direction="in"/>
      <arg type="s" direction="in"/><arg type="s" direction="in"/>
      <arg type="h" direction="out"/>
    </method>
    <signal name="PrepareForSleep"><arg type="b"/></signal>
    <property name="PreparingForSleep" type="b" access="read">
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/>
    </property>
  </interface>
  <interface name="{CONTROL}">
    <!-- Prepare: tell of a sleep. It begins, as Asleep tells, when no lock is held. -->
    <method name="Prepare"/>
    <!-- Wake: the sleep is over, or was given up. -->
    <method name="Wake"/>
    <!-- Locks: what, who, why and mode of each lock that is held. -->
    <method name="Locks"><arg type="a(ssss)" direction="out"/></method>
    <!-- Behave: how Inhibit is answered. "well", "hold" (at Release) or "fail" (with AccessDenied). -->
    <method name="Behave"><arg name="how" type="s" direction="in"/></method>
    <method name="Release"/>
    <!-- Inhibited: Inhibit was called. -->
    <signal name="Inhibited"/>
    <signal name="Asleep"/>
  </interface>
</node>
"""


class Logind:
    """The locks that are held, by the reading end of the pipe whose other end is the lock."""

    def __init__(self, con: Gio.DBusConnection, preparing: bool) -> None:
        self.preparing = preparing
        self.locks: dict[int, tuple[str, ...]] = {}
        self.behaviour = "well"
        self.held: list[Callable[[], None]] = []
        manager, control = interfaces(XML).values()
        self.manager = Exported(
            con, ROOT, manager, {"Inhibit": self.inhibit}, lambda: {"PreparingForSleep": self.preparing}
        )
        methods: dict[str, Method] = {
            "Prepare": self.prepare,
            "Wake": self.wake,
            "Locks": lambda call: call.reply(list(self.locks.values())),
            "Behave": self.behave,
            "Release": self.release,
        }
        self.control = Exported(con, CONTROL_PATH, control, methods, dict)

    # --- the test's side ---

    def prepare(self, call: Call) -> None:
        self.preparing = True
        self.manager.emit("PrepareForSleep", "(b)", True)
        call.reply()
        self.sleep_when_free()

    def wake(self, call: Call) -> None:
        self.preparing = False
        self.manager.emit("PrepareForSleep", "(b)", False)
        call.reply()

    def behave(self, call: Call, how: str) -> None:
        self.behaviour = how
        call.reply()

    def release(self, call: Call) -> None:
        held, self.held = self.held, []
        for answer in held:
            answer()
        call.reply()

    # --- the manager's side ---

    def inhibit(self, call: Call, *lock: str) -> None:
        self.control.emit("Inhibited", "()")
        if self.behaviour == "fail":
            raise DBusError("org.freedesktop.DBus.Error.AccessDenied", "Permission denied")
        if self.preparing:
            text = "The operation inhibition has been requested for is already running"
            raise DBusError(NAME + ".OperationInProgress", text)
        if self.behaviour == "hold":
            self.held.append(lambda: self.grant(call, lock))
        else:
            self.grant(call, lock)

    def grant(self, call: Call, lock: tuple[str, ...]) -> None:
        ours, theirs = os.pipe()
        self.locks[ours] = lock
        GLib.io_add_watch(ours, GLib.PRIORITY_DEFAULT, GLib.IOCondition.HUP, self.given_back)
        fds = Gio.UnixFDList.new_from_array([theirs])
        call._end().return_value_with_unix_fd_list(GLib.Variant("(h)", (0,)), fds)
        call._release()

    def given_back(self, ours: int, _condition: Any) -> bool:
        os.close(ours)
        del self.locks[ours]
        self.sleep_when_free()
        return False

    def sleep_when_free(self) -> None:
        if self.preparing and not self.locks:
            self.control.emit("Asleep", "()")


def main(address: str, *words: str) -> None:
    """Serve until the bus goes."""
    serve(address, NAME, lambda con: Logind(con, "preparing" in words))
