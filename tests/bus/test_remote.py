"""Methods of other services, with the replies by C's function and by PyGObject's: the same comes of both."""

from __future__ import annotations

import os
from typing import Any

import pytest
from gi.repository import Gio, GLib

from pptpd_manager import remote, replies
from pptpd_manager.objects import Exported, interfaces
from pptpd_manager.remote import DRIVER, Target

from .clients import Client, never, until

SILENT = '<node><interface name="org.test.Silent"><method name="Sleep"/></interface></node>'


@pytest.fixture(params=[replies.Replies().send, remote.by_gio], ids=["C", "PyGObject"], autouse=True)
def sender(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """By which function the calls are sent."""
    monkeypatch.setattr(remote, "_send", request.param)


def asked(client: Client, target: Target, method: str, arguments: GLib.Variant | None) -> tuple[Any, ...]:
    """The reply's values. Raises GLib.Error."""
    told: list[tuple[Any, ...]] = []
    errors: list[GLib.Error] = []
    remote.call(client.con, target, method, arguments, told.append, errors.append)
    until(lambda: told or errors, "the answer")
    assert len(told) + len(errors) == 1
    if errors:
        raise errors[0]
    return told[0]


def test_the_values_of_a_reply(client: Client) -> None:
    own = GLib.Variant("(s)", (client.con.get_unique_name(),))
    (credentials,) = asked(client, DRIVER, "GetConnectionCredentials", own)
    assert (credentials["UnixUserID"], credentials["ProcessID"]) == (os.getuid(), os.getpid())
    assert asked(client, Target(*DRIVER[:2], "org.freedesktop.DBus.Peer"), "Ping", None) == ()


def test_the_error_of_a_service(client: Client) -> None:
    with pytest.raises(GLib.Error) as caught:
        asked(client, DRIVER, "GetNameOwner", GLib.Variant("(s)", ("org.test.Nobody",)))
    assert Gio.DBusError.get_remote_error(caught.value) == "org.freedesktop.DBus.Error.NameHasNoOwner"
    assert remote.message(caught.value) == "Could not get owner of name 'org.test.Nobody': no such name"


def test_no_reply_in_time(client: Client, server: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "CALL_MS", 50)
    (interface,) = interfaces(SILENT).values()
    exported = Exported(server.con, "/org/test", interface, {"Sleep": lambda _: None}, dict)
    with pytest.raises(GLib.Error, match="Timeout was reached") as caught:
        asked(client, Target(server.con.get_unique_name(), "/org/test", interface.name), "Sleep", None)
    exported.close()
    assert caught.value.matches(Gio.io_error_quark(), Gio.IOErrorEnum.TIMED_OUT)


def test_a_connection_that_is_closed(client: Client) -> None:
    client.con.close_sync(None)
    with pytest.raises(GLib.Error, match="closed") as caught:
        asked(client, DRIVER, "GetId", None)
    assert caught.value.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CLOSED)


def test_calls_arrive_and_are_answered_in_their_order(client: Client) -> None:
    answers: list[bool] = []
    for number in range(50):
        name = client.con.get_unique_name() if number % 3 else "org.test.Nobody"
        arguments = GLib.Variant("(s)", (name,))
        remote.call(client.con, DRIVER, "NameHasOwner", arguments, lambda reply: answers.append(reply[0]), never)
    until(lambda: len(answers) == 50, "the answers")
    assert answers == [number % 3 > 0 for number in range(50)]


def test_one_that_breaks_does_not_stop_the_others(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: Any) -> None:
        raise ValueError("a bug")

    remote.call(client.con, DRIVER, "GetId", None, broken, never)
    assert asked(client, DRIVER, "GetId", None)
    assert "a bug" in caplog.text
