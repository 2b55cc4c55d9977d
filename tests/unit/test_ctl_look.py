"""What jeepney makes of an answer, beside what GDBus makes of the same bytes."""

from __future__ import annotations

import pytest
from gi.repository import Gio, GLib
from jeepney import HeaderFields, Parser

from pptpd_manager.ctl.look import plain

PROPERTIES = {
    "Name": GLib.Variant("s", "office"),
    "LastError": GLib.Variant("(ssst)", ("a", "", "é", 7)),
    "Routes": GLib.Variant("as", []),
    "Encrypted": GLib.Variant("b", True),
    "Received": GLib.Variant("t", 1 << 63),
}


@pytest.mark.parametrize(
    ("signature", "values"),
    [
        ("a{sv}", (PROPERTIES,)),
        ("a{oa{sa{sv}}}", ({"/a": {"i": PROPERTIES, "j": {}}, "/b": {}},)),
        ("a(sos)", ([("a", "/b", "c"), ("d", "/", "")],)),
        ("s", ("office",)),
        *(("v", (value,)) for value in PROPERTIES.values()),
        ("", ()),
    ],
)
def test_an_answer_is_as_gdbus_has_it(signature: str, values: tuple[object, ...]) -> None:
    variant = GLib.Variant(f"({signature})", values)
    sent = Gio.DBusMessage.new_signal("/", "org.a.I", "M")
    sent.set_serial(1)
    if values:
        sent.set_body(variant)
    parser = Parser()
    parser.add_data(sent.to_blob(Gio.DBusCapabilityFlags.NONE), [])
    told = parser.get_next_message()
    assert plain(told.header.fields.get(HeaderFields.signature, ""), told.body) == variant.unpack()


def test_an_answer_of_another_kind_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match=r"of the type av"):
        plain("av", ([("s", "x")],))
