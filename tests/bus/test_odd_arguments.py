"""Arguments of the right types that make no sense, and properties that there are not: refused, or of no effect."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from gi.repository import Gio, GLib

from .clients import PROPERTIES, ROOT, RemoteError, until
from .test_hostile_callers import value_of
from .test_names import Names
from .world import MANAGER, NAME, PATH, PID, TUNNEL, UNIT, World, tunnel_path

REFUSED = {f"org.freedesktop.DBus.Error.{what}" for what in ("InvalidArgs", "UnknownProperty", "UnknownInterface")}
REFUSED |= {f"org.freedesktop.DBus.Error.{what}" for what in ("PropertyReadOnly", "UnknownMethod", "UnknownObject")}
STRANGE = [
    "",
    " ",
    "x",
    "org.pptpmanager1",
    "org.pptpmanager1.",
    "org.pptpmanager1.Nothing",
    "\x1b[2J",
    "ä",
    "a" * 100_000,
]
LONG = "x" * 100_000
PIDS = [0, 1, 2, PID, 2**22, 2**31 - 1, 2**31, 2**32 - 1]
SEEN = ["", "\n", "\x1b[2J", "%n$(id)", "\u202e\x7f", LONG]
ENDS = [
    *(("", ""), ("exited", ""), ("exited", "-1"), ("exited", "256"), ("exited", "9" * 5000), ("exited", "0x5")),
    *(("exited", "KILL"), ("killed", "5"), ("killed", "NOSUCH"), ("killed", ""), ("dumped", "0"), ("EXITED", "5")),
    *(("exited", "\x1b[2J"), ("\x1b[2J", "5"), ("exited", "5 "), ("exited", "\u0665"), (LONG, LONG)),
]


def interfaces() -> dict[str, list[Gio.DBusInterfaceInfo]]:
    """Those of each object, by its path."""
    files = {PATH: "org.pptpmanager1.xml", tunnel_path("office"): "org.pptpmanager1.Tunnel.xml"}
    texts = {path: (ROOT / "pptpd_manager/dbus" / file).read_text() for path, file in files.items()}
    return {path: list(Gio.DBusNodeInfo.new_for_xml(text).interfaces) for path, text in texts.items()}


def refused(up: World, path: str, method: str, signature: str, *arguments: Any) -> str:
    """The name of the error that a call ends with."""
    error = up.error(up.client.begin(NAME, path, method, signature, *arguments))
    assert error.args[0] in REFUSED, (path, method, arguments, error)
    return str(error.args[0])


def test_properties_that_there_are_not(up: World) -> None:
    for path, strange in itertools.product((PATH, tunnel_path("office"), tunnel_path("none"), "/"), STRANGE):
        refused(up, path, PROPERTIES + ".GetAll", "(s)", strange)
        refused(up, path, PROPERTIES + ".Get", "(ss)", strange, "Version")
        refused(up, path, PROPERTIES + ".Set", "(ssv)", strange, "Version", GLib.Variant("s", "x"))
        for interface in (MANAGER, TUNNEL, UNIT):
            refused(up, path, PROPERTIES + ".Get", "(ss)", interface, strange)
            refused(up, path, PROPERTIES + ".Set", "(ssv)", interface, strange, GLib.Variant("s", "x"))
    assert "Traceback" not in up.log()


def test_no_property_can_be_set(up: World) -> None:
    """Of its own type or of another one."""
    tried = 0
    for path, found in interfaces().items():
        for interface in found:
            for own in interface.properties:
                before = up.client.call(NAME, path, PROPERTIES + ".Get", "(ss)", interface.name, own.name)
                for signature in ("s", "u", "as", "o", "t", "b", "i", "v"):
                    value = GLib.Variant(signature, value_of(signature))
                    refused(up, path, PROPERTIES + ".Set", "(ssv)", interface.name, own.name, value)
                    tried += 1
                after = up.client.call(NAME, path, PROPERTIES + ".Get", "(ss)", interface.name, own.name)
                assert after == before, own.name
    assert tried > 100 and "Traceback" not in up.log()


def test_properties_asked_for_with_wrong_arguments(up: World) -> None:
    for path in (PATH, tunnel_path("office")):
        for method, right in (("Get", "ss"), ("GetAll", "s"), ("Set", "ssv")):
            for signature in ("", "i", "sss", "as", "v", "ssvv", "os", "(ss)", "a{sv}"):
                if signature == right:
                    continue
                value = {"(ss)": ("x", "x"), "a{sv}": {}}.get(signature)
                arguments = [value] if value is not None else [value_of(kind) for kind in split(signature)]
                refused(up, path, f"{PROPERTIES}.{method}", f"({signature})", *arguments)


def split(signature: str) -> list[str]:
    """The types in a signature of plain ones and lists."""
    return ["as"] if signature == "as" else list(signature)


@pytest.mark.parametrize("pid", PIDS)
def test_the_number_of_a_main_process_may_be_anything(up: World, pid: int) -> None:
    """What no process can have is refused; with another's number the tunnel comes up and goes down as ever."""
    up.begin("Connect", "office")
    up.wait_for_order("StartUnit", "pptp@office.service", "replace")
    run, before = up.run_of("office"), up.descriptors()
    call = up.client.begin(NAME, PATH, UNIT + ".Dial", "(ssus)", "office", run, pid, "")
    if pid > 1 << 22:
        assert up.error(call) == RemoteError("org.freedesktop.DBus.Error.InvalidArgs", f"{pid} is no process number")
        return
    assert str(up.answered(call)).startswith("dial ")
    up.finish("office", run)
    up.wait_for_state("office", "up")
    disconnect = up.begin("Disconnect", "office")
    up.wait_for_order("StopUnit", "pptp@office.service", "replace")
    up.go_down("office", run)
    up.answered(disconnect)
    watched = 2 if pid in (1, 2) else 0  # these do not end, so they are watched up to the next dial
    assert up.descriptors() == before + watched and "Traceback" not in up.log()


@pytest.mark.parametrize("seen", SEEN, ids=[repr(text[:10]) for text in SEEN])
def test_a_text_that_no_verdict_has_given(up: World, seen: str) -> None:
    up.begin("Connect", "office")
    up.wait_for_order("StartUnit", "pptp@office.service", "replace")
    assert up.dial("office", up.run_of("office"), seen).startswith("dial ")


@pytest.mark.parametrize(("code", "status"), ENDS, ids=[repr((code[:10], status[:10])) for code, status in ENDS])
def test_an_end_that_no_systemd_tells_of(up: World, code: str, status: str) -> None:
    """It is an end like any other, its reason is printable, and the tunnel is dialled again."""
    run = up.bring_up("office")
    up.link_down("office")
    up.journal("pppd: Exit.")
    up.ended("office", run, code, status)
    until(lambda: up.properties("office")["LastError"][0], "a reason")
    _, sentence, advice, _ = up.properties("office")["LastError"]
    assert sentence.isprintable() and advice.isprintable() and len(sentence) < 300
    run = up.set_unit("office", "activating", "start", new_run=True)
    assert up.dial("office", run).split()[0] in ("dial", "wait")
    up.expected = [line for line in up.log().split("\n") if line.startswith("WARNING: tunnel office: waiting: ")]
    assert len(up.expected) == 1 and up.expected[0].isprintable(), "and stop() looks whether there is more"


def test_name_servers_that_are_none(bare: World) -> None:
    """What is no server's address is let go of, also of thousands, and what is said of it may be printed."""
    names = Names(bare)
    names.resolved()
    run = names.up("true")
    odd = ["", "x", "\x1b[2J", "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "10.9.0.1\n", "010.9.0.1", LONG]
    for servers in (odd, odd[:-1] * 1000, [*odd, "10.9.0.1"]):
        assert bare.client.call(NAME, PATH, UNIT + ".NameServers", "(ssas)", "office", run, servers) is None
    until(lambda: bare.properties("office")["Dns"].get("Servers"), "the one that is good")
    assert bare.properties("office")["Dns"]["Servers"] == ["10.9.0.1"]
    bare.expected = [
        line for line in bare.log().split("\n") if line.startswith("WARNING: tunnel office: name servers")
    ]
    assert all(line.isprintable() and len(line) < 500 for line in bare.expected)
