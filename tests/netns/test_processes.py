"""processes.py with real processes of the names that it looks for."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from gi.repository import GLib

from pptpd_manager import processes, reasons
from pptpd_manager.processes import Processes
from pptpd_manager.reasons import Failure
from pptpd_manager.timers import Timers

from .kernel import turn

Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a process of that name, which sleeps."""
    with ExitStack() as stack:

        def started(name: str) -> subprocess.Popen[bytes]:
            program = tmp_path / name
            shutil.copy("/bin/sleep", program)
            process = stack.enter_context(subprocess.Popen([program, "60"]))
            stack.callback(process.kill)
            turn(lambda: Path(f"/proc/{process.pid}/comm").read_text().strip() == name or spin(), "its name")
            return process

        yield started


def spin() -> bool:
    """Let the loop come round."""
    GLib.timeout_add(5, lambda: False)
    return False


def test_a_call_manager_that_ends(start: Start) -> None:
    watched, told = Processes(Timers()), list[Failure]()
    pppd, gateway, manager = (start(name) for name in ("pppd", "pptpgw", "pptpcm"))
    watched.watch("work", 0, [process.pid for process in (gateway, manager, pppd)], told.append)
    manager.kill()
    turn(lambda: told, "word of its end")
    assert told == [Failure(reasons.PPTP_KILLED)]
    watched.forget("work")
    assert gateway.poll() is None


def test_a_call_manager_that_ends_with_its_gateway_is_pppds_business(start: Start) -> None:
    watched, told = Processes(Timers()), list[Failure]()
    pppd, gateway, manager = (start(name) for name in ("pppd", "pptpgw", "pptpcm"))
    watched.watch("work", pppd.pid, [process.pid for process in (gateway, manager, pppd)], told.append)
    gateway.kill()
    gateway.wait()
    manager.kill()
    late: list[bool] = []
    GLib.timeout_add(round(processes.GRACE_SECONDS * 1000) + 300, lambda: late.append(True))
    turn(lambda: late, "the moment to pass")
    assert told == []
    watched.forget("work")


def test_a_pppd_that_ends_ends_the_watch(start: Start) -> None:
    watched, told = Processes(Timers()), list[Failure]()
    pppd, manager = start("pppd"), start("pptpcm")
    fds = len(os.listdir("/proc/self/fd"))
    watched.watch("work", 0, [pppd.pid, manager.pid], told.append)
    pppd.kill()
    turn(lambda: len(os.listdir("/proc/self/fd")) == fds or spin(), "the watch to end")
    manager.kill()
    manager.wait()
    GLib.MainContext.default().iteration(False)
    assert told == []
    watched.forget("work")


def test_a_pppd_that_stays_stopped(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LOOK_SECONDS", 1)
    watched, told = Processes(Timers()), list[Failure]()
    pppd = start("pppd")
    watched.watch("work", 0, [pppd.pid], told.append)
    pppd.send_signal(signal.SIGSTOP)
    turn(lambda: told, "word of its stop")
    assert told == [Failure(reasons.PPPD_HANGS)]


def test_a_child_of_pppd_is_not_taken_for_it(start: Start, tmp_path: Path) -> None:
    """pppd forks to run ip-up when the link is up."""
    manager, gateway = start("pptpcm"), start("pptpgw")
    program = tmp_path / "pppd"
    shutil.copy("/bin/dash", program)
    with subprocess.Popen([program, "-c", "exec 3<&0; (read _ <&3) & wait; sleep 60"], stdin=subprocess.PIPE) as pppd:
        children = Path(f"/proc/{pppd.pid}/task/{pppd.pid}/children")
        turn(lambda: children.read_text() or spin(), "its child")
        child = int(children.read_text())
        watched, told = Processes(Timers()), list[Failure]()
        watched.watch("work", 0, [pppd.pid, child, manager.pid, gateway.pid], told.append)
        os.kill(child, signal.SIGKILL)
        turn(lambda: not Path(f"/proc/{child}/exe").exists() or spin(), "the child's end")
        manager.kill()
        turn(lambda: told, "word of the call manager's end")
        watched.forget("work")
        pppd.kill()


def test_processes_that_are_gone_already(start: Start) -> None:
    watched, told = Processes(Timers()), list[Failure]()
    pppd = start("pppd")
    pppd.kill()
    pppd.wait()
    watched.watch("work", 0, [pppd.pid], told.append)
    watched.watch("work", 0, [], told.append)
    assert told == []
