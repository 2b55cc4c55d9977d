"""A stand-in for systemd-resolved on the bus: the part of org.freedesktop.resolve1(5) that resolved.py uses.

Run as a process: fake_resolved.py ADDRESS. It asks no name server; org.test.Resolved shows what it was told.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from gi.repository import Gio

from pptpd_manager.errors import DBusError
from pptpd_manager.objects import Call, Exported, Method, interfaces

from .standin import serve

NAME, ROOT = "org.freedesktop.resolve1", "/org/freedesktop/resolve1"
MANAGER = NAME + ".Manager"
CONTROL, CONTROL_PATH = "org.test.Resolved", "/test"

XML = f"""
<node>
  <interface name="{MANAGER}">
    <method name="SetLinkDNS"><arg type="i" direction="in"/><arg type="a(iay)" direction="in"/></method>
    <method name="SetLinkDomains"><arg type="i" direction="in"/><arg type="a(sb)" direction="in"/></method>
    <method name="SetLinkDefaultRoute"><arg type="i" direction="in"/><arg type="b" direction="in"/></method>
    <method name="RevertLink"><arg type="i" direction="in"/></method>
  </interface>
  <interface name="{CONTROL}">
    <!-- Links: what each was told, in one line, as in "7: 10.9.0.1; corp.example ~lab.example; no". -->
    <method name="Links"><arg type="as" direction="out"/></method>
    <!-- Behave: how a method of Manager is answered. "well", "hold" (at Release) or an error's name. -->
    <method name="Behave">
      <arg name="method" type="s" direction="in"/><arg name="how" type="s" direction="in"/>
    </method>
    <method name="Release"/>
    <!-- Called: a method of Manager was called, for that link. -->
    <signal name="Called"><arg name="method" type="s"/><arg name="link" type="i"/></signal>
  </interface>
</node>
"""


class Resolved:
    """The links that it was told of."""

    def __init__(self, con: Gio.DBusConnection) -> None:
        self.links: dict[int, dict[str, str]] = {}
        self.behaviour: dict[str, str] = {}
        self.held: list[Call] = []
        manager, control = interfaces(XML).values()
        Exported(con, ROOT, manager, {name: self.entry(name) for name in manager.methods}, dict)
        methods: dict[str, Method] = {"Links": self.show, "Behave": self.behave, "Release": self.release}
        self.control = Exported(con, CONTROL_PATH, control, methods, dict)

    # --- the test's side ---

    def show(self, call: Call) -> None:
        told = ("SetLinkDNS", "SetLinkDomains", "SetLinkDefaultRoute")
        links = self.links.items()
        call.reply([f"{index}: " + "; ".join(link.get(method, "") for method in told) for index, link in links])

    def behave(self, call: Call, method: str, how: str) -> None:
        self.behaviour[method] = how
        call.reply()

    def release(self, call: Call) -> None:
        held, self.held = self.held, []
        for late in held:
            late.reply()
        call.reply()

    # --- the manager's side ---

    def entry(self, method: str) -> Any:
        def called(call: Call, link: int, value: Any = None) -> None:
            self.control.emit("Called", "(si)", method, link)
            how = self.behaviour.get(method, "well")
            if how not in ("well", "hold"):
                raise DBusError(how, 'no, "never"')
            self.take(method, link, value)
            if how == "hold":
                self.held.append(call)
            else:
                call.reply()

        return called

    def take(self, method: str, link: int, value: Any) -> None:
        match method:
            case "RevertLink":
                self.links.pop(link, None)
            case "SetLinkDNS":
                told = " ".join(str(ip_address(bytes(packed))) for _family, packed in value)
                self.links.setdefault(link, {})[method] = told
            case "SetLinkDomains":
                told = " ".join(("~" if routing else "") + domain for domain, routing in value)
                self.links.setdefault(link, {})[method] = told
            case _:
                self.links.setdefault(link, {})[method] = "yes" if value else "no"


def main(address: str) -> None:
    """Serve until the bus goes."""
    serve(address, NAME, Resolved)
