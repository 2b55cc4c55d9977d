"""What the manager does again and again keeps no memory, as much of it does by PyGObject alone with Debian 12's."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from gi.repository import Gio, GLib

from pptpd_manager import remote
from pptpd_manager.callback import guarded
from pptpd_manager.remote import DRIVER
from pptpd_manager.sources import Readable
from pptpd_manager.timers import Timers

from .clients import Client, never, own_memory
from .world import World

TIMES, LEAST = 4000, 40  # of each thing; PyGObject 3.42 keeps a hundred bytes or more of each


def kept(step: Callable[[], None], times: int = TIMES) -> float:
    """Bytes that are left of a step."""
    for _ in range(times // 4):
        step()
    before = own_memory()
    for _ in range(times):
        step()
    return (own_memory() - before) / times


def until_there_is(found: list[Any]) -> None:
    """Turn the loop; until() has a timeout, and that costs memory."""
    while not found:
        GLib.MainContext.default().iteration(True)


def test_calls_of_other_services(client: Client) -> None:
    answers: list[Any] = []
    arguments = GLib.Variant("(s)", ("org.test.Nobody",))

    def step() -> None:
        answers.clear()
        remote.call(client.con, DRIVER, "NameHasOwner", arguments, answers.append, never)
        until_there_is(answers)

    assert kept(step) < LEAST


def test_timers_each_earlier_than_the_one_before() -> None:
    timers, fired = Timers(), list[bool]()

    def step() -> None:
        fired.clear()
        timers.start("late", 60.0, never)
        timers.start("early", 0.0, lambda: fired.append(True))
        until_there_is(fired)
        timers.cancel("late")

    assert kept(step) < LEAST


def test_signals(client: Client) -> None:
    """Their arguments are tuples, which CPython would keep."""
    heard: list[Any] = []
    con, (service, path, interface) = client.con, DRIVER
    words = service, interface, "NameOwnerChanged", path, None, Gio.DBusSignalFlags.NONE
    watch = con.signal_subscribe(*words, guarded(lambda *_: heard.append(True)))
    own, release = GLib.Variant("(su)", (name := "org.test.Name", 0)), GLib.Variant("(s)", (name,))
    none = Gio.DBusCallFlags.NONE

    def step() -> None:
        heard.clear()
        client.signals.clear()
        con.call_sync(*DRIVER, "RequestName", own, None, none, -1, None)
        con.call_sync(*DRIVER, "ReleaseName", release, None, none, -1, None)
        while len(heard) < 2:
            GLib.MainContext.default().iteration(True)

    assert kept(step, 1000) < 2.5 * LEAST  # some are always on their way; nearly twice that without freed.py
    con.signal_unsubscribe(watch)


def test_descriptors_that_are_watched() -> None:
    """Each is heard of, and none that is forgotten, also while another one is heard of."""
    watched, heard = Readable(), list[str]()

    def step() -> None:
        heard.clear()
        (first, second), (quiet, _) = pipes = os.pipe(), os.pipe()

        def ended() -> None:
            heard.append("first")
            watched.forget(quiet)
            watched.forget(first)

        watched.watch(first, ended)
        watched.watch(quiet, never)
        for _, end in pipes:
            os.write(end, b"x")
        until_there_is(heard)
        for fd in (first, second, *pipes[1]):
            os.close(fd)
        assert heard == ["first"]

    assert kept(step) < LEAST
    watched.destroy()


def test_link_changes(up: World) -> None:
    """Two thousand of them, and the addresses and routes that go with the link."""
    up.ip("link add brief type veth peer name end")
    lines = ["link set brief up", "address add 10.66.0.1/24 dev brief", "route add 10.67.0.0/16 dev brief"]
    lines += ["address del 10.66.0.1/24 dev brief", "link set brief down"]

    def change(times: int) -> None:
        for _ in range(20):
            up.ip(*lines * (times // 40))
            up.problems()

    change(1000)
    before = up.memory(), up.descriptors()
    change(2000)
    assert up.memory() - before[0] <= 1 << 18
    assert up.descriptors() == before[1]
