"""The user's hooks, run by the real systemd."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import commands as lab
import pytest

HOOK = Path("/usr/local/sbin/lab-hook")
SAID = Path("/root/lab-hook.said")  # where the manager itself cannot write
GO = Path("/run/lab-hook.go")
# $1: a file to wait for, if it is given. The capabilities show that it is not in the manager's sandbox.
SCRIPT = f"""\
#!/bin/sh
exec 3>>{SAID}
echo >&3 "begin $PPTP_EVENT $PPTP_TUNNEL" \\
    "$PPTP_INTERFACE $PPTP_LOCAL $PPTP_REMOTE $PPTP_SERVER $PPTP_SERVER_ADDRESS"
echo >&3 "reason $PPTP_REASON: $PPTP_SENTENCE"
grep >&3 CapEff /proc/self/status
until [ -z "$1" ] || [ -e "$1" ]; do sleep 0.1; done
echo >&3 "end $PPTP_EVENT"
echo "said by the hook for $PPTP_EVENT"
"""
FACTS = "work pptp-work 10.9.0.100 10.9.0.1 203.0.113.1 203.0.113.1"
# systemd's own limit for services is another one; this runs the module on its own with a limit of a second.
LIMITED = """\
import pydbus
from gi.repository import GLib
from pptpd_manager.transient import Transient
loop, transient = GLib.MainLoop(), Transient(pydbus.SystemBus().con)
pydbus.SystemBus().con.call_sync(
    "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
    "Subscribe", None, None, 0, -1, None)
hangs = ["/bin/sh", "-c", "trap '' TERM; sleep 60 & echo $! >>/run/lab-hang; wait; wait"]
commands = [hangs, ["/bin/cat"], hangs, ["/bin/sh", "-c", "exit 3"]]
def first(text):
    print(text)
def second(text):
    print(repr(text))
    loop.quit()
for done, commands in ((first, commands), (second, [["/bin/echo", "second"]])):
    transient.run("lab-limited.service", "For a test", commands, stdin=b"read by cat\\n", seconds=1,
        fields={"PPTP_TUNNEL": "limited"}, done=done)
loop.run()
"""


@pytest.fixture(autouse=True)
def hook() -> Iterator[None]:
    HOOK.write_text(SCRIPT)
    HOOK.chmod(0o755)
    yield
    HOOK.unlink()
    GO.unlink(missing_ok=True)
    SAID.unlink(missing_ok=True)


def said() -> list[str]:
    """What the hooks have written."""
    return SAID.read_text().splitlines() if SAID.exists() else []


def test_up_and_down_in_order_over_a_restart_of_the_manager() -> None:
    """The manager goes while the first hooks run, and the tunnel goes down while they still do."""
    since = time.time()
    lab.configure({"work": {**lab.ALICE, "hooks": {"up": [f"{HOOK} {GO}", "/nonexistent"], "down": [str(HOOK)]}}})
    assert lab.systemctl("start", "pptp@work") == 0
    lab.wait_for(said, "the hook for up")
    lab.out("systemctl", "restart", "pptp-manager")
    assert lab.state("work") == "up"
    assert lab.systemctl("stop", "pptp@work") == 0
    assert "end up" not in said(), "the hook still runs, and has held up nothing"
    lab.out("systemctl", "daemon-reload")
    GO.touch()
    lab.wait_for(lambda: "end down" in said(), "the hooks to be through")
    all_capabilities = [line for line in Path("/proc/self/status").read_text().splitlines() if "CapEff" in line]
    assert said() == [
        f"begin up {FACTS}",
        "reason : ",
        *all_capabilities,
        "end up",
        f"begin down {FACTS}",
        "reason stopped: The tunnel was stopped.",
        *all_capabilities,
        "end down",
    ]
    by_field = lab.out("journalctl", "-q", "-o", "cat", "PPTP_TUNNEL=work", f"--since=@{since:.6f}")
    for log in (by_field, lab.journal("work", since)):
        assert "said by the hook for up\n" in log and "said by the hook for down\n" in log, log
    lab.wait_for(lambda: "pptp-hook" not in lab.out("systemctl", "list-units", "--all", "--plain"), "no unit is left")
    lab.wait_for(lambda: not list(lab.OPTIONS.glob("*.hooks")), "no file is left")


def test_failed_when_it_is_given_up() -> None:
    lab.configure({"work": {**lab.ALICE, "password": "wrong", "hooks": {"failed": [str(HOOK)]}}})
    assert lab.systemctl("start", "pptp@work") != 0
    lab.wait_for(lambda: "end failed" in said(), "the hook for failed", 60)
    assert said()[0] == "begin failed work pptp-work   203.0.113.1 203.0.113.1"
    assert said()[1].startswith("reason wrong-password: ")
    assert lab.state("work") == "failed" and len(said()) == 4


def test_what_hangs_is_killed_and_the_rest_goes_on() -> None:
    """With all that it has started. A second service of the same name waits for the first one."""
    since = time.time()
    done = lab.run("env", "PYTHONPATH=/usr/lib/pptp-manager", "/usr/bin/python3", "-c", LIMITED, check=True)
    first, second = done.stdout.splitlines()
    late = "/bin/sh took longer than 1 s and was killed"
    assert first == f"{late}; {late}; /bin/sh ended with status 3"
    assert second == "''"
    log = lab.out("journalctl", "-q", "-o", "cat", "PPTP_TUNNEL=limited", "-t", "lab-limited", f"--since=@{since:.6f}")
    assert log == "read by cat\nsecond\n"
    hanging = Path("/run/lab-hang")
    assert [pid for pid in hanging.read_text().split() if Path(f"/proc/{pid}").exists()] == []
    hanging.unlink()
