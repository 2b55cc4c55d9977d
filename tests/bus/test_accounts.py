"""Names to ids in a thread, and the credentials of callers: what is asked once, what is forgotten, what is bounded."""

from __future__ import annotations

import os
import threading
import time

import pytest

from pptpd_manager import accounts, callers
from pptpd_manager.accounts import Accounts, Names, ids_of
from pptpd_manager.authorization import Caller, Ids
from pptpd_manager.callers import Callers
from pptpd_manager.quota import Quota
from pptpd_manager.timers import Timers

from .clients import Client, until

WORK = (("daemon", "no-such-user"), ("bin", "no-such-group"))
FOUND = Ids(frozenset({1}), frozenset({2}))


class Directory:
    """One that answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[Names] = []
        self.gate = threading.Event()

    def __call__(self, names: Names) -> Ids:
        self.asked.append(names)
        assert threading.current_thread() is not threading.main_thread()
        assert self.gate.wait(10)
        return ids_of(names)


@pytest.fixture
def directory() -> Directory:
    return Directory()


def look_up(ours: Accounts, names: Names = WORK) -> list[Ids]:
    """What comes of a lookup, once it has come."""
    found: list[Ids] = []
    ours.look_up(*names, found.append)
    return found


def test_the_ids_of_those_that_exist() -> None:
    """Of Debian's base-passwd; a user's id is no group's."""
    assert ids_of(WORK) == FOUND
    assert ids_of((("bin",), ("daemon",))) == Ids(frozenset({2}), frozenset({1}))
    assert ids_of((("é", "x" * 255), ())) == Ids()


def test_many_calls_are_one_question(directory: Directory) -> None:
    ours = Accounts(Timers(), directory)
    pending = [look_up(ours) for _ in range(50)]
    assert pending == [[]] * 50
    directory.gate.set()
    until(lambda: all(pending), "the answers")
    assert pending == [[FOUND]] * 50 and directory.asked == [WORK]
    assert look_up(ours) == [FOUND], "at once, from the same answer"


def test_an_answer_does_not_hold_for_long(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "FRESH_SECONDS", 0.05)
    directory.gate.set()
    ours = Accounts(Timers(), directory)
    first = look_up(ours)
    until(lambda: first, "the answer")
    time.sleep(0.06)
    second = look_up(ours)
    assert second == []
    until(lambda: second, "the answer")
    assert directory.asked == [WORK] * 2


def test_nobody_waits_for_a_directory_that_hangs(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(accounts, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(accounts, "WAITING", 3)
    ours = Accounts(Timers(), directory)
    pending = [look_up(ours) for _ in range(3)]
    assert look_up(ours) == [Ids()], "too many wait for it"
    until(lambda: all(pending), "the time to be over")
    assert pending == [[Ids()]] * 3
    assert look_up(ours) == [Ids()], "at once"
    other = look_up(ours, (("bin",), ()))
    until(lambda: other, "the time of another one to be over")
    assert other == [Ids()] and directory.asked == [WORK], "one thread, and it is taken"
    assert len(caplog.records) == 2
    directory.gate.set()
    until(lambda: look_up(ours) == [FOUND], "the late answer")
    until(lambda: directory.asked == [WORK, (("bin",), ())], "the other question")


# --- callers ---


def caller(ours: Callers, sender: str) -> Caller | None:
    """Who that is, asked of the bus or known."""
    found: list[Caller | None] = []
    ours.of(sender, found.append)
    until(lambda: found, "the credentials")
    return found[0]


def test_the_credentials_of_a_connection(server: Client, client: Client) -> None:
    ours = Callers(server.con)
    assert caller(ours, client.con.get_unique_name()) == Caller(0, frozenset({*os.getgroups(), os.getegid()}))


def test_one_question_for_all_calls_of_a_connection(server: Client, client: Client) -> None:
    ours, sender = Callers(server.con), client.con.get_unique_name()
    found: list[Caller | None] = []
    for _ in range(5):
        ours.of(sender, found.append)
    assert found == []
    until(lambda: len(found) == 5, "the credentials")
    ours.of(sender, found.append)
    assert len(found) == 6, "known, so at once"


def test_who_has_left_is_nobody(server: Client, bus: str) -> None:
    leaver = Client(bus)
    sender = leaver.con.get_unique_name()
    leaver.close()
    until(lambda: not server.owner(sender), "him to leave")
    ours = Callers(server.con)
    assert caller(ours, sender) is None
    assert caller(ours, ":7.7") is None


def test_who_leaves_is_forgotten(server: Client, bus: str) -> None:
    ours = Callers(server.con)
    Quota(server.con, ours.forget)
    leaver = Client(bus)
    sender = leaver.con.get_unique_name()
    assert caller(ours, sender)
    leaver.close()
    found: list[Caller | None] = []

    def gone() -> bool:
        ours.of(sender, found.append)
        return None in found

    until(gone, "the bus to be asked anew")


def test_few_are_kept(server: Client, client: Client, bus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "KEPT", 2)
    ours = Callers(server.con)
    others = [Client(bus) for _ in range(3)]
    names = [other.con.get_unique_name() for other in others]
    for name in (names[0], names[1], names[0], names[2]):
        assert caller(ours, name)
    at_once: list[Caller | None] = []
    ours.of(names[0], at_once.append)
    assert at_once, "used lately"
    ours.of(names[1], at_once.append)
    assert len(at_once) == 1, "asked again"
    until(lambda: len(at_once) == 2, "the answer")
    for other in others:
        other.close()
