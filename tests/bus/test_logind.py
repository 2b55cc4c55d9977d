"""The delay lock and the news of sleeps, with a stand-in for logind that is there, is not, comes and goes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pptpd_manager.logind import Logind

from .clients import Client, Signal, until
from .fake_logind import CONTROL, CONTROL_PATH, NAME
from .zygote import Forked, Zygote, stand_in

LOCK = ("sleep", "pptp-manager", "Hang up PPTP tunnels", "delay")
REFUSED = "GDBus.Error:org.freedesktop.DBus.Error.AccessDenied: Permission denied"


class Machine:
    """A bus with a logind, or without; and what ours has told."""

    def __init__(self, address: str, client: Client, stack: ExitStack, forks: Zygote) -> None:
        self.address, self.client, self.stack, self.forks = address, client, stack, forks
        self.told: list[bool] = []
        self.process: Forked | None = None

    def begin(self, *words: str) -> None:
        """Have a logind; words as its command line has them."""
        self.process = self.stack.enter_context(self.forks.forked(stand_in("fake_logind", self.address, *words)))
        until(lambda: self.client.owner(NAME), "the stand-in of logind")

    def end(self) -> None:
        """Have none any more."""
        assert self.process
        self.process.kill()
        self.process.wait()
        until(lambda: not self.client.owner(NAME), "logind to be gone")

    def ours(self, server: Client, *, close: bool = True) -> Logind:
        """What is tested, closed at the end."""
        made = Logind(server.con, self.told.append)
        if close:
            self.stack.callback(made.close)
        return made

    def call(self, method: str, *texts: str) -> Any:
        """Call a method of the stand-in's control."""
        return self.client.call(NAME, CONTROL_PATH, f"{CONTROL}.{method}", f"({'s' * len(texts)})", *texts)

    def locks(self) -> list[tuple[str, ...]]:
        """The locks that are held."""
        return list(self.call("Locks"))

    def wait_for_lock(self) -> None:
        """Wait until one lock is held, and no more."""
        until(lambda: self.locks() == [LOCK], "the lock")

    def count(self, member: str) -> int:
        """How often the stand-in's control has signalled that."""
        return self.client.signals.count(Signal(CONTROL_PATH, CONTROL, member, ()))

    def wait_for(self, *told: bool) -> None:
        """Wait until on_sleep was called exactly so since the last time."""
        until(lambda: len(self.told) >= len(told), f"to be told {told}")
        assert self.told == list(told)
        self.told.clear()


@pytest.fixture
def machine(bus: str, client: Client, server: Client, forks: Zygote) -> Iterator[Machine]:
    """A bus without a logind; what ours opens is closed at the end. server: so that it is there before and after."""
    before = pipes()
    with ExitStack() as stack:
        yield Machine(bus, client, stack, forks)
    until(lambda: pipes() == before, "the locks to be closed")  # GDBus lets go of a message in a thread of its own


def pipes() -> list[int]:
    """The pipes that this process has open: the stand-in's locks are such."""
    found = []
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode):
                found.append(fd)
        except OSError:  # the listing itself
            continue
    return sorted(found)


def settle(machine: Machine, server: Client) -> None:
    """Have both sides see all that was sent: what does not happen has not happened then."""
    for _ in range(3):
        machine.client.owner(NAME)
        server.owner(NAME)


def test_a_lock_is_held(machine: Machine, server: Client) -> None:
    before = pipes()
    machine.begin()
    machine.ours(server)
    machine.wait_for_lock()
    until(lambda: len(pipes()) > len(before), "the lock to come here")
    (lock,) = set(pipes()) - set(before)
    assert not os.get_inheritable(lock)
    assert machine.told == []


def test_a_sleep(machine: Machine, server: Client) -> None:
    machine.begin()
    ours = machine.ours(server)
    machine.wait_for_lock()
    machine.call("Prepare")
    machine.wait_for(True)
    settle(machine, server)
    assert machine.locks() == [LOCK] and not machine.count("Asleep")
    ours.release()
    until(lambda: machine.count("Asleep"), "the machine to sleep")
    assert machine.locks() == []
    ours.release()
    machine.call("Wake")
    machine.wait_for(False)
    machine.wait_for_lock()
    assert machine.count("Inhibited") == 2


def test_on_sleep_may_release_at_once(machine: Machine, server: Client) -> None:
    machine.begin()

    def slept(sleeps: bool) -> None:
        machine.told.append(sleeps)
        ours.release()

    ours = Logind(server.con, slept)
    machine.stack.callback(ours.close)
    machine.wait_for_lock()
    for count in (1, 2):
        machine.call("Prepare")
        until(lambda: machine.count("Asleep") == count, "the machine to sleep")  # noqa: B023
        machine.call("Wake")
        machine.wait_for(True, False)
        machine.wait_for_lock()


def test_a_release_of_nothing_keeps_the_lock(machine: Machine, server: Client) -> None:
    ours = machine.ours(server)
    ours.release()
    machine.begin()
    machine.wait_for_lock()
    ours.release()
    settle(machine, server)
    assert machine.locks() == [LOCK]


def test_a_machine_that_sleeps_without_waiting_any_longer(machine: Machine, server: Client) -> None:
    """InhibitDelayMaxSec= is over: the lock is good for the next sleep."""
    machine.begin()
    ours = machine.ours(server)
    machine.wait_for_lock()
    for _ in range(2):
        machine.call("Prepare")
        machine.call("Wake")
        machine.wait_for(True, False)
    settle(machine, server)
    assert machine.locks() == [LOCK] and machine.count("Inhibited") == 1
    machine.call("Prepare")
    machine.wait_for(True)
    ours.release()
    until(lambda: machine.count("Asleep"), "the machine to sleep")


def test_no_sleep_leaks_a_descriptor(machine: Machine, server: Client) -> None:
    machine.begin()
    ours = machine.ours(server)
    machine.wait_for_lock()

    def sleep() -> None:
        machine.call("Prepare")
        machine.wait_for(True)
        ours.release()
        until(lambda: not machine.locks(), "the lock to be given back")
        machine.call("Wake")
        machine.wait_for(False)
        machine.wait_for_lock()

    sleep()
    until(lambda: len(pipes()), "the lock to come here")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(100):
        sleep()
    until(lambda: len(list(Path("/proc/self/fd").iterdir())) == before, "as many open files as before")


def test_without_a_logind_nothing_happens(machine: Machine, server: Client, caplog: pytest.LogCaptureFixture) -> None:
    machine.ours(server, close=False).close()
    ours = machine.ours(server, close=False)
    settle(machine, server)
    ours.release()
    ours.close()
    settle(machine, server)
    assert (machine.told, caplog.records) == ([], [])


def test_it_appears_later(machine: Machine, server: Client) -> None:
    machine.ours(server)
    settle(machine, server)
    machine.begin()
    machine.wait_for_lock()
    assert machine.told == []


def test_it_is_restarted(machine: Machine, server: Client, caplog: pytest.LogCaptureFixture) -> None:
    before = pipes()
    machine.begin()
    machine.ours(server)
    machine.wait_for_lock()
    machine.end()
    until(lambda: pipes() == before, "the lock to be closed")
    machine.begin()
    machine.wait_for_lock()
    assert (machine.told, caplog.records) == ([], [])


def test_it_vanishes_in_the_middle_of_a_sleep(machine: Machine, server: Client) -> None:
    before = pipes()
    machine.begin()
    ours = machine.ours(server)
    machine.wait_for_lock()
    machine.call("Prepare")
    machine.wait_for(True)
    machine.end()
    machine.wait_for(False)
    assert pipes() == before
    ours.release()
    machine.begin()
    machine.wait_for_lock()
    assert machine.told == []


def test_it_is_about_to_sleep_at_the_start(machine: Machine, server: Client, caplog: pytest.LogCaptureFixture) -> None:
    machine.begin("preparing")
    ours = machine.ours(server)
    machine.wait_for(True)
    assert machine.locks() == []
    ours.release()
    machine.call("Wake")
    machine.wait_for(False)
    machine.wait_for_lock()
    assert (machine.count("Inhibited"), caplog.records) == (2, [])


def test_a_lock_that_is_refused(machine: Machine, server: Client, caplog: pytest.LogCaptureFixture) -> None:
    """It tells of sleeps all the same, and asks again after each."""
    machine.begin()
    machine.call("Behave", "fail")
    ours = machine.ours(server)
    until(lambda: caplog.records, "a warning")
    machine.call("Prepare")
    machine.wait_for(True)
    ours.release()
    machine.call("Behave", "well")
    machine.call("Wake")
    machine.wait_for(False)
    machine.wait_for_lock()
    noted = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert noted == [("WARNING", f"logind does not wait for the tunnels before a sleep: {REFUSED}")]


def test_a_lock_that_is_granted_late(machine: Machine, server: Client) -> None:
    machine.begin()
    machine.call("Behave", "hold")
    machine.ours(server)
    until(lambda: machine.count("Inhibited"), "the call")
    machine.call("Wake")  # a sleep that was given up
    until(lambda: machine.count("Inhibited") == 2, "the next call")
    machine.call("Release")
    machine.wait_for_lock()  # one of the two
    assert machine.told == []


def test_a_lock_that_is_granted_too_late(machine: Machine, server: Client) -> None:
    before = pipes()
    machine.begin()
    machine.call("Behave", "hold")
    ours = machine.ours(server, close=False)
    until(lambda: machine.count("Inhibited"), "the call")
    ours.close()
    machine.call("Release")
    until(lambda: machine.locks() == [], "the lock to be given back")
    assert pipes() == before


def test_it_vanishes_before_it_has_granted_the_lock(
    machine: Machine, server: Client, caplog: pytest.LogCaptureFixture
) -> None:
    machine.begin()
    machine.call("Behave", "hold")
    machine.ours(server)
    until(lambda: machine.count("Inhibited"), "the call")
    machine.end()
    settle(machine, server)
    machine.begin()
    machine.wait_for_lock()
    assert (machine.told, caplog.records) == ([], [])


def test_close(machine: Machine, server: Client) -> None:
    machine.begin()
    ours = machine.ours(server, close=False)
    machine.wait_for_lock()
    ours.close()
    until(lambda: machine.locks() == [], "the lock to be given back")
    machine.call("Prepare")
    machine.call("Wake")
    machine.end()
    machine.begin()
    settle(machine, server)
    assert machine.told == [] and machine.locks() == [] and machine.count("Inhibited") == 1


def test_the_bus_is_lost_in_the_middle_of_a_sleep(machine: Machine, server: Client) -> None:
    """The manager ends then; nobody is told that the machine is awake."""
    machine.begin()
    machine.ours(server)
    machine.wait_for_lock()
    machine.call("Prepare")
    machine.wait_for(True)
    server.con.close_sync(None)
    until(lambda: machine.locks() == [], "the lock to be given back")
    assert machine.told == []
