"""D-Bus by hand, beside GDBus' own reading and writing of messages."""

from __future__ import annotations

import pytest
from gi.repository import Gio, GLib

from pptpd_manager.ctl import wire
from pptpd_manager.ctl.wire import Values

NONE = Gio.DBusCapabilityFlags.NONE


@pytest.mark.parametrize("texts", [(), ("office",), ("", "bÜro"), ("org.pptpmanager1.Tunnel", "x", "yz")])
def test_a_call(texts: tuple[str, ...]) -> None:
    made = wire.message(7, "org.a", "/org/a/b", "org.a.I", "Do", texts, start=False)
    found = Gio.DBusMessage.new_from_blob(made, NONE)
    assert found.get_message_type() is Gio.DBusMessageType.METHOD_CALL
    assert found.get_flags() == Gio.DBusMessageFlags.NO_AUTO_START
    names = (found.get_destination(), found.get_path(), found.get_interface(), found.get_member())
    assert (names, found.get_serial()) == (("org.a", "/org/a/b", "org.a.I", "Do"), 7)
    body = found.get_body()
    assert (body.unpack() if body else ()) == texts
    started = Gio.DBusMessage.new_from_blob(wire.message(1, "a.b", "/", "a.b", "C", texts, start=True), NONE)
    assert started.get_flags() == Gio.DBusMessageFlags.NONE


@pytest.mark.parametrize(
    ("signature", "values"),
    [
        ("s", ("office",)),
        ("ybnqiuxtd", (1, True, -2, 3, -4, 5, -6, 1 << 63, 0.5)),
        (
            "a{sv}",
            ({"A": GLib.Variant("s", "x"), "B": GLib.Variant("(sst)", ("a", "", 7)), "C": GLib.Variant("as", [])},),
        ),
        ("a{oa{sa{sv}}}", ({"/a": {"i": {"P": GLib.Variant("t", 9)}, "j": {}}, "/b": {}},)),
        ("a(sos)yas", ([("a", "/b", "c"), ("d", "/", "")], 9, ["", "é"])),
        ("ya(t)ayaas", (1, [], [1, 2, 3], [["x"], []])),
        ("vgo", (GLib.Variant("v", GLib.Variant("i", -1)), "a{sv}", "/")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_values(signature: str, values: tuple[object, ...], order: str) -> None:
    variant = GLib.Variant(f"({signature})", values)
    sent = Gio.DBusMessage.new_method_call("org.a", "/", "org.a.I", "M")
    sent.set_byte_order(
        Gio.DBusMessageByteOrder.LITTLE_ENDIAN if order == "<" else Gio.DBusMessageByteOrder.BIG_ENDIAN
    )
    sent.set_body(variant)
    blob = sent.to_blob(NONE)
    size = int.from_bytes(blob[4:8], "little" if order == "<" else "big")
    assert Values(blob[len(blob) - size :], order).all(signature) == variant.unpack()


def test_addresses() -> None:
    for address, names in (
        (wire.DEFAULT, [b"/run/dbus/system_bus_socket"]),
        ("unix:path=/a%20b,guid=1;unix:abstract=c", [b"/a b", b"\0c"]),
        ("unixexec:path=ssh;tcp:host=a,port=1;unix:tmpdir=/tmp", []),
    ):
        assert list(wire.sockets(address)) == names
