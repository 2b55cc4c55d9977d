"""The machine sleeps: no tunnel goes with it, and each that was up is up again after it.

logind is Debian's own, and so is the suspend of the kernel, from which User Mode Linux comes back at once. Only how
long the sleep lasts is the test's: systemd-suspend.service waits for it before it suspends the kernel.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import commands as lab
import pytest

FOLDER = Path("/run/lab-sleep")
BEGUN, WAKE = FOLDER / "begun", FOLDER / "wake"
DROP_IN = Path("/run/systemd/system/systemd-suspend.service.d/lab.conf")
LINKS = "ip -o link show type ppp; ip -n server -o link show type ppp"  # on both sides
SLEEP = f"""\
[Service]
ExecStartPre=/bin/sh -c '{{ {LINKS}; }} >{BEGUN}.part; mv {BEGUN}.part {BEGUN}; read _ <{WAKE}'
"""
# Ours are gone long before logind's own 5 s, but the lab may be slow.
LOGIND_CONF, PATIENCE = Path("/run/systemd/logind.conf.d/lab.conf"), "[Login]\nInhibitDelayMaxSec=20\n"
SUCCESSES = Path("/sys/power/suspend_stats/success")
# In the journal: what the manager tells of the tunnel, and systemd-sleep(8) when the kernel is back.
RESOLVING = "PPTP_TUNNEL=work PPTP_STATE=resolving"
WOKEN = "MESSAGE_ID=8811e6df2a8e40f58a94cea26f8ebf14"  # SD_MESSAGE_SLEEP_STOP
LOGIND = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")


@pytest.fixture(scope="module", autouse=True)
def logind() -> Iterator[None]:
    """Have logind, which the lab masks, and sleeps that last until the test ends them."""
    FOLDER.mkdir()
    os.mkfifo(WAKE)
    for path, text in ((DROP_IN, SLEEP), (LOGIND_CONF, PATIENCE)):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    lab.out("systemctl", "unmask", "systemd-logind")
    lab.out("systemctl", "daemon-reload")
    lab.out("systemctl", "start", "pptp-manager")
    lab.out("systemctl", "start", "systemd-logind")
    wait_for_lock()
    yield
    lab.out("systemctl", "stop", "systemd-logind")
    lab.out("systemctl", "mask", "systemd-logind")
    for folder in (DROP_IN.parent, LOGIND_CONF.parent, FOLDER):
        shutil.rmtree(folder)
    lab.out("systemctl", "daemon-reload")


@contextlib.contextmanager
def suspended() -> Iterator[None]:
    """Have the machine sleep while the block runs; when that begins, there is no PPP link on either side."""
    BEGUN.unlink(missing_ok=True)
    since, successes = time.time(), int(SUCCESSES.read_text())
    lab.out("systemctl", "suspend")
    lab.wait_for(BEGUN.exists, "the sleep begins")
    print(f"the sleep began {BEGUN.stat().st_mtime - since:.2f} s after `systemctl suspend`")
    try:
        assert BEGUN.read_text() == ""
        log = lab.out("journalctl", "-q", "-o", "cat", "-u", "systemd-logind", f"--since=@{since:.6f}")
        assert "inhibitor timeout is reached" not in log, log
        yield
    finally:
        WAKE.write_text("\n")
        lab.wait_for(awake, "the sleep ends")
    assert int(SUCCESSES.read_text()) == successes + 1, "the kernel was suspended"


def awake() -> bool:
    """Whether no sleep is begun or going on."""
    acts = lab.run("systemctl", "is-active", "systemd-suspend").stdout.strip() != "inactive"
    return not acts and lab.out("busctl", "get-property", *LOGIND, "PreparingForSleep").strip() == "b false"


def lock() -> str:
    """The manager's line in `systemd-inhibit --list`, "" when there is none."""
    lines = lab.out("systemd-inhibit", "--list", "--no-legend", "--no-pager").splitlines()
    return "".join(line for line in lines if line.startswith("pptp-manager "))


def wait_for_lock() -> None:
    """Wait until the manager has the lock."""
    lab.wait_for(lock, "the manager delays sleeps")


def is_up(*but: str) -> bool:
    """Whether the tunnel is up, by another run than these."""
    return lab.active("work") == "active" and lab.show("work", "InvocationID") not in but


def start() -> str:
    """Have the tunnel up; its invocation id."""
    assert lab.systemctl("start", "pptp@work") == 0
    assert len(lab.out("sh", "-c", LINKS).splitlines()) == 2
    return lab.show("work", "InvocationID")


def test_the_manager_delays_sleeps() -> None:
    wait_for_lock()
    words = lock().split()
    assert words[:4] == ["pptp-manager", "0", "root", str(lab.manager_pid())]
    assert " ".join(words[5:]) == "sleep Hang up PPTP tunnels delay"


def test_a_tunnel_is_hung_up_before_the_sleep_and_dialled_after_it() -> None:
    lab.configure({"work": lab.ALICE, "unwanted": lab.ALICE})
    run = start()
    for _ in range(2):
        with suspended():
            assert not lab.clients() and not lab.server_sessions()
            time.sleep(2)
            assert not lab.clients(), "nothing dials in the sleep"
        lab.wait_for(lambda: is_up(run), "up after the sleep")  # noqa: B023
        assert lab.last_error("work")[0] == "suspended"
        assert lab.route_of("192.168.10.0/24") and lab.passes()
        assert lab.active("unwanted") == "inactive"
        wait_for_lock()
        run = lab.show("work", "InvocationID")


def test_the_sleep_waits_for_a_pppd_that_has_to_be_killed() -> None:
    lab.configure({"work": lab.ALICE})
    run = start()
    lab.out("kill", "-STOP", lab.show("work", "MainPID"))
    with suspended():
        assert not lab.clients()
    lab.wait_for(lambda: is_up(run), "up after the sleep", 60)
    assert len(lab.clients()["pppd"]) == 1 and lab.passes()


def test_a_tunnel_that_dials_is_hung_up_too() -> None:
    lab.configure({"work": {**lab.ALICE, "connect-timeout": 60}})
    with lab.drop(lab.GRE):
        lab.systemctl("start", "--no-block", "pptp@work")
        lab.wait_for(lambda: "pppd" in lab.clients(), "pppd dials")
        with suspended():
            assert not lab.clients()
    lab.wait_for(is_up, "up after the sleep", 60)
    assert lab.passes()


def test_a_tunnel_that_pauses_dials_at_once_after_the_sleep(without_mppe: str) -> None:
    """A server that refuses to encrypt is tried again after half a minute."""
    lab.configure({"work": {**lab.ALICE, "server": without_mppe}})
    assert lab.systemctl("start", "pptp@work") == 1
    for _ in range(5):
        lab.wait_for(lambda: "Pausing" in lab.shown("work"), "a pause", 60)
        over, paused = lab.get("work", "NextAttemptMonotonic") / 1e6, time.monotonic()
        with suspended():
            pass
        dialled = lab.wait_for(lambda: [t for t in times(RESOLVING) if t > paused], "a dial", 90)[0]  # noqa: B023
        ended = times(WOKEN)[-1]
        assert paused < ended
        print(f"dialled {dialled - ended:.2f} s after the sleep and {over - dialled:.2f} s before the pause was over")
        if ended + 2 < over:
            break
    else:
        pytest.fail("the lab is too slow: the pauses were over before the sleeps")
    assert ended < dialled < over - 0.2


@pytest.fixture
def without_mppe() -> Iterator[str]:
    """The address of a server that authenticates but never encrypts."""
    lab.out("systemctl", "start", "lab-pptpd@nomppe")
    yield "203.0.113.2"
    lab.out("systemctl", "stop", "lab-pptpd@nomppe")


def times(match: str) -> list[float]:
    """When the journal was told what matches; the oldest first. Monotonic seconds."""
    lines = lab.out("journalctl", "-q", "-b", "-o", "json", *match.split()).splitlines()
    return [int(json.loads(line)["__MONOTONIC_TIMESTAMP"]) / 1e6 for line in lines]


def test_a_server_that_comes_back_in_the_sleep_is_called_after_it() -> None:
    lab.configure({"work": lab.ALICE})
    lab.systemctl("stop", "lab-pptpd@main")
    assert lab.systemctl("start", "pptp@work") == 1
    lab.wait_for(lambda: "to accept connections" in lab.shown("work"), "it waits for the server", 60)
    with suspended():
        lab.systemctl("start", "lab-pptpd@main")
        for _ in range(8):
            assert not lab.clients()
            time.sleep(0.5)
    lab.wait_for(is_up, "up after the sleep")


def test_a_tunnel_that_is_stopped_in_the_sleep_stays_down() -> None:
    lab.configure({"work": lab.ALICE})
    start()
    with suspended():
        assert lab.systemctl("stop", "pptp@work") == 0
    time.sleep(2)
    assert lab.active("work") == "inactive" and lab.state("work") == "idle" and not lab.clients()


def test_a_manager_that_is_killed_in_the_sleep() -> None:
    """The next one asks logind, and waits for the end of the sleep as well."""
    lab.configure({"work": lab.ALICE})
    run, manager = start(), lab.manager_pid()
    with suspended():
        lab.out("kill", "-KILL", str(manager))
        lab.wait_for(lambda: lab.manager_pid() not in (0, manager) and lab.state("work"), "the next manager", 60)
        time.sleep(2)
        assert not lab.clients()
    lab.wait_for(lambda: is_up(run), "up after the sleep")
    wait_for_lock()


def test_a_logind_that_ends_in_the_sleep() -> None:
    """It does not tell of the end of the sleep any more, so its own end has to do."""
    lab.configure({"work": lab.ALICE})
    run = start()
    with suspended():
        assert lab.systemctl("restart", "systemd-logind") == 0
        lab.wait_for(lambda: is_up(run), "up without logind")
    wait_for_lock()


def test_a_logind_that_nobody_started_is_not_started_and_missed_by_nobody() -> None:
    assert lab.systemctl("stop", "systemd-logind") == 0
    try:
        assert lab.systemctl("restart", "pptp-manager") == 0
        lab.configure({"work": lab.ALICE})
        start()
        assert lab.run("systemctl", "is-active", "systemd-logind").stdout.strip() == "inactive"
    finally:
        assert lab.systemctl("start", "systemd-logind") == 0
    wait_for_lock()
