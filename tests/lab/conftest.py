"""Every test begins with no tunnels and must leave the machine as it found it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import commands as lab
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))  # the trials that the benchmarks repeat


@pytest.fixture(scope="session")
def tables() -> list[str]:
    """The routing tables before any tunnel; anew after a test that left something, which is then told once."""
    return [lab.settled()]


@pytest.fixture
def untouched(tables: list[str]) -> str:
    """The routing tables before any tunnel."""
    return tables[0]


@pytest.fixture(autouse=True)
def nothing_left(tables: list[str], request: pytest.FixtureRequest) -> Iterator[None]:
    """No tunnels before; after the test, with all stopped: no route, interface, process or file of ours.

    The tests in boot/ have a guest each, which ends with them; those of the package install and remove all of it.
    """
    if "boot" in request.path.parts or request.path.name == "test_package.py":
        yield
        return
    lab.serving()
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed:
        print(lab.evidence())
    lab.serving()
    lab.all_stopped()
    lab.configure({})
    # One that is back before it is forgotten is the same tunnel, with its last failure.
    lab.wait_for(lambda: not lab.tunnels(), "the manager has forgotten the tunnels")
    lab.wait_for(lambda: not lab.clients(), "no pppd or pptp is left")
    lab.wait_for(lambda: not lab.server_sessions(), "the server's sessions have ended")
    before, tables[0] = tables[0], lab.routes()
    assert tables[0] == before, "\n".join(unified_diff(before.splitlines(), tables[0].splitlines(), lineterm=""))
    assert not [name for name in os.listdir("/sys/class/net") if name.startswith("pptp-")]
    kinds = ("options*", "names", "password")
    lab.wait_for(lambda: not [path for kind in kinds for path in lab.OPTIONS.glob(f"*.{kind}")], "no file is left")


@pytest.fixture
def work() -> Iterator[None]:
    """A tunnel to the real server that passes before and after, and a manager that is the same one."""
    lab.configure({"work": lab.ALICE})
    assert lab.systemctl("start", "pptp@work") == 0, lab.evidence()
    pid, since = lab.manager_pid(), time.time()
    yield
    assert lab.manager_pid() == pid, "the manager runs on"
    assert lab.active("work") == "active" and lab.passes(), lab.evidence()
    log = lab.out("journalctl", "-q", "-o", "cat", "-u", "pptp-manager", f"--since=@{since:.6f}")
    assert "Traceback" not in log and "internal error" not in log, log
