"""Objects on a bus, without the daemon: answers now and later, errors, what changed, and that nothing leaks."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import Any

import pytest
from gi.repository import Gio, GLib

from pptpd_manager.errors import FAILED, DBusError
from pptpd_manager.objects import Call, Exported, Method, ObjectManager, interfaces

from .clients import PROPERTIES, Client, Pending, RemoteError, Signal, never, until

XML = """
<node>
  <interface name="org.test.Thing">
    <method name="Echo"><arg type="s" direction="in"/><arg type="s" direction="out"/></method>
    <method name="Later"><arg type="s" direction="out"/></method>
    <method name="Break"/>
    <signal name="Rang"><arg type="u"/></signal>
    <property name="Colour" type="s" access="read"/>
    <property name="Count" type="t" access="read"/>
    <property name="Quiet" type="u" access="read">
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/>
    </property>
    <property name="Open" type="b" access="readwrite"/>
  </interface>
  <interface name="org.freedesktop.DBus.ObjectManager">
    <method name="GetManagedObjects"><arg type="a{oa{sa{sv}}}" direction="out"/></method>
    <signal name="InterfacesAdded"><arg type="o"/><arg type="a{sa{sv}}"/></signal>
    <signal name="InterfacesRemoved"><arg type="o"/><arg type="as"/></signal>
  </interface>
</node>
"""
THING, MANAGER = interfaces(XML).values()
PATH = "/org/test/one"
ALL = {"Colour": "red", "Count": 1, "Quiet": 1, "Open": True}


class Thing:
    """An object of that interface."""

    def __init__(self, con: Gio.DBusConnection, path: str = PATH) -> None:
        self.values: dict[str, Any] = dict(ALL)
        self.calls: list[Call] = []
        self.invocations: list[Any] = []
        self.gone = 0
        self.answer: Callable[[Call, str], None] = self.echo
        methods: dict[str, Method] = {"Echo": self.called, "Later": self.later, "Break": self.broken}
        self.exported = Exported(con, path, THING, methods, lambda: self.values)

    def called(self, call: Call, text: str) -> None:
        self.answer(call, text)

    def echo(self, call: Call, text: str) -> None:
        call.invocation.weak_ref(self._collected)
        call.reply(text)

    def _collected(self) -> None:
        self.gone += 1

    def later(self, call: Call) -> None:
        self.calls.append(call)

    def broken(self, call: Call) -> None:
        raise ValueError("a bug")


def ask(server: Client, client: Client, method: str, *arguments: str) -> Pending:
    """Call a method of the thing."""
    return client.begin(server.con.get_unique_name(), PATH, method, f"({'s' * len(arguments)})", *arguments)


def reply(server: Client, client: Client, method: str, *arguments: str) -> Any:
    """Call a method of the thing and wait."""
    pending = ask(server, client, method, *arguments)
    until(lambda: pending.done, method)
    return pending.outcome()


def test_reply(server: Client, client: Client) -> None:
    Thing(server.con)
    assert reply(server, client, "org.test.Thing.Echo", "a") == "a"


def test_late_replies_in_any_order(server: Client, client: Client) -> None:
    thing = Thing(server.con)
    pending = [ask(server, client, "org.test.Thing.Later") for _ in range(3)]
    until(lambda: len(thing.calls) == 3, "the calls")
    assert [call.sender for call in thing.calls] == [client.con.get_unique_name()] * 3
    for index in (2, 0, 1):
        thing.calls[index].reply(f"{index}")
    until(lambda: all(call.done for call in pending), "the answers")
    assert [call.outcome() for call in pending] == ["0", "1", "2"]


def test_a_late_error(server: Client, client: Client) -> None:
    thing = Thing(server.con)
    pending = ask(server, client, "org.test.Thing.Later")
    until(lambda: thing.calls, "the call")
    thing.calls[0].fail(DBusError("org.test.Error.Tired", "not today"))
    until(lambda: pending.done, "the answer")
    assert pending.error == RemoteError("org.test.Error.Tired", "not today")


def test_a_caller_that_has_left(server: Client, client: Client, bus: str) -> None:
    thing = Thing(server.con)
    leaver = Client(bus)
    ask(server, leaver, "org.test.Thing.Later")
    until(lambda: thing.calls, "the call")
    leaver.close()
    thing.calls[0].reply("nobody hears")
    assert reply(server, client, "org.test.Thing.Echo", "a") == "a"


def test_an_object_that_has_gone_still_answers(server: Client, client: Client) -> None:
    thing = Thing(server.con)
    pending = ask(server, client, "org.test.Thing.Later")
    until(lambda: thing.calls, "the call")
    thing.exported.close()
    thing.calls[0].reply("late")
    until(lambda: pending.done, "the answer")
    assert pending.outcome() == "late"
    with pytest.raises(RemoteError, match=r"org\.freedesktop\.DBus\.Error\.UnknownMethod"):
        reply(server, client, "org.test.Thing.Echo", "a")


def test_a_second_answer_is_a_bug(server: Client, client: Client) -> None:
    thing = Thing(server.con)
    pending = ask(server, client, "org.test.Thing.Later")
    until(lambda: thing.calls, "the call")
    thing.calls[0].reply("once")
    with pytest.raises(RuntimeError, match=r"^Later was answered twice$"):
        thing.calls[0].reply("twice")
    until(lambda: pending.done, "the answer")
    assert pending.outcome() == "once"


@pytest.mark.parametrize("value", [5, None, b"x"])
def test_a_reply_of_the_wrong_type_raises_and_leaves_the_call_open(
    server: Client, client: Client, value: object
) -> None:
    thing = Thing(server.con)
    pending = ask(server, client, "org.test.Thing.Later")
    until(lambda: thing.calls, "the call")
    with pytest.raises(TypeError):
        thing.calls[0].reply(value)
    with pytest.raises(TypeError):
        thing.calls[0].reply("one", "too many")
    thing.calls[0].reply("right")
    until(lambda: pending.done, "the answer")
    assert pending.outcome() == "right"


def test_an_error_of_the_method(server: Client, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    thing = Thing(server.con)

    def refuse(_call: Call, text: str) -> None:
        raise DBusError("org.test.Error.Refused", f"not {text}")

    thing.answer = refuse
    with pytest.raises(RemoteError) as caught:
        reply(server, client, "org.test.Thing.Echo", "this")
    assert caught.value == RemoteError("org.test.Error.Refused", "not this")
    assert caplog.records == []


def test_a_bug_of_the_method(server: Client, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    Thing(server.con)
    with pytest.raises(RemoteError) as caught:
        reply(server, client, "org.test.Thing.Break")
    assert caught.value == RemoteError(FAILED, "Break: internal error, see: journalctl -u pptp-manager")
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "internal error in org.test.Thing.Break")
    assert record.exc_info
    assert repr(record.exc_info[1]) == "ValueError('a bug')"


def test_a_bug_after_the_reply(server: Client, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    thing = Thing(server.con)

    def answer_and_break(call: Call, text: str) -> None:
        call.reply(text)
        raise ValueError("a bug")

    thing.answer = answer_and_break
    assert reply(server, client, "org.test.Thing.Echo", "well") == "well"
    until(lambda: caplog.records, "the log")
    assert [record.getMessage() for record in caplog.records] == ["internal error in org.test.Thing.Echo"]


def test_what_the_bus_refuses_itself(server: Client, client: Client) -> None:
    """GDBus checks names and types of calls before any method of ours runs."""
    Thing(server.con)
    with pytest.raises(RemoteError, match="InvalidArgs"):
        reply(server, client, "org.test.Thing.Echo")
    with pytest.raises(RemoteError, match="UnknownMethod"):
        reply(server, client, "org.test.Thing.Nothing")


def test_properties(server: Client, client: Client) -> None:
    Thing(server.con)
    assert reply(server, client, PROPERTIES + ".GetAll", "org.test.Thing") == ALL
    assert reply(server, client, PROPERTIES + ".Get", "org.test.Thing", "Count") == 1
    with pytest.raises(RemoteError, match="InvalidArgs"):
        reply(server, client, PROPERTIES + ".Get", "org.test.Thing", "Nothing")
    name, value = server.con.get_unique_name(), GLib.Variant("s", "blue")
    with pytest.raises(RemoteError):
        client.call(name, PATH, PROPERTIES + ".Set", "(ssv)", "org.test.Thing", "Colour", value)
    assert reply(server, client, PROPERTIES + ".Get", "org.test.Thing", "Colour") == "red"


def test_changed_tells_exactly_what_changed(server: Client, client: Client) -> None:
    thing = Thing(server.con)

    def told() -> list[tuple[Any, ...]]:
        reply(server, client, "org.test.Thing.Echo", "the signals before it have come")
        found, client.signals[:] = client.signals[:], []
        return [s.arguments for s in found if s.member == "PropertiesChanged"]

    told()
    thing.exported.changed()
    assert told() == []
    thing.values |= {"Colour": "blue", "Count": 2}
    thing.exported.changed()
    assert told() == [("org.test.Thing", {"Colour": "blue", "Count": 2}, [])]
    thing.values |= {"Colour": "blue", "Count": 3, "Quiet": 2}
    thing.exported.changed()
    assert told() == [("org.test.Thing", {"Count": 3}, [])]
    thing.values |= {"Quiet": 3}
    thing.exported.changed()
    assert told() == []


def test_properties_that_last_are_not_read_for_each_who_asks(server: Client, client: Client) -> None:
    read: list[int] = []

    def values() -> dict[str, Any]:
        read.append(1)
        return ALL | {"Count": len(read)}

    exported = Exported(server.con, PATH, THING, {"Echo": never, "Later": never, "Break": never}, values, 60_000)
    asked = [reply(server, client, PROPERTIES + ".GetAll", "org.test.Thing")["Count"] for _ in range(5)]
    assert asked == [asked[0]] * 5
    before = len(read)
    exported.changed()
    assert reply(server, client, PROPERTIES + ".Get", "org.test.Thing", "Count") == before + 2, "changed() is heard"


def test_managed_objects_are_told_anew_when_one_changes(server: Client, client: Client) -> None:
    manager = ObjectManager(server.con, "/org/test", MANAGER)
    ask_manager = "org.freedesktop.DBus.ObjectManager.GetManagedObjects"
    values = dict(ALL)
    methods = {"Echo": never, "Later": never, "Break": never}
    exported = Exported(server.con, PATH, THING, methods, lambda: values, 60_000)
    manager.add(exported)
    name = server.con.get_unique_name()
    for _ in range(2):
        assert client.call(name, "/org/test", ask_manager) == {PATH: {"org.test.Thing": ALL}}
    values["Colour"] = "blue"
    exported.changed()
    assert client.call(name, "/org/test", ask_manager) == {PATH: {"org.test.Thing": ALL | {"Colour": "blue"}}}
    manager.remove(exported)
    assert client.call(name, "/org/test", ask_manager) == {}


def test_emit(server: Client, client: Client) -> None:
    thing = Thing(server.con)
    reply(server, client, "org.test.Thing.Echo", "the client's watch is known to the bus")
    thing.exported.emit("Rang", "(u)", 3)
    until(lambda: Signal(PATH, "org.test.Thing", "Rang", (3,)) in client.signals, "the signal")


@pytest.mark.parametrize("methods", [{}, {"Echo": never, "Later": never, "Break": never, "More": never}])
def test_methods_and_xml_must_agree(server: Client, methods: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^org\.test\.Thing: XML and code differ in \['"):
        Exported(server.con, PATH, THING, methods, lambda: ALL)


def test_object_manager(server: Client, client: Client) -> None:
    manager = ObjectManager(server.con, "/org/test", MANAGER)
    name = server.con.get_unique_name()
    ask_manager = "org.freedesktop.DBus.ObjectManager.GetManagedObjects"
    assert client.call(name, "/org/test", ask_manager) == {}
    one, two = Thing(server.con).exported, Thing(server.con, "/org/test/two").exported
    manager.add(one)
    manager.add(two)
    assert client.call(name, "/org/test", ask_manager) == {
        PATH: {"org.test.Thing": ALL},
        "/org/test/two": {"org.test.Thing": ALL},
    }
    manager.remove(one)
    assert client.call(name, "/org/test", ask_manager) == {"/org/test/two": {"org.test.Thing": ALL}}
    assert [(s.member, s.arguments) for s in client.signals if s.path == "/org/test"] == [
        ("InterfacesAdded", (PATH, {"org.test.Thing": ALL})),
        ("InterfacesAdded", ("/org/test/two", {"org.test.Thing": ALL})),
        ("InterfacesRemoved", (PATH, ["org.test.Thing"])),
    ]
    with pytest.raises(RemoteError, match="UnknownMethod"):
        reply(server, client, "org.test.Thing.Echo", "a")


def test_no_call_leaks(server: Client, client: Client) -> None:
    """Each invocation is freed once its call is answered. See _SPARE_REFERENCE."""
    thing = Thing(server.con)
    for count in range(1, 21):
        assert reply(server, client, "org.test.Thing.Echo", "a") == "a"
        gc.collect()
        until(lambda: thing.gone == count, f"the end of invocation {count}")  # noqa: B023
